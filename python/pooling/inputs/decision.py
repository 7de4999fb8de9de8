"""The section `[decision]` of a study: what tests, remedies and radon cost.

The decision problem and all defaults but the factor are those of Lin, Gelman, Price and Krantz
(1999), Statistical Science 14:305-337, and Gelman et al. (2013), Bayesian Data Analysis, third
edition, section 9.4; `SOURCES` names where each number is from. Levels are in pCi/L of annual
average radon in the living area, whatever the study's unit; spreads are geometric standard
deviations, factors above 1.
"""

import math
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from pooling.inputs.response import EPA_ACTION_LEVEL
from pooling.inputs.sections import Floor, Number, Section

Kind = Literal["long-term", "screening"]
Household = Literal["average", "two nonsmokers", "two smokers"]

# What a study with this section has in addition, in the order in which they are written.
TABLES = (
    *("decision_settings", "decision_sensitivity", "book", "policies"),
    *("action_regions", "readings", "decisions"),
)

BOOK = "Gelman et al. (2013), Bayesian Data Analysis, section 9.4"
FACTORS: dict[Floor, float] = {"basement": 0.5, "first floor": 0.8}
TEST_COSTS: dict[Kind, float] = {"long-term": 50.0, "screening": 20.0}
# Risk of a death from lung cancer, in millionths, that 1 pCi/L for 30 years adds to a household.
# The book gives dollars per pCi/L at 0.21 dollars per millionth for the last two.
RISKS: dict[Household, float] = {
    "average": 4800.0,
    "two nonsmokers": 370 / 0.21,
    "two smokers": 1900 / 0.21,
}

SOURCES = {
    "test": f"the book finds long-term tests more cost-effective ({BOOK})",
    "test_cost": f"$50 for a long-term test, $15 to $20 for a screening test ({BOOK})",
    "remedy_cost": f"including heating and cooling over 30 years ({BOOK})",
    "remedied_level": f"simplification of the book: remedies rarely reach 1 pCi/L ({BOOK})",
    "action_level": f"US Environmental Protection Agency ({BOOK})",
    "value_per_pci": f"remedy_cost / (action_level - remedied_level), equation 9.4 of {BOOK}",
    "household": f"4,800 millionths per pCi/L for an average household ({BOOK})",
    "years": BOOK,
    "long_term_spread": BOOK,
    "screening_spread": f"roughly, after correction for bias ({BOOK})",
    "factor": "rounded from the abstract of Cohen and Gromicko (1988), JAPCA 38:129-134: winter, "
    "spring, summer and autumn are as 1.6 : 1.4 : 1 : 1.4, and basements have 2.5 times as much "
    "as upper floors. So the annual average is 0.84 of a winter measurement on the same floor, and "
    "0.34 of one in a basement below the living area; houses with living area in the basement are "
    "between the two. The adjustments of Price and Nero (1996), Environment International 22, by "
    "type of house, would be better; set them here",
    "factor_spread": "assumption: half of the variance of the logarithm behind screening_spread is "
    "due to houses, whose factors differ, and half to the few days of the test. The factor of a "
    "basement is then 0.33 to 0.75 within one standard deviation",
}

Dollars = Annotated[Number, Field(ge=0, le=1e9)]
Positive = Annotated[Number, Field(gt=0, le=1e9)]
Level = Annotated[Number, Field(gt=0, le=1e5)]
Factor = Annotated[Number, Field(ge=0.01, le=100)]


