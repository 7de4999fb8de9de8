"""Partial pooling of a radon survey with hand-written Stan programs."""

import os
import signal
import sys

# A stage imports for a second or more. Until `cli.run` takes over, an interruption just ends
# it: three stages at once would show three tracebacks of somebody else's modules. Python calls
# a program "-m" until it has found the module to run; whoever imports us is left alone.
# Not the system's own action: a library that catches the signal too would put itself in its place.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
