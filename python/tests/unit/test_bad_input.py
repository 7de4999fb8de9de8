"""What people get wrong, through make with the real stages: one error, and nothing is lost."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from project import Project, copy_project, fake_cmdstan
from written import write_results

from pooling.build.cmdstan import is_built, locate
from pooling.build.errors import SetupError

FIRST = "5081,MN,27001,1,2.2\n"  # the first house of Minnesota
STUDY = "data/studies/minnesota.toml"
HOUSES = "data/households.csv"
ONE_FIGURE = ("caterpillar-plot", "MODEL=pooled")  # of a fit alone: no table stands before it
ALSO = 'also = ["varying_intercept_centered"]'


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A project whose data were prepared, with a small table, so that this is quick."""
    folder = copy_project(tmp_path_factory.mktemp("prepared"))
    # Without the weights, which come last.
    lines = [f"{row.rpartition(',')[0]}\n" for row in (folder / HOUSES).read_text().splitlines()]
    start = lines.index(FIRST)
    (folder / HOUSES).write_text("".join([lines[0], *lines[start : start + 9]]))
    cmdstan = fake_cmdstan(tmp_path_factory.mktemp("cmdstan"))
    project = Project(folder, {"PYTHON": sys.executable, "CMDSTAN": str(cmdstan)})
    run = project.run("data/prepared/minnesota.json", ".build/toolchain.json")
    assert run.returncode == 0, run.stderr
    return project


@pytest.fixture
def project(prepared, tmp_path):
    shutil.copytree(prepared.folder, tmp_path / "project")
    return Project(tmp_path / "project", dict(prepared.variables))


def kept(project):
    """What was made before, by name."""
    return {
        path.relative_to(project.folder): path.read_bytes()
        for folder in ("data/prepared", "data/fits", "reports", "stan")
        for path in (project.folder / folder).rglob("*")
        if path.is_file()
    }


def only_error(project, *goals, **variables):
    """The one error with which make stops; checks that nothing made earlier was lost."""
    before = kept(project)
    run = project.run(*goals, **variables)
    assert run.returncode, run.stdout
    assert "Traceback" not in run.stderr
    errors = [line for line in run.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, run.stderr
    assert kept(project) == before
    return errors[0], run.stderr


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        pytest.param(",activity\n", ",radon\n", "line 1: no column activity; ", id="renamed"),
        pytest.param("state,", "", "line 1: no column state; ", id="missing column"),
        pytest.param(FIRST, "5081,MN,27001,1,high\n", "line 2: column activity: 'high'", id="text"),
        pytest.param(
            FIRST, "5081,MN,27001,1,-2.2\n", "line 2: column activity: -2.2 is neg", id="negative"
        ),
        pytest.param(
            FIRST, "5081,MN,27999999,1,2\n", "line 2: column county_fips: 27999999", id="county"
        ),
        pytest.param(FIRST, "5081,MN,27001,9,2.2\n", "line 2: column floor: 9 has", id="floor 9"),
        pytest.param(FIRST, FIRST + FIRST, "line 3: column house_id: 5081 occurs", id="duplicate"),
    ],
)
def test_wrong_table(project, old, new, wanted):
    project.edit(HOUSES, old, new)
    error, _ = only_error(project, "data/prepared/minnesota.json")
    assert error.startswith(f"error: {HOUSES}: {wanted}")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "the file is empty; add a header and rows"),
        ("house_id,state,county_fips,floor,activity\n", "the table has a header and no rows"),
    ],
)
def test_empty_table(project, text, wanted):
    (project.folder / HOUSES).write_text(text)
    error, _ = only_error(project, "data/prepared/minnesota.json")
    assert error.startswith(f"error: {HOUSES}: {wanted}")


def test_corrected_table_is_taken_up(project):
    project.edit(HOUSES, FIRST, FIRST.replace("2.2", "-2.2"))
    only_error(project, "data/prepared/minnesota.json")
    project.edit(HOUSES, "-2.2", "2.2")
    assert project.run("data/prepared/minnesota.json").returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("[sampler]", "[sampler]\nthin = 2", "sampler.thin: unknown setting; remove it"),
        ("also =", 'use = ["poled"]\nalso =', "models.use: no program stan/poled.stan;"),
        (
            'states = ["MN"]',
            'houses = "gone.csv"',
            "no table data/studies/gone.csv; correct the path",
        ),
    ],
)
def test_wrong_study(project, old, new, wanted):
    project.edit(STUDY, old, new)
    error, _ = only_error(project, "all")
    assert error.startswith(f"error: {STUDY}: {wanted}")


def test_study_that_fits_no_house(project):
    project.edit(STUDY, 'states = ["MN"]', 'states = ["MM"]')
    error, _ = only_error(project, "data/prepared/minnesota.json")
    assert error.startswith(f"error: {STUDY}: data.states: no house of MM in data/households.csv; ")


def test_counties_of_figures_that_the_study_does_not_have(project):
    """The small table has houses of AITKIN (27001) and ANOKA (27003) alone."""
    project.edit(STUDY, "lines = [27021, 27035, 27047]", "lines = [27001, 27_021,\n  27047]")
    project.edit(STUDY, "panels = [27073, 27001,", "panels = [27001, 99]  # [27003,")
    text = (project.folder / STUDY).read_text().splitlines()
    first = next(i for i, line in enumerate(text, start=1) if line.startswith("lines"))
    error, said = only_error(project, ".build/minnesota/highlights")
    assert error == f"error: {STUDY}: [figures] names counties that the study does not have:"
    wrong = [line for line in said.splitlines() if line.startswith("  - ")]
    assert wrong == [
        f"  - line {first}: figures.lines: 27021",
        f"  - line {first + 1}: figures.lines: 27047",
        f"  - line {first + 2}: figures.panels: 99",
        f"  - line {first + 3}: figures.funnel: 27021",
    ]
    assert "The study's counties are 27001, 27003" in said


