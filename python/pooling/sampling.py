"""Run CmdStan's NUTS on a compiled program."""

import re
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from cmdstanpy import CmdStanMCMC, CmdStanModel

from pooling.draws import Start
from pooling.errors import SamplingError
from pooling.study import Sampler


def sample(
    executable: Path,
    data: dict,
    settings: Sampler,
    *,
    prior_only: bool = False,
    start: Start | None = None,
    parallel_chains: int | None = None,
    progress: bool | None = None,
    thin: int = 1,
    digits: int | None = None,
) -> CmdStanMCMC:
    """Draw from a program's posterior, or from its prior alone.

    Chains, seeds and draws come from the settings, never from the machine.

    Parameters
    ----------
    data
        Stan data as `prepare` writes it; `held_out` houses at its end are predicted.
    start
        Where to start; by default CmdStan's own random inits, unit metric and step.
    parallel_chains
        Chains that run at once, by default as many as there are cores; the draws
        do not depend on it.
    progress
        Whether to show a bar; by default in a terminal only.
    thin
        Only every so many draws is kept, or made into replications.
    digits
        Significant digits of the draws; by default CmdStan's own six.

    Raises
    ------
    SamplingError
        CmdStan stopped; the message ends with its own words.
    """
    switches = {"prior_only": int(prior_only), "pointwise": int(settings.pointwise)}
    begin = asdict(start) if start else {}
    if start:
        begin["inv_metric"] = {"inv_metric": start.inv_metric}
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = CmdStanModel(exe_file=executable).sample(
                data=data | switches,
                seed=settings.seed,
                chains=settings.chains,
                parallel_chains=parallel_chains,
                iter_warmup=settings.warmup,
                iter_sampling=settings.prior_draws if prior_only else settings.draws,
                adapt_delta=settings.adapt_delta,
                max_treedepth=settings.max_treedepth,
                thin=thin,
                sig_figs=digits,
                show_progress=sys.stderr.isatty() if progress is None else progress,
                output_dir=folder,
                **begin,
            )
            # Read while the files are there; the draws stay in memory.
            run.draws()
        except (RuntimeError, ValueError) as error:
            said = _last_words(Path(folder)) or str(error)
            what = "prior" if prior_only else "posterior"
            raise SamplingError(f"{executable.name}: sampling its {what} failed\n{said}") from None
    return run


def _last_words(folder: Path) -> str:
    """Last paragraph, of 12 lines at most, that a chain which stopped early has written."""
    logs = [path.read_text() for path in sorted(folder.glob("*stdout.txt"))]
    stopped = [log for log in logs if "Elapsed Time" not in log] or [*logs, ""]
    return "\n".join(re.split(r"\n\s*\n", stopped[0].strip())[-1].splitlines()[-12:])
