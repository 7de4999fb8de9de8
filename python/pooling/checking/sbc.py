r"""Simulation-based calibration: fit a program to houses that it made itself, many times.

    python -m pooling.checking.sbc stan/M ESSENCE DATA.json COORDS.json SAMPLER.json \
        CALIBRATION.json MODELS.json TOOLCHAIN.json --sims N -o FIT/sbc.nc

A truth is a draw of the program's own prior, the radon of its houses is its own
`y_rep`; counties and floors are the study's. If program and sampler are right, the
truth is one more draw of the posterior of those houses, and its rank among independent
draws is uniform (Talts, Betancourt, Simpson, Vehtari and Gelman 2018, arXiv:1804.06788).
`pooling.checking.calibration` judges the ranks.

A simulation whose run fails is repeated once, longer. If that fails too its ranks count
all the same, and it is flagged: without it, truths that are hard would be missing.
Only where CmdStan gave up both times there are no ranks. Of a model that its study
allows to fail a few simulations are made, and no verdict.
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

DRAWS = 99  # that a truth is ranked among, so that it has one of 100 ranks
# Trees of depth 9 at most: truths of next to no spread between houses would take minutes each.
SHORT = {"chains": 2, "warmup": 300, "draws": 300, "max_treedepth": 9}
LONG = {"chains": 2, "warmup": 500, "draws": 750, "max_treedepth": 9}
CAREFUL = 0.99  # adapt_delta of the second run where the first diverged
UNJUDGED = 20  # simulations, at most, of a model that is allowed to fail: to be seen, not judged
MAX_R_HAT = 1.05  # the gate's 1.01 is less than the noise of two short chains
TRUTH_CHAINS = 4
THIN = 20  # draws of the prior from one truth to the next
FEW = 10  # draws a chain that say little about their dependence
REMEDY = "raise sampler.adapt_delta above 0.99, or give [calibration] of the study narrower priors"
BY_COUNTY = ("alpha", "beta", "sigma")


def draw_truths(
    program: Program, data: dict, settings: Sampler, sims: int
) -> tuple[list[dict], str]:
    """Nearly independent draws of a program's prior, each with houses that it made.

    They are every `THIN`-th draw of chains that differ in their length alone, so that
    more simulations begin with the same truths as fewer.

    Returns
    -------
    list of dict, str
        For each simulation `log_radon`, (house,), and what `ranked_draws` names; and
        what is wrong with the chains, if anything is: transitions that diverge, or
        draws of a number that are worth less than a tenth of how many they are, which
        is beyond the noise of so few.

    Raises
    ------
    SamplingError
        CmdStan stopped.
    """
    each = -(-sims // TRUTH_CHAINS)
    change = {"chains": TRUTH_CHAINS, "prior_draws": THIN * each}
    own = settings.model_copy(update=change)
    chains = sampling.sample(compiled(program), data, own, prior=True, thin=THIN, take=read_chains)
    drawn = chains.variables
    parameters = {name: drawn[name] for name in declared(program.essence, "parameters")}
    houses = without_houses(data) | fitted_houses(data)
    # County effects that are generated are those that made the houses.
    drawn |= generate(compiled(program), houses, parameters, settings.seed)
    ranked = ranked_draws({name: flat(draws) for name, draws in drawn.items()}, data["J"])
    made = ranked | {"log_radon": flat(drawn["y_rep"])}
    # By place in the chain, then by chain.
    by_place = np.arange(TRUTH_CHAINS * each).reshape(TRUTH_CHAINS, each).T.ravel()[:sims]
    truths = [{name: draws[i].tolist() for name, draws in made.items()} for i in by_place]
    if divergences := chains.statistics["diverging"].sum():
        return truths, f"{divergences} divergent transitions"
    for name in ranked:
        draws = drawn[name]
        if draws.ndim == 2 and each >= FEW and arviz_stats.ess(draws) < draws.size / 10:
            return truths, f"draws of {name} that depend on each other"
    return truths, ""


def ranked_draws(drawn: Mapping[str, np.ndarray], counties: int) -> dict[str, np.ndarray]:
    """What is ranked of draws: (draw,) of each number, (draw, county) of what counties have."""
    return {
        name: draws
        for name, draws in drawn.items()
        if (draws.ndim == 1 and of_the_model(name))
        or (name in BY_COUNTY and draws.shape[1:] == (counties,))
    }


def three_counties(houses: np.ndarray) -> list[int]:
    """Positions of a small, a middle and a large county, by their numbers of houses (county,).

    Of the counties that have any, in order of that number and then of position, the
    first, the middle one and the last.
    """
    order = np.argsort(houses, kind="stable")
    order = order[houses[order] > 0]
    return order[np.unique(np.linspace(0, order.size - 1, 3).round().astype(int))].tolist()


def houses_of(data: dict) -> np.ndarray:
    """Number of houses of each county."""
    return np.bincount(np.asarray(data["county"]) - 1, minlength=data["J"])


def rank(draws: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How many draws (draw, ...) are below the truth (...); ties go either way at random."""
    return (draws < truth).sum(axis=0) + rng.integers(0, (draws == truth).sum(axis=0) + 1)


