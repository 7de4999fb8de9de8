"""Tables and figures of calibration, from ranks made by hand."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pooling.build.errors import DataError
from pooling.checking import calibration
from pooling.figures import _calibration, sbc_coverage
from pooling.figures import sbc as ecdf
from pooling.figures._drawing import save

SIMS = 200
NAMES = ("AITKIN", "ANOKA", "CASS", "MAHNOMEN")
HOUSES = (4, 52, 5, 0)


def ranks(model="pooled", sims=SIMS, allowed="", seed=1, **replaced) -> xr.Dataset:
    """Uniform ranks of `mu_alpha`, `sigma`, `alpha` and `beta` of four counties; some replaced."""
    rng = np.random.default_rng(seed)
    values = {name: rng.integers(0, 100, sims) for name in ("mu_alpha", "sigma")}
    values |= {name: rng.integers(0, 100, (sims, 4)) for name in ("alpha", "beta")}
    values |= {"runs": np.ones(sims, int), "stopped": np.zeros(sims, bool)}
    values |= {"failed": np.full(sims, "", dtype=object)} | replaced
    data = {
        name: (("simulation", "county")[: np.ndim(value)], value) for name, value in values.items()
    }
    data |= {
        "county_name": ("county", np.array(NAMES, dtype=object)),
        "houses": ("county", list(HOUSES)),
        "judged": ("county", [True, True, True, False]),
    }
    about = {"model": model, "study": "example", "draws": 99, "allowed_to_fail": allowed}
    return xr.Dataset(data, {"county": [27001, 27003, 27021, 27087]}, attrs=about)


def narrow(seed=2):
    """Ranks of a posterior that is too narrow."""
    return np.floor(np.random.default_rng(seed).beta(0.4, 0.4, SIMS) * 100).astype(int)


def test_a_row_a_judged_parameter_counties_by_size():
    table = calibration.verdicts([ranks()])
    assert list(table.columns) == calibration.COLUMNS
    where = list(zip(table["parameter"], table["county"].fillna(""), strict=True))
    assert where == [("mu_alpha", ""), ("sigma", "")] + [
        (name, county) for name in ("alpha", "beta") for county in ("AITKIN", "CASS", "ANOKA")
    ]
    assert table["houses"].tolist() == [pd.NA, pd.NA, 4, 5, 52, 4, 5, 52]
    assert table["calibrated"].all()
    assert (table["ranks"] == 100).all()


def test_ranks_that_are_not_uniform_are_named():
    table = calibration.verdicts([ranks(), ranks("per_county", sigma=narrow())])
    wrong = table[~table["calibrated"]]
    assert wrong[["model", "parameter"]].to_numpy().tolist() == [["per_county", "sigma"]]
    said = calibration.summary(table)
    assert said.startswith("15 of 16 parameters calibrated; of 400 simulations 0 were repeated")
    assert "\n  not calibrated: per_county sigma, p = " in said


def test_p_values_are_adjusted_over_all_judged_parameters():
    table = calibration.verdicts([ranks(), ranks("per_county", seed=5, sigma=narrow())])
    p = table["p_value"].to_numpy()
    # Holm: the smallest times 16, the next times 15 but no less, and so on up to 1.
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(16, 0, -1)))
    assert table["p_adjusted"].to_numpy()[order] == pytest.approx(steps)


def test_a_model_that_may_fail_has_no_verdict_and_does_not_count():
    bad = ranks("hierarchical_centered", allowed="to show", sigma=narrow())
    table = calibration.verdicts([ranks(), bad])
    rows = table[table["model"] == "hierarchical_centered"]
    assert rows["calibrated"].isna().all()
    assert rows["p_adjusted"].isna().all()
    assert rows["p_value"].min() < 1e-6
    alone = calibration.verdicts([ranks()])
    assert table[table["model"] == "pooled"]["p_adjusted"].tolist() == alone["p_adjusted"].tolist()
    assert "not calibrated" not in calibration.summary(table)
    assert _calibration.label(bad) == "hierarchical_centered (not judged)"


def test_failed_repeated_and_stopped_runs_are_counted():
    runs, stopped = np.ones(SIMS, int), np.zeros(SIMS, bool)
    failed = np.full(SIMS, "", dtype=object)
    runs[:7], failed[:3], stopped[5:7] = 2, "r_hat, ess_bulk", True
    sigma = np.random.default_rng(4).integers(0, 100, SIMS)
    sigma[5:7] = -1
    table = calibration.verdicts([ranks(runs=runs, failed=failed, stopped=stopped, sigma=sigma)])
    # The two without ranks are in no other count.
    counts = table[["sims", "repeated", "failed", "stopped"]].drop_duplicates()
    assert counts.to_numpy().tolist() == [[198, 5, 3, 2]]
    assert "of 200 simulations 5 were repeated, 3 still failed" in calibration.summary(table)


def test_sizes_of_counties():
    sizes = calibration.size_classes(np.array([0, 1, 2, 3, 25, 26]))
    assert list(sizes) == ["0", "1 to 2", "1 to 2", "3 to 5", "11 to 25", "over 25"]


def test_coverage_by_hand():
    # Ranks 25 to 74 are the central half, 5 to 94 the central 90%.
    alpha = np.array([[25, 24, 74, 0], [74, 95, 75, 0]])
    found = ranks(sims=2, alpha=alpha, beta=np.full((2, 4), 50))
    table = calibration.covered(found).set_index(["parameter", "nominal", "class"])
    share = table["share"]
    # AITKIN and CASS have 4 and 5 houses, ANOKA 52, MAHNOMEN none.
    assert share["alpha", 0.5, "3 to 5"] == 0.75
    assert share["alpha", 0.5, "over 25"] == 0
    assert share["alpha", 0.9, "over 25"] == 0.5
    assert share["alpha", 0.9, "0"] == 0
    assert (share["beta"] == 1).all()
    # Shares of the two simulations are 1 and 0.5.
    assert table["se"]["alpha", 0.5, "3 to 5"] == pytest.approx(0.25)
    assert table["counties"]["alpha", 0.5, "3 to 5"] == 2


def test_uniform_ranks_cover_exactly():
    every = np.repeat(np.arange(100)[:, None], 4, axis=1)
    table = calibration.covered(ranks(sims=100, alpha=every, beta=every))
    assert (table["share"] == table["nominal"]).all()


@pytest.fixture
def files(tmp_path):
    """Ranks of two programs as files."""
    paths = []
    for found in (ranks("hierarchical_marginal", sigma=narrow()), ranks("pooled")):
        path = tmp_path / found.attrs["model"] / "sbc.nc"
        path.parent.mkdir()
        found.to_netcdf(path, engine="h5netcdf")
        paths.append(str(path))
    return paths


def test_both_tables_are_written_and_what_fails_is_said(files, tmp_path, capsys):
    out = tmp_path / "sbc.csv", tmp_path / "coverage.csv"
    calibration.main([*files, "-o", str(out[0]), "--coverage", str(out[1])])
    table, coverage = map(pd.read_csv, out)
    assert table["model"].drop_duplicates().tolist() == ["pooled", "hierarchical_marginal"]
    assert (~table["calibrated"]).sum() == 1
    assert len(coverage) == 2 * 2 * 2 * 3
    assert "not calibrated: hierarchical_marginal sigma" in capsys.readouterr().out


def test_ranks_that_are_missing_or_damaged_are_one_error(tmp_path):
    path = tmp_path / "pooled/sbc.nc"
    with pytest.raises(DataError, match="no such file; make it with `make pooled-sbc`"):
        calibration.open_ranks(path)
    path.parent.mkdir()
    path.write_bytes(b"no netCDF")
    with pytest.raises(DataError, match=r"sbc\.nc: not readable"):
        calibration.open_ranks(path)


def test_lines_of_the_figure():
    rows = ecdf.frame([ranks(), ranks("per_county", sigma=narrow())])
    line = rows[(rows["label"] == "per_county") & (rows["parameter"] == "sigma")]
    assert line["kind"].unique().tolist() == ["not calibrated"]
    assert len(line) == 101
    at = line.set_index("at")["difference"]
    # Share of ranks below 20, less 20%.
    assert at[0.2] == pytest.approx((narrow() < 20).mean() - 0.2)
    assert (at[0.0], at[1.0]) == (0, 0)
    others = rows[rows["kind"] != "not calibrated"]
    assert "beta[CASS]" in set(others["parameter"])
    assert (rows["low"] <= 0).all()
    assert (rows["high"] >= 0).all()


@pytest.mark.parametrize("figure", [ecdf, sbc_coverage])
@pytest.mark.parametrize("number", [1, 5])
def test_figures_are_drawn(figure, number, tmp_path):
    programs = [ranks(f"model_{i}", sims=SIMS, seed=i) for i in range(number)]
    programs[0] = ranks("pooled", allowed="to show" * (number > 1), sigma=narrow())
    target = tmp_path / "figure.png"
    save(figure.plot(figure.frame(programs)), [target], "Title\n\nText.")
    assert target.stat().st_size > 5000


def test_a_figure_from_files(files, tmp_path, monkeypatch):
    out = tmp_path / "sbc-coverage.svg"
    monkeypatch.setattr("sys.argv", ["sbc_coverage", *files, "-o", str(out)])
    _calibration.draw("Title\n\nText.", sbc_coverage.frame, sbc_coverage.plot)
    assert "<svg" in out.read_text(encoding="utf-8")
