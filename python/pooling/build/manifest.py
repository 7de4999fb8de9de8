"""The manifest of what make made: damage that times do not show, and times that make would misread.

    python -m pooling.build.manifest check|repair .build/manifest

Make compares times and nothing else. It keeps a truncated file, does not miss a
table that another stands for, takes a source for old that was edited while the
clock was behind, and a copied one for new. So `plan`, which runs first at every
make, compares contents before make looks (`reconcile`):

- a result, or a source, that has another time but the content that was recorded gets
  the recorded time back: it was copied, unpacked or touched;
- a result whose content is not what was recorded is left to `make repair`: make stops;
- times ahead of the clock are brought back to now, in their order;
- a source whose content changed since the last look and yet is older than what was
  made gets the time of now.

Content is read only where size or time differ; `check` and `repair` read all of it.
"""

import argparse
import json
import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pooling.build import cli
from pooling.build.errors import StorageError
from pooling.build.files import alone, digest, replacing, sweep

SEEN = "seen.json"
LINE = re.compile(r"(\S+) (\d+) (\d+) ([0-9a-f]{64}) (.+)")
TICK = 20_000_000  # ns by which the clock that stamps files may be behind


@dataclass(frozen=True)
class Entry:
    """What a file was like when it was made, or when a source was last looked at.

    Attributes
    ----------
    state
        Size (bytes) and time of the last change (ns).
    content
        SHA-256.
    run
        Of which stage; what one run has made stands and falls together.
    before
        The file that it replaced, which is there if the run was killed just then.
    """

    state: tuple[int, int]
    content: str
    run: str = ""
    before: "Entry | None" = None


def reconcile(manifest: Path, sources: Iterable[Path]) -> list[str]:
    """Put times right; return a message for each file that will be made again.

    Those are files of which others that came with them were deleted, and damaged ones beside
    the manifest, by which `plan` tells make of changes.

    Parameters
    ----------
    manifest
        Where `pooling.build.files.replacing` says what was made. Beside it is `seen.json`, the
        sources of the last look.
    sources
        Files whose times make compares with those of what it made.

    Raises
    ------
    StorageError
        A result is damaged.
    """
    with alone(manifest):
        recorded = read_manifest(manifest)
        now = {path: confirmed(path, entry) for path, entry in recorded.items()}
        changed = [p for p, entry in now.items() if entry is None and state(p)]
        if damaged := [
            p for p in changed if manifest.parent.absolute() not in p.absolute().parents
        ]:
            raise StorageError(_refusal(damaged))
        whole, messages = _remove_damaged(recorded, now)
        for folder in {path.parent for path in recorded}:
            sweep(folder)
        looked, edited = look_at(sources, manifest.with_name(SEEN))
        stamps = [p for form in ("*.json", "*/*", "code/*/*") for p in manifest.parent.glob(form)]
        moved = bring_back([*whole, *looked, *stamps])
        kept = {
            path: replace(entry, state=(entry.state[0], moved[path])) if path in moved else entry
            for path, entry in whole.items()
        }
        if kept != recorded or _lines(manifest) > 4 * len(kept) + 100:
            write_manifest(manifest, kept)
        newest = max((entry.state[1] for entry in kept.values()), default=0)
        for path in edited:
            # Times of files of somebody else's cannot be changed.
            if path.stat().st_mtime_ns <= newest:
                with suppress(PermissionError):
                    os.utime(path)
        remember(manifest.with_name(SEEN), looked)
    return messages


def _refusal(damaged: list[Path]) -> str:
    more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    return (
        f"{damaged[0]}{more}: changed since make made it; `make repair` removes what is damaged, "
        "and the next make makes it again"
    )


def check(manifest: Path) -> list[str]:
    """Compare the content of every file with the manifest; a message for each damaged one."""
    recorded = read_manifest(manifest)
    return _damage(recorded, {path: unchanged(path, entry) for path, entry in recorded.items()})


def repair(manifest: Path) -> list[str]:
    """Remove what is damaged and what was made with it; a message for each damaged file."""
    with alone(manifest):
        recorded = read_manifest(manifest)
        now = {path: unchanged(path, entry) for path, entry in recorded.items()}
        whole, messages = _remove_damaged(recorded, now)
        write_manifest(manifest, whole)
    return messages


def read_manifest(manifest: Path) -> dict[Path, Entry]:
    """The last entry of each file; lines that were cut short are passed over."""
    found: dict[Path, Entry] = {}
    if manifest.is_file():
        # What follows the last line's end was cut short, perhaps in the middle of a name.
        lines = manifest.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        for line in lines:
            if entry := LINE.fullmatch(line):
                run, size, changed, content, name = entry.groups()
                path, state = Path(name), (int(size), int(changed))
                before = found.get(path)
                last = replace(before, before=None) if before else None
                found[path] = Entry(state, content, run, last)
    return found


def write_manifest(manifest: Path, kept: dict[Path, Entry]) -> None:
    """Write it anew, one line per file."""
    lines = [
        f"{entry.run} {entry.state[0]} {entry.state[1]} {entry.content} {path}\n"
        for path, entry in kept.items()
    ]
    with replacing(manifest, recorded=False) as draft:
        draft.write_text("".join(lines), encoding="utf-8")


