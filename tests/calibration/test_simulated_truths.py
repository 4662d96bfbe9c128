"""Stored runs of 300 replicates are uniform, and some of them come out the same today."""

from __future__ import annotations

import pytest
from simulated_truths import KINDS, REPLICATES, replicate, smallest_p, stored

pytestmark = pytest.mark.slow

SMALLEST_P = 1e-3
"""As in the other calibrations; some thirty quantities are tested."""

SAME = 0.03
"""Largest change of a probability: interval ends to 0.15 sds move it by up to 0.06 in the middle
and 0.02 in the tails; most engines hold 0.05."""


@pytest.mark.parametrize("kind", KINDS)
def test_uniform(kind):
    for name, uniform in stored()[kind].items():
        assert len(uniform) == REPLICATES
        assert smallest_p(uniform) > SMALLEST_P, name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("i", [0, 99, 199])
def test_as_stored(kind, i):
    for name, value in replicate(kind, i).items():
        assert value == pytest.approx(stored()[kind][name][i], abs=SAME), name
