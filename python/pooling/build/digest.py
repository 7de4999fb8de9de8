"""A Python module as text without its comments and layout."""

import ast
from pathlib import Path

from pooling.build.errors import ProgramError


def meaning(path: Path) -> str:
    """What a module says to Python; the same for two modules that differ in comments alone.

    Docstrings count: figures and reports show them.

    Raises
    ------
    ProgramError
        It is not Python.
    """
    try:
        return ast.dump(ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise ProgramError(f"{path}{f':{line}' if line else ''}: not Python: {error}") from None