def failed_checks(run: CmdStanMCMC, watched: np.ndarray, depth: int) -> list[str]:
    """Which checks of the gate a simulation's run fails.

    R-hat may be up to `MAX_R_HAT`, and `DRAWS` effective draws are enough, of each
    column of `watched` (draw, parameter) that moves.
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
    """Ranks of a truth among evenly spaced draws, and the checks that the run fails."""
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
    """Fit a program to the houses of one truth, on whichever machine this runs.

    Returns
    -------
    dict
        `ranks`, by parameter; `failed`, checks that the last run failed; `runs`, how
        many there were; only `stopped`, CmdStan's words, if it gave up both times.
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
            # The ranks of a first run that only failed its checks are better than none.
            found = found if "ranks" in found else {"stopped": str(error), "failed": []}
        else:
            found = ranks_of(run, made, truth, settings.max_treedepth, seed)
        found["runs"] = runs
        if "ranks" in found and not found["failed"]:
            break
    return found


def dataset(model: str, results: list[dict], data: dict, coords: dict) -> xr.Dataset:
    """Ranks of all simulations, and how their runs went.

    Returns
    -------
    Dataset
        By name each ranked parameter, (simulation,) or (simulation, county), 0 to
        `DRAWS`, -1 where CmdStan gave up; `runs`, `failed` (the checks) and `stopped`,
        (simulation,); `county_name`, `houses` and `judged` (one of the three), (county,).

    Raises
    ------
    SamplingError
        CmdStan gave up all simulations.
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
    """How many simulations.

    Raises
    ------
    StudyError
        It is not a number of simulations.
    """
    if not sims.isascii() or not sims.isdigit() or int(sims) < 1:
        raise StudyError(f"SIMS={sims}: give a whole number from 1")
    return int(sims)


def main(arguments: list[str] | None) -> None:
    """Calibrate one program for one study; finished simulations are kept and not repeated."""
    names = ("executable", "essence", "data", "coords", "sampler", "calibration", "models")
    parser = cli.stage(__doc__, *names, "toolchain")
    parser.add_argument("--sims", default="200", help="how many simulations")
    parser.add_argument("--scheduler", help="address of a dask scheduler; none: this machine")
    given = parser.parse_args(arguments)
    sims, model = count(given.sims), given.executable.name
    disable_logging()
    settings = read_section(Sampler, given.sampler)
    allowed = read_section(Models, given.models).allowed_to_fail
    sims = min(sims, UNJUDGED) if model in allowed else sims
    data, coords = (json.loads(p.read_text(encoding="utf-8")) for p in (given.data, given.coords))
    data |= read_section(Priors, given.calibration).scales()
    program = read_program(given.executable, given.essence, given.toolchain)
    truths, wrong = draw_truths(program, data, settings, sims)
    if wrong and model not in allowed:
        raise DiagnosticsError(f"the prior of {model} gives no truths: {wrong}; {REMEDY}")
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
