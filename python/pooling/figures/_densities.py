"""Kernel density estimates."""

import numpy as np


def bandwidth(values: np.ndarray) -> float:
    """Silverman's rule of thumb for a normal kernel (1986, equation 3.31)."""
    low, high = np.quantile(values, [0.25, 0.75])
    scales = [scale for scale in (values.std(), (high - low) / 1.34) if scale > 0]
    return 0.9 * min(scales, default=1.0) * len(values) ** -0.2


def smooth(values: np.ndarray, points: np.ndarray, width: float) -> np.ndarray:
    """Normal kernel density of each row of `values` at `points`, row by row.

    Values are first counted in bins of a tenth of the bandwidth, so that the
    cost per point does not grow with their number.
    """
    edges = np.arange(points[0] - 5 * width, points[-1] + 5 * width, width / 10)
    counts = np.stack([np.histogram(row, edges)[0] for row in values])
    distance = (points - (edges[:-1] + edges[1:])[:, None] / 2) / width
    kernel = np.exp(-0.5 * distance**2) / (np.sqrt(2 * np.pi) * width)
    return counts @ kernel / values.shape[1]
