"""The common theme of all figures, and colours by role."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from plotnine import element_blank, element_line, element_rect, element_text, theme
from plotnine.themes import theme_bw

from pooling.programs.order import TUTORIAL, story_order

# Okabe & Ito (2008), "Color Universal Design": distinguishable with any colour vision.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"

DATA = BLACK
MUTED = "#7F7F7F"
FAINT = "#D9D9D9"
TUTORIAL_COLOURS = (BLACK, BLUE, ORANGE, VERMILION)
FLOORS = {"basement": BLUE, "first floor": ORANGE}
ACTIONS = {"nothing": SKY, "measure": ORANGE, "remedy": VERMILION}
ACTION_WORDS = {"nothing": "do nothing", "measure": "measure first", "remedy": "remedy now"}

OTHERS = (
    *(GREEN, PURPLE, SKY, "#8C510A", "#6A51A3", "#01665E", "#B2182B", "#5C5C5C"),
    *("#35978F", "#C51B7D", "#4D9221", "#BF812D"),
)


class theme_pooling(theme_bw):
    """theme_bw with a light grid, left-aligned titles and a legible caption."""

    def __init__(self, base_size: float = 11, base_family: str = "DejaVu Sans"):
        super().__init__(base_size, base_family)
        self += theme(
            panel_grid_minor=element_blank(),
            panel_grid_major=element_line(color="#EBEBEB", size=0.5),
            panel_border=element_rect(color="#4D4D4D", fill="none", size=0.5),
            strip_background=element_rect(fill="#F2F2F2", color="#4D4D4D", size=0.5),
            strip_text=element_text(size=0.85 * base_size),
            plot_title=element_text(size=1.15 * base_size, ha="left", weight="bold"),
            plot_subtitle=element_text(size=0.95 * base_size, ha="left"),
            plot_caption=element_text(size=0.75 * base_size, ha="left", color="#4D4D4D"),
            axis_title=element_text(size=0.95 * base_size),
            legend_key=element_blank(),
            legend_title=element_text(size=0.9 * base_size),
            legend_text=element_text(size=0.85 * base_size),
            legend_position="bottom",
            legend_box_spacing=0.01,
        )


def theme_rows(**more: Any) -> theme:
    """Theme of panels with one row per model or parameter, and `more` settings.

    Rows have no line along them; title and caption begin above and below the rows' labels.
    """
    return theme(
        plot_title_position="plot",
        plot_caption_position="plot",
        axis_ticks_major_y=element_blank(),
        panel_grid_major_y=element_blank(),
        **more,
    )


def model_colours(models: Iterable[str]) -> dict[str, str]:
    """One colour per model: fixed for the four tutorial models, the next free one for others.

    Colours depend only on the names and their alphabetical order.
    """
    others = [model for model in sorted(set(models)) if model not in TUTORIAL]
    fresh = {model: OTHERS[i % len(OTHERS)] for i, model in enumerate(others)}
    return dict(zip(TUTORIAL, TUTORIAL_COLOURS, strict=True)) | fresh


def label_colours(frame: pd.DataFrame) -> dict[str, str]:
    """Colours by visible name, from a frame's columns `model` and `label`, in story order."""
    names = frame[["model", "label"]].dropna().drop_duplicates("model")
    colours = model_colours(names["model"])
    rows = sorted(names.itertuples(index=False), key=lambda row: story_order(row.model))
    return {row.label: colours[row.model] for row in rows}
