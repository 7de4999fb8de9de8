"""From fits to verdicts.

In come fits and their programs; out come diagnostics and whether conclusions may be drawn
(`diagnostics.json`, `estimates.csv`), whether `log_lik` matches the model block, the sensitivity
to priors and their alternatives, and, on request, simulation-based calibration and the
repetition of a fit from its record.
"""
