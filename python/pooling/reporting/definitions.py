"""Definitions of the tables, their columns, the diagnostic checks and the scores."""

import pandas as pd

from pooling.checking.sensitivity import DIAGNOSES, SENSITIVE
from pooling.fits.limits import MAX_R_HAT, MIN_E_BFMI, MIN_ESS_PER_CHAIN
from pooling.inputs.response import ACTION_LEVEL
from pooling.scoring.score import DEFINITIONS

IMPLAUSIBLE = 1000.0  # pCi/L: 250 times the action level; no house of the survey reaches 300

TABLE_NOTES = {
    "models": "the models of the study, their pooling, and whether they converged",
    "estimates": "posterior summaries of every parameter of every model",
    "diagnostics": "convergence diagnostics, one row per model and group of draws",
    "scores": "in-sample and out-of-sample scores",
    "comparison": "elpd_loo of each model minus that of the best converged one; stacking weights",
    "counties": "typical radon of each county under each model, and predictions for a new house",
    "data_rules": "rules applied to the rows of the data, in order",
    "data_summary": "the houses of the study, by floor",
    "prior_predictive": "prior distribution of a typical house under each model",
    "sensitivity": "power-scaling sensitivity of population parameters to prior and likelihood",
    "other_priors": "population parameters under the study's priors and under others",
    "frequentist": "least squares and REML estimates of the same models, without priors",
    "published": "published values compared with ours; empty for your own data",
    "priors": "the study's priors, on the scale of log pCi/L; of a range, in km",
    "definitions": "definitions of tables, columns, diagnostic checks and scores",
}
COLUMN_DEFINITIONS = {
    "typical": "posterior median of the activity (pCi/L) that half of the county's houses on this "
    "floor exceed",
    "typical_q5, typical_q95": "90% credible interval of typical",
    "house_q5, house_q95": "90% predictive interval of a new house (pCi/L)",
    "p_action": "posterior predictive probability that a new house is at or above the EPA's action "
    f"level, {ACTION_LEVEL:g} pCi/L",
    "identified": "whether the county's own data identify the quantity, without the prior or the "
    "other counties",
    "prior, likelihood": "cumulative Jensen-Shannon distance by which the posterior moves per "
    f"doubling of the power of the prior or likelihood; relevant from {SENSITIVE:g}",
    "prior_pareto_k, likelihood_pareto_k": "Pareto k of the importance weights used for it",
    "weight": "stacking weight: share of the model in the mixture of converged models that best "
    "predicts left-out houses; models with similar predictions share one weight",
    "prior_q5, prior_q50, prior_q95": "quantiles of typical over prior draws and counties",
    "share_implausible": f"share of these draws above {IMPLAUSIBLE:,.0f} pCi/L, "
    f"{IMPLAUSIBLE / ACTION_LEVEL:g} times the action level",
    "shift": "difference from the mean under the study's priors, in units of the posterior "
    "standard deviation under these",
}
CHECK_DEFINITIONS = {
    "divergences": "0: divergent transitions",
    "treedepth_hits": "0: transitions that reached the maximum tree depth",
    "e_bfmi": f"at least {MIN_E_BFMI:g}: energy Bayesian fraction of missing information",
    "r_hat": f"at most {MAX_R_HAT:g}: ratio of pooled to within-chain standard deviation",
    "ess_bulk": f"at least {MIN_ESS_PER_CHAIN} per chain: effective sample size of the centre",
    "ess_tail": f"at least {MIN_ESS_PER_CHAIN} per chain: effective sample size of the tails",
}


def definitions() -> pd.DataFrame:
    """Return kind (table, column, check, score, diagnosis), name and definition of each term."""
    kinds = {
        "table": TABLE_NOTES,
        "column": COLUMN_DEFINITIONS,
        "check": CHECK_DEFINITIONS,
        "score": DEFINITIONS,
        "diagnosis": DIAGNOSES,
    }
    rows = [(kind, *pair) for kind, texts in kinds.items() for pair in texts.items()]
    return pd.DataFrame(rows, columns=["kind", "name", "definition"])
