"""Six and ten hyperparameters, sampled: right beside exact answers, and told honestly."""

from __future__ import annotations

import numpy as np
import pytest

from partialpool.formula import parse, read_roles
from partialpool.integrate import Accuracy, Sample, importance
from partialpool.models import Priors
from partialpool.posterior import mixed_posterior
from partialpool.rows import read_mixed


def statistics(formula, data):
    return read_mixed(read_roles(parse(formula)), data).statistics


@pytest.fixture(scope="module")
def three_slopes():
    """Rows of 60 groups whose intercept and three slopes vary."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(60), 40)
    x = rng.normal(size=(len(g), 3))
    b = rng.normal(size=(60, 4)) * np.array([0.5, 0.4, 0.3, 0.2])
    y = 1.0 + x @ [0.5, 0.2, -0.1] + b[g, 0] + (x * b[g, 1:]).sum(axis=1) + rng.normal(size=len(g))
    return {"y": y, "x1": x[:, 0], "x2": x[:, 1], "x3": x[:, 2], "g": g}


FORMULA = "y ~ x1 + x2 + x3 + (1 + x1 + x2 + x3 | g)"


def numbers(post):
    """Ends of every parameter and of some groups, with a fourth of each interval's width."""
    ends = [d.interval() for d in post.named().values()]
    ends += list(post.group(0).interval()[:, ::15].T)
    ends = np.array(ends)
    return ends, (ends[:, 1] - ends[:, 0]) / 3.92


def test_three_slopes_are_told_honestly(three_slopes, monkeypatch):
    """An error of 3.7e148 before; here against eight times the points of another seed."""
    s = statistics(FORMULA, three_slopes)
    post = mixed_posterior(s, Priors())
    assert isinstance(post.weighted, Sample)
    assert post.status is Accuracy.REACHED
    assert post.error <= 0.2
    monkeypatch.setattr(importance, "SEED", 1)
    monkeypatch.setattr(importance, "FIRST_SIZE", 2**16)
    monkeypatch.setattr(importance, "LARGEST_SIZE", 2**16)
    truth, unit = numbers(mixed_posterior(s, Priors()))
    off = abs(numbers(post)[0] - truth) / unit[:, None]
    assert np.mean(off < post.error) >= 0.95
    assert off.max() < 0.15


def test_draws_of_a_sample_are_its_tables(three_slopes):
    post = mixed_posterior(statistics(FORMULA, three_slopes), Priors())
    drawn = post.draws(20_000, np.random.default_rng(1))
    pairs = [(drawn.tau[k], d) for k, d in post.taus.items()]
    pairs += [(drawn.rho[k], d) for k, d in post.rhos.items()]
    pairs.append((drawn.sigma, post.sigma))
    for values, distribution in pairs:
        for p in (0.05, 0.5, 0.95):
            below = np.mean(values < float(distribution.quantile(p)))
            assert abs(below - p) < 0.02
    known = post.linear(
        np.array([[1.0, 0.0, 0.0, 0.0]]), {0: (np.array([3]), np.array([[1.0, 0, 0, 0]]))}
    )
    np.testing.assert_allclose(known.interval()[:, 0], post.group(0).interval()[:, 12], rtol=1e-9)
