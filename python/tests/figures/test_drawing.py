from importlib import import_module
from pkgutil import iter_modules

import pandas as pd
import pytest
from plotnine import aes, geom_line, geom_point, ggplot, labs
from programs import ROOT

from pooling import figures
from pooling.build.errors import NothingToShow
from pooling.figures._drawing import described, draw, save, shortened
from pooling.fits.store import write_fit
from pooling.inputs.study import Figures

ABOUT = "A line that rises.\n\nTwo points,\nthe second higher.\n"

NAMES = [module.name for module in iter_modules(figures.__path__)]
DRAWN = [name for name in NAMES if not name.startswith(("_", "sbc"))]


def figure():
    points = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 2.0]})
    return ggplot(points, aes("x", "y")) + geom_line(raster=True) + geom_point()


@pytest.mark.parametrize("drawn", [figure(), figure() | figure()], ids=["one", "composition"])
def test_saving_twice_gives_the_same_bytes(drawn, tmp_path):
    first = [tmp_path / "1.svg", tmp_path / "1.png"]
    second = [tmp_path / "2.svg", tmp_path / "2.png"]
    save(drawn, first, ABOUT)
    save(drawn, second, ABOUT)
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png", "1.svg", "2.png", "2.svg"]


def test_a_figure_carries_its_description_but_no_date(tmp_path):
    save(figure(), [tmp_path / "a.svg", tmp_path / "a.png"], ABOUT)
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "<dc:title>A line that rises.</dc:title>" in text
    assert "<dc:description>Two points, the second higher.</dc:description>" in text
    assert "<dc:date>" not in text
    assert b"A line that rises." in (tmp_path / "a.png").read_bytes()


def test_places_in_an_svg_are_to_a_hundredth_and_nothing_else_is_shortened():
    kept = 'height="7.123456" transform="scale(0.015625)" id="d.123456"'
    long = f'<path d="M 1.239999 -2.5 \nL 3 0.004999 " x="10.987654" y="-0.127" {kept}/>'
    assert shortened(long) == f'<path d="M 1.23 -2.5 \nL 3 0.00 " x="10.98" y="-0.12" {kept}/>'


def test_the_size_in_pixels_is_inches_by_resolution(tmp_path):
    from matplotlib.image import imread
    from plotnine import theme

    save(figure() + theme(figure_size=(3, 2)), [tmp_path / "a.png"], ABOUT)
    assert imread(tmp_path / "a.png").shape[:2] == (2 * 144, 3 * 144)


def frame(fits, figures, which="first"):
    return pd.DataFrame(
        {"x": [len(fits)], "y": [figures.lines[0]], "which": which, "label": fits[0].label}
    )


def plot(frame):
    return ggplot(frame, aes("x", "y")) + geom_point() + labs(title=str(frame.iloc[0].tolist()))


def test_draw_reads_fits_section_and_options(example_fit, tmp_path, monkeypatch):
    folders = [tmp_path / model for model in ("pooled", "per_county")]
    for folder in folders:
        write_fit(example_fit(folder.name).tree, folder / "fit.nc")
    section = tmp_path / "figures.json"
    section.write_text('{"lines": [27001], "panels": [], "funnel": null}', encoding="utf-8")
    seen = []
    outputs = ["-o", str(tmp_path / "a.svg"), "--which", "second"]
    monkeypatch.setattr("sys.argv", ["figure", str(section), *map(str, folders), *outputs])
    draw(ABOUT, frame, lambda table: seen.append(table) or plot(table), which="first")
    assert seen[0].iloc[0].tolist() == [2, 27001, "second", "pooled (not converged)"]
    assert (tmp_path / "a.svg").is_file()


