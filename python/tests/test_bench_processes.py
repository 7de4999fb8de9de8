"""What a command costs: known processes, and a /proc that is written here."""

import os
import sys
from pathlib import Path

import pytest

from bench.processes import Watch, cost, read_stat

TICK = os.sysconf("SC_CLK_TCK")


def stat(name: str, session: int, user: int, system: int, begun: int) -> str:
    """A line of /proc/<pid>/stat as in proc(5), with times in ticks."""
    fields = ["S", "1", "9", str(session), *["0"] * 7, str(user), str(system)]
    return f"77 ({name}) " + " ".join([*fields, *["0"] * 6, str(begun), "0", "0"])


def test_fields_are_those_of_proc(tmp_path):
    name, session, begun, seconds = read_stat(stat("a (b) c", 42, 3 * TICK, TICK, 1234))
    assert (name, session, begun, seconds) == ("a (b) c", 42, "1234", 4)


def test_only_named_processes_of_the_session_count_and_each_once(tmp_path):
    def write(pid, *fields):
        (tmp_path / str(pid)).mkdir(exist_ok=True)
        (tmp_path / str(pid) / "stat").write_text(stat(*fields))

    watch = Watch(session=42, names={"cc1plus"})
    write(1, "cc1plus", 42, TICK, 0, 100)
    write(2, "python", 42, 50 * TICK, 0, 100)
    write(3, "cc1plus", 43, 50 * TICK, 0, 100)
    watch.look(tmp_path)
    write(1, "cc1plus", 42, 3 * TICK, 0, 100)
    watch.look(tmp_path)
    assert watch.seconds == 3
    # The number is given to another process, which is another one.
    write(1, "cc1plus", 42, 2 * TICK, 0, 900)
    watch.look(tmp_path)
    assert watch.seconds == 5


def test_own_process_is_in_proc_as_the_kernel_writes_it():
    _, session, _, seconds = read_stat(Path("/proc/self/stat").read_text())
    assert session == os.getsid(0)
    assert 0 < seconds < 3600


@pytest.fixture(scope="module")
def costly(tmp_path_factory):
    script = "x = bytearray(200_000_000); x[::4096] = b'1' * len(x[::4096]); print('said')"
    command = ["bash", "-c", f'{sys.executable} -c "{script}"; exit 3']
    return cost(command, tmp_path_factory.mktemp("cost"), os.environ, ["sampler"])


def test_cost_has_the_exit_code_and_what_was_printed(costly):
    assert (costly.code, costly.output) == (3, "said\n")


def test_peak_is_that_of_the_largest_process(costly):
    assert 200e6 < costly.peak_bytes < 400e6


def test_work_of_other_processes_does_not_count(costly):
    assert costly.work_seconds == 0
