"""Templates filled with values: the formats of numbers and names, and errors that name the line."""

import math
from collections.abc import Mapping
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from pooling.build.errors import PoolingError

MISSING = "\N{EN DASH}"


def number(value: float | None, digits: int = 2) -> str:
    """Format a number: typographic minus, thousands separators, powers of ten if huge."""
    if value is None or not math.isfinite(value):
        return MISSING
    size = abs(value)
    digits = 0 if size >= 10_000 else digits
    text = f"{value:.1e}" if size >= 1e6 else f"{value:,.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def plain(value: float | None) -> str:
    """Format a setting without rounding, with thousands separators."""
    return MISSING if value is None else f"{value:,g}".replace("-", "\N{MINUS SIGN}")


def radon(value: float | None) -> str:
    """Format an activity; impossibly large ones are shown as > 99,999."""
    if value is None or math.isnan(value):
        return MISSING
    if value > 99_999:
        return ">\N{NO-BREAK SPACE}99,999"
    return f"{value:,.{1 if value < 99.95 else 0}f}"


def percent(share: float) -> str:
    """A share in whole percent, never rounded to 0% or 100%."""
    if 0 < share < 0.005:
        return "<\N{NO-BREAK SPACE}1%"
    if 0.995 <= share < 1:
        return ">\N{NO-BREAK SPACE}99%"
    return f"{share:.0%}"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 house`, `2 houses`."""
    return f"{count:,}\N{NO-BREAK SPACE}{one if count == 1 else many or one + 's'}"


def breakable(name: str) -> Markup:
    """A name that may break after each underscore."""
    return Markup(str(escape(name)).replace("_", "_<wbr>"))


def in_sentence(title: str) -> str:
    """A title within a sentence: its first letter in lower case, unless the word is an acronym."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


FILTERS = (number, plain, radon, percent, plural, breakable, in_sentence)


def render(template: Path, values: Mapping) -> str:
    """Fill a template; all values are escaped unless they are marked as safe.

    Raises
    ------
    PoolingError
        The template is invalid; the message names the line.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update({filter_.__name__: filter_ for filter_ in FILTERS})
    try:
        return environment.get_template(template.name).render(values)
    except jinja2.TemplateSyntaxError as error:
        where = template.with_name(error.name or template.name)
        raise PoolingError(f"{where}, line {error.lineno}: {error.message}") from None
    except jinja2.UndefinedError as error:
        raise PoolingError(f"{template}: {error.message}; correct the name there") from None
