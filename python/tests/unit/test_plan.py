"""What make is told, and that it is told nothing twice."""

import json
import math

import pytest
from project import ROOT, fake_cmdstan
from test_study import READ, STUDY

from pooling.build.errors import ProgramError, StudyError
from pooling.inputs.study import read_study
from pooling.workflow import plan
from pooling.workflow.plan import main, models_of, programs, table_path

COUNTY = f"data {{ int N; vector[N] log_radon; {READ} }}"
STATES = f"data {{ int N; int S; array[N] int state; {READ} }}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small project: two programs, a study, its tables, a CmdStan."""
    files = {
        "stan/pooled.stan": COUNTY,
        "stan/nested.stan": STATES,
        "data/studies/trial.toml": STUDY.replace('use = ["pooled"]', ""),
        "data/households.csv": "",
        "data/counties.csv": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("CMDSTAN", str(fake_cmdstan(tmp_path / "cmdstan")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*more):
    main(["data/studies/trial.toml", "stan", *more, "-o", ".build/trial/plan.mk"])


def edit(folder, old, new, name="data/studies/trial.toml"):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def times(folder):
    return {
        str(path.relative_to(folder / ".build")): path.stat().st_mtime_ns
        for path in (folder / ".build").rglob("*")
        if path.is_file()
    }


def rewritten(folder, *more):
    """Files of `.build` that another run writes."""
    before = times(folder)
    run(*more)
    return {name for name, time in times(folder).items() if before.get(name) != time}


def test_plan_names_programs_models_and_tables(folder):
    run()
    lines = (folder / ".build/trial/plan.mk").read_text().splitlines()
    assert lines[:3] == ["PROGRAMS := nested pooled", "MODELS := pooled", "STORY := pooled"]
    assert lines[-3:] == [
        "HOUSE_TABLE := data/households.csv",
        "COUNTY_TABLE := data/counties.csv",
        "SHAPE_TABLE := ",
    ]


def test_plan_says_what_figures_declare(folder):
    run()
    lines = (folder / ".build/trial/plan.mk").read_text().splitlines()
    values = dict(line.split(" := ") for line in lines)
    assert "sbc" in values["CALIBRATION_FIGURES"].split()
    assert "trace" in values["MODEL_FIGURES"].split()
    assert "coverage" in values["LIBRARY_FIGURES"].split()
    assert "shrinkage" in values["STORY_FIGURES"].split()
    assert values["needs_other_priors"] == "other_priors.csv"
    assert values["tables_frequentist"] == "frequentist"
    assert values["needs_shrinkage"] == ""


def test_missing_or_damaged_stamp_is_written_again(folder):
    run()
    stamp, old = folder / ".build/code/fitting/fit", folder / ".build/code/fitting/gone"
    content = stamp.read_text()
    for path in (stamp, old):
        path.write_text("damaged")
    run()
    assert stamp.read_text() == content
    assert not old.exists()


def test_second_run_writes_nothing(folder):
    run()
    assert rewritten(folder) == set()


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("A study", "The study", {"trial/about.json"}),
        ("seed = 1", "seed = 2", {"trial/sampler.json"}),
        ("upper = 100", "upper = 99", {"trial/priors.json", "trial/calibration.json"}),
        ("funnel = 27021", "funnel = 27035", {"trial/figures.json"}),
        ('["MN"]', '["MN", "WI"]', {"trial/data.json", "trial/model_names.json", "trial/plan.mk"}),
        (
            "[models]",
            '[models]\nallowed_to_fail = { pooled = "why not" }',
            {"trial/models.json"},
        ),
        ("[sampler]", "# a remark\n[sampler]", set()),
        ("seed = 1", "seed = 1\nchains = 4", set()),
    ],
)
def test_edited_section_is_rewritten_and_no_other(folder, old, new, names):
    run()
    edit(folder, old, new)
    assert rewritten(folder) == names


