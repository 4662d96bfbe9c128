"""What is said of the population of groups, and when the data say little of it."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.words.population_shape import _priors, distance, population_words

FORMULA = "y | se(se) ~ 1 + (1 | g)"


def world(groups, share, seed, ratio=6.0):
    """Estimates of groups from N(0, 1), a share of them from N(0, ratio^2)."""
    rng = np.random.default_rng(seed)
    scale = np.where(rng.random(groups) < share, ratio, 1.0)
    se = rng.uniform(0.3, 1.5, groups)
    y = rng.normal(0, scale) + rng.normal(0, se)
    return {"y": y, "se": se, "g": np.arange(groups)}


@pytest.mark.parametrize(
    ("population", "words"),
    [
        ("normal", "a normal population"),
        ("gamma", "a gamma population"),
        (pp.Student(), "a Student t population with 4 degrees of freedom"),
        (pp.Student(1), "a Student t population with 1 degree of freedom"),
        (pp.Student("learned"), "a Student t population with learned degrees of freedom"),
        (
            pp.Contaminated(),
            "a contaminated normal population, of which a learned share is wider by a learned "
            "ratio",
        ),
        (
            pp.Contaminated(0.1, 5),
            "a contaminated normal population, of which a share of 0.1 is 5 times as wide",
        ),
        (pp.PointNormal(), "a population of which all groups but a learned share are exactly at 0"),
    ],
)
def test_words(population, words):
    assert population_words(population) == words


def test_quantiles_of_priors_are_those_of_the_distributions():
    from scipy import stats

    p = np.linspace(0.05, 0.95, 19)
    ((df, _),) = _priors(pp.Student("learned"))
    above = stats.gamma(2, scale=10)
    np.testing.assert_allclose(df, above.ppf(above.cdf(0.5) + p * above.sf(0.5)), rtol=1e-3)
    (share, _), (ratio, _) = _priors(pp.Contaminated())
    np.testing.assert_allclose(share, stats.beta(1, 4).ppf(p), rtol=1e-3)
    log_ratio = stats.norm(np.log(5), 0.5)
    wide = np.exp(log_ratio.ppf(log_ratio.cdf(0) + p * log_ratio.sf(0)))
    np.testing.assert_allclose(ratio, wide, rtol=1e-3)


def test_distance_is_total_variation():
    class Uniform:
        def cdf(self, x):
            return np.clip(2 * x, 0, 1)

    x = np.linspace(0.05, 0.95, 19)
    assert distance(Uniform(), x, x) == pytest.approx(0.5)


@pytest.mark.parametrize("population", ["student(learned)", "contaminated"])
def test_few_groups_say_little_and_many_much(population):
    few = pp.fit(FORMULA, world(8, 0.0, 1), population=population)
    (said,) = [n for n in few.notices if n.code == "population_rests_on_prior"]
    assert said.text.startswith("8 groups say little about")
    many = pp.fit(FORMULA, world(200, 0.1, 2), population=population)
    assert "population_rests_on_prior" not in {n.code for n in many.notices}


def test_a_number_leaves_nothing_to_learn():
    fit = pp.fit(FORMULA, world(8, 0.0, 1), population="student")
    assert "population_rests_on_prior" not in {n.code for n in fit.notices}


def test_outlying_groups_say_what_to_write_only_where_it_can_be_written():
    data = world(30, 0.0, 4)
    data["y"][:2] += 12.0
    text = {n.code: n.text for n in pp.fit(FORMULA, data).notices}["outlying_groups"]
    assert 'population="student" (--population student), or "contaminated"' in text
    assert text.startswith("Groups of g lie apart")
    checked = pp.fit(FORMULA, data).check()
    assert any("--population student" in n.text for n in checked.notices)
    data["x"] = np.linspace(-1, 1, 30)
    mixed = {n.code: n.text for n in pp.fit("y | se(se) ~ x + (1 | g)", data).notices}
    assert "population=" not in mixed.get("outlying_groups", "population=")


def test_the_printed_fit_names_population_priors_and_groups_that_lie_far_out():
    data = world(40, 0.0, 5)
    data["y"][0] = 15.0
    text = repr(pp.fit(FORMULA, data, population="contaminated"))
    assert "40 groups from a contaminated normal population" in text
    assert "share ~ beta(1, 4), ratio ~ lognormal(log 5, 0.5)" in " ".join(text.split())
    assert "p_outlying" in text
    sparse = pp.fit(FORMULA, data, population="point_normal")
    assert "differ from 0; of" in sparse.advise().text
    assert "Intercept" not in sparse.parameters()["name"].tolist()
