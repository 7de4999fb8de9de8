"""The manifest of outputs: detects corruption and misleading modification times.

    python -m pooling.build.manifest check|repair .build/manifest

Make compares modification times only: it does not notice a truncated result or a missing file
of a pair, takes a source edited while the clock was behind for old, and a copied source for
new. So `plan`, which runs first at every make, compares contents (`reconcile`):

- a result or source with a new time but the recorded content was copied, unpacked or touched,
  and gets the recorded time back;
- a result with other content than recorded is damaged: make stops, and `make repair` removes it;
- times ahead of the clock are set back to now, in their order;
- a source whose content changed, but whose time is older than the results, gets the current time.

Content is read only where size or time differ; `check` and `repair` read all of it.
"""

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
from pooling.build.files import digest, locked, replacing, sweep

SEEN = "seen.json"
LINE = re.compile(r"(\S+) (\d+) (\d+) ([0-9a-f]{64}) (.+)")
TICK = 20_000_000  # ns by which timestamps of files may lag behind the clock


@dataclass(frozen=True)
class Entry:
    """A recorded state of a result, or of a source when it was last examined.

    Attributes
    ----------
    state
        Size (bytes) and modification time (ns).
    content
        SHA-256.
    run
        Run of the stage that made it; all results of a run are repaired together.
    before
        The previous entry, which holds if the run was killed before its rename.
    """

    state: tuple[int, int]
    content: str
    run: str = ""
    before: "Entry | None" = None


def reconcile(manifest: Path, sources: Iterable[Path]) -> list[str]:
    """Correct modification times; return a message for each file that will be rebuilt.

    Those are files whose companions of the same run were deleted, and damaged files in the
    manifest's own folder, which `plan` rewrites.

    Parameters
    ----------
    manifest
        The file that `pooling.build.files.replacing` writes. `seen.json` next to it has the
        sources as last examined.
    sources
        Files whose times make compares with those of results.

    Raises
    ------
    StorageError
        A result is damaged.
    """
    with locked(manifest):
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
            # Another user's files cannot be touched.
            if path.stat().st_mtime_ns <= newest:
                with suppress(PermissionError):
                    os.utime(path)
        remember(manifest.with_name(SEEN), looked)
    return messages


def _refusal(damaged: list[Path]) -> str:
    more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    return (
        f"{damaged[0]}{more}: changed since make wrote it; run `make repair`, which removes what "
        "is damaged, then make again"
    )


def check(manifest: Path) -> list[str]:
    """Compare every file with the manifest; return a message for each damaged one."""
    recorded = read_manifest(manifest)
    return _damage(recorded, {path: unchanged(path, entry) for path, entry in recorded.items()})


def repair(manifest: Path) -> list[str]:
    """Remove damaged files and all others of their runs; return a message for each damaged one."""
    with locked(manifest):
        recorded = read_manifest(manifest)
        now = {path: unchanged(path, entry) for path, entry in recorded.items()}
        whole, messages = _remove_damaged(recorded, now)
        write_manifest(manifest, whole)
    return messages


def read_manifest(manifest: Path) -> dict[Path, Entry]:
    """The last entry of each file; incomplete lines are ignored."""
    found: dict[Path, Entry] = {}
    if manifest.is_file():
        # An unterminated last line is incomplete, possibly in the middle of a name.
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
    """Rewrite the manifest, one line per file."""
    lines = [
        f"{entry.run} {entry.state[0]} {entry.state[1]} {entry.content} {path}\n"
        for path, entry in kept.items()
    ]
    with replacing(manifest, recorded=False) as draft:
        draft.write_text("".join(lines), encoding="utf-8")


def _lines(manifest: Path) -> int:
    return manifest.read_bytes().count(b"\n") if manifest.is_file() else 0


def _damage(recorded: dict[Path, Entry], now: dict[Path, Entry | None]) -> list[str]:
    """A message for each file that differs from its entry.

    If all files of a run are gone, the user deleted them, and make rebuilds them by itself.
    """
    there = {entry.run for path, entry in recorded.items() if now[path] or state(path)}
    return [
        f"{path}: {'changed' if state(path) else 'deleted'} since make wrote it"
        for path, entry in now.items()
        if entry is None and recorded[path].run in there
    ]


def _remove_damaged(
    recorded: dict[Path, Entry], now: dict[Path, Entry | None]
) -> tuple[dict[Path, Entry], list[str]]:
    """Remove damaged files and the others of their runs; return the entries that remain."""
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
    """The entry of a file whose content is as recorded, else None.

    If only its time differs, the recorded time is restored. Where that is not permitted, or the
    file system rounds it, the new entry has the actual time.
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
    """The entry, or its predecessor, that matches a file's content, whatever its time."""
    found = state(path)
    candidates = [e for e in (entry, entry.before) if e and found and e.state[0] == found[0]]
    if not candidates:
        return None
    content = digest(path)
    return next((candidate for candidate in candidates if candidate.content == content), None)


def state(path: Path) -> tuple[int, int] | None:
    """Size and modification time; None if there is no such file."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size, found.st_mtime_ns


def bring_back(paths: Iterable[Path]) -> dict[Path, int]:
    """Set times ahead of the clock back to now, in their order and after all other times.

    Returns
    -------
    dict
        The new time (ns) of each file that was changed.
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
    # At most a minute back, so that times remain recent.
    latest = max(latest, now - 60_000_000_000)
    step = (now - TICK - latest) // (len(ahead) + 1)
    new = {old: latest + step * place for place, old in enumerate(ahead, start=1)}
    moved = {path: new[changed] for path, changed in times.items() if changed in new}
    for path, changed in moved.items():
        with suppress(PermissionError):
            os.utime(path, ns=(changed, changed))
    return moved


def look_at(sources: Iterable[Path], seen: Path) -> tuple[dict[Path, Entry], list[Path]]:
    """Examine the sources that exist.

    Returns
    -------
    tuple
        An entry for each, and the sources whose content changed since they were last examined.
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
    """Record the sources as they are now, and keep the entries of others."""
    before = read_seen(seen)
    # `reconcile` may have changed their times since.
    now = {str(p): [*(state(p) or entry.state), entry.content] for p, entry in looked.items()}
    after = before | now
    if after != before:
        with replacing(seen, recorded=False) as draft:
            draft.write_text(json.dumps(after, indent=1) + "\n", encoding="utf-8")


def read_seen(seen: Path) -> dict:
    """The recorded sources; empty if the file is missing or damaged."""
    try:
        found = json.loads(seen.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


TASKS: dict[str, Callable[[Path], list[str]]] = {"check": check, "repair": repair}


def main(arguments: list[str] | None) -> None:
    """Report damaged files, or remove them."""
    parser = cli.parser(__doc__)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("manifest", type=Path)
    given = parser.parse_args(arguments)
    messages = TASKS[given.task](given.manifest)
    for message in messages:
        print("damaged" if given.task == "check" else "removed", "", message, flush=True)
    if not messages:
        print("nothing is damaged: every file is as make wrote it")
    elif given.task == "check":
        raise StorageError(
            f"{len(messages)} damaged; run `make repair`, which removes them, then make again"
        )


if __name__ == "__main__":
    cli.run(main)
