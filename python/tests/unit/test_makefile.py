"""What make builds after which edit, with a stub in the place of Python.

Every test starts from a project in which everything was made once.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from project import ROOT, Project, copy_project, fake_cmdstan, label

from pooling.figures import declared_figures
from pooling.inputs.study import read_study
from pooling.workflow.plan import models_of, programs

CENTERED, NONCENTERED = "hierarchical_centered", "hierarchical_noncentered"
KINDS = ("svg", "png")  # of files of a figure
STUDY = ROOT / "data/studies/minnesota.toml"
PROGRAMS = programs(ROOT / "stan")
MODELS = set(models_of(read_study(STUDY), STUDY, PROGRAMS))
DECLARED = declared_figures().values()
FIGURES = {f"figures.{figure.name}" for figure in DECLARED if figure.kind in ("story", "library")}
OF_ONE_MODEL = {f"figures.{figure.name}" for figure in DECLARED if figure.kind == "model"}
STORY = {f"figures.{figure.name}" for figure in DECLARED if figure.kind == "story"}
CALIBRATION = {f"figures.{figure.name}" for figure in DECLARED if figure.kind == "calibration"}
READ_LEFT_OUT = {
    f"figures.{name}"
    for name in ("county_means", "coverage", "loo_pit", "model_comparison", "pareto_k")
}
LEFT_OUT = READ_LEFT_OUT - OF_ONE_MODEL
# Tables say which model the figures of one model show.
TABLES = {"results", "headline", "pages"}
SHOWN = FIGURES | TABLES | {"published"}
PREPARED = {"prepare", "highlights", "frequentist"}
# What is made of a fit, and of its diagnostics.
SCORED = ("check", "replicate", "loo", "leave_out", "score", "other_priors")
CHECKED = tuple(stage for stage in SCORED if stage != "replicate")


def of(models, *stages):
    return {f"{stage} {model}" for stage in stages for model in models}


def refit(*models):
    return of(models, "fit", *SCORED) | {"gate"} | SHOWN


LEAVING_OUT = of(MODELS, "loo", "leave_out", "score") | LEFT_OUT | TABLES
SAMPLING = refit(*MODELS)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project with everything made, and what was made."""
    cmdstan = fake_cmdstan(tmp_path_factory.mktemp("cmdstan"))
    folder = copy_project(tmp_path_factory.mktemp("finished"))
    project = Project(folder).with_stub(cmdstan)
    return project, project.built("all"), cmdstan


@pytest.fixture
def project(finished, tmp_path):
    """A copy of it, with its times, to be edited."""
    original, _, cmdstan = finished
    shutil.copytree(original.folder, tmp_path / "project", ignore=shutil.ignore_patterns(".stages"))
    return Project(tmp_path / "project").with_stub(cmdstan)


def test_first_make_makes_everything_once(finished):
    _, made, _ = finished
    assert made == PREPARED | of(MODELS, "compile") | refit(*MODELS)


def test_second_make_makes_nothing(project):
    run = project.run("all")
    assert run.returncode == 0
    assert "Nothing to be done for 'all'" in run.stdout
    assert not project.log.exists()


def test_touching_a_study_without_an_edit_makes_nothing(project):
    for path in project.folder.glob("data/studies/*.toml"):
        path.touch()
    assert project.built("all") == set()


@pytest.mark.parametrize(
    "comment", ["// a remark\n", "/* a remark\n   of two lines */\n", "\n   \n"]
)
def test_comment_in_a_program_fits_nothing(project, comment):
    path = project.folder / "stan/pooled.stan"
    path.write_text(comment + path.read_text())
    assert project.built("all") == {"pages"}, "which prints the program"


def test_edited_likelihood_refits_that_model_alone(project):
    project.edit("stan/pooled.stan", "sigma);\n}", "2 * sigma);\n}")
    assert project.built("all") == {"compile pooled"} | refit("pooled")
    assert project.built("all") == set()


def test_undone_edit_fits_nothing(project):
    project.edit("stan/pooled.stan", "sigma);\n}", "2 * sigma);\n}")
    project.edit("stan/pooled.stan", "2 * sigma);\n}", "sigma);\n}")
    assert project.built("all") == set()


