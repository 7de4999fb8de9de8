"""A Stan program as text: its includes, its meaning without comments, the data it declares."""

import re
from pathlib import Path

from pooling.errors import ProgramError

LEXEME = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<string>"[^"\n]*")
      | (?P<include>\#include[ \t]+[<"]?(?P<file>[^\s<>"]+)[>"]?[^\n]*)
      | (?P<space>\s+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
DATA_BLOCK = re.compile(r"(?<!transformed )\bdata \{(.*?)\}", re.DOTALL)


def essence(path: Path, include_folder: Path) -> str:
    """Text of a program with its includes in place, comments dropped and white space folded.

    Two programs with the same essence are the same program.

    Raises
    ------
    ProgramError
        The program or an included file is missing, or includes itself.
    """
    return re.sub(r"\s+", " ", "".join(_lexemes(Path(path), Path(include_folder), ()))).strip()


def _lexemes(path: Path, include_folder: Path, above: tuple[Path, ...]):
    if path in above:
        raise ProgramError(f"{path}: includes itself by way of {above[-1]}")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        wanted = f", which {above[-1]} includes" if above else ""
        raise ProgramError(f"{path}: no such file{wanted}") from None
    for match in LEXEME.finditer(text):
        if match["include"]:
            yield " "
            yield from _lexemes(include_folder / match["file"], include_folder, (*above, path))
        elif match["comment"] or match["space"]:
            yield " "
        else:
            yield match[0]


def declared_data(essence_text: str) -> set[str]:
    """Names in the data block of a program, from its essence."""
    block = DATA_BLOCK.search(essence_text)
    return set(re.findall(r"(\w+) ?;", block[1])) if block else set()
