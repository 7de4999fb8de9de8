"""A content-addressed cache of results, so that undoing an edit restores the earlier result.

A result is a folder of files, named by a hash of everything they depend on. The files are
hard links where the file system supports them: stages replace files and never write into
them. Their SHA-256 are stored with them, and a damaged result is discarded.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from pooling.build.files import digest, draft_of, locked, replacing, sweep

SUMS = "SHA256SUMS"


def key(parts: Iterable[str | bytes]) -> str:
    """Cache key of a result that depends on these texts, in this order."""
    digests = (
        hashlib.sha256(part.encode() if isinstance(part, str) else part).hexdigest()
        for part in parts
    )
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:20]


def cached(
    make: Callable[[], None], folder: Path | None, name: str, outputs: Sequence[Path], most: int
) -> None:
    """Restore result `name` from the cache, or `make` and cache it; without a folder, just make.

    Processes take turns on one folder. A result that cannot be cached, as on a full disk,
    is still a result.
    """
    if folder is None:
        make()
        return
    with locked(folder):
        if not restore(folder, name, outputs):
            make()
            with suppress(OSError):
                store(folder, name, outputs, most)


def restore(folder: Path, name: str, outputs: Sequence[Path]) -> bool:
    """Copy the cached files of result `name` to `outputs`, with the time of now.

    Returns
    -------
    bool
        Whether the result was cached and intact; a damaged one is removed.
    """
    result = folder / name
    try:
        sums = (result / SUMS).read_text(encoding="utf-8").split()
        whole = sums == [digest(result / output.name) for output in outputs]
    except (FileNotFoundError, UnicodeDecodeError):
        whole = False
    if not whole:
        shutil.rmtree(result, ignore_errors=True)
        return False
    os.utime(result)
    for output in outputs:
        with replacing(output) as draft:
            _link(result / output.name, draft)
            os.utime(draft)
    return True


def store(folder: Path, name: str, outputs: Sequence[Path], most: int) -> None:
    """Cache a result, and remove all but the `most` recently used results of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    draft = draft_of(folder / name)
    try:
        draft.mkdir()
        for output in outputs:
            _link(output, draft / output.name)
        sums = "".join(f"{digest(output)}\n" for output in outputs)
        (draft / SUMS).write_text(sums, encoding="utf-8")
        shutil.rmtree(folder / name, ignore_errors=True)
        draft.rename(folder / name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    results = sorted(folder.glob("[!.]*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in results[most:]:
        shutil.rmtree(old, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # across file systems, or without hard links
        shutil.copy2(source, target)
