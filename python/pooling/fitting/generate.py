"""Predict houses from posterior draws, by CmdStan's standalone generated quantities.

Fits are sampled without houses to predict. Predictions for houses of the survey, new houses or
left-out houses are the program's own generated quantities, computed from stored draws, whose
parameters have full precision. A program that generates county effects generates new ones in
each run, so results of a run must use the effects of that run.
"""

import os
import subprocess
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import xarray as xr
from cmdstanpy import write_stan_json
from stanio import parse_header

from pooling.fits.spacing import evenly_spaced
from pooling.fits.store import BY_HOUSE, Fit
from pooling.fitting.chains import STATISTICS
from pooling.fitting.disturbance import undisturbed

SCORED = 4000  # draws for scores, or all if there are fewer
REPLICATED = 1000  # draws for replicated surveys
DIGITS = 9  # significant digits in CmdStan's output


def without_houses(data: Mapping) -> dict:
    """Stan data without houses to fit, whose posterior is the prior."""
    return {**data, "N": 0, **{name: [] for name in BY_HOUSE}}


def to_predict(
    county: Sequence[int] | np.ndarray,
    floor_measure: Sequence[float] | np.ndarray,
    log_radon: Sequence[float] | np.ndarray | None = None,
) -> dict:
    """Stan data of the houses to predict.

    Parameters
    ----------
    county
        1 to J.
    floor_measure
        0 basement, 1 first floor.
    log_radon
        Log pCi/L; if unknown, `log_lik` is meaningless.
    """
    known = np.zeros(len(county)) if log_radon is None else np.asarray(log_radon, float)
    return {
        "N_new": len(county),
        "county_new": np.asarray(county, int).tolist(),
        "floor_measure_new": np.asarray(floor_measure, float).tolist(),
        "log_radon_new": known.tolist(),
    }


def fitted_houses(data: Mapping) -> dict:
    """The fitted houses, as houses to predict."""
    return to_predict(*(data[name] for name in BY_HOUSE))


def generate(
    executable: Path, data: Mapping, parameters: Mapping[str, np.ndarray], seed: int
) -> dict[str, np.ndarray]:
    """Generated quantities of a program for given draws of its parameters.

    Parameters
    ----------
    data
        Stan data with the houses to predict.
    parameters
        Every parameter, in the program's order, (chain, draw, ...).
    seed
        Seed of the first chain; the others have the next ones.

    Returns
    -------
    dict
        Each non-empty generated quantity, (chain, draw, ...).

    Raises
    ------
    SamplingError
        CmdStan failed; the message ends with CmdStan's own.
    ChainLost, InterruptionError
        As by `pooling.fitting.disturbance.undisturbed`.
    """
    chains = len(next(iter(parameters.values())))

    def work(folder: Path) -> list[dict[str, np.ndarray]]:
        write_stan_json(str(folder / "data.json"), dict(data))

        def run(chain: int) -> int:
            fitted, output = folder / f"fitted_{chain}.csv", folder / f"output_{chain}.csv"
            _write_draws({n: values[chain] for n, values in parameters.items()}, fitted)
            command: list[Path | str] = [executable, "generate_quantities"]
            command += [f"fitted_params={fitted}"]
            command += ["random", f"seed={(seed + chain) % 2**31}", "data"]
            command += [f"file={folder / 'data.json'}", "output", f"file={output}"]
            command += [f"sig_figs={DIGITS}"]
            log = folder / f"{chain}_stdout.txt"
            with log.open("wb") as said:
                end = subprocess.run(command, stdout=said, stderr=subprocess.STDOUT).returncode
            if not end:  # logs of failed chains remain, for the message
                log.unlink()
            return end

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            ends = list(pool.map(run, range(chains)))
        if any(ends):
            raise RuntimeError(f"retcodes={ends}")
        outputs = [_read_draws(folder / f"output_{chain}.csv") for chain in range(chains)]
        wanted = {len(values) for values in parameters[next(iter(parameters))]}
        if {len(values) for output in outputs for values in output.values()} != wanted:
            raise ValueError("draws are missing")
        return outputs

    found = undisturbed(work, f"{executable.name}: its generated quantities failed")
    return {n: np.stack([values[n] for values in found]) for n in found[0]}


