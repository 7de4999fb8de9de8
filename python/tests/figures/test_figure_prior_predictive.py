import numpy as np
import pytest

from pooling.figures._drawing import save
from pooling.figures.prior_predictive import frame, plot, remarks
from pooling.inputs.study import Figures

COLUMNS = [
    *("study", "unit", "model", "label", "floor", "activity", "share", "below", "above"),
    *("divergences", "observed_low", "observed_high"),
]


def with_prior(fit, basement, first_floor):
    """`fit` whose prior draws are these activities (pCi/L), one a floor."""
    floor = fit.tree["constant_data"]["floor_measure"].values
    values = fit.tree["prior_predictive"]["y_rep"].copy()
    values[:] = np.log(np.where(floor == 1, first_floor, basement) + 0.1)
    fit.tree["prior_predictive"]["y_rep"] = values
    return fit


def test_shares_by_floor_and_beyond_the_axis(example_fit):
    rows = frame([with_prior(example_fit(), 5.0, 1e9)], Figures())
    assert list(rows.columns) == COLUMNS
    cellar, upstairs = (rows[rows["floor"] == name] for name in ("basement", "first floor"))
    # Quarters of a decade from 1 to a million; 5 is in the third, 10 ** 0.5 to 10 ** 0.75.
    assert len(cellar) == 24
    assert cellar["activity"].iloc[2] == pytest.approx(10**0.625)
    assert cellar["share"].tolist() == [0, 0, 1] + [0] * 21
    assert upstairs["share"].sum() == 0
    assert (set(cellar["above"]), set(upstairs["above"])) == ({0.0}, {1.0})
    # exp(0.5) - 0.1 and exp(2.1) - 0.1
    assert rows["observed_low"].iloc[0] == pytest.approx(1.548721, abs=1e-6)
    assert rows["observed_high"].iloc[0] == pytest.approx(8.066170, abs=1e-6)


def test_shares_and_what_is_beyond_sum_to_one(example_fit):
    rows = frame([example_fit(), example_fit("per_county")], Figures())
    for _, part in rows.groupby(["model", "floor"]):
        assert part["share"].sum() + part["below"].iloc[0] + part["above"].iloc[0] == pytest.approx(
            1
        )


@pytest.mark.parametrize("level", [0.0, np.inf])
def test_priors_beyond_every_number_are_told_at_the_edge(example_fit, tmp_path, level):
    rows = frame([with_prior(example_fit(), level, level)], Figures())
    end = "above" if level else "below"
    assert set(rows[end]) == {1.0}
    figure = plot(rows)
    said = remarks(rows)
    assert all("100.0%" in text for text in said["said"])
    save(figure, [tmp_path / "edge.png"], "Title\n\nText.")


def test_a_prior_that_was_sampled_badly_is_named(example_fit):
    fit = example_fit("hierarchical_centered")
    assert "do not trust" not in plot(frame([fit], Figures())).labels.caption
    flags = fit.tree["sample_stats_prior"]["diverging"].copy()
    flags[0, :3] = True
    fit.tree["sample_stats_prior"]["diverging"] = flags
    caption = plot(frame([fit], Figures())).labels.caption.replace("\n", " ")
    assert "hierarchical_centered have 3 divergent transitions: do not trust" in caption


@pytest.mark.parametrize("counties", [1, 4])
def test_draws_unconverged_and_single_models(example_fit, tmp_path, counties):
    one = example_fit(converged=False, counties=counties)
    for number, fits in enumerate([[one], [one, example_fit("pooled", counties=counties)]]):
        rows = frame(fits, Figures())
        assert "hierarchical_noncentered (not converged)" in set(rows["label"])
        target = tmp_path / f"{number}.png"
        save(plot(rows), [target], "Title\n\nText.")
        assert target.stat().st_size > 5000
