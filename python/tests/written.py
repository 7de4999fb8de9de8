"""Example fits written to folders with the tables that earlier stages leave beside them."""

import json
from pathlib import Path

import pandas as pd
from conftest import build_fit

from pooling.checking.other_priors import COLUMNS as OTHER_PRIORS
from pooling.fits.store import Fit, write_fit

TWINS = {"pooled": "y ~ floor", "per_county": "y ~ floor, by county"}
SCORES = {"rmse_in_sample": 0.5, "rmsd_replications": 0.9, "rmse_loo": 0.6, "elpd_loo": -10.0}
WORST = {"value": 1.002, "parameter": "sigma"}
CHECKS = ("divergences", "treedepth_hits", "e_bfmi", "r_hat", "ess_bulk", "ess_tail")


def findings(fit: Fit) -> dict:
    """Diagnostics as the gate writes them: 7 divergences if the fit did not converge."""
    group = {"chains": 2, "draws": 25, "divergences": 0, "treedepth_hits": 0, "e_bfmi": 0.9}
    group |= dict.fromkeys(("r_hat", "ess_bulk", "ess_tail"), WORST)
    group["checks"] = dict.fromkeys(CHECKS, True)
    failed = {"divergences": 0 if fit.converged else 7}
    failed["checks"] = group["checks"] | {"divergences": fit.converged}
    about = {"model": fit.model, "study": fit.study, "passed": fit.converged}
    reason = None if fit.converged else "kept as a lesson"
    return about | {"posterior": group | failed, "prior": group, "allowed_to_fail": reason}


def estimates(fit: Fit) -> pd.DataFrame:
    """Means of all parameters; slopes are identified with houses on both floors."""
    counties = fit.counties.set_index("county_fips")
    rows = []
    for name, draws in fit.tree["posterior"].data_vars.items():
        by_county = "county" in draws.dims
        means = (
            draws.mean(("chain", "draw")).to_series() if by_county else {None: float(draws.mean())}
        )
        for code, mean in means.items():
            own = counties.loc[code] if by_county else {"county": None, "houses": None}
            known = name != "beta" or fit.model == "pooled" or bool(own["slope_identified"])
            about = {"model": fit.model, "parameter": name, "county_fips": code}
            about |= {"county": own["county"], "houses": own["houses"], "identified": known}
            numbers = {"mean": mean, "sd": 0.1, "mcse_mean": 0.01, "q5": mean - 0.2, "q50": mean}
            rows.append(
                about
                | numbers
                | {"q95": mean + 0.2, "ess_bulk": 400, "ess_tail": 400, "r_hat": 1.0}
            )
    return pd.DataFrame(rows).astype({"county_fips": "Int64", "houses": "Int64"})


def sensitivities(fit: Fit, scored: bool) -> pd.DataFrame:
    """Sensitivities of 0.01 to the prior, 0.3 to the likelihood; those of sigma_beta conflict."""
    names = list(fit.population()) if scored else []
    table = pd.DataFrame({"model": fit.model, "parameter": names, "prior": 0.01})
    table = table.assign(likelihood=0.3, diagnosis="-", prior_pareto_k=0.1)
    conflict = table["parameter"] == "sigma_beta"
    table.loc[conflict, ["prior", "diagnosis"]] = [0.08, "prior-data conflict"]
    return table.assign(likelihood_pareto_k=0.2)


def under_other_priors(fit: Fit) -> pd.DataFrame:
    """Population means under the study's priors, and half a standard deviation up under others."""
    rows = []
    for priors, shift in (("study", 0.0), ("wide", 0.5)):
        for name, draws in fit.population().items():
            about = {"model": fit.model, "priors": priors, "parameter": name}
            numbers = {"mean": draws.mean() + 0.1 * shift, "sd": 0.1, "mcse_mean": 0.01}
            ends = {"q5": draws.mean() - 0.2, "q95": draws.mean() + 0.2, "shift": shift}
            rows.append(about | numbers | ends | {"passed": fit.converged, "failed": ""})
    return pd.DataFrame(rows, columns=OTHER_PRIORS)


def write_results(folder: Path, model: str, elpd: float = -1.0, *, scored: bool = True, **options):
    """Write a fit of `build_fit` and its tables; every house has the log score `elpd`."""
    fit = build_fit(model, **options)
    path = folder / "fits" / model
    path.mkdir(parents=True)
    write_fit(fit.tree, path / "fit.nc")
    (path / "diagnostics.json").write_text(json.dumps(findings(fit)))
    estimates(fit).to_csv(path / "estimates.csv", index=False)
    houses = fit.houses["house"] if scored else []
    pd.DataFrame({"house": houses, "elpd": elpd}).to_csv(path / "loo.csv", index=False)
    sensitivities(fit, scored).to_csv(path / "sensitivity.csv", index=False)
    under_other_priors(fit).to_csv(path / "other_priors.csv", index=False)
    names = SCORES if scored else ("rmse_in_sample",)
    note = "" if fit.converged else "the fit did not converge"
    rows = [(model, name, SCORES[name], 0.1, len(fit.houses), note) for name in names]
    columns = ["model", "score", "value", "se", "n", "note"]
    pd.DataFrame(rows, columns=columns).to_csv(path / "scores.csv", index=False)
    return path


def write_coords(folder: Path, **options) -> Path:
    """Write the coordinates that fits of `build_fit` with these options have."""
    fit = build_fit(**options)
    content = {
        "study": fit.study,
        **fit.response.settings(),
        "house_id": fit.houses["house"].tolist(),
        "county_fips": fit.counties["county_fips"].tolist(),
        "rules": [{"rule": "houses kept", "rows": len(fit.houses), "reason": "floor 0 basement"}],
    }
    path = folder / "example.coords.json"
    path.write_text(json.dumps(content))
    return path


def write_twins(folder: Path) -> Path:
    """Write the formulas of the frequentist twins of these models."""
    path = folder / "twins.json"
    path.write_text(json.dumps(TWINS))
    return path
