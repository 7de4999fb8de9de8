"""Surveys at the edge of what can be fitted, from the tables to the figures' frames."""

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pandas as pd
from project import ROOT, copy_project, without_make

from pooling.build.cmdstan import locate, toolchain
from pooling.build.errors import NothingToShow
from pooling.checking import check
from pooling.figures import declared_figures
from pooling.fits.store import REPLICATIONS, Fit, open_fit
from pooling.fitting import fit
from pooling.inputs import prepare
from pooling.inputs.study import Figures, Priors, Sampler
from pooling.programs.source import twin
from pooling.reporting import frequentist
from pooling.scoring import replicate
from stress.case import Case
from stress.tables import COUNTIES, HOUSES, Tables, many_counties
from stress.trial import accepted, written

MODELS = ("pooled", "hierarchical_marginal")
WIDE, SPREAD = {"loc": 0.0, "scale": 10.0}, {"scale": 1.0}
PRIORS = Priors.model_validate(
    dict.fromkeys(("mu_alpha", "mu_beta"), WIDE)
    | dict.fromkeys(("sigma", "sigma_alpha", "sigma_beta"), SPREAD)
)
FEW = Sampler(seed=20069, chains=2, warmup=200, draws=100, prior_draws=100)
# What maps read of a study: where the counties are.
PLACES = """\
title = "A trial"
[data]
states = ["MN"]
counties = "counties.csv"
[priors]
[sampler]
seed = 1
"""


def fitted(
    folder: Path, tables: Tables, *, mixed: bool = True, pointwise: bool = True
) -> list[Fit]:
    """Take tables through `prepare`, `fit` and `check`; few draws may fail the gate."""
    accepted(folder, prepare.main, *tables.written(folder))
    sections = {
        "priors.json": PRIORS.model_dump_json(),
        "sampler.json": FEW.model_dump_json(),
        "scores.json": json.dumps({"pointwise": pointwise}),
        "models.json": json.dumps({"allowed_to_fail": dict.fromkeys(MODELS, "few draws")}),
        "toolchain.json": toolchain(locate()),
    }
    written(folder, sections)
    values = json.loads((folder / "prepared/trial.json").read_text()) | PRIORS.scales()
    written(folder, {"prepared/trial.json": json.dumps(values)})
    data = ("prepared/trial.json", "prepared/trial.coords.json", "sampler.json", "toolchain.json")
    for model in MODELS:
        place = f"fits/{model}"
        normalised = ROOT / f".build/programs/{model}.normalised"
        accepted(
            folder, fit.main, ROOT / "stan" / model, normalised, *data, "-o", f"{place}/fit.nc"
        )
        checked = (f"{place}/diagnostics.json", "--estimates", f"{place}/estimates.csv")
        program, made = ROOT / "stan" / model, f"{place}/fit.nc"
        settings = ("models.json", "sampler.json", "-o", *checked)
        accepted(folder, check.main, program, made, data[0], *settings)
        settings = ("sampler.json", "scores.json", "-o", f"{place}/{REPLICATIONS}")
        accepted(folder, replicate.main, program, made, data[0], *settings)
    if mixed:
        twins = {model: twin(ROOT / f"stan/{model}.stan") for model in MODELS}
        written(folder, {"twins.json": json.dumps(twins)})
        accepted(folder, frequentist.main, *data[:2], "twins.json", "-o", "frequentist.csv")
    else:
        own = {"models": "pooled", "formula": "y ~ floor"}
        estimates = frequentist.estimates(frequentist.design(values), own["formula"], [])
        table = estimates.assign(**own).reindex(columns=frequentist.COLUMNS)
        table.to_csv(folder / "frequentist.csv", index=False)
    return [open_fit(folder / "fits" / model) for model in MODELS]


def framed(folder: Path, fits: Sequence[Fit]) -> tuple[list[str], list[str]]:
    """Names of figures that have a frame of these fits, and of those with nothing to show.

    Figures of decisions are not tried: they show tables, which have tests of their own.

    Raises
    ------
    AssertionError
        A figure stops in another way, or its frame has no row.
    """
    shown, absent = [], []
    table = pd.read_csv(folder / "frequentist.csv", keep_default_na=False, na_values=[""])
    study = {"study": str(written(folder, {"trial.toml": PLACES}) / "trial.toml")}
    options = {
        "frequentist": {"frequentist": table},
        "map": study,
        "map_draws": study,
        "shrinkage": {"from_model": "pooled", "to_model": "hierarchical_marginal"},
    }
    of_fits = (
        name
        for name, figure in declared_figures().items()
        if figure.kind != "calibration" and {*figure.tables} <= {"frequentist"}
    )
    for name in of_fits:
        module = import_module(f"pooling.figures.{name}")
        try:
            frame = module.frame(fits, Figures(), **options.get(name, {}))
        except NothingToShow:
            absent.append(name)
            continue
        except Exception as error:
            raise AssertionError(f"figure {name}: {type(error).__name__}: {error}") from error
        assert len(frame), f"figure {name}: no row"
        shown.append(name)
    return shown, absent


