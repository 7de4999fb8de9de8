"""The response: from activity in a study's unit to log radon, and back.

Models are on the scale of log pCi/L in every study, so that priors, coefficients and published
values mean the same whatever unit a study measures and reports in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

Transform = Literal["log(x + 0.1)", "log(x), 0 as 0.1"]
Unit = Literal["pCi/L", "Bq/m3"]
PER_PCI: dict[str, float] = {"pCi/L": 1.0, "Bq/m3": 37.0}  # of each unit; exact by definition
ZERO = 0.1  # pCi/L, which keeps the logarithm of an activity of 0 finite
EPA_ACTION_LEVEL = 4.0  # pCi/L; from here on the US EPA recommends mitigation
ROUNDING = 1e-9  # the log of a level may exceed that of a house of exactly this level


@dataclass(frozen=True)
class Response:
    """How a study measures radon and transforms it.

    Attributes
    ----------
    transform
        From x, the activity in pCi/L, to the response, log pCi/L.
    unit
        Of activities in the study's tables and in everything that is shown.
    action_level
        In this unit: the level from which a house is said to be high.
    """

    transform: str
    unit: str = "pCi/L"
    action_level: float = EPA_ACTION_LEVEL

    @classmethod
    def of(cls, settings: Mapping[Any, Any]) -> "Response":
        """From the settings of a study, its coordinates or the attributes of its fits.

        These are `response`, the transform, `unit` and `action_level`; see `settings`.
        """
        given = {name: settings[name] for name in ("unit", "action_level") if name in settings}
        return cls(settings["response"], **given)

    def settings(self) -> dict[str, str | float]:
        """What `of` reads."""
        return {
            "response": self.transform,
            "unit": self.unit,
            "action_level": self.action_level,
        }

    @overload
    def log_radon(self, activity: float) -> float: ...
    @overload
    def log_radon(self, activity: np.ndarray) -> np.ndarray: ...
    def log_radon(self, activity: ArrayLike) -> np.ndarray | float:
        """Response (log pCi/L) of houses with these activities (in the study's unit, from 0)."""
        level = np.asarray(activity, dtype=float) / PER_PCI[self.unit]
        added = level + self.added if self.added else np.where(level == 0, ZERO, level)
        found = np.log(added)
        # A Python float does not promote draws in single precision.
        return found if found.ndim else found.item()

    def activity(self, log_radon: ArrayLike) -> np.ndarray:
        """Activity (study's unit, from 0) of these responses; infinite above the largest float."""
        with np.errstate(over="ignore"):
            level = np.exp(np.asarray(log_radon, dtype=float))
            return self.from_pci(np.maximum(level - self.added, 0.0))

    @overload
    def from_pci(self, activity: float) -> float: ...
    @overload
    def from_pci(self, activity: np.ndarray) -> np.ndarray: ...
    def from_pci(self, activity: np.ndarray | float) -> np.ndarray | float:
        """Activity in the study's unit, from pCi/L."""
        return activity * PER_PCI[self.unit]

    @property
    def log_action_level(self) -> float:
        """Response of a house at the action level, log pCi/L."""
        return self.log_radon(self.action_level)

    def reaches_action_level(self, log_radon: ArrayLike) -> np.ndarray:
        """Whether houses with these responses are at or above the action level."""
        return np.asarray(log_radon) >= self.log_action_level - ROUNDING

    @property
    def unit_label(self) -> str:
        """The unit as it is shown."""
        return self.unit.replace("m3", "m³")

    @property
    def action_label(self) -> str:
        """The action level as it is shown, with its unit."""
        return f"{self.action_level:,g} {self.unit_label}"

    @property
    def added(self) -> float:
        """What is added to every activity before the logarithm, pCi/L."""
        return ZERO if self.transform == "log(x + 0.1)" else 0.0
