"""County maps: projected outlines, state borders, and points for counties without an outline."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    element_blank,
    facet_grid,
    facet_wrap,
    geom_blank,
    geom_path,
    geom_point,
    geom_polygon,
    theme,
)

from pooling.build.errors import NothingToShow
from pooling.figures._theme import FAINT, MUTED, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.names import read_named_counties
from pooling.inputs.shapes import NO_SHAPES, read_shapes
from pooling.inputs.study import Data, read_study, study_file
from pooling.inputs.tables import read_counties
from pooling.programs.order import ends_of_story

INK = "#4D4D4D"
EARTH = 6371.0  # km, mean radius
WHOLE = 10  # up to so many states, each has its own panel
ACROSS = 5  # panels of states in a row
LOW = 0.72  # height over width of such a panel
FLAT = 0.75  # height over width below which maps are stacked vertically
PLACE = ["county_fips", "state", "kind", "ring", "x", "y"]
NAMED = 4  # counties that a caption names one by one


def of_story(fits: Sequence[Fit]) -> Fit:
    """The fit that a map shows: the story's first model with partial pooling, or its last model."""
    partial = ends_of_story([fit.model for fit in fits])[1]
    return next((fit for fit in fits if fit.model == partial), fits[-1])


def on_map(values: pd.DataFrame, fit: Fit, study: str) -> pd.DataFrame:
    """Outlines or points of the counties in the fit's states, and the borders of these states.

    Parameters
    ----------
    values
        Any number of rows per county of the fit, with its `county_fips`; the columns are
        returned unchanged, and missing for counties that are not in the fit.
    fit
        Its counties, and the states that are drawn.
    study
        Path of the study file; "": the file of the fit's study.

    Returns
    -------
    DataFrame
        One row per point of an outline, per county without one, and per point of a
        state's border. Columns: county_fips (missing for borders); kind ("outline", "point",
        "border"); ring (which outline or border), x, y (km on the map); county (visible
        name); houses; those of `values`.

    Raises
    ------
    NothingToShow
        No county of the fit has an outline or a centroid.
    """
    path = Path(study) if study else study_file(fit.study)
    if not path.is_file():
        raise NothingToShow(f"no study file {path} that names the counties' outlines; give `study`")
    data = read_study(path).data
    table = _counties(fit, data, path.parent)
    outlines = data.outlines(path.parent)
    shapes = read_shapes(outlines) if outlines else NO_SHAPES
    shapes = shapes[shapes["county_fips"].isin(table.index)]
    places = table[["lon", "lat"]].notna().all(axis=1)
    points = table[places & ~table.index.isin(shapes["county_fips"])].reset_index()
    drawn = pd.concat([shapes.assign(kind="outline"), points.assign(kind="point")])
    if not drawn["county_fips"].isin(table.index[table["houses"] > 0]).any():
        raise NothingToShow(
            f"no county of study {fit.study} has an outline in data.county_shapes or a centroid "
            "(lon, lat) in data.counties; add either to have maps"
        )
    drawn["ring"] = drawn["county_fips"].astype(str) + " " + drawn["ring"].astype(str)
    drawn["state"] = drawn["county_fips"].map(table["state"])
    drawn = pd.concat([drawn, _borders(drawn[drawn["kind"] == "outline"])], ignore_index=True)
    # Many states share one map and projection; a few each have their own.
    apart = drawn["state"].nunique() <= WHOLE
    for _, part in drawn.groupby(drawn["state"] if apart else np.zeros(len(drawn))):
        places = albers(part["lon"].to_numpy(float), part["lat"].to_numpy(float))
        drawn.loc[part.index, ["x", "y"]] = np.transpose(places)
    names = table[["county", "houses"]].reset_index()
    counties = drawn.reindex(columns=PLACE).merge(names, how="left", on="county_fips")
    return counties.merge(values, how="left", on="county_fips")


def _counties(fit: Fit, data: Data, folder: Path) -> pd.DataFrame:
    """Counties of the fit's states by FIPS code: county, state, houses (0: none), lon, lat."""
    table = fit.counties.assign(lon=np.nan, lat=np.nan)
    if data.counties:
        path = folder / data.counties
        if data.named:
            table = read_named_counties(path, data).rows
        else:
            table = read_counties(path, data.county_columns).rows
    table = table[~table["county_fips"].isin(data.drop_counties)].set_index("county_fips")
    fitted = fit.counties.set_index("county_fips")
    table = table[table["state"].isin(fitted["state"]) | table.index.isin(fitted.index)]
    table = table.assign(houses=fitted["houses"].reindex(table.index, fill_value=0))
    table["county"] = fit.county_labels.reindex(table.index).fillna(table["county"])
    return table


