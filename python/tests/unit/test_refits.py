"""Refits without some houses: how they are scored, by whom, and which are cached."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from programs import ROOT, cmdstan, executable, quick, tiny_data
from scipy import integrate, stats

from pooling.build.errors import ChainLost, SamplingError, SetupError
from pooling.fitting import refits
from pooling.fitting.refits import Program
from pooling.programs.source import normalised

COUNTIES = {"1": [0, 1, 2, 8], "2": [3, 4, 5, 9], "3": [6], "5": [7]}


def test_held_out_houses_are_predicted_and_not_fitted():
    data = refits.hold_out(tiny_data(), [3, 0], "")
    assert data["county"] == [1, 1, 2, 2, 3, 5, 1, 2]
    assert data["log_radon"] == [1.4, 0.5, 2.1, 1.2, 0.3, 0.6, 0.9, 1.6]
    assert (data["N"], data["N_new"]) == (8, 2)
    # In the order in which they are named.
    assert data["county_new"] == [2, 1]
    assert data["log_radon_new"] == [2.0, 1.0]


@pytest.fixture
def job() -> dict:
    """A refit of each county of the tiny data under complete pooling."""
    return {
        "program": Program(
            "pooled", normalised(ROOT / "stan/pooled.stan", ROOT / "stan"), executable("pooled")
        ),
        "data": tiny_data(),
        "folds": COUNTIES,
        "settings": quick(),
    }


@pytest.fixture
def here(job) -> dict[str, dict]:
    """The same refits, one after the other in this process."""
    sampler = job["settings"].model_dump()
    return {
        fold: refits.refit(job["program"], job["data"], houses, sampler)
        for fold, houses in job["folds"].items()
    }


def test_a_worker_takes_no_executable_from_a_folder_of_somebody_else(job, monkeypatch, tmp_path):
    """What was compiled is cached where other users of a machine may have been first."""
    somebody = os.getuid() + 1
    monkeypatch.setattr(refits.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(refits.os, "getuid", lambda: somebody)
    (tmp_path / f"pooling-{somebody}").mkdir()
    with pytest.raises(SetupError, match="belongs to another user"):
        refits.compiled(replace(job["program"], executable=None))


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
    cache = tmp_path / "cache"
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
        scores = refits.run_refits(**job, cache=cache, scheduler=address)
    assert killed
    assert scores == here, "bit by bit"
    assert len(list(cache.iterdir())) == len(COUNTIES)


def test_local_cluster_agrees_with_one_process(job, here, tmp_path):
    assert refits.run_refits(**job, cache=tmp_path) == here, "bit by bit"


def test_finished_refits_are_never_repeated(job, tmp_path, monkeypatch):
    done = {"elpd": [-1.0], "mean": [0.5], "mcse": [0.1], "pit": [0.2], "converged": [True]}

    class OnlyFoldThree:
        """A client that refuses every fold but the one that is missing."""

        def scatter(self, data, broadcast):
            return data

        def submit(self, function, *arguments, **_):
            assert arguments[2] == COUNTIES["3"]
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
    assert refits.run_refits(**first, cache=tmp_path) == {"3": done}
    kept = next(tmp_path.glob("*.json"))
    monkeypatch.setattr(refits, "cluster", lambda _: pytest.fail("nothing is left to do"))
    assert refits.run_refits(**first, cache=tmp_path) == {"3": done}
    assert kept.exists()


def test_refit_that_dask_gives_up_is_one_error(job, tmp_path, monkeypatch):
    gone = Mock(status="cancelled")
    client = SimpleNamespace(scatter=lambda data, **_: data, submit=lambda *_, **__: gone)
    monkeypatch.setattr(refits, "cluster", lambda _: nullcontext(client))
    monkeypatch.setattr(refits, "as_completed", list)
    with pytest.raises(SamplingError, match="refits of pooled: 3: dask lost the job"):
        refits.run_refits(**job | {"folds": {"3": COUNTIES["3"]}}, cache=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", '{"elpd": [-1', "[]", "null", '{"elpd": [-1.0]'])
def test_damaged_refit_counts_as_missing(tmp_path, content):
    file = tmp_path / "refit.json"
    file.write_text(content)
    assert refits.read_cached(file) is None


def test_finished_refit_is_read_back(tmp_path):
    file = tmp_path / "refit.json"
    scores = refits.failed_refit(2, "")
    file.write_text(json.dumps(scores))
    assert refits.read_cached(file).keys() == scores.keys()
    assert refits.read_cached(tmp_path / "none.json") is None


def test_killed_refit_is_not_tried_with_other_settings(job, monkeypatch):
    def killed(*_, **__):
        raise ChainLost("chain 1 was killed")

    monkeypatch.setattr(refits.sampling, "sample", killed)
    with pytest.raises(ChainLost):
        refits.refit(job["program"], job["data"], [0], quick().model_dump())


def test_holding_out_leaves_the_data_as_they_are():
    data = {
        "N": 4,
        "J": 3,
        "county": [1, 2, 3, 3],
        "floor_measure": [0, 1, 0, 1],
        "log_radon": [0.1, 0.2, 0.3, 0.4],
    }
    left = refits.hold_out(data, [1], "")
    assert left == {
        "N": 3,
        "J": 3,
        "county": [1, 3, 3],
        "floor_measure": [0, 0, 1],
        "log_radon": [0.1, 0.3, 0.4],
        "N_new": 1,
        "county_new": [2],
        "floor_measure_new": [1],
        "log_radon_new": [0.2],
    }
    assert (data["N"], data["county"]) == (4, [1, 2, 3, 3])


def stub_run(shift: float = 0.0, divergences: int = 0, log_lik: float = -1.5) -> SimpleNamespace:
    """Four chains x 500 independent draws; `shift` moves the first chain's level."""
    rng = np.random.default_rng(1)
    alpha = rng.normal(1.0, 0.1, (2000, 5))
    alpha[:500] += shift
    values = {
        "alpha": alpha,
        "beta": np.full((2000, 5), -0.5),
        "log_lik": np.full((2000, 1), log_lik),
        # A quarter of the replications is below every house of `tiny_data`.
        "y_rep": np.where(np.arange(2000) % 4, 9.0, -9.0)[:, None],
    }
    return SimpleNamespace(
        stan_variable=values.__getitem__,
        chains=4,
        method_variables=lambda: {"divergent__": np.array([[divergences, 0, 0, 0]])},
    )


