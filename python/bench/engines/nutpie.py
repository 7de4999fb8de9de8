"""nutpie on the PyMC model, compiled by numba, chains in threads."""

import time
from collections.abc import Callable

import numpy as np
import nutpie

from bench.engines.pymc import model
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
    """Compile, and give a function of the seed."""
    begun = time.perf_counter()
    described = model(task.data(), task.centered)
    compiled = nutpie.compile_pymc_model(described, backend="numba")
    compile_s = time.perf_counter() - begun

    def run(seed: int) -> Run:
        begun = time.perf_counter()
        trace = nutpie.sample(
            compiled,
            tune=WARMUP,
            draws=DRAWS,
            chains=CHAINS,
            cores=CORES,
            seed=seed,
            target_accept=TARGET,
            progress_bar=False,
        )
        return Run(
            sampling_s=time.perf_counter() - begun,
            draws={name: trace.posterior[name].values for name in (*POPULATION, *EFFECTS)},
            compile_s=compile_s,
            divergences=int(np.sum(trace.sample_stats["diverging"].values)),
            version=nutpie.__version__,
        )

    return run


if __name__ == "__main__":
    serve(start)
