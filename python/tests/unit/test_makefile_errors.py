"""Stages that fail and wrong names: one message from make, and nothing lost or half made."""

import shutil

import pytest
from builds import CENTERED, MODELS, of
from project import label


def test_code_that_is_not_python_is_named(project):
    with (project.folder / "python/pooling/checking/check.py").open("a") as file:
        file.write("def half(:\n")
    run = project.run("all")
    assert run.returncode
    assert "python/pooling/checking/check.py:" in run.stderr
    assert "not Python" in run.stderr


@pytest.mark.parametrize("goal", ["nonsense", "shrinkage", "shrinkage_plot", "a;touch here"])
def test_unknown_goal_is_one_line_that_names_help(project, goal):
    run = project.run(goal)
    assert run.returncode
    (line,) = run.stderr.splitlines()
    assert f"error: no rule makes {goal}; `make help` lists the targets" in line
    assert not (project.folder / "here").exists()


def test_failing_plan_is_the_only_message(project):
    shutil.rmtree(project.folder / ".build/minnesota")
    project.edit("data/studies/minnesota.toml", "[sampler]", "[sampler]\nnonsense = 1")
    run = project.run("all")
    assert run.returncode
    error, make = run.stderr.splitlines()
    assert error.startswith("error: data/studies/minnesota.toml: ")
    assert make.startswith("make: *** ")


def test_one_message_comes_after_all_fits_and_before_what_needs_them(project):
    shutil.rmtree(project.folder / "data/fits")
    stages = project.stages("all", "-j4", fails=True, FAIL="pooling.checking.gate")
    made = {label(words) for words in stages}
    assert made - {"frequentist"} == of(MODELS, "fit", "check") | {"gate"}
    assert label(stages[-1]) == "gate" or "frequentist" in made
    # Nothing is fitted again, and arrows between two models need no other.
    assert project.built("all", "-k", fails=True, FAIL="pooling.checking.gate") <= {
        "gate",
        "frequentist",
    }
    arrows = project.built(
        "shrinkage-plot", "FROM=pooled", f"TO={CENTERED}", FAIL="pooling.checking.gate"
    )
    assert arrows == {"figures.shrinkage"}


def test_counties_of_figures_are_looked_at_before_anything_is_fitted(project):
    shutil.rmtree(project.folder / "data/fits")
    project.edit("data/studies/minnesota.toml", "funnel = 27021", "funnel = 1")
    made = project.built("all", "-k", fails=True, FAIL="pooling.inputs.highlights")
    assert made <= {"highlights", "frequentist"}


def test_what_passed_is_not_made_again_when_the_gate_is(project):
    (project.folder / ".build/minnesota/gate").unlink()
    assert project.built("all") == {"gate"}


@pytest.mark.parametrize(
    ("failing", "lost"),
    [
        ("pooling.fitting.fit stan/pooled", "data/fits/minnesota/pooled/fit.nc"),
        ("pooling.programs.compile stan/pooled", "stan/pooled"),
        ("pooling.scoring.leave_out stan/pooled", "data/fits/minnesota/pooled/left_out.csv"),
    ],
)
def test_failing_stage_leaves_nothing_half(project, failing, lost):
    (project.folder / lost).unlink()
    before = {path: path.read_bytes() for path in project.folder.glob("data/fits/*/per_county/*")}
    project.stages("all", fails=True, FAIL=failing, HALF="yes")
    assert not (project.folder / lost).exists()
    assert {path: path.read_bytes() for path in before} == before
    assert project.built("all") >= {"pages"}, "the next make goes on"
    assert project.built("all") == set()


@pytest.mark.parametrize(
    ("failing", "code", "pair"),
    [
        ("inputs.prepare", "inputs/prepare", "data/prepared/minnesota.*json"),
        ("checking.check stan/pooled", "checking/check", "data/fits/minnesota/pooled/*s.[cj]s*"),
        ("scoring.loo stan/pooled", "scoring/loo", "data/fits/minnesota/pooled/[ls]*[oy].csv"),
        ("figures.funnel", "figures/funnel", "reports/minnesota/figures/funnel.*"),
    ],
)
def test_failing_stage_keeps_what_was_made_earlier(project, failing, code, pair):
    before = {path: path.stat().st_mtime_ns for path in project.folder.glob(pair)}
    assert len(before) >= 2
    project.edit_code(code, "plot" if code.startswith("figures") else "main")
    for path in before:
        goal = str(path.relative_to(project.folder))
        project.stages(goal, fails=True, FAIL=f"pooling.{failing}")
        assert {path: path.stat().st_mtime_ns for path in project.folder.glob(pair)} == before
    assert project.built("all") != set()


def test_failing_fit_does_not_stop_others_that_are_to_go_on(project):
    shutil.rmtree(project.folder / "data/fits")
    project.stages("fits", "-k", fails=True, FAIL="pooling.fitting.fit stan/pooled")
    fitted = {path.parent.name for path in project.folder.glob("data/fits/minnesota/*/fit.nc")}
    assert fitted == MODELS - {"pooled"}
    assert project.built("fits") == of(["pooled"], "fit", "check") | {"gate"}


@pytest.mark.parametrize("name", ["all", "report", "two words", "a-b"])
def test_program_that_make_could_not_name_is_refused(project, name):
    (project.folder / f"stan/{name}.stan").write_text("parameters { real x; }")
    run = project.run("all")
    assert run.returncode
    (line,) = [line for line in run.stderr.splitlines() if "error:" in line]
    assert f"stan/{name}.stan: rename the program to" in line
    assert not project.log.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("STUDY=nonesuch",), "data/studies/nonesuch.toml: no such study; choose from: "),
        (("STUDY=two words",), 'STUDY="two words": give the name of one study'),
        (("STUDY=../minnesota",), 'STUDY="../minnesota": give the name of one study'),
        (("STUDY=post ",), 'STUDY="post ": give the name of one study'),
        (("TO=pooled ",), 'TO="pooled ": contains a space'),
        (("SEED=../7",), "SEED=../7: contains /"),
        (("study=indiana",), "study=indiana: no such variable; choose from STUDY FROM TO SEED "),
        (("SEED=soon",), "SEED=soon: give a whole number from 0 to"),
        (
            ("HOUSES=$(shell id)",),
            "HOUSES=$(shell id): contains $; give a plain name, number or path",
        ),
        (("SEED=-1",), "SEED=-1: give a whole number from 0 to"),
        (("TO=nonesuch",), "FROM, TO: no program stan/nonesuch.stan; choose from: "),
        (("TO=hierarchical_states",), "FROM, TO: hierarchical_states needs S, prior_"),
    ],
)
def test_wrong_variable_is_one_error(project, arguments, message):
    run = project.run("all", *arguments)
    assert run.returncode
    (line,) = [line for line in run.stderr.splitlines() if "error:" in line]
    assert message in line
    assert "Traceback" not in run.stderr
    assert not project.log.exists()
    assert project.built("all") == set(), "and nothing was lost"
