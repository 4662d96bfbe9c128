"""Words of R, lme4, brms, bambi and patsy: what each formula is read as, or what is said."""

from functools import cache

import duckdb
import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from doors import DOORS, through
from partialpool.formula import parse, read_roles

READ = {
    # categories
    "y ~ factor(k) + (1 | g)": "y ~ 1 + C(k) + (1 | g)",
    "y ~ as.factor(k) + (1 | g)": "y ~ 1 + C(k) + (1 | g)",
    "y ~ as_factor(k) * x + (1 | g)": "y ~ 1 + C(k) + x + C(k):x + (1 | g)",
    "y ~ ordered(k) + (1 | g)": "y ~ 1 + C(k) + (1 | g)",
    'y ~ factor(k, levels = c("lo", "hi")) + (1 | g)': 'y ~ 1 + C(k, "lo", "hi") + (1 | g)',
    'y ~ relevel(k, ref = "lo") + (1 | g)': 'y ~ 1 + C(k, ref("lo")) + (1 | g)',
    'y ~ relevel(factor(k), ref = "lo") + (1 | g)': 'y ~ 1 + C(k, ref("lo")) + (1 | g)',
    'y ~ relevel(k, "lo") + (1 | g)': 'y ~ 1 + C(k, ref("lo")) + (1 | g)',
    'y ~ C(k, Treatment("lo")) + (1 | g)': 'y ~ 1 + C(k, ref("lo")) + (1 | g)',
    'y ~ C(k, Treatment(reference="lo")) + (1 | g)': 'y ~ 1 + C(k, ref("lo")) + (1 | g)',
    "y ~ C(k, Treatment(2)) + (1 | g)": "y ~ 1 + C(k, ref(2)) + (1 | g)",
    "y ~ x + (1 | interaction(a, b, k))": "y ~ 1 + x + (1 | a:b:k)",
    "y ~ C(k, Treatment) + (1 | g)": "y ~ 1 + C(k) + (1 | g)",
    "y ~ C(k, contr.treatment) + (1 | g)": "y ~ 1 + C(k) + (1 | g)",
    'y ~ C(k, ref="lo") + (1 | g)': 'y ~ 1 + C(k, ref("lo")) + (1 | g)',
    'y ~ C(k, ref("lo")) + (1 | g)': 'y ~ 1 + C(k, ref("lo")) + (1 | g)',
    # numbers
    "y ~ np.log(x) + (1 | g)": "y ~ 1 + log(x) + (1 | g)",
    "y ~ numpy.sqrt(x) + (1 | g)": "y ~ 1 + sqrt(x) + (1 | g)",
    "y ~ np.log1p(x) + np.abs(x) + (1 | g)": "y ~ 1 + log1p(x) + abs(x) + (1 | g)",
    "np.log(y) ~ x + (1 | g)": "log(y) ~ 1 + x + (1 | g)",
    "y ~ log2(x) + log10(x) + (1 | g)": "y ~ 1 + log2(x) + log10(x) + (1 | g)",
    "y ~ ln(x) + (1 | g)": "y ~ 1 + log(x) + (1 | g)",
    "y ~ identity(x) + (1 | g)": "y ~ 1 + I(x) + (1 | g)",
    "y ~ I(x > 5) + (1 | g)": "y ~ 1 + I(x > 5) + (1 | g)",
    "y ~ I(x >= 5 + z) + (1 | g)": "y ~ 1 + I(x >= 5 + z) + (1 | g)",
    "y ~ I(x == 5):z + (1 | g)": "y ~ 1 + I(x == 5):z + (1 | g)",
    "y ~ I(x != 5) + (1 | g)": "y ~ 1 + I(x != 5) + (1 | g)",
    "y ~ I(x**2) + (1 | g)": "y ~ 1 + I(x^2) + (1 | g)",
    "y ~ poly(x, degree=2) + (1 | g)": "y ~ 1 + poly(x, 2) + (1 | g)",
    "y ~ poly(x, 3, raw=TRUE) + (1 | g)": "y ~ 1 + x + I(x^2) + I(x^3) + (1 | g)",
    "y ~ poly(x, 2, raw = FALSE) + (1 | g)": "y ~ 1 + poly(x, 2) + (1 | g)",
    "y ~ scale(x, scale=FALSE) + (1 | g)": "y ~ 1 + center(x) + (1 | g)",
    "y ~ scale(x, center=TRUE, scale=TRUE) + (1 | g)": "y ~ 1 + scale(x) + (1 | g)",
    "y ~ standardize(x) + (1 | g)": "y ~ 1 + scale(x) + (1 | g)",
    # columns
    'y ~ Q("my var") + (1 | g)': "y ~ 1 + `my var` + (1 | g)",
    "data$y ~ data$x + (1 | data$g)": "y ~ 1 + x + (1 | g)",
    "d$y ~ log(d$x) + (d$x | d$`my g`)": "y ~ 1 + log(x) + (1 + x | `my g`)",
    # groups
    "y ~ x + (1 | factor(g))": "y ~ 1 + x + (1 | g)",
    "y ~ x + (1 | C(g))": "y ~ 1 + x + (1 | g)",
    "y ~ x + (1 | as.factor(a):b)": "y ~ 1 + x + (1 | a:b)",
    "y ~ x + (1 | interaction(a, b))": "y ~ 1 + x + (1 | a:b)",
    "y ~ x + (1 | gr(g))": "y ~ 1 + x + (1 | g)",
    "y ~ x + (1 + x | ID | g)": "y ~ 1 + x + (1 + x | g)",
    "y ~ x + us(1 + x | g)": "y ~ 1 + x + (1 + x | g)",
    "y ~ x + diag(1 + x | g)": "y ~ 1 + x + (1 + x || g)",
    # outcomes
    "cbind(s, f) ~ x + (1 | g)": "s | trials(s + f) ~ 1 + x + (1 | g)",
    "cbind(s, n - s) ~ x + (1 | g)": "s | trials(n) ~ 1 + x + (1 | g)",
    "p(s, n) ~ x + (1 | g)": "s | trials(n) ~ 1 + x + (1 | g)",
    "prop(s, n) ~ 1 + (1 | g)": "s | trials(n) ~ 1 + (1 | g)",
    "s | trials(s + f) ~ 1 + (1 | g)": "s | trials(s + f) ~ 1 + (1 | g)",
    "y | se(sqrt(v)) ~ 1 + (1 | g)": "y | se(sqrt(v)) ~ 1 + (1 | g)",
    "y | var(v) ~ 1 + (1 | g)": "y | se(sqrt(v)) ~ 1 + (1 | g)",
    "y | vi(v) ~ 1 + (1 | g)": "y | se(sqrt(v)) ~ 1 + (1 | g)",
    "y | ci(a, b) ~ 1 + (1 | g)": "y | se((b - a)/3.919928) ~ 1 + (1 | g)",
    "y | rate(e) ~ 1 + (1 | g)": "y | exposure(e) ~ 1 + (1 | g)",
    # the algebra of terms
    "y ~ (1 | g)": "y ~ 1 + (1 | g)",
    "y ~ 1 + (1 | g)": "y ~ 1 + (1 | g)",
    "y ~ x * z + (1 | g)": "y ~ 1 + x + z + x:z + (1 | g)",
    "y ~ (x + z + a)^2 + (1 | g)": "y ~ 1 + x + z + a + x:z + x:a + z:a + (1 | g)",
    "y ~ x:z + (1 | g)": "y ~ 1 + x:z + (1 | g)",
    "y ~ a/x + (1 | g)": "y ~ 1 + a + a:x + (1 | g)",
    "y ~ 0 + x + (1 | g)": "y ~ 0 + x + (1 | g)",
    "y ~ x - 1 + (1 | g)": "y ~ 0 + x + (1 | g)",
    "y ~ x * z - x:z + (1 | g)": "y ~ 1 + x + z + (1 | g)",
    "y ~ x + (x || g)": "y ~ 1 + x + (1 + x || g)",
    "y ~ x + (0 + x | g)": "y ~ 1 + x + (0 + x | g)",
    "y ~ x + (x | g)": "y ~ 1 + x + (1 + x | g)",
    "y ~ x + (1 | a/b)": "y ~ 1 + x + (1 | a) + (1 | a:b)",
    "y ~ x + (1 | a:b)": "y ~ 1 + x + (1 | a:b)",
    "y ~ x + (1 | a) + (1 | b)": "y ~ 1 + x + (1 | a) + (1 | b)",
    "y ~ x + (1 | row)": "y ~ 1 + x + (1 | row)",
    "y ~ I(x - 5) + exp(z) + (1 | g)": "y ~ 1 + I(x - 5) + exp(z) + (1 | g)",
    "y ~ I((x + z) / 2) + (1 | g)": "y ~ 1 + I((x + z)/2) + (1 | g)",
    "y ~ log(x) * C(k) + (1 | g)": "y ~ 1 + log(x) + C(k) + log(x):C(k) + (1 | g)",
    "log(y) ~ center(x) + (center(x) | g)": "log(y) ~ 1 + center(x) + (1 + center(x) | g)",
    "y ~ x + offset(log(e)) + (1 | g)": "y ~ 1 + x + offset(log(e)) + (1 | g)",
    "y | weights(w) ~ x + (1 | g)": "y | weights(w) ~ 1 + x + (1 | g)",
    "y | summary(n, s) ~ 1 + (1 | g)": "y | summary(n, s) ~ 1 + (1 | g)",
    "y | exposure(e) ~ x + (1 | g)": "y | exposure(e) ~ 1 + x + (1 | g)",
    'I(k == "hi") ~ x + (1 | g)': 'I(k == "hi") ~ 1 + x + (1 | g)',
    'I(k != "hi") ~ x + (1 | g)': 'I(k != "hi") ~ 1 + x + (1 | g)',
    "`my y` ~ `my x` + (1 | `my g`)": "`my y` ~ 1 + `my x` + (1 | `my g`)",
    'y ~ days(d, "2024-01-31") + (1 | g)': 'y ~ 1 + days(d, "2024-01-31") + (1 | g)',
    'y ~ I(days(d, "2024-01-31") / 365) + (1 | g)': (
        'y ~ 1 + I(days(d, "2024-01-31")/365) + (1 | g)'
    ),
    "y ~ as.numeric(x) + (1 | g)": "y ~ 1 + I(x) + (1 | g)",
    "y ~ base::log(x) + (1 | g)": "y ~ 1 + log(x) + (1 | g)",
    "y ~ droplevels(k) + (1 | g)": "y ~ 1 + C(k) + (1 | g)",
    "y ~ math.exp(x) + (1 | g)": "y ~ 1 + exp(x) + (1 | g)",
    'y ~ days(d, origin = "2024-01-31") * x + (1 | g)': (
        'y ~ 1 + days(d, "2024-01-31") + x + days(d, "2024-01-31"):x + (1 | g)'
    ),
}

