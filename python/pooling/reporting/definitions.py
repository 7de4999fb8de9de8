"""Definitions of the tables, their columns, the diagnostic checks and the scores."""

import pandas as pd

from pooling.checking.sensitivity import DIAGNOSES, SENSITIVE
from pooling.fits.limits import MAX_R_HAT, MIN_E_BFMI, MIN_ESS_PER_CHAIN
from pooling.inputs.response import Response
from pooling.reporting.counties import IMPLAUSIBLE
from pooling.reporting.ranks import HIGHEST
from pooling.reporting.zones import ZONES
from pooling.scoring.score import DEFINITIONS

TABLE_NOTES = {
    "models": "the models, their pooling, whether they converged, and which is the headline model",
    "estimates": "posterior summaries of every parameter of every model",
    "diagnostics": "convergence diagnostics, one row per model and group of draws",
    "scores": "in-sample and out-of-sample scores",
    "comparison": "elpd of each model minus that of the best converged one; stacking weights",
    "counties": "typical radon of each county under each model, and predictions for a new house",
    "unmeasured": "radon in a county without a measured house, under models whose counties differ "
    "by independent normal intercepts and slopes only",
    "ranks": "rank of each county by its typical radon, 1 the highest, under each model",
    "zones": "average radon of each county and probabilities of the EPA's zones, under each model",
    "weights": "how much of each county's estimate comes from its own houses, under each model",
    "data_rules": "rules applied to the rows of the data, in order",
    "data_summary": "the houses of the study, by floor",
    "prior_predictive": "prior distribution of a typical house under each model",
    "sensitivity": "power-scaling sensitivity of population parameters to prior and likelihood",
    "other_priors": "population parameters under the study's priors and under others",
    "frequentist": "least squares and REML estimates of the same models, without priors",
    "published": "published values compared with ours; empty for your own data",
    "priors": "the study's priors, on the scale of log pCi/L (ranges in km)",
    "decisions": "what to do in a new house, by county and floor, and the expected losses",
    "policies": "cost and effect of policies for all houses that the survey represents",
    "action_regions": "levels of predicted radon from which to measure and to remedy at once",
    "readings": "expected losses after each result of a test in one county",
    "decision_settings": "the numbers that decisions rest on, and the source of each",
    "decision_sensitivity": "shares of houses by action under other settings",
    "book": "numbers of Bayesian Data Analysis, section 9.4, printed and recomputed",
    "definitions": "definitions of tables, columns, diagnostic checks and scores",
}
COLUMN_DEFINITIONS = {  # with places for the study's unit and levels
    "typical": "posterior median of the activity ({unit}) that half of the county's houses on this "
    "floor exceed",
    "typical_q5, typical_q95": "90% credible interval of typical",
    "house_q5, house_q95": "90% predictive interval of a new house ({unit})",
    "p_action": "posterior predictive probability that a new house is at or above the action "
    "level, {action_level}",
    "rank, rank_q5, rank_q95": "posterior median and 90% interval of the county's rank; without "
    "pooling, counties whose own data do not identify it have none",
    "ranked": "number of counties that have a rank",
    "p_highest": f"posterior probability that the county is among the highest {HIGHEST}",
    "average": "arithmetic or geometric mean over new houses of the county; with Student-t errors "
    "there is no arithmetic mean",
    "first_floor_share": "share of these houses that are on the first floor, as in the survey of "
    "the county's state",
    "zone_1, zone_2, zone_3": "probability that this average is above {zones[0]}, between, or "
    "below {zones[1]}: the EPA's zones of the average screening measurement",
    "own": "geometric mean of the county's measured houses on this floor, its estimate by least "
    "squares ({unit})",
    "weight_floor, weight_other_floor, weight_counties": "weight of the county's houses on this "
    "floor, of its other houses and of the other counties in the estimate, posterior means; only "
    "where errors and county effects are normal",
    "identified": "whether the county's own data identify the quantity, without the prior or the "
    "other counties; of a parameter of the population, whether it moves no more with the prior "
    "than with the likelihood",
    "prior, likelihood": "cumulative Jensen-Shannon distance by which the posterior moves per "
    f"doubling of the power of the prior or likelihood; relevant from {SENSITIVE:g}",
    "prior_pareto_k, likelihood_pareto_k": "Pareto k of the importance weights used for it",
    "from_lowest": "part of elpd_difference that comes from houses at or below 0.1 pCi/L, whose "
    "logarithm is a convention, since the detector hardly tells them from 0",
    "weight": "stacking weight: share of the model in the mixture of converged models that best "
    "predicts left-out houses; models with similar predictions share one weight",
    "prior_q5, prior_q50, prior_q95": "quantiles of typical over prior draws and counties",
    "share_implausible": "share of these draws above {implausible}, {times} times the action level",
    "shift": "difference from the posterior mean under the study's priors, in units of the "
    "standard deviation under them",
}
DECISION_DEFINITIONS = {
    "log_mean, log_sd, median": "mean and standard deviation of the logarithm, and geometric mean "
    "(pCi/L), of annual radon in the living area of a new house, not of the county's level",
    "represented": "number of houses that the survey's houses represent, the sum of their weights; "
    "without weights, the number of the survey's houses",
    "loss_nothing, loss_measure, loss_remedy": "expected loss in dollars over all the years: the "
    "cost of tests, of remedies and, to the household, of the remaining radon",
    "error_nothing, error_measure, error_remedy": "their Monte Carlo standard errors, dollars",
    "action": "the action with the smallest expected loss",
    "certain": "whether its loss is smaller by more than 3 Monte Carlo standard errors of the "
    "difference; this ignores uncertainty about the model and the settings",
    "value_of_measuring": "expected loss of the better of nothing and remedy, minus that of "
    "measuring first, dollars",
    "remedy_above, remedy_above_screening": "result of a long-term test, and uncorrected result of "
    "a screening test on that floor, from which to remedy (pCi/L)",
    "lives, lives_q5, lives_q95": "deaths from lung cancer avoided over all the years by "
    "remedies, and the central 90% of the posterior",
    "treated_above_4, treated_above_8": "share of the houses above 4 and 8 pCi/L that are remedied",
    "measure_from, remedy_from": "geometric mean of the prediction from which to measure, and to "
    "remedy without measuring (pCi/L)",
}
CHECK_DEFINITIONS = {
    "divergences": "0: divergent transitions",
    "treedepth_hits": "0: transitions that reached the maximum tree depth",
    "e_bfmi": f"at least {MIN_E_BFMI:g}: energy Bayesian fraction of missing information",
    "r_hat": f"at most {MAX_R_HAT:g}: ratio of pooled to within-chain standard deviation",
    "ess_bulk": f"at least {MIN_ESS_PER_CHAIN} per chain: effective sample size of the centre",
    "ess_tail": f"at least {MIN_ESS_PER_CHAIN} per chain: effective sample size of the tails",
}


def definitions(response: Response) -> pd.DataFrame:
    """Return kind (table, column, check, score, diagnosis), name and definition of each term."""
    implausible = response.from_pci(IMPLAUSIBLE)
    words = {
        "unit": response.unit_label,
        "action_level": response.action_label,
        "implausible": f"{implausible:,.0f} {response.unit_label}",
        "zones": [f"{response.from_pci(zone):g} {response.unit_label}" for zone in ZONES],
        "times": f"{implausible / response.action_level:.3g}",
    }
    columns = COLUMN_DEFINITIONS | DECISION_DEFINITIONS
    kinds = {
        "table": TABLE_NOTES,
        "column": {name: text.format(**words) for name, text in columns.items()},
        "check": CHECK_DEFINITIONS,
        "score": DEFINITIONS,
        "diagnosis": DIAGNOSES,
    }
    rows = [(kind, *pair) for kind, texts in kinds.items() for pair in texts.items()]
    return pd.DataFrame(rows, columns=["kind", "name", "definition"])
