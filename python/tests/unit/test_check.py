"""Diagnostics and the estimates table, on fixed draws whose numbers are known.

R-hat and effective sizes are asserted as ranges: what they must be, not what an
implementation gives to the last digit.
"""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pooling.build.errors import ProgramError
from pooling.checking import check
from pooling.checking.check import examine, main
from pooling.fits.convergence import diagnose
from pooling.fits.store import Fit, write_fit
from pooling.fits.summaries import label_parameters, summarize
from pooling.inputs.study import Sampler

CHAINS, DRAWS = 4, 1000
SETTINGS = Sampler(seed=1)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(20061).standard_normal((CHAINS, DRAWS, *shape))


def dataset(**values: np.ndarray) -> xr.Dataset:
    """Variables (chain, draw), or with a third dimension of counties 27001, 27003, ..."""
    dims = ("chain", "draw", "county")
    variables = {name: (dims[: value.ndim], value) for name, value in values.items()}
    counties = max((value.shape[2] for value in values.values() if value.ndim == 3), default=0)
    coords = {"county": 27001 + 2 * np.arange(counties)} if counties else {}
    return xr.Dataset(variables, coords=coords)


def one_row(values: np.ndarray) -> pd.Series:
    return summarize(dataset(mu_alpha=values)).iloc[0]


def test_moments_and_quantiles_of_twenty_one_numbers():
    # 0, 1, ..., 20: mean 10, variance (21^2 - 1) / 12 * 21 / 20 = 38.5, quantiles by position.
    row = one_row(np.arange(21.0).reshape(3, 7))
    assert row["mean"] == 10
    assert row["sd"] == pytest.approx(38.5**0.5)
    assert (row["q5"], row["q50"], row["q95"]) == (1, 10, 19)


def test_independent_draws_are_worth_their_number():
    row = one_row(noise())
    # Their R package gives 3,800 to 4,200 to such draws.
    assert 3500 < row["ess_bulk"] < 4500
    assert 3300 < row["ess_tail"] < 4500
    assert 0.999 < row["r_hat"] < 1.005
    assert row["mcse_mean"] == pytest.approx(1 / np.sqrt(4000), rel=0.1)


def test_autocorrelated_draws_are_worth_what_theory_says():
    # An AR(1) with coefficient 0.9 is worth (1 - 0.9) / (1 + 0.9) of its draws: 211 of 4,000.
    steps, values = noise(), np.empty((CHAINS, DRAWS))
    values[:, 0] = steps[:, 0] / np.sqrt(1 - 0.9**2)
    for i in range(1, DRAWS):
        values[:, i] = 0.9 * values[:, i - 1] + steps[:, i]
    row = one_row(values)
    assert 130 < row["ess_bulk"] < 320
    assert row["mcse_mean"] == pytest.approx(row["sd"] / np.sqrt(211), rel=0.3)


def test_chain_that_disagrees_is_seen():
    values = noise()
    values[0] += 2
    # Between-chain variance of the means 1, within 1: about sqrt(1 + 1) before ranks.
    assert 1.2 < one_row(values)["r_hat"] < 1.6
    assert one_row(values)["ess_bulk"] < 40


def test_chain_that_is_wider_is_seen():
    values = noise()
    values[0] *= 4
    assert one_row(values)["r_hat"] > 1.05


def test_drift_is_seen():
    values = noise() + np.linspace(-2, 2, DRAWS)
    assert one_row(values)["r_hat"] > 1.1


@pytest.mark.parametrize("value", [0.0, 0.1, 0.3, 1e6 / 3])
def test_constant_has_no_diagnostics(value):
    row = one_row(np.full((CHAINS, DRAWS), value))
    assert row["mean"] == pytest.approx(value)
    assert row["sd"] == 0
    assert row[["mcse_mean", "ess_bulk", "ess_tail", "r_hat"]].isna().all()


def test_rows_carry_county_or_index():
    draws = dataset(beta=noise(2), sigma=noise())
    draws["theta"] = (("chain", "draw", "theta_dim_0"), noise(3))
    draws = draws.assign_coords(theta_dim_0=[0, 1, 2])
    table = summarize(draws)
    assert table["variable"].tolist() == ["beta", "beta", "sigma", "theta", "theta", "theta"]
    assert table["county_fips"].fillna(0).tolist() == [27001, 27003, 0, 0, 0, 0]
    assert table["element"].tolist() == ["", "", "", "0", "1", "2"]


def test_label_names_the_county(example_fit):
    table = label_parameters(
        summarize(dataset(beta=noise(4), sigma=noise())), example_fit().counties
    )
    assert table["label"].tolist() == [
        "beta[AITKIN]",
        "beta[ANOKA]",
        "beta[CASS]",
        "beta[MAHNOMEN]",
        "sigma",
    ]
    assert table["houses"].fillna(-1).tolist() == [4, 3, 2, 1, -1]


def stats(**changes: np.ndarray) -> xr.Dataset:
    """Sampler statistics of a sound run of 4 chains x 1,000 draws."""
    sound = {
        "diverging": np.zeros((CHAINS, DRAWS), dtype=bool),
        "tree_depth": np.full((CHAINS, DRAWS), 4),
        "energy": noise(),
    }
    return dataset(**(sound | changes))


