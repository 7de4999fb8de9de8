"""Score a fit, in sample and out of sample.

    python -m pooling.scoring.score FIT/fit.nc FIT/loo.csv FIT/left_out.csv FIT/replications.nc \\
        FIT/diagnostics.json -o FIT/scores.csv

An out-of-sample score of a house comes from a fit that has not seen it. The standard error
of a score is over the units that were left out: counties where whole counties were, houses
otherwise.
"""

import numpy as np
import pandas as pd

from pooling.build import cli
from pooling.build.errors import DataError
from pooling.fits.limits import MAX_PARETO_K
from pooling.fits.store import Fit, in_interval, read_fit, write_table
from pooling.fitting.generate import REPLICATED
from pooling.inputs.schemes import SCHEMES
from pooling.scoring.standard_errors import cluster, mean, root_mean_square, total

COLUMNS = ["model", "score", "value", "se", "n", "note"]
COVERAGE = (50, 90)  # per cent
FLOORS = {"basement": "in the basement", "first_floor": "on the first floor"}  # 0 and 1
TOLERATED_NOISE = 0.01  # share of a mean square error that may be Monte Carlo error without a note

IN_SAMPLE = {
    "rmse_in_sample": "root mean square of log radon minus its posterior mean, for the houses that "
    "the model was fitted to",
    "rmsd_replications": "root mean square of log radon minus its replications, over draws and the "
    "houses that the model was fitted to",
}
OF_LOO = {
    "p_loo": "in-sample log predictive density minus elpd_loo: the effective number of parameters",
    "pareto_k": f"number of houses whose Pareto k exceeds {MAX_PARETO_K:g}, for which importance "
    "sampling is unreliable; each was left out by an exact refit",
}
OF_LOCO = {
    "pareto_k_loco": f"number of counties whose Pareto k exceeds {MAX_PARETO_K:g} or is undefined, "
    "for which importance sampling is unreliable; each was left out by an exact refit",
}
OF_COUNTIES = {
    f"rmse_county_means_{name}": "root mean square, over counties, of the mean log radon of a "
    f"county's houses minus its predicted mean, with {scheme.left_out} left out"
    for name, scheme in SCHEMES.items()
    if scheme.whole_counties
}
OF_HOUSES = {
    "elpd": "sum over houses of the log predictive density of log radon or, for a house at or "
    "below the study's detection limit, of the log predictive probability of being there",
    "rmse": "root mean square of log radon minus its predicted mean",
    **{
        f"coverage_{share}{of}": f"share of houses{where} in their {share}% predictive interval"
        for share in COVERAGE
        for of, where in [("", ""), *((f"_{name}", f" {on}") for name, on in FLOORS.items())]
    },
}
DEFINITIONS = IN_SAMPLE | OF_LOO | OF_LOCO | OF_COUNTIES
DEFINITIONS |= {
    f"{name}_{scheme}": f"{what}, each with {about.left_out} left out"
    for scheme, about in SCHEMES.items()
    for name, what in OF_HOUSES.items()
}

Score = tuple[float, float, int]


def in_sample(fit: Fit) -> dict[str, Score]:
    """In-sample scores, log pCi/L."""
    y = fit.houses["log_radon"].to_numpy()
    each = np.arange(y.size)
    gaps = y - fit.expected_moments["mean"].to_numpy()
    scores = {"rmse_in_sample": (*root_mean_square(gaps**2, each), y.size)}
    if "posterior_predictive" in fit.tree.children:
        gaps = fit.replications("posterior_predictive", REPLICATED) - y
        scores["rmsd_replications"] = (*root_mean_square((gaps**2).mean(axis=0), each), y.size)
    return scores


def out_of_sample(fit: Fit, scheme: str, rows: pd.DataFrame) -> dict[str, Score]:
    """Scores of the houses with out-of-sample predictions; errors in log pCi/L, elpd in nats.

    Parameters
    ----------
    rows
        One of `Fit.left_out`.
    """
    known = rows["elpd"].notna().to_numpy()
    houses, rows = fit.houses[known], rows[known]
    n = len(rows)
    gaps = houses["log_radon"].to_numpy() - rows["mean"].to_numpy()
    group = cluster(fit, scheme)[known]
    scores: dict[str, Score] = {
        f"elpd_{scheme}": (*total(rows["elpd"].to_numpy(), group), n),
        f"rmse_{scheme}": (*root_mean_square(gaps**2, group), n),
    }
    if SCHEMES[scheme].whole_counties:
        means = pd.Series(gaps).groupby(group).mean().to_numpy()
        each = np.arange(means.size)
        scores[f"rmse_county_means_{scheme}"] = (*root_mean_square(means**2, each), means.size)
    for share in COVERAGE:
        inside = in_interval(rows["pit"], share / 100).astype(float)
        scores[f"coverage_{share}_{scheme}"] = (*mean(inside, group), n)
        for floor, name in enumerate(FLOORS):
            own = houses["floor"].to_numpy() == floor
            if own.any():
                found = (*mean(inside[own], group[own]), int(own.sum()))
                scores[f"coverage_{share}_{name}_{scheme}"] = found
    return scores


