"""Fits as they are stored: draws, their summaries, and what makes them count as converged.

In comes a fit's folder, `data/fits/<study>/<model>/`; out comes a `Fit`, whose draws carry the
names of chains, counties and houses, or a refusal if its diagnostics failed. Tables and figures
read fits only through this package.
"""
