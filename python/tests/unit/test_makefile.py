"""What make builds after which edit, with a stub in the place of Python.

Every test starts from the fixture `project`, in which everything was made once.
"""

import re
import shutil

import pytest
from builds import (
    CHECKED,
    CHECKING,
    FIGURES,
    LEAVING_OUT,
    LEFT_OUT,
    MODELS,
    OF_DECISIONS,
    OF_ONE_MODEL,
    PREPARED,
    READ_LEFT_OUT,
    READ_REPLICATIONS,
    SAMPLING,
    SCORED,
    SHOWN,
    STORY,
    TABLES,
    of,
    refit,
)
from project import ROOT, fake_cmdstan


def test_first_make_makes_everything_once(finished):
    _, made, _ = finished
    assert made == PREPARED | {"charts"} | of(MODELS, "compile") | refit(*MODELS)


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
            of(MODELS, "replicate") | LEAVING_OUT | READ_REPLICATIONS,
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
            FIGURES | OF_ONE_MODEL | {"highlights", "headline", "pages"},
            id="figures",
        ),
        pytest.param('title = "Radon in', 'title = "Radon of', {"pages"}, id="title"),
        pytest.param('"kept to show', '"shows', CHECKING, id="allowed"),
    ],
)
def test_edited_section_is_seen_by_its_readers_alone(project, old, new, made):
    project.edit("data/studies/minnesota.toml", old, new)
    assert project.built("all") == made


@pytest.mark.parametrize(
    ("code", "function", "made"),
    [
        ("figures/funnel", "plot", {"figures.funnel", "pages"}),
        ("figures/trace", "plot", {"figures.trace", "headline", "pages"}),
        ("figures/_drawing", "save", FIGURES | OF_ONE_MODEL | {"headline", "pages"}),
        ("reporting/pages", "main", {"pages"}),
        ("reporting/results", "main", TABLES),
        ("reporting/packing", "packed", {"explorer"}),
        ("reporting/calculator", "grouped", {"calculator"}),
        ("reporting/charts", "together", {"charts"}),
        ("inputs/highlights", "main", {"highlights"}),
        ("checking/gate", "main", {"gate"}),
        ("inputs/prepare", "main", PREPARED | refit(*MODELS)),
        ("inputs/tables", "read_houses", PREPARED | refit(*MODELS)),
        ("inputs/study", "Sampler.refits", SAMPLING),
        ("fitting/sampling", "sample", SAMPLING),
        ("fitting/refits", "refit", LEAVING_OUT),
        ("fitting/refits", "hold_out", LEAVING_OUT),
        ("scoring/loo", "main", of(MODELS, "loo", "score") | READ_LEFT_OUT | TABLES),
        (
            "scoring/leave_out",
            "main",
            of(MODELS, "leave_out", "score") | READ_LEFT_OUT | TABLES,
        ),
        (
            "scoring/replicate",
            "main",
            of(MODELS, "replicate", "score") | READ_REPLICATIONS | TABLES,
        ),
        ("scoring/score", "main", of(MODELS, "score") | TABLES),
        ("checking/check", "main", CHECKING),
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


@pytest.mark.parametrize(
    "name",
    [
        "Makefile",
        "python/pooling/figures/figures.mk",
        "python/pooling/reporting/report.mk",
    ],
)
def test_edited_rules_redraw_the_graph_alone(project, name):
    with (project.folder / name).open("a") as file:
        file.write("# a remark\n")
    assert project.built("all") == {"pages"}, "which shows the graph"
    assert project.built("all") == set()


def test_figures_that_read_left_out_houses_are_those_that_wait_for_them():
    read = {
        f"figures.{path.stem}"
        for path in (ROOT / "python/pooling/figures").glob("*.py")
        if re.search(r"\.(loo(\[|\.)|left_out\b)", path.read_text())
    }
    assert read == READ_LEFT_OUT


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
    # pooled, and so foo, has a frequentist twin; it might decide.
    shown = SHOWN - STORY | {"frequentist", *OF_DECISIONS}
    assert {s[0] for s in stages} == {"compile", "fit", "gate", *SCORED} | shown
    for stage in stages:
        shows_all = stage[0] in FIGURES - STORY | {"results"}
        assert ("data/fits/minnesota/foo" in stage) == shows_all, stage[0]
    assert project.built("foo") == {"gate foo"}, "which says how it went"

    (stan / "foo.stan").unlink()
    stages = project.stages("all")
    assert {s[0] for s in stages} == shown | {"gate"}
    assert not [word for stage in stages for word in stage if "foo" in word]
    assert "error: no rule makes foo; " in project.run("foo").stderr


def test_draft_is_not_a_model(project):
    draft = project.folder / "stan/draft/idea.stan"
    draft.parent.mkdir(exist_ok=True)
    draft.write_text("not Stan")
    assert project.built("all") == set()


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
