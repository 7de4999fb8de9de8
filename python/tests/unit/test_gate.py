"""What is said of fits that failed, and that nothing else reads them."""

import json

import pytest

from pooling.build.errors import DiagnosticsError
from pooling.checking.gate import main, summary
from pooling.fits.convergence import refuse_failed, settings_to_try
from pooling.fits.store import open_fit, write_fit
from pooling.inputs.study import Sampler

SETTINGS = Sampler(seed=1, draws=2000, adapt_delta=0.95).model_dump()
LIMITS = {"divergences": 0, "treedepth_hits": 0, "e_bfmi": 0.3, "r_hat": 1.01}
LIMITS |= {"ess_bulk": 400, "ess_tail": 400}


def found(model="pooled", *, allowed=None, sampler=None, prior=None, **values):
    """Diagnostics of a fit of 4 x 2000 draws; what is not named passes."""

    def group(given):
        sound = {"divergences": 0, "treedepth_hits": 0, "e_bfmi": 0.9}
        sound |= {"r_hat": 1.002, "ess_bulk": 2500.0, "ess_tail": 1912.0}
        worst = sound | given
        at = {"r_hat": "beta[CASS]", "ess_bulk": "mu_beta", "ess_tail": "sigma"}
        named = {n: {"value": worst[n], "parameter": p} for n, p in at.items()}
        low = ("e_bfmi", "ess_bulk", "ess_tail")
        checks = {n: worst[n] >= LIMITS[n] if n in low else worst[n] <= LIMITS[n] for n in LIMITS}
        return {"chains": 4, "draws": 2000, "checks": checks} | worst | named

    groups = {"posterior": group(values), "prior": group(prior or {})}
    passed = all(all(one["checks"].values()) for one in groups.values())
    about = {"model": model, "study": "iowa", "passed": passed, "allowed_to_fail": allowed}
    return about | groups | {"sampler": SETTINGS | (sampler or {}), "limits": LIMITS}


@pytest.mark.parametrize(
    ("values", "settings"),
    [
        ({"divergences": 5}, {"adapt_delta": 0.99}),
        ({"divergences": 5, "sampler": {"adapt_delta": 0.9}}, {"adapt_delta": 0.95}),
        ({"divergences": 5, "sampler": {"adapt_delta": 0.99}}, {"adapt_delta": 0.999}),
        ({"divergences": 5, "sampler": {"adapt_delta": 0.999}}, {}),
        # A hundredth of 8000 transitions is 80.
        ({"divergences": 80}, {"adapt_delta": 0.99}),
        ({"divergences": 81}, {}),
        # The prior is sampled with 0.99 whatever the study says.
        ({"prior": {"divergences": 1}}, {"adapt_delta": 0.999}),
        ({"treedepth_hits": 3}, {"max_treedepth": 12}),
        ({"treedepth_hits": 3, "sampler": {"max_treedepth": 20}}, {}),
        ({"r_hat": 1.02}, {"warmup": 2000, "draws": 4000}),
        ({"prior": {"r_hat": float("nan")}}, {"warmup": 2000, "prior_draws": 2000}),
        ({"ess_bulk": 399.0}, {"draws": 4000}),
        # 100 of the 400 wanted: four times as many draws, and half of that to spare.
        ({"ess_tail": 100.0}, {"draws": 12000}),
        ({"ess_tail": float("nan")}, {"draws": 4000}),
        ({"ess_tail": 0.01}, {"draws": 40000}),
        ({"r_hat": 1.02, "ess_tail": 100.0}, {"warmup": 2000, "draws": 12000}),
        ({"e_bfmi": 0.2}, {}),
        ({"e_bfmi": 0.2, "divergences": 5}, {}),
    ],
)
def test_setting_to_try(values, settings):
    assert settings_to_try(found(**values)) == settings


