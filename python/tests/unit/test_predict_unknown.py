"""Counties that are not in the study, as they are predicted: one in each state, by turns."""

from types import SimpleNamespace

import numpy as np
from programs import ROOT, tiny_data

from pooling.fitting.generate import to_predict
from pooling.reporting import predict
from pooling.reporting.predict import with_unknown_counties


def test_unknown_counties_have_mean_predictors_one_in_each_state():
    data = tiny_data()
    extended = with_unknown_counties(data)
    assert extended["J"] == 7
    assert extended["state"] == [1, 1, 1, 2, 2, 1, 2]
    # Means of -0.7, 0.1, -0.3, 0.4, 0.0 and of 0.5, 0.5, 1.0, 0.0, 0.0.
    np.testing.assert_allclose(extended["log_uranium"][5:], [-0.1, -0.1])
    np.testing.assert_allclose(extended["first_floor_share"][5:], [0.4, 0.4])
    assert data["J"] == 5, "and the study's own data stay as they are"
    without = {name: value for name, value in data.items() if name not in ("S", "state")}
    assert with_unknown_counties(without)["J"] == 6


def test_draws_of_an_unknown_county_are_of_each_state_by_turns(monkeypatch):
    # Counties 6 and 7 are the unknown ones of states 1 and 2: their levels are 6 and 7.
    by_county = np.broadcast_to(np.arange(1.0, 8), (2, 3, 7))
    drawn = {"alpha": by_county, "beta": 0 * by_county, "sigma": by_county}

    def generated(program, data, parameters, seed):
        county = np.array(data["county_new"], float)
        return dict.fromkeys(("log_lik", "y_rep"), np.broadcast_to(county, (2, 3, county.size)))

    monkeypatch.setattr(predict, "generate", generated)
    fit, asked = SimpleNamespace(parameters=["alpha"]), to_predict([0, 0, 0], [0, 1, 0])
    extended = with_unknown_counties(tiny_data())
    level, draws = predict.outside(fit, ROOT, extended, drawn, asked, seed=1)
    turns = np.repeat([[6.0], [7], [6], [7], [6], [7]], 3, axis=1)
    for values in (level, draws["log_lik"], draws["y_rep"], draws["sd"]):
        np.testing.assert_array_equal(values, turns)
