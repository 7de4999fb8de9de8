import warnings

import numpy as np
import pytest

from pooling.figures._drawing import save
from pooling.figures.ppc_stat import frame, plot
from pooling.inputs.study import Figures

COLUMNS = [
    *("study", "model", "label", "statistic", "observed"),
    *("q5", "q25", "q50", "q75", "q95", "p_value", "replications"),
]
MEAN, SPREAD = "mean, log pCi/L", "sd of county means, log pCi/L"
SHARE = "share at or above 4 pCi/L"


def replicate(fit, change):
    """`fit` whose replicated data sets are all `change(observed)`."""
    values = fit.tree["posterior_predictive"]["y_rep"].copy()
    values[:] = change(fit.tree["observed_data"]["log_radon"].values)
    fit.tree["posterior_predictive"]["y_rep"] = values
    return fit


def test_observed_statistics_are_those_of_the_houses(example_fit):
    rows = frame([example_fit()], Figures())
    assert list(rows.columns) == COLUMNS
    observed = rows.set_index("statistic")["observed"]
    # 1.0 1.4 0.5 0.9 | 2.0 1.6 2.1 | 1.3 1.5 | 0.6
    assert observed[MEAN] == pytest.approx(1.29)
    assert observed["standard deviation, log pCi/L"] == pytest.approx((2.649 / 9) ** 0.5)
    assert observed["smallest, log pCi/L"] == 0.5
    assert observed["largest, log pCi/L"] == 2.1
    # Means 0.95, 1.9, 1.4, 0.6 about 1.2125: sqrt(0.951875 / 3).
    assert observed[SPREAD] == pytest.approx(0.563287, abs=1e-6)
    # log(4.1) = 1.411: 2.0, 1.6, 2.1 and 1.5.
    assert observed[SHARE] == pytest.approx(0.4)
    assert set(rows["replications"]) == {50}


def test_a_house_of_exactly_the_action_level_counts(example_fit):
    fit = example_fit()
    values = fit.tree["observed_data"]["log_radon"].copy()
    values[:] = np.log(np.array([4.0] * 3 + [3.9] * 7) + 0.1)
    fit.tree["observed_data"]["log_radon"] = values
    assert frame([fit], Figures()).set_index("statistic").loc[SHARE, "observed"] == 0.3


def test_p_values_are_shares_of_replications_with_at_least_the_observed_value(example_fit):
    same = frame([replicate(example_fit(), lambda y: y)], Figures()).set_index("statistic")
    assert same["p_value"].tolist() == [0.5] * 6
    assert same["q5"].tolist() == pytest.approx(same["observed"].tolist())
    more = frame([replicate(example_fit(), lambda y: y + 1)], Figures()).set_index("statistic")
    assert more.loc[[MEAN, SHARE], "p_value"].tolist() == [1.0, 1.0]
    less = frame([replicate(example_fit(), lambda y: y - 1)], Figures()).set_index("statistic")
    assert less.loc[[MEAN, SHARE], "p_value"].tolist() == [0.0, 0.0]


def test_quantiles_of_the_replicated_mean(example_fit):
    fit = example_fit("pooled")
    means = fit.tree["posterior_predictive"]["y_rep"].mean("house").values.ravel()
    row = frame([fit], Figures()).set_index("statistic").loc[MEAN]
    # Three of ten houses upstairs: alpha + 0.3 beta, half a unit down in 26 draws of 50, up in 24.
    assert row["p_value"] == pytest.approx((means > 1.29).mean()) == 0.48
    assert row["q50"] == pytest.approx(np.sort(means)[24:26].mean())


def test_one_county_has_no_spread_between_counties(example_fit):
    rows = frame([example_fit(counties=1)], Figures())
    assert SPREAD not in set(rows["statistic"])
    assert rows["statistic"].nunique() == 5


def test_one_house_has_no_standard_deviation(example_fit):
    fit = example_fit()
    for name in ("observed_data", "constant_data", "posterior_predictive"):
        fit.tree[name] = fit.tree[name].to_dataset().isel(house=slice(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = frame([fit], Figures())
    assert not {"standard deviation, log pCi/L", SPREAD} & set(rows["statistic"])
    # The first house: log radon 1.0.
    assert rows.set_index("statistic").loc[MEAN, "observed"] == 1.0


@pytest.mark.parametrize("counties", [1, 4])
def test_draws_unconverged_and_single_models(example_fit, tmp_path, counties):
    one = example_fit(converged=False, counties=counties)
    for number, fits in enumerate([[one], [one, example_fit("pooled", counties=counties)]]):
        rows = frame(fits, Figures())
        assert "hierarchical_noncentered (not converged)" in set(rows["label"])
        target = tmp_path / f"{number}.png"
        save(plot(rows), [target], "Title\n\nText.")
        assert target.stat().st_size > 5000


def test_a_model_far_from_the_others_is_marked_at_the_edge(example_fit):
    fits = [example_fit("pooled"), example_fit(), example_fit("per_county")]
    rows = frame([*fits, replicate(example_fit("wild"), lambda y: y + 1000)], Figures())
    drawn = plot(rows).data.set_index(["statistic", "model"])
    assert drawn.loc[(MEAN, "wild"), "place"] == "above"
    assert drawn.loc[(MEAN, "wild"), "q50"] < 20
    assert drawn.loc[(MEAN, "pooled"), "place"] == "inside"
