"""How draws, data and names come together in a stored fit."""

import hashlib
import json
import os

import numpy as np
import pytest
from programs import executable, quick, tiny_coords, tiny_data

from pooling.build.files import replacing
from pooling.fits.store import open_fit
from pooling.fitting import fit as stage
from pooling.fitting.chains import read_chains
from pooling.fitting.fit import as_tree, main
from pooling.fitting.sampling import sample

GROUPS = {
    "adaptation",
    "posterior",
    "log_prior",
    "sample_stats",
    "prior",
    "sample_stats_prior",
    "observed_data",
    "constant_data",
}

# All that is asked of a program's text is which parameters it has.
PROGRAM = "data { int N; } parameters { real mu_alpha; real mu_beta; real<lower=0> sigma; }\n"


@pytest.fixture(scope="module")
def chains():
    """Posterior and prior of `per_county`: its sigma is by county, its sizes are 5 and 10."""
    return read("per_county", quick(draws=110))


def read(program, settings):
    """Posterior and prior of a program."""
    return [
        sample(
            executable(program),
            tiny_data(),
            settings,
            prior=prior,
            progress=False,
            take=read_chains,
        )
        for prior in (False, True)
    ]


@pytest.fixture(scope="module")
def tree(chains):
    return as_tree(*chains, tiny_data(), tiny_coords())


def test_groups_are_arvizs(tree):
    assert set(tree.children) == GROUPS


def test_adaptation_is_kept_for_refits(tree, chains):
    posterior, _ = chains
    kept = tree["adaptation"]
    np.testing.assert_array_equal(kept["step_size"], posterior.statistics["step_size"][:, 0])
    np.testing.assert_array_equal(kept["inv_metric"], posterior.inv_metric)
    assert kept["inv_metric"].dims == ("chain", "unconstrained")
    # per_county samples the spreads of its five counties and nothing else.
    assert kept["inv_metric"].shape == (2, 5)
    assert (kept["inv_metric"] > 0).all()


def test_dimensions_have_names_and_codes(tree):
    posterior = tree["posterior"]
    assert set(posterior.data_vars) == {"alpha", "beta", "sigma"}
    for name in posterior.data_vars:
        assert posterior[name].dims == ("chain", "draw", "county")
    assert posterior["county"].values.tolist() == [27001, 27003, 27005, 38001, 38003]
    assert tree["observed_data"]["log_radon"].dims == ("house",)
    assert tree["observed_data"]["house"].values.tolist() == list(range(501, 511))


def test_log_density_of_the_priors_is_a_group_of_its_own(tree, chains):
    """It is no parameter, nor are the parts of it and the density of counties."""
    assert "log_lik_county" in chains[0].variables
    assert list(tree["log_prior"].data_vars) == ["lprior"]
    lprior = tree["log_prior"]["lprior"]
    assert lprior.dims == ("chain", "draw")
    assert np.array_equal(lprior.values, chains[0].variables["lprior"])


def test_posterior_and_prior_have_their_own_number_of_draws(tree):
    assert dict(tree["posterior"].sizes) == {"chain": 2, "draw": 110, "county": 5}
    assert tree["prior"].sizes["draw"] == 100
    assert tree["sample_stats"].sizes["draw"] == 110
    assert tree["sample_stats_prior"].sizes["draw"] == 100


def test_draws_stay_with_their_chain_and_county(tree, chains):
    raw = chains[0].variables
    stored = tree["posterior"]["beta"].sel(chain=1, county=27005).values
    assert np.array_equal(stored, raw["beta"][1, :, 2])


def test_prior_group_holds_the_priors_draws(tree, chains):
    stored = tree["prior"]["alpha"].sel(chain=0, county=27001).values
    assert np.array_equal(stored, chains[1].variables["alpha"][0, :, 0])


def test_sampler_statistics_have_the_names_the_gate_reads(tree):
    for group in ("sample_stats", "sample_stats_prior"):
        assert {"diverging", "tree_depth", "energy"} <= set(tree[group].data_vars)


def test_data_are_kept_by_house_and_county(tree):
    constants, observed = tree["constant_data"], tree["observed_data"]
    assert observed["log_radon"].sel(house=503).item() == 0.5
    assert constants["house_county"].sel(house=507).item() == 27005
    assert constants["floor_measure"].sel(house=507).item() == 1
    assert constants["county_name"].sel(county=38001).item() == "ADAMS"
    assert constants["state_name"].sel(county=38001).item() == "ND"
    assert constants["houses"].values.tolist() == [4, 4, 1, 0, 1]
    assert constants["first_floor_houses"].values.tolist() == [2, 2, 1, 0, 0]
    assert constants["log_uranium"].sel(county=38003).item() == 0.0


def test_sigma_of_all_counties_has_no_county():
    tree = as_tree(*read("pooled", quick()), tiny_data(), tiny_coords())
    assert tree["posterior"]["sigma"].dims == ("chain", "draw")


