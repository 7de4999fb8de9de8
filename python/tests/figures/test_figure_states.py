import numpy as np
import pytest
import xarray as xr

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import save
from pooling.figures.states import frame, plot
from pooling.inputs.study import Figures

COLUMNS = [
    *("study", "unit", "model", "label", "effect", "kind", "name", "state", "counties", "houses"),
    *("mean", "q5", "q25", "q75", "q95", "row"),
]
LEVELS = {"MN": 1.5, "ND": 1.9}
FLOORS = {"MN": -0.5, "ND": -0.7}


@pytest.fixture
def of_states(example_fit):
    """Factory of fits of two states, whose 50 draws are 0.98 below to 0.98 above these means."""

    def make(model="hierarchical_states", **options):
        fit = example_fit(model, states=tuple(LEVELS), **options)
        steps = np.linspace(-0.98, 0.98, 50).reshape(2, 25, 1)
        effects = {
            name: xr.DataArray(
                steps + np.array([*means.values()]),
                dims=("chain", "draw", "state"),
                coords={"state": [*means]},
            )
            for name, means in (("mu_alpha_state", LEVELS), ("mu_beta_state", FLOORS))
        }
        fit.tree["posterior"] = fit.tree["posterior"].to_dataset().assign(effects)
        return fit

    return make


def test_states_have_means_and_intervals_and_an_order(of_states):
    rows = frame([of_states()], Figures())
    assert list(rows.columns) == COLUMNS
    states = rows[rows["kind"] == "state"].set_index(["effect", "state"])
    assert states["mean"].loc["level"].to_dict() == pytest.approx(LEVELS)
    assert states["mean"].loc["floor"].to_dict() == pytest.approx(FLOORS)
    # Steps are 0.04 apart: the quartiles are 12.25 steps from either end.
    assert states.loc[("level", "MN"), "q25":"q75"].tolist() == pytest.approx([1.01, 1.99])
    assert states.loc[("level", "MN"), "q5":"q95":3].tolist() == pytest.approx([0.618, 2.382])
    # AITKIN and CASS in MN, ANOKA and MAHNOMEN in ND.
    assert states.loc["level", ["row", "counties", "houses"]].to_numpy().tolist() == [
        [0, 2, 6],
        [1, 2, 4],
    ]


def test_counties_stand_in_the_row_of_their_state(of_states):
    rows = frame([of_states()], Figures())
    floors = rows[(rows["kind"] == "county") & (rows["effect"] == "floor")].set_index("name")
    assert floors["row"].to_dict() == {"AITKIN": 0, "ANOKA": 1, "CASS": 0, "MAHNOMEN": 1}
    assert floors["mean"].tolist() == pytest.approx([-0.5, -0.2, -0.4, -0.4])
    assert floors[["q5", "q95"]].isna().all(axis=None)


def test_a_typical_basement_is_in_pci(of_states):
    fit = of_states()
    # Draws of one value: exp(1.5) - 0.1 = 4.3817.
    same = fit.tree["posterior"].to_dataset()
    same["mu_alpha_state"] = same["mu_alpha_state"] * 0 + 1.5
    fit.tree["posterior"] = same
    rows = frame([fit], Figures()).query("effect == 'typical' and kind == 'state'")
    assert rows[["mean", "q5", "q95"]].to_numpy() == pytest.approx(
        np.full((2, 3), 4.3817), abs=1e-4
    )


def test_the_line_is_the_mean_of_all_states(of_states):
    whole = frame([of_states()], Figures()).query("kind == 'all'").set_index("effect")["mean"]
    assert whole.loc[["level", "floor"]].tolist() == pytest.approx([1.4, -0.4])


def test_without_states_there_is_nothing_to_show(example_fit):
    with pytest.raises(NothingToShow, match="hierarchical_states"):
        frame([example_fit()], Figures())


@pytest.mark.parametrize("counties", [2, 60])
def test_draws_one_and_several_models(of_states, example_fit, tmp_path, counties):
    one = of_states(counties=counties)
    fits = [one, of_states("hierarchical_states_two", converged=False, counties=counties)]
    for number, shown in enumerate([[one, example_fit(counties=counties)], fits]):
        target = tmp_path / f"{number}.png"
        save(plot(frame(shown, Figures())), [target], "Title\n\nText.")
        assert target.stat().st_size > 5000
