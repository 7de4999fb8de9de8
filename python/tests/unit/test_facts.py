import pandas as pd
import pytest

from pooling.reporting import facts, reference_facts, score_facts

# Name, houses, of them on the first floor.
COUNTIES = {27001: ("AITKIN", 1, 0), 27003: ("ANOKA", 2, 1), 27005: ("BECKER", 4, 2)}
COUNTIES |= {27007: ("CASS", 8, 2), 27009: ("CLAY", 16, 0)}
ALONE = {27001: 3.0, 27003: 1.0, 27005: 2.0, 27007: 2.5, 27009: 1.5}
POOLED = {27001: 2.0, 27003: 1.6, 27005: 2.0, 27007: 2.3, 27009: 1.6}
STRUCTURES = {"pooled": "complete pooling", "per_county": "no pooling"}


def county_table(model: str, state: str = "MN") -> pd.DataFrame:
    rows = []
    for code, (name, houses, first) in COUNTIES.items():
        about = {"model": model, "converged": True, "county_fips": code, "county": name}
        about |= {"state": state, "houses": houses, "first_floor_houses": first}
        for floor, typical, p, known in (
            ("basement", ALONE[code], 0.2 * ALONE[code], houses > first),
            ("first floor", 0.5 * ALONE[code], 0.1, first > 0),
        ):
            rows.append(
                about | {"floor": floor, "typical": typical, "p_action": p, "identified": known}
            )
    return pd.DataFrame(rows)


def estimates(model: str) -> pd.DataFrame:
    alpha = ALONE if model == "per_county" else POOLED
    rows = [{"parameter": "sigma", "mean": 0.7}]
    for code, (_, houses, first) in COUNTIES.items():
        own = {"county_fips": code, "houses": houses}
        rows.append(own | {"parameter": "alpha", "mean": alpha[code], "identified": True})
        rows.append(own | {"parameter": "beta", "mean": -alpha[code], "identified": first > 0})
    return pd.DataFrame(rows).assign(model=model)


def tables(elpd: dict[str, float], failed: tuple[str, ...] = (), state: str = "MN") -> dict:
    """Tables of the models that `elpd` names, in its order."""
    models = [(m, STRUCTURES.get(m, "partial pooling"), m not in failed) for m in elpd]
    errors = {"per_county": (0.65, 0.82), "pooled": (0.79, 0.80)}
    rows = []
    for model, value in elpd.items():
        inside, outside = errors.get(model, (0.7, 0.75))
        scores = {"rmse_in_sample": inside, "rmse_loo": outside, "elpd_loo": value}
        rows += [{"model": model, "score": s, "value": v, "note": None} for s, v in scores.items()]
    floors = pd.DataFrame({"floor": ["all", "basement", "first floor"], "houses": [31, 26, 5]})
    return {
        "models": pd.DataFrame(models, columns=["model", "structure", "converged"]),
        "scores": pd.DataFrame(rows),
        "counties": pd.concat([county_table(m, state) for m in elpd]),
        "estimates": pd.concat([estimates(m) for m in elpd]),
        "data_summary": floors,
    }


FOUR = {"pooled": -20.0, "per_county": -30.0, "hierarchical_centered": -9.0, "foo": -12.0}


def test_survey_counts_counties():
    found = facts.survey(tables(FOUR))
    assert (found["counties"], found["measured"], found["no_first_floor"]) == (5, 5, 2)
    assert (found["smallest"]["label"], found["as_small"]) == ("AITKIN", 1)
    assert (found["largest"]["label"], found["largest"]["houses"]) == ("CLAY", 16)
    assert found["floors"]["basement"]["houses"] == 26


def test_labels_name_the_state_where_there_are_several():
    data = tables({"pooled": -1.0})
    data["counties"].loc[data["counties"]["county_fips"] == 27009, "state"] = "ND"
    labels = facts.county_rows(data, "pooled")["label"].tolist()
    assert labels == ["AITKIN, MN", "ANOKA, MN", "BECKER, MN", "CASS, MN", "CLAY, ND"]


def test_the_headline_model_is_the_one_that_the_table_marks():
    data = tables(FOUR)
    data["models"]["headline"] = data["models"]["model"] == "per_county"
    assert facts.headline_model(data) == "per_county"


def test_the_best_model_has_the_least_error_or_the_greatest_elpd():
    scores = score_facts.score_rows(tables(FOUR))
    assert score_facts.best(scores, "rmse_in_sample", list(FOUR)) == "per_county"
    assert score_facts.best(scores, "elpd_loo", ["pooled", "per_county"]) == "pooled"
    assert score_facts.best(scores, "p_loo", list(FOUR)) is None


def test_a_model_that_was_not_refitted_is_not_the_best():
    rows = {"a": {"elpd_loco": {"value": float("nan")}}, "b": {"elpd_loco": {"value": -9.0}}}
    assert score_facts.best(rows, "elpd_loco", ["a", "b"]) == "b"


