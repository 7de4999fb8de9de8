r"""Repeat fits from their records alone, and compare the draws.

    python -m pooling.checking.verify FIT... \
        --present stan .build/programs .build/toolchain.json -o verify.csv

A record has a fit's program, data, settings and versions, so the fit can be repeated after the
working tree has changed. With the same toolchain on the same machine the draws are identical.
Elsewhere posterior means differ by Monte Carlo error: over K parameters, the largest difference
in combined standard errors exceeds the 1 - 0.005 / K quantile of the normal distribution in at
most 1% of comparisons (Bonferroni).
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from cmdstanpy import CmdStanMCMC, disable_logging
from scipy import stats
from tqdm import tqdm

from pooling.build import cli
from pooling.build.cmdstan import is_built, locate, toolchain
from pooling.build.errors import DataError, ProgramError, SetupError
from pooling.fits.store import Fit, open_fit, write_table
from pooling.fits.summaries import summarize
from pooling.fitting.sampling import sample
from pooling.inputs.study import Sampler
from pooling.programs.compile import compile_program, stanc
from pooling.programs.contract import program_info

FALSE_ALARMS = 0.01  # share of comparisons of equal posteriors with verdict "disagrees"
REFUSED = "its program does not compile with this CmdStan"
COLUMNS = ["model", "toolchain", "draws", "parameters", "largest", "at", "limit", "verdict"]
ACCEPTED = ("identical", "agrees", "not comparable")


@dataclass(frozen=True)
class Present:
    """The current executables, used if a record asks for the same program and toolchain.

    Attributes
    ----------
    executables, normalised
        Folders of compiled programs and of their normalised sources.
    toolchain
        Their toolchain, as `pooling.build.cmdstan` records it.
    """

    executables: Path
    normalised: Path
    toolchain: Path

    def executable(self, model: str, record: dict) -> Path | None:
        """Executable of the recorded program; None if it has to be compiled."""
        compiled, normalised = self.executables / model, self.normalised / f"{model}.normalised"
        same = (
            compiled.is_file()
            and normalised.is_file()
            and normalised.read_text(encoding="utf-8").strip() == record["program"].strip()
            and json.loads(self.toolchain.read_text(encoding="utf-8")) == record["toolchain"]
        )
        return compiled.resolve() if same else None


def read_record(folder: Path) -> dict:
    """The record of a fit by `pooling.fitting.fit`.

    Raises
    ------
    DataError
        The record is missing, damaged or incomplete.
    """
    path = folder / "record.json"
    remedy = f"delete {folder / 'fit.nc'} and run make again"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise DataError(f"{path}: no readable record ({error}); {remedy}") from None
    missing = {"program", "data", "sampler", "toolchain"} - record.keys()
    if missing:
        raise DataError(f"{path}: has no {', '.join(sorted(missing))}; {remedy}")
    return record


def recorded_data(fit: Fit, record: dict) -> dict:
    """The Stan data of a fit, as `prepare` wrote them, from its record and draws file."""
    constants = fit.tree["constant_data"].to_dataset()
    place = np.searchsorted(constants["county"].values, constants["house_county"].values)
    return record["data"] | {
        "county": (place + 1).tolist(),
        "floor_measure": constants["floor_measure"].values.tolist(),
        "log_radon": fit.tree["observed_data"].dataset["log_radon"].values.tolist(),
    }


def recorded_cmdstan(record: dict) -> Path:
    """The recorded CmdStan if it is still installed, else the current one.

    Raises
    ------
    SetupError
        No CmdStan is installed.
    """
    recorded = Path(record["toolchain"]["cmdstan"])
    folder = recorded if recorded.is_dir() and is_built(recorded) else locate()
    if folder is None or not is_built(folder):
        raise SetupError("no built CmdStan was found; run `make .build/toolchain.json` once")
    return folder


def repeated(fit: Fit, record: dict, present: Present, scratch: Path) -> tuple[CmdStanMCMC, bool]:
    """The repeated fit, and whether the toolchain was the same.

    Raises
    ------
    ProgramError
        The recorded program does not compile with the available CmdStan.
    """
    executable, same = present.executable(fit.model, record), True
    if executable is None:
        cmdstan = recorded_cmdstan(record)
        same = json.loads(toolchain(cmdstan)) == record["toolchain"]
        program, executable = scratch / f"{fit.model}.stan", scratch / fit.model
        program.write_text(record["program"], encoding="utf-8")
        program_info(stanc(cmdstan), program, scratch)
        compile_program(program, cmdstan, executable)
    settings = Sampler.model_validate(record["sampler"])
    run: CmdStanMCMC = sample(executable, recorded_data(fit, record), settings, progress=False)
    return run, same


def as_stored(run: CmdStanMCMC, stored: xr.Dataset) -> xr.Dataset:
    """Draws of a run, with the names, shapes and types of the stored ones."""
    chains, draws = stored.sizes["chain"], stored.sizes["draw"]
    values = {
        name: run.stan_variable(str(name))
        .reshape(chains, draws, *variable.shape[2:])
        .astype(variable.dtype)
        for name, variable in stored.data_vars.items()
    }
    return stored.copy(data=values)


def compare(stored: xr.Dataset, again: xr.Dataset, converged: bool = True) -> dict:
    """Compare two sets of draws, variables (chain, draw, ...).

    Returns
    -------
    dict
        draws (identical, different), parameters (their number), largest (difference of means
        in combined Monte Carlo standard errors), at (the parameter), limit, verdict:
        identical, agrees, disagrees, or not comparable, if the fit did not converge and so
        has no reliable standard errors.
    """
    if all(np.array_equal(stored[name], again[name], equal_nan=True) for name in stored.data_vars):
        number = sum(int(np.prod(v.shape[2:])) for v in stored.data_vars.values())
        found = {"draws": "identical", "parameters": number, "largest": 0.0, "at": ""}
        return found | {"limit": limit(number), "verdict": "identical"}
    one, two = summarize(stored), summarize(again)
    error = np.hypot(one["mcse_mean"].fillna(0.0), two["mcse_mean"].fillna(0.0))
    gap = (one["mean"] - two["mean"]).abs()
    # Constants have no error and must be equal.
    apart = (gap / error).where(error > 0, np.where(gap > 0, np.inf, 0.0)).to_numpy(float)
    worst = int(np.argmax(np.nan_to_num(apart, nan=np.inf)))
    row = one.iloc[worst]
    index = str(row["county_fips"]) if pd.notna(row["county_fips"]) else row["element"]
    verdict = "agrees" if apart[worst] <= limit(len(one)) else "disagrees"
    return {
        "draws": "different",
        "parameters": len(one),
        "largest": apart[worst],
        "at": f"{row['variable']}[{index}]" if index else row["variable"],
        "limit": limit(len(one)),
        "verdict": verdict if converged else "not comparable",
    }


def limit(number: int) -> float:
    """Largest accepted difference over `number` means, in standard errors; see the module."""
    return float(stats.norm.isf(FALSE_ALARMS / 2 / number))


def verify(folder: Path, present: Present) -> dict:
    """One row of the table."""
    fit, record = open_fit(folder, even_failed=True), read_record(folder)
    stored = fit.tree["posterior"].to_dataset().load()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            run, same = repeated(fit, record, present, Path(scratch))
        except ProgramError as error:
            # A later Stan may reserve a name in the program. Indented lines of the message quote
            # the program, which is a single long line.
            lines = str(error).replace(f"{scratch}/", "").splitlines()[1:]
            said = "\n  ".join(line for line in lines if line and line[0] not in " -")
            tqdm.write(f"{fit.model}: {REFUSED}:\n  {said}", file=sys.stderr)
            row = {"model": fit.model, "toolchain": "another", "draws": "none", "parameters": 0}
            return row | {"verdict": "does not compile"}
        found = compare(stored, as_stored(run, stored), fit.converged)
    return {"model": fit.model, "toolchain": "the same" if same else "another"} | found


def main(arguments: list[str] | None) -> None:
    """Repeat the fits and print the table; exit with status 1 if one disagrees."""
    parser = cli.stage(__doc__, many="fits")
    names = ("EXECUTABLES", "NORMALISED", "TOOLCHAIN")
    parser.add_argument("--present", type=Path, nargs=3, metavar=names, required=True)
    given = parser.parse_args(arguments)
    disable_logging()
    present = Present(*given.present)
    rows = [verify(folder, present) for folder in tqdm(given.fits, unit=" fits", disable=None)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    write_table(table, given.output, recorded=False, digits=4)
    print(table.to_string(index=False, na_rep="", float_format="{:.2f}".format))
    sys.exit(0 if table["verdict"].isin(ACCEPTED).all() else 1)


if __name__ == "__main__":
    cli.run(main)
