"""The plain hierarchical model, once an engine, each run in an environment of its own.

4 chains of 1000 + 1000 draws with a target acceptance of 0.8; see `bench.exchange` for how
they are asked. `python -m bench.engines` compares them.
"""
