"""Mixtures over nodes and components, against sums written out and against draws."""

import numpy as np
import pytest
from scipy import optimize, stats

from partialpool.posterior.node_mixture import NodeComponents, NodeMixture


def mixture(groups=5, nodes=7, components=3, *, atom=None, seed=1):
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.ones(components), size=(nodes, groups))
    loc = 6.0 * rng.standard_normal((nodes, groups, components))
    variance = rng.gamma(1.0, size=(nodes, 1, components))
    if atom is not None:
        loc[..., 0], variance[..., 0] = atom, 0.0
    weight = rng.dirichlet(np.ones(nodes))
    parts = np.log(share), loc, variance

    def rows(part):
        return NodeComponents(parts[0][:, part], parts[1][:, part], parts[2])

    of = NodeMixture((groups,), rows, weight, components, shift=2.0)
    return of, weight[:, None, None] * share, loc + 2.0, np.broadcast_to(variance, loc.shape)


def cdf_by_sum(x, j, weight, loc, variance):
    sd = np.sqrt(variance[:, j])
    below = np.where(sd > 0, stats.norm.cdf((x - loc[:, j]) / np.maximum(sd, 1e-300)), 0.0)
    return (weight[:, j] * np.where(sd > 0, below, x >= loc[:, j])).sum()


@pytest.mark.parametrize("atom", [None, 0.5])
def test_against_sums(atom):
    of, weight, loc, variance = mixture(atom=atom)
    mean = (weight * loc).sum(axis=(0, 2))
    np.testing.assert_allclose(of.mean, mean, rtol=1e-12)
    second = (weight * (variance + (loc - mean[:, None]) ** 2)).sum(axis=(0, 2))
    np.testing.assert_allclose(of.sd, np.sqrt(second), rtol=1e-9)
    for x in (-3.0, 0.0, 2.5, 4.0):
        exact = [cdf_by_sum(x, j, weight, loc, variance) for j in range(5)]
        np.testing.assert_allclose(of.cdf(x), exact, atol=1e-9)
        step = (of.cdf(x + 1e-5) - of.cdf(x - 1e-5)) / 2e-5
        if x != 2.5:
            np.testing.assert_allclose(of.density(x), step, rtol=1e-4, atol=1e-8)


def test_quantiles_are_those_of_the_mixture():
    of, weight, loc, variance = mixture()
    for p in (0.001, 0.025, 0.5, 0.9, 0.999):
        for j, value in enumerate(of.quantile(p)):
            exact = optimize.brentq(
                lambda x, j=j, p=p: cdf_by_sum(x, j, weight, loc, variance) - p, -60, 60, xtol=1e-12
            )
            assert value == pytest.approx(exact, abs=1e-7)


def test_a_quantile_at_an_atom_is_the_atom():
    of, weight, loc, variance = mixture(atom=0.5)
    p = np.linspace(0.02, 0.98, 49)
    values = of.quantile(p)
    jump = of.cdf(2.5) - of.cdf(2.5 - 1e-9)
    np.testing.assert_allclose(of.atom_weight(), jump, atol=1e-7)
    for j in range(5):
        below, above = of.cdf(2.5 - 1e-9)[j], of.cdf(2.5)[j]
        inside = (p > below + 1e-6) & (p < above - 1e-6)
        assert inside.any()
        assert (values[inside, j] == 2.5).all()
        for value, at in zip(values[~inside, j], p[~inside], strict=True):
            assert cdf_by_sum(value, j, weight, loc, variance) == pytest.approx(at, abs=1e-8)


def test_draws_are_of_the_same_distribution():
    of, weight, _, _ = mixture(atom=0.5)
    rng = np.random.default_rng(7)
    chosen = rng.choice(len(of.weight), size=40_000, p=of.weight)
    at = of.rows(slice(None))
    drawn = NodeComponents(
        at.log_share[chosen], at.loc[chosen], np.broadcast_to(at.variance, at.loc.shape)[chosen]
    ).draw(rng)
    below = (drawn + 2.0 <= 3.0).mean(axis=0)
    np.testing.assert_allclose(below, of.cdf(3.0), atol=0.01)
    np.testing.assert_allclose((drawn == 0.5).mean(axis=0), weight[..., 0].sum(axis=0), atol=0.01)


def test_blocks_do_not_change_anything(monkeypatch):
    of, *_ = mixture(groups=40)
    whole = of.quantile([0.025, 0.5])
    monkeypatch.setattr("partialpool.posterior.node_mixture.CELLS_AT_ONCE", 100)
    np.testing.assert_allclose(of.quantile([0.025, 0.5]), whole, rtol=1e-9)


def test_moments_that_do_not_exist():
    of, *_ = mixture()
    heavy = NodeMixture(of.shape, of.rows, of.weight, 3, moments=1.5)
    assert np.isinf(heavy.sd).all()
    assert np.isfinite(heavy.mean).all()


@pytest.mark.parametrize("atom", [None, 0.5])
def test_gathering_does_not_move_quantiles(atom, monkeypatch):
    """Thousands of components, narrow and wide, some far out."""
    rng = np.random.default_rng(3)
    loc = rng.standard_normal((50, 6, 40)) * rng.choice([0.3, 1.0, 5.0], size=(1, 6, 1))
    variance = np.exp(rng.uniform(-8.0, 1.0, size=(50, 1, 40)))
    variance[:, :, -1] = 900.0
    share = rng.dirichlet(np.full(40, 0.5), size=(50, 6))
    if atom is not None:
        loc[..., 0], variance[..., 0] = atom, 0.0
    weight = rng.dirichlet(np.ones(50))

    def rows(part):
        return NodeComponents(np.log(share[:, part] + 1e-300), loc[:, part], variance)

    of, p = NodeMixture((6,), rows, weight, 40), np.array([0.001, 0.025, 0.3, 0.5, 0.975, 0.999])
    quick = of.quantile(p)
    monkeypatch.setattr("partialpool.posterior.node_mixture.GATHERED_FROM", 10**9)
    exact = of.quantile(p)
    width = exact[4] - exact[1]
    assert np.abs((quick - exact) / width)[[1, 3, 4]].max() < 1e-4
    assert np.abs((quick - exact) / width).max() < 2e-3  # between two peaks, and far out
