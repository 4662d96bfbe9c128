"""What can be asked of a posterior of counts."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import stats

import partialpool as pp
from count_models import COUNT_MODELS, PROPORTIONS

PROPORTION = "y | trials(n) ~ 1 + (1 | g)"
DATA = {"g": list("abcdef"), "y": [0, 3, 7, 12, 5, 9], "n": [4, 9, 11, 40, 5, 30]}
PRIOR = ["mu ~ normal(-0.5, 1)", "tau ~ half_normal(1)"]
FAMILIES = ["binomial", "poisson", "beta", "gamma"]


def fitted(family="binomial"):
    formula = PROPORTION if family in PROPORTIONS else PROPORTION.replace("trials", "exposure")
    return pp.fit(formula, DATA, **COUNT_MODELS[family], prior=PRIOR)._engine


@pytest.fixture(scope="module", params=FAMILIES)
def post(request):
    return fitted(request.param)


def test_draws_follow_the_posterior(post):
    drawn = post.draws(20_000, np.random.default_rng(5))
    assert drawn.theta.shape == (20_000, 6)
    for values, of in ((drawn.mu, post.mu), (drawn.tau, post.tau)):
        assert stats.kstest(of.cdf(values), "uniform").pvalue > 1e-3
    for j in range(6):
        below = np.mean(drawn.theta[:, j] <= post.theta.quantile([0.05, 0.5, 0.95])[:, [j]], axis=1)
        np.testing.assert_allclose(below, [0.05, 0.5, 0.95], atol=0.015)
    # tau, mu and theta move together as they should: the largest of the groups, say
    again = post.draws(5, np.random.default_rng(5))
    np.testing.assert_array_equal(again.tau, post.draws(5, np.random.default_rng(5)).tau)


def test_distributions_are_consistent(post):
    for of in (post.value, post.theta):
        q = np.array([0.01, 0.3, 0.9])
        for level, row in zip(q, of.quantile(q), strict=True):
            found = [float(of.cdf(v)[j]) for j, v in enumerate(row)]
            np.testing.assert_allclose(found, level, atol=1e-7)
        low, high = of.interval(0.8, "highest-density")
        equal = of.interval(0.8)
        assert (high - low <= equal[1] - equal[0] + 1e-9).all()
    grid = np.linspace(1e-4, 0.9999, 2001)
    density = post.value.density(grid)[:, 3]
    step = np.trapezoid(density, grid)
    np.testing.assert_allclose(step, post.value.probability(above=1e-4, below=0.9999)[3], rtol=1e-4)
    one = post.group("d")
    np.testing.assert_allclose(one.quantile(0.7), post.value.quantile(0.7)[3], rtol=1e-12)
    np.testing.assert_allclose([one.mean, one.sd], [post.value.mean[3], post.value.sd[3]])


def test_means_on_the_natural_scale_are_not_transformed_means(post):
    natural = post.model.link.natural(post.theta.mean)
    assert (np.abs(post.value.mean - natural)[[0, 4]] > 1e-3).all()
    np.testing.assert_allclose(
        post.value.median, post.model.link.natural(post.theta.median), rtol=1e-12
    )


def test_contrasts_and_ranks_agree_with_each_other(post):
    above = post.contrast({"c": 1, "d": -1}).probability(above=0)
    assert 0.5 < above < 1
    ranks = post.ranks(top=2)
    np.testing.assert_allclose(ranks["expected_rank"].sum(), 21)
    np.testing.assert_allclose(ranks["best"].sum(), 1)
    np.testing.assert_allclose(ranks["top"].sum(), 2)
    assert (ranks["lower"] <= ranks["median"]).all()
    np.testing.assert_allclose(
        post.expected_rank(descending=False), 7 - post.expected_rank(), atol=1e-9
    )
    with pytest.raises(pp.ArgumentError, match="top lies between 1 and"):
        post.ranks(top=7)
    with pytest.raises(pp.ArgumentError, match='no group "z"'):
        post.contrast({"z": 1})


def test_expected_counts_against_draws(post):
    size = np.array([10, 0, 25, 3, 100, 7])
    expected = post.expected_counts(size, level=0.8)
    rng = np.random.default_rng(8)
    value = post.model.link.natural(post.draws(40_000, rng).theta)
    proportion = post.statistics.proportion
    new = rng.binomial(size, value) if proportion else rng.poisson(size * value)
    error = new.std(axis=0) / 200
    assert (np.abs(new.mean(axis=0) - expected["mean"]) <= 5 * error).all()
    np.testing.assert_allclose(new.std(axis=0), expected["sd"], rtol=0.03)
    for name, p in (("lower", 0.1), ("upper", 0.9)):
        assert (np.mean(new <= expected[name], axis=0) >= p - 0.01).all()
        assert (np.mean(new <= expected[name] - 1, axis=0) <= p + 0.01).all()
    with pytest.raises(pp.ArgumentError, match="finite and 0 or more"):
        post.expected_counts(-1)


def test_shrinkage_is_the_weight_of_the_prior(post):
    share = post.shrinkage.mean
    order = np.argsort(DATA["n"])
    assert (np.diff(share[order]) < 0).all()
    if post.model.conjugate:  # exact: E(value | node) = B m + (1 - B) y / n
        drawn = post.draws(4000, np.random.default_rng(2))
        b = post.model.pooling(40.0, drawn.mu, drawn.tau)
        np.testing.assert_allclose(b.mean(), share[3], atol=0.02)
        m = post.model.link.natural(drawn.mu)
        np.testing.assert_allclose(
            (b * m + (1 - b) * 12 / 40).mean(), post.value.mean[3], atol=0.005
        )


def test_leave_one_group_out_is_a_refit():
    """The score of group f given the others, by Bayes' rule from two marginal likelihoods."""
    data = {k: v[:4] for k, v in DATA.items()}
    for family in FAMILIES:
        formula = PROPORTION if family in PROPORTIONS else PROPORTION.replace("trials", "exposure")
        whole = pp.fit(formula, data, **COUNT_MODELS[family], prior=PRIOR)
        total = 0.0
        for j in range(4):
            rest = {k: [v for i, v in enumerate(c) if i != j] for k, c in data.items()}
            without = pp.fit(formula, rest, **COUNT_MODELS[family], prior=PRIOR)._engine
            total += whole._engine.log_marginal_likelihood() - without.log_marginal_likelihood()
        score = whole.compare().scores["log_score"][2]
        np.testing.assert_allclose(score, total / 4, rtol=1e-7)


