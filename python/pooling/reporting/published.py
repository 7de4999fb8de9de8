"""Published values compared with ours, and whether the two agree.

`python -m pooling.reporting.published published.csv DATA.json COORDS.json frequentist.csv
ESTIMATES.csv... -o OUTPUT`

A published value agrees if it differs from ours by no more than its tolerance: four times the
combined Monte Carlo errors of both, plus half a unit of its last printed digit, plus the
numerical error of our own computation. Values that are not comparable are listed with the
reason, as are Bayesian ones that were computed with other priors than the study's.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pooling.build import cli
from pooling.build.errors import DataError
from pooling.fits.store import read_table, write_table
from pooling.inputs.response import Response

MCSE_MULTIPLE = 4
# Numerical error of an optimizer or of a sum of rounded terms.
OWN_ERROR = {"reml": 5e-5, "ols": 1e-7, "data": 1e-7, "bayes": 0.0}
CHOICES = {"method": tuple(OWN_ERROR), "kind": ("mcse", "rounding"), "comparable": ("yes", "no")}
NUMBERS = ("county_fips", "value", "error", "posterior_sd")
NEEDED = ("quantity", "source", "study", "method", "parameter", "value", "error", "kind")
TEXT = ("quantity", "source", "study", "transform", "model", "method", "parameter", "priors")
COLUMNS = [*TEXT, *NUMBERS, "kind", "comparable", "reason"]
KEPT = ["quantity", "source", "transform", "model", "method", "parameter", "county_fips", "county"]
PRIOR = re.compile(r"(\w+) *= *([a-z-]+) *\(([^()]*)\)")
# Names of a prior's arguments in the Stan data, and the values of the remaining ones.
PRIOR_ARGUMENTS = {"normal": ("loc", "scale"), "half-normal": ("scale",), "uniform": ("upper",)}
PRIOR_REST = {"half-normal": {"upper": math.inf}, "uniform": {"scale": math.inf}}
FOUND = ["published", "error", "kind", "ours", "our_error", "difference", "tolerance", "agrees"]
SDS = ["posterior_sd", "our_sd", "note"]


@dataclass(frozen=True)
class Ours:
    """Our number with its Monte Carlo error (0 if exact) and, for a posterior, its sd."""

    value: float
    mcse: float = 0.0
    sd: float = np.nan


def read_published(path: Path) -> pd.DataFrame:
    """The table of published values, columns `COLUMNS`.

    `study` names the studies that a value belongs to, separated by blanks;
    `model` is a program for method bayes and a formula for ols and reml;
    `error` is a Monte Carlo standard error (kind mcse) or half a unit of the
    last digit (kind rounding); `priors`, for method bayes, are those that the value
    was computed with, as `prior_scales` reads them.

    Raises
    ------
    DataError
        A column is missing, or a value is missing or invalid.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise DataError(f"{path}: no column {missing[0]}; its columns are {', '.join(COLUMNS)}")
    for name in NEEDED:
        _refuse(path, table[name] == "", table[name], "is empty; fill it in")
    for name, choices in CHOICES.items():
        _refuse(
            path, ~table[name].isin(choices), table[name], f"is not one of {', '.join(choices)}"
        )
    for name in NUMBERS:
        number = pd.to_numeric(table[name].replace("", np.nan), errors="coerce")
        _refuse(path, number.isna() & (table[name] != ""), table[name], "is not a number")
        table[name] = number.astype("Int64" if name == "county_fips" else float)
    _refuse(path, table["error"] < 0, table["error"], "is negative")
    silent = (table["comparable"] == "no") & (table["reason"] == "")
    _refuse(path, silent, table["reason"], "is empty; say why it is not comparable")
    bayes = (table["method"] == "bayes") & (table["comparable"] == "yes")
    _refuse(path, bayes & (table["priors"] == ""), table["priors"], "is empty; name its priors")
    for text in table["priors"].unique():
        try:
            prior_scales(text)
        except ValueError as error:
            _refuse(path, table["priors"] == text, table["priors"], str(error))
    return table[COLUMNS]


