import numpy as np
import pytest

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import save
from pooling.figures.ppc_density import frame, plot, remarks
from pooling.inputs.study import Figures

COLUMNS = [
    *("study", "model", "label", "replication", "log_radon", "density", "below", "above"),
]


def test_frame_holds_the_observed_and_fifty_replicated_data_sets(example_fit):
    rows = frame([example_fit("pooled")], Figures())
    assert list(rows.columns) == COLUMNS
    assert rows["replication"].agg(["min", "max"]).tolist() == [-1, 49]
    # Observed from 0.5 to 2.1, and a margin of half a unit, more than a quarter of that range.
    assert rows["log_radon"].agg(["min", "max"]).tolist() == pytest.approx([0.0, 2.6])
    # 1.4 +- 0.12 in the basement, 1.0 +- 0.36 upstairs, half a unit up or down: all inside.
    assert rows[["below", "above"]].to_numpy().max() == 0


def test_houses_beyond_the_panel_are_counted_and_said(example_fit):
    fit = example_fit()
    values = fit.tree["posterior_predictive"]["y_rep"].copy()
    values[:, ::2] = 10.0
    fit.tree["posterior_predictive"]["y_rep"] = values
    rows = frame([fit], Figures())
    # Draws 0, 2, ..., 24 of 25.
    assert set(rows["above"]) == {13 / 25}
    said = remarks(rows)
    assert "52.0% \u25b8" in set(said["said"])


def test_replications_are_evenly_spaced_over_every_chain(example_fit):
    fit = example_fit()
    every = fit.replications("posterior_predictive", 1000)
    assert len(every) == 50
    few = fit.replications("posterior_predictive", 10)
    assert np.array_equal(few, every[::5])


def test_a_fit_without_replications_has_nothing_to_show(example_fit):
    with pytest.raises(NothingToShow, match=r"scores\.pointwise = true"):
        frame([example_fit(pointwise=False)], Figures())


@pytest.mark.parametrize("counties", [1, 4])
def test_draws_unconverged_and_single_models(example_fit, tmp_path, counties):
    one = example_fit(converged=False, counties=counties)
    for number, fits in enumerate([[one], [one, example_fit("pooled", counties=counties)]]):
        rows = frame(fits, Figures())
        assert "hierarchical_noncentered (not converged)" in set(rows["label"])
        target = tmp_path / f"{number}.png"
        save(plot(rows), [target], "Title\n\nText.")
        assert target.stat().st_size > 5000
