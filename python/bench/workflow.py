"""What the workflow costs beside the compiler and the sampler, in a copy of the checkout.

`python -m bench.workflow COPY TOOLCHAIN.json --stages stages.csv -o workflow.csv`

Parts, in this order, each possible alone once `fresh` has been done: `fresh` (make all from
nothing but the environment and CmdStan), `second` (make all again), `edits` (of a likelihood,
then of a comment), `survey` and `large` (make all of these studies). Rows of parts that are not
done stay. The compiled programs that count as samplers also predict: what make runs of them, for
posterior, prior and generated quantities, is what cannot be avoided.
"""

import argparse
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.engines.cmdstan import compile_seconds
from bench.large import Truth, simulate, write_study
from bench.processes import Cost, cost
from bench.targets import Target, announce
from pooling.build import cli
from pooling.build.errors import PoolingError
from pooling.build.files import replacing

EDITED = ("hierarchical_noncentered", "hierarchical_marginal")
CORES = os.cpu_count() or 1
ARROWS = ("FROM=per_county_common_slope", "TO=hierarchical_marginal")
HOUSES, COUNTIES = 2_000_000, 1_000


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


def row(what: str, value: float, unit: str, at_most: float = math.nan) -> dict:
    """A row of the table; nothing is to be reached where there is no bound."""
    return {"what": what, "value": value, "unit": unit, "at_most": at_most}


def ratio_rows(
    what: str, seconds: float, lower_bound: float, at_most: float, times: float
) -> Iterator[dict]:
    """Seconds, those that cannot be avoided, and their ratio; with bounds of first and last."""
    yield row(what, seconds, "s", at_most)
    yield row(f"{what}: compilers and samplers alone", lower_bound, "s")
    yield row(f"{what}: times compilers and samplers", seconds / lower_bound, "times", times)


def memory_row(what: str, found: Cost, at_most: float) -> dict:
    """Memory of the largest process."""
    return row(f"{what}: peak memory", found.peak_bytes / 1e9, "GB", at_most)


def size(folder: Path) -> int:
    """Bytes of the files in a folder; a file with several names counts once."""
    files = [path.lstat() for path in folder.rglob("*") if not path.is_dir()]
    return sum({file.st_ino: file.st_size for file in files}.values())


def fresh(checkout: Checkout) -> Iterator[dict]:
    """`make all` with nothing made; what cannot be avoided is work that all cores share."""
    checkout.create()
    checkout.make(".build/toolchain.json")  # brings the environment up to date, too
    found = checkout.make("all", watched=True)
    what = "make all, nothing made"
    lower_bound = (found.compiler_seconds + found.sampler_seconds) / CORES
    yield from ratio_rows(what, found.seconds, lower_bound, at_most=360, times=1.3)
    yield memory_row(what, found, at_most=2)
    fits = checkout.folder / "data" / "fits" / "minnesota"
    yield row("data/fits/minnesota", size(fits) / 1e9, "GB", at_most=0.3)
    for stage, seconds in sorted(found.stage_seconds.items(), key=lambda item: -item[1]):
        yield {"stage": stage, "processor_seconds": seconds}


def second(checkout: Checkout) -> Iterator[dict]:
    """`make all` with everything made: the median of five."""
    seconds = statistics.median(checkout.make("all").seconds for _ in range(5))
    yield row("make all, everything made", seconds, "s", at_most=0.3)


def edited(source: str, factor: float) -> str:
    """A program with another likelihood: its standard deviation times a factor.

    Raises
    ------
    PoolingError
        No likelihood with `sigma` is marked.
    """
    before, mark, after = source.partition("// Observational model")
    changed, places = re.subn(r"\bsigma\b", f"{factor} * sigma", after)
    if not places:
        raise PoolingError("no sigma after `// Observational model`; correct bench.workflow")
    return before + mark + changed


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
            found = checkout.make("shrinkage-plot", watched=True)
            # CmdStan's own make, which one core does alone; chains share all cores.
            compiling = compile_seconds(program, checkout.cmdstan)
        lower_bound = compiling + found.sampler_seconds / CORES
        what = f"make shrinkage-plot, likelihood of {model} edited"
        yield from ratio_rows(what, found.seconds, lower_bound, at_most=15, times=1.3)
    checkout.make("shrinkage-plot")
    with rewritten(program, f"// A remark.\n{program.read_text(encoding='utf-8')}"):
        found = checkout.make("shrinkage-plot")
    what = "make shrinkage-plot, comment edited"
    yield row(what, found.seconds, "s")
    yield row(f"{what}: stages that compile or fit", stages(found.output), "stages", at_most=0)


def stages(output: str) -> int:
    """How many programs make compiled and how many it fitted, by the lines that it prints."""
    return len(re.findall(r"^(?:programs/compile|fitting/fit) ", output, re.MULTILINE))


def survey(checkout: Checkout) -> Iterator[dict]:
    """The whole survey, with what it leaves out to score its models."""
    found = checkout.make("all", "STUDY=survey", *ARROWS)
    scores = checkout.folder / ".build" / "survey" / "scores.json"
    left_out = " ".join(json.loads(scores.read_text(encoding="utf-8"))["leave_out"])
    what = f"make all, study survey ({left_out})"
    yield row(what, found.seconds, "s", at_most=720)
    yield memory_row(what, found, at_most=4)


def large(checkout: Checkout) -> Iterator[dict]:
    """Simulated houses from tables to the report."""
    folder = checkout.folder / "data" / "large"
    houses, counties = simulate(HOUSES, COUNTIES, seed=1)
    write_study(folder, houses, counties, Truth())
    shutil.move(folder / "large.toml", checkout.folder / "data" / "studies" / "large.toml")
    found = checkout.make("all", "STUDY=large", *ARROWS)
    what = "make all, study large"
    yield row(what, found.seconds, "s")
    yield memory_row(what, found, at_most=4)


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


def workflow_targets(table: pd.DataFrame) -> list[Target]:
    """Every row that has a bound against it."""
    bounded = table[table["at_most"].notna()].itertuples()
    return [Target(f"{row.what}, {row.unit}", row.value, row.at_most) for row in bounded]


def main(arguments: list[str] | None) -> None:
    """Do the parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("copy", type=Path)
    parser.add_argument("toolchain", type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--stages", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    cmdstan = Path(json.loads(given.toolchain.read_text(encoding="utf-8"))["cmdstan"])
    checkout = Checkout(given.copy.resolve(), cmdstan)
    for name, part in PARTS.items():
        rows = list(part(checkout)) if name in given.parts else []
        # Written after each part: they take long.
        table = merge(given.output, [row for row in rows if "what" in row], "what")
        merge(given.stages, [row for row in rows if "stage" in row], "stage")
    announce(workflow_targets(table))


if __name__ == "__main__":
    cli.run(main)
