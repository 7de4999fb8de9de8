"""Copies of a finished project, other studies and seeds, another environment: what is made."""

import os
import shutil
import subprocess

import pytest
from builds import MODELS, OF_DECISIONS, OF_ONE_MODEL, PREPARED, SCORED, SHOWN, refit
from project import Project, copy_project, label


def test_another_seed_has_results_of_its_own(project):
    one = {"prepare", "highlights", "fit pooled", "check pooled", "gate pooled"}
    assert project.built("pooled", "SEED=8") == one
    assert project.built("all") == set()
    stages = project.stages("all", SEED="7")
    made = {*PREPARED, "charts", *refit(*MODELS)}
    assert {label(words) for words in stages} == made, "programs are shared"
    words = {word for words in stages for word in words} - {"data/studies/minnesota.toml"}
    assert not [word for word in words if "/minnesota/" in word or "/minnesota." in word]
    (prepare,) = (words for words in stages if words[0] == "prepare")
    assert prepare[prepare.index("--study") + 1] == "minnesota"
    assert '"seed": 7' in (project.folder / ".build/minnesota-seed-7/sampler.json").read_text()
    assert (project.folder / "reports/minnesota-seed-7/index.html").exists()
    assert project.built("all", "SEED=7") == set()
    assert project.built("all") == set()


def copied(project, folder):
    shutil.copytree(project.folder, folder, copy_function=shutil.copy)


def packed(project, folder):
    folder.mkdir()
    archive = folder.with_suffix(".tar")
    for words in (("-cf", archive, "-C", project.folder, "."), ("-xf", archive, "-C", folder)):
        subprocess.run(["tar", *words], check=True)


def cloned(project, folder):
    """The sources from elsewhere and with another time, what was made copied into them."""
    folder.mkdir()
    copy_project(folder)
    for path in folder.rglob("*"):
        os.utime(path)
    for name in (".build", ".stub", "data/fits", "data/prepared", "reports/minnesota", "stan"):
        subprocess.run(["cp", "-r", project.folder / name, (folder / name).parent], check=True)


def touched(project, folder):
    copied(project, folder)
    for path in sorted(folder.rglob("*"), key=lambda path: path.name):
        path.touch()


@pytest.mark.parametrize("way", [copied, packed, cloned, touched])
def test_copy_of_a_finished_project_is_finished(project, tmp_path, way):
    project.built("pooled-sbc")
    there = Project(tmp_path / "there")
    way(project, there.folder)
    before = {p: p.read_bytes() for p in there.folder.glob("data/fits/**/*") if p.is_file()}
    there.variables = project.variables | {"PYTHON": str(there.folder / ".stub")}
    stub = there.folder / ".stub"
    stub.write_text(stub.read_text().replace(str(project.log), str(there.log)))
    there.log.unlink(missing_ok=True)
    for _ in range(2):
        run = there.run("all", "pooled-sbc")
        assert "Nothing to be done for 'all'" in run.stdout, run.stdout + run.stderr
        assert "damaged" not in run.stdout
        assert not there.log.exists()
    assert {path: path.read_bytes() for path in before} == before
    there.edit("data/households.csv", "5081,MN,27001,1,2.2", "5081,MN,27001,1,2.3")
    (there.folder / "data/fits/minnesota/per_county/estimates.csv").write_text("damaged")
    assert there.run("repair").returncode == 0
    assert "prepare" in there.built("all"), "edits are still seen"


@pytest.fixture
def installed(project):
    """The project with an environment that counts as made by `python3`, here a stub."""
    made_by = project.folder / "python3"
    made_by.write_text("#!/bin/bash\necho installed >> installed\nsha256sum $1 $2 > $4\n")
    made_by.chmod(0o755)
    python = project.folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    shutil.copy(project.folder / ".stub", python)
    python.write_text(python.read_text().replace("set -eu", "[[ $1 != -I ]] || exit 0\nset -eu"))
    project.variables |= {"CONDA_DEFAULT_ENV": "", "PYTHON3": str(made_by)}
    return project


def test_environment_is_made_again_for_another_content_alone(installed):
    project, log = installed, installed.folder / "installed"
    project.built("all")
    assert log.read_text().splitlines() == ["installed"]
    for name in (".venv/ready", "requirements.lock", "python/pooling/build/environment.py"):
        (project.folder / name).touch()
    project.built("all")
    assert log.read_text().splitlines() == ["installed"]
    with (project.folder / "requirements.lock").open("a") as lock:
        lock.write("# new\n")
    assert project.built("all") == set()
    assert len(log.read_text().splitlines()) == 2
    (project.folder / ".venv/bin/python").write_text("#!/bin/sh\nexit 1\n")
    project.run("lint")
    assert len(log.read_text().splitlines()) == 3, "one that does not start"


def test_other_study_has_folders_of_its_own(project):
    stages = project.stages("all", "STUDY=post")
    made = {*PREPARED, "charts", "fit", "gate", *SCORED} | SHOWN | OF_ONE_MODEL
    # The tutorial's study decides nothing.
    made -= {"represented", "decisions", *OF_DECISIONS, "calculator"}
    assert {s[0] for s in stages} == made, "programs are shared"
    words = {word for stage in stages for word in stage}
    assert not [word for word in words if "minnesota" in word]
    assert project.built("all", "STUDY=minnesota") == set()
    assert project.built("all", STUDY="post") == set()
