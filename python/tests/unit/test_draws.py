import numpy as np
import pytest
import xarray as xr

from pooling.build.errors import DataError, NothingToShow, StudyError
from pooling.fits.netcdf import write_netcdf
from pooling.fits.store import REPLICATIONS, chosen_counties, in_interval, open_fit, write_fit


def test_label_says_that_a_fit_failed_the_gate(example_fit):
    assert example_fit("pooled").label == "pooled"
    assert example_fit("pooled", converged=False).label == "pooled (not converged)"


def test_an_unchecked_fit_does_not_pass(example_fit, tmp_path):
    write_fit(example_fit("pooled").tree, tmp_path / "fit.nc")
    assert not open_fit(tmp_path).converged


def test_samples_are_in_order_of_chain_then_draw(example_fit):
    fit = example_fit("per_county")
    effects = fit.effects()
    beta = fit.tree["posterior"]["beta"]
    assert effects["beta"].dims == ("sample", "county")
    assert effects["beta"].values[3, 1] == beta.values[0, 3, 1]
    assert effects["beta"].values[25 + 3, 1] == beta.values[1, 3, 1]
    # The prior's draws are twice the posterior's.
    assert effects["alpha"].values[0, 0] * 2 == fit.effects("prior")["alpha"].values[0, 0]


def test_counties_say_whether_data_identify_their_slope(example_fit):
    counties = example_fit().counties
    assert list(counties.columns) == [
        "county_fips",
        "county",
        "state",
        "houses",
        "basement_houses",
        "first_floor_houses",
        "intercept_identified",
        "slope_identified",
    ]
    assert list(counties["county_fips"]) == [27001, 27003, 27005, 27007]
    assert list(counties["basement_houses"]) == [2, 2, 2, 1]
    assert list(counties["first_floor_houses"]) == [2, 1, 0, 0]
    assert list(counties["slope_identified"]) == [True, True, False, False]


def test_county_labels_name_the_state_only_where_there_are_several(example_fit):
    assert example_fit().county_labels[27005] == "CASS"
    assert example_fit(states=("MN", "ND")).county_labels[27003] == "ANOKA, ND"


def test_houses_carry_their_county(example_fit):
    houses = example_fit().houses
    assert list(houses.columns) == ["house", "county_fips", "county", "floor", "log_radon"]
    assert houses.iloc[6].tolist() == [5087, 27003, "ANOKA", 1, 2.1]


def test_expected_is_intercept_plus_slope_on_the_first_floor(example_fit):
    expected = example_fit("per_county").expected().mean("sample")
    # AITKIN: 1.2 in a basement, 1.2 - 0.5 on the first floor; ANOKA 1.8 and 1.8 + 0.3.
    assert expected.values[:7] == pytest.approx([1.2, 1.2, 0.7, 0.7, 1.8, 1.8, 2.1])


def test_moments_of_houses_are_those_of_their_expected_draws(example_fit):
    fit = example_fit("per_county")
    moments, expected = fit.expected_moments, fit.expected().values
    assert moments["mean"].to_numpy() == pytest.approx(expected.mean(axis=0))
    assert moments["variance"].to_numpy() == pytest.approx(expected.var(axis=0, ddof=1))
    # AITKIN's basement: draws 1.2 + 0.1 (-12, ..., 12) / 10, of which each chain has one set,
    # so their squares about the mean are 2 * 2 * (1 + ... + 144) / 100^2.
    assert moments["variance"][0] == pytest.approx(4 * 650 / 100**2 / 49)


def test_replications_have_a_row_a_sample_and_a_column_a_house(example_fit):
    fit = example_fit()
    replicated = fit.replications("posterior_predictive", 50)
    assert replicated.shape == (50, 10)
    assert replicated[26, 4] == fit.tree["posterior_predictive"]["y_rep"].values[1, 1, 4]


def test_replications_that_were_not_made_are_an_error_with_a_remedy(example_fit):
    with pytest.raises(NothingToShow, match=r"has no y_rep; set scores\.pointwise = true"):
        example_fit(pointwise=False).replications("posterior_predictive", 10)


def test_replications_are_read_from_beside_the_fit(example_fit, tmp_path):
    fit = example_fit(pointwise=False)
    write_fit(fit.tree, tmp_path / "fit.nc")
    assert "posterior_predictive" not in open_fit(tmp_path).tree.children
    made = example_fit().tree["posterior_predictive"].to_dataset()
    write_netcdf(xr.DataTree.from_dict({"posterior_predictive": made}), tmp_path / REPLICATIONS)
    stored = open_fit(tmp_path)
    assert stored.model == fit.model
    assert np.array_equal(stored.tree["posterior_predictive"]["y_rep"], made["y_rep"])


def test_damaged_replications_are_an_error_that_names_their_file(example_fit, tmp_path):
    write_fit(example_fit().tree, tmp_path / "fit.nc")
    (tmp_path / REPLICATIONS).write_bytes(b"half a fi")
    with pytest.raises(DataError, match=r"replications\.nc: not a readable"):
        open_fit(tmp_path)


