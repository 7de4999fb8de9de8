"""Simulate a large study whose parameters are known.

`python -m bench.large FOLDER --houses 2000000 --counties 1000 --seed 1`

Writes `houses.csv`, `counties.csv` (with the true `alpha` and `beta` of each county
in two more columns, which the workflow does not read) and `large.toml`, a study of
them that can be copied to `data/studies/`. Its models see each county through counts, means
and squares of its houses, so that a step costs the same however many there are; `pooled`,
which goes through the houses, takes more than ten minutes a chain.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pooling.build.files import replacing

STATES = 10
STUDY = """\
title = "Simulated houses"
description = "{houses:,} houses in {counties:,} counties, simulated with {truth}."

[data]
houses = "{folder}/houses.csv"
counties = "{folder}/counties.csv"
response = "log(x), 0 as 0.1"
drop_counties = []

# Means and coefficients within about 23 log units, standard deviations below about 2.6.
[priors]
alpha       = {{ loc = 0, scale = 10 }}
beta        = {{ loc = 0, scale = 10 }}
mu_alpha    = {{ loc = 0, scale = 10 }}
mu_beta     = {{ loc = 0, scale = 10 }}
sigma       = {{ scale = 1 }}
sigma_alpha = {{ scale = 1 }}
sigma_beta  = {{ scale = 1 }}

# So many houses fix sigma and mu_beta more narrowly than the sampler's metric can follow, which
# takes shorter steps and more draws.
[sampler]
seed = 20070
chains = 4
warmup = 1000
draws = 2000
prior_draws = 1000
adapt_delta = 0.99

[scores]
pointwise = false
leave_out = []

[models]
use = ["per_county_common_slope", "hierarchical_marginal"]
"""


@dataclass(frozen=True)
class Truth:
    """Parameters that houses are simulated with, log pCi/L."""

    mu_alpha: float = 1.4
    mu_beta: float = -0.6
    sigma_alpha: float = 0.35
    sigma_beta: float = 0.25
    sigma: float = 0.75
    first_floor: float = 0.2  # share of houses


def simulate(
    houses: int, counties: int, seed: int, truth: Truth | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Houses and counties as the workflow's two tables.

    Counties differ in size as in the survey, where a few have most of the houses;
    each has at least one house if there are as many houses as counties.

    Returns
    -------
    DataFrame, DataFrame
        house_id, state, county_fips, floor, activity (pCi/L); county_fips, state,
        county, alpha, beta (log pCi/L).
    """
    truth = truth or Truth()
    rng = np.random.default_rng(seed)
    number = np.arange(counties)
    state = number * STATES // counties + 1
    # Odd numbers within a state, as FIPS codes are.
    fips = 1000 * state + 2 * (number - np.searchsorted(state, state)) + 1
    alpha = rng.normal(truth.mu_alpha, truth.sigma_alpha, counties)
    beta = rng.normal(truth.mu_beta, truth.sigma_beta, counties)
    sizes = rng.lognormal(0, 1, counties)
    drawn = rng.choice(counties, size=max(houses - counties, 0), p=sizes / sizes.sum())
    county = np.sort(np.concatenate([number, drawn])[:houses])
    floor = (rng.random(houses) < truth.first_floor).astype(int)
    response = rng.normal(alpha[county] + beta[county] * floor, truth.sigma)
    names = np.char.mod("S%02d", state)
    table = pd.DataFrame(
        {
            "house_id": np.arange(1, houses + 1),
            "state": names[county],
            "county_fips": fips[county],
            "floor": floor,
            "activity": np.exp(response).round(4),
        }
    )
    places = {"county_fips": fips, "state": names, "county": np.char.mod("COUNTY %d", number + 1)}
    return table, pd.DataFrame(places | {"alpha": alpha, "beta": beta})


def write_study(folder: Path, houses: pd.DataFrame, counties: pd.DataFrame, truth: Truth) -> None:
    """Write the two tables and the study of them."""
    for name, table in (("houses", houses), ("counties", counties)):
        with replacing(folder / f"{name}.csv") as draft:
            table.to_csv(draft, index=False, lineterminator="\n")
    text = STUDY.format(
        houses=len(houses),
        counties=len(counties),
        truth=", ".join(f"{name} {value}" for name, value in asdict(truth).items()),
        folder=folder.resolve().as_posix(),
    )
    with replacing(folder / "large.toml") as draft:
        draft.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--houses", type=int, default=2_000_000)
    parser.add_argument("--counties", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    truth = Truth()
    houses, counties = simulate(given.houses, given.counties, given.seed, truth)
    write_study(given.folder, houses, counties, truth)


if __name__ == "__main__":
    main()
