"""Run stanc on every program, those of the draft folder included.

`python -m pooling.lint TOOLCHAIN.json stan`
"""

import argparse
import json
from pathlib import Path

from pooling import cli
from pooling.compile import stanc
from pooling.contract import program_info
from pooling.errors import ProgramError


def faults(programs: Path, cmdstan: Path) -> list[str]:
    """What stanc has to say against the programs in a folder and below, one entry a program."""
    found = []
    for path in sorted(programs.rglob("*.stan")):
        try:
            program_info(stanc(cmdstan), path, programs)
        except ProgramError as error:
            found.append(str(error))
    return found


def main(arguments: list[str] | None) -> None:
    """Check all programs of a folder; fail if any is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("toolchain", type=Path)
    parser.add_argument("programs", type=Path)
    given = parser.parse_args(arguments)
    cmdstan = Path(json.loads(given.toolchain.read_text(encoding="utf-8"))["cmdstan"])
    if found := faults(given.programs, cmdstan):
        raise ProgramError("\n".join(found))


if __name__ == "__main__":
    cli.run(main)
