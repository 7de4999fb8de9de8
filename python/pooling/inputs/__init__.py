"""From a study file and its tables to the data that programs read.

Input: `data/studies/<study>.toml` and the tables of houses and perhaps counties that it names.
Output: the study's validated sections, and `data/prepared/<study>.json` with a second file of
county and house names. The rules for which houses are used, the logarithm and the 1-based indices
are applied only here. Invalid input is rejected with file, line and column.
"""
