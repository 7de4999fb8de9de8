import pytest

from pooling.build.errors import NothingToShow, StudyError
from pooling.figures._drawing import save
from pooling.figures.funnel import county_draws, frame, plot
from pooling.inputs.study import Figures

CENTERED, NONCENTERED = "hierarchical_centered", "hierarchical_noncentered"
COLUMNS = [
    *("study", "model", "label", "county", "houses", "first_floor_houses"),
    *("beta", "sigma_beta", "divergent", "divergences", "draws"),
]


def test_draws_of_the_smallest_county_by_default(example_fit):
    fit = example_fit(diverging=(3, 4))
    rows = frame([example_fit("pooled"), fit, example_fit("per_county")], Figures())
    assert list(rows.columns) == COLUMNS
    assert set(rows["model"]) == {"hierarchical_noncentered"}
    assert set(rows["county"]) == {"MAHNOMEN"}
    assert (rows["houses"].iloc[0], rows["first_floor_houses"].iloc[0]) == (1, 0)
    # -0.4 +- 0.2 * 1.2 and 1.6 +- 0.5 * 1.2
    assert rows["beta"].agg(["min", "max"]).tolist() == pytest.approx([-0.64, -0.16])
    assert rows["sigma_beta"].agg(["min", "max"]).tolist() == pytest.approx([1.0, 2.2])
    assert rows["divergent"].sum() == 2
    assert set(rows["divergences"]) == {2}
    assert set(rows["draws"]) == {50}


def test_slope_and_spread_are_of_the_same_draw(example_fit):
    fit = example_fit()
    rows = frame([fit], Figures(funnel=27005))
    assert set(rows["county"]) == {"CASS"}
    posterior = fit.tree["posterior"].to_dataset()
    last = posterior.isel(chain=-1, draw=-1).sel(county=27005)
    assert rows["beta"].iloc[-1] == last["beta"].item()
    assert rows["sigma_beta"].iloc[-1] == last["sigma_beta"].item()


def test_thinning_keeps_every_divergent_draw(example_fit):
    fit = example_fit(diverging=(1, 2))
    rows = county_draws(fit, fit.counties.iloc[3], 10)
    # Every fifth of 50 draws, and the draws 1 and 2.
    assert len(rows) == 12
    assert rows["divergent"].sum() == 2


def test_a_study_without_such_a_county_or_model_is_refused(example_fit):
    with pytest.raises(StudyError, match=r"figures\.funnel.*example has no county 55001"):
        frame([example_fit()], Figures(funnel=55001))
    with pytest.raises(NothingToShow, match="pooled, per_county has none"):
        frame([example_fit("pooled"), example_fit("per_county")], Figures())


def test_the_centered_program_stands_beside_its_non_centered_twin(example_fit):
    names = ("hierarchical_uranium", NONCENTERED, "hierarchical_marginal", CENTERED)
    rows = frame([example_fit(name, converged=name != CENTERED) for name in names], Figures())
    assert list(rows["label"].cat.categories) == [f"{CENTERED} (not converged)", NONCENTERED]


def test_without_twins_there_is_one_panel(example_fit):
    rows = frame([example_fit(name) for name in ("hierarchical_uranium", NONCENTERED)], Figures())
    assert list(rows["label"].cat.categories) == [NONCENTERED]


@pytest.mark.parametrize("models", [[CENTERED], [CENTERED, NONCENTERED]])
def test_draws_one_panel_or_two(example_fit, tmp_path, models):
    fits = [example_fit(name, converged=False, diverging=(3,)) for name in models]
    target = tmp_path / "funnel.png"
    save(plot(frame(fits, Figures())), [target], "Title\n\nText.")
    assert target.stat().st_size > 5000
