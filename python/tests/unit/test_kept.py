"""The content-addressed cache of results."""

import os
import subprocess
import sys

import pytest

from pooling.build.cache import key, restore, store


@pytest.fixture
def result(tmp_path):
    output = tmp_path / "made" / "result.txt"
    output.parent.mkdir()
    output.write_text("one")
    return output


def test_key_depends_on_every_text_and_their_order():
    keys = {key(["a", "bc"]), key(["ab", "c"]), key(["bc", "a"]), key(["a"]), key(["a", "bc", ""])}
    assert len(keys) == 5
    assert key(["a", b"bc"]) == key(["a", "bc"])


def test_kept_result_is_found_again(tmp_path, result):
    store(tmp_path / "cache", "first", [result], most=3)
    result.unlink()
    assert restore(tmp_path / "cache", "first", [result])
    assert result.read_text() == "one"


def test_restored_file_counts_as_made_now(tmp_path, result):
    os.utime(result, (1, 1))
    store(tmp_path / "cache", "first", [result], most=3)
    newer = tmp_path / "edited"
    newer.touch()
    assert restore(tmp_path / "cache", "first", [result])
    assert result.stat().st_mtime >= newer.stat().st_mtime


def test_unknown_result_changes_nothing(tmp_path, result):
    assert not restore(tmp_path / "cache", "first", [result])
    assert result.read_text() == "one"


def test_replacing_the_output_leaves_the_kept_result(tmp_path, result):
    store(tmp_path / "cache", "first", [result], most=3)
    result.unlink()
    result.write_text("two")
    store(tmp_path / "cache", "second", [result], most=3)
    assert restore(tmp_path / "cache", "first", [result])
    assert result.read_text() == "one"
    assert restore(tmp_path / "cache", "second", [result])
    assert result.read_text() == "two"


@pytest.mark.parametrize("damaged", ["result.txt", "SHA256SUMS"])
@pytest.mark.parametrize("content", ["", "on", "another"])
def test_damaged_result_is_not_used(tmp_path, result, damaged, content):
    store(tmp_path / "cache", "first", [result], most=3)
    (tmp_path / "cache/first" / damaged).write_text(content)
    assert not restore(tmp_path / "cache", "first", [result])
    assert not (tmp_path / "cache/first").exists(), "so that it is kept anew"


def test_results_that_were_not_used_for_longest_go(tmp_path, result):
    cache = tmp_path / "cache"
    for age, name in ((30, "a"), (20, "b")):
        store(cache, name, [result], most=2)
        os.utime(cache / name, (1_000_000 - age, 1_000_000 - age))
    assert restore(cache, "a", [result]), "which is now the one last used"
    store(cache, "c", [result], most=2)
    assert sorted(path.name for path in cache.iterdir()) == ["a", "c"]


def test_two_that_keep_the_same_result_agree(tmp_path, result):
    for _ in range(2):
        store(tmp_path / "cache", "first", [result], most=3)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["first"]
    assert restore(tmp_path / "cache", "first", [result])


def test_what_a_killed_process_left_is_swept_up(tmp_path, result):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    left = tmp_path / "cache" / f".first.{int(ended.stdout)}-0123abcd"
    left.mkdir(parents=True)
    (left / "result.txt").touch()
    store(tmp_path / "cache", "second", [result], most=3)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["second"]
