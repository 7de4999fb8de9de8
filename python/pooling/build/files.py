"""Write files so that a reader sees the old content or the new, never a part of it.

What was made is recorded: a line in the manifest, the file that the environment variable
MANIFEST names, says which run made it, how large it is, when it was finished, and its
SHA-256. By these lines `pooling.build.manifest` tells a file that was damaged later from one
that was copied.
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

FULL = 2**20  # bytes: a disk with less room counts as full
DRAFT = re.compile(r"\..+\.(?P<process>\d+)-[0-9a-f]{8}(\.\w+)?")


@contextmanager
def replacing(target: Path, *, recorded: bool = True, run: str | None = None) -> Iterator[Path]:
    """Give a path beside `target` to write to, and rename it to `target` at the end.

    The path keeps the suffix of `target`, so that writers that choose a format
    by suffix choose the same. After an error nothing is left behind and
    `target` is as it was.

    Parameters
    ----------
    recorded
        Whether a later change of `target` by anything else is damage. Not so for
        files that are rewritten as need be, and for what may be deleted at any time.
    run
        Names what stands and falls together; None for all that this process makes.

    Raises
    ------
    StorageError
        The disk is full or does not let us write.
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
    """A path beside `target` for what will replace it.

    The number of the process tells a draft that is being written from one that was left.
    """
    return target.with_name(f".{target.stem}.{os.getpid()}-{secrets.token_hex(4)}{target.suffix}")


def storage_trouble(error: Exception, draft: Path, target: Path) -> str | None:
    """Why a file could not be written; None if it is not the disk's fault.

    Libraries wrap what the system says in errors of many kinds, so room is looked for first.
    """
    if is_full(target.parent):
        return "no space left on device; free some and run make again"
    if isinstance(error, OSError) and error.strerror:
        ours = (None, str(draft), str(target), str(target.parent))
        if (str(error.filename) if error.filename else None) in ours:
            return f"{error.strerror}; make the folder writable and run make again"
    return None


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder has no room left."""
    return folder.is_dir() and shutil.disk_usage(folder).free < FULL


def _publish(draft: Path, target: Path, manifest: Path, run: str) -> None:
    content = digest(draft)
    with alone(manifest):
        made = draft.stat()
        line = f"{run} {made.st_size} {made.st_mtime_ns} {content} {os.path.relpath(target)}\n"
        # In a line of its own even after one that was cut short.
        with manifest.open("a+b") as log:
            log.seek(max(0, log.tell() - 1))
            cut = log.read(1) not in (b"", b"\n")
            log.write(("\n" * cut + line).encode())
        # Last: whoever is killed in between leaves the file that the line before tells of.
        draft.replace(target)


def digest(path: Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _this_run() -> str:
    # Numbers of processes come again.
    return f"{os.getpid()}-{time.time_ns()}"


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Wait until no other process works on a file or folder; the lock goes with the process."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sweep(folder: Path) -> None:
    """Remove drafts that processes of this machine left when they were killed."""
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
    """Write `text` unless `target` holds it already; return whether it was written.

    What is recorded stands by itself: if it is damaged, nothing else that the process
    wrote counts as damaged.
    """
    target, content = Path(target), text.encode()
    if target.is_file() and target.read_bytes() == content:
        return False
    with replacing(target, recorded=recorded, run=secrets.token_hex(8)) as draft:
        draft.write_bytes(content)
    return True
