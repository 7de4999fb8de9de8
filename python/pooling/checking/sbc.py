r"""Simulation-based calibration: fit a program to data simulated from its prior, many times.

    python -m pooling.checking.sbc stan/M NORMALISED DATA.json COORDS.json SAMPLER.json \
        CALIBRATION.json MODELS.json TOOLCHAIN.json --sims N -o FIT/sbc.nc

The true values are a draw from the program's prior, and the radon of the houses is its `y_rep`;
counties and floors are the study's. If program and sampler are correct, the rank of a true value
among independent posterior draws is uniform (Talts, Betancourt, Simpson, Vehtari and Gelman 2018,
arXiv:1804.06788). `pooling.checking.calibration` assesses the ranks.

A simulation whose fit fails its checks is rerun once with longer chains. If that fails too, its
ranks are used and flagged: omitting difficult true values would bias the ranks. Only if CmdStan
fails both times are there no ranks. A model that its study allows to fail gets a few simulations
and no verdict.
"""

import hashlib
import json
from collections.abc import Mapping

import arviz_stats
import numpy as np
import xarray as xr
from cmdstanpy import CmdStanMCMC, disable_logging

from pooling.build import cli
from pooling.build.errors import DiagnosticsError, SamplingError, StudyError
from pooling.fits.limits import MIN_E_BFMI
from pooling.fits.netcdf import write_netcdf
from pooling.fits.store import of_the_model
from pooling.fitting import sampling
from pooling.fitting.chains import read_chains
from pooling.fitting.generate import fitted_houses, flat, generate, without_houses
from pooling.fitting.refits import Batch, Program, compiled, read_program, run_batch
from pooling.inputs.priors import Priors
from pooling.inputs.study import Models, Sampler, read_section
from pooling.programs.source import declared

DRAWS = 99  # among which a true value is ranked, so that there are 100 ranks
# Depth 9 at most: simulations with a tiny residual sd would take minutes each.
SHORT = {"chains": 2, "warmup": 300, "draws": 300, "max_treedepth": 9}
LONG = {"chains": 2, "warmup": 500, "draws": 750, "max_treedepth": 9}
CAREFUL = 0.99  # adapt_delta of the second run after divergences
UNJUDGED = 20  # most simulations of a model that is allowed to fail, which gets no verdict
MAX_R_HAT = 1.05  # 1.01 is less than the noise of two short chains
TRUTH_CHAINS = 4  # chains of the prior
THIN = 20  # period of the draws of the prior that are used
FEW = 10  # draws per chain, too few to estimate autocorrelation
REMEDY = "raise sampler.adapt_delta above 0.99, or give [calibration] of the study narrower priors"
BY_COUNTY = ("alpha", "beta", "sigma")


