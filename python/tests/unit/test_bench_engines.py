"""The comparison of engines: turns, limits, rows; and the gate for draws that are known."""

import math
import sys

import numpy as np
import pytest

from bench.engines.__main__ import described, rounds, row
from bench.engines.cmdstan import elapsed_seconds, leapfrog_steps
from bench.exchange import EFFECTS, POPULATION
from bench.quality import Quality, quality
from bench.runner import Engine, OverLimit
from pooling.build.errors import SamplingError


def run_of(seed, sampling_s=2.0, compile_s=10.0, shift=0.0):
    """Independent normal draws, 4 x 500; `shift` moves one chain of sigma."""
    rng = np.random.default_rng(seed)
    draws = {name: rng.normal(size=(4, 500)) for name in POPULATION}
    draws |= {name: rng.normal(size=(4, 500, 3)) for name in EFFECTS}
    draws["sigma"][0] += shift
    numbers = {"compile_s": compile_s, "sampling_s": sampling_s, "divergences": 0}
    numbers |= {"warmup_steps": 3000, "steps": 5000}
    return draws | {name: np.asarray(x) for name, x in numbers.items()} | {"version": "1"}


class Planned:
    """An engine whose runs are given; an exception is raised in place of a run."""

    def __init__(self, name, runs, log):
        self.name, self.parameterisation = name, "centered"
        self.runs, self.log, self.ended = list(runs), log, False

    def run(self, seed, limit):
        self.log.append((self.name, seed))
        found = self.runs.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def end(self):
        self.ended = True


def test_engines_take_turns():
    log = []
    engines = [Planned(name, [run_of(1), run_of(2)], log) for name in "ab"]
    assert len(list(rounds("d", engines, [1, 2], limit=9, slow=9))) == 4
    assert log == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_an_engine_over_the_limit_or_that_stopped_is_not_asked_again():
    log = []
    engines = [
        Planned("late", [OverLimit()], log),
        Planned("broken", [SamplingError("broken stopped:\nits last words")], log),
    ]
    rows = list(rounds("d", engines, [1, 2], limit=9, slow=9))
    assert log == [("late", 1), ("broken", 1)]
    assert [line["note"] for line in rows] == ["not finished in 9 s", "its last words"]
    assert not any(line["passed"] for line in rows)
    assert described(rows[0]).endswith("seed 1: not finished in 9 s")


def test_a_slow_engine_gets_one_seed_and_a_note():
    log = []
    engine = Planned("slow", [run_of(1, sampling_s=50.0)], log)
    rows = list(rounds("d", [engine], [1, 2], limit=99, slow=45))
    assert log == [("slow", 1)]
    assert engine.ended
    assert rows[0]["note"] == "no more seeds: slower than 45 s"


def test_compiling_is_that_of_the_first_run_for_all():
    runs = [run_of(1, compile_s=10.0), run_of(2, compile_s=0.1)]
    rows = list(rounds("d", [Planned("a", runs, [])], [1, 2], limit=9, slow=9))
    assert [line["compile_s"] for line in rows] == [10, 10]


def test_row_divides_by_seconds_with_and_without_compiling_and_by_gradients():
    line = row("d", Planned("a", [], []), 1, run_of(1), compile_s=6.0)
    assert line["ess_per_s"] == pytest.approx(line["min_ess_bulk"] / 2)
    assert line["ess_per_s_with_compile"] == pytest.approx(line["min_ess_bulk"] / 8)
    assert line["ess_per_gradient"] == pytest.approx(line["min_ess_bulk"] / 5000)
    assert line["ess_per_gradient_with_warmup"] == pytest.approx(line["min_ess_bulk"] / 8000)
    # 4 x 500 independent draws are worth about as many.
    assert 1200 < line["min_ess_bulk"] < 2400
    assert line["passed"]


def test_a_chain_that_is_elsewhere_fails_the_gate():
    line = row("d", Planned("a", [], []), 1, run_of(1, shift=3.0), compile_s=6.0)
    assert not line["passed"]
    assert line["max_r_hat"] > 1.3


@pytest.mark.parametrize(
    ("ess", "r_hat", "divergences", "passed"),
    [
        (400, 1.01, 0, True),
        (399.9, 1.0, 0, False),
        (4000, 1.0101, 0, False),
        (4000, 1.0, 1, False),
        (math.nan, 1.0, 0, False),
    ],
)
def test_gate_at_its_bounds(ess, r_hat, divergences, passed):
    assert Quality(ess, r_hat, divergences, chains=4).passed is passed


def test_quality_is_of_the_worst_parameter():
    draws = run_of(1)
    draws["beta"][:, :, 2] = np.repeat(draws["beta"][:, ::10, 2], 10, axis=1)
    assert quality(draws, 0).min_ess_bulk < 400


def test_seconds_that_a_chain_says(tmp_path):
    path = tmp_path / "chain.csv"
    path.write_text(
        "lp__\n1\n#  Elapsed Time: 0.5 seconds (Warm-up)\n"
        "#                0.75 seconds (Sampling)\n#                1.25 seconds (Total)\n"
    )
    assert elapsed_seconds([path]) == [1.25]


def test_leapfrog_steps_of_all_chains_are_added_up(tmp_path):
    paths = [tmp_path / "1.csv", tmp_path / "2.csv"]
    paths[0].write_text("# head\nlp__,n_leapfrog__,mu\n1,3,0\n# Adaptation terminated\n1,7,0\n")
    paths[1].write_text("lp__,n_leapfrog__,mu\n1,1,0\n#  Elapsed Time\n")
    assert leapfrog_steps(paths) == 11


def test_an_engine_that_dies_is_reported_with_its_last_words(tmp_path):
    engine = Engine("nowhere", "centered", sys.executable, [], tmp_path)
    with pytest.raises(SamplingError, match=r"bench\.engines\.nowhere"):
        engine.run(1, limit=60)
    assert engine.process is None
