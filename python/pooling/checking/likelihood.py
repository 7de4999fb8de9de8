"""Check that a program's `log_lik` agrees with its model block.

A program has its likelihood twice: in the model block and in `log_lik`, or `log_lik_county` if
county effects are integrated out. If only one is edited, every score belongs to a different model
than the fit. So the program's log density, CmdStan's `lp__`, is compared with the sum of that
output at a few draws of the fit: both must change equally when the radon of the houses changes,
and both must change by the same constant at all draws when all houses are removed.

`log_lik_county` of a county that learns from its neighbours is the density given their houses.
Such densities add up only when counties are far from each other, as they are made for the
comparison; then one county is removed where all counties are in their places.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cmdstanpy import CmdStanModel

from pooling.build.errors import ProgramError
from pooling.fits.store import BY_HOUSE, Fit
from pooling.fitting.generate import (
    DIGITS,
    fitted_houses,
    flat,
    generate,
    to_predict,
    without_houses,
)

POINTS = 3  # draws of the fit at which densities are compared
TOLERANCE = 1e-6  # of the sum of absolute log densities of houses
FAR = 1e9  # km, a distance without any correlation
STATIONARY = 1e-12  # step size at which the integrator stays at the initial values


def shifted(data: Mapping, seed: int) -> dict:
    """The survey with the log radon of each county and floor shifted by a random amount.

    Sums of squares about the means of counties and floors do not change, since a program's
    parameterisation may depend on them.
    """
    rng = np.random.default_rng(seed)
    by_cell = rng.normal(size=(data["J"], 2))
    county, floor = (np.asarray(data[name], int) for name in ("county", "floor_measure"))
    return {**data, "log_radon": (data["log_radon"] + by_cell[county - 1, floor]).tolist()}


def far_apart(data: Mapping) -> dict:
    """The survey with counties too far from each other to be correlated."""
    if "distance" not in data:
        return dict(data)
    # An infinite distance would have no derivative.
    return {**data, "distance": np.where(np.eye(data["J"]), 0.0, FAR).tolist()}


def log_density(executable: Path, data: Mapping, points: list[Mapping[str, Any]]) -> np.ndarray:
    """The program's log density, CmdStan's `lp__`, up to a constant, (point,).

    Parameters
    ----------
    points
        Every parameter by name.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = CmdStanModel(exe_file=executable).sample(
            dict(data),
            chains=len(points),
            parallel_chains=min(len(points), os.cpu_count() or 1),
            inits=points,
            seed=1,
            iter_warmup=0,
            iter_sampling=1,
            adapt_engaged=False,
            step_size=STATIONARY,
            max_treedepth=1,
            sig_figs=DIGITS,
            show_progress=False,
            output_dir=folder,
        )
        return run.method_variables()["lp__"].ravel()


def check_likelihood(fit: Fit, executable: Path, data: Mapping, seed: int) -> None:
    """Compare the two likelihoods of a program at a few draws of its fit.

    Raises
    ------
    ProgramError
        The two differ by more than a constant.
    """
    draws = fit.tree["posterior"].to_dataset()[fit.parameters].isel(chain=[0])
    spaced = np.linspace(0, draws.sizes["draw"] - 1, POINTS).round().astype(int)
    draws = draws.isel(draw=spaced).compute().transpose("chain", "draw", ...)
    parameters = {str(name): values.values for name, values in draws.items()}
    points: list[Mapping[str, Any]] = [
        {n: v[0, i].tolist() for n, v in parameters.items()} for i in range(POINTS)
    ]
    own, data = data, far_apart(data)
    changed = shifted(data, seed)
    densities = [log_density(executable, d, points) for d in (data, changed)]
    sums, name, size = [], "", 0.0
    for d in (data, changed):
        found = generate(executable, {**d, **fitted_houses(d)}, parameters, seed)
        # Generated effects are integrated out of the model block.
        integrated = "log_lik_county" in found and "alpha" in found
        name = "log_lik_county" if integrated else "log_lik"
        values = flat(found[name])
        sums.append(values.sum(axis=1))
        size = max(size, float(np.abs(values).sum(axis=1).max()))
    gaps = [np.ptp([densities[1] - densities[0] - (sums[1] - sums[0]), np.zeros(POINTS)])]
    if not any(parameter.endswith("_free") for parameter in fit.parameters):
        # Auxiliary `_free` parameters may depend on the houses.
        none = log_density(executable, without_houses(data), points)
        gaps.append(np.ptp(densities[0] - none - sums[0]))
    if name == "log_lik_county" and "distance" in data:
        gaps.append(gap_of_one_county(executable, own, points, parameters, seed))
    if not max(gaps) <= TOLERANCE * (1 + size):
        raise ProgramError(
            f"stan/{executable.name}.stan: the sum of its `{name}` and the log density of its "
            f"model block differ by more than a constant (by {max(gaps):.3g} nats); give both "
            "the same likelihood"
        )


def gap_of_one_county(
    executable: Path,
    data: Mapping,
    points: list[Mapping[str, Any]],
    parameters: Mapping[str, np.ndarray],
    seed: int,
) -> float:
    """Range, over the draws, of the gap between a county's `log_lik_county` and what its houses add
    to the log density of all others, nats: the largest county's. 0 if counties are independent.
    """
    asked = [{**each, **to_predict([], [])} for each in (data, far_apart(data))]
    densities = [generate(executable, d, parameters, seed)["log_lik_county"] for d in asked]
    if np.allclose(densities[0], densities[1]):
        return 0.0
    largest = int(np.bincount(data["county"]).argmax())
    rest = np.flatnonzero(np.asarray(data["county"]) != largest)
    fitted = {name: np.asarray(data[name])[rest].tolist() for name in BY_HOUSE}
    without = {**data, **fitted, "N": rest.size, **to_predict([], [])}
    added = log_density(executable, data, points) - log_density(executable, without, points)
    return float(np.ptp(added - flat(densities[0])[:, largest - 1]))
