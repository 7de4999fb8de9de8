"""What the workflow is put through: damaged input, faults, approximations against exact fits."""
