"""Which column plays which part in a one-way model, and what is refused."""

import pytest

from partialpool.errors import FormulaError, UnsupportedFormulaError
from partialpool.formula import OneWay, one_way, parse
from partialpool.formula.tree import Name


def roles(text):
    return one_way(parse(text))


def test_rows():
    assert roles("y ~ 1 + (1 | g)") == OneWay(Name("y"), Name("g"))


@pytest.mark.parametrize(
    ("addition", "columns"),
    [
        ("se(s)", {"se": Name("s")}),
        ("weights(w)", {"weights": Name("w")}),
        ("summary(n, sd)", {"count": Name("n"), "sd": Name("sd")}),
    ],
)
def test_additions(addition, columns):
    assert roles(f"y | {addition} ~ (1 | g)") == OneWay(Name("y"), Name("g"), **columns)


def test_columns_come_once_with_the_group_first():
    read = roles("y | summary(n, n) ~ (1 | g)")
    assert [c.name for c in read.columns] == ["g", "y", "n"]


@pytest.mark.parametrize(
    "text",
    [
        "y ~ 1",
        "log(y) ~ (1 | g)",
        "y ~ x + (1 | g)",
        "y ~ offset(x) + (1 | g)",
        "y ~ 0 + (1 | g)",
        "y ~ (1 | g) + (1 | h)",
        "y ~ (1 + x | g)",
        "y ~ (0 + x | g)",
        "y ~ (1 | g:h)",
    ],
)
def test_more_than_one_way(text):
    assert roles(text) is None


# ">>>" marks the character that the message must point at
@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ("y | >>>trials(n) ~ (1 | g)", "counts and proportions"),
        ("y | >>>exposure(n) ~ (1 | g)", "counts and proportions"),
        ("y | se(s) + >>>weights(w) ~ (1 | g)", "se() and weights() cannot be combined"),
        ('y | >>>se("s") ~ (1 | g)', 'takes a column, or arithmetic with columns, not "s"'),
    ],
)
def test_not_supported(marked, words):
    with pytest.raises(UnsupportedFormulaError) as caught:
        roles(marked.replace(">>>", ""))
    assert words in str(caught.value)
    assert caught.value.position == marked.index(">>>")


@pytest.mark.parametrize("left", ["g", "y | se(g)", "y | weights(g)", "y | summary(n, g)"])
def test_the_group_cannot_be_a_number_too(left):
    with pytest.raises(FormulaError, match='the column "g" cannot be both the group and a number'):
        roles(f"{left} ~ (1 | g)")
