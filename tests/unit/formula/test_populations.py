"""Which populations go with which outcomes, formulas and methods."""

import numpy as np
import pytest

import partialpool as pp

DATA = {
    "y": [3, 5, 2, 6, 4, 1],
    "n": [10, 12, 9, 11, 10, 8],
    "se": [0.5, 0.6, 0.4, 0.5, 0.7, 0.6],
    "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "g": list("abcdef"),
    "h": list("aabbcc"),
}
BINOMIAL, POISSON = "y | trials(n) ~ 1 + (1 | g)", "y | exposure(n) ~ 1 + (1 | g)"


@pytest.mark.parametrize(
    ("formula", "population", "words"),
    [
        (BINOMIAL, "gamma", 'population="gamma" goes with family="poisson", not with binomial'),
        (POISSON, "beta", 'population="beta" goes with family="binomial", not with poisson'),
        ("y | se(se) ~ 1 + (1 | g)", "beta", "not with measurements"),
        (BINOMIAL, "bta", "there is no population 'bta'; did you mean \"beta\""),
        (POISSON, 3, "there is no population 3"),
    ],
)
def test_populations_that_there_are_not(formula, population, words):
    with pytest.raises(pp.ArgumentError, match=words):
        pp.fit(formula, DATA, population=population)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y | trials(n) ~ x + (1 | g)", "the predictor x does not go with"),
        ("y | trials(n) ~ 1 + (1 | g) + (1 | h)", "a second grouping factor"),
        ("y | trials(n) ~ 1 + (x | g)", "a slope that varies by group"),
        ("y | trials(n) ~ 1 + offset(x) + (1 | g)", r"offset\(x\) does not"),
        ("y | trials(n) ~ 1 + (1 | g:h)", "the factor g:h of several columns"),
        ("y | trials(n) ~ 0 + (1 | g)", "a formula without an intercept"),
    ],
)
def test_formulas_beyond_one_factor(formula, words):
    with pytest.raises(pp.UnsupportedFormulaError, match=words):
        pp.fit(formula, DATA, population="beta")


def test_the_population_is_told_and_stays():
    fit = pp.fit(BINOMIAL, DATA, population="beta")
    assert fit.population == "beta"
    assert fit.to_dict()["population"] == "beta"
    assert "come from a beta population," in fit.methods()
    assert pp.fit(BINOMIAL, DATA).population == "normal"
    assert pp.fit("y ~ x + (1 | h)", DATA, prior="tau ~ half_normal(1)").population == "normal"
    assert fit.update({k: v[:2] for k, v in DATA.items()}).population == "beta"


def test_one_statistics_serve_every_population():
    kept = pp.statistics(BINOMIAL, DATA)
    for population in ("normal", "beta"):
        got = pp.fit_statistics(kept, population=population).groups()
        want = pp.fit(BINOMIAL, DATA, population=population).groups()
        np.testing.assert_array_equal(got["estimate"], want["estimate"])
    with pytest.raises(pp.ArgumentError, match='goes with family="poisson"'):
        pp.fit_statistics(kept, population="gamma")
