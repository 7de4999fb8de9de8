"""Thresholds of the diagnostics, in a module that is quick to import."""

MIN_E_BFMI = 0.3
MAX_R_HAT = 1.01
MIN_ESS_PER_CHAIN = 100
MAX_PARETO_K = 0.7  # above it importance sampling is unreliable
MAX_DIVERGENT_SHARE = 0.01  # of transitions; smaller steps do not cure more
