"""A Stan program as text: its normalised source and its declarations."""

import re
from collections.abc import Iterator
from pathlib import Path

from pooling.build.errors import ProgramError

LEXEME = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<string>"[^"\n]*")
      | (?P<include>\#include\s+(?:"(?P<quoted>[^"\n]*)"|<(?P<angled>[^>\n]*)>|(?P<bare>\S+)))
      | (?P<remark>\#[^\n]*)
      | (?P<space>\s+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
TWIN = re.compile(r"^ *(?:\*|//) *(?:Least squares|REML): *(.*?) *$", re.MULTILINE)
BRACKETS = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|<[^<>]*>")


def normalised(path: Path, include_folder: Path) -> str:
    """Source of a program with includes in place, without comments, with white space folded.

    Comments that start with `#`, as in CmdStan 2.27, are dropped too.

    Raises
    ------
    ProgramError
        The program or an included file is missing or not UTF-8, or includes itself or a file
        outside the folder.
    """
    folded: list[str] = []
    for lexeme in _lexemes(Path(path), Path(include_folder), ()):
        if lexeme != " " or folded[-1:] != [" "]:
            folded.append(lexeme)
    return "".join(folded).strip()


def _lexemes(path: Path, include_folder: Path, above: tuple[Path, ...]) -> Iterator[str]:
    for match in LEXEME.finditer(_text(path, include_folder, above)):
        if match["include"]:
            name = match["quoted"] or match["angled"] or match["bare"] or ""
            yield " "
            yield from _lexemes(include_folder / name, include_folder, (*above, path))
            yield " "
        elif match["comment"] or match["remark"] or match["space"]:
            yield " "
        else:
            yield match[0]


def _text(path: Path, include_folder: Path, above: tuple[Path, ...]) -> str:
    """Text of a file that is included through the files `above`."""
    wanted = f", which {above[-1]} includes" if above else ""
    if path in above:
        raise ProgramError(f"{path}: includes itself through {above[-1]}; remove one #include")
    if above:
        _refuse_outside(path, include_folder, above[-1])
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProgramError(f"{path}: no such file{wanted}; correct the name") from None
    except UnicodeDecodeError as error:
        raise ProgramError(
            f"{path}{wanted}: byte {error.object[error.start]:#04x} is not UTF-8; "
            "save the program as UTF-8"
        ) from None
    if text.startswith("\ufeff"):
        raise ProgramError(
            f"{path}{wanted}: starts with a byte order mark, which stanc rejects; "
            "save the file without it"
        )
    return text


def _refuse_outside(path: Path, include_folder: Path, by: Path) -> None:
    # Symbolic links can lead outside, as `..` can.
    try:
        inside = path.resolve().is_relative_to(include_folder.resolve())
    except (OSError, RuntimeError, ValueError):
        inside = False
    if not inside:
        raise ProgramError(
            f"{by}: includes {path}, which is not in {include_folder}; copy it there"
        )


def declared(text: str, block: str = "data") -> list[str]:
    """Names that a block of a normalised source declares, in its order.

    Of `generated quantities`, those before its first loop or inner block, with assignments.
    """
    found = re.search(rf"(?<!\w)(?<!transformed ){block} ?\{{(.*?)\}}", text, re.DOTALL)
    if found is None:
        return []
    text, brackets = found[1], 1
    while brackets:
        text, brackets = BRACKETS.subn(" ", text)
    # The rest is `type name` or `type name, name`.
    return [
        words[-1]
        for statement in text.split(";")
        for words in map(str.split, statement.partition("=")[0].split(","))
        if words
    ]


def twin(path: Path) -> str | None:
    """Formula of a program's frequentist twin, from a comment such as

    `* REML: y ~ floor + (1 | county)` or `// Least squares: y ~ floor`.
    """
    found = TWIN.search(path.read_text(encoding="utf-8"))
    return found and found[1]
