"""Partial pooling of a radon survey with hand-written Stan programs."""
