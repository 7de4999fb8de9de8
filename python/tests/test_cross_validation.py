"""Scores of houses left out together, by hand."""

import numpy as np
import pandas as pd
import pytest

from pooling.cross_validation import main, root_mean_square, scores, total
from pooling.errors import DataError


def test_root_mean_square_with_a_group_a_house():
    # mean of 1, 4, 4, 7 is 4; sd sqrt(6), standard error of the mean sqrt(6) / 2.
    value, error = root_mean_square(np.array([1.0, 4, 4, 7]), np.arange(4))
    assert (value, error) == pytest.approx((2, np.sqrt(6) / 2 / 4))


def test_root_mean_square_of_groups():
    # Groups {1, 4} and {4, 7}: sums less 4 a house are -3 and 3;
    # sqrt(2 / 1 * 18) / 4 = 1.5 is the error of the mean, 1.5 / (2 * 2) of its root.
    value, error = root_mean_square(np.array([1.0, 4, 4, 7]), np.array([1, 1, 2, 2]))
    assert (value, error) == pytest.approx((2, 0.375))


def test_total_of_groups():
    # Sums of groups 3 and 7: sd sqrt(8), times sqrt(2).
    assert total(np.array([1.0, 2, 3, 4]), np.array([1, 1, 2, 2])) == pytest.approx((10, 4))
    # sd of 1, 2, 3, 4 is sqrt(5 / 3), times sqrt(4).
    assert total(np.array([1.0, 2, 3, 4]), np.arange(4)) == pytest.approx((10, 2 * np.sqrt(5 / 3)))


def rows(fit) -> pd.DataFrame:
    """Every house predicted too low by 0.5 with log density -1."""
    houses = fit.houses
    return pd.DataFrame({"house": houses["house"], "elpd": -1.0, "mean": houses["log_radon"] - 0.5})


def test_scores_of_a_constant_error(example_fit):
    fit = example_fit("pooled")
    table = scores(fit, "loco", rows(fit)).set_index("score")
    assert table.loc["rmse", "value"] == pytest.approx(0.5)
    assert table.loc["rmse_county", "value"] == pytest.approx(0.5)
    assert table.loc["elpd", "value"] == pytest.approx(-len(fit.houses))
    assert table.loc["rmse_county", "n"] == fit.houses["county_fips"].nunique()
    assert (table["note"] == "").all()


def test_houses_without_a_score_are_counted(example_fit):
    fit = example_fit("pooled")
    lost = rows(fit)
    lost.loc[0, ["elpd", "mean"]] = np.nan
    table = scores(fit, "kfold_house", lost).set_index("score")
    assert table.loc["elpd", "n"] == len(fit.houses) - 1
    assert table.loc["elpd", "note"] == "without 1 house whose refits did not converge"


def test_rows_of_other_houses_are_an_error(example_fit):
    fit = example_fit("pooled")
    with pytest.raises(DataError, match=r"loco\.csv of pooled is of other houses"):
        scores(fit, "loco", rows(fit).iloc[::-1])


def test_command_line_needs_every_scheme(tmp_path, capsys):
    with pytest.raises(DataError, match="no such fit"):
        main([str(tmp_path / "pooled"), "-o", str(tmp_path / "out.csv")])
