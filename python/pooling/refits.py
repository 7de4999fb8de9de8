"""Fit a program again without some houses, and score how it predicts them.

    python -m pooling.refits \\
        stan/M ESSENCE DATA.json COORDS.json SAMPLER.json --scheme loco -o FIT/loco.csv

Schemes: `loco` leaves out one county at a time, `kfold_county` a tenth of the
counties, `kfold_house` a tenth of the houses. The refits run on a dask cluster: one
of this machine's cores, or the one whose scheduler `--scheduler` names. Workers need
this package and CmdStan, and no files of ours: they get the program's text and the
data, and compile once. A refit that is finished is kept beside the output and never
repeated.
"""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd
from cmdstanpy import CmdStanMCMC, disable_logging
from dask.distributed import Client, LocalCluster, as_completed
from scipy.special import logsumexp
from tqdm import tqdm

from pooling import cli
from pooling.check import MAX_R_HAT, MIN_ESS_PER_CHAIN
from pooling.cmdstan import locate
from pooling.compile import compile_program
from pooling.errors import SamplingError, SetupError
from pooling.files import replacing
from pooling.sampling import sample
from pooling.study import Sampler, read_section

FOLDS = 10
COLUMNS = ["house", "fold", "elpd", "mean", "converged"]
BY_HOUSE = ("county", "floor_measure", "log_radon")


def one_county_each(data: dict, seed: int) -> dict[str, list[int]]:
    """Positions of the houses of each county that has any, by its number."""
    county = np.asarray(data["county"])
    return {str(j): np.flatnonzero(county == j).tolist() for j in np.unique(county)}


def tenths_of_counties(data: dict, seed: int) -> dict[str, list[int]]:
    """Positions of the houses of a random tenth of the counties, for each tenth."""
    county = np.asarray(data["county"])
    present = np.unique(county)
    fold = dict(zip(present, _balanced(present.size, seed), strict=True))
    return _grouped(np.array([fold[j] for j in county]))


def tenths_of_houses(data: dict, seed: int) -> dict[str, list[int]]:
    """Positions of a random tenth of the houses, for each tenth."""
    return _grouped(_balanced(data["N"], seed))


def _balanced(size: int, seed: int) -> np.ndarray:
    """Fold of each of `size` things, in random order, sizes as even as can be."""
    return np.random.default_rng(seed).permutation(np.arange(size) % min(FOLDS, size))


def _grouped(fold: np.ndarray) -> dict[str, list[int]]:
    return {str(k): np.flatnonzero(fold == k).tolist() for k in np.unique(fold)}


SCHEMES: dict[str, Callable[[dict, int], dict[str, list[int]]]] = {
    "loco": one_county_each,
    "kfold_county": tenths_of_counties,
    "kfold_house": tenths_of_houses,
}


def hold_out(data: dict, houses: list[int]) -> dict:
    """Stan data with some houses, counted from 0, moved to the end and held out."""
    held = set(houses)
    order = [i for i in range(data["N"]) if i not in held] + houses
    moved = {name: [data[name][i] for i in order] for name in BY_HOUSE}
    return data | moved | {"held_out": len(houses)}


def score_held_out(run: CmdStanMCMC, data: dict) -> dict[str, list]:
    """Scores of the houses that a refit holds out, in their order.

    `elpd` is the log predictive density of each house, `mean` the posterior mean
    of alpha + beta * floor (log pCi/L), `converged` whether the refit had no
    divergence and R-hat and effective size of that mean pass the gate's limits.
    """
    held = data["held_out"]
    county = np.asarray(data["county"][-held:]) - 1
    log_lik = run.stan_variable("log_lik").astype(float)
    alpha, beta = run.stan_variable("alpha")[:, county], run.stan_variable("beta")[:, county]
    mean = alpha + beta * np.asarray(data["floor_measure"][-held:])
    elpd = logsumexp(log_lik, axis=0) - np.log(log_lik.shape[0])
    sound = np.isfinite(elpd) & np.isfinite(mean).all(axis=0) & (np.sum(run.divergences) == 0)
    # stan_variable stacks draws chain after chain.
    chains = mean.reshape(run.chains, -1, held)
    enough = MIN_ESS_PER_CHAIN * run.chains
    for i in np.flatnonzero(sound):
        moves = chains[..., i]
        sound[i] = arviz_stats.rhat(moves) <= MAX_R_HAT and arviz_stats.ess(moves) >= enough
    return {"elpd": elpd.tolist(), "mean": mean.mean(axis=0).tolist(), "converged": sound.tolist()}


