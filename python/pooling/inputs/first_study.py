r"""Write a first study of a table of houses: what `make study FROM=houses.csv` does.

    python -m pooling.inputs.first_study HOUSES.csv -o data/studies/NAME.toml

Columns are guessed from their names and contents, and every guess is written down. What would
change results is never guessed: such a setting is "?", and make refuses the study until it is
replaced.
"""

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pooling.build import cli
from pooling.build.errors import DataError, StudyError
from pooling.build.files import replacing
from pooling.inputs.csv_table import read_header, read_rows, with_points
from pooling.inputs.study import UNDECIDED
from pooling.inputs.tables import floor_codes, read_counties

# Names of columns, in lower case with blanks for all marks; the first pattern that fits is taken.
SIGNS = {
    "house_id": ("idnum|house id|house (no|nr|number)", "id|house|number|no|nr"),
    "county_fips": ("(county )?fips( code)?",),
    "county": ("county name|name of (the )?county", "county", "district|municipality|region"),
    "state": ("state", "st|canton|province"),
    "log_radon": ("log ?(radon|activity).*|log (bq|pci).*",),
    "activity": ("activity", r".*\b(bq|pci|becquerels?|picocuries?)\b.*", "radon.*"),
    "floor": ("floor.*", "level|storey", "basement"),
    "log_uranium": ("log ?(uranium|u|uppm).*",),
    "uranium": ("uranium.*|uppm",),
}
BASEMENT = r"(?i)b|base|basement|cellar|keller|untergeschoss|ug"
FIRST_FLOOR = r"(?i)g|ground|ground floor|first|first floor|1st|1st floor|main|erdgeschoss|eg"
URANIUM = ("uranium", "log_uranium")
FLOORS_SHOWN = 12  # codes of floors; a column with more is no floor

PRIORS = """\
# Weakly informative, 1% in each tail (log pCi/L, whatever the unit of the table): means and
# coefficients from -23 to 23, standard deviations from 0 to 2.6.
[priors]
alpha       = { loc = 0, scale = 10 }
beta        = { loc = 0, scale = 10 }
mu_alpha    = { loc = 0, scale = 10 }
mu_beta     = { loc = 0, scale = 10 }
sigma       = { scale = 1 }
sigma_alpha = { scale = 1 }
sigma_beta  = { scale = 1 }
"""
OF_URANIUM = """\
gamma_alpha = { loc = 0, scale = 10 }
gamma_beta  = { loc = 0, scale = 10 }
delta_alpha = { loc = 0, scale = 10 }
rho         = { shape = 2 }
"""
NO_BETA = """\
# No prior of beta, so no model per_county: the few houses of these counties have the same radon,
# and on their own no posterior: {names}."""
SAMPLER = """\

[sampler]
seed = 1
draws = 2000
"""


class Setting(NamedTuple):
    """A line of [data], the reason for it, and whether its author has still to decide it."""

    text: str
    reason: str = ""
    undecided: bool = False


def guessed_columns(header: list[str]) -> dict[str, str]:
    """The table's column names by ours, where a name tells; each column at most once."""
    found: dict[str, str] = {}
    plain = {name: " ".join(re.findall(r"[^\W_]+", name.lower())) for name in header if name}
    for ours, pattern in ((ours, one) for ours, several in SIGNS.items() for one in several):
        fits = [name for name, text in plain.items() if re.fullmatch(pattern, text)]
        fits = [name for name in fits if name not in found.values()]
        if fits and ours not in found:
            found[ours] = fits[0]
    return found


def consistent(columns: dict[str, str], rows: pd.DataFrame, counties: Path) -> dict[str, str]:
    """The guessed columns of which a study may have only one, reduced to it.

    Activities rather than their logarithm; codes of counties only if they are those of the
    survey's own table of `counties`, which then has their uranium, and names otherwise.
    """
    dropped = {"log_radon"} if "activity" in columns else set()
    if "county_fips" in columns:
        known = read_counties(counties).rows["county_fips"]
        codes = pd.to_numeric(rows[columns["county_fips"]], errors="coerce")
        ours = "state" in columns and codes.isin(known).all()
        dropped |= {"county", *URANIUM} if ours else {"county_fips"}
    if "uranium" in columns:
        dropped.add("log_uranium")
    kept = {name: column for name, column in columns.items() if name not in dropped}
    for name in set(URANIUM) & set(kept):
        values = pd.to_numeric(rows[kept[name]].str.replace(",", "."), errors="coerce")
        column = kept.pop(name)
        if values.notna().all():
            # Only a logarithm can be below 0.
            kept["log_uranium" if (values < 0).any() else name] = column
    return kept


