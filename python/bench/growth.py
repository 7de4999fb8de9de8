"""Does sampling take longer with more houses?

`python -m bench.growth stan/hierarchical_marginal -o growth.csv`
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from bench.engines.cmdstan import elapsed_seconds, sample
from bench.exchange import CORES
from bench.large import simulate
from bench.targets import Target, announce
from pooling.build import cli
from pooling.build.files import replacing
from pooling.fitting.generate import to_predict

COUNTIES = 1_000
AT_MOST = 1.2


def stan_data(houses: int, counties: int, seed: int) -> dict:
    """Stan data of simulated houses, with the priors of study minnesota."""
    table, places = simulate(houses, counties, seed)
    position = pd.Series(np.arange(1, counties + 1), index=places["county_fips"])
    data = {
        "N": houses,
        "J": counties,
        "county": position.loc[table["county_fips"]].tolist(),
        "floor_measure": table["floor"].tolist(),
        "log_radon": np.log(table["activity"]).tolist(),
        **to_predict([], []),
    }
    for effect in ("alpha", "beta"):
        data |= {f"prior_mu_{effect}_loc": 0.0, f"prior_mu_{effect}_scale": 10.0}
    for name in ("sigma_alpha", "sigma_beta", "sigma"):
        data |= {f"prior_{name}_scale": 1.0, f"prior_{name}_upper": float("inf")}
    return data


def measure(executable: Path, data: Path, houses: int, seed: int, folder: Path) -> dict:
    """One row: four chains of 1000 + 1000, on all cores.

    `sampling_s` adds up what the chains say of warm-up and sampling, over the cores; `wall_s`
    is from the start of the first to the exit of the last, with reading the data four times.
    """
    wall_s, outputs = sample(executable, data, folder, seed=seed)
    sampling_s = sum(elapsed_seconds(outputs)) / CORES
    row = {"houses": houses, "counties": COUNTIES, "seed": seed, "wall_s": wall_s}
    return row | {"sampling_s": sampling_s, "other_s": wall_s - sampling_s}


def growth_targets(table: pd.DataFrame) -> list[Target]:
    """Sampling with the most houses, over sampling with the fewest; medians over seeds."""
    medians = table.groupby("houses")["sampling_s"].median().sort_index()
    what = f"sampling {medians.index[-1]:,} houses, times {medians.index[0]:,}"
    return [Target(what, float(medians.iloc[-1] / medians.iloc[0]), AT_MOST)]


def main(arguments: list[str] | None) -> None:
    """Measure, small and large taking turns."""
    parser = cli.stage(__doc__, "executable")
    parser.add_argument("--houses", type=int, nargs="+", default=[20_000, 2_000_000])
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for houses in given.houses:
            data = json.dumps(stan_data(houses, COUNTIES, seed=1))
            (folder / f"{houses}.json").write_text(data, encoding="utf-8")
        for seed in range(1, given.seeds + 1):
            for houses in given.houses:
                data = folder / f"{houses}.json"
                rows.append(measure(given.executable, data, houses, seed, folder))
                print({name: round(x, 2) for name, x in rows[-1].items()}, file=sys.stderr)
    table = pd.DataFrame(rows)
    with replacing(given.output) as draft:
        table.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")
    announce(growth_targets(table))


if __name__ == "__main__":
    cli.run(main)
