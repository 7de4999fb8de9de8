"""Predictions from kept draws are those that the sampler would have made of the same draws."""

import numpy as np
import pytest
from programs import cmdstan, executable, quick, small_fit, tiny_coords, tiny_data
from scipy import stats

from pooling.build.errors import ChainLost, InterruptionError, SamplingError
from pooling.checking.likelihood import log_density
from pooling.fitting.generate import (
    expected,
    fitted_houses,
    flat,
    generate,
    predict,
    to_predict,
    without_houses,
)
from pooling.fitting.sampling import sample
from pooling.programs.compile import compile_program

FITTED = ("hierarchical_noncentered", "hierarchical_marginal")


@pytest.fixture(scope="module", params=FITTED)
def fit(request):
    return small_fit(request.param, tiny_data(), tiny_coords(), quick())


@pytest.fixture(scope="module")
def predicted(fit):
    """The survey's own houses, predicted from all 200 draws."""
    data = tiny_data()
    return predict(fit, executable(fit.model), data, fitted_houses(data), seed=1)


def test_effects_that_are_functions_of_parameters_are_the_fits(fit, predicted):
    alpha, own = (each["alpha"] for each in (predicted, fit.tree["posterior"]))
    assert alpha.dims == ("chain", "draw", "county")
    if fit.model == "hierarchical_noncentered":
        assert np.array_equal(alpha.values, own.values)
    else:
        # Drawn anew, given the same parameters.
        assert not np.array_equal(alpha.values, own.values)
        assert alpha.mean().item() == pytest.approx(own.mean().item(), abs=0.3)


def test_log_lik_is_the_normal_density_by_the_effects_of_the_run(predicted):
    houses = fitted_houses(tiny_data())
    mean = expected(predicted, houses)
    sigma = predicted["sigma"].values.reshape(-1, 1)
    exact = stats.norm.logpdf(houses["log_radon_new"], mean, sigma)
    found = flat(predicted["log_lik"].values)
    assert found.shape == (200, 10)
    assert np.abs(found - exact).max() < 1e-6 * (1 + np.abs(exact).max())


def test_density_of_counties_is_that_of_the_fits_own_run(fit, predicted):
    """Sampled with the same seed, so that what was not kept can be read."""
    run = sample(executable(fit.model), tiny_data(), quick(), progress=False)
    exact = run.stan_variable("log_lik_county")
    found = predicted["log_lik_county"].values.reshape(200, 5)
    assert np.abs(found - exact).max() < 1e-6 * (1 + np.abs(exact).max())


def test_kept_draws_have_the_log_density_that_the_sampler_saw(fit):
    draws = fit.tree["posterior"].to_dataset()[fit.parameters].isel(chain=0)
    places = (0, 50, 99)
    points = [{n: v[i].values.tolist() for n, v in draws.items()} for i in places]
    found = log_density(executable(fit.model), tiny_data(), points)
    lp = fit.tree["sample_stats"]["lp"].values[0, list(places)]
    assert np.ptp(lp) > 1
    assert found == pytest.approx(lp, rel=1e-6)


def test_priors_density_comes_with_the_draws(fit, predicted):
    own = fit.tree["log_prior"]["lprior"].values
    assert predicted["lprior"].values == pytest.approx(own, rel=1e-6)


def test_houses_are_predicted_in_their_order_and_need_not_be_of_the_survey(fit):
    """County 4 has no house; what is not known of a house does not change what it could have."""
    houses = to_predict([4, 1, 4], [1, 0, 0])
    found = predict(fit, executable(fit.model), tiny_data(), houses, seed=1)
    assert found["y_rep"].dims == ("chain", "draw", "new")
    assert found["y_rep"].shape == (2, 100, 3)
    mean, sigma = expected(found, houses), found["sigma"].values.reshape(-1, 1)
    z = (flat(found["y_rep"].values) - mean) / sigma
    # Mean 0 and variance 1 within four standard errors of 600 independent draws.
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)


def test_prior_is_predicted_without_the_houses_of_the_fit(fit):
    """Effects that are generated do not see them."""
    data, houses = tiny_data(), to_predict([1], [0])
    found = predict(fit, executable(fit.model), data, houses, seed=1, group="prior")
    assert np.abs(found["log_lik_county"].values).max() < 1e-9, "no house, density 1"
    if fit.model == "hierarchical_marginal":
        z = (found["alpha"] - found["mu_alpha"]) / found["sigma_alpha"]
        assert abs(z.mean().item()) < 4 / np.sqrt(z.size)
        assert abs(z.var().item() - 1) < 4 * np.sqrt(2 / z.size)


def test_predictions_depend_on_the_seed_alone(fit):
    data = tiny_data()
    given = fit, executable(fit.model), data, fitted_houses(data)
    first, again, other = (predict(*given, seed=seed)["y_rep"].values for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1]), "chains have numbers of their own"


