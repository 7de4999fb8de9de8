"""From a study file and two tables to the data that programs read.

In come `data/studies/<study>.toml` and the tables of houses and counties that it names; out go
the study's sections, validated, and `data/prepared/<study>.json` with the names of counties and
houses beside it. Every rule about which houses are used, the logarithm and the indices from 1
are applied here and nowhere else. Invalid input is refused with file, line and column.
"""
