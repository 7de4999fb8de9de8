"""Reference draws: posteriordb's data, densities, checks and format.

posteriordb is https://github.com/stan-dev/posteriordb; densities are written from its
`posterior_database/models/stan/radon_*.stan`.
"""

import json
import re
import zipfile
from functools import cache

import numpy as np
import pytest
from programs import ROOT, executable, quick
from scipy import linalg, special, stats

from pooling.build.errors import DiagnosticsError, StudyError
from pooling.checking import reference, reference_table
from pooling.fitting.chains import read_chains
from pooling.fitting.sampling import sample
from pooling.inputs.tables import read_counties, read_houses

MAKE = (ROOT / "python/pooling/checking/reference.mk").read_text(encoding="utf-8")
# Program by model of posteriordb, as make has them.
PROGRAMS = {f"radon_{m}": program for m, program in re.findall(r"call draws,(\w+),(\w+)", MAKE)}


def test_every_model_has_a_program():
    assert set(PROGRAMS) == set(reference.PARAMETERS)


@cache
def tables():
    return read_houses(ROOT / "data/households.csv"), read_counties(ROOT / "data/counties.csv")


def minnesota(model="radon_pooled"):
    return reference.radon_mn(model, *tables())


# ---- Data


def test_data_are_posteriordbs():
    data = minnesota()
    # posterior_database/posteriors/radon_mn-radon_variable_intercept_centered.json: alpha 85.
    assert (data["N"], data["J"]) == (919, 85)
    # Counties by name, as R's factor() in radon.R: AITKIN with 4 houses is the first, ST LOUIS
    # with 116 (data/README.md) the 70th, after SIBLEY.
    houses = np.bincount(data["county"], minlength=86)
    assert (houses[1], houses[70], houses.max()) == (4, 116, 116)
    # The first rows of PyMC's radon.csv (pymc-examples, examples/data), in AITKIN.
    aitkin = np.array(data["county"]) == 1
    assert np.array(data["floor_measure"])[aitkin].tolist() == [1, 0, 0, 0]
    first = [0.8329091229351040, 0.8329091229351040, 1.0986122886681100, 0.09531017980432490]
    assert np.array(data["log_radon"])[aitkin] == pytest.approx(first, abs=1e-12)
    assert data["log_uranium"][0] == pytest.approx(np.log(0.502054 + 0.1), abs=1e-12)


def pooled_means(floor, log_radon):
    """Posterior means of alpha, beta and sigma_y under radon_pooled.stan, by quadrature."""
    design = np.column_stack([np.ones(len(floor)), floor])
    y, n = np.asarray(log_radon), len(floor)
    crossed, with_y = design.T @ design, design.T @ y
    sd = np.std(y - design @ np.linalg.solve(crossed, with_y))
    grid = sd * np.linspace(1 - 8 / np.sqrt(2 * n), 1 + 8 / np.sqrt(2 * n), 801)
    means, weight = [], []
    for sigma in grid:
        precision = crossed / sigma**2 + np.eye(2) / 100
        means.append(np.linalg.solve(precision, with_y / sigma**2))
        fit = y @ y / sigma**2 - means[-1] @ precision @ means[-1]
        determinant = np.linalg.slogdet(precision)[1]
        weight.append(-n * np.log(sigma) - (determinant + fit + sigma**2) / 2)
    probability = special.softmax(weight)
    return [*(probability @ np.array(means)), probability @ grid]


def test_the_only_published_reference_of_these_houses_agrees():
    # .../summary_statistics/mean_value/mean_value/radon_mn-radon_pooled.json and its mcse_mean.
    published = [1.362768223, -0.5870352011, 0.7909829463]
    error = np.array([0.00029095, 0.00070790, 0.00018811])
    data = minnesota()
    found = pooled_means(data["floor_measure"], data["log_radon"])
    assert np.abs((np.array(found) - published) / error).max() < 4


