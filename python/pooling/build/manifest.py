"""Find what was damaged since make made it, and times that make would misread.

Make compares times and nothing else. It keeps a truncated file, does not miss a
table that another stands for, takes a source for old that was edited while the
clock was behind, and a copied one for new. So `plan`, which runs first at every
make, puts it right before make looks:

- a file whose content is not what was sealed, and what the same run of a stage made
  with it, is removed, so that make makes it again;
- a file, or a source, that has another time but the content that was recorded gets
  the recorded time back: it was copied, unpacked or touched;
- times ahead of the clock are brought back to now, in their order;
- a source whose content changed since the last look and yet is older than what was
  made gets the time of now.

Content is read only where size or time differ.
"""

import json
import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pooling.build.files import alone, digest, replacing, sweep

SEEN = "seen.json"
SEAL = re.compile(r"(\S+) (\d+) (\d+) ([0-9a-f]{64}) (.+)")
TICK = 20_000_000  # ns by which the clock that stamps files may be behind


@dataclass(frozen=True)
class Seal:
    """What a file was like when it was made, or when a source was last looked at.

    Attributes
    ----------
    state
        Size (bytes) and time of the last change (ns).
    content
        SHA-256.
    run
        Of which stage; what one run has made stands and falls together.
    """

    state: tuple[int, int]
    content: str
    run: str = ""


def heal(seals: Path, sources: Iterable[Path]) -> list[str]:
    """Put files and times right; return a message for each file that was damaged.

    Parameters
    ----------
    seals
        Where `pooling.build.files.replacing` says what was made. Beside it are the files by
        which `plan` tells make of changes, and `seen.json`, the sources of the last look.
    sources
        Files whose times make compares with those of what it made.
    """
    with alone(seals):
        recorded = read_seals(seals)
        whole, messages = remove_damaged(recorded)
        for folder in {path.parent for path in recorded}:
            sweep(folder)
        looked, edited = look_at(sources, seals.with_name(SEEN))
        stamps = [
            *seals.parent.glob("*.json"),
            *seals.parent.glob("*/*"),
            *seals.parent.glob("code/*/*"),
        ]
        moved = bring_back([*whole, *looked, *stamps])
        kept = {
            path: replace(seal, state=(seal.state[0], moved[path])) if path in moved else seal
            for path, seal in whole.items()
        }
        if kept != recorded or _lines(seals) > 4 * len(kept) + 100:
            write_seals(seals, kept)
        newest = max((seal.state[1] for seal in kept.values()), default=0)
        for path in edited:
            # Times of files of somebody else's cannot be changed.
            if path.stat().st_mtime_ns <= newest:
                with suppress(PermissionError):
                    os.utime(path)
        remember(seals.with_name(SEEN), looked)
    return messages


def read_seals(seals: Path) -> dict[Path, Seal]:
    """The last seal of each file; lines that were cut short are passed over."""
    found = {}
    if seals.is_file():
        # What follows the last line's end was cut short, perhaps in the middle of a name.
        lines = seals.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        for line in lines:
            if sealed := SEAL.fullmatch(line):
                run, size, changed, content, path = sealed.groups()
                found[Path(path)] = Seal((int(size), int(changed)), content, run)
    return found


def write_seals(seals: Path, kept: dict[Path, Seal]) -> None:
    """Write them anew, a line a file."""
    lines = [
        f"{seal.run} {seal.state[0]} {seal.state[1]} {seal.content} {path}\n"
        for path, seal in kept.items()
    ]
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
    now = {path: confirmed(path, seal) for path, seal in recorded.items()}
    wrong = [path for path, seal in now.items() if seal is None]
    broken = {recorded[path].run for path in wrong}
    there = {seal.run for path, seal in recorded.items() if now[path] or state(path)}
    messages = [
        f"{path}: {'changed' if state(path) else 'deleted'} since it was made; make it again"
        for path in wrong
        if recorded[path].run in there
    ]
    for path, seal in recorded.items():
        if seal.run in broken and path.is_file():
            path.unlink(missing_ok=True)
    whole = {path: seal for path, seal in now.items() if seal and seal.run not in broken}
    return whole, messages


def confirmed(path: Path, seal: Seal) -> Seal | None:
    """The seal of a file that holds what was sealed, None if it does not.

    If only its time is another, it gets the sealed one back. Where that is not allowed,
    or the file system rounds it, the new seal has the time that it has.
    """
    found = state(path)
    if found == seal.state:
        return seal
    if found is None or found[0] != seal.state[0] or digest(path) != seal.content:
        return None
    with suppress(PermissionError):
        os.utime(path, ns=(seal.state[1], seal.state[1]))
    return replace(seal, state=state(path) or found)


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


def look_at(sources: Iterable[Path], seen: Path) -> tuple[dict[Path, Seal], list[Path]]:
    """Look at the sources that are there.

    Returns
    -------
    tuple
        What each is like now, and those whose content is not that of the last look; not
        those that are new.
    """
    before = {
        name: Seal((entry[0], entry[1]), entry[2])
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
        looked[path] = same or Seal(found, digest(path))
        if old and not same:
            edited.append(path)
    return looked, edited


def remember(seen: Path, looked: dict[Path, Seal]) -> None:
    """Record what the sources are like now, beside others that were looked at earlier."""
    before = read_seen(seen)
    # Their times may have been changed since they were looked at.
    now = {str(p): [*(state(p) or seal.state), seal.content] for p, seal in looked.items()}
    after = before | now
    if after != before:
        with replacing(seen, sealed=False) as draft:
            draft.write_text(json.dumps(after, indent=1) + "\n", encoding="utf-8")


def read_seen(seen: Path) -> dict[str, list]:
    """What a look wrote down; nothing if that is damaged."""
    try:
        found = json.loads(seen.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
