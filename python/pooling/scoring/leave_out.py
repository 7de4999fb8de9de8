"""Leave out groups of houses: single counties, tenths of the counties, or tenths of the houses.

    python -m pooling.scoring.leave_out stan/M NORMALISED FIT/fit.nc DATA.json SAMPLER.json \\
        SCORES.json TOOLCHAIN.json FIT/diagnostics.json -o FIT/left_out.csv

Schemes: `loco` leaves out one county at a time, `kfold_county` a tenth of the counties,
`kfold_house` a tenth of the houses. Tenths are left out by refits, and so are counties, unless
the program has `log_lik_county`. Then the fit's draws are weighted by the inverse density of the
county's houses, with PSIS, and predict the houses of the county's double, which has no houses;
only counties with Pareto k above 0.7 are refitted.

The effects of doubles are generated if the program generates county effects. If it samples them,
or if adding doubles changes the meaning of its parameters, one further run with every county
doubled provides them. A model that failed its diagnostics is neither weighted nor refitted: its
houses are listed without scores.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from cmdstanpy import disable_logging

from pooling.build import cli
from pooling.build.errors import ProgramError
from pooling.fits.limits import MAX_PARETO_K
from pooling.fits.store import BY_HOUSE, Fit, read_fit, write_table
from pooling.fitting.generate import flat, generate, to_predict
from pooling.fitting.log_scores import with_points_below
from pooling.fitting.refits import (
    SCORES,
    Program,
    compiled,
    read_program,
    run_refits,
    score_predicted,
)
from pooling.inputs.schemes import SCHEMES
from pooling.inputs.study import Sampler, Scores, read_section
from pooling.programs.source import declared
from pooling.scoring.importance import double_counties, sample_extended, weighted_scores, weights_of
from pooling.scoring.loo import BLOCK, generate_with_doubles

FEW_HOUSES = 5  # most houses of a county whose density is compared; more give few effective draws
LARGEST_GAP = 2.0  # largest accepted root mean square of the z-scores
COLUMNS = ["scheme", "house", "fold", *SCORES, "pareto_k", "refitted", "converged"]


def table(scores: dict[str, dict], folds: dict[str, list[int]], house: list) -> pd.DataFrame:
    """Scores of every house, in the order of `house`; missing if a refit did not converge."""
    parts = [
        pd.DataFrame({name: scores[fold][name] for name in (*SCORES, "converged")}).assign(
            position=positions, fold=fold
        )
        for fold, positions in folds.items()
    ]
    rows = pd.concat(parts).sort_values("position", ignore_index=True)
    rows["house"] = [house[position] for position in rows["position"]]
    rows.loc[~rows["converged"], list(SCORES)] = np.nan
    return rows.assign(pareto_k=np.nan, refitted=True)


def weighted_counties(
    fit: Fit, program: Program, data: dict, settings: Sampler
) -> pd.DataFrame | None:
    """Scores of every house without its county, from weighted draws.

    Returns
    -------
    DataFrame
        One row per house in the order of the data: house, fold, elpd, mean, mcse, pit, pareto_k
        (of its county), refitted (False), converged. None for a program without
        `log_lik_county`, or if a run with doubles did not converge.
    """
    generated = declared(program.normalised, "generated quantities")
    if "log_lik_county" not in generated:
        return None
    posterior = fit.tree["posterior"].to_dataset()
    by_county = [name for name in fit.parameters if "county" in posterior[name].dims]
    doubled = double_counties(data, range(1, data["J"] + 1))
    sampled: dict[str, np.ndarray] | None = None
    if not by_county and "alpha" in generated:
        none = doubled | to_predict([], [])
        every = np.arange(1, data["J"] + 1)
        beside = generate_with_doubles(fit, program, data, none, every, settings.seed)
        sampled = beside[0] if beside else None
    own_draws = sampled is not None  # those of the fit, which passed its diagnostics
    if sampled is None:
        sampled = sample_extended(compiled(program), doubled, settings)
    if sampled is None:
        return None
    parameters = {name: sampled[name] for name in fit.parameters}
    # Without shared parameters, the effects of a double do not depend on the county's houses.
    shares_nothing = len(by_county) == len(parameters)
    parts: list[pd.DataFrame] = []
    for start in range(0, data["N"], BLOCK):
        own = {name: data[name][start : start + BLOCK] for name in BY_HOUSE}
        county = np.asarray(own["county"])
        houses = to_predict(county + data["J"], own["floor_measure"], own["log_radon"])
        houses = with_points_below(houses, data, program.normalised)
        found = sampled | generate(compiled(program), doubled | houses, parameters, settings.seed)
        density = flat(found["log_lik_county"])[:, : data["J"]]
        if not shares_nothing:
            log_lik = flat(found["log_lik"])[:, : county.size]
            refuse_other_densities(program.name, log_lik, density, data, county)
        if not parts:  # the same in every block
            weights, k = weights_of(-density * (not shares_nothing), len(found["log_lik"]))
        scores = weighted_scores(weights[:, county - 1], found, houses, own["log_radon"])
        sound = own_draws or score_predicted(found, houses, 0)["converged"]
        names = [f"county {j}" for j in county]
        parts.append(scores.assign(fold=names, pareto_k=k[county - 1], converged=sound))
    return pd.concat(parts, ignore_index=True).assign(house=fit.houses["house"], refitted=False)


def refuse_other_densities(
    name: str, log_lik: np.ndarray, by_county: np.ndarray, data: dict, county: np.ndarray
) -> None:
    """Reject a program whose `log_lik_county` is not its `log_lik` with effects integrated out.

    Given the population parameters, the expected density of a county's houses under its double's
    effects is the density with the effects integrated out.

    Parameters
    ----------
    log_lik, by_county
        (sample, house) of some houses in their counties' doubles, and (sample, county).
    county
        County of these houses, 1 to J; compared are counties with few houses, all of them here.

    Raises
    ------
    ProgramError
        The root mean square over counties of the difference in standard errors exceeds 2.
    """
    sizes = np.bincount(data["county"], minlength=data["J"] + 1)
    here = np.bincount(county, minlength=data["J"] + 1)
    z = []
    for j in np.flatnonzero((sizes == here) & (sizes > 0) & (sizes <= FEW_HOUSES)):
        ratio = np.exp(log_lik[:, county == j].sum(axis=1) - by_county[:, j - 1]) - 1
        weight = np.exp(by_county[:, j - 1] - by_county[:, j - 1].max())
        gap = weight * ratio
        # A county without effects of its own has only rounding error.
        z.append(gap.mean() / (gap.std() / np.sqrt(gap.size) + 1e-6 * weight.mean()))
    if z and not np.sqrt(np.mean(np.square(z))) <= LARGEST_GAP:
        raise ProgramError(
            f"stan/{name}.stan: its `log_lik_county` is not the density of a county's houses by "
            "its `log_lik`, with the county's effects integrated out; correct it, or remove it "
            "(counties are then left out by refits)"
        )


def leave_out(
    fit: Fit,
    program: Program,
    data: dict,
    schemes: list[str],
    settings: Sampler,
    cache: Path,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """Scores of every house under each scheme, columns `COLUMNS`; see `pooling.fitting.refits`."""
    made = {scheme: SCHEMES[scheme].folds for scheme in schemes}
    folds = {scheme: make(data, settings.seed) for scheme, make in made.items() if make}
    house = fit.houses["house"].tolist()
    weighted = weighted_counties(fit, program, data, settings) if "loco" in folds else None
    if weighted is not None:
        sound = (weighted["pareto_k"] <= MAX_PARETO_K) & weighted["converged"]
        failing = set(weighted.loc[~sound, "fold"])
        pareto_k = weighted.groupby("fold")["pareto_k"].first()
        folds["loco"] = {name: at for name, at in folds["loco"].items() if name in failing}
        weighted = weighted[~weighted["fold"].isin(failing)]
    # One batch, so that no core is idle at the end of a scheme.
    every = {
        f"{fold} ({scheme})": houses
        for scheme, parts in folds.items()
        for fold, houses in parts.items()
    }
    scores = run_refits(program, data, every, settings, cache, scheduler)
    tables = []
    for scheme, parts in folds.items():
        own = {fold: scores[f"{fold} ({scheme})"] for fold in parts}
        rows = [table(own, parts, house)] if parts else []
        if scheme == "loco" and weighted is not None:
            rows = [each.assign(pareto_k=each["fold"].map(pareto_k)) for each in rows]
            rows.append(weighted)
        order = {name: position for position, name in enumerate(house)}
        whole = pd.concat(rows).sort_values("house", key=lambda names: names.map(order))
        tables.append(whole.assign(scheme=scheme))
    return pd.concat(tables)[COLUMNS] if tables else pd.DataFrame(columns=COLUMNS)


def without_scores(house: list, schemes: list[str]) -> pd.DataFrame:
    """Rows for a model that is not scored: no fold, no score, not converged."""
    lost: dict[str, object] = dict.fromkeys((*SCORES, "pareto_k"), np.nan)
    lost |= {"house": house, "fold": "", "refitted": False, "converged": False}
    tables = [pd.DataFrame(lost).assign(scheme=scheme) for scheme in schemes]
    return pd.concat([pd.DataFrame(columns=COLUMNS), *tables])[COLUMNS]


def main(arguments: list[str] | None) -> None:
    """Score one model; the table is empty if the study asks for none of these schemes."""
    names = ("executable", "normalised", "fit", "data", "sampler", "scores", "toolchain")
    parser = cli.stage(__doc__, *names, "diagnostics")
    parser.add_argument("--scheduler", help="address of a dask scheduler; default: this machine")
    given = parser.parse_args(arguments)
    disable_logging()
    asked = read_section(Scores, given.scores)
    schemes = [scheme for scheme in asked.leave_out if SCHEMES[scheme].folds]
    rows = pd.DataFrame(columns=COLUMNS)
    if asked.pointwise and schemes:
        fit = read_fit(given.fit, diagnostics=given.diagnostics)
        settings = read_section(Sampler, given.sampler)
        if fit.converged:
            data = json.loads(given.data.read_text(encoding="utf-8"))
            program = read_program(given.executable, given.normalised, given.toolchain, fit)
            cache = given.output.with_name("refits")
            rows = leave_out(fit, program, data, schemes, settings, cache, given.scheduler)
        else:
            rows = without_scores(fit.houses["house"].tolist(), schemes)
    write_table(rows, given.output, digits=8)


if __name__ == "__main__":
    cli.run(main)
