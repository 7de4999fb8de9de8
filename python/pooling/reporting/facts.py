"""Numbers in the report's sentences about the survey and its counties, from the study's tables."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pooling.fits.store import label_counties
from pooling.inputs.names import ONE_AREA

Tables = Mapping[str, pd.DataFrame]

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
        states (none if no column tells them); counties; measured (counties with a house);
        smallest, largest (rows of `county_rows` with the fewest houses, if any, and the most);
        median (houses of the median measured county);
        as_small (counties with as few houses as the smallest); no_first_floor
        (measured counties without a first-floor house); floors (rows of
        `data_summary` by floor).
    """
    rows = county_rows(tables, tables["models"]["model"].iloc[0])
    measured = rows[rows["houses"] > 0]
    fewest = int(measured["houses"].min())
    return {
        "states": sorted({*rows["state"]} - {ONE_AREA}),
        "counties": len(rows),
        "measured": len(measured),
        "smallest": measured.loc[measured["houses"].idxmin()].to_dict(),
        "largest": measured.loc[measured["houses"].idxmax()].to_dict(),
        "median": measured["houses"].median(),
        "as_small": int((measured["houses"] == fewest).sum()),
        "no_first_floor": int((measured["first_floor_houses"] == 0).sum()),
        "floors": tables["data_summary"].set_index("floor").to_dict("index"),
    }


def headline_model(tables: Tables) -> str:
    """The model whose estimates answer; see `pooling.scoring.comparison.headline`."""
    models = tables["models"]
    return models.loc[models["headline"], "model"].iloc[0]


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


def shrinkage(tables: Tables, source: str, target: str) -> dict | None:
    """How far partial pooling moves the counties from their estimates without pooling.

    Parameters
    ----------
    source, target
        Model without pooling, and model with partial pooling.

    Returns
    -------
    dict or None
        source, target; for alpha and beta over the counties that the source
        identifies: counties, and the standard deviation across them `separate` and
        `pooled` (log pCi/L); moves: for the counties with at most `few` houses
        and with at least `many` (quartiles of the houses per county), how far
        alpha moves in absolute mean. None without both, or where fewer than
        four counties identify their intercept.
    """
    if not source or not target or source == target:
        return None
    alone, pooled = county_effects(tables, source), county_effects(tables, target)
    facts: dict = {"source": source, "target": target}
    for effect in ("alpha", "beta"):
        known = alone.index[alone[f"{effect}_identified"]]
        facts[effect] = {
            "counties": len(known),
            "separate": alone.loc[known, effect].std(ddof=1),
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
        model; rows (as `county_rows`, with rank_q5 and rank_q95, the 90% interval of the rank in
        the basement); lowest, highest (rows by typical radon in a basement); likely: by floor,
        counties where a new house is at or above the action level with a probability of at
        least one half; unidentified: by floor, counties whose own houses do not identify it.
    """
    rows = county_rows(tables, model)
    ranks = tables["ranks"].query("model == @model and floor == 'basement'")
    rows = rows.merge(ranks[["county_fips", "rank_q5", "rank_q95"]], "left", "county_fips")
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
        county_fips, label, houses, first_floor_houses, models: a list of {model, alpha, beta},
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
            "county_fips": code,
            "models": [
                {"model": m, "alpha": found[code, m, "alpha"], "beta": found[code, m, "beta"]}
                for m in tables["models"]["model"]
            ],
        }
        for code in listed
    ]


def population(tables: Tables, most: int = 30) -> tuple[pd.DataFrame, int]:
    """Rows as in `shared`, at most `most` per model, and how many are left out."""
    rows = _of_population(tables)
    place = rows.groupby("model").cumcount()
    order = {model: i for i, model in enumerate(tables["models"]["model"])}
    shown = rows[place < most].sort_values("model", key=lambda m: m.map(order), kind="stable")
    return shown, int((place >= most).sum())


def story(tables: Tables, models: Sequence[str]) -> dict[str, str]:
    """The models of the study's story by what they stand for: complete, none, partial.

    The first of each structure, "" where the story has none.
    """
    structures = tables["models"].set_index("model")["structure"]
    roles = {"complete": "complete pooling", "none": "no pooling", "partial": "partial pooling"}
    return {
        role: next((model for model in models if structures.get(model) == structure), "")
        for role, structure in roles.items()
    }


def extremes(tables: Tables, model: str) -> dict[str, dict]:
    """Counties with the lowest and highest typical basement, of those with a basement house."""
    rows = county_rows(tables, model)
    known = rows[rows["identified_basement"].astype(bool)]
    typical = (rows if known.empty else known)["typical_basement"]
    return {
        "lowest": rows.loc[typical.idxmin()].to_dict(),
        "highest": rows.loc[typical.idxmax()].to_dict(),
    }


def shared(tables: Tables) -> dict[str, dict[str, dict]]:
    """Rows of the estimates that are not by county, by model and parameter.

    Parameters whose names end in `_tilde` or `_free`, which programs sample in place of
    others, are not shown.
    """
    rows = _of_population(tables)
    found: dict[str, dict[str, dict]] = {model: {} for model in tables["models"]["model"]}
    for row in rows.to_dict("records"):
        found[row["model"]][row["parameter"]] = row
    return found


def by_county(tables: Tables, model: str) -> list[dict]:
    """Rows of `county_rows`, each with `alpha` and `beta`, rows of the model's estimates."""
    rows = tables["estimates"].query("model == @model and parameter in ('alpha', 'beta')")
    rows = rows[rows["county_fips"].notna()]
    found = rows.set_index(["county_fips", "parameter"]).to_dict("index")
    return [
        row | {name: found[row["county_fips"], name] for name in ("alpha", "beta")}
        for row in county_rows(tables, model).to_dict("records")
    ]


def _of_population(tables: Tables) -> pd.DataFrame:
    rows = tables["estimates"][tables["estimates"]["county_fips"].isna()]
    return rows[~rows["parameter"].str.contains(r"_(?:tilde|free)(?:\[|$)")]
