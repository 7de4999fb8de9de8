"""Where CmdStan is looked for and how it is built, with stubs in the place of its parts."""

import json
import os
import threading

import pytest
from project import CMDSTAN_MAKEFILE, fake_cmdstan

from pooling.build import cmdstan
from pooling.build.cmdstan import (
    LOG,
    UNFINISHED,
    first_errors,
    is_built,
    locate,
    patch_tbb,
    provide,
    toolchain,
    version,
)
from pooling.build.errors import SetupError

# Lines 245 to 253 of TBB 2020.3's task.h, and the declaration that makes line 252 ambiguous.
TASK_H = """\
        //! Pointer to the next offloaded lower priority task.
        /** Used to maintain a list of offloaded tasks inside the scheduler. **/
        task* next_offloaded;
#endif
        tbb::task& task() {return *reinterpret_cast<tbb::task*>(this+1);}
"""


MENDED = TASK_H.replace("        task* next", "        tbb::task* next")


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A PATH with nothing but the stubs that the returned function makes."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name, script="exit 0"):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return add


def unbuilt(folder):
    """A CmdStan that has its sources and a makefile only."""
    fake_cmdstan(folder)
    (folder / "makefile").write_text(CMDSTAN_MAKEFILE)
    (folder / "bin/stanc").unlink()
    return folder


def put_task_h(folder, text=TASK_H):
    header = folder / "stan/lib/stan_math/lib/tbb_2020.3/include/tbb/task.h"
    header.parent.mkdir(parents=True)
    header.write_text(text)
    return header


class TestLocate:
    def test_none(self, home):
        assert locate() is None

    def test_newest_in_home_by_number(self, home):
        for number in ("2.9.0", "2.27.0", "2.100.1"):
            fake_cmdstan(home / f".cmdstan/cmdstan-{number}", number)
        assert locate() == home / ".cmdstan/cmdstan-2.100.1"

    @pytest.mark.parametrize("number", ["2.26.1", "1.99.0"])
    def test_too_old_in_home_is_none(self, home, number):
        fake_cmdstan(home / f".cmdstan/cmdstan-{number}", number)
        assert locate() is None

    def test_oldest_that_will_do(self, home):
        assert locate() is None
        folder = fake_cmdstan(home / ".cmdstan/cmdstan-2.27.0", "2.27.0")
        assert locate() == folder

    def test_conda_comes_before_home_and_cmdstan_before_conda(self, home, tmp_path, monkeypatch):
        fake_cmdstan(home / ".cmdstan/cmdstan-2.40.0", "2.40.0")
        conda = fake_cmdstan(tmp_path / "conda/bin/cmdstan", "2.35.0")
        own = fake_cmdstan(tmp_path / "own", "2.30.0")
        monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "conda"))
        assert locate() == conda
        monkeypatch.setenv("CMDSTAN", str(own))
        assert locate() == own

    def test_conda_without_cmdstan_is_passed_over(self, home, tmp_path, monkeypatch):
        mine = fake_cmdstan(home / ".cmdstan/cmdstan-2.30.0", "2.30.0")
        monkeypatch.setenv("CONDA_PREFIX", str(tmp_path))
        assert locate() == mine

    def test_relative_cmdstan_means_the_same_everywhere(self, home, tmp_path, monkeypatch):
        fake_cmdstan(tmp_path / "own")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("CMDSTAN", "own")
        assert locate() == tmp_path / "own"

    @pytest.mark.parametrize("number", [None, "2.26.0"])
    def test_wrong_cmdstan_is_an_error_even_if_there_is_another(
        self, home, tmp_path, monkeypatch, number
    ):
        fake_cmdstan(home / ".cmdstan/cmdstan-2.30.0", "2.30.0")
        if number:
            fake_cmdstan(tmp_path / "own", number)
        monkeypatch.setenv("CMDSTAN", str(tmp_path / "own"))
        with pytest.raises(SetupError, match=r"CMDSTAN=.*own: no CmdStan of version 2.27 or later"):
            locate()


@pytest.fixture
def homeless(monkeypatch):
    """Neither HOME nor an entry of the user in the list of users."""

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cmdstan.Path, "home", no_home)
    for name in ("CMDSTAN", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)


