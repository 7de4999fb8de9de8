"""Engines side by side: the same model, priors and data, several seeds, taking turns.

`python -m bench.engines DATA.json... --programs stan --toolchain TOOLCHAIN.json \
    --environments FOLDER -o bench.csv`
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from bench.exchange import PARAMETERISATIONS
from bench.quality import quality
from bench.runner import Engine, OverLimit
from bench.targets import SPEEDS, announce, engine_targets
from pooling.build import cli
from pooling.build.errors import SamplingError
from pooling.build.files import replacing

PEERS = ("nutpie", "numpyro", "pymc", "stanli")
COLUMNS = ["data", "engine", "parameterisation", "seed", "compile_s", "sampling_s"]
COLUMNS += ["warmup_steps", "steps", "min_ess_bulk", *SPEEDS, "max_r_hat", "divergences"]
COLUMNS += ["passed", "version", "note"]


def row(data: str, engine: Engine, seed: int, run: dict, compile_s: float) -> dict:
    """One row of the table from one run; `compile_s` is that of the engine's first run."""
    found = quality(run, int(run["divergences"]))
    sampling_s = float(run["sampling_s"])
    warmup_steps, steps = int(run["warmup_steps"]), int(run["steps"])
    return {
        "data": data,
        "engine": engine.name,
        "parameterisation": engine.parameterisation,
        "seed": seed,
        "compile_s": compile_s,
        "sampling_s": sampling_s,
        "warmup_steps": warmup_steps,
        "steps": steps,
        "min_ess_bulk": found.min_ess_bulk,
        "ess_per_s": found.min_ess_bulk / sampling_s,
        "ess_per_s_with_compile": found.min_ess_bulk / (sampling_s + compile_s),
        "ess_per_gradient": found.min_ess_bulk / steps,
        "ess_per_gradient_with_warmup": found.min_ess_bulk / (steps + warmup_steps),
        "max_r_hat": found.max_r_hat,
        "divergences": found.divergences,
        "passed": found.passed,
        "version": str(run["version"]),
        "note": "",
    }


def rounds(
    data: str, engines: list[Engine], seeds: list[int], limit: float, slow: float
) -> Iterator[dict]:
    """Rows of all engines on one data set, a seed after the other, engines taking turns.

    An engine that exceeds `limit` seconds is not asked again, nor one that took more than
    `slow` seconds and so has said enough; a note says so.
    """
    waiting, compiled = list(engines), {}
    for seed in seeds:
        for engine in list(waiting):
            key = (engine.name, engine.parameterisation)
            begun = {"data": data, "engine": key[0], "parameterisation": key[1], "seed": seed}
            try:
                run = engine.run(seed, limit)
            except OverLimit:
                waiting.remove(engine)
                yield begun | {"passed": False, "note": f"not finished in {limit:g} s"}
                continue
            except SamplingError as error:
                waiting.remove(engine)
                yield begun | {"passed": False, "note": str(error).splitlines()[-1]}
                continue
            compile_s = compiled.setdefault(key, float(run["compile_s"]))
            line = row(data, engine, seed, run, compile_s)
            if line["sampling_s"] > slow and seed != seeds[-1]:
                waiting.remove(engine)
                engine.end()
                line["note"] = f"no more seeds: slower than {slow:g} s"
            yield line


def engines_for(given: argparse.Namespace, data: Path, folder: Path) -> list[Engine]:
    """Every engine and parameterisation, on one data file."""
    cmdstan = json.loads(given.toolchain.read_text(encoding="utf-8"))["cmdstan"]
    stan = ["--programs", str(given.programs), "--cmdstan", cmdstan]
    return [
        Engine(
            name,
            parameterisation,
            given.environments / name / "bin" / "python" if name in PEERS else Path(sys.executable),
            [str(data), parameterisation, *stan],
            folder,
        )
        for name in given.engines
        for parameterisation in given.parameterisations
    ]


def compare(given: argparse.Namespace, path: Path) -> Iterator[dict]:
    """Rows of one study, a line on standard error for each."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        engines = engines_for(given, path, Path(scratch))
        for engine in engines:
            stack.callback(engine.end)
        seeds = list(range(1, given.seeds + 1))
        for line in rounds(path.stem, engines, seeds, given.limit, given.slow):
            print(described(line), file=sys.stderr, flush=True)
            yield line


def described(line: dict) -> str:
    """A run in a line."""
    name = "{data:10} {engine:8} {parameterisation:12} seed {seed}".format_map(line)
    if "sampling_s" not in line:
        return f"{name}: {line['note']}"
    verdict = "" if line["passed"] else "  fails the gate"
    numbers = "compile {compile_s:5.1f} s, sampling {sampling_s:7.2f} s, {ess_per_s:7.0f} ESS/s, "
    numbers += "{ess_per_gradient:.4f} ESS/gradient"
    return f"{name}: {numbers.format_map(line)}{verdict}"


def main(arguments: list[str] | None) -> None:
    """Compare the engines."""
    parser = cli.stage(__doc__, many="data")
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--toolchain", type=Path, required=True)
    parser.add_argument("--environments", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=120, help="seconds a run, with compiling")
    parser.add_argument("--slow", type=float, default=30, help="of sampling: one seed is enough")
    parser.add_argument("--engines", nargs="+", default=["cmdstan", *PEERS])
    parser.add_argument("--parameterisations", nargs="+", default=PARAMETERISATIONS)
    given = parser.parse_args(arguments)
    rows = [line for path in given.data for line in compare(given, path)]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    with replacing(given.output) as draft:
        table.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")
    announce(engine_targets(table))


if __name__ == "__main__":
    cli.run(main)
