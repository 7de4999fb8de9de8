"""From fits to scores, in the sample and out of it.

In come fits that passed their diagnostics; out come replicated surveys (`replications.nc`), the
predictive densities of left-out houses and counties, by importance weights where these are
reliable and by refits where not (`loo.csv`, `left_out.csv`), and each model's `scores.csv`.
"""
