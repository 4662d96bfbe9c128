"""Deterministic integration of a log density over few dimensions. Knows nothing of groups."""

from partialpool.integrate.axis import Axis, Coordinate, HalfLine, Interval, Line
from partialpool.integrate.gauss import gauss
from partialpool.integrate.importance import Sample, SamplingTarget, integrate_by_sampling
from partialpool.integrate.lattice import Lattice, find_modes, integrate_lattice
from partialpool.integrate.nested import Nested, integrate_nested
from partialpool.integrate.trapezoid import Accuracy, Grid, integrate
from partialpool.integrate.weighted import WeightedNodes

__all__ = [
    "Accuracy",
    "Axis",
    "Coordinate",
    "Grid",
    "HalfLine",
    "Interval",
    "Lattice",
    "Line",
    "Nested",
    "Sample",
    "SamplingTarget",
    "WeightedNodes",
    "find_modes",
    "gauss",
    "integrate",
    "integrate_by_sampling",
    "integrate_lattice",
    "integrate_nested",
]
