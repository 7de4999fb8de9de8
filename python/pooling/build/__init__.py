"""Foundations of every stage: errors, the command line, files that are whole or absent, the
cache and the manifest of results, the environment and CmdStan.

Nothing comes in but files and settings, and what goes out knows nothing of radon, Stan
programs or fits, so every other package may import it.
"""
