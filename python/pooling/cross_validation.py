"""Scores of houses that were left out together, county by county or in tenths.

    python -m pooling.cross_validation FIT... -o reports/<study>/tables/cross_validation.csv

Reads what `refits` wrote beside each fit. The spread of a score is taken over what
was drawn together: counties where counties are left out, houses where houses are.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from pooling import cli
from pooling.draws import Fit, open_fit
from pooling.errors import DataError
from pooling.files import replacing
from pooling.refits import SCHEMES

COLUMNS = ["model", "scheme", "score", "value", "se", "n", "note"]
WHOLE_COUNTIES = ("loco", "kfold_county")


def root_mean_square(squares: np.ndarray, group: np.ndarray) -> tuple[float, float]:
    """Root of the mean of `squares` and its standard error.

    `squares` are of houses, `group` says which were drawn together. The standard
    error of the mean m is that of a ratio over groups, sqrt(G / (G - 1) sum (S - m
    n)^2) / N with S and n the sum and size of a group; the root takes 1 / (2
    sqrt(m)) of it (delta method). With a group a house it is sd / sqrt(N).
    """
    mean = squares.mean()
    sums = pd.Series(squares - mean).groupby(group).sum().to_numpy()
    if mean == 0 or sums.size < 2:
        return float(np.sqrt(mean)), float("nan")
    error = np.sqrt(sums.size / (sums.size - 1) * (sums**2).sum()) / squares.size
    return float(np.sqrt(mean)), float(error / (2 * np.sqrt(mean)))


def total(values: np.ndarray, group: np.ndarray) -> tuple[float, float]:
    """Sum over houses and its standard error, sqrt(G) times the sd of sums of groups."""
    sums = pd.Series(values).groupby(group).sum()
    return float(values.sum()), float(np.sqrt(len(sums)) * sums.std(ddof=1))


def scores(fit: Fit, scheme: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Scores of one model under one scheme.

    `rmse` is over houses and `rmse_county` over the means of counties (log pCi/L),
    `elpd` the sum of log predictive densities of houses (nats).

    Raises
    ------
    DataError
        `rows` are not of this fit's houses.
    """
    houses = fit.houses
    if rows["house"].astype(str).tolist() != houses["house"].astype(str).tolist():
        raise DataError(f"{scheme}.csv of {fit.model} is of other houses; delete it and run make")
    known = rows["elpd"].notna().to_numpy()
    gap = (houses["log_radon"] - rows["mean"].to_numpy())[known]
    county = houses.loc[known, "county_fips"].to_numpy()
    group = county if scheme in WHOLE_COUNTIES else np.arange(known.sum())
    by_county = gap.groupby(county).mean().to_numpy()
    found = {
        "rmse": (*root_mean_square(gap.to_numpy() ** 2, group), known.sum()),
        "rmse_county": (
            *root_mean_square(by_county**2, np.arange(by_county.size)),
            by_county.size,
        ),
        "elpd": (*total(rows["elpd"].to_numpy()[known], group), known.sum()),
    }
    table = pd.DataFrame(
        [
            {"model": fit.model, "scheme": scheme, "score": name, "value": v, "se": se, "n": n}
            for name, (v, se, n) in found.items()
        ]
    )
    notes = [] if fit.converged else ["the fit did not converge"]
    if not known.all():
        lost = int((~known).sum())
        notes.append(f"without {lost} house{'s' * (lost > 1)} whose refits did not converge")
    return table.assign(note="; ".join(notes))[COLUMNS]


def main(arguments: list[str] | None) -> None:
    """Write the scores of every fit under every scheme."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("fits", type=Path, nargs="+", help="folders of fits")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    table = pd.concat(
        [
            scores(open_fit(folder), scheme, pd.read_csv(folder / f"{scheme}.csv"))
            for folder in given.fits
            for scheme in SCHEMES
        ]
    )
    with replacing(given.output) as draft:
        table.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    cli.run(main)
