"""Traces: marginal densities, draws and ranks of every model's parameters.

A row for each parameter of each model: on the left the marginal density turned
sideways, in the middle the draws with the chains one after another, on the same
axis; on the right how often each chain's draws take each rank among all draws.
Population parameters have one colour a chain, county parameters one colour a
county. Chains that agree have equal densities, draws without drift or steps,
and level ranks.
"""

from collections.abc import Iterator, Sequence

import matplotlib
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.colors import to_hex
from plotnine import (
    aes,
    coord_cartesian,
    element_blank,
    element_text,
    facet_grid,
    geom_hline,
    geom_path,
    geom_point,
    geom_segment,
    geom_step,
    ggplot,
    labs,
    scale_color_identity,
    scale_shape_manual,
    scale_x_continuous,
    scale_y_continuous,
    theme,
)
from plotnine.composition import Compose
from scipy.ndimage import gaussian_filter1d

from pooling.drawing import draw
from pooling.draws import Fit
from pooling.panels import MARKERS_Y, caption, side, spread_out, strip
from pooling.study import Figures
from pooling.theme import BLACK, BLUE, GREEN, MUTED, ORANGE, PURPLE, SKY, story_order, theme_pooling

POPULATION = ("mu_alpha", "mu_beta", "sigma_alpha", "sigma_beta", "sigma")
COUNTY = ("alpha", "beta", "sigma")
CHAINS = (BLUE, ORANGE, GREEN, PURPLE, SKY, BLACK)
GRID, BINS, COUNTY_BINS = 64, 20, 10
PANELS = {"density": "marginal density", "draw": "draws, chain after chain"}
DRAWS, COUNTIES, COUNTY_DRAWS = 250, 100, 60  # at most: a chain's, counties, a county's
WIDTH = 11


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Points of all lines.

    Columns: study, model, label, parameter, row (panel: model and parameter),
    kind ("density", "draw" or "rank"), by (what has a line: "chain" or
    "county"), line (its number), chain (of ranks, 0 otherwise), colour,
    identified (False for the slope of a county without houses on both floors),
    x (density relative to the row's highest, number of the draw, or rank as a
    share of all draws), y (value in the parameter's unit, or frequency relative
    to level ranks), low, high (the row's range of values).
    A model that gives all counties the same values has no rows for them.
    """
    fits = sorted(fits, key=lambda fit: story_order(fit.model))
    parts = []
    for fit in fits:
        names = {"study": fit.study, "model": fit.model, "label": fit.label}
        for parameter, lines in _parameters(fit):
            row = f"{strip(fit.label)}\n{parameter}"
            parts.append(_panels(lines).assign(**names, parameter=parameter, row=row))
    table = pd.concat(parts, ignore_index=True)
    table["row"] = pd.Categorical(table["row"], table["row"].unique(), ordered=True)
    columns = ["study", "model", "label", "parameter", "row", "kind", "by", "line", "chain"]
    return table[[*columns, "colour", "identified", "x", "y", "low", "high"]]


def _parameters(fit: Fit) -> Iterator[tuple[str, xr.DataArray]]:
    """Parameters to show, as (chain, draw) or (chain, draw, county)."""
    posterior = fit.tree["posterior"].to_dataset()
    scalars = [name for name, values in posterior.items() if values.dims == ("chain", "draw")]
    known = [name for name in POPULATION if name in scalars]
    for name in (*known, *(name for name in scalars if name not in known)):
        yield name, posterior[name]
    shown = spread_out(range(posterior.sizes["county"]), COUNTIES)
    for name in COUNTY:
        if name in posterior and "county" in posterior[name].dims:
            values = posterior[name].isel(county=shown)
            own = fit.counties["slope_identified"].to_numpy()[shown] | (name != "beta")
            values = values.transpose("chain", "draw", "county").assign_coords(own=("county", own))
            if len(shown) == 1 or np.ptp(values.values, axis=2).any():
                yield name, values


def _panels(values: xr.DataArray) -> pd.DataFrame:
    """Density, draws and ranks of one parameter."""
    table = _chains(values.values) if values.ndim == 2 else _counties(values)
    return table.assign(by="chain" if values.ndim == 2 else "county")


def _chains(draws: np.ndarray) -> pd.DataFrame:
    """A population parameter's draws (chain, draw), a line a chain."""
    chains, count = draws.shape
    low, high = draws.min(), draws.max()
    look = pd.DataFrame({"line": range(chains), "identified": True, "low": low, "high": high})
    look["colour"] = [CHAINS[chain % len(CHAINS)] for chain in range(chains)]
    every = spread_out(range(count), DRAWS)
    parts = [
        density(draws, low, high),
        _draws(draws, every, np.arange(chains) * count),
        ranks(draws[:, :, None], BINS).assign(line=lambda t: t["chain"]),
    ]
    return pd.concat(parts, ignore_index=True).merge(look, on="line")


def _counties(values: xr.DataArray) -> pd.DataFrame:
    """A county parameter's draws (chain, draw, county), a line a county."""
    draws, own = values.values, values["own"].values
    lines = draws.reshape(-1, draws.shape[2]).T
    low, high = np.quantile(lines[own] if own.any() else lines, [0.002, 0.998])
    look = pd.DataFrame({"line": range(len(lines)), "identified": own, "low": low, "high": high})
    palette = matplotlib.colormaps["turbo"]
    look["colour"] = [to_hex(palette(place)) for place in np.linspace(0.05, 0.95, len(lines))]
    every = spread_out(range(lines.shape[1]), COUNTY_DRAWS)
    parts = [
        density(lines, low, high),
        _draws(lines, every, np.zeros(len(lines), dtype=int)),
        ranks(draws, COUNTY_BINS),
    ]
    return pd.concat(parts, ignore_index=True).merge(look, on="line")


def density(lines: np.ndarray, low: float, high: float) -> pd.DataFrame:
    """Smoothed histograms of the rows of `lines`, relative to the highest of them."""
    edges = (
        np.linspace(low, high, GRID + 1) if high > low else low + np.linspace(-0.5, 0.5, GRID + 1)
    )
    step = edges[1] - edges[0]
    heights = []
    for line in lines:
        quarter = np.subtract(*np.quantile(line, [0.75, 0.25])) / 1.34
        # Silverman's rule of thumb.
        width = 0.9 * min(line.std(), quarter or line.std()) * len(line) ** -0.2
        counts, _ = np.histogram(line, edges)
        heights.append(
            gaussian_filter1d(counts / len(line), max(width / step, 0.5), mode="nearest")
        )
    heights = np.array(heights)
    return pd.DataFrame(
        {
            "kind": "density",
            "line": np.repeat(np.arange(len(lines)), GRID),
            "chain": 0,
            "x": (heights / (heights.max() or 1)).ravel(),
            "y": np.tile((edges[1:] + edges[:-1]) / 2, len(lines)),
        }
    )


def _draws(lines: np.ndarray, every: np.ndarray, starts: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "kind": "draw",
            "line": np.repeat(np.arange(len(lines)), len(every)),
            "chain": 0,
            "x": (starts[:, None] + every + 1).ravel().astype(float),
            "y": lines[:, every].ravel(),
        }
    )


