"""Where ticks and labels stand."""

from __future__ import annotations

import math

import numpy as np

from partialpool._typing import Floats


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers for a log axis: all first digits, 1, 2 and 5, or powers of ten only."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inside: list[float] = []
    for digits in (range(1, 10), (1, 2, 5), (1,)):
        inside = [d * 10.0**k for k in powers for d in digits if low <= d * 10.0**k <= high]
        if len(inside) <= 9:
            break
    if len(inside) >= 2:
        return inside
    step = 10.0 ** math.floor(math.log10((high - low) / 2))
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def apart(values: Floats, gap: float) -> Floats:
    """Move values as little as needed so that neighbours are `gap` apart, in their order.

    Least squares under the order: values less their cumulated gaps, made monotone by pooling
    adjacent violators.
    """
    order = np.argsort(values, kind="stable")
    blocks: list[list[float]] = []  # mean, count
    for i, value in enumerate(values[order]):
        blocks.append([float(value) - i * gap, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            before = blocks[-1]
            before[0] = (before[0] * before[1] + mean * count) / (before[1] + count)
            before[1] += count
    flat = np.concatenate([np.full(int(count), mean) for mean, count in blocks])
    out = np.empty(len(values))
    out[order] = flat + gap * np.arange(len(values))
    return out
