"""Shares of the components of a mixture, along the last axis of an array."""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats, Ints


def log_sum(values: Floats) -> Floats:
    """Logarithm of the sum of exponentials along the last axis, (..., K) to (...).

    As `scipy.special.logsumexp` without its checks, which cost more than the sum of few components.
    """
    if values.shape[-1] == 1:
        return values[..., 0]
    top = values.max(axis=-1)
    # of nothing but -inf the sum is zero, and -inf - -inf would be nan
    safe = np.where(np.isfinite(top), top, 0.0)
    return np.asarray(safe + np.log(np.exp(values - safe[..., None]).sum(axis=-1)))


def drawn_component(share: Floats, rng: np.random.Generator) -> Ints:
    """Draw a component in proportion to the shares, (..., K) to (...)."""
    below = np.cumsum(share, axis=-1)
    place = rng.random((*below.shape[:-1], 1)) * below[..., -1:]
    # rounding may leave the last place at the sum itself
    return np.asarray(np.minimum((below < place).sum(axis=-1), below.shape[-1] - 1))
