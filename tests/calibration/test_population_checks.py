"""The check of groups: false alarms at most 5%, power as stated, and the same as stored."""

from __future__ import annotations

import pytest
from population_checks import FIRST, RIGHT, WORLDS, WRONG, outcome, stored

POWER = {
    "30 groups, contaminated": 0.6,
    "30 groups, cluster": 0.85,
    "1,000 groups, contaminated": 0.99,
    "1,000 groups, cluster": 0.99,
    "1,000 groups, t4": 0.9,
}
"""What the check must find; with 8 groups it finds little, whatever is done."""


@pytest.mark.parametrize("world", RIGHT)
def test_normal_populations_are_seldom_rejected(world):
    record = stored()[world]
    size = record["replicates"]
    assert size >= 100
    # three standard errors, so that one of these worlds in 700 is beyond by chance
    assert record["rejected"] / size <= 0.05 + 3 * (0.05 * 0.95 / size) ** 0.5


@pytest.mark.parametrize("world", POWER)
def test_other_populations_are_seen(world):
    record = stored()[world]
    assert record["rejected"] / record["replicates"] >= POWER[world]


def test_every_world_is_stored():
    assert set(stored()) == set(WORLDS) == set(RIGHT) | set(WRONG)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_as_stored(world):
    for replicate in range(FIRST):
        assert outcome(world, replicate) == stored()[world]["first"][replicate]
