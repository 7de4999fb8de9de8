"""Leave-one-out against models whose answer is known in closed form or by quadrature."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import build_fit
from programs import executable, quick, small_fit, text_of, tiny_coords, tiny_data
from scipy import stats

from pooling.fits.store import Fit, write_fit
from pooling.fitting.refits import failed_refit
from pooling.scoring import loo

Y = np.array([0.3, -0.4, 1.1, 0.8, 2.4, -0.9, 0.1, 1.6, 0.5, -0.2])
PRIOR_VARIANCE = 25.0
CONJUGATE = loo.Program("conjugate", "", Path("conjugate"))
INPUTS = ("pooled", "pooled.normalised", "fit.nc", "data.json", "sampler.json", "scores.json")
INPUTS += ("toolchain.json", "priors.json", "diagnostics.json")


def conjugate_fit(y: np.ndarray, chains: int = 4, draws: int = 2000) -> Fit:
    """Exact draws of y ~ N(alpha, 1), alpha ~ N(0, 5^2), all houses in the basement."""
    variance = 1 / (1 / PRIOR_VARIANCE + y.size)
    rng = np.random.default_rng(20061)
    alpha = rng.normal(variance * y.sum(), np.sqrt(variance), (chains, draws, 1))
    by_county = ("chain", "draw", "county")
    coords = {"chain": range(chains), "draw": range(draws)}
    county, house = {"county": [27001]}, {"house": 701 + np.arange(y.size)}
    constants = {
        "house_county": ("house", np.full(y.size, 27001)),
        "floor_measure": ("house", np.zeros(y.size)),
        "county_name": ("county", np.array(["AITKIN"], dtype=object)),
        "state_name": ("county", np.array(["MN"], dtype=object)),
        "houses": ("county", [y.size]),
        "first_floor_houses": ("county", [0]),
    }
    effects = {"alpha": (by_county, alpha), "beta": (by_county, np.zeros_like(alpha))}
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(effects, coords | county),
            "prior": xr.Dataset(effects, coords | county),
            "adaptation": xr.Dataset({"step_size": ("chain", [0.5] * chains)}).assign(
                inv_metric=(("chain", "unconstrained"), [[1.0]] * chains)
            ),
            "observed_data": xr.Dataset({"log_radon": ("house", y)}, house),
            "constant_data": xr.Dataset(constants, county | house),
        }
    )
    about = {"model": "conjugate", "study": "example", "response": "log(x + 0.1)"}
    tree.attrs.update(about, parameters="alpha beta")
    return Fit(tree, {"passed": True})


def conjugate_data(y: np.ndarray) -> dict:
    """Its houses as Stan data."""
    by_house = {"county": [1] * y.size, "floor_measure": [0.0] * y.size, "log_radon": y.tolist()}
    return {"N": y.size, "J": 1} | by_house


@pytest.fixture(autouse=True)
def predicts(monkeypatch, request):
    """The conjugate model in the place of CmdStan, but where a test runs a real program."""
    if "real" in request.fixturenames:
        return

    def predict(fit, executable, data, houses, seed):
        posterior = fit.tree["posterior"].to_dataset()
        alpha, y = posterior["alpha"].values, np.asarray(houses["log_radon_new"])
        noise = np.random.default_rng(seed).normal(size=(*alpha.shape[:2], y.size))
        dims = ("chain", "draw", "new")
        density = (dims, stats.norm.logpdf(y, alpha, 1))
        return posterior.assign(log_lik=density, y_rep=(dims, alpha + noise))

    monkeypatch.setattr(loo, "predict", predict)


@pytest.fixture
def real():
    """Asked for by tests that run CmdStan's generated quantities."""


def psis(y: np.ndarray, passed: bool = True) -> pd.DataFrame:
    fit = Fit(conjugate_fit(y).tree, {"passed": passed})
    return loo.psis(fit, CONJUGATE, conjugate_data(y), seed=1)[0]