def test_left_out_names_the_scores_that_there_are():
    rows = {"a": {"elpd_loco": {}}, "b": {"elpd_loo": {}, "rmse_loco": {}}}
    found = score_facts.left_out(rows, ("elpd", "rmse"), ("loo", "loco", "kfold_house"))
    assert found == [
        ("House left out", ["elpd_loo"]),
        ("Whole county left out", ["elpd_loco", "rmse_loco"]),
    ]


def test_tenths_of_ten_counties_are_single_counties():
    known = tables(FOUR)
    assert score_facts.repeated_schemes(known) == set(), "not left out together"
    scores = [{"score": score, "model": "foo"} for score in ("elpd_loco", "elpd_kfold_county")]
    known["scores"] = pd.DataFrame(scores)
    assert score_facts.repeated_schemes(known) == {"kfold_county"}
    rows = known["counties"]
    more = [rows.assign(county_fips=rows["county_fips"] + 100 * i) for i in range(3)]
    assert score_facts.repeated_schemes(known | {"counties": pd.concat(more)}) == set()


def test_shrinkage_by_hand():
    found = facts.shrinkage(tables(FOUR), "per_county", "foo")
    # Alone 3, 1, 2, 2.5, 1.5 about 2: squares sum to 2.5; pooled about 1.9 to 0.36; over 4.
    assert found["alpha"] == pytest.approx({"counties": 5, "separate": 0.625**0.5, "pooled": 0.3})
    # Slopes of ANOKA, BECKER and CASS alone: 1, 2, 2.5 with mean 11/6.
    assert found["beta"]["counties"] == 3
    assert found["beta"]["separate"] == pytest.approx((7 / 12) ** 0.5)
    # Quartiles of 1, 2, 4, 8, 16 houses; moves 1, .6 below and .2, .1 above.
    assert found["moves"] == pytest.approx({"few": 2, "many": 8, "small": 0.8, "large": 0.15})


def test_shrinkage_needs_two_models_and_four_counties():
    data = tables(FOUR)
    assert facts.shrinkage(data, "", "foo") is None
    assert facts.shrinkage(data, "foo", "foo") is None
    few = data["estimates"]["county_fips"].isin([27001, 27003, 27005])
    assert (
        facts.shrinkage(data | {"estimates": data["estimates"][few]}, "per_county", "foo") is None
    )


def test_population_is_without_what_stands_for_effects_while_sampling():
    names = ["mu_alpha", "beta_state_tilde[MN]", "alpha_free", "mu_alpha_state[MN]", "tilde_free_x"]
    rows = pd.DataFrame({"model": "a", "parameter": names, "county_fips": pd.NA})
    data = {"estimates": rows, "models": pd.DataFrame({"model": ["a"]})}
    shown, hidden = facts.population(data, most=2)
    assert shown["parameter"].tolist() == ["mu_alpha", "mu_alpha_state[MN]"]
    assert hidden == 1


def test_answer_by_hand():
    data = tables(FOUR)
    ranks = data["counties"].query("floor == 'basement'")[["model", "county_fips", "floor"]]
    data["ranks"] = ranks.assign(rank_q5=ranks["county_fips"] - 27000, rank_q95=99)
    found = facts.answer(data, "foo")
    assert (found["lowest"]["label"], found["highest"]["label"]) == ("ANOKA", "AITKIN")
    assert found["highest"]["rank_q5"] == found["highest"]["county_fips"] - 27000
    # p is .6, .2, .4, .5, .3 in basements and .1 on first floors.
    assert found["likely"] == {"basement": 2, "first": 0}
    assert found["unidentified"] == {"basement": 0, "first": 2}


def test_the_story_has_one_model_of_each_structure():
    data = tables(FOUR)
    found = facts.story(data, ["foo", "pooled", "hierarchical_centered"])
    assert found == {"complete": "pooled", "none": "", "partial": "foo"}


def test_extremes_are_of_counties_that_were_measured():
    data = tables(FOUR)
    rows = data["counties"]
    # AITKIN, with 3.0 the highest, loses its basement house: CASS has 2.5.
    rows["identified"] = rows["identified"] & (rows["county"] != "AITKIN")
    found = facts.extremes(data, "foo")
    assert (found["lowest"]["label"], found["highest"]["label"]) == ("ANOKA", "CASS")
    rows["identified"] = False
    assert facts.extremes(data, "foo")["highest"]["label"] == "AITKIN"


def test_a_county_has_its_levels_and_its_effects():
    (first, *_) = facts.by_county(tables(FOUR), "foo")
    assert (first["label"], first["typical_first"]) == ("AITKIN", 1.5)
    assert (first["alpha"]["mean"], first["beta"]["mean"]) == (2.0, -2.0)


def test_shared_parameters_are_those_without_a_county():
    found = facts.shared(tables(FOUR))
    assert list(found) == list(FOUR)
    assert [*found["foo"]] == ["sigma"]
    assert found["foo"]["sigma"]["mean"] == 0.7


