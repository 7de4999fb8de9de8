"""Numbers in the report's sentences about scores, and the models that they single out."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pooling.inputs.schemes import FOLDS, SCHEMES
from pooling.reporting.facts import Tables, survey

# Quoted from Elbers and Wiecki, "The best of both worlds: hierarchical linear regression".
TUTORIAL_RMSD = {"per_county": "0.13", "hierarchical": "0.08"}


def score_rows(tables: Tables) -> dict[str, dict]:
    """Scores by model, in the order of `models`: {score: {value, se, n, mark}}."""
    marks = {(note["model"], note["note"]): note["mark"] for note in score_notes(tables)}
    by_model: dict[str, dict] = {model: {} for model in tables["models"]["model"]}
    for row in tables["scores"].to_dict("records"):
        mark = marks.get((row["model"], row["note"]), "")
        by_model[row["model"]][row["score"]] = row | {"mark": mark}
    return by_model


def score_notes(tables: Tables) -> list[dict]:
    """Reservations about scores: mark (1, 2, ...), model and note, each pair once."""
    pairs = tables["scores"].dropna(subset="note")[["model", "note"]].drop_duplicates()
    return [{"mark": str(i)} | row for i, row in enumerate(pairs.to_dict("records"), start=1)]


def left_out(
    scores: Mapping[str, dict], names: Sequence[str], schemes: Sequence[str]
) -> list[tuple[str, list[str]]]:
    """What was left out, in words, and which of these scores at least one model has for it."""
    known = {score for rows in scores.values() for score in rows}
    found = []
    for scheme in schemes:
        own = [f"{name}_{scheme}" for name in names if f"{name}_{scheme}" in known]
        if own:
            what = SCHEMES[scheme].left_out.removeprefix("its ").capitalize()
            found.append((f"{what} left out", own))
    return found


def repeated_schemes(tables: Tables) -> set[str]:
    """Schemes of leaving houses out that coincide with another one.

    A random tenth of the counties is a single county if there are at most ten.
    """
    known = set(tables["scores"]["score"])
    few = survey(tables)["measured"] <= FOLDS
    both = {"elpd_loco", "elpd_kfold_county"} <= known
    return {"kfold_county"} if few and both else set()


def best(scores: Mapping[str, dict], score: str, models: Sequence[str]) -> str | None:
    """Model with the smallest error, or the largest elpd, among those that have the score."""
    known = {m: scores[m][score]["value"] for m in models if score in scores[m]}
    known = {m: value for m, value in known.items() if pd.notna(value)}
    if not known:
        return None
    return (max if score.startswith("elpd") else min)(known, key=known.__getitem__)


def indistinct(tables: Tables, scheme: str) -> dict[str, int]:
    """How far the scores of a scheme tell the best model from others.

    Returns
    -------
    dict
        scored (converged models with this elpd); close (how many of them, besides the best, are
        within two standard errors of the difference).
    """
    sound = tables["models"].loc[tables["models"]["converged"], "model"]
    rows = tables["comparison"].query("scheme == @scheme")
    rows = rows[rows["model"].isin(sound)]
    close = (rows["model"] != rows["reference"]) & (-rows["elpd_difference"] <= 2 * rows["se"])
    return {"scored": len(rows), "close": int(close.sum())}


def model_of(tables: Tables, structure: str) -> str | None:
    """First model of a structure, preferably a converged one."""
    rows = tables["models"].query("structure == @structure")
    return None if rows.empty else rows.loc[rows["converged"].idxmax(), "model"]


def tutorial(tables: Tables) -> list[dict] | None:
    """The tutorial's deviations and ours, if the study has its houses and models.

    Returns
    -------
    list of dict or None
        model, reported (quoted), rmse_in_sample, rmse_loo (log pCi/L; missing if
        it was not scored), times (in-sample error over the reported number).
    """
    states = set(tables["counties"]["state"])
    pooled = model_of(tables, "partial pooling") or ""
    ours = {"per_county": "per_county", "hierarchical": pooled}
    scores = score_rows(tables)
    if states != {"MN"} or not set(ours.values()) <= set(scores):
        return None
    rows = []
    for structure, model in ours.items():
        errors = {
            name: scores[model].get(name, {}).get("value")
            for name in ("rmse_in_sample", "rmse_loo")
        }
        reported = TUTORIAL_RMSD[structure]
        times = errors["rmse_in_sample"] / float(reported)
        rows.append({"model": model, "reported": reported, "times": times} | errors)
    return rows
