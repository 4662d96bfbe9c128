"""Laplace's approximation of counts with groups, against a dense twin and its differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from partialpool.kernels.count_mode import find_mode, inverse
from partialpool.kernels.families import LOG, LOGIT
from partialpool.kernels.grouped_counts import grouped_counts
from partialpool.kernels.laplace import criterion

SIZES = (6, 3, 2)
WIDTHS = {"one factor": (2,), "two factors": (2, 1), "three factors": (1, 2, 1)}


class World:
    """Rows with dense columns Z Lambda of all effects, the largest factor's first."""

    def __init__(self, link, widths, seed=3):
        rng = np.random.default_rng(seed)
        n = 30
        index = [np.sort(rng.permutation(np.arange(n) % SIZES[0]))]
        index += [rng.permutation(np.arange(n) % s) for s in SIZES[1 : len(widths)]]
        self.index, self.widths, self.n = index, widths, n
        self.z = [
            np.column_stack([np.ones(n), rng.normal(size=(n, q - 1))]) if q > 1 else np.ones((n, 1))
            for q in widths
        ]
        self.x = np.column_stack([np.ones(n), rng.normal(size=n)])
        self.base = 0.3 * rng.normal(size=n)
        self.size = rng.integers(1, 9, n).astype(float)
        self.y = (
            rng.binomial(self.size.astype(int), 0.4) if link is LOGIT else rng.poisson(self.size)
        ).astype(float)
        self.link = link
        self.beta = np.array([-0.3, 0.4])
        self.factors = [
            np.tril(rng.normal(size=(q, q)), -1) + np.diag(rng.uniform(0.5, 1.2, q)) for q in widths
        ]
        self.rows = grouped_counts(
            link,
            (self.y, self.size, self.base),
            self.x,
            list(zip(index, self.z, SIZES, strict=False)),
        )

    def columns(self, factors):
        """U, (N, all effects), group by group."""
        out = []
        for index, z, factor, size in zip(self.index, self.z, factors, SIZES, strict=False):
            t = z @ factor
            wide = np.zeros((self.n, size, t.shape[1]))
            wide[np.arange(self.n), index] = t
            out.append(wide.reshape(self.n, -1))
        return np.hstack(out)

    def flat(self, effects):
        return np.concatenate([effects[0].T.ravel(), effects[1]])

    def start(self):
        others = sum(s * q for s, q in zip(SIZES[1:], self.widths[1:], strict=False))
        return np.zeros((self.widths[0], SIZES[0])), np.zeros(others)

    def mode(self, beta=None, factors=None):
        beta = self.beta if beta is None else beta
        return find_mode(self.rows, beta, factors or self.factors, self.start())

    def log_density(self, v, beta, u):
        eta = self.base + self.x @ beta + u @ v
        best = self.link.best(self.y, self.size)
        return (self.y * eta - self.size * self.link.cumulant(eta) - best).sum() - 0.5 * v @ v

    def laplace(self, beta, factors):
        """Mode, curvature and F by a general optimiser and dense algebra."""
        u = self.columns(factors)

        def slope(v):
            eta = self.base + self.x @ beta + u @ v
            return v - u.T @ (self.y - self.size * self.link.natural(eta))

        found = optimize.minimize(
            lambda v: -self.log_density(v, beta, u), np.zeros(u.shape[1]), jac=slope, tol=1e-9
        )
        v = optimize.root(slope, found.x, tol=1e-13).x
        weight = self.size * self.link.slope(self.base + self.x @ beta + u @ v)
        h = np.eye(len(v)) + (u * weight[:, None]).T @ u
        return v, h, self.log_density(v, beta, u) - 0.5 * np.linalg.slogdet(h)[1]


@pytest.fixture(params=[(link, w) for link in (LOGIT, LOG) for w in WIDTHS],
                ids=lambda p: f"{p[0].name}, {p[1]}")  # fmt: skip
def world(request):
    link, widths = request.param
    return World(link, WIDTHS[widths])


def test_mode_value_and_curvature_are_those_of_the_dense_model(world):
    v, h, value = world.laplace(world.beta, world.factors)
    mode = world.mode()
    np.testing.assert_allclose(world.flat(mode.effects), v, atol=1e-7)
    np.testing.assert_allclose(
        mode.curvature.half_log_det, 0.5 * np.linalg.slogdet(h)[1], rtol=1e-8
    )
    np.testing.assert_allclose(criterion(world.rows, mode, 1).value, value, rtol=1e-9)


def test_solving_with_the_curvature_is_solving_with_the_dense_one(world):
    _, h, _ = world.laplace(world.beta, world.factors)
    rng = np.random.default_rng(1)
    right = tuple(rng.normal(size=part.shape) for part in world.start())
    found = world.mode().curvature.solve(right)
    np.testing.assert_allclose(world.flat(found), np.linalg.solve(h, world.flat(right)), atol=1e-7)


def test_entries_of_the_inverse_of_the_largest_factors_groups(world):
    _, h, _ = world.laplace(world.beta, world.factors)
    dense, q = np.linalg.inv(h), world.widths[0]
    block = inverse(world.mode().curvature).block
    for j in range(SIZES[0]):
        at = slice(j * q, (j + 1) * q)
        np.testing.assert_allclose(block[:, :, j], dense[at, at], atol=1e-7)


@pytest.mark.parametrize("points", [1, 5])
def test_gradients_are_differences_of_the_value(world, points):
    found = criterion(world.rows, world.mode(), points)
    step = 1e-5

    def value(beta, factors):
        return criterion(world.rows, world.mode(beta, factors), points).value

    for k in range(2):
        move = step * np.eye(2)[k]
        rise = value(world.beta + move, world.factors) - value(world.beta - move, world.factors)
        assert found.beta[k] == pytest.approx(rise / (2 * step), abs=2e-6)
    for term, factor in enumerate(world.factors):
        for a, b in np.argwhere(np.tril(np.ones_like(factor)) > 0):
            ends = []
            for sign in (1, -1):
                moved = [f.copy() for f in world.factors]
                moved[term][a, b] += sign * step
                ends.append(value(world.beta, moved))
            slope = (ends[0] - ends[1]) / (2 * step)
            assert found.factors[term][a, b] == pytest.approx(slope, abs=2e-6)


@pytest.mark.parametrize("link", [LOGIT, LOG], ids=["logit", "log"])
def test_many_nodes_give_the_integral_itself(link):
    """One factor of intercepts: every group's integral on a fine grid of v."""
    world = World(link, (1,))
    fixed = world.base + world.x @ world.beta
    v = np.linspace(-12, 12, 4001)
    exact = 0.0
    for j in range(SIZES[0]):
        at = world.index[0] == j
        eta = fixed[at, None] + world.factors[0][0, 0] * v
        log_f = world.y[at, None] * eta - world.size[at, None] * link.cumulant(eta)
        log_f = log_f.sum(axis=0) - link.best(world.y[at], world.size[at]).sum() - 0.5 * v**2
        exact += np.log(np.exp(log_f).sum() * (v[1] - v[0]) / np.sqrt(2 * np.pi))
    assert criterion(world.rows, world.mode(), 25).value == pytest.approx(exact, abs=1e-7)
