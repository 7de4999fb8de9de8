import numpy as np
import pytest
import xarray as xr

from pooling.build.errors import NothingToShow
from pooling.figures._soil import estimates, line, predicted, with_uranium


def test_effects_with_a_coefficient_are_those_predicted_from_uranium(example_fit):
    assert predicted(example_fit("hierarchical_uranium", uranium=True)) == ["alpha", "beta"]
    assert predicted(example_fit("hierarchical_centered", uranium=True)) == []


def test_without_such_a_model_there_is_nothing_to_show(example_fit):
    with pytest.raises(NothingToShow, match=r"pooled, per_county has none; set data\.uranium"):
        with_uranium([example_fit("pooled", uranium=True), example_fit("per_county")])


def test_the_line_is_mean_plus_coefficient_times_uranium(example_fit):
    fit = example_fit("hierarchical_uranium", uranium=True)
    # 1.4 + 0.5 * (-0.4, 0.5), -0.4 - 0.25 * 0.5
    assert line(fit, "alpha", np.array([-0.4, 0.5])).mean(axis=0) == pytest.approx([1.2, 1.65])
    assert line(fit, "beta", np.array([0.5])).mean() == pytest.approx(-0.525)


def test_a_contextual_effect_is_taken_at_the_mean_share(example_fit):
    fit = example_fit("hierarchical_uranium", uranium=True)
    posterior = fit.tree["posterior"].to_dataset()
    fit.tree["posterior"] = posterior.assign(delta_alpha=xr.full_like(posterior["sigma"], 2.4))
    # Shares 2/4, 1/3, 0 and 0: mean 5/24.
    assert line(fit, "alpha", np.zeros(1)).mean() == pytest.approx(1.4 + 0.5)


def test_estimates_are_by_rising_uranium(example_fit):
    fit = example_fit("hierarchical_uranium", uranium=True)
    constants = fit.tree["constant_data"].to_dataset()
    constants["log_uranium"] = constants["log_uranium"] * -1
    fit.tree["constant_data"] = constants
    table = estimates(fit, "beta")
    assert table["county"].tolist() == ["MAHNOMEN", "CASS", "ANOKA", "AITKIN"]
    assert table["identified"].tolist() == [False, False, True, True]
    # -0.5 + 0.2 * (-1.2, ..., 1.2), every value twice: the 5% quantile is the second smallest.
    assert table.loc[3, ["q5", "q50", "q95"]].tolist() == pytest.approx([-0.72, -0.5, -0.28])
