"""What the stages of make do, for a notebook; `import pooling` gives these names.

    import pooling

    study = "data/studies/minnesota.toml"
    data, coords = pooling.prepare(study)
    fit = pooling.sample("stan/hierarchical_marginal.stan", study, "fits/hierarchical_marginal")
    pooling.summarize(fit)
    pooling.score(fit)
    pooling.predict(fit, houses, study)
    pooling.figures.shrinkage([other, fit])

Fits that make has made are opened with `pooling.open_fit`.
"""

import json
from pathlib import Path

import pandas as pd

from pooling.build.cmdstan import locate, toolchain
from pooling.build.errors import SetupError
from pooling.build.files import replacing
from pooling.checking.check import examine
from pooling.fits.store import Fit, open_fit
from pooling.fits.summaries import summarize as summarize_draws
from pooling.fitting.fit import fit as sample_and_store
from pooling.inputs import prepare as prepared
from pooling.inputs.study import read_study
from pooling.programs.compile import compile_program
from pooling.programs.source import normalised
from pooling.reporting.predict import predict_houses
from pooling.scoring.score import score

__all__ = ["open_fit", "predict", "prepare", "read_study", "sample", "score", "summarize"]


def prepare(study: Path | str) -> tuple[dict, dict]:
    """Stan data and coordinates of a study; see `pooling.inputs.prepare.prepare`.

    Parameters
    ----------
    study
        A study file; its tables are found relative to it.

    Raises
    ------
    StudyError, DataError
        The study or a table breaks its rules; the message names file, row and column.
    """
    path = Path(study)
    settings = read_study(path)
    data = settings.data
    counties = path.parent / data.counties if data.counties else None
    tables = prepared.read_tables(data, path.parent / data.houses, counties)
    return prepared.prepare(path.stem, data, settings.priors, *tables)


def sample(program: Path | str, study: Path | str, folder: Path | str) -> Fit:
    """Compile a program, fit it to a study and check the fit: what `make <model>` does.

    Parameters
    ----------
    program
        A `.stan` file; includes are looked up beside it.
    study
        A study file.
    folder
        Where the executable, the fit and its diagnostics are written.

    Returns
    -------
    Fit
        It passed its diagnostics, or its study allows it to fail them.

    Raises
    ------
    ProgramError, StudyError, DataError, SamplingError
        As the stages raise them.
    DiagnosticsError
        The fit failed its diagnostics; the message says what to change.
    SetupError
        There is no CmdStan.
    """
    program, folder = Path(program), Path(folder)
    cmdstan = locate()
    if cmdstan is None:
        raise SetupError("no CmdStan; `make .build/toolchain.json` installs one")
    folder.mkdir(parents=True, exist_ok=True)
    settings, (data, coords) = read_study(Path(study)), prepare(study)
    executable = (folder / program.stem).resolve()
    compile_program(program, cmdstan, executable)
    inputs = {
        "normalised": normalised(program, program.parent),
        "data": json.dumps(data),
        "coords": json.dumps(coords),
        "sampler": settings.sampler.model_dump_json(),
        "toolchain": toolchain(cmdstan),
    }
    contents = {name: text.encode() for name, text in inputs.items()}
    sample_and_store(executable, contents, folder / "fit.nc")
    found = open_fit(folder, even_failed=True)
    diagnostics, _ = examine(found, settings.models.allowed_to_fail, settings.sampler)
    with replacing(folder / "diagnostics.json") as draft:
        draft.write_text(json.dumps(diagnostics, indent=1) + "\n", encoding="utf-8")
    return open_fit(folder)


def summarize(fit: Fit) -> pd.DataFrame:
    """One row per parameter of a fit's posterior; see `pooling.fits.summaries.summarize`."""
    return summarize_draws(fit.tree["posterior"].to_dataset())


def predict(
    fit: Fit, houses: Path | str | pd.DataFrame, study: Path | str, executable: Path | str
) -> pd.DataFrame:
    """Predict houses from a fit; see `pooling.reporting.predict.predict_houses`.

    Parameters
    ----------
    houses
        CSV file or frame with the columns county and floor, perhaps activity.
    study
        The study file of the fit.
    executable
        Of the fit's program, such as `stan/hierarchical_marginal`.
    """
    settings, (data, _) = read_study(Path(study)), prepare(study)
    floors, path = settings.data.floors, Path(executable).resolve()
    return predict_houses(houses, fit, path, data, floors, settings.sampler, settings.decision)
