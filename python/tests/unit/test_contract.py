"""Every program in `stan/` keeps the contract; what breaks it is named.

A file dropped into `stan/` is tested here with no further edit.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pytest
import xarray as xr
from cmdstanpy import CmdStanMCMC
from programs import ROOT, SHIPPED, STEMS, cmdstan, executable, quick, text_of, tiny_data
from scipy import stats

from pooling.build.errors import ProgramError
from pooling.checking.likelihood import check_likelihood
from pooling.fits.store import BY_HOUSE, Fit
from pooling.fitting.generate import to_predict
from pooling.fitting.sampling import sample
from pooling.inputs.priors import DATA_NAME
from pooling.programs.compile import stanc
from pooling.programs.contract import INPUTS, check_contract, program_info
from pooling.programs.source import declared

UNMEASURED = 3  # position of county 4 of tiny_data, which has no house
# The houses of tiny_data, the last one first, as houses to predict.
NEW = to_predict(*(tiny_data()[name][::-1] for name in BY_HOUSE))


@dataclass
class Runs:
    """Small fits of one program, each made when a test first asks for it."""

    stem: str
    made: dict = field(default_factory=dict)

    def run(self, *, prior: bool = False, **changes) -> CmdStanMCMC:
        key = repr((prior, changes))
        if key not in self.made:
            self.made[key] = sample(
                executable(self.stem), tiny_data(**changes), quick(), prior=prior, progress=False
            )
        return self.made[key]

    @cached_property
    def posterior(self) -> CmdStanMCMC:
        """The houses that are fitted are predicted too, in another order."""
        return self.run(**NEW)


@pytest.fixture(scope="module", params=STEMS)
def runs(request):
    return Runs(request.param)


def moved(houses: slice, by: float = 1.0) -> list[float]:
    """Log radon of `tiny_data` with some houses moved."""
    values = np.array(tiny_data()["log_radon"])
    values[houses] += by
    return values.tolist()


def parameters(run: CmdStanMCMC) -> dict[str, np.ndarray]:
    return {k: v for k, v in run.stan_variables().items() if k not in ("log_lik", "y_rep")}


def same(one: CmdStanMCMC, other: CmdStanMCMC) -> bool:
    mine, theirs = parameters(one), parameters(other)
    return all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("stem", STEMS)
def test_program_keeps_the_contract(stem):
    program = ROOT / "stan" / f"{stem}.stan"
    check_contract(program_info(stanc(cmdstan()), program, ROOT / "stan"), program)


def test_every_shipped_program_is_tested():
    assert set(SHIPPED) <= set(STEMS)


def test_without_houses_the_posterior_is_the_prior(runs):
    """Whatever their radon: N = 0 leaves nothing of the houses that `tiny_data` has."""
    prior = runs.run(prior=True)
    assert same(prior, runs.run(prior=True, log_radon=moved(slice(None))))
    assert not same(prior, runs.posterior)
    assert not {"log_lik", "y_rep"} & set(prior.stan_variables())


def test_houses_to_predict_do_not_inform_the_fit(runs):
    shifted = np.array(NEW["log_radon_new"]) + 1
    again = runs.run(**NEW | {"log_radon_new": shifted.tolist()})
    assert same(runs.posterior, again)
    assert not np.array_equal(*(run.stan_variable("log_lik") for run in (runs.posterior, again)))
    assert not same(runs.posterior, runs.run(**NEW, log_radon=moved(slice(-1, None))))


def test_houses_to_predict_are_those_of_the_data(runs):
    three = {name: values[:3] for name, values in NEW.items() if name != "N_new"}
    run = runs.run(N_new=3, **three)
    for name in ("log_lik", "y_rep"):
        assert runs.posterior.stan_variable(name).shape == (200, 10)
        assert run.stan_variable(name).shape == (200, 3)


def test_without_houses_to_predict_there_are_parameters_alone(runs):
    names = set(runs.run().stan_variables())
    assert not names & {"log_lik", "y_rep"}
    assert {"alpha", "beta"} <= names
    assert {"sigma"} <= names or {"sigma_basement", "sigma_first_floor"} <= names


def test_both_likelihoods_of_a_program_are_the_same(runs):
    """What it puts out of houses is what its model block fits them with."""
    names = declared(text_of(runs.stem), "parameters")
    draws = {name: runs.posterior.stan_variable(name) for name in names}
    posterior = xr.Dataset(
        {
            name: (("chain", "draw", *(f"{name}_{i}" for i in range(v.ndim - 2))), v)
            for name, v in ((n, v.reshape(2, 100, *v.shape[1:])) for n, v in draws.items())
        }
    )
    tree = xr.DataTree.from_dict({"posterior": posterior})
    tree.attrs["parameters"] = " ".join(names)
    check_likelihood(Fit(tree, {}), executable(runs.stem), tiny_data(), seed=1)


def test_a_county_without_houses_has_effects(runs):
    for name in ("alpha", "beta"):
        draws = runs.posterior.stan_variable(name)
        assert draws.shape == (200, 5)
        assert np.isfinite(draws[:, UNMEASURED]).all()
        assert np.ptp(draws[:, UNMEASURED]) > 0


def expectations(run: CmdStanMCMC) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each house of NEW (draw, house), from alpha, beta, sigma."""
    county = np.array(NEW["county_new"]) - 1
    effects = {name: run.stan_variable(name)[:, county] for name in ("alpha", "beta")}
    draws = run.stan_variables()
    if "sigma" in draws:
        sigma = draws["sigma"]
        sigma = sigma[:, county] if sigma.ndim == 2 else sigma[:, None]
    else:
        floor = np.array(NEW["floor_measure_new"], dtype=int)
        sigma = np.stack([draws["sigma_basement"], draws["sigma_first_floor"]], axis=1)[:, floor]
    mean = effects["alpha"] + effects["beta"] * np.array(NEW["floor_measure_new"])
    return mean, np.broadcast_to(sigma, mean.shape)


