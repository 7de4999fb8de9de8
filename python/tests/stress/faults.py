"""Faults: kills, full and read-only disks, clocks, damage, samplers that hang, two makes.

Each case disturbs a small real study and then runs `make all`. It must end with what an
undisturbed run in another folder made: tables, figures and the page byte by byte, fits
by content, and nothing else left.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import psutil
import xarray as xr
from project import ROOT, copy_project, without_make

from pooling.build.files import digest
from pooling.fits.netcdf import ENGINE
from pooling.programs.source import normalised
from stress.case import Case

SEED = 20061  # of what is random here
KILLS = 50
CACHES = {"cache", "refits"}  # folders of fits and refits, of earlier texts and data too
MODELS = ("pooled", "hierarchical_marginal")
FIGURES = ("caterpillar", "data_overview", "model_comparison")
COUNTIES = (27001, 27005, 27009, 27015, 27021, 27023, 27035, 27047)
STUDY = """
title = "A small study"
description = "Eight counties of Minnesota."

[data]
houses = "../small.csv"
states = ["MN"]

[priors]
mu_alpha    = { loc = 0, scale = 10 }
mu_beta     = { loc = 0, scale = 10 }
sigma       = { scale = 1 }
sigma_alpha = { scale = 1 }
sigma_beta  = { scale = 1 }

[sampler]
seed = 20061
chains = 2
warmup = 500
draws = 1000
prior_draws = 500
adapt_delta = 0.95

[scores]
leave_out = ["loo", "loco", "kfold_county"]

