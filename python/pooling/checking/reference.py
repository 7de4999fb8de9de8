r"""Draw a reference sample of one of posteriordb's radon models from one of our programs.

    python -m pooling.checking.reference stan/M HOUSES.csv COUNTIES.csv TOOLCHAIN.json \
        -o radon_mn-MODEL.info.json --draws radon_mn-MODEL.json.zip \
        --means radon_mn-MODEL.mean_value.json

posteriordb (Magnusson and others, https://github.com/stan-dev/posteriordb) has twelve models of
`radon_mn`, the houses of Minnesota, and reference draws only of `radon_pooled`. A centered and a
non-centered model share a posterior, and so, as its `eight_schools` models do, reference draws:
those of the non-centered one. posteriordb's Stan files are in `posterior_database/models/stan`,
the R code that made its data in `posterior_database/data/data-raw/radon/radon.R`.

The draws have posteriordb's names and parameters, under its priors and data, which come from our
tables. They are written only if they pass its checks; see `checks`.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr
from cmdstanpy import CmdStanMCMC, disable_logging

from pooling.build import cli
from pooling.build.errors import DiagnosticsError, StudyError
from pooling.build.files import replacing
from pooling.fits.summaries import summarize
from pooling.fitting.chains import Chains, read_chains
from pooling.fitting.sampling import sample
from pooling.inputs.prepare import prepare
from pooling.inputs.priors import Priors
from pooling.inputs.study import Data, Sampler
from pooling.inputs.tables import Table, read_counties, read_houses

MINNESOTA = Data(states=["MN"], response="log(x + 0.1)")
NORMAL, HALF_NORMAL = {"loc": 0, "scale": 10}, {"scale": 1}
PRIORS = Priors.model_validate(
    dict.fromkeys(("alpha", "mu_alpha", "mu_beta", "gamma_alpha"), NORMAL)
    | dict.fromkeys(("sigma", "sigma_alpha", "sigma_beta"), HALF_NORMAL)
)
# Of our programs none has varying slopes and a common intercept. Under this bound intercepts are
# common to 1e-6: the log density differs from that of a common one by less than 1e-7.
COMMON_INTERCEPT = Priors.model_validate({"sigma_alpha": {"upper": 1e-6}})

# posteriordb's parameters, in the order of its `dimensions`, and ours, by model of posteriordb.
PARAMETERS: dict[str, dict[str, str]] = {
    "radon_pooled": {"alpha": "mu_alpha", "beta": "mu_beta", "sigma_y": "sigma"},
    "radon_county_intercept": {"alpha": "alpha", "beta": "mu_beta", "sigma_y": "sigma"},
    "radon_partially_pooled_noncentered": {
        "alpha": "alpha",
        "mu_alpha": "mu_alpha",
        "sigma_alpha": "sigma_alpha",
        "sigma_y": "sigma",
    },
    "radon_variable_intercept_noncentered": {
        "alpha": "alpha",
        "beta": "mu_beta",
        "mu_alpha": "mu_alpha",
        "sigma_alpha": "sigma_alpha",
        "sigma_y": "sigma",
    },
    "radon_variable_slope_noncentered": {
        "alpha": "mu_alpha",
        "beta": "beta",
        "mu_beta": "mu_beta",
        "sigma_beta": "sigma_beta",
        "sigma_y": "sigma",
    },
    "radon_variable_intercept_slope_noncentered": {
        "alpha": "alpha",
        "beta": "beta",
        "mu_alpha": "mu_alpha",
        "sigma_alpha": "sigma_alpha",
        "mu_beta": "mu_beta",
        "sigma_beta": "sigma_beta",
        "sigma_y": "sigma",
    },
    "radon_hierarchical_intercept_noncentered": {
        "alpha": "alpha",
        "beta": "mu_beta",
        "mu_alpha": "mu_alpha",
        "sigma_alpha": "sigma_alpha",
        "sigma_y": "sigma",
    },
}

# posteriordb's own settings, in its REFERENCE_POSTERIOR_DEFINITION.md, but for smaller steps.
# CmdStan saves every transition, so that each is checked; thinning is done here.
SETTINGS = Sampler(seed=20190812, chains=10, warmup=10_000, draws=10_000, adapt_delta=0.95)
THIN = 10

# The limits of posteriordb's `check_reference_posterior_draws`.
NDRAWS, MIN_CHAINS, MAX_R_HAT, MIN_EFMI, MAX_LAG1 = 10_000, 4, 1.01, 0.2, 0.05
RECORDED = ("ess_within_bounds",)  # checks that posteriordb records and does not demand


def model_of(output: Path) -> tuple[str, str]:
    """Names of posteriordb's posterior and model, from the name of the output.

    Raises
    ------
    StudyError
        It names no model of `PARAMETERS`.
    """
    posterior = output.name.removesuffix(".info.json")
    model = posterior.removeprefix("radon_mn-")
    if model not in PARAMETERS:
        known = ", ".join(f"radon_mn-{name}.info.json" for name in PARAMETERS)
        raise StudyError(f"{output}: no reference posterior has this name; choose from {known}")
    return posterior, model


def radon_mn(model: str, houses: Table, counties: Table) -> dict:
    """Stan data of our programs for posteriordb's `radon_mn`, as one of its models uses them.

    Counties are in posteriordb's order, by name. `log_uranium` is its `log_uppm`,
    log(uranium + 0.1 ppm). `radon_partially_pooled` does not know the floor: with every floor at
    0 the slope of a program is a draw from its prior, independent of the rest.
    """
    data, coords = prepare("radon_mn", MINNESOTA, PRIORS, houses, counties)
    order = np.argsort(coords["county"])
    position = np.argsort(order)  # of each county, in order of FIPS code, among the names
    ppm = counties.rows.set_index("county_fips").loc[coords["county_fips"], "uranium"].to_numpy()
    data |= {
        "county": (position[np.array(data["county"]) - 1] + 1).tolist(),
        "log_uranium": np.log(ppm + 0.1)[order].tolist(),
    }
    del data["first_floor_share"]  # in order of FIPS code; posteriordb has no such predictor
    if model == "radon_partially_pooled_noncentered":
        data["floor_measure"] = [0.0] * data["N"]
    if model == "radon_variable_slope_noncentered":
        data |= PRIORS.replaced_by(COMMON_INTERCEPT).scales()
    return data


def parameters(
    model: str, drawn: Mapping[str, np.ndarray], log_uppm: Sequence[float]
) -> dict[str, np.ndarray]:
    """Draws of posteriordb's parameters from those of ours, (chain, draw) or (chain, draw, J).

    In `radon_hierarchical_intercept` the effect of uranium is not a part of `alpha`, and `beta`
    is that of uranium, then that of the floor.
    """
    if model == "radon_hierarchical_intercept_noncentered":
        gamma = drawn["gamma_alpha"]
        drawn = {
            **drawn,
            "alpha": drawn["alpha"] - gamma[..., None] * np.asarray(log_uppm),
            "mu_beta": np.stack([gamma, drawn["mu_beta"]], axis=-1),
        }
    return {theirs: drawn[ours] for theirs, ours in PARAMETERS[model].items()}


def thinned(run: CmdStanMCMC) -> Chains:
    """Every `THIN`-th draw of a run, with the statistics of all transitions."""
    chains = read_chains(run)
    kept = {name: values[:, ::THIN].copy() for name, values in chains.variables.items()}
    return replace(chains, variables=kept)


def lag1_autocorrelation(draws: np.ndarray) -> np.ndarray:
    """Mean over chains of the absolute lag-1 autocorrelation of (chain, draw, ...)."""
    centred = draws - draws.mean(axis=1, keepdims=True)
    products = (centred[:, 1:] * centred[:, :-1]).sum(axis=1)
    return np.abs(products / (centred**2).sum(axis=1)).mean(axis=0)


def diagnostics(
    draws: Mapping[str, np.ndarray], statistics: Mapping[str, np.ndarray]
) -> tuple[dict, pd.DataFrame]:
    """posteriordb's diagnostics, and one row per scalar parameter as by `summarize`.

    R-hat and effective sample sizes are of the kept draws, divergent transitions and E-FMI of
    all. posteriordb's own are of the kept ones, among which nine in ten divergent transitions
    are missing, and E-FMI is near 2 unless the energy moves very slowly.

    Parameters
    ----------
    draws
        (chain, draw) or (chain, draw, element), by name.
    statistics
        `energy` and `diverging`, (chain, transition).
    """
    by_name = {
        name: xr.DataArray(
            values,
            dims=("chain", "draw", f"{name}_element")[: values.ndim],
            coords={f"{name}_element": np.arange(values.shape[2]) + 1} if values.ndim > 2 else {},
        )
        for name, values in draws.items()
    }
    summary = summarize(xr.Dataset(by_name))
    index = summary["element"].map(lambda element: f"[{element}]" if element else "")
    summary.insert(0, "name", summary["variable"] + index)
    lag1 = np.concatenate([np.ravel(lag1_autocorrelation(values)) for values in draws.values()])
    chains, kept = next(iter(draws.values())).shape[:2]
    return {
        "diagnostic_information": {"names": summary["name"].tolist()},
        "ndraws": chains * kept,
        "nchains": chains,
        "effective_sample_size_bulk": summary["ess_bulk"].tolist(),
        "effective_sample_size_tail": summary["ess_tail"].tolist(),
        "r_hat": summary["r_hat"].tolist(),
        "divergent_transitions": statistics["diverging"].sum(axis=1).tolist(),
        "expected_fraction_of_missing_information": arviz_stats.bfmi(statistics["energy"]).tolist(),
        "mean_lag1_ac": lag1.tolist(),
    }, summary


def checks(found: Mapping) -> dict[str, bool]:
    """posteriordb's checks of `diagnostics`, by its names.

    Effective sample sizes within 4 standard deviations of sqrt(7 * draws) are recorded; the
    others are required (posteriordb-r, `check_reference_posterior_draws`).
    """
    sizes = found["effective_sample_size_bulk"] + found["effective_sample_size_tail"]
    distance = np.abs(np.array(sizes) - found["ndraws"])
    efmi = found["expected_fraction_of_missing_information"]
    passed = {
        "ndraws_is_10k": found["ndraws"] == NDRAWS,
        "nchains_is_gte_4": found["nchains"] >= MIN_CHAINS,
        "ess_within_bounds": (distance <= 4 * np.sqrt(7 * found["ndraws"])).all(),
        "r_hat_below_1_01": (np.array(found["r_hat"]) <= MAX_R_HAT).all(),
        "efmi_above_0_2": (np.array(efmi) >= MIN_EFMI).all(),
        "abs_mean_lag1_ac_below_0_05": (np.array(found["mean_lag1_ac"]) <= MAX_LAG1).all(),
        "no_divergent_transitions": sum(found["divergent_transitions"]) == 0,
    }
    return {name: bool(good) for name, good in passed.items()}


def require(posterior: str, made: Mapping[str, bool]) -> None:
    """Refuse draws that fail a required check.

    Raises
    ------
    DiagnosticsError
        The message names the failed checks.
    """
    failed = [name for name, good in made.items() if not good and name not in RECORDED]
    if failed:
        raise DiagnosticsError(
            f"{posterior}: the draws fail {', '.join(failed)} and are not written; "
            "raise adapt_delta or THIN in pooling/checking/reference.py"
        )


def information(posterior: str, program: str, toolchain: Mapping, found: dict) -> dict:
    """Contents of posteriordb's `.info.json`.

    Who adds the draws to posteriordb, and when, is for them to fill in.
    """
    return {
        "name": posterior,
        "inference": {
            "method": "stan_sampling",
            "method_arguments": {
                "chains": SETTINGS.chains,
                "iter": SETTINGS.warmup + SETTINGS.draws,
                "warmup": SETTINGS.warmup,
                "thin": THIN,
                "seed": SETTINGS.seed,
                "control": {"adapt_delta": SETTINGS.adapt_delta},
            },
        },
        "diagnostics": found,
        "checks_made": checks(found),
        "comments": (
            f"Drawn from an equivalent program, {program}, with the parameters of this model. "
            "Divergent transitions and E-FMI are of all transitions, not of the thinned ones."
        ),
        "added_by": None,
        "added_date": None,
        "versions": {
            "cmdstan_version": toolchain["version"],
            "compiler": toolchain["compiler"],
            "arviz_stats_version": version("arviz-stats"),
        },
    }


def listed(draws: Mapping[str, np.ndarray]) -> list[dict[str, list[float]]]:
    """posteriordb's format of draws: one object per chain, of scalar parameters by name."""
    scalars = {}
    for name, values in draws.items():
        if values.ndim == 2:
            scalars[name] = values
        else:
            elements = np.moveaxis(values, -1, 0)
            scalars |= {f"{name}[{i}]": own for i, own in enumerate(elements, start=1)}
    chains = len(next(iter(scalars.values())))
    return [{name: own[c].tolist() for name, own in scalars.items()} for c in range(chains)]


