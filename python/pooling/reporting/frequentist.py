"""Least squares and restricted maximum likelihood (REML) for the models that have such a twin.

`python -m pooling.reporting.frequentist DATA.json COORDS.json -o frequentist.csv`

REML has several local optima, some of them singular, so every model is fitted from all of
`STARTS` and the lowest criterion wins; where no two starts agree on it the search goes on. The
criterion is lme4's `REMLcrit`: -2 times the restricted log likelihood. Standard errors of
coefficients are lme4's too: generalised least squares with the spreads taken as known.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams, MixedLMResults

from pooling.build import cli
from pooling.build.errors import DataError
from pooling.build.files import replacing

COLUMNS = [
    "models",
    "formula",
    "parameter",
    "county_fips",
    "value",
    "se",
    "criterion",
    "starts",
    "agreeing",
    "note",
]

# Houses times counties, 400 MB of predictors: nine times the whole survey. Two million houses
# in a thousand counties took 19 GB.
LARGEST = 50_000_000


@dataclass(frozen=True)
class Mixed:
    """A regression with county effects.

    Attributes
    ----------
    models
        Our programs with the same likelihood, which differ in geometry; none if there is none.
    formula
        As lme4 writes it, with u for log uranium and share for a county's share
        of first-floor houses.
    coefficients
        Our names of the coefficients, columns of `design`.
    effects
        "intercept", "independent" or "correlated" (intercept and slope).
    """

    models: tuple[str, ...]
    formula: str
    coefficients: tuple[str, ...]
    effects: str

    @property
    def names(self) -> str:
        """The programs' names, as the table lists them."""
        return " ".join(self.models)


FLOOR = ("mu_alpha", "mu_beta")
INDEPENDENT = "(1 | county) + (0 + floor | county)"
MIXED = (
    Mixed(
        ("varying_intercept_centered", "varying_intercept_noncentered"),
        "y ~ floor + (1 | county)",
        FLOOR,
        "intercept",
    ),
    Mixed(
        ("varying_intercept_uranium",),
        "y ~ floor + u + (1 | county)",
        (*FLOOR, "gamma_alpha"),
        "intercept",
    ),
    Mixed(
        ("varying_intercept_uranium_context",),
        "y ~ floor + u + share + (1 | county)",
        (*FLOOR, "gamma_alpha", "delta_alpha"),
        "intercept",
    ),
    Mixed(
        ("hierarchical_centered", "hierarchical_noncentered", "hierarchical_marginal"),
        f"y ~ floor + {INDEPENDENT}",
        FLOOR,
        "independent",
    ),
    Mixed((), "y ~ floor + (1 + floor | county)", FLOOR, "correlated"),
    Mixed(
        ("hierarchical_uranium",),
        f"y ~ floor + u + floor:u + {INDEPENDENT}",
        (*FLOOR, "gamma_alpha", "gamma_beta"),
        "independent",
    ),
    Mixed(
        ("hierarchical_uranium_correlated",),
        "y ~ floor + u + floor:u + (1 + floor | county)",
        (*FLOOR, "gamma_alpha", "gamma_beta"),
        "correlated",
    ),
)


@dataclass(frozen=True)
class Start:
    """Where an optimizer begins: spreads of intercepts and slopes in units of sigma."""

    method: str
    alpha: float
    beta: float
    rho: float

    def __str__(self) -> str:
        return f"{self.method} from ({self.alpha:g}, {self.beta:g}, {self.rho:g})"


# Tighter than statsmodels' own, which stop at three right digits of a spread.
PRECISION = {
    "bfgs": {"gtol": 1e-6},
    "lbfgs": {"pgtol": 1e-9, "factr": 10},
    "nm": {"xtol": 1e-7, "ftol": 1e-10, "maxiter": 600},
}
STARTS = (
    Start("bfgs", 0.3, 0.3, 0.0),
    Start("bfgs", 0.1, 0.5, 0.5),
    Start("bfgs", 0.5, 0.1, -0.5),
    Start("lbfgs", 0.1, 0.3, 0.3),
)
AGREEMENT = 1e-3  # two starts found one optimum if their criteria are as near as this
SINGULAR = 1e-3  # a spread below this share of sigma counts as 0, as in lme4 but for its accuracy


