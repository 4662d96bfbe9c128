"""Posteriors of populations that are not normal, against integration on dense grids and limits."""

import math
import pickle

import numpy as np
import pytest
from scipy import special, stats

import partialpool as pp
from partialpool.models import Priors
from partialpool.models.population_model import default_priors
from partialpool.posterior import counts_posterior, one_way_posterior
from partialpool.posterior.population import population_posterior
from partialpool.posterior.population_draws import PopulationDraws, draw_population
from partialpool.rows.summaries import from_estimates, from_summaries

Y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
SE = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
PROPER = Priors(mu=pp.Normal(0.0, 20.0), tau=pp.HalfNormal(10.0))


def schools(y=Y, se=SE):
    return from_estimates(y, se, list("ABCDEFGH"), factor="school")


def fitted(population, y=Y, priors=None, **options):
    priors = default_priors(population) if priors is None else priors
    return population_posterior(schools(y), priors, population, **options)


def brute_force(density, tau, mu, prior, y=Y, se=SE):
    """Means, sds and P(theta <= x) of groups by sums over mu, tau and standardised deviations.

    `density` is of (theta - mu) / tau, (n,) at sinh of an even grid; `prior` of tau, log tau even.
    """
    t = np.linspace(-8.0, 8.0, 641)
    z, mass = np.sinh(t), density(np.sinh(t)) * np.cosh(t) * (t[1] - t[0])
    log_l = np.empty((len(y), len(tau), len(mu)))
    for j, (value, error) in enumerate(zip(y, se, strict=True)):
        for i, scale in enumerate(tau):
            gap = (value - mu[:, None] - scale * z) / error
            log_l[j, i] = np.log(np.exp(-0.5 * gap**2) @ mass / error)
    log_p = log_l.sum(axis=0) + (np.log(tau) + prior(tau))[:, None]
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    x = np.array([-10.0, 0.0, 5.0, 10.0, 30.0])
    out = np.zeros((len(y), 2 + len(x)))
    for j, (value, error) in enumerate(zip(y, se, strict=True)):
        for i, scale in enumerate(tau):
            theta = mu[:, None] + scale * z
            each = np.exp(-0.5 * ((value - theta) / error) ** 2) * mass / error
            each *= (p[i] / np.exp(log_l[j, i]))[:, None]
            moments = [each.sum(), (each * theta).sum(), (each * theta**2).sum()]
            below = [(each * (theta <= c)).sum() for c in x]
            out[j] += [*moments[1:], *below]
    sd = np.sqrt(out[:, 1] - out[:, 0] ** 2)
    return out[:, 0], sd, x, out[:, 2:], p


@pytest.fixture(scope="module")
def dense():
    """Eight schools under t with 4 degrees of freedom, flat priors."""
    tau, mu = np.exp(np.linspace(math.log(0.03), math.log(300.0), 70)), np.linspace(-60, 75, 136)
    return brute_force(lambda z: stats.t.pdf(z, 4.0), tau, mu, np.zeros_like), tau, mu


def test_student_against_a_dense_grid(dense):
    (mean, sd, x, below, p), tau, mu = dense
    post = fitted(pp.Student())
    np.testing.assert_allclose(post.theta.mean, mean, atol=0.02)
    np.testing.assert_allclose(post.theta.sd, sd, atol=0.03)
    np.testing.assert_allclose(post.theta.cdf(x).T, below, atol=0.012)  # the grid's own steps
    np.testing.assert_allclose(post.theta.cdf(x).T.mean(), below.mean(), atol=2e-3)
    assert float(post.mu.mean) == pytest.approx(p.sum(axis=0) @ mu, abs=0.01)
    assert float(post.tau.mean) == pytest.approx(p.sum(axis=1) @ tau, abs=0.05)
    assert post.error < 0.01


def test_published_intervals_of_eight_schools():
    """Of a run of NUTS with 40,000 draws."""
    lower, upper = fitted(pp.Student()).theta.interval()
    for j, ends in {0: (-2.0, 32.9), 1: (-4.6, 20.5), 2: (-12.0, 20.3), 6: (-1.1, 26.0)}.items():
        assert (lower[j], upper[j]) == pytest.approx(ends, abs=0.1)


def test_grids_of_mu_are_laid_until_they_fit():
    """A 200 standard errors out: at some tau the rough density of mu is far too wide."""
    far = np.where(np.arange(8) == 0, 3000.0, Y)
    theta = fitted(pp.Student(), far).theta
    assert theta.mean[:2] == pytest.approx([2999.62, 7.83], abs=0.02)
    assert theta.sd[:2] == pytest.approx([15.0, 9.58], abs=0.02)


