"""Populations by their words, and which go with which outcomes, formulas and methods."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.models.population_text import parse_population

DATA = {
    "y": [3, 5, 2, 6, 4, 1],
    "n": [10, 12, 9, 11, 10, 8],
    "se": [0.5, 0.6, 0.4, 0.5, 0.7, 0.6],
    "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "g": list("abcdef"),
    "h": list("aabbcc"),
}
BINOMIAL, POISSON = "y | trials(n) ~ 1 + (1 | g)", "y | exposure(n) ~ 1 + (1 | g)"


ESTIMATES = "y | se(se) ~ 1 + (1 | g)"


@pytest.mark.parametrize(
    ("text", "population"),
    [
        ("student", pp.Student(4)),
        (" student( 7 ) ", pp.Student(7)),
        ("student(df=2.5)", pp.Student(2.5)),
        ("student(learned)", pp.Student("learned")),
        ("t(3)", pp.Student(3)),
        ("contaminated", pp.Contaminated()),
        ("contaminated(share=0.1, ratio=5)", pp.Contaminated(0.1, 5)),
        ("contaminated(learned, 5)", pp.Contaminated(ratio=5)),
        ("point_normal", pp.PointNormal()),
        ("point_normal(-1.5)", pp.PointNormal(-1.5)),
        ("point_normal(mean=learned)", pp.PointNormal(None)),
        ("gaussian", "normal"),
        ("Beta", "beta"),
    ],
)
def test_words(text, population):
    assert parse_population(text) == population
    assert parse_population(str(population)) == population


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("studnet", 'there is no population "studnet"; did you mean "student"'),
        ("student(7, 8)", r"has too many numbers; write student\(df=...\)"),
        ("student(nu=4)", r"has no nu; write student\(df=...\)"),
        ("contaminated(rato=4)", 'has no rato; did you mean "ratio"'),
        ("contaminated(0.1, share=0.2)", "two values of share"),
        ("student(df=3, df=4)", "df= is given twice; give one value"),
        ("contaminated(share=2)", "share is a number between 0 and 1"),
        ("student(x)", "a number or the word learned, not x"),
        ("normal(3)", "normal takes no numbers; write normal"),
        ("student(7", "cannot be read; write a word such as student"),
        ("", "cannot be read"),
    ],
)
def test_words_that_cannot_be_read(text, words):
    with pytest.raises(pp.ArgumentError, match=words):
        pp.fit(ESTIMATES, DATA, population=text)


@pytest.mark.parametrize(
    ("formula", "population", "words"),
    [
        (BINOMIAL, "gamma", 'population="gamma" goes with family="poisson", not with binomial'),
        (POISSON, "beta", 'population="beta" goes with family="binomial", not with poisson'),
        (ESTIMATES, "beta", "not with measurements, whose population is one of normal, student"),
        (POISSON, 3, "population=3: it is a word"),
        (POISSON, pp.Student, "an object such as pp.Student"),
    ],
)
def test_populations_that_do_not_go_with_the_outcome(formula, population, words):
    with pytest.raises(pp.ArgumentError, match=words):
        pp.fit(formula, DATA, population=population)


@pytest.mark.parametrize("population", ["student", pp.Contaminated(), "beta"])
@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y | trials(n) ~ x + (1 | g)", "the predictor x does not go with population="),
        ("y | trials(n) ~ 1 + (1 | g) + (1 | h)", "a second grouping factor"),
        ("y | trials(n) ~ 1 + (x | g)", "a slope that varies by group"),
        ("y | trials(n) ~ 1 + offset(x) + (1 | g)", r"offset\(x\) does not"),
        ("y | trials(n) ~ 1 + (1 | g:h)", "the factor g:h of several columns"),
        ("y | trials(n) ~ 0 + (1 | g)", "a formula without an intercept"),
    ],
)
def test_formulas_beyond_one_factor(formula, population, words):
    with pytest.raises(pp.UnsupportedFormulaError, match=words):
        pp.fit(formula, DATA, population=population)


def test_formulas_of_measurements_beyond_one_factor():
    for formula, words in (
        ("log(y) ~ 1 + (1 | g)", r"the computed outcome log\(y\) \(make it a column\)"),
        ("y ~ 1 + (1 | g); sigma ~ 1 + (1 | g)", "a formula of sigma does not go with"),
    ):
        with pytest.raises(pp.UnsupportedFormulaError, match=words):
            pp.fit(formula, DATA, population="student")


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_estimates_are_of_normal_populations(method):
    words = f'method="{method}" is for normal populations; population="student" is fitted with'
    with pytest.raises(pp.ArgumentError, match=words):
        pp.fit(ESTIMATES, DATA, population="student", method=method)


def test_the_formula_names_the_population():
    assert pp.fit('y | trials(n) ~ 1 + (1 | gr(g, dist = "beta"))', DATA).population == "beta"
    assert pp.fit('y | trials(n) ~ 1 + (1 | gr(g, dist = "gaussian"))', DATA).population == "normal"
    for formula, population, words in (
        ('y ~ 1 + (1 | gr(g, dist = "studnt"))', None, 'did you mean "student"'),
        ('y ~ x + (1 | gr(g, dist = "student"))', None, "the predictor x does not go with"),
        (
            'y ~ 1 + (1 | gr(g, dist = "student"))',
            "contaminated",
            'says dist = "student"; give one',
        ),
        ("y ~ 1 + (1 | gr(g, dist = student))", None, "is written in quotes"),
        ("y ~ 1 + (1 | gr(g, by = x))", None, "is not fitted here"),
    ):
        with pytest.raises(pp.PartialPoolError, match=words):
            pp.fit(formula, DATA, population=population)


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
