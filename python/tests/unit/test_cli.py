"""The command line that stages share."""

from pathlib import Path

import pytest

from pooling.build import cli
from pooling.build.errors import DataError, PoolingError


def test_inputs_stand_before_the_output():
    parser = cli.stage("Do it.\n\nIn detail.", "fit", "models", many="figures")
    assert parser.description == "Do it."
    given = parser.parse_args(["a", "b", "c", "d", "-o", "e"])
    assert (given.fit, given.models, given.figures) == (
        Path("a"),
        Path("b"),
        [Path("c"), Path("d")],
    )
    assert given.output == Path("e")


@pytest.mark.parametrize(
    "words", [["a", "b"], ["-o", "x"], ["a", "-o", "x"], ["a", "b", "c", "-o", "x"]]
)
def test_wrong_arguments_are_refused(words):
    with pytest.raises(SystemExit) as caught:
        cli.stage(None, "one", "two").parse_args(words)
    assert caught.value.code == 2


def stopping(error):
    def main(arguments):
        assert arguments is None
        raise error

    return main


def test_stage_that_succeeds_returns():
    assert cli.run(lambda _: None) is None


@pytest.mark.parametrize("kind", [PoolingError, DataError])
def test_expected_error_is_one_message(kind):
    with pytest.raises(SystemExit) as caught:
        cli.run(stopping(kind("table.csv: line 3: no")))
    assert caught.value.code == "error: table.csv: line 3: no"


def test_file_error_names_the_file():
    def main(_):
        Path("/nowhere/to/be/found").read_text()

    with pytest.raises(SystemExit) as caught:
        cli.run(main)
    assert caught.value.code == "error: /nowhere/to/be/found: No such file or directory"


@pytest.mark.parametrize("error", [OSError("no file has it"), ValueError("a bug")])
def test_bug_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        cli.run(stopping(error))


def test_interruption_is_silent():
    with pytest.raises(SystemExit) as caught:
        cli.run(stopping(KeyboardInterrupt()))
    assert caught.value.code == 130


@pytest.mark.parametrize(("terminal", "before"), [(True, "\r\033[K"), (False, "")])
def test_message_does_not_end_a_line_that_a_progress_bar_began(monkeypatch, terminal, before):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with pytest.raises(SystemExit) as caught:
        cli.run(stopping(DataError("no")))
    assert caught.value.code == f"{before}error: no"