def test_radon_all_takes_an_unknown_floor_for_the_ninth():
    """Why `radon_all` has no draws here: its `floor_measure` is the code, 9 if unknown."""
    houses, counties = (table.rows for table in tables())
    codes = counties.loc[counties["lon"].notna(), "county_fips"]
    known = houses[houses["county_fips"].isin(codes)]
    assert len(known) == 12_573  # N of radon_all
    assert (known["floor"] == 9).sum() == 284
    # .../mean_value/radon_all-radon_pooled.json and its mcse_mean.
    published = [0.9612415256, -0.1519636617, 1.058812244]
    error = np.array([9.898e-5, 6.890e-5, 6.620e-5])
    log_radon = np.log(known["activity"] + 0.1)
    as_codes = pooled_means(known["floor"], log_radon)
    assert np.abs((np.array(as_codes) - published) / error).max() < 4
    two = known["floor"] < 2
    assert pooled_means(known["floor"][two], log_radon[two])[1] < -0.8, "the floor's real slope"


# ---- Densities


def effects_integrated_out(model, p, data):
    """Log density of posteriordb's model at scalars `p`, its county effects integrated out.

    All are normal: what varies between counties adds to the covariance of their houses.
    """
    y, x = (np.array(data[name]) for name in ("log_radon", "floor_measure"))
    by_county = np.eye(data["J"])[np.array(data["county"]) - 1]
    same, floors = by_county @ by_county.T, (by_county * x[:, None]) @ (by_county * x[:, None]).T
    log_uppm = by_county @ np.array(data["log_uranium"])
    mean, covariance, wide = 0 * y, p["sigma_y"] ** 2 * np.eye(len(y)), []
    if model == "radon_pooled":
        mean, wide = p["alpha"] + p["beta"] * x, ["alpha", "beta"]
    elif model == "radon_county_intercept":
        mean, wide = p["beta"] * x, ["beta"]
        covariance += 100 * same
    elif model == "radon_variable_slope_noncentered":
        mean, wide = p["alpha"] + p["mu_beta"] * x, ["alpha", "mu_beta"]
        covariance += p["sigma_beta"] ** 2 * floors
    elif model == "radon_variable_intercept_slope_noncentered":
        mean, wide = p["mu_alpha"] + p["mu_beta"] * x, ["mu_alpha", "mu_beta"]
        covariance += p["sigma_alpha"] ** 2 * same + p["sigma_beta"] ** 2 * floors
    elif model == "radon_hierarchical_intercept_noncentered":
        mean = p["mu_alpha"] + p["beta"][0] * log_uppm + p["beta"][1] * x
        covariance += p["sigma_alpha"] ** 2 * same
        wide = ["mu_alpha", "beta"]
    priors = sum(stats.norm.logpdf(p[name], 0, 10).sum() for name in wide)
    scales = [p[name] for name in p if name.startswith("sigma")]
    priors += stats.norm.logpdf(scales).sum()
    factor = np.linalg.cholesky(covariance)
    scaled = linalg.solve_triangular(factor, y - mean, lower=True)
    return priors + stats.norm.logpdf(scaled).sum() - np.log(np.diag(factor)).sum()


def with_raw_effects(model, p, raw, data):
    """Log density of a non-centered model of posteriordb, with `alpha_raw`, as in its file."""
    alpha = p["mu_alpha"] + p["sigma_alpha"] * raw
    mu = alpha[np.array(data["county"]) - 1]
    log = stats.norm.logpdf([p["sigma_y"], p["sigma_alpha"]]).sum()
    log += stats.norm.logpdf(p["mu_alpha"], 0, 10) + stats.norm.logpdf(raw).sum()
    if model == "radon_variable_intercept_noncentered":
        mu = mu + p["beta"] * np.array(data["floor_measure"])
        log += stats.norm.logpdf(p["beta"], 0, 10)
    return log + stats.norm.logpdf(data["log_radon"], mu, p["sigma_y"]).sum()


def coordinate_slope(drawn, name):
    """Log derivative of a standard deviation by the sampler's coordinate of it.

    The logarithm's, but for coordinates of their own, whose unit follows from the draws; see
    `functions/spread.stanfunctions`. That of `sigma_free` is proportional to the logarithm.
    """
    if name == "sigma" or f"{name}_free" not in drawn:
        return np.log(drawn[name])
    free, value = drawn[f"{name}_free"], drawn[name]
    if value.max() <= 1e-6:  # its bound, which is the unit too
        return special.log_expit(free) + special.log_expit(1 - free)
    return np.log(value / np.logaddexp(0, free)) + special.log_expit(free)


