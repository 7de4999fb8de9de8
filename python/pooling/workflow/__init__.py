"""The plan for make: a study's models, figures and dependencies.

Input: the study, the programs and the code of this package. Output: small files in `.build/`,
each rewritten only when its content changes, on which the Makefile's rules depend.
"""
