"""What make needs to know: which models and figures a study has, and what depends on what.

In come the study, the programs and the code of this package; out come small files in `.build/`,
each rewritten only when its content changes, on which the rules of the Makefile depend.
"""
