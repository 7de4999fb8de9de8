"""The command line that all stages share: `python -m pooling.<stage> INPUTS... -o OUTPUT`."""

import argparse
import errno
import gc
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pooling.build.errors import PoolingError

# SIGINTs so far. Threads read this: Python interrupts only the main one.
interruptions: list[int] = []


def parser(description: str | None) -> argparse.ArgumentParser:
    """Parser whose help text is the first line of `description`, a module's docstring."""
    return argparse.ArgumentParser(description=(description or "").partition("\n")[0])


def stage(
    description: str | None, *inputs: str, many: str | None = None
) -> argparse.ArgumentParser:
    """Parser of a stage: its inputs in order, optionally a list of `many` more, and -o OUTPUT."""
    stage_parser = parser(description)
    for name in inputs:
        stage_parser.add_argument(name, type=Path)
    if many:
        stage_parser.add_argument(many, type=Path, nargs="*")
    stage_parser.add_argument("-o", "--output", type=Path, required=True)
    return stage_parser


def run(main: Callable[[list[str] | None], None]) -> None:
    """Run a stage; print an expected failure as one message and exit with status 1.

    Expected are `PoolingError`, a file that cannot be read or written, and a full disk. From
    here on SIGINT raises `KeyboardInterrupt` and is recorded in `interruptions`.
    """
    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:  # ignored in background jobs
        signal.signal(signal.SIGINT, _interrupt)
    # Modules are never garbage; scanning them took a tenth of a figure's time.
    gc.freeze()
    try:
        main(None)
    except PoolingError as error:
        _stop(str(error))
    except OSError as error:
        if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = tempfile.gettempdir()
            _stop(f"{error.strerror}, here or in {where}; free some space and run make again")
        if error.filename is None:
            raise
        _stop(f"{error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    interruptions.append(number)
    raise KeyboardInterrupt


def _stop(message: str) -> NoReturn:
    # Otherwise the message would share a line with another stage's progress bar.
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    sys.exit(f"{clear}error: {message}")
