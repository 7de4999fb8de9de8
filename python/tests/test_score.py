"""Scores worked by hand."""

import numpy as np
import pandas as pd
import pytest

from pooling.draws import write_fit
from pooling.score import (
    DEFINITIONS,
    in_sample,
    main,
    out_of_sample,
    root_mean_square,
    score,
    total,
)


def loo_table(fit, **changes: object) -> pd.DataFrame:
    """Every house left out: log density -2, prediction half a unit below what was measured."""
    houses = fit.houses
    table = pd.DataFrame(
        {
            "house": houses["house"],
            "elpd": -2.0,
            "mean": houses["log_radon"] - 0.5,
            "pareto_k": 0.2,
            "refitted": False,
            "converged": True,
        }
    )
    return table.assign(**changes)


def test_root_mean_square_by_hand():
    # Mean of 1, 4, 4, 7 is 4; standard deviation sqrt(18 / 3), over 4 houses sqrt(6) / 2;
    # by the delta method over 2 * 2.
    value, error = root_mean_square(np.array([1.0, 4.0, 4.0, 7.0]))
    assert value == 2
    assert error == pytest.approx(6**0.5 / 2 / 4)


@pytest.mark.parametrize("squares", [[0.0, 0.0], [4.0]])
def test_root_mean_square_without_a_standard_error(squares):
    value, error = root_mean_square(np.array(squares))
    assert value == squares[0] ** 0.5
    assert np.isnan(error)


def test_total_by_hand():
    # Standard deviation of 1, 2, 3 is 1, times sqrt(3).
    assert total(np.array([1.0, 2.0, 3.0])) == pytest.approx((6, 3**0.5))
    assert np.isnan(total(np.array([1.0]))[1])


def test_rmse_in_sample_by_hand(example_fit):
    # Pooled: 1.4 in the basement, 1.0 on the first floor. Gaps of the ten houses:
    # -.4 0 -.5 -.1 .6 .2 1.1 -.1 .1 -.8; squares sum to 2.69.
    value, _, houses = in_sample(example_fit("pooled"))["rmse_in_sample"]
    assert value == pytest.approx(0.269**0.5)
    assert houses == 10


def test_rmsd_of_replications_is_over_houses_and_draws(example_fit):
    fit = example_fit("pooled")
    replications = fit.tree["posterior_predictive"]["y_rep"]
    y = fit.houses["log_radon"].to_numpy()
    # Each house is missed by 0.3 in the first chain and by 0.5 in the second.
    replications.values[0], replications.values[1] = y + 0.3, y - 0.5
    value, error, houses = in_sample(fit)["rmsd_replications"]
    assert value == pytest.approx(((0.09 + 0.25) / 2) ** 0.5)
    assert error == pytest.approx(0, abs=1e-9)
    assert houses == 10


def test_without_replications_there_is_no_rmsd(example_fit):
    assert list(in_sample(example_fit("pooled", pointwise=False))) == ["rmse_in_sample"]


def test_out_of_sample_by_hand(example_fit):
    fit = example_fit("pooled")
    fit.tree["log_likelihood"]["log_lik"].values[...] = -1.75
    found = out_of_sample(fit, loo_table(fit))
    assert found["rmse_loo"][0] == pytest.approx(0.5)
    assert found["elpd_loo"] == (pytest.approx(-20), pytest.approx(0), 10)
    # In the sample each house has -1.75, left out -2.
    assert found["p_loo"][0] == pytest.approx(2.5)
    assert found["pareto_k"][0] == 0
    assert found["pareto_k"][2] == 10


def test_p_loo_averages_densities_over_draws(example_fit):
    fit = example_fit("pooled")
    log_lik = fit.tree["log_likelihood"]["log_lik"]
    log_lik.values[0], log_lik.values[1] = np.log(0.1), np.log(0.3)
    found = out_of_sample(fit, loo_table(fit))
    assert found["p_loo"][0] == pytest.approx(10 * (np.log(0.2) + 2))


def test_houses_without_a_score_are_left_out_and_counted(example_fit):
    fit = example_fit("pooled")
    table = loo_table(fit)
    table.loc[0, ["pareto_k", "refitted", "converged"]] = [0.9, True, True]
    table.loc[1, ["pareto_k", "refitted", "converged"]] = [1.4, True, False]
    table.loc[1, ["elpd", "mean"]] = np.nan
    found = out_of_sample(fit, table)
    assert found["elpd_loo"][::2] == (pytest.approx(-18), 9)
    assert found["rmse_loo"][::2] == (pytest.approx(0.5), 9)
    assert found["p_loo"][2] == 9
    assert found["pareto_k"][::2] == (2, 10)
    notes = score(fit, table).set_index("score")["note"]
    said = (
        "1 house by exact refit; without 1 house whose refits did not converge, so compare by house"
    )
    assert notes["elpd_loo"] == notes["rmse_loo"] == notes["p_loo"] == said
    assert notes["rmse_in_sample"] == notes["pareto_k"] == ""


def test_unknown_pareto_k_counts_as_high(example_fit):
    fit = example_fit("pooled")
    table = loo_table(fit)
    table.loc[3, "pareto_k"] = np.nan
    assert out_of_sample(fit, table)["pareto_k"][0] == 1


def test_every_score_has_a_definition_and_a_row(example_fit):
    fit = example_fit("pooled")
    table = score(fit, loo_table(fit))
    assert list(table.columns) == ["model", "score", "value", "se", "n", "note"]
    assert table["score"].tolist() == list(DEFINITIONS)
    assert set(table["model"]) == {"pooled"}
    assert (table["note"] == "").all()


def test_fit_that_failed_is_noted_beside_every_score(example_fit):
    fit = example_fit("pooled", converged=False)
    assert (score(fit, loo_table(fit))["note"] == "the fit did not converge").all()


def test_without_pointwise_output_only_the_plug_in_score_is_left(example_fit, tmp_path):
    fit = example_fit("pooled", pointwise=False)
    write_fit(fit.tree, tmp_path / "fit.nc")
    (tmp_path / "loo.csv").write_text("house,elpd,mean,pareto_k,refitted,converged\n")
    inputs = [str(tmp_path / "fit.nc"), str(tmp_path / "loo.csv")]
    main([*inputs, "-o", str(tmp_path / "scores.csv")])
    table = pd.read_csv(tmp_path / "scores.csv")
    assert table["score"].tolist() == ["rmse_in_sample"]
    assert table["value"].tolist() == pytest.approx([0.269**0.5], rel=1e-5)
    assert table["note"].tolist() == ["the fit did not converge"]


def test_command_line_reads_what_loo_wrote(example_fit, tmp_path):
    fit = example_fit("pooled")
    write_fit(fit.tree, tmp_path / "fit.nc")
    table = loo_table(fit)
    table.loc[0, ["refitted", "converged", "elpd", "mean"]] = [True, False, np.nan, np.nan]
    table.to_csv(tmp_path / "loo.csv", index=False)
    inputs = [str(tmp_path / "fit.nc"), str(tmp_path / "loo.csv")]
    main([*inputs, "-o", str(tmp_path / "scores.csv")])
    rows = pd.read_csv(tmp_path / "scores.csv").set_index("score")
    assert rows.loc["elpd_loo", "n"] == 9
    assert "without 1 house whose" in rows.loc["elpd_loo", "note"]
