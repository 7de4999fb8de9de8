"""Least squares and REML estimates compared with the posterior of the same model.

One panel per parameter that all counties share, one row per model: the upper dot is the
posterior mean, the lower one the estimate without priors. The thick line is the central
68% of the posterior, or one standard error to either side; the thin one the central 95%,
or two standard errors. REML gives standard deviations and correlations without a standard
error: a hollow dot without a line. A cross marks a singular optimum, where a standard
deviation is 0 or a correlation is 1 or -1.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from mizani.breaks import breaks_extended
from plotnine import (
    aes,
    facet_wrap,
    geom_point,
    geom_segment,
    geom_text,
    ggplot,
    labs,
    scale_color_manual,
    scale_fill_manual,
    scale_shape_manual,
    scale_x_continuous,
    scale_y_continuous,
)

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import draw
from pooling.figures._panels import TALLEST, by_model, caption, even_grid, strip
from pooling.figures._theme import BLUE, DATA, VERMILION, theme_pooling, theme_rows
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "library"
CHAPTER = "published"
ORDER = 1
TABLES = ("frequentist",)

PARAMETERS = {
    "mu_alpha": "mu_alpha: mean intercept",
    "mu_beta": "mu_beta: mean slope",
    "gamma_alpha": "gamma_alpha: uranium, intercept",
    "gamma_beta": "gamma_beta: uranium, slope",
    "delta_alpha": "delta_alpha: first-floor share",
    "sigma_alpha": "sigma_alpha: sd of intercepts",
    "sigma_beta": "sigma_beta: sd of slopes",
    "rho": "rho: their correlation",
    "sigma": "sigma: sd between houses",
}
POSTERIOR, OWN = "posterior", "least squares or REML"
COLOURS = {POSTERIOR: BLUE, OWN: VERMILION}
SHAPES = {"with error": "o", "without error": "o", "singular": "x"}
NORMAL = {"low2": 0.025, "low1": 0.16, "high1": 0.84, "high2": 0.975}  # of one and two errors
STEPS = {"low2": -2, "low1": -1, "high1": 1, "high2": 2}
COLUMNS = 5
APART = 0.18  # of a row, each way
INCHES_WIDE = 11


def frame(fits: Sequence[Fit], figures: Figures, frequentist: pd.DataFrame) -> pd.DataFrame:
    """Posterior and frequentist estimates of the shared parameters, for models with a twin.

    Parameters
    ----------
    frequentist
        As `pooling.reporting.frequentist` writes it.

    Returns
    -------
    DataFrame
        Two rows per model and parameter. Columns: study; model; label; formula;
        parameter; method ("posterior", "least squares or REML"); value (mean of
        the posterior, or the estimate; missing where a singular optimum leaves
        it undefined); low2, low1, high1, high2 (2.5, 16, 84 and 97.5% quantiles,
        or the value and -2, -1, 1, 2 standard errors; missing without one);
        state ("with error", "without error", "singular").

    Raises
    ------
    NothingToShow
        No model of the study has a twin with estimates.
    """
    shared = frequentist[frequentist["parameter"].isin([*PARAMETERS])]
    models = shared["models"].fillna("").astype(str).str.split()
    # As booleans even where there is no row: an empty list would choose columns.
    parts = [
        _paired(fit, shared[np.array([fit.model in names for names in models], dtype=bool)])
        for fit in fits
    ]
    rows = pd.concat(parts, ignore_index=True)
    if rows.empty:
        raise NothingToShow(
            "no model of this study has a least squares or REML fit of the same parameters; "
            "add pooled or hierarchical_noncentered to models.use; very large studies have no REML "
            "fits"
        )
    known = [name for name in PARAMETERS if (rows["parameter"] == name).any()]
    label = by_model(rows["label"], fits).cat.remove_unused_categories()
    return rows.assign(label=label, parameter=pd.Categorical(rows["parameter"], known))


def _paired(fit: Fit, own: pd.DataFrame) -> pd.DataFrame:
    """Rows of one model; none if it has no frequentist twin."""
    draws = fit.population()
    own = own[own["parameter"].isin([*draws])]
    about = {"study": fit.study, "model": fit.model, "label": fit.label}
    posteriors = [_posterior(draws[name]) | {"parameter": name} for name in own["parameter"]]
    estimates = own[["parameter", "formula", "value"]].assign(
        method=OWN, state=_state(own), **{k: own["value"] + n * own["se"] for k, n in STEPS.items()}
    )
    posterior = pd.DataFrame(posteriors).assign(formula=own["formula"].to_numpy())
    columns = [*about, "formula", "parameter", "method", "value", *STEPS, "state"]
    return pd.concat([posterior, estimates]).assign(**about).reindex(columns=columns)


def _posterior(draws: np.ndarray) -> dict[str, object]:
    quantiles = np.quantile(draws, [*NORMAL.values()])
    about = {"method": POSTERIOR, "state": "with error", "value": draws.mean()}
    return about | dict(zip(NORMAL, quantiles, strict=True))


def _state(own: pd.DataFrame) -> np.ndarray:
    singular = own["note"].astype("string").str.contains("singular", na=False).to_numpy(bool)
    return np.select([singular, own["se"].isna()], ["singular", "without error"], "with error")


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per parameter, on its own scale, and the same rows in all."""
    models = list(frame["label"].cat.categories[::-1])
    rows = frame.assign(
        panel=frame["parameter"].cat.rename_categories(
            {name: said.replace(": ", "\n") for name, said in PARAMETERS.items()}
        ),
        y=frame["label"].map({label: i for i, label in enumerate(models)}).astype(float)
        + np.where(frame["method"] == POSTERIOR, APART, -APART),
    )
    rows["fill"] = np.where(rows["state"] == "without error", "", rows["method"])
    panels = rows["parameter"].cat.categories.size
    known, lines = rows.dropna(subset=["value"]), rows.dropna(subset=["low2"])
    columns, bands = even_grid(panels, COLUMNS)
    tall = bands * (0.36 * len(models) + 0.9) + 1.9
    return (
        ggplot(known, aes("value", "y", color="method"))
        + geom_segment(aes("low2", xend="high2", yend="y"), lines, size=0.5)
        + geom_segment(aes("low1", xend="high1", yend="y"), lines, size=1.4)
        + geom_point(aes(shape="state", fill="fill"), size=2, stroke=0.6)
        + geom_text(aes(label="said"), undefined(rows), size=7, color=DATA)
        + facet_wrap("panel", ncol=columns, scales="free_x")
        + scale_x_continuous(
            breaks=breaks_extended(n=4),
            labels=lambda breaks: [f"{value:g}" for value in breaks],
            expand=(0.12, 0),
        )
        + scale_y_continuous(
            breaks=range(len(models)),
            labels=[strip(label) for label in models],
            limits=(-0.6, len(models) - 0.4),
            expand=(0, 0),
        )
        + scale_color_manual(COLOURS, limits=[*COLOURS])
        + scale_shape_manual(SHAPES, guide=None)
        + labs(
            x="log pCi/L; uranium: log pCi/L per log ppm; rho: correlation",
            y="",
            color="",
            title="Posterior, least squares and REML estimates of the same models",
            caption=_about(frame),
        )
        + scale_fill_manual(COLOURS | {"": "white"}, guide=None)
        + theme_pooling()
        + theme_rows(
            figure_size=(INCHES_WIDE, min(tall, TALLEST * INCHES_WIDE)),
        )
    )


def undefined(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without a value, at the value of the other method, and the text drawn there."""
    other = rows[rows["method"] == POSTERIOR].set_index(["model", "parameter"])["value"]
    missing = rows[rows["value"].isna()]
    at = other.loc[[*zip(missing["model"], missing["parameter"], strict=True)]].to_numpy()
    return missing.assign(value=at, said="undefined at a singular optimum")


def _about(frame: pd.DataFrame) -> str:
    singular = frame.loc[frame["state"] == "singular", "label"].unique()
    cross = f" Cross: REML is singular for {', '.join(singular)}." if len(singular) else ""
    return caption(
        f"""Study {frame["study"].iloc[0]}. Dot: posterior mean, or estimate; thick line: central
        68% of the posterior, or one standard error; thin line: central 95%, or two. Hollow:
        estimate without a standard error.{cross} The mean and the
        mode of a skewed distribution differ, so the two dots need not coincide for a standard
        deviation that the data barely determine.""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot, tables=TABLES)
