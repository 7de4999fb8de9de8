import json
import math
from functools import partial

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import build_fit
from scipy.special import stdtr, stdtrit
from written import TWINS, write_coords, write_results, write_twins

from pooling.build.errors import DataError
from pooling.fits import new_house
from pooling.fits.store import Fit
from pooling.inputs.decision import TABLES as DECISIONS
from pooling.inputs.priors import Priors
from pooling.reporting import counties, results
from pooling.reporting.definitions import TABLE_NOTES, definitions
from pooling.reporting.fits import Result, open_results

Z95 = 1.6448536269514722  # 95% quantile of the standard normal
POINT = 4.1  # pCi/L + 0.1: the action level on the scale of log(x + 0.1)


def steady(alpha: float, beta: float, sigma: float, model: str = "hierarchical_noncentered") -> Fit:
    """A fit whose draws are all the same."""
    fit = build_fit(model)
    posterior = fit.tree["posterior"].to_dataset()
    values = {"alpha": alpha, "beta": beta, "sigma": sigma}
    for name, value in values.items():
        posterior[name] = posterior[name] * 0 + value
    fit.tree["posterior"] = posterior
    return fit


def county(table: pd.DataFrame, name: str, floor: str) -> pd.Series:
    return table[(table["county"] == name) & (table["floor"] == floor)].iloc[0]


def opened(folder, *models, **options) -> list[Result]:
    paths = [write_results(folder, model, **options) for model in models]
    return open_results(paths, json.loads(write_coords(folder).read_text()), TWINS)


def test_quantile_of_one_normal_is_its_own():
    mean, spread = np.full((5, 2), [1.0, -3.0]), np.full((5, 1), 2.0)
    found = counties.predictive_quantile(mean, spread, 0.95)
    assert found == pytest.approx([1 + 2 * Z95, -3 + 2 * Z95], abs=1e-6)


def test_quantile_of_a_mixture_takes_each_countys_own_spread():
    # Symmetric about 2: the median; in the second county half lies at 0 and half at 10.
    mean = np.array([[0.0, 0.0], [4.0, 10.0]])
    spread = np.array([[1.0, 0.001], [1.0, 0.001]])
    assert counties.predictive_quantile(mean, spread, 0.5)[0] == pytest.approx(2.0, abs=1e-6)
    # The quarter quantile of the second is the median of its lower half.
    assert counties.predictive_quantile(mean, spread, 0.25)[1] == pytest.approx(0.0, abs=1e-5)


def test_quantile_of_student_errors():
    # The 95% quantile of Student-t with 1 degree of freedom, Cauchy, is tan(0.45 pi) = 6.3138.
    cauchy = counties.Errors(*(partial(f, np.ones((3, 1))) for f in (stdtr, stdtrit)))
    mean, spread = np.full((3, 2), 1.0), np.full((3, 1), 2.0)
    found = counties.predictive_quantile(mean, spread, 0.95, cauchy)
    assert found == pytest.approx([1 + 2 * math.tan(0.45 * math.pi)] * 2, abs=1e-6)


def test_errors_are_student_where_the_program_has_degrees_of_freedom(example_fit):
    fit = example_fit("foo")
    assert new_house.errors_of(fit) is new_house.NORMAL
    draws = fit.tree["posterior"].to_dataset()
    fit.tree["posterior"] = draws.assign(nu=xr.ones_like(draws["mu_alpha"]))
    # Cauchy: a quarter lies above 1.
    assert new_house.errors_of(fit).cdf(np.array([[-1.0]])) == pytest.approx(0.25)


def test_quantile_of_a_prior_as_wide_as_the_tutorials():
    mean = np.linspace(-20000, 20000, 4001)[:, None]
    found = counties.predictive_quantile(mean, np.ones((4001, 1)), 0.05)
    assert found[0] == pytest.approx(-18000, abs=10)


def test_a_county_at_the_action_level_reaches_it_every_other_time():
    table = counties.county_levels(steady(math.log(POINT), -1.0, 0.5))
    basement = county(table, "AITKIN", "basement")
    assert basement["typical"] == pytest.approx(4.0)
    assert basement["typical_q5"] == basement["typical_q95"] == pytest.approx(4.0)
    assert basement["p_action"] == pytest.approx(0.5)
    assert basement["house_q95"] == pytest.approx(POINT * math.exp(0.5 * Z95) - 0.1)
    assert basement["house_q5"] == pytest.approx(POINT * math.exp(-0.5 * Z95) - 0.1)
    # A floor effect of two standard deviations: the upper tail of the normal beyond 2.
    first = county(table, "AITKIN", "first floor")
    assert first["p_action"] == pytest.approx(0.022750131948179)
    assert first["typical"] == pytest.approx(POINT / math.e - 0.1)