class Decision(Section):
    """Costs, values and tests of the decision whether to measure or remedy a house.

    The value of radon is given by at most one of `action_level` (the level from which remedying
    pays if the level is known), `value_per_pci` (dollars that 1 pCi/L less for `years` is worth)
    and `value_of_life` (dollars per death avoided, for the `household`).
    """

    test: Kind = Field(default="long-term", description="test to be bought before deciding")
    test_cost: Dollars | None = Field(default=None, description="dollars; default: by kind of test")
    remedy_cost: Positive = Field(default=2000.0, description="dollars")
    remedied_level: Level = Field(default=2.0, description="pCi/L; lower levels stay as they are")
    value_per_pci: Positive | None = Field(default=None, description="dollars per pCi/L")
    value_of_life: Positive | None = Field(default=None, description="dollars per life")
    action_level: Level | None = Field(
        default=None, validate_default=True, description="pCi/L; default: 4"
    )
    household: Household = "average"
    years: Annotated[Number, Field(gt=1, le=1000)] = 30.0
    long_term_spread: Number = 1.2
    screening_spread: Number = 1.8
    factor: dict[Floor, Factor] = Field(
        default=FACTORS, description="annual living-area radon over the survey's measurement"
    )
    factor_spread: Number = Field(
        default=1.5, validate_default=True, description="differences between houses in factor"
    )

    @field_validator("value_of_life")
    @classmethod
    def _one_value(cls, value: float | None, given: ValidationInfo) -> float | None:
        if value is not None and given.data.get("value_per_pci") is not None:
            raise ValueError("value_per_pci says the same in another way; remove one of them")
        return value

    @field_validator("action_level")
    @classmethod
    def _above_remedied(cls, level: float | None, given: ValidationInfo) -> float | None:
        others = [name for name in ("value_per_pci", "value_of_life") if given.data.get(name)]
        if others and level is not None:
            raise ValueError(f"{others[0]} says the same in another way; remove one of them")
        remedied = given.data.get("remedied_level", 0.0)
        if others:
            return None
        level = level or EPA_ACTION_LEVEL
        if level <= remedied:
            raise ValueError(
                f"{level:g} pCi/L is not above remedied_level, {remedied:g}, so a remedy would "
                "cost something and change nothing; raise action_level"
            )
        return level

    @field_validator("long_term_spread", "screening_spread", "factor_spread")
    @classmethod
    def _is_spread(cls, value: float) -> float:
        if not 1 < value <= 100:
            raise ValueError(
                f"{value:g} is not a geometric standard deviation; give a factor above 1: 1.2 "
                "means that two thirds of the values are within a factor of 1.2"
            )
        return value

    @field_validator("factor_spread")
    @classmethod
    def _part_of_screening(cls, value: float, given: ValidationInfo) -> float:
        whole = given.data.get("screening_spread")
        if whole is not None and value > whole:
            raise ValueError(
                f"{value:g} is above screening_spread, {whole:g}, of which it is a part; lower it"
            )
        return value

    @field_validator("factor")
    @classmethod
    def _both_floors(cls, factor: dict[Floor, float]) -> dict[Floor, float]:
        return FACTORS | factor

    @property
    def dollars_per_pci(self) -> float:
        """D_r: dollars that 1 pCi/L less for `years` is worth to the household."""
        if self.value_per_pci is not None:
            return self.value_per_pci
        if self.value_of_life is not None:
            return self.value_of_life * self.deaths_per_pci
        return self.remedy_cost / ((self.action_level or EPA_ACTION_LEVEL) - self.remedied_level)

    @property
    def indifferent_level(self) -> float:
        """R_action, pCi/L: from here on a remedy pays if the level is known."""
        return self.remedied_level + self.remedy_cost / self.dollars_per_pci

    @property
    def deaths_per_pci(self) -> float:
        """Expected deaths in the household that 1 pCi/L for `years` adds."""
        return RISKS[self.household] * 1e-6 * self.years / 30

    def cost_of(self, kind: Kind) -> float:
        """Dollars of a test; the setting `test_cost` is of the kind that `test` names."""
        chosen = self.test_cost is not None and kind == self.test
        return float(self.test_cost or 0) if chosen else TEST_COSTS[kind]

    @property
    def factor_sd(self) -> float:
        """Standard deviation of the log factor between houses."""
        return math.log(self.factor_spread)

    @property
    def screening_noise(self) -> float:
        """Standard deviation of a screening test's logarithm that is not of the house."""
        return math.sqrt(math.log(self.screening_spread) ** 2 - self.factor_sd**2)
