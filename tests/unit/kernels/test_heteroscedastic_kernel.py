"""Log densities of groups that differ in noise against fine sums, one group at a time."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from partialpool.kernels import heteroscedastic
from partialpool.kernels.heteroscedastic import GroupSums, given_phi, log_marginal, log_marginals

N = np.array([1.0, 1, 2, 2, 3, 5, 8, 15, 40, 200])


def _groups(omega, seed=1):
    rng = np.random.default_rng(seed)
    noise = 2.0 * np.exp(min(omega, 1.0) * rng.standard_normal(len(N)))
    mean = 1.5 * rng.standard_normal(len(N)) + noise / np.sqrt(N) * rng.standard_normal(len(N))
    return GroupSums(N, N, mean, noise**2 * rng.chisquare(np.maximum(N - 1, 1)) * (N > 1))


def _naive(groups, phi):
    """Sum of the product of the densities of the mean, of ss and of log sigma_j; constants out."""
    mu, tau, sigma, omega = phi
    x = np.linspace(np.log(sigma) - 12 * omega - 8, np.log(sigma) + 12 * omega + 8, 100_001)
    out = []
    for n, mean, ss in zip(groups.n, groups.mean, groups.ss, strict=True):
        log_f = stats.norm.logpdf(x, np.log(sigma), omega)
        log_f += stats.norm.logpdf(mean, mu, np.sqrt(np.exp(2 * x) / n + tau**2))
        log_f += -(n - 1) * x - 0.5 * ss * np.exp(-2 * x)
        out.append(logsumexp(log_f) + np.log(x[1] - x[0]))
    return np.array(out)


@pytest.mark.parametrize(
    ("omega", "close"), [(0.02, 1e-8), (0.1, 2e-6), (0.3, 2e-5), (0.8, 2e-4), (2.5, 2e-3)]
)
def test_nodes_over_log_sigma(omega, close):
    groups = _groups(omega)
    for tau in (0.1, 1.5):
        phi = np.array([0.3, tau, 2.0, omega])
        np.testing.assert_allclose(
            log_marginals(groups, phi[None])[0], _naive(groups, phi), atol=close
        )


def test_sum_over_groups_and_blocks(monkeypatch):
    groups, rng = _groups(0.5), np.random.default_rng(2)
    phi = np.exp(0.3 * rng.standard_normal((50, 4)))
    phi[:, 2:] = np.round(phi[:, 2:], 1)  # shared pairs
    each = log_marginals(groups, phi)
    monkeypatch.setattr(heteroscedastic, "GROUPS_AT_ONCE", 3)
    monkeypatch.setattr(heteroscedastic, "CELLS_AT_ONCE", 500)
    np.testing.assert_allclose(log_marginal(groups, phi), each.sum(axis=1), rtol=1e-12)


def test_without_spread_of_noise_it_is_the_model_of_one_sigma():
    groups = _groups(0.5)
    mu, tau, sigma = 0.3, 0.7, 1.9
    got = log_marginals(groups, np.array([[mu, tau, sigma, 1e-5]]))[0]
    wanted = stats.norm.logpdf(groups.mean, mu, np.hypot(sigma / np.sqrt(N), tau))
    wanted += -(N - 1) * np.log(sigma) - 0.5 * groups.ss / sigma**2
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_given_phi_moments_of_noise():
    """Mean of log sigma_j given phi, by a fine sum."""
    groups = _groups(0.5)
    phi = np.array([0.3, 0.7, 1.9, 0.5])
    given = given_phi(groups, phi[None])
    got = (np.exp(given.log_share) * given.x).sum(axis=2)[0]
    x = np.linspace(-6, 8, 50_001)
    for j, (n, mean, ss) in enumerate(zip(groups.n, groups.mean, groups.ss, strict=True)):
        log_f = stats.norm.logpdf(x, np.log(1.9), 0.5) - (n - 1) * x - 0.5 * ss * np.exp(-2 * x)
        log_f += stats.norm.logpdf(mean, 0.3, np.sqrt(np.exp(2 * x) / n + 0.49))
        weight = np.exp(log_f - log_f.max())
        assert got[j] == pytest.approx(float(weight @ x / weight.sum()), abs=1e-3)
