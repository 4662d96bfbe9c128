"""Weighted points of the posterior of counts with predictors, by joint importance sampling.

A point holds the hyperparameters phi and r: the coefficients and the effects of every factor but
the one with most groups, whose groups are integrated out by quadrature. phi is proposed from a
split t about the mode of the log density with the groups and r integrated out; r given phi from
the normal approximation that one site (`joint_counts`) tells at every phi. Weights make the
points exact in the limit; independent randomisations tell how far they are from it.

The steps and their constants were measured on twelve data sets; benchmarks/counts_accuracy.py
compares the estimated errors with long runs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import scipy
from scipy import special

from partialpool._typing import Floats, Ints
from partialpool.integrate.importance import Pool, effective_share
from partialpool.integrate.importance import Proposal as Mixture
from partialpool.integrate.newton import Mode, find_mode
from partialpool.integrate.random_points import random_points
from partialpool.integrate.split_t import MixedT, SplitT, chi_square_quantile, log_student
from partialpool.kernels.group_quadrature import GroupMoments, integrate_groups
from partialpool.kernels.joint_counts import (
    Hyper,
    JointRows,
    Site,
    Variational,
    conditional,
    group_start,
    joint_mode,
    make_site,
    solve_transposed,
    variational,
)
from partialpool.kernels.joint_counts import Mode as JointMode

RANDOMISATIONS = 8
"""Independent sets of points from which errors are estimated: as in `integrate/importance.py`."""
SPLIT_T_DF = 7.0
"""Degrees of freedom of the split t of phi: tails heavier than any posterior with five groups."""
PROPOSAL_STRETCH = 1.05
"""Stretch of the proposals over the approximations: weights stay bounded where these are narrow."""
CLOSEST_AXIS, FARTHEST_AXIS = 0.4, 4.0
"""Bounds on how far the scales of either side of the split t may be from the curvature's."""
LEAST_CURVATURE = 0.2
"""Curvatures of the log density of phi below this are taken as this: sds of up to 2.2."""
LAPLACE_DIFFERENCE, VARIATIONAL_DIFFERENCE = 0.08, 0.12
"""Distances of differences: wide enough for what the inner searches leave undetermined."""
MODE_RISE = 0.02
"""Rise of the log density still to be had, at which the search for its mode ends."""
PILOT_POINTS, SHORT_PILOT_POINTS, SHORT_VECTOR = 256, 128, 10
"""Points from which the proposal of r is shifted and scaled, and how many do for a short r, of
which there is less to be learned."""
RULES = {1: (3, 5, 7, 11, 15, 21, 31), 2: (3, 5, 7, 11, 15), 3: (3, 5, 7)}
"""Rules over a group's effects that are tried, by their number: odd numbers, so that one node is at
the mode, each a third larger or more than the one before; products of more effects grow too
fast."""
FITTING_ROUNDS, FITTING_POINTS = 5, 512
"""Rounds of fitting a mixture to phi, and the points of each; two or three are usual."""
GOOD_PILOT, GOOD_SHARE, GOOD_MIXTURE = 0.65, 0.45, 0.65
"""Effective share of points from which on the split t is kept: of the pilot, whose few points
flatter it; of more points, as fitting gains less than it costs; and from which on a mixture is."""
MIXTURE_STRETCH = 1.15
"""Stretch of a fitted mixture, whose tails are of few points."""
RULES_CHOSEN_AT = (0.25, 0.5, 1.0)
"""Parts of the way from the mode of the sds to two widths beyond it, at which rules are chosen."""
GOOD_RULE, GOOD_SD = 0.03, 0.01
"""Changes of the log likelihood and of a group's sd from one rule to the next that are small
enough. The weights cannot see these errors: with 7 nodes in place of 21 the toenail data are half a
posterior sd off; with 7 in place of 11 the sd of a group without a count was .024 off."""
MOMENTS_HELD, LEAST_POINTS_HELD = 2**25, 64
"""Numbers of the moments of all groups at all points that are held; with more, groups are read from
fewer points, but from no less than these."""
POINTS_AT_ONCE = 64
"""Points for which a part of the rows is worked on at once: long enough for vectorised loops."""
ROWS_AT_ONCE, CELLS_AT_ONCE = 2**16, 2**22
"""Elements of arrays worked on at once: what stays in a processor's cache, and in memory."""
VARIATIONAL_WORK = 2e8
"""Rows times squared length of r up to which the mode of phi is sought with the variational step
and quadrature; beyond, by Laplace's approximation."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Weighted points of the joint posterior.

    Parameters
    ----------
    u, phi : ndarray, shape (G, k)
        Coordinates and values of the hyperparameters.
    log_weight : ndarray, shape (G,)
    log_proposal : ndarray, shape (G,)
        Log density of the proposal of phi.
    log_prior : ndarray, shape (G,)
        Of phi in the coordinates, over the density of the proposal.
    randomisation : ndarray of int, shape (G,)
        Which of the independent sets a point belongs to.
    b : ndarray, shape (G, d)
        Effects of all factors but the first, and the coefficients in the basis of the system.
    residual : ndarray, shape (G, d)
        r less its mean, in the units of `root`.
    mean, root : ndarray, shape (G, d) and (G, d, d)
        Mean of r given phi under the proposal, as b, and the lower factor of its precision.
    groups : GroupMoments
        Of the first factor's groups given phi and r; arrays (..., J, G).
    each : int
        Points drawn in each randomisation, those without a density included.
    """

    u: Floats
    phi: Floats
    log_weight: Floats
    log_proposal: Floats
    log_prior: Floats
    randomisation: Ints
    b: Floats
    residual: Floats
    mean: Floats
    root: Floats
    groups: GroupMoments
    each: int = 0

    @property
    def weight(self) -> Floats:
        """Weights that sum to one, (G,)."""
        w = np.exp(self.log_weight - self.log_weight.max())
        return np.asarray(w / w.sum())

    def some(self, chosen: Ints, **changes: Any) -> Points:
        """Some of the points, with columns changed."""
        columns: dict[str, Any] = {n: getattr(self, n)[chosen] for n in COLUMNS}
        held = self.groups.mean.shape[-1] > 0
        columns["groups"] = self.groups.at(chosen) if held else self.groups
        return Points(**{**columns, "each": self.each, **changes})


