"""Damaged and unusual tables, through `prepare`."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from math import log
from pathlib import Path

from pooling.inputs import prepare
from stress.case import Case
from stress.trial import accepted, refused, written

HOUSES = """\
house_id,state,county_fips,floor,activity
a1,MN,27001,1,2.2
a2,MN,27001,0,0
a3,MN,27003,0,3.1
a4,MN,27003,1,1.4
a5,MN,27005,0,5.3
"""
COUNTIES = """\
county_fips,state,county,lon,lat,uranium
27001,MN,AITKIN,-93.4,46.6,0.5
27003,MN,ANOKA,-93.2,45.3,0.4
27005,MN,BECKER,-95.7,46.9,0.9
"""
PRIORS = {"mu_alpha": {"scale": 10}, "sigma": {"scale": 1}}
EARLIER = {"prepared/trial.json": "made earlier", "prepared/trial.coords.json": "made earlier"}
Answer = tuple[dict, dict]


@dataclass(frozen=True)
class Tables:
    """Two tables and the study's `[data]`, as they are handed to `prepare`."""

    houses: str | bytes = HOUSES
    counties: str | bytes = COUNTIES
    data: dict = field(default_factory=dict)

    def written(self, folder: Path) -> tuple[str, ...]:
        """Write them with results of an earlier run; the command line of `prepare`."""
        files = {"houses.csv": self.houses, "counties.csv": self.counties} | EARLIER
        files |= {"data.json": json.dumps({"states": ["MN"]} | self.data)}
        written(folder, files | {"priors.json": json.dumps(PRIORS)})
        inputs = ("data.json", "priors.json", "houses.csv", "counties.csv")
        return (*inputs, "-o", "prepared/trial.json", "--coords", "prepared/trial.coords.json")

    def prepared(self, folder: Path) -> Answer:
        """Stan data and coordinates, read from where `prepare` has written them."""
        accepted(folder, prepare.main, *self.written(folder))
        names = ("prepared/trial.json", "prepared/trial.coords.json")
        return tuple(json.loads((folder / name).read_text(encoding="utf-8")) for name in names)


def refusal(tried: str, wanted: str, tables: Tables) -> Case:
    """`prepare` refuses the tables and says what is `wanted`; earlier results stay."""

    def run(folder: Path) -> str:
        return refused(folder, wanted, prepare.main, *tables.written(folder))

    return Case("table", tried, f"error: {wanted}", run)


def sameness(tried: str, houses: str | bytes = HOUSES, counties: str | bytes = COUNTIES) -> Case:
    """The tables mean the same as the undamaged ones."""

    def run(folder: Path) -> str:
        (values, names), (plain, plain_names) = (
            tables.prepared(folder / name)
            for name, tables in (("tried", Tables(houses, counties)), ("plain", Tables()))
        )
        assert values == plain, "other Stan data"
        assert names == plain_names, "other coordinates"
        return "the same data"

    return Case("table", tried, "the same data as without it", run)


def result(
    tried: str, expected: str, tables: Tables, wanted: Callable[[dict, dict], object]
) -> Case:
    """The tables give data of which `wanted(values, names)` is true."""

    def run(folder: Path) -> str:
        values, names = tables.prepared(folder)
        assert wanted(values, names), f"N = {values['N']}, J = {values['J']}, {names['county'][:3]}"
        return f"N = {values['N']:,}, J = {values['J']:,}"

    return Case("table", tried, expected, run)


def activity(text: str) -> Tables:
    """The tables with another activity in the first house."""
    return Tables(HOUSES.replace(",2.2\n", f",{text}\n", 1))


def house(text: str) -> Tables:
    """The tables with another first house."""
    return Tables(HOUSES.replace("a1,MN,27001,1,2.2", text, 1))


def county(text: str) -> Tables:
    """The tables with another first county."""
    return Tables(counties=COUNTIES.replace("27001,MN,AITKIN,-93.4,46.6,0.5", text, 1))


def named(name: str, houses: str = HOUSES, **data: object) -> Tables:
    """The tables with another name of the first county."""
    return Tables(houses, COUNTIES.replace("AITKIN", name), data)


