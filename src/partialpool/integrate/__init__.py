"""Deterministic integration of a log density over few dimensions. Knows nothing of groups."""

from partialpool.integrate.axis import Axis, Line
from partialpool.integrate.nested import Nested, integrate_nested
from partialpool.integrate.trapezoid import Accuracy, Grid, integrate

__all__ = ["Accuracy", "Axis", "Grid", "Line", "Nested", "integrate", "integrate_nested"]
