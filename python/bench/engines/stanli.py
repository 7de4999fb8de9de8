"""stanli, which interprets Stan, on the project's own programs, chains in threads."""

import time
from collections.abc import Callable
from importlib.metadata import version

import stanli

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


def start(task: Task) -> Callable[[int], Run]:
    """Read the program, and give a function of the seed."""
    begun = time.perf_counter()
    program = task.programs / f"hierarchical_{task.parameterisation}.stan"
    model = stanli.Model(
        stan_file=str(program), data=str(task.path), include_paths=[str(task.programs)]
    )
    compile_s = time.perf_counter() - begun
    asked = {"chains": CHAINS, "parallel_chains": CORES, "warmup": WARMUP, "delta": TARGET}
    asked |= {"refresh": 0}

    def run(seed: int) -> Run:
        begun = time.perf_counter()
        fit = model.sample(seed=seed, samples=DRAWS, **asked)
        sampling_s = time.perf_counter() - begun
        warmup = model.sample(seed=seed, samples=0, save_warmup=True, **asked)
        return Run(
            draws={name: fit.draws(name) for name in (*POPULATION, *EFFECTS)},
            compile_s=compile_s,
            sampling_s=sampling_s,
            divergences=int(fit.divergences.sum()),
            warmup_steps=int(warmup["n_leapfrog__"].sum()),
            steps=int(fit["n_leapfrog__"].sum()),
            version=version("stanli"),
        )

    return run


if __name__ == "__main__":
    serve(start)
