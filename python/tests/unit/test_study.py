"""Study files: the shipped ones, and every way to get one wrong."""

import json
import math

import pytest
from project import ROOT

from pooling.build.errors import StudyError
from pooling.inputs.priors import Priors
from pooling.inputs.study import Data, Figures, Models, Sampler, read_section, read_study

STUDY = """\
title = "A study"
[data]
states = ["MN"]
[priors]
alpha = { loc = 0, scale = 10 }
beta = { loc = 1, scale = 10 }
mu_alpha = { loc = 0, scale = 10 }
mu_beta = { loc = 0, scale = 10 }
sigma = { scale = 1 }
sigma_alpha = { upper = 100 }
sigma_beta = { scale = 2, upper = 3 }
[sampler]
seed = 1
[models]
use = ["pooled"]
[figures]
funnel = 27021
"""
# Declarations of a program that reads all of these priors.
READ = " ".join(
    f"real prior_{parameter}_{part};"
    for parameters, parts in (
        ("alpha beta mu_alpha mu_beta", "loc scale"),
        ("sigma sigma_alpha sigma_beta", "scale upper"),
    )
    for parameter in parameters.split()
    for part in parts.split()
)


@pytest.fixture
def study(tmp_path):
    """Read the study above after one replacement."""

    def read(old="", new=""):
        assert old in STUDY
        path = tmp_path / "trial.toml"
        path.write_text(STUDY.replace(old, new, 1) if old else STUDY, encoding="utf-8")
        return read_study(path)

    return read


def test_the_unit_has_its_own_action_level(study):
    assert study().data.measured().action_label == "4 pCi/L"
    found = study("[data]", '[data]\nunit = "Bq/m3"\naction_level = 300')
    assert found.data.measured().action_label == "300 Bq/m³"
    with pytest.raises(StudyError, match=r"data: .*action_level is missing; with unit Bq/m3 give"):
        study("[data]", '[data]\nunit = "Bq/m3"')
    with pytest.raises(StudyError, match=r"data\.unit: Input should be 'pCi/L' or 'Bq/m3'"):
        study("[data]", '[data]\nunit = "Bq"\naction_level = 300')
    with pytest.raises(StudyError, match=r"data\.action_level: Input should be greater than 0"):
        study("[data]", "[data]\naction_level = 0")


def test_the_detection_limit_is_not_below_what_stands_for_0(study):
    """That is 0.1 pCi/L, or 3.7 Bq/m3."""
    assert study("[data]", "[data]\ndetection_limit = 0.1").data.detection_limit == 0.1
    with pytest.raises(StudyError, match=r"detection_limit is below 0\.1 pCi/L.*give at least"):
        study("[data]", "[data]\ndetection_limit = 0.09")
    with pytest.raises(StudyError, match=r"detection_limit is below 3\.7 Bq/m3"):
        study("[data]", '[data]\nunit = "Bq/m3"\naction_level = 300\ndetection_limit = 3')
    with pytest.raises(StudyError, match=r"data\.detection_limit: Input should be greater than 0"):
        study("[data]", "[data]\ndetection_limit = 0")


def test_what_is_left_out_has_a_default(study):
    found = study()
    assert found.data.floors == {0: "basement", 1: "first floor"}
    assert (found.priors.alpha.loc, found.priors.beta.loc) == (0, 1)
    assert (found.priors.sigma.scale, found.priors.sigma.upper) == (1, math.inf)
    assert (found.priors.sigma_alpha.scale, found.priors.sigma_alpha.upper) == (math.inf, 100)
    assert (found.sampler.chains, found.sampler.warmup, found.sampler.draws) == (4, 1000, 1000)
    assert (found.figures.funnel, found.figures.lines) == (27021, [])
    assert found.sampler.adapt_delta == 0.99


