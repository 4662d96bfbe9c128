"""Groups whose distributions are mixtures over nodes and, at each node, over normal components.

The weights of the nodes are common to all groups; at a node each group has shares of its own. A
population that is not normal, or a noise that is learned a group, gives groups such posteriors:
given the node's hyperparameters a group is of component k with some probability, and normal if it
is. They may have two peaks, and a component without variance is an atom.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import Floats
from partialpool.kernels import student
from partialpool.kernels.shares import drawn_component
from partialpool.posterior.distributions import Distribution
from partialpool.threads import mapped

CELLS_AT_ONCE = 2**19
"""Elements of the (components, groups) arrays worked on at once (4 MiB each)."""
NEGLIGIBLE = 1e-8
"""Components of less weight in every group of a block are left out, all together."""
GATHERED_FROM = 1000
"""Components from which they are gathered in cells for quantiles: from all of them ends move by
4e-6 sd."""
SCALE_STEP, PLACE_STEP = 0.2, 0.5
"""Cells: steps of the logarithm of the scale, and of the place in scales. Ends of 95% intervals
move by up to 2e-3 sd, which a step on all components takes away
(`test_gathering_does_not_move_quantiles` holds this)."""
LONGEST_POLISH = 0.02
"""That step over the distance of the 10 and 90% points, at most: between two peaks it may lead
far."""
NARROWEST, WIDEST = -12, 25
"""Steps of the scale from the group's own: an eleventh of it, and 150 times."""
FARTHEST_PLACE = 10.0
"""Distance from the middle, in the group's own scale, up to which places are distinguished."""
# cells of a group: by step of the scale their width and how many lie to either side of the middle,
# the number of the first one, and their number in all
_WIDTH = PLACE_STEP * np.exp(SCALE_STEP * np.arange(NARROWEST, WIDEST + 1))
_REACH = np.ceil(FARTHEST_PLACE / _WIDTH).astype(np.intp)
_FIRST = np.cumsum(2 * _REACH + 1) - _REACH - 1
_CELLS = int((2 * _REACH + 1).sum())


@dataclass(frozen=True, slots=True, eq=False)
class NodeComponents:
    """Normal components of B groups at G nodes, K of them a node; shapes broadcast to (G, B, K).

    Parameters
    ----------
    log_share : ndarray
        Logarithm of the probability that the group is of the component, given the node.
    loc, variance : ndarray
        Mean and variance of the group's value if it is; a variance of 0 is an atom. All atoms of
        a group are at one place.
    """

    log_share: Floats
    loc: Floats
    variance: Floats

    def moments(self) -> tuple[Floats, Floats]:
        """Mean and variance of each group at each node; (G, B) each."""
        share = np.exp(self.log_share)
        mean = (share * self.loc).sum(axis=-1)
        second = self.variance + (self.loc - mean[..., None]) ** 2
        return mean, (share * second).sum(axis=-1)

    def draw(self, rng: np.random.Generator) -> Floats:
        """One value a group and node, independently given the node; (G, B)."""
        shape = np.broadcast_shapes(self.log_share.shape, self.loc.shape, self.variance.shape)
        share = np.exp(np.broadcast_to(self.log_share, shape))
        which = drawn_component(share, rng)[..., None]

        def chosen(values: Floats) -> Floats:
            return np.take_along_axis(np.broadcast_to(values, shape), which, axis=-1)[..., 0]

        sd = np.sqrt(chosen(self.variance))
        return np.asarray(chosen(self.loc) + sd * rng.standard_normal(shape[:2]))


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """The mixtures of a block of B groups.

    Parameters
    ----------
    weight, loc, scale : ndarray, shape (C, B)
        Of the components that are no atoms; weights sum to one less the atom's.
    atom, atom_weight : ndarray, shape (B,)
        Place and weight of the atom.
    """

    weight: Floats
    loc: Floats
    scale: Floats
    atom: Floats
    atom_weight: Floats