def test_pickle_and_names():
    post = fitted()
    again = pickle.loads(pickle.dumps(post))
    np.testing.assert_array_equal(again.value.mean, post.value.mean)
    assert list(post.named()) == ["Intercept", "tau[g]"]
    with pytest.raises(pp.ArgumentError, match="response"):
        post.group_table(scale="logit")
    with pytest.raises(pp.PriorError, match="needs proper priors"):
        pp.fit(PROPORTION, DATA)._engine.log_marginal_likelihood()


def test_rates_of_new_groups_without_a_mean():
    """exp(tau^2 / 2) has no mean under a prior of tau with a long tail."""
    post = pp.fit(PROPORTION.replace("trials", "exposure"), DATA)._engine
    assert np.isinf(post.new_group.mean)
    assert np.isfinite(post.new_group.quantile([0.05, 0.95])).all()
    assert np.isfinite(post.value.mean).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_worlds_have_the_moments_they_should(family):
    world = pp.simulate.CountWorld.of(30, 25, 0.4, mu=-1.0, **COUNT_MODELS[family])
    drawn = pp.simulate.count_worlds(world, replicates=2000, seed=3)
    value = drawn.value.ravel()
    m = 1 / (1 + np.exp(1)) if family in PROPORTIONS else np.exp(-1)
    middle = np.mean if family in ("beta", "gamma") else np.median
    assert abs(middle(value) - m) < 0.01
    np.testing.assert_allclose((drawn.y / 25 - drawn.value).mean(), 0, atol=0.002)
    spread = value * (1 - value) if family in PROPORTIONS else value
    np.testing.assert_allclose(
        ((drawn.y / 25 - drawn.value) ** 2).mean(), spread.mean() / 25, rtol=0.03
    )
    table = drawn.table(1)
    found = pp.fit(drawn.formula, table, **COUNT_MODELS[family])
    assert found.statistics.n_groups == 30
    more = pp.simulate.CountWorld.of(40, 25, 0.4, mu=-1.0, **COUNT_MODELS[family])
    np.testing.assert_array_equal(pp.simulate.count_worlds(more, seed=3).y[0, :30], drawn.y[0])


def test_rows_that_vary_too_much_are_noticed():
    rng = np.random.default_rng(4)
    p = rng.beta(2, 6, 200)
    data = {"g": np.arange(200) % 8, "y": rng.binomial(30, p), "n": np.full(200, 30)}
    notices = {n.code for n in pp.fit(PROPORTION, data).notices}
    assert "rows_vary" in notices
    calm = {**data, "y": rng.binomial(30, 0.25, 200)}
    assert "rows_vary" not in {n.code for n in pp.fit(PROPORTION, calm).notices}


def test_advice_and_charts():
    found = pp.fit(PROPORTION, DATA)
    advice = found.advise()
    assert 0 <= advice.icc_lower <= advice.icc <= advice.icc_upper <= 1
    for name in ("shrinkage", "caterpillar", "shrinkage_by_size", "tau"):
        words = getattr(found.plot, name)().to_dict()["description"]
        assert words
    with pytest.raises(pp.ArgumentError, match="known standard errors"):
        found.plot.forest()
    with pytest.raises(pp.ArgumentError, match="not of others or counts"):
        found.plot.estimates_by_tau()
    world = found.world()
    assert world.size == tuple(float(v) for v in DATA["n"])
