"""Numbers in the report's sentences, each computed from the study's tables."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pooling.checking.sensitivity import SENSITIVE
from pooling.fits.store import label_counties
from pooling.inputs.schemes import FOLDS, SCHEMES
from pooling.inputs.study import OWN_PRIORS

Tables = Mapping[str, pd.DataFrame]

# Quoted from Elbers and Wiecki, "The best of both worlds: hierarchical linear regression".
TUTORIAL_RMSD = {"per_county": "0.13", "hierarchical": "0.08"}
HIGHLIGHTED = 3


def county_rows(tables: Tables, model: str) -> pd.DataFrame:
    """The counties' table of one model with one row per county.

    Columns by floor have the suffix `_basement` or `_first`.

    Ordered by state and county name; `label` as in `label_counties`.
    """
    table = tables["counties"].query("model == @model")
    keys = ["county_fips", "county", "state", "houses", "first_floor_houses"]
    own = table.set_index([*keys, "floor"]).drop(columns=["model", "converged"])
    basement, first = (own.xs(floor, level="floor") for floor in ("basement", "first floor"))
    rows = basement.add_suffix("_basement").join(first.add_suffix("_first")).reset_index()
    rows["label"] = label_counties(rows)
    return rows


def survey(tables: Tables) -> dict:
    """Numbers of houses and counties, and how unevenly the houses are distributed.

    Returns
    -------
    dict
        states; counties; measured (counties with a house); smallest, largest
        (rows of `county_rows` with the fewest houses, if any, and the most);
        as_small (counties with as few houses as the smallest); no_first_floor
        (measured counties without a first-floor house); floors (rows of
        `data_summary` by floor).
    """
    rows = county_rows(tables, tables["models"]["model"].iloc[0])
    measured = rows[rows["houses"] > 0]
    fewest = int(measured["houses"].min())
    return {
        "states": sorted(rows["state"].unique()),
        "counties": len(rows),
        "measured": len(measured),
        "smallest": measured.loc[measured["houses"].idxmin()].to_dict(),
        "largest": measured.loc[measured["houses"].idxmax()].to_dict(),
        "as_small": int((measured["houses"] == fewest).sum()),
        "no_first_floor": int((measured["first_floor_houses"] == 0).sum()),
        "floors": tables["data_summary"].set_index("floor").to_dict("index"),
    }


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


def headline_model(tables: Tables) -> str:
    """The model whose estimates answer; see `pooling.reporting.comparison.headline`."""
    models = tables["models"]
    return models.loc[models["headline"], "model"].iloc[0]


def model_of(tables: Tables, structure: str) -> str | None:
    """First model of a structure, preferably a converged one."""
    rows = tables["models"].query("structure == @structure")
    return None if rows.empty else rows.loc[rows["converged"].idxmax(), "model"]


def county_effects(tables: Tables, model: str) -> pd.DataFrame:
    """Posterior means of a model's alpha and beta by FIPS code, and whether they are identified.

    Columns: alpha, beta (log pCi/L), alpha_identified, beta_identified, houses.
    """
    rows = tables["estimates"].query("model == @model and parameter in ('alpha', 'beta')")
    rows = rows[rows["county_fips"].notna()]
    wide = rows.pivot(index="county_fips", columns="parameter", values=["mean", "identified"])
    return pd.DataFrame(
        {
            "alpha": wide[("mean", "alpha")].astype(float),
            "beta": wide[("mean", "beta")].astype(float),
            "alpha_identified": wide[("identified", "alpha")].astype(bool),
            "beta_identified": wide[("identified", "beta")].astype(bool),
            "houses": rows.groupby("county_fips")["houses"].first().astype(int),
        }
    )


def shrinkage(tables: Tables, source: str | None, target: str) -> dict | None:
    """How far partial pooling moves the counties from their estimates without pooling.

    Parameters
    ----------
    source, target
        Model without pooling, and model with partial pooling.

    Returns
    -------
    dict or None
        source, target; for alpha and beta over the counties that the source
        identifies: counties, and the standard deviation across them `alone` and
        `pooled` (log pCi/L); moves: for the counties with at most `few` houses
        and with at least `many` (quartiles of the houses per county), how far
        alpha moves in absolute mean. None without a source, or where fewer than
        four counties identify their intercept.
    """
    if source is None or source == target:
        return None
    alone, pooled = county_effects(tables, source), county_effects(tables, target)
    facts: dict = {"source": source, "target": target}
    for effect in ("alpha", "beta"):
        known = alone.index[alone[f"{effect}_identified"]]
        facts[effect] = {
            "counties": len(known),
            "alone": alone.loc[known, effect].std(ddof=1),
            "pooled": pooled.loc[known, effect].std(ddof=1),
        }
    known = alone[alone["alpha_identified"]]
    if len(known) < 4:
        return None
    few, many = np.quantile(known["houses"], (0.25, 0.75), method="nearest").astype(int)
    move = (known["alpha"] - pooled.loc[known.index, "alpha"]).abs()
    facts["moves"] = {
        "few": int(few),
        "many": int(many),
        "small": move[known["houses"] <= few].mean(),
        "large": move[known["houses"] >= many].mean(),
    }
    return facts


def answer(tables: Tables, model: str) -> dict:
    """Summary of the printed county table.

    Returns
    -------
    dict
        model; rows (as `county_rows`); lowest, highest (rows by typical radon in
        a basement); likely: by floor, counties where a new house is at or above
        the action level with a probability of at least one half; unidentified:
        by floor, counties whose own houses do not identify it.
    """
    rows = county_rows(tables, model)
    return {
        "model": model,
        "rows": rows.to_dict("records"),
        "lowest": rows.loc[rows["typical_basement"].idxmin()].to_dict(),
        "highest": rows.loc[rows["typical_basement"].idxmax()].to_dict(),
        "likely": {f: int((rows[f"p_action_{f}"] >= 0.5).sum()) for f in ("basement", "first")},
        "unidentified": {
            f: int((~rows[f"identified_{f}"].astype(bool)).sum()) for f in ("basement", "first")
        },
    }


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


def highlighted(tables: Tables, codes: Sequence[int]) -> list[dict]:
    """Intercepts and slopes of a few counties under every model.

    Parameters
    ----------
    codes
        FIPS codes; if none is in the study, counties from the fewest houses to
        the most, evenly spaced in rank.

    Returns
    -------
    list of dict
        label, houses, first_floor_houses, models: a list of {model, alpha, beta},
        each effect a row of `estimates`.
    """
    rows = county_rows(tables, tables["models"]["model"].iloc[0]).set_index("county_fips")
    listed = [code for code in codes if code in rows.index]
    if not listed:
        ranked = rows[rows["houses"] > 0].sort_values("houses", kind="stable").index
        steps = np.linspace(0, len(ranked) - 1, min(HIGHLIGHTED, len(ranked)))
        listed = ranked[steps.round().astype(int)].tolist()
    estimates = tables["estimates"].query(
        "county_fips in @listed and parameter in ('alpha', 'beta')"
    )
    found = estimates.set_index(["county_fips", "model", "parameter"]).to_dict("index")
    return [
        rows.loc[code, ["label", "houses", "first_floor_houses"]].to_dict()
        | {
            "models": [
                {"model": m, "alpha": found[code, m, "alpha"], "beta": found[code, m, "beta"]}
                for m in tables["models"]["model"]
            ]
        }
        for code in listed
    ]


def population(tables: Tables, most: int = 30) -> tuple[pd.DataFrame, int]:
    """Estimates that are not by county, at most `most` per model, and how many are left out.

    Parameters whose names end in `_tilde` or `_free`, which programs sample in place of
    an effect, are not shown.
    """
    rows = tables["estimates"][tables["estimates"]["county_fips"].isna()]
    rows = rows[~rows["parameter"].str.contains(r"_(?:tilde|free)(?:\[|$)")]
    place = rows.groupby("model").cumcount()
    order = {model: i for i, model in enumerate(tables["models"]["model"])}
    shown = rows[place < most].sort_values("model", key=lambda m: m.map(order), kind="stable")
    return shown, int((place >= most).sum())


def frequentist(tables: Tables) -> list[dict]:
    """Least squares or REML and the posterior of the same parameter of the matching model.

    One row per parameter that is not by county: model, formula, parameter, value, se,
    mean, sd (log pCi/L).
    """
    if "frequentist" not in tables:
        return []
    own = tables["frequentist"]
    own = own[own["county_fips"].isna()].dropna(subset=["models"])
    own = own.assign(model=own["models"].str.split()).explode("model")
    ours = tables["estimates"][tables["estimates"]["county_fips"].isna()]
    both = own.merge(ours[["model", "parameter", "mean", "sd"]], on=["model", "parameter"])
    return both[["model", "formula", "parameter", "value", "se", "mean", "sd"]].to_dict("records")


def published(tables: Tables) -> dict | None:
    """Published values of this study and ours.

    Returns
    -------
    dict
        rows (those that are compared); agreeing (how many agree); apart (those that
        do not); quoted (those that cannot be compared, with the reason). None if
        there are none.
    """
    rows = tables.get("published", pd.DataFrame())
    if rows.empty:
        return None
    compared = rows[rows["agrees"].isin(["yes", "no"])]
    return {
        "rows": compared.to_dict("records"),
        "agreeing": int((compared["agrees"] == "yes").sum()),
        "apart": compared[compared["agrees"] == "no"].to_dict("records"),
        "quoted": rows[~rows["agrees"].isin(["yes", "no"])].to_dict("records"),
    }


def sensitivity(tables: Tables) -> dict | None:
    """Results of power-scaling the priors.

    Returns
    -------
    dict or None
        rows (of the table); threshold (from which a sensitivity is relevant);
        moved (rows of models that converged whose diagnosis is not "-");
        strongest (their row with the greatest sensitivity to the prior, missing
        if none converged). None if there are none.
    """
    rows = tables.get("sensitivity", pd.DataFrame())
    if rows.empty:
        return None
    sound = rows[rows["model"].isin(tables["models"].query("converged")["model"])]
    strongest = sound.nlargest(1, "prior").to_dict("records")
    return {
        "rows": rows.to_dict("records"),
        "threshold": SENSITIVE,
        "moved": sound[sound["diagnosis"] != "-"].to_dict("records"),
        "strongest": strongest[0] if strongest else None,
    }


def other_priors(tables: Tables) -> dict | None:
    """Population parameters under the study's priors and under others.

    Returns
    -------
    dict or None
        rows: one per model, parameter and set of other priors: its row with
        `own_mean` and `own_sd` (under the study's priors) and `error` (Monte
        Carlo standard error of the shift); names (of the sets); furthest: the
        row with the largest absolute shift among those that passed their
        diagnostics, in a model that converged; missing if there is none. None without other priors.
    """
    table = tables.get("other_priors", pd.DataFrame())
    if table.empty:
        return None
    own = table[table["priors"] == OWN_PRIORS]
    own = own[["model", "parameter", "mean", "sd", "mcse_mean", "passed"]]
    both = table[table["priors"] != OWN_PRIORS].merge(
        own.rename(columns=lambda c: c if c in ("model", "parameter") else f"own_{c}"),
        on=["model", "parameter"],
    )
    both["error"] = np.hypot(both["mcse_mean"], both["own_mcse_mean"]) / both["own_sd"]
    sound = both[both["passed"].astype(bool) & both["own_passed"].astype(bool)]
    furthest = sound.loc[sound["shift"].abs().nlargest(1).index].to_dict("records")
    return {
        "rows": both.to_dict("records"),
        "names": both["priors"].unique().tolist(),
        "furthest": furthest[0] if furthest else None,
    }