def test_edited_include_refits_what_includes_it(project):
    project.edit(
        "stan/per_county.stan", "functions/county_marginal.stanfunctions", "functions/new.stan"
    )
    include = project.folder / "stan/functions/new.stan"
    old = project.folder / "stan/functions/county_marginal.stanfunctions"
    include.write_text(old.read_text())
    assert project.built("all") == {"pages"}, "the same text under another name"
    include.write_text(old.read_text() + "real same(real x) {\n  return x;\n}\n")
    assert project.built("all") == {"compile per_county"} | refit("per_county")


@pytest.mark.parametrize(
    ("old", "new", "made"),
    [
        pytest.param("\ndraws = 3000", "\ndraws = 2500", refit(*MODELS), id="sampler"),
        pytest.param(
            "sigma       = { scale = 1 }",
            "sigma       = { scale = 2 }",
            PREPARED | refit(*MODELS),
            id="prior",
        ),
        pytest.param(
            'response = "log(x + 0.1)"',
            'response = "log(x), 0 as 0.1"',
            PREPARED | refit(*MODELS),
            id="response",
        ),
        pytest.param(
            "[models]",
            '[scores]\nleave_out = ["loco"]\n\n[models]',
            of(MODELS, "replicate", "loo", "leave_out", "score") | LEFT_OUT | TABLES,
            id="schemes",
        ),
        pytest.param(
            "sigma_beta  = { upper = 100 }",
            "sigma_beta  = { upper = 50 }",
            of(MODELS, "other_priors") | {"figures.other_priors"} | TABLES,
            id="other priors",
        ),
        pytest.param(
            "funnel = 27021",
            "funnel = 27035",
            FIGURES | {"highlights", "headline", "pages"},
            id="figures",
        ),
        pytest.param('title = "Radon in', 'title = "Radon of', {"pages"}, id="title"),
        pytest.param(
            '"kept to show', '"shows', of(MODELS, *CHECKED) | {"gate"} | SHOWN, id="allowed"
        ),
    ],
)
def test_edited_section_is_seen_by_its_readers_alone(project, old, new, made):
    project.edit("data/studies/minnesota.toml", old, new)
    assert project.built("all") == made


@pytest.mark.parametrize(
    ("code", "function", "made"),
    [
        ("figures/funnel", "plot", {"figures.funnel", "pages"}),
        ("figures/trace", "plot", {"headline", "pages"}),
        ("figures/_drawing", "save", FIGURES | {"headline", "pages"}),
        ("reporting/pages", "main", {"pages"}),
        ("reporting/results", "main", TABLES),
        ("inputs/highlights", "main", {"highlights"}),
        ("checking/gate", "main", {"gate"}),
        ("inputs/prepare", "main", PREPARED | refit(*MODELS)),
        ("inputs/tables", "read_houses", PREPARED | refit(*MODELS)),
        ("inputs/study", "Sampler.refits", SAMPLING),
        ("fitting/sampling", "sample", SAMPLING),
        ("fitting/refits", "refit", LEAVING_OUT),
        ("fitting/refits", "hold_out", LEAVING_OUT),
        ("scoring/loo", "main", of(MODELS, "loo", "score") | LEFT_OUT | TABLES),
        (
            "scoring/leave_out",
            "main",
            of(MODELS, "leave_out", "score") | LEFT_OUT | TABLES,
        ),
        (
            "scoring/replicate",
            "main",
            of(MODELS, "replicate", "score") | TABLES,
        ),
        ("scoring/score", "main", of(MODELS, "score") | TABLES),
        ("checking/check", "main", of(MODELS, *CHECKED) | {"gate"} | SHOWN),
        (
            "checking/other_priors",
            "main",
            of(MODELS, "other_priors") | {"figures.other_priors"} | TABLES,
        ),
        (
            "reporting/frequentist",
            "main",
            {"frequentist", "figures.frequentist", "published", "pages"},
        ),
        ("programs/contract", "check_contract", of(MODELS, "compile") | refit(*MODELS)),
        ("build/cmdstan", "locate", LEAVING_OUT),
    ],
)
def test_edited_function_reruns_the_stages_that_reach_it(project, code, function, made):
    project.edit_code(code, function)
    assert project.built("all") == made


@pytest.mark.parametrize(
    "code",
    [
        "fitting/fit",
        "inputs/prepare",
        "programs/compile",
        "checking/check",
        "figures/trace",
        "reporting/pages",
    ],
)
def test_comment_in_code_reruns_nothing(project, code):
    path = project.folder / f"python/pooling/{code}.py"
    path.write_text("# a remark\n" + path.read_text())
    assert project.built("all") == set()