def of_loo(fit: Fit) -> dict[str, Score]:
    """Further results of leave-one-out: p_loo (nats) and the number of houses with a high k."""
    known = fit.loo[fit.loo["elpd"].notna()]
    surplus = (known["lpd"] - known["elpd"]).to_numpy()
    failing = int((~(fit.loo["pareto_k"] <= MAX_PARETO_K)).sum())
    n = len(known)
    return {
        "p_loo": (*total(surplus, np.arange(n)), n),
        "pareto_k": (failing, float("nan"), len(fit.loo)),
    }


def of_loco(fit: Fit) -> dict[str, Score]:
    """Number of counties left out by a refit because importance sampling is unreliable."""
    folds = fit.left_out["loco"].drop_duplicates("fold")
    failing = int((~(folds["pareto_k"] <= MAX_PARETO_K)).sum())
    return {"pareto_k_loco": (failing, float("nan"), len(folds))}


def without_score(scheme: str) -> dict[str, Score]:
    """The missing scores of a scheme under which no house has one."""
    names = [name for name in DEFINITIONS if name.endswith(f"_{scheme}") and name not in OF_LOO]
    return dict.fromkeys(names, (float("nan"), float("nan"), 0))


def score(fit: Fit) -> pd.DataFrame:
    """All scores of a fit, one row each, with reservations in `note`.

    Raises
    ------
    DataError
        The houses that were left out are not those of the fit.
    """
    parts = [_rows(fit, in_sample(fit), _noise_in_sample(fit))]
    for scheme, rows in fit.left_out.items():
        if rows["house"].tolist() != fit.houses["house"].tolist():
            raise DataError(
                f"the houses left out of {fit.model} ({scheme}) are not those of its fit; "
                "delete its loo.csv and left_out.csv and run make again"
            )
        if rows["elpd"].isna().all():
            parts.append(_rows(fit, without_score(scheme), "no refit converged, so no scores"))
            continue
        scores = out_of_sample(fit, scheme, rows)
        scores |= {"loo": of_loo, "loco": of_loco}.get(scheme, lambda fit: {})(fit)
        parts.append(_rows(fit, scores, *_lost(fit, rows), _noise(fit, rows)))
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _rows(fit: Fit, scores: dict[str, Score], *notes: str) -> pd.DataFrame:
    table = pd.DataFrame(
        [
            {"model": fit.model, "score": name, "value": value, "se": se, "n": n}
            for name, (value, se, n) in scores.items()
        ]
    )
    failed = "" if fit.converged else "the fit did not converge"
    table["note"] = "; ".join(filter(None, (failed, *notes)))
    return table


def _noise_in_sample(fit: Fit) -> str:
    expected, draws = fit.expected_moments, fit.tree["posterior"].sizes
    noise = expected["variance"].to_numpy() / (draws["chain"] * draws["draw"])
    gaps = fit.houses["log_radon"].to_numpy() - expected["mean"].to_numpy()
    return _share_of_noise(noise, gaps)


def _noise(fit: Fit, rows: pd.DataFrame) -> str:
    gaps = fit.houses["log_radon"].to_numpy() - rows["mean"].to_numpy()
    return _share_of_noise(rows["mcse"].to_numpy() ** 2, gaps)


def _share_of_noise(noise: np.ndarray, gaps: np.ndarray) -> str:
    """A note if Monte Carlo error is a relevant part of the mean square error."""
    share = np.nanmean(noise) / np.nanmean(gaps**2)
    if not share >= TOLERATED_NOISE:
        return ""
    return f"about {share:.0%} of the mean square error is Monte Carlo error of the posterior mean"


def _lost(fit: Fit, rows: pd.DataFrame) -> tuple[str, ...]:
    """Notes: how many houses were left out by a refit each, and how many have no score."""
    why = "refits did not converge" if fit.converged else "Pareto k is too high"
    lost = int(rows["elpd"].isna().sum())
    exact = int((rows["refitted"] & rows["elpd"].notna()).sum()) if "refitted" in rows else 0
    return (
        f"{_houses(exact)} left out by exact refits" if exact else "",
        f"without {_houses(lost)} whose {why}: compare models house by house" if lost else "",
    )


def _houses(count: int) -> str:
    return f"{count} house" if count == 1 else f"{count} houses"


def main(arguments: list[str] | None) -> None:
    """Write the scores of one fit."""
    names = ("loo", "left_out", "replications", "diagnostics")
    given = cli.stage(__doc__, "fit", *names).parse_args(arguments)
    table = score(read_fit(given.fit, **{name: getattr(given, name) for name in names}))
    write_table(table, given.output)


if __name__ == "__main__":
    cli.run(main)