@pytest.mark.parametrize("model", PROGRAMS)
def test_a_program_has_the_density_of_posteriordbs_model(model):
    data, settings = minnesota(model), quick(warmup=300, adapt_delta=0.9)
    chains = sample(executable(PROGRAMS[model]), data, settings, take=read_chains)
    drawn = {name: values[0, ::20] for name, values in chains.variables.items()}
    theirs = reference.parameters(model, drawn, data["log_uranium"])
    expected = []
    for i in range(len(drawn["sigma"])):
        p = {name: values[i] for name, values in theirs.items()}
        if "alpha_tilde" in drawn:
            log = with_raw_effects(model, p, drawn["alpha_tilde"][i], data)
        else:
            log = effects_integrated_out(model, p, data)
        if model == "radon_partially_pooled_noncentered":  # its slope is a draw from the prior
            log += stats.norm.logpdf(drawn["mu_beta"][i], 0, 10)
        expected.append(log)
    sampled = [name for name in ("sigma", "sigma_alpha", "sigma_beta") if name in drawn]
    expected += sum(coordinate_slope(drawn, name) for name in sampled)
    found = chains.statistics["lp"][0, ::20]
    assert np.ptp(found) > 1
    # CmdStan writes nine digits.
    assert np.ptp(found - expected) < 1e-4


def test_intercepts_common_to_a_millionth_are_common():
    data = minnesota()
    p = {"alpha": 1.33, "mu_beta": -0.6, "sigma_beta": 0.4, "sigma_y": 0.79}
    exact = effects_integrated_out("radon_variable_slope_noncentered", p, data)
    near = {"mu_alpha": p["alpha"], "sigma_alpha": 1e-6, **p}
    model = "radon_variable_intercept_slope_noncentered"
    prior = stats.norm.logpdf(1e-6)
    assert effects_integrated_out(model, near, data) - prior == pytest.approx(exact, abs=1e-7)


def test_uranium_is_no_part_of_posteriordbs_intercept():
    drawn = {
        "alpha": np.array([[[1.0, 2.0]]]),
        "gamma_alpha": np.array([[0.5]]),
        **{name: np.array([[0.7]]) for name in ("mu_alpha", "sigma_alpha", "sigma")},
        "mu_beta": np.array([[-0.6]]),
    }
    model = "radon_hierarchical_intercept_noncentered"
    found = reference.parameters(model, drawn, [-1.0, 2.0])
    assert found["alpha"].tolist() == [[[1.5, 1.0]]]  # 1 + 0.5, 2 - 1
    assert found["beta"].tolist() == [[[0.5, -0.6]]]
    assert list(found) == ["alpha", "beta", "mu_alpha", "sigma_alpha", "sigma_y"]


# ---- Checks


def test_lag1_autocorrelation_by_hand():
    # 1, -1, 1, -1: -3 / 4. Centred, 1, 2, 3, 4 are -1.5, -0.5, 0.5, 1.5: 1.25 / 5.
    draws = np.array([[1.0, -1.0, 1.0, -1.0], [1.0, 2.0, 3.0, 4.0]])
    assert reference.lag1_autocorrelation(draws) == pytest.approx((0.75 + 0.25) / 2)
    assert reference.lag1_autocorrelation(draws[..., None]) == pytest.approx([0.5])


def white(**changes):
    """Diagnostics of independent draws, ten chains of a thousand, and of some change of them."""
    rng = np.random.default_rng(1)
    draws = {"alpha": rng.normal(size=(10, 1000, 2)), "beta": rng.normal(size=(10, 1000))}
    statistics = {
        "energy": rng.normal(size=(10, 10_000)),
        "diverging": np.zeros((10, 10_000), dtype=bool),
    }
    for values in (draws, statistics):
        values |= {name: changes[name] for name in values if name in changes}
    return reference.diagnostics(draws, statistics)[0]


def test_independent_draws_pass():
    found = white()
    assert found["diagnostic_information"] == {"names": ["alpha[1]", "alpha[2]", "beta"]}
    assert (found["ndraws"], found["nchains"]) == (10_000, 10)
    # Independent energies: differences have twice the variance.
    efmi = found["expected_fraction_of_missing_information"]
    assert efmi == pytest.approx([2] * 10, rel=0.1)
    assert all(reference.checks(found).values())
    reference.require("x", reference.checks(found))


def autoregressive(coefficient, shape):
    noise = np.random.default_rng(2).normal(size=shape)
    for t in range(1, shape[1]):
        noise[:, t] += coefficient * noise[:, t - 1]
    return noise


