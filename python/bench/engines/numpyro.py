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
from bench.marginal import county_effects, log_likelihood, softplus_half_normal, statistics

# What JAX itself calls the steps from Python to machine code.
COMPILING = ("jaxpr_trace_duration", "jaxpr_to_mlir_module_duration", "backend_compile_duration")


def model(task: Task) -> Callable[[], None]:
    """The plain hierarchical model with the priors of the data, which must be half-normal."""
    data = task.data()
    houses, county = statistics(data), jnp.asarray(data["county"])

    def described() -> None:
        effect, of = {}, {}
        of["sigma"] = numpyro.sample("sigma", dist.HalfNormal(data["sigma_scale"]))
        for name in EFFECTS:
            mu, sigma = f"mu_{name}", f"sigma_{name}"
            of[mu] = numpyro.sample(mu, dist.Normal(data[f"{mu}_loc"], data[f"{mu}_scale"]))
            if task.parameterisation == "marginal":
                anywhere = dist.ImproperUniform(dist.constraints.real, (), ())
                free = numpyro.sample(f"{sigma}_free", anywhere)
                value, prior = softplus_half_normal(
                    jax.nn.softplus, free, houses.unit, data[f"{sigma}_scale"]
                )
                of[sigma] = numpyro.deterministic(sigma, value)
                numpyro.factor(f"{sigma}_prior", prior)
                continue
            of[sigma] = numpyro.sample(sigma, dist.HalfNormal(data[f"{sigma}_scale"]))
            with numpyro.plate(f"{name}_of", data["J"]):
                if task.parameterisation == "centered":
                    effect[name] = numpyro.sample(name, dist.Normal(of[mu], of[sigma]))
                else:
                    tilde = numpyro.sample(f"{name}_tilde", dist.Normal(0, 1))
                    effect[name] = numpyro.deterministic(name, of[mu] + of[sigma] * tilde)
        if effect:
            expected = effect["alpha"][county] + effect["beta"][county] * data["floor_measure"]
            at = dist.Normal(expected, of["sigma"])
            numpyro.sample("log_radon", at, obs=jnp.asarray(data["log_radon"]))
        else:
            numpyro.factor("log_radon", log_likelihood(jnp.log, houses, of))

    return described


def start(task: Task) -> Callable[[int], Run]:
    """A function of the seed; the first run compiles, the others find what it compiled."""
    numpyro.enable_x64()
    numpyro.set_host_device_count(CHAINS)
    described, compiling = model(task), []
    houses = statistics(task.data())

    def listen(event: str, seconds: float, **_: object) -> None:
        if event.endswith(COMPILING):
            compiling.append((time.perf_counter() - seconds, time.perf_counter()))

    jax.monitoring.register_event_duration_secs_listener(listen)
    # The second repeats the warm-up of the first, which does not keep its steps.
    chains, counted = (
        MCMC(
            NUTS(described, target_accept_prob=TARGET),
            num_warmup=WARMUP,
            num_samples=DRAWS,
            num_chains=CHAINS,
            chain_method="parallel",
            progress_bar=False,
        )
        for _ in range(2)
    )

    def run(seed: int) -> Run:
        compiling.clear()
        begun = time.perf_counter()
        chains.run(jax.random.key(seed), extra_fields=("diverging", "num_steps"))
        draws = chains.get_samples(group_by_chain=True)
        draws = {n: np.asarray(draws[n]) for n in (*POPULATION, *EFFECTS) if n in draws}
        if task.parameterisation == "marginal":
            draws |= county_effects(houses, draws, seed)
        total = time.perf_counter() - begun
        compile_s = covered(compiling)
        extra = chains.get_extra_fields()
        counted.warmup(jax.random.key(seed), extra_fields=("num_steps",), collect_warmup=True)
        return Run(
            draws=draws,
            compile_s=compile_s,
            sampling_s=total - compile_s,
            divergences=int(extra["diverging"].sum()),
            warmup_steps=int(counted.get_extra_fields()["num_steps"].sum()),
            steps=int(extra["num_steps"].sum()),
            version=numpyro.__version__,
        )

    return run


if __name__ == "__main__":
    serve(start)
