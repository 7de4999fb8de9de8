"""The fits of a study, each with the tables that earlier stages wrote into its folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pooling.build.errors import DataError
from pooling.fits.convergence import GROUPS
from pooling.fits.identified import shared_effects
from pooling.fits.store import Fit, open_fit, read_table
from pooling.inputs.response import Response

STRUCTURES = ("complete pooling", "no pooling", "partial pooling", "other")


@dataclass(frozen=True)
class Result:
    """A fit, the tables that earlier stages wrote into its folder, and its twin's formula."""

    folder: Path
    fit: Fit
    twin: str = ""

    @property
    def structure(self) -> str:
        """How the model pools counties, one of `STRUCTURES`.

        Effects that are the same in all counties are completely pooled; with a standard
        deviation of the population they are partially pooled. Where the draws do not
        show it, the formula of the frequentist twin does.
        """
        posterior = self.fit.tree["posterior"].to_dataset()
        if {"sigma_alpha", "sigma_beta"} & set(posterior) or "|" in self.twin:
            return "partial pooling"
        several = len(self.fit.counties) > 1
        if several and {"alpha", "beta"} <= shared_effects(posterior):
            return "complete pooling"
        if not self.twin:
            return "other"
        return "no pooling" if "county" in self.twin else "complete pooling"

    def table(self, name: str) -> pd.DataFrame:
        """A table in the folder of the fit, such as `scores`."""
        path = self.folder / f"{name}.csv"
        try:
            table = read_table(path)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; make it with `make {self.fit.model}`") from None
        # Missing for parameters that are not by county.
        return table.astype({n: "Int64" for n in ("county_fips", "houses") if n in table})


def open_results(folders: Sequence[Path], coords: dict, twins: Mapping[str, str]) -> list[Result]:
    """Open the fits of one study, in the order of `STRUCTURES`, then by name.

    Parameters
    ----------
    coords
        As `pooling.inputs.prepare` writes them.
    twins
        Formulas of frequentist twins, by program.

    Raises
    ------
    DataError
        There is no fit, one has not been checked, or one belongs to another
        study or to other data.
    """
    if not folders:
        raise DataError(f"study {coords['study']} has no fit; make them with `make all`")
    fits = {Path(folder): open_fit(folder) for folder in folders}
    results = [Result(folder, fit, twins.get(fit.model, "")) for folder, fit in fits.items()]
    for result in results:
        _belongs(result, coords)
    return sorted(results, key=lambda r: (STRUCTURES.index(r.structure), r.fit.model))


def _belongs(result: Result, coords: dict) -> None:
    path, fit = result.folder / "fit.nc", result.fit
    if fit.study != coords["study"]:
        raise DataError(
            f"{path}: a fit to study {fit.study}, not to {coords['study']}; give its fits"
        )
    houses = fit.tree["constant_data"].dataset["house"].values.tolist()
    same = (
        fit.counties["county_fips"].tolist() == coords["county_fips"]
        and houses == coords["house_id"]
        and fit.response == Response.of(coords)
    )
    if not same:
        raise DataError(
            f"{path}: houses, counties, response or action level of study {fit.study} have "
            "changed since this fit; run make again"
        )
    if not set(GROUPS) <= set(fit.diagnostics):
        raise DataError(
            f"{result.folder / 'diagnostics.json'}: the fit has not been checked; "
            f"run `make {fit.model}`"
        )
