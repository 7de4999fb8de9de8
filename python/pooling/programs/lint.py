"""Run stanc on every program, including drafts, and check all names.

`python -m pooling.programs.lint TOOLCHAIN.json stan`
"""

import json
from pathlib import Path

from pooling.build import cli
from pooling.build.errors import ProgramError
from pooling.programs.compile import stanc
from pooling.programs.contract import program_info, refuse_reserved_names


def faults(programs: Path, cmdstan: Path) -> list[str]:
    """Faults of all programs and functions in a folder and its subfolders, each once."""
    found = []
    for path in sorted([*programs.rglob("*.stan"), *programs.rglob("*.stanfunctions")]):
        try:
            # stanc 2.27 accepts functions only as a part of a program.
            if path.suffix == ".stan":
                program_info(stanc(cmdstan), path, programs)
            else:
                refuse_reserved_names(path, programs)
        except ProgramError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def main(arguments: list[str] | None) -> None:
    """Check all programs of a folder; fail if any is faulty."""
    parser = cli.parser(__doc__)
    parser.add_argument("toolchain", type=Path)
    parser.add_argument("programs", type=Path)
    given = parser.parse_args(arguments)
    cmdstan = Path(json.loads(given.toolchain.read_text(encoding="utf-8"))["cmdstan"])
    if found := faults(given.programs, cmdstan):
        raise ProgramError("\n".join(found))


if __name__ == "__main__":
    cli.run(main)
