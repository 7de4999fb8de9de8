"""PyMC with its own NUTS, chains in processes."""

import time
from collections.abc import Callable

import numpy as np
import pymc as pm

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


def model(data: dict, centered: bool) -> pm.Model:
    """The plain hierarchical model with the priors of the data, which must be half-normal."""
    prior, J = {name.removeprefix("prior_"): data[name] for name in data}, data["J"]
    with pm.Model() as described:
        mu, spread = {}, {}
        for name in EFFECTS:
            mu[name] = pm.Normal(f"mu_{name}", prior[f"mu_{name}_loc"], prior[f"mu_{name}_scale"])
            spread[name] = pm.HalfNormal(f"sigma_{name}", prior[f"sigma_{name}_scale"])
        sigma = pm.HalfNormal("sigma", prior["sigma_scale"])
        effect = {}
        for name in EFFECTS:
            if centered:
                effect[name] = pm.Normal(name, mu[name], spread[name], shape=J)
            else:
                tilde = pm.Normal(f"{name}_tilde", 0, 1, shape=J)
                effect[name] = pm.Deterministic(name, mu[name] + spread[name] * tilde)
        county, floor = data["county"], data["floor_measure"]
        expected = effect["alpha"][county] + effect["beta"][county] * floor
        pm.Normal("log_radon", expected, sigma, observed=data["log_radon"])
    return described


def start(task: Task) -> Callable[[int], Run]:
    """A function of the seed; PyMC compiles in each run, in later ones from its cache."""
    described = model(task.data(), task.centered)

    def run(seed: int) -> Run:
        begun = time.perf_counter()
        trace = pm.sample(
            model=described,
            tune=WARMUP,
            draws=DRAWS,
            chains=CHAINS,
            cores=CORES,
            random_seed=seed,
            target_accept=TARGET,
            progressbar=False,
            compute_convergence_checks=False,
        )
        total = time.perf_counter() - begun
        sampling = trace.posterior.attrs["sampling_time"]
        return Run(
            draws={name: trace.posterior[name].values for name in (*POPULATION, *EFFECTS)},
            compile_s=total - sampling,
            sampling_s=sampling,
            divergences=int(np.sum(trace.sample_stats["diverging"].values)),
            version=pm.__version__,
        )

    return run


if __name__ == "__main__":
    serve(start)