def test_log_lik_is_the_normal_density_of_the_shipped_programs(runs):
    if runs.stem not in SHIPPED:
        pytest.skip("a program of one's own may have another likelihood")
    mean, sigma = expectations(runs.posterior)
    log_lik = stats.norm.logpdf(np.array(NEW["log_radon_new"]), mean, sigma)
    # CmdStan writes nine digits of the mean, which matter more where sigma is small.
    margin = 1e-7 * (1 + abs(log_lik)) * (1 + 1 / sigma)
    assert np.all(abs(runs.posterior.stan_variable("log_lik") - log_lik) < margin)


def test_y_rep_is_normal_about_the_mean_of_the_shipped_programs(runs):
    if runs.stem not in SHIPPED:
        pytest.skip("a program of one's own may have another likelihood")
    mean, sigma = expectations(runs.posterior)
    noise = ((runs.posterior.stan_variable("y_rep") - mean) / sigma).ravel()
    # Mean 0 and variance 1 within four standard errors of 2,000 independent draws.
    assert abs(noise.mean()) < 4 / np.sqrt(noise.size)
    assert abs(noise.var() - 1) < 4 * np.sqrt(2 / noise.size)
    assert stats.kstest(noise, "norm").pvalue > 1e-4


INFO = {
    "inputs": {
        name: {"dimensions": int(name == "county")} for name in ("N", "J", "county", "N_new")
    }
    | {name: {"dimensions": 1} for name in ("county_new", "floor_measure_new", "log_radon_new")},
    "parameters": {"sigma": {"dimensions": 0}},
    "transformed parameters": {"alpha": {"dimensions": 1}, "beta": {"dimensions": 1}},
    "generated quantities": {"log_lik": {"dimensions": 1}, "y_rep": {"dimensions": 1}},
}