SAID = {
    "y ~ >>>C(k, Sum) + (1 | g)": "contrasts by Sum are not made here",
    "y ~ >>>C(k, contr.sum) + (1 | g)": "contrasts by contr.sum are not made here",
    "y ~ >>>C(k, Poly) + (1 | g)": "contrasts by Poly",
    "y ~ >>>C(k, ref=x) + (1 | g)": 'written in quotes or as a number: C(x, ref="level")',
    'y ~ >>>factor(k, labels = c("a")) + (1 | g)': "read as C(x)",
    "y ~ >>>relevel(k, ref = 2) + (1 | g)": 'written C(x, ref="level")',
    "y ~ C(k, >>>contr.treatment(4, base=2)) + (1 | g)": "counts levels by their places",
    "y ~ C(k, >>>contr.treatment(3)) + (1 | g)": "counts levels by their places",
    "y ~ >>>interaction(a, b) + (1 | g)": "cannot stand here",
    "y ~ >>>poly(x, z, degree=2) + (1 | g)": "poly() is written poly(x, degree)",
    "y ~ >>>poly(x, 2.5, raw=TRUE) + (1 | g)": "with a degree from 1 to 20",
    "y ~ >>>poly(x, 300000, raw=TRUE) + (1 | g)": "with a degree from 1 to 20",
    "y ~ >>>scale(x, center=5) + (1 | g)": "for others write",
    ">>>I(scale(x) > 1) ~ 1 + (1 | g)": "an outcome that compares is written",
    ">>>I(C(x) == 1) ~ 1 + (1 | g)": "an outcome that compares is written",
    ">>>I(x:k > 1) ~ 1 + (1 | g)": "an outcome that compares is written",
    '>>>I(x == "a" + 1) ~ 1 + (1 | g)': "an outcome that compares is written",
    ">>>I(1 > 0) ~ 1 + (1 | g)": "an outcome that compares is written",
    ">>>I(log(x, 2) > 1) ~ 1 + (1 | g)": "an outcome that compares is written",
    ">>>I(x > 1, 3) ~ 1 + (1 | g)": "an outcome that compares is written",
    "y | se(s) + >>>var(v) ~ 1 + (1 | g)": "given twice",
    "y ~ >>>relevel(k) + (1 | g)": 'written C(x, ref="level")',
    "y ~ >>>s(x) + (1 | g)": "smooth curve, which is not fitted here; write poly(x, 3)",
    "y ~ >>>ns(x, 3) + (1 | g)": "ns() stands for a smooth curve",
    "y ~ >>>bs(x, df = 4) + (1 | g)": "bs() stands for a smooth curve",
    "y ~ >>>te(x, z) + (1 | g)": "te() stands for a smooth curve",
    "y ~ >>>gp(x) + (1 | g)": "gp() stands for a smooth curve",
    "y ~ >>>mo(k) + (1 | g)": "monotonic effect, which is not fitted here; write C(x)",
    "y ~ >>>me(x, sd) + (1 | g)": "a predictor with errors",
    "y ~ (1 | >>>mm(a, b))": "membership in several groups",
    "y ~ >>>ar1(1 + x | g)": "correlated by their distance",
    "y ~ >>>cs(1 + x | g)": "correlated by their distance",
    "y ~ >>>us(x)": "us() holds a group term",
    "y ~ >>>. + (1 | g)": '"." stands for all other columns in R; here predictors are named',
    "y ~ x + (1 | >>>gr(g, by = z))": "more than the groups and their distribution is not",
    "y ~ (1 >>>| ID | g) + (x | ID | g)": None,
    "y ~ >>>scale(x, center = FALSE) + (1 | g)": "takes the mean off and divides",
    "y ~ >>>scale(x, scale = 10) + (1 | g)": "write I(x / 10)",
    "y ~ >>>poly(x) + (1 | g)": "poly(column, degree)",
    "y ~ >>>poly(x, degree = k) + (1 | g)": "poly() is written poly(x, degree)",
    "y ~ >>>cut(x, 3) + (1 | g)": "make a column of it first",
    "y ~ >>>ifelse(x, 1, 0) + (1 | g)": "make a column of it first",
    "y ~ >>>lag(x) + (1 | g)": "needs the order of the rows",
    "y ~ >>>Q(x) + (1 | g)": 'Q() is written Q("column name")',
    "y ~ >>>log(x, base=2) + (1 | g)": "for another base write log2(x) or log10(x)",
    "y ~ >>>foo(x) + (1 | g)": "is not one of the functions a formula may use",
    "y ~ >>>c(x) + (1 | g)": "cannot stand here",
    "y ~ >>>gr(x) + (1 | g)": "cannot stand here",
    'y ~ >>>I(k == "hi") + (1 | g)': None,
    ">>>factor(y) ~ x + (1 | g)": "of an outcome of two words make a column of 1 (event) and 0",
    ">>>cbind(s) ~ x + (1 | g)": "of two columns is written events | trials(n)",
    "y | >>>cens(c) ~ x + (1 | g)": "censored outcomes",
    "y | >>>trunc(lb = 0) ~ x + (1 | g)": "truncated outcomes",
    "y | >>>mi() ~ x + (1 | g)": "missing outcomes",
    "y | >>>weight(w) ~ x + (1 | g)": 'did you mean "weights"?',
    'y | >>>se("a") ~ 1 + (1 | g)': "a column, or arithmetic with columns",
    "y | >>>trials(3) ~ 1 + (1 | g)": "a column, or arithmetic with columns",
    "y | >>>ci(a) ~ 1 + (1 | g)": "ci() takes 2 column(s)",
    "y ~ 1 >>>| g": "a group term stands in parentheses: (1 | school)",
    "y ~ >>>log(x, 2) + (1 | g)": "for another base write log2(x) or log10(x)",
    "y ~ x >>>%in% z + (1 | g)": "b %in% a is written a:b",
    "y ~ >>>{x^2} + (1 | g)": "arithmetic goes inside I(), such as I(x^2)",
    'y>>>["yes"] ~ x + (1 | g)': 'an event among two words is event="yes"',
    "y ~ x >>>\u2013 z + (1 | g)": "write - for it",
    "y >>>\u223c x + (1 | g)": "write ~ for it",
    "y ~ (x >>>> 5) + (1 | g)": "a comparison is written I(x > 5)",
    "y ~ x:>>>:k + (1 | g)": "expected a column name",
    "y ~ splines::>>>bs(x, 3) + (1 | g)": "bs() stands for a smooth curve",
    "lme4::>>>lmer(y ~ x + (1 | g))": "the formula stands alone, without lmer()",
    "y ~ x + (1 | g)>>>, data=d": "the formula stands alone: data, family and weights are no",
    "y ~ my >>>x + (1 | g)": "a column name with spaces goes between backquotes",
    "y ~ >>>as.integer(x) + (1 | g)": "not computed here: make a column of it first",
    "y ~ >>>pow(x, 2) + (1 | g)": "pow(x, 2) is written I(x^2)",
    "y ~ x + >>>re(g)": "effects of groups are written (1 | group)",
    ">>>y / x ~ 1 + (1 | g)": "a share of counts is written s | trials(n)",
    # the algebra of terms
    "y ~ x>>>^2 + (1 | g)": "for the square write I(x^2), for a polynomial poly(x, 2)",
    "y ~ x>>>": "the formula has no group term: add (1 | group)",
    "y ~>>>": "expected a column name, found the end of the formula",
    ">>>~ x + (1 | g)": 'the outcome is missing before "~"',
    "y ~ x + (1 | g>>>": 'expected ")" after the group',
    "y ~ x + + >>>": "expected a column name",
    "y ~ >>>2 + (1 | g)": "only the numbers 0 and 1 can stand alone (the intercept)",
    "y ~ x >>>- z + (1 | g)": "z is not there to be taken away",
    "y ~ x >>>~ z + (1 | g)": 'a formula has one "~"',
    "y ~ x + (1 | g) + (1 >>>| g)": "the group term (1 | g) is given twice",
    "y ~ >>>y + (1 | g)": "cannot be both the outcome and a predictor",
    "y ~ x + (1 | >>>y)": "cannot be both the outcome and a group",
    "y ~ >>>days(x, 3) + (1 | g)": 'days() is written days(column), or days(column, "2024-01-31")',
    "y ~ >>>log() + (1 | g)": "log() needs a column",
    "y ~ >>>poly(x, 30) + (1 | g)": "with a degree from 1 to 20",
    'y ~ >>>"x" + (1 | g)': "a string can only stand inside C()",
    ">>>y + x ~ 1 + (1 | g)": "arithmetic goes inside I()",
    "y ~ scale(>>>poly(x, 2)) + (1 | g)": "poly() makes no single number a row",
}


