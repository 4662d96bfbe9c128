"""Groups of counts at an end of their range: what they leave open, and which posteriors exist."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

import partialpool as pp
from partialpool.formula import parse, read_roles
from partialpool.models.separation import shortfall
from partialpool.rows import read_count_rows

INTERCEPT, SLOPE = (0, 0), (0, 1)


def statistics(formula, **data):
    return read_count_rows(read_roles(parse(formula), "binomial"), data).statistics


def open_directions(x, y, n):
    """Dimension of the cone of (intercept, slope) that the rows leave open, by linear programs."""
    z = np.stack([np.ones(len(x)), x], axis=1)
    push = [zi if yi == ni else -zi for zi, yi, ni in zip(z, y, n, strict=True)]
    push += [-p for p, yi, ni in zip(push, y, n, strict=True) if 0 < yi < ni]
    push = np.array(push)
    found = []
    for direction in [(np.cos(t), np.sin(t)) for t in np.linspace(0, 2 * np.pi, 121)]:
        best = linprog(
            -np.array(direction), A_ub=-push, b_ub=np.zeros(len(push)), bounds=[(-1, 1)] * 2
        )
        found.append(best.x)
    cone = np.linalg.matrix_rank(np.array(found), tol=1e-6)
    return cone - (2 - np.linalg.matrix_rank(z))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([0, 1, 2], [0, 0, 0]),  # no event
        ([0, 1, 2], [3, 3, 3]),  # events only
        ([0, 1, 2], [0, 3, 3]),  # a slope may be as steep as one likes
        ([0, 1, 1, 2], [0, 0, 3, 3]),  # where both meet, one direction is left
        ([0, 1, 2], [0, 3, 0]),
        ([0, 1, 2], [0, 1, 3]),  # pinned in the middle
        ([1, 1], [0, 0]),
        ([1, 1], [0, 3]),
        ([0, 2], [1, 0]),
    ],
)
def test_directions_left_open_against_linear_programs(x, y):
    n = [3] * len(x)
    # a second group that leaves nothing open
    rows = {"x": [*x, 0, 1, 2, 3], "y": [*y, 1, 2, 1, 2], "n": [*n, 3, 3, 3, 3]}
    s = statistics("y | trials(n) ~ x + (x | g)", **rows, g=["a"] * len(x) + ["b"] * 4)
    assert shortfall(s)([INTERCEPT, SLOPE]) == open_directions(x, y, n)
    at_end = all(v == 0 for v in y) or all(v == 3 for v in y)
    assert shortfall(s)([INTERCEPT]) == int(at_end)


def test_rows_without_trials_say_nothing():
    with_row = {"y": [1, 2, 0, 3, 2, 4, 1, 0], "n": [5, 6, 4, 8, 9, 7, 3, 0]}
    with_row |= {"x": [1.0, 2, 1, 3, 2, 4, 2, 1], "g": list("aabbccde")}
    without = {k: v[:-1] for k, v in with_row.items()}
    a, b = (pp.fit("y | trials(n) ~ x + (1 | g)", d) for d in (with_row, without))
    assert a._engine.orders.sd == b._engine.orders.sd
    one, other = a.parameters(), b.parameters()
    width = one["upper"] - one["lower"]  # about four sds; told is 0.15 of one
    for name in ("median", "lower", "upper"):
        np.testing.assert_array_less(np.abs(one[name] - other[name]), 0.04 * width)
    groups = a.groups()
    assert groups["group"].tolist() == list("abcde")
    assert groups["shrinkage"][-1] == pytest.approx(1.0)


def test_nested_groups_are_not_counted_twice():
    rows = {"y": [0, 0, 1, 2, 0, 2], "n": [3] * 6, "a": list("uuvvww"), "b": list("123456")}
    s = statistics("y | trials(n) ~ 1 + (1 | a) + (1 | b)", **rows)
    at = {block.factor: (t, 0) for t, block in enumerate(s.blocks)}
    assert shortfall(s)([at["a"]]) == 1
    assert shortfall(s)([at["b"]]) == 3
    assert shortfall(s)([at["a"], at["b"]]) == 3


@pytest.mark.parametrize("y", [[3, 3, 0, 0, 3, 2], [3, 3, 0, 12, 3, 2], [3, 3, 2, 5, 3, 2]])
def test_moments_are_those_of_the_model_without_predictors(y):
    rows = {"y": y, "n": [11, 12, 16, 12, 11, 9], "g": list("abcdef"), "o": [0.0] * 6}
    simple = pp.fit("y | trials(n) ~ 1 + (1 | g)", rows)._engine
    general = pp.fit("y | trials(n) ~ 1 + offset(o) + (1 | g)", rows)._engine
    assert general.orders.sd[0] == simple.model.moments.tau
    assert general.orders.coefficients[0] == simple.model.moments.mu


def test_too_few_groups_inside_their_range_are_refused():
    rows = {"y": [1, 2, 0, 3, 0, 0, 0, 0], "n": [5, 6, 4, 8, 9, 7, 3, 4]}
    rows |= {"x": [1.0, 2, 1, 3, 2, 4, 2, 0], "g": list("aabbccdd")}
    with pytest.raises(pp.ImproperPosteriorError, match=r"4 groups.*2 of them, with no event"):
        pp.fit("y | trials(n) ~ x + (1 | g)", rows)
    assert pp.fit("y | trials(n) ~ x + (1 | g)", rows, prior="tau ~ half_normal(1)").notices
