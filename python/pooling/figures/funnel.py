"""The funnel: one small county's slope against the standard deviation of slopes.

The centered and the non-centered program of one model, side by side, with one dot per
posterior draw; the vertical axis is logarithmic. Where the standard deviation is small, the
county's slope (floor effect) must be close to the population mean, so the draws narrow
downwards to a neck. Crosses are divergent transitions. The non-centered program reaches far
down the neck; the centered one stops above it.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    facet_wrap,
    geom_point,
    geom_text,
    ggplot,
    labs,
    scale_color_manual,
    scale_y_log10,
    theme,
)

from pooling.build.errors import NothingToShow, StudyError
from pooling.figures._drawing import draw
from pooling.figures._panels import by_model, caption, strip
from pooling.figures._theme import BLACK, model_colours, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures
from pooling.programs.order import story_order

KIND = "library"
CHAPTER = "diagnostics"
ORDER = 2

DOTS = 4000  # in the whole figure, as one bitmap: more hide each other


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Draws of one county's slope and of sigma_beta, evenly spaced, and every divergent one.

    Those of two programs that differ only in their parameterization, `<x>_centered` and
    `<x>_noncentered`; without such a pair, those of the first model that has sigma_beta.

    Returns
    -------
    DataFrame
        One row per draw that is shown. Columns: study; model; label; county;
        houses; first_floor_houses; beta, sigma_beta (log pCi/L); divergent;
        divergences, draws (of the whole fit).

    Raises
    ------
    NothingToShow
        No model has sigma_beta.
    StudyError
        The study has no county figures.funnel.
    """
    hierarchical = [fit for fit in fits if _has_one_sigma_beta(fit)]
    if not hierarchical:
        names = ", ".join(fit.model for fit in fits)
        raise NothingToShow(
            f"the funnel needs a model with sigma_beta, and {names} has none; "
            "add a hierarchical program to models.use"
        )
    hierarchical = _pair(hierarchical)
    county = _county(hierarchical[0], figures)
    rows = pd.concat(
        [county_draws(fit, county, max(200, DOTS // len(hierarchical))) for fit in hierarchical]
    )
    return rows.assign(label=by_model(rows["label"], hierarchical))


def _pair(fits: Sequence[Fit]) -> list[Fit]:
    """The centered and the non-centered program of a model, else the first fit of the story."""
    by_model = {fit.model: fit for fit in sorted(fits, key=lambda fit: story_order(fit.model))}
    for model, fit in by_model.items():
        twin = by_model.get(f"{model.removesuffix('_centered')}_noncentered")
        if model.endswith("_centered") and twin:
            return [fit, twin]
    return list(by_model.values())[:1]


def _has_one_sigma_beta(fit: Fit) -> bool:
    posterior = fit.tree["posterior"]
    return "sigma_beta" in posterior and set(posterior["sigma_beta"].dims) == {"chain", "draw"}


def _county(fit: Fit, figures: Figures) -> pd.Series:
    counties = fit.counties.assign(county=fit.county_labels.to_numpy())
    if figures.funnel is None:
        return counties.loc[counties["houses"].where(counties["houses"] > 0).idxmin()]
    county = counties[counties["county_fips"] == figures.funnel]
    if county.empty:
        raise StudyError(
            f"figures.funnel: study {fit.study} has no county {figures.funnel}; "
            "give the FIPS code of one of its counties, or leave the setting out"
        )
    return county.iloc[0]


def county_draws(fit: Fit, county: pd.Series, count: int) -> pd.DataFrame:
    """About `count` evenly spaced draws of a county of `fit`, and every divergent one."""
    posterior = fit.tree["posterior"].to_dataset()
    divergent = fit.tree["sample_stats"]["diverging"].transpose("chain", "draw").values.ravel()
    beta = posterior["beta"].sel(county=county["county_fips"])
    rows = pd.DataFrame(
        {
            "study": fit.study,
            "model": fit.model,
            "label": fit.label,
            **county[["county", "houses", "first_floor_houses"]],
            "beta": beta.transpose("chain", "draw").values.ravel(),
            "sigma_beta": posterior["sigma_beta"].transpose("chain", "draw").values.ravel(),
            "divergent": divergent.astype(bool),
            "divergences": int(divergent.sum()),
            "draws": divergent.size,
        }
    )
    shown = np.arange(divergent.size) % max(1, divergent.size // count) == 0
    return rows[shown | rows["divergent"]].reset_index(drop=True)


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per model, on common scales; divergent draws on top."""
    models = frame["label"].cat.categories.size
    wide = 9 if models > 1 else 6.5
    county = frame["county"].iloc[0]
    dots = frame[~frame["divergent"]]
    return (
        ggplot(frame, aes("beta", "sigma_beta"))
        + geom_point(aes(color="model"), dots, size=1, alpha=0.3, stroke=0, raster=True)
        + geom_point(data=frame[frame["divergent"]], shape="x", size=1.8, color=BLACK)
        + geom_text(aes(label="said"), remarks(frame), ha="left", va="bottom", size=8)
        + facet_wrap("label", ncol=models, labeller=strip)
        + scale_y_log10(labels=lambda breaks: [f"{b:g}" for b in breaks])
        + scale_color_manual(model_colours(frame["model"]), guide=None)
        + labs(
            x=f"slope of {county} (log pCi/L)",
            y="sigma_beta (log pCi/L), log axis",
            title=f"Slope of {county} and the standard deviation of slopes",
            caption=_about(frame, wide),
        )
        + theme_pooling()
        + theme(figure_size=(wide, 5.5))
    )


def remarks(frame: pd.DataFrame) -> pd.DataFrame:
    """Text in the lower left corner of each panel: how many draws diverged."""
    panels = frame.drop_duplicates("label")
    pairs = zip(panels["divergences"], panels["draws"], strict=True)
    said = [f"{count:,} of {draws:,} draws\ndivergent" for count, draws in pairs]
    lowest = {name: frame[name].min() for name in ("beta", "sigma_beta")}
    return panels.assign(said=said, **lowest)


def _about(frame: pd.DataFrame, wide: float) -> str:
    first = frame.iloc[0]
    houses = f"{first['houses']} house" + ("" if first["houses"] == 1 else "s")
    dots = (~frame["divergent"]).sum()
    return caption(
        f"""Study {first["study"]}; {first["county"]} has {houses}, {first["first_floor_houses"]}
        on the first floor. Dots: evenly spaced posterior draws ({dots:,} in all panels). Crosses:
        all divergent transitions. sigma_beta: standard deviation of slopes between counties.""",
        wide,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
