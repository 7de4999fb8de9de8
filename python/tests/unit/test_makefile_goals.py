"""What each goal of the Makefile builds, from a project in which everything was made once."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from builds import (
    CALIBRATION,
    CENTERED,
    FIGURES,
    KINDS,
    MODELS,
    NONCENTERED,
    OF_ONE_MODEL,
    PROGRAMS,
    TOLD,
    of,
)
from project import ROOT, label

CALIBRATED = {"calibration", *CALIBRATION}


@pytest.fixture
def calibrated(project):
    """The project after `make sbc`, which is no part of `make all`."""
    assert project.built("sbc") == of(MODELS, "sbc") | CALIBRATED
    assert project.built("sbc", "all") == set()
    return project


def test_calibration_follows_what_it_is_made_of(calibrated):
    assert calibrated.built("sbc", SIMS="10") == of(MODELS, "sbc") | CALIBRATED
    assert calibrated.built("sbc", SIMS="10") == set()
    narrow, wide = "mu_alpha    = { loc = 1, scale = 1 }", "mu_alpha    = { loc = 1, scale = 2 }"
    calibrated.edit("data/studies/minnesota.toml", narrow, wide)
    assert calibrated.built("sbc", SIMS="10") == of(MODELS, "sbc") | CALIBRATED
    calibrated.edit("data/studies/minnesota.toml", "scale = 2 }", "scale = 1 }")
    calibrated.edit_code("checking/calibration", "main")
    made = calibrated.built("sbc", SIMS="10")
    assert made == of(MODELS, "sbc") | CALIBRATED
    calibrated.edit_code("figures/sbc", "plot")
    assert calibrated.built("sbc", SIMS="10") == {"figures.sbc"}


def test_reference_draws_are_made_once_of_no_study(project):
    drawn = [words[-1] for words in project.stages("reference") if words[0] == "reference"]
    assert len(drawn) == len(set(drawn)) == 7
    assert project.built("reference", STUDY="indiana") == set()
    project.edit_code("checking/reference_table")
    assert project.built("reference") == {"reference_table"}


def test_one_model_is_calibrated_alone(project):
    assert project.built("pooled-sbc") == {"sbc pooled", "calibration"}
    assert project.built("pooled-sbc") == set()


def test_the_figure_of_other_priors_waits_for_them(project):
    for path in project.folder.glob("data/fits/minnesota/*/other_priors.csv"):
        path.unlink()
    made = project.built("other-priors-plot")
    assert made == of(MODELS, "other_priors") | {"figures.other_priors"}


def test_remaking_everything_by_force_takes_no_source_for_a_goal(project):
    assert "figures.shrinkage" in project.built("-B", "shrinkage-plot")


def test_arrows_redraw_shrinkage_alone(project):
    pair = ("FROM=pooled", f"TO={CENTERED}")
    (stage,) = project.stages("shrinkage-plot", *pair)
    assert stage[0] == "figures.shrinkage"
    assert stage[stage.index("--from-model") + 1] == "pooled"
    assert stage[stage.index("--to-model") + 1] == CENTERED
    assert project.built("shrinkage-plot", *pair) == set()
    assert project.built("all") == {"figures.shrinkage", "pages"}


def test_arrows_need_two_fits(project):
    shutil.rmtree(project.folder / "data/fits")
    made = project.built("shrinkage-plot", "FROM=pooled", f"TO={CENTERED}")
    assert made == of(["pooled", CENTERED], "fit", "check") | {"figures.shrinkage"}


def test_one_model_is_a_target(project):
    shutil.rmtree(project.folder / "data/fits")
    assert project.built("per_county") == of(["per_county"], "fit", "check", "gate")
    assert project.built("fits") == of(MODELS - {"per_county"}, "fit", "check") | {"gate"}


def test_predicting_needs_the_fit_of_one_model_alone(project):
    shutil.rmtree(project.folder / "data/fits")
    (project.folder / "new.csv").touch()
    asked = ("HOUSES=~/new.csv", "MODEL=pooled")
    stages = project.stages("predict", *asked, HOME=str(project.folder))
    assert {label(words) for words in stages} == of(["pooled"], "fit", "check") | {"predict"}
    words = stages[-1]
    assert words[1:3] == ["stan", "data/fits/minnesota"]
    assert words[3] == "data/prepared/minnesota.json"
    sections = ("data", "sampler", "model_names")
    assert words[4:7] == [f".build/minnesota/{name}.json" for name in sections]
    assert words[7:9] == ["--houses=~/new.csv", "--model=pooled"]
    assert words[-2:] == ["-o", "reports/minnesota/predictions.csv"]
    assert project.built("predict", "HOUSES=new.csv", "MODEL=pooled") == {"predict"}


def test_predicting_without_a_model_needs_the_tables_that_choose_one(project):
    (project.folder / "new.csv").touch()
    assert project.built("predict", "HOUSES=new.csv") == {"predict"}
    (project.folder / "reports/minnesota/tables/scores.csv").unlink()
    (project.folder / "reports/minnesota/index.html").unlink()
    assert project.built("predict", "HOUSES=new.csv") == {"results", "predict"}


@pytest.mark.parametrize("arguments", [(), ("MODEL=pooled",), ("HOUSES=new.csv", "MODEL=foo")])
def test_nothing_is_fitted_where_predicting_will_be_refused(project, arguments):
    (project.folder / "new.csv").touch()
    for path in project.folder.glob("data/fits/*/*/fit.nc"):
        path.unlink()
    assert project.built("predict", *arguments) == {"predict"}


@pytest.mark.parametrize("model", [(), ("MODEL=pooled",)])
def test_a_table_of_houses_that_is_not_there_is_one_error_before_anything_is_made(project, model):
    (project.folder / "reports/minnesota/tables/scores.csv").unlink()
    run = project.run("predict", "HOUSES=nwe.csv", *model)
    assert run.returncode
    (line,) = [line for line in run.stderr.splitlines() if "error:" in line]
    assert "HOUSES=nwe.csv: no such file" in line
    assert not project.log.exists()


def test_tables_of_the_study_are_not_the_users_to_name(project):
    assert project.built("all", "HOUSES=new.csv") == set()


def test_every_figure_is_a_target(project):
    shutil.rmtree(project.folder / "reports/minnesota/figures")
    assert project.built("shrinkage-by-size-plot") == {"figures.shrinkage_by_size"}
    every = FIGURES | OF_ONE_MODEL
    names = [figure.removeprefix("figures.").replace("_", "-") for figure in every]
    made = project.built(*[f"{name}-plot" for name in names])
    assert made == FIGURES - {"figures.shrinkage_by_size"} | {"headline"}
    pictures = (project.folder / "reports/minnesota/figures").glob("**/*.*")
    assert {path.name for path in pictures} == {f"{n}.{kind}" for n in names for kind in KINDS}


def test_figures_of_one_model_are_drawn_for_the_headline_model_or_the_one_asked_for(project):
    folder = project.folder / "reports/minnesota/figures"
    assert {path.parent for path in folder.glob("**/trace.svg")} == {folder, folder / TOLD}
    shutil.rmtree(folder)
    assert project.built("trace-plot") == {"headline"}
    assert (folder / "trace.svg").is_file()
    (stage,) = project.stages("trace-plot", "MODEL=pooled")
    assert "data/fits/minnesota/pooled" in stage
    assert f"data/fits/minnesota/{NONCENTERED}" not in stage
    assert stage[-2:] == [f"reports/minnesota/figures/pooled/trace.{kind}" for kind in KINDS]


def test_a_figure_that_was_asked_for_is_shown_and_follows_its_fit(project):
    picture = "reports/minnesota/figures/pooled/trace.svg"
    assert project.built("trace-plot", "MODEL=pooled") == {"figures.trace"}
    (stage,) = project.stages("all")
    assert stage[0] == "pages"
    assert picture in stage
    assert project.built("all") == set()
    (project.folder / "data/fits/minnesota/pooled/diagnostics.json").unlink()
    assert "figures.trace" in project.built("all")


def test_a_report_for_a_model_adds_all_its_figures(project):
    stages = project.stages("report", "MODEL=pooled")
    assert {stage[0] for stage in stages} == OF_ONE_MODEL | {"pages"}
    drawn = set((project.folder / "reports/minnesota/figures/pooled").glob("*.svg"))
    assert len(drawn) == len(OF_ONE_MODEL)
    assert {str(path.relative_to(project.folder)) for path in drawn} < set(stages[-1])
    assert project.built("all") == set()


def test_the_page_of_every_model_is_made_again(project):
    made = project.folder / "reports/minnesota/models"
    assert {path.stem for path in made.glob("*.html")} == MODELS
    (made / "pooled.html").unlink()
    assert project.built("all") == {"pages"}


def test_a_figure_of_the_model_asked_for_needs_no_other_fit(project):
    shutil.rmtree(project.folder / "data/fits")
    made = project.built("caterpillar-plot", "MODEL=pooled")
    assert made == of(["pooled"], "fit", "check") | {"figures.caterpillar"}


def test_a_figure_of_the_story_has_the_models_of_the_story(project):
    (project.folder / "reports/minnesota/figures/county-lines.svg").unlink()
    (stage,) = project.stages("county-lines-plot")
    shown = [Path(word).name for word in stage if word.startswith("data/fits/")]
    assert shown == ["pooled", "per_county", NONCENTERED]


def test_why_names_the_stages_that_would_run_again(project):
    sampler = "FILE=python/pooling/inputs/study.py"
    said = project.run("why", sampler, "NAME=Sampler.refits").stdout.split()
    assert {"fitting.fit", "scoring.loo", "scoring.leave_out"} <= set(said)
    assert not {"inputs.prepare", "reporting.pages"} & set(said)
    run = project.run("why", sampler, "NAME=nonesuch")
    assert run.returncode
    assert "NAME=nonesuch: python/pooling/inputs/study.py has no such name" in run.stderr
    assert "not a module of pooling" in project.run("why", "FILE=stan/pooled.stan").stderr


def test_graph_draws_the_stages_that_the_page_needs(project):
    assert project.run("graph").returncode == 0
    drawn = (project.folder / "reports/minnesota/graph.svg").read_text()
    for stage in ("inputs/prepare", "programs/compile", "fitting/fit", "reporting/pages"):
        assert f">{stage}<" in drawn
    assert f">{len(FIGURES | OF_ONE_MODEL)} figures<" in drawn
    assert "sbc" not in drawn
    assert project.built("all") == set()


def test_names_of_stages_leave_room_in_their_column(project):
    (width,) = re.findall(r"%-(\d+)s %s", (ROOT / "python/pooling/workflow/guards.mk").read_text())
    modules = (ROOT / "python/pooling").glob("**/[a-z]*.py")
    stages = [path.relative_to(ROOT / "python/pooling").with_suffix("") for path in modules]
    assert max(len(str(stage)) for stage in stages) <= int(width)


def only(project, names):
    """A folder of programs for PATH that holds no others than these."""
    folder = project.folder.parent / "bin"
    folder.mkdir()
    for name in names.split():
        (folder / name).symlink_to(shutil.which(name))
    return str(folder)


def test_help_lists_everything_without_making_anything(project):
    run = project.run(PATH=only(project, "sed awk basename paste tr env nproc bash make"))
    assert run.returncode == 0
    assert run.stderr == ""
    files = (ROOT / "Makefile", *ROOT.glob("python/**/*.mk"))
    text = "\n".join(path.read_text() for path in files)
    names = re.findall(r"^## ([a-z]+): ", text, re.MULTILINE)
    assert {"all", "report", "figures", "fits", "test", "lint", "clean"} < set(names)
    models = next(line for line in run.stdout.splitlines() if line.startswith("models:"))
    figures = next(line for line in run.stdout.splitlines() if line.startswith("figures:"))
    studies = next(line for line in run.stdout.splitlines() if line.startswith("studies:"))
    assert set(models.split()[1:]) == set(PROGRAMS)
    assert {
        f"figures.{name.replace('-', '_')}" for name in figures.split()[1:]
    } == FIGURES | OF_ONE_MODEL | CALIBRATION
    assert {"minnesota", "post"} <= set(studies.split()[1:])
    for word in (*names, "STUDY", "FROM", "TO", "SEED", "HOUSES", "MODEL", "PYTHON3"):
        assert re.search(rf"^ *{word}\b", run.stdout, re.MULTILINE), word
    assert run.stdout == project.run("help").stdout
    assert not project.log.exists()


def test_a_first_study_is_made_of_a_table_without_planning_another(project):
    shutil.rmtree(project.folder / ".build/minnesota")
    (project.folder / "mine").mkdir()
    (project.folder / "mine/houses 1.csv").write_text("county")
    (project.folder / "mine/my-houses.csv").write_text("county")
    assert project.run("study", "FROM=mine/my-houses.csv").returncode == 0
    assert project.run("study", "FROM=mine/my-houses.csv", "STUDY=rhön").returncode == 0
    stage = "pooling.inputs.first_study mine/my-houses.csv -o data/studies"
    assert project.log.read_text().splitlines() == [f"{stage}/my-houses.toml", f"{stage}/rhön.toml"]
    assert not (project.folder / ".build/minnesota").exists()
    for name, message in (
        ("", "FROM=: no such file; run `make study FROM=houses.csv` with a table of houses"),
        ("mine/none.csv", "FROM=mine/none.csv: no such file; run"),
        ("mine/houses 1.csv", 'FROM="mine/houses 1.csv": contains a space; remove it'),
        ("~/$(id).csv", "FROM=~/$(id).csv: contains $; give a plain name, number or path"),
    ):
        run = project.run("study", f"FROM={name}")
        assert run.returncode
        assert message in run.stderr
    # A model has no folder.
    assert "contains /" in project.run("shrinkage-plot", "FROM=mine/my-houses.csv").stderr


def test_clean_removes_exactly_what_is_ignored(project):
    def git(*words):
        identity = ("-c", "user.name=T", "-c", "user.email=t@example.org")
        run = ["git", *identity, *words]
        return subprocess.run(
            run, cwd=project.folder, check=True, capture_output=True, text=True
        ).stdout

    for hidden in (".stub", ".stages"):
        (project.folder / hidden).unlink(missing_ok=True)
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "sources")
    sources = set(git("ls-files").splitlines())
    assert not [
        name for name in sources if name.startswith((".build", "data/fits", "stan/pooled/"))
    ]
    (project.folder / "notes.txt").write_text("mine, not ignored")
    assert project.run("clean").returncode == 0
    left = {
        os.path.relpath(path, project.folder)
        for path in project.folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(project.folder).parts
    }
    assert left == sources | {"notes.txt"}
