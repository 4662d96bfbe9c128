"""Draws from a density known on a line of nodes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import partialpool as pp
from partialpool.integrate import Line
from partialpool.integrate.axis import Axis
from partialpool.posterior import draws
from partialpool.posterior.draws import invert

LINE = Line(Axis(), 1.0, 0.5, 0.0625, -50, 55)
RNG = np.random.default_rng(1)


def test_each_row_of_weights_is_inverted_as_by_itself():
    middle, width = RNG.normal(0, 0.3, (40, 1)), RNG.uniform(0.2, 1.0, (40, 1))
    weight = np.exp(-0.5 * ((LINE.t - middle) / width) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    p = RNG.random(40)
    p[:2] = 1e-6, 1.0 - 1e-6
    together = invert(LINE, weight, p)
    alone = [invert(LINE, weight[[i]], p[[i]])[0] for i in range(40)]
    assert together == pytest.approx(alone, rel=1e-9)


def test_it_is_the_normal_quantile_of_a_normal_density():
    weight = np.exp(-0.5 * np.array([[0.2], [0.1]]) ** -2 * (LINE.u - 1.0) ** 2)
    weight *= np.cosh(LINE.t)
    weight /= weight.sum(axis=1, keepdims=True)
    log = np.log(invert(LINE, weight, np.array([0.025, 0.8])))
    assert log == pytest.approx(1.0 + np.array([0.2, 0.1]) * special.ndtri([0.025, 0.8]), abs=2e-4)


def test_a_line_of_a_thousand_nodes_is_thinned(monkeypatch):
    """Under a prior of tau that reaches far beyond the data the mean of tau needs 833 nodes of it;
    draws of 40,000 values of sigma, as ranks take them, were 14 minutes in coming."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(4), [11, 6, 5, 9])
    y = 1e3 * np.array([1.7, 0.43, 0.58, -0.02])[g] + rng.normal(size=31)
    fit = pp.fit("y ~ 1 + (1 | g)", {"y": y, "g": g}, prior="tau ~ half_normal(1e9)")
    assert len(fit.posterior._engine.grid.lines[1].t) > 500
    nodes = []
    monkeypatch.setattr(draws, "invert", lambda *a: nodes.append(len(a[0].t)) or invert(*a))
    drawn = fit.posterior.draws(20_000, rng)["tau"]
    assert max(nodes) <= 250
    shares = (drawn[:, None] < fit.posterior["tau"].quantile([0.025, 0.5, 0.975])).mean(axis=0)
    assert shares == pytest.approx([0.025, 0.5, 0.975], abs=0.01)