def columns_of(path: Path, rows: pd.DataFrame, counties: Path) -> dict[str, str]:
    """The table's column names by ours.

    Raises
    ------
    DataError
        No name suggests a column that a study needs.
    """
    header = [*rows.columns]
    columns = consistent(guessed_columns(header), rows, counties)
    wanted = (("county", "county_fips"), ("floor",), ("activity", "log_radon"))
    for names in wanted:
        if not set(names) & set(columns):
            raise DataError(
                f"{path}: line 1: no column looks like {' or '.join(names)}; the columns are "
                f"{', '.join(header)}; rename one, such as to {names[0]}"
            )
    return columns


def settings(path: Path, folder: Path, rows: pd.DataFrame, columns: dict) -> list[Setting]:
    """The settings of [data] for a table; paths are relative to `folder`."""
    named = ", ".join(f"{ours} = {quoted(theirs)}" for ours, theirs in columns.items())
    lines = [
        Setting(f"houses = {quoted(os.path.relpath(path, folder))}"),
        Setting(f"columns = {{ {named} }}", "guessed from the names of the columns"),
    ]
    if "house_id" not in columns:
        lines[-1] = lines[-1]._replace(
            reason="guessed from their names; rows are houses, for no column numbers them"
        )
    lines += unit_of(columns)
    lines += floors_of(rows, columns["floor"])
    lines += repeated(rows, columns)
    lines += uranium_of(columns, rows, folder.parent / "counties.csv")
    return lines


def unit_of(columns: dict[str, str]) -> list[Setting]:
    """Unit, action level and response; a unit is only read where the column's name has it."""
    name = columns.get("activity") or columns["log_radon"]
    units = {"Bq/m3": r"(?i)\bbq|becquerel", "pCi/L": r"(?i)\bpci|picocurie"}
    said = [unit for unit, pattern in units.items() if re.search(pattern, name)]
    if len(said) == 1:
        lines = [Setting(f"unit = {quoted(said[0])}", f"as the column {quoted(name)} says")]
    else:
        lines = [Setting(f"unit = {quoted(UNDECIDED)}", '"pCi/L" or "Bq/m3"', undecided=True)]
    if said == ["pCi/L"]:
        lines.append(Setting("action_level = 4", "the EPA's; in the unit"))
    else:
        reason = "in the unit: 300 (European directive 2013/59), 100 (WHO), 4 pCi/L (EPA)"
        lines.append(Setting(f"action_level = {quoted(UNDECIDED)}", reason, undecided=True))
    if "log_radon" in columns:
        reason = 'how the column was made: "log(x + 0.1)" or "log(x), 0 as 0.1"; x in pCi/L'
        lines.append(Setting(f"response = {quoted(UNDECIDED)}", reason, undecided=True))
    else:
        lines.append(Setting('response = "log(x + 0.1)"', "the default; x in pCi/L"))
    return lines


def floors_of(rows: pd.DataFrame, column: str) -> list[Setting]:
    """Meaning of each floor; words may tell it, numbers never do."""
    counts = floor_codes(rows[column]).astype(str).value_counts().sort_index()
    if len(counts) > FLOORS_SHOWN:
        raise DataError(
            f"column {column} has {len(counts)} different values, which cannot be floors; name "
            "the column of floors floor"
        )
    meanings = dict.fromkeys(map(str, counts.index), UNDECIDED)
    for pattern, word in ((BASEMENT, "basement"), (FIRST_FLOOR, "first floor")):
        meanings |= {code: word for code in meanings if re.fullmatch(pattern, code)}
    pairs = ", ".join(f"{_key(code)} = {quoted(word)}" for code, word in meanings.items())
    undecided = UNDECIDED in meanings.values()
    reason = "guessed from the words"
    if undecided:
        reason = '"basement" or "first floor"; codes of other floors belong in drop_floors = [...]'
    return [Setting(f"floors = {{ {pairs} }}", reason, undecided)]


