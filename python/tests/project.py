"""A copy of the project in a temporary folder, and make run in it.

The copy is made from what the workflow itself is made of, not from generated
files. `STUB` stands in for Python: it logs each stage and writes its outputs,
and leaves `plan` and `cmdstan` to the real interpreter, so that what make
compares is real.
"""

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP = ("Makefile", "requirements.lock", "pyproject.toml", "CITATION.cff", ".gitignore")
STAGE = re.compile(r"^pooling\.(?:(?!figures)\w+\.)?")  # as in `pooling.fitting.fit`
REAL = ("pooling.workflow.*", "pooling.build.*")
STUB = """#!/bin/bash
set -eu
[[ $1 != -c ]] || exec {python} "$@"
stage=$2
case $stage in {real}) exec {python} "$@" ;; esac
output=()
reading=
for word in "${{@:3}}"; do
    case $word in
        --cache) reading=folder ;;
        -o | --coords | --estimates | --coverage | --sensitivity) reading=yes ;;
        --draws | --means | --vega) reading=yes ;;
        -*) reading= ;;
        *)
            if [[ $reading == folder ]]; then reading=
            elif [[ $reading ]]; then output+=("$word")
            elif [[ $word == */* && ! -e $word ]]; then echo "error: no $word yet" >&2; exit 1
            fi
            ;;
    esac
done
[[ $stage != pooling.reporting.results ]] || output=("${{output[0]}}"/{{models,scores}}.csv)
echo "${{*:2}}" >> {log}
[[ -z ${{LINGER:-}} ]] || sleep 0.0$((RANDOM % 9))
if [[ ${{FAIL:-}} && "$*" == *$FAIL* ]]; then
    [[ -z ${{HALF:-}} ]] || echo half > "${{output[0]}}"
    exit 1
fi
run=$$-$RANDOM
# As in the package, a file and its line in the manifest come together, whoever else makes it.
[[ -z ${{MANIFEST:-}} ]] || {{ exec 9> "$MANIFEST.lock"; flock 9; }}
for file in "${{output[@]}}"; do
    [[ -d ${{file%/*}} ]] || mkdir -p "${{file%/*}}"
    echo "made by $stage" > "$file"
    [[ -z ${{MANIFEST:-}} ]] || {{
        sum=$(sha256sum < "$file")
        stat -c "$run %s %.9Y ${{sum:0:64}} $file" "$file" | sed 's/\\.//' >> "$MANIFEST"
    }}
done
"""

# Of a CmdStan: builds nothing, but says what it was asked for and what it was handed down.
CMDSTAN_MAKEFILE = """\
CMDSTAN_VERSION := 2.27.0
all: ; @false
clean-all:
\t@rm -f bin/stanc; echo "clean-all [$(MAKEFLAGS)] [$(STUDY)]" >> asked
build:
\t@echo "build" >> asked; touch bin/stanc
"""


def copy_project(folder: Path) -> Path:
    """Copy what the workflow is made of, with its times, without anything generated."""
    parts = ("python/tests/tests.mk", "python/bench/bench.mk")
    for name in (*TOP, *parts):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    generated = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / "python" / "pooling", folder / "python" / "pooling", ignore=generated)
    shutil.copytree(ROOT / "data" / "studies", folder / "data" / "studies")
    for pattern in ("data/*.csv", "stan/*.stan", "stan/functions/*", "reports/*.*"):
        for path in ROOT.glob(pattern):
            copy = folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    return folder


def fake_cmdstan(folder: Path, version: str = "2.30.1") -> Path:
    """A folder that passes for a CmdStan that was built."""
    for name in ("bin/stanc", "src/cmdstan/main.o", "stan/lib/stan_math/lib/tbb/libtbb.so.2"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "makefile").write_text(f"# CmdStan\nCMDSTAN_VERSION := {version}\n")
    return folder


def hear_interruptions() -> None:
    """Undo what a job in the background inherits: its children would ignore interruptions."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def without_make(variables: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what an outer make or a study would hand down."""
    theirs = (
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
        "MAKEOVERRIDES",
        "STUDY",
        "FROM",
        "TO",
        "SEED",
        "MODEL",
    )
    kept = {name: value for name, value in os.environ.items() if name not in (*theirs, "PYTHON")}
    return kept | (variables or {})


@dataclass
class Project:
    """A copy of the project.

    Attributes
    ----------
    folder
        Where it is.
    variables
        Environment variables that make gets, in addition to this process's.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """One line per stage that the stub ran: its name, then its arguments."""
        return self.folder / ".stages"

    def with_stub(self, cmdstan: Path) -> "Project":
        """Put the stub in the place of Python, and `cmdstan` in that of CmdStan."""
        stub = self.folder / ".stub"
        real = " | ".join(REAL)
        stub.write_text(STUB.format(real=real, python=sys.executable, log=self.log))
        stub.chmod(0o755)
        self.variables |= {"PYTHON": str(stub), "CMDSTAN": str(cmdstan)}
        return self

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        """Run make; the environment counts as that of conda, so none is made."""
        return subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env=without_make({"CONDA_DEFAULT_ENV": "radon-pooling"} | self.variables | variables),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def stages(self, *arguments: str, fails: bool = False, **variables: str) -> list[list[str]]:
        """Stages that this run of make ran, each a list of words, in order."""
        self.log.unlink(missing_ok=True)
        run = self.run(*arguments, **variables)
        assert bool(run.returncode) == fails, run.stdout + run.stderr
        text = self.log.read_text() if self.log.exists() else ""
        return [STAGE.sub("", line).split() for line in text.splitlines()]

    def built(self, *arguments: str, **variables: str) -> set[str]:
        """What this run of make built: `stage`, or `stage model` for stages of one model."""
        return {label(words) for words in self.stages(*arguments, **variables)}

    def edit_code(self, module: str, function: str = "main") -> None:
        """Add a statement to a function of a module, `inputs/prepare` or `figures/trace`."""
        path = self.folder / f"python/pooling/{module}.py"
        lines = path.read_text(encoding="utf-8").split("\n")
        name, _, method = function.partition(".")
        nodes = ast.parse("\n".join(lines)).body
        (node,) = (node for node in nodes if getattr(node, "name", "") == name)
        if method:
            (node,) = (inner for inner in node.body if getattr(inner, "name", "") == method)
        first = node.body[min(1, len(node.body) - 1)]
        lines.insert(first.lineno - 1, " " * first.col_offset + "edited = 1")
        path.write_text("\n".join(lines), encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace text in one file."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")


def label(words: list[str]) -> str:
    """`fit pooled` for a stage of one model, `figures.trace` for any other."""
    if "-o" not in words:  # The gate, asked for one model.
        return f"{words[0]} {Path(words[1]).parent.name}"
    stage, output = words[0], Path(words[words.index("-o") + 1])
    model = {"compile": output.name, "prepare": None}.get(stage, output.parent.name)
    of_one_model = stage in (
        "compile",
        "fit",
        "check",
        "replicate",
        "loo",
        "leave_out",
        "score",
        "other_priors",
        "sbc",
    )
    return f"{stage} {model}" if of_one_model else stage
