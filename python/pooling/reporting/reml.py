"""Restricted maximum likelihood (REML) of regressions with county effects.

REML has several local optima, some of them singular, so every model is fitted from all of
`STARTS` and the lowest criterion wins; where no two starts agree on it the search goes on. The
criterion is lme4's `REMLcrit`: -2 times the restricted log likelihood. Standard errors of
coefficients are lme4's too: generalised least squares with the spreads taken as known.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams, MixedLMResults

FLOOR = ("mu_alpha", "mu_beta")  # predictors whose coefficients vary between counties


@dataclass(frozen=True)
class Mixed:
    """A regression with county effects.

    Attributes
    ----------
    coefficients
        Our names of the coefficients, columns of the predictors.
    effects
        "intercept", "independent" or "correlated" (intercept and slope).
    """

    coefficients: tuple[str, ...]
    effects: str


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


def restricted_likelihood(frame: pd.DataFrame, mixed: Mixed) -> pd.DataFrame:
    """One mixed model from all starts: one row per parameter of the best optimum.

    A single row without a value if no start gets anywhere.

    Parameters
    ----------
    frame
        As `pooling.reporting.frequentist.design` gives it.
    """
    found = [optimum for start in STARTS if (optimum := _fit(frame, mixed, start))]
    if not found:
        note = f"none of {len(STARTS)} starts reached an optimum"
        return pd.DataFrame([{"value": np.nan, "starts": len(STARTS), "note": note}])
    best = _best(frame, mixed, found)
    rows = {
        "parameter": [*mixed.coefficients, *(spreads := _spreads(mixed, best))],
        "value": [*best.coefficients, *spreads.values()],
        "se": [*coefficient_errors(frame, mixed, best), *[np.nan] * len(spreads)],
        "criterion": best.criterion,
        "starts": len(STARTS),
        "agreeing": sum(o.criterion - best.criterion < AGREEMENT for o in found),
        "note": _note(mixed, best),
    }
    return pd.DataFrame(rows)


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
    intercepts, slopes = np.maximum([alpha / best.sigma, beta / best.sigma], SINGULAR).tolist()
    rho = float(np.clip(np.nan_to_num(rho), -0.99, 0.99))
    further = _fit(frame, mixed, Start("nm", intercepts, slopes, rho))
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
