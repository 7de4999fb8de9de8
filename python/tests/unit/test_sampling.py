"""What reaches the sampler, and what comes back when it fails."""

import numpy as np
import pytest
from programs import executable, quick, tiny_data

from pooling.build.errors import ChainLost, InterruptionError, SamplingError
from pooling.fits.store import Start
from pooling.fitting import disturbance
from pooling.fitting.sampling import sample


def draws(settings, **options):
    run = sample(executable("pooled"), tiny_data(), settings, progress=False, **options)
    return run.draws()


def test_draws_do_not_depend_on_the_number_of_cores():
    one, two = (draws(quick(), parallel_chains=number) for number in (1, 2))
    assert np.array_equal(one, two)


def test_draws_depend_on_the_seed():
    assert not np.array_equal(draws(quick(seed=1)), draws(quick(seed=2)))


def test_chains_differ():
    both = draws(quick())
    assert both.shape[:2] == (100, 2)
    assert not np.array_equal(both[:, 0], both[:, 1])


def test_every_so_many_draws_are_kept():
    settings = quick(prior_draws=120)
    options = {"prior": True, "progress": False}
    every = sample(executable("pooled"), tiny_data(), settings, **options)
    fifth = sample(executable("pooled"), tiny_data(), settings, **options, thin=5)
    means = every.draws_pd()["mu_alpha"].to_numpy().reshape(2, 120)[:, ::5].ravel()
    assert np.array_equal(fifth.draws_pd()["mu_alpha"], means)


def test_draws_have_the_digits_that_predictions_need():
    """Nine: numbers of 24 bits, which six digits are not enough for, are told apart."""
    run = sample(executable("pooled"), tiny_data(), quick(), progress=False)
    assert int(run.metadata.cmdstan_config["sig_figs"]) == 9
    draws = run.stan_variable("mu_alpha")
    rounded = np.array([float(f"{value:.6g}") for value in draws])
    assert draws == pytest.approx(rounded, rel=1e-5)
    assert (draws != rounded).mean() > 0.9


def test_settings_reach_the_sampler():
    settings = quick(chains=3, warmup=110, draws=120, adapt_delta=0.93, max_treedepth=7, seed=4)
    run = sample(executable("pooled"), tiny_data(), settings, progress=False)
    told = run.metadata.cmdstan_config
    assert run.chains == 3
    assert (told["num_warmup"], told["num_samples"], told["seed"]) == (110, 120, 4)
    assert (told["delta"], told["max_depth"]) == (0.93, 7)


def test_prior_has_its_own_number_of_draws():
    settings = quick(draws=120, prior_draws=130)
    run = sample(executable("pooled"), tiny_data(), settings, prior=True, progress=False)
    assert run.num_draws_sampling == 130


@pytest.mark.parametrize(("asked", "used"), [(0.8, 0.99), (0.995, 0.995)])
def test_steps_are_small_in_the_prior_whatever_the_study_asks_for(asked, used):
    settings = quick(adapt_delta=asked)
    run = sample(executable("pooled"), tiny_data(), settings, prior=True, progress=False)
    assert run.metadata.cmdstan_config["delta"] == used


def test_prior_is_that_of_the_study_and_sees_no_house():
    run = sample(executable("pooled"), tiny_data(), quick(), progress=False)
    prior = sample(executable("pooled"), tiny_data(), quick(), prior=True, progress=False)
    # Ten houses near 1 pin the level down; its prior has standard deviation 10.
    assert run.stan_variable("mu_alpha").std() < 2
    assert prior.stan_variable("mu_alpha").std() > 5


def test_chains_start_where_they_are_told(tmp_path):
    # pooled has mu_alpha, mu_beta and log sigma: three numbers without constraints.
    away = {"mu_alpha": 40.0, "mu_beta": -30.0, "sigma": 2.0}
    start = Start(step_size=1e-9, inv_metric=[1.0, 2.0, 3.0], inits=[away, away])
    settings = quick(warmup=100, draws=100, max_treedepth=1)
    run = sample(executable("pooled"), tiny_data(), settings, start=start, progress=False)
    told = run.metadata.cmdstan_config
    assert told["stepsize"] == 1e-9
    first = run.draws(inc_warmup=False)[0]
    names = run.column_names
    # A hundred steps of depth 1 from 40 do not lead to where the houses are, about 1.
    assert (first[:, names.index("mu_alpha")] > 5).all()


