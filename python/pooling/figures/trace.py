"""Trace plot: marginal densities, draws and ranks of the parameters of one model.

One band per parameter. On the left is the marginal density, turned sideways; in the middle
the draws, one chain after the other, on the same axis; on the right the share of each chain's
draws in each range of ranks among all draws. Population parameters have one colour per chain,
county parameters one per county. If the chains agree, their densities coincide, their draws
show no drift or steps, and their ranks are uniform.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex, to_rgba_array
from plotnine import (
    aes,
    element_blank,
    element_text,
    facet_grid,
    geom_blank,
    geom_hline,
    geom_path,
    geom_point,
    ggplot,
    labs,
    scale_color_identity,
    scale_shape_manual,
    scale_x_continuous,
    scale_y_continuous,
    theme,
)
from plotnine.coords.coord import coord
from plotnine.iapi import panel_view
from scipy.ndimage import gaussian_filter1d

from pooling.figures._drawing import draw
from pooling.figures._panels import MARKERS_Y, by_model, caption, side, spread_out, strip, subject
from pooling.figures._theme import BLACK, BLUE, GREEN, MUTED, ORANGE, PURPLE, SKY, theme_pooling
from pooling.fits.identified import identified, shared_effects
from pooling.fits.store import Fit
from pooling.inputs.study import Figures
from pooling.programs.order import story_order

KIND = "model"
CHAPTER = "diagnostics"
ORDER = 1

POPULATION = ("mu_alpha", "mu_beta", "sigma_alpha", "sigma_beta", "sigma")
COUNTY = ("alpha", "beta", "sigma")
CHAINS = (BLUE, ORANGE, GREEN, PURPLE, SKY, BLACK)
GRID, COUNTY_GRID = 64, 40  # points of a density
BINS, COUNTY_BINS = 20, 10
PANELS = {
    "density": "marginal density",
    "draw": "draws, chain after chain",
    "rank": "ranks, lowest to highest",
}
DRAWS, COUNTIES, COUNTY_DRAWS = 250, 100, 40  # at most: a chain's, counties, a county's
HIGHEST_RANK = 2  # times the uniform frequency, at the upper edge of a band
MARGIN = 0.06  # of a band, above and below
WIDTH, INCHES_A_BAND = 11, 0.5
LINE_POINTS = np.sqrt(np.pi)  # per unit of size, as in plotnine's own lines


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Points of all lines.

    Columns: study, model, label, parameter, row (model and parameter),
    kind ("density", "draw" or "rank"), by (what has a line: "chain" or
    "county"), line (its number), chain (of ranks, 0 otherwise), colour,
    identified (of a county's parameter, by its own houses),
    x (density relative to the row's highest, number of the draw, or rank as a
    share of all draws), y (value in the parameter's unit, or frequency relative
    to uniform ranks), low, high (the row's range of values).
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
    table["label"] = by_model(table["label"], fits)
    columns = ["study", "model", "label", "parameter", "row", "kind", "by", "line", "chain"]
    return table[[*columns, "colour", "identified", "x", "y", "low", "high"]]


def _parameters(fit: Fit) -> Iterator[tuple[str, xr.DataArray]]:
    """Parameters to show, as (chain, draw) or (chain, draw, county)."""
    posterior = fit.tree["posterior"].to_dataset()
    scalars = fit.population()
    known = [name for name in POPULATION if name in scalars]
    for name in (*known, *(name for name in scalars if name not in known)):
        yield name, posterior[name]
    shown = spread_out(range(posterior.sizes["county"]), COUNTIES)
    for name in COUNTY:
        if name in posterior and "county" in posterior[name].dims:
            values = posterior[name].isel(county=shown)
            houses = fit.counties["basement_houses"], fit.counties["first_floor_houses"]
            own = identified(name, *houses, shared_effects(posterior) & {name})[shown]
            values = values.transpose("chain", "draw", "county").assign_coords(own=("county", own))
            if len(shown) == 1 or np.ptp(values.values, axis=2).any():
                yield name, values


def _panels(values: xr.DataArray) -> pd.DataFrame:
    """Density, draws and ranks of one parameter."""
    table = _chains(values.values) if values.ndim == 2 else _counties(values)
    return table.assign(by="chain" if values.ndim == 2 else "county")


def _chains(draws: np.ndarray) -> pd.DataFrame:
    """A population parameter's draws (chain, draw), one line per chain."""
    chains, count = draws.shape
    low, high = draws.min(), draws.max()
    look = pd.DataFrame({"line": range(chains), "identified": True, "low": low, "high": high})
    look["colour"] = [CHAINS[chain % len(CHAINS)] for chain in range(chains)]
    every = spread_out(range(count), DRAWS)
    parts = [
        density(draws, low, high, GRID),
        _draws(draws, every, np.arange(chains) * count),
        ranks(draws[:, :, None], BINS).assign(line=lambda t: t["chain"]),
    ]
    return pd.concat(parts, ignore_index=True).merge(look, on="line")


