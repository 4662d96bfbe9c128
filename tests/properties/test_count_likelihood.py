"""The likelihood of counts against dense algebra, its gradient against differences of values."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import integrate, special

from partialpool.kernels.count_mode import find_mode
from partialpool.kernels.factor_pairs import DensePairs, SparsePairs
from partialpool.kernels.families import LOG, LOGIT
from partialpool.kernels.grouped_counts import grouped_counts
from partialpool.kernels.laplace import criterion

STEP = 1e-4


def rows_of(kind, link, q, seed, size=60):
    """Random rows: factors of `kind`, the first with q effects a group, and an offset."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 12, size)
    many = rng.integers(0, 40, size)
    index, widths = {
        "one": ([first], [q]),
        "nested": ([first, first // 3], [q, 1]),
        "nested in three": ([first, first // 2, first // 6], [q, q, 1]),
        "crossed": ([first, rng.integers(0, 5, size)], [q, q]),
        "three crossed": ([first, rng.integers(0, 5, size), rng.integers(0, 4, size)], [q, 1, 2]),
        "sparse": ([many, (3 * many + rng.integers(0, 2, size)) % 30], [q, q]),
    }[kind]
    order = np.argsort(index[0], kind="stable")
    index = [np.unique(i[order], return_inverse=True)[1] for i in index]
    sizes = [int(i.max()) + 1 for i in index]
    x = np.column_stack([np.ones(size), rng.normal(size=size)])
    z = [np.column_stack([np.ones(size), rng.normal(size=size)])[:, :w] for w in widths]
    eta = -0.3 + 0.5 * x[:, 1]
    for i, columns, groups, w in zip(index, z, sizes, widths, strict=True):
        eta += (columns * rng.normal(0, 0.8, (groups, w))[i]).sum(axis=1)
    if link is LOGIT:
        n = rng.integers(1, 6, size).astype(float)
        y = rng.binomial(n.astype(int), special.expit(eta)).astype(float)
    else:
        n = rng.uniform(0.5, 3, size)  # exposure
        y = rng.poisson(n * np.exp(eta)).astype(float)
    factors = list(zip(index, z, sizes, strict=True))
    return grouped_counts(link, (y, n, rng.normal(0, 0.2, size)), x, factors)


def at(rows, beta, factors, points):
    start = np.zeros((len(rows.z[0]), len(rows.starts))), np.zeros(rows.n_others)
    mode = find_mode(rows, beta, factors, start)
    return mode, criterion(rows, mode, points)


def somewhere(rows, seed):
    rng = np.random.default_rng(seed)
    factors = [np.tril(rng.normal(0, 0.5, (len(z), len(z)))) + 0.4 * np.eye(len(z)) for z in rows.z]
    return rng.normal(0, 0.3, 2), factors


KINDS = ["one", "nested", "nested in three", "crossed", "three crossed", "sparse"]
CASES = list(itertools.product(KINDS, [LOGIT, LOG], [1, 2], [1, 3, 9]))


@pytest.mark.parametrize(("kind", "link", "q", "points"), CASES)
def test_gradient_is_that_of_the_value(kind, link, q, points):
    rows = rows_of(kind, link, q, seed=len(kind) + q)
    beta, factors = somewhere(rows, seed=points)
    _, found = at(rows, beta, factors, points)
    numeric, exact = [], [*found.beta]
    for one in STEP * np.eye(2):
        up, down = (at(rows, beta + s * one, factors, points)[1].value for s in (1, -1))
        numeric.append((up - down) / (2 * STEP))
    for k, factor in enumerate(factors):
        for entry in zip(*np.tril_indices(len(factor)), strict=True):
            values = []
            for sign in (1, -1):
                moved = [f.copy() for f in factors]
                moved[k][entry] += sign * STEP
                values.append(at(rows, beta, moved, points)[1].value)
            numeric.append((values[0] - values[1]) / (2 * STEP))
            exact.append(found.factors[k][entry])
    np.testing.assert_allclose(exact, numeric, rtol=0, atol=3e-6 * np.abs(exact).max())


@pytest.mark.parametrize("kind", KINDS)
def test_log_determinant_and_solution_are_those_of_dense_algebra(kind):
    rows = rows_of(kind, LOGIT, 2, seed=1)
    mode, _ = at(rows, *somewhere(rows, seed=2), 1)
    wide, each = np.zeros((len(rows.y), 2 * len(rows.starts) + rows.n_others)), np.arange(60)
    for b in range(2):  # group after group within an effect
        wide[each, b * len(rows.starts) + rows.index[0]] = mode.t[0][b]
    for t, columns in zip(mode.t[1:], rows.columns, strict=True):
        for b in range(len(t)):
            wide[each, 2 * len(rows.starts) + columns[b]] += t[b]
    dense = np.eye(wide.shape[1]) + (wide.T * mode.weight) @ wide
    half = 0.5 * np.linalg.slogdet(dense)[1]
    assert mode.curvature.half_log_det == pytest.approx(half, abs=1e-11)
    right = np.random.default_rng(0).normal(size=len(dense))
    v, r = right[: 2 * len(rows.starts)].reshape(2, -1), right[2 * len(rows.starts) :]
    solved = np.concatenate([each.ravel() for each in mode.curvature.solve((v, r))])
    np.testing.assert_allclose(solved, np.linalg.solve(dense, right), atol=1e-11)


def test_how_pairs_are_held():
    """Crossed factors as an array; upper groups of nested ones in parts of their own."""
    assert isinstance(rows_of("crossed", LOGIT, 1, 0).pairs, DensePairs)
    nested = rows_of("nested in three", LOGIT, 1, 0).pairs
    assert isinstance(nested, SparsePairs)
    assert (nested.parts.number, nested.parts.width) == (2, 4)
    two = rows_of("nested", LOGIT, 2, 0).pairs.parts
    assert (two.number, two.width) == (4, 1)


def test_parts_of_unequal_sizes_share_no_place():
    group = np.arange(20)
    column = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7])
    column[:5] = np.arange(8, 13)
    group[:5] = 0  # one part of five columns, seven or eight of one
    from partialpool.kernels.factor_pairs import make_parts

    parts = make_parts(group, column, 20, 13)
    assert parts.width == 5
    assert len(set(zip(parts.part.tolist(), parts.slot.tolist(), strict=True))) == 13
    assert len(set(parts.part[8:].tolist())) == 1


@pytest.mark.parametrize("link", [LOGIT, LOG])
def test_quadrature_is_the_integral(link):
    """One group of five rows, integrated by an adaptive rule of another kind."""
    rng = np.random.default_rng(4)
    y, n = rng.integers(0, 3, 5).astype(float), np.full(5, 3.0)
    x = np.column_stack([np.ones(5), rng.normal(size=5)])
    rows = grouped_counts(link, (y, n, np.zeros(5)), x, [(np.zeros(5, int), np.ones((5, 1)), 1)])
    beta, tau = np.array([-0.2, 0.4]), 1.3

    def density(v):
        eta = x @ beta + tau * v
        return np.exp((y * eta - n * link.cumulant(eta) - rows.best).sum() - 0.5 * v * v)

    total = integrate.quad(density, -12, 12, epsabs=1e-14, epsrel=1e-12)[0]
    expected = np.log(total) - 0.5 * np.log(2 * np.pi)
    assert at(rows, beta, [np.array([[tau]])], 25)[1].value == pytest.approx(expected, abs=1e-9)


def test_pairs_made_in_pieces_are_the_same(monkeypatch):
    rows, where = rows_of("sparse", LOGIT, 2, 3), somewhere(rows_of("sparse", LOGIT, 2, 3), 1)
    whole = at(rows, *where, 1)[1]
    monkeypatch.setattr("partialpool.kernels.factor_pairs.PRODUCTS_AT_ONCE", 7)
    monkeypatch.setattr("partialpool.kernels.factor_pairs.PLACES_HELD", 0)
    monkeypatch.setattr("partialpool.kernels.adaptive.CELLS_AT_ONCE", 9)
    again = rows_of("sparse", LOGIT, 2, 3)
    pieces = at(again, *where, 1)[1]
    assert pieces.value == pytest.approx(whole.value, abs=1e-12)
    np.testing.assert_allclose(pieces.factors[1], whole.factors[1], atol=1e-12)
    np.testing.assert_allclose(
        at(again, *where, 5)[1].beta, at(rows, *where, 5)[1].beta, atol=1e-11
    )