@pytest.mark.parametrize("text", READ)
def test_read_as_ours(text):
    formula = parse(text)
    assert str(formula) == READ[text]
    assert parse(str(formula)) == formula


@pytest.mark.parametrize("text", [text for text, words in SAID.items() if words])
def test_our_way_is_said(text):
    bare = text.replace(">>>", "")
    with pytest.raises(pp.FormulaError) as caught:
        pp.fit(bare, {k: [1.0, 2, 3] for k in ("y", "x", "g", "k", "w", "a", "b", "c")})
    assert SAID[text] in str(caught.value)
    assert caught.value.position == text.index(">>>")


def test_one_id_of_several_terms_is_refused():
    with pytest.raises(pp.FormulaError, match="write those of one group in one term"):
        parse("y ~ (1 | ID | g) + (0 + x | ID | g)")


def test_text_is_not_compared():
    with pytest.raises(pp.FormulaError, match="compares text: make a column of 1 and 0"):
        pp.fit('y ~ I(k == "hi") + (1 | g)', {"y": [1.0], "k": ["hi"], "g": [1]})


FAMILIES = {
    "bernoulli": "binomial",
    "Bernoulli": "binomial",
    "logistic": "binomial",
    "normal": "gaussian",
    "gaussian()": "gaussian",
    "binomial()": "binomial",
}
ROWS = {"y": [0, 1, 1, 0, 1, 0, 1, 1], "g": list("aabbccdd")}


