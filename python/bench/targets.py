"""What is to be reached, and whether it was."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

FASTER_THAN_NUTPIE = {"minnesota": 2.0, "survey": 20.0}
OURS = "cmdstan"


@dataclass(frozen=True)
class Target:
    """A number and its bound: at least, or at most."""

    what: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether the number is on the right side of its bound; NaN never is."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        verdict = "reached " if self.reached else "MISSED  "
        side = "at least" if self.at_least else "at most"
        return f"{verdict} {self.what}: {self.value:.3g}, to be {side} {self.bound:g}"


def announce(targets: Iterable[Target]) -> None:
    """Print a line a target."""
    for target in targets:
        print(target)


def speeds(table: pd.DataFrame) -> pd.DataFrame:
    """Speed of each engine and parameterisation, medians over its seeds.

    Parameters
    ----------
    table
        Columns data, engine, parameterisation, ess_per_s, ess_per_s_with_compile, passed,
        a row a run; runs that did not finish have no speed.

    Returns
    -------
    DataFrame
        One row a data set, engine and parameterisation: both speeds; passed, whether more
        than half of the runs passed the gate; runs.
    """
    groups = table.groupby(["data", "engine", "parameterisation"], sort=False)
    found = groups.agg(
        ess_per_s=("ess_per_s", "median"),
        ess_per_s_with_compile=("ess_per_s_with_compile", "median"),
        passed=("passed", lambda runs: runs.astype(bool).mean() > 0.5),
        runs=("passed", "size"),
    )
    return found.reset_index()


def best(rows: pd.DataFrame, column: str = "ess_per_s") -> pd.Series | None:
    """The fastest row that passed; where none did, the fastest that finished; None if none did."""
    finished = rows[rows[column].notna()]
    passed = finished[finished["passed"]]
    chosen = passed if len(passed) else finished
    return None if chosen.empty else chosen.loc[chosen[column].idxmax()]


def ratio_to(rows: pd.DataFrame, engine: str, column: str = "ess_per_s") -> tuple[float, bool]:
    """How many times as fast our best is as an engine's best, and whether that one passed.

    NaN if ours did not pass or the engine has no run to compare with.
    """
    ours = best(rows[rows["engine"] == OURS], column)
    theirs = best(rows[rows["engine"] == engine], column)
    gated = theirs is not None and bool(theirs["passed"])
    if ours is None or theirs is None or not ours["passed"]:
        return np.nan, gated
    return float(ours[column] / theirs[column]), gated


def engine_targets(table: pd.DataFrame) -> list[Target]:
    """The comparison with nutpie in sampling, and with every peer when compiling counts."""
    found = []
    for data, rows in speeds(table).groupby("data", sort=False):
        for engine in rows.loc[rows["engine"] != OURS, "engine"].unique():
            sampling, gated = ratio_to(rows, engine)
            which = engine if gated else f"{engine} (which fails the gate)"
            if engine == "nutpie" and data in FASTER_THAN_NUTPIE:
                what = f"{data}: sampling, times {which}"
                found.append(Target(what, sampling, FASTER_THAN_NUTPIE[data], at_least=True))
            with_compile, _ = ratio_to(rows, engine, "ess_per_s_with_compile")
            what = f"{data}: compiling and sampling, times {which}"
            found.append(Target(what, with_compile, 1.0, at_least=True))
            found.append(Target(f"{what}, and by more", with_compile, sampling, at_least=True))
    return found