@dataclass(frozen=True, eq=False, repr=False)
class NodeMixture(Distribution):
    """Every group's mixture over nodes and components; all is read from the true mixture.

    Parameters
    ----------
    shape : tuple of int
        () or (J,).
    rows : callable
        Maps a slice of groups to their `NodeComponents`.
    weight : ndarray, shape (G,)
        Weights of the nodes; sum to one.
    size : int
        Components at a node, K.
    shift : float
        Added to every location.
    moments : float
        Moments of an order below this exist.
    """

    shape: tuple[int, ...]
    rows: Callable[[slice], NodeComponents]
    weight: Floats
    size: int
    shift: float = 0.0
    moments: float = math.inf

    def moved(self, added: Floats) -> NodeMixture:
        """The same with a number, of shape (J,), added to each group's quantity."""

        def rows(part: slice) -> NodeComponents:
            of = self.rows(part)
            return replace(of, loc=of.loc + added[part, None])

        return replace(self, rows=rows)

    @property
    def mean(self) -> Floats:
        if self.moments <= 1:
            return np.full(self.shape, math.nan)
        return np.asarray(self._both_moments()[0])

    @property
    def sd(self) -> Floats:
        if self.moments <= 2:
            return np.full(self.shape, math.inf)
        return np.asarray(self._both_moments()[1])

    def _both_moments(self) -> Floats:
        def one(part: slice) -> Floats:
            mean, variance = self.rows(part).moments()
            overall = self.weight @ mean
            # variance within nodes and between them
            total = self.weight @ (variance + (mean - overall) ** 2)
            return np.stack([overall + self.shift, np.sqrt(total)])

        return self._each(one, 2)

    def _cdf(self, x: Floats) -> Floats:
        flat = x.reshape(len(x), -1) - self.shift

        def one(part: slice) -> Floats:
            of = self._block(part)
            out = [(of.weight * student.cdf((v - of.loc) / of.scale, math.inf)).sum(axis=0)
                   + of.atom_weight * (v >= of.atom) for v in flat[:, part]]  # fmt: skip
            return np.stack(out)

        return self._each(one, len(x))

    def _density(self, x: Floats) -> Floats:
        """Density of the continuous part: an atom has none."""
        flat = x.reshape(len(x), -1) - self.shift

        def one(part: slice) -> Floats:
            of = self._block(part)
            out = [(of.weight * student.pdf((v - of.loc) / of.scale, math.inf) / of.scale)
                   .sum(axis=0) for v in flat[:, part]]  # fmt: skip
            return np.stack(out)

        return self._each(one, len(x))

    def _quantiles(self, p: Floats) -> Floats:
        wide = np.broadcast_to(p, (len(p), *self.shape)).reshape(len(p), -1)

        def one(part: slice) -> Floats:
            of = self._block(part)
            few = gathered(of)
            first = [_quantile(few, each) for each in wide[:, part]]
            if few is of:
                return np.stack(first)
            ends = (_quantile(few, np.full(of.weight.shape[1], q)) for q in (0.9, 0.1))
            most = LONGEST_POLISH * np.subtract(*ends)
            return np.stack(
                [_polished(of, x, each, most) for x, each in zip(first, wide[:, part], strict=True)]
            )

        return self._each(one, len(p)) + self.shift

    def atom_weight(self) -> Floats:
        """Probability of the atom; shape as of the distribution."""
        return np.asarray(self._each(lambda part: self._block(part).atom_weight[None], 1)[0])

    def _block(self, part: slice) -> _Block:
        """The components of a block, those without weight left out."""
        of = self.rows(part)
        shape = np.broadcast_shapes(of.log_share.shape, of.loc.shape, of.variance.shape)

        def flat(values: Floats) -> Floats:
            """(G, B, K) to (G K, B)."""
            moved = np.moveaxis(np.broadcast_to(values, shape), 1, 2)
            return np.asarray(moved.reshape(-1, shape[1]))

        weight = flat(np.exp(of.log_share) * self.weight[:, None, None])
        keep = weight.max(axis=1) > NEGLIGIBLE / len(weight)
        weight, loc = weight[keep], flat(of.loc)[keep]
        scale = np.sqrt(flat(of.variance)[keep])
        at_atom = scale == 0.0
        if not at_atom.any():
            nothing = np.zeros(shape[1])
            return _Block(weight / weight.sum(axis=0), loc, scale, nothing, nothing)
        weight = weight / weight.sum(axis=0)
        atom_weight = np.where(at_atom, weight, 0.0).sum(axis=0)
        # all atoms of a group are at one place
        atom = np.where(at_atom, loc, -math.inf).max(axis=0)
        some = ~at_atom.all(axis=1)
        weight = np.where(at_atom, 0.0, weight)[some]
        # any positive number beside a weight of zero
        scale = np.where(at_atom, 1.0, scale)[some]
        return _Block(weight, loc[some], scale, atom, atom_weight)

    def _each(self, function: Callable[[slice], Floats], leading: int) -> Floats:
        """Apply a function to blocks of groups, on several threads if there are many blocks."""
        size = math.prod(self.shape)
        step = max(1, CELLS_AT_ONCE // (len(self.weight) * self.size))
        parts = [slice(i, min(i + step, size)) for i in range(0, size, step)]
        out = np.empty((leading, size))

        def fill(part: slice) -> None:
            out[:, part] = function(part)

        mapped(fill, parts, at_least=4)
        return out.reshape(leading, *self.shape)


def gathered(of: _Block) -> _Block:
    """Fewer components for many: those of similar scale and place as one with the same moments.

    Thousands of components that overlap become a few hundred, for less than one step of a search
    for quantiles costs. What is lost are fourth moments within cells.
    """
    size, groups = of.weight.shape
    if size <= GATHERED_FROM:
        return of
    total = np.maximum(of.weight.sum(axis=0), 1e-300)
    middle = (of.weight * of.loc).sum(axis=0) / total
    away = of.loc - middle
    # the geometric mean of distances: a few far or narrow components do not change it
    distance = np.log(np.hypot(of.scale, away) + 1e-300)
    unit = np.exp((of.weight * distance).sum(axis=0) / total)
    # cells are even in the logarithm of the scale, and in the place over the scale
    by_scale = np.rint(np.log(of.scale / unit) / SCALE_STEP).astype(np.intp)
    by_scale = np.clip(by_scale, NARROWEST, WIDEST) - NARROWEST
    reach = _REACH[by_scale]
    place = np.rint(away / (unit * _WIDTH[by_scale]))
    cell = _FIRST[by_scale] + np.clip(place, -reach, reach).astype(np.intp)
    # one bincount for all groups
    cell += np.arange(groups) * _CELLS

    def summed(values: Floats) -> Floats:
        sums = np.bincount(cell.ravel(), values.ravel(), minlength=groups * _CELLS)
        return sums.astype(np.float64, copy=False)

    weight = summed(of.weight)
    held = weight > 1e-200  # of less the products below would be zero
    safe = np.where(held, weight, 1.0)
    first = summed(of.weight * away) / safe
    # about the cell's own mean: variances, not differences of squares
    second = summed(of.weight * (of.scale**2 + (away - first[cell]) ** 2)) / safe
    weight = np.where(held, weight, 0.0)
    weight, first, second = (v.reshape(groups, _CELLS).T for v in (weight, first, second))
    used = weight.any(axis=1)
    scale = np.sqrt(np.where(weight > 0.0, second, unit**2))
    return _Block(weight[used], middle + first[used], scale[used], of.atom, of.atom_weight)


def _polished(of: _Block, x: Floats, p: Floats, most: Floats) -> Floats:
    """One step of Newton's method from quantiles of gathered components, on all components."""
    z = (x - of.loc) / of.scale
    below = (of.weight * student.cdf(z, math.inf)).sum(axis=0) + of.atom_weight * (x >= of.atom)
    slope = (of.weight * student.pdf(z, math.inf) / of.scale).sum(axis=0)
    step = (p - below) / np.maximum(slope, 1e-300)
    # at an atom the distribution function jumps and has no slope
    stays = (of.atom_weight > 0.0) & (x == of.atom) | (np.abs(step) > most)
    return np.where(stays, x, x + step)


def _quantile(of: _Block, p: Floats) -> Floats:
    """Quantiles of a block's groups; where the distribution function jumps over p, the atom."""
    if not of.atom_weight.any():
        return student.mixture_quantile(p, of.loc, of.scale, of.weight, math.inf)
    spread = np.maximum(1.0 - of.atom_weight, 1e-300)
    weight = of.weight / np.maximum(of.weight.sum(axis=0), 1e-300)
    below = spread * (weight * student.cdf((of.atom - of.loc) / of.scale, math.inf)).sum(axis=0)
    left, right = p < below, p > below + of.atom_weight
    # probability among the continuous part, on either side of the atom
    outside = np.where(left, p, p - of.atom_weight) / spread
    apart = np.flatnonzero(left | right)
    out = of.atom.copy()
    if len(apart):
        loc, scale, weight = (v[:, apart] for v in (of.loc, of.scale, weight))
        inside = np.clip(outside[apart], 1e-15, 1.0 - 1e-15)
        out[apart] = student.mixture_quantile(inside, loc, scale, weight, math.inf)
    return out
