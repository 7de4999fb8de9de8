import numpy as np
import pytest

from pooling.drawing import save
from pooling.errors import NothingToShow
from pooling.figures.loo_pit import frame, loo_pit, plot, remarks
from pooling.study import Figures

COLUMNS = ["study", "model", "label", "pit", "difference", "low", "high", "outside", "houses"]


def replicate(fit, below):
    """Make the share `below` of each house's replications less than the house has."""
    y = fit.tree["observed_data"]["log_radon"]
    replicated = fit.tree["posterior_predictive"].to_dataset()["y_rep"]
    first = np.arange(25)[:, None] < 25 * np.asarray(below)
    values = np.where(first, y.values - 1, y.values + 1)
    made = replicated.copy(data=np.broadcast_to(values, replicated.shape))
    fit.tree["posterior_predictive"] = made.to_dataset(name="y_rep")
    return distinct(fit)


def distinct(fit):
    """Nearly equal weights; equal ones have no tail to smooth."""
    density = fit.tree["log_likelihood"].to_dataset()["log_lik"]
    values = np.random.default_rng(1).normal(0, 1e-4, density.shape)
    fit.tree["log_likelihood"] = density.copy(data=values).to_dataset(name="log_lik")
    return fit


def test_values_are_the_share_of_replications_below_the_house(example_fit):
    below = np.arange(10) / 10
    values = loo_pit(replicate(example_fit(), below), np.arange(10))
    # Of 25 draws, 0, 3, 5, 8, 10, ... are first: the next whole number.
    assert values == pytest.approx(np.ceil(25 * below) / 25, abs=1e-3)
    assert loo_pit(replicate(example_fit(), below), np.array([2, 4])) == pytest.approx(
        [0.2, 0.4], abs=1e-3
    )


def test_a_model_that_expects_too_much_is_above_the_band(example_fit):
    rows = frame([replicate(example_fit(), np.zeros(10))], Figures())
    assert list(rows.columns) == COLUMNS
    # All values are 0: the share is 1 everywhere.
    assert (rows["difference"] + rows["pit"]).tolist() == pytest.approx([1.0] * 9)
    assert rows["outside"].iloc[0] > 0.5
    assert "outside" in remarks(rows)["said"].iloc[0]


def test_an_even_model_is_inside(example_fit):
    rows = frame([replicate(example_fit(), np.arange(10) / 10 + 0.05)], Figures())
    assert rows["outside"].iloc[0] == 0
    assert remarks(rows)["said"].tolist() == ["inside"]
    assert (rows["low"] < 0).all()
    assert (rows["high"] > 0).all()


def test_without_replications_there_is_nothing_to_show(example_fit):
    with pytest.raises(NothingToShow, match=r"sampler\.pointwise = true"):
        frame([example_fit(pointwise=False)], Figures())


@pytest.mark.parametrize("counties", [1, 4, 900])
def test_draws_unconverged_and_several_models(example_fit, tmp_path, counties):
    fits = [
        distinct(example_fit(name, converged=False, counties=counties))
        for name in ("pooled", "foo")
    ]
    rows = frame(fits, Figures())
    # Four houses in one county, 10 in four, 2250 in 900.
    assert rows["houses"].iloc[0] == {1: 4, 4: 10, 900: 2000}[counties]
    target = tmp_path / "pit.png"
    save(plot(rows), [target], "Title\n\nText.")
    assert target.stat().st_size > 5000
