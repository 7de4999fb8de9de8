"""CmdStan on the project's own programs, chains in processes."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cmdstanpy
import pandas as pd

from bench.exchange import (
    CHAINS,
    CORES,
    DRAWS,
    EFFECTS,
    POPULATION,
    TARGET,
    WARMUP,
    Run,
    Task,
    serve,
)
from pooling.build.cmdstan import version
from pooling.programs.compile import compile_program


def compile_seconds(program: Path, cmdstan: Path) -> float:
    """Seconds that CmdStan's own make takes from a program to its executable."""
    handed_down = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    kept = {name: value for name, value in os.environ.items() if name not in handed_down}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / program.name
        copy.write_bytes(program.read_bytes())
        includes = f"STANCFLAGS=--include-paths={program.parent.resolve()}"
        begun = time.perf_counter()
        subprocess.run(
            ["make", includes, str(copy.with_suffix(""))],
            cwd=cmdstan,
            env=kept,
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - begun


def sample(
    executable: Path,
    data: Path,
    folder: Path,
    *,
    seed: int,
    warmup_alone: bool = False,
) -> tuple[float, list[Path]]:
    """Run chains as processes, as many at a time as there are cores.

    Parameters
    ----------
    warmup_alone
        Whether to write what warm-up does and to sample no more.

    Returns
    -------
    tuple
        Seconds from the start of the first to the exit of the last, reading of the data and
        writing of the draws included; the CSV files, one a chain.
    """
    outputs = [folder / f"{executable.name}-{chain + 1}.csv" for chain in range(CHAINS)]

    def one(chain: int) -> None:
        command = [executable.resolve(), f"id={chain + 1}", "random", f"seed={seed}"]
        command += ["data", f"file={data}", "output", f"file={outputs[chain]}", "refresh=0"]
        command += ["method=sample", f"num_warmup={WARMUP}"]
        command += [f"num_samples={0 if warmup_alone else DRAWS}"]
        command += [f"save_warmup={int(warmup_alone)}", "adapt", f"delta={TARGET}"]
        subprocess.run(command, check=True, capture_output=True)

    begun = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(one, range(CHAINS)))
    return time.perf_counter() - begun, outputs


def elapsed_seconds(outputs: Sequence[Path]) -> list[float]:
    """What each chain itself says that warm-up and sampling took, without reading the data."""
    texts = (path.read_text(encoding="utf-8") for path in outputs)
    return [float(re.findall(r"([\d.e+-]+) seconds \(Total\)", text)[-1]) for text in texts]


def leapfrog_steps(outputs: Sequence[Path]) -> int:
    """Leapfrog steps of the iterations that chains wrote."""
    name = "n_leapfrog__"
    return sum(int(pd.read_csv(path, comment="#", usecols=[name])[name].sum()) for path in outputs)


def start(task: Task) -> Callable[[int], Run]:
    """Compile as the workflow does, to know how long it takes, and give a function of the seed."""
    cmdstanpy.disable_logging()
    program = task.programs / f"hierarchical_{task.parameterisation}"
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        compile_program(program.with_suffix(".stan"), task.cmdstan, Path(folder) / program.name)
        compile_s = time.perf_counter() - begun

    def run(seed: int) -> Run:
        with tempfile.TemporaryDirectory() as folder:
            seconds, outputs = sample(program, task.path, Path(folder), seed=seed)
            fit = cmdstanpy.from_csv([str(path) for path in outputs])
            drawn = fit.draws_xr([*POPULATION, *EFFECTS])
            steps = leapfrog_steps(outputs)
            _, warmup = sample(program, task.path, Path(folder), seed=seed, warmup_alone=True)
            return Run(
                draws={name: drawn[name].values for name in (*POPULATION, *EFFECTS)},
                compile_s=compile_s,
                sampling_s=seconds,
                divergences=int(fit.divergences.sum()),
                warmup_steps=leapfrog_steps(warmup),
                steps=steps,
                version=".".join(map(str, version(task.cmdstan))),
            )

    return run


if __name__ == "__main__":
    serve(start)
