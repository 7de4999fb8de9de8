"""Lower bounds and tables of the workflow's own cost."""

import pandas as pd
import pytest
from project import ROOT

from bench.growth import growth_targets, stan_data
from bench.large import Truth, simulate, write_study
from bench.processes import Cost
from bench.ratios import frame
from bench.targets import SPEEDS
from bench.workflow import (
    EDITED,
    edited,
    memory_row,
    merge,
    ratio_rows,
    rewritten,
    row,
    size,
    stages,
    workflow_targets,
)
from pooling.build.errors import PoolingError
from pooling.inputs.study import read_study
from pooling.programs.source import normalised


def test_ratio_is_of_what_cannot_be_avoided():
    rows = list(ratio_rows("x", 30.0, 20.0, at_most=25, times=1.6))
    assert [line["value"] for line in rows] == [30, 20, 1.5]
    assert [target.reached for target in workflow_targets(pd.DataFrame(rows))] == [False, True]


def test_a_file_with_two_names_has_its_size_once(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "fit.nc").write_bytes(bytes(1000))
    (tmp_path / "record.json").write_bytes(bytes(10))
    (tmp_path / "kept" / "fit.nc").hardlink_to(tmp_path / "fit.nc")
    assert size(tmp_path) == 1010


@pytest.mark.parametrize("model", EDITED)
def test_edit_changes_the_likelihood_and_what_is_predicted_with_it(model):
    source = (ROOT / "stan" / f"{model}.stan").read_text()
    lines = zip(source.splitlines(), edited(source, 1.01).splitlines(), strict=True)
    changed = [pair for pair in lines if pair[0] != pair[1]]
    assert all(
        new == old.replace(" sigma)", " 1.01 * sigma)").replace("(sigma,", "(1.01 * sigma,")
        for old, new in changed
    )
    assert changed[0][0].endswith("sigma);")
    assert any("log_lik[i]" in old for old, _ in changed)
    assert "1.01" not in edited(source, 1.01).partition("// Observational model")[0]


def test_edit_without_a_likelihood_is_an_error():
    with pytest.raises(PoolingError, match=r"correct bench\.workflow"):
        edited("model {\n  y ~ normal(mu, sigma);\n}\n", 1.01)


def test_a_remark_in_front_leaves_the_normalised_source(tmp_path):
    source = ROOT / "stan" / f"{EDITED[0]}.stan"
    program = tmp_path / source.name
    program.write_text(source.read_text())
    with rewritten(program, f"// A remark.\n{source.read_text()}"):
        assert program.read_text().startswith("// A remark.")
        assert normalised(program, ROOT / "stan") == normalised(source, ROOT / "stan")
    assert program.read_text() == source.read_text()


def test_stages_that_compile_or_fit_are_counted():
    printed = (
        "programs/compile  stan/a\nfitting/fit  data/fits/s/a/fit.nc\nchecking/check  x\nfit  y\n"
    )
    assert stages(printed) == 2
    assert stages("figures/shrinkage reports/x.svg\n") == 0


def test_merge_replaces_rows_with_the_same_key_and_keeps_others(tmp_path):
    path = tmp_path / "table.csv"
    merge(path, [{"what": "a", "seconds": 1.0}, {"what": "b", "seconds": 2.0}], "what")
    table = merge(path, [{"what": "a", "seconds": 3.0}], "what")
    assert dict(zip(table["what"], table["seconds"], strict=True)) == {"b": 2, "a": 3}
    assert merge(path, [], "what").equals(pd.read_csv(path))


def test_only_rows_with_a_bound_are_targets():
    found = Cost(1, 0, 0, stage_seconds={}, peak_bytes=1_600_000_000, output="", code=0)
    rows = [row("second", 0.2, "s", at_most=0.3), row("edit", 1.0, "s")]
    targets = workflow_targets(pd.DataFrame([*rows, memory_row("all", found, at_most=1.5)]))
    assert [target.what for target in targets] == ["second, s", "all: peak memory, GB"]
    assert [target.value for target in targets] == [0.2, 1.6]
    assert [target.reached for target in targets] == [True, False]


def test_growth_is_the_ratio_of_medians_of_most_to_fewest_houses():
    rows = [(20, 1.0), (2000, 3.0), (20, 2.0), (2000, 2.0), (20, 9.0), (2000, 2.2)]
    (target,) = growth_targets(pd.DataFrame(rows, columns=["houses", "sampling_s"]))
    assert target.value == pytest.approx(2.2 / 2.0)


def test_simulated_data_has_counties_from_1_and_every_county():
    data = stan_data(50, 20, seed=1)
    assert (data["N"], data["J"]) == (50, 20)
    assert set(data["county"]) == set(range(1, 21))
    assert set(data["floor_measure"]) <= {0, 1}
    assert data["N_new"] == 0


def test_the_large_study_can_be_read_and_has_nothing_by_house(tmp_path):
    write_study(tmp_path, *simulate(50, 20, seed=1), Truth())
    study = read_study(tmp_path / "large.toml")
    assert not study.scores.pointwise
    assert study.scores.leave_out == []


def test_ratios_are_to_the_best_of_the_reference_that_passes():
    columns = ["data", "engine", "parameterisation", *SPEEDS]
    table = pd.DataFrame(
        [
            ("d", "cmdstan", "marginal", 30.0, 4.0, 0.12, 0.06, True),
            ("d", "nutpie", "noncentered", 10.0, 2.0, 0.03, 0.01, True),
            ("d", "nutpie", "centered", 40.0, 8.0, 0.06, 0.02, False),
            ("d", "pymc", "centered", None, None, None, None, False),
        ],
        columns=[*columns, "passed"],
    )
    found = frame(table).set_index(["time", "label"])
    assert found.loc[("sampling", "CmdStan marginal"), "ratio"] == 3
    assert found.loc[("compiling and sampling", "CmdStan marginal"), "ratio"] == 2
    assert found.loc[("gradients", "CmdStan marginal"), "ratio"] == pytest.approx(4)
    assert found.loc[("gradients with warm-up", "CmdStan marginal"), "ratio"] == pytest.approx(6)
    assert found.loc[("sampling", "nutpie centered"), "ratio"] == 4
    assert not found.loc[("sampling", "nutpie centered"), "passed"]
    assert ("sampling", "PyMC centered") not in found.index
