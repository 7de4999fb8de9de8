"""From fits to scores, in the sample and out of it."""
