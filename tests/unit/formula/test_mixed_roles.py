"""Which column plays which part in a linear mixed model, and what is refused."""

import pytest

from partialpool.errors import FormulaError
from partialpool.formula import parse, read_roles


def roles(text):
    return read_roles(parse(text))


def names(columns):
    return [c.name for c in columns]


def test_columns_come_once_with_the_groups_first():
    found = roles("log(y) | weights(w) ~ x * C(k) + I(x^2) + offset(o) + (x | g/h) + (1 | g:h:i)")
    assert names(found.columns) == ["g", "h", "i", "y", "x", "k", "o", "w"]
    assert names(found.factors) == ["g", "h", "i"]
    assert names(found.plain) == ["x"]
    assert names(found.categories) == ["k"]
    assert names(found.numbers) == ["y", "x", "o", "w"]
    assert names(found.predictors) == ["x", "k", "o"]


def test_a_group_that_is_also_a_predictor_is_not_read_as_labels_only():
    assert names(roles("y ~ year + (1 | year) + (1 | g)").labels) == ["g"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("y ~ (1 | g) + (0 + x | g)", ["(1 + x || g)"]),
        ("y ~ (0 + x | g) + (1 | h) + (1 | g)", ["(1 + x || g)", "(1 | h)"]),
        ("y ~ (x || g) + (0 + z | g)", ["(1 + x + z || g)"]),
        ("y ~ (x | g) + (0 + z | g)", ["(1 + x | g)", "(0 + z | g)"]),
        ("y ~ (1 | g/h)", ["(1 | g)", "(1 | g:h)"]),
    ],
)
def test_independent_terms_of_a_factor_are_put_together(text, terms):
    assert [str(g) for g in roles(text).groups] == terms


# ">>>" marks the character that the message must point at
@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ("y ~ 1>>>", "no group term: add (1 | group)"),
        ("y ~ school>>>", "such as (1 | school) if school names the groups"),
        ("y ~ x + (1 | g) + (x >>>| g)", "vary by g twice"),
        ("y ~ (x | g) + (0 + x >>>| g)", "vary by g twice"),
        ("y ~ >>>y + (1 | g)", "both the outcome and a predictor"),
        ("y ~ x + (1 | >>>y)", "both the outcome and a group"),
        ("y | se(s) ~ x + (1 | >>>s)", "both the group and a number"),
        ("y ~ >>>log(x, 2) + (1 | g)", "log() takes one argument"),
        ("y ~ >>>log(2) + (1 | g)", "holds no column"),
        ("y ~ I(x >>>: z) + (1 | g)", "inside a function multiply with *"),
        ("y ~ I(>>>'a') + (1 | g)", "inside C()"),
        ("y ~ I((1 >>>| g)) + (1 | g)", "cannot stand inside a function"),
        ("y ~ log(>>>C(x)) + (1 | g)", "no single number a row"),
        ("y ~ I(>>>poly(x, 2)) + (1 | g)", "no single number a row"),
        ("y ~ >>>scale(center(x)) + (1 | g)", "scale() cannot hold center()"),
        ("y ~ >>>poly(x) + (1 | g)", "poly(column, degree)"),
        ("y ~ >>>poly(x, 2.5) + (1 | g)", "a degree from 1 to 20"),
        ("y ~ >>>poly(scale(x), 2) + (1 | g)", "poly() holds a column"),
        ("y ~ >>>C(log(x)) + (1 | g)", "C() is written"),
        ("y ~ >>>C(x, low) + (1 | g)", "contrasts by low are not made here"),
        ("y ~ >>>C(x, 'a', 'a') + (1 | g)", 'names the level "a" twice'),
        (">>>C(y) ~ x + (1 | g)", "of an outcome of two words make a column"),
    ],
)
def test_refused(marked, words):
    with pytest.raises(FormulaError) as caught:
        roles(marked.replace(">>>", ""))
    assert words in str(caught.value)
    assert caught.value.position == marked.index(">>>")
