"""Replicate the survey from a fit: posterior and prior predictive draws of its houses.

    python -m pooling.scoring.replicate stan/M FIT/fit.nc DATA.json SAMPLER.json SCORES.json \
        -o FIT/replications.nc

Predictive checks and their figures read only this file.
"""

import json
from pathlib import Path

import xarray as xr
from cmdstanpy import disable_logging

from pooling.build import cli
from pooling.fits.netcdf import write_netcdf
from pooling.fits.store import Fit, read_fit
from pooling.fitting.generate import REPLICATED, fitted_houses, predict
from pooling.inputs.study import Sampler, Scores, read_section

GROUPS = {"posterior": "posterior_predictive", "prior": "prior_predictive"}


def replicate(fit: Fit, executable: Path, data: dict, seed: int) -> xr.DataTree:
    """`y_rep` (chain, draw, house) of posterior and prior, log pCi/L, in single precision."""
    houses = fitted_houses(data)
    groups = {}
    for group, name in GROUPS.items():
        drawn = predict(fit, executable, data, houses, seed, REPLICATED, group)
        y_rep = drawn["y_rep"].rename(new="house").astype("float32").reset_coords(drop=True)
        groups[name] = xr.Dataset({"y_rep": y_rep})
    return xr.DataTree.from_dict(groups)


def main(arguments: list[str] | None) -> None:
    """Replicate one fit's survey; with scores.pointwise = false the file has no groups."""
    names = ("executable", "fit", "data", "sampler", "scores")
    given = cli.stage(__doc__, *names).parse_args(arguments)
    disable_logging()
    tree = xr.DataTree()
    if read_section(Scores, given.scores).pointwise:
        settings = read_section(Sampler, given.sampler)
        data = json.loads(given.data.read_text(encoding="utf-8"))
        fit = read_fit(given.fit)
        tree = replicate(fit, given.executable.resolve(), data, settings.seed)
    write_netcdf(tree, given.output)


if __name__ == "__main__":
    cli.run(main)
