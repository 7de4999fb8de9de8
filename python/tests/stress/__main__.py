"""Try everything and say what happened: `python -m stress -o reports/stress.csv`."""

import argparse
import csv
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

from project import hear_interruptions
from tqdm import tqdm

import stress
from pooling.build import cli
from pooling.build.errors import PoolingError
from pooling.build.files import replacing
from stress.case import COLUMNS, Case, as_text, attempt_all


def all_cases() -> list[Case]:
    """Cases of every module of this package that has some."""
    names = sorted(module.name for module in pkgutil.iter_modules(stress.__path__))
    modules = [importlib.import_module(f"stress.{n}") for n in names if not n.startswith("_")]
    return [case for module in modules if hasattr(module, "cases") for case in module.cases()]


def chosen(cases: Sequence[Case], kinds: Sequence[str]) -> list[Case]:
    """Cases of the kinds asked for; all if none is.

    Raises
    ------
    PoolingError
        There is no such kind.
    """
    known = sorted({case.kind for case in cases})
    for kind in kinds:
        if kind not in known:
            raise PoolingError(f"--only {kind}: no such kind; there are: {', '.join(known)}")
    return [case for case in cases if not kinds or case.kind in kinds]


def write(rows: Sequence[dict[str, str]], path: Path) -> None:
    """Write the table as CSV."""
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def main(arguments: list[str] | None) -> None:
    """Carry out the cases, print the table; exit with 1 if a row is not as expected."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("-o", "--output", type=Path, help="the table as CSV")
    parser.add_argument("--only", nargs="+", default=[], metavar="KIND")
    given = parser.parse_args(arguments)
    hear_interruptions()
    cases = chosen(all_cases(), given.only)
    with tqdm(cases, unit=" cases", disable=None, file=sys.stderr) as bar:
        rows = list(attempt_all(bar))
    print(as_text(rows))
    failed = sum(row["ok"] == "no" for row in rows)
    print(f"\n{len(rows)} tried, {failed} not as expected")
    if given.output:
        write(rows, given.output)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    cli.run(main)
