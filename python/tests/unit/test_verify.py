"""Whether a repeated fit is the same, and whether its record is enough to repeat it."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import fixed_draws
from programs import ROOT, cmdstan, executable, quick, study_data, tiny_coords, tiny_data
from scipy import stats

from pooling.build.cmdstan import toolchain
from pooling.build.errors import DataError
from pooling.checking import verify
from pooling.checking.verify import Present, compare, limit, read_record, recorded_data
from pooling.fits.store import open_fit
from pooling.fitting import fit
from pooling.programs.source import normalised


def store(folder, model, data, coords, settings):
    """A fit as the stage stores it, and what it was made from as `Present`."""
    files = {
        "data.json": json.dumps(data),
        "coords.json": json.dumps(coords),
        "sampler.json": settings.model_dump_json(),
        "toolchain.json": toolchain(cmdstan()),
        f"{model}.normalised": normalised(ROOT / "stan" / f"{model}.stan", ROOT / "stan") + "\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    shutil.copy2(executable(model), folder / model)
    order = (f"{model}.normalised", "data.json", "coords.json", "sampler.json", "toolchain.json")
    made = folder / "fits" / model / "fit.nc"
    fit.main([str(folder / model), *(str(folder / name) for name in order), "-o", str(made)])
    return made.parent, Present(folder, folder, folder / "toolchain.json")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    return store(folder, "hierarchical_marginal", tiny_data(), tiny_coords(), quick())


def test_record_is_enough_after_everything_else_is_gone(stored, tmp_path):
    folder, present = stored
    kept = shutil.copytree(folder, tmp_path / "hierarchical_marginal")
    nothing = Present(tmp_path, tmp_path, present.toolchain)
    row = verify.verify(kept, nothing)
    assert (row["model"], row["toolchain"]) == ("hierarchical_marginal", "the same")
    assert row["verdict"] == "identical"


def test_executable_of_the_same_program_is_used_again(stored, monkeypatch):
    folder, present = stored
    monkeypatch.setattr(verify, "compile_program", lambda *_: pytest.fail("compiled anew"))
    assert verify.verify(folder, present)["verdict"] == "identical"


def test_executable_of_another_program_is_not_used(stored):
    folder, present = stored
    record = read_record(folder)
    assert present.executable("hierarchical_marginal", record)
    assert not present.executable("pooled", record)
    assert not present.executable("hierarchical_marginal", record | {"program": "other"})
    assert not present.executable("hierarchical_marginal", record | {"toolchain": {}})


def test_data_of_the_record_are_those_of_the_fit(stored):
    folder, _ = stored
    assert recorded_data(open_fit(folder), read_record(folder)) == tiny_data()


def test_record_of_a_shipped_study_gives_its_data_to_the_last_digit(tmp_path):
    data, coords = study_data("minnesota")
    settings = quick()
    folder, _ = store(tmp_path, "pooled", data, coords, settings)
    again = recorded_data(open_fit(folder), read_record(folder))
    assert again == json.loads((tmp_path / "data.json").read_text())
    assert json.dumps(again, sort_keys=True) == json.dumps(data, sort_keys=True)


def test_other_data_are_seen(stored, tmp_path):
    folder, present = stored
    kept = shutil.copytree(folder, tmp_path / "hierarchical_marginal")
    record = json.loads((kept / "record.json").read_text())
    record["data"]["prior_sigma_scale"] = 0.01
    (kept / "record.json").write_text(json.dumps(record))
    (kept / "diagnostics.json").write_text('{"passed": true}')
    row = verify.verify(kept, present)
    assert (row["draws"], row["verdict"]) == ("different", "disagrees")


def test_other_seed_agrees_within_monte_carlo_error(tmp_path):
    folder, present = store(tmp_path, "pooled", tiny_data(), tiny_coords(), quick(draws=500))
    record = json.loads((folder / "record.json").read_text())
    record["sampler"]["seed"] += 1
    (folder / "record.json").write_text(json.dumps(record))
    (folder / "diagnostics.json").write_text('{"passed": true}')
    row = verify.verify(folder, present)
    assert (row["draws"], row["verdict"]) == ("different", "agrees")
    assert row["largest"] > 0


def test_program_that_this_stan_refuses_is_a_row_and_a_message(stored, tmp_path, capsys):
    folder, present = stored
    kept = shutil.copytree(folder, tmp_path / "hierarchical_marginal")
    record = json.loads((kept / "record.json").read_text())
    # In the place of a word that a later Stan reserves, one that every Stan does.
    record["program"] = re.sub(r"\bmu_alpha\b", "real", record["program"])
    (kept / "record.json").write_text(json.dumps(record))
    output = tmp_path / "verify.csv"
    present_files = [str(present.executables), str(present.normalised), str(present.toolchain)]
    with pytest.raises(SystemExit) as end:
        verify.main([str(kept), "--present", *present_files, "-o", str(output)])
    assert end.value.code == 1
    said = capsys.readouterr()
    first, *rest = said.err.splitlines()
    assert first == "hierarchical_marginal: its program does not compile with this CmdStan:"
    assert rest[0].startswith("  Syntax error in 'hierarchical_marginal.stan', line 1")
    assert all(len(line) < 200 for line in rest), "not the program"
    row = pd.read_csv(output).iloc[0]
    assert (row["model"], row["verdict"]) == ("hierarchical_marginal", "does not compile")


def draws(**means):
    return xr.Dataset(
        {name: (("chain", "draw"), fixed_draws(mean, 1.0, 3)) for name, mean in means.items()}
    )


def test_identical_draws_need_no_error():
    found = compare(draws(mu=1.0, sigma=2.0), draws(mu=1.0, sigma=2.0))
    assert found == {
        "draws": "identical",
        "parameters": 2,
        "largest": 0.0,
        "at": "",
        "limit": limit(2),
        "verdict": "identical",
    }


def test_difference_is_in_combined_standard_errors():
    one, two = draws(mu=1.0, sigma=2.0), draws(mu=1.0, sigma=2.3)
    error = verify.summarize(one).set_index("variable")["mcse_mean"]["sigma"]
    found = compare(one, two)
    assert found["largest"] == pytest.approx(0.3 / (error * 2**0.5))
    assert found["at"] == "sigma"


@pytest.mark.parametrize(("shift", "verdict"), [(0.3, "agrees"), (30.0, "disagrees")])
def test_verdict_has_a_limit(shift, verdict):
    assert compare(draws(mu=1.0), draws(mu=1.0 + shift))["verdict"] == verdict
    unsure = compare(draws(mu=1.0), draws(mu=1.0 + shift), converged=False)
    assert unsure["verdict"] == "not comparable"


def test_what_does_not_vary_must_be_the_same():
    one = draws(mu=1.0).assign(gamma=(("chain", "draw"), np.zeros((2, 25))))
    assert compare(one, one + 1e-9)["at"] == "gamma"
    assert compare(one, one + 1e-9)["verdict"] == "disagrees"


def test_limit_is_bonferronis():
    # Two-sided 1 in 100 for one, 1 in 10,000 each for a hundred.
    assert limit(1) == pytest.approx(2.5758, abs=1e-4)
    assert limit(100) == pytest.approx(stats.norm.ppf(1 - 0.00005))


@pytest.mark.parametrize("content", ["", "{}", '{"program": "x"}'])
def test_record_without_what_is_needed_is_one_error(tmp_path, content):
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(DataError, match=r"record\.json: .*delete .*fit\.nc and run make again"):
        read_record(tmp_path)
