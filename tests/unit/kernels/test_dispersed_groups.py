"""Groups of negative and beta-binomial rows integrated out, against sums on fine grids."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import special, stats

from partialpool.kernels.count_mode import find_mode
from partialpool.kernels.families import LOG, LOGIT
from partialpool.kernels.group_quadrature import GroupedRows, integrate_groups
from partialpool.kernels.grouped_counts import grouped_counts
from partialpool.kernels.laplace import criterion
from partialpool.kernels.row_likelihood import DispersedRows

STARTS = np.array([0, 3, 4, 9])
GROUP = np.repeat(np.arange(4), [3, 1, 5, 3])
N = len(GROUP)
DISPERSION = np.array([0.4, 1.1])
FAMILIES = ["negative_binomial", "beta_binomial"]


def rows_of(family, q):
    rng = np.random.default_rng(6)
    z = np.column_stack([np.ones(N), rng.normal(size=(N, q - 1))])
    size = rng.integers(2, 9, N).astype(float)
    y = np.minimum(rng.negative_binomial(2, 0.4, N).astype(float), size)
    link = LOG if family == "negative_binomial" else LOGIT
    dispersed = DispersedRows(family, y, size, np.ones(N))
    return GroupedRows(link, y, size, z, STARTS, dispersed), rng


def log_density(family, y, size, eta, d):
    """Of each row, constants included."""
    if family == "negative_binomial":
        k, mean = d**-2.0, size * np.exp(eta)
        return stats.nbinom.logpmf(y, k, k / (k + mean))
    f, p = d**-2.0, special.expit(eta)
    return stats.betabinom.logpmf(y, size, f * p, f * (1.0 - p))


def constants(family, y, size):
    if family == "negative_binomial":
        return special.xlogy(y, size) - special.gammaln(y + 1.0)
    return np.log(special.comb(size, y))


def on_a_grid(rows, family, known, factor, d):
    """Log integral of each group and mean of b = L v, for one point."""
    line = np.linspace(-9, 9, 181)
    v = np.array(list(itertools.product(line, repeat=rows.q)))
    b = v @ factor.T
    cell = (line[1] - line[0]) ** rows.q / (2 * np.pi) ** (rows.q / 2)
    value, mean = [], []
    for j in range(4):
        at = j == GROUP
        y, size = rows.y[at, None], rows.size[at, None]
        each = log_density(family, y, size, known[at, None] + rows.z[at] @ b.T, d)
        f = np.exp((each - constants(family, y, size)).sum(axis=0) - 0.5 * (v**2).sum(axis=1))
        value.append(np.log(f.sum() * cell))
        mean.append((f / f.sum()) @ b)
    return np.array(value), np.array(mean).T


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("q", [1, 2])
def test_every_point_with_a_dispersion_of_its_own(family, q):
    rows, rng = rows_of(family, q)
    factor = np.stack([np.tril(rng.uniform(0.3, 0.9, (q, q))) for _ in range(2)])
    known = 0.5 * rng.normal(size=(N, 2))
    start = np.zeros((q, 4, 2))
    by_group, moments = integrate_groups(
        rows.with_dispersion(DISPERSION),
        known,
        factor,
        start,
        21,
        steps=8,
        moments=True,
        by_group=True,
    )
    for b in range(2):
        value, mean = on_a_grid(rows, family, known[:, b], factor[b], DISPERSION[b])
        atol = 2e-5 if q == 1 else 2e-4  # the rule in two dimensions leaves its corners out
        np.testing.assert_allclose(by_group[:, b] + rows.best, value, atol=atol)
        np.testing.assert_allclose(moments.mean[..., b], mean, atol=atol)


def test_columns_that_differ_and_one_exponential_a_row_agree():
    """The way of intercepts and the general one, of which slopes need the other."""
    rows, rng = rows_of("negative_binomial", 1)
    known, factor = 0.5 * rng.normal(size=(N, 2)), np.full((2, 1, 1), 0.7)
    start = np.zeros((1, 4, 2))
    quick, _ = integrate_groups(rows.with_dispersion(DISPERSION), known, factor, start, 9)
    rows.__dict__["intercept"] = False
    given = rows.with_dispersion(DISPERSION)
    given.__dict__["intercept"] = False
    slow, _ = integrate_groups(given, known, factor, start, 9)
    np.testing.assert_allclose(quick, slow, atol=1e-10)


def laplace_rows(family, q):
    rows, rng = rows_of(family, q)
    other = np.tile([0, 1, 2], 4)
    counts = rows.y, rows.size, 0.2 * rng.normal(size=N)
    x = np.column_stack([np.ones(N), rng.normal(size=N)])
    factors = [(GROUP, rows.z, 4), (other, np.ones((N, 1)), 3)]
    return grouped_counts(rows.link, counts, x, factors[: 3 - q], rows.dispersed)


@pytest.mark.parametrize("points", [1, 7])
@pytest.mark.parametrize("q", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_of_the_criterion(family, q, points):
    """In beta, in an entry of each factor and in the dispersion, by differences of its value."""
    rows = laplace_rows(family, q)
    factors = [np.tril(np.full((q, q), 0.4)) + 0.3 * np.eye(q), np.array([[0.6]])][: 3 - q]

    def at(beta=0.0, entry=0.0, log_d=0.0):
        changed = [f + (entry if k == 0 else 0.0) * np.eye(len(f))[:1].T @ np.eye(len(f))[:1]
                   for k, f in enumerate(factors)]  # fmt: skip
        d = 0.7 * np.exp(log_d)
        start = np.zeros((q, 4)), np.zeros(rows.n_others)
        mode = find_mode(rows, np.array([-0.3 + beta, 0.4]), changed, start, d)
        return criterion(rows, mode, points, d)

    exact, h = at(), 1e-4
    found = [exact.beta[0], exact.factors[0][0, 0], exact.log_dispersion]
    for name, value in zip(("beta", "entry", "log_d"), found, strict=True):
        numeric = (at(**{name: h}).value - at(**{name: -h}).value) / (2 * h)
        assert value == pytest.approx(numeric, abs=2e-6), name


@pytest.mark.parametrize("family", FAMILIES)
def test_many_nodes_give_the_likelihood(family):
    rows = laplace_rows(family, 2)
    factor = np.array([[0.7, 0.0], [0.4, 0.7]])
    start = np.zeros((2, 4)), np.zeros(0)
    mode = find_mode(rows, np.array([-0.3, 0.4]), [factor], start, 0.7)
    grouped, _ = rows_of(family, 2)
    known = rows.base + rows.x @ [-0.3, 0.4]
    value, _ = on_a_grid(grouped, family, known, factor, 0.7)
    exact = value.sum() - grouped.best.sum()
    assert criterion(rows, mode, 25, 0.7).value == pytest.approx(exact, abs=2e-4)
    assert criterion(rows, mode, 1, 0.7).value == pytest.approx(exact, abs=0.2)


def test_a_mode_where_a_row_curves_upward():
    """Far from the mode a beta-binomial row's weight is negative: the search still gets there."""
    y, size = np.array([0.0, 900.0, 100.0, 200.0]), np.full(4, 1000.0)
    dispersed = DispersedRows("beta_binomial", y, size, np.ones(4))
    index = np.array([0, 0, 1, 1])
    factors = [(index, np.ones((4, 1)), 2)]
    rows = grouped_counts(LOGIT, (y, size, np.zeros(4)), np.ones((4, 1)), factors, dispersed)
    start = np.array([[2.0, -2.0]]), np.zeros(0)
    assert (rows.with_dispersion(0.05).curvatures(np.full(4, 4.0))[1] < 0.0).any()
    mode = find_mode(rows, np.zeros(1), [np.array([[2.0]])], start, 0.05)
    gradient = rows.over_groups(2.0 * mode.residual) - mode.effects[0][0]
    np.testing.assert_allclose(gradient, 0.0, atol=1e-6)
