"""Each group against the others: held against fits without it, by brute force."""

import numpy as np
import pytest
from scipy import integrate, stats

import partialpool as pp
from partialpool.kernels.count_tails import conjugate_tails, normal_tails
from partialpool.kernels.families import LOG, LOGIT
from partialpool.models.population_check import second_component, shape, size_slope

RNG = np.random.default_rng(4)
G = np.repeat(np.arange(9), [2, 3, 5, 4, 8, 3, 3, 6, 4])
X = RNG.normal(size=len(G))
B = RNG.normal(size=9)
B[4] = 7.0
Y = B[G] + 0.3 * X + RNG.normal(size=len(G))
NAMES = np.array([f"g{k}" for k in G])


def z_of(fit):
    return next(iter(fit._engine.group_checks(every=True))).z


def z_of_probability(below):
    return stats.norm.ppf(below)


@pytest.mark.parametrize(
    "prior",
    [
        (),
        pytest.param(("tau ~ half_normal(2)", "sigma ~ half_normal(2)"), marks=pytest.mark.slow),
    ],
)
def test_rows_as_a_fit_without_the_group(prior):
    """The mean of the group's rows is a new group's mean and noise of sigma / root n."""
    found = z_of(pp.fit("y ~ 1 + (1 | g)", {"y": Y, "g": NAMES}, prior=list(prior)))
    rng = np.random.default_rng(1)
    for j in (0, 4, 7):
        others, own = j != G, Y[j == G]
        rest = pp.fit("y ~ 1 + (1 | g)", {"y": Y[others], "g": NAMES[others]}, prior=list(prior))
        draws = rest.posterior.draws(100_000, rng)
        mu, tau, sigma = (draws[k] for k in ("Intercept", "tau[g]", "sigma"))
        sd = np.sqrt(tau**2 + sigma**2 / len(own))
        below = stats.norm.cdf((own.mean() - mu) / sd).mean()
        assert found[j] == pytest.approx(z_of_probability(below), abs=0.02)


def test_known_errors_as_a_fit_without_the_group():
    data = pp.datasets.eight_schools()
    fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", data)
    names = list(data["school"])
    for j, name in enumerate(names):
        keep = [n != name for n in names]
        rest = pp.fit(
            "effect | se(se) ~ 1 + (1 | school)",
            {k: np.asarray(v)[keep] for k, v in dict(data).items()},
        )
        new, se = rest.posterior.new_group(), float(data["se"][j])
        grid = np.linspace(-8, 8, 4001)  # of the noise, in standard errors
        below = np.trapezoid(
            new.cdf(float(data["effect"][j]) - se * grid) * stats.norm.pdf(grid), grid
        )
        at = list(fit.statistics.labels).index(name)
        assert z_of(fit)[at] == pytest.approx(z_of_probability(below), abs=1e-4)


def test_a_regression_agrees_with_one_way_where_they_are_one_model():
    """A known sigma: both leave out the same. Of a far group nodes without weight would count."""
    data = {"y": RNG.normal(size=12) + np.append(np.zeros(11), 6.0), "se": RNG.uniform(0.3, 1, 12)}
    data["g"], data["x"] = np.arange(12), np.zeros(12)
    one_way = pp.fit("y | se(se) ~ 1 + (1 | g)", data, prior=["mu ~ normal(0, 10)"])
    mixed = pp.fit("y | se(se) ~ x + (1 | g)", {**data, "x": np.arange(12) % 2}, prior=[
        "Intercept ~ normal(0, 10)", "beta ~ normal(0, 1e-6)"
    ])  # fmt: skip
    np.testing.assert_allclose(z_of(mixed), z_of(one_way), atol=0.05)


def test_counts_as_a_fit_without_the_group():
    size = RNG.integers(10, 60, 12)
    y = RNG.binomial(size, 0.3)
    y[2], size[2] = 39, 40
    data = {"y": y, "n": size, "g": np.arange(12)}
    found = z_of(pp.fit("y | trials(n) ~ 1 + (1 | g)", data))
    rng = np.random.default_rng(2)
    for j in (2, 5):
        rest = {k: np.delete(v, j) for k, v in data.items()}
        draws = pp.fit("y | trials(n) ~ 1 + (1 | g)", rest).posterior.draws(200_000, rng)
        theta = draws["Intercept"] + draws["tau[g]"] * rng.normal(size=200_000)
        p = 1 / (1 + np.exp(-theta))
        tails = (
            stats.binom.cdf(y[j], size[j], p).mean(),
            stats.binom.sf(y[j] - 1, size[j], p).mean(),
        )
        z = z_of_probability(min(*tails, 0.5))
        # far out, nodes that have no weight with the group would count: z is a bit too small
        assert abs(found[j]) == pytest.approx(abs(z), abs=0.03 if j == 5 else 0.4)


