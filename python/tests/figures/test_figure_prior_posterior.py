import numpy as np
import pytest

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import save
from pooling.figures.prior_posterior import density, frame, plot
from pooling.inputs.study import Figures

COLUMNS = ["study", "model", "label", "parameter", "value", "prior", "posterior"]


def test_a_density_of_positive_draws_does_not_fall_off_at_zero():
    draws = (np.arange(2000) + 0.5) / 2000
    # Even from 0 to 1; half of the kernel at 0 lies below it.
    assert density(draws, np.array([0.0, 0.5]), True) == pytest.approx([1, 1], rel=0.02)
    assert density(draws, np.array([0.0, 0.5]), False) == pytest.approx([0.5, 1], rel=0.02)


def test_frame_has_every_population_parameter_of_every_model(example_fit):
    fits = [example_fit(name) for name in ("hierarchical_uranium", "per_county", "pooled")]
    rows = frame(fits, Figures())
    assert list(rows.columns) == COLUMNS
    by_model = rows.groupby("model")["parameter"].unique().map(list).to_dict()
    assert by_model == {
        "pooled": ["mu_alpha", "mu_beta", "sigma"],
        "hierarchical_uranium": [
            *("mu_alpha", "mu_beta", "gamma_alpha", "gamma_beta"),
            *("sigma_alpha", "sigma_beta", "sigma"),
        ],
    }
    assert list(rows["label"].cat.categories) == ["pooled", "hierarchical_uranium"]


def test_densities_are_those_of_prior_and_posterior(example_fit):
    rows = frame([example_fit("pooled")], Figures())
    sigma = rows[rows["parameter"] == "sigma"]
    # Posterior 1.7 + 0.5 * (-1.2, ..., 1.2), prior twice that: 2.2 to 4.6, or 1.1 to 2.3 doubled.
    assert sigma["value"].agg(["min", "max"]).tolist() == pytest.approx([1.04, 2.36], abs=0.01)
    middle = sigma.iloc[(sigma["value"] - 1.7).abs().argmin()]
    # The draws are even over a width of 1.25: density 0.8.
    assert middle["posterior"] == pytest.approx(0.8, rel=0.1)
    assert middle["prior"] < 0.1
    assert sigma["prior"].iloc[-1] > sigma["prior"].iloc[0]


def test_models_without_population_parameters_have_nothing_to_show(example_fit):
    with pytest.raises(NothingToShow):
        frame([example_fit("per_county")], Figures())


@pytest.mark.parametrize("models", [1, 4, 15])
def test_draws_any_number_of_models(example_fit, tmp_path, models):
    fits = [example_fit(f"a_model_with_a_long_name_{i}", converged=i > 0) for i in range(models)]
    drawn = plot(frame(fits, Figures()))
    target = tmp_path / "prior.png"
    save(drawn, [target], "Title\n\nText.")
    assert target.stat().st_size > 5000
    assert drawn.data["line"].max() < models
