"""Stan programs as text, their contract, and their executables.

In comes `stan/<model>.stan` with its includes; out go its normalised source (without comments
and layout), the list of what violates the contract of `stan/README.md`, the order in which
models are presented, and an executable.
"""
