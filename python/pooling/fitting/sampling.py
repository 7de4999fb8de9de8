"""Run CmdStan's NUTS on a compiled program."""

import sys
from collections.abc import Callable
from pathlib import Path

from cmdstanpy import CmdStanMCMC, CmdStanModel

from pooling.fits.store import Start
from pooling.fitting.disturbance import Taken, undisturbed
from pooling.fitting.generate import DIGITS, without_houses
from pooling.inputs.study import PRIOR_ADAPT_DELTA, Sampler


def in_memory(run: CmdStanMCMC) -> CmdStanMCMC:
    """The run with its draws, which need no files any more."""
    run.draws()
    return run


def sample(
    executable: Path,
    data: dict,
    settings: Sampler,
    *,
    prior: bool = False,
    start: Start | None = None,
    parallel_chains: int | None = None,
    progress: bool | None = None,
    thin: int = 1,
    # No default of a type variable is right for every type: python/mypy issue 3737.
    take: Callable[[CmdStanMCMC], Taken] = in_memory,  # type: ignore[assignment]
) -> Taken:
    """Draw from a program's posterior, or from its prior: the posterior of no houses.

    Chains, seeds and draws come from the settings, never from the machine.

    Parameters
    ----------
    data
        Stan data as `prepare` writes it; houses to predict are predicted at every draw, so
        give few.
    start
        Where to start; by default CmdStan's own random inits, unit metric and step.
    parallel_chains
        Chains that run at once, by default as many as there are cores; the draws
        do not depend on it.
    progress
        Whether to show a bar; by default in a terminal only.
    thin
        Only every so many draws is kept.
    take
        What to take from the run before its CSV files go; by default itself and its draws.

    Raises
    ------
    SamplingError
        CmdStan stopped; the message ends with its own words.
    DisturbedError
        A chain was killed or hung, or there was no room for its draws, twice.
    InterruptionError
        A chain was interrupted at the terminal.
    """
    begin: dict = {}
    if start:
        metric = {"inv_metric": start.inv_metric}
        begin = {"step_size": start.step_size, "inv_metric": metric, "inits": start.inits}
    options = begin | {
        "data": without_houses(data) if prior else data,
        "seed": settings.seed,
        "chains": settings.chains,
        "parallel_chains": parallel_chains,
        "iter_warmup": settings.warmup,
        "iter_sampling": settings.prior_draws if prior else settings.draws,
        "adapt_delta": max(settings.adapt_delta, PRIOR_ADAPT_DELTA if prior else 0),
        "max_treedepth": settings.max_treedepth,
        "thin": thin,
        "sig_figs": DIGITS,
        "show_progress": sys.stderr.isatty() if progress is None else progress,
    }
    what = f"{executable.name}: sampling its {'prior' if prior else 'posterior'} failed"

    def work(folder: Path) -> Taken:
        return take(CmdStanModel(exe_file=executable).sample(output_dir=folder, **options))

    return undisturbed(work, what)