def test_one_message_says_what_to_do_for_each_model_and_then_what_failed():
    sound, allowed = found(), found("hierarchical_centered", divergences=900, allowed="to show it")
    few = found("per_county", divergences=5, r_hat=1.0234)
    many = found("foo", prior={"divergences": 900, "e_bfmi": 0.123})
    with pytest.raises(DiagnosticsError) as caught:
        refuse_failed([sound, few, allowed, many])
    assert str(caught.value).splitlines() == [
        "study iowa: 2 of 4 models failed the diagnostics. In data/studies/iowa.toml",
        "  - for per_county, set adapt_delta = 0.99 (now 0.95), warmup = 2000 (now 1000), "
        "draws = 4000 (now 2000) under [sampler]",
        "  - for foo, no sampler setting is likely to help; reparameterise the program "
        "(centered, non-centered, or with county effects integrated out) or give narrower priors",
        '  - or exclude what failed: use = ["pooled", "hierarchical_centered"] under [models]',
        '  - or report it nevertheless: per_county = "reason" under [models.allowed_to_fail]',
        "Failed checks (all fits remain on disk):",
        "  - per_county, posterior: divergences = 5 (at most 0)",
        "  - per_county, posterior: r_hat = 1.023 at beta[CASS] (at most 1.01)",
        "  - foo, prior: divergences = 900 (at most 0)",
        "  - foo, prior: e_bfmi = 0.123 (at least 0.3)",
    ]


def test_message_of_one_model_names_it():
    with pytest.raises(DiagnosticsError, match=r"^study iowa: pooled failed the diagnostics") as it:
        refuse_failed([found(divergences=5)])
    assert "use = [other models] under [models]" in str(it.value)
    refuse_failed([found(), found("foo", divergences=5, allowed="a lesson")])


@pytest.mark.parametrize(
    ("fit", "line"),
    [
        (
            found(r_hat=1.0049),
            "pooled: passed; 0 divergences, worst R-hat 1.005 (beta[CASS]), "
            "least ESS 1,912 (sigma)",
        ),
        (
            found(prior={"r_hat": 1.009, "ess_bulk": 1200.4}),
            "pooled: passed; 0 divergences, worst R-hat 1.009 (beta[CASS] of the prior), "
            "least ESS 1,200 (mu_beta of the prior)",
        ),
        (
            found(divergences=7, prior={"divergences": 2}, r_hat=float("nan"), allowed="a lesson"),
            "pooled: failed, which the study allows (a lesson); 9 divergences, "
            "worst R-hat nan (beta[CASS]), least ESS 1,912 (sigma)",
        ),
    ],
)
def test_line_of_a_fit(fit, line):
    assert summary(fit) == line


def test_command_line_prints_a_line_for_each_model_and_stamps(tmp_path, capsys):
    paths = []
    for fit in (found(), found("foo", divergences=5, allowed="a lesson")):
        path = tmp_path / f"{fit['model']}.json"
        path.write_text(json.dumps(fit))
        paths.append(str(path))
    main([*paths, "-o", str(tmp_path / "gate")])
    said = capsys.readouterr().out
    assert [line.partition(":")[0] for line in said.splitlines()] == ["pooled", "foo"]
    assert (tmp_path / "gate").read_text() == said

    (tmp_path / "pooled.json").write_text(json.dumps(found(divergences=5)))
    (tmp_path / "gate").unlink()
    with pytest.raises(DiagnosticsError):
        main([*paths, "-o", str(tmp_path / "gate")])
    assert not (tmp_path / "gate").exists()
    assert capsys.readouterr().out == ""


def test_a_fit_that_failed_is_opened_by_those_who_ask_for_it_alone(example_fit, tmp_path):
    write_fit(example_fit("pooled").tree, tmp_path / "fit.nc")
    (tmp_path / "diagnostics.json").write_text(json.dumps(found(divergences=5)))
    with pytest.raises(DiagnosticsError, match=r"set adapt_delta = 0\.99 \(now 0\.95\)"):
        open_fit(tmp_path)
    assert not open_fit(tmp_path, even_failed=True).converged
    allowed = found(divergences=5, allowed="a lesson")
    (tmp_path / "diagnostics.json").write_text(json.dumps(allowed))
    assert open_fit(tmp_path).label == "pooled (not converged)"
