"""Model comparison by left-out houses: differences of elpd, and stacking weights."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import LinearConstraint, minimize

from pooling.fits.store import Fit
from pooling.inputs.response import ROUNDING, ZERO
from pooling.inputs.schemes import SCHEMES
from pooling.scoring.standard_errors import cluster, total

COLUMNS = ["scheme", "model", "reference", "elpd", "elpd_difference", "se", "from_lowest", "n"]
COLUMNS += ["weight"]


def comparison(fits: Sequence[Fit]) -> pd.DataFrame:
    """elpd of each model minus that of the best converged one, by what was left out.

    Returns
    -------
    DataFrame
        One row per scheme of `SCHEMES` and model: scheme, model, reference, elpd (nats, over
        the n houses that both score), elpd_difference and se (nats; clustered by county where
        whole counties are left out), from_lowest (part of the difference from houses at or below
        0.1 pCi/L, whose logarithm is a convention), n, weight (`stacking_weights` over the houses
        scored under every converged model, where single houses are left out; missing for a model
        that did not converge). No rows for a scheme without a converged model that has densities.
    """
    parts = [part for scheme in SCHEMES if len(part := _compared(fits, scheme))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _compared(fits: Sequence[Fit], scheme: str) -> pd.DataFrame:
    elpd = {
        fit.model: fit.left_out[scheme].set_index("house")["elpd"]
        for fit in fits
        if scheme in fit.left_out
    }
    table = pd.DataFrame(elpd).dropna(axis="columns", how="all")
    rivals = [fit.model for fit in fits if fit.converged and fit.model in table]
    if not rivals:
        return pd.DataFrame(columns=COLUMNS)
    common = table[rivals].dropna()
    best = common.sum().idxmax()
    gaps = table.sub(table[best], axis="index")
    clusters = pd.Series(cluster(fits[0], scheme), fits[0].houses["house"])
    both = {name: gap.dropna() for name, gap in gaps.items()}
    lowest = _lowest(fits[0])
    sums = {name: total(g.to_numpy(), clusters[g.index].to_numpy()) for name, g in both.items()}
    found = pd.DataFrame(
        {
            "scheme": scheme,
            "reference": best,
            "elpd": table.where(gaps.notna()).sum(),
            "elpd_difference": {name: value for name, (value, _) in sums.items()},
            "se": {name: error for name, (_, error) in sums.items()},
            "from_lowest": gaps[lowest.reindex(gaps.index)].sum(),
            "n": gaps.count(),
            "weight": np.nan if SCHEMES[scheme].whole_counties else stacking_weights(common),
        }
    )
    return found.loc[table.columns].rename_axis("model").reset_index()[COLUMNS]


def _lowest(fit: Fit) -> pd.Series:
    """Whether each house is at or below 0.1 pCi/L, by house."""
    houses, response = fit.houses.set_index("house"), fit.response
    limit = response.from_pci(ZERO) + ROUNDING
    return pd.Series(response.activity(houses["log_radon"]) <= limit, houses.index)


def headline(models: pd.DataFrame, fits: Sequence[Fit]) -> str:
    """The model whose estimates answer the question of the county.

    Among the converged models with partial pooling (else those whose effects vary by county, else
    any that converged), the one with the fewest parameters that do not vary by county of those
    whose elpd is within one standard error of the best of them: elpd of whole left-out counties,
    or of single houses where counties were not left out. Without any score, the first of them.

    Parameters
    ----------
    models
        model, structure, converged, parameters.
    fits
        Of these models.
    """
    sound = models[models["converged"]]
    varying = sound[sound["structure"] != "complete pooling"]
    groups = (sound[sound["structure"] == "partial pooling"], varying, sound, models.tail(1))
    candidates = next(group for group in groups if len(group)).set_index("model")
    compared = comparison([fit for fit in fits if fit.model in candidates.index])
    for scheme in ("loco", "loo"):
        rows = compared[compared["scheme"] == scheme].set_index("model")
        if len(rows):
            level = rows.index[rows["elpd_difference"] >= -rows["se"].fillna(0)]
            return str(candidates.loc[level, "parameters"].idxmin())
    return str(candidates.index[0])


def stacking_weights(elpd: pd.DataFrame) -> pd.Series:
    """Weights, by model, of the mixture of models that predicts left-out houses best.

    The method is that of Yao, Vehtari, Simpson and Gelman (2018), Bayesian Analysis 13(3). It is
    implemented here because `arviz_stats.compare` needs ELPD objects without missing houses.

    Parameters
    ----------
    elpd
        Log density of each left-out house (rows) under each model (columns), nats.
    """
    if elpd.empty:
        return pd.Series(np.nan, index=elpd.columns)
    # A factor per house shifts the score by a constant and avoids underflow.
    density = np.exp(elpd.sub(elpd.max(axis="columns"), axis="index").to_numpy(float))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixture = density @ weights
        return -np.log(mixture).mean(), -(density / mixture[:, None]).mean(axis=0)

    models = elpd.shape[1]
    found = minimize(
        loss,
        np.full(models, 1 / models),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * models,
        constraints=LinearConstraint(np.ones(models), 1, 1),
        options={"ftol": 1e-10},
    )
    weights = found.x.clip(0, 1)
    return pd.Series(weights / weights.sum(), index=elpd.columns)
