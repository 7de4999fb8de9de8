"""Simulation-based calibration: ranks of the true values among posterior draws.

True values are drawn from the prior and houses simulated from them; each line is one
parameter, in one panel per model. It shows the share of simulations with a lower rank, minus
that share for uniform ranks. If program and sampler are right, ranks are uniform, and the
whole line is within the grey band in 95% of cases. Above on the left and below on the right,
the posterior is too narrow; the other way round, too wide; above throughout, too high; below,
too low. Lines of parameters that the table counts as not calibrated are red and named.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from plotnine import (
    aes,
    facet_wrap,
    geom_line,
    geom_ribbon,
    geom_text,
    ggplot,
    labs,
    scale_color_manual,
    scale_x_continuous,
    theme,
)

from pooling.checking import uniformity
from pooling.checking.calibration import judged_ranks, verdicts
from pooling.figures._calibration import draw, grid, label
from pooling.figures._panels import caption, strip
from pooling.figures._theme import BLUE, FAINT, GREEN, ORANGE, PURPLE, VERMILION, theme_pooling

KIND = "calibration"
CHAPTER = "calibration"
ORDER = 1
NEEDS = ("sbc.nc",)

LEVEL = 0.95
KINDS = {
    "population": BLUE,
    "alpha of three counties": ORANGE,
    "beta of three counties": GREEN,
    "sigma of three counties": PURPLE,
    "not calibrated": VERMILION,
}


def frame(programs: Sequence[xr.Dataset]) -> pd.DataFrame:
    """Points of all lines and of their bands.

    Returns
    -------
    DataFrame
        study, label (of the model), parameter (with its county), kind (a key of `KINDS`), at
        (0 to 1), difference (of shares), low and high (the band), sims.
    """
    calibrated = verdicts(programs).groupby("model", sort=False)["calibrated"]
    bands: dict[tuple[int, int], tuple] = {}
    parts = []
    for found in programs:
        rows, ranks = judged_ranks(found)
        size = len(ranks), int(found.attrs["draws"])
        if size not in bands:
            bands[size] = uniformity.band(LEVEL, *size)
        wrong = ~calibrated.get_group(found.attrs["model"]).fillna(True).to_numpy(dtype=bool)
        parts += [
            _line(ranks[:, i], size, bands[size]).assign(
                study=found.attrs["study"],
                label=label(found),
                parameter=_name(rows.iloc[i]),
                kind=_kind(rows.iloc[i], bool(wrong[i])),
                sims=size[0],
            )
            for i in range(len(rows))
        ]
    table = pd.concat(parts, ignore_index=True)
    order = [label(found) for found in programs]
    return table.assign(
        label=pd.Categorical(table["label"], order, ordered=True),
        kind=pd.Categorical(table["kind"], [k for k in KINDS if (table["kind"] == k).any()]),
    )


def _line(ranks: np.ndarray, size: tuple[int, int], band: tuple) -> pd.DataFrame:
    """One parameter: at, difference, low, high; they begin and end at 0."""
    sims, last = size
    at = np.arange(last + 2) / (last + 1)
    inner = {"difference": uniformity.below(ranks, last), "low": band[0], "high": band[1]}
    shares = {name: np.concatenate(([0], v / sims, [1])) - at for name, v in inner.items()}
    return pd.DataFrame({"at": at} | shares)


def _name(row: pd.Series) -> str:
    return row["parameter"] + ("" if pd.isna(row["county"]) else f"[{row['county']}]")


def _kind(row: pd.Series, wrong: bool) -> str:
    if wrong:
        return "not calibrated"
    return "population" if pd.isna(row["county"]) else f"{row['parameter']} of three counties"


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per model."""
    bands = frame.drop_duplicates(["label", "at"])
    wrong = frame[frame["kind"] == "not calibrated"]
    far = wrong.loc[
        wrong["difference"]
        .abs()
        .groupby([wrong["label"], wrong["parameter"]], observed=True)
        .idxmax()
    ]
    columns, size = grid(frame["label"].cat.categories.size, 2.2)
    return (
        ggplot(frame, aes("at"))
        + geom_ribbon(aes(ymin="low", ymax="high"), bands, fill=FAINT)
        + geom_line(aes(y="difference", color="kind", group="parameter"), size=0.5)
        + geom_line(aes(y="difference", color="kind", group="parameter"), wrong, size=1)
        + geom_text(aes(y="difference", label="parameter"), far, size=7, color=VERMILION)
        + facet_wrap("label", ncol=columns, labeller=strip)
        + scale_x_continuous(breaks=[0, 0.5, 1], labels=["0", "0.5", "1"])
        + scale_color_manual(KINDS, name=" ")
        + labs(
            x="rank of the true value, as a share of all ranks",
            y="share below minus uniform",
            title="Calibration: ranks of true values among posterior draws",
            caption=_about(frame, size[0]),
        )
        + theme_pooling()
        + theme(
            figure_size=size,
            plot_title_position="plot",
            plot_caption_position="plot",
        )
    )


def _about(frame: pd.DataFrame, width: float) -> str:
    least, most = frame["sims"].min(), frame["sims"].max()
    sims = f"{most}" if least == most else f"{least} to {most}"
    return caption(
        f"""Study {frame["study"].iloc[0]}; {sims} simulations per model. Grey: band that contains
        the whole line of a correct program in {LEVEL:.0%} of cases. Red: not calibrated, see the
        table.""",
        width,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