@pytest.mark.parametrize("word", FAMILIES)
def test_families_by_their_other_names(word):
    assert pp.fit("y ~ 1 + (1 | g)", ROWS, family=word).family == FAMILIES[word]


def test_a_family_of_earlier_versions_says_the_new_words():
    words = 'write family="poisson", population="gamma"'
    with pytest.raises(pp.ArgumentError, match=words):
        pp.fit("y ~ 1 + (1 | g)", ROWS, family="gamma_poisson")


@pytest.mark.parametrize("word", ["nb", "negbinomial", "negative binomial", "nbinom2"])
def test_negative_binomial_by_its_other_names(word):
    assert read_roles(parse("y ~ 1 + (1 | g)"), word).family == "negative_binomial"


@pytest.mark.parametrize("word", ["betabinomial", "beta-binomial", "Beta Binomial"])
def test_beta_binomial_by_its_other_names(word):
    assert read_roles(parse("y | trials(n) ~ 1 + (1 | g)"), word).family == "beta_binomial"


@pytest.mark.parametrize(
    ("word", "way"),
    [
        ("nbinom1", "variance m"),
        ("zero_inflated_poisson", "glmmTMB and brms"),
        ("quasipoisson", "has rows that vary more"),
    ],
)
def test_families_that_are_not_fitted_say_what_is(word, way):
    with pytest.raises(pp.ArgumentError, match=way) as e:
        pp.fit("y ~ 1 + (1 | g)", ROWS, family=word)
    assert "negative_binomial" in str(e.value)