def analytic_loo(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log density and mean of each house given the others, exactly."""
    variance = 1 / (1 / PRIOR_VARIANCE + y.size - 1)
    mean = variance * (y.sum() - y)
    return stats.norm.logpdf(y, mean, np.sqrt(1 + variance)), mean


def test_psis_of_a_conjugate_normal_model_is_the_analytic_loo():
    found = psis(Y)
    elpd, mean = analytic_loo(Y)
    # Standard deviation of the posterior mean over 8,000 draws is 0.004; a house
    # at 1.9 standard deviations multiplies it.
    assert found["elpd"].to_numpy() == pytest.approx(elpd, abs=0.02)
    assert found["mean"].to_numpy() == pytest.approx(mean, abs=0.02)
    assert (found["pareto_k"] < 0.5).all()
    # Left out, a house is normal about that mean; 8,000 replications place it within 0.025.
    spread = np.sqrt(1 + 1 / (1 / PRIOR_VARIANCE + Y.size - 1))
    assert found["pit"].to_numpy() == pytest.approx(stats.norm.cdf(Y, mean, spread), abs=0.025)
    # The answers differ by more than that from those in the sample.
    assert abs(mean - Y.mean()).max() > 0.1
    # Seen, a house is normal about the posterior mean.
    variance = 1 / (1 / PRIOR_VARIANCE + Y.size)
    seen = stats.norm.logpdf(Y, variance * Y.sum(), np.sqrt(1 + variance))
    assert found["lpd"].to_numpy() == pytest.approx(seen, abs=0.02)


def test_houses_are_predicted_a_block_at_a_time(monkeypatch):
    whole = psis(Y)
    monkeypatch.setattr(loo, "BLOCK", 4)
    parts = psis(Y)
    assert parts["house"].tolist() == whole["house"].tolist()
    # All but the replications are the same draws.
    same = whole.columns.drop("pit")
    pd.testing.assert_frame_equal(parts[same], whole[same], rtol=1e-6)


def test_density_of_all_houses_is_summed_over_blocks(monkeypatch):
    """At each draw of alpha it is the sum of the logarithms of the normal densities of `Y`."""
    monkeypatch.setattr(loo, "BLOCK", 4)
    fit = conjugate_fit(Y)
    _, draws = loo.psis(fit, CONJUGATE, conjugate_data(Y), seed=1)
    expected = stats.norm.logpdf(Y, fit.tree["posterior"]["alpha"].values, 1).sum(axis=-1)
    assert draws["log_lik"].dims == ("chain", "draw")
    assert draws["log_lik"].values == pytest.approx(expected)


@pytest.mark.parametrize("block", [4, 5, 100])
def test_generated_effects_are_the_same_in_all_blocks(real, block, monkeypatch):
    """Also in the last, which has fewer houses: their densities add up at one set of effects."""
    monkeypatch.setattr(loo, "BLOCK", block)
    data = tiny_data()
    fit = small_fit("hierarchical_marginal", data, tiny_coords(), quick())
    name = "hierarchical_marginal"
    program = loo.Program(name, text_of(name), executable(name))
    _, draws = loo.psis(fit, program, data, seed=1)
    county, floor = np.array(data["county"]) - 1, np.array(data["floor_measure"])
    mean = draws["alpha"].values[..., county] + draws["beta"].values[..., county] * floor
    sigma = draws["sigma"].values[..., None]
    expected = stats.norm.logpdf(data["log_radon"], mean, sigma).sum(axis=-1)
    assert draws["log_lik"].values == pytest.approx(expected, rel=1e-6)


def test_psis_names_houses_and_claims_no_refit():
    found = psis(Y)
    assert set(found.columns) == set(loo.COLUMNS)
    assert found["house"].tolist() == list(range(701, 711))
    assert not found["refitted"].any()
    assert found["converged"].all()


def test_psis_of_a_fit_that_failed_says_so():
    assert not psis(Y, passed=False)["converged"].any()


def test_far_outlier_has_a_high_pareto_k():
    outlier = np.append(Y, 40.0)
    found = psis(outlier)
    assert found["pareto_k"].iloc[-1] > loo.MAX_PARETO_K


@pytest.fixture
def refitted(monkeypatch, tmp_path):
    """Refit the houses of `tiny_data` whose Pareto k is given; every refit gives the same."""

    def run(converged: bool = True, **pareto_k: float):
        asked = {}

        def answer(program, data, folds, settings, kept, scheduler):
            asked.update(folds)
            scores = {"elpd": [-1.5], "mean": [0.5], "mcse": [0.01], "pit": [0.25]}
            return {fold: scores | {"converged": [converged]} for fold in folds}

        monkeypatch.setattr(loo, "run_refits", answer)
        k = [pareto_k.get(f"house_{house}", 0.1) for house in range(501, 511)]
        known = {"elpd": -9.0, "mean": 9.0, "mcse": 0.0, "pit": 0.5, "lpd": -8.0, "pareto_k": k}
        known |= {"house": range(501, 511), "refitted": False, "converged": True}
        program = loo.Program("pooled", text_of("pooled"))
        fit = build_fit("pooled")
        scores = pd.DataFrame(known)
        return loo.leave_out(fit, program, tiny_data(), quick(), scores, tmp_path), asked

    return run


def test_only_houses_with_a_high_pareto_k_are_refitted(refitted):
    found, asked = refitted(house_503=0.71, house_507=np.nan, house_508=0.7)
    assert asked == {"house 503": [2], "house 507": [6]}
    assert found.loc[found["refitted"], "house"].tolist() == [503, 507]
    expected = [-9, -9, -1.5, -9, -9, -9, -1.5, -9, -9, -9]
    assert found["elpd"].to_numpy() == pytest.approx(np.array(expected))
    assert found["pit"].to_numpy()[[1, 2]] == pytest.approx([0.5, 0.25])


def test_no_house_to_refit_changes_nothing(refitted):
    found, asked = refitted()
    assert asked == {}
    assert not found["refitted"].any()


def test_house_whose_refits_do_not_converge_has_no_score(refitted):
    found, _ = refitted(converged=False, house_502=0.9)
    assert found.loc[1, ["elpd", "mean", "mcse", "pit"]].isna().all()
    assert found.loc[1, "refitted"]
    assert not found.loc[1, "converged"]
    assert found["elpd"].notna().sum() == 9


def with_common_slope(fit: Fit) -> Fit:
    posterior = fit.tree["posterior"].to_dataset()
    beta = posterior["beta"].isel(county=[0] * posterior.sizes["county"]).values
    fit.tree["posterior"] = posterior.assign(beta=posterior["beta"].copy(data=beta))
    return fit


def test_house_that_alone_informs_an_effect_is_not_left_to_psis(example_fit):
    # ANOKA has one house on the first floor (5087), MAHNOMEN one house (5090).
    own = example_fit("per_county")
    assert np.flatnonzero(loo.only_informant(own)).tolist() == [6, 9]
    # A slope that is the same in all counties is known without ANOKA's house.
    assert np.flatnonzero(loo.only_informant(with_common_slope(own))).tolist() == [9]
    # Where nothing or a population is behind the effects they are never the prior's alone.
    assert not loo.only_informant(example_fit("pooled")).any()
    assert not loo.only_informant(example_fit("hierarchical_noncentered")).any()


def test_house_that_alone_informs_a_slope_is_left_out_exactly(real, monkeypatch, tmp_path):
    """County 3 with one house on each floor, log radon .3 above and .6 below, each on its own.

    Given sigma, the first floor's house is normal about the mean of alpha given the other
    one, .6 * 100 / (100 + sigma^2), as the prior of beta has mean 0; its variance is that of
    alpha, 100 sigma^2 / (100 + sigma^2), of beta, 100, and sigma^2. Sigma comes from the prior
    and from the other house, N(.6 | 0, 100 + sigma^2), by quadrature.
    """
    data = tiny_data(county=[1, 1, 1, 2, 2, 2, 3, 3, 1, 2])
    sigma = np.linspace(0, 6, 6001)[1:]
    total = 100 + sigma**2
    weight = stats.halfnorm.pdf(sigma) * stats.norm.pdf(0.6, 0, np.sqrt(total))
    weight /= weight.sum()
    mean = 0.6 * 100 / total
    spread = np.sqrt(100 * sigma**2 / total + 100 + sigma**2)
    elpd = np.log((weight * stats.norm.pdf(0.3, mean, spread)).sum())

    asked = {}

    def unconverged(program, data, folds, *_):
        asked.update(folds)
        return {fold: failed_refit(1, "") for fold in folds}

    monkeypatch.setattr(loo, "run_refits", unconverged)
    program = loo.Program("per_county", text_of("per_county"), executable("per_county"))
    settings = quick(chains=4, warmup=1000, draws=1000)
    # tiny_coords, with county 3 of two houses.
    numbers = {"houses": [4, 4, 2, 0, 0], "first_floor_houses": [2, 2, 1, 0, 0]}
    county = [27001, 27001, 27001, 27003, 27003, 27003, 27005, 27005, 27001, 27003]
    coords = tiny_coords() | numbers | {"house_county": county}
    fit = small_fit("per_county", data, coords, settings)
    scores, _ = loo.psis(fit, program, data, 1)
    found = loo.leave_out(fit, program, data, settings, scores, tmp_path)
    assert "house 507" not in asked
    assert found["refitted"].sum() == len(asked)
    assert found.at[6, "pareto_k"] <= loo.MAX_PARETO_K
    # 4,000 draws of a standard deviation of 10: Monte Carlo errors of .16 and .04.
    assert found.at[6, "mean"] == pytest.approx((weight * mean).sum(), abs=0.7)
    assert found.at[6, "elpd"] == pytest.approx(elpd, abs=0.2)
    share = (weight * stats.norm.cdf(0.3, mean, spread)).sum()
    assert found.at[6, "pit"] == pytest.approx(share, abs=0.04)
    assert elpd < -3
    assert scores.at[6, "elpd"] > elpd + 1, "what PSIS alone would say"


@pytest.mark.parametrize("scores", [{"pointwise": False}, {"leave_out": ["loco"]}])
def test_study_that_leaves_no_house_out_has_an_empty_table(tmp_path, scores):
    write_fit(conjugate_fit(Y).tree, tmp_path / "fit.nc")
    write_inputs(tmp_path, Y, {"passed": True}, **scores)
    run_stage(tmp_path)
    assert (tmp_path / "loo.csv").read_text() == ",".join(loo.COLUMNS) + "\n"


def test_draws_that_mean_something_else_beside_further_houses_are_not_used(real):
    """The unit in which `hierarchical_marginal` moves is the spread of all houses that it has."""
    fit = small_fit("hierarchical_marginal", tiny_data(), tiny_coords(), quick())
    program = loo.Program(fit.model, text_of(fit.model), executable(fit.model))
    assert loo.has_conditional_density(program)
    assert loo.conditional_loo(fit, program, tiny_data(), [0, 6], seed=1) is None


def write_inputs(folder, y: np.ndarray, diagnostics: dict, **scores) -> None:
    """What the stage reads beside the fit."""
    contents = {
        "diagnostics.json": diagnostics,
        "data.json": conjugate_data(y),
        "sampler.json": quick().model_dump(),
        "scores.json": scores,
        "pooled.normalised": {},
        "toolchain.json": {},
        "priors.json": {},
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))


def run_stage(folder) -> None:
    outputs = ["-o", folder / "loo.csv", "--sensitivity", folder / "sensitivity.csv"]
    loo.main([*map(str, [*(folder / name for name in INPUTS), *outputs])])


def test_fit_that_failed_is_not_refitted(tmp_path):
    outlier = np.append(Y, 40.0)
    write_fit(conjugate_fit(outlier).tree, tmp_path / "fit.nc")
    write_inputs(tmp_path, outlier, {"passed": False, "allowed_to_fail": "to show it"})
    run_stage(tmp_path)
    table = pd.read_csv(tmp_path / "loo.csv")
    assert table["elpd"].isna().tolist() == [False] * 10 + [True]
    assert not table["refitted"].any()


def test_command_line_writes_a_row_a_house(tmp_path):
    write_fit(conjugate_fit(Y).tree, tmp_path / "fit.nc")
    write_inputs(tmp_path, Y, {"passed": True})
    run_stage(tmp_path)
    table = pd.read_csv(tmp_path / "loo.csv")
    assert list(table.columns) == loo.COLUMNS
    assert table["house"].tolist() == list(range(701, 711))
    assert table["elpd"].to_numpy() == pytest.approx(analytic_loo(Y)[0], abs=0.02)
