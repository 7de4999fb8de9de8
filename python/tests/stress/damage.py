"""Faults of files: cut, emptied, deleted, copied, touched, of another day."""

import json
import os
import random
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from stress.case import Case
from stress.small import Undisturbed, finish, refused, results, start, variables

SEED = 20061  # of what is random here
DAY = 24 * 3600 * 10**9  # ns


def cut(path: Path) -> None:
    """Keep half of a file and its time."""
    before = path.stat()
    os.truncate(path, before.st_size // 2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def empty(path: Path) -> None:
    """Keep nothing of a file; its time is that of now."""
    os.truncate(path, 0)
    os.utime(path)


def repaired(project: Path) -> int:
    """Run `make fsck` and `make repair`; how many files they reported and removed."""
    asked = {"cwd": project, "env": variables(), "capture_output": True, "text": True}
    check, repair = (subprocess.run(["make", goal], **asked) for goal in ("fsck", "repair"))
    assert check.returncode, "make fsck found nothing"
    assert repair.returncode == 0, repair.stderr
    reported, removed = (
        [line.split(" ", 2)[2] for line in run.stdout.splitlines() if line.startswith(word)]
        for run, word in ((check, "damaged"), (repair, "removed"))
    )
    assert reported == removed
    return len(removed)


def damage(
    undisturbed: Undisturbed, truncated: Sequence[str], emptied: Sequence[str]
) -> Callable[[Path], str]:
    """A case: some files cut in half, others emptied."""

    def run(folder: Path) -> str:
        project = undisturbed.copied(folder)
        # Lost lines of the manifest do not come back; what they were of is trusted.
        lasting = {*truncated, *emptied} - {".build/manifest"}
        sizes = {name: (project / name).stat().st_size for name in lasting}
        for name in truncated:
            cut(project / name)
        for name in emptied:
            empty(project / name)
        run = start(project)
        said, _ = run.communicate(timeout=900)
        told = 0
        # Also where the manifest lost its last lines: earlier ones tell of earlier contents.
        if run.returncode or any(not name.startswith(".build/") for name in lasting):
            refused(run, said, "`make repair`")
            told = repaired(project)
        finish(project)
        undisturbed.compare(project)
        assert "Nothing to be done" in finish(project), "made again for ever"
        left = [n for n, size in sizes.items() if (project / n).stat().st_size < 0.9 * size]
        assert not left, f"{left} still damaged"
        return f"same results; {told} reported, removed and made again"

    return run


def damaged_refits(undisturbed: Undisturbed) -> Callable[[Path], str]:
    """A case: refits that are read again, since the tables that they end in were deleted."""

    def run(folder: Path) -> str:
        project = undisturbed.copied(folder)
        fit = project / "data/fits/small/hierarchical_marginal"
        one, other, *rest = sorted((fit / "refits").iterdir())
        cut(one)
        empty(other)
        times = {path: path.stat().st_mtime_ns for path in rest}
        for table in ("loo.csv", "left_out.csv"):
            (fit / table).unlink()
        finish(project)
        undisturbed.compare(project)
        for path in (one, other):
            there = undisturbed.folder / path.relative_to(project)
            assert path.read_bytes() == there.read_bytes(), f"{path.name} different"
        assert times == {path: path.stat().st_mtime_ns for path in rest}, "others made again"
        return "same results; the other refits were kept"

    return run


def deleted(undisturbed: Undisturbed, share: float) -> Callable[[Path], str]:
    """A case: some of the results deleted at random."""

    def run(folder: Path) -> str:
        project = undisturbed.copied(folder)
        files = sorted(results(project).values())
        chosen = random.Random(SEED).sample(files, max(1, int(share * len(files))))
        for path in chosen:
            path.unlink()
        finish(project)
        undisturbed.compare(project)
        return f"same results after {len(chosen)} of {len(files)} files were deleted"

    return run


def one_table_deleted(undisturbed: Undisturbed) -> Callable[[Path], str]:
    """A case for each table in turn: deleted, whichever it is."""

    def run(folder: Path) -> str:
        project = undisturbed.copied(folder)
        tables = sorted((project / "reports/small/tables").glob("*.csv"))
        for table in tables[::4]:
            table.unlink()
            finish(project)
            assert table.exists(), f"{table.name} was not made again"
        undisturbed.compare(project)
        return f"{len(tables[::4])} tables, one after the other, made again"

    return run


def put_off(project: Path) -> None:
    """Give everything the time of tomorrow, also where times are recorded."""
    for path in [path for path in project.rglob("*") if path.is_file()]:
        changed = path.stat().st_mtime_ns + DAY
        os.utime(path, ns=(changed, changed))
    manifest, seen = project / ".build/manifest", project / ".build/seen.json"
    lines = [line.split(" ", 3) for line in manifest.read_text().splitlines()]
    manifest.write_text("".join(f"{a} {b} {int(c) + DAY} {d}\n" for a, b, c, d in lines))
    sources = json.loads(seen.read_text())
    seen.write_text(json.dumps({name: [a, b + DAY, c] for name, (a, b, c) in sources.items()}))


def moved(undisturbed: Undisturbed, script: str) -> Callable[[Path], str]:
    """A case: a shell script moves the finished study, $1, to another place, $2."""

    def run(folder: Path) -> str:
        project = folder / "project"
        subprocess.run(["bash", "-euc", script, "bash", undisturbed.folder, project], check=True)
        said = finish(project)
        assert "Nothing to be done" in said, f"made again: {said[:300]}"
        undisturbed.compare(project)
        return "nothing made again"

    return run


def clock(undisturbed: Undisturbed) -> Callable[[Path], str]:
    """A case: everything is from tomorrow; then a table is edited, and edited back."""

    def run(folder: Path) -> str:
        project = undisturbed.copied(folder)
        scores = Path("reports/small/tables/scores.csv")
        put_off(project)
        assert "Nothing to be done" in finish(project), "made again without an edit"
        put_off(project)
        table = project / "data/small.csv"
        text = table.read_text()
        edited = text.replace(",MN,27001,1,2.2", ",MN,27001,1,9.2")
        assert edited != text
        table.write_text(edited)
        finish(project)
        ours, theirs = undisturbed.folder / scores, project / scores
        assert ours.read_bytes() != theirs.read_bytes(), "the edit was missed"
        table.write_text(text)
        finish(project)
        undisturbed.compare(project)
        return "nothing made again; an edit was seen, and undone it gave the same results"

    return run


def damages(there: Undisturbed) -> list[Case]:
    """All faults of files."""
    fits, reports = "data/fits/small", "reports/small"
    pooled, marginal = f"{fits}/pooled", f"{fits}/hierarchical_marginal"
    kinds = {
        "tables (CSV)": (
            [f"{pooled}/estimates.csv", f"{reports}/tables/published.csv"],
            [f"{marginal}/loo.csv", f"{reports}/tables/models.csv"],
        ),
        "JSON of a stage": (
            ["data/prepared/small.json", f"{pooled}/record.json"],
            [f"{marginal}/diagnostics.json", "data/prepared/small.coords.json"],
        ),
        "fits (netCDF)": ([f"{pooled}/fit.nc"], [f"{marginal}/fit.nc"]),
        "figures": (
            [f"{reports}/figures/caterpillar.svg"],
            [f"{reports}/figures/data-overview.svg", f"{reports}/figures/model-comparison.png"],
        ),
        "page (HTML)": ([f"{reports}/index.html"], []),
        "page (HTML), nothing left": ([], [f"{reports}/index.html"]),
        "executable": (["stan/pooled"], []),
        "the plan": (
            [".build/small/plan.mk", ".build/programs/pooled.normalised", ".build/seen.json"],
            [".build/small/sampler.json", ".build/small/model_names.json"],
        ),
        "the plan, nothing left": ([], [".build/small/plan.mk", ".build/toolchain.json"]),
        "what says what was made": ([".build/manifest"], []),
    }
    rows = [
        (f"damaged: {name}", "reported, and made again after make repair", damage(there, *files))
        for name, files in kinds.items()
    ]
    rows += [
        ("damaged: kept refits", "made again, alone", damaged_refits(there)),
        ("deleted: a table", "made again", one_table_deleted(there)),
        ("deleted: a third of the results", "made again", deleted(there, 1 / 3)),
        ("copied by cp -r", "nothing made again", moved(there, 'cp -r "$1" "$2"')),
        (
            "packed and unpacked by tar",
            "nothing made again",
            moved(there, 'mkdir "$2"; tar -cC "$1" . | tar -xmC "$2"'),
        ),
        (
            "every file touched",
            "nothing made again",
            moved(there, 'cp -a "$1" "$2"; find "$2" -type f -exec touch {} +'),
        ),
        ("clock set back a day", "no edit is missed", clock(there)),
    ]
    return [Case("fault", tried, expected, run) for tried, expected, run in rows]
