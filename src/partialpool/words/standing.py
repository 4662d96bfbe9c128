"""Where a group stands: above or below a value, in a word that its probability bears out."""

from __future__ import annotations

import numpy as np

from partialpool._typing import AnyArray, Floats

PROBABLY = 0.9
"""From this probability on, below that of being sure, a group is called probably above or below."""
WORDS = ("below", "probably below", "uncertain", "probably above", "above")


def standing(p_above: Floats, level: float = 0.95) -> AnyArray:
    """The class of each group, by the probability that it lies above; (J,) of text.

    "above" where the equal-tailed interval of this level lies above the value, "below" where it
    lies below: so no word contradicts an interval.
    """
    sure = 0.5 + 0.5 * level
    ends = sorted([1.0 - sure, 1.0 - PROBABLY, PROBABLY, sure])
    return np.array(WORDS)[np.searchsorted(ends, p_above, side="right")]