def faults(**changes: dict) -> str:
    with pytest.raises(ProgramError) as caught:
        check_contract(INFO | changes, "stan/foo.stan")
    return str(caught.value)


def test_sound_program_passes():
    check_contract(INFO, "stan/foo.stan")


def test_standard_deviations_by_floor_take_the_place_of_sigma():
    by_floor = {"sigma_basement": {"dimensions": 0}, "sigma_first_floor": {"dimensions": 0}}
    check_contract(INFO | {"parameters": by_floor}, "stan/foo.stan")
    said = faults(parameters={"sigma_basement": {"dimensions": 0}})
    assert "it has no output `sigma_first_floor`" in said
    assert said.count("  - ") == 1


CENSORED = [stem for stem in SHIPPED if "log_limit" in declared(text_of(stem))]


@pytest.mark.parametrize("stem", CENSORED)
def test_a_house_up_to_the_limit_has_the_probability_of_being_there(stem):
    """Whatever number stands for its radon. At 0.9 are the second of NEW and below it three."""
    run, other = (
        Runs(stem).run(**NEW | {"log_limit": 0.9, "log_radon_new": radon})
        for radon in (NEW["log_radon_new"], [min(y, 0.9) for y in NEW["log_radon_new"]])
    )
    y = np.array(NEW["log_radon_new"])
    below = y <= 0.9
    assert below.sum() == 4
    mean, sigma = expectations(run)
    exact = stats.norm.logcdf(0.9, mean, sigma)[:, below]
    found = run.stan_variable("log_lik")
    assert found[:, below] == pytest.approx(exact, abs=1e-5)
    assert found[:, ~below] == pytest.approx(stats.norm.logpdf(y, mean, sigma)[:, ~below], abs=1e-5)
    assert np.array_equal(found[:, below], other.stan_variable("log_lik")[:, below])


@pytest.mark.parametrize("stem", CENSORED)
def test_the_number_of_a_house_up_to_the_limit_does_not_matter(stem):
    radon = np.array(tiny_data()["log_radon"])
    lower = np.where(radon <= 0.9, radon - 5, radon).tolist()
    runs = Runs(stem)
    assert same(runs.run(log_limit=0.9), runs.run(log_limit=0.9, log_radon=lower))
    assert not same(runs.run(log_limit=0.9), runs.run(log_limit=0.5))


def test_missing_output_is_named_with_the_file():
    said = faults(**{"generated quantities": {"log_lik": {"dimensions": 1}}})
    assert said == (
        "stan/foo.stan breaks the contract of stan/README.md:\n  - it has no output `y_rep`"
    )


@pytest.mark.parametrize(
    ("block", "name", "dimensions", "shape"),
    [
        ("transformed parameters", "alpha", 0, "a vector"),
        ("generated quantities", "log_lik", 2, "a vector"),
        ("parameters", "sigma", 2, "a number or a vector"),
    ],
)
def test_wrong_shape_is_named(block, name, dimensions, shape):
    said = faults(**{block: INFO[block] | {name: {"dimensions": dimensions}}})
    assert f"its `{name}` must be {shape}" in said
    assert said.count("  - ") == 1


def test_distances_must_be_a_matrix():
    check_contract(INFO | {"inputs": INFO["inputs"] | {"distance": {"dimensions": 2}}}, "foo.stan")
    said = faults(inputs=INFO["inputs"] | {"distance": {"dimensions": 1}})
    assert said.endswith("  - its data `distance` must be a matrix")


def test_data_that_nothing_provides_is_named():
    said = faults(inputs=INFO["inputs"] | {"humidity": {}})
    assert "no table or study provides its data `humidity`" in said


@pytest.mark.parametrize("name", ["N_new", "county_new", "floor_measure_new", "log_radon_new"])
def test_missing_house_to_predict_is_named(name):
    said = faults(inputs={k: v for k, v in INFO["inputs"].items() if k != name})
    assert f"its data block lacks `{name}`, so it cannot predict houses" in said
    assert said.count("  - ") == 1


