"""What a formula means: written on the left, expanded on the right."""

import pytest

from partialpool.formula import parse

MEANINGS = {
    "y ~ 1": "y ~ 1",
    "y ~ x": "y ~ 1 + x",
    "y ~ 0 + x": "y ~ 0 + x",
    "y ~ x - 1": "y ~ 0 + x",
    "y ~ -1 + x": "y ~ 0 + x",
    "y ~ 0 + x + 1": "y ~ 1 + x",
    "y ~ x - 0": "y ~ 1 + x",
    "y ~ +x": "y ~ 1 + x",
    "y ~ a + a": "y ~ 1 + a",
    "y ~ a:b": "y ~ 1 + a:b",
    "y ~ a:b + b:a": "y ~ 1 + a:b",
    "y ~ a:a": "y ~ 1 + a",
    "y ~ a * b": "y ~ 1 + a + b + a:b",
    "y ~ a * b * c": "y ~ 1 + a + b + a:b + c + a:c + b:c + a:b:c",
    "y ~ a * b - a:b": "y ~ 1 + a + b",
    "y ~ (a + b) * c": "y ~ 1 + a + b + c + a:c + b:c",
    "y ~ (a + b)^2": "y ~ 1 + a + b + a:b",
    "y ~ (a + b + c)^2": "y ~ 1 + a + b + c + a:b + a:c + b:c",
    "y ~ (a + b + c)**3": "y ~ 1 + a + b + c + a:b + a:c + b:c + a:b:c",
    "y ~ a / b": "y ~ 1 + a + a:b",
    "y ~ a / b / c": "y ~ 1 + a + a:b + a:b:c",
    "y ~ (a + b) / c": "y ~ 1 + a + b + a:b:c",
    "y ~ a + b:c": "y ~ 1 + a + b:c",
    "y ~ (1 | g)": "y ~ 1 + (1 | g)",
    "y ~ 0 + (1 | g)": "y ~ 0 + (1 | g)",
    "y ~ (x | g)": "y ~ 1 + (1 + x | g)",
    "y ~ (0 + x | g)": "y ~ 1 + (0 + x | g)",
    "y ~ (1 + x || g)": "y ~ 1 + (1 + x || g)",
    "y ~ (1 | g/h)": "y ~ 1 + (1 | g) + (1 | g:h)",
    "y ~ (1 | g/h/k)": "y ~ 1 + (1 | g) + (1 | g:h) + (1 | g:h:k)",
    "y ~ (1 | g:h)": "y ~ 1 + (1 | g:h)",
    "y ~ (1 | g + h)": "y ~ 1 + (1 | g) + (1 | h)",
    "y ~ (1 | g) + (1 | h)": "y ~ 1 + (1 | g) + (1 | h)",
    "y ~ (1 | (g))": "y ~ 1 + (1 | g)",
    "y ~ (a*b | g)": "y ~ 1 + (1 + a + b + a:b | g)",
    "y | se(s) ~ (1 | g)": "y | se(s) ~ 1 + (1 | g)",
    "y | weights(w) ~ 1": "y | weights(w) ~ 1",
    "hits | trials(n) ~ 1": "hits | trials(n) ~ 1",
    "m | summary(n, sd) ~ 1": "m | summary(n, sd) ~ 1",
    "y | trials(n) + weights(w) ~ 1": "y | trials(n) + weights(w) ~ 1",
    "deaths | exposure(t) ~ x": "deaths | exposure(t) ~ 1 + x",
    "y ~ x + offset(log(n))": "y ~ 1 + x + offset(log(n))",
    "log(y) ~ sqrt(x)": "log(y) ~ 1 + sqrt(x)",
    "y ~ I(x^2) + I(-x)": "y ~ 1 + I(x^2) + I(-x)",
    "y ~ I((a + b) * c)": "y ~ 1 + I((a + b)*c)",
    "y ~ I(a - (b - c))": "y ~ 1 + I(a - (b - c))",
    "y ~ I((-a)^2) + I(-a^2)": "y ~ 1 + I((-a)^2) + I(-a^2)",
    "y ~ I(x + 1.2345678)": "y ~ 1 + I(x + 1.2345678)",
    "y ~ poly(x, 3)": "y ~ 1 + poly(x, 3)",
    'y ~ C(x, \'a\', "b""c")': 'y ~ 1 + C(x, "a", "b""c")',
    "`test score` ~ (1 | `my ``school```)": "`test score` ~ 1 + (1 | `my ``school```)",
    "`y` ~ `.5` + `1st` + `a~b`": "y ~ 1 + `.5` + `1st` + `a~b`",
    "größe ~ (1 | 学校)": "größe ~ 1 + (1 | 学校)",
    "अंक ~ e\u0301tat + x² + a.b + .c + _d": "अंक ~ 1 + e\u0301tat + x² + a.b + .c + _d",
    " y\n~\tx\n + z ": "y ~ 1 + x + z",
}


@pytest.mark.parametrize(("written", "meant"), MEANINGS.items())
def test_meaning(written, meant):
    assert str(parse(written)) == meant


@pytest.mark.parametrize("text", MEANINGS.values())
def test_what_is_printed_reads_back_as_the_same(text):
    formula = parse(text)
    assert str(formula) == text
    assert parse(str(formula)) == formula


def test_the_tree_says_where_things_stand():
    text = "y | se(s) ~ 1 + x + (1 | g)"
    formula = parse(text)
    assert formula.text == text
    assert formula.response.at == text.index("y")
    assert formula.additions[0].at == text.index("se(")
    assert formula.tilde == text.index("~")
    assert formula.terms[0].factors[0].at == text.index("x")
    assert formula.groups[0].factor[0].at == text.index("g")


def test_positions_do_not_take_part_in_comparisons():
    assert parse("y~x+(1|g)") == parse("y  ~  x  +  ( 1 | g )")
    assert parse("y ~ x") != parse("y ~ z")


def test_several_offsets_and_their_order():
    assert [str(o) for o in parse("y ~ offset(a) + x + offset(log(b))").offsets] == ["a", "log(b)"]


def test_a_factor_of_several_columns_has_one_name():
    assert parse("y ~ (1 | g:h)").groups[0].factor_name == "g:h"