def apart(distance):
    draws = np.random.default_rng(3).normal(size=(10, 1000))
    draws[0] += distance
    return draws


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"beta": autoregressive(0.2, (10, 1000))}, "abs_mean_lag1_ac_below_0_05"),
        ({"beta": apart(1.0)}, "r_hat_below_1_01"),
        ({"energy": autoregressive(0.95, (10, 10_000))}, "efmi_above_0_2"),  # 2 (1 - 0.95)
        ({"diverging": np.arange(100_000).reshape(10, -1) == 77}, "no_divergent_transitions"),
    ],
)
def test_a_fault_fails_its_check_and_nothing_is_written(change, check):
    made = reference.checks(white(**change))
    failed = [name for name, good in made.items() if not good]
    assert check in failed
    with pytest.raises(DiagnosticsError, match=f"^radon: the draws fail .*{check}"):
        reference.require("radon", made)


def test_effective_sample_sizes_are_only_recorded():
    found = white()
    found["effective_sample_size_bulk"][1] = 11_059.0  # 10,000 + 4 sqrt(7 * 10,000) = 11,058.3
    made = reference.checks(found)
    assert [name for name, good in made.items() if not good] == ["ess_within_bounds"]
    reference.require("x", made)


# ---- Format


def test_draws_are_listed_as_in_posteriordb(tmp_path):
    # One object per chain, of scalars by name, as in reference_posteriors/draws/draws/
    # eight_schools-eight_schools_noncentered.json.
    draws = {"alpha": np.arange(8.0).reshape(2, 2, 2), "beta": np.array([[0.5, 0.25], [1, 2]])}
    listed = reference.listed(draws)
    assert listed == [
        {"alpha[1]": [0.0, 2.0], "alpha[2]": [1.0, 3.0], "beta": [0.5, 0.25]},
        {"alpha[1]": [4.0, 6.0], "alpha[2]": [5.0, 7.0], "beta": [1.0, 2.0]},
    ]
    paths = [tmp_path / name for name in ("x.json.zip", "copy/x.json.zip")]
    for path in paths:
        reference.write_zip(json.dumps(listed), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with zipfile.ZipFile(paths[0]) as archive:
        assert archive.namelist() == ["x.json"]
        assert json.loads(archive.read("x.json")) == listed


def test_information_has_posteriordbs_fields():
    info = reference.information("x", "pooled", {"version": "2.27.0", "compiler": "g++"}, white())
    # `assert_reference_posterior_info` of posteriordb-r: these names, in this order.
    names = "name inference diagnostics checks_made comments added_by added_date versions"
    assert list(info) == names.split()
    arguments = info["inference"]["method_arguments"]
    assert (arguments["chains"], arguments["iter"], arguments["thin"]) == (10, 20_000, 10)
    kept = arguments["chains"] * (arguments["iter"] - arguments["warmup"]) / arguments["thin"]
    assert kept == reference.NDRAWS


def test_other_names_are_refused(tmp_path):
    with pytest.raises(StudyError, match=r"radon_all-radon_pooled.*choose from radon_mn-radon_po"):
        reference.model_of(tmp_path / "radon_all-radon_pooled.info.json")


def test_twins_share_their_draws(tmp_path):
    found = white()
    for name in ("radon_mn-radon_pooled", "radon_mn-radon_variable_slope_noncentered"):
        info = reference.information(name, "p", {"version": "2.27.0", "compiler": "g++"}, found)
        (tmp_path / f"{name}.info.json").write_text(json.dumps(info))
        means = {"names": ["beta"], "mean_value": [1.5], "mcse_mean": [0.25]}
        (tmp_path / f"{name}.mean_value.json").write_text(json.dumps(means))
    files = sorted(map(str, tmp_path.glob("*.json")))
    out = [tmp_path / name for name in ("means.csv", "checks.csv")]
    reference_table.main([*files, "--means", str(out[0]), "-o", str(out[1])])
    means, checks = (path.read_text().splitlines() for path in out)
    assert means[1:] == [
        "radon_mn-radon_pooled,beta,1.5,0.25",
        "radon_mn-radon_variable_slope_noncentered,beta,1.5,0.25",
    ]
    assert [line.split(",")[:2] for line in checks[1:]] == [
        ["radon_mn-radon_pooled"] * 2,
        ["radon_mn-radon_variable_slope_noncentered"] * 2,
        ["radon_mn-radon_variable_slope_centered", "radon_mn-radon_variable_slope_noncentered"],
    ]