def test_switches_of_the_old_contract_are_refused_in_one_message():
    """A program of the contract before: one line says what to change, not one a switch."""
    old = {name: {"dimensions": 0} for name in ("held_out", "prior_only", "pointwise")}
    said = faults(inputs=INFO["inputs"] | old)
    assert said == (
        "stan/foo.stan breaks the contract of stan/README.md:\n"
        "  - its data `held_out, prior_only, pointwise` belong to an earlier contract: "
        "fit all N houses in the model block, without a switch, and predict the N_new houses of "
        "county_new, floor_measure_new and log_radon_new in generated quantities; see "
        "stan/pooled.stan"
    )
    # A real one lacks the houses to predict as well, which the same line asks for.
    real = faults(inputs={"N": {"dimensions": 0}} | old)
    assert real.count("  - ") == 1


@pytest.mark.parametrize(("name", "dimensions"), [("lprior", 1), ("log_lik_county", 0)])
def test_optional_output_of_the_wrong_shape_is_named(name, dimensions):
    block = INFO["generated quantities"] | {name: {"dimensions": dimensions}}
    said = faults(**{"generated quantities": block})
    wanted = {"lprior": "a number", "log_lik_county": "a vector"}[name]
    assert f"its `{name}` must be {wanted}" in said
    check_contract(
        INFO
        | {
            "generated quantities": INFO["generated quantities"]
            | {name: {"dimensions": 1 - dimensions}}
        },
        "stan/foo.stan",
    )


def test_all_faults_are_told_at_once():
    said = faults(inputs={"humidity": {}}, parameters={})
    assert said.count("  - ") == 4 + 1 + 1


def test_what_prepare_provides_is_what_the_contract_admits():
    assert {name for name in tiny_data() if not DATA_NAME.fullmatch(name)} == INPUTS


def test_a_prior_of_any_parameter_is_admitted_and_one_of_no_kind_refused():
    number = {"dimensions": 0}
    kinds = {"prior_tau_scale": number, "prior_kappa_shape": number, "prior_kappa_rate": number}
    info = program_info(stanc(cmdstan()), ROOT / "stan/pooled.stan", ROOT / "stan")
    check_contract(info | {"inputs": info["inputs"] | kinds}, ROOT / "stan/pooled.stan")
    mixed = {"prior_tau_loc": number, "prior_tau_rate": number}
    with pytest.raises(
        ProgramError, match="no kind of prior has the loc, rate of its data `prior_tau"
    ):
        check_contract(info | {"inputs": info["inputs"] | mixed}, ROOT / "stan/pooled.stan")


def test_syntax_error_is_stancs_own_with_file_and_line(tmp_path):
    program = tmp_path / "broken.stan"
    program.write_text("data {\n  int N;\n}\nmodel {\n  N ~ nonsense(1);\n}\n")
    with pytest.raises(ProgramError) as caught:
        program_info(stanc(cmdstan()), program, tmp_path)
    said = str(caught.value)
    assert said.startswith(f"{program} does not compile\n")
    assert "broken.stan', line 5" in said
    assert "nonsense" in said


def test_outputs_are_found_in_any_block(tmp_path):
    program = tmp_path / "small.stan"
    program.write_text(
        "data { int J; }\n"
        "parameters { vector[J] alpha; real<lower=0> sigma; }\n"
        "transformed parameters { vector[J] beta = 2 * alpha; }\n"
        "model { alpha ~ normal(0, sigma); }\n"
    )
    info = program_info(stanc(cmdstan()), program, tmp_path)
    with pytest.raises(ProgramError) as caught:
        check_contract(info, program)
    said = str(caught.value)
    assert [name for name in ("alpha", "beta", "sigma") if f"`{name}`" in said] == []
    assert [name for name in ("log_lik", "y_rep") if f"no output `{name}`" in said] != []
