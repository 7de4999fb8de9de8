"""Programs run, and mean the same, under a current Stan.

`current_stan/` says where that comes from. Programs are found by their files and get the
data that `prepare` makes for a shipped study, so that a new one is tested with no further edit.
"""

from concurrent.futures import ThreadPoolExecutor

import arviz_stats
import numpy as np
import pandas as pd
import pytest
from cmdstanpy import CmdStanModel
from current_stan import (
    SOURCES,
    STAN,
    current_engine,
    current_stan,
    data_of,
    log_densities,
    refusal,
    sampled,
    workflow_engine,
    write_data,
)
from programs import STEMS, cmdstan, executable

from pooling.build.cmdstan import version
from pooling.programs.contract import RESERVED

POINTS = 20
NEWER, OLDER = (words.split() for words in RESERVED.values())


@pytest.fixture(scope="module")
def engines():
    """Executables of the workflow's CmdStan and of the current Stan, compiled side by side."""
    both = [workflow_engine(), current_engine()]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda engine: engine.densities(), both))


@pytest.fixture
def data_file(tmp_path):
    return lambda stem: write_data(data_of(stem), tmp_path / "data.json")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(STAN)))
def test_current_stanc_takes_programs_drafts_and_functions(source):
    assert refusal(current_stan() / "stanc", source) == ""


def with_arguments(words, folder):
    """A file of functions, one for each word, with an argument of that name."""
    lines = [f"real f{i}(real {word}) {{ return 2 * {word}; }}" for i, word in enumerate(words)]
    source = folder / "words.stan"
    source.write_text("\n".join(["functions {", *lines, "}", ""]))
    return source


@pytest.mark.parametrize("word", NEWER)
def test_current_stanc_refuses_what_the_contract_says_that_it_reserves(word, tmp_path):
    assert refusal(current_stan() / "stanc", with_arguments([word], tmp_path))


@pytest.mark.parametrize("word", OLDER)
def test_stanc_2_27_refuses_what_the_contract_says_that_it_reserves(word, tmp_path):
    if version(cmdstan())[:2] != (2, 27):
        pytest.skip("the workflow's CmdStan is not 2.27")
    assert refusal(cmdstan() / "bin" / "stanc", with_arguments([word], tmp_path))


def test_each_release_takes_the_words_of_the_other(tmp_path):
    """So the list has no word that all of them reserve."""
    assert refusal(current_stan() / "stanc", with_arguments(OLDER, tmp_path)) == ""
    if version(cmdstan())[:2] == (2, 27):
        assert refusal(cmdstan() / "bin" / "stanc", with_arguments(NEWER, tmp_path)) == ""


@pytest.mark.parametrize("stem", STEMS)
def test_log_density_and_gradient_are_the_same(engines, stem, data_file):
    data = data_file(stem)
    ours, current = (log_densities(engine, stem, data, POINTS) for engine in engines)
    assert np.isfinite(ours).all()
    assert np.ptp(ours[:, 0]) > 1
    # Also the constant that Stan leaves out.
    np.testing.assert_allclose(current[:, 0], ours[:, 0], rtol=1e-8)
    size = abs(ours[:, 1:]).max(axis=1, keepdims=True)
    assert (abs(current[:, 1:] - ours[:, 1:]) <= 1e-8 * size).all()


def variables(draws: pd.DataFrame) -> pd.DataFrame:
    """Mean over the elements of each variable (draw, variable), without the sampler's own."""
    named = draws.loc[:, ~draws.columns.str.endswith("__")]
    return named.T.groupby(named.columns.str.replace(r"[.\[].*", "", regex=True)).mean().T


@pytest.mark.parametrize("stem", ["hierarchical_noncentered", "hierarchical_marginal"])
def test_posterior_is_the_same(engines, stem, data_file):
    """Parameters, county effects, replications and log densities, one chain of each."""
    data, (_, current) = data_file(stem), engines
    run = CmdStanModel(exe_file=executable(stem)).sample(
        data=str(data),
        seed=20061,
        chains=1,
        iter_warmup=500,
        iter_sampling=1000,
        show_progress=False,
    )
    both = [variables(run.draws_pd()), variables(sampled(current, stem, data, 500, 1000))]
    assert set(both[0]) == set(both[1]) >= {"alpha", "beta", "sigma"}
    mine, theirs = (
        pd.DataFrame(
            {
                name: {
                    "mean": values.mean(),
                    "error": float(arviz_stats.mcse(values.to_numpy()[None], method="mean")),
                }
                for name, values in draws.items()
            }
        ).T
        for draws in both
    )
    off = abs(mine["mean"] - theirs["mean"]) / np.hypot(mine["error"], theirs["error"])
    assert off.max() < 4, off.sort_values().tail()