def repeated(rows: pd.DataFrame, columns: dict[str, str]) -> list[Setting]:
    """What to do with houses that have several rows, if there are any."""
    if "house_id" not in columns or not rows[columns["house_id"]].duplicated().any():
        return []
    reason = 'several rows of one house: "first", "mean" (of the logarithm), or "refuse"'
    return [Setting(f"repeated_houses = {quoted(UNDECIDED)}", reason, undecided=True)]


def uranium_of(columns: dict[str, str], rows: pd.DataFrame, counties: Path) -> list[Setting]:
    """Whether models use uranium: of a column, or of the survey's own table of counties."""
    if column := columns.get("log_uranium"):
        return [Setting("uranium = true", f"column {quoted(column)} is a logarithm")]
    if column := columns.get("uranium"):
        if "ppm" in column.lower():
            return [Setting("uranium = true", f"as the column {quoted(column)} says, in ppm")]
        reason = f"true if column {quoted(column)} is in ppm; if it is a logarithm, change uranium "
        reason += "in columns to log_uranium; false not to use it"
        return [Setting(f"uranium = {quoted(UNDECIDED)}", reason, undecided=True)]
    if "county_fips" in columns:
        known = read_counties(counties).rows.set_index("county_fips")["uranium"]
        if known[pd.to_numeric(rows[columns["county_fips"]])].notna().all():
            return [Setting("uranium = true", "that of the survey's table of counties")]
    return []


def tied(path: Path, rows: pd.DataFrame, columns: dict[str, str]) -> list[str]:
    """Counties in which all houses of a floor have the same radon, and some floor has several.

    Fitted on its own, such a county has no posterior; see stan/README.md.
    """
    county = rows[columns.get("county") or columns["county_fips"]]
    radon = with_points(path, rows[columns.get("activity") or columns["log_radon"]])
    cells = radon.groupby([county, rows[columns["floor"]]]).agg(["nunique", "size"])
    cells = cells.groupby(level=0).agg(["max"]).droplevel(1, axis=1)
    return cells.index[(cells["nunique"] == 1) & (cells["size"] > 1)].tolist()


def quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False)


def _key(code: object) -> str:
    return str(code) if re.fullmatch(r"[A-Za-z0-9_-]+", str(code)) else quoted(str(code))


def study_text(path: Path, name: str, lines: list[Setting], ties: list[str]) -> str:
    """The study file; with counties that are tied, without the prior that `per_county` needs."""
    data = [f"# {line.reason}\n{line.text}" if line.reason else line.text for line in lines]
    uranium = any(line.text.startswith("uranium = ") for line in lines)
    head = [
        f"# Written by `make study FROM={path}`. Change any line; data/README.md",
        f"# explains them. Lines with {quoted(UNDECIDED)} have to be decided.",
        f"title = {quoted('Radon in ' + name)}",
        f"description = {quoted('Houses of ' + path.name + '.')}",
        "",
        "[data]",
        *data,
        "",
    ]
    priors = PRIORS
    if ties:
        names = ", ".join(ties[:3]) + (", ..." if len(ties) > 3 else "")
        reason = NO_BETA.format(names=names)
        priors = re.sub("(?m)^beta  .*", lambda _: reason, priors)
    return "\n".join(head) + "\n" + priors + (OF_URANIUM if uranium else "") + SAMPLER


def main(arguments: list[str] | None) -> None:
    """Write the study, and say what was guessed and what has to be decided."""
    parser = cli.stage(__doc__, "houses")
    given = parser.parse_args(arguments)
    path, output = given.houses, given.output
    if output.exists():
        raise StudyError(f"{output}: exists; name another study, as in make study STUDY=mine FROM=")
    rows = read_rows(path, read_header(path, "FROM"), str)
    columns = columns_of(path, rows, output.parents[1] / "counties.csv")
    lines = settings(path, output.parent, rows, columns)
    text = study_text(path, output.stem, lines, tied(path, rows, columns))
    # Not in the manifest, because users edit this file.
    with replacing(output, recorded=False) as draft:
        draft.write_text(text, encoding="utf-8")
    print(f"{output}:\n")
    for line in lines:
        if line.reason:
            print(f"  {line.text}\n    {line.reason}")
    undecided = [line.text for line in lines if line.undecided]
    if undecided:
        print(f"\nReplace {quoted(UNDECIDED)} in the file, in: {', '.join(undecided)}.")
    print(f"\nThen run `make report STUDY={output.stem}`.")


if __name__ == "__main__":
    cli.run(main)
