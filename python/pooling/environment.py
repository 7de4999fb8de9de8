"""Make the virtual environment from the lock file, or check the active conda environment.

Runs before any package is there, so it needs nothing but Python's own library:

    python3 python/pooling/environment.py requirements.lock -o .venv/ready

A run that was cut short is taken up by the next one.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

OLDEST = (3, 11)


def fail(message):
    """Stop with one message."""
    sys.exit(f"error: {message}")


def install(lock, folder):
    """Create the environment and install what the lock file pins, checking its hashes."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"environment: creating {folder}", file=sys.stderr, flush=True)
        try:
            venv.create(folder, with_pip=True)
        except subprocess.CalledProcessError:
            fail(
                f"{sys.executable} cannot create environments with pip; "
                "install Python's venv package (on Debian: apt-get install python3-venv)"
            )
    print("environment: installing packages, about a minute", file=sys.stderr, flush=True)
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--require-hashes"]
    command += ["--requirement", lock] + ([] if sys.stderr.isatty() else ["--quiet"])
    if subprocess.run(command).returncode:
        fail(f"pip could not install {lock} (its own message is above); run make again to resume")


def main(lock, ready):
    """Bring the environment of `ready` up to date with the lock file, then write `ready`."""
    if sys.version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        fail(
            f"{sys.executable} is Python {sys.version.split()[0]}, but {wanted} or later is "
            "needed; name one with `make PYTHON3=/path/to/python3.11 ...`"
        )
    install(lock, ready.parent)
    draft = ready.with_name(f".ready.{os.getpid()}")
    draft.write_text(hashlib.sha256(lock.read_bytes()).hexdigest() + "\n")
    draft.replace(ready)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[3]))
