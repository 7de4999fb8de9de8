"""Simulation-based calibration: right programs pass, wrong ones are caught, nothing is hidden."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from programs import ROOT, cmdstan, executable, quick, study_data, tiny_coords, tiny_data

from pooling.build.errors import DiagnosticsError, SamplingError, StudyError
from pooling.checking import calibration, sbc
from pooling.fitting import refits
from pooling.fitting.refits import Batch, Program, run_batch
from pooling.programs.compile import compile_program
from pooling.programs.source import normalised

SETTINGS = quick(adapt_delta=0.9)
SIMS = 40


def text(stem: str = "pooled") -> str:
    return normalised(ROOT / f"stan/{stem}.stan", ROOT / "stan")


def test_rank_is_the_number_of_draws_below():
    draws = np.array([[0.1, 5.0], [0.2, 6.0], [0.3, 7.0]])
    rng = np.random.default_rng(1)
    assert sbc.rank(draws, np.array([0.25, 4.0]), rng).tolist() == [2, 0]
    assert sbc.rank(draws, np.array([1.0, 6.5]), rng).tolist() == [3, 2]


def test_ties_go_either_way():
    draws = np.array([1.0, 2.0, 2.0, 3.0])
    rng = np.random.default_rng(1)
    assert {int(sbc.rank(draws, np.array(2.0), rng)) for _ in range(50)} == {1, 2, 3}


def test_three_counties_by_hand():
    # In order of houses, without those that have none: positions 3, 1, 4, 0, 5.
    assert sbc.three_counties(np.array([7, 2, 0, 1, 2, 9])) == [3, 4, 5]
    assert sbc.three_counties(np.array([0, 4])) == [1]
    assert sbc.houses_of(tiny_data()).tolist() == [4, 4, 1, 0, 1]


def test_the_three_counties_of_minnesota():
    data, coords = study_data("minnesota")
    # 1, 5 and 116 houses; the first of those with one, the middle one of 85.
    names = [coords["county"][j] for j in sbc.three_counties(sbc.houses_of(data))]
    assert names == ["MAHNOMEN", "LE SUEUR", "ST LOUIS"]


def stub(shift: float = 0.0, divergences: int = 0, depth: int = 3, draws: int = 300):
    """Two chains of independent draws of `mu_alpha`, `alpha` and `beta`; `shift` moves one."""
    rng = np.random.default_rng(1)
    level = rng.normal(size=2 * draws)
    level[:draws] += shift
    by_county = rng.normal(size=(2 * draws, 5))
    values = {"mu_alpha": level, "alpha": by_county, "beta": by_county, "tilde": np.zeros((3, 2))}
    flags = np.zeros((draws, 2))
    flags[:divergences] = 1
    statistics = {
        "divergent__": flags,
        "treedepth__": np.full((draws, 2), depth),
        "energy__": rng.normal(size=(draws, 2)),
    }
    return SimpleNamespace(
        chains=2, stan_variables=lambda: values, method_variables=lambda: statistics
    )


@pytest.mark.parametrize(
    ("fault", "failed"),
    [
        ({}, []),
        ({"divergences": 1}, ["divergences"]),
        ({"depth": 9}, ["treedepth_hits"]),
        ({"shift": 1.0}, ["r_hat", "ess_bulk"]),
        ({"draws": 40}, ["ess_bulk"]),
    ],
)
def test_checks_of_a_run(fault, failed):
    run = stub(**fault)
    watched = run.stan_variables()["mu_alpha"][:, None]
    assert sbc.failed_checks(run, watched, depth=9) == failed


TRUTH = {"log_radon": [0.0] * 10, "mu_alpha": 9.0, "alpha": [-9.0] * 5, "beta": [0.0] * 5}


@pytest.fixture
def tries(monkeypatch):
    """One simulation with the sampler replaced; what is found, and the settings of its runs."""

    def run(*answers):
        settings, left = [], list(answers)

        def sample(executable, data, effort, **_):
            settings.append(effort)
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(sbc.sampling, "sample", sample)
        program = Program("pooled", "", Path("pooled"))
        found = sbc.simulate(program, tiny_data(), TRUTH, SETTINGS.model_dump())
        assert not left
        return found, settings

    return run


def test_a_sound_run_is_not_repeated(tries):
    found, (settings,) = tries(stub())
    assert found["runs"] == 1
    assert found["failed"] == []
    assert found["ranks"]["mu_alpha"] == 99
    assert found["ranks"]["alpha"] == [0] * 5
    assert (settings.chains, settings.draws) == (2, 300)


def test_a_failed_run_is_repeated_once_longer_and_flagged(tries):
    found, (_, again) = tries(stub(shift=1.0), stub(shift=1.0))
    assert found["failed"] == ["r_hat", "ess_bulk"]
    assert found["runs"] == 2
    assert found["ranks"]["alpha"] == [0] * 5, "it counts all the same"
    assert (again.draws, again.adapt_delta) == (750, 0.9)


def test_a_run_that_diverged_is_repeated_with_care(tries):
    found, (_, again) = tries(stub(divergences=1), stub())
    assert (found["failed"], found["runs"]) == ([], 2)
    assert again.adapt_delta == 0.99


def test_a_simulation_that_stops_twice_has_no_ranks(tries):
    found, _ = tries(SamplingError("pooled: no"), SamplingError("pooled: no"))
    assert found == {"stopped": "pooled: no", "failed": [], "runs": 2}


def test_ranks_of_a_failed_run_are_better_than_none(tries):
    found, _ = tries(stub(depth=9), SamplingError("pooled: no"))
    assert found["failed"] == ["treedepth_hits"]
    assert found["ranks"]["mu_alpha"] == 99


def test_stopped_and_failed_simulations_are_in_the_dataset():
    good = {"ranks": {"mu_alpha": 3, "alpha": [1, 2, 3, 4, 5]}, "failed": [], "runs": 1}
    poor = good | {"failed": ["r_hat", "ess_bulk"], "runs": 2}
    lost = {"stopped": "pooled: no", "failed": [], "runs": 2}
    found = sbc.dataset("pooled", [good, lost, poor], tiny_data(), tiny_coords())
    assert found["mu_alpha"].values.tolist() == [3, -1, 3]
    assert found["alpha"].sel(county=27003).values.tolist() == [2, -1, 2]
    assert found["stopped"].values.tolist() == [False, True, False]
    assert found["failed"].values.tolist() == ["", "", "r_hat, ess_bulk"]
    # Houses are 4, 4, 1, 0, 1: in their order positions 2, 4, 0, 1.
    assert found["judged"].values.tolist() == [True, True, True, False, False]
    with pytest.raises(SamplingError, match="pooled, all simulations: pooled: no"):
        sbc.dataset("pooled", [lost], tiny_data(), tiny_coords())


@pytest.mark.parametrize("sims", ["0", "-3", "many", "1.5", "²"])
def test_number_of_simulations_is_checked(sims):
    with pytest.raises(StudyError, match=f"SIMS={sims}: give a whole number from 1"):
        sbc.count(sims)


@pytest.fixture(scope="module")
def truths() -> list[dict]:
    program = Program("pooled", text(), executable("pooled"))
    found, wrong = sbc.draw_truths(program, tiny_data(), SETTINGS, SIMS)
    assert wrong == ""
    return found


def test_truths_are_the_programs_own_prior(truths):
    levels = np.array([truth["mu_alpha"] for truth in truths])
    spreads = np.array([truth["sigma"] for truth in truths])
    # N(0, 10) and half-N(0, 1), whose mean is sqrt(2 / pi); four standard errors.
    assert abs(levels.mean()) < 4 * 10 / np.sqrt(SIMS)
    assert abs(levels.std() / 10 - 1) < 4 / np.sqrt(2 * SIMS)
    assert abs(spreads.mean() - 0.798) < 4 * 0.603 / np.sqrt(SIMS)
    data = tiny_data()
    for truth in truths:
        floors = np.array(data["floor_measure"])
        mean = truth["mu_alpha"] + truth["mu_beta"] * floors
        assert (np.abs(truth["log_radon"] - mean) < 6 * truth["sigma"]).all()


def test_more_simulations_begin_with_the_same_truths(truths, pooled):
    few, _ = sbc.draw_truths(pooled, tiny_data(), SETTINGS, 9)
    assert few == truths[:9]


def verdict(program: Program, data: dict, truths: list[dict], kept: Path):
    """The table of a real calibration."""
    jobs = {f"simulation {i}": truth for i, truth in enumerate(truths)}
    results = run_batch(Batch(sbc.simulate, program, data, jobs, SETTINGS, "simulations"), kept)
    found = sbc.dataset(program.name, list(results.values()), data, tiny_coords())
    found.attrs = {"model": program.name, "study": "tiny", "draws": 99, "allowed_to_fail": ""}
    table = calibration.verdicts([found])
    assert table["sims"].unique().tolist() == [SIMS]
    return table.set_index(["parameter", "county"])["p_adjusted"]


@pytest.fixture
def pooled() -> Program:
    return Program("pooled", text(), executable("pooled"))


def test_the_intact_program_is_calibrated(pooled, truths, tmp_path):
    assert verdict(pooled, tiny_data(), truths, tmp_path).min() > 1e-3


def test_a_prior_scale_that_is_off_is_caught(pooled, truths, tmp_path):
    p = verdict(pooled, tiny_data() | {"prior_sigma_scale": 0.2}, truths, tmp_path)
    assert p["sigma"].iloc[0] < 1e-4


def test_a_likelihood_with_the_wrong_scale_is_caught(truths, tmp_path):
    right = "log_radon ~ normal(alpha[county] + beta[county] .* floor_measure, sigma);"
    assert right in text()
    source = tmp_path / "wrong.stan"
    source.write_text(text().replace(right, right.replace("sigma", "2 * sigma")))
    compile_program(source, cmdstan(), tmp_path / "wrong")
    program = Program("wrong", source.read_text(), tmp_path / "wrong")
    p = verdict(program, tiny_data(), truths, tmp_path / "kept")
    assert p["sigma"].iloc[0] < 1e-6


@pytest.fixture
def stage(tmp_path):
    """Run the stage with `pooled` and the tiny data; the folder of its results."""

    def run(sims: int, **models) -> Path:
        contents = {
            "data": tiny_data(),
            "coords": tiny_coords(),
            "sampler": SETTINGS.model_dump(),
            "calibration": {"sigma": {"scale": 0.5}},
            "models": models,
            "toolchain": {},
        }
        (tmp_path / "normalised").write_text(text(), encoding="utf-8")
        for name, content in contents.items():
            (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
        order = ("normalised", "data", "coords", "sampler", "calibration", "models", "toolchain")
        paths = [str(executable("pooled")), *(str(tmp_path / name) for name in order)]
        sbc.main([*paths, "--sims", str(sims), "-o", str(tmp_path / "fit/sbc.nc")])
        return tmp_path / "fit"

    return run


def test_a_finished_simulation_is_not_repeated(stage, monkeypatch):
    folder = stage(5)
    kept = set((folder / "sbc").iterdir())
    first = calibration.open_ranks(folder / "sbc.nc")
    assert len(kept) == 5
    assert first.attrs["model"] == "pooled"
    more = calibration.open_ranks(stage(7) / "sbc.nc")
    assert len(kept - set((folder / "sbc").iterdir())) == 0
    assert len(set((folder / "sbc").iterdir())) == 7
    assert (more["sigma"].values[:5] == first["sigma"].values).all()
    monkeypatch.setattr(refits, "cluster", lambda _: pytest.fail("nothing is left to do"))
    assert calibration.open_ranks(stage(7) / "sbc.nc").identical(more)


def test_truths_of_a_prior_that_is_not_explored_are_refused(stage, monkeypatch):
    draw = sbc.draw_truths
    monkeypatch.setattr(sbc, "draw_truths", lambda *given: (draw(*given)[0], "7 divergent"))
    with pytest.raises(DiagnosticsError, match="prior draws of pooled are unusable: 7 divergent"):
        stage(4)
    folder = stage(4, allowed_to_fail={"pooled": "to show it"})
    found = calibration.open_ranks(folder / "sbc.nc")
    assert found.attrs["truths"] == "7 divergent"
    assert found.attrs["allowed_to_fail"] == "to show it"