@dataclass(frozen=True)
class Optimum:
    """What one start found: coefficients (k,), effects' covariance (2, 2), sigma, criterion."""

    start: Start
    coefficients: np.ndarray
    covariance: np.ndarray
    sigma: float
    criterion: float
    converged: bool

    @property
    def spreads(self) -> tuple[float, float, float]:
        """Standard deviations of intercepts and slopes and their correlation (nan if one is 0)."""
        alpha, beta = np.sqrt(np.diag(self.covariance)).tolist()
        if min(alpha, beta) < SINGULAR * self.sigma:
            return alpha, beta, float("nan")
        return alpha, beta, float(self.covariance[0, 1] / (alpha * beta))


def design(data: dict) -> pd.DataFrame:
    """Predictors by house under the names of their coefficients, with the response and county.

    Parameters
    ----------
    data
        Stan data as `pooling.inputs.prepare` writes it.

    Returns
    -------
    DataFrame
        (N, ...): y (log pCi/L), county (position from 0), mu_alpha (ones),
        mu_beta (floor), delta_alpha (share of first-floor houses), and with
        uranium gamma_alpha (log ppm) and gamma_beta (floor times log ppm).
    """
    county = np.array(data["county"]) - 1
    frame = pd.DataFrame(
        {
            "y": data["log_radon"],
            "county": county,
            "mu_alpha": 1.0,
            "mu_beta": data["floor_measure"],
        }
    )
    frame["delta_alpha"] = np.array(data["first_floor_share"])[county]
    if "log_uranium" in data:
        frame["gamma_alpha"] = np.array(data["log_uranium"])[county]
        frame["gamma_beta"] = frame["gamma_alpha"] * frame["mu_beta"]
    return frame


def least_squares(frame: pd.DataFrame) -> pd.DataFrame:
    """`y ~ floor` and `y ~ floor + county`, coefficients and residual standard deviation.

    A model whose predictors are collinear in these houses is left out.
    """
    rows = []
    if _identified(frame[list(FLOOR)]):
        found = OLS(frame["y"], frame[list(FLOOR)]).fit()
        values = [(name, found.params[name], found.bse[name]) for name in FLOOR]
        values += [("sigma", np.sqrt(found.scale), np.nan), _rmse(found.resid)]
        rows += [_row("pooled", "y ~ floor", *value) for value in values]
    values = _within(frame)
    rows += [_row("per_county_common_slope", "y ~ floor + county", *value) for value in values]
    return _table(rows)


