"""A person at the terminal interrupts a stage: the signal goes to all processes of a group."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
from programs import ROOT, executable, quick, tiny_coords, tiny_data

CHAINS = 2 * (os.cpu_count() or 1) + 2  # some of them wait for a core
INPUTS = "pooled normalised data.json coords.json sampler.json toolchain.json"
FIT = f"-m pooling.fitting.fit {INPUTS} -o fit.nc"
REFITS = """
from pathlib import Path
from programs import quick, tiny_data
from pooling.build import cli
from pooling.fitting.refits import Program, run_refits

def main(_):
    program = Program("pooled", "", Path("pooled").resolve())
    folds = {{str(house): [house] for house in range(10)}}
    run_refits(program, tiny_data(), folds, quick(chains={chains}), Path("refits"))

if __name__ == "__main__":
    cli.run(main)
"""


@pytest.fixture
def folder(tmp_path):
    """Inputs of a fit, and a program whose chains never end; `started` lists them."""
    program = tmp_path / "pooled"
    # The words of the command are how chains are known; no child that outlives its parent.
    program.write_text(
        f"""#!/bin/bash
        [[ $1 != info ]] || exec {executable("pooled")} info
        echo $$ >> {tmp_path}/started
        exec -a "$*" sleep 600
        """
    )
    program.chmod(0o755)
    (tmp_path / "data.json").write_text(json.dumps(tiny_data()))
    (tmp_path / "coords.json").write_text(json.dumps(tiny_coords()))
    (tmp_path / "sampler.json").write_text(json.dumps(quick(chains=CHAINS).model_dump()))
    (tmp_path / "toolchain.json").write_text("{}")
    (tmp_path / "normalised").write_text("")
    (tmp_path / "refit.py").write_text(REFITS.format(chains=CHAINS))
    (tmp_path / "scratch").mkdir()
    return tmp_path


def begin(folder, *command):
    path = f"{folder}:{ROOT / 'python'}:{ROOT / 'python' / 'tests'}"
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "TMPDIR": str(folder / "scratch")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def started(folder):
    file = folder / "started"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def interrupted(run, ready):
    """What a run says that is interrupted once it is ready, and its exit code."""
    try:
        while not ready():
            assert run.poll() is None, run.communicate()[0]
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGINT)
        said = run.communicate(timeout=60)[0]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    return said, run.returncode


@pytest.mark.parametrize("command", [FIT.split(), ["refit.py"]], ids=["fit", "refits"])
def test_interruption_ends_chains_that_have_begun_and_those_that_wait(folder, command):
    # With 600 seconds a chain, no end of its own can be what is waited for.
    run = begin(folder, *command)
    said, code = interrupted(run, lambda: len(started(folder)) >= 2)
    assert code == 130
    assert said == ""
    assert not any(psutil.pid_exists(chain) for chain in started(folder))
    assert not (folder / "fit.nc").exists()


def test_interruption_while_modules_are_imported_is_silent(folder):
    (folder / "psutil.py").write_text("import time\nopen('here', 'w').close()\ntime.sleep(600)\n")
    run = begin(folder, "-m", "pooling.checking.verify")
    said, code = interrupted(run, (folder / "here").exists)
    assert code == 130
    assert said == ""


def test_who_imports_the_package_keeps_its_own_signals(folder):
    code = "import signal, pooling; print(signal.getsignal(signal.SIGINT).__name__)"
    assert begin(folder, "-c", code).communicate()[0] == "default_int_handler\n"
