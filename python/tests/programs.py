"""The programs in `stan/`, small data for them, and the data of the shipped studies."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from pooling.fits.store import Fit
from pooling.fitting.chains import read_chains
from pooling.fitting.fit import as_tree
from pooling.fitting.sampling import sample
from pooling.inputs.prepare import prepare
from pooling.inputs.priors import Gamma, InverseGamma, Lkj, Normal, Priors, Spread
from pooling.inputs.study import Sampler, read_study
from pooling.inputs.tables import read_counties, read_houses
from pooling.programs.source import declared, normalised, twin

ROOT = Path(__file__).parents[2]
STEMS = sorted(path.stem for path in (ROOT / "stan").glob("*.stan"))
# Programs of ours whose houses are normal about alpha + beta * floor.
SHIPPED = sorted(
    path.stem
    for path in (ROOT / "stan").glob("*.stan")
    if path.stem.startswith(("hierarchical_", "per_county", "pooled", "varying_"))
    and "student_t" not in path.read_text(encoding="utf-8")
)

WEAK = Priors(
    alpha=Normal(loc=0, scale=10),
    beta=Normal(loc=0, scale=10),
    mu_alpha=Normal(loc=0, scale=10),
    mu_beta=Normal(loc=0, scale=10),
    gamma_alpha=Normal(loc=0, scale=10),
    gamma_beta=Normal(loc=0, scale=10),
    delta_alpha=Normal(loc=0, scale=10),
    sigma=Spread(scale=1),
    sigma_alpha=Spread(scale=1),
    sigma_beta=Spread(scale=1),
    sigma_alpha_state=Spread(scale=1),
    sigma_beta_state=Spread(scale=1),
    range_alpha=InverseGamma(shape=2, scale=150),
    rho=Lkj(shape=2),
    nu=Gamma(shape=2, rate=0.1),
)
# County (from 1), floor and log radon of ten houses. County 3 has a first floor
# only, county 4 no house, county 5 one house.
HOUSES = (
    (1, 0, 1.0),
    (1, 0, 1.4),
    (1, 1, 0.5),
    (2, 0, 2.0),
    (2, 1, 2.1),
    (2, 1, 1.2),
    (3, 1, 0.3),
    (5, 0, 0.6),
    (1, 1, 0.9),
    (2, 0, 1.6),
)


# Of its five counties, in a plane (km).
PLACES = ((0, 0), (30, 0), (0, 40), (60, 80), (90, 40))


def between(places: Sequence[Sequence[float]]) -> list[list[float]]:
    """Distances between places in a plane."""
    return [[math.dist(one, other) for other in places] for one in places]


def tiny_data(priors: Priors = WEAK, **changes: object) -> dict:
    """Stan data of ten houses in five counties of two states, with everything a program may use.

    As `prepare` writes it: there is no house to predict. No house is below the detection limit.
    """
    county, floor, log_radon = (list(column) for column in zip(*HOUSES, strict=True))
    data = {
        "N": len(HOUSES),
        "J": 5,
        "county": county,
        "floor_measure": floor,
        "log_radon": log_radon,
        "log_limit": 0.2,
        "log_uranium": [-0.7, 0.1, -0.3, 0.4, 0.0],
        "first_floor_share": [0.5, 0.5, 1.0, 0.0, 0.0],
        "distance": between(PLACES),
        "S": 2,
        "state": [1, 1, 1, 2, 2],
        "N_new": 0,
        "county_new": [],
        "floor_measure_new": [],
        "log_radon_new": [],
    }
    return data | priors.scales() | changes


def tiny_coords() -> dict:
    """What the positions in `tiny_data` stand for, as `prepare` writes it."""
    fips = [27001, 27003, 27005, 38001, 38003]
    return {
        "study": "tiny",
        "response": "log(x + 0.1)",
        "house_id": list(range(501, 511)),
        "house_county": [fips[county - 1] for county, _, _ in HOUSES],
        "county_fips": fips,
        "county": ["AITKIN", "ANOKA", "BECKER", "ADAMS", "BARNES"],
        "state": ["MN", "MN", "MN", "ND", "ND"],
        "houses": [4, 4, 1, 0, 1],
        "first_floor_houses": [2, 2, 1, 0, 0],
        "rules": [],
    }


def quick(**changes: object) -> Sampler:
    """The fewest chains and draws that a study may ask for."""
    few = {"seed": 20060, "chains": 2, "warmup": 100, "draws": 100, "prior_draws": 100}
    return Sampler.model_validate(few | changes)


def study_data(name: str, **changes: object) -> tuple[dict, dict]:
    """Stan data and coordinates of a shipped study, perhaps with another `[data]`."""
    study = read_study(ROOT / "data" / "studies" / f"{name}.toml")
    houses = read_houses(ROOT / "data" / "households.csv", {})
    counties = read_counties(ROOT / "data" / "counties.csv", {})
    data = study.data.model_copy(update=changes)
    return prepare(name, data, study.priors, houses, counties)


def small_fit(
    stem: str, data: dict, coords: dict, settings: Sampler, edited: Path | None = None
) -> Fit:
    """A fit as the stage makes it, which passed the gate.

    Of a compiled program in `stan/`, or of the executable of an edited copy of it.
    """
    program = edited or executable(stem)
    options = {"progress": False, "take": read_chains}
    chains = [sample(program, data, settings, prior=prior, **options) for prior in (False, True)]
    tree = as_tree(*chains, data, coords)
    names = " ".join(declared(text_of(stem), "parameters"))
    about = {"study": coords["study"], "response": coords["response"], "parameters": names}
    tree.attrs.update(about, model=stem)
    return Fit(tree, {"passed": True})


def twins() -> dict[str, str]:
    """Formula of the frequentist twin of each program in `stan/` that names one."""
    found = {stem: twin(ROOT / "stan" / f"{stem}.stan") for stem in STEMS}
    return {stem: formula for stem, formula in found.items() if formula}


def text_of(stem: str) -> str:
    """Normalised of a program in `stan/`."""
    return normalised(ROOT / "stan" / f"{stem}.stan", ROOT / "stan")


def executable(stem: str) -> Path:
    """A compiled program; `make test` compiles all of them first."""
    path = ROOT / "stan" / stem
    if not path.is_file():
        pytest.skip(f"stan/{stem} is not compiled; run `make stan/{stem}` or `make test`")
    return path


def cmdstan() -> Path:
    """Folder of the CmdStan that the workflow uses."""
    path = ROOT / ".build" / "toolchain.json"
    if not path.is_file():
        pytest.skip("no .build/toolchain.json; run `make .build/toolchain.json` or `make test`")
    return Path(json.loads(path.read_text(encoding="utf-8"))["cmdstan"])


def rows_of_rule(names, name, reason=""):
    """Rows that a rule touched, from the coordinates that `prepare` writes."""
    (rows,) = (
        entry["rows"]
        for entry in names["rules"]
        if entry["rule"] == name and reason in entry["reason"]
    )
    return rows