@pytest.mark.parametrize(
    ("word", "way"),
    [("student", 'population="student"'), ("Gamma", r"log\(y\)"), ("beta", r"y \| trials\(n\)"),
     ("cumulative", r"I\(y == 2\)"), ("quasibinomial", "beta_binomial")],
)  # fmt: skip
def test_families_of_others_say_what_comes_near(word, way):
    with pytest.raises(pp.ArgumentError, match=way):
        pp.fit("y ~ 1 + (1 | g)", ROWS, family=word)


def test_random_formulas_are_read_the_same_again_or_refused():
    rng = np.random.default_rng(3)
    tokens = (
        'y x g h k ~ + - * / : ^ ( ) , = == > < | || 1 0 2 "lo" `a b` log( I( C( poly( scale( '
        "factor( cbind( p( us( diag( gr( s( relevel( ref( c( Q( data$x . TRUE se( trials( var( "
        "ci( offset( np.log( interaction( %"
    )
    words = tokens.split(" ")
    frames = ["y ~ {} + (1 | g)", "{} ~ x + (1 | g)", "y | {} ~ 1 + (1 | g)", "y ~ x + ({} | g)"]
    read = 0
    for i in range(6000):
        body = " ".join(rng.choice(words, rng.integers(1, 6)))
        body += ")" * max(body.count("(") - body.count(")"), 0)
        try:
            formula = parse(frames[i % 4].format(body))
        except pp.FormulaError:
            continue
        assert parse(str(formula)) == formula, str(formula)
        read += 1
    assert read > 100


