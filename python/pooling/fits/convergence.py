"""Convergence diagnostics of fits, and remedies for fits that fail them.

R-hat and effective sample sizes are those of Vehtari, Gelman, Simpson, Carpenter
and Buerkner (2021), Bayesian Analysis 16(2); E-BFMI is that of Betancourt (2016),
arXiv:1604.00695.
"""

from collections.abc import Callable, Iterator, Sequence

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr

from pooling.build.errors import DiagnosticsError
from pooling.fits.limits import MAX_DIVERGENT_SHARE, MAX_R_HAT, MIN_E_BFMI, MIN_ESS_PER_CHAIN
from pooling.inputs.study import PRIOR_ADAPT_DELTA, study_file

GROUPS = {"posterior": "sample_stats", "prior": "sample_stats_prior"}
STEPS = (0.95, 0.99, 0.999)  # values of adapt_delta to suggest, in this order
MOST = 20  # largest suggested factor for the number of draws
DEEPEST, LONGEST = 20, 1_000_000  # the limits of a study's settings
GEOMETRY = (
    "no sampler setting is likely to help; reparameterise the program (centered, "
    "non-centered, or with county effects integrated out) or give narrower priors"
)


def diagnose(summary: pd.DataFrame, stats: xr.Dataset, max_treedepth: int) -> dict:
    """The diagnostics, the worst parameter of each, and which checks passed.

    Parameters
    ----------
    summary
        As `summarize` returns it, with a `label` column.
    stats
        `diverging`, `tree_depth` and `energy`, each (chain, draw).
    max_treedepth
        The sampler's maximum tree depth.
    """
    chains = stats.sizes["chain"]
    divergences = int(stats["diverging"].values.sum())
    hits = int((stats["tree_depth"].values >= max_treedepth).sum())
    e_bfmi = float(np.min(arviz_stats.bfmi(stats["energy"].transpose("chain", "draw").values)))
    r_hat, ess_bulk, ess_tail = (
        _worst(summary, "r_hat", pd.Series.idxmax),
        _worst(summary, "ess_bulk", pd.Series.idxmin),
        _worst(summary, "ess_tail", pd.Series.idxmin),
    )
    enough = MIN_ESS_PER_CHAIN * chains
    return {
        "chains": chains,
        "draws": stats.sizes["draw"],
        "divergences": divergences,
        "treedepth_hits": hits,
        "e_bfmi": e_bfmi,
        "r_hat": r_hat,
        "ess_bulk": ess_bulk,
        "ess_tail": ess_tail,
        "checks": {
            "divergences": divergences == 0,
            "treedepth_hits": hits == 0,
            "e_bfmi": e_bfmi >= MIN_E_BFMI,
            "r_hat": r_hat["value"] <= MAX_R_HAT,
            "ess_bulk": ess_bulk["value"] >= enough,
            "ess_tail": ess_tail["value"] >= enough,
        },
    }


def _worst(summary: pd.DataFrame, column: str, pick: Callable[[pd.Series], int]) -> dict:
    """Worst value of a column and its parameter; NaN of a non-constant parameter is the worst."""
    known = summary[summary["sd"] != 0]
    lost = known[known[column].isna()]
    if len(lost):
        return {"value": float("nan"), "parameter": lost["label"].iloc[0]}
    row = known.loc[pick(known[column])]
    return {"value": float(row[column]), "parameter": row["label"]}


def has_failed(found: dict) -> bool:
    """Whether a fit failed its diagnostics and its study does not allow it to.

    Parameters
    ----------
    found
        Diagnostics of one model, as `pooling.checking.check` writes them.
    """
    return not found["passed"] and found["allowed_to_fail"] is None


def failures(found: dict) -> Iterator[tuple[str, str]]:
    """Group and name of each check that a fit failed."""
    for group in GROUPS:
        for check, passed in found[group]["checks"].items():
            if not passed:
                yield group, check


def settings_to_try(found: dict) -> dict[str, float]:
    """Settings of [sampler] that are likely to help a failed fit; empty if none is."""
    now = found["sampler"]
    wanted: dict[str, float] = {}
    for group, check in failures(found):
        at, draws = found[group], "prior_draws" if group == "prior" else "draws"
        tries: dict[str, float] = {}
        if check == "divergences":
            used = max(now["adapt_delta"], PRIOR_ADAPT_DELTA if group == "prior" else 0)
            few = at["divergences"] <= MAX_DIVERGENT_SHARE * at["chains"] * at["draws"]
            tries = {"adapt_delta": next((step for step in STEPS if step > used and few), 0)}
        elif check == "treedepth_hits":
            tries = {"max_treedepth": min(now["max_treedepth"] + 2, DEEPEST)}
        elif check == "r_hat":
            tries = {name: min(2 * now[name], LONGEST) for name in ("warmup", draws)}
        elif check in ("ess_bulk", "ess_tail"):
            times = _times(at[check]["value"], found["limits"][check])
            tries = {draws: min(times * now[draws], LONGEST)}
        if not any(value > now[name] for name, value in tries.items()):
            return {}
        wanted |= {name: max(value, wanted.get(name, 0)) for name, value in tries.items()}
    return wanted


def _times(value: float, needed: float) -> int:
    """Factor on the draws that should give 1.5 times the needed effective sample size."""
    # The worst value may be NaN.
    return int(min(MOST, max(2, -(-1.5 * needed // value)))) if value > 0 else 2


def refuse_failed(all_found: Sequence[dict]) -> None:
    """Reject fits that failed their diagnostics without permission of their study.

    Parameters
    ----------
    all_found
        Diagnostics of models of one study.

    Raises
    ------
    DiagnosticsError
        Lists for each model what to change in the study, then what failed.
    """
    bad = [found for found in all_found if has_failed(found)]
    if not bad:
        return
    study, names = bad[0]["study"], [found["model"] for found in bad]
    which = names[0] if len(all_found) == 1 else f"{len(bad)} of {len(all_found)} models"
    good = [found["model"] for found in all_found if not has_failed(found)]
    rest = ", ".join(f'"{name}"' for name in good) or "other models"
    lines = [f"study {study}: {which} failed the diagnostics. In {study_file(study)}"]
    lines += [f"  - for {found['model']}, {_advice(found)}" for found in bad]
    lines += [
        f"  - or exclude what failed: use = [{rest}] under [models]",
        f'  - or report it nevertheless: {names[0]} = "reason" under [models.allowed_to_fail]',
        "Failed checks (all fits remain on disk):",
    ]
    lines += [f"  - {line}" for found in bad for line in _details(found)]
    raise DiagnosticsError("\n".join(lines))


def _advice(found: dict) -> str:
    now, wanted = found["sampler"], settings_to_try(found)
    if not wanted:
        return GEOMETRY
    settings = [f"{name} = {value} (now {now[name]})" for name, value in wanted.items()]
    return f"set {', '.join(settings)} under [sampler]"


def _details(found: dict) -> Iterator[str]:
    for group, check in failures(found):
        value, limit = found[group][check], found["limits"][check]
        bound = "at least" if check in ("e_bfmi", "ess_bulk", "ess_tail") else "at most"
        where = ""
        if isinstance(value, dict):
            value, where = value["value"], f" at {value['parameter']}"
        yield f"{found['model']}, {group}: {check} = {value:.4g}{where} ({bound} {limit:g})"
