r"""Assess simulation-based calibration: uniformity of ranks, and coverage of intervals.

    python -m pooling.checking.calibration FIT/sbc.nc... -o TABLES/sbc.csv \
        --coverage TABLES/sbc_coverage.csv

Assessed are every scalar parameter, and `alpha`, `beta` and, if it varies by county, `sigma` of a
small, a middle and a large county (`pooling.checking.sbc.three_counties`). A parameter is
calibrated unless its p-value, after Holm correction over all assessed parameters of all models,
is below `ERROR_RATE`: if all are calibrated, the familywise error rate is 1%. Models that their
study allows to fail have p-values but no verdict. Simulations whose fit failed its checks are
included, and also counted.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from statsmodels.stats.multitest import multipletests

from pooling.build import cli
from pooling.build.errors import DataError
from pooling.checking import uniformity
from pooling.fits.netcdf import ENGINE
from pooling.fits.store import write_table
from pooling.programs.order import story_order

MOST_STOPPED = 0.01  # share of simulations without ranks above which there is no verdict
ERROR_RATE = 0.01  # familywise, per table
NOMINAL = (0.5, 0.9)
SIZES = (0, 2, 5, 10, 25)  # upper limits of the classes of counties by houses, except the last
ABOUT = ("runs", "failed", "stopped")  # variables that are not ranks
COLUMNS = [
    *("model", "parameter", "county_fips", "county", "houses", "sims", "ranks"),
    *("statistic", "p_value", "p_adjusted", "calibrated", "repeated", "failed", "stopped"),
]


def open_ranks(path: Path) -> xr.Dataset:
    """The ranks of one program, as `pooling.checking.sbc.dataset` describes them.

    Raises
    ------
    DataError
        The file is missing or damaged.
    """
    try:
        return xr.load_dataset(path, engine=ENGINE)
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; make it with `make {path.parent.name}-sbc`"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: not readable ({error}); delete it and run make again") from None


def in_order(paths: Sequence[Path]) -> list[xr.Dataset]:
    """Ranks of several programs, in the order of the report."""
    return sorted(map(open_ranks, paths), key=lambda found: story_order(found.attrs["model"]))


def finished(found: xr.Dataset) -> xr.Dataset:
    """Simulations that have ranks."""
    return found.isel(simulation=~found["stopped"].values.astype(bool))


def judged_ranks(found: xr.Dataset) -> tuple[pd.DataFrame, np.ndarray]:
    """The assessed parameters of one program, and their ranks.

    Returns
    -------
    DataFrame, ndarray
        parameter, county_fips, county, houses (missing unless by county), one row per column
        of the ranks; ranks (simulation, parameter).
    """
    done = finished(found)
    some = np.flatnonzero(done["judged"].values)
    some = some[np.argsort(done["houses"].values[some], kind="stable")]
    rows, columns = [], []
    ranked = [name for name, v in done.items() if "simulation" in v.dims and name not in ABOUT]
    for name in sorted(ranked, key=lambda name: done[name].ndim):
        if done[name].ndim == 1:
            rows.append({"parameter": name})
            columns.append(done[name].values)
            continue
        for j in some:
            about = {"county_fips": done["county"], "county": done["county_name"]}
            about |= {"houses": done["houses"]}
            rows.append({"parameter": name} | {key: v.values[j] for key, v in about.items()})
            columns.append(done[name].values[:, j])
    table = pd.DataFrame(rows, columns=["parameter", "county_fips", "county", "houses"])
    return table.astype({"county_fips": "Int64", "houses": "Int64"}), np.stack(columns, axis=1)


def uniform(found: xr.Dataset) -> pd.DataFrame:
    """One row per assessed parameter of one program: columns `COLUMNS` without the verdict."""
    rows, ranks = judged_ranks(found)
    last, sims = int(found.attrs["draws"]), len(ranks)
    statistics = uniformity.statistic(ranks, last)
    runs = finished(found)
    return rows.assign(
        model=found.attrs["model"],
        sims=sims,
        ranks=last + 1,
        statistic=statistics,
        p_value=uniformity.p_value(statistics, sims, last),
        repeated=int((runs["runs"] > 1).sum()),
        failed=int((runs["failed"] != "").sum()),
        stopped=int(found["stopped"].sum()),
        judged=not found.attrs["allowed_to_fail"],
    )


def verdicts(programs: Sequence[xr.Dataset]) -> pd.DataFrame:
    """The table of all programs, columns `COLUMNS`, with a verdict on each assessed parameter."""
    table = pd.concat([uniform(found) for found in programs], ignore_index=True)
    judged = table.pop("judged").to_numpy(dtype=bool)
    # Simulations without ranks are the difficult ones, so the others are a biased sample.
    share = table["stopped"] / (table["sims"] + table["stopped"])
    judged = judged & (share <= MOST_STOPPED).to_numpy()
    adjusted = np.full(len(table), np.nan)
    if judged.any():
        adjusted[judged] = multipletests(table["p_value"][judged], method="holm")[1]
    calibrated = pd.Series(adjusted >= ERROR_RATE, dtype="boolean").where(judged)
    return table.assign(p_adjusted=adjusted, calibrated=calibrated)[COLUMNS]


def size_classes(houses: np.ndarray) -> pd.Categorical:
    """Class of each county by its number of houses, such as "3 to 5"."""
    edges = [-1, *SIZES, np.inf]
    names = [f"{a + 1} to {b}" for a, b in itertools.pairwise(SIZES)]
    return pd.cut(houses, edges, labels=[str(SIZES[0]), *names, f"over {SIZES[-1]}"])


def covered(found: xr.Dataset) -> pd.DataFrame:
    """Coverage of central intervals of county effects, by size of the county.

    Returns
    -------
    DataFrame
        model, parameter (alpha, beta), class (of houses), counties, nominal (0.5, 0.9),
        share, se (over simulations, since counties within one are dependent), sims.
    """
    done = finished(found)
    classes = size_classes(done["houses"].values)
    last, rows = int(found.attrs["draws"]), []
    for name in ("alpha", "beta"):
        # Twice the distance from the central rank, as a share of all ranks.
        far = np.abs(2 * done[name].values - last) / (last + 1)
        for nominal in NOMINAL:
            for size in classes.categories[np.isin(classes.categories, classes)]:
                inside = (far < nominal)[:, classes == size].mean(axis=1)
                row = {"parameter": name, "class": size, "counties": int((classes == size).sum())}
                error = inside.std(ddof=1) / np.sqrt(inside.size) if inside.size > 1 else np.nan
                rows.append(row | {"nominal": nominal, "share": inside.mean(), "se": error})
    table = pd.DataFrame(rows).assign(sims=done.sizes["simulation"])
    table.insert(0, "model", found.attrs["model"])
    return table


def summary(table: pd.DataFrame) -> str:
    """Summary of the table for the terminal."""
    judged = table.dropna(subset=["calibrated"])
    bad = judged[~judged["calibrated"].astype(bool)]
    runs = table.drop_duplicates("model")[["sims", "repeated", "failed", "stopped"]].sum()
    lines = [
        f"{len(judged) - len(bad)} of {len(judged)} parameters calibrated; of "
        f"{runs['sims'] + runs['stopped']} simulations {runs['repeated']} were repeated, "
        f"{runs['failed']} still failed their checks, {runs['stopped']} have no ranks"
    ]
    for row in bad.itertuples():
        where = "" if pd.isna(row.county) else f"[{row.county}]"
        lines.append(f"  not calibrated: {row.model} {row.parameter}{where}, p = {row.p_value:.2g}")
    return "\n".join(lines)


def main(arguments: list[str] | None) -> None:
    """Write both tables, and report what is not calibrated."""
    parser = cli.stage(__doc__, many="ranks")
    parser.add_argument("--coverage", type=Path, required=True)
    given = parser.parse_args(arguments)
    programs = in_order(given.ranks)
    table, coverage = verdicts(programs), pd.concat([covered(found) for found in programs])
    for frame, path in ((coverage, given.coverage), (table, given.output)):
        write_table(frame, path)
    print(summary(table))


if __name__ == "__main__":
    cli.run(main)
