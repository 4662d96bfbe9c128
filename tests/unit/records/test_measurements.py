"""Statistics of two sets of rows, combined, are the statistics of the rows together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partialpool.errors import DataError
from partialpool.formula import parse, read_roles
from partialpool.rows import from_estimates, from_summaries, read_statistics

ROLES = read_roles(parse("y | weights(w) ~ 1 + (1 | g)"))
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: round(v, 3))
rows = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", 1, 1.5]), numbers, st.sampled_from([0.5, 1.0, 3.0])),
    min_size=1,
    max_size=25,
)


def statistics(rows):
    g, y, w = (list(column) for column in zip(*rows, strict=True))
    return read_statistics(ROLES, {"g": g, "y": y, "w": w}).statistics


def assert_same(first, second):
    first, second = first.sorted(), second.sorted()
    assert first.labels.tolist() == second.labels.tolist()
    assert first.n.tolist() == second.n.tolist()
    assert (first.n_rows, first.n_dropped) == (second.n_rows, second.n_dropped)
    size = max(np.abs(first.raw).max(), np.abs(second.raw).max(), 1e-3)
    np.testing.assert_allclose(first.weight, second.weight, rtol=1e-12)
    np.testing.assert_allclose(first.raw, second.raw, rtol=1e-9, atol=1e-9 * size)
    np.testing.assert_allclose(first.ss, second.ss, rtol=1e-9, atol=1e-9 * size**2)
    np.testing.assert_allclose(first.log_weight, second.log_weight, atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(rows, rows)
def test_combine(first, second):
    together = statistics(first + second)
    assert_same(statistics(first).combine(statistics(second)), together)
    assert_same(statistics(second).combine(statistics(first)), together)


@settings(max_examples=50, deadline=None)
@given(rows, rows, rows)
def test_combine_is_associative(a, b, c):
    a, b, c = map(statistics, (a, b, c))
    assert_same(a.combine(b).combine(c), a.combine(b.combine(c)))


def test_combine_keeps_digits_with_a_large_offset():
    y = 1e9 + np.linspace(0, 1, 40)
    g = np.repeat(["a", "b"], 20)
    roles = read_roles(parse("y ~ (1 | g)"))
    whole = read_statistics(roles, {"g": g, "y": y}).statistics
    parts = [read_statistics(roles, {"g": g[k::2], "y": y[k::2]}).statistics for k in (0, 1)]
    np.testing.assert_allclose(parts[0].combine(parts[1]).ss, whole.ss, rtol=1e-6)


def test_labels_of_other_types_stay_apart():
    roles = read_roles(parse("y ~ (1 | g)"))
    one = read_statistics(roles, {"g": [1, 2], "y": [1.0, 2.0]}).statistics
    other = read_statistics(roles, {"g": ["1", "2"], "y": [3.0, 4.0]}).statistics
    assert sorted(map(str, one.combine(other).labels)) == ["1", "1", "2", "2"]


@pytest.mark.parametrize(
    ("outcome", "group", "addition"),
    [("z", "g", ""), ("y", "h", ""), ("y", "g", "| se(s) ")],
)
def test_only_the_same_kind_is_combined(outcome, group, addition):
    columns = {outcome: [1.0, 2.0], group: ["a", "b"], "s": [1.0, 1.0]}
    other = read_statistics(
        read_roles(parse(f"{outcome} {addition}~ (1 | {group})")), columns
    ).statistics
    plain = read_statistics(
        read_roles(parse("y ~ (1 | g)")), {"y": [1.0, 2.0], "g": ["a", "b"]}
    ).statistics
    with pytest.raises(DataError, match="only statistics of the same outcome, group column"):
        plain.combine(other)


def test_from_estimates():
    got = from_estimates([1.0, 5.0], [0.5, 2.0], ["b", "a"], factor="site")
    assert (got.factor, got.labels.tolist(), got.n.tolist()) == ("site", ["b", "a"], [1, 1])
    assert got.sigma_known
    np.testing.assert_allclose(got.raw, [1.0, 5.0])
    np.testing.assert_allclose(got.weight, [4.0, 0.25])
    np.testing.assert_allclose(got.log_weight, np.log([4.0, 0.25]))
    assert from_estimates([1.0, 5.0], [0.5, 2.0], factor="site").labels.tolist() == [1, 2]


def test_summaries_equal_the_rows_they_summarise():
    y = {"a": [1.0, 2.0, 4.5], "b": [7.0], "c": [0.0, -3.0]}
    flat = [(k, v) for k, values in y.items() for v in values]
    roles = read_roles(parse("mean ~ (1 | school)"))
    whole = read_statistics(
        roles, {"school": [k for k, _ in flat], "mean": [v for _, v in flat]}
    ).statistics
    got = from_summaries(
        [len(v) for v in y.values()],
        [np.mean(v) for v in y.values()],
        [np.std(v, ddof=1) if len(v) > 1 else np.nan for v in y.values()],
        list(y),
        factor="school",
    )
    assert (got.n_used, got.n_dropped) == (6, 0)
    np.testing.assert_allclose(got.raw, whole.raw)
    np.testing.assert_allclose(got.ss, whole.ss, atol=1e-12)
