"""Storage of a fit, and the data frames for tables and figures.

A fit is a folder with `fit.nc`, an ArviZ DataTree in netCDF, to which later stages add
`diagnostics.json`, `replications.nc`, `loo.csv`, `left_out.csv` and `other_priors.csv`. The
groups are ArviZ's: `posterior`, `log_prior`, `sample_stats`, `prior`, `sample_stats_prior`,
`observed_data`, `constant_data`, in the replications `posterior_predictive` and
`prior_predictive`; and `adaptation`, the final step size and inverse metric of the chains.
Dimensions are `chain`, `draw`, `county` (FIPS code) and `house` (house id).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pooling.build.errors import DataError, NothingToShow, StudyError
from pooling.build.files import replacing
from pooling.fits.convergence import refuse_failed
from pooling.fits.identified import identified
from pooling.fits.netcdf import Groups, write_netcdf
from pooling.inputs.response import Response
from pooling.inputs.schemes import SCHEMES

BY_HOUSE = ("county", "floor_measure", "log_radon")  # Stan data with one value per house
REPLICATIONS = "replications.nc"
ADDED = {  # files that later stages add to a fit's folder
    "diagnostics": "diagnostics.json",
    "replications": REPLICATIONS,
    "loo": "loo.csv",
    "left_out": "left_out.csv",
    "other_priors": "other_priors.csv",
}


@dataclass(frozen=True)
class Start:
    """The end of a fit, from which chains of the same program can start.

    Attributes
    ----------
    step_size
        Of the leapfrog integrator.
    inv_metric
        Diagonal of the inverse metric, one value per unconstrained parameter.
    inits
        Constrained parameters of each chain by name.
    """

    step_size: float
    inv_metric: list[float]
    inits: list[Mapping[str, float | list]]


@dataclass(frozen=True)
class Fit:
    """One model's fit of one study.

    Attributes
    ----------
    tree
        The groups described in the module's docstring, in memory or in a file.
    diagnostics
        As `pooling.checking.check` writes them; empty if the fit has not been checked.
    loo
        One row per house in the order of `houses`, as `pooling.scoring.loo` writes it; empty
        if leave-one-out has not been run.
    left_out_together
        The same for each scheme of `pooling.scoring.leave_out`, concatenated.
    other_priors
        As `pooling.checking.other_priors` writes it; or empty.
    """

    tree: xr.DataTree | Groups
    diagnostics: dict
    loo: pd.DataFrame = field(default_factory=pd.DataFrame)
    left_out_together: pd.DataFrame = field(default_factory=pd.DataFrame)
    other_priors: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def model(self) -> str:
        """Stem of the Stan program."""
        return self.tree.attrs["model"]

    @property
    def study(self) -> str:
        """Stem of the study file."""
        return self.tree.attrs["study"]

    @property
    def response(self) -> Response:
        """Transform, unit and action level of the study."""
        return Response.of(self.tree.attrs)

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters block, in order."""
        return self.tree.attrs["parameters"].split()

    @property
    def converged(self) -> bool:
        """Whether the fit passed its diagnostics."""
        return bool(self.diagnostics.get("passed", False))

    @property
    def label(self) -> str:
        """Name for legends and tables, marked if the fit did not converge."""
        return self.model if self.converged else f"{self.model} (not converged)"

    @cached_property
    def left_out(self) -> dict[str, pd.DataFrame]:
        """Scores of left-out houses by scheme, in the order of `SCHEMES`.

        Each has one row per house in the order of `houses` with at least house, elpd
        (nats), mean, mcse (log pCi/L), pit, converged; missing where there is no score.
        """
        tables = {"loo": self.loo} if len(self.loo) else {}
        if len(self.left_out_together):
            tables |= dict(iter(self.left_out_together.groupby("scheme")))
        return {name: tables[name].reset_index(drop=True) for name in SCHEMES if name in tables}

    def effects(self, group: str = "posterior") -> xr.Dataset:
        """County intercepts and slopes: `alpha`, `beta` (sample, county), log pCi/L.

        Samples are in order of chain, then draw.
        """
        # Read before stacking, which would look up lazy values one by one.
        names = self.tree[group].to_dataset()[["alpha", "beta"]].compute()
        return names.stack(sample=("chain", "draw"), create_index=False).transpose(
            "sample", "county"
        )

    @cached_property
    def counties(self) -> pd.DataFrame:
        """One row per county, in FIPS order.

        Columns: county_fips, county (name), state, houses, basement_houses,
        first_floor_houses; intercept_identified and slope_identified, from its own houses.
        """
        data = self.tree["constant_data"].to_dataset()
        houses, first = data["houses"].values, data["first_floor_houses"].values
        basement = houses - first
        return pd.DataFrame(
            {
                "county_fips": data["county"].values,
                "county": data["county_name"].values.astype(str),
                "state": data["state_name"].values.astype(str),
                "houses": houses,
                "basement_houses": basement,
                "first_floor_houses": first,
                "intercept_identified": identified("alpha", basement, first),
                "slope_identified": identified("beta", basement, first),
            }
        )

    @cached_property
    def county_labels(self) -> pd.Series:
        """Display names of counties, by FIPS code; see `label_counties`."""
        return label_counties(self.counties).set_axis(self.counties["county_fips"])

    @cached_property
    def log_uranium(self) -> pd.Series:
        """Soil uranium of each county, log ppm, by FIPS code; empty if not used."""
        data = self.tree["constant_data"].to_dataset()
        if "log_uranium" not in data:
            return pd.Series(dtype=float)
        return pd.Series(data["log_uranium"].values, self.counties["county_fips"])

    def population(self, group: str = "posterior") -> dict[str, np.ndarray]:
        """Draws of every scalar parameter, in the program's order, each (sample,).

        Samples are in order of chain, then draw. Auxiliary quantities are omitted; see
        `of_the_model`.
        """
        return {
            str(name): values.transpose("chain", "draw").values.ravel()
            for name, values in self.tree[group].to_dataset().items()
            if set(values.dims) == {"chain", "draw"} and of_the_model(str(name))
        }

    @cached_property
    def houses(self) -> pd.DataFrame:
        """One row per house: house, county_fips, county, floor (0, 1), log_radon (log pCi/L)."""
        data = self.tree["constant_data"].to_dataset()
        frame = pd.DataFrame(
            {
                "house": data["house"].values,
                "county_fips": data["house_county"].values,
                "floor": data["floor_measure"].values.astype(int),
                "log_radon": self.tree["observed_data"]["log_radon"].values,
            }
        )
        names = self.counties.set_index("county_fips")["county"]
        frame.insert(2, "county", frame["county_fips"].map(names))
        return frame

    def start(self) -> Start:
        """Mean adaptation and last draw of each chain, from which other chains can start."""
        adapted = self.tree["adaptation"].to_dataset()
        last = self.tree["posterior"].to_dataset().isel(draw=-1).transpose("chain", ...)
        values = {str(name): variable.values.tolist() for name, variable in last.items()}
        return Start(
            float(adapted["step_size"].mean()),
            adapted["inv_metric"].transpose("chain", ...).values.mean(axis=0).tolist(),
            [
                {name: value[i] for name, value in values.items()}
                for i in range(last.sizes["chain"])
            ],
        )

    def expected(self) -> xr.DataArray:
        """Draws of each house's mean, alpha + beta * floor: (sample, house), log pCi/L."""
        effects = self.effects()
        data = self.tree["constant_data"].to_dataset()
        at = effects.sel(county=data["house_county"])
        return (at["alpha"] + at["beta"] * data["floor_measure"]).drop_vars("county")

    @cached_property
    def expected_moments(self) -> pd.DataFrame:
        """Moments over draws of each house's mean, in less memory than by `expected`.

        Returns
        -------
        DataFrame
            One row per house in the order of `houses`: mean (log pCi/L), variance.
        """
        houses = self.houses[["county_fips", "floor"]]
        # All houses of a county on one floor have the same mean in every draw.
        cells = houses.drop_duplicates(ignore_index=True)
        at = self.effects().sel(county=cells["county_fips"].to_numpy())
        draws = at["alpha"].values + at["beta"].values * cells["floor"].to_numpy(float)
        moments = cells.assign(mean=draws.mean(axis=0), variance=draws.var(axis=0, ddof=1))
        return houses.merge(moments, how="left", on=list(houses))[["mean", "variance"]]

    def replications(self, group: str, count: int) -> np.ndarray:
        """At least `count` evenly spaced replications, about that many, or all if there are fewer.

        Returns
        -------
        ndarray
            (replication, house), log pCi/L, from the `group` `posterior_predictive` or
            `prior_predictive`.

        Raises
        ------
        NothingToShow
            The study has `pointwise = false`, so there are no replications.
        """
        if group not in self.tree.children:
            raise NothingToShow(
                f"the fit of {self.model} to study {self.study} has no y_rep; "
                "set scores.pointwise = true in the study"
            )
        draws = self.tree[group].sizes
        step = max(1, draws["chain"] * draws["draw"] // count)
        values = self.tree[group]["y_rep"].isel(draw=slice(None, None, step))
        return values.transpose("chain", "draw", "house").values.reshape(-1, values.sizes["house"])


def of_the_model(name: str) -> bool:
    """Whether a scalar is a parameter of the model.

    False for auxiliary parameters that end in `_free` and for the log density of the priors.
    """
    return not (name.endswith("_free") or name.startswith("lprior"))


def in_interval(pit: np.ndarray, probability: float) -> np.ndarray:
    """Whether the central interval of this probability contains a value, given its `pit`."""
    return np.abs(np.asarray(pit) - 0.5) <= probability / 2


def label_counties(counties: pd.DataFrame) -> pd.Series:
    """Names of counties, with the state if there are several, and the code if not unique.

    A county and an independent city may share a name, such as BALTIMORE.
    """
    labels = counties["county"]
    if counties["state"].nunique() > 1:
        labels = labels + ", " + counties["state"]
    shared = labels.duplicated(keep=False)
    return labels.where(~shared, labels + " " + counties["county_fips"].astype(str))


def chosen_counties(fit: Fit, fips: Sequence[int], count: int) -> pd.DataFrame:
    """The counties that a figure highlights, as rows of `Fit.counties` with their `label`.

    Parameters
    ----------
    fit
        Any fit of the study.
    fips
        FIPS codes of the counties to show, in this order; if empty, counties from the fewest
        houses to the most, evenly spaced in rank.
    count
        How many to choose in that case, or all if there are fewer.

    Raises
    ------
    StudyError
        A code is not one of the study's counties.
    """
    table = fit.counties.assign(label=fit.county_labels.to_numpy()).set_index("county_fips")
    unknown = [code for code in fips if code not in table.index]
    if unknown:
        raise StudyError(
            f"study {fit.study}: figures: county {unknown[0]} is not in the study; "
            "correct its FIPS code in [figures] or remove it"
        )
    if not fips:
        ranked = table[table["houses"] > 0].sort_values("houses", kind="stable").index
        steps = np.linspace(0, len(ranked) - 1, min(count, len(ranked)))
        fips = ranked[steps.round().astype(int)]
    return table.loc[list(fips)].reset_index()


def open_fit(folder: Path, *, even_failed: bool = False) -> Fit:
    """Open a fit's folder with all files that exist; as `read_fit`."""
    files = {name: Path(folder) / file for name, file in ADDED.items()}
    found = {name: file for name, file in files.items() if file.is_file()}
    return read_fit(Path(folder) / "fit.nc", even_failed=even_failed, **found)


def read_fit(
    path: Path,
    *,
    diagnostics: Path | None = None,
    replications: Path | None = None,
    loo: Path | None = None,
    left_out: Path | None = None,
    other_priors: Path | None = None,
    even_failed: bool = False,
) -> Fit:
    """Open a fit's file and the named files of `ADDED`; groups are read on first use.

    Parameters
    ----------
    even_failed
        Accept a fit that failed its diagnostics without permission, to examine the fit itself
        and not to draw conclusions.

    Raises
    ------
    DataError
        The fit is missing, damaged or not a fit.
    DiagnosticsError
        The fit failed its diagnostics; see `refuse_failed`.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such fit; make it with `make {path.parent.name}`")
    tree = Groups(path, *([replications] if replications else []))
    found = json.loads(diagnostics.read_text(encoding="utf-8")) if diagnostics else {}
    if not even_failed:
        refuse_failed([found] if found else [])
    one, together = (_read_scores(file, tree) for file in (loo, left_out))
    others = read_table(other_priors) if other_priors else pd.DataFrame()
    return Fit(tree, found, one, together, others)


def _read_scores(path: Path | None, tree: Groups) -> pd.DataFrame:
    """Scores of left-out houses, with ids of the fit's type, so that "007" remains text."""
    if path is None:
        return pd.DataFrame()
    ids = int if tree["constant_data"]["house"].dtype.kind == "i" else str
    return read_table(path, {"house": ids})


def read_table(path: Path, types: dict[str, type] | None = None) -> pd.DataFrame:
    """A table that a stage wrote. Only an empty field is missing: a county may be called NA."""
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])


def write_table(table: pd.DataFrame, path: Path, digits: int = 6, *, recorded: bool = True) -> None:
    """Write a table as CSV with this many significant digits; for `recorded` see `replacing`."""
    with replacing(path, recorded=recorded) as draft:
        table.to_csv(draft, index=False, float_format=f"%.{digits}g", lineterminator="\n")


def write_fit(tree: xr.DataTree, path: Path) -> None:
    """Store a fit, with vectors that are not parameters in single precision.

    Predictions need all digits of the parameters; of other quantities seven suffice.
    """
    encoding = {}
    for group in ("posterior", "prior"):
        exact = tree.attrs["parameters"].split() if group == "posterior" else []
        encoding[f"/{group}"] = {
            name: {"dtype": "float32"}
            for name, values in tree[group].data_vars.items()
            if values.ndim > 2 and name not in exact
        }
    write_netcdf(tree, path, encoding)
