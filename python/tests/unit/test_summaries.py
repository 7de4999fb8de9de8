"""Summaries of large fits are made by processes of their own, those of small ones here."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pooling.fits import summaries


@pytest.fixture
def groups():
    rng = np.random.default_rng(20061)
    draws = {"alpha": (("chain", "draw", "county"), rng.normal(size=(2, 100, 3)))}
    draws |= {"sigma": (("chain", "draw"), rng.normal(size=(2, 100)))}
    posterior = xr.Dataset(draws, {"county": [27001, 27003, 27005]})
    return [posterior, 2 * posterior]


def test_processes_find_what_one_finds(groups, monkeypatch):
    monkeypatch.setattr(summaries, "SMALL", 0)
    for found, group in zip(summaries.summarize_all(groups), groups, strict=True):
        pd.testing.assert_frame_equal(found, summaries.summarize(group))


def test_small_fits_are_summarised_without_another_process(groups, monkeypatch):
    class NoProcess(summaries.ProcessPoolExecutor):
        def submit(self, *_, **__):
            raise AssertionError("a process begins")

    monkeypatch.setattr(summaries, "ProcessPoolExecutor", NoProcess)
    assert [len(table) for table in summaries.summarize_all(groups)] == [4, 4]
