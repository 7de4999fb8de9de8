"""From the radon of a county's new houses to decisions: do nothing, measure, or remedy.

The tree of decisions in closed form, the annual living-area radon that it needs from a survey of
screening measurements, and what policies would cost and save. Input: a fit and the study's
section `[decision]`. Output: arrays and frames, which `pooling.reporting.decisions` writes.
"""
