"""Pages of unusual studies: one model, few counties, several states, nothing that converged."""

import pandas as pd
import pytest
from report_pages import write_pages, write_tables


def test_tenths_of_few_counties_are_said_to_be_single_counties(tmp_path):
    tables = write_tables(tmp_path, ["pooled"])
    scores = pd.read_csv(tables / "scores.csv")
    more = [f"{name}_{kind}" for name in ("elpd", "rmse") for kind in ("loco", "kfold_county")]
    rows = scores.iloc[:4].assign(score=more, value=-1.0)
    pd.concat([scores, rows]).to_csv(tables / "scores.csv", index=False)
    page = write_pages(tmp_path, tables)["models"]
    assert "A random tenth of so few counties is a single county" in page.text
    assert "Whole county left out" in page.text
    assert "A random tenth of the counties left out" not in page.text


@pytest.mark.parametrize("model", ["pooled", "per_county", "foo"])
def test_one_model_and_no_scores_or_figures_make_pages(tmp_path, model):
    site = write_pages(tmp_path, write_tables(tmp_path, [model], scored=False))
    assert all(page.open == [] for page in site.values())
    assert "The tutorial of Elbers" not in site["index"].text


def test_one_county_makes_pages(tmp_path):
    site = write_pages(tmp_path, write_tables(tmp_path, ["pooled", "foo"], counties=1))
    for words in ("Shrinkage", "lowest estimate", "with the highest", "range from", "unevenly"):
        assert words not in site["index"].text
    assert "AITKIN, the only county of this study" in site["index"].text
    assert len(site["counties"].rows("t-counties")) == 1


def test_counties_of_several_states_are_told_apart(tmp_path):
    folder = write_tables(tmp_path, ["foo"], states=("MN", "ND"))
    page = write_pages(tmp_path, folder)["counties"]
    assert "AITKIN, MN" in page.text
    assert "ANOKA, ND" in page.text


def test_where_nothing_converged_the_pages_say_so(tmp_path):
    site = write_pages(tmp_path, write_tables(tmp_path, ["foo"], failed=("foo",)))
    for name in ("index", "counties"):
        assert "No model of this study converged: do not use these numbers." in site[name].text
    assert "0 of 1 model passed." in site["models"].text