def test_radon_is_in_the_unit_of_the_study_and_so_is_the_action_level():
    """1 pCi/L is 37 Bq/m3: 148 Bq/m3 are 4 pCi/L, and 3.7 Bq/m3 are added to each activity."""
    fit = steady(math.log(POINT), -1.0, 0.5)
    fit.tree.attrs.update(unit="Bq/m3", action_level=300.0)
    basement = county(counties.county_levels(fit), "AITKIN", "basement")
    assert basement["typical"] == pytest.approx(148)
    # The upper tail of the normal beyond log(303.7 / 151.7) / 0.5 = 1.388271 standard deviations.
    assert basement["p_action"] == pytest.approx(0.0825273, abs=1e-6)
    summary = counties.data_summary(fit).set_index("floor")
    assert summary.loc["all", ["action_level", "unit"]].tolist() == [300, "Bq/m³"]
    # log(303.7 / 37) is 2.105: of the ten houses only that of 2.1 comes near.
    assert summary["share_action"].tolist() == [0, 0, 0]
    texts = definitions(fit.response).set_index("name")["definition"]
    assert "at or above the action level, 300 Bq/m³" in texts["p_action"]
    assert texts["share_implausible"] == (
        "share of these draws above 37,000 Bq/m³, 123 times the action level"
    )


def test_the_other_response_has_no_offset():
    fit = steady(math.log(4.0), 0.0, 1.0)
    fit.tree.attrs["response"] = "log(x), 0 as 0.1"
    basement = county(counties.county_levels(fit), "CASS", "basement")
    assert basement["typical"] == pytest.approx(4.0)
    assert basement["p_action"] == pytest.approx(0.5)


def test_a_county_that_nobody_measured_is_as_wide_as_the_population_and_a_house_wider():
    fit = steady(0.0, 0.0, 0.5)
    posterior = fit.tree["posterior"].to_dataset()
    values = {"mu_alpha": 1.0, "mu_beta": -0.5, "sigma_alpha": 0.3, "sigma_beta": 0.4}
    fit.tree["posterior"] = posterior.assign({n: posterior[n] * 0 + v for n, v in values.items()})
    basement, first = counties.unmeasured([fit]).to_dict("records")
    assert basement["typical"] == pytest.approx(math.e - 0.1)
    assert basement["typical_q95"] == pytest.approx(math.exp(1 + 0.3 * Z95) - 0.1)
    # On the first floor the standard deviation of levels is (0.3^2 + 0.4^2)^0.5 = 0.5.
    assert first["typical_q5"] == pytest.approx(math.exp(0.5 - 0.5 * Z95) - 0.1)
    # And that of houses (0.5^2 + 0.5^2)^0.5.
    assert first["house_q95"] == pytest.approx(math.exp(0.5 + 0.5**0.5 * Z95) - 0.1)


def test_models_whose_counties_differ_otherwise_say_nothing_of_an_unmeasured_county():
    with_soil = build_fit("hierarchical_uranium", uranium=True)
    assert counties.unmeasured([build_fit("pooled"), build_fit("per_county"), with_soil]).empty


def test_standard_deviations_by_floor_are_used_by_floor():
    fit = steady(math.log(POINT), 0.0, 1.0)
    draws = fit.tree["posterior"].to_dataset()
    by_floor = {"sigma_basement": draws["sigma"] * 0.5, "sigma_first_floor": draws["sigma"] * 2}
    fit.tree["posterior"] = draws.drop_vars("sigma").assign(by_floor)
    table = counties.county_levels(fit)
    for floor, sd in (("basement", 0.5), ("first floor", 2.0)):
        found = county(table, "AITKIN", floor)
        assert found["house_q95"] == pytest.approx(POINT * math.exp(sd * Z95) - 0.1), floor


def test_a_spread_by_county_is_used_by_county():
    fit = steady(math.log(POINT), 0.0, 1.0, "per_county")
    sigma = fit.tree["posterior"]["sigma"]
    fit.tree["posterior"]["sigma"] = sigma * np.array([1.0, 2.0, 3.0, 4.0])
    table = counties.county_levels(fit)
    upper = [county(table, name, "basement")["house_q95"] for name in ("AITKIN", "MAHNOMEN")]
    assert upper == pytest.approx([POINT * math.exp(Z95 * s) - 0.1 for s in (1, 4)])


def test_a_level_is_identified_by_houses_on_its_floor():
    own = counties.county_levels(build_fit("per_county")).query("county == 'CASS'")
    assert own["identified"].tolist() == [True, False]
    everyones = counties.county_levels(build_fit("pooled")).query("county == 'CASS'")
    assert everyones["identified"].tolist() == [True, True]


