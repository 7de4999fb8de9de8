"""Priors: of any parameter, of a kind that its keys tell, in the words of a study and of programs.

A study gives `parameter = {loc, scale}`, a normal prior; `{scale}`, `{upper}` or both, of a
standard deviation; `{shape}`, of a correlation; or `{shape, rate}`, a gamma prior. A program
reads each number as `prior_<parameter>_<key>`. No parameter is named here.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from pooling.inputs.sections import Number, Section

# On the log scale e^1000000 and e^0.000001 are beyond any radon, and products stay finite.
LARGEST, SMALLEST = 1e6, 1e-6
Location = Annotated[Number, Field(ge=-LARGEST, le=LARGEST)]
Positive = Annotated[Number, Field(ge=SMALLEST, le=LARGEST)]


def _bounded(value: float) -> float:
    if SMALLEST <= value <= LARGEST or value == math.inf:
        return value
    raise ValueError(f"give a number from {SMALLEST:g} to {LARGEST:g}, or leave it out")


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
    """Half-normal prior of a standard deviation up to `upper`; uniform where `upper` is alone."""

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
        return -0.5 * (values / self.scale) ** 2  # 0, so uniform, where the scale is infinite


class Lkj(Section):
    """LKJ prior of a correlation; shape 1 is uniform, more draws it to 0."""

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


KINDS: dict[str, type[Section]] = {
    "{" + ", ".join(kind.model_fields) + "}": kind for kind in (Normal, Spread, Lkj, Gamma)
}
PARTS = tuple(dict.fromkeys(part for kind in KINDS.values() for part in kind.model_fields))
DATA_NAME = re.compile(rf"prior_(\w+)_({'|'.join(PARTS)})")


def _kind(prior: object) -> str:
    """What the keys of a prior say of its kind: a standard deviation's where they say nothing."""
    keys = dict(prior) if isinstance(prior, (Mapping, Section)) else {}
    telling = {"loc": "{loc, scale}", "rate": "{shape, rate}", "shape": "{shape}"}
    return next((tag for key, tag in telling.items() if key in keys), "{scale, upper}")


Prior = Annotated[
    Annotated[Normal, Tag("{loc, scale}")]
    | Annotated[Spread, Tag("{scale, upper}")]
    | Annotated[Lkj, Tag("{shape}")]
    | Annotated[Gamma, Tag("{shape, rate}")],
    Discriminator(_kind),
]


class Priors(Section):
    """Priors by parameter; programs with a parameter that has none do not apply to the study."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Prior] = Field(init=False)  # no argument: any name is one

    def scales(self) -> dict[str, float]:
        """The numbers under the names that programs read: `prior_<parameter>_<part>`."""
        return {f"prior_{name}_{part}": value for name, prior in self for part, value in prior}

    def replaced_by(self, others: "Priors") -> "Priors":
        """These priors, with those of `others` in place of the ones that it has."""
        return Priors(**dict(self) | dict(others))


def read_of(names: Iterable[str]) -> dict[str, set[str]]:
    """Parameters whose priors are among these names of Stan data, each with the parts of it."""
    read: dict[str, set[str]] = {}
    for found in filter(None, map(DATA_NAME.fullmatch, names)):
        read.setdefault(found[1], set()).add(found[2])
    return read


def unread(priors: Priors, programs: Iterable[Iterable[str]]) -> str | None:
    """What is wrong with the first prior that no program reads; None if all are read.

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
                f"priors.{name}: no program in stan/ reads a prior of {name}; "
                f"those read are of {known}"
            )
        if not any(parts <= type(prior).model_fields.keys() for parts in wanted):
            parts = ", ".join(sorted(wanted[0], key=PARTS.index))
            return f"priors.{name}: programs in stan/ read its {parts}; give it {{{parts}}}"
    return None
