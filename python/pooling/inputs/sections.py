"""Strict types for the sections of a study."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

Floor = Literal["basement", "first floor"]
FLOORS: tuple[Floor, ...] = ("basement", "first floor")  # where `floor_measure` is 0 and 1


class Section(BaseModel):
    """A section of a study; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True)


def _fips(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _code(value: object) -> object:
    # TOML keys are text: 0 and 00 would define the same code twice.
    if not isinstance(value, str) or re.search("[^-+.\\d]", value):
        return value
    if re.fullmatch(r"0|-?[1-9]\d{0,8}", value) is None:
        raise ValueError("write the code as a whole number, such as 0")
    return int(value)


def _once(values: list) -> list:
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise ValueError(f"{twice[0]} is listed twice; remove one")
    return values


def _line(text: str) -> str:
    if not text.strip() or any(ord(letter) < 32 for letter in text):
        raise ValueError("give one line of text")
    return text


def line_of(text: str, section: str, key: str, value: object = "") -> int | None:
    """1-based line of a study file that sets `key` in `[section]`, or that has a `value` of it."""
    header = found = ""
    for number, line in enumerate(text.splitlines(), start=1):
        written = line.partition("#")[0]
        if match := re.match(r"\s*\[+\s*([\w.]+)", written):
            header = match[1]
        if match := re.match(r"\s*([a-z_]+)\s*=", written):
            found = match[1]
        whole = rf"\b0*{value}\b" if value else ""
        if header == section and found == key and re.search(whole, written.replace("_", "")):
            return number
    return None


# Strict: no conversion from text or booleans, nor of 1.0 to an integer.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Line = Annotated[str, AfterValidator(_line)]
Code = Annotated[Whole | Line, BeforeValidator(_code)]  # a whole number, or text
Fips = Annotated[Whole, BeforeValidator(_fips), Field(ge=1, lt=10**9)]
Once = AfterValidator(_once)
