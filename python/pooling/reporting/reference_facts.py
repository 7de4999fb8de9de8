"""Numbers in the report's sentences about other priors, other methods and published values."""

import numpy as np
import pandas as pd

from pooling.checking.sensitivity import SENSITIVE
from pooling.inputs.study import OWN_PRIORS
from pooling.reporting.facts import Tables


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
        diagnostics, in a model that converged, of parameters that the data identify; missing if
        there is none. None without other priors.
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
    known = tables["estimates"].query("identified")[["model", "parameter"]].drop_duplicates()
    sound = both[both["passed"].astype(bool) & both["own_passed"].astype(bool)]
    sound = sound.merge(known, on=["model", "parameter"])
    furthest = sound.loc[sound["shift"].abs().nlargest(1).index].to_dict("records")
    return {
        "rows": both.to_dict("records"),
        "names": both["priors"].unique().tolist(),
        "furthest": furthest[0] if furthest else None,
    }
