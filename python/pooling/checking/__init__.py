"""From fits to verdicts.

Input: fits and their programs. Output: diagnostics and estimates (`diagnostics.json`,
`estimates.csv`), whether `log_lik` matches the model block, the sensitivity to the priors, fits
under other priors and, on request, simulation-based calibration and the repetition of fits from
their records.
"""
