"""The response: from activity to a study's log radon, and back."""

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

Response = Literal["log(x + 0.1)", "log(x), 0 as 0.1"]
ZERO = 0.1  # pCi/L, which keeps the logarithm of an activity of 0 finite
ACTION_LEVEL = 4.0  # pCi/L; from here on the US EPA recommends mitigation


@overload
def log_activity(activity: float, response: str) -> float: ...
@overload
def log_activity(activity: np.ndarray, response: str) -> np.ndarray: ...
def log_activity(activity: ArrayLike, response: str) -> np.ndarray | float:
    """Response (log pCi/L) of houses with these activities (pCi/L, from 0)."""
    level = np.asarray(activity, dtype=float)
    added = level + ZERO if response == "log(x + 0.1)" else np.where(level == 0, ZERO, level)
    found = np.log(added)
    # A Python float does not promote draws in single precision.
    return found if found.ndim else found.item()


def activity(log_radon: ArrayLike, response: str) -> np.ndarray:
    """Activity (pCi/L, from 0) of these responses; infinite above the largest float."""
    with np.errstate(over="ignore"):
        level = np.exp(np.asarray(log_radon, dtype=float))
    return np.maximum(level - ZERO, 0.0) if response == "log(x + 0.1)" else level