COLUMNS = tuple(f.name for f in fields(Points) if f.name not in ("groups", "each"))
"""Arrays of `Points` with one entry, or one row, a point."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupRule:
    """How many quadrature nodes an effect of a group needs, by how large the sds are.

    Parameters
    ----------
    sds : ndarray of int
        Which hyperparameters are the first factor's sds.
    mode, far : ndarray
        Their values at the mode, and two widths beyond it.
    nodes : tuple of int
        Enough up to each of `RULES_CHOSEN_AT`, of the way from one to the other; the last beyond
        too.
    """

    sds: Ints
    mode: Floats
    far: Floats
    nodes: tuple[int, ...]

    def needed(self, phi: Floats) -> Ints:
        """Nodes at points, (G,)."""
        if len(set(self.nodes)) == 1:
            return np.full(len(phi), self.nodes[0])
        way = (phi[:, self.sds] - self.mode) / np.maximum(self.far - self.mode, 1e-300)
        edge = np.searchsorted(RULES_CHOSEN_AT[:-1], way.max(axis=1))
        return np.asarray(np.array(self.nodes)[edge])

    def product(self, effects: int) -> float:
        """Nodes of a group with so many effects, on average over the parts of the way."""
        # a product rule over the effects
        return float(np.mean([float(n) ** effects for n in self.nodes]))


@dataclass(eq=False)
class CountSampler:
    """Proposals for a model, fitted once, from which any number of points are drawn.

    Parameters
    ----------
    model : GeneralizedModel
    proposal : SplitT or MixedT
        Of phi.
    site : Site
    rule : GroupRule
        Of quadrature along each effect of a group.
    shift, scale : ndarray, shape (d,)
        Of the whitened residuals of r.
    known_phi : ndarray, shape (k,), optional
        The hyperparameters, where they are not to be integrated over.
    """

    model: Any
    proposal: SplitT | MixedT
    site: Site
    rule: GroupRule
    shift: Floats
    scale: Floats
    known_phi: Floats | None = None
    seed: int = 0

    @property
    def df(self) -> float:
        """Degrees of freedom of the proposal of r."""
        # heavier tails in many dimensions would waste most points: the squared radius varies too
        # much
        return max(12.0, 1.5 * self.site.rows.d)

    def draw(self, size: int, before: Points | None = None) -> Points:
        """Draw points, `size` in each randomisation; `before` are the first of them."""
        dimensions = self.proposal.center.size + 2 + self.site.rows.d
        first = 0 if before is None else before.each
        uniform = np.concatenate(
            [
                random_points(size - first, dimensions, self._rng(k), first)
                for k in range(RANDOMISATIONS)
            ]
        )
        # independent randomisations: their means tell the error
        which = np.repeat(np.arange(RANDOMISATIONS), size - first)
        everything = RANDOMISATIONS * size
        points = self._points(uniform, which, moments=self.held(everything) == everything)
        points = _with_density(points)
        return points if before is None else _joined(before, points, self.site.rows)

    def _rng(self, randomisation: int) -> np.random.Generator:
        # the same at every call: points that are added then go on where those before ended
        return np.random.default_rng([self.seed, 0, randomisation])

    def held(self, size: int) -> int:
        """Points, of so many, at which moments of the groups can be held."""
        rows, q = self.site.rows, self.site.rows.grouped.q
        each = len(rows.grouped.starts) * (q + q**2 + q**3)
        return min(size, max(LEAST_POINTS_HELD, MOMENTS_HELD // each))

    def group_moments(self, phi: Floats, b: Floats) -> GroupMoments:
        """Moments of the groups given phi, (G, k), and b, (G, d)."""
        groups = self._integrated(phi, b, True, self.rule.needed(phi))[1]
        assert groups is not None
        return groups

    def by_group(self, phi: Floats, b: Floats) -> Floats:
        """Log likelihood of each of the first factor's groups at points, (J, G)."""
        first, needed = self.model.lambdas(phi)[0], self.rule.needed(phi)
        out = np.empty((len(self.site.rows.grouped.starts), len(phi)))
        for n in np.unique(needed).tolist():
            at = np.flatnonzero(needed == n)
            dispersion = self.model.dispersion(phi[at])
            out[:, at] = integrated_by_group(self.site, first[at], b[at], n, dispersion)
        return out

    def _integrated(
        self, phi: Floats, b: Floats, moments: bool, nodes: Ints
    ) -> tuple[Floats, GroupMoments | None]:
        """Log likelihood of phi and b, by as many nodes as each point needs; see `integrated`."""
        first, dispersion = self.model.lambdas(phi)[0], self.model.dispersion(phi)
        parts = [np.flatnonzero(nodes == n) for n in np.unique(nodes)]
        if len(parts) == 1:
            return integrated(self.site, first, b, int(nodes[0]), moments, dispersion)
        by_rule = [
            integrated(
                self.site,
                first[at],
                b[at],
                int(nodes[at[0]]),
                moments,
                None if dispersion is None else dispersion[at],
            )
            for at in parts
        ]
        order = np.argsort(np.concatenate(parts))  # back to the points as they were given
        value = np.concatenate([v for v, _ in by_rule])[order]
        if not moments:
            return value, None
        return value, _join_moments([m for _, m in by_rule], self.site.rows).at(order)

    def with_moments(self, points: Points, chosen: Ints) -> Points:
        """Some points, of equal weight, with the moments of the groups."""
        groups = self.group_moments(points.phi[chosen], points.b[chosen])
        return points.some(chosen, log_weight=np.zeros(len(chosen)), groups=groups)

    def _points(self, uniform: Floats, which: Ints, *, moments: bool) -> Points:
        rows, k = self.site.rows, self.proposal.center.size
        u, log_u = self.proposal.points(uniform[:, : k + 1])
        u, phi, log_prior = self._hyperparameters(u)
        chi = chi_square_quantile(uniform[:, k + 1], self.df)
        # one chi-square for the whole vector: a multivariate t
        z = special.ndtri(uniform[:, k + 2 :]) / np.sqrt(chi / self.df)[:, None]
        # density of the residuals, z scaled
        log_z = log_student(z, self.df) - np.log(self.scale).sum()
        residual = self.shift + self.scale * z
        parts = [self._some(phi[at], residual[at], moments) for at in self._parts(len(u))]
        value, b, mean, root, groups = (list(x) for x in zip(*parts, strict=True))
        root_all = np.concatenate(root)
        # r = mean + root'^-1 residual: the determinant of the root takes it to the density of r
        log_r = log_z + np.log(np.einsum("gii->gi", root_all)).sum(axis=1)
        log_f = np.concatenate(value) + log_prior
        # target over proposal, both of (phi, r)
        log_weight = log_f - log_u - log_r
        log_weight = np.where(np.isfinite(log_weight), log_weight, -np.inf)  # no density there
        return Points(
            u,
            phi,
            log_weight,
            log_u,
            log_prior - log_u,
            which,
            np.concatenate(b),
            residual,
            np.concatenate(mean),
            root_all,
            _join_moments(groups, rows),
            len(u) // RANDOMISATIONS,
        )

    def cheap_points(self, size: int) -> tuple[Floats, Floats]:
        """Coordinates from the proposal of phi alone, and `Points.log_prior` there."""
        k = self.proposal.center.size
        uniform = random_points(size, k + 1, np.random.default_rng([self.seed, 10**7]))
        u, log_u = self.proposal.points(uniform)
        return u, self._hyperparameters(u)[2] - log_u

    def _hyperparameters(self, u: Floats) -> tuple[Floats, Floats, Floats]:
        """Coordinates and values of phi, and their log prior density in the coordinates."""
        if self.known_phi is None:
            phi, log_slope = self.model.at_coordinates(u)
            return u, phi, self.model.log_prior(phi) + log_slope
        phi = np.tile(self.known_phi, (len(u), 1))
        axes = zip(self.model.axes, self.known_phi, strict=True)
        at = [float(np.clip(a.coordinate(np.array(x)), -6.0, 300.0)) for a, x in axes]
        return np.tile(np.array(at), (len(u), 1)), phi, np.zeros(len(u))

    def _parts(self, size: int) -> Iterator[slice]:
        rows = self.site.rows
        cells = len(rows.grouped.starts) * rows.grouped.q * max(rows.d, 8) + rows.d**2
        step = int(np.clip(CELLS_AT_ONCE // cells, 8, max(size, 8)))
        for i in range(0, size, step):
            yield slice(i, min(i + step, size))

    def _some(
        self, phi: Floats, e: Floats, moments: bool
    ) -> tuple[Floats, Floats, Floats, Floats, GroupMoments | None]:
        """Log density of (phi, r), less the prior of phi, at some points; and b."""
        rows = self.site.rows
        first, *others = self.model.lambdas(phi)
        prior = self.model.prior_precision(phi)
        coefficients_given_phi = conditional(self.site, first, others, prior)
        # precision is root root'
        r = coefficients_given_phi.mean + solve_transposed(coefficients_given_phi.root, e)
        b, mean = rows.scaled(others, r), rows.scaled(others, coefficients_given_phi.mean)
        value, groups = self._integrated(phi, b, moments, self.rule.needed(phi))
        m = rows.effects
        # (beta, -1)' P (beta, -1): the prior of the coefficients with its mean
        one = np.concatenate([r[:, m:], np.full((len(r), 1), -1.0)], axis=1)
        value -= 0.5 * ((r[:, :m] ** 2).sum(axis=1) + np.einsum("gi,gij,gj->g", one, prior, one))
        return value, b, mean, coefficients_given_phi.root, groups

    def rule_changes(self, phi: Floats, b: Floats) -> tuple[Floats, GroupMoments, GroupMoments]:
        """What the next finer rule adds to the log likelihood at some points, (G,).

        And the groups' moments by this rule and the finer one.
        """
        tried = RULES.get(self.site.rows.grouped.q, (3, 5))
        nodes = self.rule.needed(phi)
        finer = np.array([next((n for n in tried if n > m), m + 4) for m in nodes.tolist()])
        value, now = self._integrated(phi, b, True, nodes)
        better, then = self._integrated(phi, b, True, finer)
        assert now is not None
        assert then is not None
        return better - value, now, then


def _with_density(points: Points) -> Points:
    """The points that have a density: the others, in the tails, need not carry numbers."""
    g = points.groups
    finite = np.isfinite(points.log_weight) & np.isfinite(points.root).all(axis=(1, 2))
    if g.mean.shape[-1]:
        for values in (g.mean, g.covariance, g.third):
            finite &= np.isfinite(values).all(axis=tuple(range(values.ndim - 1)))
    return points if finite.all() or not finite.any() else points.some(np.flatnonzero(finite))


def _joined(before: Points, after: Points, rows: JointRows) -> Points:
    """All points; moments of groups are held at all of them, or at none."""
    columns = {n: np.concatenate([getattr(before, n), getattr(after, n)]) for n in COLUMNS}
    held = after.groups.mean.shape[-1] > 0  # more points than can be held end that for all
    groups = _join_moments([before.groups, after.groups], rows) if held else after.groups
    return Points(**columns, groups=groups, each=before.each + after.each)


def integrated(
    site: Site,
    first: Floats,
    b: Floats,
    nodes: int,
    moments: bool,
    dispersion: Floats | None = None,
) -> tuple[Floats, GroupMoments | None]:
    """Log likelihood of b, (B, d), the first factor's groups integrated out; in parts."""
    values, moments_by_part = np.zeros(len(b)), []
    for at, parts in _in_parts(site, first, b, nodes, dispersion, moments=moments):
        each = []
        for _, (value, of) in parts:
            values[at] += value
            each.append(of)
        moments_by_part.append(_join_moments(each, site.rows, axis=-2))
    return values, _join_moments(moments_by_part, site.rows) if moments else None


def integrated_by_group(
    site: Site, first: Floats, b: Floats, nodes: int, dispersion: Floats | None = None
) -> Floats:
    """Log likelihood of b by each of the first factor's groups, (J, B)."""
    values = np.empty((len(site.rows.grouped.starts), len(b)))
    for at, parts in _in_parts(site, first, b, nodes, dispersion, by_group=True):
        for groups, (value, _) in parts:
            values[groups, at] = value + site.rows.grouped.best[groups, None]
    return values


def _in_parts(
    site: Site, first: Floats, b: Floats, nodes: int, dispersion: Floats | None, **wanted: bool
) -> Iterator[tuple[slice, Iterator[tuple[slice, tuple[Floats, GroupMoments | None]]]]]:
    """Points by points, and in these groups by groups, what `integrate_groups` says."""
    rows = site.rows
    known_events, column_events = rows.events
    parts = rows.grouped.parts(ROWS_AT_ONCE // POINTS_AT_ONCE)
    step = max(POINTS_AT_ONCE, ROWS_AT_ONCE // len(rows.known))

    def of_groups(
        at: slice,
    ) -> Iterator[tuple[slice, tuple[Floats, GroupMoments | None]]]:
        start = group_start(site, first[at], b[at])
        linear = known_events[:, None] + column_events @ b[at].T
        each = None if dispersion is None else dispersion[at]
        for here, groups, some in parts:
            known = rows.known[here, None] + rows.w[here] @ b[at].T
            yield (
                groups,
                integrate_groups(
                    some.with_dispersion(each),
                    known,
                    first[at],
                    start[:, groups],
                    nodes,
                    linear=linear[groups],
                    **wanted,
                ),
            )

    for i in range(0, len(b), step):
        at = slice(i, i + step)
        yield at, of_groups(at)


def _join_moments(parts: Sequence[GroupMoments | None], rows: Any, axis: int = -1) -> GroupMoments:
    some = [p for p in parts if p is not None]
    if not some:
        q, groups = rows.grouped.q, len(rows.grouped.starts)
        return GroupMoments(*(np.empty((*(q,) * n, groups, 0)) for n in (1, 2, 3)))
    if len(some) == 1:
        return some[0]
    names = ("mean", "covariance", "third")
    return GroupMoments(*(np.concatenate([getattr(p, n) for p in some], axis) for n in names))


# fitting the proposals ------------------------------------------------------------------------


def make_sampler(model: Any) -> CountSampler:
    """Fit the proposals for a model."""
    search = _Search(model)
    # several, as with tau near zero there may be a mode of its own
    starts = [_coordinates(model, s) for s in model.starts]
    start = max(starts, key=search.laplace)
    mode = find_mode(search.laplace, start, step=LAPLACE_DIFFERENCE, enough=MODE_RISE)
    objective = search.laplace
    # Laplace's mode of sds is too low where groups are small: the search goes on with what the
    # sampler itself uses
    if search.affordable:
        objective = search.quadrature
        mode = find_mode(
            objective, mode.at, step=VARIATIONAL_DIFFERENCE, enough=MODE_RISE, hessian=mode.hessian
        )
    proposal = _split(objective, mode)
    return _sampler(model, proposal, search, None)


def _coordinates(model: Any, phi: Floats) -> Floats:
    return np.array([float(a.coordinate(x)) for a, x in zip(model.axes, phi, strict=True)])


def fixed_sampler(model: Any, phi: Floats) -> CountSampler:
    """Proposals of r for hyperparameters that are known, (k,)."""
    search = _Search(model)
    none = np.zeros(0)
    return _sampler(model, SplitT(none, np.zeros((0, 0)), none, none, SPLIT_T_DF), search, phi)


def _sampler(
    model: Any, proposal: SplitT, search: _Search, known_phi: Floats | None
) -> CountSampler:
    places = _places(model, proposal) if known_phi is None else known_phi[None]
    hyper = model.hyper(places[:1])
    point = search.variational_at(hyper)
    site = make_site(model.rows, hyper, point)
    d = model.rows.d
    rule = _rule(model, places, site)
    sampler = CountSampler(
        model, proposal, site, rule, np.zeros(d), np.full(d, PROPOSAL_STRETCH), known_phi
    )
    share = _adapt(sampler)
    if known_phi is None and share < GOOD_PILOT:
        _fit_mixture(sampler, proposal)
    return sampler


class _Search:
    """Log densities of phi, each search for the joint mode starting from the one before."""

    def __init__(self, model: Any) -> None:
        self.model = model
        rows = model.rows
        self.first = np.zeros((rows.grouped.q, len(rows.grouped.starts))), _rough_r(rows)
        self.start = self.first
        self.affordable = len(rows.known) * rows.d**2 <= VARIATIONAL_WORK
        self.nodes = {1: 15, 2: 7}.get(rows.grouped.q, 5)

    def laplace(self, u: Floats) -> float:
        """Log density in coordinates, (k,), by Laplace's approximation."""
        return self._at(self._laplace, u)

    def quadrature(self, u: Floats) -> float:
        """The same with the variational r and the groups by quadrature."""
        return self._at(self._quadrature, u)

    def _at(self, function: Callable[[Floats], float], u: Floats) -> float:
        phi, log_slope = self.model.at_coordinates(u[None])
        return function(phi) + float(self.model.log_prior(phi)[0] + log_slope[0])

    def _laplace(self, phi: Floats) -> float:
        try:
            return self._mode(self.model.hyper(phi)).laplace
        except np.linalg.LinAlgError:
            return -math.inf

    def _mode(self, hyper: Hyper) -> JointMode:
        try:
            mode = joint_mode(self.model.rows, hyper, self.start)
        except np.linalg.LinAlgError:  # the start was of hyperparameters far away
            mode = joint_mode(self.model.rows, hyper, self.first)
        # hyperparameters move little from one search to the next, and so does the joint mode
        self.start = mode.v, mode.r
        return mode

    def variational_at(self, hyper: Hyper) -> Variational:
        """The variational approximation at hyperparameters."""
        return variational(self.model.rows, hyper, self._mode(hyper))

    def _quadrature(self, phi: Floats) -> float:
        rows, hyper = self.model.rows, self.model.hyper(phi)
        try:
            site = self.variational_at(hyper)
        except np.linalg.LinAlgError:
            return -math.inf
        b = rows.scaled([f[None] for f in hyper.others], site.r[None])
        known = rows.known[:, None] + rows.w @ b.T
        grouped = rows.grouped.with_dispersion(hyper.dispersion)
        value, _ = integrate_groups(
            grouped, known, hyper.first[None], site.v[:, :, None], self.nodes
        )
        m = rows.effects
        one = np.append(site.r[m:], -1.0)
        # effects are standardised: precision one
        prior = float(site.r[:m] @ site.r[:m] + one @ hyper.prior @ one)
        # Laplace over r with the variational curvature; groups are integrated by quadrature
        return float(value[0]) - 0.5 * prior - float(np.log(np.diag(site.system.root)).sum())


def _rough_r(rows: JointRows) -> Floats:
    """Coefficients by least squares on the rows' own log-odds or log rates; effects zero."""
    g, m = rows.grouped, rows.effects
    used = g.size > 0
    y, size = g.y[used], g.size[used]
    rough, _ = g.link.guess(y, size)
    x = rows.w[:, m:]
    x = (x.toarray() if scipy.sparse.issparse(x) else x)[used]
    # log-odds of a row have about a variance in proportion to 1 / size
    weight = np.sqrt(size)
    solution = np.linalg.lstsq(
        x * weight[:, None], (rough - rows.known[used]) * weight, rcond=None
    )[0]
    return np.concatenate([np.zeros(m), solution])


def _split(objective: Callable[[Floats], float], mode: Mode) -> SplitT:
    """A split t about the mode: scales from how far the log density falls on either side."""
    size, vectors = np.linalg.eigh(-mode.hessian)
    axes = vectors / np.sqrt(np.maximum(size, LEAST_CURVATURE))
    scales = np.empty((2, len(size)))
    for i in range(len(size)):
        for side, sign in enumerate((-1.0, 1.0)):
            best = 0.0
            for far in (1.0, 2.0, 3.0):
                fall = mode.value - objective(mode.at + sign * far * axes[:, i])
                if math.isfinite(fall):
                    # a normal density falls by far^2 / 2 sds^2: the widest sd that any of three
                    # distances tells, as a tail may be heavier than the middle
                    best = max(best, far / math.sqrt(2.0 * max(fall, 0.02)))
            scales[side, i] = PROPOSAL_STRETCH * np.clip(best, CLOSEST_AXIS, FARTHEST_AXIS)
    return SplitT(mode.at, axes, scales[0], scales[1], SPLIT_T_DF)


def _places(model: Any, proposal: SplitT) -> Floats:
    """The mode of phi, and where the first factor's sds are large within the proposal's bulk."""
    u = np.stack([proposal.center] * 2)
    width = np.sqrt(((proposal.axes * proposal.above) ** 2).sum(axis=1))
    for term in model.system.levels[0].terms:
        at = model.terms[term].sds
        u[1, at] += 2.0 * width[at]
    return np.asarray(model.at_coordinates(u)[0])


def _rule(model: Any, places: Floats, site: Site) -> GroupRule:
    """The smallest rules that hardly differ from the next, on the way between places of phi."""
    tried = RULES.get(site.rows.grouped.q, (3, 5))
    mode, far = places[0], places[-1]
    sds = np.r_[tuple(model.terms[t].sds for t in model.system.levels[0].terms)]
    phi = mode + np.array(RULES_CHOSEN_AT)[:, None] * (far - mode)
    first, *others = model.lambdas(phi)
    coefficients_given_phi = conditional(site, first, others, model.prior_precision(phi))
    b = site.rows.scaled(others, coefficients_given_phi.mean)
    nodes = np.full(len(phi), tried[-1])
    left = np.arange(len(phi))
    dispersion = model.dispersion(phi)
    before, coarse = integrated(site, first, b, tried[0], True, dispersion)
    for chosen, finer in itertools.pairwise(tried):
        some = None if dispersion is None else dispersion[left]
        after, fine = integrated(site, first[left], b[left], finer, True, some)
        done = (np.abs(after - before) < GOOD_RULE) & (_sd_changes(coarse, fine) < GOOD_SD)
        nodes[left[done]] = chosen
        if done.all():
            break
        left, before = left[~done], after[~done]
        coarse = None if fine is None else fine.at(~done)
    # larger sds need no fewer nodes, even where a rule agreed with the next by chance
    return GroupRule(sds, mode[sds], far[sds], tuple(np.maximum.accumulate(nodes).tolist()))


def _sd_changes(coarse: GroupMoments | None, fine: GroupMoments | None) -> Floats:
    """Largest relative change of a standard deviation of a group's effect, at each point."""
    assert coarse is not None
    assert fine is not None
    each = range(len(fine.mean))
    ratio = [fine.covariance[a, a] / np.maximum(coarse.covariance[a, a], 1e-300) for a in each]
    return np.asarray(np.abs(0.5 * (np.stack(ratio) - 1.0)).max(axis=(0, 1)))


def _fit_mixture(sampler: CountSampler, split: SplitT) -> None:
    """Where the split t serves badly, fit a mixture of t's to weighted points in some rounds.

    The weight of a point, r and all, over the proposal of phi is an unbiased estimate of the
    density of phi, which is all that the fit needs. The proposal that does best is kept.
    """
    k, d = sampler.proposal.center.size, sampler.site.rows.d
    scale = 0.5 * (split.below + split.above)
    # the split t without its split
    covariance = (split.axes * scale**2) @ split.axes.T
    mixture = Mixture(
        np.ones(1), split.center[None], np.asarray(np.linalg.cholesky(covariance))[None]
    )
    pool = Pool()
    best, best_share = sampler.proposal, 0.0
    for round_ in range(FITTING_ROUNDS):
        rng = np.random.default_rng([sampler.seed, 10**6 + 1 + round_])
        uniform = random_points(FITTING_POINTS, k + 2 + d, rng)
        points = sampler._points(uniform, np.zeros(len(uniform), dtype=np.intp), moments=False)
        share = effective_share(points.log_weight)
        if share > best_share:
            best, best_share = sampler.proposal, share
        if share > (GOOD_MIXTURE if round_ else GOOD_SHARE):
            break
        # weight times proposal: an unbiased estimate of the density of phi, r integrated out by one
        # draw
        pool.add(points.u, points.log_weight + points.log_proposal, sampler.proposal.log_density)
        mixture = pool.fitted(mixture, widen=round_ > 0)
        sampler.proposal = MixedT(split.center, mixture)
    if isinstance(best, MixedT):
        best = MixedT(best.center, replace(best.mixture, root=MIXTURE_STRETCH * best.mixture.root))
    sampler.proposal = best


def _adapt(sampler: CountSampler) -> float:
    """Shift and scale the proposal of r as a pilot run tells, shrunk toward no change.

    James and Stein's shrinkage: with little to be seen, nothing is changed. Returns the pilot's
    effective share of points.
    """
    d = sampler.site.rows.d
    k = sampler.proposal.center.size
    size = SHORT_PILOT_POINTS if d <= SHORT_VECTOR else PILOT_POINTS
    rng = np.random.default_rng([sampler.seed, 10**6])
    uniform = random_points(size, k + 2 + d, rng)
    points = sampler._points(uniform, np.zeros(size, dtype=np.intp), moments=False)
    share = effective_share(points.log_weight)
    if not d:
        return share
    chi = chi_square_quantile(uniform[:, k + 1], sampler.df)
    z = sampler.scale * special.ndtri(uniform[:, k + 2 :]) / np.sqrt(chi / sampler.df)[:, None]
    w = np.minimum(points.weight, 8.0 / size)  # a few heavy points are not to decide
    w /= w.sum()
    effective = 1.0 / float((w**2).sum())
    # what the weighted points say of mean and variance of the whitened residuals, which should be 0
    # and 1
    mean = w @ z
    change = w @ (z - mean) ** 2 / PROPOSAL_STRETCH**2 - 1.0
    # the positive part of James and Stein's factor: each mean has variance 1 / effective, each
    # variance 2 / effective
    shift = max(0.0, 1.0 - d / (effective * max(float((mean**2).sum()), 1e-9)))
    scale = max(0.0, 1.0 - 2.0 * d / (effective * max(float((change**2).sum()), 1e-9)))
    sampler.shift = shift * mean
    # bounded, as a pilot of a hundred points may be wrong
    sampler.scale = PROPOSAL_STRETCH * np.sqrt(np.clip(1.0 + scale * change, 0.5, 3.0))
    return share
