"""Functions of a formula, and what they learn."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.design.expressions import evaluate, learn, learned_of, polynomials
from partialpool.formula import parse

X = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0])


def node(text):
    return parse(f"y ~ {text}").terms[0].factors[0]


def learned_by(call, *parts):
    found = learn([call], lambda: iter([({"x": x}, None) for x in parts]))
    return {c: learned_of(c, m) for c, m in found.items()}


def value(text):
    call = node(text)
    learned = learned_by(call, X[:3], X[3:])
    return evaluate(call, {"x": X, "z": X[::-1]}, learned)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I(-x^2 + 3*z/2 - 1)", -(X**2) + 3 * X[::-1] / 2 - 1),
        ("log(exp(x) + 1)", np.log(np.exp(X) + 1)),
        ("sqrt(x)", np.sqrt(X)),
        ("center(x)", X - X.mean()),
        ("scale(log(x))", (np.log(X) - np.log(X).mean()) / np.log(X).std(ddof=1)),
        ("I(center(x)^2)", (X - X.mean()) ** 2),
    ],
)
def test_values(text, expected):
    np.testing.assert_allclose(value(text), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_poly_is_orthonormal_and_spans_the_powers(offset):
    call = node("poly(x, 3)")
    x = X + offset
    learned = learned_by(call, x[:4], x[4:])
    found = polynomials(call, {"x": x}, learned)
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=0), 0.0, atol=1e-9)
    powers = np.vander(X - X.mean(), 4)
    residual = found - powers @ np.linalg.lstsq(powers, found, rcond=None)[0]
    np.testing.assert_allclose(residual, 0.0, atol=1e-8)
    assert np.polyfit(X, found[:, 2], 3)[0] > 0


def test_new_rows_use_what_was_learned():
    call = node("poly(x, 2)")
    learned = learned_by(call, X)
    both = polynomials(call, {"x": np.append(X, 20.0)}, learned)
    np.testing.assert_array_equal(both[:-1], polynomials(call, {"x": X}, learned))


@pytest.mark.parametrize(
    ("text", "words"),
    [("scale(x)", "every row has the value 2"), ("poly(x, 2)", "more than 2 distinct values")],
)
def test_too_few_distinct_values(text, words):
    call = node(text)
    with pytest.raises(pp.DataError, match=words):
        learned_by(call, np.full(5, 2.0))


def test_rows_that_stand_for_several():
    call, times = node("scale(x)"), np.array([2, 1, 3, 1, 1, 2, 1])
    found = learn([call], lambda: iter([({"x": X}, times.astype(float))]))
    expected = learned_by(call, np.repeat(X, times))[call]
    got = learned_of(call, found[call])
    np.testing.assert_allclose([got.mean, got.sd], [expected.mean, expected.sd], rtol=1e-14)