@pytest.mark.parametrize("link", [LOGIT, LOG])
@pytest.mark.parametrize(("y", "size"), [(0.0, 7.0), (5.0, 7.0), (7.0, 7.0)])
def test_tails_of_counts(link, y, size):
    mu, tau = np.array([-0.5, 1.0]), np.array([0.4, 1.2])
    of = (lambda v: stats.binom(size, v)) if link is LOGIT else (lambda v: stats.poisson(size * v))
    below, above = normal_tails(y, size, mu, tau, link)
    for k in range(2):
        for value, tail in ((below[k], lambda d: d.cdf(y)), (above[k], lambda d: d.sf(y - 1))):
            truth = integrate.quad(
                lambda t, tail=tail, k=k: (
                    tail(of(link.natural(t))) * stats.norm.pdf(t, mu[k], tau[k])
                ),
                -15,
                15,
                points=[mu[k]],
                limit=200,
            )[0]
            assert value == pytest.approx(truth, abs=1e-8)
    f, m = tau**-2, link.natural(mu)
    twin = (
        stats.betabinom(int(size), m * f, (1 - m) * f)
        if link is LOGIT
        else stats.nbinom(f, f / (f + size * m))
    )
    below, above = conjugate_tails(y, size, mu, tau, link)
    np.testing.assert_allclose(below, twin.cdf(y), rtol=1e-6)
    np.testing.assert_allclose(above, twin.sf(y - 1), rtol=1e-6)


def test_effects_of_regressions_with_everything_known():
    """Standardised effects are those of the textbook: m / sqrt(S - V), and normal."""
    from partialpool.models.population_check import effect_z

    rng = np.random.default_rng(3)
    s, i, theta = 2.0, 0.7, rng.normal(0, np.sqrt(2.0), 5)
    e = theta + rng.normal(0, i**-0.5, 5)
    variance = 1 / (1 / s + i)
    mean = variance * i * e
    z = effect_z(
        mean[None], np.full((1, 5), variance), np.array([[s]]), np.ones(1), np.ones(1), np.inf
    )
    np.testing.assert_allclose(z, e / np.sqrt(s + 1 / i), rtol=1e-12)
    # sigma integrated out: Q of df + 1 normals, of which z is one, leaves a t of df - 1
    t = effect_z(
        mean[None], np.full((1, 5), variance), np.array([[s]]), np.ones(1), np.ones(1), 30.0
    )
    u = z * np.sqrt(29.0 / (30.0 - z**2))
    np.testing.assert_allclose(t, stats.norm.ppf(stats.t.cdf(u, 29)), rtol=1e-9)


def test_a_variance_that_is_rounding_says_nothing_of_a_tiny_population():
    """V of 1e-190 that comes out as -9e-19 was a share of 4e171, and its logarithm a warning."""
    from partialpool.models.population_check import effect_z, told_by_data

    variance = np.array([[-8.6e-19], [0.5]])
    between = np.array([[2.3e-190], [2.0]])
    assert told_by_data(variance, between).tolist() == [[0.0], [0.75]]
    z = effect_z(np.array([[1e-9], [0.3]]), variance, between, np.ones(2), np.ones(2) / 2, np.inf)
    np.testing.assert_allclose(z, 0.3 / np.sqrt(1.5), rtol=1e-12)


def test_moments_and_parts_of_a_population():
    rng = np.random.default_rng(0)
    variance = rng.uniform(0.1, 1.0, 100)
    y = rng.normal(size=100) * np.sqrt(1 + variance)
    assert min(shape(y, variance).heavy_tails, shape(y, variance).skewed) > 0.05
    y[:3] += 9.0
    assert shape(y, variance).heavy_tails <= 0.01
    assert shape(y, variance).skewed <= 0.01
    wider = second_component(y, variance)
    assert (wider[:3] > 0.9).all()
    assert (wider[3:] > 0.9).sum() <= 2
    assert shape(y[:7], variance[:7]) is None


def test_slope_by_size_is_that_of_weighted_least_squares():
    rng = np.random.default_rng(0)
    size, variance = rng.integers(2, 90, 40).astype(float), rng.uniform(0.5, 2, 40)
    y = 0.4 * np.log2(size) + rng.normal(size=40)
    found = size_slope(y, variance, size)
    x = np.column_stack([np.ones(40), np.log2(size)])
    cov = np.linalg.inv(x.T @ (x / variance[:, None]))
    beta = cov @ (x.T @ (y / variance))
    assert found.per_doubling == pytest.approx(beta[1])
    p = 2 * stats.t.sf(beta[1] / np.sqrt(cov[1, 1]), 38)
    assert found.p == pytest.approx(p)
    assert size_slope(y, variance, np.full(40, 7.0)) is None


@pytest.mark.parametrize("proportion", [False, True])
def test_groups_of_few_events_are_held_against_the_tails_of_their_events(proportion):
    """The normal curve says 4 to 6 sds of a group with 6 or so events where 1 is expected."""
    rng = np.random.default_rng(5)
    g, x = np.repeat(np.arange(24), 3), rng.normal(size=72)
    rate = np.exp(-1.2 + 0.2 * rng.normal(size=24)[g] + 0.3 * x)
    y = np.minimum(rng.poisson(rate), 6)
    y[g == 4] = [2, 3, 2]
    data = {"y": y, "x": x, "n": np.full(72, 9), "g": g}
    formula, family = "y ~ x + (1 | g)", "poisson"
    if proportion:
        formula, family = "y | trials(n) ~ x + (1 | g)", "binomial"
    z = z_of(pp.fit(formula, data, family=family))
    rest = {k: v[g != 4] for k, v in data.items()}
    draws = pp.fit(formula, rest, family=family).posterior.draws(20_000, rng)
    eta = draws["Intercept"][:, None] + draws["x"][:, None] * x[g == 4]
    eta += (draws["tau[g]"] * rng.normal(size=20_000))[:, None]
    p = np.exp(eta)
    new = rng.binomial(9, p / (1 + p)) if proportion else rng.poisson(p)
    above = (new.sum(axis=1) >= 7).mean()
    assert 1e-4 < above < 0.02
    assert z[4] == pytest.approx(-stats.norm.ppf(above), abs=0.4)
