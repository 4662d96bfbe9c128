"""Stored p-values of checks are uniform where the model is right, and small where it is not."""

from __future__ import annotations

import pytest
from checks import AT_MOST, FIRST, RIGHT_WORLDS, WORLDS, WRONG_WORLDS, p_values, stored

LEAST_FOUND = {"zeros": 0.85}
"""0.9 of all other worlds. Zeros doubled among ten rows a group, without predictors: .88 at .01,
where words say that a check does not hold, and all at .05, where it is worth a look."""
PREDICTIVE = ("spread of groups", "groups without an event")
"""Held against new data drawn from the posterior, whose p-values are too near 0.5."""


@pytest.mark.parametrize("world", [world for world in RIGHT_WORLDS if world in stored()])
def test_few_p_values_of_a_right_model_are_small(world):
    found = stored()[world]
    assert found["replicates"] >= 100
    for check, (size, *counts) in found["p_values"].items():
        share = dict(zip(AT_MOST, counts, strict=True))
        # three standard errors of the share, so that one in some hundred is beyond by chance
        assert share[0.05] / size <= 0.05 + 3 * (0.05 * 0.95 / size) ** 0.5, check
        if check in PREDICTIVE:
            continue
        assert abs(share[0.5] / size - 0.5) <= max(0.15, 1.5 / size**0.5), check


@pytest.mark.parametrize("world", [world for world in WRONG_WORLDS if world in stored()])
def test_what_is_wrong_is_found(world):
    found = stored()[world]
    assert found["wanted"] >= LEAST_FOUND.get(world, 0.9) * found["replicates"]


@pytest.mark.slow
@pytest.mark.parametrize("world", [world for world in WORLDS if world in stored()])
def test_as_stored(world):
    for replicate, want in enumerate(stored()[world]["first"][:FIRST]):
        found = p_values(world, replicate)
        assert [row[:2] for row in found] == [row[:2] for row in want]
        assert [row[2] for row in found] == pytest.approx([row[2] for row in want], abs=1e-6)