def _write_draws(parameters: Mapping[str, np.ndarray], path: Path) -> None:
    """Write draws of one chain, (draw, ...), in the format of CmdStan's sampler."""
    length = len(next(iter(parameters.values())))
    # CmdStan expects the columns of its sampler first.
    columns = dict.fromkeys(STATISTICS, np.zeros(length))
    for name, values in parameters.items():
        # Stan's indices are 1-based, with the first varying fastest.
        for index in map(tuple, np.argwhere(np.ones(values.shape[:0:-1], bool))[:, ::-1]):
            label = ".".join([name, *(str(i + 1) for i in index)])
            columns[label] = values[(slice(None), *index)].astype(float)
    with path.open("wb") as file:
        file.write(b"# draws\n")
        pl.DataFrame(columns).write_csv(file)


def _read_draws(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as lines:
        names = next((line for line in lines if not line.startswith(b"#")), b"").decode().strip()
    header = names.split(",")
    try:
        table = pl.read_csv(path, comment_prefix="#", schema=dict.fromkeys(header, pl.Float64))
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path.name}: {error}") from None
    values = table.to_numpy()
    return {
        name: variable.extract_reshape(values) for name, variable in parse_header(names).items()
    }


def predict(
    fit: Fit,
    executable: Path,
    data: Mapping,
    houses: Mapping,
    seed: int,
    count: int = SCORED,
    group: str = "posterior",
) -> xr.Dataset:
    """Draws of a fit with its program's predictions of the houses to predict.

    Parameters
    ----------
    data
        Stan data of the fit.
    houses
        Stan data of the houses to predict, which override those of `data`.
    count
        Number of evenly spaced draws; all if there are fewer.
    group
        `posterior` or `prior`.

    Returns
    -------
    Dataset
        `log_lik` and `y_rep` (chain, draw, new), and all other variables as in the fit, except
        that generated ones are those of this run.
    """
    every = fit.tree[group].to_dataset()
    if group == "posterior" and "log_prior" in fit.tree.children:
        every = every.merge(fit.tree["log_prior"].to_dataset())
    draws = evenly_spaced(every, count).compute().transpose("chain", "draw", ...)
    parameters = {name: draws[name].values for name in fit.parameters}
    given = {**data, **houses} if group == "posterior" else {**without_houses(data), **houses}
    return with_generated(draws, generate(executable, given, parameters, seed))


def with_generated(draws: xr.Dataset, generated: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Draws updated by generated quantities."""
    values: dict[str, tuple[tuple[Hashable, ...], np.ndarray]] = {}
    for name, drawn in generated.items():
        if name in ("log_lik", "y_rep"):
            values[name] = (("chain", "draw", "new"), drawn)
        elif name in draws and draws[name].shape == drawn.shape:
            values[name] = (draws[name].dims, drawn)
        else:
            extra = [f"{name}_{i}" for i in range(drawn.ndim - 2)]
            values[name] = (("chain", "draw", *extra), drawn)
    return draws.drop_vars([n for n in values if n in draws]).assign(values)


def expected(draws: Mapping, houses: Mapping) -> np.ndarray:
    """Draws of alpha + beta * floor of the houses to predict, (sample, new), log pCi/L."""
    county = np.asarray(houses["county_new"], int) - 1
    alpha, beta = (flat(np.asarray(draws[name]))[:, county] for name in ("alpha", "beta"))
    return alpha + beta * np.asarray(houses["floor_measure_new"])


def flat(values: np.ndarray) -> np.ndarray:
    """(chain, draw, ...) as (sample, ...), chain after chain."""
    return values.reshape(-1, *values.shape[2:])
