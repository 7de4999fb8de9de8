"""Foundations of every stage: errors, the command line, atomic writes, the cache and the
manifest of results, the environment and CmdStan.

Input: files and settings. Nothing here knows about radon, Stan programs or fits, so every
other package may import it.
"""
