"""What is handed to engines and back, with an engine that is written here."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from project import ROOT

from bench.exchange import Task, covered

ENGINE = """
import sys
import numpy as np
from bench.exchange import Run, serve

def start(task):
    print("a library talks")
    def run(seed):
        if seed == 13:
            raise ValueError("unlucky")
        draws = {"mu_alpha": np.full((4, 2), seed + task.data()["county"][0])}
        return Run(draws, 1.5, 0.25, 0, 7, 9, "9.9")
    return run

serve(start)
"""


@pytest.mark.parametrize(
    ("spans", "length"),
    [
        ([], 0),
        ([(0, 1), (2, 4)], 3),
        ([(0, 3), (1, 2)], 3),  # one within another
        ([(1, 3), (0, 2)], 3),
        ([(0, 1), (1, 2)], 2),
    ],
)
def test_length_that_spans_cover_together(spans, length):
    assert covered(spans) == length


def test_engines_get_houses_and_priors_with_counties_from_0(tmp_path):
    path = tmp_path / "data.json"
    houses = {"county": [1, 3], "floor_measure": [0, 1], "log_radon": [1, 2]}
    path.write_text(json.dumps(houses | {"J": 3, "N_new": 0, "prior_sigma_scale": 2}))
    data = Task(path, "centered", tmp_path, tmp_path).data()
    assert set(data) == {*houses, "J", "sigma_scale"}
    assert data["county"].tolist() == [0, 2]
    assert data["log_radon"].dtype == float


def test_engine_answers_each_line_with_done_and_a_file(tmp_path):
    data, script = tmp_path / "data.json", tmp_path / "engine.py"
    houses = {"county": [5], "floor_measure": [0], "log_radon": [1], "J": 5}
    data.write_text(json.dumps(houses))
    script.write_text(ENGINE)
    files = [tmp_path / "a b.npz", tmp_path / "c.npz"]
    run = subprocess.run(
        [sys.executable, script, data, "centered"],
        input="".join(f"{seed} {path}\n" for seed, path in zip((1, 2), files, strict=True)),
        env=os.environ | {"PYTHONPATH": str(ROOT / "python")},
        capture_output=True,
        text=True,
    )
    assert run.stdout == "done\ndone\n"
    assert "a library talks" in run.stderr
    with np.load(files[1]) as found:
        assert found["mu_alpha"].tolist() == [[6, 6]] * 4
        assert [float(found[name]) for name in ("compile_s", "sampling_s")] == [1.5, 0.25]
        assert str(found["version"]) == "9.9"
