"""What a command costs: processes that use a known amount of time and memory."""

import os
import resource
import sys

import pytest

from bench.processes import COMPILERS, cost, stage_seconds, work_seconds

# Uses half a second of processor time and says how much it has used.
BUSY = "import time\nwhile time.process_time() < 0.5: pass\nprint(time.process_time())"


def named(name: str) -> str:
    """A command of a shell: Python as a process of another name, busy."""
    return f"(exec -a /somewhere/{name} {sys.executable} -c '{BUSY}')"


def test_seconds_of_the_named_processes_are_added_up():
    ledger = "1.5\tcc1plus\t\n50\tpython\t\n0.25\tsampler\t\n0.25\tsampler\t\n2\tcc1plus\t\n"
    assert work_seconds(ledger, {"cc1plus", "sampler"}) == 4


def test_seconds_of_a_module_are_added_up():
    fits = "1.5\tpython\tpooling.fitting.fit\n0.25\tpython3\tpooling.fitting.fit\n"
    assert stage_seconds(f"50\tld\telf_x86_64\n{fits}9\tpython\t\n") == {
        "pooling.fitting.fit": 1.75
    }


def test_a_module_is_known_by_its_name_and_counts_without_what_it_starts(tmp_path):
    code = f"import subprocess, sys\n{BUSY}\nsubprocess.run(sys.argv[1:])"
    (tmp_path / "stage.py").write_text(code)
    started = [sys.executable, "-c", BUSY]
    found = cost([sys.executable, "-m", "stage", *started], tmp_path, os.environ, ["sampler"])
    said = float(found.output.splitlines()[0])
    assert list(found.stage_seconds) == ["stage"]
    assert said <= found.stage_seconds["stage"] < said + 0.4


def test_samplers_and_compilers_count_and_nothing_else(tmp_path):
    script = "; ".join(map(named, ("sampler", "python", COMPILERS[0])))
    found = cost(["bash", "-c", script], tmp_path, os.environ, ["sampler"])
    said = [float(line) for line in found.output.splitlines()]
    # What they say themselves, and what Python does after it and when it ends.
    assert said[0] <= found.sampler_seconds < said[0] + 0.4
    assert said[2] <= found.compiler_seconds < said[2] + 0.4


@pytest.fixture(scope="module")
def costly(tmp_path_factory):
    script = "x = bytearray(200_000_000); x[::4096] = b'1' * len(x[::4096]); print('said')"
    command = ["bash", "-c", f'{sys.executable} -c "{script}"; exit 3']
    return cost(command, tmp_path_factory.mktemp("cost"), os.environ, ["sampler"])


def test_cost_has_the_exit_code_and_what_was_printed(costly):
    assert (costly.code, costly.output) == (3, "said\n")


def test_peak_is_that_of_the_largest_process(costly):
    # A process counts with the memory of the one that forked it, which is this one.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 200e6 < costly.peak_bytes < max(400e6, 1.1 * own)


def test_work_of_other_processes_does_not_count(costly):
    assert (costly.compiler_seconds, costly.sampler_seconds) == (0, 0)


def test_nobody_has_to_ask_for_the_work(tmp_path):
    found = cost(["bash", "-c", named(COMPILERS[0])], tmp_path, os.environ)
    assert (found.compiler_seconds, found.sampler_seconds) == (0, 0)
