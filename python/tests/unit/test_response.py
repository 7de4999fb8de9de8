"""From activity in the study's unit to log radon, and back."""

import numpy as np
import pytest

from pooling.inputs.response import Response

TRANSFORMS = ("log(x + 0.1)", "log(x), 0 as 0.1")


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("unit", ["pCi/L", "Bq/m3"])
def test_activity_undoes_log_radon(transform, unit):
    response = Response(transform, unit)
    logs = response.log_radon(np.array([0.5, 4.0, 300.0]))
    assert response.activity(logs) == pytest.approx([0.5, 4.0, 300.0])


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_log_radon_is_the_same_in_either_unit(transform):
    """1 pCi/L is 37 Bq/m3, by the definition of the curie: 3.7e10 becquerels."""
    pci, becquerels = Response(transform), Response(transform, "Bq/m3", 148)
    levels = np.array([0.0, 0.1, 2.2, 4.0, 273.5])
    assert becquerels.log_radon(37 * levels) == pytest.approx(pci.log_radon(levels))
    assert becquerels.activity(pci.log_radon(levels)) == pytest.approx(
        37 * pci.activity(pci.log_radon(levels))
    )
    assert becquerels.log_action_level == pytest.approx(pci.log_action_level)


def test_activity_is_never_negative_and_may_be_infinite():
    response = Response("log(x + 0.1)")
    assert response.activity(np.array([-50.0, 5000.0])).tolist() == [0.0, np.inf]


def test_an_activity_of_0_counts_as_a_tenth_of_a_picocurie():
    # 0.1 pCi/L is 3.7 Bq/m3
    logs = [Response(t, unit).log_radon(0.0) for t in TRANSFORMS for unit in ("pCi/L", "Bq/m3")]
    assert logs == [pytest.approx(np.log(0.1))] * 4
    added = Response("log(x + 0.1)", "Bq/m3", 300)
    assert added.log_radon(296.3) == pytest.approx(np.log(300 / 37))


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize(("unit", "level"), [("pCi/L", 4.0), ("Bq/m3", 300.0), ("Bq/m3", 100.0)])
def test_a_house_at_exactly_the_action_level_reaches_it(transform, unit, level):
    response = Response(transform, unit, level)
    logs = response.log_radon(np.array([0.999 * level, level]))
    assert response.reaches_action_level(logs).tolist() == [False, True]


def test_labels_have_the_superscript_and_the_setting_has_none():
    response = Response("log(x + 0.1)", "Bq/m3", 300.0)
    assert (response.unit_label, response.action_label) == ("Bq/m³", "300 Bq/m³")
    assert Response.of(response.settings()) == response


def test_fits_without_a_unit_are_in_picocuries():
    assert Response.of({"response": "log(x + 0.1)"}).action_label == "4 pCi/L"
