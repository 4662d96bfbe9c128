"""The decisions of models/propriety.py against integrals that are watched as they grow."""

import math

import numpy as np
import pytest

import partialpool as pp
from partialpool.models.propriety import Sizes, check_proper

MEAN = np.array([28, 8, -3, 7, -1, 1.0])


def known(size, **prior):
    return pp.fit_groups(mean=MEAN[:size], se=[10.0] * size, prior=pp.priors(**prior))._engine


def log_integral(size, tau, mu_sd, upper, order=0):
    """Log of the integral of tau^order times posterior density, tau from 0 to e^upper."""
    u = np.linspace(-12, upper, 4000)
    t = np.exp(u)
    v = 100 + t**2
    y = MEAN[:size]
    precision = size / v
    log_f = -0.5 * size * np.log(v) - 0.5 * ((y - y.mean()) ** 2).sum() / v
    log_f += -0.5 * np.log(precision)
    if mu_sd is not None:
        spread = mu_sd**2 + 1 / precision
        log_f += -0.5 * np.log(spread) - 0.5 * y.mean() ** 2 / spread
    log_f += tau.log_density(t, 10.0) + (1 + order) * u
    return math.log(np.trapezoid(np.exp(log_f), u))


def converges(*args, **kwargs):
    at = [log_integral(*args, upper=upper, **kwargs) for upper in (40, 80, 120)]
    return at[2] - at[1] < 1e-4


PRIORS = [
    pp.Flat(), pp.HalfCauchy(5), pp.HalfT(0.5, 5), pp.HalfT(2, 5), pp.HalfNormal(5),
    pp.DuMouchel(), pp.UniformShrinkage(), pp.InverseGammaSq(0.3, 1),
]  # fmt: skip


@pytest.mark.parametrize("size", [2, 3, 4, 5])
@pytest.mark.parametrize("tau", PRIORS, ids=str)
@pytest.mark.parametrize("mu_sd", [None, 5.0])
def test_propriety_and_moments_with_standard_errors(size, tau, mu_sd):
    prior = {"tau": tau} if mu_sd is None else {"tau": tau, "mu": pp.Normal(0, mu_sd)}
    if not converges(size, tau, mu_sd):
        with pytest.raises(pp.ImproperPosteriorError, match="half_normal"):
            known(size, **prior)
        return
    post = known(size, **prior)
    assert np.isfinite(post.tau.mean) == converges(size, tau, mu_sd, order=1)
    assert np.isfinite(post.tau.sd) == converges(size, tau, mu_sd, order=2)


def test_flat_priors_on_two_groups_are_refused():
    with pytest.raises(pp.ImproperPosteriorError, match="at least 3 groups"):
        known(2)


@pytest.mark.parametrize(("size", "mean", "sd"), [(3, False, False), (4, True, False), (5, 1, 1)])
def test_moments_of_mu_and_tau_under_flat_priors(size, mean, sd):
    post = known(size)
    for d in (post.mu, post.tau, post.new_group):
        assert np.isfinite(d.mean) == bool(mean)
        assert np.isfinite(d.sd) == bool(sd)
    assert np.isfinite(post.theta.mean).all()
    assert np.isfinite(post.theta.sd).all()


TABLE = [
    # groups, rows, rows differ within groups, priors, proper
    (3, 9, True, {}, True),
    (2, 9, True, {}, False),
    (2, 9, True, {"tau": pp.HalfNormal(1)}, True),
    (2, 9, True, {"mu": pp.Normal(0, 1)}, True),
    (2, 9, True, {"tau": pp.UniformShrinkage()}, True),
    (5, 5, False, {}, False),
    (5, 5, False, {"tau": pp.HalfNormal(1)}, False),
    (5, 5, False, {"tau": pp.HalfNormal(1), "sigma": pp.HalfNormal(1)}, True),
    (5, 9, False, {}, False),
    (5, 9, False, {"sigma": pp.HalfNormal(1)}, False),
    (5, 9, False, {"sigma": pp.LogNormal(0, 1)}, True),
]


@pytest.mark.parametrize(("groups", "n", "varies", "prior", "proper"), TABLE)
def test_propriety_with_rows(groups, n, varies, prior, proper):
    sizes = Sizes(groups, n, varies, sigma_known=False)
    if proper:
        assert check_proper(sizes, pp.priors(**prior)).sigma > 0
    else:
        with pytest.raises(pp.ImproperPosteriorError):
            check_proper(sizes, pp.priors(**prior))
