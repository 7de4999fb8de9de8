r"""Sample a program's posterior and prior and store both.

    python -m pooling.fitting.fit stan/M NORMALISED DATA.json COORDS.json SAMPLER.json \
        TOOLCHAIN.json [--cache FOLDER] -o FIT/fit.nc

Fits are cached by everything they depend on.
"""

import hashlib
import json
import os
import platform
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xarray as xr
from arviz_base import from_dict
from cmdstanpy import disable_logging

from pooling.build import cache, cli
from pooling.build.digest import code_digest
from pooling.build.files import replacing
from pooling.fits.store import BY_HOUSE, write_fit
from pooling.fitting.chains import Chains, read_chains
from pooling.fitting.sampling import sample
from pooling.inputs.response import Response
from pooling.inputs.study import Sampler
from pooling.programs.source import declared

# Not parameters: `generate` recomputes the first, and `log_prior` is a separate group.
NOT_KEPT = ("log_lik_county", "lprior_sampled", "lprior")
PACKAGES = ("cmdstanpy", "numpy", "xarray", "arviz-base", "h5netcdf")
RECORD = "record.json"
CACHED = 3  # fits of each model: the current and the two before it


def as_tree(posterior: Chains, prior: Chains, data: dict, coords: dict) -> xr.DataTree:
    """Posterior, prior and data as one DataTree; see `pooling.fits.store` for its groups."""
    county, house = coords["county_fips"], coords["house_id"]
    states = sorted(set(coords["state"]))  # in the order of their indices, 1..S
    dims = {name: ["house"] for name in ("log_radon", "house_county", "floor_measure")}
    dims |= {name: ["county"] for name in ("county_name", "state_name", "houses")}
    dims |= {"first_floor_houses": ["county"], "log_uranium": ["county"]}
    for name, value in posterior.variables.items():
        if "_state" in name and value.shape[2:] == (len(states),):
            dims[name] = ["state"]
        elif value.shape[2:] == (len(county),):
            dims[name] = ["county"]
    groups = {
        "posterior": _parameters(posterior),
        "log_prior": _only("lprior", posterior),
        "sample_stats": posterior.statistics,
        "prior": _parameters(prior),
        "sample_stats_prior": prior.statistics,
        "observed_data": {"log_radon": np.asarray(data["log_radon"])},
        "constant_data": _constants(data, coords),
    }
    tree = from_dict(
        {name: group for name, group in groups.items() if group},
        coords={"county": county, "house": house, "state": states},
        dims=dims,
    )
    tree["adaptation"] = xr.Dataset(
        {
            "step_size": ("chain", posterior.statistics["step_size"][:, -1]),
            "inv_metric": (("chain", "unconstrained"), posterior.inv_metric),
        }
    )
    return tree


def _parameters(chains: Chains) -> dict[str, np.ndarray]:
    return {name: value for name, value in chains.variables.items() if name not in NOT_KEPT}


def _only(name: str, chains: Chains) -> dict[str, np.ndarray]:
    return {name: chains.variables[name]} if name in chains.variables else {}


def _constants(data: dict, coords: dict) -> dict[str, np.ndarray]:
    constants = {
        "house_county": np.asarray(coords["house_county"]),
        "floor_measure": np.asarray(data["floor_measure"]),
        "county_name": np.asarray(coords["county"], dtype=object),
        "state_name": np.asarray(coords["state"], dtype=object),
        "houses": np.asarray(coords["houses"]),
        "first_floor_houses": np.asarray(coords["first_floor_houses"]),
    }
    if "log_uranium" in data:
        constants["log_uranium"] = np.asarray(data["log_uranium"])
    return constants


def record(contents: dict[str, bytes], data: dict) -> dict:
    """Everything needed to repeat a fit: texts, hashes, versions, machine, time.

    Data by house are in the fit itself; `pooling.checking.verify` combines both.

    Parameters
    ----------
    contents
        The input files by name, as read before sampling.
    """
    return {
        "program": contents["normalised"].decode(),
        "sha256": {name: hashlib.sha256(text).hexdigest() for name, text in contents.items()},
        "data": {name: value for name, value in data.items() if name not in BY_HOUSE},
        "sampler": json.loads(contents["sampler"]),
        "toolchain": json.loads(contents["toolchain"]),
        "packages": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": {"system": platform.platform(), "processor": platform.machine()},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def fit(executable: Path, contents: dict[str, bytes], output: Path) -> None:
    """Sample posterior and prior, and write the fit to `output` and its record next to it."""
    data, coords = json.loads(contents["data"]), json.loads(contents["coords"])
    settings = Sampler.model_validate_json(contents["sampler"])
    # The prior is sampled concurrently, at a lower priority, so that reading the posterior's draws
    # overlaps with it. Niceness belongs to the thread, and its chains inherit it.
    with ThreadPoolExecutor(1, initializer=partial(os.nice, 10)) as pool:
        coming = pool.submit(
            partial(
                sample, executable, data, settings, prior=True, progress=False, take=read_chains
            )
        )
        posterior = sample(executable, data, settings, take=read_chains)
        prior = coming.result()
    tree = as_tree(posterior, prior, data, coords)
    tree.attrs.update(
        model=executable.name,
        study=coords["study"],
        **Response.of(coords).settings(),
        parameters=" ".join(declared(contents["normalised"].decode(), "parameters")),
    )
    about = json.dumps(record(contents, data), indent=1) + "\n"
    with replacing(output.with_name(RECORD)) as draft:
        draft.write_text(about, encoding="utf-8")
    # Last: it is the file that make checks.
    write_fit(tree, output)


def depends_on(model: str, contents: dict[str, bytes]) -> str:
    """Cache key of a fit: its model, the contents of its inputs, the packages, and its code.

    The normalised source and the toolchain determine the executable.
    """
    versions = json.dumps({name: version(name) for name in PACKAGES})
    return cache.key([model, *contents.values(), code_digest(fit), versions])


def main(arguments: list[str] | None) -> None:
    """Fit one model to one study, or restore the fit from the cache."""
    names = ("normalised", "data", "coords", "sampler", "toolchain")
    parser = cli.stage(__doc__, "executable", *names)
    parser.add_argument("--cache", type=Path, help="folder of cached fits")
    given = parser.parse_args(arguments)
    disable_logging()
    # Read once, so that later edits do not affect this fit.
    contents = {name: getattr(given, name).read_bytes() for name in names}
    executable = given.executable.resolve()
    outputs = [given.output.with_name(RECORD), given.output]
    make = partial(fit, executable, contents, given.output)
    cache.cached(make, given.cache, depends_on(executable.name, contents), outputs, CACHED)


if __name__ == "__main__":
    cli.run(main)
