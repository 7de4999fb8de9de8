"""Least squares and restricted maximum likelihood for programs that name a frequentist twin.

`python -m pooling.reporting.frequentist DATA.json COORDS.json TWINS.json -o frequentist.csv`

A program names its twin in a comment, see `pooling.programs.source.twin`, in lme4's notation:
`y` is log radon, `floor` a house's floor, `u` its county's log uranium, `share` its county's
share of first-floor houses. `+ county` is an intercept for each county, `, by county` a separate
line for each county.
"""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS

from pooling.build import cli
from pooling.build.errors import DataError, ProgramError
from pooling.fits.store import write_table
from pooling.programs.order import story_order
from pooling.reporting.reml import Mixed, restricted_likelihood

COLUMNS = ["models", "formula", "parameter", "county_fips", "value", "se", "criterion", "starts"]
COLUMNS += ["agreeing", "note"]
TERMS = {"floor": "mu_beta", "u": "gamma_alpha", "share": "delta_alpha", "floor:u": "gamma_beta"}
VARYING = {
    "": "",
    "(1 | county)": "intercept",
    "(1 | county) + (0 + floor | county)": "independent",
    "(1 + floor | county)": "correlated",
}
WITH_COUNTY, BY_COUNTY = "y ~ floor + county", "y ~ floor, by county"
OF_OTHERS = ("y ~ floor + (1 + floor | county)",)  # published; none of our programs has it

# Houses times counties: 400 MB of predictors, nine times the whole survey. Two million houses in
# a thousand counties take 19 GB.
LARGEST = 50_000_000


def design(data: dict) -> pd.DataFrame:
    """Predictors by house under the names of their coefficients, with the response and county.

    Parameters
    ----------
    data
        Stan data as `pooling.inputs.prepare` writes it.

    Returns
    -------
    DataFrame
        (N, ...): y (log pCi/L), county (position from 0), mu_alpha (ones),
        mu_beta (floor), delta_alpha (share of first-floor houses), and with
        uranium gamma_alpha (log ppm) and gamma_beta (floor times log ppm).
    """
    county = np.array(data["county"]) - 1
    frame = pd.DataFrame(
        {
            "y": data["log_radon"],
            "county": county,
            "mu_alpha": 1.0,
            "mu_beta": data["floor_measure"],
        }
    )
    frame["delta_alpha"] = np.array(data["first_floor_share"])[county]
    if "log_uranium" in data:
        frame["gamma_alpha"] = np.array(data["log_uranium"])[county]
        frame["gamma_beta"] = frame["gamma_alpha"] * frame["mu_beta"]
    return frame


def read_formula(formula: str) -> Mixed:
    """Coefficients and county effects of a formula; effects are "" if there are none.

    Raises
    ------
    ValueError
        It has another term; the message lists the known ones.
    """
    fixed, opening, varying = formula.removeprefix("y ~ ").partition("(")
    terms = fixed.removesuffix(" + ").split(" + ")
    effects = VARYING.get(opening + varying)
    if effects is None or not set(terms) <= set(TERMS):
        raise ValueError(
            f"`{formula}` is not a known formula; after `y ~ ` write terms of "
            f"{', '.join(TERMS)}, with + between them, and optionally one of "
            f"{', '.join(filter(None, VARYING))}; or write `{WITH_COUNTY}` or `{BY_COUNTY}`"
        )
    return Mixed(("mu_alpha", *(TERMS[term] for term in terms)), effects)


def estimates(frame: pd.DataFrame, formula: str, county_fips: Sequence[int]) -> pd.DataFrame:
    """Estimates of one formula, one row per parameter.

    Empty if the study lacks a predictor, if its houses do not identify the regression, and
    for REML with one county or very many houses (`LARGEST`).
    """
    if formula == WITH_COUNTY:
        return within(frame)
    if formula == BY_COUNTY:
        return own_lines(frame, county_fips)
    mixed = read_formula(formula)
    names = list(mixed.coefficients)
    if not set(names) <= set(frame) or not _estimable(frame[names]):
        return pd.DataFrame()
    if not mixed.effects:
        return least_squares(frame, names)
    counties = frame["county"].nunique()
    if counties < 2 or len(frame) * counties > LARGEST:
        return pd.DataFrame()
    return restricted_likelihood(frame, mixed)


def _estimable(predictors: pd.DataFrame) -> bool:
    """Whether there are residual degrees of freedom and no collinear predictors."""
    rows, columns = predictors.shape
    return rows > columns and np.linalg.matrix_rank(predictors.to_numpy(float)) == columns