def _counties(values: xr.DataArray) -> pd.DataFrame:
    """A county parameter's draws (chain, draw, county), one line per county."""
    draws, own = values.values, values["own"].values
    lines = draws.reshape(-1, draws.shape[2]).T
    low, high = np.quantile(lines[own] if own.any() else lines, [0.002, 0.998])
    look = pd.DataFrame({"line": range(len(lines)), "identified": own, "low": low, "high": high})
    palette = matplotlib.colormaps["turbo"]
    look["colour"] = [to_hex(palette(place)) for place in np.linspace(0.05, 0.95, len(lines))]
    every = spread_out(range(lines.shape[1]), COUNTY_DRAWS)
    parts = [
        density(lines, low, high, COUNTY_GRID),
        _draws(lines, every, np.zeros(len(lines), dtype=int)),
        ranks(draws, COUNTY_BINS),
    ]
    return pd.concat(parts, ignore_index=True).merge(look, on="line")


def density(lines: np.ndarray, low: float, high: float, points: int) -> pd.DataFrame:
    """Smoothed histograms of the rows of `lines`, relative to the highest of them."""
    ends = (low, high) if high > low else (low - 0.5, low + 0.5)
    edges = np.linspace(*ends, points + 1)
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
    return pd.DataFrame(
        {
            "kind": "density",
            "line": np.repeat(np.arange(len(lines)), points),
            "chain": 0,
            "x": np.ravel(heights) / (np.max(heights) or 1),
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
    """Frequency of a chain's draws (chain, draw, element) in each bin of ranks.

    Relative to uniform ranks: 1 in every bin if the chains agree.
    """
    chains, count, elements = draws.shape
    bins = min(most_bins, count // 5)
    # Bin b begins with the draw of rank b / bins; sorting is much faster than ranking.
    begins = [-(-b * chains * count // bins) for b in range(1, bins)]
    lowest = np.sort(draws.reshape(-1, elements), axis=0)[begins]
    below = [np.zeros((chains, elements)), *((draws < edge).mean(axis=1) for edge in lowest)]
    frequency = np.diff([*below, np.ones((chains, elements))], axis=0) * bins
    frequency = np.moveaxis(frequency, 0, -1)
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


def plot(frame: pd.DataFrame) -> ggplot:
    """One row of panels per model, and in it one band per parameter, with its own scale."""
    table = _banded(frame)
    points = _points(table)
    chains, counties = (points[points["by"] == by] for by in ("chain", "county"))
    beyond = table[(table["kind"] == "draw") & (table["where"] != "inside")]
    # Without a panel they are drawn in all.
    bands = table.drop_duplicates("row").drop(columns="panel")
    return (
        ggplot(table, aes("x", "y", color="colour"))
        + geom_hline(aes(yintercept="band"), bands, color=MUTED, size=0.3)
        + geom_hline(aes(yintercept="level"), _levels(bands), color=MUTED, size=0.4)
        + geom_blank(aes(y="band + 1"), bands)
        + _lines(counties[~counties["identified"]], size=0.3, alpha=0.15)
        + _lines(counties[counties["identified"]], size=0.3, alpha=0.4)
        + _lines(chains, size=0.4, alpha=0.8)
        + geom_point(aes(shape="where"), beyond, size=0.8, stroke=0, color=MUTED, raster=True)
        + facet_grid("label", "panel", scales="free", space="free_y", labeller=strip)
        + scale_color_identity()
        + scale_shape_manual(values=MARKERS_Y, guide=None)
        # Densities and ranks are relative, so their axes have no numbers.
        + scale_x_continuous(
            breaks=lambda limits: [] if limits[1] <= 1.2 else _thirds(limits), expand=(0.01, 0)
        )
        + scale_y_continuous(
            breaks=[*(bands["band"] + 0.5)],
            labels=[_scale(row) for row in bands.itertuples()],
            minor_breaks=[],
            expand=(0, 0),
        )
        + labs(
            title=f"Posterior draws of {subject(frame['label'])}",
            x="",
            y="",
            caption=_caption(frame),
        )
        + _quiet(frame["label"].nunique())
        + theme(figure_size=(WIDTH, INCHES_A_BAND * len(bands) + 2.2))
    )


def _banded(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with heights in bands of 1, the first parameter on top; `where` y was beyond."""
    rows = frame["row"].cat.categories
    band = (len(rows) - 1 - frame["row"].cat.codes).astype(float)
    low, high = frame["low"], frame["high"].where(frame["high"] > frame["low"], frame["low"] + 1)
    shares = frame["kind"] == "rank"
    height = (frame["y"] / HIGHEST_RANK).where(shares, (frame["y"] - low) / (high - low))
    return frame.assign(
        band=band,
        where=np.where(shares, "inside", side(frame["y"], low, high)),
        y=band + MARGIN + (1 - 2 * MARGIN) * height.clip(0, 1),
        panel=pd.Categorical(frame["kind"].map(PANELS), PANELS.values(), ordered=True),
    )


def _levels(bands: pd.DataFrame) -> pd.DataFrame:
    """Where the ranks of chains that agree lie."""
    panel = pd.Categorical([PANELS["rank"]] * len(bands), PANELS.values(), ordered=True)
    level = bands["band"] + MARGIN + (1 - 2 * MARGIN) / HIGHEST_RANK
    return bands.assign(panel=panel, level=level)


def _points(table: pd.DataFrame) -> pd.DataFrame:
    """Points in the order in which lines, by `group`, join them; a missing y is a gap.

    Ranks are steps; for counties, which are many, only the flat parts are drawn.
    """
    lines = table.groupby(["row", "kind", "line", "chain"], observed=True, sort=False)
    # In mixed order, so that neither end of the counties' colours covers the other.
    table = table.assign(group=lines.ngroup(), order=table["line"] * 0.618 % 1)
    ranks = table["kind"] == "rank"
    starts = table[ranks].assign(xend=lambda t: t["x"].shift(-1))
    starts = starts[starts["group"] == starts["group"].shift(-1)]
    ends = starts.assign(x=starts["xend"])
    gaps = ends[ends["by"] == "county"].assign(y=np.nan)
    steps = pd.concat([starts, ends, gaps]).sort_index(kind="stable")
    return pd.concat([table[~ranks], steps]).sort_values(["order", "group"], kind="stable")


class geom_lines(geom_path):
    """`geom_path` with all lines of a panel in one collection: drawn a hundred times faster."""

    def handle_na(self, data: pd.DataFrame) -> pd.DataFrame:
        """Keep missing points: they are gaps."""
        return data

    def draw_panel(
        self, data: pd.DataFrame, panel_params: panel_view, coord: coord, ax: Axes
    ) -> None:
        """Draw one panel's lines, each in the look of its first point."""
        data = coord.transform(data, panel_params)
        group = data["group"].to_numpy()
        begins = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
        first = data.iloc[begins]
        colours = to_rgba_array(list(first["color"]))
        colours[:, 3] = first["alpha"]
        drawn = LineCollection(
            np.split(data[["x", "y"]].to_numpy(float), begins[1:]),
            colors=colours,
            linewidths=first["size"] * LINE_POINTS,
            rasterized=self.params["raster"],
            zorder=self.params["zorder"],
        )
        ax.add_collection(drawn)


def _lines(points: pd.DataFrame, **look: float) -> geom_lines:
    """Lines as an image within an SVG."""
    return geom_lines(aes(group="group"), points, raster=True, **look)


def _scale(row: Any) -> str:
    """A band's name and the values at its lower and upper edge."""
    return f"{row.parameter}\n{row.low:.3g} to {row.high:.3g}"


def _thirds(limits: tuple[float, float]) -> list[float]:
    step = 10.0 ** np.floor(np.log10(limits[1] / 2))
    return [0, *(step * m for m in (1, 2, 5, 10) if limits[1] / 4 <= step * m <= limits[1])]


def _quiet(models: int) -> theme:
    # The only model is named in the title.
    name = element_text(angle=0, size=7.5, ha="left") if models > 1 else element_blank()
    return theme_pooling(base_size=10) + theme(
        axis_text=element_text(size=7),
        axis_text_y=element_text(size=7.5),
        axis_ticks_major_y=element_blank(),
        panel_grid_major=element_blank(),
        panel_spacing=0.004,
        strip_text_y=name,
        strip_background_y=element_blank(),
        plot_title_position="plot",
        plot_caption_position="plot",
    )


def _caption(frame: pd.DataFrame) -> str:
    counties = frame.loc[frame["by"] == "county", "line"].nunique()
    shown = f", {COUNTIES} counties evenly spaced" if counties == COUNTIES else ""
    pale = " Pale lines: not identified by the county's own houses."
    return caption(
        f"""Study {frame["study"].iloc[0]}; values in log pCi/L, with the range of each band on the
        left. Population parameters: one colour per chain. County parameters: one colour per
        county{shown}. Densities and ranks use all draws; the middle panel shows at most {DRAWS} per
        chain and {COUNTY_DRAWS} per county, evenly spaced. Ranks: one line per chain, on the grey
        line if ranks are uniform, clipped at {HIGHEST_RANK} times that
        height.{"" if frame["identified"].all() else pale} Triangles: draws outside the band.""",
        WIDTH,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
