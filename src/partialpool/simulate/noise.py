"""Common random numbers: the noise of (seed, replicate, group, role) never changes.

Each number is a function of its own counter, so that adding groups or replicates, or changing any
other setting, leaves the noise of the others as it was; and so short that the page computes the
same numbers (app/www/worlds/noise.js).

Source: Salmon, Moraes, Dror and Shaw (2011), doi:10.1145/2063384.2063405, Philox 4x32-10.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from partialpool._typing import Floats
from partialpool.errors import ArgumentError

Role = Literal["population", "mean", "spread"]
ROLES: dict[Role, int] = {"population": 1, "mean": 2, "spread": 3}
"""The page draws single pupils with a fourth, counted by the counter's last word."""
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
"""Of Philox 4x32: any other numbers give other noise than the page has."""
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
"""By which the key moves each round (Weyl sequence): golden ratio and sqrt(3) - 1, times 2^32."""
PHILOX_ROUNDS = 10
"""Of the source; seven pass all tests of BigCrush, ten are its margin."""
WORD_MASK = 0xFFFFFFFF
"""The lower 32 bits."""
MOST_CELLS = 50_000_000
"""Replicates times groups, at most: some 0.4 GB an array."""
COUNTERS_AT_ONCE = 2**14
"""Counters worked on at once: their words stay in the cache. Of 2^12 to 2^18 the fastest."""


def philox(counter: Sequence[Any], key: tuple[int, int]) -> list[Any]:
    """Philox 4x32-10: four words of 32 bits from a counter of four and a key of two.

    Parameters
    ----------
    counter : sequence of 4 ndarrays of uint64
        Words below 2^32; shapes broadcast.
    key : tuple of 2 int
        Words below 2^32.

    Returns
    -------
    list of 4 ndarrays of uint64
    """
    a, b, c, d = (np.asarray(word, dtype=np.uint64) for word in counter)
    low, half = np.uint64(WORD_MASK), np.uint64(32)
    first, second = (np.uint64(m) for m in MULTIPLIERS)
    for i in range(PHILOX_ROUNDS):
        k0, k1 = (np.uint64((k + i * s) & WORD_MASK) for k, s in zip(key, KEY_STEPS, strict=True))
        p, q = a * first, c * second
        a, b, c, d = (q >> half) ^ b ^ k0, q & low, (p >> half) ^ d ^ k1, p & low
    return [a, b, c, d]


def uniforms(seed: int, roles: Sequence[Role], replicates: int, groups: int) -> list[Floats]:
    """Uniform numbers in (0, 1), an array of shape (replicates, groups) for each role.

    The counter is (replicate, group, block, 0), the key the seed. A block holds the numbers of two
    roles, 52 bits each, so that none is 0 or 1.

    Raises
    ------
    ArgumentError
        If these are too many numbers, or the seed has more than 63 bits.
    """
    if replicates < 1 or replicates * groups > MOST_CELLS:
        raise ArgumentError(
            f"replicates times groups must lie between 1 and {MOST_CELLS:,}; "
            f"received {replicates} times {groups}"
        )
    if not 0 <= seed < 2**63:
        raise ArgumentError(f"seed must be a whole number, 0 or more; received {seed!r}")
    group = np.arange(groups, dtype=np.uint64)
    places = [divmod(ROLES[role] - 1, 2) for role in roles]
    out = [np.empty((replicates, groups)) for _ in roles]
    step = max(1, COUNTERS_AT_ONCE // groups)
    for i in range(0, replicates, step):
        rows = np.arange(i, min(i + step, replicates), dtype=np.uint64)[:, None]
        for block in {block for block, _ in places}:
            words = philox((rows, group, block, 0), (seed & WORD_MASK, seed >> 32))
            for numbers, (its_block, second) in zip(out, places, strict=True):
                if its_block == block:
                    numbers[i : i + step] = _fraction(*words[2 * second : 2 * second + 2])
    return out


def _fraction(high: Any, low: Any) -> Floats:
    """A number in (0, 1) of the upper 52 of 64 bits."""
    bits = (high << np.uint64(20)) | (low >> np.uint64(12))
    return np.asarray((bits + 0.5) * 2.0**-52)
