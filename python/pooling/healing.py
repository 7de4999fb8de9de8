"""Find what was damaged since make made it, and times that make would misread.

Make compares times and nothing else. It keeps a truncated file, does not miss a
table that another stands for, and takes a source for old that was edited while
the clock was behind. So `plan`, which runs first at every make, puts it right
before make looks:

- a file that is not as it was sealed, and what the same run of a stage made with
  it, is removed, so that make makes it again;
- times ahead of the clock are brought back to now, in their order;
- a source that changed since the last look and yet is older than what was made
  gets the time of now.
"""

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pooling.files import alone, replacing, sweep

SEEN = "seen.json"
TICK = 20_000_000  # ns by which the clock that stamps files may be behind


@dataclass(frozen=True)
class Seal:
    """What a file was like when it was made.

    Attributes
    ----------
    run
        Of which stage; what one run has made stands and falls together.
    state
        Size (bytes) and time of the last change (ns).
    """

    run: str
    state: tuple[int, int]


def heal(seals: Path, sources: Iterable[Path]) -> list[str]:
    """Put files and times right; return a message for each file that was damaged.

    Parameters
    ----------
    seals
        Where `pooling.files.replacing` says what was made. Beside it are the files by
        which `plan` tells make of changes, and `seen.json`, the sources of the last look.
    sources
        Files whose times make compares with those of what it made.
    """
    with alone(seals):
        recorded = read_seals(seals)
        whole, messages = remove_damaged(recorded)
        for folder in {path.parent for path in recorded}:
            sweep(folder)
        sources = [path for path in sources if path.is_file()]
        edited = edited_sources(seals.with_name(SEEN), sources)
        stamps = [
            *seals.parent.glob("*.json"),
            *seals.parent.glob("*/*"),
            *seals.parent.glob("code/*/*"),
        ]
        moved = bring_back([*whole, *sources, *stamps])
        kept = {p: Seal(s.run, (s.state[0], moved.get(p, s.state[1]))) for p, s in whole.items()}
        if kept != recorded or _lines(seals) > 4 * len(kept) + 100:
            write_seals(seals, kept)
        newest = max((seal.state[1] for seal in kept.values()), default=0)
        for path in edited:
            # Times of files of somebody else's cannot be changed.
            if path.stat().st_mtime_ns <= newest:
                with suppress(PermissionError):
                    os.utime(path)
        remember(seals.with_name(SEEN), sources)
    return messages


def read_seals(seals: Path) -> dict[Path, Seal]:
    """The last seal of each file; lines that were cut short are passed over."""
    found = {}
    if seals.is_file():
        # What follows the last line's end was cut short, perhaps in the middle of a name.
        lines = seals.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        for line in lines:
            words = line.split(" ", 3)
            if len(words) == 4 and words[1].isdecimal() and words[2].isdecimal():
                found[Path(words[3])] = Seal(words[0], (int(words[1]), int(words[2])))
    return found


def write_seals(seals: Path, kept: dict[Path, Seal]) -> None:
    """Write them anew, a line a file."""
    lines = [f"{s.run} {s.state[0]} {s.state[1]} {path}\n" for path, s in kept.items()]
    with replacing(seals, sealed=False) as draft:
        draft.write_text("".join(lines), encoding="utf-8")


def _lines(seals: Path) -> int:
    return seals.read_bytes().count(b"\n") if seals.is_file() else 0


def remove_damaged(recorded: dict[Path, Seal]) -> tuple[dict[Path, Seal], list[str]]:
    """Remove what is not as it was sealed and what was made with it.

    Where all of it is gone somebody has deleted it, and make knows by itself.

    Returns
    -------
    tuple
        The seals that hold, and a message for each damaged file.
    """
    states = {path: state(path) for path in recorded}
    wrong = [path for path, seal in recorded.items() if states[path] != seal.state]
    broken = {recorded[path].run for path in wrong}
    there = {seal.run for path, seal in recorded.items() if states[path]}
    messages = [
        f"{path}: {'changed' if states[path] else 'deleted'} since it was made; make it again"
        for path in wrong
        if recorded[path].run in there
    ]
    for path, seal in recorded.items():
        if seal.run in broken and path.is_file():
            path.unlink(missing_ok=True)
    whole = {path: seal for path, seal in recorded.items() if seal.run not in broken}
    return whole, messages


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


def edited_sources(seen: Path, sources: list[Path]) -> list[Path]:
    """Sources that are not as they were at the last look; not those that are new."""
    before = read_seen(seen)
    return [p for p in sources if tuple(before.get(str(p), ())) not in ((), state(p))]


def remember(seen: Path, sources: list[Path]) -> None:
    """Record what the sources are like now, beside others that were looked at earlier."""
    before = read_seen(seen)
    after = before | {str(path): list(state(path) or ()) for path in sources}
    if after != before:
        with replacing(seen, sealed=False) as draft:
            draft.write_text(json.dumps(after, indent=1) + "\n", encoding="utf-8")


def read_seen(seen: Path) -> dict[str, list[int]]:
    """What a look wrote down; nothing if that is damaged."""
    try:
        found = json.loads(seen.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
