"""Fit a program again without some houses, and score how it predicts them; many such refits.

The refits, and other fits of which there are many, run on a dask cluster: one of
this machine's cores, or the one whose scheduler is named. Workers need this package
and CmdStan, and no files of ours: they get the program's text and the data, and
compile once. What is finished is kept and never repeated.
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
from pooling.fits.limits import MAX_R_HAT, MIN_ESS_PER_CHAIN
from pooling.fits.store import BY_HOUSE, Fit, Start
from pooling.fitting import sampling
from pooling.fitting.generate import flat, to_predict
from pooling.inputs.study import Sampler
from pooling.programs.compile import compile_program

SCORES = ("elpd", "mean", "mcse", "pit")
HOPELESS = 0.01  # share of divergent transitions from which care does not help


@dataclass(frozen=True)
class Program:
    """A program as workers get it.

    Attributes
    ----------
    name
        Stem of the Stan file.
    essence
        Its text, complete: includes in place.
    executable
        Where it is compiled already; None for workers elsewhere, who compile it.
    toolchain
        What it is compiled with here, as `pooling.build.cmdstan` records it.
    start
        Where its fit to all houses ended. A refit is next to it, so chains that start
        there need a short warm-up; a second, careful try does without.
    """

    name: str
    essence: str
    executable: Path | None = None
    toolchain: str = ""
    start: Start | None = None


Job = TypeVar("Job")  # what JSON could hold


def read_program(
    executable: Path, essence: Path, toolchain: Path, fit: Fit | None = None
) -> Program:
    """A compiled program of this machine, from its files and perhaps its fit to all houses."""
    text, tools = (path.read_text(encoding="utf-8") for path in (essence, toolchain))
    start = fit.start() if fit else None
    return Program(executable.name, text, executable.resolve(), tools, start)


def hold_out(data: dict, houses: list[int]) -> dict:
    """Stan data with some houses, counted from 0, to be predicted and not fitted.

    They are few, so the refit predicts them while it samples, which saves a process.
    """
    held = set(houses)
    rest = [i for i in range(data["N"]) if i not in held]
    fitted = {name: [data[name][i] for i in rest] for name in BY_HOUSE}
    predicted = to_predict(*([data[name][i] for i in houses] for name in BY_HOUSE))
    return data | fitted | {"N": len(rest)} | predicted


def score_predicted(draws: Mapping, data: dict, divergences: int) -> dict[str, list]:
    """Scores of the houses to predict, in their order, from draws that have not seen them.

    Parameters
    ----------
    draws
        `alpha`, `beta`, `log_lik` and `y_rep`, each (chain, draw, ...).
    divergences
        Of the run that they come from.

    Returns
    -------
    dict of list
        `elpd`, the log predictive density; `mean`, the posterior mean of alpha +
        beta * floor (log pCi/L), and `mcse`, its Monte Carlo error; `pit`, the
        share of replications up to what was measured; `converged`, whether the
        refit had no divergence and R-hat and effective size of that mean pass the
        gate's limits. Numbers that are not are NaN.
    """
    county, floor = (np.asarray(data[name]) for name in ("county_new", "floor_measure_new"))
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
    log_lik = flat(draws["log_lik"])
    elpd = logsumexp(log_lik, axis=0) - np.log(log_lik.shape[0])
    below = flat(draws["y_rep"]) <= np.asarray(data["log_radon_new"])
    mixed = (r_hat <= MAX_R_HAT) & (ess >= MIN_ESS_PER_CHAIN * len(chains))
    sound = np.isfinite(elpd) & mixed[cell] & (divergences == 0)
    values = (elpd, mean.mean(axis=0)[cell], mcse[cell], below.mean(axis=0))
    scores = {name: value.tolist() for name, value in zip(SCORES, values, strict=True)}
    return scores | {"converged": sound.tolist()}


def stopped(houses: int, reason: str) -> dict[str, list | str]:
    """What stands for the scores of a refit that CmdStan gave up."""
    lost = {name: [float("nan")] * houses for name in SCORES}
    return {**lost, "converged": [False] * houses, "stopped": reason}


def compiled(program: Program) -> Path:
    """Executable of a program on this machine, compiled the first time it is asked for.

    Raises
    ------
    SetupError
        This machine has no CmdStan, or the folder for executables belongs to somebody else.
    """
    if program.executable:
        return program.executable
    cmdstan = locate()
    if cmdstan is None:
        raise SetupError("this worker has no CmdStan; set CMDSTAN or run `make` there once")
    key = hashlib.sha256(f"{cmdstan} {program.essence}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"pooling-{os.getuid()}"
    executable = folder / key / program.name
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():  # everybody may write beside it
        raise SetupError(f"{folder} belongs to another user; remove it or set TMPDIR")
    if not executable.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            source = Path(scratch) / f"{program.name}.stan"
            source.write_text(program.essence, encoding="utf-8")
            compile_program(source, cmdstan, Path(scratch) / key / program.name)
            executable.parent.mkdir(exist_ok=True)
            (Path(scratch) / key / program.name).replace(executable)
    return executable


def predictions(run: CmdStanMCMC) -> tuple[dict[str, np.ndarray], int]:
    """What `score_predicted` takes of a run: draws (chain, draw, ...), and divergences."""
    names = ("alpha", "beta", "log_lik", "y_rep")
    draws = {name: run.stan_variable(name) for name in names}
    by_chain = {n: v.reshape(run.chains, -1, *v.shape[1:]) for n, v in draws.items()}
    return by_chain, int(np.sum(run.method_variables()["divergent__"]))


def refit(program: Program, data: dict, houses: list[int], sampler: dict) -> dict:
    """One refit, on whichever machine this runs; a longer and a careful one where it fails.

    A run without divergences may only have been too short; else more care is tried
    at once. There is no other try where more than one transition in a hundred
    diverges: then the posterior itself is at fault. Without these houses the program
    may have none, as when the rest of a county's houses are tied and its spread is its
    own.

    Returns
    -------
    dict
        As `score_predicted`, or, if CmdStan gave up both times, as `stopped`.
    """
    disable_logging()
    executable, without = compiled(program), hold_out(data, houses)
    scores: dict = {}
    alone = partial(
        sampling.sample, executable, without, parallel_chains=1, progress=False, take=predictions
    )
    short, long, careful = Sampler(**sampler).refits()
    efforts = [(short, program.start), (long, program.start), (careful, None)]
    while efforts:
        effort, start = efforts.pop(0)
        try:
            draws, divergences = alone(effort, start=start)
        except SamplingError as error:
            scores, efforts = stopped(len(houses), str(error)), efforts[-1:]
            continue
        scores = score_predicted(draws, without, divergences)
        if all(scores["converged"]) or divergences > HOPELESS * effort.chains * effort.draws:
            break
        if divergences:
            efforts = efforts[-1:]
    return scores


@contextmanager
def cluster(scheduler: str | None) -> Iterator[Client]:
    """A client of the scheduler at this address, or of one with a thread a core of this machine."""
    if scheduler:
        with Client(scheduler, timeout="30s") as client:
            yield client
        return
    # Threads suffice: the work is done by CmdStan, in processes of its own.
    threads = {"processes": False, "n_workers": 1, "threads_per_worker": os.cpu_count()}
    # Any free ports of this machine alone: dask opens them even without dashboards.
    inside = dict.fromkeys(("dashboard_address", "worker_dashboard_address"), "127.0.0.1:0")
    with LocalCluster(**threads, **inside) as local, Client(local) as client:
        try:
            yield client
        finally:
            if interruptions:  # dask would warn of each job that it gives up
                logging.getLogger("distributed").setLevel(logging.CRITICAL)


def run_refits(
    program: Program,
    data: dict,
    folds: dict[str, list[int]],
    settings: Sampler,
    kept: Path,
    scheduler: str | None = None,
) -> dict[str, dict]:
    """Scores of each fold; those already in the folder `kept` are read from there.

    Parameters
    ----------
    folds
        Houses, counted from 0, that are held out together, by the name of their fold.

    Raises
    ------
    SamplingError
        A refit failed on every worker that tried it, or CmdStan gave up all of
        them; finished ones are kept.
    """
    scores = run_batch(Batch(refit, program, data, folds, settings, "refits"), kept, scheduler)
    if folds and all("stopped" in found for found in scores.values()):
        fold = next(iter(folds))
        raise SamplingError(f"{program.name} without {fold}: {scores[fold]['stopped']}")
    return scores


@dataclass(frozen=True)
class Batch(Generic[Job]):
    """Many jobs for one program that have all but a little in common.

    Attributes
    ----------
    work
        A function of a module: `work(program, data, job, settings)` on whichever machine
        it runs.
    data
        What all jobs share.
    jobs
        What each has of its own, as JSON could hold it, by name.
    settings
        Of the sampler; `work` gets them as a dict.
    title
        What the jobs are, for the progress bar and for errors.
    """

    work: Callable[[Program, dict, Job, dict], dict]
    program: Program
    data: dict
    jobs: Mapping[str, Job]
    settings: Sampler
    title: str

    def keys(self) -> dict[str, str]:
        """A key for each job, made of all that its result depends on."""
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
        """Names and results of some of the jobs, in the order in which they are finished.

        Raises
        ------
        SamplingError
            A job failed on every worker that tried it, or dask gave it up.
        """
        program = replace(self.program, executable=None) if scheduler else self.program
        settings = self.settings.model_dump()
        about = f"{self.title} of {program.name}"
        with cluster(scheduler) as client:
            [data] = client.scatter([self.data], broadcast=True)
            submit = partial(client.submit, self.work, program, data, pure=False, retries=2)
            asked = {submit(self.jobs[name], settings): name for name in names}
            # Bars of stages that run side by side share a line: none stays, none is broken.
            bar = {"total": len(asked), "desc": about, "leave": False, "dynamic_ncols": True}
            for job in tqdm(as_completed(asked), **bar, disable=None):
                if job.status == "error":
                    raise SamplingError(f"{about}: {asked[job]}: {job.exception()}")
                if job.status != "finished":
                    reason = "dask lost it, perhaps while the machine slept; run make again"
                    raise SamplingError(f"{about}: {asked[job]}: {reason}")
                yield asked[job], job.result()


def run_batch(batch: Batch, kept: Path, scheduler: str | None = None) -> dict[str, dict]:
    """What is found in each job; what the folder `kept` has is read from there.

    Results are kept as JSON, unless they have `stopped`: what stopped may do better
    next time.

    Raises
    ------
    SamplingError
        As `Batch.results`; finished jobs are kept.
    """
    kept.mkdir(parents=True, exist_ok=True)
    sweep(kept)
    files = {name: kept / f"{key}.json" for name, key in batch.keys().items()}
    results = {name: found for name, file in files.items() if (found := read_kept(file))}
    missing = [name for name in files if name not in results]
    if missing:
        for name, found in batch.results(missing, scheduler):
            results[name] = found
            if "stopped" not in found:
                with replacing(files[name], recorded=False) as draft:
                    draft.write_text(json.dumps(found), encoding="utf-8")
    return {name: results[name] for name in files}


def read_kept(file: Path) -> dict | None:
    """Result of a finished job; None if it is not there or was cut short."""
    try:
        found = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
