"""Other priors against a conjugate answer, and what is said of sets that fail."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import build_fit
from programs import WEAK, executable, quick, tiny_coords, tiny_data

from pooling.build.errors import SamplingError
from pooling.checking import other_priors
from pooling.fits.store import open_fit, write_fit
from pooling.fitting.chains import read_chains
from pooling.fitting.fit import as_tree
from pooling.fitting.sampling import sample
from pooling.inputs.priors import Normal, Priors, Spread
from pooling.inputs.study import OtherPriors

NARROW = WEAK.replaced_by(Priors(mu_beta=Normal(loc=3, scale=0.001)))


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    """Folder of a fit of `pooled` to the tiny data, which passed."""
    folder = tmp_path_factory.mktemp("pooled")
    program, settings = executable("pooled"), quick(draws=400)
    chains = [
        sample(program, tiny_data(), settings, prior=p, progress=False, take=read_chains)
        for p in (False, True)
    ]
    tree = as_tree(*chains, tiny_data(), tiny_coords())
    tree.attrs.update(model="pooled", study="tiny", response="log(x + 0.1)", parameters="mu_alpha")
    write_fit(tree, folder / "fit.nc")
    passed = {"passed": True, "posterior": {"checks": {"r_hat": True}}}
    (folder / "diagnostics.json").write_text(json.dumps(passed))
    return folder


def run(folder, sets: dict[str, Priors], **changes) -> pd.DataFrame:
    contents = {
        "data.json": tiny_data(),
        "sampler.json": quick(draws=400, **changes).model_dump(),
        "other_priors.json": OtherPriors(sets=sets).model_dump(),
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))
    inputs = [
        executable("pooled"),
        *(folder / name for name in (*contents, "fit.nc", "diagnostics.json")),
    ]
    other_priors.main([*map(str, inputs), "-o", str(folder / "other_priors.csv")])
    return pd.read_csv(folder / "other_priors.csv", keep_default_na=False)


def test_a_prior_that_fixes_a_slope_fixes_it(pooled):
    table = run(pooled, {"narrow": NARROW}).set_index(["priors", "parameter"])
    assert list(table.index.unique("priors")) == ["study", "narrow"]
    # The prior is a thousandth wide, so the posterior lies at 3.
    slope = table.loc["narrow", :].loc["mu_beta"]
    assert slope["mean"] == pytest.approx(3, abs=0.005)
    assert slope["sd"] == pytest.approx(0.001, rel=0.3)
    own = table.loc["study", :].loc["mu_beta"]
    assert slope["shift"] == pytest.approx((slope["mean"] - own["mean"]) / own["sd"], rel=1e-4)
    assert slope["shift"] > 3
    assert (table.loc["study", :]["shift"] == 0).all()


def test_the_studys_own_rows_are_those_of_its_fit(pooled):
    table = run(pooled, {"narrow": NARROW})
    draws = open_fit(pooled).population()["sigma"]
    row = table.query("priors == 'study' and parameter == 'sigma'").iloc[0]
    assert row["mean"] == pytest.approx(draws.mean(), rel=1e-5)
    assert row["q95"] == pytest.approx(np.quantile(draws, 0.95), rel=1e-5)
    assert bool(row["passed"])


def test_a_set_that_fails_the_gate_is_flagged(pooled):
    table = run(pooled, {"same": WEAK}, max_treedepth=1)
    failed = table[table["priors"] == "same"]
    assert not failed["passed"].any()
    assert failed["failed"].str.contains("treedepth_hits").all()
    assert table[table["priors"] == "study"]["passed"].all()


def test_a_set_that_cannot_be_sampled_is_named(pooled, monkeypatch):
    def stopped(*_, **__):
        raise SamplingError("pooled: sampling its posterior failed")

    monkeypatch.setattr(other_priors, "sample", stopped)
    with pytest.raises(SamplingError, match=r"under \[other_priors\.narrow\]: pooled: sampling"):
        run(pooled, {"narrow": NARROW})


def test_without_other_priors_the_table_is_empty(pooled):
    table = run(pooled, {})
    assert table.empty
    assert list(table) == other_priors.COLUMNS


def test_a_set_that_changes_no_prior_of_the_program_is_left_out(pooled):
    elsewhere = WEAK.replaced_by(Priors(sigma_alpha=Spread(scale=7)))
    table = run(pooled, {"elsewhere": elsewhere, "narrow": NARROW})
    assert table["priors"].unique().tolist() == ["study", "narrow"]
    assert run(pooled, {"elsewhere": elsewhere}).empty


def test_without_population_parameters_nothing_is_sampled(tmp_path, monkeypatch):
    monkeypatch.setattr(other_priors, "sample", lambda *_, **__: pytest.fail("sampled"))
    write_fit(build_fit("per_county").tree, tmp_path / "fit.nc")
    (tmp_path / "diagnostics.json").write_text('{"passed": true}')
    assert run(tmp_path, {"narrow": NARROW}).empty


def test_a_parameter_that_does_not_vary_has_no_shift():
    row = {"parameter": "mu", "mean": 1.0, "sd": 0.0} | dict.fromkeys(("mcse_mean", "q5", "q95"))
    own = pd.DataFrame([row | {"priors": "study", "passed": True, "failed": ""}])
    table = other_priors.combined(own, [own.assign(priors="wide", mean=2.0, sd=1.0)], "foo")
    assert table["shift"].isna().all()
    assert table["model"].tolist() == ["foo", "foo"]


def test_what_the_sampler_moves_instead_of_a_parameter_is_left_out():
    """`Fit.population` leaves sigma_free out of the study's own rows."""
    numbers = dict.fromkeys(other_priors.NUMBERS, 1.0) | {"passed": True, "failed": ""}
    own = pd.DataFrame([{"parameter": "sigma", "priors": "study"} | numbers])
    wide = [{"parameter": name, "priors": "wide"} | numbers for name in ("sigma", "sigma_free")]
    table = other_priors.combined(own, [pd.DataFrame(wide)], "foo")
    assert table[["priors", "parameter"]].values.tolist() == [["study", "sigma"], ["wide", "sigma"]]
