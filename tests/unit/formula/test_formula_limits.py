"""No text makes the parser slow, deep or dangerous."""

import builtins
import contextlib
import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partialpool.errors import FormulaError
from partialpool.formula import parse, read_roles

PIECES = [
    *"yxgh01259~|+-*/:^(),=.` '\"\n;!",
    "||", "**", "1e9", "1e999", "0.5", ".5", "`a b`", "'t'", "y ~ ", "(1 | g)", "(x || g/h)",
    "I(", "log(", "offset(", "C(", "se(", "summary(", "trials(", "é", "e\u0301", "٣", "²", "\x00",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=60))
def test_any_text_is_a_formula_or_a_formula_error(text):
    try:
        formula = parse(text)
    except FormulaError as error:
        points_into_the_text = 0 <= error.position <= len(error.text) and bool(str(error))
    else:
        points_into_the_text = True
        assert parse(str(formula)) == formula
        assert str(parse(str(formula))) == str(formula)
    assert points_into_the_text


names = st.text(min_size=1, max_size=8).map(lambda s: "`" + s.replace("`", "``") + "`")
atoms = names | st.sampled_from(["x", "log(x)", "I(a^2 - 1)", "C(z, 'low')"])
sums = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+:*/"), inner).map(" ".join),
        inner.map(lambda s: f"({s})"),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(names, sums, sums, names)
def test_round_trip_of_well_formed_formulas(outcome, fixed, effects, group):
    formula = parse(f"{outcome} ~ {fixed} + ({effects} || {group})")
    assert parse(str(formula)) == formula


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("y ~ " + "x" * 10_000, "at most 10000"),
        ("y ~ " + "(" * 60 + "x" + ")" * 60, "50 nested parentheses"),
        ("y ~ " + "I(" * 60 + "x" + ")" * 60, "50 nested parentheses"),
        ("y ~ " + "(" * 4_000, "50 nested parentheses"),
        ("y ~ " + "-" * 300 + "x", "250 operators"),
        ("y ~ " + " + ".join("ab" * 150), "250 operators"),
        ("y ~ " + "*".join("abcdefghijklmnop"), "1000 terms"),
        ("y ~ (" + "+".join(f"x{i}" for i in range(200)) + ")^5", "1000 terms"),
        ("y ~ " + ":".join(f"x{i}" for i in range(100)), "more than 20 predictors"),
    ],
)
def test_limits(text, words):
    begin = time.perf_counter()
    with pytest.raises(FormulaError, match=words):
        parse(text)
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize(
    "text",
    [
        "y ~ " + "(" * 48 + "x" + ")" * 48,
        "y ~ " + " + ".join(f"x{i}" for i in range(250)),
        "y ~ I(" + " + ".join(f"x{i}" for i in range(250)) + ")",
        "y ~ " + "I(" * 48 + "x" + ")" * 48,
    ],
)
def test_within_the_limits(text):
    formula = parse(text)
    assert parse(str(formula)) == formula


@pytest.mark.parametrize(
    "text", ["y ~ __import__('os').system('touch {0}')", "y ~ I(eval('1'))", "y ~ C(x, 'exec(1)')"]
)
def test_nothing_is_evaluated(text, tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a formula was evaluated")

    for name in ("eval", "exec", "compile"):
        monkeypatch.setattr(builtins, name, refuse)
    monkeypatch.setattr(os, "system", refuse)
    with contextlib.suppress(FormulaError):
        read_roles(parse(text.format(tmp_path / "made")))
    assert not (tmp_path / "made").exists()
