"""How cases run a stage: as its command line does, with everything around it watched."""

from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

from pooling.build.errors import PoolingError

Main = Callable[[list[str] | None], None]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder and below, by name."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def said(folder: Path, main: Main, *arguments: object) -> str:
    """The one message with which a stage stops, or nothing if it does not stop.

    It runs in the folder, as stages do. Expected are the same errors as in `pooling.build.cli`.

    Raises
    ------
    AssertionError
        It stopped with an error that would show a traceback.
    """
    try:
        with chdir(folder):
            main([str(argument) for argument in arguments])
    except PoolingError as error:
        return str(error)
    except OSError as error:
        assert error.filename is not None, f"traceback: {error!r}"
        return f"{error.filename}: {error.strerror}"
    except Exception as error:
        raise AssertionError(f"traceback: {type(error).__name__}: {error}") from error
    return ""


def refused(folder: Path, wanted: str, main: Main, *arguments: object) -> str:
    """The message with which a stage refuses its input.

    Raises
    ------
    AssertionError
        It did not refuse, said something else than `wanted`, or a file is not as it was.
    """
    before = contents(folder)
    message = said(folder, main, *arguments)
    assert message, "went through"
    assert wanted in message, f"said: {message}"
    after = contents(folder)
    changed = sorted(name for name in before | after if before.get(name) != after.get(name))
    assert not changed, f"files changed: {', '.join(changed)}"
    return message


def accepted(folder: Path, main: Main, *arguments: object) -> None:
    """Run a stage that has nothing to refuse.

    Raises
    ------
    AssertionError
        It stopped.
    """
    message = said(folder, main, *arguments)
    assert not message, f"said: {message}"


def written(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files into a folder; their names may have folders in them."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
