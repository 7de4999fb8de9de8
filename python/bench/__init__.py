"""How fast: the samplers side by side, growth with the data, and what the workflow itself costs."""
