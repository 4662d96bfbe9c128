"""Crossed factors: nodes together, one by one, and a dense solution agree."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.kernels import crossed
from partialpool.posterior import effects
from partialpool.posterior.linear import Rows, functional


def fitted(formula):
    rng = np.random.default_rng(5)
    g, h, x = rng.integers(0, 9, 120), rng.integers(0, 5, 120), rng.normal(size=120)
    y = 2 + x + rng.normal(size=9)[g] + 0.5 * rng.normal(size=5)[h] + rng.normal(size=120)
    data = {"y": y, "x": x, "g": g, "h": h}
    return data, pp.fit(formula, data, prior=["tau ~ half_normal(2)"])._engine


def rows_of(engine):
    blocks = range(len(engine.statistics.blocks))
    rows = [effects.group_rows(engine.model, block, whole=True) for block in blocks]
    rows += [effects.new_group_row(engine.model, 0, 0)]
    return Rows.joined(rows)


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g) + (1 | h)", "y ~ x + (x | g) + (x | h)"])
def test_nodes_together_are_nodes_one_by_one(formula, monkeypatch):
    _, engine = fitted(formula)
    rows, found = rows_of(engine), []
    for most in (0, 2**30):
        monkeypatch.setattr(crossed, "CELLS_TOGETHER", most)
        found.append(functional(engine.model, engine._few, rows))
    for name in ("constant", "x", "variance"):
        np.testing.assert_allclose(getattr(found[0], name), getattr(found[1], name), atol=1e-12)


def test_effects_given_everything_else_against_a_dense_solution():
    """b given beta, tau and sigma is normal with precision Z'Z / sigma^2 + diag(1 / tau^2)."""
    data, engine = fitted("y ~ x + (1 | g) + (1 | h)")
    model, nodes = engine.model, engine._few
    rows = [effects.group_rows(model, t, whole=False) for t in range(2)]
    found = functional(model, nodes, Rows.joined(rows))
    z = np.column_stack([data["g"][:, None] == np.arange(9), data["h"][:, None] == np.arange(5)])
    z = z.astype(float)
    for k in (0, len(nodes.weight) // 2):
        sigma = float(model.sigma(nodes.points[[k]])[0])
        taus = [float(f[0, 0, 0]) * sigma for f in model.factors(nodes.points[[k]])]
        prior = np.concatenate([np.full(9, taus[0] ** -2), np.full(5, taus[1] ** -2)])
        covariance = np.linalg.inv(z.T @ z / sigma**2 + np.diag(prior))
        np.testing.assert_allclose(found.variance[k] * sigma**2, np.diag(covariance), rtol=1e-8)


def test_draws_together_have_the_moments_of_draws_one_by_one(monkeypatch):
    _, engine = fitted("y ~ x + (x | g) + (1 | h)")
    found = []
    for most in (0, 2**30):
        monkeypatch.setattr(crossed, "CELLS_TOGETHER", most)
        found.append(engine.draws(4000, np.random.default_rng(1)).effects)
    for one, other in zip(*found, strict=True):
        sd = one.std(axis=0)
        assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) < 0.12 * sd).all()
        np.testing.assert_allclose(other.std(axis=0), sd, rtol=0.12)
