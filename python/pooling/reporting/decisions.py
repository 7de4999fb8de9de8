r"""Tables of decisions: what to do in each county, and what policies would cost and save.

    python -m pooling.reporting.decisions DECISION.json REPRESENTED.csv TABLES FITS -o TABLE.csv...

The model is the report's headline model or, if radon has no expectation under it, the next best.
Nothing here is random: the same fits give the same bytes.
"""

from collections.abc import Mapping
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd

from pooling.build import cli
from pooling.build.errors import StudyError
from pooling.deciding.annual import (
    annual,
    cells,
    has_expectation,
    screening_level,
)
from pooling.deciding.book import book
from pooling.deciding.policies import ACTIONS, Houses, best_action, compare
from pooling.deciding.tree import Problem, Radon, boundaries, limit_of, test_of, updated
from pooling.fits.identified import FIRST_FLOOR, identified, shared_effects
from pooling.fits.store import Fit, open_fit, read_table, write_table
from pooling.inputs.decision import SOURCES, TEST_COSTS, Decision, Kind
from pooling.inputs.study import read_section
from pooling.reporting.facts import headline_model
from pooling.scoring.comparison import headline

KINDS: tuple[Kind, ...] = tuple(TEST_COSTS)
LEVELS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0)  # pCi/L, of which the book shows most
CERTAIN = 3  # Monte Carlo errors
FACTOR = 1.5  # by which the factor is changed to see what depends on it
COMPARED = 1000  # draws for policies at many action levels


def decisions(fit: Fit, decision: Decision, represented: pd.DataFrame) -> pd.DataFrame:
    """What to do in new houses of each county and floor.

    Parameters
    ----------
    represented
        As `pooling.inputs.represented` writes it.

    Returns
    -------
    DataFrame
        model, county_fips, county, state, houses, represented, floor, identified; log_mean,
        log_sd, median (of annual living-area radon, log pCi/L and pCi/L); loss_<action> and
        error_<action> (expected loss and its Monte Carlo standard error, dollars); action;
        certain (whether the other losses are larger by more than `CERTAIN` Monte Carlo errors);
        value_of_measuring (dollars); remedy_above, remedy_above_screening (results of a
        long-term test and of an uncorrected screening test above which to remedy, pCi/L;
        missing if no result justifies it). In the order of state, county and floor.
    """
    radon = annual(fit, decision)
    problem, tests = Problem.of(decision), {kind: test_of(decision, kind) for kind in KINDS}
    limits = {kind: limit_of(problem, radon, test) for kind, test in tests.items()}
    losses = {
        "nothing": problem.loss_nothing(radon),
        "measure": problem.loss_measure(radon, tests[decision.test], limits[decision.test]),
        "remedy": problem.loss_remedy(radon),
    }
    chains = fit.tree["posterior"].sizes["chain"]
    table = cells(fit).assign(model=fit.model)
    own = table[["county_fips", "floor"]].merge(represented, how="left")
    table["represented"], table["identified"] = own["represented"], _identified(fit)
    table["log_mean"], table["log_sd"] = radon.moments()
    table["median"] = np.exp(table["log_mean"]) - radon.shift
    for name, loss in losses.items():
        table[f"loss_{name}"] = loss.mean(axis=0)
        table[f"error_{name}"] = monte_carlo_error(loss, chains)
    every = np.stack([losses[name] for name in ACTIONS])
    best = every.mean(axis=1).argmin(axis=0)
    table["action"] = np.array(ACTIONS)[best]
    table["certain"] = _certain(every, best, chains)
    other = table[["loss_nothing", "loss_remedy"]].min(axis=1)
    table["value_of_measuring"] = other - table["loss_measure"]
    table["remedy_above"] = _finite(np.exp(limits["long-term"]) - radon.shift)
    factor = table["floor"].map(decision.factor).to_numpy(float)
    raw = np.exp(limits["screening"]) / factor - fit.response.added
    table["remedy_above_screening"] = _finite(raw)
    columns = ["model", "county_fips", "county", "state", "houses", "represented", "floor"]
    columns += ["identified", "log_mean", "log_sd", "median"]
    columns += [f"{what}_{name}" for what in ("loss", "error") for name in ACTIONS]
    columns += ["action", "certain", "value_of_measuring", "remedy_above", "remedy_above_screening"]
    return table.sort_values(["state", "county", "county_fips", "floor"])[columns]


def monte_carlo_error(values: np.ndarray, chains: int) -> np.ndarray:
    """Standard error of the mean of (sample, ...) draws, chain after chain; 0 if all are equal."""
    error = np.zeros(values.shape[1])
    moving = np.ptp(values, axis=0) > 0
    if moving.any():
        live = values[:, moving].reshape(chains, -1, moving.sum())
        error[moving] = arviz_stats.mcse(live, method="mean")
    return error


def _certain(every: np.ndarray, best: np.ndarray, chains: int) -> np.ndarray:
    """Whether each of (action, sample, cell) losses is surely above that of the best, by cell."""
    smallest = np.take_along_axis(every, best[None, None], axis=0)[0]
    sure = [
        (gap.mean(axis=0) > CERTAIN * monte_carlo_error(gap, chains)) | (best == action)
        for action, gap in enumerate(every - smallest)
    ]
    return np.all(sure, axis=0)


