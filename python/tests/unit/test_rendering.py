"""Numbers and words as a reader sees them; templates that are wrong."""

import pytest

from pooling.build.errors import PoolingError
from pooling.reporting import rendering


@pytest.mark.parametrize(
    ("text", "message"),
    [("a\n{% if %}", r"page\.jinja, line 2"), ("{{ nothing }}", "'nothing' is undefined")],
)
def test_a_wrong_template_is_an_error_that_says_where(tmp_path, text, message):
    template = tmp_path / "page.jinja"
    template.write_text(text)
    with pytest.raises(PoolingError, match=message):
        rendering.render(template, {})


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (-0.6488, 2, "\N{MINUS SIGN}0.65"),
        (1234.56, 1, "1,234.6"),
        (12345.6, 1, "12,346"),
        (-2.5e7, 2, "\N{MINUS SIGN}2.5e+07"),
        (float("nan"), 2, "\N{EN DASH}"),
        (None, 2, "\N{EN DASH}"),
    ],
)
def test_numbers_for_people(value, digits, text):
    assert rendering.number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.04, "0.0"),
        (4.04, "4.0"),
        (99.96, "100"),
        (99_999, "99,999"),
        (float("inf"), ">\xa099,999"),
    ],
)
def test_activities_for_people(value, text):
    assert rendering.radon(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.001, "<\xa01%"), (0.4516, "45%"), (0.999, ">\xa099%"), (1, "100%")],
)
def test_shares_for_people(share, text):
    assert rendering.percent(share) == text


def test_settings_plurals_and_breaks():
    assert [rendering.plain(value) for value in (0.0, 10000.0, None)] == [
        "0",
        "10,000",
        "\N{EN DASH}",
    ]
    assert rendering.plural(1, "county", "counties") == "1\xa0county"
    assert rendering.plural(1250, "house") == "1,250\xa0houses"
    assert rendering.breakable("a_b<") == "a_<wbr>b&lt;"


def test_a_title_in_a_sentence_begins_small_unless_it_is_an_acronym():
    assert rendering.in_sentence("Complete pooling") == "complete pooling"
    assert rendering.in_sentence("CAR prior") == "CAR prior"
