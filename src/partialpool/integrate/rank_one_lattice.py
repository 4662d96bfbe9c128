"""Randomised quasi-Monte Carlo points: a rank-1 lattice, shifted at random and folded.

Points are the first n of a sequence, so that more may be added later. Folding (the baker's
transformation) makes integrands periodic, whose errors then fall about like 1 / n^2.

Sources: Cools, Kuo and Nuyens (2006), doi:10.1137/06065074X, for sequences of lattices; Kuo's
generating vector lattice-32001-1024-1048576; Hickernell (2002), doi:10.1007/978-3-642-56046-0_18,
for folding.
"""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats

POINT_BITS = 20
"""The sequence has 2^20 points."""
GENERATOR = (
    1, 182667, 469891, 498753, 110745, 446247, 250185, 118627, 245333, 283199, 408519, 391023,
    246327, 126539, 399185, 461527, 300343, 69681, 516695, 436179, 106383, 238523, 413283, 70841,
    47719, 300129, 113029, 123925, 410745, 211325, 17489, 511893, 40767, 186077, 519471, 255369,
)  # fmt: skip
"""One number a dimension; see the module's source."""
CLOSEST_TO_ENDS = 1e-12
"""Points are kept so far from the edges of the unit cube, where quantiles are infinite."""


def folded_lattice(first: int, size: int, shift: Floats) -> Floats:
    """Points `first`, ..., `first + size - 1` of a shifted sequence in the unit cube.

    Parameters
    ----------
    first, size : int
    shift : ndarray, shape (d,)
        Uniform at random; another one gives an independent estimate. d is at most 36.

    Returns
    -------
    ndarray, shape (size, d)
    """
    index = np.arange(first, first + size, dtype=np.int64)
    reversed_bits = np.zeros(size, dtype=np.int64)
    for bit in range(POINT_BITS):
        # in the order of the van der Corput sequence any 2^m first points are a lattice by
        # themselves
        reversed_bits = (reversed_bits << 1) | ((index >> bit) & 1)
    generator = np.array(GENERATOR[: len(shift)], dtype=np.float64)
    place = (reversed_bits[:, None] * (generator / 2.0**POINT_BITS) + shift) % 1.0
    # folded (the baker's transformation): functions need not be periodic for errors to fall as 1 /
    # n^2 (Hickernell 2002)
    return np.clip(1.0 - np.abs(2.0 * place - 1.0), CLOSEST_TO_ENDS, 1.0 - CLOSEST_TO_ENDS)
