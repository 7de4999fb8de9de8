"""Atomic writes: a reader sees the old content or the new, never a part of it.

Each result is recorded in the manifest, the file that the environment variable MANIFEST names:
the run that made it, its size, time and SHA-256. From these `pooling.build.manifest` tells a
damaged file from one that was merely copied.
"""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pooling.build.errors import StorageError

FULL = 2**20  # bytes; a disk with less free space counts as full
DRAFT = re.compile(r"\..+\.(?P<process>\d+)-[0-9a-f]{8}(\.\w+)?")


@contextmanager
def replacing(target: Path, *, recorded: bool = True, run: str | None = None) -> Iterator[Path]:
    """Yield a draft path next to `target`, and rename it to `target` at the end.

    The draft keeps the suffix of `target`, by which some writers choose a format. After an
    error the draft is removed and `target` is unchanged.

    Parameters
    ----------
    recorded
        Whether the manifest records the file, so that a later change of it counts as damage.
    run
        Name of the files that are repaired together; by default all those of this process.

    Raises
    ------
    StorageError
        The disk is full or not writable.
    """
    target = Path(target)
    draft = draft_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        manifest = os.environ.get("MANIFEST") if recorded else None
        if manifest:
            _publish(draft, target, Path(manifest), run or _this_run())
        else:
            draft.replace(target)
    except FileNotFoundError:
        raise
    except Exception as error:
        if reason := storage_trouble(error, draft, target):
            raise StorageError(f"{target}: {reason}") from None
        raise
    finally:
        if draft.exists():
            draft.unlink()


def draft_of(target: Path) -> Path:
    """A path next to `target` for the file that will replace it.

    It contains the process id, so that `sweep` recognises abandoned drafts.
    """
    return target.with_name(f".{target.stem}.{os.getpid()}-{secrets.token_hex(4)}{target.suffix}")


def storage_trouble(error: Exception, draft: Path, target: Path) -> str | None:
    """Why a file could not be written; None if the disk is not to blame.

    Libraries wrap the system's error in many types, so free space is checked first.
    """
    if is_full(target.parent):
        return "no space left on device; free some space and run make again"
    if isinstance(error, OSError) and error.strerror:
        # Folders above the target may have had to be made.
        ours = (None, *map(str, (draft, target, *target.parents)))
        if (str(error.filename) if error.filename else None) in ours:
            return f"{error.strerror}; make the folder writable and run make again"
    return None


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder is full, less than `FULL` bytes free."""
    return folder.is_dir() and shutil.disk_usage(folder).free < FULL


def _publish(draft: Path, target: Path, manifest: Path, run: str) -> None:
    content = digest(draft)
    with locked(manifest):
        made = draft.stat()
        line = f"{run} {made.st_size} {made.st_mtime_ns} {content} {os.path.relpath(target)}\n"
        # On a new line even if an interrupted process left the last one incomplete.
        with manifest.open("a+b") as log:
            log.seek(max(0, log.tell() - 1))
            cut = log.read(1) not in (b"", b"\n")
            log.write(("\n" * cut + line).encode())
        # Last: after a kill in between, the file still matches its previous entry.
        draft.replace(target)


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _this_run() -> str:
    # Process ids are reused.
    return f"{os.getpid()}-{time.time_ns()}"


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """Lock a file or folder against other processes; the lock ends with the process."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sweep(folder: Path) -> None:
    """Remove drafts that killed processes of this machine left."""
    for path in folder.glob(".*"):
        draft = DRAFT.fullmatch(path.name)
        if draft and not _runs(int(draft["process"])):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def write_if_changed(target: Path, text: str, *, recorded: bool = True) -> bool:
    """Write `text` unless `target` contains it already; return whether it was written.

    Its damage does not affect other files of the process: it has a run of its own.
    """
    target, content = Path(target), text.encode()
    if target.is_file() and target.read_bytes() == content:
        return False
    with replacing(target, recorded=recorded, run=secrets.token_hex(8)) as draft:
        draft.write_bytes(content)
    return True
