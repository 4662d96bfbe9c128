"""The probability to lie above a value or the average, against draws and a brute grid."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.posterior.above import probability_above
from partialpool.words.standing import standing

RNG = np.random.default_rng(8)
SIZE = np.array([3, 40, 8, 400, 15, 25])
COUNTS = {"y": np.array([0, 21, 1, 190, 9, 3]), "n": SIZE, "g": np.arange(6)}
G = np.repeat(np.arange(6), 5)
X = RNG.normal(size=30)
ROWS = {"g": G, "x": X, "y": RNG.normal(size=6)[G] + 0.4 * X + RNG.normal(size=30)}
CASES = [
    ("y ~ 1 + (1 | g)", ROWS, {}),
    ("y ~ x + (x | g)", ROWS, {}),
    ("y | trials(n) ~ 1 + (1 | g)", COUNTS, {}),
    ("y | trials(n) ~ 1 + (1 | g)", COUNTS, {"population": "beta"}),
    ("y | exposure(n) ~ 1 + (1 | g)", COUNTS, {}),
    ("y | exposure(n) ~ 1 + (1 | g)", COUNTS, {"population": "gamma"}),
]


@pytest.mark.parametrize(("formula", "data", "options"), CASES)
def test_as_many_draws_lie_above(formula, data, options):
    fit = pp.fit(formula, data, **options)
    post, size = fit.posterior, 100_000
    draws = post.draws(size, np.random.default_rng(1))
    theta, link = draws.groups(scale="link"), draws["Intercept"][:, None]
    by_draws = (theta > link).mean(axis=0)
    np.testing.assert_allclose(probability_above(post, "average"), by_draws, atol=0.007)
    value = float(np.median(post.groups().median))
    by_draws = (draws.groups() > value).mean(axis=0)
    np.testing.assert_allclose(probability_above(post, value), by_draws, atol=0.007)


@pytest.mark.slow
def test_counts_agree_with_a_fine_grid():
    """Binomial groups by brute force: a grid of mu, tau and theta under proper priors."""
    prior = ["mu ~ normal(0, 1)", "tau ~ half_normal(1)"]
    post = pp.fit("y | trials(n) ~ 1 + (1 | g)", COUNTS, prior=prior).posterior
    mu, tau, u = np.linspace(-5, 5, 161), np.linspace(0.005, 6, 160), np.linspace(-9, 9, 2881)
    phi = np.exp(-0.5 * u**2) * (u[1] - u[0]) / np.sqrt(2 * np.pi)
    theta = mu[:, None, None] + tau[None, :, None] * u
    y, n = COUNTS["y"], COUNTS["n"]
    log_p = -np.logaddexp(0.0, -theta)
    log_q = -np.logaddexp(0.0, theta)
    total, above = np.zeros((161, 160)), []
    for j in range(6):
        log_like = y[j] * log_p + (n[j] - y[j]) * log_q
        like = np.exp(log_like - log_like.max(axis=2, keepdims=True))
        whole = like @ phi
        step = phi * np.where(u == 0, 0.5, u > 0)
        above.append((like @ step) / whole)
        total += np.log(whole) + log_like.max(axis=2)
    weight = np.exp(total - total.max() - 0.5 * mu[:, None] ** 2 - 0.5 * tau**2)
    weight /= weight.sum()
    truth = [float((weight * a).sum()) for a in above]
    np.testing.assert_allclose(probability_above(post, "average"), truth, atol=2e-4)


def test_words_never_contradict_an_interval():
    fit = pp.fit("y ~ 1 + (1 | g)", ROWS)
    table = fit.groups(above=0.5, level=0.8)
    for row in table.rows():
        assert (row["standing"] == "above") == (row["lower"] > 0.5)
        assert (row["standing"] == "below") == (row["upper"] < 0.5)
    words = standing(np.array([0.01, 0.05, 0.5, 0.92, 0.99]))
    assert words.tolist() == ["below", "probably below", "uncertain", "probably above", "above"]


def test_what_is_asked_must_be_clear():
    fit = pp.fit("y ~ x + (x | g)", ROWS)
    with pytest.raises(pp.ArgumentError, match="there are several \\(Intercept by g, x by g\\)"):
        fit.groups(above=0.3)
    assert (fit.groups(above=0.3, term="x")["term"] == "x").all()
    both = fit.groups(above="average")
    for term in ("Intercept", "x"):
        at = both["term"] == term
        np.testing.assert_allclose(
            both["p_above"][at], probability_above(fit.posterior, "average", term=term)
        )
    with pytest.raises(pp.ArgumentError, match='a number or "average"; received "mean"'):
        fit.groups(above="mean")
    ranked = fit.rank(above="average")
    np.testing.assert_allclose(ranked["p_above"], both["p_above"][both["term"] == "Intercept"])