def test_a_group_far_out_is_left_where_it_is():
    far = np.where(np.arange(8) == 0, 100.0, Y)
    assert fitted(pp.Student(), far).theta.mean[:2] == pytest.approx([89.07, 8.33], abs=0.01)
    post = fitted(pp.Contaminated(), far)
    assert post.theta.mean[:2] == pytest.approx([92.71, 7.73], abs=0.01)
    assert post.p_outlying[0] == pytest.approx(0.904, abs=0.005)
    assert post.p_outlying[1:].max() < 0.2
    normal = one_way_posterior(schools(far), Priors())
    assert normal.theta.mean[:2] == pytest.approx([85.0, 8.8], abs=0.3)


@pytest.mark.parametrize(
    "population",
    [pp.Student(1e7), pp.Contaminated(share=1e-9, ratio=3.0), pp.Contaminated(0.3, 1.0 + 1e-7)],
)
def test_limits_are_the_normal_population(population):
    post, normal = fitted(population, priors=PROPER), one_way_posterior(schools(), PROPER)
    for of, other in ((post.theta, normal.theta), (post.mu, normal.mu), (post.tau, normal.tau)):
        np.testing.assert_allclose(of.mean, other.mean, atol=2e-3)
        np.testing.assert_allclose(of.sd, other.sd, atol=4e-3)
        np.testing.assert_allclose(of.interval(), other.interval(), atol=0.015)
    np.testing.assert_allclose(post.new_group.interval(), normal.new_group.interval(), atol=0.02)
    np.testing.assert_allclose(post.shrinkage.mean, normal.shrinkage.mean, atol=1e-4)
    np.testing.assert_allclose(post.icc.mean, normal.icc.mean, atol=1e-4)
    assert post.log_marginal_likelihood() == pytest.approx(
        normal.log_marginal_likelihood(), abs=1e-4
    )


def test_limit_where_sigma_is_learned():
    rng = np.random.default_rng(8)
    n = rng.integers(3, 9, 12)
    mean = 3.0 * rng.standard_normal(12)
    s = from_summaries(n, mean, np.sqrt(rng.chisquare(n - 1) / (n - 1)), factor="g")
    post = population_posterior(s, Priors(), pp.Student(1e7))
    normal = one_way_posterior(s, Priors())
    for of, other in (
        (post.theta, normal.theta),
        (post.tau, normal.tau),
        (post.sigma, normal.sigma),
    ):
        gap = np.abs(np.array([of.mean, *of.interval()]) - [other.mean, *other.interval()])
        assert (gap / other.sd).max() < 0.01
    drawn = post.draws(5, np.random.default_rng(1))
    of_normal = normal.draws(5, np.random.default_rng(1))
    for name in ("mu", "tau", "sigma", "theta"):
        object.__setattr__(of_normal, name, getattr(drawn, name))
    np.testing.assert_allclose(
        post.group_log_likelihood(drawn), normal.group_log_likelihood(of_normal), rtol=1e-6
    )


def test_point_and_normal_against_a_sum():
    """All about 0: p(share, tau) on a grid, groups of two components each."""
    post = fitted(pp.PointNormal())
    share = (np.arange(200) + 0.5) / 200.0
    u = np.linspace(-9.0, 12.0, 400)
    tau, s0 = np.exp(u), math.sqrt(8.0 / (1.0 / SE**2).sum())
    at, of = np.meshgrid(share, tau, indexing="ij")
    wide = SE**2 + of[..., None] ** 2
    log_parts = np.stack(
        [
            np.log1p(-at)[..., None] + stats.norm.logpdf(Y, 0.0, SE) + 0.0 * wide,
            np.log(at)[..., None] + stats.norm.logpdf(Y, 0.0, np.sqrt(wide)),
        ]
    )
    each = special.logsumexp(log_parts, axis=0)
    log_p = each.sum(axis=-1) + np.log(of) - 2.0 * np.log(s0 + of) + math.log(s0)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    outlying = np.exp(log_parts[1] - each)
    np.testing.assert_allclose(
        post.p_outlying, (p[..., None] * outlying).sum(axis=(0, 1)), atol=1e-3
    )
    kept = of[..., None] ** 2 / wide
    mean = (p[..., None] * outlying * kept * Y).sum(axis=(0, 1))
    np.testing.assert_allclose(post.theta.mean, mean, atol=5e-3)
    below = 1.0 - outlying + outlying * special.ndtr((0.0 - kept * Y) / (np.sqrt(kept) * SE))
    np.testing.assert_allclose(
        post.theta.cdf(0.0), (p[..., None] * below).sum(axis=(0, 1)), atol=1e-3
    )
    assert (post.theta.median == 0.0).sum() == 8
    assert "Intercept" not in post.named()
    assert math.isinf(float(post.tau.mean))
    share_of = post.named()["share[school]"]
    assert float(share_of.mean) == pytest.approx(float(p.sum(axis=1) @ share), abs=2e-3)
    total = np.exp(log_p).sum() * (u[1] - u[0]) / 200.0
    assert post.log_marginal_likelihood() == pytest.approx(math.log(total), abs=3e-3)