def test_the_tutorials_numbers_are_quoted_beside_ours():
    alone, pooled = score_facts.tutorial(tables(FOUR))
    assert (alone["model"], alone["reported"]) == ("per_county", "0.13")
    assert alone["times"] == pytest.approx(5.0)
    assert (pooled["model"], pooled["reported"]) == ("hierarchical_centered", "0.08")
    assert pooled["times"] == pytest.approx(8.75)
    assert (alone["rmse_loo"], pooled["rmse_loo"]) == (0.82, 0.75)


def test_the_tutorial_is_about_minnesota_and_two_models():
    assert score_facts.tutorial(tables(FOUR, state="IN")) is None
    assert score_facts.tutorial(tables({"pooled": -1.0, "foo": -1.0})) is None


def test_highlighted_counties_are_those_asked_for_in_their_order():
    found = facts.highlighted(tables({"pooled": -1.0, "foo": -2.0}), [27007, 27001, 99999])
    assert [row["label"] for row in found] == ["CASS", "AITKIN"]
    assert [row["model"] for row in found[0]["models"]] == ["pooled", "foo"]
    assert found[0]["models"][1]["alpha"]["mean"] == 2.3
    assert found[1]["models"][1]["beta"]["identified"] is False


def test_without_a_wish_counties_go_from_few_houses_to_many():
    found = facts.highlighted(tables({"pooled": -1.0}), [])
    assert [row["houses"] for row in found] == [1, 4, 16]


def test_population_parameters_are_those_without_a_county():
    shown, hidden = facts.population(tables(FOUR))
    assert shown["model"].tolist() == list(FOUR)
    assert (set(shown["parameter"]), hidden) == ({"sigma"}, 0)
    assert facts.population(tables(FOUR), most=0)[1] == 4


def test_a_note_is_said_once():
    data = tables({"pooled": -1.0, "foo": -2.0})
    data["scores"]["note"] = ["a", None, "a", "b", "b", None]
    assert score_facts.score_notes(data) == [
        {"mark": "1", "model": "pooled", "note": "a"},
        {"mark": "2", "model": "foo", "note": "b"},
    ]
    marks = [
        row["mark"] for scores in score_facts.score_rows(data).values() for row in scores.values()
    ]
    assert marks == ["1", "", "1", "2", "2", ""]


def test_sensitivities_are_read_of_models_that_converged():
    given = tables(FOUR, failed=("hierarchical_centered",))
    rows = [
        ("pooled", "sigma", 0.01, "-"),
        ("hierarchical_centered", "sigma_beta", 0.30, "prior-data conflict"),
        ("foo", "sigma", 0.02, "-"),
        ("foo", "rho", 0.06, "strong prior / weak likelihood"),
    ]
    columns = ["model", "parameter", "prior", "diagnosis"]
    given["sensitivity"] = pd.DataFrame(rows, columns=columns)
    found = reference_facts.sensitivity(given)
    assert len(found["rows"]) == 4
    assert [(row["model"], row["parameter"]) for row in found["moved"]] == [("foo", "rho")]
    assert found["strongest"]["prior"] == 0.06


def test_without_sensitivities_there_is_nothing_to_say():
    assert reference_facts.sensitivity(tables(FOUR)) is None
    assert reference_facts.sensitivity(tables(FOUR) | {"sensitivity": pd.DataFrame()}) is None


def test_other_priors_stand_beside_the_studys():
    columns = ["model", "priors", "parameter", "mean", "sd", "mcse_mean", "shift", "passed"]
    rows = [
        ("foo", "study", "mu", 1.0, 0.5, 0.03, 0.0, True),
        ("foo", "wide", "mu", 1.5, 0.6, 0.04, 1.0, True),
        ("foo", "narrow", "mu", 0.0, 0.1, 0.01, -2.0, False),
        ("foo", "study", "range", 1.0, 0.5, 0.03, 0.0, True),
        ("foo", "wide", "range", 3.0, 0.5, 0.03, 4.0, True),
    ]
    estimates = pd.DataFrame({"model": "foo", "parameter": ["mu", "range"]})
    given = {
        "other_priors": pd.DataFrame(rows, columns=columns),
        "estimates": estimates.assign(identified=[True, False]),
    }
    found = reference_facts.other_priors(given)
    assert found["names"] == ["wide", "narrow"]
    assert [row["own_mean"] for row in found["rows"]] == [1.0, 1.0, 1.0]
    # sqrt(0.03^2 + 0.04^2) / 0.5; the set that fails the gate moves further, but is not believed,
    # and so does a parameter that the data do not identify.
    assert (found["furthest"]["priors"], found["furthest"]["parameter"]) == ("wide", "mu")
    assert found["furthest"]["error"] == pytest.approx(0.1)
    assert reference_facts.other_priors({}) is None
