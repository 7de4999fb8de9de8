"""What the tables, their columns, the gate's checks and the scores mean."""

import pandas as pd

from pooling.checking.sensitivity import DIAGNOSES, SENSITIVE
from pooling.fits.limits import MAX_R_HAT, MIN_E_BFMI, MIN_ESS_PER_CHAIN
from pooling.inputs.response import ACTION_LEVEL
from pooling.scoring.score import DEFINITIONS

IMPLAUSIBLE = 1000.0  # pCi/L: 250 times the action level; no house of the survey reaches 300

TABLE_NOTES = {
    "models": "models of the study, how they share between counties, and whether they converged",
    "estimates": "posterior of every parameter of every model",
    "diagnostics": "the gate: one row for each model and group of draws",
    "scores": "scores in the sample and out of it",
    "comparison": "elpd_loo of each model minus that of the best converged one, house by house; "
    "stacking weights",
    "counties": "expected radon of each county under each model, and of a new house there",
    "data_rules": "what was done to the rows of the data, in order",
    "data_summary": "the houses of the study, by floor",
    "prior_predictive": "what each model's prior takes for a typical house, before any is seen",
    "sensitivity": "how much population parameters depend on prior and likelihood",
    "other_priors": "population parameters under the study's priors and under others",
    "frequentist": "least squares and REML estimates of the same models, without priors",
    "published": "published values of this study beside ours; none for data of one's own",
    "priors": "the study's priors, on the scale of log pCi/L",
    "definitions": "what the columns, the gate's checks and the scores mean",
}
COLUMN_DEFINITIONS = {
    "typical": "activity (pCi/L) below which half of the county's houses on this floor lie; "
    "posterior median",
    "typical_q5, typical_q95": "90% interval of typical: how well the county's level is known",
    "house_q5, house_q95": "90% of new houses lie between these activities (pCi/L)",
    "p_action": f"probability that a new house is at or above {ACTION_LEVEL:g} pCi/L, the EPA's "
    "action level",
    "identified": "whether the data inform the number without the prior's or the population's help",
    "prior, likelihood": "how far the posterior moves, in cumulative Jensen-Shannon distance, for "
    f"each doubling of the power that the prior or likelihood is raised to; from {SENSITIVE:g} on "
    "it matters",
    "prior_pareto_k, likelihood_pareto_k": "Pareto k of the weights behind these numbers",
    "weight": "share of the model in the mixture of converged models that predicts left-out houses "
    "best (stacking); models that predict alike share what one of them would have alone",
    "prior_q5, prior_q50, prior_q95": "quantiles of typical over draws of the prior and counties",
    "share_implausible": f"share of these draws above {IMPLAUSIBLE:,.0f} pCi/L, "
    f"{IMPLAUSIBLE / ACTION_LEVEL:g} times the action level",
    "shift": "difference to the mean under the study's priors, in its standard deviation",
}
CHECK_DEFINITIONS = {
    "divergences": "0: transitions at which the sampler lost its way",
    "treedepth_hits": "0: transitions that were cut short",
    "e_bfmi": f"at least {MIN_E_BFMI:g}: how well the sampler's energy moves",
    "r_hat": f"at most {MAX_R_HAT:g}: spread of all chains together over that within chains",
    "ess_bulk": f"at least {MIN_ESS_PER_CHAIN} a chain: independent draws that the centre is worth",
    "ess_tail": f"at least {MIN_ESS_PER_CHAIN} a chain: independent draws that the tails are worth",
}


def definitions() -> pd.DataFrame:
    """Give kind (table, column, check, score, diagnosis), name and definition of each term."""
    kinds = {
        "table": TABLE_NOTES,
        "column": COLUMN_DEFINITIONS,
        "check": CHECK_DEFINITIONS,
        "score": DEFINITIONS,
        "diagnosis": DIAGNOSES,
    }
    rows = [(kind, *pair) for kind, texts in kinds.items() for pair in texts.items()]
    return pd.DataFrame(rows, columns=["kind", "name", "definition"])