def test_a_figure_without_a_place_says_so_and_why(example_fit, tmp_path, monkeypatch):
    def nothing(fits, figures):
        raise NothingToShow("the study has no states")

    write_fit(example_fit().tree, tmp_path / "fit" / "fit.nc")
    (tmp_path / "figures.json").write_text("{}", encoding="utf-8")
    places = [tmp_path / name for name in ("figures.json", "fit", "a.svg")]
    arguments = [str(places[0]), str(places[1]), "-o", str(places[2])]
    monkeypatch.setattr("sys.argv", ["figure", *arguments])
    draw(ABOUT, nothing, plot)
    text = places[2].read_text(encoding="utf-8")
    model = "hierarchical_noncentered (not converged)"
    assert f"<dc:title>Nothing to show: A line that rises ({model}).</dc:title>" in text
    assert "<dc:description>the study has no states</dc:description>" in text


def test_draw_ends_with_one_message_where_a_fit_is_missing(tmp_path, monkeypatch):
    section = tmp_path / "figures.json"
    section.write_text("{}", encoding="utf-8")
    arguments = [str(section), str(tmp_path / "pooled"), "-o", str(tmp_path / "a.svg")]
    monkeypatch.setattr("sys.argv", ["figure", *arguments])
    with pytest.raises(SystemExit, match=r"error: .*no such fit"):
        draw(ABOUT, frame, plot)
    assert not (tmp_path / "a.svg").exists()


def test_draw_reads_the_tables_that_a_figure_names(example_fit, tmp_path, monkeypatch):
    write_fit(example_fit("pooled").tree, tmp_path / "fit.nc")
    (tmp_path / "figures.json").write_text("{}", encoding="utf-8")
    (tmp_path / "own.csv").write_text("county,value\nNA,\n", encoding="utf-8")
    seen = []

    def tabled(fits, figures, own):
        seen.append(own)
        return pd.DataFrame({"x": [0.0], "y": [1.0]})

    arguments = [str(tmp_path / "figures.json"), str(tmp_path), "-o", str(tmp_path / "a.svg")]
    for given in ("own.csv", "missing.csv"):
        monkeypatch.setattr("sys.argv", ["figure", *arguments, "--own", str(tmp_path / given)])
        if given == "missing.csv":
            with pytest.raises(SystemExit, match=r"missing\.csv: no such table; .*make tables"):
                draw(ABOUT, tabled, plot, tables=("own",))
        else:
            draw(ABOUT, tabled, plot, tables=("own",))
    # A county may be called NA: only an empty field is missing.
    assert seen[0]["county"].tolist() == ["NA"]
    assert seen[0]["value"].isna().all()


def test_the_title_of_a_figure_of_one_model_names_it(example_fit):
    pair = [example_fit("pooled"), example_fit("per_county")]
    assert described("A line.\n\nIt rises.\n", pair[:1]) == "A line (pooled).\n\nIt rises."
    assert described("A line.\n\nIt rises.\n", pair) == "A line.\n\nIt rises.\n"


BY_HOUSE = {"coverage", "loo_pit", "model_comparison", "pareto_k", "prior_predictive"}
BY_HOUSE |= {"ppc_county", "ppc_density", "ppc_stat"}


# Figures of decisions read tables, not densities by house; test_figures_of_decisions draws them.
OF_FITS = [n for n in DRAWN if figures.declared_figures()[n].chapter != "decisions"]


@pytest.mark.parametrize("name", OF_FITS)
def test_without_output_by_house_a_figure_has_a_frame_or_says_what_to_set(example_fit, name):
    twins = {"models": ["pooled"], "parameter": ["sigma"], "formula": ["y ~ floor"]}
    estimates = pd.DataFrame(twins | {"value": [0.8], "se": [float("nan")], "note": [float("nan")]})
    study = {"study": str(ROOT / "data/studies/minnesota.toml")}
    options = {"shrinkage": {"from_model": "pooled"}, "frequentist": {"frequentist": estimates}}
    options |= {"map": study, "map_draws": study}
    fits = [example_fit(model, pointwise=False) for model in ("pooled", "hierarchical_noncentered")]
    reason = None
    try:
        rows = import_module(f"pooling.figures.{name}").frame(
            fits, Figures(), **options.get(name, {})
        )
        assert len(rows)
    except NothingToShow as why:
        reason = str(why)
    # Others have nothing to show of these fits for other reasons: no uranium, one state.
    assert ("scores.pointwise = true" in (reason or "")) == (name in BY_HOUSE), reason