POPULATIONS = [
    pp.Student(), pp.Student("learned"), pp.Contaminated(), pp.PointNormal(),
    pp.PointNormal(mean=None),
]  # fmt: skip


@pytest.mark.parametrize("population", POPULATIONS, ids=str)
def test_draws_and_tables_are_one_posterior(population):
    post = fitted(population)
    drawn = post.draws(20_000, np.random.default_rng(1))
    of = post.theta
    for q in (0.05, 0.5, 0.95):
        at = of.quantile(q)
        expected = np.array([float(of.cdf(at[j])[j]) for j in range(8)])
        np.testing.assert_allclose((drawn.theta <= at).mean(axis=0), expected, atol=0.015)
    new = drawn.mu[:, None] + post.new_deviations(drawn, 1, np.random.default_rng(2))
    assert (new <= post.new_group.quantile(0.9)).mean() == pytest.approx(0.9, abs=0.01)
    # kernels over log tau, from which phi was drawn, were off by up to 0.006
    assert off_tables(post) < 0.003


def off_tables(post):
    """Largest difference of the share of 400,000 draws below a quantile from its level."""
    points, mu = draw_population(post.lattice, 400_000, np.random.default_rng(1))
    tau, shape, sigma = post.model.split(points)
    drawn = PopulationDraws(
        mu=mu + post.model.center,
        tau=tau,
        shape=shape,
        sigma=None if post.model.sigma is None else sigma,
        theta=np.empty((len(mu), 0)),
        groups=np.empty(0),
    )
    p = np.array([0.025, 0.25, 0.5, 0.75, 0.975])
    gaps = []
    for name, values in post.drawn_parameters(drawn).items():
        ends = np.ravel(post.named()[name].quantile(p))
        gaps.append(np.abs((values[:, None] <= ends).mean(axis=0) - p).max())
    return max(gaps)


@pytest.mark.parametrize("population", POPULATIONS, ids=str)
def test_draws_of_rows_and_of_counts_are_of_the_tables(population):
    """A standard deviation is a probability of 0.4 about the median, and tables have an error."""
    rng = np.random.default_rng(5)
    n, z = rng.integers(3, 9, 12), rng.standard_normal(12)
    mean = np.where(np.arange(12) < 3, 6.0, 0.0) + 0.5 * z
    rows = from_summaries(n, mean, 2.0 * np.sqrt(rng.chisquare(n - 1) / (n - 1)), factor="g")
    size = rng.integers(10, 60, 12)
    data = {"g": np.arange(12), "y": rng.binomial(size, special.expit(0.6 * z - 1.0)), "n": size}
    counted = pp.fit("y | trials(n) ~ 1 + (1 | g)", data).sums
    for statistics in (rows, counted):
        post = population_posterior(statistics, default_priors(population), population)
        assert off_tables(post) < 0.003 + 0.4 * post.lattice.error


@pytest.mark.parametrize("population", POPULATIONS, ids=str)
def test_units_do_not_matter(population):
    post, other = fitted(population), None
    if population.middle is None:
        s = from_estimates(1000.0 * Y + 5e4, 1000.0 * SE, list("ABCDEFGH"), factor="school")
        shift = 5e4
    else:
        s, shift = from_estimates(1000.0 * Y, 1000.0 * SE, list("ABCDEFGH"), factor="school"), 0.0
    other = population_posterior(s, default_priors(population), population)
    np.testing.assert_allclose(other.theta.mean, 1000.0 * post.theta.mean + shift, rtol=1e-5)
    for ends, of in zip(other.theta.interval(), post.theta.interval(), strict=True):
        np.testing.assert_allclose(ends, 1000.0 * of + shift, rtol=1e-4, atol=2.0)
    np.testing.assert_allclose(other.shrinkage.mean, post.shrinkage.mean, atol=1e-5)


