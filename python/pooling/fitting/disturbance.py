"""Run CmdStan's processes, and retry once if they are killed, stall or fill the disk.

The same seed gives the same draws. Errors of CmdStan or the program are reported with CmdStan's
own message.
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
from pooling.build.errors import ChainLost, InterruptionError, SamplingError
from pooling.build.files import is_full

# External causes; other signals come from the program itself or from the terminal.
KILLS = {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE}
POLL = 0.1  # seconds between checks for an interruption

Taken = TypeVar("Taken")


def undisturbed(work: Callable[[Path], Taken], what: str) -> Taken:
    """Result of work that runs CmdStan in a temporary folder.

    Parameters
    ----------
    work
        Runs chains whose command lines name the folder and which write there: draws to
        `*.csv`, messages to `*stdout.txt`. Like cmdstanpy it raises RuntimeError with
        `retcodes=[...]` if a chain failed, ValueError if draws are incomplete.
    what
        First words of every error message.

    Raises
    ------
    SamplingError
        CmdStan failed; the message ends with CmdStan's own.
    ChainLost
        A chain was killed or stalled, or the disk was full, twice.
    InterruptionError
        Interrupted at the terminal.
    """
    try:
        return _once(work, what)
    except ChainLost:
        return _once(work, what)


def _once(work: Callable[[Path], Taken], what: str) -> Taken:
    if interruptions:
        raise InterruptionError(f"{what}: interrupted")
    # Killed chains may still write while the folder is removed.
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
                raise ChainLost(f"{what}: {reason}") from None
            if isinstance(error, OSError):
                raise
            said = _last_words(folder) or str(error)
            raise SamplingError(f"{what}\n{said}") from None


def _ends(error: Exception) -> list[int]:
    """Exit status of each chain; a negative one is a signal."""
    codes = re.search(r"retcodes=\[([-\d, ]*)\]", str(error))
    return [int(code) for code in re.findall(r"-?\d+", codes[1])] if codes else []


def _disturbance(error: Exception, ends: list[int], folder: Path, hung: list[int]) -> str | None:
    """The external cause of a failure; None if CmdStan or the program failed."""
    if is_full(folder):
        return f"no space left on device in {folder.parent}; free some space and run make again"
    if hung:
        idle = f"a chain used no processor time for {stall_timeout():.0f} seconds"
        return f"{idle} and was killed; run make again, with a larger STALL if it was only slow"
    for chain, end in enumerate(ends, start=1):
        if -end in KILLS:
            name = signal.Signals(-end).name
            why = "perhaps because memory ran out; run make again"
            return f"chain {chain} was killed by {name}, {why}"
    if isinstance(error, ValueError) and any(folder.glob("*.csv")):
        # CmdStan ignores write errors.
        why = f"perhaps no space left on device in {folder.parent}"
        return f"the chains finished, but their draws are incomplete, {why} ({error})"
    return None


def stall_timeout() -> float:
    """Seconds without processor time after which a chain counts as stalled: the variable STALL."""
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
    """Kill chains that write to a folder and stall; yield the list of their process ids.

    A chain stalls if it uses no processor time while this process runs. After an interruption
    all chains are killed, also those that cmdstanpy still starts, since it does not cancel
    chains that wait for a core.
    """
    hung: list[int] = []
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(folder, stall_timeout(), over, hung), daemon=True)
    watch.start()
    try:
        yield hung
    finally:
        # After an interruption other threads may still start chains.
        if not interruptions:
            over.set()
            watch.join()


def _watch(folder: Path, limit: float, over: threading.Event, hung: list[int]) -> None:
    pause, waited = min(5.0, limit / 4), 0.0
    used: dict[int, tuple[float, float]] = {}  # of each chain: processor time, idle since
    while not over.wait(POLL):
        waited += POLL
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
    """Last paragraph, at most 12 lines, of the output of a chain that ended early.

    If initialisation failed, preceded by the reason for the last rejection.
    """
    logs = [path.read_text() for path in sorted(folder.glob("*stdout.txt"))]
    stopped = [log for log in logs if "Elapsed Time" not in log] or [*logs, ""]
    *before, last = re.split(r"\n\s*\n", stopped[0].strip())
    if before and last.startswith("Initialization"):
        # The previous paragraph repeats the reason for each of 100 attempts.
        last = before[-1].rpartition("Rejecting initial value:\n")[2] + "\n" + last
    return "\n".join(last.splitlines()[-12:])
