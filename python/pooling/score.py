"""Score a fit, in the sample and out of it.

`python -m pooling.score FIT/fit.nc FIT/loo.csv -o FIT/scores.csv`
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from pooling import cli
from pooling.check import MAX_PARETO_K
from pooling.draws import Fit, open_fit
from pooling.files import replacing

COLUMNS = ["model", "score", "value", "se", "n", "note"]
DEFINITIONS = {
    "rmse_in_sample": "root mean square of log radon minus its posterior mean; "
    "the houses scored are those fitted",
    "rmsd_replications": "root mean square of log radon minus its replications, over houses and "
    "draws; the houses scored are those fitted",
    "rmse_loo": "root mean square of log radon minus its mean predicted from the other houses",
    "elpd_loo": "sum over houses of the log predictive density of log radon given the others",
    "p_loo": "log density in the sample minus elpd_loo: the effective number of parameters",
    "pareto_k": "houses whose Pareto k exceeds 0.7, where the importance sampling behind elpd_loo "
    "and rmse_loo fails; each was left out by an exact refit",
}


def root_mean_square(squares: np.ndarray) -> tuple[float, float]:
    """Root of the mean of `squares`, one a house, and its standard error.

    The standard error is that of the mean, by the delta method: se(m) / (2 sqrt(m)).
    """
    mean = float(squares.mean())
    if mean == 0 or squares.size < 2:
        return float(np.sqrt(mean)), float("nan")
    spread = float(squares.std(ddof=1) / np.sqrt(squares.size))
    return float(np.sqrt(mean)), spread / (2 * float(np.sqrt(mean)))


def total(values: np.ndarray) -> tuple[float, float]:
    """Sum over houses and its standard error, sqrt(n) times their standard deviation."""
    spread = values.std(ddof=1) if values.size > 1 else float("nan")
    return float(values.sum()), float(np.sqrt(values.size) * spread)


def in_sample(fit: Fit) -> dict[str, tuple[float, float, int]]:
    """Scores of the houses that the fit has seen, log pCi/L."""
    y = fit.houses["log_radon"].to_numpy()
    gaps = y - fit.expected().values.mean(axis=0)
    scores = {"rmse_in_sample": (*root_mean_square(gaps**2), y.size)}
    if "posterior_predictive" in fit.tree.children:
        gaps = fit.pointwise("posterior_predictive") - y
        scores["rmsd_replications"] = (*root_mean_square((gaps**2).mean(axis=0)), y.size)
    return scores


def out_of_sample(fit: Fit, loo: pd.DataFrame) -> dict[str, tuple[float, float, int]]:
    """Leave-one-out scores of the houses that could be left out; log pCi/L, elpd in nats."""
    known = loo["elpd"].notna().to_numpy()
    y = fit.houses["log_radon"].to_numpy()[known]
    elpd, mean = loo["elpd"].to_numpy()[known], loo["mean"].to_numpy()[known]
    log_lik = fit.pointwise("log_likelihood").astype(float)[:, known]
    seen = logsumexp(log_lik, axis=0) - np.log(log_lik.shape[0])
    failing = int((~(loo["pareto_k"] <= MAX_PARETO_K)).sum())
    n = int(known.sum())
    return {
        "rmse_loo": (*root_mean_square((y - mean) ** 2), n),
        "elpd_loo": (*total(elpd), n),
        "p_loo": (*total(seen - elpd), n),
        "pareto_k": (failing, float("nan"), len(loo)),
    }


def score(fit: Fit, loo: pd.DataFrame) -> pd.DataFrame:
    """All scores of a fit, one row each; `note` says what to mistrust."""
    scores = in_sample(fit)
    if len(loo):
        scores |= out_of_sample(fit, loo)
    rows = [
        {"model": fit.model, "score": name, "value": value, "se": se, "n": n}
        for name, (value, se, n) in scores.items()
    ]
    table = pd.DataFrame(rows)
    notes: list[Callable[[str], str]] = [
        lambda name: "" if fit.converged else "the fit did not converge",
        lambda name: _noise_note(fit) if name == "rmse_in_sample" else "",
        lambda name: _loo_note(loo) if name in ("rmse_loo", "elpd_loo", "p_loo") else "",
    ]
    table["note"] = ["; ".join(filter(None, (n(s) for n in notes))) for s in table["score"]]
    return table[COLUMNS]


def _noise_note(fit: Fit) -> str:
    """What the Monte Carlo error of posterior means adds to their mean square, if it matters."""
    expected = fit.expected().values
    noise = (expected.var(axis=0, ddof=1) / expected.shape[0]).mean()
    y = fit.houses["log_radon"].to_numpy()
    share = noise / ((y - expected.mean(axis=0)) ** 2).mean()
    if share < 0.01:
        return ""
    return f"about {share:.0%} of the mean square is Monte Carlo error of wide posterior means"


def _loo_note(loo: pd.DataFrame) -> str:
    refits = loo[loo["refitted"]]
    if refits.empty:
        return ""
    lost = int((~refits["converged"]).sum())
    parts = [f"{_houses(len(refits) - lost)} by exact refit"] if lost < len(refits) else []
    if lost:
        parts.append(f"without {_houses(lost)} whose refits did not converge, so compare by house")
    return "; ".join(parts)


def _houses(count: int) -> str:
    return f"{count} house" if count == 1 else f"{count} houses"


def main(arguments: list[str] | None) -> None:
    """Write the scores of one fit."""
    given = cli.stage(__doc__, "fit", "loo").parse_args(arguments)
    table = score(open_fit(given.fit.parent), pd.read_csv(given.loo))
    with replacing(given.output) as draft:
        table.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    cli.run(main)
