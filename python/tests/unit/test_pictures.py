"""Figures as the report shows them: which file, and what is no figure."""

import pytest
from report_pages import write_figure

from pooling.build.errors import DataError
from pooling.reporting import pictures


def test_a_large_drawing_is_shown_by_its_smaller_png(tmp_path, monkeypatch):
    path = write_figure(tmp_path / "trace.svg", "TRACE")
    path.with_suffix(".png").write_bytes(b"png")
    found = pictures.read_picture(path, tmp_path)
    assert found.shown == "trace.svg"
    assert found.files == {"SVG": "trace.svg", "PNG": "trace.png"}
    monkeypatch.setattr(pictures, "LARGE", 10)
    assert pictures.read_picture(path, tmp_path).shown == "trace.png"


def test_a_broken_figure_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "trace.svg"
    path.write_text("<svg")
    with pytest.raises(DataError, match=r"trace\.svg: not a figure"):
        pictures.read_picture(path, tmp_path)


def test_a_figure_without_size_is_an_error(tmp_path):
    path = tmp_path / "trace.svg"
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="1px"/>')
    with pytest.raises(DataError, match=r"trace\.svg: not a figure"):
        pictures.read_picture(path, tmp_path)