def test_county_codes_begin_with_1(study):
    assert study("funnel = 27021", "funnel = 1\nlines = [1, 2]").figures.lines == [1, 2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "A study"', "", "title: setting is missing; add it"),
        ("[sampler]\nseed = 1", "", "sampler: setting is missing; add it"),
        (
            "[sampler]",
            "[smapler]",
            "smapler: unknown setting; remove it or correct its name; known",
        ),
        (
            "scale = 2, upper = 3",
            "sd = 2",
            "priors.sigma_beta.sd: unknown setting; remove it or correct its name; "
            "known settings: scale, upper",
        ),
        (
            "[sampler]",
            "[other_priors.wide]\nsigma = { sd = 2 }\n[sampler]",
            "other_priors.wide.sigma.sd: unknown setting; remove it or correct its name; "
            "known settings: scale, upper",
        ),
        (
            '"A study"',
            "A study",
            "not TOML: Invalid value (at line 1, column 9); text needs quotes, as in title =",
        ),
        ('["MN"]', "[MN]", "not TOML: Invalid value (at line 3, column 11); text needs quotes"),
        ("loc = 1, scale = 10", "loc = 1", "priors.beta.scale: setting is missing; add it"),
        ("seed = 1", "seed = 1\ndrawz = 5", "sampler.drawz: unknown setting; remove it"),
        (
            "[sampler]",
            "[other_priors.study]\n[sampler]",
            "other_priors: Value error, rename the set study: tables use this name for [priors]",
        ),
        (
            "[sampler]",
            "[other_priors.wide]\nnu = { shape = 2, rate = 1 }\n[sampler]",
            "other_priors: Value error, wide.nu has no prior in [priors] to be compared with",
        ),
        (
            "[sampler]",
            "[calibration]\nnu = { shape = 2, rate = 1 }\n[sampler]",
            "calibration: Value error, nu has no prior in [priors] to be replaced",
        ),
        ("[data]", "[dta]", "dta: unknown setting; remove it or correct its name"),
        ("scale = 1 }", "scale = 1, mean = 0 }", "priors.sigma.mean: unknown setting"),
        ("seed = 1", 'seed = "soon"', "sampler.seed: Input should be a valid integer"),
        ("seed = 1", "seed = -1", "sampler.seed: Input should be greater than or equal to 0"),
        ("seed = 1", "seed = 1\nchains = 1", "sampler.chains: Input should be greater"),
        ("seed = 1", "seed = 1\nadapt_delta = 1.0", "sampler.adapt_delta: Input should be less"),
        ('["MN"]', '"MN"', "data.states: Input should be a valid list"),
        ('states = ["MN"]', 'response = "log(x)"', "data.response: Input should be"),
        ('states = ["MN"]', 'columns = { house = "id" }', "data.columns.house"),
        ('states = ["MN"]', 'floors = { 0 = "cellar" }', "data.floors.0: Input should be"),
        (
            'states = ["MN"]',
            "drop_floors = [1]",
            "data: Value error, floor 1 is both in floors and in drop_floors",
        ),
        ("{ upper = 100 }", "{}", "priors.sigma_alpha: Value error, needs a scale, an upper bound"),
        ("{ upper = 100 }", "{ upper = 0 }", "priors.sigma_alpha.upper: Value error, give a"),
        ("1, scale = 10", "1, scale = inf", "priors.beta.scale: Input should be less"),
        ("1, scale = 10", "1, scale = -10", "priors.beta.scale: Input should be greater"),
        ("funnel = 27021", 'funnel = "CASS"', "figures.funnel: Input should be a valid integer"),
        ("funnel = 27021", "funnel = 0", "figures.funnel: Input should be greater"),
        ("seed = 1", "seed = 1 2", "not TOML: "),
        ("seed = 1", "seed = 1\nseed = 2", "not TOML: "),
    ],
)
def test_one_error_names_file_and_setting(study, tmp_path, old, new, message):
    with pytest.raises(StudyError) as caught:
        study(old, new)
    assert str(caught.value).startswith(f"{tmp_path / 'trial.toml'}: {message}")
    assert len(str(caught.value).splitlines()) == 1