# values, through every door ---------------------------------------------------------------------

RNG = np.random.default_rng(4)
DATA = pd.DataFrame(
    {
        "g": np.repeat(np.arange(12), 10),
        "k": np.tile(["lo", "mid", "hi", "mid", "lo"], 24),
        "x": RNG.uniform(0.1, 9, 120),
        "v": RNG.uniform(0.2, 2, 120),
        "s": RNG.integers(0, 6, 120),
        "f": RNG.integers(1, 6, 120),
    }
)
DATA["y"] = 1 + np.log(DATA["x"]) + RNG.normal(size=12)[DATA["g"]] + RNG.normal(size=120)
DATA["n"], DATA["se"] = DATA["s"] + DATA["f"], np.sqrt(DATA["v"])
DATA["big"], DATA["l2"] = (DATA["x"] > 5).astype(int), np.log(DATA["x"]) / np.log(2)
DATA["a"], DATA["b"] = DATA["y"] - 1.959964 * DATA["se"], DATA["y"] + 1.959964 * DATA["se"]

SAME = {
    "y | se(sqrt(v)) ~ 1 + (1 | g)": "y | se(se) ~ 1 + (1 | g)",
    "y | var(v) ~ x + (1 | g)": "y | se(se) ~ x + (1 | g)",
    "y | ci(a, b) ~ 1 + (1 | g)": "y | se(se) ~ 1 + (1 | g)",
    "cbind(s, f) ~ 1 + (1 | g)": "s | trials(n) ~ 1 + (1 | g)",
    "cbind(s, f) ~ x + (1 | g)": "s | trials(n) ~ x + (1 | g)",
    "s | trials(s + f) ~ x + (1 | g)": "s | trials(n) ~ x + (1 | g)",
    "y ~ I(x > 5) + (1 | g)": "y ~ big + (1 | g)",
    "y ~ log2(x) + (1 | g)": "y ~ l2 + (1 | g)",
    'y ~ relevel(k, ref = "lo") + (1 | g)': 'y ~ C(k, "lo", "hi", "mid") + (1 | g)',
    "y ~ x + (1 | factor(g))": "y ~ x + (1 | g)",
}


