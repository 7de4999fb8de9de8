"""Figures, one file each: `frame` makes the data of a figure and `plot` draws it."""