def least_squares(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Coefficients of these predictors, residual standard deviation and root mean square."""
    found = OLS(frame["y"], frame[names]).fit()
    return _with_sigma(found.params, found.bse, np.sqrt(found.scale), found.resid)


def within(frame: pd.DataFrame) -> pd.DataFrame:
    """Slope, residual sd and rms error of `y ~ floor + county`; empty if not identified.

    By the Frisch-Waugh-Lovell theorem the slope is that of deviations from county means,
    which needs no matrix with a column per county.
    """
    both = frame[["mu_beta", "y"]]
    deviations = both - frame.groupby("county")[["mu_beta", "y"]].transform("mean")
    x, y = deviations["mu_beta"], deviations["y"]
    spare, squares = len(frame) - frame["county"].nunique() - 1, float((x**2).sum())
    if spare < 1 or squares < 1e-9:
        return pd.DataFrame()
    slope = float((x * y).sum()) / squares
    gaps = y - slope * x
    sigma = np.sqrt(float((gaps**2).sum()) / spare)
    error = sigma / np.sqrt(squares)
    return _with_sigma(pd.Series({"mu_beta": slope}), pd.Series({"mu_beta": error}), sigma, gaps)


def own_lines(frame: pd.DataFrame, county_fips: Sequence[int]) -> pd.DataFrame:
    """Least squares for each county separately, where its houses identify the line."""
    means = frame.pivot_table(index="county", columns="mu_beta", values="y", aggfunc="mean")
    means = means.reindex(columns=[0.0, 1.0])
    found = pd.DataFrame({"alpha": means[0.0], "beta": means[1.0] - means[0.0]})
    rows = found.melt(var_name="parameter", ignore_index=False).dropna().reset_index()
    rows["county_fips"] = np.asarray(county_fips)[rows.pop("county")]
    gaps = frame["y"] - frame.groupby(["county", "mu_beta"])["y"].transform("mean")
    return pd.concat([rows, pd.DataFrame([_rmse(gaps)])])


def _with_sigma(
    values: pd.Series, errors: pd.Series, sigma: float, gaps: pd.Series
) -> pd.DataFrame:
    rows = pd.DataFrame({"value": values, "se": errors}).rename_axis("parameter").reset_index()
    rest = pd.DataFrame([{"parameter": "sigma", "value": sigma}, _rmse(gaps)])
    return pd.concat([rows, rest])


def _rmse(gaps: pd.Series) -> dict[str, object]:
    return {"parameter": "rmse_in_sample", "value": float(np.sqrt((gaps**2).mean()))}


def estimate(data: dict, coords: dict, twins: Mapping[str, str]) -> pd.DataFrame:
    """All estimates for a study.

    Parameters
    ----------
    twins
        Formula of the frequentist twin, by program.

    Returns
    -------
    DataFrame
        `COLUMNS`; one row per parameter. `models` names the programs of the formula,
        separated by blanks. Intercepts, slopes and standard deviations are in
        log pCi/L; county_fips is set only for separate lines of counties; criterion,
        starts and agreeing (starts that found the best optimum) only for REML.

    Raises
    ------
    DataError
        Data and coordinates belong to different studies.
    ProgramError
        A program names an unknown formula.
    """
    if data["J"] != len(coords["county_fips"]) or data["N"] != len(coords["house_id"]):
        raise DataError(
            f"study {coords['study']}: its data and coordinates have different houses or "
            "counties; run make again"
        )
    models: dict[str, list[str]] = {}
    for model in sorted(twins, key=story_order):
        models.setdefault(twins[model], []).append(model)
    frame, tables = design(data), []
    for formula in dict.fromkeys([*models, *OF_OTHERS]):
        own = models.get(formula, [])
        try:
            rows = estimates(frame, formula, coords["county_fips"])
        except ValueError as error:
            raise ProgramError(f"stan/{own[0]}.stan: {error}") from None
        tables.append(rows.assign(models=" ".join(own), formula=formula))
    table = pd.concat(tables, ignore_index=True).reindex(columns=COLUMNS)
    text = {"parameter": "", "note": ""}
    table = table.astype(dict.fromkeys(text, object)).fillna(text)
    return table.astype({name: "Int64" for name in ("county_fips", "starts", "agreeing")})


def main(arguments: list[str] | None = None) -> None:
    """Write the table of a study."""
    args = cli.stage(__doc__, "data", "coords", "twins").parse_args(arguments)
    files = (args.data, args.coords, args.twins)
    table = estimate(*(json.loads(path.read_text(encoding="utf-8")) for path in files))
    write_table(table, args.output, digits=8)


if __name__ == "__main__":
    cli.run(main)
