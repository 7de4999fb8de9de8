"""Ranks of counties by radon, with their uncertainty.

Posterior means give large counties extreme ranks and raw means small ones (Gelman and Price 1999,
Statistics in Medicine 18:3221-3234), so counties are ranked in each posterior draw.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pooling.fits.identified import FIRST_FLOOR, identified, is_shared, shared_effects
from pooling.inputs.sections import FLOORS
from pooling.reporting.counties import INTERVAL
from pooling.reporting.fits import Result

HIGHEST = 10
KEYS = ["county_fips", "county", "state"]


def county_ranks(results: Sequence[Result]) -> pd.DataFrame:
    """Rank of each county by its typical radon, 1 the highest, under each model.

    Returns
    -------
    DataFrame
        model, county_fips, county, state, floor, rank, rank_q5, rank_q95 (median and 90%
        interval), p_highest (probability to be among the `HIGHEST`), ranked (how many
        counties have a rank). One row per model, county and floor. Missing where all counties
        have the same level; without pooling, also for counties whose houses do not identify
        it; p_highest also where at most `HIGHEST` counties are ranked.
    """
    parts = []
    for result in results:
        fit = result.fit
        effects = fit.effects()
        for floor, name in enumerate(FLOORS):
            levels = (effects["alpha"] + floor * effects["beta"]).values
            about = fit.counties[KEYS].assign(model=fit.model, floor=name)
            parts.append(about.assign(**rank_summary(levels, ranked_counties(result, floor))))
    columns = ["model", *KEYS, "floor", "rank", "rank_q5", "rank_q95", "p_highest", "ranked"]
    return pd.concat(parts, ignore_index=True)[columns]


def ranked_counties(result: Result, floor: int) -> np.ndarray:
    """Whether each county takes part, (county,): without pooling, if its houses identify it.

    Otherwise the wide prior would put a county without houses on this floor among the highest
    in half of the draws.
    """
    table = result.fit.counties
    if result.structure != "no pooling":
        return np.ones(len(table), dtype=bool)
    shared = shared_effects(result.fit.tree["posterior"].to_dataset())
    level = FIRST_FLOOR if floor else "alpha"
    return identified(level, table["basement_houses"], table["first_floor_houses"], shared)


def rank_summary(levels: np.ndarray, among: np.ndarray) -> dict[str, np.ndarray]:
    """Median, 90% interval of the rank from the top, and probability of the highest ranks.

    Parameters
    ----------
    levels
        (sample, county), any increasing scale.
    among
        Which counties are ranked, (county,).

    Returns
    -------
    dict of ndarray
        rank, rank_q5, rank_q95, p_highest, ranked, each (county,).
    """
    count = int(among.sum())
    found = {name: np.full(len(among), np.nan) for name in ("rank", "rank_q5", "rank_q95")}
    found["p_highest"] = np.full(len(among), np.nan)
    if count > 1 and not is_shared(levels):
        order = (-levels[:, among]).argsort(axis=1).argsort(axis=1) + 1
        # Ranks are whole numbers, so these are the smallest that reach the probability.
        low, middle, high = np.quantile(
            order, (INTERVAL[0], 0.5, INTERVAL[1]), axis=0, method="inverted_cdf"
        )
        found["rank"][among], found["rank_q5"][among], found["rank_q95"][among] = middle, low, high
        if count > HIGHEST:
            found["p_highest"][among] = (order <= HIGHEST).mean(axis=0)
    return found | {"ranked": np.full(len(among), count)}
