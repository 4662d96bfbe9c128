"""Stored worlds of polls: intervals of states cover as they say, and a world comes out the same."""

import numpy as np
import pytest
from polls import LEVELS, stored, world

pytestmark = pytest.mark.slow


def test_states_are_covered():
    rows = np.array(stored())
    covered = rows[:, : len(LEVELS)].mean(axis=0)
    assert len(rows) >= 200
    assert 0.93 <= covered[2] <= 0.97
    np.testing.assert_allclose(covered[:2], LEVELS[:2], atol=0.03)
    assert rows[:, 4].mean() == pytest.approx(1.0, abs=0.1)


def test_a_world_comes_out_the_same():
    np.testing.assert_allclose(world(3), stored()[3], atol=0.03)