def _encodings() -> list[Case]:
    tilde = COUNTIES.replace("AITKIN", "DOÑA ANA")
    return [
        sameness("UTF-8 with a byte order mark", HOUSES.encode("utf-8-sig")),
        refusal(
            "county names in latin-1",
            "counties.csv: line 2: byte 0xd1 is not UTF-8",
            Tables(counties=tilde.encode("latin-1")),
        ),
        refusal(
            "UTF-16 with a mark", "line 1: byte 0xff is not UTF-8", Tables(HOUSES.encode("utf-16"))
        ),
        refusal("UTF-16 without", "line 1: a NUL byte; save", Tables(HOUSES.encode("utf-16-le"))),
        refusal("a NUL byte in a number", "line 2: a NUL byte; save", activity("2\0.2")),
        refusal("a picture", "is not UTF-8", Tables(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")),
        refusal("a compressed table", "is not UTF-8", Tables(gzip.compress(HOUSES.encode()))),
        sameness("CRLF line ends", HOUSES.replace("\n", "\r\n")),
        sameness("CR line ends", HOUSES.replace("\n", "\r")),
        sameness(
            "line ends of three kinds", HOUSES.replace("\n", "\r", 1).replace("\n", "\r\n", 2)
        ),
    ]


def _shapes() -> list[Case]:
    notes = HOUSES.replace("activity\n", "activity,note\n", 1)
    for number, line in enumerate(HOUSES.splitlines()[1:]):
        notes = notes.replace(line, f'{line},"{number}, ""so""\n<b>it</b> is"')
    wide = "\n".join(
        line + "".join(f",{'x' if number else f'extra{i}'}" for i in range(300))
        for number, line in enumerate(HOUSES.splitlines())
    )
    header, *rows = HOUSES.splitlines()
    return [
        sameness("line ends and quotes in quotes, in another column", notes),
        sameness("300 more columns", wide),
        sameness(
            "every field in quotes",
            '"' + HOUSES.strip().replace(",", '","').replace("\n", '"\n"') + '"\n',
        ),
        sameness("blanks after fields", HOUSES.replace("MN,", "MN ,").replace("a1,", "a1  ,")),
        sameness("blank lines", HOUSES.replace("\n", "\n\n")),
        sameness(
            "columns in reverse",
            "\n".join(",".join(line.split(",")[::-1]) for line in HOUSES.splitlines()),
        ),
        refusal(
            "a quote that is not closed",
            "line 2: 1 fields where the header has 5",
            house('"a1,MN,27001,1,2.2'),
        ),
        refusal(
            "a line end in a county's name",
            "line 2: column county: 'AIT\\nKIN' has a line end",
            named('"AIT\nKIN"'),
        ),
        refusal(
            "a bell in a county's name",
            "line 2: column county: 'AIT\\x07KIN' has a line end or another control",
            named("AIT\aKIN"),
        ),
        refusal(
            "a county's name of 5,000 letters",
            "is longer than 100 characters; shorten it",
            named("A" * 5000),
        ),
        refusal("a field of 200,000 letters", "line 2: ", house("a" * 200_000 + ",MN,27001,1,2.2")),
        refusal(
            "a field too many",
            "line 2: 6 fields where the header has 5",
            house("a1,MN,27001,1,2.2,9"),
        ),
        refusal(
            "a field too few", "line 2: 4 fields where the header has 5", house("a1,MN,27001,1")
        ),
        refusal(
            "a column missing",
            "line 1: no column floor; the columns are",
            Tables(HOUSES.replace("floor", "level")),
        ),
        refusal(
            "a column twice",
            "line 1: more than one column floor",
            Tables(HOUSES.replace("\n", ",1\n").replace("activity,1", "activity,floor")),
        ),
        sameness("semicolons for commas", HOUSES.replace(",", ";")),
        sameness("tabs, and decimal commas", HOUSES.replace(",", "\t").replace(".", ",")),
        refusal(
            "bars for commas",
            "line 1: columns are separated by '|'; save the table with commas",
            Tables(HOUSES.replace(",", "|")),
        ),
        refusal(
            "a page that says not found",
            "line 1: no column state",
            Tables("<!DOCTYPE html>\n<p>404</p>\n"),
        ),
        refusal(
            "a header alone", "the table has a header and no rows; add rows", Tables(header + "\n")
        ),
        refusal(
            "an empty file", "houses.csv: the file is empty; add a header and rows", Tables("")
        ),
        refusal("blank lines alone", "houses.csv: the file is empty", Tables("\n \n\n")),
        refusal(
            "no header",
            "line 1: no column state; the columns are a1, MN",
            Tables("\n".join(rows)),
        ),
        _no_file(),
        _folder(),
    ]


def _no_file() -> Case:
    def run(folder: Path) -> str:
        arguments = Tables().written(folder)
        (folder / "houses.csv").unlink()
        return refused(
            folder, "houses.csv: no such table; correct data.houses", prepare.main, *arguments
        )

    return Case("table", "no file", "error: no such table", run)


def _folder() -> Case:
    def run(folder: Path) -> str:
        arguments = Tables().written(folder)
        (folder / "houses.csv").unlink()
        (folder / "houses.csv").mkdir()
        return refused(
            folder, "houses.csv: is a folder; give the path of a table", prepare.main, *arguments
        )

    return Case("table", "a folder in place of the table", "error: is a folder", run)


def many_counties(number: int) -> Tables:
    """Two houses in each of so many counties."""
    codes = range(1001, 1001 + number)
    rows = (f"{2 * c + f},XX,{c},{f},{1 + c % 7}.{f}" for c in codes for f in (0, 1))
    places = (f"{c},XX,COUNTY {c}" for c in codes)
    houses = "\n".join((HOUSES.partition("\n")[0], *rows)) + "\n"
    return Tables(houses, "\n".join(("county_fips,state,county", *places)) + "\n", {"states": []})


def _edges() -> list[Case]:
    header, first, *_ = HOUSES.splitlines()
    basements = HOUSES.replace(",1,", ",0,")
    equal = Tables(
        "\n".join([header, *(line.rpartition(",")[0] + ",1.9" for line in HOUSES.splitlines()[1:])])
    )
    return [
        result(
            "one house",
            "N = 1, J = 1",
            Tables(f"{header}\n{first}\n"),
            lambda v, n: v["log_radon"] == [log(2.2 + 0.1)] and v["county"] == [1],
        ),
        result(
            "one county",
            "J = 1",
            Tables(HOUSES.replace("27003", "27001").replace("27005", "27001")),
            lambda v, n: v["J"] == 1 and v["county"] == [1] * 5,
        ),
        result(
            "all houses in basements",
            "no first floor",
            Tables(basements),
            lambda v, n: not any(v["floor_measure"]) and n["first_floor_houses"] == [0, 0, 0],
        ),
        result(
            "all houses alike",
            "five equal responses",
            equal,
            lambda v, n: set(v["log_radon"]) == {log(2.0)},
        ),
        result(
            "no radon anywhere",
            "five times log 0.1",
            Tables(equal.houses.replace("1.9", "0")),
            lambda v, n: set(v["log_radon"]) == {log(0.1)},
        ),
        result(
            "5,000 counties",
            "N = 10,000, J = 5,000",
            many_counties(5000),
            lambda v, n: (v["N"], v["J"], v["county"][-1]) == (10_000, 5000, 5000),
        ),
        refusal(
            "no house of the study's state",
            "data/studies/trial.toml: data.states: no house of WI in houses.csv",
            Tables(data={"states": ["WI"]}),
        ),
        refusal(
            "every floor dropped",
            "data/studies/trial.toml: data: no house of houses.csv is left",
            Tables(data={"floors": {}, "drop_floors": [0, 1]}),
        ),
    ]


def cases() -> list[Case]:
    """Tables, from those of another encoding to those of 5,000 counties."""
    return [*_encodings(), *_shapes(), *_edges()]
