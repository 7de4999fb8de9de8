"""Leave-one-out against models whose answer is known in closed form or by quadrature."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from programs import executable, quick, tiny_data
from scipy import integrate, stats

from pooling import loo
from pooling.draws import Fit, write_fit
from pooling.errors import SamplingError

Y = np.array([0.3, -0.4, 1.1, 0.8, 2.4, -0.9, 0.1, 1.6, 0.5, -0.2])
PRIOR_VARIANCE = 25.0


def conjugate_fit(y: np.ndarray, chains: int = 4, draws: int = 2000) -> Fit:
    """Exact draws of y ~ N(alpha, 1), alpha ~ N(0, 5^2), all houses in the basement."""
    variance = 1 / (1 / PRIOR_VARIANCE + y.size)
    rng = np.random.default_rng(20061)
    alpha = rng.normal(variance * y.sum(), np.sqrt(variance), (chains, draws, 1))
    by_county, by_house = ("chain", "draw", "county"), ("chain", "draw", "house")
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
    log_lik = {"log_lik": (by_house, stats.norm.logpdf(y, alpha, 1))}
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(effects, coords | county),
            "log_likelihood": xr.Dataset(log_lik, coords | house),
            "observed_data": xr.Dataset({"log_radon": ("house", y)}, house),
            "constant_data": xr.Dataset(constants, county | house),
        }
    )
    tree.attrs.update(model="conjugate", study="example", response="log(x + 0.1)")
    return Fit(tree, {"passed": True})


def analytic_loo(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log density and mean of each house given the others, exactly."""
    variance = 1 / (1 / PRIOR_VARIANCE + y.size - 1)
    mean = variance * (y.sum() - y)
    return stats.norm.logpdf(y, mean, np.sqrt(1 + variance)), mean


def test_psis_of_a_conjugate_normal_model_is_the_analytic_loo():
    found = loo.psis(conjugate_fit(Y))
    elpd, mean = analytic_loo(Y)
    # Standard deviation of the posterior mean over 8,000 draws is 0.004; a house
    # at 1.9 standard deviations multiplies it.
    assert found["elpd"].to_numpy() == pytest.approx(elpd, abs=0.02)
    assert found["mean"].to_numpy() == pytest.approx(mean, abs=0.02)
    assert (found["pareto_k"] < 0.5).all()
    # The answers differ by more than that from those in the sample.
    assert abs(mean - Y.mean()).max() > 0.1


def test_psis_names_houses_and_claims_no_refit():
    found = loo.psis(conjugate_fit(Y))
    assert list(found.columns) == loo.COLUMNS
    assert found["house"].tolist() == list(range(701, 711))
    assert not found["refitted"].any()
    assert found["converged"].all()


def test_psis_of_a_fit_that_failed_says_so():
    fit = conjugate_fit(Y)
    assert not loo.psis(Fit(fit.tree, {"passed": False}))["converged"].any()


def test_far_outlier_has_a_high_pareto_k():
    outlier = np.append(Y, 40.0)
    found = loo.psis(conjugate_fit(outlier))
    assert found["pareto_k"].iloc[-1] > loo.MAX_PARETO_K


def test_leave_out_moves_one_house_to_the_end():
    data = {
        "N": 4,
        "J": 3,
        "county": [1, 2, 3, 3],
        "floor_measure": [0, 1, 0, 1],
        "log_radon": [0.1, 0.2, 0.3, 0.4],
        "held_out": 0,
    }
    left = loo.leave_out(data, 1)
    assert left["county"] == [1, 3, 3, 2]
    assert left["floor_measure"] == [0, 0, 1, 1]
    assert left["log_radon"] == [0.1, 0.3, 0.4, 0.2]
    assert (left["N"], left["J"], left["held_out"]) == (4, 3, 1)
    assert data["county"] == [1, 2, 3, 3]


def test_leave_out_of_the_last_house_keeps_the_order():
    data = tiny_data()
    assert loo.leave_out(data, 9) == data | {"held_out": 1}


