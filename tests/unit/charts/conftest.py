"""Posteriors to draw."""

import numpy as np
import pytest

import partialpool as pp


def simulated(groups, tau=5.0, names=None, seed=1):
    rng = np.random.default_rng(seed)
    n = rng.integers(2, 60, groups)
    mean = rng.normal(70, tau, groups) + rng.normal(0, 10, groups) / np.sqrt(n)
    sd = 10 * np.sqrt(rng.chisquare(n - 1) / (n - 1))
    return pp.fit_groups(n=n, mean=mean, sd=sd, names=names, factor="school")._engine


@pytest.fixture(scope="session")
def schools():
    """Eight schools: known standard errors."""
    table = pp.datasets.eight_schools()
    return pp.fit("effect | se(se) ~ 1 + (1 | school)", table)._engine


@pytest.fixture(scope="session")
def twelve():
    return simulated(12)


@pytest.fixture(scope="session")
def many():
    return simulated(1500)


@pytest.fixture(scope="session")
def two_hundred_estimates():
    rng = np.random.default_rng(2)
    se = rng.uniform(1, 40, 200)
    return pp.fit_groups(mean=rng.normal(0, se), se=se, factor="study")._engine


@pytest.fixture(scope="session")
def three():
    """So few that tau has no mean."""
    return pp.fit_groups(mean=[28, 8, -3], se=[15, 10, 16])._engine
