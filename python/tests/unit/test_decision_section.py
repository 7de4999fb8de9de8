"""The section `[decision]`: one error with its line for each bad setting, and its defaults."""

import pytest

from pooling.build.errors import StudyError
from pooling.inputs.decision import SOURCES, Decision
from pooling.inputs.study import read_study

STUDY = """\
title = "A study"

[priors]
alpha = { loc = 0, scale = 10 }

[sampler]
seed = 1

[decision]
remedied_level = 2  # line 10
"""


@pytest.fixture
def decision(tmp_path):
    """The section of the study above with further lines, from line 11 on."""

    def read(lines=""):
        path = tmp_path / "trial.toml"
        path.write_text(STUDY + lines, encoding="utf-8")
        return read_study(path).decision

    return read


def test_a_study_without_the_section_decides_nothing(tmp_path):
    (tmp_path / "trial.toml").write_text(STUDY.partition("[decision]")[0], encoding="utf-8")
    assert read_study(tmp_path / "trial.toml").decision is None


def test_defaults_are_the_published_ones(decision):
    """Gelman et al. (2013), section 9.4: $2000 / (4 - 2) pCi/L; 4800 millionths per pCi/L."""
    found = decision()
    assert (found.remedy_cost, found.remedied_level, found.action_level) == (2000, 2, 4)
    assert (found.years, found.long_term_spread, found.screening_spread) == (30, 1.2, 1.8)
    assert (found.dollars_per_pci, found.indifferent_level) == (1000, 4)
    assert found.deaths_per_pci == pytest.approx(0.0048)
    assert (found.cost_of("long-term"), found.cost_of("screening")) == (50, 20)
    # Every setting but the two that replace the action level has a source.
    assert {*Decision.model_fields} - {*SOURCES} == {"value_of_life"}


def test_variances_of_the_noise_and_of_the_factor_add_up(decision):
    """To log(1.8)^2, of which log(1.5)^2 is of the houses."""
    found = decision()
    assert found.screening_noise**2 + found.factor_sd**2 == pytest.approx(0.345493)
    assert found.factor_sd == pytest.approx(0.405465)


def test_a_factor_for_one_floor_keeps_the_other(decision):
    assert decision("factor = { basement = 0.4 }").factor == {"basement": 0.4, "first floor": 0.8}


def test_the_cost_of_the_test_is_of_the_kind_that_is_bought(decision):
    found = decision('test = "screening"\ntest_cost = 15')
    assert (found.cost_of("screening"), found.cost_of("long-term")) == (15, 50)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("test_cost = -5", "line 11: decision.test_cost: Input should be greater than or equal"),
        ("\nremedy_cost = -2000", "line 12: decision.remedy_cost: Input should be greater than 0"),
        (
            "action_level = 1.5",
            "line 11: decision.action_level: Value error, 1.5 pCi/L is not above remedied_level, 2",
        ),
        ("action_level = 2", "line 11: decision.action_level: Value error, 2 pCi/L is not above"),
        (
            "factor_spread = 0",
            "line 11: decision.factor_spread: Value error, 0 is not a geometric standard deviation",
        ),
        ("long_term_spread = 1", "line 11: decision.long_term_spread: Value error, 1 is not a"),
        (
            "screening_spread = 1.3",
            "decision.factor_spread: Value error, 1.5 is above screening_spread, 1.3, of which",
        ),
        (
            "value_per_pci = 500\naction_level = 4",
            "line 12: decision.action_level: Value error, value_per_pci says the same in another",
        ),
        (
            "value_per_pci = 500\nvalue_of_life = 1e6",
            "line 12: decision.value_of_life: Value error, value_per_pci says the same",
        ),
        ("factor = { basement = 0 }", "line 11: decision.factor.basement: Input should be greater"),
        ("factor = { attic = 1 }", "line 11: decision.factor.attic"),
        ('household = "large"', "line 11: decision.household: Input should be 'average'"),
        ("price = 3", "line 11: decision.price: unknown setting; remove it or correct its name"),
        ("years = 1", "line 11: decision.years: Input should be greater than 1"),
    ],
)
def test_bad_settings_are_one_error_with_a_line(decision, tmp_path, lines, message):
    with pytest.raises(StudyError) as caught:
        decision(lines)
    assert str(caught.value).startswith(f"{tmp_path / 'trial.toml'}: {message}")
    assert len(str(caught.value).splitlines()) == 1


def test_a_remedy_that_leaves_more_than_the_default_level_needs_another(tmp_path):
    path = tmp_path / "trial.toml"
    path.write_text(STUDY.replace("remedied_level = 2", "remedied_level = 5"), encoding="utf-8")
    with pytest.raises(StudyError, match=r"decision\.action_level: .* 4 pCi/L is not above rem"):
        read_study(path)