def test_contrasts_ranks_rows_and_pickles():
    post = fitted(pp.Contaminated())
    pair = post.contrast({"A": 1.0, "C": -1.0})
    assert float(pair.mean) == pytest.approx(post.theta.mean[0] - post.theta.mean[2], abs=0.15)
    assert float(post.contrast({"A": 1.0}).mean) == pytest.approx(post.theta.mean[0], abs=1e-9)
    ranks = post.ranks(top=3)
    assert ranks["expected_rank"].sum() == pytest.approx(36.0)
    rows = {0: (np.array([0, -1, -2]), np.ones((3, 1)))}
    of = post.linear(np.ones((3, 1)), rows)
    middle, upper = post.mu.interval()[1], of.interval()[1]
    assert upper[0] == pytest.approx(post.theta.interval()[1][0], abs=1e-6)
    assert upper[1] == pytest.approx(float(post.new_group.interval()[1]), abs=1e-6)
    assert upper[2] == pytest.approx(float(middle), abs=1e-6)
    again = pickle.loads(pickle.dumps(post))
    assert (again.theta.mean == post.theta.mean).all()
    table = post.group_table()
    assert list(table)[-2:] == ["shrinkage", "p_outlying"]
    assert "p_outlying" not in fitted(pp.Student()).group_table()


def test_what_does_not_exist_is_said():
    with pytest.raises(pp.ArgumentError, match="2 degrees of freedom or fewer has no variance"):
        _ = fitted(pp.Student(1.5)).icc
    with pytest.raises(pp.ArgumentError, match="a learned df"):
        _ = fitted(pp.Student("learned")).icc
    new = fitted(pp.Student(1.0)).new_group
    assert math.isnan(float(new.mean))
    assert math.isinf(float(new.sd))
    assert math.isinf(float(fitted(pp.Student(2.0)).new_group.sd))
    with pytest.raises(pp.PriorError, match="needs proper priors"):
        fitted(pp.Student()).log_marginal_likelihood()


def test_improper_posteriors_are_refused():
    with pytest.raises(pp.ImproperPosteriorError, match=r"dumouchel\(\)"):
        fitted(pp.PointNormal(), priors=Priors())
    two = from_estimates([1.0, 2.0], [1.0, 1.0], factor="g")
    with pytest.raises(pp.ImproperPosteriorError, match="2 groups are too few"):
        population_posterior(two, Priors(), pp.Student())
    post = population_posterior(two, Priors(tau=pp.HalfNormal(1.0)), pp.Student())
    assert post.theta.mean.sum() == pytest.approx(3.0, abs=1e-3)
    with pytest.raises(pp.DataError, match="one group only"):
        population_posterior(from_estimates([1.0], [1.0], factor="g"), Priors(), pp.Student())


@pytest.mark.parametrize("population", POPULATIONS, ids=str)
def test_hostile_data(population):
    """Equal groups; one far out; very unlike precisions."""
    priors = default_priors(population)
    far = 1e5 if population.learned != ("df",) else 1e3
    for y, se in (
        ([2.0] * 5, [1.0] * 5),
        ([0.0, 0.1, -0.1, 0.2, far], [1.0] * 5),
        ([0.0, 1.0, 3.0, -2.0], [1e-3, 1e3, 1.0, 1.0]),
    ):
        post = population_posterior(from_estimates(y, se, factor="g"), priors, population)
        table = post.group_table()
        assert (table["lower"] <= table["upper"]).all()
        assert np.isfinite(table["lower"]).all()
        assert post.error < 0.05


@pytest.mark.parametrize("population", [pp.Student("learned"), pp.Contaminated()], ids=str)
def test_knots_and_fewer_nodes_change_little(population, monkeypatch):
    rng = np.random.default_rng(5)
    theta = rng.standard_normal(1_500) * np.where(rng.random(1_500) < 0.1, 5.0, 1.0)
    se = rng.uniform(0.3, 1.5, 1_500)
    s = from_estimates(theta + se * rng.standard_normal(1_500), se, factor="g")
    monkeypatch.setattr("partialpool.posterior.many_groups.CELLS_WITHOUT", 0.0)
    quick = population_posterior(s, Priors(), population)
    table = quick.group_table()
    assert quick.model.groups.terms < 1_500
    assert quick._groups._knots[0] is not None
    monkeypatch.setattr("partialpool.posterior.population_integral.GRIDS_OF_KNOTS", ())
    exact = population_posterior(s, Priors(), population)
    for name, of in exact.named().items():
        gap = np.abs(of.interval() - quick.named()[name].interval()).max()
        assert gap / float(of.sd) < 0.02
    some = np.array([0, 3, int(s.mean.argmax()), int(s.mean.argmin()), 900, 1200])
    for j in some:
        of = exact._groups.one(int(j), "link")
        lower, upper = of.interval()
        ends = np.array([table["lower"][j] - lower, table["upper"][j] - upper])
        assert np.abs(ends).max() / float(of.sd) < 0.01
        assert table["estimate"][j] == pytest.approx(float(of.mean), abs=0.005 * float(of.sd))
    assert 0.93 < ((table["lower"] < theta) & (theta < table["upper"])).mean() < 0.97


