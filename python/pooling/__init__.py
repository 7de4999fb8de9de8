"""Partial pooling of a radon survey with hand-written Stan programs.

`import pooling` gives a notebook what the stages of make do, as `pooling.notebook` has them:
`read_study`, `prepare`, `sample`, `open_fit`, `summarize`, `score`, `predict`, and each figure
as `pooling.figures.<name>`.
"""

import os
import signal
import sys
from importlib import import_module
from typing import Any

__all__ = ["figures", "open_fit", "predict", "prepare", "read_study", "sample", "score"]
__all__ += ["summarize"]

# A stage imports for a second or more. Until `cli.run` takes over, an interruption just ends
# it: three stages at once would show three tracebacks of somebody else's modules. Python calls
# a program "-m" until it has found the module to run; whoever imports us is left alone.
# Not the system's own action: a library that catches the signal too would put itself in its place.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))


def __getattr__(name: str) -> Any:
    # When first used: a stage imports only what it needs.
    if name == "figures":
        return import_module("pooling.figures")
    if name in __all__:
        return getattr(import_module("pooling.notebook"), name)
    raise AttributeError(f"module 'pooling' has no attribute {name!r}")
