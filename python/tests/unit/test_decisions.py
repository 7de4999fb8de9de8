"""Tables of decisions: from a fit's draws to actions, against the published formula."""

import numpy as np
import pandas as pd
import pytest
from conftest import build_fit
from decided import represented, spread_out, with_draws

from pooling.build.errors import StudyError
from pooling.deciding.annual import annual
from pooling.deciding.tree import Problem, Radon, limit_of, test_of
from pooling.inputs.decision import TABLES, Decision
from pooling.reporting.decisions import (
    deciding_model,
    decisions,
    houses_of,
    make_tables,
    policies,
    readings,
    regions,
    sensitivity,
    settings,
)

test_of.__test__ = False
DECISION = Decision()


@pytest.fixture
def counties(example_fit):
    """Counties with log radon from very low to very high, and 4000 draws of their levels."""
    return spread_out(example_fit(counties=12))


def test_annual_radon_of_a_county_by_hand(counties):
    """Half the screening level in basements; variances 0.75^2 - 0.18110 + 0.16440.

    log(1.8)^2 = 0.34549, of which log(1.5)^2 = 0.16440 is of the houses.
    """
    radon = annual(counties, DECISION)
    first = counties.effects()["alpha"].values[:, 0]
    assert radon.mean[:, 0] == pytest.approx(first + np.log(0.5))
    slope = counties.effects()["beta"].values[:, 0]
    assert radon.mean[:, 12] == pytest.approx(first + slope + np.log(0.8))
    assert radon.sd**2 == pytest.approx(0.5625 - 0.18110 + 0.16440, abs=2e-5)
    assert np.all(radon.shift == 0)


def test_what_the_response_adds_is_taken_away_again(counties):
    fit = with_draws(counties, *(np.zeros((2, 5, 12)),) * 2, 0.75, "log(x + 0.1)")
    radon = annual(fit, DECISION)
    # Half of (x + 0.1) is half of x and 0.05 more.
    assert radon.shift[[0, 12]] == pytest.approx([0.05, 0.08])
    wanted = 0.5 * np.exp(radon.sd[0, 0] ** 2 / 2) - 0.05
    assert radon.expected()[0, 0] == pytest.approx(wanted)


def test_decisions_from_draws_are_those_of_the_formula(counties):
    """Draws are normal here, so that one normal per county has all their information."""
    table = decisions(counties, DECISION, represented(counties))
    problem, test = Problem.of(DECISION), test_of(DECISION, "long-term")
    variance = {"basement": 0.15**2, "first floor": 0.15**2 + 0.2**2}
    within = 0.75**2 - DECISION.screening_noise**2 + DECISION.factor_sd**2
    means = np.linspace(-1, 4, 12)
    seen = set()
    for floor, shift in (("basement", np.log(0.5)), ("first floor", np.log(0.8) - 0.6)):
        rows = table[table["floor"] == floor].sort_values("county_fips")
        sd = np.full((1, 12), np.sqrt(within + variance[floor]))
        formula = Radon((means + shift)[None], sd)
        limit = limit_of(problem, formula, test)
        losses = {
            "nothing": problem.loss_nothing(formula)[0],
            "measure": problem.loss_measure(formula, test, limit)[0],
            "remedy": problem.loss_remedy(formula)[0],
        }
        for name, loss in losses.items():
            assert rows[f"loss_{name}"].to_numpy() == pytest.approx(loss, rel=0.02)
        best = np.array([*losses])[np.stack([*losses.values()]).argmin(axis=0)]
        assert rows["action"].tolist() == best.tolist()
        assert rows["remedy_above"].to_numpy() == pytest.approx(np.exp(limit), rel=0.01)
        assert rows["log_mean"].to_numpy() == pytest.approx(means + shift, abs=0.02)
        seen |= {*best}
    assert seen == {"nothing", "measure", "remedy"}
    # What is not certain is a close call.
    doubtful = table[~table["certain"]]
    losses = np.sort(doubtful[["loss_nothing", "loss_measure", "loss_remedy"]].to_numpy())
    assert (losses[:, 1] - losses[:, 0] < 10).all()
    assert len(doubtful) < 4


