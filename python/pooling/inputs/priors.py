"""Priors of any parameter, as studies write them and as programs read them.

The keys of a prior determine its family: `{loc, scale}` is normal; `{scale}`, `{upper}` or both
are for a standard deviation, `{shape}` for a correlation; `{shape, rate}` is gamma and
`{shape, scale}` inverse gamma. A program reads each number as `prior_<parameter>_<key>`.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from pooling.inputs.sections import Number, Section

# Far beyond any radon on the log scale, and products remain finite.
LARGEST, SMALLEST = 1e6, 1e-6
Location = Annotated[Number, Field(ge=-LARGEST, le=LARGEST)]
Positive = Annotated[Number, Field(ge=SMALLEST, le=LARGEST)]


def _bounded(value: float) -> float:
    if SMALLEST <= value <= LARGEST or value == math.inf:
        return value
    raise ValueError(f"give a number from {SMALLEST:g} to {LARGEST:g}, or omit it")


PositiveOrNone = Annotated[Number, AfterValidator(_bounded)]


class Normal(Section):
    """Normal prior of a coefficient or a population mean."""

    family: ClassVar = "normal"
    loc: Location
    scale: Positive

    def log_density(self, values: np.ndarray) -> np.ndarray:
        """Log density of a parameter within its bounds, up to a constant, nats."""
        from scipy import stats  # every make reads studies, and it takes half a second

        return stats.norm.logpdf(values, self.loc, self.scale)


class Spread(Section):
    """Half-normal prior of a standard deviation up to `upper`; uniform without `scale`."""

    scale: PositiveOrNone = math.inf
    upper: PositiveOrNone = math.inf

    @model_validator(mode="after")
    def _proper(self) -> "Spread":
        if math.isinf(self.scale) and math.isinf(self.upper):
            raise ValueError("needs a scale, an upper bound or both")
        return self

    @property
    def family(self) -> str:
        """Name of the distribution."""
        return "uniform" if math.isinf(self.scale) else "half-normal"

    def log_density(self, values: np.ndarray) -> np.ndarray:
        """As of `Normal`."""
        return -0.5 * (values / self.scale) ** 2  # 0, that is uniform, if the scale is infinite


class Lkj(Section):
    """LKJ prior of a correlation; shape 1 is uniform, a larger one shrinks it towards 0."""

    family: ClassVar = "LKJ"
    shape: Positive

    def log_density(self, values: np.ndarray) -> np.ndarray:
        """As of `Normal`: the determinant of a 2x2 correlation matrix, to the power shape - 1."""
        return (self.shape - 1) * np.log1p(-(values**2))


class Gamma(Section):
    """Gamma prior, of mean shape / rate."""

    family: ClassVar = "gamma"
    shape: Positive
    rate: Positive

    def log_density(self, values: np.ndarray) -> np.ndarray:
        """As of `Normal`."""
        from scipy import stats  # every make reads studies, and it takes half a second

        return stats.gamma.logpdf(values, self.shape, scale=1 / self.rate)


class InverseGamma(Section):
    """Inverse-gamma prior of a range, km; 1 / range is gamma of this shape and the rate `scale`."""

    family: ClassVar = "inverse gamma"
    shape: Positive
    scale: Positive

    def log_density(self, values: np.ndarray) -> np.ndarray:
        """As of `Normal`."""
        from scipy import stats  # every make reads studies, and it takes half a second

        return stats.invgamma.logpdf(values, self.shape, scale=self.scale)


KINDS: dict[str, type[Section]] = {
    "{" + ", ".join(kind.model_fields) + "}": kind
    for kind in (Normal, Spread, Lkj, Gamma, InverseGamma)
}
PARTS = tuple(dict.fromkeys(part for kind in KINDS.values() for part in kind.model_fields))
DATA_NAME = re.compile(rf"prior_(\w+)_({'|'.join(PARTS)})")


def _kind(prior: object) -> str:
    """The tag of a prior's family, from its keys; by default that of a standard deviation."""
    keys = dict(prior) if isinstance(prior, (Mapping, Section)) else {}
    telling = {"loc": "{loc, scale}", "rate": "{shape, rate}"}
    telling["shape"] = "{shape, scale}" if "scale" in keys else "{shape}"
    return next((tag for key, tag in telling.items() if key in keys), "{scale, upper}")


Prior = Annotated[
    Annotated[Normal, Tag("{loc, scale}")]
    | Annotated[Spread, Tag("{scale, upper}")]
    | Annotated[Lkj, Tag("{shape}")]
    | Annotated[Gamma, Tag("{shape, rate}")]
    | Annotated[InverseGamma, Tag("{shape, scale}")],
    Discriminator(_kind),
]


class Priors(Section):
    """Priors by parameter. A study can fit only the programs all of whose priors it gives."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Prior] = Field(init=False)  # no argument: any name is one

    def scales(self) -> dict[str, float]:
        """The numbers by the names that programs read: `prior_<parameter>_<part>`."""
        return {f"prior_{name}_{part}": value for name, prior in self for part, value in prior}

    def replaced_by(self, others: "Priors") -> "Priors":
        """These priors, updated by those of `others`."""
        return Priors(**dict(self) | dict(others))


def read_of(names: Iterable[str]) -> dict[str, set[str]]:
    """Parameters whose priors are among these names of Stan data, with the parts that are read."""
    read: dict[str, set[str]] = {}
    for found in filter(None, map(DATA_NAME.fullmatch, names)):
        read.setdefault(found[1], set()).add(found[2])
    return read


def unread(priors: Priors, programs: Iterable[Iterable[str]]) -> str | None:
    """An error message for the first prior that no program reads; None if all are read.

    Parameters
    ----------
    programs
        Names of the data that each program declares.
    """
    every = [read_of(names) for names in programs]
    for name, prior in priors:
        wanted = [read[name] for read in every if name in read]
        if not wanted:
            known = ", ".join(sorted(set().union(*every))) or "none"
            return (
                f"priors.{name}: no program in stan/ reads a prior of {name}; remove it or choose "
                f"from {known}"
            )
        if not any(parts <= type(prior).model_fields.keys() for parts in wanted):
            parts = ", ".join(sorted(wanted[0], key=PARTS.index))
            return f"priors.{name}: programs in stan/ read its {parts}; give it {{{parts}}}"
    return None
