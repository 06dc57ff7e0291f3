"""Drought classes by percentile."""

import numpy as np
import pytest

from sm_core.drought import USDM, classify


@pytest.mark.parametrize(("percentile", "value"), [
    (100.0, 0), (30.01, 0), (30.0, 1), (20.01, 1), (20.0, 2), (10.01, 2), (10.0, 3), (5.01, 3), (5.0, 4), (2.01, 4),
    (2.0, 5), (0.09, 5),
])
def test_limits_belong_to_the_drier_class(percentile, value):
    assert classify(percentile) == value


def test_class_and_percentile_agree_as_published():
    """A percentile is published to 0.01; 2.004 reads 2.00 and must be in the class of 2.00."""
    assert classify([2.004, 2.006, 29.996, 30.004]).tolist() == [5, 4, 1, 1]


def test_unknown_stays_unknown():
    field = np.array([[np.nan, 50.0], [1.0, np.nan]], np.float32)
    classes = classify(field)
    assert classes.dtype == np.uint8
    assert classes.tolist() == [[255, 0], [5, 255]]


def test_official_colours_and_limits():
    assert [(d.name, d.up_to, d.colour) for d in USDM] == [
        ("D0", 30, "#FFFF00"), ("D1", 20, "#FCD37F"), ("D2", 10, "#FFAA00"), ("D3", 5, "#E60000"), ("D4", 2, "#730000"),
    ]
