"""What the workflow says when it cannot go on.

Every message is for the person at the terminal: it names the file, row and
column or the setting, and what to do about it.
"""


class PoolingError(Exception):
    """Base of every error with a remedy; the command line prints it without a traceback."""


class SetupError(PoolingError):
    """The environment, the compiler or CmdStan is missing or broken."""


class StudyError(PoolingError):
    """A study file asks for something that does not exist or has no meaning."""


class DataError(PoolingError):
    """A table breaks its schema."""


class ProgramError(PoolingError):
    """A Stan program does not compile or breaks the contract."""


class FigureError(PoolingError):
    """A figure's module does not declare what the workflow must know of it."""


class SamplingError(PoolingError):
    """The sampler did not finish."""


class DisturbedError(PoolingError):
    """The sampler was stopped from outside: killed, hanging, or without room for its draws."""


class InterruptionError(PoolingError):
    """The sampler was stopped by a person at the terminal, who wants no other try."""


class StorageError(PoolingError):
    """A disk is full or does not let us write."""


class DiagnosticsError(PoolingError):
    """A fit failed the gate and its study does not allow it to."""


class NothingToShow(PoolingError):
    """A figure has no place in this study; a note with the reason is drawn in its stead.

    The title of such a note starts with `TITLE`, its description is the reason.
    """

    TITLE = "Nothing to show"
