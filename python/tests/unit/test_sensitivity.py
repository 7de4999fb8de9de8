"""Sensitivities against a conjugate model, whose scaled posteriors are known exactly."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from programs import WEAK, executable, quick, small_fit, text_of, tiny_coords, tiny_data
from scipy import integrate, stats

from pooling.checking import sensitivity
from pooling.fits.store import Fit, write_fit
from pooling.inputs.priors import Gamma, InverseGamma, Lkj, Normal, Prior, Priors, Spread
from pooling.scoring import loo

Y = np.array([0.3, -0.4, 1.1, 0.8, 2.4, -0.9, 0.1, 1.6, 0.5, -0.2])
DRAWS = 4000


def posterior_of(prior: float, likelihood: float, scale: float) -> tuple[float, float]:
    """Mean and sd of mu in y ~ N(mu, 1), mu ~ N(0, scale), both raised to powers."""
    precision = prior / scale**2 + likelihood * Y.size
    return likelihood * Y.sum() / precision, precision**-0.5


def conjugate(scale: float) -> tuple[Fit, xr.Dataset, xr.DataArray]:
    """Draws of mu at even quantiles of its posterior, in random order, 4 chains.

    As a fit, as draws, and with the log density of all houses.
    """
    shares = np.random.default_rng(20061).permutation((np.arange(DRAWS) + 0.5) / DRAWS)
    mu = stats.norm.ppf(shares, *posterior_of(1, 1, scale)).reshape(4, -1)
    draws = xr.Dataset(
        {
            "mu_alpha": (("chain", "draw"), mu),
            "alpha": (("chain", "draw", "county"), mu[..., None]),
        }
    )
    log_lik = stats.norm.logpdf(Y, mu[..., None], 1).sum(axis=-1)
    tree = xr.DataTree.from_dict({"posterior": draws})
    tree.attrs.update(model="conjugate", study="example")
    return Fit(tree, {"passed": True}), draws, xr.DataArray(log_lik, dims=("chain", "draw"))


def of_conjugate(scale: float, prior: Prior) -> pd.DataFrame:
    """Table of the conjugate model under a prior of the study."""
    return sensitivity.sensitivity(*conjugate(scale), {"mu_alpha": prior})


def exact_distance(one: tuple[float, float], other: tuple[float, float], reach: float) -> float:
    """Cumulative Jensen-Shannon distance of two normals, eq. 6 to 8 of Kallioinen et al. (2024).

    The greater of the distances of x and of -x, over `reach` standard deviations to either side.
    """
    x = one[0] + one[1] * np.linspace(-reach, reach, 20_001)

    def distance(p, q):
        middle = (p + q) / 2
        divergence = integrate.trapezoid(p * np.log2(p / middle) + q * np.log2(q / middle), x)
        return np.sqrt(divergence / integrate.trapezoid(p + q, x))

    p, q = stats.norm(*one), stats.norm(*other)
    return max(distance(p.cdf(x), q.cdf(x)), distance(p.sf(x), q.sf(x)))


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_a_conjugate_normal_model(scale):
    found = of_conjugate(scale, Normal(loc=0, scale=scale))
    (row,) = found.to_dict("records")
    one, reach = posterior_of(1, 1, scale), stats.norm.ppf(1 - 0.5 / DRAWS)
    for group in ("prior", "likelihood"):
        ends = [
            exact_distance(
                one, posterior_of(**{"prior": 1, "likelihood": 1} | {group: a}, scale=scale), reach
            )
            / abs(np.log2(a))
            for a in (0.99, 1.01)
        ]
        assert row[group] == pytest.approx(np.mean(ends), rel=0.05)
    assert (row["model"], row["parameter"]) == ("conjugate", "mu_alpha")
    assert row["prior_from"] == "study"


def test_priors_of_the_program_go_before_those_of_the_study():
    """The same family gives the same table; another one, edited in the program alone, its own."""
    scale, (fit, draws, log_lik) = 0.5, conjugate(0.5)
    study = {"mu_alpha": Normal(loc=0, scale=scale)}
    (known,) = sensitivity.sensitivity(fit, draws, log_lik, study).to_dict("records")
    for family, same in ((stats.norm, True), (stats.laplace, False)):
        lprior = draws["mu_alpha"].copy(data=family.logpdf(draws["mu_alpha"], 0, scale))
        table = sensitivity.sensitivity(fit, draws.assign(lprior=lprior), log_lik, study)
        (row,) = table.to_dict("records")
        assert row["prior_from"] == "program"
        assert row["likelihood"] == known["likelihood"]
        assert (row["prior"] == pytest.approx(known["prior"], rel=1e-6)) == same
        assert (abs(row["prior"] / known["prior"] - 1) > 0.02) != same


def test_a_prior_against_the_data_is_a_conflict_and_a_wide_one_is_not():
    tight = of_conjugate(0.2, Normal(loc=0, scale=0.2))
    wide = of_conjugate(100.0, Normal(loc=0, scale=100))
    assert tight["diagnosis"].tolist() == ["prior-data conflict"]
    assert wide["diagnosis"].tolist() == ["-"]


@pytest.mark.parametrize(
    ("prior", "likelihood", "worst", "text"),
    [
        (0.04, 0.01, 0.1, "-"),
        (0.05, 0.05, 0.1, "prior-data conflict"),
        (0.06, 0.04, 0.1, "strong prior / weak likelihood"),
        (0.04, 0.30, 0.71, "not trusted"),
        (0.04, 0.30, -np.inf, "-"),
    ],
)
def test_diagnoses(prior, likelihood, worst, text):
    assert sensitivity.diagnosis(prior, likelihood, worst) == text
    assert text in sensitivity.DIAGNOSES


@pytest.mark.parametrize(
    ("prior", "low", "high", "difference"),
    [
        # -(2 - 1)^2 / (2 * 4) + (0 - 1)^2 / (2 * 4) = 0.
        (Normal(loc=1, scale=2), 0.0, 2.0, 0.0),
        (Normal(loc=1, scale=2), 1.0, 3.0, -0.5),
        (Spread(scale=2), 0.0, 2.0, -0.5),
        (Spread(scale=2, upper=5), 0.0, 2.0, -0.5),
        (Spread(upper=100), 0.0, 50.0, 0.0),
        # (1 - 0.6^2)^(3 - 1) = 0.4096.
        (Lkj(shape=3), 0.0, -0.6, np.log(0.4096)),
        # x^(2 - 1) exp(-0.1 x): log 2 - 0.1 * 10.
        (Gamma(shape=2, rate=0.1), 10.0, 20.0, np.log(2) - 1),
        # x^-(1 + 1) exp(-100 / x): -2 log 2 - 100 / 100 + 100 / 50.
        (InverseGamma(shape=1, scale=100), 50.0, 100.0, 1 - 2 * np.log(2)),
    ],
)
def test_densities_by_hand(prior, low, high, difference):
    found = prior.log_density(np.array([low, high]))
    assert found[1] - found[0] == pytest.approx(difference)


def test_log_prior_sums_over_parameters_and_counties(example_fit):
    posterior = example_fit("per_county").tree["posterior"].to_dataset()
    priors = {"beta": Normal(loc=0, scale=10), "sigma": Spread(scale=1)}
    found = sensitivity.log_prior(posterior, priors)
    assert found.dims == ("chain", "draw")
    at = posterior.isel(chain=1, draw=3)
    expected = stats.norm.logpdf(at["beta"], 0, 10).sum() - 0.5 * (at["sigma"].values ** 2).sum()
    assert float(found[1, 3]) == pytest.approx(expected)


def test_only_priors_that_the_program_reads_are_scaled(example_fit):
    posterior = example_fit("pooled").tree["posterior"].to_dataset()
    normalised = (
        "data { real prior_mu_alpha_loc; real prior_sigma_upper; real prior_nu_rate; } model"
    )
    found = sensitivity.scaled_priors(normalised, WEAK, posterior)
    assert found == {"mu_alpha": WEAK.mu_alpha, "sigma": WEAK.sigma}
    without = sensitivity.scaled_priors(normalised, Priors(sigma=Spread(scale=1)), posterior)
    assert list(without) == ["sigma"]


def test_flat_priors_have_no_sensitivity_and_no_weights():
    found = of_conjugate(1.0, Spread(upper=100))
    assert found["prior"].tolist() == [0]
    assert found["prior_pareto_k"].isna().all()
    assert found["diagnosis"].tolist() == ["-"]


def test_weights_with_heavy_tails_are_not_trusted():
    # exp(E / 100)^(0.01) of log densities 100 * E / k: weights Pareto with k, E exponential.
    steps = stats.expon.ppf((np.arange(DRAWS) + 0.5) / DRAWS).reshape(4, -1)
    density = xr.DataArray(100 * 0.9 * steps, dims=("chain", "draw"))
    assert sensitivity.pareto_k(density) == pytest.approx(0.9, abs=0.1)


def test_parameters_by_county_alone_are_an_empty_table(example_fit):
    fit = example_fit("per_county")
    table = sensitivity.sensitivity(fit, fit.tree["posterior"].to_dataset(), None, {})
    assert table.empty
    assert list(table) == sensitivity.COLUMNS


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """Run `loo` on a real fit of `pooled` to the tiny data; the rows of its sensitivities."""
    folder = tmp_path_factory.mktemp("pooled")
    fit = small_fit("pooled", tiny_data(), tiny_coords(), quick(draws=500))
    write_fit(fit.tree, folder / "fit.nc")

    def run(**scores) -> list[dict]:
        contents = {
            "priors": WEAK.model_dump(),
            "data": tiny_data(),
            "sampler": quick().model_dump(),
            "scores": scores,
            "toolchain": {},
            "diagnostics": {"passed": True},
        }
        for name, content in contents.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        (folder / "pooled.normalised").write_text(text_of("pooled"))
        names = ["pooled.normalised", "fit.nc", "data.json", "sampler.json", "scores.json"]
        inputs = [
            folder / name for name in (*names, "toolchain.json", "priors.json", "diagnostics.json")
        ]
        outputs = ["-o", folder / "loo.csv", "--sensitivity", folder / "sensitivity.csv"]
        loo.main([*map(str, [executable("pooled"), *inputs, *outputs])])
        with (folder / "sensitivity.csv").open(newline="") as file:
            reader = csv.DictReader(file)
            assert reader.fieldnames == sensitivity.COLUMNS
            return list(reader)

    return run


def test_the_stage_scales_the_priors_of_the_program(stage):
    rows = stage(leave_out=[])
    assert [row["parameter"] for row in rows] == ["mu_alpha", "mu_beta", "sigma"]
    assert {row["prior_from"] for row in rows} == {"program"}
    # Priors of standard deviation 10 hardly matter to ten houses, these do.
    assert all(float(row["prior"]) < 0.05 < float(row["likelihood"]) for row in rows[:2])


def test_study_without_checks_by_house_has_an_empty_table(stage):
    assert stage(pointwise=False) == []
