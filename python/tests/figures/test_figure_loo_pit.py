from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from arviz_stats.ecdf_utils import ecdf_pit

from pooling.build.errors import NothingToShow
from pooling.figures import loo_pit
from pooling.figures._drawing import save
from pooling.figures.loo_pit import frame, pit_values, plot, remarks
from pooling.inputs.study import Figures

COLUMNS = ["study", "model", "label", "pit", "difference", "low", "high", "outside", "houses"]


def left_out(fit, pit):
    """The fit with these LOO-PIT values of its houses."""
    return replace(fit, loo=pd.DataFrame({"house": fit.houses["house"], "pit": pit}))


def test_values_are_of_houses_that_could_be_left_out(example_fit):
    fit = left_out(example_fit(), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, np.nan, 0.9])
    assert pit_values(fit).tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    rows = frame([fit], Figures())
    assert rows["houses"].unique().tolist() == [9]
    # Three of nine values are up to a third.
    at = rows[rows["pit"].between(0.3, 0.399)].iloc[0]
    assert at["difference"] + at["pit"] == pytest.approx(3 / 9)


def test_a_model_that_expects_too_much_is_above_the_band(example_fit):
    rows = frame([left_out(example_fit(), np.zeros(10))], Figures())
    assert list(rows.columns) == COLUMNS
    # All values are 0: the share is 1 everywhere.
    assert (rows["difference"] + rows["pit"]).tolist() == pytest.approx([1.0] * 9)
    assert rows["outside"].iloc[0] > 0.5
    assert "outside" in remarks(rows)["said"].iloc[0]


def test_an_even_model_is_inside(example_fit):
    rows = frame([left_out(example_fit(), np.arange(10) / 10 + 0.05)], Figures())
    assert rows["outside"].iloc[0] == 0
    assert remarks(rows)["said"].tolist() == ["inside"]
    assert (rows["low"] < 0).all()
    assert (rows["high"] > 0).all()


def with_ends(values, ci_prob, n_simulations):
    """What arviz-stats 1.3.3 gives for `ecdf_pit`: the points 0 and 1 as well, without width."""
    parts = ecdf_pit(values, ci_prob, n_simulations)
    inside = (parts[0] > 0) & (parts[0] < 1)
    return tuple(np.concatenate(([0.0], part[inside], [1.0])) for part in parts)


def without_ends(values, ci_prob, n_simulations):
    """What arviz-stats 0.8.0 gives: points inside 0 to 1 only."""
    return tuple(part[1:-1] for part in with_ends(values, ci_prob, n_simulations))


@pytest.mark.parametrize("version", [with_ends, without_ends])
def test_values_of_exactly_0_and_1_are_not_outside_in_any_version(
    example_fit, monkeypatch, version
):
    monkeypatch.setattr(loo_pit, "ecdf_pit", version)
    values = np.linspace(0, 1, 10)
    rows = frame([left_out(example_fit(), values)], Figures())
    # Tenths but for 0 and 1, where one house of ten would be outside a band without width.
    assert rows["pit"].to_numpy() == pytest.approx(np.arange(1, 10) / 10)
    assert rows["outside"].iloc[0] == 0
    assert (rows["low"] < rows["high"]).all()


def test_without_houses_left_out_there_is_nothing_to_show(example_fit):
    with pytest.raises(NothingToShow, match=r"scores\.pointwise = true"):
        frame([example_fit()], Figures())


@pytest.mark.parametrize("counties", [1, 4, 900])
def test_draws_unconverged_and_several_models(example_fit, tmp_path, counties):
    fits = [
        left_out(fit, np.linspace(0, 1, len(fit.houses)))
        for name in ("pooled", "foo")
        for fit in [example_fit(name, converged=False, counties=counties)]
    ]
    rows = frame(fits, Figures())
    # Four houses in one county, 10 in four, 2250 in 900.
    assert rows["houses"].iloc[0] == {1: 4, 4: 10, 900: 2000}[counties]
    target = tmp_path / "pit.png"
    save(plot(rows), [target], "Title\n\nText.")
    assert target.stat().st_size > 5000
