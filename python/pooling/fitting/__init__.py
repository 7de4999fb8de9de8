"""From an executable and data to draws.

In come a compiled program, prepared data and the study's sampler settings; out come the draws
of posterior and prior (`fit.nc`) with a record of how they were made, quantities generated from
them for any houses, and refits without some houses, on this machine or a dask cluster. All
sampling by CmdStan happens here.
"""
