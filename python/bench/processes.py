"""What a command costs: seconds, the seconds of compilers and samplers in it, peak memory.

Linux with glibc only: each process writes down its own seconds, by a library that is loaded
into it.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COMPILERS = ("cc1plus", "as", "ld", "collect2", "g++", "c++")
SOURCE = Path(__file__).with_name("ledger.c")


@dataclass(frozen=True)
class Cost:
    """Cost of one command and of all that it started.

    Attributes
    ----------
    seconds
        From start to exit.
    compiler_seconds, sampler_seconds
        Processor seconds of compilers, and of compiled programs that sample or predict; 0 where
        nobody asked for them. What is linked statically, as stanc is, or is killed does not count.
    stage_seconds
        Processor seconds of each module that ran as `python -m`, without what it started; empty
        where nobody asked for the work.
    peak_bytes
        Resident memory of the largest process.
    output
        What was printed, both streams.
    code
        What it exited with.
    """

    seconds: float
    compiler_seconds: float
    sampler_seconds: float
    stage_seconds: dict[str, float]
    peak_bytes: int
    output: str
    code: int


def work_seconds(ledger: str, names: Collection[str]) -> float:
    """Processor seconds of the processes with these names, from what all of them wrote."""
    return sum(seconds for seconds, name, _ in _lines(ledger) if name in names)


def stage_seconds(ledger: str) -> dict[str, float]:
    """Processor seconds of each module that ran as `python -m`, from the same."""
    found: dict[str, float] = {}
    for seconds, name, module in _lines(ledger):
        # To a linker, -m means something else.
        if module and name.startswith("python"):
            found[module] = found.get(module, 0.0) + seconds
    return found


def _lines(ledger: str) -> Iterator[tuple[float, str, str]]:
    """Seconds, name and word behind -m of each process that has ended."""
    for line in ledger.splitlines():
        seconds, name, module = line.split("\t")
        yield float(seconds), name, module


def cost(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    programs: Collection[str] = (),
) -> Cost:
    """Run a command in a folder and say what it cost.

    Parameters
    ----------
    programs
        Names of samplers, whose processor seconds are added up, and so are the compilers'; by
        default nothing is.
    """
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile("w+") as output:
        ledger = Path(scratch) / "ledger"
        watched = dict(environment)
        if programs:
            library = ledger.with_suffix(".so")
            subprocess.run(["gcc", "-shared", "-fPIC", SOURCE, "-o", library], check=True)
            watched |= {"LD_PRELOAD": str(library), "LEDGER": str(ledger)}
        ledger.touch()
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=watched,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        # Not process.wait(): this also says how much memory the largest descendant took.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        noted = ledger.read_text(encoding="utf-8")
        return Cost(
            seconds,
            work_seconds(noted, COMPILERS if programs else ()),
            work_seconds(noted, programs),
            stage_seconds(noted),
            usage.ru_maxrss * 1024,
            output.read(),
            process.returncode,
        )
