from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import save
from pooling.figures.pareto_k import frame, plot, remarks
from pooling.inputs.study import Figures

COLUMNS = ["study", "model", "label", "house", "county", "houses", "pareto_k", "failing"]
K = (0.1, -0.3, 0.7, 0.71, np.nan, 3.0, 0.0, 0.2, 0.3, 0.4)


def left_out(fit):
    houses = fit.houses["house"]
    return replace(fit, loo=pd.DataFrame({"house": houses, "pareto_k": np.resize(K, len(houses))}))


def test_houses_carry_the_size_of_their_county(example_fit):
    rows = frame([left_out(example_fit())], Figures())
    assert list(rows.columns) == COLUMNS
    assert rows["house"].tolist() == list(range(5081, 5091))
    assert rows["houses"].tolist() == [4, 4, 4, 4, 3, 3, 3, 2, 2, 1]
    assert rows["pareto_k"].tolist()[:4] == [0.1, -0.3, 0.7, 0.71]


def test_a_house_fails_above_the_line_and_without_a_value(example_fit):
    rows = frame([left_out(example_fit())], Figures())
    assert rows.index[rows["failing"]].tolist() == [3, 4, 5]
    assert remarks(rows.assign(x=1.0), rows)["said"].tolist() == ["3 of 10 above"]


def test_values_beyond_the_panel_are_marked_at_its_edge(example_fit):
    drawn = plot(frame([left_out(example_fit())], Figures()))
    assert drawn.data["place"].tolist()[3:6] == ["inside", "above", "above"]
    assert drawn.data["pareto_k"].max() == 1.2


def test_models_without_left_out_houses_are_not_shown(example_fit):
    rows = frame([example_fit("pooled"), left_out(example_fit())], Figures())
    assert set(rows["model"]) == {"hierarchical_noncentered"}
    with pytest.raises(NothingToShow, match=r"scores\.pointwise = true"):
        frame([example_fit("pooled")], Figures())


@pytest.mark.parametrize("counties", [1, 4, 1600])
def test_many_houses_are_thinned_but_not_those_that_fail(example_fit, tmp_path, counties):
    fits = [left_out(example_fit(name, converged=False, counties=counties)) for name in "ab"]
    rows = frame(fits, Figures())
    drawn = plot(rows)
    target = tmp_path / "pareto.png"
    save(drawn, [target], "Title\n\nText.")
    assert target.stat().st_size > 5000
    assert drawn.data["failing"].sum() == rows["failing"].sum()
    assert (len(drawn.data) < len(rows)) == (counties == 1600)
