"""Faults, small and quick: a project whose stages are stubs is disturbed, and made again."""

import os
import random
import re
import signal
import subprocess
import time

import pytest
from project import Project, copy_project, fake_cmdstan, without_make

MODELS = ("pooled", "per_county")
FIGURES = ("funnel", "states")
UNREAD = re.compile(
    r"^(gamma_\w+|delta_\w+|sigma_\w+|range_\w+|rho|nu|headline) += .*\n", re.MULTILINE
)


@pytest.fixture
def project(tmp_path):
    """A project of two models and two figures in which everything was made."""
    folder = tmp_path / "project"
    folder.mkdir()
    copy_project(folder)
    for path in folder.glob("python/pooling/figures/[a-z]*.py"):
        if path.stem not in FIGURES:
            path.unlink()
    for path in folder.glob("stan/*.stan"):
        if path.stem not in MODELS:
            path.unlink()
    study = folder / "data/studies/minnesota.toml"
    text = study.read_text().replace("hierarchical_centered =", "pooled =")
    text = text.replace('["varying_intercept_centered"]', "[]")
    study.write_text(UNREAD.sub("", text))
    project = Project(folder).with_stub(fake_cmdstan(tmp_path / "cmdstan"))
    project.built("all")
    return project


def contents(project):
    """What is in the project's results and executables, by path."""
    parts = ("data/fits", "data/prepared", "reports/minnesota", "stan")
    files = (path for part in parts for path in (project.folder / part).rglob("*"))
    return {path: path.read_bytes() for path in files if path.is_file()}


def test_what_was_damaged_is_made_again_and_nothing_else(project):
    before = contents(project)
    cut, emptied, gone = (
        project.folder / name
        for name in (
            "reports/minnesota/figures/funnel.svg",
            "stan/pooled",
            "reports/minnesota/tables/models.csv",
        )
    )
    changed = cut.stat().st_mtime_ns
    cut.write_bytes(cut.read_bytes()[:3])
    os.utime(cut, ns=(changed, changed))
    emptied.write_bytes(b"")
    gone.unlink()
    said = project.run("all")
    assert (
        "changed since make wrote it; run `make repair`, which removes what is damaged"
        in said.stderr
    )
    assert project.run("fsck").returncode
    assert cut.exists(), "reported and left"
    assert project.run("repair").returncode == 0
    made = project.built("all")
    assert {"figures.funnel", "compile pooled", "fit pooled", "results", "pages"} <= made
    assert "fit per_county" not in made
    assert contents(project) == before
    assert project.built("all") == set()


@pytest.mark.parametrize(
    "content", [b"", b"PROGRAMS := po", b"\0\0\n", b"PROGRAMS := a\n  garbage"]
)
def test_damaged_plan_is_made_again(project, content):
    before = contents(project)
    (project.folder / ".build/minnesota/plan.mk").write_bytes(content)
    run = project.run("all")
    assert run.returncode == 0, run.stderr
    assert contents(project) == before


def test_damage_is_one_line_that_names_the_remedy_until_it_is_repaired(project):
    (project.folder / "reports/minnesota/index.html").write_text("damaged")
    for _ in range(2):
        run = project.run("all")
        assert run.returncode
        (line,) = [line for line in run.stderr.splitlines() if "error:" in line]
        assert (
            "reports/minnesota/index.html: changed since make wrote it; run `make repair`" in line
        )
    said = project.run("fsck")
    assert said.returncode
    assert "damaged  reports/minnesota/index.html: changed" in said.stdout
    assert "removed  reports/minnesota/index.html: changed" in project.run("repair").stdout
    assert project.run("fsck").returncode == 0
    assert project.built("all") == {"pages"}
    assert "nothing is damaged" in project.run("fsck").stdout


def start(project):
    variables = {"CONDA_DEFAULT_ENV": "radon-pooling", "LINGER": "yes"} | project.variables
    return subprocess.Popen(
        ["make", "all"],
        cwd=project.folder,
        env=without_make(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_kills_at_random_moments_lose_nothing(project):
    before, chance = contents(project), random.Random(20061)
    for path in before:
        if path.suffix != ".stan" and "functions" not in path.parts and path.suffix != ".md":
            path.unlink()
    killed = 0
    for _ in range(6):
        run = start(project)
        time.sleep(chance.uniform(0.2, 1.5))
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            killed += 1
        run.communicate()
    assert killed, "make was faster than the kills"
    project.stages("all")
    assert contents(project) == before
    assert project.built("all") == set()


def test_two_makes_at_once_make_the_same(project):
    before = contents(project)
    for path in project.folder.glob("data/fits/minnesota/*/*"):
        path.unlink()
    runs = [start(project), start(project)]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert contents(project) == before
    assert project.built("all") == set()


def test_nothing_is_made_again_after_the_clock_was_set_back(project):
    day = 24 * 3600 * 10**9
    for path in project.folder.rglob("*"):
        if path.is_file():
            changed = path.stat().st_mtime_ns + day
            os.utime(path, ns=(changed, changed))
    manifest = project.folder / ".build/manifest"
    lines = [line.split(" ", 3) for line in manifest.read_text().splitlines()]
    manifest.write_text("".join(f"{a} {b} {int(c) + day} {d}\n" for a, b, c, d in lines))
    (project.folder / ".build/seen.json").unlink()
    assert project.built("all") == set()
    results = project.folder.glob("data/fits/*/*/*")
    assert max(path.stat().st_mtime for path in results) < time.time()
    with (project.folder / "data/counties.csv").open("a") as table:
        table.write("\n")
    assert "prepare" in project.built("all")