def _identified(fit: Fit) -> np.ndarray:
    """Whether houses of the county on that floor identify its level, by cell."""
    houses = fit.counties["basement_houses"], fit.counties["first_floor_houses"]
    shared = shared_effects(fit.tree["posterior"].to_dataset())
    return np.concatenate([identified(at, *houses, shared) for at in ("alpha", FIRST_FLOOR)])


def _finite(values: np.ndarray) -> np.ndarray:
    """Results from which to remedy: missing if none justifies it, 0 if all do."""
    return np.where(np.isfinite(values), np.maximum(values, 0.0), np.nan)


def houses_of(fit: Fit, decision: Decision, represented: pd.DataFrame, count: int) -> Houses:
    """The houses that the survey stands for, by cell of `annual`."""
    table, radon = cells(fit), annual(fit, decision, count)
    number = table[["county_fips", "floor"]].merge(represented, how="left")["represented"]
    shares = number.groupby(table["floor"]).sum() / number.sum()
    # A county without a house has the study's shares of floors.
    share = number.where(number.groupby(table["county_fips"]).transform("sum") > 0)
    share = share.fillna(table["floor"].map(shares))
    level = share * screening_level(fit, decision, radon)
    by_county = level.groupby(table["county_fips"]).transform("sum")
    by_county /= share.groupby(table["county_fips"]).transform("sum")
    log_factor = np.log(table["floor"].map(decision.factor).to_numpy(float))
    return Houses(
        radon, number.to_numpy(float), log_factor, fit.response.added, by_county.to_numpy()
    )


def policies(fit: Fit, decision: Decision, represented: pd.DataFrame) -> pd.DataFrame:
    """What policies would cost and save at several action levels.

    Returns
    -------
    DataFrame
        policy, action_level (pCi/L), those of `pooling.deciding.policies.outcome`; chosen
        (whether this is the study's action level); weighted (whether houses are counted by the
        survey's weights).
    """
    problem, tests = Problem.of(decision), {kind: test_of(decision, kind) for kind in KINDS}
    own = decision.indifferent_level
    houses = houses_of(fit, decision, represented, COMPARED)
    levels = sorted({own, *(level for level in LEVELS if level > problem.remedied)})
    table = compare(problem, levels, houses, tests, decision)
    chosen = table["action_level"] == own
    return table.assign(chosen=chosen, weighted=bool(represented["weighted"].all()))


def regions(decision: Decision, log_sd: pd.Series) -> pd.DataFrame:
    """Levels from which to measure and to remedy at once, against the action level.

    Parameters
    ----------
    log_sd
        Of the logarithm of predicted radon, log pCi/L, by floor.

    Returns
    -------
    DataFrame
        floor, action_level, measure_from, remedy_from (pCi/L, geometric mean of the prediction),
        log_sd. 60 rows per floor.
    """
    problem = Problem.of(decision)
    low, high = 1.05 * problem.remedied, max(LEVELS[-1], 1.5 * decision.indifferent_level)
    levels = np.geomspace(low, high, 60)
    parts = []
    for floor, sd in log_sd.items():
        start, end = boundaries(problem, test_of(decision, decision.test), levels, np.array(sd))
        columns = {"action_level": levels, "measure_from": start, "remedy_from": end}
        parts.append(pd.DataFrame({"floor": floor} | columns | {"log_sd": sd}))
    return pd.concat(parts, ignore_index=True)


def readings(fit: Fit, decision: Decision, table: pd.DataFrame) -> pd.DataFrame:
    """Expected losses after each result of a test in one county and floor.

    That is where measuring has the largest value for all houses together or, if it has none,
    where it comes closest.

    Returns
    -------
    DataFrame
        county_fips, county, floor, reading (pCi/L), loss_nothing, loss_remedy (dollars, without
        the test), limit (result above which to remedy, pCi/L; missing if none).
    """
    worth = table["value_of_measuring"]
    total = worth * table["represented"].where(worth > 0, 1)
    row = table.loc[total.idxmax()]
    place = cells(fit).query("county_fips == @row.county_fips and floor == @row.floor").index[0]
    radon, problem = annual(fit, decision), Problem.of(decision)
    shift = float(np.broadcast_to(radon.shift, radon.mean.shape[1])[place])
    own = Radon(radon.mean[:, [place]], radon.sd[:, [place]], shift)
    test = test_of(decision, decision.test)
    limit = float(limit_of(problem, own, test)[0])
    levels = np.geomspace(0.25, 4 * decision.indifferent_level, 80)
    after = [updated(own, test, np.log(level + shift)) for level in levels]
    rows = {
        "reading": levels,
        "loss_nothing": [float(r.average(problem.loss_nothing(r))[0]) for r in after],
        "loss_remedy": [float(r.average(problem.loss_remedy(r))[0]) for r in after],
    }
    names = {name: row[name] for name in ("county_fips", "county", "floor")}
    return pd.DataFrame(rows).assign(**names, limit=float(_finite(np.exp(limit) - shift)))


