"""Stored runs say of every notice how often it appears; some replicates come out the same today."""

from __future__ import annotations

import pytest
from notices import RIGHT_WORLDS, WORLDS, WRONG_WORLDS, stored, told

MOST_BLAMED, LEAST_FOUND = 0.05, 0.9
FEWEST = 100
"""Replicates of a right world that are stored at least; 1,000 where a fit takes milliseconds."""


@pytest.mark.parametrize("world", [world for world in RIGHT_WORLDS if world in stored()])
def test_a_right_model_is_hardly_ever_blamed(world):
    found = stored()[world]
    assert found["replicates"] >= FEWEST
    for code, count in found["counts"].items():
        assert count <= MOST_BLAMED * found["replicates"], code


@pytest.mark.parametrize("world", [world for world in WRONG_WORLDS if world in stored()])
def test_what_does_not_fit_is_said(world):
    found = stored()[world]
    assert found["wanted"] >= LEAST_FOUND * found["replicates"]


@pytest.mark.slow
@pytest.mark.parametrize("world", [world for world in WORLDS if world in stored()])
def test_as_stored(world):
    assert [sorted(told(world, r)) for r in range(10)] == stored()[world]["first"]
