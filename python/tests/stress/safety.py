"""No input runs a command, writes elsewhere or is loaded by the page; downloads are as pinned."""

import html
import json
import os
import re
import subprocess
import sys
import tarfile
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import xarray as xr
from conftest import build_fit
from project import ROOT, Project, copy_project, fake_cmdstan
from written import write_coords, write_results, write_twins

from pooling.build import fetch
from pooling.build.errors import DataError, SetupError
from pooling.figures import _drawing as drawing
from pooling.figures import county_lines
from pooling.fits.store import open_fit
from pooling.inputs.study import Figures
from pooling.reporting import pages, results
from stress.case import Case
from stress.trial import contents, written

NAME = "<script src=//evil.example>\"' onload=x & $(touch here) `id` $x_{$"
TITLE = '</title><img src=x onerror="alert(1)"> {{ 7 * 7 }} $(touch here)'
PAGES = ("index", "counties", "models", "methods", "models/pooled")
OUR_SCRIPT = re.compile(r"(\.\./)?explorer/[a-z]+\.js")
RUNS = {"script", "link", "iframe", "object", "embed", "form", "base"}


class Page(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        """Keep an element."""
        self.elements.append((tag, dict(attributes)))


def hostile_pages(folder: Path) -> str:
    """A report whose study, counties and programs have markup in their names and texts."""
    paths = [write_results(folder, model) for model in ("pooled", "hierarchical_noncentered")]
    for path in paths:
        fit = build_fit(path.name)
        constants = fit.tree["constant_data"].to_dataset()
        constants["county_name"].values[0] = NAME
        fit.tree["constant_data"] = constants
        (path / "fit.nc").unlink()
        fit.tree.to_netcdf(path / "fit.nc", engine="h5netcdf")
    inputs = (write_coords(folder), write_twins(folder), *paths)
    results.main([*map(str, inputs), "-o", str(folder / "tables")])
    figure = folder / "county-lines.svg"
    frame = county_lines.frame([open_fit(path) for path in paths], Figures())
    drawing.save(county_lines.plot(frame), [figure], "Lines\n\nOf every county.")
    about = {"study": "trial", "title": TITLE, "description": NAME}
    written(folder, {"about.json": json.dumps(about), "pooled.stan": f"/* {NAME} */ data {{ }}"})
    inputs = (ROOT / "reports", folder / "about.json", folder / "tables", "--figures", figure)
    outputs = [folder / f"{page}.html" for page in PAGES]
    more = ["--programs", folder / "pooled.stan", "-o", *outputs]
    pages.main([*map(str, (*inputs, *more))])
    return "\n".join(output.read_text(encoding="utf-8") for output in outputs)


def _escaped(folder: Path) -> str:
    text = hostile_pages(folder)
    plain = Page(text)
    running = [own.get("src", "") for tag, own in plain.elements if tag in RUNS]
    assert all(OUR_SCRIPT.fullmatch(src) for src in running), "an element that runs something"
    handlers = [name for _, own in plain.elements for name in own if name.startswith("on")]
    assert not handlers, f"handlers: {handlers}"
    assert NAME in html.unescape(text) and TITLE in html.unescape(text), "a name is not shown"
    return "shown as text"


def _alone(folder: Path) -> str:
    page = Page(hostile_pages(folder))
    for tag, own in page.elements:
        for attribute in ("src", "srcset", "poster", "data", "background"):
            file = urlsplit(own.get(attribute, ""))
            within = not file.scheme and not file.netloc and not file.path.startswith("/")
            assert within, f"{tag} loads {own[attribute]}"
        link = own.get("href", "#")
        assert not urlsplit(link).scheme or link.startswith("https://"), f"{tag} leads to {link}"
        assert tag == "a" or "href" not in own, f"{tag} loads {own.get('href')}"
        assert "url(" not in own.get("style", ""), f"{tag} loads {own['style']}"
    style = (ROOT / "reports/report.css").read_text()
    assert not re.search(r"@import|url\((?!data:)", style), "the style sheet loads something"
    return f"{len(page.elements):,} elements, none loads anything"


def _pickle(folder: Path) -> str:
    import pickle

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(folder / "pwned"),)

    (folder / "fit.nc").write_bytes(pickle.dumps(Trap()))
    try:
        open_fit(folder)
    except DataError as error:
        assert not (folder / "pwned").exists(), "it ran"
        return str(error).replace(f"{folder}/", "")
    raise AssertionError("it was opened")


def _object_arrays(folder: Path) -> str:
    path = write_results(folder, "pooled")
    with mock.patch("pickle.loads", side_effect=AssertionError("pickle was read")):
        tree = xr.open_datatree(path / "fit.nc", engine="h5netcdf")
        tree["constant_data"]["county_name"].load()
    return "names are plain text in HDF5"


def _changed_archive(folder: Path) -> str:
    archive = folder / "cmdstan.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(ROOT / "Makefile", "cmdstan-2.39.0/makefile")

    def download(url: str, target: Path) -> None:
        assert url.startswith("https://github.com/stan-dev/cmdstan/releases/download/"), url
        target.write_bytes(archive.read_bytes())

    home = folder / "home"
    home.mkdir()
    with mock.patch.object(fetch, "_download", download), mock.patch("urllib.request.urlopen"):
        try:
            fetch.fetch_release(home, ".unfinished")
        except SetupError as error:
            assert "it was not unpacked" in str(error), str(error)
            assert not list(home.iterdir()), "something was left"
            return str(error)
    raise AssertionError("it was unpacked")


def _lock(folder: Path) -> str:
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    packages = [line for line in text.splitlines() if line.strip() and line[0] not in "# -"]
    bare = [line.split()[0] for line in packages if "--hash=sha256:" not in line]
    assert packages and not bare, f"without a hash: {bare}"
    return f"{len(packages)} packages, each with its hashes"


