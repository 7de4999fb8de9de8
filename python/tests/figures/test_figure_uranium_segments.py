import pytest

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import save
from pooling.figures.uranium_segments import counterpart, frame, plot
from pooling.inputs.study import Figures

COLUMNS = [
    *("study", "model", "label", "counterpart", "effect", "panel", "county", "houses"),
    *("log_uranium", "without", "with", "soil"),
]


@pytest.fixture
def fits(example_fit):
    """A model with uranium, whose levels are all half a unit higher, and its counterparts."""
    names = ("pooled", "hierarchical_centered", "hierarchical_noncentered", "hierarchical_uranium")
    made = [example_fit(n, uranium=True, converged="_centered" not in n) for n in names]
    posterior = made[-1].tree["posterior"].to_dataset()
    made[-1].tree["posterior"] = posterior.assign(alpha=posterior["alpha"] + 0.5)
    return made


def test_segments_go_from_the_model_without_to_the_one_with_uranium(fits):
    rows = frame(fits, Figures())
    assert list(rows.columns) == COLUMNS
    assert set(rows["counterpart"]) == {"hierarchical_noncentered"}
    level = rows[rows["effect"] == "intercept (basement)"].set_index("county")
    assert level["without"].to_dict() == pytest.approx(
        {"AITKIN": 1.3, "ANOKA": 1.6, "CASS": 1.4, "MAHNOMEN": 1.2}
    )
    assert (level["with"] - level["without"]).tolist() == pytest.approx([0.5] * 4)
    # 1.4 + 0.5 * (-0.4, -0.1, 0.2, 0.5)
    assert level["soil"].tolist() == pytest.approx([1.2, 1.35, 1.5, 1.65])


def test_counterpart_varies_slopes_has_converged_and_a_similar_name(fits, example_fit):
    fit = fits[-1]
    alone = example_fit("varying_intercept_centered", uranium=True)
    alone.tree["posterior"] = alone.tree["posterior"].to_dataset().drop_vars("sigma_beta")
    assert counterpart(fit, [alone, fits[1]]).model == "hierarchical_centered"
    assert counterpart(fit, fits).model == "hierarchical_noncentered"
    other = example_fit("foo", uranium=True)
    assert counterpart(fit, [other, fits[2]]).model == "hierarchical_noncentered"


def test_without_a_counterpart_there_is_nothing_to_show(fits):
    with pytest.raises(NothingToShow, match="without uranium to compare with hierarchical_uranium"):
        frame([fits[0], fits[-1]], Figures())


@pytest.mark.parametrize("counties", [1, 4, 500])
def test_draws_any_number_of_counties(example_fit, tmp_path, counties):
    made = [
        example_fit(name, uranium=True, converged=False, counties=counties)
        for name in ("hierarchical_centered", "hierarchical_uranium", "foo_uranium")
    ]
    drawn = plot(frame(made, Figures()))
    target = tmp_path / "segments.png"
    save(drawn, [target], "Title\n\nText.")
    assert target.stat().st_size > 5000
    caption = drawn.labels.caption.replace("\n", " ")
    assert ("300 of 500 counties" in caption) == (counties == 500)