class TestWithoutHome:
    def test_is_one_message(self, homeless, tmp_path):
        with pytest.raises(SetupError, match=r"^HOME is not set; set HOME or CMDSTAN$"):
            cmdstan.main(["-o", str(tmp_path / "toolchain.json")])

    def test_empty_is_not_the_root(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", "")
        for name in ("CMDSTAN", "CONDA_PREFIX"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(SetupError, match=r"^HOME is empty; set HOME or CMDSTAN$"):
            cmdstan.main(["-o", str(tmp_path / "toolchain.json")])

    def test_cmdstan_is_enough(self, homeless, tmp_path, monkeypatch):
        monkeypatch.setenv("CMDSTAN", str(fake_cmdstan(tmp_path / "own")))
        assert provide() == tmp_path / "own"

    def test_tilde_names_no_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("CMDSTAN", "~nobody-of-this-name/cmdstan")
        with pytest.raises(SetupError, match=r"CMDSTAN=~nobody.*correct or unset it"):
            locate()


def test_version_is_that_of_the_makefile(tmp_path):
    assert version(fake_cmdstan(tmp_path / "a", "2.38.0-rc1")) == (2, 38, 0)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/makefile").write_text("all:\n")
    assert version(tmp_path / "b") == ()
    assert version(tmp_path / "c") == ()


@pytest.mark.parametrize(
    "part", ["bin/stanc", "src/cmdstan/main.o", "stan/lib/stan_math/lib/tbb/libtbb.so.2"]
)
def test_built_needs_every_part(tmp_path, part):
    folder = fake_cmdstan(tmp_path)
    (folder / "bin/stansummary").touch()
    assert is_built(folder)
    (folder / part).unlink()
    assert not is_built(folder)


def test_build_that_was_cut_short_is_none(tmp_path):
    folder = fake_cmdstan(tmp_path)
    (folder / UNFINISHED).touch()
    assert not is_built(folder)


def test_condas_cmdstan_has_tbb_elsewhere(tmp_path):
    folder = fake_cmdstan(tmp_path)
    (folder / "stan/lib/stan_math/lib/tbb/libtbb.so.2").unlink()
    (folder / "make").mkdir()
    (folder / "make/local").write_text("TBB_INTERFACE_NEW=true\nTBB_LIB=/opt/conda/lib/\n")
    assert is_built(folder)


class TestToolchain:
    def test_names_folder_version_and_compiler(self, home, tmp_path, tools):
        tools("make")
        tools("g++", "echo 'g++ 12.2.0'; echo 'more words'")
        found = json.loads(toolchain(fake_cmdstan(tmp_path / "own", "2.31.4")))
        assert found == {
            "cmdstan": str(tmp_path / "own"),
            "version": "2.31.4",
            "compiler": "g++ 12.2.0",
        }

    def test_compiler_of_the_environment_with_its_options(self, home, tmp_path, tools, monkeypatch):
        tools("make")
        tools("clang++", 'echo "clang $1"')
        monkeypatch.setenv("CXX", "clang++ -m64")
        assert json.loads(toolchain(fake_cmdstan(tmp_path / "own")))["compiler"] == "clang -m64"

    @pytest.mark.parametrize(("there", "missing"), [("make", r"g\+\+"), ("g++", "make")])
    def test_missing_tool_is_named_before_anything_is_fetched(
        self, home, tools, offline, there, missing
    ):
        tools(there)
        with pytest.raises(SetupError, match=f"^{missing}: not found; .*apt-get install"):
            provide()
        assert not (home / ".cmdstan").exists()


class TestBuild:
    def test_nothing_is_done_to_one_that_is_built(self, home):
        folder = fake_cmdstan(home / ".cmdstan/cmdstan-2.30.0")
        assert provide() == folder
        assert not (folder.parent / ".lock").exists()

    def test_unfinished_one_is_built_again_from_clean(self, home, monkeypatch, capsys):
        folder = unbuilt(home / ".cmdstan/cmdstan-2.27.0")
        (folder / "bin/stanc").touch()
        (folder / UNFINISHED).touch()
        monkeypatch.setenv("MAKEFLAGS", "n -- STUDY=post")
        monkeypatch.setenv("MAKELEVEL", "1")
        assert provide() == folder
        assert is_built(folder)
        first, second = (folder / "asked").read_text().splitlines()
        assert first.startswith("clean-all")
        assert first.endswith("[]"), "variables of our make are not handed down"
        assert second == "build"
        assert capsys.readouterr().err == f"cmdstan: building {folder}, about two minutes\n"

    def test_failed_build_shows_its_first_error_and_the_log_and_is_not_taken_for_one(self, home):
        folder = unbuilt(home / ".cmdstan/cmdstan-2.27.0")
        broken = CMDSTAN_MAKEFILE.replace(
            "touch bin/stanc", "seq 50; echo a.h:1: error: no; seq 51 150; touch bin/stanc; exit 1"
        )
        (folder / "makefile").write_text(broken)
        with pytest.raises(SetupError) as caught:
            provide()
        assert str(caught.value).splitlines() == [
            f"{folder}: `make build` failed",
            "a.h:1: error: no",
            "51",
            "52",
            f"the complete output is in {folder / LOG}",
        ]
        assert {"1", "50", "150"} < set((folder / LOG).read_text().splitlines())
        assert not is_built(folder)

    def test_tbb_is_mended_before_the_build(self, home):
        folder = unbuilt(home / ".cmdstan/cmdstan-2.27.0")
        header = put_task_h(folder)
        (folder / "makefile").write_text(
            CMDSTAN_MAKEFILE.replace(
                "touch bin/stanc", f"grep 'tbb::task[*] next' {header}; touch bin/stanc"
            )
        )
        provide()
        assert header.read_text() == MENDED

    def test_tbb_of_one_that_is_built_is_left_alone(self, home, tmp_path, monkeypatch):
        folder = fake_cmdstan(tmp_path / "own")
        header = put_task_h(folder)
        monkeypatch.setenv("CMDSTAN", str(folder))
        assert provide() == folder
        assert header.read_text() == TASK_H

    def test_second_make_waits_for_the_first(self, home, monkeypatch, capsys):
        folder = unbuilt(home / ".cmdstan/cmdstan-2.27.0")
        slow = CMDSTAN_MAKEFILE.replace("touch bin/stanc", "sleep 0.4; touch bin/stanc")
        (folder / "makefile").write_text(slow)
        both = [threading.Thread(target=provide) for _ in range(2)]
        for make in both:
            make.start()
        for make in both:
            make.join()
        assert (folder / "asked").read_text().count("build") == 1
        assert "waiting for another make" in capsys.readouterr().err

    def test_home_that_cannot_be_written_is_one_message(self, home):
        (home / ".cmdstan").write_text("a file in its place")
        said = r"(?s)\.cmdstan: File exists\n.* 1\. .* 2\. .* 3\. .*a writable HOME"
        with pytest.raises(SetupError, match=said):
            provide()


class TestMendTbb:
    @pytest.mark.parametrize("text", [TASK_H, MENDED, "class task;\n"])
    def test_qualifies_one_word_if_it_is_there(self, tmp_path, text):
        header = put_task_h(tmp_path, text)
        os.utime(header, (10**9, 10**9))
        patch_tbb(tmp_path)
        assert header.read_text() == text.replace("        task* next", "        tbb::task* next")
        assert header.stat().st_mtime == 10**9, "or CmdStan would make everything again"
        assert [path.name for path in header.parent.iterdir()] == ["task.h"]

    def test_folder_without_tbb_of_its_own_or_without_permission_is_left(
        self, tmp_path, monkeypatch
    ):
        patch_tbb(tmp_path)
        header = put_task_h(tmp_path)

        def refuse(*_):
            raise PermissionError("read-only")

        monkeypatch.setattr(cmdstan.Path, "write_bytes", refuse)
        patch_tbb(tmp_path)
        assert header.read_text() == TASK_H


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        # Three errors at most, each with what g++ shows of the code; overlaps once.
        ("w\na: error: 1\nb\nc\nd\nw", "a: error: 1\nb\nc"),
        ("a: error: 1\nb: error: 2\nc", "a: error: 1\nb: error: 2\nc"),
        (
            "\n".join(f"error: {i}\n1\n2\n3" for i in range(9)),
            "error: 0\n1\n2\nerror: 1\n1\n2\nerror: 2\n1\n2",
        ),
        ("x.o: undefined reference to `f'\n", "x.o: undefined reference to `f'"),
        # None named: the end.
        ("\n".join(map(str, range(40))), "\n".join(map(str, range(30, 40)))),
        ("warning: errors: none\n", "warning: errors: none"),
        ("", ""),
    ],
)
def test_first_errors(said, shown):
    assert first_errors(said) == shown
