"""Figures of decisions, from tables of a study whose draws are known."""

import pandas as pd
import pytest
from conftest import build_fit
from decided import represented, spread_out

from pooling.figures import action_map, action_regions, after_test, policies
from pooling.figures._drawing import save
from pooling.figures._theme import ACTION_WORDS
from pooling.inputs.decision import Decision
from pooling.inputs.study import Figures
from pooling.reporting.decisions import make_tables

DECISION = Decision()
STUDY = """\
title = "Example"
[data]
states = ["MN"]
counties = "counties.csv"
[priors]
[sampler]
seed = 1
"""
CLOSE_CALL = {"loss_nothing": 100.0, "loss_measure": 100.5, "loss_remedy": 200.0}


@pytest.fixture(scope="module")
def fit():
    return spread_out(build_fit(counties=12), draws=100)


@pytest.fixture(scope="module")
def tables(fit):
    return make_tables(fit, DECISION, represented(fit))


def drawn(module, frame, tmp_path):
    """The bytes of the picture of a figure, drawn twice."""
    files = [tmp_path / f"{number}.svg" for number in (1, 2)]
    for file in files:
        save(module.plot(frame), [file], module.__doc__)
    assert files[0].read_bytes() == files[1].read_bytes()
    return files[0].read_text()


def test_map_of_actions(fit, tables, tmp_path):
    rows = [f"{code},MN,C{code},-9{code % 7},4{code % 5}" for code in fit.counties["county_fips"]]
    (tmp_path / "counties.csv").write_text("county_fips,state,county,lon,lat\n" + "\n".join(rows))
    (tmp_path / "example.toml").write_text(STUDY)
    decisions = tables["decisions"].reset_index(drop=True)
    decisions.loc[0, [*CLOSE_CALL]] = [*CLOSE_CALL.values()]
    frame = action_map.frame([fit], Figures(), decisions, str(tmp_path / "example.toml"))
    shown = frame[frame["kind"] == "point"]
    assert len(shown) == 24
    own = decisions.set_index(["county_fips", "floor"])["action"].map(ACTION_WORDS)
    places = pd.MultiIndex.from_frame(shown[["county_fips", "panel"]])
    assert shown["action"].tolist() == own.loc[places].tolist()
    first = (decisions.loc[0, "county_fips"], decisions.loc[0, "floor"])
    assert first in places[shown["close"].astype(bool)]
    assert drawn(action_map, frame, tmp_path).startswith("<?xml")


def test_regions_of_actions(fit, tables, tmp_path):
    wanted = [tables[name] for name in action_regions.TABLES]
    frame = action_regions.frame([fit], Figures(), *wanted)
    counties = frame[frame["kind"] == "county"]
    assert len(counties) == 24
    assert counties["action_level"].eq(4).all()
    # Where predictions are as wide as the lines assume, a point is in the region of its action.
    lines = frame[(frame["kind"] == "line") & frame["action_level"].between(3.9, 4.1)]
    near = lines.groupby("floor", observed=True)[["measure_from", "remedy_from"]].mean()
    for row in counties.itertuples():
        if row.median < 0.9 * near.loc[row.floor, "measure_from"]:
            assert row.action == "nothing"
        elif row.median > 1.1 * near.loc[row.floor, "remedy_from"]:
            assert row.action == "remedy"
    assert drawn(action_regions, frame, tmp_path)


def test_policies_are_named_and_counted(fit, tables, tmp_path):
    frame = policies.frame([fit], Figures(), tables["decisions"], tables["policies"])
    assert set(frame["policy"]) == {*policies.NAMES.values()}
    own = tables["policies"].query("policy == 'ours' and chosen")
    row = frame[(frame["policy"] == "recommended") & frame["chosen"]]
    assert row["cost"].item() == pytest.approx(own["cost"].item() / 1e6)
    text = drawn(policies, frame, tmp_path)
    assert "<?xml" in text
    unweighted = policies.plot(frame.assign(weighted=False))
    assert "which has no weights" in " ".join(unweighted.labels.caption.split())


def test_losses_after_a_test_by_action(fit, tables, tmp_path):
    frame = after_test.frame([fit], Figures(), tables["decisions"], tables["readings"])
    assert frame["action"].value_counts().to_dict() == {"do nothing": 80, "remedy now": 80}
    nothing = frame[frame["action"] == "do nothing"]
    assert nothing["loss"].tolist() == tables["readings"]["loss_nothing"].tolist()
    assert drawn(after_test, frame, tmp_path)
    without = after_test.plot(frame.assign(limit=float("nan")))
    assert "No result justifies a remedy" in without.labels.caption
