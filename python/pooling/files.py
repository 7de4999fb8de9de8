"""Write files so that a reader sees the old content or the new, never a part of it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a path beside `target` to write to, and rename it to `target` at the end.

    The path keeps the suffix of `target`, so that writers that choose a format
    by suffix choose the same. After an error nothing is left behind and
    `target` is as it was.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.stem}.{secrets.token_hex(4)}{target.suffix}")
    try:
        yield draft
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def write_if_changed(target: Path, text: str) -> bool:
    """Write `text` unless `target` holds it already; return whether it was written."""
    target = Path(target)
    if target.is_file() and target.read_text(encoding="utf-8") == text:
        return False
    with replacing(target) as draft:
        draft.write_text(text, encoding="utf-8")
    return True
