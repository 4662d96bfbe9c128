"""Which column plays which part in one-way models and models of counts, and what is refused."""

import pytest

from partialpool.errors import FormulaError, UnsupportedFormulaError
from partialpool.formula import Roles, parse, read_roles
from partialpool.formula.tree import Name


def roles(text, family=None):
    return read_roles(parse(text), family)


def test_rows():
    assert roles("y ~ 1 + (1 | g)") == Roles.one_factor("y", "g")


@pytest.mark.parametrize(
    ("addition", "columns"),
    [
        ("se(s)", {"se": Name("s")}),
        ("weights(w)", {"weights": Name("w")}),
        ("summary(n, sd)", {"count": Name("n"), "sd": Name("sd")}),
    ],
)
def test_additions(addition, columns):
    assert roles(f"y | {addition} ~ (1 | g)") == Roles.one_factor("y", "g", **columns)


@pytest.mark.parametrize(
    ("text", "family", "read_as", "size"),
    [
        ("y | trials(n) ~ (1 | g)", None, "binomial", "n"),
        ("y ~ (1 | g)", "bernoulli", "binomial", None),
        ("y | exposure(h) ~ (1 | g)", "poisson", "poisson", "h"),
        ("y ~ offset(log(h)) + (1 | g)", "poisson", "poisson", "h"),
    ],
)
def test_counts(text, family, read_as, size):
    read = roles(text, family)
    assert read.one_way
    assert read.family == read_as
    assert read.size == (size and Name(size))
    assert read.offsets == ()


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("y ~ x + offset(log(h)) + (1 | g)", "poisson"),
        ("y ~ offset(h) + (1 | g)", "poisson"),
        ("y | trials(n) ~ offset(log(h)) + (1 | g)", "binomial"),
    ],
)
def test_offsets_that_stay(text, family):
    read = roles(text, family)
    assert not read.one_way
    assert len(read.offsets) == 1


def test_columns_come_once_with_the_group_first():
    read = roles("y | summary(n, n) ~ (1 | g)")
    assert [c.name for c in read.columns] == ["g", "y", "n"]


@pytest.mark.parametrize(
    "text",
    [
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
    assert not roles(text).one_way


# ">>>" marks the character that the message must point at
@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ("y | se(s) + >>>weights(w) ~ (1 | g)", "se() and weights() cannot be combined"),
        ('y | >>>se("s") ~ (1 | g)', 'takes a column, or arithmetic with columns, not "s"'),
    ],
)
def test_not_supported(marked, words):
    with pytest.raises(UnsupportedFormulaError) as caught:
        roles(marked.replace(">>>", ""))
    assert words in str(caught.value)
    assert caught.value.position == marked.index(">>>")


@pytest.mark.parametrize("left", ["y | se(g)", "y | weights(g)", "y | summary(n, g)"])
def test_the_group_cannot_be_a_number_too(left):
    with pytest.raises(FormulaError, match='the column "g" cannot be both the group and a number'):
        roles(f"{left} ~ (1 | g)")


def test_the_group_cannot_be_the_outcome():
    with pytest.raises(FormulaError, match='the column "g" cannot be both the outcome and a group'):
        roles("g ~ (1 | g)")
