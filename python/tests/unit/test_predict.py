"""Houses of the user's own, predicted from a fit: what is read, what is said of them."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from conftest import build_fit
from programs import ROOT, executable, quick, study_data, tiny_coords, tiny_data
from scipy import stats

from pooling.build.errors import DataError, DiagnosticsError, SamplingError, StudyError
from pooling.deciding.annual import of_screening
from pooling.fits.spacing import evenly_spaced
from pooling.fits.store import Fit
from pooling.fitting.chains import read_chains
from pooling.fitting.fit import as_tree
from pooling.fitting.generate import to_predict
from pooling.fitting.sampling import sample
from pooling.inputs.decision import Decision
from pooling.programs.source import declared, normalised
from pooling.reporting import predict
from pooling.reporting.advice import ADVICE
from pooling.reporting.predict import overview, predict_houses

FLOORS = {0: "basement", 1: "first floor"}
RESPONSE = "log(x + 0.1)"  # of both studies here
NOBODY = to_predict([], [])


def fitted(stem: str, data: dict, coords: dict, settings) -> Fit:
    """A fit as `pooling.fitting.fit` makes it, in memory; its prior is not asked for here."""
    program = executable(stem)
    chains = sample(program, data | NOBODY, settings, take=read_chains)
    tree = as_tree(chains, chains, data, coords)
    text = normalised(ROOT / f"stan/{stem}.stan", ROOT / "stan")
    parameters = " ".join(declared(text, "parameters"))
    about = {"study": coords["study"], "response": RESPONSE, "parameters": parameters}
    tree.attrs.update(model=stem, **about)
    return Fit(tree, {"passed": True})


def of_fit(fit: Fit, data: dict, settings, houses, floors=FLOORS) -> pd.DataFrame:
    program = ROOT / "stan" / fit.model
    return predict_houses(houses, fit, program, data | NOBODY, floors, settings)


@pytest.fixture(scope="module")
def pooled():
    data, settings = tiny_data(), quick(draws=2000)
    return fitted("pooled", data, tiny_coords(), settings), data, settings


@pytest.fixture(scope="module")
def marginal():
    data, coords = study_data("minnesota", unmeasured_counties=True)
    settings = quick(chains=4, warmup=500, draws=1000)
    return fitted("hierarchical_marginal", data, coords, settings), data, settings


def test_complete_pooling_by_hand(pooled):
    """Everything follows from mu_alpha, mu_beta and sigma."""
    fit, *_ = pooled
    houses = pd.DataFrame(
        {"id": ["007", "8"], "county": ["aitkin", "27003"], "floor": [0, "First floor"]}
    )
    found = of_fit(*pooled, houses.assign(activity=[1.9, np.nan], note=[1, 2]))
    assert list(found.columns) == ["id", "note", *predict.COLUMNS]
    assert found["id"].tolist() == ["007", "8"]
    assert found["county"].tolist() == ["AITKIN, MN", "ANOKA, MN"]
    assert found["floor"].tolist() == ["basement", "first floor"]
    draws = evenly_spaced(fit.tree["posterior"].to_dataset(), 4000).transpose("chain", "draw", ...)
    sigma = draws["sigma"].values.ravel()
    for row, mean in zip(
        found.to_dict("records"),
        (draws["mu_alpha"], draws["mu_alpha"] + draws["mu_beta"]),
        strict=True,
    ):
        mean = mean.values.ravel()
        level = np.exp(np.quantile(mean, (0.05, 0.5, 0.95))) - 0.1
        np.testing.assert_allclose([row[f"level_{q}"] for q in ("q5", "q50", "q95")], level, 1e-6)
        beyond = stats.norm.sf(np.log(4.1), mean, sigma).mean()
        assert row["p_action"] == pytest.approx(beyond, abs=5 * np.sqrt(beyond / 4000))
        # A share p of new houses lies below the quantile p.
        for q, share in (("q5", 0.05), ("q50", 0.5), ("q95", 0.95)):
            below = stats.norm.cdf(np.log(row[f"house_{q}"] + 0.1), mean, sigma).mean()
            assert below == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 4000))
    mean, y = draws["mu_alpha"].values.ravel(), np.log(2.0)
    density = np.log(stats.norm.pdf(y, mean, sigma).mean())
    assert found["log_score"][0] == pytest.approx(density, abs=1e-5)
    below = stats.norm.cdf(y, mean, sigma).mean()
    assert found["pit"][0] == pytest.approx(below, abs=5 * np.sqrt(0.25 / 4000))
    assert found.loc[1, ["log_score", "pit", "activity"]].isna().all()


def test_counties_measured_or_not_or_outside(pooled):
    # County 4 of the tiny data has no house. All answers of complete pooling are the same.
    houses = pd.DataFrame({"county": ["Nowhere", "ADAMS", "27005"], "floor": 0})
    found = of_fit(*pooled, houses)
    assert found["county"].tolist() == ["Nowhere", "ADAMS, ND", "BECKER, MN"]
    assert found["county_known"].tolist() == ["not in the study", "not measured", "measured"]
    assert not {"activity", "log_score", "pit"} & set(found.columns)
    np.testing.assert_allclose(found["level_q50"], found["level_q50"][1], rtol=0.1)


def test_partial_pooling_of_measured_and_other_counties(marginal):
    fit, *_ = marginal
    empty = fit.counties.index[fit.counties["houses"] == 0]
    # Every county of Minnesota's table with no house; there are 2: 85 of 87 were measured.
    assert len(empty) == 2
    names = ["ST LOUIS", fit.counties["county"][empty[0]], "no such county"]
    found = of_fit(*marginal, pd.DataFrame({"county": names, "floor": 1}))
    assert found["county_known"].tolist() == ["measured", "not measured", "not in the study"]
    effects = fit.effects().isel(county=int(np.flatnonzero(fit.counties["county"] == names[0])[0]))
    own = (effects["alpha"] + effects["beta"]).values
    # By hand: a county of the population, once for each draw of its means and spreads.
    drawn = fit.population()
    z = np.random.default_rng(20060).standard_normal((2, 50, own.size))
    new = drawn["mu_alpha"] + drawn["mu_beta"]
    new = (new + drawn["sigma_alpha"] * z[0] + drawn["sigma_beta"] * z[1]).ravel()
    for row, by_hand in zip((0, 1, 2), (own, new, new), strict=True):
        for q, share in (("q5", 0.05), ("q50", 0.5), ("q95", 0.95)):
            below = (by_hand <= np.log(found[f"level_{q}"][row] + 0.1)).mean()
            error = np.sqrt(share * (1 - share) / own.size)
            assert below == pytest.approx(share, abs=6 * error), (names[row], q)


def test_program_that_samples_by_county_is_sampled_again():
    """No pooling knows of another county what its prior says: alpha ~ normal(0, 10)."""
    data, settings = tiny_data(), quick(draws=500)
    fit = fitted("per_county", data, tiny_coords(), settings)
    houses = pd.DataFrame({"county": ["Nowhere"], "floor": 0})
    found = of_fit(fit, data, settings, houses).iloc[0]
    low, middle, high = (np.log(found[f"level_{q}"] + 0.1) for q in ("q5", "q50", "q95"))
    assert middle == pytest.approx(0, abs=5 * 1.25 * 10 / np.sqrt(4000))
    # A level below 0.1 pCi/L is shown as 0, by this response.
    assert low == pytest.approx(np.log(0.1))
    assert high == pytest.approx(10 * stats.norm.ppf(0.95), abs=5 * 2.1 * 10 / np.sqrt(4000))


def test_divergences_of_the_further_run_are_refused(pooled, monkeypatch):
    monkeypatch.setattr(predict, "sample_extended", lambda *_: None)
    with pytest.raises(SamplingError, match=r"pooled: sampling it with a county that is not in"):
        of_fit(*pooled, pd.DataFrame({"county": ["Nowhere"], "floor": 0}))


@pytest.fixture
def asking(monkeypatch):
    """Predictions of a table from an example fit, without CmdStan: every draw is 0."""

    def zeros(*inputs):
        draws = np.zeros((4, inputs[-2]["N_new"]))
        return draws, {"log_lik": draws, "y_rep": draws}

    monkeypatch.setattr(predict, "inside", zeros)
    monkeypatch.setattr(predict, "outside", zeros)
    monkeypatch.setattr(predict, "with_unknown_counties", dict)
    monkeypatch.setattr(predict, "extended_draws", lambda *_: {})

    def ask(houses, floors=FLOORS, **options):
        return predict_houses(houses, build_fit(**options), ROOT, {}, floors, quick())

    return ask


@pytest.fixture
def written(tmp_path):
    def write(text: str):
        path = tmp_path / "new.csv"
        path.write_text(text)
        return path

    return write


def test_a_table_keeps_its_order_and_its_other_columns(asking, written):
    path = written("id,floor,county,note\n007,1,elsewhere,\n1e3, basement ,Anoka,x\n7,0,27001,y\n")
    found = asking(path)
    assert found["id"].tolist() == ["007", "1e3", "7"]
    assert found["note"].fillna("").tolist() == ["", "x", "y"]
    assert found["county"].tolist() == ["elsewhere", "ANOKA", "AITKIN"]
    assert found["floor"].tolist() == ["first floor", "basement", "basement"]
    # Every draw of log(x + 0.1) is 0.
    np.testing.assert_allclose(found["house_q50"], 0.9)
    assert (found["p_action"] == 0).all()


@pytest.mark.parametrize(
    "written_as", ["27003", "027003", " 27003 ", "27003.0", "anoka", "Anoka,mn"]
)
def test_ways_to_write_a_county(asking, written_as):
    houses = pd.DataFrame({"county": [written_as, "x"], "floor": "basement"})
    assert asking(houses)["county"].tolist() == ["ANOKA", "x"]


def test_a_name_that_is_there_once_needs_no_state_but_not_a_wrong_one(asking):
    # Counties of the example are in two states by turns: the fifth is in Minnesota.
    names = pd.DataFrame({"county": ["COUNTY 5, wi", "county 5"], "floor": 0})
    found = asking(names, counties=8, states=("MN", "WI"))
    assert found["county"].tolist() == ["COUNTY 5, wi", "COUNTY 5, MN"]
    assert found["county_known"].tolist() == ["not in the study", "measured"]


def test_a_name_of_several_counties_is_refused(asking, monkeypatch):
    fit = build_fit(states=("MN", "WI"))
    fit.counties["county"] = ["CLAY", "CLAY", "CASS", "CLAY"]
    monkeypatch.setattr("test_predict.build_fit", lambda: fit)
    houses = pd.DataFrame({"county": ["Clay, wi 27003", "CASS", "clay"], "floor": 0})
    message = "row 2: column county: 'clay' is the name of several counties; "
    message += "give the full name or the code: CLAY, MN (27001) or "
    message += "CLAY, WI 27003 (27003) or CLAY, WI 27007 (27007)"
    with pytest.raises(DataError, match=re.escape(message)):
        asking(houses)
    assert asking(houses[:2])["county"].tolist() == ["CLAY, WI 27003", "CASS, MN"]


TABLE = "id,county,floor,activity\n1,ANOKA,0,2.2\n2,Cass,first floor,\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("county", "cty", "line 1: no column county; the columns are id, cty, floor, activity; "),
        ("id", "floor", "line 1: more than one column floor; "),
        ("id", "p_action", "line 1: column p_action has the name of an output column; rename or"),
        ("Cass", "", "line 3: column county: value is missing; fill it in or remove the row"),
        ("ANOKA", "A\x07", "line 2: column county: 'A\\x07' has a line end or another control"),
        ("first floor", "", "line 3: column floor: value is missing; fill it in or remove"),
        (
            "first floor",
            "attic",
            "line 3: column floor: 'attic' is not a floor of the study; give 0 (basement), "
            "1 (first floor), or the word",
        ),
        ("ANOKA,0", "ANOKA,9", "line 2: column floor: '9' is not a floor of the study; give 0"),
        ("2.2", "-2.2", "line 2: column activity: -2.2 is negative; correct it or remove"),
        ("2.2", "2e5", "line 2: column activity: 200000 is above 100,000 pCi/L; correct it"),
        ("2.2", "high", "line 2: column activity: 'high' is not a number; correct it"),
        ("ANOKA,0,2.2", "ANOKA,0", "line 2: 3 fields where the header has 4;"),
        ("Cass,", "Cass, MN,", "line 3: 5 fields where the header has 4;"),
    ],
)
def test_one_error_names_line_column_value_and_remedy(asking, written, old, new, message):
    path = written(TABLE.replace(old, new, 1))
    with pytest.raises(DataError, match=re.escape(f"{path}: {message}")):
        asking(path)


def test_table_that_is_missing_or_without_rows(asking, written, tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: no such table; correct its path"):
        asking(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"new\.csv: the table has a header and no rows"):
        asking(written("county,floor\n"))


@pytest.mark.parametrize(
    ("houses", "message"),
    [
        ({"county": ["ANOKA"]}, "the frame of houses has 0 columns floor; give it exactly one"),
        ({"county": [], "floor": []}, "the frame of houses has no rows"),
        ({"county": ["ANOKA", None], "floor": 0}, "row 1: column county: value is missing;"),
        (
            {"county": "ANOKA", "floor": [0, 2]},
            "row 1: column floor: 2 is not a floor of the study",
        ),
        (
            {"county": ["ANOKA"], "floor": 0, "pit": 1},
            "column pit has the name of an output column",
        ),
    ],
)
def test_one_error_of_a_frame(asking, houses, message):
    with pytest.raises(DataError, match=f"^{re.escape(message)}"):
        asking(pd.DataFrame(houses))


def test_many_houses_are_predicted_in_blocks_in_their_order(asking, monkeypatch):
    monkeypatch.setattr(predict, "BLOCK", 2)
    codes = [27001, 5, 27003, 27001, 6, 7, 27003, 27007]
    found = asking(pd.DataFrame({"county": codes, "floor": 0}))
    wanted = ["AITKIN", "5", "ANOKA", "AITKIN", "6", "7", "ANOKA", "MAHNOMEN"]
    assert found["county"].tolist() == wanted
    assert found["house_q50"].notna().all()


def test_a_fit_that_failed_predicts_nothing(asking):
    with pytest.raises(DiagnosticsError, match="MODEL=hierarchical_noncentered: its fit to study"):
        asking(pd.DataFrame({"county": ["ANOKA"], "floor": 0}), converged=False)


def test_the_terminal_shows_the_first_rows_and_names_what_is_shown(asking):
    houses = pd.DataFrame({"id": range(12), "county": ["ANOKA"] * 11 + ["Ada"], "floor": 0})
    found = asking(houses.assign(activity=[0.9] + [np.nan] * 11))
    text = overview(found, build_fit("pooled"))
    assert re.search(r"id +county +floor +county is +level of the county +new house there", text)
    assert len(re.findall("ANOKA +basement +measured +0.9 .0.9 to 0.9. +0.9", text)) == 10
    assert "... and 2 more" in text
    assert "not in the study, so predicted from the population of counties: Ada" in text
    # log(0.9 + 0.1) is 0, as every draw is: its density is exp(0), its pit 1.
    assert "1 measured: mean log score 0.000; 0% in their 50% interval" in text
    unscored = found.assign(log_score=np.nan, pit=np.nan)  # as after tests of another kind
    assert "nan" not in overview(unscored, build_fit("pooled"))


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The command line on an example fit; its arguments but for houses and model."""
    files = {"data.json": {}, "section.json": {}, "sampler.json": quick().model_dump()}
    files["models.json"] = ["per_county", "pooled"]
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    models = {"model": ["per_county", "pooled"], "headline": [False, True]}
    pd.DataFrame(models).to_csv(tmp_path / "models.csv", index=False)
    monkeypatch.setattr(predict, "open_fit", lambda folder: build_fit(folder.name))

    def call(houses: str, model: str = ""):
        names = [str(tmp_path / name) for name in ("stan", "fits", *files)]
        options = [f"--houses={houses}", f"--model={model}", f"--tables={tmp_path}"]
        predict.main([*names, *options, "-o", str(tmp_path / "predictions.csv")])
        return pd.read_csv(tmp_path / "predictions.csv", dtype={"id": str})

    return call


