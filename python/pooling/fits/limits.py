"""Thresholds of diagnostics, apart from what computes them, which takes long to import."""

MIN_E_BFMI = 0.3
MAX_R_HAT = 1.01
MIN_ESS_PER_CHAIN = 100
MAX_PARETO_K = 0.7  # above it importance sampling cannot be trusted
