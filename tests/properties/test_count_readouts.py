"""OneWayDraws, tables, ranks and contrasts of one-way models are read from one posterior."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

import partialpool as pp
from count_models import COUNT_MODELS, PROPORTIONS

PROPORTION = "y | trials(n) ~ 1 + (1 | g)"
RATE = "y | exposure(n) ~ 1 + (1 | g)"
DRAWS = 20_000
LEVELS = np.array([0.005, 0.025, 0.25, 0.5, 0.75, 0.975, 0.995])
# family, groups, events per unit on the link scale, spread, trials or exposure up to, prior
WORLDS = [
    ("binomial", 40, -4.0, 0.01, 10, "tau ~ half_normal(2)"),
    ("binomial", 6, -1.0, 5.0, 1e6, None),
    ("binomial", 15, 0.0, 0.5, 1e3, None),
    ("poisson", 40, -1.0, 2.0, 10, None),
    ("poisson", 15, -4.0, 5.0, 1e6, "tau ~ half_normal(2)"),
    ("beta", 15, -1.0, 2.0, 1e3, None),
    ("beta", 6, -4.0, 0.5, 1e6, "tau ~ half_normal(2)"),
    ("gamma", 15, 0.0, 0.5, 1e3, "tau ~ half_normal(2)"),
    ("gamma", 40, -1.0, 2.0, 10, "tau ~ half_normal(2)"),
]


def world(family, groups, mu, tau, largest, prior, seed=3):
    rng = np.random.default_rng(seed)
    n = np.floor(10 ** rng.uniform(0.0, np.log10(largest), groups)).astype(int)
    theta = rng.normal(mu, tau, groups)
    proportion = family in PROPORTIONS
    y = rng.binomial(n, special.expit(theta)) if proportion else rng.poisson(n * np.exp(theta))
    data = {"y": y, "n": n, "g": np.arange(groups)}
    return (PROPORTION if proportion else RATE), data, {**COUNT_MODELS[family], "prior": prior}


@pytest.mark.parametrize("case", WORLDS, ids=lambda c: f"{c[0]} {c[1]} {c[4]:g}")
def test_all_read_outs_agree(case):
    formula, data, options = world(*case)
    fit = pp.fit(formula, data, **options)
    post, groups = fit._engine, len(data["g"])
    assert post.status.name == "REACHED"
    drawn = post.draws(DRAWS, np.random.default_rng(7))
    _same(drawn.theta, post.theta)
    _same(drawn.tau[:, None], post.tau)
    _same(drawn.mu[:, None], post.mu)
    natural = post.model.link.natural(post.theta.quantile(LEVELS))
    np.testing.assert_allclose(post.value.quantile(LEVELS), natural, rtol=1e-9)
    table, ranks = fit.groups(), fit.rank()
    np.testing.assert_allclose(table["lower"], post.value.quantile(0.025), rtol=1e-9)
    one = post.group(1)
    np.testing.assert_allclose(one.quantile(0.975), table["upper"][1], rtol=1e-9)
    order = np.argsort(ranks["group"])
    each = (-drawn.theta).argsort(axis=1).argsort(axis=1) + 1.0
    error = 5.0 * np.sqrt(each.var(axis=0) * 2.0 / DRAWS) + 1e-9
    assert (np.abs(ranks["expected_rank"][order] - each.mean(axis=0)) < error).all()
    assert ranks["expected_rank"].sum() == pytest.approx(groups * (groups + 1) / 2)
    both = post.contrast_of(post.terms[0], {0: 1.0, 1: -1.0}, "link")
    _same((drawn.theta[:, 0] - drawn.theta[:, 1])[:, None], both, extra=2.0)


def _same(drawn, distribution, extra=1.0):
    """Shares of draws below quantiles are their levels, within five standard errors."""
    at = np.asarray(distribution.quantile(LEVELS)).reshape(len(LEVELS), -1)
    below = (drawn[:, None, :] <= at).mean(axis=0)
    error = np.sqrt(extra * LEVELS * (1.0 - LEVELS) / DRAWS)
    assert (np.abs(below - LEVELS[:, None]) < 5.0 * error[:, None]).all()


def test_one_event_in_forty_groups_against_a_plain_sum():
    """Far below the only event a narrow prior fell between the nodes of the mesh."""
    n = np.array([6, 3, 1, 2, 3, 1, 5, 1, 2, 3, 2, 3, 5, 9, 1, 4, 4, 1, 1, 9, 1, 2, 7, 3, 2, 5, 1,
                  5, 2, 1, 4, 8, 1, 4, 1, 5, 5, 1, 6, 4])  # fmt: skip
    y = (np.arange(40) == 35).astype(int)
    prior = "tau ~ half_normal(2)"
    post = pp.fit(PROPORTION, {"y": y, "n": n, "g": np.arange(40)}, prior=prior)._engine
    z, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    mu, tau = np.linspace(-60.0, 15.0, 1201)[:, None], 0.04 * (np.arange(300) + 0.5)
    log_f = np.broadcast_to(stats.norm.logpdf(tau, scale=2.0), (len(mu), len(tau))).copy()
    for trials, event in set(zip(n.tolist(), y.tolist(), strict=True)):
        count = ((n == trials) & (y == event)).sum()
        theta = mu[..., None] + tau[:, None] * z
        lik = np.exp(
            event * special.log_expit(theta) + (trials - event) * special.log_expit(-theta)
        )
        log_f += count * np.log(lik @ weight)
    share = np.exp(log_f - log_f.max())
    share /= share.sum()
    assert float(post.mu.mean) == pytest.approx((share * mu).sum(), rel=2e-3)
    assert float(post.tau.mean) == pytest.approx((share * tau).sum(), rel=2e-3)
    assert post.status.name == "REACHED"


@pytest.mark.parametrize("case", WORLDS[1:6:2], ids=lambda c: c[0])
def test_order_of_rows_and_names_of_groups_do_not_matter(case):
    formula, data, options = world(*case)
    order = np.random.default_rng(1).permutation(len(data["g"]))
    other = {k: v[order] for k, v in data.items()}
    other["g"] = [f"name {len(order) - g:03d}" for g in other["g"]]
    a, b = (pp.fit(formula, d, **options) for d in (data, other))
    back = np.argsort(np.argsort([f"name {len(order) - g:03d}" for g in data["g"]]))
    for column in ("estimate", "sd", "lower", "upper", "shrinkage"):
        np.testing.assert_allclose(b.groups()[column][back], a.groups()[column], rtol=1e-9)
    assert float(a._engine.tau.median) == pytest.approx(float(b._engine.tau.median), rel=1e-10)


@pytest.mark.parametrize("unit", [1e-8, 1e8])
@pytest.mark.parametrize("family", ["poisson", "gamma"])
def test_units_of_exposure(unit, family):
    _, data, options = world(family, 15, 0.0, 0.5, 1e3, "tau ~ half_normal(2)")
    other = data | {"n": data["n"] * unit}
    a, b = (pp.fit(RATE, d, **options)._engine for d in (data, other))
    assert float(b.mu.mean) == pytest.approx(float(a.mu.mean) - np.log(unit), abs=1e-7)
    np.testing.assert_allclose(b.value.mean * unit, a.value.mean, rtol=1e-7)
    np.testing.assert_allclose(b.value.quantile(0.9) * unit, a.value.quantile(0.9), rtol=1e-7)
    np.testing.assert_allclose(
        b.draws(50, np.random.default_rng(1)).theta + np.log(unit),
        a.draws(50, np.random.default_rng(1)).theta,
        atol=1e-5,
    )


def test_a_level_without_events_ends_where_its_points_do():
    """Of years that differ and sites that do not, sums over the rate of the first year; a mixture
    of components with three moments each put the upper end 0.23 sds too high."""
    rng = np.random.default_rng(12)
    year, site, count = np.repeat(np.arange(5), 6), np.tile(np.arange(6), 5), rng.poisson(2, 30)
    count[year == 3] = 0
    data = {"year": [f"y{k}" for k in year], "site": [f"s{k}" for k in site], "count": count}
    priors = ["beta ~ normal(0, 10)", "tau ~ half_normal(0.001)"]
    fit = pp.fit("count ~ year + (1 | site)", data, family="poisson", prior=priors)
    events = np.bincount(year, count)
    b, mu = np.linspace(-6, 6, 601), np.linspace(-3, 3, 601)
    log_w = events[0] * mu - 6 * np.exp(mu)
    for k in (1, 2, 4):
        each = mu[:, None] + b
        log_w += special.logsumexp(events[k] * each - 6 * np.exp(each) - b**2 / 200, axis=1)
    y = np.linspace(-60, 3, 12601)
    weight = np.exp(log_w - log_w.max())
    density = np.exp(-(y**2) / 200) * (weight @ np.exp(-6 * np.exp(mu[:, None] + y)))
    below = np.cumsum(density) / density.sum()
    sd = np.sqrt(density @ y**2 / density.sum() - (density @ y / density.sum()) ** 2)
    ends = np.interp([0.025, 0.5, 0.975], below, y)
    of = fit.posterior["year[y3]"]
    np.testing.assert_allclose(of.quantile([0.025, 0.5, 0.975]), ends, atol=0.06 * sd)
    assert of.sd == pytest.approx(sd, rel=0.03)