def test_command_line_predicts_by_the_model_of_the_report(asking, command, written, capsys):
    found = command(written("id,county,floor\n007,ANOKA,0\n"))
    assert found["id"].tolist() == ["007"]
    assert found["house_q50"].tolist() == [0.9]
    assert "radon in pCi/L by pooled" in capsys.readouterr().out


def test_command_line_without_houses_or_with_another_model(command):
    with pytest.raises(
        DataError, match=r"HOUSES names no table; run `make predict HOUSES=new\.csv"
    ):
        command("")
    message = "MODEL=foo: not a model of study fits; its models are per_county, pooled"
    with pytest.raises(StudyError, match=message):
        command("new.csv", "foo")


def test_effects_of_this_run_are_what_levels_come_from(marginal):
    """`level` and `y_rep` of a house have the same county effects: they differ by sigma."""
    fit, data, settings = marginal
    asked = to_predict([1] * 3, [0, 0, 1])
    level, draws = predict.inside(
        fit, ROOT / "stan/hierarchical_marginal", data | NOBODY, asked, settings.seed
    )
    np.testing.assert_array_equal(level[:, 0], level[:, 1])
    sigma = evenly_spaced(fit.tree["posterior"].to_dataset(), 4000)["sigma"].values.ravel()
    z = (draws["y_rep"] - level) / sigma[:, None]
    assert z.var() == pytest.approx(1, abs=5 * np.sqrt(2 / z.size))