def score(run: SimpleNamespace, data: dict) -> dict:
    """Scores of the houses that a run predicts."""
    draws, divergences = refits.predictions(run)
    return refits.score_predicted(draws, data, divergences)


def test_score_of_a_left_out_house_by_hand():
    data = refits.hold_out(tiny_data(), [8], "")  # first floor of county 1
    scores = score(stub_run(), data)
    assert scores["elpd"] == pytest.approx([-1.5])
    assert scores["mean"] == pytest.approx([0.5], abs=0.01)
    assert scores["pit"] == pytest.approx([0.25])
    # Standard deviation 0.1 of 2,000 independent draws.
    assert scores["mcse"] == pytest.approx([0.1 / 2000**0.5], rel=0.15)
    assert scores["converged"] == [True]


def test_scores_are_those_of_each_house_in_its_place():
    data = refits.hold_out(tiny_data(), [8, 0, 4, 1], "")  # counties 1, 1, 2, 1, floors 1, 0, 1, 0
    run = stub_run()
    values = {name: run.stan_variable(name) for name in ("alpha", "beta")}
    values["alpha"] = values["alpha"] + [0, 1, 2, 3, 4]
    values["log_lik"] = np.full((2000, 4), [-1.0, -2.0, -3.0, -4.0])
    values["y_rep"] = np.full((2000, 4), [-9.0, 9.0, -9.0, 9.0])
    run.stan_variable = values.__getitem__
    scores = score(run, data)
    assert scores["mean"] == pytest.approx([0.5, 1.0, 1.5, 1.0], abs=0.01)
    assert scores["elpd"] == pytest.approx([-1, -2, -3, -4])
    assert scores["pit"] == [1, 0, 1, 0]
    assert scores["mcse"][0] == pytest.approx(scores["mcse"][1])
    # Of these only county 2 has a chain that disagrees.
    values["alpha"][:500, 1] += 1
    assert score(run, data)["converged"] == [True, True, False, True]


def test_score_averages_densities_not_their_logarithms():
    run = stub_run()
    halves = np.log(np.where(np.arange(2000) % 2, 0.1, 0.3))[:, None]
    values = {name: run.stan_variable(name) for name in ("alpha", "beta", "y_rep")}
    run.stan_variable = (values | {"log_lik": halves}).__getitem__
    data = refits.hold_out(tiny_data(), [9], "")
    assert score(run, data)["elpd"] == pytest.approx([np.log(0.2)])


