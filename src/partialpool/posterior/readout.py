"""From which nodes the groups' effects are read: from all, or from fewer with the same moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.integrate.condense import condensed
from partialpool.integrate.weighted import NORMAL_WIDTH
from partialpool.kernels import student
from partialpool.kernels.crossed import Crossed
from partialpool.models import MixedModel
from partialpool.posterior import effects
from partialpool.posterior.linear import Nodes, Rows, functional, located

ALL = 2**20
"""Nodes times rows times (p + 2) up to which all nodes are used: some 10 ms."""
SIZES = (12, 25, 50, 100, 200, 400, 800, 1600)
"""Numbers of nodes that are tried one after the other."""
SAMPLED = 64
"""Rows whose intervals decide whether so few nodes will do."""
AGREE = 5e-3
"""Difference of ends of 95% intervals, in quarters of the interval, that is small enough."""
SLOW = 2e-3
"""Seconds an evaluation from which on sizes are compared with each other, not with all nodes."""
PROBABILITIES = (0.025, 0.975)


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
    model: MixedModel, every: Nodes, rows: int, sample: Rows, agree: float = AGREE
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
    """
    size = len(every.weight)
    if size * rows * (model.system.p + 2) <= ALL and not (is_slow(model) and size > 2 * SIZES[0]):
        return ReadOut(every, 0.0)
    slow = is_slow(model)
    reference = None if slow else interval_ends(model, every, sample)
    smooth = effects.features(model, every.points)
    beside = effects.growing(model, every.points, every.scale)
    for number in SIZES:
        if 2 * number > size:
            break
        index, weight = condensed(smooth, beside, every.weight, number)
        nodes = every.chosen(index, weight)
        ends = interval_ends(model, nodes, sample)
        if reference is not None:
            width = (reference[1] - reference[0]) / NORMAL_WIDTH
            gap = float((np.abs(ends - reference) / width).max())
            if gap <= agree:
                return ReadOut(nodes, gap)
        if slow:
            reference = ends
    return ReadOut(every, 0.0)


def is_slow(model: MixedModel) -> bool:
    """Whether reading rows at all nodes takes too long: crossed factors go node by node."""
    return model.seconds > SLOW or isinstance(model.kernel, Crossed)


def interval_ends(model: MixedModel, nodes: Nodes, rows: Rows) -> Floats:
    """Ends of the 95% intervals of rows, (2, R)."""
    loc, scale = located(nodes, rows, functional(model, nodes, rows))
    scale = np.maximum(scale, 1e-100)
    ends = [student.mixture_quantile(p, loc, scale, nodes.weight, nodes.df) for p in PROBABILITIES]
    return np.stack(ends)


def sampled(rows: Rows) -> Rows:
    """About `SAMPLED` of the rows, evenly chosen."""
    return rows.part(slice(None, None, max(1, len(rows.constant) // SAMPLED)))
