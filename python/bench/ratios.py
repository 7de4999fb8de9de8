"""Engines against nutpie: effective draws a second and a gradient, as ratios.

One panel per data set, for sampling alone, with compiling, and for gradient evaluations instead
of seconds, without and with those of warm-up. A dot is the median over seeds of the smallest bulk
effective sample size a second or gradient, divided by that of nutpie's best parameterisation; the
axis is logarithmic and the dashed line is at 1. Crosses are engines that fail the gate in most of
their runs: however fast they are, their draws cannot be used.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.patheffects import withStroke
from plotnine import (
    aes,
    facet_grid,
    geom_point,
    geom_text,
    geom_vline,
    ggplot,
    labs,
    scale_color_manual,
    scale_shape_manual,
    scale_x_log10,
    scale_y_discrete,
    theme,
)

from bench.targets import OURS, SPEEDS, best, speeds
from pooling.build import cli
from pooling.figures._drawing import save
from pooling.figures._theme import BLUE, MUTED, VERMILION, theme_pooling

REFERENCE = "nutpie"
NAMES = {"cmdstan": "CmdStan", "numpyro": "NumPyro", "pymc": "PyMC"}
NAMES |= {name: name for name in ("nutpie", "stanli")}


def frame(table: pd.DataFrame) -> pd.DataFrame:
    """Ratios of speeds to the reference's best.

    Returns
    -------
    DataFrame
        One row per data set, kind of speed, engine and parameterisation that finished: data;
        time; label; ours; passed; ratio.
    """
    parts = []
    for (data, rows), (column, time) in (
        (group, kind)
        for group in speeds(table).groupby("data", sort=False)
        for kind in SPEEDS.items()
    ):
        reference = best(rows[rows["engine"] == REFERENCE], column)
        if reference is None:
            continue
        finished = rows[rows[column].notna()]
        parts.append(
            pd.DataFrame(
                {
                    "data": data,
                    "time": time,
                    "label": finished["engine"].map(NAMES) + " " + finished["parameterisation"],
                    "ours": finished["engine"] == OURS,
                    "passed": finished["passed"],
                    "ratio": finished[column] / reference[column],
                }
            )
        )
    return _in_order(pd.concat(parts, ignore_index=True))


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    sampling = rows[rows["time"] == SPEEDS["ess_per_s"]]
    slowest_first = sampling.groupby("label")["ratio"].median().sort_values().index
    return rows.assign(
        label=pd.Categorical(rows["label"], slowest_first),
        time=pd.Categorical(rows["time"], list(SPEEDS.values())),
        data=pd.Categorical(rows["data"], list(dict.fromkeys(rows["data"]))),
    )


def plot(frame: pd.DataFrame) -> ggplot:
    """Data sets side by side, kinds of speed one above the other."""
    said = [f"{ratio:.3g}" for ratio in frame["ratio"]]
    rows = frame.assign(
        gate=np.where(frame["passed"], "passes the gate", "fails the gate"),
        whose=np.where(frame["ours"], "CmdStan, as the workflow runs it", "other engines"),
        said=said,
    )
    return (
        ggplot(rows, aes("ratio", "label", color="whose"))
        + geom_vline(xintercept=1, linetype="dashed", color=MUTED)
        + geom_point(aes(shape="gate"), size=2.6)
        + geom_text(
            aes(label="said"),
            va="bottom",
            nudge_y=0.18,
            size=7.5,
            show_legend=False,
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )
        + facet_grid("time", "data")
        + scale_y_discrete(expand=(0, 0.5, 0, 0.9))
        + scale_x_log10(expand=(0.12, 0), labels=lambda at: [f"{x:g}" for x in at])
        + scale_color_manual({"CmdStan, as the workflow runs it": VERMILION, "other engines": BLUE})
        + scale_shape_manual({"passes the gate": "o", "fails the gate": "x"})
        + labs(
            x=f"times {REFERENCE}'s best parameterisation, log axis",
            y="",
            color="",
            shape="",
            title="Effective draws a second and a gradient",
            caption="Smallest bulk effective sample size over population parameters and county "
            "effects, per second or gradient, medians over seeds.\nRuns that did not finish "
            "in time are not shown.",
        )
        + theme_pooling()
        + theme(figure_size=(9.5, 13))
    )


def main(arguments: list[str] | None) -> None:
    """Draw the table of `bench.engines`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("-o", "--output", type=Path, nargs="+", required=True)
    given = parser.parse_args(arguments)
    save(plot(frame(pd.read_csv(given.table))), given.output, __doc__ or "")


if __name__ == "__main__":
    cli.run(main)