def settings(decision: Decision) -> pd.DataFrame:
    """Every number that decisions rest on: name, value, unit, source; factors by floor."""
    units: dict[str, str] = {"action_level": "pCi/L", "remedied_level": "pCi/L", "years": "years"}
    units |= {
        "remedy_cost": "dollars",
        "test_cost": "dollars",
        "value_per_pci": "dollars per pCi/L",
    }
    units |= {name: "geometric standard deviation" for name in SOURCES if "spread" in name}
    values = decision.model_dump() | {
        "test_cost": decision.cost_of(decision.test),
        "action_level": decision.indifferent_level,
        "value_per_pci": decision.dollars_per_pci,
    }
    default = Decision()
    rows: list[dict] = []
    for name, source in SOURCES.items():
        each = values[name] if isinstance(values[name], Mapping) else {"": values[name]}
        own = getattr(decision, name) != getattr(default, name)
        rows += [
            {"name": f"{name}, {part}" if part else name}
            | {"value": value if isinstance(value, str) else f"{value:.6g}"}
            | {"unit": units.get(name, ""), "source": "the study" if own else source}
            for part, value in each.items()
        ]
    return pd.DataFrame(rows, columns=["name", "value", "unit", "source"])


def sensitivity(fit: Fit, decision: Decision, represented: pd.DataFrame) -> pd.DataFrame:
    """How other settings would change the actions.

    Returns
    -------
    DataFrame
        change (in words); nothing, measure, remedy (share of the houses that the survey stands
        for). The first row is the study's own.
    """
    kind: Kind = "screening" if decision.test == "long-term" else "long-term"
    lower, higher = (
        {k: v * times for k, v in decision.factor.items()} for times in (1 / FACTOR, FACTOR)
    )
    changes: dict[str, dict] = {
        "none": {},
        f"factor divided by {FACTOR:g}": {"factor": lower},
        f"factor times {FACTOR:g}": {"factor": higher},
        "half the noise of a screening test in the survey": {
            "screening_spread": float(
                np.exp(np.hypot(decision.screening_noise / 2, decision.factor_sd))
            )
        },
        "other kind of test": {"test": kind, "test_cost": None},
        "twice the cost of a remedy": {"remedy_cost": 2 * decision.remedy_cost},
    }
    # The value of radon stays as it is.
    fixed: dict[str, float | None] = {"action_level": None, "value_of_life": None}
    fixed["value_per_pci"] = decision.dollars_per_pci
    rows = []
    for change, update in changes.items():
        other = decision.model_copy(update=fixed | update)
        houses = houses_of(fit, other, represented, COMPARED)
        test = test_of(other, other.test)
        action, _ = best_action(Problem.of(other), houses.radon, test)
        shares = np.bincount(action, houses.number, len(ACTIONS)) / houses.number.sum()
        rows.append({"change": change} | dict(zip(ACTIONS, shares, strict=True)))
    return pd.DataFrame(rows)


def deciding_model(tables: Mapping[str, pd.DataFrame], fits: Path) -> str:
    """The headline model, or the one that would be if those without expectations were left out.

    Parameters
    ----------
    fits
        Folder of the fits of the study.

    Raises
    ------
    StudyError
        There is none.
    """
    parameters = tables["estimates"].groupby("model")["parameter"].agg(set)
    sound = parameters.index[parameters.map(has_expectation)]
    models = tables["models"][tables["models"]["model"].isin(sound)]
    if models.empty:
        raise StudyError(
            "[decision]: radon has no expectation under any model of the study; use one with "
            "normal errors, or remove the section"
        )
    chosen = headline_model(tables)
    if chosen in sound:
        return chosen
    return headline(models, [open_fit(fits / name, even_failed=True) for name in models["model"]])


def make_tables(fit: Fit, decision: Decision, represented: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All tables of decisions by name."""
    table = decisions(fit, decision, represented)
    return {
        "decision_settings": settings(decision),
        "decision_sensitivity": sensitivity(fit, decision, represented),
        "book": book(),
        "policies": policies(fit, decision, represented),
        "action_regions": regions(decision, table.groupby("floor")["log_sd"].median()),
        "readings": readings(fit, decision, table),
        "decisions": table,
    }


def main(arguments: list[str] | None) -> None:
    """Write the tables of a study's decisions, each to the output of its name."""
    parser = cli.parser(__doc__)
    for name in ("decision", "represented", "tables", "fits"):
        parser.add_argument(name, type=Path)
    parser.add_argument("-o", "--output", type=Path, nargs="+", required=True)
    given = parser.parse_args(arguments)
    decision = read_section(Decision, given.decision)
    needed = ("models", "estimates")
    tables = {name: read_table(given.tables / f"{name}.csv") for name in needed}
    fit = open_fit(given.fits / deciding_model(tables, given.fits))
    made = make_tables(fit, decision, read_table(given.represented))
    for path in given.output:
        write_table(made[path.stem], path)


if __name__ == "__main__":
    cli.run(main)
