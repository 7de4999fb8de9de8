"""Run CmdStan's processes where they may be killed, hang or fill the disk.

Such a run is tried again, once: the same seed gives the same draws. What CmdStan or the program
does by itself is told in its own words.
"""

import math
import os
import re
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

from pooling.build.cli import interruptions
from pooling.build.errors import DisturbedError, InterruptionError, SamplingError
from pooling.build.files import is_full

# From outside; other signals are the program's own doing, or a person's at the terminal.
KILLS = {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE}
GLANCE = 0.1  # seconds between two looks at whether a person has interrupted us

Taken = TypeVar("Taken")


def undisturbed(work: Callable[[Path], Taken], what: str) -> Taken:
    """Result of work that runs CmdStan in a scratch folder, which is removed.

    Parameters
    ----------
    work
        Runs chains whose command lines name the folder and whose output goes there: draws as
        `*.csv`, what they say as `*stdout.txt`. It raises as cmdstanpy does: RuntimeError with
        `retcodes=[...]` where a chain failed, ValueError where draws are not complete.
    what
        The beginning of every error: what was run, and that it failed.

    Raises
    ------
    SamplingError
        CmdStan stopped; the message ends with its own words.
    DisturbedError
        A chain was killed or hung, or there was no room for its draws, twice.
    InterruptionError
        A chain was interrupted at the terminal.
    """
    try:
        return _once(work, what)
    except DisturbedError:
        return _once(work, what)


def _once(work: Callable[[Path], Taken], what: str) -> Taken:
    if interruptions:
        raise InterruptionError(f"{what}: interrupted")
    # Chains that are killed after an interruption may still write while the folder is removed.
    scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with scratch as name, watched(Path(name)) as hung:
        folder = Path(name)
        try:
            return work(folder)
        except (RuntimeError, ValueError, OSError) as error:
            ends = _ends(error)
            if interruptions or -signal.SIGINT in ends:
                raise InterruptionError(f"{what}: interrupted") from None
            if reason := _disturbance(error, ends, folder, hung):
                raise DisturbedError(f"{what}: {reason}") from None
            if isinstance(error, OSError):
                raise
            said = _last_words(folder) or str(error)
            raise SamplingError(f"{what}\n{said}") from None


def _ends(error: Exception) -> list[int]:
    """What each chain ended with: 0, its own number, or a signal's below 0."""
    codes = re.search(r"retcodes=\[([-\d, ]*)\]", str(error))
    return [int(code) for code in re.findall(r"-?\d+", codes[1])] if codes else []


def _disturbance(error: Exception, ends: list[int], folder: Path, hung: list[int]) -> str | None:
    """What stopped the chains from outside; None if CmdStan or the program did."""
    if is_full(folder):
        return f"no space left on device in {folder.parent}; free some and run make again"
    if hung:
        idle = f"a chain used no processor time for {patience():.0f} seconds"
        return f"{idle} and was stopped; run make again"
    for chain, end in enumerate(ends, start=1):
        if -end in KILLS:
            name = signal.Signals(-end).name
            why = "perhaps because memory ran out; run make again"
            return f"chain {chain} was killed by {name}, {why}"
    if isinstance(error, ValueError) and any(folder.glob("*.csv")):
        # CmdStan does not notice when it cannot write.
        why = f"perhaps no space left on device in {folder.parent}"
        return f"the chains came to an end, but their draws are not complete, {why} ({error})"
    return None


def patience() -> float:
    """Seconds without processor time after which a chain hangs: the variable STALL."""
    given = os.environ.get("STALL") or "600"
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise SamplingError(f"STALL={given}: give a number of seconds above 0")
    return seconds


@contextmanager
def watched(folder: Path) -> Iterator[list[int]]:
    """Kill chains that write into a folder if they hang; gives the list of those that were.

    Slow is not hanging: what counts is processor time, and only while this process
    runs as well. After an interruption all of them are killed, and those that
    cmdstanpy begins nevertheless: it does not cancel chains that wait for a core.
    """
    hung: list[int] = []
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(folder, patience(), over, hung), daemon=True)
    watch.start()
    try:
        yield hung
    finally:
        # Threads that begin chains may outlive an interruption of this one.
        if not interruptions:
            over.set()
            watch.join()


def _watch(folder: Path, limit: float, over: threading.Event, hung: list[int]) -> None:
    pause, waited = min(5.0, limit / 4), 0.0
    used: dict[int, tuple[float, float]] = {}  # of each chain: processor time, idle since
    while not over.wait(GLANCE):
        waited += GLANCE
        if not interruptions and waited < pause:
            continue
        for chain in _children():
            with suppress(psutil.Error):
                if not any(str(folder) in word for word in chain.cmdline()):
                    continue
                if interruptions:
                    chain.kill()
                    continue
                spent = sum(chain.cpu_times()[:2])
                before, idle = used.get(chain.pid, (-1.0, 0.0))
                used[chain.pid] = spent, idle + waited if spent == before else 0.0
                if used[chain.pid][1] >= limit:
                    hung.append(chain.pid)
                    chain.kill()
        waited = 0.0


def _children() -> list[psutil.Process]:
    try:
        return psutil.Process().children()
    except psutil.Error:
        return []


def _last_words(folder: Path) -> str:
    """Last paragraph, of 12 lines at most, that a chain which stopped early has written.

    Where no initial value would do, with the reason that the last one was rejected for.
    """
    logs = [path.read_text() for path in sorted(folder.glob("*stdout.txt"))]
    stopped = [log for log in logs if "Elapsed Time" not in log] or [*logs, ""]
    *before, last = re.split(r"\n\s*\n", stopped[0].strip())
    if before and last.startswith("Initialization"):
        # The paragraph before says a hundred times why.
        last = before[-1].rpartition("Rejecting initial value:\n")[2] + "\n" + last
    return "\n".join(last.splitlines()[-12:])