def test_stopping_is_one_error_that_ends_with_cmdstans_own_words(fit):
    data = tiny_data() | to_predict([6], [0])
    parameters = fit.tree["posterior"].to_dataset()[fit.parameters].transpose("chain", "draw", ...)
    values = {name: values.values for name, values in parameters.items()}
    with pytest.raises(SamplingError) as caught:
        generate(executable(fit.model), data, values, seed=1)
    first, _, said = str(caught.value).partition("\n")
    assert first == f"{fit.model}: its generated quantities failed"
    assert "county_new" in said
    assert "is 6, but must be less than or equal to 5" in said


PARAMETERS = {
    "mu_alpha": np.linspace(0.5, 1.5, 40).reshape(2, 20),
    "mu_beta": np.full((2, 20), -0.5),
    "sigma": np.full((2, 20), 0.7),
}


def generate_disturbed(folder, times=0, what="", after=""):
    """Of a program whose second chain does `what` to itself when started, so many times."""
    wrapper = folder / "pooled"
    wrapper.write_text(
        f"""#!/bin/bash
        if [[ "$*" == *output_1.csv* && $(ls {folder} | grep -c started) -lt {times} ]]; then
            touch {folder}/started.$$
            {what}
        fi
        {executable("pooled")} "$@" || exit
        {after}
        """
    )
    wrapper.chmod(0o755)
    return generate(wrapper, tiny_data() | to_predict([1, 2], [0, 1]), PARAMETERS, seed=1)


@pytest.mark.parametrize("what", ["kill -KILL $$", "kill -STOP $$"])
def test_chain_that_was_killed_or_hangs_is_tried_again(tmp_path, monkeypatch, what):
    monkeypatch.setenv("STALL", "2")
    found = generate_disturbed(tmp_path, 1, what)
    houses = tiny_data() | to_predict([1, 2], [0, 1])
    own = generate(executable("pooled"), houses, PARAMETERS, seed=1)
    assert np.array_equal(found["y_rep"], own["y_rep"]), "the same seed, the same numbers"
    assert len(list(tmp_path.glob("started.*"))) == 1


def test_chain_that_is_killed_again_is_named(tmp_path):
    said = "^pooled: its generated quantities failed: chain 2 was killed by SIGKILL, perhaps"
    with pytest.raises(ChainLost, match=said):
        generate_disturbed(tmp_path, 9, "kill -KILL $$")
    assert len(list(tmp_path.glob("started.*"))) == 2


def test_chain_that_was_interrupted_is_not_tried_again(tmp_path):
    with pytest.raises(InterruptionError, match="generated quantities failed: interrupted"):
        generate_disturbed(tmp_path, 9, "kill -INT $$")
    assert len(list(tmp_path.glob("started.*"))) == 1


# CmdStan does not notice that it cannot write.
@pytest.mark.parametrize("size", ["-s -300", "-s 0"])
def test_draws_that_are_cut_short_are_no_draws(tmp_path, size):
    cut = f"""
        for word; do [[ $word != file=*output*.csv ]] || truncate {size} "${{word#file=}}"; done
        """
    with pytest.raises(ChainLost, match="their draws are incomplete, perhaps no space"):
        generate_disturbed(tmp_path, after=cut)


def test_without_houses_nothing_else_changes():
    data = tiny_data()
    assert without_houses(data) == data | {
        "N": 0,
        "county": [],
        "floor_measure": [],
        "log_radon": [],
    }


ECHO = """
parameters {
  real x;
  matrix[2, 3] m;
  array[2] vector[3] a;
  vector[2] v;
}
model {
  x ~ std_normal();
  to_vector(m) ~ std_normal();
  v ~ std_normal();
  for (i in 1 : 2) a[i] ~ std_normal();
}
generated quantities {
  real x_seen = x;
  matrix[2, 3] m_seen = m;
  array[2] vector[3] a_seen = a;
  vector[2] v_seen = v;
}
"""


def test_parameters_of_any_shape_reach_the_program_in_their_places(tmp_path):
    """Stan writes matrices column by column; every number is another one."""
    source = tmp_path / "echo.stan"
    source.write_text(ECHO)
    compile_program(source, cmdstan(), tmp_path / "echo")
    shapes = {"x": (), "m": (2, 3), "a": (2, 3), "v": (2,)}
    given, start = {}, 0
    for name, shape in shapes.items():
        size = 2 * 4 * int(np.prod(shape))
        given[name] = (start + np.arange(size) + 1 / 3).reshape(2, 4, *shape)
        start += size
    found = generate(tmp_path / "echo", {}, given, seed=1)
    assert found.keys() == {f"{name}_seen" for name in shapes}
    for name, values in given.items():
        assert found[f"{name}_seen"] == pytest.approx(values, rel=1e-8), name