def test_normalised_source_follows_meaning(folder):
    run()
    edit(folder, "int N;", "int  N; /* Houses */", "stan/pooled.stan")
    assert rewritten(folder) == set()
    edit(folder, "int  N;", "int<lower=0> N;", "stan/pooled.stan")
    assert rewritten(folder) == {"programs/pooled.normalised"}


def test_seed_of_the_command_line_wins(folder):
    run("--seed", "7")
    sampler = json.loads((folder / ".build/trial/sampler.json").read_text())
    assert sampler["seed"] == 7
    about = json.loads((folder / ".build/trial/about.json").read_text())
    assert about["study"] == "trial"
    assert about["title"].endswith("(seed 7)")
    assert rewritten(folder) == {"trial/sampler.json", "trial/about.json"}


def test_a_headline_that_is_no_model_is_refused(folder):
    edit(folder, "seed = 1", 'seed = 1\n[story]\nheadline = "nonesuch"')
    with pytest.raises(StudyError, match=r"story\.headline: nonesuch is not a model of the study"):
        run()


def test_the_story_has_the_models_that_the_study_names(folder):
    run()
    assert json.loads((folder / ".build/trial/story.json").read_text()) == ["pooled"]
    edit(folder, "seed = 1", 'seed = 1\n[story]\nmodels = ["nonesuch"]')
    message = r"story\.models: nonesuch is not a model of the study; choose from: pooled"
    with pytest.raises(StudyError, match=message):
        run()


def test_arrows_are_a_file_of_their_own(folder):
    (folder / "stan/other.stan").write_text(COUNTY)
    run("--arrows", "pooled ")
    assert rewritten(folder, "--arrows", "pooled other") == {"trial/arrows"}
    assert (folder / ".build/trial/arrows").read_text() == "pooled other\n"
    with pytest.raises(StudyError, match=r"FROM, TO: no program stan/foo\.stan; .*other, pooled"):
        run("--arrows", "pooled foo")


def test_arrow_to_a_program_without_its_data_is_refused(folder):
    message = r"FROM, TO: nested needs S, state, which study trial does not provide; .*: pooled$"
    for pair in ("pooled nested", "nested pooled"):
        with pytest.raises(StudyError, match=message):
            run("--arrows", pair)
    edit(folder, 'states = ["MN"]', 'states = ["MN", "WI"]')
    run("--arrows", "pooled nested")


def test_toolchain_is_corrected_but_never_invented(folder, monkeypatch):
    recorded = folder / ".build/toolchain.json"
    run()
    assert not recorded.exists(), "that is for the stage which installs CmdStan"
    recorded.write_text("{}")
    run()
    assert json.loads(recorded.read_text())["cmdstan"] == str(folder / "cmdstan")
    assert rewritten(folder) == set()
    monkeypatch.setenv("CMDSTAN", str(fake_cmdstan(folder / "newer", "2.31.0")))
    assert rewritten(folder) == {"toolchain.json"}
    assert json.loads(recorded.read_text())["version"] == "2.31.0"
    (folder / "newer/bin/stanc").unlink()
    run()
    assert not recorded.exists(), "it is to be built first"


def test_new_version_of_a_package_is_seen(folder, monkeypatch):
    run()
    monkeypatch.setattr(plan, "version", lambda name: "99.0")
    assert rewritten(folder) == {"packages.json"}


def test_model_without_program_lists_those_there_are(folder):
    edit(folder, "[models]", '[models]\nuse = ["poled"]')
    message = r"trial\.toml: models\.{}: no program stan/poled\.stan; choose from: nested, pooled"
    with pytest.raises(StudyError, match=message.format("use")):
        run()
    edit(folder, 'use = ["poled"]', 'allowed_to_fail = { poled = "why" }')
    with pytest.raises(StudyError, match=message.format("allowed_to_fail")):
        run()


def test_study_that_fails_changes_nothing(folder):
    run()
    edit(folder, "seed = 1", 'seed = 2\n[figures.x]\ny = "z"')
    before = times(folder)
    with pytest.raises(StudyError):
        run()
    assert times(folder) == before