def compiled(model: str, essence: str) -> Path:
    """Executable of a program on this machine, compiled the first time it is asked for.

    Raises
    ------
    SetupError
        This machine has no CmdStan.
    """
    cmdstan = locate()
    if cmdstan is None:
        raise SetupError("this worker has no CmdStan; set CMDSTAN or run `make` there once")
    key = hashlib.sha256(f"{cmdstan} {essence}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"pooling-{os.getuid()}"
    executable = folder / key / model
    if not executable.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            program = Path(scratch) / f"{model}.stan"
            program.write_text(essence, encoding="utf-8")
            compile_program(program, cmdstan, Path(scratch) / key / model)
            executable.parent.mkdir(exist_ok=True)
            (Path(scratch) / key / model).replace(executable)
    return executable


def refit(model: str, essence: str, data: dict, houses: list[int], sampler: dict) -> dict:
    """One refit, on whichever machine this runs; a second, careful try if the first fails."""
    disable_logging()
    executable, without = compiled(model, essence), hold_out(data, houses)
    short, careful = Sampler(**sampler).refits()
    scores: dict[str, list] = {}
    for effort in (short, careful):
        run = sample(executable, without, effort, parallel_chains=1, progress=False)
        scores = score_held_out(run, without)
        hopeless = np.sum(run.divergences) > 0.01 * effort.chains * effort.draws
        if all(scores["converged"]) or hopeless:
            break
    return scores


@contextmanager
def cluster(scheduler: str | None) -> Iterator[Client]:
    """A client of the scheduler at this address, or of a worker a core of this machine."""
    if scheduler:
        with Client(scheduler, timeout="30s") as client:
            yield client
        return
    workers = {"n_workers": os.cpu_count(), "threads_per_worker": 1, "dashboard_address": None}
    workers |= {"silence_logs": logging.ERROR}
    with LocalCluster(**workers) as local, Client(local) as client:
        yield client


def run_refits(
    model: str,
    essence: str,
    data: dict,
    folds: dict[str, list[int]],
    settings: Sampler,
    kept: Path,
    scheduler: str | None = None,
) -> dict[str, dict]:
    """Scores of each fold; those already in the folder `kept` are read from there.

    Raises
    ------
    SamplingError
        A refit failed on every worker that tried it; finished ones are kept.
    """
    kept.mkdir(parents=True, exist_ok=True)
    sampler = settings.model_dump()
    about = json.dumps([essence, data, sampler], sort_keys=True)
    files = {}
    for fold, houses in folds.items():
        key = hashlib.sha256(f"{about} {houses}".encode()).hexdigest()[:20]
        files[fold] = kept / f"{key}.json"
    missing = [fold for fold, file in files.items() if not file.exists()]
    if missing:
        with cluster(scheduler) as client:
            [whole] = client.scatter([data], broadcast=True)
            jobs = {
                client.submit(
                    refit, model, essence, whole, folds[fold], sampler, pure=False, retries=2
                ): fold
                for fold in missing
            }
            done = as_completed(jobs)
            for job in tqdm(done, total=len(jobs), desc=f"refits of {model}", disable=None):
                fold = jobs[job]
                if job.status == "error":
                    raise SamplingError(f"{model} without fold {fold}: {job.exception()}")
                with replacing(files[fold]) as draft:
                    draft.write_text(json.dumps(job.result()), encoding="utf-8")
    return {fold: json.loads(file.read_text(encoding="utf-8")) for fold, file in files.items()}


def table(scores: dict[str, dict], folds: dict[str, list[int]], house: list) -> pd.DataFrame:
    """Scores of every house, in the order of `house`; missing where a refit did not converge."""
    parts = [
        pd.DataFrame(scores[fold] | {"position": positions, "fold": fold})
        for fold, positions in folds.items()
    ]
    rows = pd.concat(parts).sort_values("position", ignore_index=True)
    rows["house"] = house
    rows.loc[~rows["converged"], ["elpd", "mean"]] = np.nan
    return rows[COLUMNS]


def main(arguments: list[str] | None) -> None:
    """Score one model under one scheme; without pointwise output the table is empty."""
    names = ("executable", "essence", "data", "coords", "sampler")
    parser = cli.stage(__doc__, *names)
    parser.add_argument("--scheme", choices=SCHEMES, required=True)
    parser.add_argument("--scheduler")
    given = parser.parse_args(arguments)
    settings = read_section(Sampler, given.sampler)
    rows = pd.DataFrame(columns=COLUMNS)
    if settings.pointwise:
        data = json.loads(given.data.read_text(encoding="utf-8"))
        coords = json.loads(given.coords.read_text(encoding="utf-8"))
        essence = given.essence.read_text(encoding="utf-8")
        folds = SCHEMES[given.scheme](data, settings.seed)
        kept = given.output.with_name("refits")
        model = given.executable.name
        scores = run_refits(model, essence, data, folds, settings, kept, given.scheduler)
        rows = table(scores, folds, coords["house_id"])
    with replacing(given.output) as draft:
        rows.to_csv(draft, index=False, float_format="%.8g", lineterminator="\n")


if __name__ == "__main__":
    cli.run(main)
