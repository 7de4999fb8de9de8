"""From an executable and data to draws: posterior, prior, generated quantities, refits."""
