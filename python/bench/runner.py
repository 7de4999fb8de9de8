"""One engine at work: a process in the engine's own environment that is asked for runs."""

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pooling.build.errors import SamplingError


class OverLimit(Exception):
    """The engine was stopped because it had not finished in time."""


@dataclass
class Engine:
    """An engine on one data set in one parameterisation.

    Attributes
    ----------
    python
        Interpreter of its environment.
    arguments
        What `bench.exchange.serve` reads.
    folder
        For its log, its draws and what it compiles; nothing there is used again.
    """

    name: str
    parameterisation: str
    python: Path
    arguments: list[str]
    folder: Path
    process: subprocess.Popen | None = field(default=None, init=False)

    def run(self, seed: int, limit: float) -> dict[str, np.ndarray]:
        """Do one run; start the engine first if it does not wait for work.

        Raises
        ------
        OverLimit
            It took longer than `limit` seconds, and was stopped.
        SamplingError
            It ended by itself.
        """
        process = self.process or self._begin()
        output = self.folder / f"{self.name}-{self.parameterisation}-{seed}.npz"
        with suppress(BrokenPipeError):  # it has ended already; what it said is read below
            process.stdin.write(f"{seed} {output}\n")
            process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], limit)
        if not ready:
            self.end()
            raise OverLimit
        if process.stdout.readline() != "done\n":
            self.end()
            said = self._log.read_text(errors="replace").strip().splitlines()[-12:]
            raise SamplingError("\n".join([f"{self.name} stopped ({self._log}):", *said]))
        with np.load(output) as saved:
            return dict(saved)

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.name}-{self.parameterisation}.log"

    def _begin(self) -> subprocess.Popen:
        self.folder.mkdir(parents=True, exist_ok=True)
        # What PyTensor compiled in an earlier process must not count as compiled.
        fresh = self.folder / f"pytensor-{self.name}-{self.parameterisation}-{time.time_ns()}"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", f"bench.engines.{self.name}", *self.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"PYTENSOR_FLAGS": f"base_compiledir={fresh}"},
                start_new_session=True,
            )
        return self.process

    def end(self) -> None:
        """Stop the engine and all that it started."""
        if self.process is None:
            return
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):  # what was not read by an engine that has ended
                pipe.close()
        self.process = None
