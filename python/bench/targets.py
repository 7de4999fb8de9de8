"""What is to be reached, and whether it was."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

OURS = "cmdstan"
# Smallest bulk effective sample size divided by what it took.
SPEEDS = {
    "ess_per_s": "sampling",
    "ess_per_s_with_compile": "compiling and sampling",
    "ess_per_gradient": "gradients",
    "ess_per_gradient_with_warmup": "gradients with warm-up",
}


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
    """Print one line per target."""
    for target in targets:
        print(target)


def speeds(table: pd.DataFrame) -> pd.DataFrame:
    """Speed of each engine and parameterisation, medians over its seeds.

    Parameters
    ----------
    table
        Columns data, engine, parameterisation, passed and those of `SPEEDS`, one row per run; runs
        that did not finish have no speed.

    Returns
    -------
    DataFrame
        One row per data set, engine and parameterisation: its speeds; passed, whether more
        than half of the runs passed the gate; runs.
    """
    groups = table.groupby(["data", "engine", "parameterisation"], sort=False)
    found = groups.agg(
        **{speed: (speed, "median") for speed in SPEEDS},
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
    """Our best against the best of each peer, with compiling and without: level or better."""
    found = []
    for data, rows in speeds(table).groupby("data", sort=False):
        for engine in rows.loc[rows["engine"] != OURS, "engine"].unique():
            for column in ("ess_per_s", "ess_per_s_with_compile"):
                ratio, gated = ratio_to(rows, engine, column)
                which = engine if gated else f"{engine} (which fails the gate)"
                found.append(
                    Target(f"{data}: {SPEEDS[column]}, times {which}", ratio, 1.0, at_least=True)
                )
    return found
