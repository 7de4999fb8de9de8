"""The script that makes the environment, with a stub in the place of its Python; no network."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pooling.build import environment

# Says how it was called; `pip install` ends as the file `status` next to it says.
PYTHON = """\
#!/bin/bash
case "$*" in
    *"import pip"*) exit 0 ;;
    *)
        echo "$PIP_USER" "$@" >> "${0%/*}/asked"
        echo "Ignoring two: markers 'python_full_version < 3' don't match your environment"
        echo "Collecting one==1.0"
        echo "  Using cached one-1.0-py3-none-any.whl (1 kB)"
        echo "Requirement already satisfied: three==3.0"
        echo "Installing collected packages: one"
        echo "Successfully installed one-1.0"
        echo "ERROR: out of luck" >&2
        exit $(cat "${0%/*}/status")
        ;;
esac
"""


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "requirements.lock"
    path.write_text("one==1.0 --hash=sha256:00\n")
    return path


@pytest.fixture
def ready(tmp_path):
    return tmp_path / ".venv" / "ready"


@pytest.fixture
def created(monkeypatch):
    """Folders for which `venv.create` was called, each with whether it was to be emptied."""
    calls = []

    def create(folder, with_pip, clear):
        assert with_pip
        calls.append((Path(folder), clear))
        put_python(Path(folder))

    monkeypatch.setattr("venv.create", create)
    return calls


def put_python(folder, script=PYTHON, status=0):
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "pyvenv.cfg").touch()
    (folder / "bin/status").write_text(str(status))
    python = folder / "bin/python"
    python.unlink(missing_ok=True)
    python.write_text(script)
    python.chmod(0o755)


def asked(ready):
    return (ready.parent / "bin/asked").read_text().splitlines()


def test_creates_installs_and_says_so_last(lock, ready, created, capsys, monkeypatch):
    monkeypatch.setenv("PIP_USER", "1")
    environment.main(lock, ready)
    assert created == [(ready.parent, False)]
    (call,) = asked(ready)
    assert call.split()[:4] == ["-I", "-m", "pip", "install"], "and without PIP_USER"
    assert call.endswith(f"--require-hashes --requirement {lock}")
    sums = dict(reversed(line.split("  ")) for line in ready.read_text().splitlines())
    assert sums == {
        name: hashlib.sha256(Path(name).read_bytes()).hexdigest()
        for name in (os.path.relpath(environment.__file__), str(lock))
    }
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == [
        "creating",
        "installing",
    ]


def test_usable_one_is_kept_and_brought_up_to_date(lock, ready, created):
    put_python(ready.parent)
    environment.main(lock, ready)
    assert created == []
    assert len(asked(ready)) == 1


@pytest.mark.parametrize(
    "stale",
    [
        pytest.param("#!/bin/sh\nexit 1\n", id="without pip, or too old"),
        pytest.param("#!/nowhere/python\n", id="interpreter is gone"),
        pytest.param(None, id="broken link"),
    ],
)
def test_stale_one_is_made_anew(lock, ready, created, stale):
    put_python(ready.parent, stale or "")
    if stale is None:
        (ready.parent / "bin/python").unlink()
        (ready.parent / "bin/python").symlink_to("/nowhere/python3.9")
    environment.main(lock, ready)
    assert created == [(ready.parent, True)], "emptied, since an environment was there"
    assert ready.exists()


def test_folder_that_was_no_environment_is_not_emptied(lock, ready, created):
    ready.parent.mkdir()
    (ready.parent / "mine").touch()
    environment.main(lock, ready)
    assert created == [(ready.parent, False)]


def test_failed_installation_is_not_ready_and_is_resumed(lock, ready, created):
    put_python(ready.parent, status=1)
    with pytest.raises(SystemExit, match=r"error: pip could not install .*run make again"):
        environment.main(lock, ready)
    assert not ready.exists()
    (ready.parent / "bin/status").write_text("0")
    environment.main(lock, ready)
    assert ready.exists()
    assert created == []


@pytest.mark.parametrize("terminal", [True, False])
def test_pip_is_one_line_of_a_terminal_and_its_errors_are_its_own(
    lock, ready, capfd, monkeypatch, terminal
):
    put_python(ready.parent)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    environment.main(lock, ready)
    said = capfd.readouterr()
    assert said.out == ""
    lines = said.err.replace("\r", "\n").splitlines()
    assert lines[0] == "environment: installing packages, about a minute"
    assert "ERROR: out of luck" in lines
    shown = [line for line in lines[1:] if line.startswith("environment: ")]
    assert list(dict.fromkeys(shown)) == (
        [
            "environment: fetching, 0 packages",
            "environment: fetching, 1 packages",
            "environment: fetching, 2 packages",
            "environment: unpacking, 2 packages",
        ]
        if terminal
        else []
    )


@pytest.mark.parametrize(
    "error", [ImportError("ensurepip"), subprocess.CalledProcessError(1, "ensurepip")]
)
def test_python_without_venv_is_told_what_to_install(lock, ready, monkeypatch, error):
    def create(*_, **__):
        raise error

    monkeypatch.setattr("venv.create", create)
    with pytest.raises(SystemExit, match=r"error: .*apt-get install python3-venv"):
        environment.main(lock, ready)


def test_old_python_is_told_how_to_name_another(lock, ready, monkeypatch, created):
    monkeypatch.setattr(environment, "OLDEST", (99, 0))
    with pytest.raises(SystemExit, match=r"99\.0 or later is needed; .*make PYTHON3="):
        environment.main(lock, ready)
    assert created == []


def test_is_usable_knows_this_python_and_its_age(monkeypatch):
    assert environment.is_usable(Path(sys.executable))
    monkeypatch.setattr(environment, "OLDEST", (99, 0))
    assert not environment.is_usable(Path(sys.executable))


def test_folder_that_cannot_be_written_is_one_message(lock, tmp_path):
    (tmp_path / ".venv").write_text("a file in its place")
    run = subprocess.run(
        [sys.executable, environment.__file__, lock, "-o", tmp_path / ".venv" / "ready"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in run.stderr
