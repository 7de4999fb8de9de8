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
    """The run with its draws in memory, independent of its files."""
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
    # mypy rejects a default for a type variable: python/mypy issue 3737.
    take: Callable[[CmdStanMCMC], Taken] = in_memory,  # type: ignore[assignment]
) -> Taken:
    """Sample a program's posterior, or its prior, which is the posterior without houses.

    Draws depend on the settings and not on the number of cores.

    Parameters
    ----------
    data
        Stan data as `prepare` writes it. Houses to predict are predicted at every draw, so
        there should be few.
    start
        By default CmdStan's random inits, unit metric and step size.
    parallel_chains
        Chains that run at once, by default one per core.
    progress
        Whether to show a progress bar; by default only in a terminal.
    thin
        Period of the saved draws.
    take
        Extracts the result before the run's CSV files are removed; by default the run itself
        with its draws.

    Raises
    ------
    SamplingError, ChainLost, InterruptionError
        As by `pooling.fitting.disturbance.undisturbed`.
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