def test_a_study_that_decides_says_what_to_do(pooled):
    """Columns of advice, for a house without a test, one with, and one in an unknown county."""
    fit, data, settings = pooled
    houses = pd.DataFrame({"county": ["AITKIN", "AITKIN", "NOWHERE"], "floor": [0, 0, 1]})
    houses = houses.assign(activity=[np.nan, 90.0, np.nan], test=["", "long-term", ""])
    # Few houses leave sigma uncertain, and some draws below the noise of a test by default.
    decision = Decision(screening_spread=1.1, factor_spread=1.05)
    program = ROOT / "stan/pooled"
    found = predict_houses(houses, fit, program, data | NOBODY, FLOORS, settings, decision)
    assert list(found.columns) == ["test", *predict.COLUMNS, *ADVICE]
    assert found["action"].tolist()[1] == "remedy"
    assert found["annual_mean"].iloc[1] > found["annual_mean"].iloc[0]
    assert found["loss_measure"].isna().tolist() == [False, True, False]
    # The model predicts screening tests, so a long-term one is not scored.
    assert found["log_score"].isna().all()
    sd = fit.tree["posterior"]["sigma"].values.ravel()
    mean = fit.tree["posterior"]["mu_alpha"].values.ravel()
    radon = of_screening(mean[:, None], sd[:, None], np.array([0]), decision, 0.1)
    wanted = radon.average(radon.expected())[0]
    assert found["annual_mean"].iloc[0] == pytest.approx(wanted, rel=0.02)