def test_county_levels_are_a_row_for_each_county_and_floor():
    table = counties.county_levels(build_fit(converged=False))
    expected = ["model", "converged", "county_fips", "county", "state", "houses"]
    expected += ["first_floor_houses", "floor", "identified", "typical", "typical_q5"]
    expected += ["typical_q95", "house_q5", "house_q95", "p_action"]
    assert table.columns.tolist() == expected
    assert table["floor"].tolist() == ["basement", "first floor"] * 4
    assert not table["converged"].any()


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("pooled", "complete pooling"),
        ("per_county", "no pooling"),
        ("hierarchical_centered", "partial pooling"),
        ("foo", "partial pooling"),
    ],
)
def test_structure_of_the_programs(model, kind):
    assert Result(None, build_fit(model), TWINS.get(model, "")).structure == kind


def test_draws_outweigh_the_name():
    fit = build_fit("per_county_shared")
    assert Result(None, fit).structure == "partial pooling"
    assert Result(None, steady(1.0, 0.0, 1.0, "per_county")).structure == "complete pooling"


def with_prior(alpha: np.ndarray, beta: float) -> Fit:
    """A fit whose prior has these draws (sample, county) of alpha, and one beta."""
    fit = build_fit("pooled")
    prior = fit.tree["prior"].to_dataset()
    prior["alpha"] = prior["alpha"] * 0 + alpha.reshape(prior["alpha"].shape)
    prior["beta"] = prior["beta"] * 0 + beta
    fit.tree["prior"] = prior
    return fit


def test_prior_predictive_by_hand():
    # 200 draws over counties: typical houses of 0.9, 1.9, ..., 199.9 pCi/L, 10 of them raised.
    levels = np.arange(1.0, 201.0)
    levels[-10:] *= 100
    table = counties.prior_predictive([with_prior(np.log(levels), np.log(0.5))]).set_index("floor")
    basement, first = table.loc["basement"], table.loc["first floor"]
    assert basement["share_implausible"] == pytest.approx(0.05)
    assert first["share_implausible"] == pytest.approx(0.05)
    # The median lies between the logarithms of 100 and 101.
    assert basement["prior_q50"] == pytest.approx(math.sqrt(100 * 101) - 0.1)
    assert first["prior_q50"] == pytest.approx(math.sqrt(50 * 50.5) - 0.1)
    # The 5% quantile is at position 0.05 * 199 = 9.95, between 10 and 11.
    assert basement["prior_q5"] == pytest.approx(10**0.05 * 11**0.95 - 0.1)
    assert basement["model"] == "pooled"


def test_prior_predictive_of_the_tutorials_priors_overflows_without_a_word():
    alpha = np.repeat([-20_000.0, 20_000.0], 100)
    table = counties.prior_predictive([with_prior(alpha, 0.0)])
    assert table["prior_q5"].tolist() == [0, 0]
    assert np.isinf(table["prior_q95"]).all()
    assert table["share_implausible"].tolist() == [0.5, 0.5]


def test_data_summary_by_hand():
    table = counties.data_summary(build_fit()).set_index("floor")
    assert table["houses"].tolist() == [10, 7, 3]
    assert table["counties"].tolist() == [4, 4, 2]
    assert table.loc["basement", "mean"] == pytest.approx(9.4 / 7)
    assert table.loc["first floor", "median"] == pytest.approx(math.exp(0.9) - 0.1)
    # log(4.1) is 1.411: 2.0, 1.6 and 1.5 reach it in basements, 2.1 on the first floor.
    assert table["share_action"].tolist() == pytest.approx([0.4, 3 / 7, 1 / 3])


def test_a_house_exactly_at_the_action_level_counts():
    fit = build_fit()
    fit.tree["observed_data"]["log_radon"][:] = np.log(4.0 + 0.1)
    assert counties.data_summary(fit)["share_action"].tolist() == [1, 1, 1]


def test_diagnostics_name_the_failed_checks(tmp_path):
    write_results(tmp_path, "pooled")
    write_results(tmp_path, "hierarchical_centered", converged=False)
    coords = json.loads(write_coords(tmp_path).read_text())
    table = results.diagnostics(open_results([*(tmp_path / "fits").iterdir()], coords, TWINS))
    row = table.query("model == 'hierarchical_centered' and group == 'posterior'").iloc[0]
    assert (row["divergences"], row["failed"], bool(row["passed"])) == (7, "divergences", False)
    assert row["allowed_to_fail"] == "kept as a lesson"
    assert row["r_hat_parameter"] == "sigma"
    assert table["passed"].tolist() == [True, True, False, True]


