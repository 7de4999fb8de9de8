"""A program that is edited in one place only: refused, or followed, by what reads both places."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from programs import WEAK, cmdstan, executable, quick, small_fit, text_of, tiny_coords, tiny_data

from pooling.build.errors import ProgramError
from pooling.checking.likelihood import check_likelihood
from pooling.checking.sensitivity import scaled_priors, sensitivity
from pooling.fits.store import Fit
from pooling.fitting.generate import fitted_houses, predict
from pooling.programs.compile import compile_program

# A program, and edits of its text: what stands there and what takes its place.
EDITS = {
    "hierarchical_noncentered": {
        "normal_lpdf(log_radon_new[i] | mu, sigma)": (
            "student_t_lpdf(log_radon_new[i] | 4, mu, sigma)"
        ),
    },
    "pooled": {
        "normal_lpdf(mu_alpha | prior_mu_alpha_loc, prior_mu_alpha_scale)": (
            "double_exponential_lpdf(mu_alpha | prior_mu_alpha_loc, 0.2)"
        ),
    },
    # Means that do not know that county effects differ.
    "hierarchical_marginal": {
        "vector[J] log_lik_county = county_log_density(mean_y, houses, squares, "
        "rep_vector(mu_alpha, J), rep_vector(mu_beta, J), sigma_alpha, sigma_beta,": (
            "vector[J] log_lik_county = county_log_density(mean_y, houses, squares, "
            "rep_vector(mu_alpha, J), rep_vector(mu_beta, J), sigma_alpha, 0,"
        ),
    },
}


@pytest.fixture(scope="module")
def edited(tmp_path_factory) -> dict[str, Path]:
    """Executables of the edited programs, by the program that was edited."""
    folder = tmp_path_factory.mktemp("edited")

    def build(stem: str) -> Path:
        text = text_of(stem)
        for old, new in EDITS[stem].items():
            assert text.count(old) == 1, f"{stem} has no {old!r}"
            text = text.replace(old, new)
        source = folder / f"edited_{stem}.stan"
        source.write_text(text)
        compile_program(source, cmdstan(), source.with_suffix(""))
        return source.with_suffix("")

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(EDITS, pool.map(build, EDITS), strict=True))


@pytest.fixture(params=["hierarchical_noncentered", "hierarchical_marginal"])
def fit(request) -> Fit:
    return small_fit(request.param, tiny_data(), tiny_coords(), quick())


def test_what_a_program_says_of_houses_must_be_what_it_fits_them_with(fit, edited):
    check_likelihood(fit, executable(fit.model), tiny_data(), seed=1)
    with pytest.raises(ProgramError) as caught:
        check_likelihood(fit, edited[fit.model], tiny_data(), seed=1)
    said = str(caught.value)
    name = "log_lik_county" if fit.model == "hierarchical_marginal" else "log_lik"
    assert said.startswith(f"stan/edited_{fit.model}.stan: the sum of its `{name}` and the log ")
    assert said.endswith("give both the same likelihood")
    assert "\n" not in said


def sensitivity_of(fit: Fit, program: Path) -> pd.DataFrame:
    """Sensitivities of a fit of `pooled` or its edited copy, under the same priors of the study."""
    data = tiny_data()
    draws = predict(fit, program, data, fitted_houses(data), seed=1)
    priors = scaled_priors(text_of("pooled"), WEAK, draws)
    return sensitivity(fit, draws, draws["log_lik"].sum("new"), priors).set_index("parameter")


def test_an_edited_prior_changes_the_sensitivities_by_itself(edited):
    """A narrow double exponential in `lprior`, and nothing else, in the place of N(0, 10)."""
    settings = quick(draws=500)
    own = small_fit("pooled", tiny_data(), tiny_coords(), settings)
    other = small_fit("pooled", tiny_data(), tiny_coords(), settings, edited["pooled"])
    before = sensitivity_of(own, executable("pooled"))
    after = sensitivity_of(other, edited["pooled"])
    assert (after["prior_from"] == "program").all()
    assert before.loc["mu_alpha", "prior"] < 0.05 < after.loc["mu_alpha", "prior"]
    check_likelihood(other, edited["pooled"], tiny_data(), seed=1)