def means(text, data):
    fit = pp.fit(text, data, method="reml" if text.startswith("y") else "ml")
    return [row["mean"] for row in fit.to_dict()["parameters"]]


@cache
def by_plain_columns(text):
    return means(text, DATA)


@pytest.mark.parametrize("text", SAME)
@pytest.mark.parametrize("door", DOORS)
def test_values_through_every_door(text, door, tmp_path, monkeypatch):
    got = means(text, through(door, tmp_path, DATA, monkeypatch))
    np.testing.assert_allclose(got, by_plain_columns(SAME[text]), rtol=2e-6)


def test_predictions_and_updates_take_the_columns_of_the_formula():
    fit = pp.fit("cbind(s, f) ~ x + (1 | g)", DATA[:80])
    whole = fit.update(DATA[80:])
    assert whole.statistics.n_rows == 120
    rows = DATA[:3]
    plain = pp.fit("s | trials(n) ~ x + (1 | g)", DATA[:80])
    np.testing.assert_allclose(
        fit.predict(rows, observation=True)["estimate"],
        plain.predict(rows, observation=True)["estimate"],
    )


def test_a_missing_column_of_a_derived_one_is_named():
    for door in ("pandas", "duckdb"):
        with pytest.raises(pp.ColumnError, match='column "zz"'):
            pp.fit("s | trials(s + zz) ~ 1 + (1 | g)", through(door, None, DATA))
    with pytest.raises(pp.DataError, match='column "k" must hold numbers'):
        pp.fit("s | trials(s + k) ~ 1 + (1 | g)", duckdb.from_df(DATA))
    with pytest.raises(pp.DataError, match='column "k" must hold numbers'):
        pp.fit("s | trials(s + k) ~ 1 + (1 | g)", DATA)