@pytest.mark.parametrize("state", [[1, 1, 1, 2, 2], [2, 1, 4, 3, 5]], ids=["two", "as counties"])
def test_effects_of_states_have_their_names(state):
    """Also where there are as many states as counties."""
    names = ["AZ", "IN", "MI", "MN", "ND"]
    data = tiny_data(S=max(state), state=state)
    coords = tiny_coords() | {"state": [names[s - 1] for s in state]}
    program = executable("hierarchical_states")
    chains = sample(program, data, quick(), progress=False, take=read_chains)
    posterior = as_tree(chains, chains, data, coords)["posterior"]
    assert posterior["alpha"].dims == ("chain", "draw", "county")
    for name in ("mu_alpha_state", "mu_beta_state"):
        assert posterior[name].dims == ("chain", "draw", "state")
        last = posterior[name].sel(state=names[max(state) - 1]).values
        assert np.array_equal(last, chains.variables[name][..., -1])
    assert posterior["sigma_alpha_state"].dims == ("chain", "draw")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Folder that the command line has filled, and the files it read."""
    folder = tmp_path_factory.mktemp("fit")
    contents = {
        "data": tiny_data(),
        "coords": tiny_coords(),
        "sampler": quick().model_dump(),
        "toolchain": {"cmdstan": "/opt/cmdstan", "version": "2.27.0", "compiler": "g++ 12"},
    }
    files = {name: folder / f"{name}.json" for name in contents}
    for name, content in contents.items():
        files[name].write_text(json.dumps(content))
    files["normalised"] = folder / "pooled.normalised"
    files["normalised"].write_text(PROGRAM)
    order = ("normalised", "data", "coords", "sampler", "toolchain")
    inputs = [str(executable("pooled")), *(str(files[name]) for name in order)]
    main([*inputs, "-o", str(folder / "pooled" / "fit.nc")])
    return folder / "pooled", files


def test_stored_fit_opens_with_its_names(stored):
    fit = open_fit(stored[0])
    assert (fit.model, fit.study) == ("pooled", "tiny")
    assert fit.tree.attrs["response"] == "log(x + 0.1)"
    assert fit.parameters == ["mu_alpha", "mu_beta", "sigma"]
    assert set(fit.tree.children) == GROUPS
    assert fit.counties["slope_identified"].tolist() == [True, True, False, False, False]


def test_record_holds_what_repeats_the_fit(stored):
    folder, files = stored
    record = json.loads((folder / "record.json").read_text())
    assert record["program"] == PROGRAM
    assert record["sampler"]["seed"] == 20060
    by_house = {"county", "floor_measure", "log_radon"}
    assert record["data"].keys() == tiny_data().keys() - by_house
    assert record["toolchain"]["version"] == "2.27.0"
    assert set(record["sha256"]) == set(files)
    assert record["sha256"]["data"] == hashlib.sha256(files["data"].read_bytes()).hexdigest()
    assert {"cmdstanpy", "numpy"} <= set(record["packages"])
    assert {"python", "machine", "finished"} <= set(record)


def test_nothing_else_is_left_in_the_folder(stored):
    assert {path.name for path in stored[0].iterdir()} == {"fit.nc", "record.json"}


def test_the_priors_chains_step_back_for_the_posteriors(stored, tmp_path, monkeypatch):
    niceness = {}

    def noting(*arguments, prior=False, **options):
        niceness[prior] = os.nice(0)
        return sample(*arguments, prior=prior, **options)

    monkeypatch.setattr(stage, "sample", noting)
    _, files = stored
    contents = {name: path.read_bytes() for name, path in files.items()}
    stage.fit(executable("pooled"), contents, tmp_path / "fit.nc")
    assert niceness[True] == min(niceness[False] + 10, 19)  # 19 is the most there is


def test_fit_that_was_made_before_is_found_again(stored, tmp_path, monkeypatch):
    """Seeds are 1, 2, 1; the third fit is the first one, and its record too."""
    _, files = stored
    made = []

    def pretend(executable, contents, output):
        seed = json.loads(contents["sampler"])["seed"]
        made.append(seed)
        for path in (output, output.with_name("record.json")):
            with replacing(path) as draft:
                draft.write_text(f"{path.name} with seed {seed}, number {len(made)}")

    monkeypatch.setattr(stage, "fit", pretend)
    order = ("normalised", "data", "coords", "sampler", "toolchain")
    output, sampler = tmp_path / "pooled/fit.nc", tmp_path / "sampler.json"
    found = []
    for seed in (1, 2, 1):
        sampler.write_text(json.dumps(quick().model_dump() | {"seed": seed}))
        inputs = [str(files[name]) if name != "sampler" else str(sampler) for name in order]
        cache = ["--cache", str(tmp_path / "cache"), "-o", str(output)]
        main([str(executable("pooled")), *inputs, *cache])
        found.append((output.read_text(), output.with_name("record.json").read_text()))
    assert made == [1, 2]
    assert found[2] == found[0] != found[1]
