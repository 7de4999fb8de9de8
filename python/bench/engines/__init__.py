"""The plain hierarchical model, once per engine, each in an environment of its own.

4 chains of 1000 + 1000 draws with a target acceptance of 0.8; `bench.exchange` has the protocol
by which an engine is asked for runs. `python -m bench.engines` compares them.
"""