[models]
use = ["pooled", "hierarchical_marginal"]
[models.allowed_to_fail]
pooled = "small"
hierarchical_marginal = "small"
"""
COMPARED = ("reports/small", "data/fits/small", "data/prepared")
DAY = 24 * 3600 * 10**9  # ns
IN_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-euc"]


def small_project(folder: Path) -> Path:
    """A copy of the project with one small study, two programs and three figures."""
    folder.mkdir(parents=True, exist_ok=True)
    copy_project(folder)
    for path in (folder / "python/pooling/figures").glob("[a-z]*.py"):
        if path.stem not in FIGURES:
            path.unlink()
    for path in (*folder.glob("stan/*.stan"), *folder.glob("data/studies/*")):
        if path.stem not in MODELS:
            path.unlink()
    header, *rows = (ROOT / "data/households.csv").read_text().splitlines()
    kept = [row for row in rows if int(row.split(",")[2]) in COUNTIES]
    (folder / "data/small.csv").write_text("\n".join([header, *kept]) + "\n")
    (folder / "data/studies/small.toml").write_text(STUDY)
    lend_executables(folder)
    return folder


def lend_executables(folder: Path) -> None:
    """Copy executables that were compiled from the same programs by the same toolchain."""
    (folder / ".build/programs").mkdir(parents=True)
    tools = ROOT / ".build/toolchain.json"
    if tools.is_file():
        record_as_lent(folder, Path(shutil.copy2(tools, folder / ".build/toolchain.json")))
    for model in MODELS:
        text = normalised(folder / f"stan/{model}.stan", folder / "stan") + "\n"
        known = ROOT / f".build/programs/{model}.normalised"
        compiled = ROOT / f"stan/{model}"
        if compiled.is_file() and known.is_file() and known.read_text() == text:
            lent = folder / f".build/programs/{model}.normalised"
            lent.write_text(text)
            record_as_lent(folder, lent)
            record_as_lent(folder, Path(shutil.copy(compiled, folder / f"stan/{model}")))


def record_as_lent(folder: Path, path: Path) -> None:
    """Record a file of a project as if a run of its own had made it."""
    lent = path.stat()
    line = f"{path.name} {lent.st_size} {lent.st_mtime_ns} {digest(path)}"
    with (folder / ".build/manifest").open("a") as manifest:
        manifest.write(f"{line} {path.relative_to(folder)}\n")


def variables(**more: str) -> dict[str, str]:
    """Environment of a make in a copy: the environment counts as that of conda."""
    ours = {"CONDA_DEFAULT_ENV": "radon-pooling", "PYTHON": sys.executable, "STUDY": "small"}
    return without_make() | ours | more


def start(folder: Path, *arguments: str, **more: str) -> subprocess.Popen:
    """Start make in a session of its own."""
    return subprocess.Popen(
        ["make", "all", *arguments],
        cwd=folder,
        env=variables(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(folder: Path, *arguments: str, **more: str) -> str:
    """Run make to its end, which must be a success; what it said."""
    run = start(folder, *arguments, **more)
    said, _ = run.communicate(timeout=900)
    assert run.returncode == 0, f"make all failed: {said[-800:]}"
    return said


def refused(run: subprocess.Popen | subprocess.CompletedProcess, said: str, words: str) -> str:
    """Assert that make failed with one clear error; give it."""
    assert run.returncode, "make all did not fail"
    assert "Traceback" not in said, said[-800:]
    errors = [line for line in said.splitlines() if "error:" in line and words in line]
    assert errors, f"no error says '{words}': {said[-800:]}"
    return errors[0]


class Undisturbed:
    """The small study, made without any fault; once, when it is first asked for."""

    @cached_property
    def _home(self) -> tempfile.TemporaryDirectory:
        home = tempfile.TemporaryDirectory(prefix="undisturbed-")
        small_project(Path(home.name))
        finish(Path(home.name))
        return home

    @property
    def folder(self) -> Path:
        """Where it is."""
        return Path(self._home.name)

    def copied(self, folder: Path) -> Path:
        """Everything that was made, with its times, in another folder."""
        return shutil.copytree(self.folder, folder / "project")

    def compare(self, folder: Path) -> None:
        """Assert that another folder holds the same results and nothing else."""
        ours, theirs = (results(where) for where in (self.folder, folder))
        assert ours.keys() == theirs.keys(), (
            f"{sorted(ours.keys() ^ theirs.keys())} too much or not there"
        )
        different = [name for name in ours if not same(ours[name], theirs[name])]
        assert not different, f"{', '.join(map(str, different))} different"


def results(folder: Path) -> dict[Path, Path]:
    """Result files by their path in the project; what is only kept for later is no result."""
    found = (path for part in COMPARED for path in (folder / part).rglob("*") if path.is_file())
    return {path.relative_to(folder): path for path in found if not CACHES & set(path.parts)}


def same(one: Path, other: Path) -> bool:
    """Whether two results are the same: by content where a file says when it was made."""
    if one.suffix == ".nc":
        with xr.open_datatree(one, engine=ENGINE) as a, xr.open_datatree(other, engine=ENGINE) as b:
            return a.equals(b)
    if one.name == "record.json":
        records = [json.loads(path.read_text()) for path in (one, other)]
        return len({json.dumps(record | {"finished": ""}) for record in records}) == 1
    return one.read_bytes() == other.read_bytes()


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


def kills(undisturbed: Undisturbed, count: int) -> Callable[[Path], str]:
    """A case: make or one of its processes killed again and again, at random moments."""

    def run(folder: Path) -> str:
        project, chance = small_project(folder / "project"), random.Random(SEED)
        done = {"SIGKILL to all": 0, "SIGTERM to all": 0, "SIGKILL to one": 0}
        compared = 0
        while sum(done.values()) < count:
            kind = chance.choices(list(done), weights=(2, 1, 2))[0]
            if killed(project, kind, chance):
                done[kind] += 1
            else:
                undisturbed.compare(project)
                compared += 1
                start_over(project)
        finish(project)
        undisturbed.compare(project)
        kinds = ", ".join(f"{number} x {kind}" for kind, number in done.items())
        return f"{kinds} (seed {SEED}); same results at each of {compared + 1} ends"

    return run


def killed(project: Path, kind: str, chance: random.Random) -> bool:
    """Run make and kill; False if it came to its end before."""
    run = start(project)
    try:
        run.communicate(timeout=chance.uniform(0.3, 9.0))
    except subprocess.TimeoutExpired:
        pass
    else:
        assert run.returncode == 0, "make all failed by itself"
        return False
    below = psutil.Process(run.pid).children(recursive=True)
    if kind == "SIGKILL to one" and below:
        victim = chance.choice(below)
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        run.communicate(timeout=900)
        # A chain of the sampler is started again; make need not fail.
        return True
    os.killpg(run.pid, signal.SIGTERM if kind == "SIGTERM to all" else signal.SIGKILL)
    run.communicate(timeout=60)
    return True


def start_over(project: Path) -> None:
    """Delete every result, so that there is something to be made."""
    for part in COMPARED:
        shutil.rmtree(project / part)


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


def disturbed_sampler(undisturbed: Undisturbed, what: str) -> Callable[[Path], str]:
    """A case: chains do `what` to themselves when they are started the first time."""

    def run(folder: Path) -> str:
        project = undisturbed.copied(folder)
        start_over(project)
        program, real = project / "stan/pooled", folder / "real"
        changed = program.stat().st_mtime_ns
        program.rename(real)
        program.write_text(f"""#!/bin/bash
            if [[ " $* " == *" id=2 "* ]] && mkdir {folder}/started 2>&-; then {what}; fi
            exec {real} "$@"
            """)
        program.chmod(0o755)
        os.utime(program, ns=(changed, changed))
        (project / ".build/manifest").unlink()
        finish(project, STALL="5")
        assert (folder / "started").is_dir(), "no chain was disturbed"
        undisturbed.compare(project)
        return "sampled again, same results"

    return run


def sampler_lost(undisturbed: Undisturbed) -> Callable[[Path], str]:
    """A case: every chain is killed; then none."""

    def run(folder: Path) -> str:
        project = undisturbed.copied(folder)
        start_over(project)
        program, real = project / "stan/pooled", folder / "real"
        shutil.copy2(program, real)
        program.write_text("#!/bin/bash\nkill -KILL $$\n")
        (project / ".build/manifest").unlink()
        run = start(project)
        said, _ = run.communicate(timeout=900)
        error = refused(run, said, "killed by SIGKILL")
        shutil.copy2(real, program)
        finish(project)
        undisturbed.compare(project)
        return f"'{error.strip()}'; then same results"

    return run


def two_makes(undisturbed: Undisturbed) -> Callable[[Path], str]:
    """A case: make twice at the same time in one folder, from nothing."""

    def run(folder: Path) -> str:
        project = small_project(folder / "project")
        runs = [start(project), start(project)]
        said = [make.communicate(timeout=900)[0] for make in runs]
        failed = [text[-800:] for make, text in zip(runs, said, strict=True) if make.returncode]
        assert not failed, f"one failed: {failed}"
        undisturbed.compare(project)
        assert "Nothing to be done" in finish(project)
        return "both succeeded, same results"

    return run


def elsewhere(undisturbed: Undisturbed) -> Callable[[Path], str]:
    """A case: from nothing, in a folder of another name and another surrounding."""

    def run(folder: Path) -> str:
        project = small_project(folder / "another-name")
        around = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C", "OMP_NUM_THREADS": "1"}
        finish(project, "-j1", **around)
        undisturbed.compare(project)
        return "same results with -j1, another hash seed, time zone, locale, number of threads"

    return run


def in_namespace(script: str, *arguments: Path) -> subprocess.CompletedProcess:
    """Run a script where it may mount."""
    command = [*IN_NAMESPACE, script, "bash", *map(str, arguments)]
    return subprocess.run(
        command, env=variables(), capture_output=True, text=True, timeout=900, check=False
    )


def may_mount() -> bool:
    """Whether this system lets us mount in a namespace of our own."""
    try:
        return subprocess.run([*IN_NAMESPACE, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def full_disk(undisturbed: Undisturbed, room: str, temporary: str) -> Callable[[Path], str]:
    """A case: make all on a small disk that is full but for `room`; then it is freed."""
    script = """
        mkdir "$1/disk"
        mount -t tmpfs -o size=300M tmpfs "$1/disk"
        cp -a "$2" "$1/disk/project"
        cd "$1/disk/project"
        rm -r data/fits data/prepared reports/small
        mkdir -p ../temporary
        free=$(df --output=avail -B1 . | tail -1)
        head -c $((free - $3)) /dev/zero > ../filler
        export TMPDIR=$4
        ! make all > "$1/said" 2>&1 || touch "$1/succeeded"
        rm ../filler
        make all > "$1/later" 2>&1
        cp -a . "$1/project"
        """

    def run(folder: Path) -> str:
        if not may_mount():
            return "SKIPPED: this system does not let us mount a small disk"
        ran = in_namespace(script, folder, undisturbed.folder, Path(room), Path(temporary))
        said, later = ((folder / name).read_text() for name in ("said", "later"))
        assert ran.returncode == 0, f"{ran.stderr[-300:]} {later[-800:]}"
        assert not (folder / "succeeded").exists(), "there was room enough"
        assert "Traceback" not in said, said[-1500:]
        lines = [line for line in said.splitlines() if "o space left on device" in line]
        assert lines, said[-800:]
        undisturbed.compare(folder / "project")
        return f"'{lines[0].strip()}'; then same results"

    return run


def read_only(undisturbed: Undisturbed) -> Callable[[Path], str]:
    """A case: make all in a folder that cannot be written to; then it can."""
    script = """
        mount --bind "$1" "$1"
        mount -o remount,ro,bind "$1"
        cd "$1"
        make all
        """

    def run(folder: Path) -> str:
        if not may_mount():
            return "SKIPPED: this system does not let us mount a folder read-only"
        project = undisturbed.copied(folder)
        (project / "reports/small/index.html").unlink()
        ran = in_namespace(script, project)
        error = refused(ran, ran.stdout + ran.stderr, "Read-only file system")
        finish(project)
        undisturbed.compare(project)
        return f"'{error.strip()}'; then same results"

    return run


def cases() -> list[Case]:
    """All faults."""
    there = Undisturbed()
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
        ("a chain hangs", "sampled again", disturbed_sampler(there, "kill -STOP $$")),
        ("a chain is killed", "sampled again", disturbed_sampler(there, "kill -KILL $$")),
        ("all chains are killed", "one error, then the same", sampler_lost(there)),
        ("disk almost full", "one error, then the same", full_disk(there, "3000000", "/tmp")),
        ("disk full", "one error, then the same", full_disk(there, "0", "/tmp")),
        (
            "disk of temporary files full",
            "one error, then the same",
            full_disk(there, "2500000", "../temporary"),
        ),
        ("folder read-only", "one error, then the same", read_only(there)),
        ("two makes at once", "both succeed", two_makes(there)),
        ("another folder, -j1", "byte by byte the same", elsewhere(there)),
        (f"{KILLS} kills at random moments", "the same in the end", kills(there, KILLS)),
    ]
    return [Case("fault", tried, expected, run) for tried, expected, run in rows]