def _lines(manifest: Path) -> int:
    return manifest.read_bytes().count(b"\n") if manifest.is_file() else 0


def _damage(recorded: dict[Path, Entry], now: dict[Path, Entry | None]) -> list[str]:
    """A message for each file that is not as it was recorded.

    Where all that a run made is gone somebody has deleted it, and make knows by itself.
    """
    there = {entry.run for path, entry in recorded.items() if now[path] or state(path)}
    return [
        f"{path}: {'changed' if state(path) else 'deleted'} since make made it"
        for path, entry in now.items()
        if entry is None and recorded[path].run in there
    ]


def _remove_damaged(
    recorded: dict[Path, Entry], now: dict[Path, Entry | None]
) -> tuple[dict[Path, Entry], list[str]]:
    """Remove what is not as it was recorded and what was made with it; the entries that hold."""
    messages = _damage(recorded, now)
    broken = {recorded[path].run for path, entry in now.items() if entry is None}
    whole = {}
    for path, entry in now.items():
        if entry and entry.run not in broken:
            whole[path] = entry
        elif path.is_file():
            path.unlink(missing_ok=True)
    return whole, messages


def confirmed(path: Path, entry: Entry) -> Entry | None:
    """The entry of a file that holds what was recorded, None if it does not.

    If only its time is another, it gets the recorded one back. Where that is not allowed,
    or the file system rounds it, the new entry has the time that it has.
    """
    found = state(path)
    if found == entry.state:
        return entry
    same = unchanged(path, entry)
    if same and found != same.state:
        with suppress(PermissionError):
            os.utime(path, ns=(same.state[1], same.state[1]))
        return replace(same, state=state(path) or same.state)
    return same


def unchanged(path: Path, entry: Entry) -> Entry | None:
    """The entry, or the one before, whose content a file has, whatever its time."""
    found = state(path)
    candidates = [e for e in (entry, entry.before) if e and found and e.state[0] == found[0]]
    if not candidates:
        return None
    content = digest(path)
    return next((candidate for candidate in candidates if candidate.content == content), None)


def state(path: Path) -> tuple[int, int] | None:
    """Size and time of the last change; None if there is no such file."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size, found.st_mtime_ns


def bring_back(paths: Iterable[Path]) -> dict[Path, int]:
    """Bring times ahead of the clock back behind the latest of the others, in their order.

    Returns
    -------
    dict
        The new time (ns) of each file that was moved.
    """
    times = {path: found[1] for path in paths if (found := state(path))}
    now = time.time_ns()
    ahead = sorted({changed for changed in times.values() if changed > now})
    if not ahead:
        return {}
    latest = max((changed for changed in times.values() if changed <= now), default=0)
    if latest > now - 2 * TICK:
        time.sleep(3 * TICK / 1e9)
        now = time.time_ns()
    # At most a minute back, so that dates stay those of today.
    latest = max(latest, now - 60_000_000_000)
    step = (now - TICK - latest) // (len(ahead) + 1)
    new = {old: latest + step * place for place, old in enumerate(ahead, start=1)}
    moved = {path: new[changed] for path, changed in times.items() if changed in new}
    for path, changed in moved.items():
        with suppress(PermissionError):
            os.utime(path, ns=(changed, changed))
    return moved


def look_at(sources: Iterable[Path], seen: Path) -> tuple[dict[Path, Entry], list[Path]]:
    """Look at the sources that are there.

    Returns
    -------
    tuple
        What each is like now, and those whose content is not that of the last look; not
        those that are new.
    """
    before = {
        name: Entry((entry[0], entry[1]), entry[2])
        for name, entry in read_seen(seen).items()
        if isinstance(entry, list) and len(entry) == 3
    }
    looked, edited = {}, []
    for path in sources:
        found = state(path)
        if not found or not path.is_file():
            continue
        old = before.get(str(path))
        same = confirmed(path, old) if old else None
        looked[path] = same or Entry(found, digest(path))
        if old and not same:
            edited.append(path)
    return looked, edited


def remember(seen: Path, looked: dict[Path, Entry]) -> None:
    """Record what the sources are like now, beside others that were looked at earlier."""
    before = read_seen(seen)
    # Their times may have been changed since they were looked at.
    now = {str(p): [*(state(p) or entry.state), entry.content] for p, entry in looked.items()}
    after = before | now
    if after != before:
        with replacing(seen, recorded=False) as draft:
            draft.write_text(json.dumps(after, indent=1) + "\n", encoding="utf-8")


def read_seen(seen: Path) -> dict:
    """What a look wrote down; nothing if that is damaged."""
    try:
        found = json.loads(seen.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


TASKS: dict[str, Callable[[Path], list[str]]] = {"check": check, "repair": repair}


def main(arguments: list[str] | None) -> None:
    """Report what is damaged, or remove it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("manifest", type=Path)
    given = parser.parse_args(arguments)
    messages = TASKS[given.task](given.manifest)
    for message in messages:
        print("damaged" if given.task == "check" else "removed", "", message, flush=True)
    if not messages:
        print("nothing is damaged: every file that make made is as it was made")
    elif given.task == "check":
        raise StorageError(
            f"{len(messages)} damaged; `make repair` removes them, and the next make makes them "
            "again"
        )


if __name__ == "__main__":
    cli.run(main)
