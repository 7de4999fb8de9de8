"""Leave out houses together, by refits: a county at a time, a tenth of the counties or houses.

    python -m pooling.leave_out stan/M ESSENCE FIT/fit.nc DATA.json SAMPLER.json \\
        TOOLCHAIN.json --schemes SCHEME... -o FIT/left_out.csv

Schemes: `loco` leaves out one county at a time, `kfold_county` a tenth of the
counties, `kfold_house` a tenth of the houses. A model that failed its diagnostics is
not refitted: its houses are listed without scores.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pooling import cli
from pooling.draws import FOLDS, open_fit
from pooling.files import replacing
from pooling.refits import SCORES, Program, read_program, run_refits
from pooling.study import Sampler, read_section

COLUMNS = ["scheme", "house", "fold", *SCORES, "converged"]


def one_county_each(data: dict, seed: int) -> dict[str, list[int]]:
    """Positions of the houses of each county that has any, by its number."""
    county = np.asarray(data["county"])
    return {f"county {j}": np.flatnonzero(county == j).tolist() for j in np.unique(county)}


def tenths_of_counties(data: dict, seed: int) -> dict[str, list[int]]:
    """Positions of the houses of a random tenth of the counties, for each tenth."""
    county = np.asarray(data["county"])
    present = np.unique(county)
    fold = dict(zip(present, _balanced(present.size, seed), strict=True))
    return _grouped(np.array([fold[j] for j in county]))


def tenths_of_houses(data: dict, seed: int) -> dict[str, list[int]]:
    """Positions of a random tenth of the houses, for each tenth."""
    return _grouped(_balanced(data["N"], seed))


def _balanced(size: int, seed: int) -> np.ndarray:
    """Fold of each of `size` things, in random order, sizes as even as can be."""
    return np.random.default_rng(seed).permutation(np.arange(size) % min(FOLDS, size))


def _grouped(fold: np.ndarray) -> dict[str, list[int]]:
    return {f"tenth {k + 1}": np.flatnonzero(fold == k).tolist() for k in np.unique(fold)}


SCHEMES: dict[str, Callable[[dict, int], dict[str, list[int]]]] = {
    "loco": one_county_each,
    "kfold_county": tenths_of_counties,
    "kfold_house": tenths_of_houses,
}


def table(scores: dict[str, dict], folds: dict[str, list[int]], house: list) -> pd.DataFrame:
    """Scores of every house, in the order of `house`; missing where a refit did not converge."""
    parts = [
        pd.DataFrame({name: scores[fold][name] for name in (*SCORES, "converged")}).assign(
            position=positions, fold=fold
        )
        for fold, positions in folds.items()
    ]
    rows = pd.concat(parts).sort_values("position", ignore_index=True)
    rows["house"] = house
    rows.loc[~rows["converged"], list(SCORES)] = np.nan
    return rows


def leave_out(
    program: Program,
    data: dict,
    house: list,
    schemes: Sequence[str],
    settings: Sampler,
    kept: Path,
    scheduler: str | None,
) -> pd.DataFrame:
    """Scores of every house under each scheme, columns `COLUMNS`; see `pooling.refits`."""
    folds = {scheme: SCHEMES[scheme](data, settings.seed) for scheme in schemes}
    # All at once, so that no core waits for the end of a scheme.
    every = {
        f"{fold} ({scheme})": houses
        for scheme, parts in folds.items()
        for fold, houses in parts.items()
    }
    scores = run_refits(program, data, every, settings, kept, scheduler)
    tables = [pd.DataFrame(columns=COLUMNS)]
    for scheme, parts in folds.items():
        own = {fold: scores[f"{fold} ({scheme})"] for fold in parts}
        tables.append(table(own, parts, house).assign(scheme=scheme))
    return pd.concat(tables[1:] or tables)[COLUMNS]


def without_scores(house: list, schemes: Sequence[str]) -> pd.DataFrame:
    """The same rows for a model that is not refitted: no fold, no score, not converged."""
    lost = dict.fromkeys(SCORES, np.nan) | {"house": house, "fold": "", "converged": False}
    tables = [pd.DataFrame(lost).assign(scheme=scheme) for scheme in schemes]
    return pd.concat([pd.DataFrame(columns=COLUMNS), *tables])[COLUMNS]


def main(arguments: list[str] | None) -> None:
    """Score one model; without pointwise output the table is empty."""
    names = ("executable", "essence", "fit", "data", "sampler", "toolchain")
    parser = cli.stage(__doc__, *names)
    parser.add_argument("--schemes", nargs="*", choices=SCHEMES, default=[])
    parser.add_argument("--scheduler", help="address of a dask scheduler; none: this machine")
    given = parser.parse_args(arguments)
    settings = read_section(Sampler, given.sampler)
    fit = open_fit(given.fit.parent)
    house = fit.houses["house"].tolist()
    rows = pd.DataFrame(columns=COLUMNS)
    if settings.pointwise and not fit.converged:
        rows = without_scores(house, given.schemes)
    elif settings.pointwise:
        data = json.loads(given.data.read_text(encoding="utf-8"))
        program = read_program(given.executable, given.essence, given.toolchain, fit)
        kept = given.output.with_name("refits")
        rows = leave_out(program, data, house, given.schemes, settings, kept, given.scheduler)
    with replacing(given.output) as draft:
        rows.to_csv(draft, index=False, float_format="%.8g", lineterminator="\n")


if __name__ == "__main__":
    cli.run(main)
