"""Model comparison by left-out houses: differences of elpd, and stacking weights."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import LinearConstraint, minimize

from pooling.fits.store import Fit


def comparison(fits: Sequence[Fit]) -> pd.DataFrame:
    """elpd_loo of each model minus that of the best converged one, over houses scored under both.

    Returns
    -------
    DataFrame
        model, reference, elpd_loo (nats, over the n houses), elpd_difference and
        se (nats; se is sqrt(n) times the standard deviation over houses), n, weight
        (`stacking_weights` over the houses scored under every converged model;
        missing for a model that did not converge). Empty without a converged
        model that has densities by house.
    """
    columns = ["model", "reference", "elpd_loo", "elpd_difference", "se", "n", "weight"]
    elpd = {fit.model: fit.loo.set_index("house")["elpd"] for fit in fits if len(fit.loo)}
    table = pd.DataFrame(elpd).dropna(axis="columns", how="all")
    rivals = [fit.model for fit in fits if fit.converged and fit.model in table]
    if not rivals:
        return pd.DataFrame(columns=columns)
    common = table[rivals].dropna()
    best = common.sum().idxmax()
    gaps = table.sub(table[best], axis="index")
    n = gaps.count()
    found = pd.DataFrame(
        {
            "reference": best,
            "elpd_loo": table.where(gaps.notna()).sum(),
            "elpd_difference": gaps.sum(),
            "se": np.sqrt(n) * gaps.std(ddof=1),
            "n": n,
            "weight": stacking_weights(common),
        }
    )
    return found.loc[table.columns].rename_axis("model").reset_index()[columns]


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
