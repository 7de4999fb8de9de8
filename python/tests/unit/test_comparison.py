"""Differences between models, by hand; the headline model; stacking weights."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import build_fit

from pooling.fits.store import Fit
from pooling.scoring import comparison


def scored(model: str, elpd: list[float], converged: bool = True) -> Fit:
    """A fit with log scores of its own."""
    loo = pd.DataFrame({"house": 5081 + np.arange(len(elpd)), "elpd": elpd})
    return replace(build_fit(model, converged=converged), loo=loo)


def test_comparison_by_hand():
    pair = [scored("pooled", [-1.0, -2.0, -3.0]), scored("foo", [-1.5, -1.0, -4.0])]
    table = comparison.comparison(pair).set_index("model")
    assert (table["reference"] == "pooled").all()
    assert table.loc["pooled", ["elpd_difference", "se"]].tolist() == [0, 0]
    # Differences -0.5, 1, -1: variance 13/12, standard error sqrt(3 * 13/12).
    assert table.loc["foo", "elpd_difference"] == pytest.approx(-0.5)
    assert table.loc["foo", "se"] == pytest.approx(math.sqrt(3.25))


def test_comparison_is_over_houses_that_both_models_score():
    pair = [scored("pooled", [-1.0, -2.0, -3.0]), scored("foo", [-9.0, -9.0, np.nan])]
    table = comparison.comparison(pair).set_index("model")
    assert table.loc["foo", ["elpd_difference", "n"]].tolist() == [-15.0, 2]


def test_a_model_that_did_not_converge_is_no_reference():
    pair = [scored("pooled", [-1.0, -1.0]), scored("foo", [0.0, 0.0], converged=False)]
    assert set(comparison.comparison(pair)["reference"]) == {"pooled"}
    assert comparison.comparison(pair[1:]).empty


def test_elpd_of_a_row_is_over_its_houses():
    pair = [scored("pooled", [-1.0, -2.0, -3.0]), scored("foo", [-9.0, -9.0, np.nan])]
    table = comparison.comparison(pair).set_index("model")
    assert table["elpd"].to_dict() == {"pooled": -6.0, "foo": -18.0}


def test_left_out_counties_are_compared_with_errors_over_counties():
    # Houses 1 to 4 are of one county, 5 to 7 of another: differences -1, -1, -1, -1 and 2, 2, 2.
    houses = build_fit("pooled").houses["house"].iloc[:7]
    pair = []
    for name, gap in (("pooled", 0), ("foo", 1)):
        elpd = -2.0 + gap * np.array([-1, -1, -1, -1, 2, 2, 2])
        table = pd.DataFrame({"scheme": "loco", "house": houses, "elpd": elpd})
        pair.append(replace(build_fit(name), left_out_together=table))
    found = comparison.comparison(pair).set_index("model")
    assert set(found["scheme"]) == {"loco"}
    # Sums of the counties: 4 and -6, which deviate from their houses' mean -2/7 by -36/7 and 36/7
    # of the difference -2; standard error sqrt(2 * 2 * (36/7)^2), as in standard_errors.
    assert found.loc["pooled", "elpd_difference"] == pytest.approx(-2)
    assert found.loc["pooled", "se"] == pytest.approx(72 / 7)


def without_counties(model: str, difference: float, se: float, converged: bool = True) -> Fit:
    """A fit whose elpd of left-out counties is -10, plus a difference with this standard error.

    Houses 1 to 4 are of one county, 5 to 7 of another, 8 and 9, and 10 of two more. With
    deviations t, -t, 0 and 0 of the counties' sums the error is sqrt(4/3 * 2 t^2).
    """
    fit = build_fit(model, converged=converged)
    t = se / math.sqrt(8 / 3)
    gap = difference / 10 + np.array([*4 * [t / 4], *3 * [-t / 3], 0, 0, 0])
    table = pd.DataFrame({"scheme": "loco", "house": fit.houses["house"], "elpd": -1 + gap})
    return replace(fit, left_out_together=table)


def test_part_of_the_difference_comes_from_houses_measured_as_zero():
    """The second house is at log(0 + 0.1); it and the others have differences of 1, 4 and -1."""
    pair = [scored("pooled", [-1.0, -2.0, -3.0]), scored("foo", [-2.0, -6.0, -2.0])]
    for fit in pair:
        fit.tree["observed_data"]["log_radon"].values[1] = math.log(0.1)
    table = comparison.comparison(pair).set_index("model")
    assert table.loc["foo", ["elpd_difference", "from_lowest"]].tolist() == [-4, -4]
    assert table.loc["pooled", "from_lowest"] == 0


# Models that changed: difference and standard error, or None if it did not converge.
@pytest.mark.parametrize(
    ("changes", "answers"),
    [
        ({}, "rich"),  # simple is 5 nats behind, with a standard error of 2
        ({"simple": (-1.0, 2.0)}, "simple"),  # within one standard error, and simpler
        ({"rich": None}, "simple"),  # rich did not converge
        ({"rich": None, "simple": None}, "per_county"),  # nothing pools partially
        ({"rich": None, "simple": None, "per_county": None}, "pooled"),
        # Far behind complete pooling, which is no candidate, but close to each other.
        ({"pooled": (90.0, 0.1), "simple": (-1.0, 2.0)}, "simple"),
    ],
)
def test_the_headline_model_is_the_simplest_of_the_best_by_left_out_counties(changes, answers):
    rows = [
        ("pooled", "complete pooling", 3, (0.0, 0.0)),
        ("per_county", "no pooling", 0, (-50.0, 5.0)),
        ("simple", "partial pooling", 5, (-5.0, 2.0)),
        ("rich", "partial pooling", 7, (0.0, 0.0)),
    ]
    known = pd.DataFrame(rows, columns=["model", "structure", "parameters", "score"])
    found = [changes.get(name, score) for name, _, _, score in rows]
    known["converged"] = [score is not None for score in found]
    fits = [
        without_counties(name, *(score or (0.0, 0.0)), converged=score is not None)
        for name, score in zip(known["model"], found, strict=True)
    ]
    assert comparison.headline(known.drop(columns="score"), fits) == answers


def test_without_scores_the_first_model_with_partial_pooling_answers():
    rows = [("pooled", "complete pooling", True, 3), ("foo", "partial pooling", True, 5)]
    known = pd.DataFrame(rows, columns=["model", "structure", "converged", "parameters"])
    fits = [build_fit(name) for name in known["model"]]
    assert comparison.headline(known, fits) == "foo"


def weights(*elpd: list[float]) -> list[float]:
    return comparison.stacking_weights(pd.DataFrame(dict(enumerate(elpd)))).sort_index().tolist()


def test_identical_models_share_and_a_dominated_one_gets_nothing():
    assert weights([-1.0, -2.0, -3.0], [-1.0, -2.0, -3.0]) == pytest.approx([0.5, 0.5])
    assert weights([-1.0, -2.0, -3.0], [-1.5, -2.5, -3.5]) == pytest.approx([1, 0], abs=1e-6)
    assert weights([-1.0, -2.0]) == [1.0]


def test_stacking_weights_by_hand():
    # Densities (3, 1, 1) and (1, 2, 2): w maximizes log(1 + 2w) + 2 log(2 - w), whose
    # derivative 2 / (1 + 2w) - 2 / (2 - w) is 0 at w = 1/3.
    found = weights(np.log([3.0, 1.0, 1.0]), np.log([1.0, 2.0, 2.0]))
    assert found == pytest.approx([1 / 3, 2 / 3], abs=1e-3)


def test_stacking_weights_are_at_the_maximum_over_a_grid():
    elpd = np.random.default_rng(20061).normal(-1, 0.5, (200, 3))
    found = np.array(weights(*elpd.T))
    grid = np.linspace(0, 1, 51)
    tried = np.array([(a, b, 1 - a - b) for a in grid for b in grid if a + b <= 1])
    score = np.log(np.exp(elpd) @ np.vstack([found, tried]).T).sum(axis=0)
    assert found.sum() == pytest.approx(1)
    assert score[0] >= score[1:].max() - 1e-3


def test_weights_are_of_converged_models_over_houses_that_all_predict():
    # The third house, where foo is far better, has no score under pooled.
    models = [
        scored("pooled", [-1.0, -1.0, np.nan]),
        scored("foo", [-2.0, -2.0, 0.0]),
        scored("bad", [0.0, 0.0, 0.0], converged=False),
    ]
    table = comparison.comparison(models).set_index("model")
    assert table.loc[["pooled", "foo"], "weight"].tolist() == pytest.approx([1, 0], abs=1e-6)
    assert math.isnan(table.loc["bad", "weight"])
    assert list(table.index) == ["pooled", "foo", "bad"]


def test_without_densities_there_is_nothing_to_compare():
    table = comparison.comparison([scored("pooled", [])])
    assert table.empty
    assert "elpd_difference" in table
