"""Tables of a study: the estimates, diagnostics and scores of all models, and the answer by county.

`python -m pooling.reporting.results COORDS.json FIT... -o TABLES --priors PRIORS.json`

The folder TABLES gets one CSV a table; `TABLE_NOTES` says what is in each. Nothing here is
random: the same fits give the same bytes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import LinearConstraint, minimize
from scipy.optimize.elementwise import find_root

from pooling.build import cli
from pooling.build.errors import DataError
from pooling.build.files import replacing
from pooling.checking.sensitivity import DIAGNOSES, SENSITIVE
from pooling.fits.convergence import GROUPS
from pooling.fits.identified import FIRST_FLOOR, identified, is_shared, shared_effects
from pooling.fits.limits import MAX_R_HAT, MIN_E_BFMI, MIN_ESS_PER_CHAIN
from pooling.fits.new_house import NORMAL, Errors, above_action_level, errors_of, house_sd
from pooling.fits.store import Fit, open_fit
from pooling.inputs.priors import PARTS, Priors
from pooling.inputs.response import ACTION_LEVEL, activity, log_activity
from pooling.inputs.study import read_section
from pooling.scoring.score import DEFINITIONS

INTERVAL = (0.05, 0.95)
FLOORS = ("basement", "first floor")
IMPLAUSIBLE = 1000.0  # pCi/L: 250 times the action level; no house of the survey reaches 300
STRUCTURES = ("complete pooling", "no pooling", "partial pooling", "other")

TABLE_NOTES = {
    "models": "models of the study, how they share between counties, and whether they converged",
    "estimates": "posterior of every parameter of every model",
    "diagnostics": "the gate: one row for each model and group of draws",
    "scores": "scores in the sample and out of it",
    "comparison": "elpd_loo of each model minus that of the best converged one, house by house; "
    "stacking weights",
    "counties": "expected radon of each county under each model, and of a new house there",
    "data_rules": "what was done to the rows of the data, in order",
    "data_summary": "the houses of the study, by floor",
    "prior_predictive": "what each model's prior takes for a typical house, before any is seen",
    "sensitivity": "how much population parameters depend on prior and likelihood",
    "other_priors": "population parameters under the study's priors and under others",
    "frequentist": "least squares and REML estimates of the same models, without priors",
    "published": "published values of this study beside ours; none for data of one's own",
    "priors": "the study's priors, on the scale of log pCi/L",
    "definitions": "what the columns, the gate's checks and the scores mean",
}
COLUMN_DEFINITIONS = {
    "typical": "activity (pCi/L) below which half of the county's houses on this floor lie; "
    "posterior median",
    "typical_q5, typical_q95": "90% interval of typical: how well the county's level is known",
    "house_q5, house_q95": "90% of new houses lie between these activities (pCi/L)",
    "p_action": f"probability that a new house is at or above {ACTION_LEVEL:g} pCi/L, the EPA's "
    "action level",
    "identified": "whether the data inform the number without the prior's or the population's help",
    "prior, likelihood": "how far the posterior moves, in cumulative Jensen-Shannon distance, for "
    f"each doubling of the power that the prior or likelihood is raised to; from {SENSITIVE:g} on "
    "it matters",
    "prior_pareto_k, likelihood_pareto_k": "Pareto k of the weights behind these numbers",
    "weight": "share of the model in the mixture of converged models that predicts left-out houses "
    "best (stacking); models that predict alike share what one of them would have alone",
    "prior_q5, prior_q50, prior_q95": "quantiles of typical over draws of the prior and counties",
    "share_implausible": f"share of these draws above {IMPLAUSIBLE:,.0f} pCi/L, "
    f"{IMPLAUSIBLE / ACTION_LEVEL:g} times the action level",
    "shift": "difference to the mean under the study's priors, in its standard deviation",
}
CHECK_DEFINITIONS = {
    "divergences": "0: transitions at which the sampler lost its way",
    "treedepth_hits": "0: transitions that were cut short",
    "e_bfmi": f"at least {MIN_E_BFMI:g}: how well the sampler's energy moves",
    "r_hat": f"at most {MAX_R_HAT:g}: spread of all chains together over that within chains",
    "ess_bulk": f"at least {MIN_ESS_PER_CHAIN} a chain: independent draws that the centre is worth",
    "ess_tail": f"at least {MIN_ESS_PER_CHAIN} a chain: independent draws that the tails are worth",
}


@dataclass(frozen=True)
class Result:
    """A fit and the tables that earlier stages wrote into its folder."""

    folder: Path
    fit: Fit

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """As `pooling.checking.check` writes it: one row a parameter."""
        return self._read("estimates.csv").astype({"county_fips": "Int64", "houses": "Int64"})

    @cached_property
    def scores(self) -> pd.DataFrame:
        """As `pooling.scoring.score` writes it: one row a score."""
        return self._read("scores.csv")

    @cached_property
    def loo(self) -> pd.DataFrame:
        """As `pooling.scoring.loo` writes it: one row per house, or none."""
        return self._read("loo.csv")

    @cached_property
    def sensitivity(self) -> pd.DataFrame:
        """As `pooling.checking.sensitivity` writes it: one row a population parameter."""
        return self._read("sensitivity.csv")

    @cached_property
    def other_priors(self) -> pd.DataFrame:
        """As `pooling.checking.other_priors` writes it: a row per set and parameter."""
        return self._read("other_priors.csv")

    def _read(self, name: str) -> pd.DataFrame:
        path = self.folder / name
        try:
            # A county may be called NA: only an empty field is missing.
            return pd.read_csv(path, keep_default_na=False, na_values=[""])
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; make it with `make {self.fit.model}`") from None


def open_results(folders: Sequence[Path], coords: dict) -> list[Result]:
    """Open the fits of one study, in the order of `STRUCTURES`, then by name.

    Raises
    ------
    DataError
        There is no fit, one has not been checked, or one belongs to another
        study or to other data.
    """
    if not folders:
        raise DataError(f"study {coords['study']} has no fit; make them with `make all`")
    results = [Result(Path(folder), open_fit(folder)) for folder in folders]
    for result in results:
        _belongs(result, coords)
    return sorted(results, key=lambda r: (STRUCTURES.index(structure(r.fit)), r.fit.model))


def _belongs(result: Result, coords: dict) -> None:
    path, fit = result.folder / "fit.nc", result.fit
    if fit.study != coords["study"]:
        raise DataError(
            f"{path}: a fit to study {fit.study}, not to {coords['study']}; name its own"
        )
    houses = fit.tree["constant_data"]["house"].values.tolist()
    same = (
        fit.counties["county_fips"].tolist() == coords["county_fips"]
        and houses == coords["house_id"]
        and fit.tree.attrs["response"] == coords["response"]
    )
    if not same:
        raise DataError(
            f"{path}: fitted to other houses, counties or another response than study "
            f"{fit.study} has now; run make again"
        )
    if not set(GROUPS) <= set(fit.diagnostics):
        raise DataError(
            f"{result.folder / 'diagnostics.json'}: the fit has not been checked; "
            f"run `make {fit.model}`"
        )


def structure(fit: Fit) -> str:
    """How a model shares between counties, one of `STRUCTURES`.

    The draws decide: effects that are the same in all counties are completely
    pooled, a population spread makes them partially pooled. Names serve where
    the draws cannot tell, in a study of one county.
    """
    effects = fit.effects()
    counties = effects.sizes["county"]
    if {"sigma_alpha", "sigma_beta"} & set(fit.tree["posterior"].data_vars):
        return "partial pooling"
    if counties > 1 and all(is_shared(effects[name].values) for name in ("alpha", "beta")):
        return "complete pooling"
    stems = {"pooled": "complete pooling", "per_county": "no pooling"}
    return next((kind for stem, kind in stems.items() if fit.model.startswith(stem)), "other")


def models(results: Sequence[Result]) -> pd.DataFrame:
    """One row a model: model, structure, converged, allowed_to_fail (the study's reason)."""
    rows = [
        {
            "model": r.fit.model,
            "structure": structure(r.fit),
            "converged": r.fit.converged,
            "allowed_to_fail": r.fit.diagnostics.get("allowed_to_fail"),
        }
        for r in results
    ]
    return pd.DataFrame(rows)


def diagnostics(results: Sequence[Result]) -> pd.DataFrame:
    """One row for each model and group, posterior or prior, of the gate's findings.

    `<check>_parameter` is the parameter with the worst value; `failed` names the
    failed checks; `passed` is about the group, not about the whole model.
    """
    rows = []
    for result in results:
        for group in GROUPS:
            found = dict(result.fit.diagnostics[group])
            checks = found.pop("checks")
            row = {"model": result.fit.model, "group": group}
            for name, value in found.items():
                worst = value if isinstance(value, dict) else {"value": value}
                row[name] = worst["value"]
                if "parameter" in worst:
                    row[f"{name}_parameter"] = worst["parameter"]
            row["passed"] = all(checks.values())
            row["failed"] = "; ".join(name for name, passed in checks.items() if not passed)
            row["allowed_to_fail"] = result.fit.diagnostics.get("allowed_to_fail")
            rows.append(row)
    return pd.DataFrame(rows)


def comparison(results: Sequence[Result]) -> pd.DataFrame:
    """elpd_loo of each model minus that of the best converged one, over the houses both predict.

    Returns
    -------
    DataFrame
        model, reference, elpd_loo (nats, over the n houses), elpd_difference and
        se (nats; se is sqrt(n) times the standard deviation over houses), n, weight
        (`stacking_weights` over the houses that every converged model predicts;
        missing for a model that did not converge). Empty without a converged
        model that has densities by house.
    """
    columns = ["model", "reference", "elpd_loo", "elpd_difference", "se", "n", "weight"]
    elpd = {r.fit.model: r.loo.set_index("house")["elpd"] for r in results if len(r.loo)}
    table = pd.DataFrame(elpd).dropna(axis="columns", how="all")
    rivals = [r.fit.model for r in results if r.fit.converged and r.fit.model in table]
    if not rivals:
        return pd.DataFrame(columns=columns)
    common = table[rivals].dropna()
    best = common.sum().idxmax()
    gaps = table.sub(table[best], axis="index")
    n = gaps.count()
    found = pd.DataFrame(
        {
            "reference": best,
            "elpd_loo": table.where(gaps.notna()).sum(),
            "elpd_difference": gaps.sum(),
            "se": np.sqrt(n) * gaps.std(ddof=1),
            "n": n,
            "weight": stacking_weights(common),
        }
    )
    return found.loc[table.columns].rename_axis("model").reset_index()[columns]


def stacking_weights(elpd: pd.DataFrame) -> pd.Series:
    """Shares of the mixture of models that predicts left-out houses best, by model.

    The method is that of Yao, Vehtari, Simpson and Gelman (2018), Bayesian Analysis 13(3).

    Parameters
    ----------
    elpd
        Log density of each left-out house (rows) under each model (columns), nats.
    """
    if elpd.empty:
        return pd.Series(np.nan, index=elpd.columns)
    # A factor for each house moves the score by a constant, and keeps densities from 0.
    density = np.exp(elpd.sub(elpd.max(axis="columns"), axis="index").to_numpy(float))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixture = density @ weights
        return -np.log(mixture).mean(), -(density / mixture[:, None]).mean(axis=0)

    models = elpd.shape[1]
    found = minimize(
        loss,
        np.full(models, 1 / models),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * models,
        constraints=LinearConstraint(np.ones(models), 1, 1),
        options={"ftol": 1e-10},
    )
    weights = found.x.clip(0, 1)
    return pd.Series(weights / weights.sum(), index=elpd.columns)


def counties(results: Sequence[Result]) -> pd.DataFrame:
    """The answer: radon of each county under each model, one row a floor; see `county_levels`."""
    return pd.concat([county_levels(r.fit) for r in results], ignore_index=True)


def county_levels(fit: Fit) -> pd.DataFrame:
    """What one model says of each county, in pCi/L, without any random number.

    Returns
    -------
    DataFrame
        model, converged, county_fips, county, state, houses,
        first_floor_houses, floor, identified, typical, typical_q5, typical_q95,
        house_q5, house_q95, p_action; see `COLUMN_DEFINITIONS`. A row for each
        county and floor, in the order of county name, then floor. A level is
        identified by houses of the county on that floor, one that all counties
        share by any house there.
    """
    effects, spread = fit.effects(), house_sd(fit)
    response = fit.tree.attrs["response"]
    table = fit.counties.assign(model=fit.model, converged=fit.converged)
    houses = table["basement_houses"], table["first_floor_houses"]
    shared = shared_effects(fit.tree["posterior"].to_dataset())
    parts = []
    for floor, level in enumerate(("alpha", FIRST_FLOOR)):
        mean = (effects["alpha"] + floor * effects["beta"]).values
        levels = {"floor": FLOORS[floor], "identified": identified(level, *houses, shared)}
        parts.append(table.assign(**levels, **_radon(mean, spread, response, errors_of(fit))))
    columns = ["model", "converged", "county_fips", "county", "state", "houses"]
    columns += ["first_floor_houses", "floor", "identified", "typical", "typical_q5", "typical_q95"]
    columns += ["house_q5", "house_q95", "p_action"]
    return pd.concat(parts).sort_values(["state", "county", "county_fips", "floor"])[columns]


def _radon(
    mean: np.ndarray, spread: np.ndarray, response: str, errors: Errors
) -> dict[str, np.ndarray]:
    """Levels, intervals and probability of each county, from (sample, county) log pCi/L."""
    low, middle, high = np.quantile(mean, (INTERVAL[0], 0.5, INTERVAL[1]), axis=0)
    low_house, high_house = (predictive_quantile(mean, spread, q, errors) for q in INTERVAL)
    return {
        "typical": activity(middle, response),
        "typical_q5": activity(low, response),
        "typical_q95": activity(high, response),
        "house_q5": activity(low_house, response),
        "house_q95": activity(high_house, response),
        "p_action": above_action_level(mean, spread, response, errors).mean(axis=0),
    }


def predictive_quantile(
    mean: np.ndarray, spread: np.ndarray, share: float, errors: Errors = NORMAL
) -> np.ndarray:
    """Quantile of a new house, whose distribution is the mean of the draws' own ones.

    Parameters
    ----------
    mean, spread
        (sample, county) or, for `spread`, (sample, 1), log pCi/L.
    share
        Share of new houses below the quantile, between 0 and 1.
    errors
        Distribution of houses given a draw.

    Returns
    -------
    ndarray
        (county,), log pCi/L.
    """

    def excess(value: np.ndarray, county: np.ndarray) -> np.ndarray:
        within = np.broadcast_to(spread, mean.shape)[:, county.astype(int)]
        return errors.cdf((value - mean[:, county.astype(int)]) / within).mean(axis=0) - share

    # A mixture's quantile lies between the least and the greatest of its parts' quantiles.
    parts = mean + errors.quantile(share) * spread
    margin = 1e-6
    bracket = (parts.min(axis=0) - margin, parts.max(axis=0) + margin)
    return find_root(excess, bracket, args=(np.arange(mean.shape[1]),)).x


def prior_predictive(results: Sequence[Result]) -> pd.DataFrame:
    """What the prior of each model says of a typical house, in pCi/L; nothing is random.

    Returns
    -------
    DataFrame
        model, floor, prior_q5, prior_q50, prior_q95 (pCi/L; infinite above the
        largest float), share_implausible, implausible (pCi/L), over draws of
        the prior and counties. A row for each model and floor.
    """
    rows = []
    for result in results:
        fit, effects = result.fit, result.fit.effects("prior")
        response = fit.tree.attrs["response"]
        for floor, name in enumerate(FLOORS):
            mean = (effects["alpha"] + floor * effects["beta"]).values
            # Quantiles of the logarithm, since the tutorial's priors overflow its exponential.
            low, middle, high = activity(np.quantile(mean, (0.05, 0.5, 0.95)), response)
            rows.append(
                {
                    "model": fit.model,
                    "floor": name,
                    "prior_q5": low,
                    "prior_q50": middle,
                    "prior_q95": high,
                    "share_implausible": (mean > log_activity(IMPLAUSIBLE, response)).mean(),
                    "implausible": IMPLAUSIBLE,
                }
            )
    return pd.DataFrame(rows)


def data_summary(fit: Fit) -> pd.DataFrame:
    """Houses of the study, one row for all and one for each floor.

    Returns
    -------
    DataFrame
        floor, houses, counties (that have such houses), mean, sd (log pCi/L),
        median (pCi/L), share_action (of houses at or above `action_level`),
        action_level (pCi/L), response.
    """
    response = fit.tree.attrs["response"]
    # The level is a logarithm of its own: without room for its last digit it may miss a 4.0.
    level = log_activity(ACTION_LEVEL, response) - 1e-9
    rows = []
    for floor, name in ((None, "all"), *enumerate(FLOORS)):
        houses = fit.houses if floor is None else fit.houses.query("floor == @floor")
        y = houses["log_radon"]
        rows.append(
            {
                "floor": name,
                "houses": len(houses),
                "counties": houses["county_fips"].nunique(),
                "mean": y.mean(),
                "sd": y.std(ddof=1),
                "median": float(activity(y.median(), response)),
                "share_action": (y >= level).mean(),
                "action_level": ACTION_LEVEL,
                "response": response,
            }
        )
    return pd.DataFrame(rows)


def priors_table(priors: Priors) -> pd.DataFrame:
    """One row a parameter: parameter, prior (its kind), loc, scale, upper, shape, rate."""
    rows = []
    for parameter, prior in priors:
        # What is infinite sets no scale or bound.
        finite = {name: value for name, value in prior if np.isfinite(value)}
        rows.append({"parameter": parameter, "prior": prior.family} | finite)
    return pd.DataFrame(rows, columns=["parameter", "prior", *PARTS])


def definitions() -> pd.DataFrame:
    """Give kind (table, column, check, score, diagnosis), name and definition of each term."""
    kinds = {
        "table": TABLE_NOTES,
        "column": COLUMN_DEFINITIONS,
        "check": CHECK_DEFINITIONS,
        "score": DEFINITIONS,
        "diagnosis": DIAGNOSES,
    }
    rows = [(kind, *pair) for kind, texts in kinds.items() for pair in texts.items()]
    return pd.DataFrame(rows, columns=["kind", "name", "definition"])


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of several with the same columns, some of which may be empty."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def make_tables(results: Sequence[Result], coords: dict) -> dict[str, pd.DataFrame]:
    """All tables that fits and rules give, by name; see `TABLE_NOTES`.

    The scores are last: once make sees them, the other tables are there.
    """
    return {
        "models": models(results),
        "estimates": pd.concat([r.estimates for r in results], ignore_index=True),
        "diagnostics": diagnostics(results),
        "comparison": comparison(results),
        "counties": counties(results),
        "prior_predictive": prior_predictive(results),
        "sensitivity": joined([r.sensitivity for r in results]),
        "other_priors": joined([r.other_priors for r in results]),
        "data_rules": pd.DataFrame(coords["rules"], columns=["rule", "rows", "reason"]),
        "data_summary": data_summary(results[0].fit),
        "definitions": definitions(),
        "scores": pd.concat([r.scores for r in results], ignore_index=True),
    }


def main(arguments: list[str] | None) -> None:
    """Write the tables of a study."""
    parser = cli.stage(__doc__, "coords", many="fits")
    parser.add_argument("--priors", type=Path, help="the study's [priors] section")
    given = parser.parse_args(arguments)
    coords = json.loads(given.coords.read_text(encoding="utf-8"))
    tables = make_tables(open_results(given.fits, coords), coords)
    if given.priors:
        tables = {"priors": priors_table(read_section(Priors, given.priors))} | tables
    for name, table in tables.items():
        with replacing(given.output / f"{name}.csv") as draft:
            table.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    cli.run(main)