def test_code_that_is_not_python_is_named(project):
    with (project.folder / "python/pooling/checking/check.py").open("a") as file:
        file.write("def half(:\n")
    run = project.run("all")
    assert run.returncode
    assert "python/pooling/checking/check.py:" in run.stderr
    assert "not Python" in run.stderr


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


def test_one_model_is_calibrated_alone(project):
    assert project.built("pooled-sbc") == {"sbc pooled", "calibration"}
    assert project.built("pooled-sbc") == set()


def test_figures_that_read_left_out_houses_are_those_that_wait_for_them():
    read = {
        f"figures.{path.stem}"
        for path in (ROOT / "python/pooling/figures").glob("*.py")
        if re.search(r"\.(loo(\[|\.)|left_out\b)", path.read_text())
    }
    assert read == READ_LEFT_OUT


def test_the_figure_of_other_priors_waits_for_them(project):
    for path in project.folder.glob("data/fits/minnesota/*/other_priors.csv"):
        path.unlink()
    made = project.built("other-priors-plot")
    assert made == of(MODELS, "other_priors") | {"figures.other_priors"}


def test_edited_table_is_prepared_again(project):
    project.edit("data/households.csv", "5081,MN,27001,1,2.2", "5081,MN,27001,1,2.3")
    assert project.built("all") == PREPARED | refit(*MODELS)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("reports/minnesota/index.html", {"pages"}),
        ("reports/minnesota/tables/scores.csv", TABLES),
        ("reports/minnesota/figures/funnel.svg", {"figures.funnel", "pages"}),
        ("reports/minnesota/figures/funnel.png", {"figures.funnel", "pages"}),
        ("reports/minnesota/figures/trace.png", {"headline", "pages"}),
        ("data/fits/minnesota/pooled/scores.csv", {"score pooled"} | TABLES),
        (
            "data/fits/minnesota/pooled/loo.csv",
            {"loo pooled", "score pooled"} | LEFT_OUT | TABLES,
        ),
        ("data/fits/minnesota/pooled/estimates.csv", of(["pooled"], *CHECKED) | {"gate"} | SHOWN),
        (
            "data/fits/minnesota/pooled/replications.nc",
            {"replicate pooled", "score pooled"} | TABLES,
        ),
        ("data/fits/minnesota/pooled/fit.nc", refit("pooled")),
        ("data/prepared/minnesota.coords.json", PREPARED | refit(*MODELS)),
        ("stan/pooled", {"compile pooled"} | refit("pooled")),
    ],
)
def test_deleted_output_is_made_again(project, name, made):
    (project.folder / name).unlink()
    assert project.built("all") == made
    assert (project.folder / name).exists()


def test_new_program_appears_everywhere_and_disappears_again(project):
    stan = project.folder / "stan"
    likelihood = (
        (stan / "pooled.stan").read_text().replace(".* floor_measure,", ".* floor_measure / 2,")
    )
    (stan / "foo.stan").write_text(likelihood)
    stages = project.stages("all")
    shown = SHOWN - STORY | {"frequentist"}  # pooled, and so foo, has a frequentist twin
    assert {s[0] for s in stages} == {"compile", "fit", "gate", *SCORED} | shown
    for stage in stages:
        shows_all = stage[0] in FIGURES | {"results"}
        assert ("data/fits/minnesota/foo" in stage) == shows_all, stage[0]
    assert project.built("foo") == {"gate foo"}, "which says how it went"

    (stan / "foo.stan").unlink()
    stages = project.stages("all")
    assert {s[0] for s in stages} == shown | {"gate"}
    assert not [word for stage in stages for word in stage if "foo" in word]
    assert "error: no rule makes foo; " in project.run("foo").stderr


@pytest.mark.parametrize("goal", ["nonsense", "shrinkage", "shrinkage_plot", "a;touch here"])
def test_unknown_goal_is_one_line_that_names_help(project, goal):
    run = project.run(goal)
    assert run.returncode
    (line,) = run.stderr.splitlines()
    assert f"error: no rule makes {goal}; `make help` lists the targets" in line
    assert not (project.folder / "here").exists()


def test_remaking_everything_by_force_takes_no_source_for_a_goal(project):
    assert "figures.shrinkage" in project.built("-B", "shrinkage-plot")


