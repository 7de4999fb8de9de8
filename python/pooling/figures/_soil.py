"""Soil uranium as a predictor of county effects: each model's line, and the county estimates."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pooling.build.errors import NothingToShow
from pooling.figures._panels import by_model, strip
from pooling.fits.store import Fit

EFFECTS = {"alpha": "intercept (basement)", "beta": "slope (floor effect)"}
SUMMARY = {"q5": 0.05, "q50": 0.5, "q95": 0.95}


def predicted(fit: Fit) -> list[str]:
    """The effects, of `alpha` and `beta`, that the model predicts from log uranium."""
    if fit.log_uranium.empty:
        return []
    return [name for name in EFFECTS if f"gamma_{name}" in fit.population()]


def with_uranium(fits: Sequence[Fit]) -> list[Fit]:
    """The models that predict an effect from uranium.

    Raises
    ------
    NothingToShow
        None does.
    """
    found = [fit for fit in fits if predicted(fit)]
    if not found:
        names = ", ".join(fit.model for fit in fits)
        raise NothingToShow(
            f"this figure needs a model with an effect of uranium, gamma_alpha or gamma_beta, and "
            f"{names} has none; set data.uranium = true in the study and have such a model"
        )
    return found


def line(fit: Fit, effect: str, at: np.ndarray) -> np.ndarray:
    """Draws of a county's effect as predicted from uranium.

    If the model has a contextual effect too, the prediction is for the mean share of
    first-floor houses.

    Parameters
    ----------
    fit
        A model with `mu_<effect>` and `gamma_<effect>`.
    effect
        `alpha` or `beta`.
    at
        Values of log uranium (log ppm), one per point.

    Returns
    -------
    ndarray
        (sample, point), log pCi/L.
    """
    population = fit.population()
    start = population[f"mu_{effect}"]
    if f"delta_{effect}" in population:
        counties = fit.counties
        share = counties["first_floor_houses"] / counties["houses"].clip(lower=1)
        start = start + population[f"delta_{effect}"] * share.mean()
    return start[:, None] + population[f"gamma_{effect}"][:, None] * at


def estimates(fit: Fit, effect: str) -> pd.DataFrame:
    """Posterior quantiles of an effect by county, in increasing order of uranium.

    Columns: county, houses, log_uranium (log ppm), identified (an intercept by
    a basement house, a slope by houses on both floors), q5, q50, q95
    (log pCi/L).
    """
    counties = fit.counties
    own = counties["slope_identified" if effect == "beta" else "intercept_identified"]
    quantiles = np.quantile(fit.effects()[effect].values, [*SUMMARY.values()], axis=0)
    table = pd.DataFrame(
        {
            "county": fit.county_labels.to_numpy(),
            "houses": counties["houses"],
            "log_uranium": fit.log_uranium.to_numpy(),
            "identified": own,
        }
        | dict(zip(SUMMARY, quantiles, strict=True))
    )
    return table.sort_values("log_uranium", kind="stable", ignore_index=True)


def name_panels(rows: pd.DataFrame, fits: Sequence[Fit]) -> pd.DataFrame:
    """`rows` with `label` and `effect` in order, and the `panel` that each pair of them has."""
    label = by_model(rows["label"], fits)
    effect = pd.Categorical(rows["effect"], EFFECTS.values(), ordered=True)
    panel = rows["effect"] + "\n" + rows["label"].map(strip)
    order = [f"{e}\n{strip(m)}" for e in EFFECTS.values() for m in label.cat.categories]
    panel = pd.Series(pd.Categorical(panel, order, ordered=True), rows.index)
    return rows.assign(label=label, effect=effect, panel=panel.cat.remove_unused_categories())
