"""From an executable and data to draws.

Input: a compiled program, prepared data and the study's sampler settings. Output: draws of
posterior and prior (`fit.nc`) with a record for reproduction, quantities generated from them
for any houses, and refits without some houses, on this machine or a dask cluster. All sampling
by CmdStan happens here.
"""
