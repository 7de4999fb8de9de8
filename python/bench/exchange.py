"""What goes to an engine and what comes back; needs numpy alone, so that every engine has it.

An engine is a process of its own. It is told what to fit once, so that it compiles once, and
then reads a line `SEED OUTPUT.npz` for each run that it is asked for, does it, writes the file
and answers with the line `done`. Between runs it sleeps, so runs of engines can take turns.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CHAINS, WARMUP, DRAWS, TARGET = 4, 1000, 1000, 0.8
CORES = 2
POPULATION = ("mu_alpha", "mu_beta", "sigma_alpha", "sigma_beta", "sigma")
EFFECTS = ("alpha", "beta")
# County effects integrated out, and drawn once the chains have ended; in standard deviations from
# their mean; as they are.
PARAMETERISATIONS = ("marginal", "noncentered", "centered")


@dataclass(frozen=True)
class Task:
    """What an engine is asked to fit.

    Attributes
    ----------
    path
        Stan data, as `pooling.inputs.prepare` writes it.
    parameterisation
        One of `PARAMETERISATIONS`.
    programs, cmdstan
        Folder of the programs and folder of CmdStan; only Stan engines need them.
    """

    path: Path
    parameterisation: str
    programs: Path
    cmdstan: Path

    def data(self) -> dict:
        """J, arrays of the houses, in which counties count from 0, and priors without `prior_`."""
        data = json.loads(self.path.read_text(encoding="utf-8"))
        priors = {name.removeprefix("prior_"): data[name] for name in data if "prior_" in name}
        houses = {name: np.asarray(data[name], float) for name in ("floor_measure", "log_radon")}
        return priors | houses | {"J": data["J"], "county": np.asarray(data["county"]) - 1}


@dataclass(frozen=True)
class Run:
    """One run of an engine.

    Attributes
    ----------
    draws
        Each (chain, draw) or (chain, draw, county).
    compile_s, sampling_s
        Seconds from the model as written to a sampler that can start, and from there to the
        last draw. Only the first run of a process may have to compile.
    divergences
        Of all chains, after warm-up.
    warmup_steps, steps
        Leapfrog steps of all chains in warm-up and after it: each evaluates the gradient once.
        Engines that do not keep what warm-up did repeat it for this once the clock has stopped.
    version
        Of the engine.
    """

    draws: dict[str, np.ndarray]
    compile_s: float
    sampling_s: float
    divergences: int
    warmup_steps: int
    steps: int
    version: str


def covered(spans: list[tuple[float, float]]) -> float:
    """Length that spans (begin, end) cover together; where they overlap it counts once."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def serve(start: Callable[[Task], Callable[[int], Run]]) -> None:
    """Do the runs that are asked for on standard input; `start` gives a function of the seed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("parameterisation", choices=PARAMETERISATIONS)
    parser.add_argument("--programs", type=Path, default=Path())
    parser.add_argument("--cmdstan", type=Path, default=Path())
    task = Task(**vars(parser.parse_args()))
    # Libraries print to standard output too: they get standard error in its place.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    run = start(task)
    for line in sys.stdin:
        seed, output = line.rstrip("\n").split(maxsplit=1)
        result = run(int(seed))
        numbers = {name: value for name, value in vars(result).items() if name != "draws"}
        np.savez(output, **result.draws, **numbers)
        print("done", file=answers, flush=True)
