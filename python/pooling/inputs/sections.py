"""What the sections of a study are made of: strict types, and settings that are known."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict


class Section(BaseModel):
    """Part of a study; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True)


def _fips(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _code(value: object) -> object:
    # Keys are text in TOML: 0 and 00 would be one code with two meanings.
    if isinstance(value, str) and re.fullmatch(r"0|-?[1-9]\d{0,8}", value) is None:
        raise ValueError("write the code as a whole number, like 0")
    return value


def _once(values: list) -> list:
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise ValueError(f"{twice[0]} is there twice; remove one")
    return values


def _line(text: str) -> str:
    if not text.strip() or any(ord(letter) < 32 for letter in text):
        raise ValueError("give one line of text")
    return text


# Strict: text, true and 1.0 are no whole numbers, text and true are no numbers.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Line = Annotated[str, AfterValidator(_line)]
Code = Annotated[int, BeforeValidator(_code)]
Fips = Annotated[Whole, BeforeValidator(_fips), Field(ge=1, lt=10**9)]
Once = AfterValidator(_once)