def test_a_stored_fit_has_parameters_with_all_digits_and_effects_with_seven(example_fit, tmp_path):
    fit = example_fit("per_county", diverging=(3,))
    write_fit(fit.tree, tmp_path / "fit.nc")
    (tmp_path / "diagnostics.json").write_text('{"passed": true}', encoding="utf-8")
    stored = open_fit(tmp_path)
    assert stored.model == "per_county"
    assert stored.parameters == ["sigma"]
    assert stored.converged
    assert stored.counties.equals(fit.counties)
    before, after = (each.tree["posterior"].to_dataset() for each in (fit, stored))
    xr.testing.assert_equal(after[["sigma"]], before[["sigma"]])
    assert after["alpha"].dtype == np.float32
    xr.testing.assert_equal(after["alpha"], before["alpha"].astype(np.float32))
    assert stored.tree["sample_stats"]["diverging"].values.sum() == 1


def test_log_uranium_is_by_county_and_empty_where_the_study_uses_none(example_fit):
    assert example_fit(uranium=True).log_uranium[27005] == 0.2
    assert example_fit().log_uranium.empty


def test_population_parameters_are_those_of_one_number(example_fit):
    assert example_fit("per_county").population() == {}
    fit = example_fit("pooled")
    population = fit.population()
    assert list(population) == ["mu_alpha", "mu_beta", "sigma"]
    assert fit.parameters == ["mu_alpha", "mu_beta", "sigma"]
    assert population["sigma"][25 + 3] == fit.tree["posterior"]["sigma"].values[1, 3]
    assert fit.population("prior")["sigma"][0] == 2 * population["sigma"][0]


def test_left_out_houses_are_read_from_beside_the_fit(example_fit, tmp_path):
    write_fit(example_fit("pooled").tree, tmp_path / "fit.nc")
    assert open_fit(tmp_path).loo.empty
    (tmp_path / "loo.csv").write_text("house,elpd,pareto_k\n5081,-1.5,0.2\n5082,,0.8\n")
    loo = open_fit(tmp_path).loo
    assert loo["house"].tolist() == [5081, 5082]
    assert loo["elpd"].isna().tolist() == [False, True]


def test_ids_of_left_out_houses_stay_text(example_fit, tmp_path):
    tree = example_fit("pooled").tree
    names = np.array([f"00{i}" for i in range(9)] + ["NA"], dtype=object)
    renamed = xr.DataTree.from_dict(
        {
            name: group.to_dataset().assign_coords(house=names)
            if "house" in group.to_dataset().coords
            else group.to_dataset()
            for name, group in tree.children.items()
        }
    )
    renamed.attrs.update(tree.attrs)
    write_fit(renamed, tmp_path / "fit.nc")
    (tmp_path / "loo.csv").write_text("house,elpd\n000,-1.5\nNA,-1.6\n")
    assert open_fit(tmp_path).loo["house"].tolist() == ["000", "NA"]


def test_a_missing_fit_is_an_error_that_names_the_target(tmp_path):
    with pytest.raises(DataError, match="no such fit; make it with `make pooled`"):
        open_fit(tmp_path / "pooled")


def test_a_damaged_fit_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "fit.nc").write_bytes(b"half a fi")
    with pytest.raises(DataError, match=r"fit\.nc: not a readable fit"):
        open_fit(tmp_path)


def test_chosen_counties_keep_the_order_of_the_study(example_fit):
    chosen = chosen_counties(example_fit(), [27005, 27001], 3)
    assert list(chosen["label"]) == ["CASS", "AITKIN"]


def test_without_a_choice_counties_go_from_few_houses_to_many(example_fit):
    assert list(chosen_counties(example_fit(), [], 3)["houses"]) == [1, 3, 4]
    assert len(chosen_counties(example_fit(), [], 8)) == 4


def test_a_chosen_county_outside_the_study_is_an_error(example_fit):
    with pytest.raises(StudyError, match="county 38017 is not in the study"):
        chosen_counties(example_fit(), [27001, 38017], 3)


def test_a_start_is_the_mean_adaptation_and_the_last_draw_of_each_chain(example_fit):
    fit = example_fit("pooled")
    start = fit.start()
    # Means of the chains' 0.4, 0.6 and (1, 2), (3, 6); see conftest.
    assert start.step_size == pytest.approx(0.5)
    assert start.inv_metric == pytest.approx([2, 4])
    posterior = fit.tree["posterior"]
    assert len(start.inits) == 2
    for chain, inits in enumerate(start.inits):
        assert set(inits) == set(posterior.data_vars)
        assert inits["sigma"] == posterior["sigma"].values[chain, -1]
        assert inits["alpha"] == posterior["alpha"].values[chain, -1].tolist()


def test_central_interval_of_a_probability():
    """That of 90% leaves out 5% on either side."""
    pit = np.array([0.04, 0.05, 0.5, 0.95, 0.96, np.nan])
    assert in_interval(pit, 0.9).tolist() == [False, True, True, True, False, False]


def test_what_the_sampler_moves_in_the_place_of_a_parameter_is_no_parameter(example_fit):
    fit = example_fit()
    names = list(fit.population())
    posterior = fit.tree["posterior"].to_dataset()
    fit.tree["posterior"] = posterior.assign(sigma_free=30 * np.log(posterior["sigma"]))
    assert list(fit.population()) == names
    assert "sigma" in names
