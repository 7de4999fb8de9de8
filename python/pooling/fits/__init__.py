"""Stored fits: draws, their summaries and convergence diagnostics.

Input: a fit's folder, `data/fits/<study>/<model>/`. Output: a `Fit`, whose draws are labelled by
chain, county and house, or an error if its diagnostics failed. Tables and figures read fits
only through this package.
"""