def test_monte_carlo_errors_are_those_of_independent_draws(counties):
    """Draws are independent, so the error of a mean is its standard deviation over sqrt(4000)."""
    table = decisions(counties, DECISION, represented(counties))
    loss = Problem.of(DECISION).loss_nothing(annual(counties, DECISION))
    wanted = loss.std(axis=0, ddof=1) / np.sqrt(4000)
    found = table[table["floor"] == "basement"].sort_values("county_fips")["error_nothing"]
    assert found.to_numpy() == pytest.approx(wanted[:12], rel=0.2)


def test_result_of_a_screening_test_is_compared_uncorrected(counties):
    """A screening test sees more noise, and reads twice the annual radon in a basement."""
    table = decisions(counties, DECISION, represented(counties))
    rows = table[(table["floor"] == "basement")].sort_values("county_fips")
    problem, test = Problem.of(DECISION), test_of(DECISION, "screening")
    limit = limit_of(problem, annual(counties, DECISION), test)[:12]
    assert rows["remedy_above_screening"].to_numpy() == pytest.approx(2 * np.exp(limit))
    # In a county with little radon a high reading is mostly noise.
    assert rows["remedy_above_screening"].is_monotonic_decreasing


def test_differences_within_counties_below_the_noise_of_a_test_are_refused(counties):
    fit = with_draws(counties, *(np.zeros((2, 5, 12)),) * 2, 0.3)
    with pytest.raises(StudyError, match=r"decision\.screening_spread: .* a factor of 1\.53, exc"):
        annual(fit, DECISION)


def test_few_draws_below_the_noise_are_taken_as_without_differences(counties):
    """A sigma below the noise of 0.4256 leaves differences in the factor, log 1.5, alone."""
    fit = with_draws(counties, *(np.zeros((2, 50, 12)),) * 2, 0.75)
    fit.tree["posterior"]["sigma"].values[0, :3] = 0.4
    radon = annual(fit, DECISION)
    assert radon.sd[:3] == pytest.approx(np.log(1.5))
    assert np.isfinite(radon.expected()).all()


def test_zones_follow_the_mean_screening_level_of_the_county(counties):
    """exp(mean + variance / 2) of both floors, weighted by their houses; none has all shares."""
    weights = np.ones(24)
    weights[:2] = 0, 0
    houses = houses_of(counties, DECISION, represented(counties, weights), 4000)
    alpha, beta = (counties.effects()[name].values for name in ("alpha", "beta"))
    levels = [np.exp(alpha + floor * beta + 0.75**2 / 2).mean(axis=0) for floor in (0, 1)]
    assert houses.screening[:12] == pytest.approx((levels[0] + levels[1]) / 2)
    assert houses.number.sum() == 22


def test_policies_of_a_study(counties):
    table = policies(counties, DECISION, represented(counties))
    assert table["houses"].eq(300).all()
    assert table["weighted"].all()
    own = table[table["chosen"]].set_index("policy")
    assert own["action_level"].eq(4).all()
    actions = decisions(counties, DECISION, represented(counties))
    measured = actions.loc[actions["action"] == "measure", "represented"].sum() / 300
    assert own.loc["ours", "measured"] == pytest.approx(measured, abs=0.05)
    at_once = actions.loc[actions["action"] == "remedy", "represented"].sum() / 300
    assert own.loc["ours", "remedied"] > at_once
    assert (own["lives_q5"] <= own["lives"]).all()
    assert (own["lives"] <= own["lives_q95"]).all()