def diagnosis(draws: xr.Dataset, sampler: xr.Dataset | None = None, max_treedepth: int = 10):
    summary = summarize(draws)
    summary["label"] = summary["variable"] + summary["county_fips"].map(
        lambda code: "" if pd.isna(code) else f"[{code}]"
    )
    return diagnose(summary, stats() if sampler is None else sampler, max_treedepth)


def test_sound_fit_passes_every_check():
    found = diagnosis(dataset(mu_alpha=noise()))
    assert list(found["checks"]) == [
        "divergences",
        "treedepth_hits",
        "e_bfmi",
        "r_hat",
        "ess_bulk",
        "ess_tail",
    ]
    assert all(value is True for value in found["checks"].values())
    assert (found["chains"], found["draws"]) == (4, 1000)


def failed(found: dict) -> list[str]:
    return [check for check, passed in found["checks"].items() if not passed]


def test_divergences_are_counted():
    flags = np.zeros((CHAINS, DRAWS), dtype=bool)
    flags[1, [3, 5]] = flags[3, 999] = True
    found = diagnosis(dataset(mu_alpha=noise()), stats(diverging=flags))
    assert found["divergences"] == 3
    assert failed(found) == ["divergences"]


def test_tree_depth_counts_from_the_studys_limit():
    depth = np.full((CHAINS, DRAWS), 4)
    depth[0, :7] = 6
    draws = dataset(mu_alpha=noise())
    assert diagnosis(draws, stats(tree_depth=depth), 7)["treedepth_hits"] == 0
    found = diagnosis(draws, stats(tree_depth=depth), 6)
    assert found["treedepth_hits"] == 7
    assert failed(found) == ["treedepth_hits"]


def test_e_bfmi_is_that_of_the_worst_chain():
    # Energies 0, 1, 2, 3: steps 1 + 1 + 1 over squares about 1.5, which are 5: 0.6.
    # Energies 0, 2, 0, 2: steps 4 + 4 + 4 over squares about 1, which are 4: 3.
    energy = np.array([[0.0, 1, 2, 3], [0, 2, 0, 2]])
    calm = {"diverging": energy > 9, "tree_depth": np.ones((2, 4)), "energy": energy}
    found = diagnosis(dataset(mu_alpha=noise()), dataset(**calm))
    assert found["e_bfmi"] == pytest.approx(0.6)


def test_low_e_bfmi_fails():
    # A walk moves little beside its own spread.
    found = diagnosis(dataset(mu_alpha=noise()), stats(energy=noise().cumsum(axis=1)))
    assert found["e_bfmi"] < 0.1
    assert failed(found) == ["e_bfmi"]


def test_worst_parameter_is_named():
    draws = dataset(mu_alpha=noise(), beta=noise(2))
    draws["beta"][0, :, 1] += 2
    found = diagnosis(draws)
    assert found["r_hat"]["parameter"] == "beta[27003]"
    assert found["ess_bulk"]["parameter"] == "beta[27003]"
    assert {"r_hat", "ess_bulk"} <= set(failed(found))


def test_constants_do_not_count():
    found = diagnosis(dataset(mu_alpha=noise(), beta=np.full((CHAINS, DRAWS, 2), 0.1)))
    assert failed(found) == []
    assert found["r_hat"]["parameter"] == "mu_alpha"


@pytest.mark.parametrize("lost", [slice(None), slice(0, 1)])
def test_draws_that_are_no_numbers_fail(lost):
    values = noise(2)
    values[0, lost, 1] = np.nan
    found = diagnosis(dataset(mu_alpha=noise(), beta=values))
    assert found["r_hat"]["parameter"] == "beta[27003]"
    assert set(failed(found)) == {"r_hat", "ess_bulk", "ess_tail"}


def test_effective_size_is_asked_of_every_chain():
    # 4 chains x 150 independent draws: 600 in all, above 400. 4 x 50: 200, below.
    many, few = noise()[:, :150], noise()[:, :50]
    assert "ess_bulk" not in failed(diagnosis(dataset(mu_alpha=many)))
    assert {"ess_bulk", "ess_tail"} <= set(failed(diagnosis(dataset(mu_alpha=few))))


def sound_tree(example_fit, **changes: xr.Dataset) -> xr.DataTree:
    """A fit of four counties that passes the gate, apart from `changes`."""
    fit = example_fit("pooled")
    groups = {name: node.to_dataset() for name, node in fit.tree.children.items()}
    draws = dataset(mu_alpha=noise(), alpha=noise(4), beta=noise(4))
    groups |= {"posterior": draws, "prior": draws}
    groups |= {"sample_stats": stats(), "sample_stats_prior": stats()}
    tree = xr.DataTree.from_dict(groups | changes)
    tree.attrs.update(fit.tree.attrs)
    return tree