def test_models_are_those_named_else_those_that_apply(folder):
    path = folder / "data/studies/trial.toml"
    available = programs(folder / "stan")
    assert models_of(read_study(path), path, available) == ["pooled"]
    edit(folder, 'states = ["MN"]', 'states = ["MN", "WI"]')
    assert models_of(read_study(path), path, available) == ["nested", "pooled"]
    edit(folder, "[models]", '[models]\nuse = ["nested"]')
    assert models_of(read_study(path), path, available) == ["nested"]


def test_centered_twin_is_a_model_where_it_is_named(folder):
    path = folder / "data/studies/trial.toml"
    for name in ("x_centered", "x_noncentered", "alone_centered"):
        (folder / f"stan/{name}.stan").write_text(COUNTY)
    available = programs(folder / "stan")
    others = ["alone_centered", "pooled", "x_noncentered"]
    assert models_of(read_study(path), path, available) == others
    named = ["alone_centered", "pooled", "x_centered", "x_noncentered"]
    edit(folder, "[models]", '[models]\nalso = ["x_centered"]')
    assert models_of(read_study(path), path, available) == named
    edit(folder, 'also = ["x_centered"]', 'use = ["pooled"]\nalso = ["x_centered"]')
    assert models_of(read_study(path), path, available) == ["pooled", "x_centered"]
    edit(folder, 'use = ["pooled"]\nalso = ["x_centered"]', 'allowed_to_fail.x_centered = "why"')
    assert models_of(read_study(path), path, available) == named


@pytest.mark.parametrize(
    ("name", "lessons"),
    [
        ("minnesota", {"hierarchical_centered", "varying_intercept_centered"}),
        ("gelman_hill", {"hierarchical_centered", "varying_intercept_centered"}),
        ("post", {"hierarchical_centered"}),
        ("indiana", set()),
        ("survey", set()),
    ],
)
def test_shipped_studies_show_the_centered_programs_that_they_are_about(name, lessons):
    path = ROOT / f"data/studies/{name}.toml"
    models = models_of(read_study(path), path, programs(ROOT / "stan"))
    assert {model for model in models if model.endswith("_centered")} == lessons


@pytest.mark.parametrize("stem", ["test", "clean", "two words", "a-b", "1st", "_x", "é"])
def test_program_needs_a_name_that_make_can_use(folder, stem):
    (folder / f"stan/{stem}.stan").write_text(COUNTY)
    with pytest.raises(ProgramError, match=rf"stan/{stem}\.stan: rename the program to a letter"):
        programs(folder / "stan")


def test_every_phony_target_is_reserved():
    files = [ROOT / "Makefile", *ROOT.glob("python/**/*.mk")]
    lines = [line for path in files for line in path.read_text().splitlines()]
    phony = {name for line in lines if line.startswith(".PHONY: ") for name in line.split()[1:]}
    assert {"all", "fsck", "repair", "sbc", "bench", "test"} <= phony
    assert {name for name in phony if name.isalpha()} <= plan.RESERVED


@pytest.mark.parametrize(
    "name",
    ["my houses.csv", "a:b.csv", "cost$.csv", "a#b.csv", "`touch x`.csv", "a'b.csv", "(a).csv"],
)
def test_table_needs_a_path_that_make_can_read(folder, name):
    (folder / "data" / name).touch()
    edit(folder, "[data]", f'[data]\nhouses = "../{name}"')
    with pytest.raises(StudyError, match=r"trial\.toml: .*make cannot read this path"):
        run()


def test_missing_table_is_named(folder):
    edit(folder, "[data]", '[data]\ncounties = "../elsewhere.csv"')
    message = r"trial\.toml: no table data/elsewhere\.csv; correct the path"
    with pytest.raises(StudyError, match=message):
        run()


def test_table_may_be_anywhere(folder):
    (folder / "mine.csv").touch()
    study = folder / "data/studies/trial.toml"
    assert table_path(study, folder / "mine.csv") == "mine.csv"
    assert table_path(study, "../../mine.csv") == "mine.csv"


