"""Draws and data as ArviZ keeps them, against densities by brute force."""

import numpy as np
import pytest
from scipy import integrate, stats

import partialpool as pp
from count_models import COUNT_MODELS, PROPORTIONS

pytest.importorskip("arviz_base")

ROWS = {
    "g": list("aabbbcccd"),
    "y": [1.0, 2.5, 3.0, 5.0, 4.5, 0.5, -1.0, 0.2, 2.0],
    "w": [1.0, 2.0, 0.5, 1.0, 3.0, 1.0, 1.0, 2.0, 1.5],
}
TREES = {"trees": [2, 9, 4, 0, 7], "site": list("pqrst"), "ha": [1.5, 4.0, 2.0, 1.0, 3.0]}


@pytest.fixture(scope="module")
def schools():
    return pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())


def test_draws_are_those_of_the_posterior_by_name(schools):
    tree = schools.to_arviz(300, np.random.default_rng(5), scale="link")
    drawn = schools.draws(300, np.random.default_rng(5))
    posterior = tree["posterior"]
    assert set(posterior.data_vars) == {"Intercept", "tau[school]", "theta[school]"}
    np.testing.assert_array_equal(posterior["tau[school]"].values[0], drawn["tau[school]"])
    np.testing.assert_array_equal(posterior["theta[school]"].values[0], drawn.groups())
    assert posterior["theta[school]"].dims == ("chain", "draw", "school")
    assert posterior["school"].values.tolist() == list("ABCDEFGH")
    assert tree["observed_data"]["effect"].sel(school="C") == pytest.approx(-3.0)
    assert tree["constant_data"]["se"].sel(school="C") == pytest.approx(16.0)
    assert tree.attrs["formula"] == schools.formula
    assert schools.to_arviz(50).equals(schools.to_arviz(50))


def at_draw(tree, place, *names):
    return [float(tree["posterior"][name][0, place]) for name in names]


@pytest.mark.parametrize("weights", [False, True])
def test_log_likelihood_of_rows_is_their_joint_normal_density(weights):
    outcome = "y | weights(w)" if weights else "y"
    tree = pp.fit(f"{outcome} ~ 1 + (1 | g)", ROWS).to_arviz(20, np.random.default_rng(1))
    assert tree["constant_data"]["n[g]"].values.tolist() == [2, 3, 3, 1]
    group, y, w = (np.array(ROWS[k]) for k in "gyw")
    for place in (0, 7):
        mu, tau, sigma = at_draw(tree, place, "Intercept", "tau[g]", "sigma")
        for label in "abcd":
            at = group == label
            noise = sigma**2 / (w[at] if weights else np.ones(at.sum()))
            covariance = np.diag(noise) + tau**2
            exact = stats.multivariate_normal.logpdf(y[at], np.full(at.sum(), mu), covariance)
            value = tree["log_likelihood"]["y"].sel(g=label)[0, place]
            assert float(value) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("family", ["binomial", "poisson", "beta", "gamma"])
def test_log_likelihood_of_counts_integrates_the_group_out(family):
    proportion = family in PROPORTIONS
    data = {**TREES, "n": [5, 12, 10, 8, 9]}
    size = "trials(n)" if proportion else "exposure(ha)"
    fit = pp.fit(
        f"trees | {size} ~ 1 + (1 | site)", data, **COUNT_MODELS[family],
        prior=["mu ~ normal(0, 2)", "tau ~ half_normal(1)"],
    )  # fmt: skip
    tree = fit.to_arviz(10, np.random.default_rng(2))
    assert tree["observed_data"]["trees"].values.tolist() == TREES["trees"]
    sizes = tree["constant_data"]["trials" if proportion else "exposure"]
    np.testing.assert_array_equal(sizes, data["n" if proportion else "ha"])
    mu, tau = at_draw(tree, 3, "Intercept", "tau[site]")
    for j, y in enumerate(TREES["trees"]):
        n, hectares = data["n"][j], data["ha"][j]
        expected = density(family, y, n if proportion else hectares, mu, tau)
        value = float(tree["log_likelihood"]["trees"][0, 3, j])
        assert value == pytest.approx(np.log(expected), abs=2e-5)


def density(family, y, size, mu, tau):
    """Probability of y events by quadrature, or by the family's closed form."""
    if family == "beta":
        p, f = 1 / (1 + np.exp(-mu)), tau**-2
        return stats.betabinom.pmf(y, size, f * p, f * (1 - p))
    if family == "gamma":
        f = tau**-2
        return stats.nbinom.pmf(y, f, f / (f + size * np.exp(mu)))

    def joint(theta):
        prior = stats.norm.pdf(theta, mu, tau)
        if family == "binomial":
            return prior * stats.binom.pmf(y, size, 1 / (1 + np.exp(-theta)))
        return prior * stats.poisson.pmf(y, size * np.exp(theta))

    return integrate.quad(joint, mu - 12 * tau, mu + 12 * tau, limit=400)[0]


def test_leaving_out_a_group_by_reweighting_draws_is_the_exact_score(schools):
    log_p = schools.to_arviz(40_000)["log_likelihood"]["effect"].values[0]
    score = -np.log(np.exp(-log_p).mean(axis=0)).mean()
    scores = schools.compare().scores
    exact = dict(zip(scores["estimator"], scores["log_score"], strict=True))["partial_pooling"]
    assert score == pytest.approx(exact, abs=0.01)


def test_slopes_several_factors_and_names_that_clash():
    radon = pp.datasets.radon()
    fit = pp.fit("log_radon ~ floor + (floor | county)", radon)
    tree = fit.to_arviz(40)
    slopes = tree["posterior"]["theta[county, floor]"]
    drawn = fit.draws(40, np.random.default_rng(20261122)).groups("county", term="floor")
    np.testing.assert_array_equal(slopes.values[0], drawn)
    assert slopes.sizes == {"chain": 1, "draw": 40, "county": 85}
    assert "log_likelihood" not in tree.children
    crossed = {
        "a": np.repeat([1, 2, 3, 4], 9),
        "b": np.tile(np.arange(9) // 3, 4),
        "x/y": np.random.default_rng(0).normal(size=36),
        "y": np.random.default_rng(1).normal(size=36),
    }
    prior = ["tau ~ half_normal(1)"]
    tree = pp.fit("y ~ a + `x/y` + (1 | a) + (1 | b)", crossed, prior=prior).to_arviz(30)
    assert tree["posterior"]["theta[a]"].dims == ("chain", "draw", "a_group")
    assert tree["posterior"]["theta[b]"].dims == ("chain", "draw", "b")
    assert tree["posterior"]["`x per y`"].dims == ("chain", "draw")


def test_counts_with_predictors_have_draws_on_either_scale():
    fit = pp.fit("incidence | trials(size) ~ C(period) + (1 | herd)", pp.datasets.cbpp())
    p = fit.to_arviz(25)["posterior"]["theta[herd]"].values
    eta = fit.to_arviz(25, scale="link")["posterior"]["theta[herd]"].values
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-eta)), rtol=1e-12)


def test_estimates_have_no_draws():
    fit = pp.fit("reaction ~ days + (days | subject)", pp.datasets.sleepstudy(), method="reml")
    with pytest.raises(
        pp.ArgumentError, match=r'to_arviz\(\) needs a posterior: fit with method="p'
    ):
        fit.to_arviz()


def test_without_the_extra_it_says_so(schools, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "arviz_base", None)
    with pytest.raises(pp.MissingExtraError, match=r"pip install 'partialpool\[arviz\]'"):
        schools.to_arviz()