def stub_run(shift: float = 0.0, divergences: int = 0, log_lik: float = -1.5) -> SimpleNamespace:
    """Four chains x 500 independent draws; `shift` moves the first chain's level."""
    rng = np.random.default_rng(1)
    alpha = rng.normal(1.0, 0.1, (2000, 5))
    alpha[:500] += shift
    values = {
        "alpha": alpha,
        "beta": np.full((2000, 5), -0.5),
        "log_lik": np.full((2000, 1), log_lik),
    }
    return SimpleNamespace(
        stan_variable=values.__getitem__, chains=4, divergences=np.array([divergences, 0, 0, 0])
    )


def test_score_of_a_left_out_house_by_hand():
    data = loo.leave_out(tiny_data(), 8)  # first floor of county 1
    scores = loo.score_left_out(stub_run(), data)
    assert scores["elpd"] == pytest.approx(-1.5)
    assert scores["mean"] == pytest.approx(0.5, abs=0.01)
    assert scores["refitted"] is True
    assert scores["converged"] is True


def test_score_averages_densities_not_their_logarithms():
    run = stub_run()
    halves = np.log(np.where(np.arange(2000) % 2, 0.1, 0.3))[:, None]
    values = {name: run.stan_variable(name) for name in ("alpha", "beta")} | {"log_lik": halves}
    run.stan_variable = values.__getitem__
    assert loo.score_left_out(run, tiny_data())["elpd"] == pytest.approx(np.log(0.2))


@pytest.mark.parametrize("fault", [{"shift": 1.0}, {"divergences": 1}, {"log_lik": -np.inf}])
def test_refit_that_did_not_converge_says_so(fault):
    assert loo.score_left_out(stub_run(**fault), tiny_data())["converged"] is False


@pytest.fixture
def refitted(monkeypatch):
    """Refit the houses of `tiny_data` whose Pareto k is given, with `sample` replaced."""

    def run(answers, **pareto_k: float):
        calls = []

        def sample(program, data, settings, **_):
            calls.append((data["log_radon"][-1], data["held_out"], settings))
            return answers(data, settings)

        monkeypatch.setattr(loo, "sample", sample)
        k = [pareto_k.get(f"house_{house}", 0.1) for house in range(501, 511)]
        scores = pd.DataFrame(
            {
                "house": range(501, 511),
                "elpd": -9.0,
                "mean": 9.0,
                "pareto_k": k,
                "refitted": False,
                "converged": True,
            }
        )
        return loo.refit(Path("pooled"), tiny_data(), quick(), scores), calls

    return run


def test_only_houses_with_a_high_pareto_k_are_refitted(refitted):
    found, calls = refitted(lambda *_: stub_run(), house_503=0.71, house_507=np.nan, house_508=0.7)
    assert found.loc[found["refitted"], "house"].tolist() == [503, 507]
    expected = [-9, -9, -1.5, -9, -9, -9, -1.5, -9, -9, -9]
    assert found["elpd"].to_numpy() == pytest.approx(np.array(expected))
    # Houses 503 and 507 of tiny_data, one at a time.
    assert sorted(call[0] for call in calls) == [0.3, 0.5]
    assert {call[1] for call in calls} == {1}


def test_no_house_to_refit_calls_no_sampler(refitted):
    found, calls = refitted(lambda *_: pytest.fail("sampled"))
    assert calls == []
    assert not found["refitted"].any()


def test_second_try_is_more_careful(refitted):
    def careful_alone(_, settings):
        return stub_run(shift=0.0 if settings.adapt_delta == 0.99 else 1.0)

    found, calls = refitted(careful_alone, house_502=0.9)
    assert [call[2].adapt_delta for call in calls] == [0.8, 0.99]
    assert found.loc[1, "elpd"] == pytest.approx(-1.5)
    assert found.loc[1, "converged"]


@pytest.mark.parametrize(("divergences", "tries"), [(2, 2), (3, 1)])
def test_no_second_try_where_more_than_one_transition_in_a_hundred_diverges(
    refitted, divergences, tries
):
    # quick() has 2 chains x 100 draws.
    _, calls = refitted(lambda *_: stub_run(divergences=divergences), house_502=0.9)
    assert len(calls) == tries


