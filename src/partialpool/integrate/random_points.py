"""Even but random points of the unit cube: independent sets of them tell the error of a sum.

In few dimensions a lattice moved at random; in more a Latin hypercube, which takes away all of the
variance that is a sum of functions of one dimension.

Source: Owen (1998), doi:10.1145/272991.273010, for Latin hypercubes.
"""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats
from partialpool.integrate.rank_one_lattice import folded_lattice

CLOSEST_TO_ENDS = 1e-10
"""Numbers keep this distance from 0 and 1, so that quantiles stay finite."""
LATTICE_DIMENSIONS = 24
"""Dimensions up to which lattices are used: 4,096 points of a posterior with six numbers are worth
ten times as many of a Latin hypercube, with 25 no more than these."""


def random_points(size: int, dimensions: int, rng: np.random.Generator, first: int = 0) -> Floats:
    """Points (size, dimensions) that are each uniform on the unit cube, and even together.

    With `first`, those that follow so many: with the same state of rng these are even together
    with them in few dimensions; in more they are a set of their own.
    """
    if not dimensions:
        return np.zeros((size, 0))
    if dimensions <= LATTICE_DIMENSIONS:
        x = folded_lattice(first, size, rng.random(dimensions))
    else:
        if first:  # a stream of their own, whatever the sizes of the sets before
            seed = rng.bit_generator.seed_seq
            assert isinstance(seed, np.random.SeedSequence)
            key = (*seed.spawn_key, first)
            rng = np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=key))
        # a Latin hypercube: one point in each of `size` slices of every dimension
        order = rng.permuted(np.tile(np.arange(size)[:, None], (1, dimensions)), axis=0)
        x = (order + rng.random((size, dimensions))) / size
    return np.clip(x, CLOSEST_TO_ENDS, 1.0 - CLOSEST_TO_ENDS)
