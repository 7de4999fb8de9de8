"""Replicated surveys: their groups, their houses, and what they are replications of."""

import json

import numpy as np
import pytest
from programs import executable, quick, small_fit, tiny_coords, tiny_data

from pooling.fits.store import REPLICATIONS, open_fit, write_fit
from pooling.scoring import replicate


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A stored fit of `pooled` with 2 chains x 600 draws and 2 x 100 of the prior."""
    path = tmp_path_factory.mktemp("pooled")
    fit = small_fit("pooled", tiny_data(), tiny_coords(), quick(draws=600))
    write_fit(fit.tree, path / "fit.nc")
    return path


def run(folder, **scores) -> None:
    contents = {"data": tiny_data(), "sampler": quick().model_dump(), "scores": scores}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    files = [executable("pooled"), folder / "fit.nc", *(folder / f"{n}.json" for n in contents)]
    replicate.main([*map(str, files), "-o", str(folder / REPLICATIONS)])


def test_houses_are_those_of_the_survey_under_posterior_and_prior(folder):
    run(folder)
    fit = open_fit(folder)
    # 1,000 evenly spaced draws of 1,200, and all 200 of the prior.
    for group, draws in (("posterior_predictive", 500), ("prior_predictive", 100)):
        y_rep = fit.tree[group]["y_rep"]
        assert y_rep.dims == ("chain", "draw", "house")
        assert y_rep.shape == (2, draws, 10)
        assert y_rep.dtype == np.float32
    kept = np.linspace(0, 599, 500).round().astype(int)
    mean, sigma = fit.expected().values.reshape(2, 600, 10), fit.population()["sigma"]
    z = fit.tree["posterior_predictive"]["y_rep"].values - mean[:, kept]
    z /= sigma.reshape(2, 600, 1)[:, kept]
    # Mean 0 and variance 1 within four standard errors of 10,000 independent draws.
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)


def test_prior_is_as_wide_as_the_study_says(folder):
    run(folder)
    y_rep = open_fit(folder).tree["prior_predictive"]["y_rep"].values.reshape(200, 10)
    basement = y_rep[:, np.array(tiny_data()["floor_measure"]) == 0]
    # mu_alpha ~ N(0, 10), sigma ~ half-N(0, 1): variance 100 + 1, 200 draws of mu_alpha.
    assert basement.std() == pytest.approx(np.sqrt(101), rel=0.3)


def test_study_without_checks_by_house_has_no_groups(folder):
    run(folder, pointwise=False)
    fit = open_fit(folder)
    assert not {"posterior_predictive", "prior_predictive"} & set(fit.tree.children)
    assert "posterior" in fit.tree.children
