from dataclasses import replace

import pytest
from conftest import build_fit
from written import under_other_priors

from pooling.build.errors import NothingToShow
from pooling.figures.other_priors import frame, plot
from pooling.fits.store import Fit, open_fit, write_fit
from pooling.inputs.study import Figures

COLUMNS = ["study", "model", "label", "priors", "parameter", "mean", "q5", "q95", "passed"]


def compared(model: str, **options) -> Fit:
    fit = build_fit(model, **options)
    return replace(fit, other_priors=under_other_priors(fit))


def test_a_row_for_each_model_set_and_parameter():
    rows = frame([compared("pooled"), build_fit("per_county"), compared("foo")], Figures())
    assert list(rows) == COLUMNS
    # Three parameters of pooled and five of foo, under two sets.
    assert len(rows) == 2 * (3 + 5)
    assert rows["priors"].cat.categories.tolist() == ["study", "wide"]
    assert rows["label"].cat.categories.tolist() == ["pooled", "foo"]
    mean = rows.set_index(["model", "priors", "parameter"])["mean"]
    # The population mean of the example fits is 1.4; the other set lies 0.5 * 0.1 above it.
    assert mean["foo", "study", "mu_alpha"] == pytest.approx(1.4)
    assert mean["foo", "wide", "mu_alpha"] == pytest.approx(1.45)


def test_what_failed_is_told(tmp_path):
    rows = frame([compared("pooled"), compared("foo", converged=False)], Figures())
    assert rows.groupby("label", observed=True)["passed"].all().tolist() == [True, False]
    assert "foo (not converged)" in rows["label"].tolist()
    assert "Crossed out" in plot(rows).labels.caption
    assert "Crossed out" not in plot(rows[rows["passed"]]).labels.caption


def test_without_other_priors_there_is_nothing_to_show():
    with pytest.raises(NothingToShow, match=r"add \[other_priors\.<name>\] to the study"):
        frame([build_fit("pooled")], Figures())


def test_the_table_is_read_with_the_fit(tmp_path):
    fit = build_fit("pooled")
    write_fit(fit.tree, tmp_path / "fit.nc")
    assert open_fit(tmp_path).other_priors.empty
    under_other_priors(fit).to_csv(tmp_path / "other_priors.csv", index=False)
    found = open_fit(tmp_path).other_priors
    expected = under_other_priors(fit)
    assert found["mean"].tolist() == pytest.approx(expected["mean"].tolist())
    assert found["priors"].tolist() == expected["priors"].tolist()


def test_it_is_drawn(tmp_path):
    rows = frame([compared("pooled"), compared("foo", converged=False)], Figures())
    plot(rows).save(tmp_path / "figure.png", dpi=40, verbose=False)
    assert (tmp_path / "figure.png").stat().st_size > 1000
