"""A malformed formula: the sentence says what is wrong, and points at the character."""

import pytest

from partialpool.errors import FormulaError
from partialpool.formula import parse, parse_call

# ">>>" marks the character that the message must point at
MALFORMED = {
    ">>>": "the formula is empty",
    "   >>>": "the formula is empty",
    "y>>>": 'expected "~"',
    "y >>>= x": 'expected "~" between the outcome and the model, found "="',
    ">>>~ x": "the outcome is missing",
    "y ~>>>": "expected a column name, found the end",
    "y ~ x >>>~ z": 'one "~"',
    "y ~ a >>>b": 'expected + or the end of the formula, found "b"',
    "y ~ a + >>>": "expected a column name",
    "y ~ a + >>>)": 'found ")"',
    "y ~ >>>(a": 'this "(" is never closed',
    "y ~ (a >>>b)": 'expected ")", found "b"',
    "y ~ 1 >>>| g": "stands in parentheses: (1 | school)",
    "y ~ (1 | g>>>": 'expected ")" after the group',
    "y ~ (1 | >>>)": "expected a column name",
    "y ~ ( >>>| g)": "expected a column name",
    "y ~ (1|>>>2)": "grouping column",
    "y ~ (1|g>>>*h)": "grouping column: school, district/school or a:b",
    "y ~ (1|(g+h)>>>:k)": "grouping column",
    "y ~ (0>>>|g)": "varies nothing",
    "y ~ (1|g) + (1>>>|g)": "given twice",
    "y ~ ((1|g)>>>|h)": "cannot hold another one",
    "y ~ (offset(x)>>>|g)": "cannot hold another one or an offset",
    "y ~ 1 >>>- (1|g)": "cannot be taken away",
    "y ~ (1>>>|g)*x": "only predictors can be multiplied",
    "y ~ x*>>>1": "only predictors can be multiplied",
    "y ~ x >>>- z": "z is not there to be taken away",
    "y ~ >>>-x": "x is not there to be taken away",
    "y ~ >>>2": "only the numbers 0 and 1",
    "y ~ x^>>>6": "whole number from 1 to 5, not 6",
    "y ~ x^>>>1.5": "not 1.5",
    "y ~ x^>>>0": "I(x^2)",
    "y ~ x^->>>1": "not -1",
    "y ~ x^>>>z": 'expected a number after "^"',
    "y ~ x^>>>1e999": "neither a finite number nor a name",
    "y ~ I(x + >>>1e999)": "neither a finite number",
    "y ~ >>>1abc": "between backquotes",
    "y ~ >>>1.2.3": "neither",
    "y ~ >>>0x10": "neither",
    "y ~ a >>>! b": 'the character "!" cannot stand in a formula',
    "y ~ a;>>>b": "between backquotes",
    "y ~ a >>>%in% b": "cannot stand",
    "y ~ >>>\x00": "cannot stand",
    "y ~ >>>`a": "opens with ` and never closes",
    "y ~ >>>``": "empty",
    "y ~ C(x, >>>'abc)": "a string opens with '",
    "y ~ >>>'a'": "only stand inside C()",
    "y ~ >>>lgo(x)": 'did you mean "log"',
    "y ~ >>>foo(x)": "they are log, log2, log10",
    "y ~ >>>se(s)": "goes on the left side",
    "y ~ >>>I()": "needs a column",
    "y ~ log(x,>>>)": "expected a column name",
    "y ~ log(x >>>z)": 'expected "," or ")"',
    ">>>y + z ~ 1": "the outcome is one column",
    ">>>2 ~ 1": "the outcome is one column",
    "y | >>>foo(s) ~ 1": "one of se(), weights(), trials(), summary(), exposure()",
    "y | >>>weight(s) ~ 1": 'did you mean "weights"',
    "y | se >>>~ 1": 'expected "("',
    "y | >>>se() ~ 1": "written se(column)",
    "y | >>>summary(n) ~ 1": "written summary(n, sd)",
    "y | se(s) + >>>se(t) ~ 1": "given twice",
    "y | >>>3 ~ 1": "is expected",
    "y ~ >>>__import__('os').system('x')": "is not one of the functions",
}


@pytest.mark.parametrize(("marked", "words"), MALFORMED.items())
def test_malformed(marked, words):
    position = marked.index(">>>")
    text = marked.replace(">>>", "")
    with pytest.raises(FormulaError) as caught:
        parse(text)
    error = caught.value
    assert words in str(error)
    assert (error.text, error.position) == (text, position)
    assert f"character {error.position + 1}, at >>>" in str(error)


def test_the_message_is_one_line_and_short_for_a_long_formula():
    text = "y ~ " + " + ".join(f"column_{i}" for i in range(200)) + " !\n+ b"
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("given", [None, 5, b"y ~ x", ["y ~ x"]])
def test_a_formula_is_text(given):
    with pytest.raises(FormulaError, match=f"not {type(given).__name__}"):
        parse(given)


@pytest.mark.parametrize("text", ["", "5", "half_normal", "half_normal(5", "f(1) + 2", "f(1))"])
def test_a_call_is_a_name_and_arguments(text):
    with pytest.raises(FormulaError, match="expected"):
        parse_call(text)


def test_a_call():
    assert str(parse_call(" half_t(3, -0.5) ")) == "half_t(3, -0.5)"
