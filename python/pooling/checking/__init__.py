"""From fits to verdicts: diagnostics, likelihoods, sensitivity to priors, calibration."""
