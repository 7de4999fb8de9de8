r"""Predict the radon of the houses in a table of the user's, from a fit.

    python -m pooling.reporting.predict stan FITS DATA.json SECTION.json SAMPLER.json MODELS.json \
        --houses HOUSES.csv [--model M] --tables TABLES -o PREDICTIONS.csv

The table has the columns `county` and `floor`, optionally `activity` (in the study's unit) for
houses that were measured, and any others, which are copied to the output. A house in a county
without measured houses is predicted from the county's predictors and the population. A house in
a county that is not in the study is predicted as in a county without houses or neighbours whose
predictors are the means over the study's counties; with several states, as an equal mixture of
one in each state.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from cmdstanpy import disable_logging
from scipy.special import logsumexp

from pooling.build import cli
from pooling.build.errors import DataError, DiagnosticsError, SamplingError, StudyError
from pooling.deciding.annual import has_expectation
from pooling.fits.new_house import sd_of_houses
from pooling.fits.spacing import evenly_spaced
from pooling.fits.store import Fit, in_interval, label_counties, open_fit, read_table, write_table
from pooling.fitting.generate import (
    SCORED,
    expected,
    flat,
    generate,
    predict,
    to_predict,
)
from pooling.fitting.log_scores import up_to
from pooling.inputs.decision import Decision
from pooling.inputs.response import Response
from pooling.inputs.study import Data, Sampler, read_section
from pooling.inputs.tables import Table, read_houses_to_predict
from pooling.reporting.advice import ADVICE, advice, kinds_of_tests
from pooling.reporting.facts import headline_model
from pooling.reporting.matching import county_positions, floor_words
from pooling.scoring.importance import double_counties, sample_extended
from pooling.scoring.loo import BLOCK

QUANTILES = {"q5": 0.05, "q50": 0.5, "q95": 0.95}
PREDICTORS = ("log_uranium", "first_floor_share")
SHOWN = 10  # rows in the terminal
OUTSIDE = "not in the study"
COLUMNS = ["county", "floor", "activity", "county_known"]
COLUMNS += [f"{width}_{q}" for width in ("level", "house") for q in QUANTILES]
COLUMNS += ["p_action", "log_score", "pit"]


def predict_houses(
    houses: Path | str | pd.DataFrame,
    fit: Fit,
    executable: Path,
    data: Mapping,
    floors: Mapping[int | str, str],
    settings: Sampler,
    decision: Decision | None = None,
) -> pd.DataFrame:
    """Predict houses from at least 4,000 draws of a fit, or all of its draws if they are fewer.

    Parameters
    ----------
    houses
        CSV file or frame: `county` (name of one of the study's counties in capitals or not,
        "NAME, ST" where several share a name, or FIPS code), `floor` (the study's code, "basement"
        or "first floor"), optionally `activity` (study's unit, or blank) and, where a study
        decides, `test`, the kind of test that gave it: "screening" (also if blank) or "long-term".
    fit, executable, data
        A fit that passed its diagnostics, its compiled program and its Stan data.
    floors
        The study's floor codes.
    settings
        The study's sampler settings. Predictions use the seed; the others are needed if the
        program samples county effects and a house is in a county that is not in the study.
    decision
        The study's section of that name.

    Returns
    -------
    DataFrame
        One row per house, in the same order: the other columns of `houses`; county (as in the
        report, or as in the table), floor (in words), activity (if there is any),
        county_known ("measured", "not measured" or "not in the study"); level_q5, level_q50,
        level_q95 (study's unit; the county's geometric mean level on that floor: median and 90%
        interval); house_q5, house_q50, house_q95 (a new house there); p_action (probability that
        it is at or above the action level); for measured houses log_score (log predictive density
        of log radon) and pit (probability of radon up to the measured value), missing for
        long-term tests; with a `decision` the columns of `pooling.reporting.advice.advice`, unless
        radon has no expectation under the model.

    Raises
    ------
    DataError
        The table is invalid; the message names the first error and its location.
    DiagnosticsError
        The fit did not pass its diagnostics.
    SamplingError
        CmdStan failed, or a run that was needed has divergences.
    """
    if not fit.converged:
        raise DiagnosticsError(
            f"MODEL={fit.model}: its fit to study {fit.study} did not pass the diagnostics, "
            "so it cannot be used for predictions; name another model"
        )
    table, others = read_houses_to_predict(houses, fit.response.unit)
    _refuse_own_names(table, others)
    rows = table.rows.assign(floor=floor_words(table, floors))
    position = county_positions(table, fit.counties)
    known = position >= 0
    labels = label_counties(fit.counties).to_numpy(str)
    measured = np.where(fit.counties["houses"] > 0, "measured", "not measured")
    # The last element, at -1, is for counties that are not in the study.
    rows["county_known"] = np.append(measured, OUTSIDE)[position]
    rows["county"] = np.where(known, np.append(labels, "")[position], rows["county"].astype(str))
    floor = (rows["floor"] == "first floor").to_numpy(float)
    activity = rows["activity"].to_numpy(float)
    decides = decision is not None and has_expectation(fit.parameters)
    kinds = kinds_of_tests(table, others) if decides else np.full(len(rows), "screening")
    # The model predicts screening tests.
    y = fit.response.log_radon(np.where(kinds == "screening", activity, np.nan))
    parts = []

    def summary(level: np.ndarray, drawn: Mapping[str, np.ndarray], own: np.ndarray) -> None:
        found = _summary(level, drawn, y[own], fit.response, data.get("log_limit", -np.inf))
        if decision is not None and decides:
            tested = activity[own], kinds[own]
            given = advice(level, drawn["sd"], floor[own], *tested, decision, fit.response)
            found = pd.concat([found, given], axis=1)
        parts.append(found.set_index(own))

    for own in _blocks(np.flatnonzero(known), BLOCK):
        asked = to_predict(position[own] + 1, floor[own], np.nan_to_num(y[own]))
        drawn = inside(fit, executable, data, asked, settings.seed)
        summary(*drawn, own)
    if not known.all():
        extended = with_unknown_counties(data)
        parameters = extended_draws(fit, executable, extended, settings)
        for own in _blocks(np.flatnonzero(~known), BLOCK // extended.get("S", 1)):
            asked = to_predict(position[own], floor[own], np.nan_to_num(y[own]))
            drawn = outside(fit, executable, extended, parameters, asked, settings.seed)
            summary(*drawn, own)
    columns = [*COLUMNS, *(ADVICE if decides else ())]
    found = pd.concat([rows, pd.concat(parts).sort_index()], axis=1)[columns]
    if found["activity"].isna().all():
        found = found.drop(columns=["activity", "log_score", "pit"])
    return pd.concat([others, found], axis=1)


def _blocks(places: np.ndarray, size: int) -> list[np.ndarray]:
    return [places[start : start + size] for start in range(0, places.size, size)]


def _refuse_own_names(table: Table, others: pd.DataFrame) -> None:
    for name in others.columns:
        if name in (*COLUMNS, *ADVICE):
            place = f"{table.path}: line 1: " if table.path else ""
            raise DataError(
                f"{place}column {name} has the name of an output column; rename or remove it"
            )


def inside(
    fit: Fit, executable: Path, data: Mapping, asked: Mapping, seed: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Predictive draws of houses in counties of the study, as `outside` returns them."""
    draws = predict(fit, executable, data, asked, seed)
    found = {name: flat(draws[name].values) for name in ("log_lik", "y_rep")}
    return expected(draws, asked), found | {"sd": sd_of_houses(draws, asked)}


def outside(
    fit: Fit,
    executable: Path,
    extended: Mapping,
    drawn: Mapping[str, np.ndarray],
    asked: Mapping,
    seed: int,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Predictive draws of houses in a county that is not in the study.

    With several states, successive draws are of a county in each state in turn.

    Parameters
    ----------
    extended
        As from `with_unknown_counties`.
    drawn
        As from `extended_draws`.
    asked
        The houses, as Stan data; their county is not used.

    Returns
    -------
    ndarray
        alpha + beta * floor, (sample, house), log pCi/L.
    dict
        `log_lik`, `y_rep` and `sd` (of the house given its level, log pCi/L), (sample, house).
    """
    states = extended.get("S", 1)
    copies = to_predict(
        np.repeat(extended["J"] + 1 - states + np.arange(states), asked["N_new"]),
        np.tile(asked["floor_measure_new"], states),
        np.tile(asked["log_radon_new"], states),
    )
    parameters = {name: drawn[name] for name in fit.parameters}
    drawn = {**drawn, **generate(executable, {**extended, **copies}, parameters, seed)}
    every = {"level": expected(drawn, copies), "sd": sd_of_houses(drawn, copies)}
    every |= {name: flat(drawn[name]) for name in ("log_lik", "y_rep")}
    sample = np.arange(len(every["level"]))
    own = {
        name: values.reshape(sample.size, states, -1)[sample, sample % states]
        for name, values in every.items()
    }
    return own.pop("level"), own


def with_unknown_counties(data: Mapping) -> dict:
    """Stan data with one additional county without houses, at the end, in each state.

    Its predictors are the means over the study's counties, and none of these is near it.
    """
    states = data.get("S", 1)
    extended = double_counties(data, [1] * states)
    for name in PREDICTORS:
        if name in data:
            extended[name] = [*data[name], *[float(np.mean(data[name]))] * states]
    if "distance" in data:
        extended["distance"] = np.where(np.eye(extended["J"]), 0.0, np.inf)
        extended["distance"][: data["J"], : data["J"]] = data["distance"]
    if "S" in data:
        extended["state"] = [*data["state"], *range(1, states + 1)]
    return extended


def extended_draws(
    fit: Fit, executable: Path, extended: Mapping, settings: Sampler
) -> dict[str, np.ndarray]:
    """Draws of the program's parameters, (chain, draw, ...), that are valid with more counties.

    They are the fit's own, unless the program samples county effects, or has `alpha` among its
    transformed parameters, which CmdStan does not return from generated quantities.

    Raises
    ------
    SamplingError
        They had to be sampled again, with divergences.
    """
    posterior = fit.tree["posterior"].to_dataset()
    if not any("county" in posterior[name].dims for name in fit.parameters):
        # With transformed parameters, such as sigma, which CmdStan does not return again.
        shared = [str(n) for n, v in posterior.items() if set(v.dims) == {"chain", "draw"}]
        names = [*dict.fromkeys([*fit.parameters, *shared])]
        kept = evenly_spaced(posterior[names], SCORED).compute().transpose("chain", "draw", ...)
        drawn = {name: kept[name].values for name in names}
        first = {name: drawn[name][:, :1] for name in fit.parameters}
        if "alpha" in generate(executable, extended, first, settings.seed):
            return drawn
    sampled = sample_extended(executable, extended, settings)
    if sampled is None:
        raise SamplingError(
            f"{fit.model}: sampling it with a county that is not in study {fit.study} gives "
            "divergences; name a model that does not sample county effects, such as "
            "hierarchical_marginal, or remove the houses of such counties"
        )
    return sampled


def _summary(
    level: np.ndarray,
    draws: Mapping[str, np.ndarray],
    y: np.ndarray,
    response: Response,
    limit: float,
) -> pd.DataFrame:
    """Columns of predictions from draws (sample, house), one row per house; NaN where `y` is.

    Of a house at or below the detection limit (log pCi/L) the score is the log probability of
    being there, from the replications.
    """
    table = {}
    for width, values in (("level", level), ("house", draws["y_rep"])):
        for name, q in zip(QUANTILES, np.quantile(values, [*QUANTILES.values()], 0), strict=True):
            table[f"{width}_{name}"] = response.activity(q)
    table["p_action"] = (draws["y_rep"] >= response.log_action_level).mean(axis=0)
    score = logsumexp(draws["log_lik"], axis=0) - np.log(len(level))
    with np.errstate(divide="ignore"):
        score = np.where(y <= limit, np.log((draws["y_rep"] <= limit).mean(axis=0)), score)
    pit = up_to(draws["y_rep"], y, {"log_limit": limit}).mean(axis=0)
    table["log_score"], table["pit"] = (np.where(np.isnan(y), np.nan, v) for v in (score, pit))
    return pd.DataFrame(table)


def overview(predictions: pd.DataFrame, fit: Fit) -> str:
    """The first rows for the terminal, and a summary of all."""
    first = predictions.head(SHOWN)
    ids = predictions.columns[: predictions.columns.get_loc("county")]
    shown = first[[*ids[:1], "county", "floor"]].assign(**{"county is": first["county_known"]})
    for width, title in (("level", "level of the county"), ("house", "new house there")):
        middle, low, high = (first[f"{width}_{q}"] for q in ("q50", "q5", "q95"))
        cells = zip(middle, low, high, strict=True)
        shown[title] = [f"{m:.3g} ({a:.3g} to {b:.3g})" for m, a, b in cells]
    if "action" in predictions:
        shown["do"] = first["action"]
    shown[f"{fit.response.action_level:g} or more"] = [f"{p:.0%}" for p in first["p_action"]]
    lines = [
        f"radon in {fit.response.unit_label} by {fit.model}: median (5% to 95%)",
        "",
        shown.to_string(index=False),
    ]
    if len(predictions) > SHOWN:
        lines.append(f"... and {len(predictions) - SHOWN} more")
    unknown = predictions.loc[predictions["county_known"] == OUTSIDE, "county"].unique()
    if unknown.size:
        names = ", ".join(unknown[:SHOWN]) + (", ..." if unknown.size > SHOWN else "")
        lines += ["", f"{OUTSIDE}, so predicted from the population of counties: {names}"]
    # Only tests of the survey's kind test the model.
    scored = predictions.dropna(subset="pit") if "pit" in predictions else predictions.iloc[:0]
    if len(scored):
        inside = ", ".join(
            f"{in_interval(scored['pit'], share).mean():.0%} in their {share:.0%} interval"
            for share in (0.5, 0.9)
        )
        score = f"mean log score {scored['log_score'].mean():.3f}"
        lines += ["", f"{len(scored)} measured: {score}; {inside}"]
    return "\n".join(lines)


def chosen_model(model: str, models: list[str], study: str, tables: Path) -> str:
    """The requested model or, if there is none, the headline model of the study's report.

    Raises
    ------
    StudyError
        It is not a model of the study.
    """
    if not model:
        return headline_model({"models": read_table(tables / "models.csv")})
    if model not in models:
        raise StudyError(
            f"MODEL={model}: not a model of study {study}; its models are {', '.join(models)}"
        )
    return model


def main(arguments: list[str] | None) -> None:
    """Predict the houses of one table and print the first of them."""
    parser = cli.stage(__doc__, "programs", "fits", "data", "section", "sampler", "models")
    parser.add_argument("--houses", required=True, help="table of houses to predict")
    parser.add_argument("--model", default="", help="default: the report's headline model")
    parser.add_argument("--tables", type=Path, required=True, help="folder of the report's tables")
    parser.add_argument("--decision", type=Path, help="the study's [decision] section")
    args = parser.parse_args(arguments)
    disable_logging()
    if not args.houses:
        raise DataError(
            "HOUSES names no table; run `make predict HOUSES=new.csv [MODEL=...]` with a CSV file "
            "that has the columns county and floor, and activity for houses that were measured"
        )
    models = json.loads(args.models.read_text(encoding="utf-8"))
    model = chosen_model(args.model, models, args.fits.name, args.tables)
    fit = open_fit(args.fits / model)
    predictions = predict_houses(
        Path(args.houses).expanduser(),
        fit,
        (args.programs / model).resolve(),
        json.loads(args.data.read_text(encoding="utf-8")),
        read_section(Data, args.section).floors,
        read_section(Sampler, args.sampler),
        read_section(Decision, args.decision) if args.decision else None,
    )
    # Not in the manifest, because users edit this file.
    write_table(predictions, args.output, recorded=False)
    print(f"{overview(predictions, fit)}\n\n{args.output}")


if __name__ == "__main__":
    cli.run(main)
