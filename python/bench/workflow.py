"""What the workflow costs beside the compiler and the sampler, in a copy of the checkout.

`python -m bench.workflow COPY TOOLCHAIN.json --memory memory.csv --stages stages.csv \
    -o workflow.csv`

Parts, in this order, each possible alone once `fresh` has been done: `fresh` (make all from
nothing but the environment and CmdStan), `second` (make all again), `edits` (of a likelihood,
then of a comment), `survey` and `large` (memory). Rows of parts that are not done stay.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.engines.cmdstan import compile_seconds, sample
from bench.large import Truth, simulate, write_study
from bench.processes import Cost, cost
from bench.targets import Target, announce
from pooling import cli
from pooling.errors import PoolingError
from pooling.files import replacing

EDITED = ("hierarchical_noncentered", "hierarchical_marginal")
SECOND, FRESH, EDIT = 0.5, 1.6, 1.5  # s, times, times
GIGABYTES = {"minnesota": 1.5, "survey": 4.0, "large": 4.0}
ARROWS = ("FROM=per_county_common_slope", "TO=hierarchical_marginal")
HOUSES, COUNTIES = 2_000_000, 1_000
LIKELIHOOD = re.compile(r"(// Observational model.*?)\bsigma\);", re.DOTALL)


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout that this process runs in, to be made in and edited."""

    folder: Path
    cmdstan: Path

    def create(self) -> None:
        """Copy every file that git does not ignore, with its times, and lend the environment."""
        shutil.rmtree(self.folder, ignore_errors=True)
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            if Path(name).is_file() and not Path(name).is_symlink():
                copy = self.folder / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(name, copy)
        if Path(".venv").exists():
            (self.folder / ".venv").symlink_to(Path(".venv").resolve())

    def make(self, *arguments: str, watched: bool = False) -> Cost:
        """Run make.

        Parameters
        ----------
        watched
            Whether to add up the work of compilers and samplers.

        Raises
        ------
        PoolingError
            It failed.
        """
        handed_down = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "STUDY", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if name not in handed_down}
        kept |= {"CMDSTAN": str(self.cmdstan)}
        programs = [path.stem for path in self.folder.glob("stan/*.stan")] if watched else []
        print("make", *arguments, file=sys.stderr, flush=True)
        found = cost(["make", *arguments], self.folder, kept, programs)
        if found.code:
            said = "\n".join(found.output.splitlines()[-12:])
            raise PoolingError(f"make {' '.join(arguments)} failed in {self.folder}\n{said}")
        return found

    def program(self, model: str) -> Path:
        """Source of a model."""
        return self.folder / "stan" / f"{model}.stan"

    def settings(self, study: str) -> dict:
        """Sampler settings of a study, as planned."""
        path = self.folder / ".build" / study / "sampler.json"
        return json.loads(path.read_text(encoding="utf-8"))


def ratio_row(what: str, seconds: float, lower_bound: float, target: float) -> dict:
    """A row of the table: times as long as what cannot be avoided."""
    ratio = seconds / lower_bound
    bounds = {"seconds": seconds, "lower_bound_seconds": lower_bound}
    return {"what": what} | bounds | {"ratio": ratio, "target": target}


def fresh(checkout: Checkout) -> Iterator[dict]:
    """`make all` with nothing made; what cannot be avoided is work that all cores share."""
    checkout.create()
    checkout.make(".build/toolchain.json")  # brings the environment up to date, too
    found = checkout.make("all", watched=True)
    yield memory_row("minnesota", "make all", found)
    for stage, seconds in sorted(found.stage_seconds.items(), key=lambda item: -item[1]):
        yield {"stage": stage, "processor_seconds": seconds}
    yield ratio_row(
        "make all, nothing made", found.seconds, found.work_seconds / os.cpu_count(), FRESH
    )


def second(checkout: Checkout) -> Iterator[dict]:
    """`make all` with everything made: the median of five."""
    seconds = statistics.median(checkout.make("all").seconds for _ in range(5))
    yield {"what": "make all, everything made", "seconds": seconds, "target": SECOND}


def edited(source: str, factor: float) -> str:
    """A program with another likelihood: its spread is multiplied by a factor.

    Raises
    ------
    PoolingError
        Its model block does not end in a likelihood with `sigma);`.
    """
    changed, places = LIKELIHOOD.subn(rf"\g<1>{factor} * sigma);", source, count=1)
    if not places:
        raise PoolingError("no `sigma);` after `// Observational model`; correct bench.workflow")
    return changed


@contextmanager
def rewritten(program: Path, text: str) -> Iterator[None]:
    """A program with another text, and with its own again afterwards."""
    original = program.read_text(encoding="utf-8")
    program.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        program.write_text(original, encoding="utf-8")