def prior_scales(text: str) -> dict[str, float]:
    """Parse priors into the Stan data that programs read, `prior_<parameter>_<part>`.

    Parameters
    ----------
    text
        Such as `mu_alpha = normal(0, 10); sigma = half-normal(1); sigma_beta = uniform(100)`:
        mean and standard deviation, scale, upper bound.

    Raises
    ------
    ValueError
        The text has another form.
    """
    scales: dict[str, float] = {}
    for part in filter(None, text.split(";")):
        found = PRIOR.fullmatch(part.strip())
        prior, family, arguments = found.groups() if found else ("", "", "")
        names = PRIOR_ARGUMENTS.get(family, ())
        try:
            numbers = [float(number) for number in arguments.split(",")]
        except ValueError:
            numbers = []
        if not names or len(numbers) != len(names):
            raise ValueError(
                f"cannot be parsed at {part.strip()!r}; write p = normal(mean, sd), "
                "p = half-normal(scale) or p = uniform(upper), with ; between them"
            )
        values = dict(zip(names, numbers, strict=True)) | PRIOR_REST.get(family, {})
        scales |= {f"prior_{prior}_{name}": value for name, value in values.items()}
    return scales


def other_prior(text: str, data: dict) -> str:
    """First parameter whose prior in the Stan data differs from `text`; "" if none does."""
    for name, value in prior_scales(text).items():
        if not math.isclose(data.get(name, math.nan), value, rel_tol=1e-9):
            return re.sub(r"prior_(\w+)_\w+", r"\1", name)
    return ""


def _refuse(path: Path, wrong: pd.Series, column: pd.Series, what: str) -> None:
    if wrong.any():
        row = wrong.idxmax()
        raise DataError(f"{path}, line {row + 2}, column {column.name}: {column[row]!r} {what}")


def data_values(data: dict, coords: dict) -> dict[tuple[str, int | None], float]:
    """Summaries of a study's data by name and, for those of a county, FIPS code.

    Parameters
    ----------
    data, coords
        As `pooling.inputs.prepare` writes them.
    """
    y, first = np.array(data["log_radon"]), np.array(data["floor_measure"]) == 1
    high = Response.of(coords).reaches_action_level(y)
    houses = np.array([count for count in coords["houses"] if count > 0])
    zeros = [r["rows"] for r in coords["rules"] if r["rule"].startswith("zero activities")]
    found: dict[str, float] = {
        "houses": y.size,
        "basements": (~first).sum(),
        "first_floors": first.sum(),
        "zero_activities": sum(zeros),
        "counties": houses.size,
        "fewest_houses": houses.min(),
        "most_houses": houses.max(),
        "mean": y.mean(),
        "sd": y.std(ddof=1) if y.size > 1 else np.nan,
        "share_action": high.mean(),
    }
    for name, floor in (("basement", ~first), ("first_floor", first)):
        if floor.any():
            found[f"share_action_{name}"] = high[floor].mean()
    found |= {f"log_radon[{i}]": value for i, value in enumerate(y[:5], start=1)}
    named: dict[tuple[str, int | None], float] = {(k, None): float(v) for k, v in found.items()}
    for fips, value in zip(coords["county_fips"], data.get("log_uranium", []), strict=False):
        named[("log_uranium", fips)] = value
        named[("uranium", fips)] = float(np.exp(value))
    return named


def frequentist_values(table: pd.DataFrame) -> dict[tuple[str, str, int | None], float]:
    """Estimates by formula, parameter and FIPS code; also `se <parameter>` and `criterion`."""
    values = {}
    for row in table.itertuples():
        fips = None if pd.isna(row.county_fips) else int(row.county_fips)
        values[(row.formula, row.parameter, fips)] = row.value
        values[(row.formula, f"se {row.parameter}", fips)] = row.se
        values[(row.formula, "criterion", None)] = row.criterion
    return {key: float(value) for key, value in values.items() if pd.notna(value)}


