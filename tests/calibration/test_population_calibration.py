"""Parameters and groups of populations that are not normal fall uniformly in their posteriors."""

from __future__ import annotations

import pytest
from population_calibration import FIRST, SETTINGS, p_value, places, stored

SMALLEST_P = 1e-3
"""Of some 60 p-values; the smallest of so many is below this in 6% of right worlds."""


@pytest.mark.parametrize("setting", [setting for setting in SETTINGS if setting in stored()])
def test_stored_places_are_uniform(setting):
    for name, found in stored()[setting].items():
        assert len(found) >= 200
        assert p_value(found) > SMALLEST_P, name


@pytest.mark.slow
@pytest.mark.parametrize("setting", [setting for setting in SETTINGS if setting in stored()])
def test_as_stored(setting):
    record = stored()[setting]
    for replicate in range(FIRST):
        today = places(setting, replicate)
        assert today == pytest.approx({k: v[replicate] for k, v in record.items()}, abs=2e-3)