def ranks(draws: np.ndarray, most_bins: int) -> pd.DataFrame:
    """How often draws (chain, draw, element) of a chain fall into each bin of ranks.

    1 is the frequency that chains which agree have in every bin.
    """
    chains, count, elements = draws.shape
    flat = draws.reshape(-1, elements)
    ranks = flat.argsort(axis=0, kind="stable").argsort(axis=0).reshape(draws.shape)
    bins = min(most_bins, count // 5)
    place = ranks * bins // (chains * count)
    frequency = np.stack([(place == b).mean(axis=1) * bins for b in range(bins)], axis=-1)
    # A step line needs the end of its last step too.
    steps = np.concatenate([frequency, frequency[..., -1:]], axis=-1)
    chain, element = np.divmod(np.arange(chains * elements), elements)
    return pd.DataFrame(
        {
            "kind": "rank",
            "line": np.repeat(element, bins + 1),
            "chain": np.repeat(chain, bins + 1),
            "x": np.tile(np.arange(bins + 1) / bins, chains * elements),
            "y": steps.ravel(),
        }
    )


def plot(frame: pd.DataFrame) -> Compose:
    """Densities and draws on the left, ranks on the right, a row for each parameter."""
    height = 0.95 * frame["row"].nunique() + 2
    return _values(frame) | _shares(frame) + theme(figure_size=(WIDTH, height))


def _values(frame: pd.DataFrame) -> ggplot:
    lines = frame[frame["kind"] != "rank"].assign(
        where=lambda t: side(t["y"], t["low"], t["high"]),
        y=lambda t: t["y"].clip(t["low"], t["high"]),
        panel=lambda t: pd.Categorical(t["kind"].map(PANELS), PANELS.values(), ordered=True),
    )
    beyond = lines[(lines["kind"] == "draw") & (lines["where"] != "inside")]
    return (
        ggplot(lines, aes("x", "y", color="colour"))
        + _paths(lines, geom_path)
        + geom_point(aes(shape="where"), data=beyond, size=0.8, stroke=0, fill=MUTED, color=MUTED)
        + facet_grid("row", "panel", scales="free")
        + scale_color_identity()
        + scale_shape_manual(values=MARKERS_Y, guide=None)
        # Densities are relative, so their axis has no numbers.
        + scale_x_continuous(breaks=lambda limits: [] if limits[1] <= 1 else _thirds(limits))
        + labs(title="Draws of every model", x="", y="value", caption=_caption(frame))
        + _quiet()
        + theme(strip_text_y=element_blank(), strip_background_y=element_blank())
    )


def _shares(frame: pd.DataFrame) -> ggplot:
    ranks = frame[frame["kind"] == "rank"].assign(panel="ranks")
    return (
        ggplot(ranks, aes("x", "y", color="colour"))
        + geom_hline(yintercept=1, color=MUTED, size=0.4)
        + _paths(ranks, geom_step)
        + facet_grid("row", "panel")
        + scale_color_identity()
        + scale_x_continuous(breaks=[0, 0.5, 1], labels=["lowest", "middle", "highest"])
        + scale_y_continuous(breaks=[0, 1, 2])
        + coord_cartesian(ylim=(0, max(2, min(ranks["y"].max(), 4))))
        + labs(x="", y="frequency relative to level ranks")
        + _quiet()
        + theme(
            strip_text_y=element_text(angle=0, size=8, ha="left"),
            strip_background_y=element_blank(),
        )
    )


def _paths(table: pd.DataFrame, geom: type[geom_path]) -> list:
    """Lines of chains over those of counties, which are many: as an image within an SVG."""
    table = table.assign(group=table["line"] * 100 + table["chain"])
    chains, counties = (table[table["by"] == by] for by in ("chain", "county"))
    pieces = _pieces(counties, steps=geom is geom_step)
    known, unknown = pieces[pieces["identified"]], pieces[~pieces["identified"]]
    # One group for all: a line is drawn a piece at a time, a hundred times faster than by line.
    piece = aes(xend="xend", yend="yend", group=1)
    return [
        geom_segment(piece, data=unknown, size=0.25, alpha=0.15, raster=True),
        geom_segment(piece, data=known, size=0.25, alpha=0.4, raster=True),
        geom(aes(group="group"), data=chains, size=0.4, alpha=0.8),
    ]


def _pieces(table: pd.DataFrame, steps: bool) -> pd.DataFrame:
    """Lines as pieces from each point to the next, those of all lines in turn."""
    by = ["row", "kind", "group"]
    following = table.groupby(by, observed=True)[["x", "y"]].shift(-1)
    pieces = table.assign(xend=following["x"], yend=following["y"]).dropna(subset=["xend"])
    if steps:
        flat = pieces.assign(yend=pieces["y"])
        pieces = pd.concat([flat, pieces.assign(x=pieces["xend"])], ignore_index=True)
    # In the order of x no county lies over all others.
    return pieces.sort_values(["row", "kind", "x"], kind="stable")


def _thirds(limits: tuple[float, float]) -> list[float]:
    step = 10.0 ** np.floor(np.log10(limits[1] / 2))
    return [0, *(step * m for m in (1, 2, 5, 10) if limits[1] / 4 <= step * m <= limits[1])]


def _quiet() -> theme:
    return theme_pooling(base_size=10) + theme(
        axis_text=element_text(size=7), panel_spacing_y=0.004, panel_spacing_x=0.01
    )


def _caption(frame: pd.DataFrame) -> str:
    text = (
        f"Study {frame['study'].iloc[0]}; values in log pCi/L. Population parameters: one colour "
        "a chain. County parameters: one colour a county"
    )
    counties = frame.loc[frame["by"] == "county", "line"].nunique()
    if counties == COUNTIES:
        text += f", {COUNTIES} counties evenly spaced"
    text += ". Ranks: a line for each chain, level where chains agree."
    if not frame["identified"].all():
        text += (
            " Pale lines: slopes of counties without houses on both floors, which the data do not "
            "identify."
        )
    text += " Triangles: draws beyond the panel."
    return caption(text, WIDTH)


if __name__ == "__main__":
    draw(__doc__, frame, plot)