def test_missing_study_lists_those_there_are(tmp_path):
    for name in ("b.toml", "a.toml", "c.txt"):
        (tmp_path / name).touch()
    with pytest.raises(StudyError, match=r"none\.toml: no such study; choose from: a, b$"):
        read_study(tmp_path / "none.toml")


def test_study_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "latin.toml").write_bytes('title = "Höhe"'.encode("latin-1"))
    with pytest.raises(StudyError, match=r"latin\.toml: not TOML"):
        read_study(tmp_path / "latin.toml")


def test_seed_is_replaced_and_nothing_else(study):
    original = study()
    other = original.with_seed(7)
    assert (original.sampler.seed, other.sampler.seed) == (1, 7)
    assert other.with_seed(1) == original


@pytest.mark.parametrize("seed", [-1, 2**31, "soon", "1.5"])
def test_seed_is_checked_as_in_a_file(study, seed):
    with pytest.raises(StudyError, match=rf"SEED={seed}: give a whole number from 0 to 2147483647"):
        study().with_seed(seed)


def test_infinity_survives_a_section_file(study, tmp_path):
    from pooling.workflow.plan import main

    (tmp_path / "stan").mkdir()
    (tmp_path / "stan/pooled.stan").write_text(f"data {{ int N; {READ} }}")
    for table in ("households.csv", "counties.csv"):
        (tmp_path / table).touch()
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/trial.toml").write_text(STUDY, encoding="utf-8")
    plan = tmp_path / ".build/trial/plan.mk"
    main([str(tmp_path / "studies/trial.toml"), str(tmp_path / "stan"), "-o", str(plan)])
    priors = read_section(Priors, plan.with_name("priors.json"))
    assert priors == study().priors
    assert priors.sigma_alpha.scale == math.inf
    assert read_section(Sampler, plan.with_name("sampler.json")) == study().sampler
    assert read_section(Data, plan.with_name("data.json")) == study().data
    assert read_section(Figures, plan.with_name("figures.json")) == study().figures
    assert read_section(Models, plan.with_name("models.json")) == study().models


def test_section_file_is_checked_too(tmp_path):
    path = tmp_path / "sampler.json"
    path.write_text(json.dumps({"seed": 1, "chain": 4}))
    with pytest.raises(StudyError, match=r"sampler\.json: chain: unknown setting"):
        read_section(Sampler, path)


@pytest.mark.parametrize("name", ["minnesota", "post"])
def test_shipped_study(name):
    """Priors as the tutorial has them in `post`; normal(0, 10) and half-normal(0, 1) else."""
    study = read_study(ROOT / f"data/studies/{name}.toml")
    priors = study.priors
    means = (priors.alpha, priors.beta, priors.mu_alpha, priors.mu_beta)
    spreads = (priors.sigma, priors.sigma_alpha, priors.sigma_beta)
    wanted = {"minnesota": (10, 1, math.inf), "post": (10_000, math.inf, 100)}[name]
    assert {(p.loc, p.scale) for p in means} == {(0, wanted[0])}
    assert {(p.scale, p.upper) for p in spreads} == {wanted[1:]}
    assert study.data.states == ["MN"]
    assert study.data.response == "log(x + 0.1)"
    assert list(study.models.allowed_to_fail) == ["hierarchical_centered"]
    # CASS, CROW WING and FREEBORN of the tutorial's figure.
    assert study.figures.lines == [27021, 27035, 27047]


def test_refits_are_short_then_long_then_careful(study):
    settings = study().sampler
    runs = [(run.warmup, run.draws, run.adapt_delta) for run in settings.refits()]
    # The study asks for 1000 draws, which the long run does not exceed.
    assert runs == [
        (100, 500, settings.adapt_delta),
        (100, 1000, settings.adapt_delta),
        (1000, 1000, 0.99),
    ]