@pytest.fixture
def real(project):
    """The project with the real CmdStan, if this machine has one that is built."""
    try:
        found = locate()
    except SetupError as error:
        pytest.skip(str(error))
    if found is None or not is_built(found):
        pytest.skip("no CmdStan that is built")
    project.variables["CMDSTAN"] = str(found)
    (project.folder / "stan/pooled").write_text("made earlier")
    return project


def test_program_that_does_not_compile(real):
    real.edit("stan/pooled.stan", "log_radon ~ normal(alpha[", "log_radon ~ nomal(alpha[")
    line = (real.folder / "stan/pooled.stan").read_text().partition("nomal")[0].count("\n") + 1
    error, said = only_error(real, "stan/pooled")
    assert error == "error: stan/pooled.stan does not compile"
    assert f"'stan/pooled.stan', line {line}, column" in said
    assert "nomal" in said


def test_program_that_breaks_the_contract(real):
    real.edit("stan/pooled.stan", "y_rep", "replicated")
    error, said = only_error(real, "stan/pooled")
    assert error.startswith("error: stan/pooled.stan breaks the contract of stan/README.md")
    assert "`y_rep`" in said


def test_include_that_is_not_there(project):
    project.edit("stan/per_county.stan", "county_marginal.stan", "county_margin.stan")
    error, _ = only_error(project, "all")
    assert "stan/functions/county_margin.stanfunctions: no such file" in error
    assert "stan/per_county.stan includes" in error


@pytest.mark.parametrize("recorded", [True, False])
def test_no_compiler(project, recorded):
    if not recorded:
        (project.folder / ".build/toolchain.json").unlink()
    error, _ = only_error(project, "stan/pooled", CXX="no-such-g++")
    assert error.startswith("error: no-such-g++: not found; CmdStan needs a C++ compiler and make")


def test_wrong_cmdstan(project):
    error, _ = only_error(project, "stan/pooled", CMDSTAN="/nowhere")
    assert error == (
        "error: CMDSTAN=/nowhere: no CmdStan of version 2.27 or later; correct or unset it"
    )


def test_no_cmdstan_and_no_network(project, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        offline = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY"), nobody)
        offline |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": nobody, "no_proxy": ""}
        offline |= dict.fromkeys(("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "CONDA_PREFIX"), "")
        error, said = only_error(
            project, "stan/pooled", HOME=str(home), CMDSTAN="", NO_PROXY="", **offline
        )
    assert error == "error: no built CmdStan was found, and none could be installed:"
    for way in (
        "1. set CMDSTAN",
        "2. conda env create",
        "3. with network access and a writable HOME",
    ):
        assert f"  {way}" in said
    assert {path.name for path in (home / ".cmdstan").iterdir()} == {".lock"}


def drawn_over_a_file(project, tmp_path):
    """A project where only the figure is missing, with a real fit of the time that make expects."""
    project.edit(STUDY, ALSO, 'use = ["pooled"]')
    project.edit(STUDY, 'headline = "hierarchical_uranium_floor_sigma"\n', "")
    project.with_stub(Path(project.variables["CMDSTAN"])).built(*ONE_FIGURE)
    write_results(tmp_path, "pooled")
    for name in ("fit.nc", "diagnostics.json", "estimates.csv"):
        place = project.folder / "data/fits/minnesota/pooled" / name
        times = place.stat()
        shutil.copy(tmp_path / "fits/pooled" / name, place)
        os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))
    # Or these would count as damaged.
    (project.folder / ".build/manifest").unlink(missing_ok=True)
    shutil.rmtree(project.folder / "reports/minnesota")
    return project


def test_reports_folder_that_cannot_be_written(project, tmp_path):
    drawn_over_a_file(project, tmp_path)
    reports = project.folder / "reports/minnesota"
    reports.write_text("a file in its place")
    error, _ = only_error(project, *ONE_FIGURE, PYTHON=sys.executable)
    assert error.startswith("error: reports/minnesota")
    assert reports.read_text() == "a file in its place"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_read_only_reports_folder(project, tmp_path):
    drawn_over_a_file(project, tmp_path)
    reports = project.folder / "reports/minnesota"
    reports.mkdir(mode=0o555)
    error, _ = only_error(project, *ONE_FIGURE, PYTHON=sys.executable)
    figure = "reports/minnesota/figures/pooled/caterpillar.svg"
    assert (
        error == f"error: {figure}: Permission denied; make the folder writable and run make again"
    )


def test_stanc_checks_drafts_too(real):
    (real.folder / "stan/draft").mkdir(exist_ok=True)
    (real.folder / "stan/draft/idea.stan").write_text("model { x ~ normal(0, 1); }")
    toolchain = real.folder / ".build/toolchain.json"
    assert real.run(".build/toolchain.json").returncode == 0
    lint = [sys.executable, "-m", "pooling.programs.lint", toolchain, "stan"]
    run = subprocess.run(
        lint,
        cwd=real.folder,
        env=os.environ | {"PYTHONPATH": "python"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("error: stan/draft/idea.stan does not compile\n")
    assert "line 1, column 8" in run.stderr
    (real.folder / "stan/draft/idea.stan").unlink()
    run = subprocess.run(lint, cwd=real.folder, env=os.environ | {"PYTHONPATH": "python"})
    assert run.returncode == 0
