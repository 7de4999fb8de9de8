"""README's lines for a notebook, verbatim, with fewer draws and programs that are compiled."""

import re
import shutil
from pathlib import Path

import pytest
from plotnine import ggplot
from programs import cmdstan, executable
from project import ROOT

import pooling
from pooling import notebook
from pooling.inputs.study import Figures

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## In a notebook")[2].partition("\n## ")[0]
[LINES] = re.findall(r"^```python\n(.*?)^```$", SECTION, re.M | re.S)
STUDY = "data/studies/minnesota.toml"
FEWER = {"warmup": 600, "draws": 500, "prior_draws": 900}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Minnesota with fewer draws, and the fit that make would have made."""
    monkeypatch.setattr(notebook, "locate", cmdstan)
    monkeypatch.setattr(
        notebook,
        "compile_program",
        lambda program, cmdstan, output: shutil.copy(executable(program.stem), output),
    )
    (tmp_path / "data/studies").mkdir(parents=True)
    for name in ("stan", "data/households.csv", "data/counties.csv"):
        (tmp_path / name).symlink_to(ROOT / name)
    study = (ROOT / STUDY).read_text(encoding="utf-8")
    for name, number in FEWER.items():
        study = re.sub(rf"^{name} = \d+", f"{name} = {number}", study, flags=re.M)
    (tmp_path / STUDY).write_text(study, encoding="utf-8")
    (tmp_path / "houses.csv").write_text("county,floor\nCASS,basement\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    pooling.sample("stan/per_county.stan", STUDY, "data/fits/minnesota/per_county")


def test_the_lines_of_readme_run(checkout):
    *lines, last = LINES.strip().splitlines()
    names = {}
    exec("\n".join(lines), names)
    assert names["fit"].converged
    assert names["fit"].model == "hierarchical_marginal"
    assert names["cass"].sizes == {"sample": 4 * FEWER["draws"]}
    assert isinstance(eval(last, names), ggplot)
    assert Path("data/fits/notebook/diagnostics.json").is_file()


@pytest.mark.parametrize("name", ["caterpillar", "shrinkage"])
def test_a_figure_is_called_with_fits(example_fit, name):
    fits = [example_fit("per_county", counties=8), example_fit(counties=8)]
    module = getattr(pooling.figures, name)
    drawn = module(fits)
    assert isinstance(drawn, ggplot)
    assert drawn.labels.title == module.plot(module.frame(fits, Figures())).labels.title


def test_a_figure_takes_the_counties_of_a_study_and_its_own_options(example_fit):
    fits = [example_fit("pooled", counties=8), example_fit(counties=8)]
    asked = Figures(lines=[27003])
    with pytest.raises(pooling.build.errors.StudyError, match="nowhere"):
        pooling.figures.shrinkage(fits, asked, from_model="nowhere")
    shown = pooling.figures.county_lines(fits, asked)
    assert set(shown.data["county"]) == {"ANOKA"}


def test_a_name_that_is_no_figures_is_an_error():
    with pytest.raises(AttributeError, match="no figure 'piechart'"):
        pooling.figures.piechart  # noqa: B018 - the look itself is what fails
