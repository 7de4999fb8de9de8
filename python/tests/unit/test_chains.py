"""Chains are what cmdstanpy reads, in the same order."""

from types import SimpleNamespace

import numpy as np
import pytest
from arviz_base import from_cmdstanpy
from programs import executable, quick, tiny_data

from pooling.fitting.chains import read_chains
from pooling.fitting.generate import fitted_houses
from pooling.fitting.sampling import in_memory, sample


@pytest.fixture(scope="module")
def read():
    """A run as cmdstanpy has it, and its chains as we read them."""
    data = tiny_data()
    return sample(
        executable("hierarchical_noncentered"),
        data | fitted_houses(data),
        quick(draws=110),
        progress=False,
        take=lambda run: (in_memory(run), read_chains(run)),
    )


def test_variables_are_cmdstanpys(read):
    run, chains = read
    assert chains.variables.keys() == run.stan_variables().keys()
    for name, values in run.stan_variables().items():
        expected = values.reshape(2, 110, *values.shape[1:])
        assert np.array_equal(chains.variables[name], expected), name


def test_statistics_are_arvizs(read):
    run, chains = read
    expected = from_cmdstanpy(posterior=run)["sample_stats"].to_dataset()
    assert chains.statistics.keys() == set(expected.data_vars)
    for name, values in expected.items():
        assert np.array_equal(chains.statistics[name], values), name
        assert chains.statistics[name].dtype == values.dtype, name


def test_each_chain_has_its_own_metric_and_step(read):
    run, chains = read
    assert np.array_equal(chains.inv_metric, run.inv_metric)
    # cmdstanpy takes the step from a remark of six digits, the draws have nine.
    assert chains.statistics["step_size"][:, -1] == pytest.approx(run.step_size, rel=1e-5)


CSV = """# method = sample
lp__,accept_stat__,stepsize__,treedepth__,n_leapfrog__,divergent__,energy__,L.1.1,L.2.1,L.1.2,L.2.2
# Adaptation terminated
# Step size = 0.5
# Diagonal elements of inverse mass matrix:
# 0.25, 4
-1,0.9,0.5,3,7,0,2.5,11,21,12,22
-2,0.8,0.5,2,3,1,3.5,31,41,32,42
#
#  Elapsed Time: 0.1 seconds (Warm-up)
"""


def test_matrices_have_their_rows_and_columns(tmp_path):
    """Stan writes them column by column; the numbers are row and column of two draws."""
    file = tmp_path / "chain.csv"
    file.write_text(CSV)
    run = SimpleNamespace(
        chains=1,
        num_draws_sampling=2,
        runset=SimpleNamespace(csv_files=[str(file)]),
        metadata=SimpleNamespace(cmdstan_config={"raw_header": CSV.splitlines()[1]}),
    )
    chains = read_chains(run)
    assert chains.variables["L"].tolist() == [[[[11, 12], [21, 22]], [[31, 32], [41, 42]]]]
    assert chains.statistics["diverging"].tolist() == [[False, True]]
    assert chains.statistics["lp"].tolist() == [[-1, -2]]
    assert chains.inv_metric.tolist() == [[0.25, 4]]
