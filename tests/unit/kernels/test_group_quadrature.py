"""Integrals over groups of counts and their moments, against sums on fine grids."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from partialpool.kernels import gauss_hermite
from partialpool.kernels.families import LOG, LOGIT
from partialpool.kernels.gauss_hermite import hermite
from partialpool.kernels.group_quadrature import GroupedRows, integrate_groups

STARTS = np.array([0, 3, 4, 9])
GROUP = np.repeat(np.arange(4), [3, 1, 5, 3])
CASES = [(link, q, single) for link in (LOGIT, LOG) for q in (1, 2) for single in (False, True)]


@pytest.fixture
def all_nodes(monkeypatch):
    """Product rules with their corners."""
    monkeypatch.setattr(gauss_hermite, "CORNER_WEIGHT", 0.0)
    hermite.cache_clear()
    yield
    hermite.cache_clear()


def rows_of(link, q, single):
    rng = np.random.default_rng(6)
    n = len(GROUP)
    z = np.column_stack([np.ones(n), rng.normal(size=(n, q - 1))])
    size = np.ones(n) if single else rng.integers(2, 9, n).astype(float)
    y = rng.binomial(size.astype(int), 0.4) if link is LOGIT else rng.poisson(0.5 * size)
    rows = GroupedRows(link, y.astype(float), size, z, STARTS)
    factor = np.stack([np.tril(rng.uniform(0.3, 0.9, (q, q))) for _ in range(2)])
    return rows, 0.5 * rng.normal(size=(n, 2)), factor


def on_a_grid(rows, known, factor):
    """Log integral of each group relative to its best, and moments of b = L v, for one point."""
    line = np.linspace(-9, 9, 241)
    v = np.array(list(itertools.product(line, repeat=rows.q)))
    b = v @ factor.T
    cell = (line[1] - line[0]) ** rows.q / (2 * np.pi) ** (rows.q / 2)
    value, moments = [], []
    for j in range(4):
        at = j == GROUP
        eta = known[at, None] + rows.z[at] @ b.T
        log_f = rows.y[at] @ eta - rows.size[at] @ rows.link.cumulant(eta)
        log_f = log_f - rows.link.best(rows.y[at], rows.size[at]).sum() - 0.5 * (v**2).sum(axis=1)
        f = np.exp(log_f)
        value.append(np.log(f.sum() * cell))
        share = f / f.sum()
        mean = share @ b
        away = b - mean
        second = np.einsum("k,ka,kc->ac", share, away, away)
        third = np.einsum("k,ka,kc,ke->ace", share, away, away, away)
        moments.append((mean, second, third))
    return np.array(value), [np.stack(m, axis=-1) for m in zip(*moments, strict=True)]


@pytest.mark.parametrize(("link", "q", "single"), CASES)
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.usefixtures("all_nodes")
def test_integrals_and_moments_are_those_on_a_grid(link, q, single, given):
    rows, known, factor = rows_of(link, q, single)
    start = np.zeros((q, 4, 2))
    linear = rows.sums(rows.y[:, None] * known) if given else None
    found, moments = integrate_groups(
        rows, known, factor, start, 21, linear=linear, steps=6, moments=True
    )
    for b in range(2):
        value, (mean, second, third) = on_a_grid(rows, known[:, b], factor[b])
        assert found[b] == pytest.approx(value.sum(), abs=2e-6)
        np.testing.assert_allclose(moments.mean[..., b], mean, atol=2e-6)
        np.testing.assert_allclose(moments.covariance[..., b], second, atol=5e-6)
        np.testing.assert_allclose(moments.third[..., b], third, atol=2e-5)


def test_the_rule_is_right_wherever_it_is_laid():
    rows, known, factor = rows_of(LOGIT, 1, False)
    values = [
        integrate_groups(rows, known, factor, np.full((1, 4, 2), v), 41, steps=s)[0]
        for v, s in ((0.0, 0), (0.8, 0), (0.0, 2), (2.0, 6))
    ]
    for value in values[1:]:
        np.testing.assert_allclose(value, values[0], atol=1e-7)


def test_parts_of_whole_groups_add_up():
    rows, known, factor = rows_of(LOG, 2, False)
    start = np.zeros((2, 4, 2))
    whole, _ = integrate_groups(rows, known, factor, start, 7)
    parts = rows.parts(5)
    assert len(parts) > 1
    added = sum(integrate_groups(some, known[r], factor, start[:, g], 7)[0] for r, g, some in parts)
    np.testing.assert_allclose(added, whole, rtol=1e-12)


@pytest.mark.parametrize("link", [LOGIT, LOG], ids=["logit", "log"])
def test_the_corners_left_out_are_worth_less_than_the_error_of_nine_nodes(link):
    rows, known, factor = rows_of(link, 2, False)
    found, _ = integrate_groups(rows, known, factor, np.zeros((2, 4, 2)), 9, steps=6)
    exact = [on_a_grid(rows, known[:, b], factor[b])[0].sum() for b in range(2)]
    np.testing.assert_allclose(found, exact, atol=5e-5)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_the_rule_has_the_moments_of_the_normal_distribution(q):
    node, log_weight = hermite(7, q)
    weight = np.exp(log_weight)
    assert weight.sum() == pytest.approx(1, rel=1e-12)
    for power, moment in ((1, 0.0), (2, 1.0), (4, 3.0), (6, 15.0)):
        exact = 1e-10 if q == 1 else 2e-3  # the corners are left out
        np.testing.assert_allclose(weight @ node**power, moment, atol=exact)