def _within(frame: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Slope, spread and root mean square of `y ~ floor + county`; none if not identified.

    By the theorem of Frisch, Waugh and Lovell the slope is that of deviations from the
    counties' means, for which no matrix with a column a county is needed.
    """
    deviations = frame[["mu_beta", "y"]] - frame.groupby("county")[["mu_beta", "y"]].transform(
        "mean"
    )
    x, y = deviations["mu_beta"], deviations["y"]
    spare, squares = len(frame) - frame["county"].nunique() - 1, float((x**2).sum())
    if spare < 1 or squares < 1e-9:
        return []
    slope = float((x * y).sum()) / squares
    gaps = y - slope * x
    sigma = np.sqrt(float((gaps**2).sum()) / spare)
    return [("mu_beta", slope, sigma / np.sqrt(squares)), ("sigma", sigma, np.nan), _rmse(gaps)]


def _too_large(frame: pd.DataFrame) -> bool:
    """Whether a column for each county is more numbers than `LARGEST`."""
    return len(frame) * frame["county"].nunique() > LARGEST


def own_lines(frame: pd.DataFrame, county_fips: Sequence[int]) -> pd.DataFrame:
    """Each county's own least squares, where its houses identify them.

    The level needs houses in basements, the floor effect houses on both floors.
    """
    means = frame.pivot_table(index="county", columns="mu_beta", values="y", aggfunc="mean")
    means = means.reindex(columns=[0.0, 1.0])
    found = {"alpha": means[0.0], "beta": means[1.0] - means[0.0]}
    rows = [
        _row("per_county", "y ~ floor, by county", name, value, county=county_fips[county])
        for name, values in found.items()
        for county, value in values.dropna().items()
    ]
    gaps = frame["y"] - frame.groupby(["county", "mu_beta"])["y"].transform("mean")
    return _table([*rows, _row("per_county", "y ~ floor, by county", *_rmse(gaps))])


def restricted_likelihood(frame: pd.DataFrame, mixed: Mixed) -> pd.DataFrame:
    """One mixed model from all starts: a row a parameter of the best optimum.

    Empty if the study lacks a predictor or its houses do not identify the
    model; a single row without a value if no start gets anywhere.
    """
    names = list(mixed.coefficients)
    if not set(names) <= set(frame) or frame["county"].nunique() < 2:
        return _table([])
    if not _identified(frame[names]):
        return _table([])
    found = [optimum for start in STARTS if (optimum := _fit(frame, mixed, start))]
    if not found:
        note = f"none of {len(STARTS)} starts reached an optimum"
        return _table([_row(mixed.names, mixed.formula, "", starts=len(STARTS), note=note)])
    best = _best(frame, mixed, found)
    agreeing = sum(o.criterion - best.criterion < AGREEMENT for o in found)
    errors = coefficient_errors(frame, mixed, best)
    values = list(zip(names, best.coefficients, errors, strict=True))
    values += [(name, value, np.nan) for name, value in _spreads(mixed, best).items()]
    shared = {
        "criterion": best.criterion,
        "starts": len(STARTS),
        "agreeing": agreeing,
        "note": _note(mixed, best),
    }
    return _table([_row(mixed.names, mixed.formula, *value, **shared) for value in values])


def coefficient_errors(frame: pd.DataFrame, mixed: Mixed, optimum: Optimum) -> np.ndarray:
    """Standard errors (k,) of generalised least squares with these spreads.

    With V = sigma^2 I + Z G Z' in a county, X' V^-1 X is
    (X'X - X'Z G (sigma^2 I + Z'Z G)^-1 Z'X) / sigma^2, which holds for singular G too.
    """
    information = 0.0
    for _, houses in frame.groupby("county"):
        x = houses[list(mixed.coefficients)].to_numpy()
        z = houses[list(FLOOR)].to_numpy()
        inner = optimum.sigma**2 * np.eye(2) + z.T @ z @ optimum.covariance
        cross = x.T @ z
        information += x.T @ x - cross @ optimum.covariance @ np.linalg.solve(inner, cross.T)
    return np.sqrt(np.diag(np.linalg.inv(information / optimum.sigma**2)))


def _identified(predictors: pd.DataFrame) -> bool:
    """Whether there is a house to spare and no predictor follows from the others."""
    rows, columns = predictors.shape
    return rows > columns and np.linalg.matrix_rank(predictors.to_numpy(float)) == columns


def _fit(frame: pd.DataFrame, mixed: Mixed, start: Start) -> Optimum | None:
    """The optimum that a start leads to, None if it leads nowhere."""
    model, params = _model(frame, mixed, start)
    with warnings.catch_warnings():
        # What they warn of is decided below, from all starts together.
        warnings.simplefilter("ignore")
        try:
            options = PRECISION[start.method]
            found = model.fit(reml=True, method=start.method, start_params=params, **options)
        except np.linalg.LinAlgError:
            return None
        criterion = -2 * found.llf
    sigma, covariance = float(np.sqrt(found.scale)), _covariance(mixed, found)
    numbers = (criterion, sigma, *found.fe_params, *covariance.ravel())
    # Far from the data the likelihood overflows, and an overflow is no optimum.
    if not np.isfinite(numbers).all() or sigma <= 0:
        return None
    values = np.asarray(found.fe_params)
    return Optimum(start, values, covariance, sigma, float(criterion), bool(found.converged))


def _best(frame: pd.DataFrame, mixed: Mixed, found: Sequence[Optimum]) -> Optimum:
    """The lowest optimum, searched further where it is not sure to be one.

    Gradients vanish where a spread is 0, so that the optimizers of `STARTS` stop
    on the way to a singular optimum. Nelder and Mead's method needs none.
    """
    best, *others = sorted(found, key=lambda optimum: optimum.criterion)
    if best.converged and any(o.criterion - best.criterion < AGREEMENT for o in others):
        return best
    alpha, beta, rho = best.spreads
    relative = np.maximum([alpha / best.sigma, beta / best.sigma], SINGULAR)
    rho = float(np.clip(np.nan_to_num(rho), -0.99, 0.99))
    further = _fit(frame, mixed, Start("nm", *relative.tolist(), rho))
    return min((o for o in (best, further) if o), key=lambda optimum: optimum.criterion)


def _model(frame: pd.DataFrame, mixed: Mixed, start: Start) -> tuple[MixedLM, MixedLMParams]:
    """The model for statsmodels, and the starting point in its terms."""
    zeros = np.zeros(len(mixed.coefficients))
    formula = " + ".join(["y ~ 0", *mixed.coefficients])
    if mixed.effects == "independent":
        # Its other way, a mask of free covariances, is ignored by some optimizers.
        terms = {"alpha": "0 + mu_alpha", "beta": "0 + mu_beta"}
        model = MixedLM.from_formula(formula, frame, groups="county", vc_formula=terms)
        variances = np.array([start.alpha**2, start.beta**2])
        return model, MixedLMParams.from_components(fe_params=zeros, vcomp=variances)
    size = 1 if mixed.effects == "intercept" else 2
    model = MixedLM.from_formula(
        formula, frame, groups="county", re_formula=" + ".join(["0", *FLOOR[:size]])
    )
    product = start.rho * start.alpha * start.beta
    covariance = np.array([[start.alpha**2, product], [product, start.beta**2]])[:size, :size]
    return model, MixedLMParams.from_components(fe_params=zeros, cov_re=covariance)


def _covariance(mixed: Mixed, found: MixedLMResults) -> np.ndarray:
    """Covariance (2, 2) of intercepts and slopes; 0 where they do not vary."""
    if mixed.effects == "independent":
        return np.diag(found.vcomp)
    covariance = np.zeros((2, 2))
    size = found.cov_re.shape[0]
    covariance[:size, :size] = found.cov_re
    return covariance


def _spreads(mixed: Mixed, optimum: Optimum) -> dict[str, float]:
    alpha, beta, rho = optimum.spreads
    found = {"sigma_alpha": alpha}
    if mixed.effects != "intercept":
        found["sigma_beta"] = beta
    if mixed.effects == "correlated":
        found["rho"] = rho
    return found | {"sigma": optimum.sigma}


def _note(mixed: Mixed, optimum: Optimum) -> str:
    alpha, beta, rho = optimum.spreads
    remarks = [f"best: {optimum.start}"]
    if not optimum.converged:
        remarks.append("the optimizer did not report convergence")
    slopes = beta if mixed.effects == "independent" else beta * np.sqrt(max(0.0, 1 - rho**2))
    singular = alpha < SINGULAR * optimum.sigma or (
        mixed.effects != "intercept" and not slopes >= SINGULAR * optimum.sigma
    )
    if singular:
        remarks.append("singular: a spread is 0 or the correlation 1")
    return "; ".join(remarks)


def _rmse(gaps: pd.Series) -> tuple[str, float, float]:
    return "rmse_in_sample", float(np.sqrt((gaps**2).mean())), np.nan


def _row(
    models: str,
    formula: str,
    parameter: str,
    value: float = np.nan,
    se: float = np.nan,
    county: int | None = None,
    **search: object,
) -> dict[str, object]:
    found = {"models": models, "formula": formula, "parameter": parameter, "value": value, "se": se}
    return found | {"county_fips": county, "note": ""} | search


def _table(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype({name: "Int64" for name in ("county_fips", "starts", "agreeing")})


def estimate(data: dict, coords: dict) -> pd.DataFrame:
    """All estimates for a study; models whose data it does not have are left out.

    So is REML of very many houses, see `LARGEST`.

    Returns
    -------
    DataFrame
        `COLUMNS`; a row a parameter. `models` names our programs with the same
        likelihood, separated by blanks. Intercepts, slopes and spreads are in log
        pCi/L; county_fips is set for a county's own line alone; criterion,
        starts and agreeing (starts that found the best optimum) for REML alone.

    Raises
    ------
    DataError
        Data and coordinates are not of one study.
    """
    if data["J"] != len(coords["county_fips"]) or data["N"] != len(coords["house_id"]):
        raise DataError(
            f"study {coords['study']}: its data and coordinates have different houses or "
            "counties; run make again"
        )
    frame = design(data)
    tables = [least_squares(frame), own_lines(frame, coords["county_fips"])]
    if not _too_large(frame):
        tables += [restricted_likelihood(frame, mixed) for mixed in MIXED]
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def main(arguments: list[str] | None = None) -> None:
    """Write the table of a study."""
    given = cli.stage(__doc__, "data", "coords").parse_args(arguments)
    data, coords = (json.loads(p.read_text(encoding="utf-8")) for p in (given.data, given.coords))
    with replacing(given.output) as draft:
        table = estimate(data, coords)
        table.to_csv(draft, index=False, float_format="%.8g", lineterminator="\n")


if __name__ == "__main__":
    cli.run(main)