def test_posterior_and_prior_are_examined(example_fit):
    flags = np.zeros((CHAINS, DRAWS), dtype=bool)
    flags[0, 0] = True
    bad = stats(diverging=flags)
    assert examine(Fit(sound_tree(example_fit), {}), {}, SETTINGS)[0]["passed"]
    for group, name in (("posterior", "sample_stats"), ("prior", "sample_stats_prior")):
        found, _ = examine(Fit(sound_tree(example_fit, **{name: bad}), {}), {}, SETTINGS)
        assert not found["passed"]
        assert found[group]["divergences"] == 1
        assert found[group]["checks"]["divergences"] is False


def test_estimates_are_the_posteriors(example_fit):
    draws = dataset(mu_alpha=noise() + 100, alpha=noise(4), beta=noise(4))
    _, table = examine(Fit(sound_tree(example_fit, prior=draws), {}), {}, SETTINGS)
    assert list(table.columns) == [
        "model",
        "parameter",
        "county_fips",
        "county",
        "houses",
        "identified",
        "mean",
        "sd",
        "mcse_mean",
        "q5",
        "q50",
        "q95",
        "ess_bulk",
        "ess_tail",
        "r_hat",
    ]
    assert len(table) == 9
    assert abs(table["mean"]).max() < 0.2
    assert set(table["model"]) == {"pooled"}


@pytest.fixture
def checked(example_fit, tmp_path, monkeypatch):
    """Store a fit, check it by the command line, return its folder.

    No program made it; that its two likelihoods are compared is for `test_edited_programs`.
    """
    monkeypatch.setattr(check, "check_likelihood", lambda *_: None)
    (tmp_path / "data.json").write_text("{}")
    (tmp_path / "sampler.json").write_text(SETTINGS.model_dump_json())
    (tmp_path / "models.json").write_text(json.dumps({"use": [], "allowed_to_fail": {}}))

    def run(allowed: dict[str, str] | None = None, **changes: xr.Dataset):
        write_fit(sound_tree(example_fit, **changes), tmp_path / "fit.nc")
        models = {"use": [], "allowed_to_fail": allowed or {}}
        (tmp_path / "models.json").write_text(json.dumps(models))
        names = ("pooled", "fit.nc", "data.json", "models.json", "sampler.json")
        inputs = [str(tmp_path / name) for name in names]
        outputs = ["-o", str(tmp_path / "diagnostics.json")]
        main([*inputs, *outputs, "--estimates", str(tmp_path / "estimates.csv")])
        return tmp_path

    return run


@pytest.fixture
def bad():
    """Draws of which one parameter disagrees between chains."""
    draws = dataset(mu_alpha=noise(), alpha=noise(4), beta=noise(4))
    draws["beta"][0, :, 2] += 2
    return draws


def test_sound_fit_leaves_diagnostics_and_estimates(checked):
    folder = checked()
    found = json.loads((folder / "diagnostics.json").read_text())
    assert found["passed"] is True
    assert found["allowed_to_fail"] is None
    estimates = pd.read_csv(folder / "estimates.csv")
    assert estimates["parameter"].tolist()[:2] == ["mu_alpha", "alpha"]
    assert estimates.loc[1, "county"] == "AITKIN"
    assert found["sampler"] == SETTINGS.model_dump()


def test_program_whose_likelihoods_differ_is_refused(checked, monkeypatch):
    asked = []

    def differ(fit, executable, data, seed):
        asked.append((fit.model, executable.name, data, seed))
        raise ProgramError("stan/pooled.stan: differ")

    folder = checked()
    (folder / "diagnostics.json").unlink()
    monkeypatch.setattr(check, "check_likelihood", differ)
    with pytest.raises(ProgramError, match="differ"):
        checked()
    assert asked == [("pooled", "pooled", {}, SETTINGS.seed)]
    assert not (folder / "diagnostics.json").exists()


def test_failing_fit_is_recorded_like_any_other(checked, bad):
    """Limits: R-hat of Vehtari et al. (2021), and 100 effective draws a chain."""
    folder = checked(posterior=bad)
    found = json.loads((folder / "diagnostics.json").read_text())
    assert (found["passed"], found["allowed_to_fail"]) == (False, None)
    assert found["posterior"]["checks"]["r_hat"] is False
    assert found["posterior"]["r_hat"]["parameter"] == "beta[CASS]"
    assert found["limits"]["r_hat"] == 1.01
    assert found["limits"]["ess_bulk"] == 100 * CHAINS
    assert (folder / "estimates.csv").exists()
    assert [path.name for path in folder.glob("*failed*")] == []


def test_allowed_failure_goes_on_with_its_reason(checked, bad):
    folder = checked({"pooled": "it is the bad example"}, posterior=bad)
    found = json.loads((folder / "diagnostics.json").read_text())
    assert found["passed"] is False
    assert found["allowed_to_fail"] == "it is the bad example"
    assert (folder / "estimates.csv").exists()


def test_another_models_excuse_does_not_count(checked, bad):
    folder = checked({"per_county": "not this one"}, posterior=bad)
    assert json.loads((folder / "diagnostics.json").read_text())["allowed_to_fail"] is None
