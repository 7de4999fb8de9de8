"""From fits to scores, in-sample and out-of-sample.

Input: fits that passed their diagnostics. Output: replicated surveys (`replications.nc`),
predictive densities of left-out houses and counties, by importance sampling where reliable and
otherwise by refits (`loo.csv`, `left_out.csv`), and each model's `scores.csv`.
"""