def edge(tried: str, tables: Tables, **options: bool) -> Case:
    """A survey that goes the whole way; `mixed` models by REML take long with many counties."""

    def run(folder: Path) -> str:
        fits = fitted(folder, tables, **options)
        for one in fits:
            effects = one.effects()
            assert effects["alpha"].notnull().all() and effects["beta"].notnull().all(), one.model
            assert len(pd.read_csv(folder / f"fits/{one.model}/estimates.csv")), "no estimates"
        shown, absent = framed(folder, fits)
        return f"two fits with finite effects, {len(shown)} figures, {len(absent)} notes why not"

    return Case("table", f"{tried}, fitted", "fits, estimates, figures or notes", run)


TRIAL = """\
title = "A trial"
[data]
states = ["MN"]
[priors]
mu_alpha = { loc = 0, scale = 10 }
mu_beta = { loc = 0, scale = 10 }
sigma = { scale = 1 }
[models]
use = ["odd"]
[sampler]
seed = 1
chains = 2
warmup = 200
draws = 100
prior_draws = 100
"""


def odd_program() -> str:
    """`pooled`, but it includes a file, prints, and has no number for the first county."""
    text = (ROOT / "stan/pooled.stan").read_text(encoding="utf-8")
    text = text.replace("model {\n", 'model {\n  print("it prints, {and} // so");\n')
    assert "#include" in text
    return text.replace(
        "  vector[N_new] log_lik;", "  real nothing = not_a_number();\n  vector[N_new] log_lik;"
    )


def _odd(folder: Path) -> str:
    """Compile and fit for real, in a folder whose path CmdStan's makefile could not take."""
    place = folder / "it's a São Paulo"
    place.mkdir()
    copy_project(place)
    written(place, {"stan/odd.stan": odd_program(), "data/studies/trial.toml": TRIAL})
    variables = {"CONDA_DEFAULT_ENV": "radon-pooling", "PYTHON": sys.executable}
    made = subprocess.run(
        ["make", "-j1", "STUDY=trial", "odd"],
        cwd=place,
        env=without_make(variables | {"CMDSTAN": str(locate())}),
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in made.stderr, made.stderr[-400:]
    assert (place / "data/fits/trial/odd/fit.nc").is_file(), made.stderr[-400:]
    assert made.returncode, "passed the gate"
    assert "nothing" in made.stderr, made.stderr[-800:]
    return "compiled and sampled; the gate names what is not a number"


def cases() -> list[Case]:
    """Surveys of one house, one county, one floor, one value, and of thousands of counties."""
    header, first, *_ = HOUSES.splitlines()
    rows = [line.rpartition(",")[0] for line in HOUSES.splitlines()[1:]]
    alike = "\n".join([header, *(f"{row},1.9" for row in rows)]) + "\n"
    one = HOUSES.replace("27003", "27001").replace("27005", "27001")
    hostile = COUNTIES.replace("AITKIN", "$x_{$").replace("ANOKA", "DOÑA 東京 مقاطعة 🏠")
    path = "a program with NaN, prints and includes in `it's a São Paulo`"
    return [
        Case("program", path, "it is compiled and sampled, and fails the gate", _odd),
        edge("one house", Tables(f"{header}\n{first}\n")),
        edge("one county", Tables(one)),
        edge("all houses in basements", Tables(HOUSES.replace(",1,", ",0,"))),
        edge("all houses on first floors", Tables(HOUSES.replace(",0,", ",1,"))),
        edge("all houses alike", Tables(alike)),
        edge("counties of one name", Tables(counties=COUNTIES.replace("ANOKA", "AITKIN"))),
        edge(
            "counties without houses",
            Tables(f"{header}\n{first}\n", data={"unmeasured_counties": True}),
        ),
        edge("names of shell, formulas and emoji", Tables(counties=hostile)),
        edge("2,000 counties", many_counties(2000), mixed=False),
        edge("no output by house", Tables(), pointwise=False),
    ]
