"""Common random numbers: the noise of (seed, replicate, group, role) never changes.

Groups are drawn in blocks of sixteen, each with a key of its own, so that adding groups or
replicates, or changing any other setting, leaves the noise of the others as it was.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from partialpool._typing import Floats

Role = Literal["population", "mean", "spread"]
ROLES: dict[Role, int] = {"population": 1, "mean": 2, "spread": 3}
BLOCK = 16


def uniforms(seed: int, role: Role, replicates: int, groups: int) -> Floats:
    """Uniform numbers in (0, 1), shape (replicates, groups)."""
    blocks = -(-groups // BLOCK)
    parts = []
    for block in range(blocks):
        key = np.array([seed, (ROLES[role] << 40) + block], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key))
        parts.append(generator.random((replicates, BLOCK)))
    drawn = np.concatenate(parts, axis=1)[:, :groups]
    tiny = 2.0**-54  # the generator can return 0 exactly
    return np.asarray(np.maximum(drawn, tiny))