@pytest.mark.parametrize("fault", [{"shift": 1.0}, {"divergences": 1}, {"log_lik": -np.inf}])
def test_refit_that_did_not_converge_says_so(fault):
    data = refits.hold_out(tiny_data(), [9], "")
    assert score(stub_run(**fault), data)["converged"] == [False]


@pytest.fixture
def tries(monkeypatch):
    """Refit without one house of `tiny_data`, `sample` replaced; the scores and the efforts."""

    def run(answers, house: int = 1):
        efforts = []

        def sample(executable, data, settings, *, take, **_):
            efforts.append(settings)
            return take(answers(settings))

        monkeypatch.setattr(refits.sampling, "sample", sample)
        program, settings = (
            Program("pooled", "", Path("pooled")),
            quick(draws=600, adapt_delta=0.95),
        )
        return refits.refit(program, tiny_data(), [house], settings.model_dump()), efforts

    return run


def test_a_refit_that_was_too_short_is_tried_longer(tries):
    found, efforts = tries(lambda settings: stub_run(shift=float(settings.draws == 500)))
    assert [(effort.draws, effort.adapt_delta) for effort in efforts] == [(500, 0.95), (600, 0.95)]
    assert found["elpd"] == pytest.approx([-1.5])
    assert found["converged"] == [True]


def test_a_refit_that_still_disagrees_is_tried_with_care(tries):
    found, efforts = tries(lambda settings: stub_run(shift=float(settings.adapt_delta < 0.99)))
    assert [effort.adapt_delta for effort in efforts] == [0.95, 0.95, 0.99]
    assert found["converged"] == [True]


@pytest.mark.parametrize(("divergences", "adapt_deltas"), [(10, [0.95, 0.99]), (11, [0.95])])
def test_divergences_ask_for_care_at_once_and_many_for_none(tries, divergences, adapt_deltas):
    # 2 chains x 500 draws: more than one in a hundred are eleven.
    _, efforts = tries(
        lambda settings: stub_run(divergences=divergences * (settings.adapt_delta < 0.99))
    )
    assert [effort.adapt_delta for effort in efforts] == adapt_deltas


def give_up(*_, **__):
    raise SamplingError("pooled: sampling its posterior failed")


def test_refit_that_stops_twice_says_why(tries):
    found, efforts = tries(give_up)
    assert len(efforts) == 2
    assert found["stopped"] == "pooled: sampling its posterior failed"
    assert np.isnan(found["elpd"]).all()
    assert found["converged"] == [False]


def test_refits_that_all_stop_are_an_error_and_are_not_kept(job, tmp_path, monkeypatch):
    monkeypatch.setattr(refits.sampling, "sample", give_up)
    with pytest.raises(SamplingError, match="pooled without 1: pooled: sampling"):
        refits.run_refits(**job, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def log_evidence(y: np.ndarray, x: np.ndarray) -> float:
    """Log density of y under `pooled` with N(0, 10) coefficients and half-N(0, 1) sigma.

    Given sigma the houses are normal with covariance sigma^2 I + 100 (1 1' + x x');
    sigma is integrated by quadrature.
    """
    coefficients = 100 * (np.ones((y.size, y.size)) + np.outer(x, x))

    def density(sigma: float) -> float:
        covariance = sigma**2 * np.eye(y.size) + coefficients
        given = stats.multivariate_normal(np.zeros(y.size), covariance).pdf(y)
        return given * stats.halfnorm.pdf(sigma)

    return np.log(integrate.quad(density, 0.05, 8, epsabs=0, epsrel=1e-8, limit=200)[0])


@pytest.mark.parametrize("house", [0, 6, 7])
def test_exact_refit_of_pooled_is_the_loo_by_quadrature(house):
    data = tiny_data()
    y, x = np.array(data["log_radon"]), np.array(data["floor_measure"], dtype=float)
    others = np.arange(y.size) != house
    exact = log_evidence(y, x) - log_evidence(y[others], x[others])
    settings = quick(chains=4, warmup=500, draws=2000)
    data_without = refits.hold_out(data, [house], "")
    run = refits.sampling.sample(executable("pooled"), data_without, settings, progress=False)
    found = score(run, data_without)
    density = np.exp(run.stan_variable("log_lik")[:, 0])
    # Delta method; the draws are worth at least a fifth of their number.
    error = density.std() / density.mean() / np.sqrt(density.size / 5)
    assert found["converged"] == [True]
    assert error < 0.05
    assert abs(found["elpd"][0] - exact) < 4 * error
