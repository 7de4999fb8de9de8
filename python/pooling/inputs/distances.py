"""Distances between counties."""

import numpy as np
import pandas as pd

from pooling.build.errors import StudyError
from pooling.inputs.study import Data

EARTH_RADIUS = 6371.0088  # km; mean radius of the International Union of Geodesy and Geophysics
METRE = 3  # decimals of a distance in km; centroids have hundreds of metres


def distances(counties: pd.DataFrame, data: Data) -> dict[str, list]:
    """Stan data `distance` (county, county), km, if the study uses it.

    Raises
    ------
    StudyError
        A county has no place, or two have the same.
    """
    if not data.distances:
        return {}
    unplaced = counties.loc[counties[["lon", "lat"]].isna().any(axis=1), "county_fips"].tolist()
    if unplaced:
        raise StudyError(
            f"data.distances is true, but the county table has no lon and lat for {len(unplaced)} "
            f"of the study's counties, such as {unplaced[0]}; set it to false or add the values"
        )
    twice = counties.loc[counties.duplicated(["lon", "lat"], keep=False), "county_fips"].tolist()
    if twice:
        raise StudyError(
            f"data.distances is true, but counties {twice[0]} and {twice[1]} have the same lon and "
            "lat in the county table; correct them or set it to false"
        )
    distance = great_circles(counties["lon"].to_numpy(), counties["lat"].to_numpy())
    return {"distance": distance.round(METRE).tolist()}


def great_circles(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Great-circle distance between any two places, in degrees, (place, place), km.

    By the haversine formula, on a sphere with the mean radius of the Earth.
    """
    lon, lat = np.radians(lon), np.radians(lat)
    half_chord = np.sin((lat[:, None] - lat) / 2) ** 2
    half_chord += np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    return 2 * EARTH_RADIUS * np.arcsin(np.sqrt(half_chord))
