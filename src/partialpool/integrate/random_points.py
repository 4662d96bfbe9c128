"""Even but random points of the unit cube: independent sets of them tell the error of a sum.

In few dimensions a lattice rule of Korobov's, moved at random and folded (1,024 points of cbpp's
posterior are then worth 5,000 of a Latin hypercube); in more, a Latin hypercube, which takes away
all of the variance that is a sum of functions of one dimension.

Sources: Hickernell (2002), doi:10.1007/978-3-642-56046-0_17, for folding (the baker's
transformation); Owen (1998), doi:10.1145/272991.273010, for Latin hypercubes.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from partialpool._typing import Floats, Ints

CLOSEST = 1e-10
"""Numbers keep this distance from 0 and 1, so that quantiles stay finite."""
FEW = 24
"""Dimensions up to which lattices are used: beyond, they are no better than Latin hypercubes."""
SEARCHED = 2**21
"""Products that the search for a lattice's generator may take: some hundredths of a second."""
CANDIDATES = 96
DECAY = 0.9
"""Weight of each dimension over that before it in the search: the first, hyperparameters, matter
most."""


def random_points(size: int, dimensions: int, rng: np.random.Generator) -> Floats:
    """Points (size, dimensions) that are each uniform on the unit cube, and even together."""
    if not dimensions:
        return np.zeros((size, 0))
    if dimensions <= FEW:
        step = _generator(size, dimensions)
        x = (np.arange(size)[:, None] * step % size) / size + rng.random(dimensions)
        x = 1.0 - np.abs(2.0 * (x % 1.0) - 1.0)
    else:
        order = rng.permuted(np.tile(np.arange(size)[:, None], (1, dimensions)), axis=0)
        x = (order + rng.random((size, dimensions))) / size
    return np.clip(x, CLOSEST, 1.0 - CLOSEST)


@cache
def _generator(size: int, dimensions: int) -> Ints:
    """Powers of the multiplier whose lattice is most even, of some tried.

    Evenness is the mean square error of sums of smooth periodic functions (P_2), by its closed
    form in Bernoulli polynomials.
    """
    rng = np.random.default_rng(0)
    most = int(np.clip(SEARCHED // (size * dimensions), 4, CANDIDATES))
    multipliers = np.arange(3, max(size // 2, 5), 2)
    if len(multipliers) > most:
        multipliers = rng.choice(multipliers, most, replace=False)
    weight = np.pi**2 * DECAY ** np.arange(dimensions)
    best, chosen = np.inf, np.ones(dimensions, dtype=np.int64)
    for multiplier in multipliers:
        step = np.empty(dimensions, dtype=np.int64)
        step[0] = 1
        for k in range(1, dimensions):
            step[k] = step[k - 1] * int(multiplier) % size
        x = (np.arange(size)[:, None] * step % size) / size
        error = float(np.prod(1.0 + weight * (x**2 - x + 1.0 / 6.0), axis=1).mean())
        if error < best:
            best, chosen = error, step
    return chosen