def draw_truths(
    program: Program, data: dict, settings: Sampler, sims: int
) -> tuple[list[dict], str]:
    """Nearly independent draws from a program's prior, each with simulated houses.

    They are every `THIN`-th draw of chains whose length depends on `sims`, so that more
    simulations begin with the same true values as fewer.

    Returns
    -------
    list of dict, str
        For each simulation `log_radon`, (house,), and the parameters of `ranked_draws`; and
        the fault of the chains, or "": divergent transitions, or a scalar parameter whose
        effective sample size is less than a tenth of the draws.

    Raises
    ------
    SamplingError
        CmdStan failed.
    """
    each = -(-sims // TRUTH_CHAINS)
    change = {"chains": TRUTH_CHAINS, "prior_draws": THIN * each}
    own = settings.model_copy(update=change)
    chains = sampling.sample(compiled(program), data, own, prior=True, thin=THIN, take=read_chains)
    drawn = chains.variables
    parameters = {name: drawn[name] for name in declared(program.normalised, "parameters")}
    houses = without_houses(data) | fitted_houses(data)
    # Generated county effects are those behind the simulated houses.
    drawn |= generate(compiled(program), houses, parameters, settings.seed)
    ranked = ranked_draws({name: flat(draws) for name, draws in drawn.items()}, data["J"])
    made = ranked | {"log_radon": flat(drawn["y_rep"])}
    # In order of draw, then chain.
    by_place = np.arange(TRUTH_CHAINS * each).reshape(TRUTH_CHAINS, each).T.ravel()[:sims]
    truths = [{name: draws[i].tolist() for name, draws in made.items()} for i in by_place]
    if divergences := chains.statistics["diverging"].sum():
        return truths, f"{divergences} divergent transitions"
    for name in ranked:
        draws = drawn[name]
        if draws.ndim == 2 and each >= FEW and arviz_stats.ess(draws) < draws.size / 10:
            return truths, f"draws of {name} are autocorrelated"
    return truths, ""


def ranked_draws(drawn: Mapping[str, np.ndarray], counties: int) -> dict[str, np.ndarray]:
    """The ranked variables: scalars (draw,), county parameters (draw, county)."""
    return {
        name: draws
        for name, draws in drawn.items()
        if (draws.ndim == 1 and of_the_model(name))
        or (name in BY_COUNTY and draws.shape[1:] == (counties,))
    }


def three_counties(houses: np.ndarray) -> list[int]:
    """Positions of the smallest, median and largest county by number of houses (county,).

    Counties without houses are ignored; ties are in order of position.
    """
    order = np.argsort(houses, kind="stable")
    order = order[houses[order] > 0]
    return order[np.unique(np.linspace(0, order.size - 1, 3).round().astype(int))].tolist()


def houses_of(data: dict) -> np.ndarray:
    """Number of houses of each county."""
    return np.bincount(np.asarray(data["county"]) - 1, minlength=data["J"])


def rank(draws: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Number of draws (draw, ...) below the true value (...), with ties broken at random."""
    return (draws < truth).sum(axis=0) + rng.integers(0, (draws == truth).sum(axis=0) + 1)


def failed_checks(run: CmdStanMCMC, watched: np.ndarray, depth: int) -> list[str]:
    """Names of the checks that a simulation's run fails.

    R-hat may be up to `MAX_R_HAT`, and `DRAWS` effective draws are enough, for each column of
    `watched` (draw, parameter) that is not constant.
    """
    moving = watched[:, ~(np.ptp(watched, axis=0) == 0)]
    chains = moving.reshape(run.chains, -1, moving.shape[1])
    statistics = run.method_variables()
    energy = statistics["energy__"].T
    passed = {
        "divergences": statistics["divergent__"].sum() == 0,
        "treedepth_hits": statistics["treedepth__"].max() < depth,
        "e_bfmi": np.min(arviz_stats.bfmi(energy)) >= MIN_E_BFMI,
        "r_hat": (arviz_stats.rhat(chains) <= MAX_R_HAT).all(),
        "ess_bulk": (arviz_stats.ess(chains) >= DRAWS).all(),
    }
    return [name for name, good in passed.items() if not good]


def ranks_of(run: CmdStanMCMC, data: dict, truth: dict, depth: int, seed: int) -> dict:
    """Ranks of the true values among evenly spaced draws, and the failed checks of the run."""
    draws = ranked_draws(run.stan_variables(), data["J"])
    some = three_counties(houses_of(data))
    watched = [v[:, some] if v.ndim > 1 else v[:, None] for v in draws.values()]
    length = len(watched[0])
    spaced = np.linspace(0, length - 1, DRAWS).round().astype(int)
    rng = np.random.default_rng(seed)
    ranks = {name: rank(v[spaced], np.asarray(truth[name]), rng) for name, v in draws.items()}
    return {
        "ranks": {name: found.tolist() for name, found in ranks.items()},
        "failed": failed_checks(run, np.hstack(watched), depth),
    }


def simulate(program: Program, data: dict, truth: dict, sampler: dict) -> dict:
    """Fit a program to one simulated data set, on a worker.

    Returns
    -------
    dict
        `ranks`, by parameter; `failed`, the failed checks of the last run; `runs`, their
        number; instead of ranks `stopped`, CmdStan's message, if it failed both times.
    """
    disable_logging()
    executable, made = compiled(program), data | {"log_radon": truth["log_radon"]}
    seed = int(hashlib.sha256(json.dumps(truth).encode()).hexdigest()[:7], 16)
    own = Sampler(**sampler).model_copy(update={"seed": seed})
    found: dict = {"stopped": "", "failed": []}
    for runs, effort in ((1, SHORT), (2, LONG)):
        care = {"adapt_delta": CAREFUL} if "divergences" in found["failed"] else {}
        settings = own.model_copy(update=effort | care)
        try:
            run: CmdStanMCMC = sampling.sample(
                executable, made, settings, parallel_chains=1, progress=False
            )
        except SamplingError as error:
            # Keep the ranks of a first run that only failed its checks.
            found = found if "ranks" in found else {"stopped": str(error), "failed": []}
        else:
            found = ranks_of(run, made, truth, settings.max_treedepth, seed)
        found["runs"] = runs
        if "ranks" in found and not found["failed"]:
            break
    return found


def dataset(model: str, results: list[dict], data: dict, coords: dict) -> xr.Dataset:
    """Ranks of all simulations, and the outcome of their runs.

    Returns
    -------
    Dataset
        Each ranked parameter by name, (simulation,) or (simulation, county), 0 to `DRAWS`, -1
        if CmdStan failed; `runs`, `failed` (the checks) and `stopped`,
        (simulation,); `county_name`, `houses` and `judged` (one of the three), (county,).

    Raises
    ------
    SamplingError
        CmdStan failed in all simulations.
    """
    if not any("ranks" in found for found in results):
        raise SamplingError(f"{model}, all simulations: {results[0]['stopped']}")
    first = next(found["ranks"] for found in results if "ranks" in found)
    lost = {name: np.full(np.shape(value), -1) for name, value in first.items()}
    ranks = {
        name: np.array([found.get("ranks", lost)[name] for found in results], dtype=np.int16)
        for name in first
    }
    houses = houses_of(data)
    values: dict[str, tuple] = {
        name: (("simulation", "county")[: value.ndim], value) for name, value in ranks.items()
    }
    values |= {
        "runs": ("simulation", [found["runs"] for found in results]),
        "failed": ("simulation", np.array([", ".join(f["failed"]) for f in results], dtype=object)),
        "stopped": ("simulation", ["stopped" in found for found in results]),
        "county_name": ("county", np.array(coords["county"], dtype=object)),
        "houses": ("county", houses),
        "judged": ("county", np.isin(np.arange(houses.size), three_counties(houses))),
    }
    return xr.Dataset(values, {"county": coords["county_fips"]})


def count(sims: str) -> int:
    """The number of simulations, from the variable SIMS.

    Raises
    ------
    StudyError
        It is not a positive integer.
    """
    if not sims.isascii() or not sims.isdigit() or int(sims) < 1:
        raise StudyError(f"SIMS={sims}: give a whole number from 1")
    return int(sims)


def main(arguments: list[str] | None) -> None:
    """Calibrate one program for one study; finished simulations are cached."""
    names = ("executable", "normalised", "data", "coords", "sampler", "calibration", "models")
    parser = cli.stage(__doc__, *names, "toolchain")
    parser.add_argument("--sims", default="200", help="number of simulations")
    parser.add_argument("--scheduler", help="address of a dask scheduler; default: this machine")
    given = parser.parse_args(arguments)
    sims, model = count(given.sims), given.executable.name
    disable_logging()
    settings = read_section(Sampler, given.sampler)
    allowed = read_section(Models, given.models).allowed_to_fail
    sims = min(sims, UNJUDGED) if model in allowed else sims
    data, coords = (json.loads(p.read_text(encoding="utf-8")) for p in (given.data, given.coords))
    data |= read_section(Priors, given.calibration).scales()
    program = read_program(given.executable, given.normalised, given.toolchain)
    truths, wrong = draw_truths(program, data, settings, sims)
    if wrong and model not in allowed:
        raise DiagnosticsError(f"prior draws of {model} are unusable: {wrong}; {REMEDY}")
    jobs = {f"simulation {i + 1}": truth for i, truth in enumerate(truths)}
    batch = Batch(simulate, program, data, jobs, settings, "simulations")
    found = run_batch(batch, given.output.with_name("sbc"), given.scheduler)
    table = dataset(model, list(found.values()), data, coords)
    table.attrs.update(
        model=model,
        study=coords["study"],
        draws=DRAWS,
        allowed_to_fail=allowed.get(model, ""),
        truths=wrong,
    )
    write_netcdf(table, given.output)


if __name__ == "__main__":
    cli.run(main)
