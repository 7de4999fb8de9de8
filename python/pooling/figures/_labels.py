"""Labels of points, placed so that they do not overlap."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

Box = tuple[float, float, float, float]  # left, right, low, high, in inches

LETTER, LINE = 0.72, 1.2  # width of a capital of DejaVu Sans and line height, in type sizes
DOT = 0.06  # inches around a point's centre that are kept free


def place_names(
    names: pd.DataFrame,
    points: np.ndarray,
    lines: np.ndarray,
    limits: tuple[float, float, float, float],
    inches: tuple[float, float],
    size: float,
) -> pd.DataFrame:
    """Place names to the right, left, above or below their points, wherever there is room.

    A name without room is omitted, unless it is `needed`: then it may cover a line, or at worst
    other points, on the right.

    Parameters
    ----------
    names
        The most important first: name, x, y and needed.
    points
        Points that names must not cover, (point, 2), in units of the axes.
    lines
        Points along lines that names should not cover, (point, 2), likewise.
    limits
        Left, right, low and high end of the axes.
    inches
        Width and height of the panel.
    size
        Type size in points.

    Returns
    -------
    DataFrame
        The names that are drawn: name, and the middle of each as x and y.
    """
    left, right, low, high = limits
    origin = np.array([left, low])
    scale = np.array(inches) / [right - left, high - low]
    taken = [_around(x, y, DOT) for x, y in (points - origin) * scale]
    crossed = [_around(x, y, 0.0) for x, y in (lines - origin) * scale]
    panel = (0.0, inches[0], 0.0, inches[1])
    found = []
    for row in names.itertuples(index=False):
        x, y = (np.array([row.x, row.y]) - origin) * scale
        boxes = list(_sides(x, y, len(row.name) * LETTER * size / 72, LINE * size / 72))
        free = [box for box in boxes if _inside(box, panel) and not _covers(box, taken)]
        clear = [box for box in free if not _covers(box, crossed)]
        if not clear and not row.needed:
            continue
        box = (clear or free or boxes)[0]
        taken.append(box)
        middle = np.array([box[0] + box[1], box[2] + box[3]]) / 2 / scale + origin
        found.append((row.name, *middle))
    return pd.DataFrame(found, columns=["name", "x", "y"])


def _around(x: float, y: float, away: float) -> Box:
    return x - away, x + away, y - away, y + away


def _sides(x: float, y: float, width: float, height: float) -> Iterator[Box]:
    """Boxes of this size to the right, left, above and below a point."""
    away = 1.4 * DOT
    for middle_x, middle_y in (
        (x + away + width / 2, y),
        (x - away - width / 2, y),
        (x, y + away + height / 2),
        (x, y - away - height / 2),
    ):
        yield (
            *(middle_x - width / 2, middle_x + width / 2),
            *(middle_y - height / 2, middle_y + height / 2),
        )


def _inside(box: Box, panel: Box) -> bool:
    return box[0] >= panel[0] and box[1] <= panel[1] and box[2] >= panel[2] and box[3] <= panel[3]


def _covers(box: Box, others: Sequence[Box]) -> bool:
    return any(
        box[0] < other[1] and other[0] < box[1] and box[2] < other[3] and other[2] < box[3]
        for other in others
    )