@pytest.mark.parametrize(
    ("declaration", "setting", "old"),
    [
        ("real prior_gamma_alpha_scale;", "gamma_alpha = { scale = 1 }\n", "[priors]\n"),
        ("vector[J] log_uranium;", "uranium = true\n", "[data]\n"),
        ("real log_limit;", "detection_limit = 0.5\n", "[data]\n"),
        ("matrix[J, J] distance;", "distances = true\n", "[data]\n"),
    ],
)
def test_program_applies_where_its_data_are_provided(folder, declaration, setting, old):
    (folder / "stan/soil.stan").write_text("data { int J; " + declaration + " }")
    run()
    assert "MODELS := pooled\n" in (folder / ".build/trial/plan.mk").read_text()
    edit(folder, old, old + setting)
    run()
    assert "MODELS := pooled soil\n" in (folder / ".build/trial/plan.mk").read_text()


def test_model_asked_for_without_its_data_is_an_error(folder):
    (folder / "stan/soil.stan").write_text("data { int J; vector[J] log_uranium; }")
    edit(folder, "[models]", '[models]\nuse = ["soil"]')
    with pytest.raises(StudyError, match=r"models\.use: soil needs log_uranium, which the study"):
        run()
    edit(folder, 'use = ["soil"]', 'also = ["soil"]')
    with pytest.raises(StudyError, match=r"models\.also: soil needs log_uranium, which the study"):
        run()


def test_study_to_which_no_program_applies_is_an_error(folder):
    (folder / "stan/pooled.stan").unlink()
    with pytest.raises(StudyError, match="no model can run with these priors"):
        run()


@pytest.mark.parametrize(
    ("old", "given", "message"),
    [
        (
            "[sampler]",
            "tau = { scale = 1 }\n[sampler]",
            r"priors\.tau: no program in stan/ reads a prior of tau; remove it or choose from "
            r"alpha, "
            "beta, mu_alpha, mu_beta, sigma, sigma_alpha, sigma_beta$",
        ),
        # What {scale} says is a standard deviation's.
        (
            "mu_alpha = { loc = 0, scale = 10 }",
            "mu_alpha = { scale = 10 }",
            r"priors\.mu_alpha: programs in stan/ read its loc, scale; give it {loc, scale}$",
        ),
    ],
)
def test_a_prior_that_no_program_reads_is_an_error(folder, old, given, message):
    edit(folder, old, given)
    with pytest.raises(StudyError, match=message):
        run()


def test_a_prior_reaches_the_program_that_reads_it(folder):
    (folder / "stan/tails.stan").write_text(
        "data { real prior_kappa_shape; real prior_kappa_rate; }"
    )
    edit(folder, "[sampler]", "kappa = { shape = 2, rate = 0.1 }\n[sampler]")
    run()
    assert "MODELS := pooled tails\n" in (folder / ".build/trial/plan.mk").read_text()
    scales = read_study(folder / "data/studies/trial.toml").priors.scales()
    assert (scales["prior_kappa_shape"], scales["prior_kappa_rate"]) == (2, 0.1)


def test_priors_of_calibration_are_completed_by_the_studys_own(folder):
    run()
    edit(folder, "[sampler]", "[calibration]\nsigma_alpha = { scale = 0.2 }\n[sampler]")
    assert rewritten(folder) == {"trial/calibration.json"}
    own = json.loads((folder / ".build/trial/priors.json").read_text())
    instead = json.loads((folder / ".build/trial/calibration.json").read_text())
    assert instead == own | {"sigma_alpha": {"scale": 0.2, "upper": math.inf}}


def test_other_priors_are_completed_by_the_studys_own(folder):
    run()
    edit(folder, "[sampler]", "[other_priors.tight]\nsigma_alpha = { scale = 0.2 }\n[sampler]")
    assert rewritten(folder) == {"trial/other_priors.json"}
    sets = json.loads((folder / ".build/trial/other_priors.json").read_text())["sets"]
    own = json.loads((folder / ".build/trial/priors.json").read_text())
    assert sets == {"tight": own | {"sigma_alpha": {"scale": 0.2, "upper": math.inf}}}
