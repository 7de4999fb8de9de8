"""One thing that is tried on the workflow, and how a list of them is carried out."""

import shutil
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("kind", "tried", "expected", "happened", "ok")


@dataclass(frozen=True)
class Case:
    """One thing that is tried.

    Attributes
    ----------
    kind
        table, study, program, county, path, fault or safety.
    tried, expected
        One phrase each.
    run
        Does it in an empty folder and returns in one phrase what happened; raises
        AssertionError if that is not what was expected.
    """

    kind: str
    tried: str
    expected: str
    run: Callable[[Path], str]


def attempt(case: Case) -> dict[str, str]:
    """Carry out one case in a folder of its own; a row with `COLUMNS`, `ok` yes or no."""
    about = {"kind": case.kind, "tried": case.tried, "expected": case.expected}
    folder = Path(tempfile.mkdtemp(prefix="stress-"))
    try:
        return about | {"happened": case.run(folder), "ok": "yes"}
    except AssertionError as error:
        return about | {"happened": str(error) or "an assertion failed", "ok": "no"}
    except Exception as error:  # A row of the table, so that the cases after it are tried.
        return about | {"happened": f"{type(error).__name__}: {error}", "ok": "no"}
    finally:
        # Cases take away permissions; a folder that cannot be read cannot be removed.
        for below in (folder, *(p for p in folder.rglob("*") if not p.is_symlink())):
            if below.is_dir():
                below.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)


def attempt_all(cases: Iterable[Case]) -> Iterator[dict[str, str]]:
    """Carry out cases one after the other, because some of them measure what others disturb."""
    return map(attempt, cases)


def as_text(rows: Sequence[dict[str, str]], widths: Sequence[int] = (8, 40, 40, 60, 3)) -> str:
    """The table for a terminal: aligned columns, long phrases on several lines."""
    header = dict(zip(COLUMNS, COLUMNS, strict=True))
    lines = []
    for row in (header, dict.fromkeys(COLUMNS, ""), *rows):
        cells = [textwrap.wrap(row[c], w) or [""] for c, w in zip(COLUMNS, widths, strict=True)]
        for part in range(max(map(len, cells))):
            texts = (cell[part] if part < len(cell) else "" for cell in cells)
            padded = (text.ljust(width) for text, width in zip(texts, widths, strict=True))
            lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