def our_values(
    data: dict, coords: dict, frequentist: pd.DataFrame, estimates: pd.DataFrame
) -> dict[tuple[str, str, str, int | None], Ours]:
    """Our values, by method, model (program or formula), parameter and FIPS code.

    Parameters
    ----------
    frequentist
        As `pooling.reporting.frequentist` writes it.
    estimates
        As `pooling.checking.check` writes it, any number of models.
    """
    ours = {
        ("data", "", name, fips): Ours(v) for (name, fips), v in data_values(data, coords).items()
    }
    for (formula, name, fips), value in frequentist_values(frequentist).items():
        method = "reml" if "|" in formula else "ols"
        ours[(method, formula, name, fips)] = Ours(value)
    wanted = ["model", "parameter", "county_fips", "mean", "mcse_mean", "sd"]
    for model, name, fips, mean, mcse, sd in estimates[wanted].itertuples(index=False):
        key = ("bayes", model, name, None if pd.isna(fips) else int(fips))
        ours[key] = Ours(float(mean), float(mcse), float(sd))
    return ours


def tolerance(method: str, kind: str, error: float, ours: Ours) -> float:
    """How far a published value may be from ours.

    Parameters
    ----------
    method
        How the value was computed, a key of `OWN_ERROR`.
    kind
        "mcse": `error` is a Monte Carlo standard error; "rounding": it is half
        a unit of the last digit.
    """
    monte_carlo = np.hypot(ours.mcse, error if kind == "mcse" else 0.0)
    rounding = error if kind == "rounding" else 0.0
    return float(MCSE_MULTIPLE * monte_carlo + rounding + OWN_ERROR[method])


def compare(
    published: pd.DataFrame,
    data: dict,
    coords: dict,
    ours: dict[tuple[str, str, str, int | None], Ours],
) -> pd.DataFrame:
    """One row for each published value of this study.

    Returns
    -------
    DataFrame
        The quantity and its source, `published` and its `error`; `ours`,
        `our_error` (Monte Carlo error of a posterior mean, accuracy of an
        estimate), `difference` (ours minus published), `tolerance`, `agrees`
        (yes, no, or empty where they are not compared), both standard
        deviations of a posterior, and `note`, which says why not.
    """
    mine = [coords["study"] in studies.split() for studies in published["study"]]
    names = dict(zip(coords["county_fips"], coords["county"], strict=True))
    rows = []
    for row in published[mine].to_dict("records"):
        fips = None if pd.isna(row["county_fips"]) else int(row["county_fips"])
        parameter = other_prior(row["priors"], data)
        if parameter and row["comparable"] == "yes":
            reason = f"computed with {row['priors']}; this study has another prior for {parameter}"
            row |= {"comparable": "no", "reason": reason}
        found = ours.get((row["method"], row["model"], row["parameter"], fips))
        row |= {"published": row["value"], "county": names.get(fips, "")}
        rows.append(row | _verdict(row, found))
    table = pd.DataFrame(rows, columns=[*KEPT, *FOUND, *SDS])
    return table.astype({"county_fips": "Int64"})


def _verdict(row: dict, found: Ours | None) -> dict[str, object]:
    """Our value, its difference from the published one, and whether they agree."""
    if found is None:
        return {"agrees": "", "note": row["reason"] or "this study has no such value"}
    difference = found.value - row["value"]
    allowed = tolerance(row["method"], row["kind"], row["error"], found)
    comparable = row["comparable"] == "yes"
    return {
        "ours": found.value,
        "our_error": found.mcse if row["method"] == "bayes" else OWN_ERROR[row["method"]],
        "difference": difference,
        "tolerance": allowed if comparable else np.nan,
        "agrees": ("yes" if abs(difference) <= allowed else "no") if comparable else "",
        "our_sd": found.sd,
        "note": row["reason"],
    }


def read_tables(paths: Sequence[Path]) -> pd.DataFrame:
    """Concatenate tables with the same columns."""
    return pd.concat([read_table(path) for path in paths], ignore_index=True)


def main(arguments: list[str] | None = None) -> None:
    """Write the comparison of a study."""
    parser = cli.stage(__doc__, "published", "data", "coords", "frequentist")
    parser.add_argument("estimates", type=Path, nargs="+")
    args = parser.parse_args(arguments)
    data, coords = (json.loads(p.read_text(encoding="utf-8")) for p in (args.data, args.coords))
    frequentist, estimates = read_tables([args.frequentist]), read_tables(args.estimates)
    ours = our_values(data, coords, frequentist, estimates)
    table = compare(read_published(args.published), data, coords, ours)
    write_table(table, args.output, digits=8)


if __name__ == "__main__":
    cli.run(main)
