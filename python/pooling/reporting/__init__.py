"""From fits, scores and figures to the study's tables, predictions and report."""
