"""What the page of decisions says, from the tables of decisions."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pooling.deciding.policies import ACTIONS
from pooling.fits.store import label_counties
from pooling.inputs.decision import RISKS
from pooling.reporting.tables import records

CLOSE = 0.01  # of the smallest loss: another action costs less than this more


def decided(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    """Actions, policies and settings of a study; None if it has no decisions.

    Returns
    -------
    dict
        model (that decides); rows (of `decisions`, with label, close (whether another action
        costs hardly more) and first (of its county)); counties; floors (by floor and action: its
        number of counties, and their share of the houses that the survey stands for); policies
        (rows at the study's action level); weighted; houses; settings (value by name);
        sources (rows of `decision_settings`); households (the action level of each, pCi/L, at
        the same dollars per life); book (rows by quantity); uncertain (rows whose action the
        draws leave open).
    """
    if "decisions" not in tables:
        return None
    rows = tables["decisions"]
    labels = label_counties(rows.drop_duplicates("county_fips"))
    names = dict(zip(rows["county_fips"].unique(), labels, strict=True))
    losses = rows[[f"loss_{name}" for name in ACTIONS]].apply(sorted, axis=1, result_type="expand")
    rows = rows.assign(
        label=rows["county_fips"].map(names),
        close=losses[1] < (1 + CLOSE) * losses[0],
        first=~rows["county_fips"].duplicated(),
    )
    settings = tables["decision_settings"]
    own = tables["policies"].query("chosen")
    return {
        "model": rows["model"].iloc[0],
        "rows": records(rows),
        "counties": len(names),
        "floors": {floor: _by_action(part) for floor, part in rows.groupby("floor")},
        "policies": records(own),
        "weighted": bool(own["weighted"].all()),
        "houses": float(own["houses"].iloc[0]),
        "settings": settings.set_index("name")["value"].to_dict(),
        "sources": records(settings),
        "households": households(settings),
        "book": {row["quantity"]: row for row in records(tables["book"])},
        "uncertain": int((~rows["certain"].astype(bool)).sum()),
    }


def _by_action(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Counties and share of represented houses by action; only actions that are taken."""
    total = rows["represented"].sum()
    return {
        action: {"counties": len(part), "share": part["represented"].sum() / total}
        for action in ACTIONS
        if len(part := rows[rows["action"] == action])
    }


def households(settings: pd.DataFrame) -> dict[str, float]:
    """Level from which a remedy pays each household, pCi/L, at the same dollars per life."""
    value = settings.set_index("name")["value"]
    remedy, remedied, own = (
        float(value[name]) for name in ("remedy_cost", "remedied_level", "value_per_pci")
    )
    per_risk = own / RISKS[value["household"]]
    return {name: remedied + remedy / (per_risk * risk) for name, risk in RISKS.items()}
