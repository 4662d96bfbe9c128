"""Distribution functions from densities known on an even grid, to spectral accuracy.

A density sampled every h and vanishing at both ends is, to the accuracy of the trapezoid rule,
its own sinc series; integrating the series gives the distribution function between the nodes.
Source: Stenger (1993), Numerical Methods Based on Sinc and Analytic Functions, section 3.6.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

from partialpool._typing import Floats

Basis = Callable[[Floats], Floats]
"""One of the two functions below."""


def cumulative(distance: Floats) -> Floats:
    """Integral of sinc up to `distance`, in steps of the grid: 0 far left, 1 far right."""
    return np.asarray(0.5 + special.sici(math.pi * distance)[0] / math.pi)


def value(distance: Floats) -> Floats:
    """Sinc at `distance`, in steps of the grid."""
    return np.asarray(np.sinc(distance))