def albers(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Albers' equal-area conic projection of a sphere, km from the middle of the places.

    The standard parallels are a sixth of the range of latitudes from either end. The
    equations are 14-1 to 14-6 of Snyder (1987), Map Projections: A Working Manual.
    """
    south, north = np.radians([lat.min(), lat.max()])
    inset = (north - south) / 6
    first, second = np.sin([south + inset, north - inset])
    n = (first + second) / 2
    n = n if abs(n) > 1e-6 else 1e-6  # a cone about the equator is a cylinder
    c = 1 - first**2 + 2 * n * first
    middle = np.radians([(lon.min() + lon.max()) / 2, (lat.min() + lat.max()) / 2])
    angle = n * (np.radians(lon) - middle[0])
    reach, origin = (np.sqrt(c - 2 * n * np.sin(at)) for at in (np.radians(lat), middle[1]))
    return EARTH * reach * np.sin(angle) / n, EARTH * (origin - reach * np.cos(angle)) / n


def _borders(outlines: pd.DataFrame) -> pd.DataFrame:
    """Lines along edges that only one county of a state has: its border and its shores.

    Columns: state, kind, ring, lon, lat.
    """
    rings = [
        (ring["state"].iloc[0], [*zip(ring["lon"], ring["lat"], strict=True)])
        for _, ring in outlines.groupby("ring", sort=False)
    ]
    sides = Counter((state, *sorted(e)) for state, points in rings for e in pairwise(points))
    lines = []
    for state, points in rings:
        alone = [sides[state, *sorted(edge)] == 1 for edge in pairwise(points)]
        for outside, run in groupby(zip(alone, pairwise(points), strict=True), lambda e: e[0]):
            if outside:
                edges = [edge for _, edge in run]
                lines.append((state, [edges[0][0], *(end for _, end in edges)]))
    rows = [(state, f"border {i}", *p) for i, (state, line) in enumerate(lines) for p in line]
    return pd.DataFrame(rows, columns=["state", "ring", "lon", "lat"]).assign(kind="border")


def is_apart(frame: pd.DataFrame) -> bool:
    """Whether there are several states, each with its own panel."""
    return 1 < frame["state"].nunique() <= WHOLE


def is_flat(frame: pd.DataFrame) -> bool:
    """Whether a map needs the width of a page: several states, or one wide state."""
    return frame["state"].nunique() > 1 or _height(frame) < FLAT


def map_height(frame: pd.DataFrame, width: float) -> float:
    """Inches of height of a map that is this many inches wide, titles and legend not counted."""
    if not is_apart(frame):
        return width * _height(frame)
    columns = min(frame["state"].nunique(), ACROSS)
    return -(-frame["state"].nunique() // columns) * (LOW * width / columns + 0.3)


def _height(frame: pd.DataFrame) -> float:
    """Height of a map over its width, within what fits a page."""
    width, height = (np.ptp(frame[axis]) for axis in ("x", "y"))
    return float(np.clip(height / width, 0.3, 1.5)) if width > 0 else 1.0


class geom_equal(geom_blank):
    """Draws nothing; makes a kilometre as long from south to north as from west to east.

    `coord_fixed` cuts panels to size instead, and those of a composition no longer align.
    """

    def draw_panel(self, data, panel_params, coord, ax):
        ax.set_aspect("equal", adjustable="datalim")
        # Otherwise each of the limits that plotnine sets later would give a warning.
        ax.callbacks.connect("ylim_changed", lambda panel: panel.set_autoscale_on(True))


def county_layers(frame: pd.DataFrame, panel: str = "", **look: str) -> list:
    """Counties coloured by a column of the fit's results, grey if no house was measured.

    Parameters
    ----------
    frame
        As `on_map` gives it.
    panel
        Column by which the map is repeated; unmeasured counties and borders are in each.
    look
        Column for each aesthetic, such as `fill`.
    """
    known = frame[frame["houses"] > 0]
    common = frame.drop(columns=panel) if panel else frame
    unknown = common[common["houses"] == 0].drop_duplicates(["ring", "x", "y"])
    border = common[common["kind"] == "border"]
    grey, edge = {"fill": FAINT}, {"color": "white", "size": 0.15}
    outline, point = aes("x", "y", group="ring", **look), aes("x", "y", **look)
    plain = aes("x", "y", group="ring")
    return [
        geom_polygon(plain, unknown[unknown["kind"] == "outline"], **grey, **edge),
        geom_polygon(outline, known[known["kind"] == "outline"], **edge),
        geom_point(plain, unknown[unknown["kind"] == "point"], **grey, color=MUTED, size=3),
        geom_point(point, known[known["kind"] == "point"], color=MUTED, size=3, stroke=0.2),
        geom_path(plain, border, color=INK, size=0.3),
        geom_equal(aes("x", "y"), common),
        *_panels(frame, panel),
        theme_pooling(),
        theme(
            panel_grid=element_blank(),
            panel_border=element_blank(),
            axis_text=element_blank(),
            axis_ticks=element_blank(),
            axis_title=element_blank(),
            legend_key_width=170,
        ),
    ]


def _panels(frame: pd.DataFrame, panel: str) -> list:
    if panel and is_apart(frame):
        return [facet_grid("state", panel, scales="free_y")]
    if panel:
        return [facet_wrap(panel, ncol=columns_of(frame))]
    return [facet_wrap("state", ncol=ACROSS, scales="free")] if is_apart(frame) else []


def columns_of(frame: pd.DataFrame) -> int:
    """Number of maps side by side where one is repeated and states share a panel."""
    return 2 if is_flat(frame) else 3


def about_map(frame: pd.DataFrame) -> str:
    """Part of a caption: counties without a house, points, and scales."""
    rows = frame.drop_duplicates("county_fips")
    names = sorted(rows.loc[rows["houses"] == 0, "county"])
    text = ""
    if names:
        which = ", ".join(names) if len(names) <= NAMED else f"{len(names)} counties"
        text += f" Grey: no house was measured there ({which})."
    if (frame["kind"] == "point").any():
        text += " Points: centroids of counties without an outline."
    if is_apart(frame):
        text += " Each state has its own scale."
    return text
