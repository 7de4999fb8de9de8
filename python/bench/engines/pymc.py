"""PyMC with its own NUTS, chains in processes."""

import time
from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

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
from bench.marginal import county_effects, log_likelihood, softplus_half_normal, statistics


def model(task: Task) -> pm.Model:
    """The plain hierarchical model with the priors of the data, which must be half-normal."""
    data, effect = task.data(), {}
    houses, county = statistics(data), data["county"]
    with pm.Model() as described:
        of = {"sigma": pm.HalfNormal("sigma", data["sigma_scale"])}
        for name in EFFECTS:
            mu, sigma = f"mu_{name}", f"sigma_{name}"
            of[mu] = pm.Normal(mu, data[f"{mu}_loc"], data[f"{mu}_scale"])
            if task.parameterisation == "marginal":
                free = pm.Flat(f"{sigma}_free")
                value, prior = softplus_half_normal(
                    pt.softplus, free, houses.unit, data[f"{sigma}_scale"]
                )
                of[sigma] = pm.Deterministic(sigma, value)
                pm.Potential(f"{sigma}_prior", prior)
                continue
            of[sigma] = pm.HalfNormal(sigma, data[f"{sigma}_scale"])
            if task.parameterisation == "centered":
                effect[name] = pm.Normal(name, of[mu], of[sigma], shape=data["J"])
            else:
                tilde = pm.Normal(f"{name}_tilde", 0, 1, shape=data["J"])
                effect[name] = pm.Deterministic(name, of[mu] + of[sigma] * tilde)
        if effect:
            expected = effect["alpha"][county] + effect["beta"][county] * data["floor_measure"]
            pm.Normal("log_radon", expected, of["sigma"], observed=data["log_radon"])
        else:
            pm.Potential("log_radon", log_likelihood(pt.log, houses, of))
    return described


def draws_of(posterior: xr.Dataset, task: Task, seed: int) -> dict[str, np.ndarray]:
    """Draws of what is compared; county effects that were integrated out are drawn here."""
    draws = {n: posterior[n].values for n in (*POPULATION, *EFFECTS) if n in posterior}
    if task.parameterisation == "marginal":
        draws |= county_effects(statistics(task.data()), draws, seed)
    return draws


def steps(statistics: xr.Dataset) -> int:
    """Leapfrog steps of all chains."""
    return int(statistics["n_steps"].sum())


def start(task: Task) -> Callable[[int], Run]:
    """A function of the seed; PyMC compiles in each run, in later ones from its cache."""
    described = model(task)

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
            discard_tuned_samples=False,
        )
        sampled = time.perf_counter()
        draws = draws_of(trace.posterior, task, seed)
        sampling_s = trace.posterior.attrs["sampling_time"]
        return Run(
            draws=draws,
            compile_s=sampled - begun - sampling_s,
            sampling_s=sampling_s + time.perf_counter() - sampled,
            divergences=int(np.sum(trace.sample_stats["diverging"].values)),
            warmup_steps=steps(trace.warmup_sample_stats),
            steps=steps(trace.sample_stats),
            version=pm.__version__,
        )

    return run


if __name__ == "__main__":
    serve(start)
