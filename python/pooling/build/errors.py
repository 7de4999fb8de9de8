"""Errors of the workflow.

Every message is for the person at the terminal: it names the file, row and column or the
setting, and says what to do.
"""


class PoolingError(Exception):
    """Base of all expected errors, which the command line prints without a traceback."""


class SetupError(PoolingError):
    """The environment, the compiler or CmdStan is missing or broken."""


class StudyError(PoolingError):
    """A study file has a setting that is unknown, invalid or impossible."""


class DataError(PoolingError):
    """A table breaks its schema."""


class ProgramError(PoolingError):
    """A Stan program does not compile or breaks the contract."""


class FigureError(PoolingError):
    """A figure's module lacks a declaration that the workflow needs."""


class SamplingError(PoolingError):
    """The sampler did not finish."""


class ChainLost(PoolingError):
    """A chain was lost to outside causes: it was killed, stalled, or the disk was full."""


class InterruptionError(PoolingError):
    """The sampler was interrupted at the terminal, so it is not retried."""


class StorageError(PoolingError):
    """The disk is full or not writable, or a result is damaged."""


class DiagnosticsError(PoolingError):
    """A fit failed its diagnostics and its study does not allow it to."""


class NothingToShow(PoolingError):
    """A figure does not apply to this study; a note with the reason is drawn instead.

    The note's title starts with `TITLE`; its description is the reason.
    """

    TITLE = "Nothing to show"
