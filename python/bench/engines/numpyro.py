"""NumPyro in double precision, chains side by side on devices of one core each."""

import time
from collections.abc import Callable

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro import distributions as dist
from numpyro.infer import MCMC, NUTS

from bench.exchange import (
    CHAINS,
    DRAWS,
    EFFECTS,
    POPULATION,
    TARGET,
    WARMUP,
    Run,
    Task,
    covered,
    serve,
)

# What JAX itself calls the steps from Python to machine code.
COMPILING = ("jaxpr_trace_duration", "jaxpr_to_mlir_module_duration", "backend_compile_duration")


def model(data: dict, centered: bool) -> None:
    """The plain hierarchical model with the priors of the data, which must be half-normal."""
    prior, effect = {name.removeprefix("prior_"): data[name] for name in data}, {}
    sigma = numpyro.sample("sigma", dist.HalfNormal(prior["sigma_scale"]))
    for name in EFFECTS:
        at = dist.Normal(prior[f"mu_{name}_loc"], prior[f"mu_{name}_scale"])
        mu = numpyro.sample(f"mu_{name}", at)
        spread = numpyro.sample(f"sigma_{name}", dist.HalfNormal(prior[f"sigma_{name}_scale"]))
        with numpyro.plate(f"{name}_of", data["J"]):
            if centered:
                effect[name] = numpyro.sample(name, dist.Normal(mu, spread))
            else:
                tilde = numpyro.sample(f"{name}_tilde", dist.Normal(0, 1))
                effect[name] = numpyro.deterministic(name, mu + spread * tilde)
    county, floor = jnp.asarray(data["county"]), jnp.asarray(data["floor_measure"])
    expected = effect["alpha"][county] + effect["beta"][county] * floor
    numpyro.sample("log_radon", dist.Normal(expected, sigma), obs=jnp.asarray(data["log_radon"]))


def start(task: Task) -> Callable[[int], Run]:
    """A function of the seed; the first run compiles, the others find what it compiled."""
    numpyro.enable_x64()
    numpyro.set_host_device_count(CHAINS)
    data, compiling = task.data(), []

    def listen(event: str, seconds: float, **_: object) -> None:
        if event.endswith(COMPILING):
            compiling.append((time.perf_counter() - seconds, time.perf_counter()))

    jax.monitoring.register_event_duration_secs_listener(listen)
    chains = MCMC(
        NUTS(model, target_accept_prob=TARGET),
        num_warmup=WARMUP,
        num_samples=DRAWS,
        num_chains=CHAINS,
        chain_method="parallel",
        progress_bar=False,
    )

    def run(seed: int) -> Run:
        compiling.clear()
        begun = time.perf_counter()
        chains.run(jax.random.key(seed), data, task.centered, extra_fields=("diverging",))
        draws = chains.get_samples(group_by_chain=True)
        draws = {name: np.asarray(draws[name]) for name in (*POPULATION, *EFFECTS)}
        total = time.perf_counter() - begun
        compile_s = covered(compiling)
        return Run(
            draws=draws,
            compile_s=compile_s,
            sampling_s=total - compile_s,
            divergences=int(chains.get_extra_fields(group_by_chain=True)["diverging"].sum()),
            version=numpyro.__version__,
        )

    return run


if __name__ == "__main__":
    serve(start)
