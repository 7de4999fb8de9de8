"""Create the virtual environment from the lock file.

Runs before any package is installed, so it needs only Python's standard library:

    python3 python/pooling/build/environment.py requirements.lock -o .venv/ready

An interrupted run is resumed by the next one.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)


def fail(message):
    """Exit with one error message."""
    sys.exit(f"error: {message}")


def is_usable(python):
    """Whether an environment's Python starts, is recent enough and has pip."""
    probe = f"import pip, sys; sys.exit(sys.version_info < {OLDEST})"
    try:
        return subprocess.run([python, "-I", "-c", probe], capture_output=True).returncode == 0
    except OSError:
        return False


def create(folder):
    """Create the environment, replacing a stale or incomplete one."""
    print(f"environment: creating {folder}", file=sys.stderr, flush=True)
    try:
        import venv

        venv.create(folder, with_pip=True, clear=(folder / "pyvenv.cfg").exists())
    except (ImportError, subprocess.CalledProcessError):
        fail(
            f"{sys.executable} cannot create environments with pip; "
            "install Python's venv package (on Debian: apt-get install python3-venv)"
        )
    except ValueError as error:
        fail(error)


def progress(said):
    """Show pip's progress in one line of a terminal, which pip's errors may overwrite."""
    doing, packages = "fetching", 0
    for line in said:
        # Other lines name files, and packages for other versions of Python.
        packages += line.startswith(("Collecting ", "Requirement already satisfied"))
        doing = "unpacking" if line.startswith("Installing") else doing
        if sys.stderr.isatty():
            print(
                f"environment: {doing}, {packages} packages", end="\r", file=sys.stderr, flush=True
            )
    if sys.stderr.isatty():
        print(" " * 40, end="\r", file=sys.stderr, flush=True)


def install(lock, python):
    """Install what the lock file pins, checking its hashes."""
    print("environment: installing packages, about a minute", file=sys.stderr, flush=True)
    command = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "--require-hashes", "--requirement", lock]
    # User settings that would install the packages elsewhere.
    elsewhere = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX")
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as pip:
        progress(pip.stdout)
    if pip.returncode:
        fail(f"pip could not install {lock} (see its message above); run make again to resume")


def main(lock, ready):
    """Bring the environment of `ready` up to date with the lock file, then write `ready`.

    That file lists the environment's sources with their SHA-256, for `sha256sum --check`.
    """
    if sys.version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        fail(
            f"{sys.executable} is Python {sys.version.split()[0]}, but {wanted} or later is "
            "needed; choose one with `make PYTHON3=/path/to/python3.11 ...`"
        )
    python = ready.parent / "bin" / "python"
    if not is_usable(python):
        create(ready.parent)
    install(lock, python)
    draft = ready.with_name(f".ready.{os.getpid()}")
    made_from = (Path(os.path.relpath(__file__)), lock)
    sums = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}\n" for path in made_from)
    draft.write_text("".join(sums), encoding="utf-8")
    draft.replace(ready)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[3]))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)
