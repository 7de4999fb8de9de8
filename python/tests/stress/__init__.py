"""What the workflow is put through: damaged input, faults in the middle, and what came of it."""
