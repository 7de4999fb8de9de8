"""Lower bounds and tables of the workflow's own cost."""

import pandas as pd
import pytest
from project import ROOT

from bench.growth import growth_targets, stan_data
from bench.processes import Cost
from bench.ratios import frame
from bench.workflow import (
    EDITED,
    edited,
    memory_row,
    merge,
    ratio_row,
    rewritten,
    stages,
    workflow_targets,
)
from pooling.errors import PoolingError
from pooling.program import essence


def test_ratio_is_of_what_cannot_be_avoided():
    row = ratio_row("x", 30.0, 20.0, 1.6)
    assert (row["ratio"], row["target"]) == (1.5, 1.6)


@pytest.mark.parametrize("model", EDITED)
def test_edit_changes_one_line_of_the_likelihood_alone(model):
    source = (ROOT / "stan" / f"{model}.stan").read_text()
    lines = zip(source.splitlines(), edited(source, 1.01).splitlines(), strict=True)
    ((old, new),) = [pair for pair in lines if pair[0] != pair[1]]
    assert new == old.replace("sigma);", "1.01 * sigma);")
    assert "~" in old


def test_edit_without_a_likelihood_is_an_error():
    with pytest.raises(PoolingError, match=r"correct bench\.workflow"):
        edited("model {\n  y ~ normal(mu, sigma);\n}\n", 1.01)


def test_a_remark_in_front_leaves_the_essence(tmp_path):
    source = ROOT / "stan" / f"{EDITED[0]}.stan"
    program = tmp_path / source.name
    program.write_text(source.read_text())
    with rewritten(program, f"// A remark.\n{source.read_text()}"):
        assert program.read_text().startswith("// A remark.")
        assert essence(program, ROOT / "stan") == essence(source, ROOT / "stan")
    assert program.read_text() == source.read_text()


def test_stages_that_compile_or_fit_are_counted():
    printed = "compile  stan/a\nfit      data/fits/s/a/fit.nc\ncheck    x\nfitted   y\n"
    assert stages(printed) == 2
    assert stages("figures/shrinkage reports/x.svg\n") == 0


def test_merge_replaces_rows_with_the_same_key_and_keeps_others(tmp_path):
    path = tmp_path / "table.csv"
    merge(path, [{"what": "a", "seconds": 1.0}, {"what": "b", "seconds": 2.0}], "what")
    table = merge(path, [{"what": "a", "seconds": 3.0}], "what")
    assert dict(zip(table["what"], table["seconds"], strict=True)) == {"b": 2, "a": 3}
    assert merge(path, [], "what").equals(pd.read_csv(path))


def test_targets_are_of_the_ratio_and_of_seconds_without_one():
    workflow = pd.DataFrame(
        [
            ratio_row("edit", 30.0, 20.0, 1.4),
            {"what": "second", "seconds": 0.4, "target": 0.5},
            {"what": "comment", "seconds": 1.0, "ratio": 0, "target": 0},
        ]
    )
    found = Cost(1, work_seconds=1, stage_seconds={}, peak_bytes=1_600_000_000, output="", code=0)
    memory = pd.DataFrame([memory_row("minnesota", "make all", found)])
    targets = workflow_targets(workflow, memory)
    assert [target.value for target in targets] == [1.5, 0.4, 0, 1.6]
    assert [target.reached for target in targets] == [False, True, True, False]


def test_growth_is_the_ratio_of_medians_of_most_to_fewest_houses():
    rows = [(20, 1.0), (2000, 3.0), (20, 2.0), (2000, 2.0), (20, 9.0), (2000, 2.2)]
    (target,) = growth_targets(pd.DataFrame(rows, columns=["houses", "sampling_s"]))
    assert target.value == pytest.approx(2.2 / 2.0)


def test_simulated_data_has_counties_from_1_and_every_county():
    data = stan_data(50, 20, seed=1)
    assert (data["N"], data["J"]) == (50, 20)
    assert set(data["county"]) == set(range(1, 21))
    assert set(data["floor_measure"]) <= {0, 1}


def test_ratios_are_to_the_best_of_the_reference_that_passes():
    columns = ["data", "engine", "parameterisation", "ess_per_s", "ess_per_s_with_compile"]
    table = pd.DataFrame(
        [
            ("d", "cmdstan", "marginal", 30.0, 4.0, True),
            ("d", "nutpie", "noncentered", 10.0, 2.0, True),
            ("d", "nutpie", "centered", 40.0, 8.0, False),
            ("d", "pymc", "centered", None, None, False),
        ],
        columns=[*columns, "passed"],
    )
    found = frame(table).set_index(["time", "label"])
    assert found.loc[("sampling", "CmdStan marginal"), "ratio"] == 3
    assert found.loc[("compiling and sampling", "CmdStan marginal"), "ratio"] == 2
    assert found.loc[("sampling", "nutpie centered"), "ratio"] == 4
    assert not found.loc[("sampling", "nutpie centered"), "passed"]
    assert ("sampling", "PyMC centered") not in found.index