@pytest.fixture(scope="module")
def players():
    fit = pp.fit("hits | trials(at_bats) ~ 1 + (1 | player)", pp.datasets.baseball())
    return fit._engine.statistics


def test_counts_limit_is_the_normal_population(players):
    post = population_posterior(players, Priors(), pp.Student(1e6))
    normal = counts_posterior(players, Priors())
    for scale in ("link", "response"):
        of, other = (each.values(each.terms[0], scale) for each in (post, normal))
        gap = np.abs(np.array([of.mean, *of.interval()]) - [other.mean, *other.interval()])
        assert (gap / other.sd).max() < 0.01
    np.testing.assert_allclose(post.new_group.interval(), normal.new_group.interval(), atol=1e-3)
    np.testing.assert_allclose(post.shrinkage.mean, normal.shrinkage.mean, atol=1e-4)
    assert post.log_evidence == pytest.approx(normal.log_evidence, abs=1e-3)
    drawn = post.draws(4, np.random.default_rng(1))
    np.testing.assert_allclose(
        post.group_log_likelihood(drawn), normal.group_log_likelihood(drawn), atol=1e-4
    )


@pytest.mark.parametrize(
    "population",
    [pp.Student(), pp.Contaminated(ratio=5.0), pp.PointNormal(mean=None), pp.PointNormal(-1.0)],
    ids=str,
)
def test_counts_against_sums_and_draws(players, population):
    """Means of probabilities as sums over nodes of means by quadrature, and draws."""
    post = population_posterior(players, default_priors(population), population)
    n, z = post.nodes, np.linspace(-7.0, 7.0, 41)
    sd = np.sqrt(n.variance)[..., None]
    theta = n.mu[:, None, None] + sd * z
    weight = np.exp(n.log_share)[..., None] * np.exp(-0.5 * z**2)
    p, failing = special.expit(theta), special.log_expit(-theta)
    for j in (0, 17):
        y, size = players.y[j], players.size[j]
        log_l = y * theta + size * failing
        each = weight * np.exp(log_l - log_l.max())
        mean = (each * p).sum(axis=(1, 2)) / each.sum(axis=(1, 2))
        of = post.value
        assert of.mean[j] == pytest.approx(float(n.weight @ mean), abs=0.005 * float(of.sd[j]))
    drawn = post.drawn_values(post.draws(10_000, np.random.default_rng(4)), None, "response")
    ends = post.value.quantile([0.05, 0.5, 0.95])
    for q, end in zip((0.05, 0.5, 0.95), ends, strict=True):
        at = np.array([float(post.value.cdf(e)[j]) for j, e in enumerate(end)])
        np.testing.assert_allclose((drawn <= end).mean(axis=0), at, atol=0.025)
        assert (at >= q - 1e-6).all()
    table = post.group_table()
    assert "events" in table
    assert (table["lower"] < table["estimate"]).all()


def test_rates_and_groups_without_exposure():
    fit = pp.fit(
        "events | exposure(time) ~ 1 + (1 | site)",
        {"site": list("abcde"), "events": [3, 0, 12, 5, 0], "time": [2.0, 1.0, 4.0, 3.0, 0.0]},
    )
    s = fit._engine.statistics
    post = population_posterior(s, Priors(), pp.Student())
    table = post.group_table()
    assert np.isfinite(table["upper"]).all()
    assert table["lower"][4] == pytest.approx(float(post.new_group.interval()[0]))
    assert math.isinf(float(post.new_group.mean))
    rows = {0: (np.array([0, -1, -2, 4]), np.ones((4, 1)))}
    of = post.linear(np.ones((4, 1)), rows)
    assert float(of.quantile(0.5)[0]) == pytest.approx(float(post.theta.median[0]))
