"""nutpie on the PyMC model, compiled by numba, chains in threads."""

import time
from collections.abc import Callable

import numpy as np
import nutpie

from bench.engines.pymc import draws_of, model, steps
from bench.exchange import CHAINS, CORES, DRAWS, TARGET, WARMUP, Run, Task, serve


def start(task: Task) -> Callable[[int], Run]:
    """Compile, and give a function of the seed."""
    begun = time.perf_counter()
    compiled = nutpie.compile_pymc_model(model(task), backend="numba")
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
        draws = draws_of(trace.posterior, task, seed)
        return Run(
            sampling_s=time.perf_counter() - begun,
            draws=draws,
            compile_s=compile_s,
            divergences=int(np.sum(trace.sample_stats["diverging"].values)),
            warmup_steps=steps(trace.warmup_sample_stats),
            steps=steps(trace.sample_stats),
            version=nutpie.__version__,
        )

    return run


if __name__ == "__main__":
    serve(start)
