"""Deterministic integration of a log density over few dimensions. Knows nothing of groups."""

from partialpool.integrate.axis import Axis, Line
from partialpool.integrate.gauss import gauss
from partialpool.integrate.trapezoid import Accuracy, Grid, integrate

__all__ = ["Accuracy", "Axis", "Grid", "Line", "gauss", "integrate"]
