"""Modes, normal approximations and sites of counts with groups, against dense algebra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, sparse

from partialpool.kernels.families import LOG, LOGIT
from partialpool.kernels.group_quadrature import GroupedRows
from partialpool.kernels.joint_counts import (
    Hyper,
    JointRows,
    Site,
    conditional,
    curvature,
    group_start,
    joint_mode,
    linear_predictor,
    make_site,
    pooled,
    variational,
)
from partialpool.kernels.joint_counts import _pairs as pairs

J, N = 5, 40


class World:
    """Groups with q effects each; another factor of 3 groups with two effects; two coefficients."""

    def __init__(self, link, q, *, is_sparse=False, seed=2):
        rng = np.random.default_rng(seed)
        self.link, self.q, self.p = link, q, 2
        self.group = np.sort(np.arange(N) % J)
        self.other = rng.permutation(np.arange(N) % 3)
        z = np.column_stack([np.ones(N), rng.normal(size=(N, q - 1))])
        own = np.column_stack([np.ones(N), rng.normal(size=N)])
        wide = np.zeros((N, 3, 2))
        wide[np.arange(N), self.other] = own
        x = np.column_stack([np.ones(N), rng.normal(size=N)])
        self.z, self.w = z, np.hstack([wide.reshape(N, 6), x])
        size = rng.integers(1, 8, N).astype(float)
        y = rng.binomial(size.astype(int), 0.4) if link is LOGIT else rng.poisson(size)
        self.y, self.size, self.known = y.astype(float), size, 0.2 * rng.normal(size=N)
        starts = np.flatnonzero(np.diff(self.group, prepend=-1))
        grouped = GroupedRows(link, self.y, size, z, starts)
        columns = sparse.csr_array(self.w) if is_sparse else self.w
        self.rows = JointRows(grouped, self.known, columns, ((3, 2),), 2)
        self.hyper = self.one_hyper(rng)
        self.rng = rng

    def one_hyper(self, rng):
        def factor(q):
            return np.tril(0.4 * rng.normal(size=(q, q)), -1) + np.diag(rng.uniform(0.4, 1.0, q))

        root = rng.normal(size=(2, 2))
        precision, mean = root @ root.T + np.eye(2), rng.normal(size=2)
        right = precision @ mean
        prior = np.block([[precision, right[:, None]], [right[None], np.array([[mean @ right]])]])
        return Hyper(factor(self.q), (factor(2),), prior)

    def plain(self):
        """Columns of the groups' effects, group by group, and of all else: (N, J q + d)."""
        wide = np.zeros((N, J, self.q))
        wide[np.arange(N), self.group] = self.z
        return np.hstack([wide.reshape(N, -1), self.w])

    def turn(self, hyper):
        """From (v, r) to effects and coefficients."""
        out = np.eye(J * self.q + 8)
        for j in range(J):
            at = slice(j * self.q, (j + 1) * self.q)
            out[at, at] = hyper.first
        for k in range(3):
            at = slice(J * self.q + 2 * k, J * self.q + 2 * k + 2)
            out[at, at] = hyper.others[0]
        return out

    def prior(self, hyper):
        """Precision of (v, r), and the linear term."""
        precision = np.eye(J * self.q + 8)
        precision[-2:, -2:] = hyper.prior[:-1, :-1]
        linear = np.zeros(len(precision))
        linear[-2:] = hyper.prior[:-1, -1]
        return precision, linear

    def flat(self, v, r):
        return np.concatenate([v.T.ravel(), r])

    def mode(self):
        u, (precision, linear) = self.plain() @ self.turn(self.hyper), self.prior(self.hyper)

        def slope(s):
            mean = self.size * self.link.natural(self.known + u @ s)
            return precision @ s - linear - u.T @ (self.y - mean)

        def negative(s):
            eta = self.known + u @ s
            fit = self.y * eta - self.size * self.link.cumulant(eta)
            fit = fit - self.link.best(self.y, self.size)
            square = s @ precision @ s - 2 * linear @ s + self.hyper.prior[-1, -1]
            return 0.5 * square - fit.sum()

        near = optimize.minimize(negative, np.zeros(u.shape[1]), jac=slope, tol=1e-8).x
        at = optimize.root(slope, near, tol=1e-13).x
        weight = self.size * self.link.slope(self.known + u @ at)
        return at, -negative(at), precision + (u * weight[:, None]).T @ u

    def found(self):
        return joint_mode(self.rows, self.hyper, (np.zeros((self.q, J)), np.zeros(8)))


@pytest.fixture(
    params=[(link, q, s) for link in (LOGIT, LOG) for q in (1, 2) for s in (False, True)],
    ids=lambda p: f"{p[0].name}, {p[1]} effects, {'sparse' if p[2] else 'dense'}",
)
def world(request):
    link, q, is_sparse = request.param
    return World(link, q, is_sparse=is_sparse)


