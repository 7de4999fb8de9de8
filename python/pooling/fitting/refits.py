"""Refit a program without some houses, and score its predictions of them.

Batches of refits and other fits run on a dask cluster: the cores of this machine, or the cluster
of a given scheduler. Workers need this package and CmdStan but none of our files: they receive
the program's source and data, and compile once. Finished jobs are cached.
"""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import arviz_stats
import numpy as np
from cmdstanpy import CmdStanMCMC, disable_logging
from dask.distributed import Client, LocalCluster, as_completed
from scipy.special import logsumexp
from tqdm import tqdm

from pooling.build.cli import interruptions
from pooling.build.cmdstan import locate
from pooling.build.digest import code_digest
from pooling.build.errors import SamplingError, SetupError
from pooling.build.files import replacing, sweep
from pooling.fits.limits import MAX_DIVERGENT_SHARE, MAX_R_HAT, MIN_ESS_PER_CHAIN
from pooling.fits.store import BY_HOUSE, Fit, Start
from pooling.fitting import sampling
from pooling.fitting.generate import flat, to_predict
from pooling.fitting.log_scores import log_scores, scored, up_to, with_points_below
from pooling.inputs.study import Sampler
from pooling.programs.compile import compile_program

SCORES = ("elpd", "mean", "mcse", "pit")


@dataclass(frozen=True)
class Program:
    """A program as sent to workers.

    Attributes
    ----------
    name
        Stem of the Stan file.
    normalised
        Its normalised source, includes in place.
    executable
        Its executable on this machine; None for remote workers, which compile it.
    toolchain
        The local toolchain, as `pooling.build.cmdstan` records it.
    start
        Where its fit to all houses ended. The posterior of a refit is close, so chains that
        start there need only a short warm-up. The careful run does not use it.
    """

    name: str
    normalised: str
    executable: Path | None = None
    toolchain: str = ""
    start: Start | None = None


Job = TypeVar("Job")  # JSON-serialisable


def read_program(
    executable: Path, normalised: Path, toolchain: Path, fit: Fit | None = None
) -> Program:
    """A compiled program of this machine, from its files and perhaps its fit to all houses."""
    text, tools = (path.read_text(encoding="utf-8") for path in (normalised, toolchain))
    start = fit.start() if fit else None
    return Program(executable.name, text, executable.resolve(), tools, start)


def hold_out(data: dict, houses: list[int], normalised: str) -> dict:
    """Stan data with some houses (0-based) to be predicted by a program instead of fitted.

    They are few, so the refit predicts them while sampling, which saves a process.
    """
    held = set(houses)
    rest = [i for i in range(data["N"]) if i not in held]
    fitted = {name: [data[name][i] for i in rest] for name in BY_HOUSE}
    predicted = to_predict(*([data[name][i] for i in houses] for name in BY_HOUSE))
    predicted = with_points_below(predicted, data, normalised)
    return data | fitted | {"N": len(rest)} | predicted


def score_predicted(draws: Mapping, data: dict, divergences: int) -> dict[str, list]:
    """Out-of-sample scores of the houses to predict, in their order.

    Parameters
    ----------
    draws
        `alpha`, `beta`, `log_lik` and `y_rep`, each (chain, draw, ...).
    divergences
        Number of divergent transitions of the run.

    Returns
    -------
    dict of list
        `elpd`, the log score (see `pooling.fitting.log_scores`); `mean`, the posterior mean of
        alpha + beta * floor (log pCi/L), and `mcse`, its Monte Carlo error; `pit`, the share of
        replications up to the measurement; `converged`, whether the refit had no divergences and
        R-hat and effective sample size of that mean are within the limits. NaN where undefined.
    """
    houses = scored(data)
    names = ("county_new", "floor_measure_new", "log_radon_new")
    county, floor, y = (np.asarray(data[name])[:houses] for name in names)
    # All houses of a county on one floor have the same mean in every draw.
    _, first, cell = np.unique([county, floor], axis=1, return_index=True, return_inverse=True)
    at = county[first].astype(int) - 1
    chains = draws["alpha"][..., at] + draws["beta"][..., at] * floor[first]
    ess, r_hat = np.full((2, first.size), np.nan)
    if (finite := np.isfinite(chains).all(axis=(0, 1))).any():
        ess[finite] = arviz_stats.ess(chains[..., finite])
        r_hat[finite] = arviz_stats.rhat(chains[..., finite])
    mean = flat(chains)
    mcse = mean.std(axis=0, ddof=1) / np.sqrt(ess)
    scores = log_scores(flat(draws["log_lik"]), data)
    elpd = logsumexp(scores, axis=0) - np.log(len(scores))
    below = up_to(flat(draws["y_rep"]), y, data)
    mixed = (r_hat <= MAX_R_HAT) & (ess >= MIN_ESS_PER_CHAIN * len(chains))
    sound = np.isfinite(elpd) & mixed[cell] & (divergences == 0)
    values = (elpd, mean.mean(axis=0)[cell], mcse[cell], below.mean(axis=0))
    found = {name: value.tolist() for name, value in zip(SCORES, values, strict=True)}
    return found | {"converged": sound.tolist()}