def test_start_is_forgotten_by_the_posterior():
    cold, warm = (quick(chains=4, warmup=w, draws=1000) for w in (1000, 100))
    program, data = executable("pooled"), tiny_data()
    full = sample(program, data, cold, progress=False)
    inits = [{"mu_alpha": 1.0, "mu_beta": -0.5, "sigma": 0.5}] * 4
    start = Start(full.step_size.mean(), full.inv_metric.mean(axis=0).tolist(), inits)
    again = sample(program, data, warm, start=start, progress=False)
    for name in ("mu_alpha", "mu_beta", "sigma"):
        one, two = full.stan_variable(name), again.stan_variable(name)
        # Effective draws are at least a fifth of 4,000.
        assert abs(one.mean() - two.mean()) < 4 * one.std() * np.sqrt(2 / 800)
        assert two.std() == pytest.approx(one.std(), rel=0.25)


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    run = sample(executable("pooled"), tiny_data(), quick(), progress=False)
    assert run.stan_variable("alpha").shape == (200, 5)
    assert [path for path in tmp_path.iterdir() if "pooled" in path.name] == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"county": [9] * 10}, "is 9, but must be less than or equal to 5"),
        ({"log_radon": [0.0] * 9}, "log_radon"),
        ({"prior_sigma_scale": -1.0}, "prior_sigma_scale is -1, but must be greater"),
    ],
)
def test_failure_ends_with_cmdstans_own_words(changes, words):
    with pytest.raises(SamplingError) as caught:
        sample(executable("pooled"), tiny_data(**changes), quick(), progress=False)
    first, _, said = str(caught.value).partition("\n")
    assert first == "pooled: sampling its posterior failed"
    assert words in said
    # Neither its settings nor its progress.
    assert "refresh =" not in said
    assert "Iteration" not in said


def test_county_whose_houses_are_tied_has_no_regression_of_its_own():
    """County 2 has two houses on each floor, which are alike."""
    tied = [1.0, 1.4, 0.5, 2.0, 1.5, 1.5, 0.3, 0.6, 0.9, 2.0]
    with pytest.raises(SamplingError, match="on each floor the houses of county 2 are tied"):
        sample(executable("per_county"), tiny_data(log_radon=tied), quick(), progress=False)


def test_failure_shows_the_chain_that_stopped(tmp_path):
    (tmp_path / "1-stdout.txt").write_text("refresh = 100\n\nException: chain 1 is lost\n\n")
    (tmp_path / "2-stdout.txt").write_text("refresh = 100\n\nElapsed Time: 1 second\n\n")
    assert disturbance._last_words(tmp_path) == "Exception: chain 1 is lost"


def test_failure_of_the_prior_says_so():
    with pytest.raises(SamplingError, match="pooled: sampling its prior failed"):
        sample(
            executable("pooled"),
            tiny_data(prior_sigma_scale=-1.0),
            quick(),
            prior=True,
            progress=False,
        )


def disturbed(folder, times, what):
    """A program whose second chain does `what` to itself when it is started, so many times."""
    wrapper = folder / "pooled"
    wrapper.write_text(
        f"""#!/bin/bash
        if [[ " $* " == *" id=2 "* && $(ls {folder} | grep -c started) -lt {times} ]]; then
            touch {folder}/started.$$
            {what}
        fi
        exec {executable("pooled")} "$@"
        """
    )
    wrapper.chmod(0o755)
    return wrapper


def sample_disturbed(program):
    return sample(program, tiny_data(), quick(), progress=False).draws()


@pytest.mark.parametrize("what", ["kill -KILL $$", "kill -TERM $$", "kill -STOP $$"])
def test_chain_that_was_killed_or_hangs_is_tried_again(tmp_path, monkeypatch, what):
    monkeypatch.setenv("STALL", "2")
    found = sample_disturbed(disturbed(tmp_path, 1, what))
    assert np.array_equal(found, draws(quick())), "the same seed, the same draws"
    assert len(list(tmp_path.glob("started.*"))) == 1


def test_chain_that_is_killed_again_is_named(tmp_path):
    with pytest.raises(ChainLost) as caught:
        sample_disturbed(disturbed(tmp_path, 9, "kill -KILL $$"))
    assert str(caught.value) == (
        "pooled: sampling its posterior failed: chain 2 was killed by SIGKILL, perhaps because "
        "memory ran out; run make again"
    )
    assert len(list(tmp_path.glob("started.*"))) == 2


def test_chain_that_was_interrupted_is_not_tried_again(tmp_path):
    with pytest.raises(InterruptionError, match="sampling its posterior failed: interrupted"):
        sample_disturbed(disturbed(tmp_path, 9, "kill -INT $$"))
    assert len(list(tmp_path.glob("started.*"))) == 1


def test_chain_that_hangs_again_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setenv("STALL", "1")
    with pytest.raises(ChainLost, match="used no processor time for 1 seconds"):
        sample_disturbed(disturbed(tmp_path, 9, "kill -STOP $$"))


def test_programs_own_end_is_not_a_disturbance(tmp_path):
    with pytest.raises(SamplingError):
        sample_disturbed(disturbed(tmp_path, 9, "exit 3"))


def test_draws_that_are_cut_short_are_no_draws(tmp_path):
    program = disturbed(tmp_path, 9, "")
    text = program.read_text().replace("exec ", "").rstrip()
    cut = """
        for word; do [[ $word != file=*.csv ]] || output=${word#file=}; done
        [[ ! ${output:-} || ! -e $output ]] || truncate -s -300 "$output"
        """
    program.write_text(text + cut)
    with pytest.raises(ChainLost, match="their draws are incomplete"):
        sample_disturbed(program)


def test_stall_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv("STALL", "soon")
    with pytest.raises(SamplingError, match="STALL=soon: give a number of seconds"):
        draws(quick())