def test_losses_after_a_result_cross_at_the_limit(counties):
    table = decisions(counties, DECISION, represented(counties))
    rows = readings(counties, DECISION, table)
    assert rows["county_fips"].nunique() == 1
    gap = rows["loss_nothing"] - rows["loss_remedy"]
    limit = rows["limit"].iloc[0]
    assert (gap[rows["reading"] < limit] < 0).all()
    assert (gap[rows["reading"] > limit] > 0).all()
    place = table.query("county_fips == @rows.county_fips.iloc[0] and floor == @rows.floor.iloc[0]")
    assert place["action"].item() == "measure"
    assert limit == pytest.approx(place["remedy_above"].item())


def test_regions_contain_the_published_thresholds():
    """At an action level of 4: measure from 1.04 and remedy from 6.31 pCi/L if e^S is 2.3.

    If it is 1.9, from 1.65 and 5.75 (figures recomputed from Lin et al. 1999 by quadrature).
    """
    table = regions(DECISION, np.log(pd.Series({"basement": 2.3, "first floor": 1.9})))
    for floor, published in (("basement", (1.04, 6.31)), ("first floor", (1.65, 5.75))):
        own = table[table["floor"] == floor]
        for column, value in zip(("measure_from", "remedy_from"), published, strict=True):
            found = np.interp(4.0, own["action_level"], own[column])
            assert found == pytest.approx(value, rel=0.005)


def test_sensitivity_begins_with_the_study_and_follows_the_factor(counties):
    table = sensitivity(counties, DECISION, represented(counties)).set_index("change")
    assert table.sum(axis=1).to_numpy() == pytest.approx(1)
    own = policies(counties, DECISION, represented(counties)).query("chosen and policy == 'ours'")
    assert table.iloc[0]["measure"] == pytest.approx(own["measured"].item())
    # Less radon for the same survey: fewer houses are remedied at once, more left alone.
    assert table.loc["twice the cost of a remedy", "nothing"] > table.loc["none", "nothing"]
    order = ["factor times 1.5", "none", "factor divided by 1.5"]
    assert table.loc[order, "nothing"].is_monotonic_increasing
    assert table.loc[order, "remedy"].is_monotonic_decreasing


def test_settings_say_what_is_the_study_and_what_is_published():
    table = settings(Decision(remedy_cost=1500, factor={"basement": 0.4})).set_index("name")
    assert table.loc["remedy_cost", ["value", "source"]].tolist() == ["1500", "the study"]
    assert table.loc["factor, basement", ["value", "source"]].tolist() == ["0.4", "the study"]
    assert "section 9.4" in table.loc["years", "source"]
    assert table.loc["value_per_pci", "value"] == "750"


@pytest.mark.parametrize(("headline", "deciding"), [("robust", "normal"), ("pooled", "pooled")])
def test_the_deciding_model_has_an_expectation(headline, deciding, monkeypatch, tmp_path):
    """Under Student-t errors of log radon, radon has no mean; otherwise the headline decides."""
    names = ["pooled", "robust", "normal"]
    structure = ["complete pooling", *["partial pooling"] * 2]
    models = pd.DataFrame({"model": names, "structure": structure, "converged": True})
    models = models.assign(headline=models["model"] == headline, parameters=[3, 6, 5])
    estimates = pd.DataFrame(
        {"model": ["pooled", "robust", "robust", "normal"]}
        | {"parameter": ["sigma", "sigma", "nu", "sigma"]}
    )
    monkeypatch.setattr(
        "pooling.reporting.decisions.open_fit", lambda path, even_failed: build_fit(path.name)
    )
    tables = {"models": models, "estimates": estimates}
    assert deciding_model(tables, tmp_path) == deciding
    tables["estimates"] = estimates.assign(parameter="nu")
    with pytest.raises(StudyError, match="has no expectation under any model"):
        deciding_model(tables, tmp_path)


def test_the_tables_are_those_that_make_expects(counties):
    made = make_tables(counties, DECISION, represented(counties))
    assert tuple(made) == TABLES
    assert not any(table.empty for table in made.values())
