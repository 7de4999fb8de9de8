"""Faults: kills, full and read-only disks, damage, samplers that hang, two makes.

Each case disturbs a small real study and then runs `make all`. It must end with what an
undisturbed run in another folder made: tables, figures and the page byte by byte, fits
by content, and nothing else left.
"""

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from stress.case import Case
from stress.damage import damages
from stress.small import Undisturbed, finish, refused, small_project, start, start_over, variables

SEED = 20061  # of what is random here
KILLS = 50
# The last is what Ctrl-C does.
TO_ALL = {
    "SIGKILL to all": signal.SIGKILL,
    "SIGTERM to all": signal.SIGTERM,
    "SIGINT to all": signal.SIGINT,
}
TO_ONE = "SIGKILL to one"
IN_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-euc"]


def kills(undisturbed: Undisturbed, count: int) -> Callable[[Path], str]:
    """A case: make or one of its processes killed again and again, at random moments."""

    def run(folder: Path) -> str:
        project, chance = small_project(folder / "project"), random.Random(SEED)
        done = dict.fromkeys([*TO_ALL, TO_ONE], 0)
        compared = 0
        while sum(done.values()) < count:
            kind = chance.choices(list(done), weights=(2, 1, 2, 2))[0]
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
    if kind == TO_ONE and below:
        victim = chance.choice(below)
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        run.communicate(timeout=900)
        # A chain of the sampler is started again; make need not fail.
        return True
    os.killpg(run.pid, TO_ALL.get(kind, signal.SIGKILL))
    run.communicate(timeout=60)
    _, left = psutil.wait_procs(below, timeout=10)
    running = [process for process in left if process.status() != psutil.STATUS_ZOMBIE]
    assert not running, f"{kind}: still running: {running}"
    return True


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
    rows = [
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
    faults = [Case("fault", tried, expected, run) for tried, expected, run in rows]
    return damages(there) + faults