def failed_refit(houses: int, reason: str) -> dict[str, list | str]:
    """Placeholder for the scores of a refit in which CmdStan failed."""
    lost = {name: [float("nan")] * houses for name in SCORES}
    return {**lost, "converged": [False] * houses, "stopped": reason}


def compiled(program: Program) -> Path:
    """Executable of a program on this machine, compiled on first use.

    Raises
    ------
    SetupError
        This machine has no CmdStan, or another user owns the folder for executables.
    """
    if program.executable:
        return program.executable
    cmdstan = locate()
    if cmdstan is None:
        raise SetupError("this worker has no CmdStan; set CMDSTAN or run `make` there once")
    key = hashlib.sha256(f"{cmdstan} {program.normalised}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"pooling-{os.getuid()}"
    executable = folder / key / program.name
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():  # anyone could have created it
        raise SetupError(f"{folder} belongs to another user; remove it or set TMPDIR")
    if not executable.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            source = Path(scratch) / f"{program.name}.stan"
            source.write_text(program.normalised, encoding="utf-8")
            compile_program(source, cmdstan, Path(scratch) / key / program.name)
            executable.parent.mkdir(exist_ok=True)
            (Path(scratch) / key / program.name).replace(executable)
    return executable


def predictions(run: CmdStanMCMC) -> tuple[dict[str, np.ndarray], int]:
    """The arguments of `score_predicted` from a run: draws (chain, draw, ...), divergences."""
    names = ("alpha", "beta", "log_lik", "y_rep")
    draws = {name: run.stan_variable(name) for name in names}
    by_chain = {n: v.reshape(run.chains, -1, *v.shape[1:]) for n, v in draws.items()}
    return by_chain, int(np.sum(run.method_variables()["divergent__"]))


def refit(program: Program, data: dict, houses: list[int], sampler: dict) -> dict:
    """One refit, on a worker, repeated with a longer and then a more careful run if it fails.

    After divergences the longer run is skipped, since it would not help. Above
    `MAX_DIVERGENT_SHARE` there is no further run: the posterior itself is at fault. Without these
    houses it may even be improper, as when a county with its own standard deviation has only
    tied measurements left.

    Returns
    -------
    dict
        As `score_predicted`, or as `failed_refit` if CmdStan failed in the last run.
    """
    disable_logging()
    executable, without = compiled(program), hold_out(data, houses, program.normalised)
    scores: dict = {}
    run = partial(
        sampling.sample, executable, without, parallel_chains=1, progress=False, take=predictions
    )
    short, long, careful = Sampler(**sampler).refits()
    efforts = [(short, program.start), (long, program.start), (careful, None)]
    while efforts:
        effort, start = efforts.pop(0)
        try:
            draws, divergences = run(effort, start=start)
        except SamplingError as error:
            scores, efforts = failed_refit(len(houses), str(error)), efforts[-1:]
            continue
        scores = score_predicted(draws, without, divergences)
        if (
            all(scores["converged"])
            or divergences > MAX_DIVERGENT_SHARE * effort.chains * effort.draws
        ):
            break
        if divergences:
            efforts = efforts[-1:]
    return scores


@contextmanager
def cluster(scheduler: str | None) -> Iterator[Client]:
    """A client of the scheduler at this address, or of a local one with one thread per core."""
    if scheduler:
        with Client(scheduler, timeout="30s") as client:
            yield client
        return
    # Threads suffice, since CmdStan runs in its own processes.
    threads = {"processes": False, "n_workers": 1, "threads_per_worker": os.cpu_count()}
    # Dask opens dashboard ports regardless: use free ones, reachable from this machine only.
    inside = dict.fromkeys(("dashboard_address", "worker_dashboard_address"), "127.0.0.1:0")
    with LocalCluster(**threads, **inside) as local, Client(local) as client:
        try:
            yield client
        finally:
            if interruptions:  # dask would warn about every cancelled job
                logging.getLogger("distributed").setLevel(logging.CRITICAL)


def run_refits(
    program: Program,
    data: dict,
    folds: dict[str, list[int]],
    settings: Sampler,
    cache: Path,
    scheduler: str | None = None,
) -> dict[str, dict]:
    """Scores of each fold; those in the folder `cache` are not computed again.

    Parameters
    ----------
    folds
        0-based positions of the houses left out together, by the name of their fold.

    Raises
    ------
    SamplingError
        A refit failed on every worker that tried it, or CmdStan failed in all of them;
        finished ones are cached.
    """
    scores = run_batch(Batch(refit, program, data, folds, settings, "refits"), cache, scheduler)
    if folds and all("stopped" in found for found in scores.values()):
        fold = next(iter(folds))
        raise SamplingError(f"{program.name} without {fold}: {scores[fold]['stopped']}")
    return scores


@dataclass(frozen=True)
class Batch(Generic[Job]):
    """Many similar jobs for one program.

    Attributes
    ----------
    work
        A module-level function `work(program, data, job, settings)`, called on the worker.
    data
        Stan data shared by all jobs.
    jobs
        The JSON-serialisable data specific to each job, by name.
    settings
        Settings of the sampler; `work` receives them as a dict.
    title
        Description of the jobs, for the progress bar and errors.
    """

    work: Callable[[Program, dict, Job, dict], dict]
    program: Program
    data: dict
    jobs: Mapping[str, Job]
    settings: Sampler
    title: str

    def keys(self) -> dict[str, str]:
        """Cache key of each job, a hash of everything that its result depends on."""
        program = asdict(replace(self.program, executable=None))
        about = [program, self.data, self.settings.model_dump(), code_digest(self.work)]
        start = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
        keys = {}
        for name, job in self.jobs.items():
            key = start.copy()
            key.update(json.dumps(job).encode())
            keys[name] = key.hexdigest()[:20]
        return keys

    def results(self, names: Collection[str], scheduler: str | None) -> Iterator[tuple[str, dict]]:
        """Names and results of some of the jobs, in the order of completion.

        Raises
        ------
        SamplingError
            A job failed on every worker that tried it, or dask lost it.
        """
        program = replace(self.program, executable=None) if scheduler else self.program
        settings = self.settings.model_dump()
        about = f"{self.title} of {program.name}"
        with cluster(scheduler) as client:
            [data] = client.scatter([self.data], broadcast=True)
            submit = partial(client.submit, self.work, program, data, pure=False, retries=2)
            asked = {submit(self.jobs[name], settings): name for name in names}
            # Progress bars of concurrent stages share one line.
            bar = {"total": len(asked), "desc": about, "leave": False, "dynamic_ncols": True}
            for job in tqdm(as_completed(asked), **bar, disable=None):
                if job.status == "error":
                    raise SamplingError(f"{about}: {asked[job]}: {job.exception()}")
                if job.status != "finished":
                    reason = "dask lost the job, perhaps while the machine slept; run make again"
                    raise SamplingError(f"{about}: {asked[job]}: {reason}")
                yield asked[job], job.result()


def run_batch(batch: Batch, cache: Path, scheduler: str | None = None) -> dict[str, dict]:
    """Result of each job; those in the folder `cache` are not computed again.

    Results are cached as JSON, except those with `stopped`, which are retried next time.

    Raises
    ------
    SamplingError
        As `Batch.results`; finished jobs are cached.
    """
    cache.mkdir(parents=True, exist_ok=True)
    sweep(cache)
    files = {name: cache / f"{key}.json" for name, key in batch.keys().items()}
    results = {name: found for name, file in files.items() if (found := read_cached(file))}
    missing = [name for name in files if name not in results]
    if missing:
        for name, found in batch.results(missing, scheduler):
            results[name] = found
            if "stopped" not in found:
                with replacing(files[name], recorded=False) as draft:
                    draft.write_text(json.dumps(found), encoding="utf-8")
    return {name: results[name] for name in files}


def read_cached(file: Path) -> dict | None:
    """Cached result of a job; None if it is missing or damaged."""
    try:
        found = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