def test_the_joint_mode_is_that_of_a_general_optimiser(world):
    at, highest, precision = world.mode()
    mode = world.found()
    np.testing.assert_allclose(world.flat(mode.v, mode.r), at, atol=2e-3)
    expected = highest - 0.5 * np.linalg.slogdet(precision)[1]
    assert mode.laplace == pytest.approx(expected, abs=1e-3)
    again = joint_mode(world.rows, world.hyper, (at[:-8].reshape(J, -1).T, at[-8:]))
    assert again.laplace == pytest.approx(expected, abs=1e-9)
    right = world.rng.normal(size=len(at))
    solved = again.system.solve(right[:-8].reshape(J, -1).T, right[-8:])
    np.testing.assert_allclose(world.flat(*solved), np.linalg.solve(precision, right), atol=1e-9)


def test_cross_products_are_those_of_the_dense_columns(world):
    weight = world.rng.uniform(0.1, 2, N)
    c = curvature(world.rows, weight)
    for j in range(J):
        at = world.group == j
        z = world.z[at] * weight[at, None]
        np.testing.assert_allclose(c.own[:, :, j], z.T @ world.z[at], rtol=1e-11)
        np.testing.assert_allclose(c.cross[:, j], z.T @ world.w[at], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(c.rest, (world.w * weight[:, None]).T @ world.w, atol=1e-12)


def expected_under(world, eta, variance):
    """Mean and curvature of every row by 60 nodes."""
    node, share = np.polynomial.hermite_e.hermegauss(60)
    share = share / share.sum()
    at = eta[:, None] + np.sqrt(variance)[:, None] * node
    return world.size * (world.link.natural(at) @ share), world.size * (
        world.link.slope(at) @ share
    )


def test_the_variational_step_is_newtons_with_expected_means_and_weights(world):
    mode = world.found()
    u, (precision, linear) = world.plain() @ world.turn(world.hyper), world.prior(world.hyper)
    at = world.flat(mode.v, mode.r)
    weight = world.size * world.link.slope(world.known + u @ at)
    h = precision + (u * weight[:, None]).T @ u
    variance = np.einsum("ni,ij,nj->n", u, np.linalg.inv(h), u)
    mean, weight = expected_under(world, world.known + u @ at, variance)
    h = precision + (u * weight[:, None]).T @ u
    moved = at + np.linalg.solve(h, u.T @ (world.y - mean) + linear - precision @ at)
    variance = np.einsum("ni,ij,nj->n", u, np.linalg.inv(h), u)
    mean, weight = expected_under(world, world.known + u @ moved, variance)
    found = variational(world.rows, world.hyper, mode)
    np.testing.assert_allclose(world.flat(found.v, found.r), moved, atol=2e-3)
    np.testing.assert_allclose(world.y - found.residual, mean, rtol=3e-3, atol=1e-4)
    np.testing.assert_allclose(found.weight, weight, rtol=3e-3, atol=1e-4)


def test_a_site_has_the_slope_of_the_expected_log_likelihood_where_it_is_made(world):
    found = variational(world.rows, world.hyper, world.found())
    site = make_site(world.rows, world.hyper, found)
    eta = linear_predictor(world.rows, world.hyper, found.v, found.r) - world.known
    u = world.plain()
    b = world.turn(world.hyper) @ world.flat(found.v, found.r)
    np.testing.assert_allclose(eta, u @ b, atol=1e-12)
    linear = u.T @ (found.weight * eta + found.residual)
    np.testing.assert_allclose(world.flat(site.linear_own, site.linear_rest), linear, atol=1e-10)


@pytest.mark.parametrize("held", [True, False], ids=["products held", "not held"])
def test_r_and_the_groups_given_it_under_a_site(world, held):
    weight = world.rng.uniform(0.1, 2, N)
    c = curvature(world.rows, weight)
    own, rest = world.rng.normal(size=(world.q, J)), world.rng.normal(size=8)
    site = Site(world.rows, c, own, rest, pairs(c.cross) if held else None)
    points = [world.one_hyper(world.rng) for _ in range(3)]
    first = np.stack([h.first for h in points])
    others = [np.stack([h.others[0] for h in points])]
    found = conditional(site, first, others, np.stack([h.prior for h in points]))
    u, m = world.plain(), J * world.q
    inner = (u * weight[:, None]).T @ u
    effects = np.stack([world.turn(h)[m:, m:] @ found.mean[b] for b, h in enumerate(points)])
    start = group_start(site, first, effects)
    spread = pooled(site, first)
    for b, hyper in enumerate(points):
        turn, (precision, linear) = world.turn(hyper), world.prior(hyper)
        h = turn.T @ inner @ turn + precision
        right = turn.T @ world.flat(own, rest) + linear
        whole = np.linalg.solve(h, right)
        np.testing.assert_allclose(found.mean[b], whole[m:], atol=1e-9)
        schur = np.linalg.inv(np.linalg.inv(h)[m:, m:])
        np.testing.assert_allclose(found.root[b] @ found.root[b].T, schur, atol=1e-9)
        np.testing.assert_allclose(start[:, :, b].T.ravel(), whole[:m], atol=1e-9)
        for j in range(J):
            at = slice(j * world.q, (j + 1) * world.q)
            variance = hyper.first @ np.linalg.inv(h[at, at]) @ hyper.first.T
            np.testing.assert_allclose(spread[:, :, j, b], variance, atol=1e-10)