def edits(checkout: Checkout) -> Iterator[dict]:
    """An edit of a likelihood, then of a comment, each followed by `make shrinkage-plot`."""
    for model in EDITED:
        program = checkout.program(model)
        checkout.make("shrinkage-plot")
        # A factor that was never there: what was made of an earlier text is kept.
        factor = round(1 + time.time_ns() % 10**6 / 1e9, 9)
        with rewritten(program, edited(program.read_text(encoding="utf-8"), factor)):
            found = checkout.make("shrinkage-plot")
            bound = compile_seconds(program, checkout.cmdstan) + fit_seconds(checkout, model)
        what = f"make shrinkage-plot, likelihood of {model} edited"
        yield ratio_row(what, found.seconds, bound, EDIT)
    checkout.make("shrinkage-plot")
    with rewritten(program, f"// A remark.\n{program.read_text(encoding='utf-8')}"):
        found = checkout.make("shrinkage-plot")
    what = "make shrinkage-plot, comment edited: stages that compile or fit"
    yield {"what": what, "seconds": found.seconds, "ratio": stages(found.output), "target": 0}


def stages(output: str) -> int:
    """How many programs make compiled and how many it fitted, by the lines that it prints."""
    return len(re.findall(r"^(?:compile|fit) ", output, re.MULTILINE))


def fit_seconds(checkout: Checkout, model: str, study: str = "minnesota") -> float:
    """Seconds of the sampler alone for a model's posterior and prior, with the study's settings."""
    settings = checkout.settings(study)
    prepared = checkout.folder / "data" / "prepared" / f"{study}.json"
    data = json.loads(prepared.read_text(encoding="utf-8"))
    data |= {"pointwise": int(settings["pointwise"])}
    total = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for prior_only, draws in ((0, "draws"), (1, "prior_draws")):
            path = Path(scratch) / "data.json"
            path.write_text(json.dumps(data | {"prior_only": prior_only}), encoding="utf-8")
            seconds, _ = sample(
                checkout.program(model).with_suffix(""),
                path,
                Path(scratch),
                seed=settings["seed"],
                warmup=settings["warmup"],
                draws=settings[draws],
                chains=settings["chains"],
                adapt_delta=settings["adapt_delta"],
            )
            total += seconds
    return total


def memory_row(study: str, what: str, found: Cost) -> dict:
    """A row of the table of memory."""
    numbers = {"peak_gigabytes": found.peak_bytes / 1e9, "target": GIGABYTES[study]}
    return {"study": study, "made": what, "seconds": found.seconds} | numbers


def survey(checkout: Checkout) -> Iterator[dict]:
    """The whole survey: fits, and a figure that shows every county."""
    found = checkout.make("fits", "shrinkage-plot", "STUDY=survey", *ARROWS)
    yield memory_row("survey", "make fits shrinkage-plot", found)


def large(checkout: Checkout) -> Iterator[dict]:
    """Simulated houses from tables to the report."""
    folder = checkout.folder / "data" / "large"
    houses, counties = simulate(HOUSES, COUNTIES, seed=1)
    write_study(folder, houses, counties, Truth())
    shutil.move(folder / "large.toml", checkout.folder / "data" / "studies" / "large.toml")
    found = checkout.make("all", "STUDY=large", *ARROWS)
    yield memory_row("large", "make all", found)


PARTS: dict[str, Callable[[Checkout], Iterator[dict]]] = {
    "fresh": fresh,
    "second": second,
    "edits": edits,
    "survey": survey,
    "large": large,
}


def merge(path: Path, rows: list[dict], key: str) -> pd.DataFrame:
    """Write rows into a table in the place of those with the same key, and return it."""
    if not rows and not path.is_file():
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    if path.is_file():
        earlier = pd.read_csv(path)
        kept = earlier if table.empty else earlier[~earlier[key].isin(table[key])]
        table = pd.concat([kept, table], ignore_index=True)
    with replacing(path) as draft:
        table.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")
    return table


def workflow_targets(workflow: pd.DataFrame, memory: pd.DataFrame) -> list[Target]:
    """Every row against its own target: a ratio, or seconds where there is no lower bound."""
    found = [
        Target(row.what, row.seconds if pd.isna(row.ratio) else row.ratio, row.target)
        for row in workflow.reindex(columns=["what", "seconds", "ratio", "target"]).itertuples()
    ]
    for row in memory.itertuples():
        what = f"peak memory in GB, {row.made}, study {row.study}"
        found.append(Target(what, row.peak_gigabytes, row.target))
    return found


def main(arguments: list[str] | None) -> None:
    """Do the parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("copy", type=Path)
    parser.add_argument("toolchain", type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--memory", type=Path, required=True)
    parser.add_argument("--stages", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    cmdstan = Path(json.loads(given.toolchain.read_text(encoding="utf-8"))["cmdstan"])
    checkout = Checkout(given.copy.resolve(), cmdstan)
    workflow, memory = pd.DataFrame(), pd.DataFrame()
    for name, part in PARTS.items():
        rows = list(part(checkout)) if name in given.parts else []
        # Written after each part: they take long.
        workflow = merge(given.output, [row for row in rows if "what" in row], "what")
        memory = merge(given.memory, [row for row in rows if "study" in row], "study")
        merge(given.stages, [row for row in rows if "stage" in row], "stage")
    announce(workflow_targets(workflow, memory))


if __name__ == "__main__":
    cli.run(main)
