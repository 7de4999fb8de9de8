"""List the stages that an edit of a module would rerun.

`make why FILE=python/pooling/fitting/sampling.py NAME=sample`
"""

from collections.abc import Iterator
from pathlib import Path

from pooling.build import cli
from pooling.build.digest import EFFECTS, MAIN, Code
from pooling.build.errors import ProgramError


def why(code: Code, file: Path, name: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each stage that reaches a module, or a name in it, with the names that it reaches.

    Raises
    ------
    ProgramError
        The file is not a module of the package, or has no such name at top level.
    """
    names = {path.resolve(): module for module, path in code.paths.items()}
    module = names.get(file.resolve())
    if module is None:
        raise ProgramError(
            f"FILE={file}: not a module of {code.package.name}; give one, as in "
            "FILE=python/pooling/fitting/fit.py"
        )
    parts = code.module(module).parts
    top = name.partition(".")[0]  # a method counts with its class
    if top and top not in parts:
        there = ", ".join(sorted(parts.keys() - {EFFECTS, MAIN, "__doc__"}))
        raise ProgramError(f"NAME={name}: {file} has no such name; choose from: {there}")
    for stage in code.stages():
        reached = sorted(n for m, n in code.of_stage(stage) if m == module)
        if top in reached or (reached and not top):
            yield stage, [n for n in reached if n not in (EFFECTS, MAIN)]


def main(arguments: list[str] | None) -> None:
    """Print one line for each stage."""
    parser = cli.parser(__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--name", default="", help="of a function, class or constant in it")
    given = parser.parse_args(arguments)
    found = dict(why(Code(), given.file, given.name))
    for stage, names in found.items():
        stage = stage.partition(".")[2]
        print(stage if given.name else f"{stage:30} {', '.join(names)}")
    if not found:
        print("no stage reaches it: nothing would rerun")


if __name__ == "__main__":
    cli.run(main)
