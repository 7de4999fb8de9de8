"""Scores worked by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from pooling.build.errors import DataError
from pooling.fits.store import Fit, write_fit
from pooling.inputs.schemes import SCHEMES
from pooling.scoring.score import (
    DEFINITIONS,
    in_sample,
    main,
    of_loco,
    of_loo,
    out_of_sample,
    score,
)

INPUTS = ("fit.nc", "loo.csv", "left_out.csv", "replications.nc", "diagnostics.json")


def loo_table(fit, **changes: object) -> pd.DataFrame:
    """Every house left out: log density -2, prediction half a unit below what was measured."""
    houses = fit.houses
    table = pd.DataFrame(
        {
            "house": houses["house"],
            "elpd": -2.0,
            "mean": houses["log_radon"] - 0.5,
            "mcse": 0.0,
            "pit": 0.5,
            "lpd": -1.75,
            "pareto_k": 0.2,
            "refitted": False,
            "converged": True,
        }
    )
    return table.assign(**changes)


def together(fit, scheme: str, **changes: object) -> pd.DataFrame:
    """The same as `pooling.scoring.leave_out` writes it."""
    table = loo_table(fit, **changes).drop(columns="lpd")
    return table.assign(**{"scheme": scheme, "fold": "tenth 1"} | changes)


def scored(fit, loo: pd.DataFrame | None = None, *schemes: pd.DataFrame) -> Fit:
    """The fit with scores of left-out houses."""
    tables = [pd.DataFrame() if loo is None else loo]
    return Fit(fit.tree, fit.diagnostics, *tables, pd.concat([pd.DataFrame(), *schemes]))


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


def test_left_out_houses_by_hand(example_fit):
    fit = example_fit("pooled")
    found = out_of_sample(fit, "loo", loo_table(fit))
    assert found["rmse_loo"][0] == pytest.approx(0.5)
    assert found["elpd_loo"] == (pytest.approx(-20), pytest.approx(0), 10)
    assert "rmse_county_means_loo" not in found


def test_whole_counties_are_the_unit_of_error(example_fit):
    fit = example_fit("pooled")
    county = fit.houses["county_fips"]
    first = county == county.iloc[0]
    rows = loo_table(fit, elpd=np.where(first, -3.0, -2.0))
    houses, counties = len(first), county.nunique()
    inside = int(first.sum())
    by_county = out_of_sample(fit, "loco", rows)["elpd_loco"]
    assert by_county[0] == pytest.approx(-2 * houses - inside)
    # Sums less the mean share p of the first county: n (1 - p) there, -n p in the others.
    p = inside / houses
    others = county[~first].value_counts().to_numpy()
    squares = (inside * (1 - p)) ** 2 + ((others * p) ** 2).sum()
    assert by_county[1] == pytest.approx(np.sqrt(counties / (counties - 1) * squares))
    by_house = out_of_sample(fit, "kfold_house", rows)["elpd_kfold_house"]
    assert by_house[1] == pytest.approx(np.sqrt(houses * houses / (houses - 1) * p * (1 - p)))


def test_county_means_weigh_counties_alike(example_fit):
    fit = example_fit("pooled")
    county, y = fit.houses["county_fips"], fit.houses["log_radon"]
    first = county == county.iloc[0]
    # One county is missed by 2 in every house, the others by 0.
    rows = loo_table(fit, mean=y - 2.0 * first)
    value, _, counties = out_of_sample(fit, "loco", rows)["rmse_county_means_loco"]
    assert counties == county.nunique()
    assert value == pytest.approx((4 / counties) ** 0.5)


def test_coverage_counts_houses_inside_their_interval(example_fit):
    fit = example_fit("pooled")
    # Inside 50%: 0.25 to 0.75; inside 90%: 0.05 to 0.95.
    pit = [0.01, 0.04, 0.06, 0.24, 0.26, 0.5, 0.74, 0.76, 0.94, 0.97]
    found = out_of_sample(fit, "kfold_house", loo_table(fit, pit=pit))
    assert found["coverage_50_kfold_house"][0] == pytest.approx(0.3)
    # sd / sqrt(N) of three ones and seven zeros.
    assert found["coverage_50_kfold_house"][1] == pytest.approx((0.21 / 9) ** 0.5)
    assert found["coverage_90_kfold_house"][0] == pytest.approx(0.7)
    # The third, fourth and seventh house are on the first floor: .06, .24 and .74.
    assert found["coverage_50_first_floor_kfold_house"][::2] == (pytest.approx(1 / 3), 3)
    assert found["coverage_90_first_floor_kfold_house"][::2] == (1, 3)
    assert found["coverage_90_basement_kfold_house"][::2] == (pytest.approx(4 / 7), 7)
    # sd / sqrt(N) of four ones and three zeros.
    error = (12 / 49 / 6) ** 0.5
    assert found["coverage_90_basement_kfold_house"][1] == pytest.approx(error)


def test_p_loo_by_hand(example_fit):
    fit = scored(example_fit("pooled"), loo_table(example_fit("pooled")))
    # In the sample each house has -1.75, left out -2.
    assert of_loo(fit)["p_loo"][0] == pytest.approx(2.5)
    assert of_loo(fit)["pareto_k"][::2] == (0, 10)


def test_counties_that_weights_cannot_leave_out_are_counted(example_fit):
    fit = example_fit("pooled")
    county = fit.houses["county"]
    k = county.map({"AITKIN": 0.3, "ANOKA": 0.71, "CASS": np.nan, "MAHNOMEN": 0.7})
    fit = scored(fit, None, together(fit, "loco", pareto_k=k, fold=county))
    assert of_loco(fit)["pareto_k_loco"][::2] == (2, 4)


def test_houses_without_a_score_are_left_out_and_counted(example_fit):
    fit = example_fit("pooled")
    table = loo_table(fit)
    table.loc[0, ["pareto_k", "refitted", "converged"]] = [0.9, True, True]
    table.loc[1, ["pareto_k", "refitted", "converged"]] = [1.4, True, False]
    table.loc[1, ["elpd", "mean", "mcse", "pit"]] = np.nan
    found = score(scored(fit, table)).set_index("score")
    assert found.loc["elpd_loo", ["value", "n"]].tolist() == pytest.approx([-18, 9])
    assert found.loc["rmse_loo", ["value", "n"]].tolist() == pytest.approx([0.5, 9])
    assert found.loc["p_loo", "n"] == 9
    assert found.loc["pareto_k", ["value", "n"]].tolist() == [2, 10]
    said = (
        "1 house left out by exact refits; without 1 house whose refits did not converge: "
        "compare models house by house"
    )
    assert found.loc["elpd_loo", "note"] == found.loc["p_loo", "note"] == said
    assert found.loc["rmse_in_sample", "note"] == ""


def test_unknown_pareto_k_counts_as_high(example_fit):
    table = loo_table(example_fit("pooled"))
    table.loc[3, "pareto_k"] = np.nan
    assert of_loo(scored(example_fit("pooled"), table))["pareto_k"][0] == 1


def test_wide_means_are_noted(example_fit):
    fit = example_fit("pooled")
    # Every mean is off by 0.5 with a Monte Carlo error of 0.1: 0.01 / 0.25 of the mean square.
    noted = score(scored(fit, None, together(fit, "loco", mcse=0.1))).set_index("score")["note"]
    said = "about 4% of the mean square error is Monte Carlo error of the posterior mean"
    assert noted["rmse_loco"] == said
    assert noted["rmse_in_sample"] == ""


def test_every_score_has_a_definition_and_a_row(example_fit):
    fit = example_fit("pooled")
    schemes = [together(fit, name) for name in SCHEMES if name != "loo"]
    table = score(scored(fit, loo_table(fit), *schemes))
    assert list(table.columns) == ["model", "score", "value", "se", "n", "note"]
    assert set(table["score"]) == set(DEFINITIONS)
    assert table["score"].is_unique
    assert set(table["model"]) == {"pooled"}
    assert (table["note"] == "").all()


def test_fit_that_failed_is_noted_beside_every_score(example_fit):
    fit = example_fit("pooled", converged=False)
    assert (score(scored(fit, loo_table(fit)))["note"] == "the fit did not converge").all()


def test_model_that_was_not_refitted_has_its_scores_missing(example_fit):
    fit = example_fit("pooled", converged=False)
    lost = dict.fromkeys(("elpd", "mean", "mcse", "pit"), np.nan)
    table = score(scored(fit, None, together(fit, "loco", **lost))).set_index("score")
    assert np.isnan(table.loc["elpd_loco", "value"])
    assert (
        table.loc["elpd_loco", "note"]
        == "the fit did not converge; no refit converged, so no scores"
    )
    assert {name for name in DEFINITIONS if name.endswith("_loco")} <= set(table.index)


def test_houses_of_another_fit_are_an_error(example_fit):
    fit = example_fit("pooled")
    with pytest.raises(DataError, match=r"left out of pooled \(loco\) are not those of its fit"):
        score(scored(fit, None, together(fit, "loco").iloc[::-1]))


def test_without_pointwise_output_only_the_plug_in_score_is_left(example_fit, tmp_path):
    fit = example_fit("pooled", pointwise=False)
    write_fit(fit.tree, tmp_path / "fit.nc")
    (tmp_path / "loo.csv").write_text("house,elpd,mean,mcse,pit,pareto_k,refitted,converged\n")
    (tmp_path / "left_out.csv").write_text("scheme,house,fold,elpd,mean,mcse,pit,converged\n")
    found = {"passed": False, "allowed_to_fail": "a lesson"}
    (tmp_path / "diagnostics.json").write_text(json.dumps(found))
    inputs = [str(tmp_path / name) for name in INPUTS]
    main([*inputs, "-o", str(tmp_path / "scores.csv")])
    table = pd.read_csv(tmp_path / "scores.csv")
    assert table["score"].tolist() == ["rmse_in_sample"]
    assert table["value"].tolist() == pytest.approx([0.269**0.5], rel=1e-5)
    assert table["note"].tolist() == ["the fit did not converge"]


def test_command_line_reads_what_was_left_out(example_fit, tmp_path):
    fit = example_fit("pooled")
    write_fit(fit.tree, tmp_path / "fit.nc")
    table = loo_table(fit)
    table.loc[0, ["refitted", "converged", "elpd", "mean"]] = [True, False, np.nan, np.nan]
    table.to_csv(tmp_path / "loo.csv", index=False)
    together(fit, "kfold_house").to_csv(tmp_path / "left_out.csv", index=False)
    found = {"passed": False, "allowed_to_fail": "a lesson"}
    (tmp_path / "diagnostics.json").write_text(json.dumps(found))
    inputs = [str(tmp_path / name) for name in INPUTS]
    main([*inputs, "-o", str(tmp_path / "scores.csv")])
    rows = pd.read_csv(tmp_path / "scores.csv").set_index("score")
    assert rows.loc["elpd_loo", "n"] == 9
    assert rows.loc["elpd_kfold_house", "n"] == 10
    assert "without 1 house whose" in rows.loc["elpd_loo", "note"]


def test_the_stage_reads_the_files_that_it_is_given(example_fit, tmp_path):
    fit = example_fit("pooled")
    write_fit(fit.tree, tmp_path / "fit.nc")
    here, there = loo_table(fit), loo_table(fit).assign(elpd=-7.0)
    together(fit, "kfold_house").to_csv(tmp_path / "left_out.csv", index=False)
    (tmp_path / "diagnostics.json").write_text('{"passed": true}')
    (tmp_path / "elsewhere").mkdir()
    for folder, table in ((tmp_path, here), (tmp_path / "elsewhere", there)):
        table.to_csv(folder / "loo.csv", index=False)
    inputs = [str(tmp_path / name) for name in INPUTS]
    inputs[1] = str(tmp_path / "elsewhere/loo.csv")
    main([*inputs, "-o", str(tmp_path / "scores.csv")])
    rows = pd.read_csv(tmp_path / "scores.csv").set_index("score")
    assert rows.loc["elpd_loo", "value"] == -70
