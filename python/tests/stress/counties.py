"""Counties of Minnesota left out by weights and by refits: both give the same scores."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from cmdstanpy import disable_logging
from project import ROOT, copy_project, without_make

from pooling.build.cmdstan import locate, toolchain
from pooling.fits.limits import MAX_PARETO_K
from pooling.fits.store import open_fit
from pooling.fitting import fit
from pooling.fitting.refits import read_program, refit
from pooling.inputs.schemes import one_county_each
from pooling.inputs.study import Sampler, read_study
from pooling.programs.source import declared
from pooling.scoring import leave_out
from pooling.workflow.plan import models_of, programs
from stress.case import Case
from stress.trial import accepted, written

SAMPLER = Sampler(seed=20073, chains=4, warmup=1000, draws=2000, prior_draws=100, adapt_delta=0.99)
ERRORS = 4  # Monte Carlo errors that a mean may be off by
# Kept draws depend on each other, which the weights' error does not know: at worst a quarter
# of them are worth as much as independent ones.
DEPENDENT = 2


def sampled(data: dict) -> list[int]:
    """Counties, 1 to J: the two smallest, median and largest, and two with basements alone."""
    county = pd.Series(data["county"])
    houses = county.value_counts(sort=False).sort_index().sort_values(kind="stable")
    first_floors = pd.Series(data["floor_measure"]).groupby(county).sum()
    basements = [j for j in houses.index if first_floors[j] == 0 and houses[j] > 2]
    middle = len(houses) // 2
    chosen = [*houses.index[:2], *houses.index[middle - 1 : middle + 1], *houses.index[-2:]]
    return list(dict.fromkeys([*chosen, basements[0], basements[-1]]))


def prepared(folder: Path) -> tuple[Path, Path]:
    """Stan data and names of the shipped study, made from its tables."""
    folder.mkdir()
    copy_project(folder)
    names = [f"data/prepared/minnesota{suffix}.json" for suffix in ("", ".coords")]
    variables = {"CONDA_DEFAULT_ENV": "radon-pooling", "PYTHON": sys.executable}
    subprocess.run(
        ["make", "STUDY=minnesota", *names],
        cwd=folder,
        env=without_make(variables | {"CMDSTAN": str(locate())}),
        capture_output=True,
        check=True,
    )
    return folder / names[0], folder / names[1]


def agree(model: str) -> Case:
    """A case: scores of a program's left-out counties, by weights and by refits."""

    def run(folder: Path) -> str:
        disable_logging()
        program, normalised = ROOT / "stan" / model, ROOT / f".build/programs/{model}.normalised"
        values, coords = prepared(folder / "project")
        settings = {"sampler.json": SAMPLER.model_dump_json(), "tools.json": toolchain(locate())}
        written(folder, settings)
        files = (program, normalised, values, coords, *settings)
        accepted(folder, fit.main, *files, "-o", "fit/fit.nc")
        fitted, data = open_fit(folder / "fit"), json.loads(values.read_text())
        compiled = read_program(program, normalised, folder / "tools.json", fitted)
        weighted = leave_out.weighted_counties(fitted, compiled, data, SAMPLER)
        assert weighted is not None, "no weights"
        folds = one_county_each(data, seed=1)
        gaps, left = [], 0
        for fold in (f"county {j}" for j in sampled(data)):
            rows = weighted.iloc[folds[fold]]
            if not ((rows["pareto_k"] <= MAX_PARETO_K) & rows["converged"]).all():
                left += 1  # the stage refits it
                continue
            exact = refit(compiled, data, folds[fold], SAMPLER.model_dump())
            assert all(exact["converged"]), f"the refit without {fold} did not converge"
            error = np.hypot(DEPENDENT * rows["mcse"], exact["mcse"])
            gap = ((rows["mean"] - exact["mean"]).abs() / error).max()
            elpd = abs(rows["elpd"].sum() - np.sum(exact["elpd"])) / len(rows)
            gaps.append({"fold": fold, "houses": len(rows), "errors": gap, "elpd": elpd})
        assert gaps, "no county has sound weights"
        worst = pd.DataFrame(gaps).nlargest(1, "errors").iloc[0]
        furthest = max(each["elpd"] for each in gaps)
        said = (
            f"Pareto k of all counties up to {weighted['pareto_k'].max():.2f}; "
            f"{len(gaps)} counties, {left} more left to refits; means within "
            f"{worst['errors']:.1f} errors ({worst['fold']}, {worst['houses']} houses), "
            f"elpd per house within {furthest:.3f}"
        )
        assert worst["errors"] < ERRORS, said
        return said

    return Case("county", f"{model}: counties left out by weights", "as by refits", run)


def cases() -> list[Case]:
    """One for every model of Minnesota that must converge and gives a county's density."""
    path, texts = ROOT / "data/studies/minnesota.toml", programs(ROOT / "stan")
    study = read_study(path)
    return [
        agree(model)
        for model in models_of(study, path, texts)
        if "log_lik_county" in declared(texts[model], "generated quantities")
        and model not in study.models.allowed_to_fail
    ]
