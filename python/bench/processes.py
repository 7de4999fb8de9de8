"""What a command costs: seconds, the seconds of compilers and samplers in it, peak memory.

Linux only: it reads /proc.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

COMPILERS = ("stanc", "cc1plus", "as", "ld", "collect2", "g++", "c++")
NAME_LENGTH = 15  # of a process, in /proc
INTERVAL = 0.05  # seconds between two looks


@dataclass(frozen=True)
class Cost:
    """Cost of one command and of all that it started.

    Attributes
    ----------
    seconds
        From start to exit.
    work_seconds
        Processor seconds of compilers and samplers, 0 where nobody asked for them. A process
        is seen at most `INTERVAL` before its end, so they are a little more than this.
    peak_bytes
        Resident memory of the largest process.
    output
        What was printed, both streams.
    code
        What it exited with.
    """

    seconds: float
    work_seconds: float
    peak_bytes: int
    output: str
    code: int


@dataclass
class Watch:
    """Adds up processor seconds of processes of one session by name."""

    session: int
    names: Collection[str]
    seen: dict[tuple[int, str], float] = field(default_factory=dict)

    def look(self, processes: Path = Path("/proc")) -> None:
        """Note what each process of the session has used so far."""
        for path in processes.glob("[0-9]*/stat"):
            try:
                name, session, begun, seconds = read_stat(path.read_text())
            except OSError:
                continue  # it has ended
            if session == self.session and name in self.names:
                self.seen[int(path.parent.name), f"{name} {begun}"] = seconds

    @property
    def seconds(self) -> float:
        """Processor seconds that were seen, of all processes together."""
        return sum(self.seen.values())


def read_stat(text: str) -> tuple[str, int, str, float]:
    """Name, session, start and processor seconds from a line of /proc/<pid>/stat; see proc(5)."""
    before, _, after = text.rpartition(")")
    fields = after.split()  # from the third field on, the state
    ticks = int(fields[11]) + int(fields[12])
    name = before.partition("(")[2]
    return name, int(fields[3]), fields[19], ticks / os.sysconf("SC_CLK_TCK")


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
        Names of samplers, whose and the compilers' processor seconds are added up, which
        takes some of the machine's own; by default nothing is.
    """
    names = {name[:NAME_LENGTH] for name in (*COMPILERS, *programs)} if programs else set()
    with tempfile.TemporaryFile("w+") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        watch, ended = Watch(process.pid, names), threading.Event()

        def keep_looking() -> None:
            while names and not ended.wait(INTERVAL):
                watch.look()

        looking = threading.Thread(target=keep_looking)
        looking.start()
        # Not process.wait(): this also says how much memory the largest descendant took.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        looking.join()
        output.seek(0)
        return Cost(
            seconds,
            watch.seconds,
            usage.ru_maxrss * 1024,
            output.read(),
            process.returncode,
        )
