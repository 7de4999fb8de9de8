"""A reader sees the old content or the new."""

import os

import pytest

from pooling.build.files import replacing, write_if_changed


def test_replacing_shows_nothing_before_the_end(tmp_path):
    target = tmp_path / "new" / "folder" / "table.csv"
    with replacing(target) as draft:
        assert draft.parent == target.parent
        assert draft.suffix == ".csv"
        draft.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_replacing_keeps_the_old_content_after_an_error(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(target) as draft:
        draft.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_replacing_needs_something_written(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "table.csv"):
        pass


def test_two_writers_do_not_share_a_draft(tmp_path):
    with replacing(tmp_path / "a.csv") as one, replacing(tmp_path / "a.csv") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a.csv").read_text() == "one", "the last to finish"


def test_unchanged_text_keeps_its_time(tmp_path):
    target = tmp_path / "section.json"
    assert write_if_changed(target, "é\n")
    os.utime(target, ns=(1, 1))
    assert not write_if_changed(target, "é\n")
    assert target.stat().st_mtime_ns == 1
    assert write_if_changed(target, "e\n")
    assert target.read_text(encoding="utf-8") == "e\n"
    assert target.stat().st_mtime_ns > 1