def test_draft_is_not_a_model(project):
    draft = project.folder / "stan/draft/idea.stan"
    draft.parent.mkdir(exist_ok=True)
    draft.write_text("not Stan")
    assert project.built("all") == set()


def test_another_seed_has_results_of_its_own(project):
    one = {"prepare", "highlights", "fit pooled", "check pooled", "gate pooled"}
    assert project.built("pooled", "SEED=8") == one
    assert project.built("all") == set()
    stages = project.stages("all", SEED="7")
    assert {label(words) for words in stages} == PREPARED | refit(*MODELS), "programs are shared"
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


def test_failing_plan_is_the_only_message(project):
    shutil.rmtree(project.folder / ".build/minnesota")
    project.edit("data/studies/minnesota.toml", "[sampler]", "[sampler]\nnonsense = 1")
    run = project.run("all")
    assert run.returncode
    error, make = run.stderr.splitlines()
    assert error.startswith("error: data/studies/minnesota.toml: ")
    assert make.startswith("make: *** ")


def test_other_study_has_folders_of_its_own(project):
    stages = project.stages("all", "STUDY=post")
    assert {s[0] for s in stages} == {*PREPARED, "fit", "gate", *SCORED} | SHOWN, (
        "programs are shared"
    )
    words = {word for stage in stages for word in stage}
    assert not [word for word in words if "minnesota" in word]
    assert project.built("all", "STUDY=minnesota") == set()
    assert project.built("all", STUDY="post") == set()


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
    assert [path.parent for path in folder.glob("**/trace.svg")] == [folder]
    shutil.rmtree(folder)
    assert project.built("trace-plot") == {"headline"}
    assert (folder / "trace.svg").is_file()
    (stage,) = project.stages("trace-plot", "MODEL=pooled")
    assert "data/fits/minnesota/pooled" in stage
    assert f"data/fits/minnesota/{NONCENTERED}" not in stage
    assert stage[-2:] == [f"reports/minnesota/figures/pooled/trace.{kind}" for kind in KINDS]


def test_a_figure_of_the_model_asked_for_needs_no_other_fit(project):
    shutil.rmtree(project.folder / "data/fits")
    made = project.built("caterpillar-plot", "MODEL=pooled")
    assert made == of(["pooled"], "fit", "check") | {"figures.caterpillar"}


def test_a_figure_of_the_story_has_the_models_of_the_story(project):
    (project.folder / "reports/minnesota/figures/county-lines.svg").unlink()
    (stage,) = project.stages("county-lines-plot")
    shown = [Path(word).name for word in stage if word.startswith("data/fits/")]
    assert shown == ["pooled", "per_county", NONCENTERED]


@pytest.mark.parametrize("change", ["cmdstan", "compiler"])
def test_other_toolchain_compiles_and_refits(project, tmp_path, change):
    if change == "cmdstan":
        project.variables["CMDSTAN"] = str(fake_cmdstan(tmp_path / "newer", "2.31.0"))
    else:
        compiler = tmp_path / "other-g++"
        compiler.write_text("#!/bin/sh\necho other 1.0\n")
        compiler.chmod(0o755)
        project.variables["CXX"] = str(compiler)
    assert project.built("all") == of(MODELS, "compile") | refit(*MODELS)
    assert project.built("all") == set()


def test_unbuilt_cmdstan_is_not_compiled_with(project, tmp_path):
    other = fake_cmdstan(tmp_path / "unbuilt", "2.31.0")
    (other / "bin/stanc").unlink()
    (other / "makefile").write_text(
        "CMDSTAN_VERSION := 2.31.0\nclean-all:\nbuild:\n\t@touch bin/stanc\n"
    )
    made = project.built("all", CMDSTAN=str(other))
    assert (other / "bin/stanc").exists()
    assert of(MODELS, "compile") < made


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


@pytest.mark.parametrize("jobs", ["-j1", "-j8"])
def test_any_number_of_jobs_makes_the_same(project, finished, jobs):
    _, made, _ = finished
    for folder in ("data/fits", "data/prepared", ".build", "reports/minnesota"):
        shutil.rmtree(project.folder / folder)
    for executable in MODELS:
        (project.folder / "stan" / executable).unlink()
    # The stub fails when an input that it was given is not there yet.
    assert project.built("all", jobs, LINGER="yes" if jobs == "-j8" else "") == made
    assert project.built("all", jobs) == set()


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
    assert f">{len(FIGURES)} figures<" in drawn
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
