"""Houses left out together: who is left out, how they are scored, and by whom."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from programs import ROOT, cmdstan, executable, quick, tiny_coords, tiny_data

from pooling import refits
from pooling.program import essence

COUNTIES = {"1": [0, 1, 2, 8], "2": [3, 4, 5, 9], "3": [6], "5": [7]}


def test_one_county_each_leaves_out_its_houses():
    # The counties of the ten houses in tiny_data: 1 1 1 2 2 2 3 5 1 2; county 4 has none.
    assert refits.one_county_each(tiny_data(), seed=1) == COUNTIES


def test_tenths_of_counties_keep_counties_whole():
    folds = refits.tenths_of_counties(tiny_data(), seed=1)
    assert sorted(folds.values()) == sorted(COUNTIES.values())


@pytest.mark.parametrize("houses", [7, 919])
def test_tenths_of_houses_are_even_and_cover_every_house_once(houses):
    folds = refits.tenths_of_houses({"N": houses}, seed=1)
    sizes = [len(fold) for fold in folds.values()]
    assert len(sizes) == min(10, houses)
    assert max(sizes) - min(sizes) <= 1
    assert sorted(i for fold in folds.values() for i in fold) == list(range(houses))


def test_folds_depend_on_the_seed_alone():
    first, again, other = (refits.tenths_of_houses({"N": 50}, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_held_out_houses_move_to_the_end():
    data = refits.hold_out(tiny_data(), [0, 3])
    assert data["county"] == [1, 1, 2, 2, 3, 5, 1, 2, 1, 2]
    assert data["log_radon"] == [1.4, 0.5, 2.1, 1.2, 0.3, 0.6, 0.9, 1.6, 1.0, 2.0]
    assert data["held_out"] == 2


def test_table_is_in_the_order_of_the_houses_and_without_unsound_scores():
    folds = {"a": [2, 0], "b": [1]}
    scores = {
        "a": {"elpd": [-3.0, -1.0], "mean": [0.3, 0.1], "converged": [True, False]},
        "b": {"elpd": [-2.0], "mean": [0.2], "converged": [True]},
    }
    rows = refits.table(scores, folds, ["x", "y", "z"])
    assert rows["house"].tolist() == ["x", "y", "z"]
    assert rows["fold"].tolist() == ["a", "b", "a"]
    np.testing.assert_array_equal(rows["elpd"], [np.nan, -2.0, -3.0])
    np.testing.assert_array_equal(rows["mean"], [np.nan, 0.2, 0.3])


@pytest.fixture
def job() -> dict:
    """A refit of each county of the tiny data under complete pooling."""
    executable("pooled")
    return {
        "model": "pooled",
        "essence": essence(ROOT / "stan/pooled.stan", ROOT / "stan"),
        "data": tiny_data(),
        "folds": COUNTIES,
        "settings": quick(),
    }


@pytest.fixture
def here(job, monkeypatch, tmp_path) -> dict[str, dict]:
    """The same refits, one after the other in this process."""
    monkeypatch.setattr(refits, "compiled", lambda model, text: executable(model))
    sampler = job["settings"].model_dump()
    return {
        fold: refits.refit(job["model"], job["essence"], job["data"], houses, sampler)
        for fold, houses in job["folds"].items()
    }


def start(*arguments: str, folder: Path) -> subprocess.Popen:
    """A dask process of its own folder, temporary files and session."""
    folder.mkdir()
    python = [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]]
    places = {"PYTHONPATH": str(ROOT / "python"), "TMPDIR": str(folder), "CMDSTAN": str(cmdstan())}
    return subprocess.Popen(
        python,
        cwd=folder,
        env=os.environ | places,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.fixture
def two_workers(tmp_path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """Address of a scheduler, and its two workers, which share no folder."""
    about = tmp_path / "scheduler.json"
    listen = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    processes = [
        start("dask_scheduler", *listen, "--scheduler-file", str(about), folder=tmp_path / "head")
    ]
    for _ in range(200):
        if about.exists():
            break
        time.sleep(0.1)
    address = json.loads(about.read_text())["address"]
    alone = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
    processes += [
        start("dask_worker", address, *alone, folder=tmp_path / name) for name in ("one", "two")
    ]
    yield address, processes[1:]
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_two_workers_one_killed_agree_with_one_process(job, here, two_workers, tmp_path):
    address, workers = two_workers
    kept = tmp_path / "kept"
    killed = []

    class KillingProgress:
        """Stands for the progress bar: kills a worker after the first finished refit."""

        def __init__(self, done, **_):
            self.done = done

        def __iter__(self):
            for found in self.done:
                yield found
                if not killed:
                    os.killpg(workers[0].pid, signal.SIGKILL)
                    killed.append(workers[0])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refits, "tqdm", KillingProgress)
        scores = refits.run_refits(**job, kept=kept, scheduler=address)
    assert killed
    assert scores == here, "bit by bit"
    assert len(list(kept.iterdir())) == len(COUNTIES)


def test_finished_refits_are_never_repeated(job, tmp_path, monkeypatch):
    done = {"elpd": [-1.0], "mean": [0.5], "converged": [True]}

    class OnlyFoldThree:
        """A client that refuses every fold but the one that is missing."""

        def scatter(self, data, broadcast):
            return data

        def submit(self, function, *arguments, **_):
            assert arguments[3] == COUNTIES["3"]
            return FinishedJob()

    class FinishedJob:
        status = "finished"

        def result(self):
            return done

    class Cluster:
        def __enter__(self):
            return OnlyFoldThree()

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(refits, "cluster", lambda _: Cluster())
    monkeypatch.setattr(refits, "as_completed", list)
    first = job | {"folds": {"3": COUNTIES["3"]}}
    assert refits.run_refits(**first, kept=tmp_path) == {"3": done}
    kept = next(tmp_path.glob("*.json"))
    monkeypatch.setattr(refits, "cluster", lambda _: pytest.fail("nothing is left to do"))
    assert refits.run_refits(**first, kept=tmp_path) == {"3": done}
    assert kept.exists()


def test_command_line_writes_a_row_a_house(job, here, monkeypatch, tmp_path):
    monkeypatch.setattr(refits, "run_refits", lambda *_: here)
    files = {
        "pooled.essence": job["essence"],
        "data.json": json.dumps(job["data"]),
        "coords.json": json.dumps(tiny_coords()),
        "sampler.json": json.dumps(job["settings"].model_dump()),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    inputs = [str(tmp_path / name) for name in files]
    refits.main(["stan/pooled", *inputs, "--scheme", "loco", "-o", str(tmp_path / "loco.csv")])
    lines = (tmp_path / "loco.csv").read_text().splitlines()
    assert lines[0] == "house,fold,elpd,mean,converged"
    assert [line.split(",")[0] for line in lines[1:]] == [str(i) for i in range(501, 511)]
