"""With very many groups, quantiles come from fewer nodes or from moments: the same ones."""

from __future__ import annotations

import numpy as np
import pytest

import partialpool as pp
from partialpool.posterior.one_way import Theta

PROBABILITIES = np.array([0.001, 0.025, 0.1, 0.5, 0.9, 0.975, 0.999])


@pytest.mark.parametrize(("tau", "size"), [(0.0, 5_000), (0.05, 30_000), (3.0, 10_000)])
@pytest.mark.parametrize("known", [True, False], ids=["known errors", "rows"])
def test_quantiles_equal_those_of_all_nodes(tau, size, known):
    rng = np.random.default_rng(1)
    n = rng.integers(1, 40, size)
    theta = rng.normal(0, tau, size)
    mean = rng.normal(theta, 1 / np.sqrt(n))
    if known:
        post = pp.fit_groups(mean=mean, se=1 / np.sqrt(n))._engine
    else:
        sd = np.sqrt(rng.chisquare(np.maximum(n - 1, 1)) / np.maximum(n - 1, 1))
        post = pp.fit_groups(n=n, mean=mean, sd=np.where(n > 1, sd, 0.0))._engine
    if tau > 0:  # near 0 no small rule is accurate enough, and all nodes are used
        assert len(post._for_quantiles.weight) < len(post.components.weight)
    some = rng.choice(size, 300, replace=False)
    full = Theta.of(post, post.components, some)
    gap = post.theta.quantile(PROBABILITIES)[:, some] - full.quantile(PROBABILITIES)
    assert np.abs(gap / full.sd).max() < 1e-7


def test_which_way_is_taken_depends_on_a_check():
    rng = np.random.default_rng(2)
    mean = rng.normal(0, 3, 100_000) + rng.normal(0, 1, 100_000)
    narrow = pp.fit_groups(mean=mean, se=np.ones(100_000))._engine
    assert narrow.theta.nearly_normal
    few = pp.fit_groups(mean=mean[:12], se=np.ones(12))._engine
    assert not few.theta.nearly_normal
