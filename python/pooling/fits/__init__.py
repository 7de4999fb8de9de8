"""Fits as they are stored: draws, their summaries, and what makes them count as converged."""
