"""From which nodes the groups' effects are read: from all, or from fewer with the same moments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from partialpool._normal import INTERVAL_ENDS, NORMAL_WIDTH
from partialpool._typing import Floats
from partialpool.integrate.condense import condensed
from partialpool.kernels import student
from partialpool.kernels.crossed import Crossed
from partialpool.models import MixedModel
from partialpool.posterior import effects
from partialpool.posterior.linear import Nodes, Rows, functional, located

CELLS_OF_ALL_NODES = 2**20
"""Nodes times rows times (p + 2) up to which all nodes are used: some 10 ms."""
SIZES_TRIED = (12, 25, 50, 100, 200, 400, 800, 1600)
"""Numbers of nodes that are tried one after the other: each twice the one before, so that the last
costs as much as all others together."""
MOST_CONDENSED = 2**20
"""Nodes times the number they are condensed to, at most: beyond, reading all takes less time."""
FIRST_POINTS = 1024
"""Points of a sample that are tried first, where there are too many to condense."""
ROWS_COMPARED = 64
"""Rows, evenly spread, whose intervals decide whether so few nodes will do."""
CELLS_TRIED = 2**18
"""Of these, so many times nodes at most: some 50 ms."""
AGREE_IF_FINE, ENDS_AGREE = 1e-5, 5e-3
"""Difference of ends of 95% intervals, in quarters of the interval, that is small enough: where the
integral itself is that exact, and usually."""
SLOW_EVALUATION = 2e-3
"""Seconds an evaluation from which on sizes are compared with each other, not with all nodes."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadOut:
    """Nodes from which rows of known groups are read.

    Parameters
    ----------
    nodes : Nodes
    gap : float
        Largest difference that the choice makes to an end of a 95% interval of the sampled rows,
        in quarters of it.
    """

    nodes: Nodes
    gap: float


def read_out(
    model: MixedModel, every: Nodes, rows: int, sample: Rows, *, agree: float, random: bool
) -> ReadOut:
    """Choose nodes for so many rows.

    Parameters
    ----------
    model : MixedModel
    every : Nodes
        All nodes that matter.
    rows : int
        How many rows are to be read.
    sample : Rows
        Some of them, on which numbers of nodes are tried.
    agree : float
        Largest difference allowed, as of `ReadOut`.
    random : bool
        Whether the first of the nodes are a sample themselves.
    """
    size, slow = len(every.weight), is_slow(model)
    if size * rows * (model.system.p + 2) <= CELLS_OF_ALL_NODES and (
        not slow or size <= 2 * SIZES_TRIED[0]
    ):
        return ReadOut(every, 0.0)
    tried = sampled(sample, max(4, CELLS_TRIED // size))
    reference = None if slow else interval_ends(model, every, tried)
    for nodes in _fewer(model, every, random):
        ends = interval_ends(model, nodes, tried)
        if reference is not None:
            width = (reference[1] - reference[0]) / NORMAL_WIDTH
            gap = float((np.abs(ends - reference) / width).max())
            if gap <= agree:
                return ReadOut(nodes, gap)
        if slow:
            reference = ends
    return ReadOut(every, 0.0)


def _fewer(model: MixedModel, every: Nodes, random: bool) -> Iterator[Nodes]:
    """More and more nodes in place of all: condensed ones, then the first of a sample."""
    size = len(every.weight)
    smooth = effects.features(model, every.points)
    beside = effects.growing(model, every.points, every.scale)
    for number in SIZES_TRIED:
        if 2 * number <= size and number * size <= MOST_CONDENSED:
            yield every.chosen(*condensed(smooth, beside, every.weight, number))
    number = FIRST_POINTS
    while random and 2 * number <= size:
        first = np.arange(number)
        yield every.chosen(first, every.weight[first] / every.weight[first].sum())
        number *= 2


def is_slow(model: MixedModel) -> bool:
    """Whether reading rows at all nodes takes too long: crossed factors go node by node."""
    return model.seconds > SLOW_EVALUATION or isinstance(model.kernel, Crossed)


def interval_ends(model: MixedModel, nodes: Nodes, rows: Rows) -> Floats:
    """Ends of the 95% intervals of rows, (2, R)."""
    loc, scale = located(nodes, rows, functional(model, nodes, rows))
    scale = np.maximum(scale, 1e-100)
    ends = [student.mixture_quantile(p, loc, scale, nodes.weight, nodes.df) for p in INTERVAL_ENDS]
    return np.stack(ends)


def sampled(rows: Rows, most: int = ROWS_COMPARED) -> Rows:
    """About `most` of the rows, evenly chosen."""
    return rows.part(slice(None, None, max(1, len(rows.constant) // most)))
