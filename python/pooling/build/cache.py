"""Results kept by what they were made from, so that an undone edit finds the earlier one.

A result is some files in a folder of their own, named by the key of everything they
depend on. They are hard links where the file system has them: stages replace files and
never write into them. Each is stored with its SHA-256, and one that is damaged is not
used.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from pooling.build.files import alone, digest, draft_of, replacing, sweep

SUMS = "SHA256SUMS"


def key(parts: Iterable[str | bytes]) -> str:
    """Name of a result that depends on these texts, in this order."""
    digests = (
        hashlib.sha256(part.encode() if isinstance(part, str) else part).hexdigest()
        for part in parts
    )
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:20]


def made_once(
    make: Callable[[], None], folder: Path | None, name: str, outputs: Sequence[Path], most: int
) -> None:
    """Restore result `name`, or `make` its outputs and keep them; without a folder just make.

    Another process that wants the same outputs waits. A result that cannot be kept, on
    a full disk, is a result all the same.
    """
    if folder is None:
        make()
        return
    with alone(folder):
        if not restore(folder, name, outputs):
            make()
            with suppress(OSError):
                keep(folder, name, outputs, most)


def restore(folder: Path, name: str, outputs: Sequence[Path]) -> bool:
    """Put the kept files of result `name` in the places of `outputs`, as if made now.

    Returns
    -------
    bool
        Whether it is there and whole; if not, nothing has changed but that a damaged
        one is gone.
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


def keep(folder: Path, name: str, outputs: Sequence[Path], most: int) -> None:
    """Keep a result's files, and of all results in `folder` the `most` last used."""
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
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
