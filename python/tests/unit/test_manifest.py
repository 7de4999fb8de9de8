"""Damage that make cannot see, and times that it would misread."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pooling.build.errors import StorageError
from pooling.build.files import digest, replacing, write_if_changed
from pooling.build.manifest import (
    Entry,
    bring_back,
    check,
    main,
    read_manifest,
    reconcile,
    repair,
    state,
    write_manifest,
)

HOUR = 3_600_000_000_000  # ns


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder that is the current one, where what is written is recorded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MANIFEST", ".build/manifest")
    return tmp_path


def made(folder, *names, run="1-1"):
    """Files as one run of a stage leaves them."""
    for name in names:
        path = folder / name
        with replacing(path) as draft:
            draft.write_text(f"content of {name}")
    manifest = folder / ".build/manifest"
    found = read_manifest(manifest)
    marked = {p: replace(s, run=run) if str(p) in names else s for p, s in found.items()}
    write_manifest(manifest, marked)


def look(folder, *sources):
    return reconcile(folder / ".build/manifest", [folder / source for source in sources])


def test_what_is_as_it_was_stays(here):
    made(here, "a.csv", "b.svg")
    before = {path: path.stat() for path in here.glob("*.*")}
    assert look(here) == []
    assert {path: path.stat() for path in before} == before


def test_same_content_gets_its_time_back(here):
    made(here, "a.csv", "b.svg")
    source = stamp(here / "households.csv", time.time_ns() - HOUR)
    look(here, "households.csv")
    before = {path: path.stat().st_mtime_ns for path in here.glob("*.*")}
    seen, manifest = (here / ".build/seen.json").read_text(), (here / ".build/manifest").read_text()
    for changed in (1, time.time_ns()):
        for path in (here / "a.csv", here / "b.svg", source):
            os.utime(path, ns=(changed, changed))
        assert look(here, "households.csv") == []
        assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (here / ".build/seen.json").read_text() == seen
    assert (here / ".build/manifest").read_text() == manifest


def test_edit_that_keeps_size_and_has_an_older_time_is_seen(here):
    source = stamp(here / "households.csv", time.time_ns() - HOUR)
    source.write_text("5081,2.2")
    made(here, "a.csv")
    look(here, "households.csv")
    source.write_text("5081,2.3")
    stamp(source, time.time_ns() - 2 * HOUR)
    made(here, "c.csv", run="2-2")
    assert look(here, "households.csv") == []
    assert newer(source, here / "c.csv")


def test_content_is_read_only_where_size_or_time_differ(here, monkeypatch):
    made(here, "a.csv", "b.csv")
    source = stamp(here / "households.csv", time.time_ns() - HOUR)
    look(here, "households.csv")
    read = []
    monkeypatch.setattr(
        "pooling.build.manifest.digest", lambda path: read.append(path) or digest(path)
    )
    assert look(here, "households.csv") == []
    assert read == []
    (here / "b.csv").touch()
    source.touch()
    look(here, "households.csv")
    assert read == [Path("b.csv"), source]
    (here / "a.csv").write_text("another size")
    with pytest.raises(StorageError):
        look(here, "households.csv")
    assert read == [Path("b.csv"), source]


def test_time_that_may_not_be_given_back_is_the_new_one(here, monkeypatch):
    made(here, "a.csv")
    later = (here / "a.csv").stat().st_mtime_ns - HOUR
    stamp(here / "a.csv", later)

    def refuse(path, **_):
        raise PermissionError(path)

    monkeypatch.setattr(os, "utime", refuse)
    assert look(here) == []
    assert read_manifest(here / ".build/manifest")[Path("a.csv")].state[1] == later


def test_what_tells_make_of_changes_stands_by_itself(here):
    sections = [here / f".build/trial/{name}.json" for name in ("data", "priors", "sampler")]
    for path in sections:
        write_if_changed(path, f"the section {path.stem}")
    before = {path: path.stat().st_mtime_ns for path in sections}
    for path in sections:
        path.touch()
    sections[0].write_text("")
    assert look(here) == [".build/trial/data.json: changed since make wrote it"]
    assert {path: path.stat().st_mtime_ns for path in sections[1:]} == {
        path: before[path] for path in sections[1:]
    }


def test_lines_of_an_earlier_kind_are_passed_over(here):
    (here / ".build").mkdir()
    (here / "a.csv").write_text("of an earlier version")
    (here / ".build/manifest").write_text("1-1 5 123456789 a.csv\n")
    assert look(here) == []
    (here / ".build/seen.json").write_text('{"households.csv": [5, 123456789]}')
    stamp(here / "households.csv", time.time_ns() - HOUR)
    assert look(here, "households.csv") == []
    assert (here / "a.csv").exists()


@pytest.mark.parametrize("time_kept", [True, False])
@pytest.mark.parametrize("content", ["", "content of A.csv", "content of a.csv and more"])
def test_damaged_file_stops_make_and_is_removed_by_repair_alone(here, content, time_kept):
    made(here, "a.csv", "b.csv")
    made(here, "c.csv", run="2-2")
    path = here / "a.csv"
    changed = path.stat().st_mtime_ns
    path.write_text(content)
    if time_kept:
        os.utime(path, ns=(changed, changed))
    message = "a.csv: changed since make wrote it"
    if not time_kept or len(content) != len("content of a.csv"):
        with pytest.raises(StorageError, match=f"{message}; run `make repair`, which removes"):
            look(here)
    assert check(here / ".build/manifest") == [message]
    assert path.read_text() == content
    assert repair(here / ".build/manifest") == [message]
    assert [path.name for path in here.glob("*.csv")] == ["c.csv"]
    assert check(here / ".build/manifest") == look(here) == []


def test_check_and_repair_say_what_they_found(here, capsys):
    made(here, "a.csv")
    main(["check", ".build/manifest"])
    assert capsys.readouterr().out.startswith("nothing is damaged")
    (here / "a.csv").write_text("")
    with pytest.raises(StorageError, match="1 damaged; run `make repair`, which removes"):
        main(["check", ".build/manifest"])
    assert capsys.readouterr().out == "damaged  a.csv: changed since make wrote it\n"
    main(["repair", ".build/manifest"])
    assert capsys.readouterr().out == "removed  a.csv: changed since make wrote it\n"


def test_whoever_is_killed_before_renaming_leaves_the_file_that_was_there(here):
    made(here, "a.csv", "b.csv")
    with (here / ".build/manifest").open("a") as log:
        log.write(f"2-2 3 4 {64 * '0'} a.csv\n")
    assert look(here) == check(here / ".build/manifest") == []
    assert (here / "a.csv").read_text() == "content of a.csv"


def test_deleted_file_takes_what_was_made_with_it(here):
    made(here, "models.csv", "scores.csv")
    (here / "models.csv").unlink()
    assert look(here) == ["models.csv: deleted since make wrote it"]
    assert not (here / "scores.csv").exists()


def test_what_was_deleted_altogether_is_forgotten(here):
    made(here, "a/models.csv", "a/scores.csv")
    for path in here.glob("a/*.csv"):
        path.unlink()
    (here / "a").rmdir()
    assert look(here) == []
    assert read_manifest(here / ".build/manifest") == {}


def test_the_last_maker_counts(here):
    made(here, "a.csv", "b.csv")
    made(here, "a.csv", run="2-2")
    (here / "b.csv").unlink()
    assert look(here) == []
    assert (here / "a.csv").exists(), "made by another run since"


def test_lines_that_were_cut_short_are_passed_over(here):
    made(here, "a.csv")
    with (here / ".build/manifest").open("ab") as log:
        log.write(b"77 12\n\xff\xff\n3-3 1x 2 b.csv\n4-4 5")
    assert look(here) == []
    assert (here / "a.csv").exists()


def test_file_of_nobody_stays(here):
    (here / "mine.csv").write_text("not made by a stage")
    made(here, "a.csv")
    assert look(here) == []
    assert (here / "mine.csv").exists()


def test_drafts_of_the_dead_go_and_those_of_the_living_stay(here):
    made(here, "a.csv")
    dead, alive = ".a.4194305-0123abcd.csv", f".a.{os.getpid()}-0123abcd.csv"
    for name in (dead, alive, ".hidden", ".a.b.csv"):
        (here / name).touch()
    look(here)
    left = {path.name for path in here.glob(".*") if path.is_file()}
    assert left == {alive, ".hidden", ".a.b.csv"}


def stamp(path, changed):
    path.touch()
    os.utime(path, ns=(changed, changed))
    return path


def record(path):
    """Record a file of the current folder as it is."""
    entry = Entry(state(path), digest(path), "1-1")
    write_manifest(Path(".build/manifest"), {Path(path.name): entry})


def test_times_ahead_come_back_in_their_order(tmp_path):
    now = time.time_ns()
    old, recent = stamp(tmp_path / "old", now - 5 * HOUR), stamp(tmp_path / "recent", now - HOUR)
    ahead = [stamp(tmp_path / f"{hours}", now + hours * HOUR) for hours in (3, 1, 2, 1000)]
    same = stamp(tmp_path / "same", now + 2 * HOUR)
    assert set(bring_back([old, recent, same, *ahead])) == {same, *ahead}
    times = {path.name: path.stat().st_mtime_ns for path in (recent, same, *ahead)}
    order = ["recent", "1", "2", "3", "1000"]
    assert sorted(order, key=times.get) == order
    assert len({times[name] for name in order}) == len(order)
    assert times["same"] == times["2"]
    assert times["1000"] < time.time_ns()
    assert old.stat().st_mtime_ns == now - 5 * HOUR
    assert bring_back([old, recent, same, *ahead]) == {}


def test_what_is_written_after_times_came_back_is_newer(tmp_path):
    just = stamp(tmp_path / "just", time.time_ns())
    ahead = stamp(tmp_path / "ahead", time.time_ns() + HOUR)
    bring_back([just, ahead])
    new = tmp_path / "new"
    new.write_text("")
    assert just.stat().st_mtime_ns < ahead.stat().st_mtime_ns < new.stat().st_mtime_ns


def test_files_made_ahead_of_the_clock_are_not_damaged(here):
    made(here, "a.csv")
    future = time.time_ns() + HOUR
    record(stamp(here / "a.csv", future))
    assert look(here) == []
    assert look(here) == []
    assert (here / "a.csv").stat().st_mtime_ns < time.time_ns()


def newer(path, other):
    return path.stat().st_mtime_ns > other.stat().st_mtime_ns


def test_edit_while_the_clock_is_behind_is_seen(here):
    source = stamp(here / "households.csv", time.time_ns() + HOUR)
    made(here, "a.csv")
    future = time.time_ns() + 2 * HOUR
    record(stamp(here / "a.csv", future))
    look(here, "households.csv")
    assert newer(here / "a.csv", source), "nothing was edited"

    record(stamp(here / "a.csv", future))
    source.write_text("edited, with the time of now")
    look(here, "households.csv")
    assert newer(source, here / "a.csv")


def test_edit_while_a_stage_was_running_is_seen(here):
    source = stamp(here / "households.csv", time.time_ns() - HOUR)
    made(here, "a.csv")
    look(here, "households.csv")
    source.write_text("edited")
    made(here, "a.csv")
    stamp(source, (here / "a.csv").stat().st_mtime_ns - 1)
    look(here, "households.csv")
    assert newer(source, here / "a.csv")


def test_older_file_in_the_place_of_a_source_is_seen(here):
    source = stamp(here / "households.csv", time.time_ns() - HOUR)
    made(here, "a.csv")
    look(here, "households.csv")
    source.write_text("of another version")
    stamp(source, time.time_ns() - 2 * HOUR)
    look(here, "households.csv")
    assert newer(source, here / "a.csv")
    seen = source.stat()
    look(here, "households.csv")
    assert source.stat() == seen, "once"


def test_edit_that_make_sees_keeps_its_time(here):
    source = stamp(here / "households.csv", time.time_ns() - HOUR)
    made(here, "a.csv")
    look(here, "households.csv")
    later = (here / "a.csv").stat().st_mtime_ns + 1
    source.write_text("edited")
    stamp(source, later)
    look(here, "households.csv")
    assert source.stat().st_mtime_ns == later


def test_damaged_memory_of_sources_is_made_anew(here):
    stamp(here / "households.csv", time.time_ns() - HOUR)
    look(here, "households.csv")
    for content in (b"", b"[1]", b'{"a": ', b"\xff"):
        (here / ".build/seen.json").write_bytes(content)
        assert look(here, "households.csv") == []
    assert b"households.csv" in (here / ".build/seen.json").read_bytes()