def write_zip(content: str, path: Path) -> None:
    """Write a text into a zip file, under the zip's name without `.zip` and without a date."""
    with replacing(path) as draft, zipfile.ZipFile(draft, "w") as archive:
        archive.writestr(zipfile.ZipInfo(path.stem), content, compress_type=zipfile.ZIP_DEFLATED)


def main(arguments: list[str] | None) -> None:
    """Sample one posterior and write draws, diagnostics and means in posteriordb's format."""
    parser = cli.stage(__doc__, "executable", "houses", "counties", "toolchain")
    parser.add_argument("--draws", type=Path, required=True, help="zip file of the draws")
    parser.add_argument("--means", type=Path, required=True, help="means and their error, JSON")
    given = parser.parse_args(arguments)
    disable_logging()
    posterior, model = model_of(given.output)
    data = radon_mn(model, read_houses(given.houses), read_counties(given.counties))
    chains = sample(given.executable.resolve(), data, SETTINGS, take=thinned)
    draws = parameters(model, chains.variables, data["log_uranium"])
    found, summary = diagnostics(draws, chains.statistics)
    require(posterior, checks(found))
    toolchain = json.loads(given.toolchain.read_text(encoding="utf-8"))
    means = {
        "names": summary["name"].tolist(),
        "mean_value": summary["mean"].tolist(),
        "mcse_mean": summary["mcse_mean"].tolist(),
    }
    info = information(posterior, given.executable.name, toolchain, found)
    write_zip(json.dumps(listed(draws)), given.draws)
    for path, content in ((given.means, means), (given.output, info)):
        with replacing(path) as draft:
            draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