def test_priors_say_what_is_infinite_by_saying_nothing():
    normal, uniform = {"loc": 0, "scale": 10}, {"upper": 100}
    locations = dict.fromkeys(("alpha", "beta", "mu_alpha", "mu_beta"), normal)
    spreads = {
        "sigma": uniform,
        "sigma_alpha": {"scale": 1},
        "sigma_beta": {"scale": 1, "upper": 5},
    }
    others = {"rho": {"shape": 2}, "nu": {"shape": 2, "rate": 0.1}}
    priors = Priors.model_validate(locations | spreads | others)
    table = results.priors_table(priors).set_index("parameter")
    assert "gamma_alpha" not in table.index
    assert table.loc["rho", ["prior", "shape"]].tolist() == ["LKJ", 2]
    assert table.loc["nu", ["prior", "shape", "rate"]].tolist() == ["gamma", 2, 0.1]
    assert table.loc["mu_beta", ["prior", "loc", "scale"]].tolist() == ["normal", 0, 10]
    assert table.loc["sigma", ["prior", "upper"]].tolist() == ["uniform", 100]
    assert math.isnan(table.loc["sigma", "scale"])
    assert table.loc["sigma_beta", ["prior", "scale", "upper"]].tolist() == ["half-normal", 1, 5]


def test_a_parameter_that_follows_the_prior_rather_than_the_data_is_not_identified(tmp_path):
    """From .05 on the prior matters; it decides where it moves more than the likelihood."""
    found = opened(tmp_path, "foo")
    names = found[0].table("estimates").query("county_fips.isna()")["parameter"].tolist()
    moved = pd.DataFrame({"model": "foo", "parameter": names[:3]})
    moved = moved.assign(prior=[0.06, 0.06, 0.04], likelihood=[0.05, 0.07, 0.0], diagnosis="-")
    moved.to_csv(found[0].folder / "sensitivity.csv", index=False)
    table = results.estimates(found)
    unknown = table[table["county_fips"].isna() & ~table["identified"]]
    assert unknown["parameter"].tolist() == names[:1]


def test_models_stand_in_the_order_of_the_story(tmp_path):
    found = opened(tmp_path, "hierarchical_noncentered", "foo", "per_county", "pooled")
    names = [result.fit.model for result in found]
    assert names == ["pooled", "per_county", "foo", "hierarchical_noncentered"]


def test_a_fit_of_another_study_is_refused(tmp_path):
    path = write_results(tmp_path, "pooled", study="other")
    coords = json.loads(write_coords(tmp_path).read_text())
    with pytest.raises(DataError, match=r"pooled/fit\.nc: a fit to study other, not to example"):
        open_results([path], coords, TWINS)


@pytest.mark.parametrize("key", ["house_id", "county_fips"])
def test_a_fit_to_other_data_is_refused(tmp_path, key):
    path = write_results(tmp_path, "pooled")
    coords = json.loads(write_coords(tmp_path).read_text())
    coords[key] = coords[key][:-1]
    with pytest.raises(
        DataError, match=r"houses, counties, response or action level of study .* have changed"
    ):
        open_results([path], coords, TWINS)


def test_a_fit_that_was_not_checked_is_refused(tmp_path):
    path = write_results(tmp_path, "pooled")
    (path / "diagnostics.json").unlink()
    with pytest.raises(DataError, match=r"diagnostics\.json: the fit has not been checked"):
        open_results([path], json.loads(write_coords(tmp_path).read_text()), TWINS)


def test_a_missing_table_names_the_target_that_makes_it(tmp_path):
    (result,) = opened(tmp_path, "pooled")
    (result.folder / "scores.csv").unlink()
    with pytest.raises(DataError, match=r"scores\.csv: no such file; make it with `make pooled`"):
        _ = result.table("scores")


def test_no_fit_is_an_error():
    with pytest.raises(DataError, match="study example has no fit"):
        open_results([], {"study": "example"}, TWINS)


def test_a_county_called_na_keeps_its_name(tmp_path):
    (result,) = opened(tmp_path, "pooled")
    path = result.folder / "estimates.csv"
    path.write_text(path.read_text().replace("CASS", "NA"))
    assert "NA" in result.table("estimates")["county"].dropna().tolist()


def test_the_same_fits_give_the_same_bytes(tmp_path):
    coords = write_coords(tmp_path)
    fits = [write_results(tmp_path, model) for model in ("pooled", "per_county")]
    for name in ("first", "second"):
        inputs = (coords, write_twins(tmp_path), *fits)
        results.main([*map(str, inputs), "-o", str(tmp_path / name)])
    tables = sorted(path.name for path in (tmp_path / "first").iterdir())
    elsewhere = {"priors", "frequentist", "published", *DECISIONS}
    assert tables == sorted(f"{name}.csv" for name in set(TABLE_NOTES) - elsewhere)
    for name in tables:
        first = (tmp_path / "first" / name).read_bytes()
        assert first == (tmp_path / "second" / name).read_bytes()
        assert b"\r" not in first