def test_house_whose_refits_do_not_converge_has_no_score(refitted):
    found, calls = refitted(lambda *_: stub_run(shift=1.0), house_502=0.9)
    assert len(calls) == 2
    assert found.loc[1, ["elpd", "mean"]].isna().all()
    assert found.loc[1, "refitted"]
    assert not found.loc[1, "converged"]
    assert found["elpd"].notna().sum() == 9


def test_refit_that_stops_names_the_house(refitted):
    def stop(*_):
        raise SamplingError("pooled: sampling its posterior failed")

    with pytest.raises(SamplingError, match="without house 504: pooled: sampling"):
        refitted(stop, house_504=0.9)


def log_evidence(y: np.ndarray, x: np.ndarray) -> float:
    """Log density of y under `pooled` with N(0, 10) coefficients and half-N(0, 1) sigma.

    Given sigma the houses are normal with covariance sigma^2 I + 100 (1 1' + x x');
    sigma is integrated by quadrature.
    """
    coefficients = 100 * (np.ones((y.size, y.size)) + np.outer(x, x))

    def density(sigma: float) -> float:
        covariance = sigma**2 * np.eye(y.size) + coefficients
        given = stats.multivariate_normal(np.zeros(y.size), covariance).pdf(y)
        return given * stats.halfnorm.pdf(sigma)

    return np.log(integrate.quad(density, 0.05, 8, epsabs=0, epsrel=1e-8, limit=200)[0])


@pytest.mark.parametrize("house", [0, 6, 7])
def test_exact_refit_of_pooled_is_the_loo_by_quadrature(house):
    data = tiny_data()
    y, x = np.array(data["log_radon"]), np.array(data["floor_measure"], dtype=float)
    others = np.arange(y.size) != house
    exact = log_evidence(y, x) - log_evidence(y[others], x[others])
    settings = quick(chains=4, warmup=500, draws=2000)
    data_without = loo.leave_out(data, house)
    run = loo.sample(executable("pooled"), data_without, settings, progress=False)
    found = loo.score_left_out(run, data_without)
    density = np.exp(run.stan_variable("log_lik")[:, 0])
    # Delta method; the draws are worth at least a fifth of their number.
    error = density.std() / density.mean() / np.sqrt(density.size / 5)
    assert found["converged"]
    assert error < 0.05
    assert abs(found["elpd"] - exact) < 4 * error


def test_command_line_scores_a_study_without_pointwise_output_with_an_empty_table(tmp_path):
    write_fit(conjugate_fit(Y).tree, tmp_path / "fit.nc")
    (tmp_path / "sampler.json").write_text(json.dumps(quick(pointwise=False).model_dump()))
    inputs = ["pooled", "fit.nc", "data.json", "coords.json", "sampler.json"]
    loo.main([*(str(tmp_path / name) for name in inputs), "-o", str(tmp_path / "loo.csv")])
    assert (tmp_path / "loo.csv").read_text() == ",".join(loo.COLUMNS) + "\n"


def test_command_line_writes_a_row_a_house(tmp_path):
    write_fit(conjugate_fit(Y).tree, tmp_path / "fit.nc")
    (tmp_path / "diagnostics.json").write_text('{"passed": true}')
    (tmp_path / "sampler.json").write_text(json.dumps(quick().model_dump()))
    (tmp_path / "data.json").write_text(json.dumps(tiny_data()))
    inputs = ["pooled", "fit.nc", "data.json", "coords.json", "sampler.json"]
    loo.main([*(str(tmp_path / name) for name in inputs), "-o", str(tmp_path / "loo.csv")])
    table = pd.read_csv(tmp_path / "loo.csv")
    assert list(table.columns) == loo.COLUMNS
    assert table["house"].tolist() == list(range(701, 711))
    assert table["elpd"].to_numpy() == pytest.approx(analytic_loo(Y)[0], abs=0.02)