def _changed_package(folder: Path) -> str:
    wheel = folder / "thing-1.0-py3-none-any.whl"
    wheel.write_bytes(b"not what was pinned")
    (folder / "lock").write_text(f"thing==1.0 --hash=sha256:{'0' * 64}\n")
    pip = [sys.executable, "-I", "-m", "pip", "install", "--no-index", "--find-links", folder]
    pip += ["--require-hashes", "--requirement", "lock", "--target", "made"]
    run = subprocess.run(pip, cwd=folder, capture_output=True, text=True)
    assert run.returncode and not (folder / "made").exists(), "it was installed"
    command = (ROOT / "python/pooling/build/environment.py").read_text()
    assert '"--require-hashes"' in command, "the environment is made without hashes"
    return "refused by pip, which the set-up tells to require hashes"


def _made(goals: tuple[str, ...], wanted: str, variables: dict | None = None):
    """Run make with the stub on a copy of the project; nothing called `here` comes into being.

    Nor when it is asked for help, which it gives without a plan.
    """

    def run(folder: Path) -> str:
        place = folder / "project"
        place.mkdir()
        copy_project(place)
        project = Project(place).with_stub(fake_cmdstan(folder / "cmdstan"))
        before = contents(place)
        for words in (("help", *(word for word in goals if "=" in word)), goals):
            made = project.run(*words, PYTHONDONTWRITEBYTECODE="1", **(variables or {}))
            assert not [*folder.rglob("here*")], "a command ran"
        assert made.returncode, "make went through"
        assert wanted in made.stderr, f"said: {made.stderr[-300:]}"
        added = contents(place).keys() - before.keys()
        assert all(name.startswith((".build/", ".stages")) for name in added), f"made: {added}"
        return next(line for line in made.stderr.splitlines() if wanted in line)

    return run


def _spelled(folder: Path) -> str:
    """A whole run of the stub in a folder whose path make and shells have trouble with."""
    place = folder / "it's a São $HOME 東京"
    place.mkdir()
    project = Project(copy_project(place)).with_stub(fake_cmdstan(folder / "cmdstan"))
    # The stub is no part of the project: it may not depend on the path either.
    stub = place / ".stub"
    stub.write_text(stub.read_text().replace(str(project.log), ".stages"))
    project.variables["PYTHON"] = "./.stub"
    made = project.run("all")
    assert made.returncode == 0, made.stderr[-500:]
    assert (place / "reports/minnesota/index.html").is_file(), "no report"
    again = project.run("all").stdout
    assert "Nothing to be done for 'all'" in again, again[-300:]
    return "everything is made once, and not again"


def _commands() -> list[Case]:
    """Commands in variables, however they are given, whether or not make knows the variable."""
    commands = ("$(shell touch here)", "`touch here`", "';touch here;'", '";touch here;"')
    # As make hands them down; without the second $, make itself runs what it reads there.
    handed = ("$$(shell\\ touch\\ here)", "`touch\\ here`", "\\';touch\\ here;\\'")
    ours = ("STUDY", "SEED", "SCHEDULER", "STALL", "PYTHON3")
    given = [
        (f"{name}={command}", name, {})
        for name in (*ours, "TO", "PYTHON", "CXX", "CMDSTAN", "FOO", "marks")
        for command in commands
    ]
    given += [("", name, {name: command}) for name in ours for command in commands]
    given += [
        ("", name, {"MAKEFLAGS": f"{name}={command}"})
        for name in ("STUDY", "PYTHON3", "FOO")
        for command in handed
    ]
    cases = []
    for words, name, around in given:
        tried = words or " ".join(
            f"{key}={value} in the environment" for key, value in around.items()
        )
        wanted = f"error: {name}="
        goals = (words, "all") if words else ("all",)
        cases.append(Case("path", tried, wanted, _made(goals, wanted, around)))
    return cases


def _paths() -> list[Case]:
    asked = (
        "$(shell touch here)",
        "$(touch here)",
        "`touch here`",
        ";touch here",
        "a b",
        "../minnesota",
        "/etc/passwd",
        "..",
        ".hidden",
        "a:b",
        "a%b",
        "a#b",
        'a"b',
        "",
    )
    tried = [
        Case(
            "path",
            f"STUDY={name}",
            "error: give a name",
            _made((f"STUDY={name}", "all"), "error: STUDY="),
        )
        for name in asked
    ]
    long = "n" * 300
    return [
        *tried,
        *_commands(),
        Case(
            "path",
            "STUDY with a name of 300 letters",
            "error: File name too long",
            _made((f"STUDY={long}", "all"), "File name too long"),
        ),
        Case(
            "path",
            "SEED=1;touch here",
            "error: SEED",
            _made(("SEED=1;touch here", "all"), "error: SEED="),
        ),
        Case(
            "path",
            "a checkout in a folder with a blank, a quote, $ and 東京",
            "everything is made once",
            _spelled,
        ),
    ]


def cases() -> list[Case]:
    """What would run, load or write what it must not."""
    return [
        *_paths(),
        Case(
            "safety", "markup in a county's name, a title and a program", "shown as text", _escaped
        ),
        Case("safety", "what the page loads", "nothing from outside", _alone),
        Case(
            "safety",
            "a pickle in place of a fit",
            "error: not a readable fit; it does not run",
            _pickle,
        ),
        Case("safety", "how a fit is read", "without pickle", _object_arrays),
        Case(
            "safety",
            "a CmdStan archive that is not the pinned one",
            "error: not unpacked",
            _changed_archive,
        ),
        Case("safety", "packages without a hash", "none in the lock file", _lock),
        Case("safety", "a package that is not the pinned one", "refused", _changed_package),
    ]
