"""The data of the explorer's decisions: what the study's table says, and what other settings need.

    python -m pooling.reporting.calculator STORY.json DECISION.json TABLES FITS -o decision.js

At the study's settings the page shows the numbers of the table `decisions`. For other costs, other
households and after a test it computes losses itself, as `pooling.deciding.tree` does, from
mixtures with a few components: groups of the model's draws instead of single ones.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from pooling.build import cli
from pooling.build.errors import StudyError
from pooling.build.files import replacing
from pooling.deciding.annual import annual, has_expectation
from pooling.deciding.policies import ACTIONS
from pooling.deciding.tree import Problem, Radon, test_of
from pooling.fits.store import Fit, open_fit
from pooling.inputs.decision import RISKS, TEST_COSTS, Decision
from pooling.inputs.response import ZERO
from pooling.inputs.sections import FLOORS
from pooling.inputs.study import read_section
from pooling.reporting.decisions import monte_carlo_error
from pooling.reporting.explorer import chosen_models, plain, script
from pooling.reporting.packing import in_steps
from pooling.reporting.tables import read_tables

GROUPS = 20  # of draws, in each county and on each floor
SHOWN = (
    *(f"{what}_{name}" for what in ("loss", "error") for name in ACTIONS),
    *("action", "certain", "remedy_above", "remedy_above_screening"),
)


def grouped(radon: Radon, count: int) -> tuple[Radon, list[int]]:
    """Mixtures of fewer components, with the same mean and standard deviation of log radon.

    In each cell the components, of equal weight, are sorted by their means; each of at most
    `count` groups of as many is replaced by the normal distribution with its mean and variance.

    Returns
    -------
    Radon
        With `count` components.
    list of int
        Components in each group: their weights.
    """
    order = radon.mean.argsort(axis=0)
    parts = np.array_split(order, min(count, len(order)))
    means, variances = [], []
    for part in parts:
        mean, sd = (np.take_along_axis(each, part, axis=0) for each in (radon.mean, radon.sd))
        means.append(mean.mean(axis=0))
        variances.append((sd**2).mean(axis=0) + mean.var(axis=0))
    sizes = [len(part) for part in parts]
    groups = Radon(np.array(means), np.sqrt(variances), radon.shift, np.log(sizes)[:, None])
    return groups, sizes


def components_of(fit: Fit, decision: Decision) -> dict:
    """What the page needs to compute losses under one model.

    Returns
    -------
    dict
        sizes (of the groups); mean, sd (of log radon in the groups, packed, by floor); error
        (Monte Carlo standard error of the mean of log radon over its posterior standard
        deviation, by floor and county: the same for other expectations, nearly). If nothing can
        be decided under the model, missing (why, in words) alone.
    """
    if not has_expectation([str(name) for name in fit.tree["posterior"].data_vars]):
        return {"missing": "radon has no expectation under its Student-t errors"}
    try:
        radon = annual(fit, decision)
    except StudyError:
        return {"missing": "in a county, houses differ by less than the assumed noise of a test"}
    groups, sizes = grouped(radon, GROUPS)
    spread = radon.mean.std(axis=0)
    error = monte_carlo_error(radon.mean, fit.tree["posterior"].sizes["chain"])
    share = np.divide(error, spread, out=np.zeros_like(error), where=spread > 0)
    floors = np.split(np.arange(radon.mean.shape[1]), len(FLOORS))
    return {
        "sizes": sizes,
        "mean": [in_steps(groups.mean[:, cells]) for cells in floors],
        "sd": [in_steps(groups.sd[:, cells]) for cells in floors],
        "error": [share[cells].round(4).tolist() for cells in floors],
    }


def settings_of(decision: Decision, added: float) -> dict:
    """The study's settings, in pCi/L, dollars and logarithms.

    Parameters
    ----------
    added
        To an activity before its logarithm is taken, pCi/L.
    """
    return {
        "problem": asdict(Problem.of(decision)),
        "tests": {kind: asdict(test_of(decision, kind)) for kind in TEST_COSTS},
        "test": decision.test,
        "years": decision.years,
        "factor": [decision.factor[floor] for floor in FLOORS],
        "added": added,
        "zero": ZERO,
        "household": decision.household,
        "risks": RISKS,
    }


def table_of(decisions: pd.DataFrame, codes: list[int]) -> list[dict]:
    """Columns of the table of decisions in the order of `codes`, one dictionary per floor."""
    rows = decisions.set_index(["floor", "county_fips"])
    by_floor = [rows.loc[floor].reindex(codes) for floor in FLOORS]
    return [
        {name: plain(own[name]) if is_number(own[name]) else own[name].tolist() for name in SHOWN}
        for own in by_floor
    ]


def is_number(values: pd.Series) -> bool:
    """Whether they are numbers, not words or truth values."""
    return pd.api.types.is_float_dtype(values) or pd.api.types.is_integer_dtype(values)


def calculator_data(
    tables: Mapping[str, pd.DataFrame], fits: list[Fit], decision: Decision
) -> dict:
    """Everything in `decision.js`."""
    codes = fits[0].counties["county_fips"].tolist()
    return {
        "settings": settings_of(decision, fits[0].response.added),
        "model": tables["decisions"]["model"].iloc[0],
        "table": table_of(tables["decisions"], codes),
        "models": {fit.model: components_of(fit, decision) for fit in fits},
    }


def main(arguments: list[str] | None) -> None:
    """Write the script."""
    parser = cli.stage(__doc__, "story", "decision", "tables", "fits")
    args = parser.parse_args(arguments)
    tables = read_tables(args.tables)
    story = json.loads(args.story.read_text(encoding="utf-8"))
    fits = [open_fit(args.fits / model) for model in chosen_models(tables, story)]
    data = calculator_data(tables, fits, read_section(Decision, args.decision))
    with replacing(args.output) as draft:
        draft.write_text(script("decision", data), encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
