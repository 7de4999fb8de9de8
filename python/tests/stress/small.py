"""A small real study: made with and without a fault, and what was made compared."""

import json
import shutil
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path

import xarray as xr
from project import ROOT, copy_project, without_make

from pooling.build.files import digest
from pooling.fits.netcdf import ENGINE
from pooling.programs.source import normalised

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


def start_over(project: Path) -> None:
    """Delete every result, so that there is something to be made."""
    for part in COMPARED:
        shutil.rmtree(project / part)
