"""What is read off the weighted points of a model of counts: rows, and how far off they may be.

A row is a linear combination of coefficients and effects. Given a point its value is known, but
for the groups of the first factor, of which three moments are. Between points the distribution is
smoothed: rows of coefficients and of the other factors' effects by their normal distribution
given phi under the proposal, corrected by the weighted moments of the residuals; rows with a group
of the first factor, which have a width of their own, by a narrow kernel. Means and sds stay those
of the weighted points.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import special

from partialpool._normal import T_OF_EIGHT
from partialpool._typing import Bools, Floats, Ints
from partialpool.kernels import batched_linalg
from partialpool.kernels.group_quadrature import GroupMoments
from partialpool.kernels.joint_counts import conditional, pooled, solve_transposed
from partialpool.kernels.skewed import MOST_SKEWNESS, pair
from partialpool.models.count_sampler import RANDOMISATIONS, CountSampler, Points
from partialpool.models.generalized import GeneralizedModel
from partialpool.posterior.distributions import Distribution
from partialpool.posterior.linear import Rows
from partialpool.posterior.mapped import Mapped
from partialpool.posterior.skewed import Cumulants
from partialpool.posterior.smooth_weights import (
    SmoothWeights,
    distribution_function,
    smooth_weights,
)
from partialpool.posterior.sparse_groups import MOST_EVALUATIONS, evaluations, quantiles

KERNEL_WIDTH = 0.1
"""Width of the smoothing kernel, in sds of what varies from point to point: ends of intervals
move by less than .01 sd, and the steps of a thousand points are gone."""
POOLING_POINTS = 256
"""Points from which shares of pooling are read: with more their third digit changes."""
LEAST_VARIANCE = 0.05
"""Variances of residuals, over what the site says, are fitted as no less than this."""
FARTHEST_RESIDUAL = 3.5
"""Standardised residuals count as no farther in their skewness, which a single heavy point would
decide otherwise: of 22 trials one's intercept had its lower end off by 0.16 sd. Of a gamma
distribution of skewness 0.25, 0.5 or 0.8 it moves an end by .007, .02 or .05 sd."""
FEWEST_FITTED = 500
"""Points from which on moments of residuals are fitted as functions of phi."""
SKEW, FEWEST_OF_SKEW = 0.7, 1000
"""Skewness of a row from which on its shape is that of the points, not of three moments, and how
many points there must be. Of a level without any event under normal(0, 10) the upper end was off
by 0.23 sd, with the points by 0.02."""
SHAPE_ERROR, SKEWNESS_ERROR, MOMENT_ERROR = 0.02, 0.08, 0.005
"""Errors that more points do not lessen: of an interval end, in sds, and for each unit of skewness
that is known by three moments only; of a mean or sd, as groups are integrated by a rule. Where the
posterior is known exactly, or by long runs, ends read from very many points were off by less."""
CELLS_OF_ALL_POINTS, FEWEST_READ = 2**17, 256
"""Rows times points up to which rows are read from all points: more rows are read from fewer
points, but from no less than these, with the mean, sd and skewness that all points give. Against
all of 4,096 to 16,384 points this moved interval ends of four data sets by up to .013 sd, of epil
and the poll of three factors by up to .046."""
SKEWNESS_CELLS = 2**20
"""Rows times points up to which the skewness is that of all points. Beyond, it is that of the fewer
points: of the same six data sets this moved no end by more than .06 sd in all."""
CHEAP_POINTS, MOST_CHEAP_POINTS = {1: 2**12, 2: 2**14}, 2**15
"""Points of phi weighted by a fit alone, by its dimension: their own error of an interval end is
below .02 sd."""
WIDE_WITHIN = 1.0
"""A group's variance at each point over that between points, from which on its shape there counts:
below, it may be taken as normal given phi; above, a sparse binary group may not."""
SKEWED_GROUP, SHAPE_POINTS = 0.2, 256
"""Skewness of a group at each point from which on its distribution is computed on a grid, at so
many points: of bacteria 64 left ends off by .04 sd more."""
MOVED_TAIL, STRETCH = 0.01, (0.5, 5.0)
"""Probability in either tail whose components are moved to give the sd, and bounds on how far."""
CELLS_AT_ONCE = 2**22
"""Elements of arrays worked on at once (32 MiB)."""


@dataclass(frozen=True, eq=False)
class Readout:
    """Weighted points of a model, and what they say of rows.

    Parameters
    ----------
    model : GeneralizedModel
    sampler : CountSampler
    points : Points
    whole : Readout, optional
        All points, where these are some of them: moments are read from all.
    """

    model: GeneralizedModel
    sampler: CountSampler
    points: Points
    whole: Readout | None = None

    @cached_property
    def weight(self) -> Floats:
        """Of the points, (G,)."""
        return self.points.weight

    @cached_property
    def of_groups(self) -> Readout:
        """Of the first factor's groups: from fewer points where there are too many groups."""
        if self.points.groups.mean.shape[-1]:
            return self
        few = self.sample(self.sampler.held(len(self.weight)))
        return Readout(self.model, self.sampler, self.sampler.with_moments(self.points, few))

    def for_rows(self, rows: Rows) -> Readout:
        """From which to read rows: some of the points where there are many rows."""
        of = self.complete(rows)
        size = max(FEWEST_READ, CELLS_OF_ALL_POINTS // max(len(rows.constant), 1))
        return of if size >= len(of.weight) else of.thinned(size)

    def complete(self, rows: Rows) -> Readout:
        """All points at which everything is known that the rows need."""
        return self.of_groups if (rows.index[0] >= 0).any() else self

    @cached_property
    def _thinned(self) -> dict[int, Readout]:
        return {}

    def thinned(self, size: int) -> Readout:
        """A systematic sample of the points, of equal weight; the same one at every call."""
        if size not in self._thinned:
            points = self.points.some(self.sample(size), log_weight=np.zeros(size))
            self._thinned[size] = Readout(self.model, self.sampler, points, self)
        return self._thinned[size]

    @cached_property
    def by_randomisation(self) -> Floats:
        """Weights of the points of each randomisation by itself, (8, G)."""
        p = self.points
        out = np.zeros((RANDOMISATIONS, len(self.weight)))
        # each set of points normalised by itself is an independent estimate
        out[p.randomisation, np.arange(len(self.weight))] = self.weight
        return np.asarray(out / np.maximum(out.sum(axis=1, keepdims=True), 1e-300))

    @cached_property
    def factors(self) -> list[Floats]:
        """Lambda of every level at the points."""
        return self.model.lambdas(self.points.phi)

    @cached_property
    def _place(self) -> Ints:
        """Where in the order of the rows each group of the first level is; by label."""
        out = np.full(self.model.system.levels[0].size, -1)
        out[self.model.place] = np.arange(len(self.model.place))
        return out

    def weights_on_b(self, rows: Rows) -> Floats:
        """The rows as combinations of b, (R, d), the first factor's groups left out."""
        joint = self.model.rows
        out, begin = np.zeros((len(rows.constant), joint.d)), 0
        for index, z, (groups, q) in zip(rows.index[1:], rows.z[1:], joint.blocks, strict=True):
            known = np.flatnonzero(index >= 0)
            out[known[:, None], begin + index[known, None] * q + np.arange(q)] = z[known]
            begin += groups * q
        out[:, begin:] = rows.x
        return out

    def of_new_groups(self, rows: Rows) -> Floats:
        """Variance at each point that groups not in the data add, (G, R)."""
        out = np.zeros((len(self.weight), len(rows.constant)))
        for index, z, factor in zip(rows.index, rows.z, self.factors, strict=True):
            new = np.flatnonzero(index == -1)
            if len(new):
                out[:, new] += (np.einsum("rk,gkm->grm", z[new], factor) ** 2).sum(axis=2)
        return out

    def at_points(self, rows: Rows) -> tuple[Floats, Floats, Floats]:
        """Mean, variance and third central moment of rows at every point, (G, R) each."""
        mean = rows.constant + self.points.b @ self.weights_on_b(rows).T
        variance, third = self.of_new_groups(rows), np.zeros_like(mean)
        known = np.flatnonzero(rows.index[0] >= 0)
        if len(known):
            g, at, z = self.points.groups, self._place[rows.index[0][known]], rows.z[0][known]
            if len(g.mean) == 1:  # the same without sums over one effect, several times as fast
                mean[:, known] += (z * g.mean[0, at]).T
                variance[:, known] += (z**2 * g.covariance[0, 0, at]).T
                third[:, known] += (z**3 * g.third[0, 0, 0, at]).T
                return mean, variance, third
            mean[:, known] += np.einsum("ra,arg->gr", z, g.mean[:, at])
            variance[:, known] += np.einsum(
                "ra,rc,acrg->gr", z, z, g.covariance[:, :, at], optimize=True
            )
            third[:, known] += np.einsum(
                "ra,rc,re,acerg->gr", z, z, z, g.third[:, :, :, at], optimize=True
            )
        return mean, variance, third

    @cached_property
    def _joint(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Means of b (d,) and of the first factor's effects (q, J), and their covariances.

        (d, d), (d, q, J) and (q, q, J), within points included.
        """
        w, b, g = self.weight, self.points.b, self.points.groups
        of_b = w @ b
        root = np.sqrt(w)
        away = (b - of_b) * root[:, None]
        q, groups, size = g.mean.shape
        if not size:
            none = np.zeros((q, groups))
            return of_b, away.T @ away, none, np.zeros((0, 0, 0)), np.zeros((0, 0, 0))
        of_groups = g.mean @ w
        apart = (g.mean - of_groups[:, :, None]) * root
        # covariances of b with every group, between points only: given a point the groups do not
        # depend on b any more
        across = (apart.reshape(q * groups, size) @ away).T.reshape(-1, q, groups)
        # between points, and the mean of those within
        own = np.einsum("ajg,cjg->acj", apart, apart) + g.covariance @ w
        return of_b, away.T @ away, of_groups, across, own

    def means_and_sds(self, rows: Rows) -> tuple[Floats, Floats]:
        """Posterior means and sds of rows, (R,) each."""
        # without a pass over points and rows: moments of linear combinations of b and the groups
        of_b, spread_b, of_groups, across, own = self._joint
        a = self.weights_on_b(rows)
        mean = rows.constant + a @ of_b
        variance = np.einsum("rd,de,re->r", a, spread_b, a, optimize=True)
        for index, z, factor in zip(rows.index, rows.z, self.factors, strict=True):
            new = np.flatnonzero(index == -1)
            if len(new):
                square = np.tensordot(self.weight, factor @ factor.swapaxes(1, 2), 1)
                variance[new] += np.einsum("ra,ac,rc->r", z[new], square, z[new])
        known = np.flatnonzero(rows.index[0] >= 0)
        if len(known):
            at, z = self._place[rows.index[0][known]], rows.z[0][known]
            mean[known] += np.einsum("ra,ar->r", z, of_groups[:, at])
            variance[known] += np.einsum("ra,acr,rc->r", z, own[:, :, at], z)
            variance[known] += 2.0 * np.einsum("rd,dar,ra->r", a[known], across[:, :, at], z)
        return mean, np.sqrt(np.maximum(variance, 0.0))

    def skewness(self, rows: Rows) -> Floats:
        """Skewness of rows, (R,), in which no point counts as far away."""
        size = len(rows.constant)
        out, step = np.empty(size), max(1, CELLS_AT_ONCE // len(self.weight))
        for i in range(0, size, step):
            at = slice(i, min(i + step, size))
            mean, variance, third = self.at_points(rows.part(at))
            middle, sd = self._standard(mean, variance, np.ones(mean.shape[1], dtype=bool))
            out[at] = self.weight @ _cubes((mean - middle) / sd, variance / sd**2, third / sd**3)
        return out

    def _standard(self, mean: Floats, variance: Floats, exists: Bools) -> tuple[Floats, Floats]:
        """Mean and sd of rows from their moments at the points, (R,) each.

        Of rows whose sd does not exist the median and a quarter of the width of a 95% interval.
        """
        middle = self.weight @ mean
        sd = np.sqrt(self.weight @ (variance + (mean - middle) ** 2))
        for k in np.flatnonzero(~exists):
            order = np.argsort(mean[:, k])
            below = np.cumsum(self.weight[order])
            low, middle[k], high = np.interp([0.025, 0.5, 0.975], below, mean[order, k])
            # a standardisation only: neither a heavy tail nor a sum is exact here
            sd[k] = (high - low) / 3.92 + math.sqrt(float(np.median(variance[:, k])))
        return middle, np.maximum(sd, 1e-150)

    def components(self, rows: Rows) -> Cumulants:
        """The rows as a mixture of one smooth component a point, (G, R)."""
        mean, variance, third = self.at_points(rows)
        of = self._components(rows, mean, variance, third)
        if self.whole is not None:
            of = _scaled(self.weight, of, *self.whole.means_and_sds(rows))
            if len(rows.constant) * len(self.whole.weight) <= SKEWNESS_CELLS:
                of = _bent(self.weight, of, self.whole.skewness(rows))
        sparse = np.flatnonzero(self._sparse(rows, mean, variance, third))
        if len(sparse):
            of = self._shaped(rows, of, sparse, mean, variance)
        return of

    def _sparse(self, rows: Rows, mean: Floats, variance: Floats, third: Floats) -> Bools:
        """Rows with a group of the first factor whose distribution is computed on a grid, (R,)."""
        none = np.zeros(len(rows.constant), dtype=bool)
        joint, w = self.model.rows, self.weight
        if joint.grouped.q > 1 or self.sampler.known_phi is not None:
            return none
        chosen = self._wide(rows, mean, variance) & (rows.z[0][:, 0] != 0.0)
        chosen &= np.abs(w @ third) > SKEWED_GROUP * (w @ variance) ** 1.5
        for index in rows.index[1:]:
            chosen &= index != -1  # a new group of another factor adds to the width
        groups = self._place[rows.index[0][chosen]]
        if evaluations(joint, groups, SHAPE_POINTS) > MOST_EVALUATIONS:
            return none
        return np.asarray(chosen)

    def _shaped(
        self, rows: Rows, of: Cumulants, sparse: Ints, mean: Floats, variance: Floats
    ) -> Cumulants:
        """The components of some rows spread by their exact distributions at some of the points.

        Moved and scaled by how much mean and sd of all points differ from those of some. Tails of
        flat priors reach beyond any grid: the outermost components on the longer side are moved
        out until the sd is that of all points.
        """
        w, some, p = self.weight, self.sample(SHAPE_POINTS), self.points
        few = rows.part(sparse)
        # components become quantiles: the distribution is then given by their places alone
        below = np.cumsum(w) - 0.5 * w  # each component stands for so much of the probability
        wanted = w @ of.loc[:, sparse]
        wanted_sd = np.sqrt(w @ (of.scale[:, sparse] ** 2 + (of.loc[:, sparse] - wanted) ** 2))
        here = mean[np.ix_(some, sparse)]
        middle = here.mean(axis=0)
        sd = np.sqrt((variance[np.ix_(some, sparse)] + (here - middle) ** 2).mean(axis=0))
        loc = quantiles(
            self.model.rows,
            self._place[few.index[0]],
            self.factors[0][some, 0, 0],
            self.model.dispersion(p.phi[some]),
            p.b[some],
            few.constant + p.b[some] @ self.weights_on_b(few).T,
            few.z[0][:, 0],
            middle,
            sd,
            below,
        )
        ratio = wanted_sd / np.maximum(sd, 1e-300)
        # drawn together by as much as the kernels widen
        gap = math.sqrt(1.0 - KERNEL_WIDTH**2) * ratio * (loc - middle)
        sides = np.stack([below < MOVED_TAIL, below > 1.0 - MOVED_TAIL])
        squares = np.stack([w[side] @ gap[side] ** 2 for side in sides])
        missing = (1.0 - KERNEL_WIDTH**2) * wanted_sd**2 - w @ gap**2
        longer = squares.argmax(axis=0)  # the other side ends where the rows say so
        far = squares.max(axis=0)
        stretch = np.clip(
            np.sqrt(np.maximum(1.0 + missing / np.maximum(far, 1e-300), 0.0)), *STRETCH
        )
        for side, of_side in enumerate(sides):
            gap[of_side] *= np.where(longer == side, stretch, 1.0)
        # the mean is that of all points again
        loc = wanted + gap - w @ gap
        all_loc, scale, skew = of.loc.copy(), of.scale.copy(), of.skew.copy()
        all_loc[:, sparse], scale[:, sparse], skew[:, sparse] = loc, KERNEL_WIDTH * wanted_sd, 0.0
        return Cumulants(all_loc, scale, skew)

    def _components(self, rows: Rows, mean: Floats, variance: Floats, third: Floats) -> Cumulants:
        """Three moments of each."""
        wide = self._wide(rows, mean, variance)
        if wide.all():
            return _kernel(self.weight, mean, variance, third)
        smooth = self._smoothed(rows, mean, variance, third)
        wide = wide | self._cut_off(mean, variance, third)
        if not wide.any():
            return smooth
        kernel = _kernel(self.weight, mean, variance, third)
        return Cumulants(
            np.where(wide, kernel.loc, smooth.loc),
            np.where(wide, kernel.scale, smooth.scale),
            np.where(wide, kernel.skew, smooth.skew),
        )

    def _wide(self, rows: Rows, mean: Floats, variance: Floats) -> Bools:
        """Rows with a group of the first factor whose width at each point is most of the whole."""
        known = rows.index[0] >= 0
        w = self.weight
        between = w @ (mean - w @ mean) ** 2
        return np.asarray(known & (w @ variance > WIDE_WITHIN * between))

    def _cut_off(self, mean: Floats, variance: Floats, third: Floats) -> Bools:
        """Rows so skew that one side ends where three moments do not say, (R,)."""
        if len(self.weight) < FEWEST_OF_SKEW:
            return np.zeros(mean.shape[1], dtype=bool)
        middle, sd = self._standard(mean, variance, np.ones(mean.shape[1], dtype=bool))
        skew = self.weight @ _cubes((mean - middle) / sd, variance / sd**2, third / sd**3)
        return np.asarray(np.abs(skew) > SKEW)

    def _smoothed(self, rows: Rows, mean: Floats, variance: Floats, third: Floats) -> Cumulants:
        """Normal given phi under the site, with the weighted moments of the residuals."""
        middle, spread = self._given_phi(rows)
        new = self.of_new_groups(rows)
        inside = variance - new  # of known groups given a point
        sd = np.sqrt(np.maximum(spread, 1e-200))  # its cube is still a number
        # what is left once the normal approximation given phi is taken off: small, and smooth in
        # phi
        residual, w = (mean - middle) / sd, self.weight
        within = inside / sd**2
        first = self._on_phi(residual)
        away = residual - first
        second = np.maximum(self._on_phi(away**2 + within), LEAST_VARIANCE)
        root = np.sqrt(second)
        skew = w @ _cubes(away / root, within / second, third / (sd * root) ** 3)
        loc, scale = middle + first * sd, np.sqrt(second) * sd
        total = np.maximum(scale**2 + new, 1e-300)
        # new groups add variance and no third moment
        each = np.broadcast_to(skew, scale.shape) * (scale**2 / total) ** 1.5
        true = w @ mean
        wanted = np.sqrt(w @ (variance + (mean - true) ** 2))
        return _scaled(w, Cumulants(loc, np.sqrt(total), each), true, wanted)

    def _on_phi(self, values: Floats) -> Floats:
        """Regression of values (G, R) on the coordinates of phi and their powers; (G, R)."""
        return np.asarray(self._basis @ ((self._basis * self.weight[:, None]).T @ values))

    @cached_property
    def _basis(self) -> Floats:
        """Functions of phi, orthonormal under the weights, (G, m): powers of its coordinates."""
        w, u = self.weight, self.points.u
        ones = np.ones((len(w), 1))
        if self.sampler.known_phi is not None or len(w) < FEWEST_FITTED:
            return ones
        middle = w @ u
        x = np.clip((u - middle) / np.sqrt(w @ (u - middle) ** 2), -3.0, 3.0)
        columns = np.concatenate([ones, x, x**2, x**3], axis=1)
        root = np.sqrt(w)[:, None]
        # orthonormal under the weights: regression is then two products
        r = np.asarray(np.linalg.qr(columns * root, mode="r"))
        if np.abs(np.diag(r)).min() < 1e-6:
            return ones
        # columns R^-1
        return np.asarray(np.linalg.solve(r.T, columns.T).T)

    def _given_phi(self, rows: Rows) -> tuple[Floats, Floats]:
        """Mean and variance of rows given phi under the site, (G, R) each; no new groups."""
        a = self.weights_on_b(rows)
        known = np.flatnonzero(rows.index[0] >= 0)
        size = len(self.weight)
        if not len(known):
            return rows.constant + self.points.mean @ a.T, self._conditional_variance(a[None])
        group, z = self._place[rows.index[0][known]], rows.z[0][known]
        spread = pooled(self.sampler.site, self.factors[0], group)  # (q, q, K, G)
        # z'L_0 D^-1 L_0', of each row's own group at each point
        turned = np.einsum("kc,ckdg->gkd", z, spread.transpose(0, 2, 1, 3))
        every = np.broadcast_to(a, (size, *a.shape)).copy()
        # a group's mean follows b by -spread C
        every[:, known] -= np.einsum("gkd,dkm->gkm", turned, self._cross[:, group])
        mean = rows.constant + np.einsum("gd,grd->gr", self.points.mean, every)
        linear = self.sampler.site.linear_own[:, group]
        mean[:, known] += np.einsum("gkd,dk->gk", turned, linear)
        variance = self._conditional_variance(every)
        variance[:, known] += np.einsum("gkd,kd->gk", turned, z)
        return mean, variance

    def _conditional_variance(self, a: Floats) -> Floats:
        """Variance of a' b given phi under the proposal; a (G, R, d) or (1, R, d), out (G, R)."""
        p, joint = self.points, self.model.rows
        out = np.empty((len(self.weight), a.shape[1]))
        step = max(1, CELLS_AT_ONCE // max(joint.d * max(a.shape[1], joint.d), 1))
        for i in range(0, len(out), step):
            at = slice(i, i + step)
            root = p.root[at]
            here = np.broadcast_to(a if len(a) == 1 else a[at], (len(root), *a.shape[1:]))
            right = joint.scaled_transposed(
                [np.repeat(f[at], a.shape[1], axis=0) for f in self.factors[1:]],
                here.reshape(-1, joint.d),
            ).reshape(here.shape)
            half = batched_linalg.stacked_forward(root, right.swapaxes(1, 2))
            out[at] = (half**2).sum(axis=1)
        return out

    def grows(self, rows: Rows, dimension: int) -> bool:
        """Whether the width of some row grows with a dimension of phi without limit."""
        points = np.repeat(self.points.phi[[int(np.argmax(self.weight))]], 2, axis=0)
        points[:, dimension] *= [1e3, 1e5]
        first, *others = self.model.lambdas(points)
        coefficients_given_phi = conditional(
            self.sampler.site, first, others, self.model.prior_precision(points)
        )
        a = self.weights_on_b(rows)[None].repeat(2, axis=0)
        shares_of_groups = np.zeros((2, len(rows.constant)))
        site, joint = self.sampler.site, self.model.rows
        for index, z, factor in zip(rows.index, rows.z, (first, *others), strict=True):
            new = index == -1
            shares_of_groups[:, new] += (np.einsum("rk,gkm->grm", z[new], factor) ** 2).sum(axis=2)
        known = np.flatnonzero(rows.index[0] >= 0)
        if len(known):
            at, z = self._place[rows.index[0][known]], rows.z[0][known]
            q = joint.grouped.q
            inside = np.einsum("bca,cdj,bde->bjae", first, site.curvature.own, first)
            wide = first[:, None]
            here = (wide @ np.linalg.inv(inside + np.eye(q)) @ wide.swapaxes(2, 3))[:, at]
            shares_of_groups[:, known] += np.einsum("ra,brac,rc->br", z, here, z)
            follow = np.einsum("ra,brac,crd->brd", z, here, site.curvature.cross[:, at])
            a[:, known] -= follow
        variance = np.empty_like(shares_of_groups)
        for b in range(2):
            right = joint.scaled_transposed(
                [np.broadcast_to(f[b], (len(a[b]), *f[b].shape)) for f in others], a[b]
            )
            half = np.linalg.solve(coefficients_given_phi.root[b], right.T)
            variance[b] = (half**2).sum(axis=0) + shares_of_groups[b]
        # sds a hundred times as large should make variances 1e4 times as large, where they grow at
        # all
        return bool((variance[1] > 100.0 * variance[0]).any())

    # pooling and draws ------------------------------------------------------------------------

    def shares(self, rows: Rows, between: Floats) -> tuple[Floats, Floats]:
        """All of `share_parts`: (K, R), and the weights, (K,)."""
        shares, weights = zip(*self.share_parts(rows, between), strict=True)
        return np.concatenate(shares), np.concatenate(weights)

    def share_parts(self, rows: Rows, between: Floats) -> Iterator[tuple[Floats, Floats]]:
        """Variance of rows given the coefficients over that between groups, at some points.

        A few points at a time, with their weights.

        Parameters
        ----------
        rows : Rows
            Effects of the groups of one term.
        between : ndarray, shape (G, R) or (G, 1)
            Variance between groups of each.
        """
        joint = self.model.rows
        points, weight = np.arange(len(self.weight)), self.weight
        if len(points) > POOLING_POINTS:
            points = self.sample(POOLING_POINTS)
            weight = np.full(POOLING_POINTS, 1.0 / POOLING_POINTS)
        step = max(1, CELLS_AT_ONCE // max(joint.d * max(len(rows.constant), joint.d), 1))
        for i in range(0, len(points), step):
            at = points[i : i + step]
            size = between[at]
            share = self._given_coefficients(rows, at) / np.maximum(size, 1e-300)
            yield np.where(size > 0, np.minimum(share, 1.0), 1.0), weight[i : i + step]

    def sample(self, size: int) -> Ints:
        """Points drawn systematically by their weights: equal weights stand for them all.

        In the order of the first coordinate, which they then represent evenly.
        """
        # systematic sampling: one point in each equal part of the weight
        grid = (np.arange(size) + 0.5) / size
        u = self.points.u
        order = np.argsort(u[:, 0]) if u.shape[1] else np.arange(len(u))
        chosen = np.searchsorted(np.cumsum(self.weight[order]), grid)
        return np.asarray(order[np.minimum(chosen, len(order) - 1)])

    def _given_coefficients(self, rows: Rows, at: Ints) -> Floats:
        """Variance of effects given phi and the coefficients at some points, (len(at), R)."""
        joint, m = self.model.rows, self.model.rows.effects
        variance = np.zeros((len(at), len(rows.constant)))
        a = np.broadcast_to(self.weights_on_b(rows), (len(at), len(rows.constant), joint.d))
        known = np.flatnonzero(rows.index[0] >= 0)
        if len(known):
            group, z = self._place[rows.index[0][known]], rows.z[0][known]
            of_group = self.points.groups.covariance[:, :, group][..., at]
            variance[:, known] = np.einsum("ra,rc,acrg->gr", z, z, of_group, optimize=True)
            if m:
                follow = np.einsum(
                    "ra,acrg,crd->grd", z, of_group, self._cross[:, group], optimize=True
                )
                a = a.copy()
                a[:, known] -= follow
        if m:
            right = joint.scaled_transposed(
                [np.repeat(f[at], a.shape[1], axis=0) for f in self.factors[1:]],
                a.reshape(-1, joint.d),
            ).reshape(a.shape)
            # given the coefficients, which come last, the precision is the leading block
            half = batched_linalg.stacked_forward(
                self.points.root[at, :m, :m], right[:, :, :m].swapaxes(1, 2)
            )
            variance += (half**2).sum(axis=1)
        return variance

    @property
    def _cross(self) -> Floats:
        """Products of the columns of the first factor's groups with those of b, (q, J, d)."""
        return self.sampler.site.curvature.cross

    def draw(self, size: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Draw phi (S, k), b (S, d) and the first factor's effects by label, (S, L, q)."""
        # points by their weights; what varies from point to point is then moved a little, so that
        # no value is drawn twice
        chosen = rng.choice(len(self.weight), size=size, p=self.weight)
        phi = self._draw_phi(chosen, rng)
        q, labels = self.model.rows.grouped.q, len(self._place)
        b, groups = np.empty((size, self.model.rows.d)), np.zeros((size, labels, q))
        step = max(1, CELLS_AT_ONCE // max(labels * q, self.model.rows.d**2))
        for i in range(0, size, step):
            part = slice(i, i + step)
            b[part] = self._draw_b(chosen[part], rng)
            of = self._groups_given(chosen[part], phi[part], b[part])
            groups[part][:, self.model.place] = _draw_groups(of, rng)
        return phi, b, groups

    def _draw_phi(self, chosen: Ints, rng: np.random.Generator) -> Floats:
        p = self.points
        if self.sampler.known_phi is not None:
            return p.phi[chosen]
        u = _moved(p.u, self.weight, chosen, rng)
        return self.model.at_coordinates(u)[0]

    def _draw_b(self, chosen: Ints, rng: np.random.Generator) -> Floats:
        p = self.points
        e = _moved(p.residual, self.weight, chosen, rng)
        r = solve_transposed(p.root[chosen], e) if e.shape[1] else e
        return p.mean[chosen] + self.model.rows.scaled([f[chosen] for f in self.factors[1:]], r)

    def _groups_given(self, chosen: Ints, phi: Floats, b: Floats) -> GroupMoments:
        """Moments of the first factor's groups given phi and b that are near chosen points."""
        g = self.points.groups
        if not g.mean.shape[-1]:
            return self.sampler.group_moments(phi, b)
        covariance, third = g.covariance[..., chosen], g.third[..., chosen]
        change = self._cross @ (b - self.points.b[chosen]).T  # (q, J, S)
        # to first order: the mean of a group's effects moves by -covariance C db
        mean = g.mean[..., chosen] - np.einsum("acjs,cjs->ajs", covariance, change)
        return GroupMoments(mean, covariance, third)

    # errors ---------------------------------------------------------------------------------

    @cached_property
    def rule_error(self) -> float:
        """How far a finer rule over the groups would move anything, in posterior sds.

        A change of the log weights moves a mean by its covariance with it: by its sd at most. The
        groups' own means and sds it moves besides.
        """
        some = self.sample(32)
        changes, now, then = self.sampler.rule_changes(self.points.phi[some], self.points.b[some])
        sds = [np.sqrt(of.mean.var(axis=-1) + _diagonal(of).mean(axis=-1)) for of in (now, then)]
        size = np.maximum(sds[1], 1e-300)
        moved = np.abs((then.mean - now.mean).mean(axis=-1)) / size
        wider = np.abs(sds[1] - sds[0]) / size
        # of groups without an event as much is left after the finer rule as it changed
        # sd of the log weights' changes bounds what they move a mean by, in sds (Cauchy and
        # Schwarz)
        return float(changes.std() + 2.0 * max(moved.max(initial=0.0), wider.max(initial=0.0)))

    @cached_property
    def _smooth(self) -> SmoothWeights:
        p = self.points
        cheap = self.sampler.cheap_points(CHEAP_POINTS.get(p.u.shape[1], MOST_CHEAP_POINTS))
        return smooth_weights(p.u, self.weight, p.log_prior, *cheap)

    @cached_property
    def _dimensions(self) -> dict[tuple[int, float], tuple[Mapped, float, float]]:
        return {}

    def dimension(self, i: int, order: float) -> Mapped:
        """Distribution of one dimension of phi; moments of an order below this exist."""
        if self.sampler.known_phi is not None:
            grid = self.points.u[0, i] + np.linspace(-1e-9, 1e-9, 3)
            value = float(self.points.phi[0, i])
            even = Tabulated(grid, np.linspace(0.0, 1.0, 3))
            return Mapped(even, self.model.axes[i], (value, 0.0), ())
        return self._dimension(i, order)[0]

    def _dimension(self, i: int, order: float) -> tuple[Mapped, float, float]:
        """One dimension of phi with errors of its moments and ends, by the better of two ways.

        With the weights smoothed, or as they are: where a fit by a polynomial is poor, in the
        tail of an sd of few groups, say, it adds noise instead of taking it away.
        """
        if (i, order) not in self._dimensions:
            ways = [self._dimension_by(smooth, i, order) for smooth in (self._smooth, None)]
            moments = min(ways, key=lambda way: way[1])
            ends = min(ways, key=lambda way: way[2])
            best = replace(ends[0], moments=moments[0].moments)
            self._dimensions[i, order] = best, moments[1], ends[2]
        return self._dimensions[i, order]

    def _dimension_by(
        self, smooth: SmoothWeights | None, i: int, order: float
    ) -> tuple[Mapped, float, float]:
        p, axis, w = self.points, self.model.axes[i], self.by_randomisation
        if smooth is None:
            cheap_u, cheap_weight = np.zeros(0), np.zeros(0)
            rest, each = self.weight, w
        else:
            cheap_u, cheap_weight = smooth.u[:, i], smooth.weight
            rest = self.weight - smooth.at_points / smooth.at_points.sum()
            # control variates: the fit's integral is known from many cheap points, and only what is
            # left of each randomisation tells the error
            fit = np.where(w > 0, smooth.at_points, 0.0)
            each = w - fit / fit.sum(axis=1, keepdims=True)
        u, x, cheap = p.u[:, i], p.phi[:, i], axis.value(cheap_u)
        grid, cdf, kernel = distribution_function(cheap_u, cheap_weight, u, rest, KERNEL_WIDTH)
        mean = float(cheap_weight @ cheap + rest @ x)
        square = float(cheap_weight @ (cheap - mean) ** 2 + rest @ (x - mean) ** 2)
        sd = math.sqrt(max(square, 1e-300))
        known = mean if order > 1 else math.inf, sd if order > 2 else math.inf
        coordinate = Tabulated(grid, cdf)
        of = Mapped(coordinate, axis, known, ())
        both = coordinate.interval()
        size = max(sd if order > 2 else float(np.ptp(axis.value(both))) / 3.92, 1e-300)
        moments = [0.0]
        if order > 1:
            moments.append(float(_bound((each @ (x - mean))[:, None])[0]) / size)
        if order > 2:
            moments.append(float(_bound((each @ (x - mean) ** 2)[:, None])[0]) / (2.0 * size**2))
        off = _bound(each @ special.ndtr((both - u[:, None]) / kernel))
        # error of a probability over the density is that of the quantile
        off = off / np.maximum(coordinate.density(both), 1e-300)
        return of, max(moments), float((off * np.exp(axis.log_slope(both)) / size).max())

    def hyperparameter_errors(self, orders: tuple[float, ...]) -> tuple[float, float]:
        """Largest errors of standard deviations and correlations, as `errors_of`."""
        if self.sampler.known_phi is not None:
            return 0.0, 0.0
        moments, ends = [0.0], [0.0]
        order = iter(orders)
        for term in self.model.terms:
            for i in range(term.sds.start, (term.partial or term.sds).stop):
                exists = next(order) if i < term.sds.stop else math.inf
                _, of_moments, of_ends = self._dimension(i, exists)
                moments.append(of_moments)
                ends.append(of_ends)
        if self.model.dispersed:
            _, of_moments, of_ends = self._dimension(self.model.dispersion_at, math.inf)
            moments.append(of_moments)
            ends.append(of_ends)
        return max(moments), max(ends)

    def errors_of(self, rows: Rows, exists: Floats) -> tuple[float, float]:
        """Largest errors of means and sds, and of interval ends, in sds; 95% bounds.

        From what the randomisations make of mean, sd and skewness, by which an end moves as Cornish
        and Fisher's expansion says; with what more points do not lessen.

        Parameters
        ----------
        rows : Rows
        exists : ndarray, shape (R,)
            Moments of an order below this exist.
        """
        mean, variance, third = self.at_points(rows)
        middle, sd = self._standard(mean, variance, exists > 2)
        z = (mean - middle) / sd
        z = np.where(exists > 2, z, np.clip(z, -FARTHEST_RESIDUAL, FARTHEST_RESIDUAL))
        within, inside = variance / sd**2, third / sd**3
        within = np.where(exists > 2, within, np.minimum(within, 1.0))
        inside = np.where(exists > 2, inside, np.clip(inside, -1.0, 1.0))
        cube = _cubes(z, within, inside)
        w = self.by_randomisation
        first = w @ z
        # of each randomisation by itself: (8, R)
        second = np.sqrt(np.maximum(w @ (z**2 + within) - first**2, 0.0))
        # about each one's own mean; the cube of its distance is of a higher order
        bent = w @ cube - 3.0 * first * second**2
        moments = np.concatenate([_bound(first)[exists > 1], _bound(second)[exists > 2]])
        skewed = np.where(
            self._sparse(rows, mean, variance, third), 0.0, np.abs(self.weight @ cube)
        )
        shape = SHAPE_ERROR + SKEWNESS_ERROR * skewed
        ends = [
            # Cornish and Fisher: mean + z sd + skewness (z^2 - 1) / 6
            _bound(first + z_end * second + bent * (z_end**2 - 1.0) / 6.0) + shape
            for z_end in (-1.96, 1.96)
        ]
        most = float(moments.max(initial=0.0)) + MOMENT_ERROR
        return most, float(np.concatenate(ends).max(initial=0.0))


def _cubes(z: Floats, within: Floats, inside: Floats) -> Floats:
    """Third moments about zero of standardised components: mean z, variance, third moment; (G, R).

    No mean counts as farther than `FARTHEST_RESIDUAL`.
    """
    near = np.clip(z, -FARTHEST_RESIDUAL, FARTHEST_RESIDUAL)
    # E (z + e)^3
    return np.asarray(near**3 + 3.0 * near * within + inside)


def _diagonal(of: GroupMoments) -> Floats:
    """Variances of the groups' effects, (q, J, B)."""
    return np.stack([of.covariance[a, a] for a in range(len(of.mean))])


def _bound(values: Floats) -> Floats:
    """95% bound on the error of the mean of independent randomisations, (8, R) to (R,)."""
    return np.asarray(T_OF_EIGHT * values.std(axis=0, ddof=1) / math.sqrt(RANDOMISATIONS))


def _draw_groups(of: GroupMoments, rng: np.random.Generator) -> Floats:
    """Effects of groups with these moments, skewness along the axes of a factor; (S, J, q)."""
    mean, covariance, third = of.mean, of.covariance, of.third
    q = len(mean)
    root = batched_linalg.semidefinite_cholesky(covariance)
    turned = third
    for axis in range(3):
        turned = np.moveaxis(turned, axis, 0)
        shape = turned.shape
        # third moments along the axes of the factor: root^-1 on each of the three indices
        turned = batched_linalg.solve_semidefinite(root, turned.reshape(q, -1, *shape[3:]))
        turned = np.moveaxis(turned.reshape(shape), 0, axis)
    out = np.empty((mean.shape[2], mean.shape[1], q))
    whitened = []
    for a in range(q):
        apart, first, second = pair(turned[a, a, a])
        one = rng.random(apart.shape) < 0.5
        normal = rng.standard_normal(apart.shape)
        whitened.append(np.where(one, apart + first * normal, -apart + second * normal))
    for a in range(q):
        value = mean[a] + sum(root[a, c] * whitened[c] for c in range(a + 1))
        out[:, :, a] = value.T
    return out


def _moved(values: Floats, w: Floats, chosen: Ints, rng: np.random.Generator) -> Floats:
    """Values (G, k) at chosen points, drawn together and moved at random by as much as that."""
    middle = w @ values
    sd = np.sqrt(w @ (values - middle) ** 2)
    # (1 - h^2) + h^2: the variance stays
    near = middle + math.sqrt(1.0 - KERNEL_WIDTH**2) * (values[chosen] - middle)
    return np.asarray(near + KERNEL_WIDTH * sd * rng.standard_normal(near.shape))


def _kernel(w: Floats, mean: Floats, variance: Floats, third: Floats) -> Cumulants:
    """Components with a little of the variance between points moved into them."""
    middle = w @ mean
    between = w @ (mean - middle) ** 2
    loc = middle + math.sqrt(1.0 - KERNEL_WIDTH**2) * (mean - middle)
    total = np.maximum(variance + KERNEL_WIDTH**2 * between, 1e-300)
    return Cumulants(loc, np.sqrt(total), third / total**1.5)


def _scaled(w: Floats, of: Cumulants, mean: Floats, sd: Floats) -> Cumulants:
    """Moved and scaled, so that the mixture has this mean and sd, (R,)."""
    here = w @ of.loc
    size = np.sqrt(w @ (of.scale**2 + (of.loc - here) ** 2))
    ratio = np.where(size > 0, sd / np.maximum(size, 1e-300), 1.0)
    return Cumulants(mean + ratio * (of.loc - here), of.scale * ratio, of.skew)


def _bent(w: Floats, of: Cumulants, skew: Floats) -> Cumulants:
    """With as much added to the skewness of each component as gives the mixture this one, (R,)."""
    middle = w @ of.loc
    gap, cubes = of.loc - middle, of.scale**3
    sd = np.sqrt(w @ (of.scale**2 + gap**2))
    # third moment that is wanted less that of the mixture as it is
    missing = skew * sd**3 - w @ (gap**3 + 3.0 * gap * of.scale**2 + of.skew * cubes)
    bend = missing / np.maximum(w @ cubes, 1e-300)
    return Cumulants(of.loc, of.scale, np.clip(of.skew + bend, -MOST_SKEWNESS, MOST_SKEWNESS))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tabulated(Distribution):
    """A quantity whose distribution function is known at places, straight between them.

    Parameters
    ----------
    places, below : ndarray, shape (n,)
        Places and the distribution function there.
    """

    places: Floats
    below: Floats
    shape: tuple[int, ...] = ()

    @property
    def mean(self) -> Floats:
        return np.asarray(self._moment(1))

    @property
    def sd(self) -> Floats:
        return np.asarray(math.sqrt(max(self._moment(2) - self._moment(1) ** 2, 0.0)))

    def _moment(self, power: int) -> float:
        powers = self.places ** (power + 1)
        # E x^k of a uniform piece from a to b: (b^(k+1) - a^(k+1)) / ((k + 1) (b - a))
        mean = np.diff(powers) / ((power + 1) * np.diff(self.places))  # of even pieces
        return float(mean @ np.diff(self.below))

    def _cdf(self, x: Floats) -> Floats:
        return np.interp(x, self.places, self.below)

    def _density(self, x: Floats) -> Floats:
        slope = np.gradient(self.below, self.places)
        return np.interp(x, self.places, slope, left=0.0, right=0.0)

    def _quantiles(self, p: Floats) -> Floats:
        return np.interp(p, self.below, self.places)
