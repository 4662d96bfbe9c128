"""One set of rows through every kind of data: the same statistics, exact to rounding."""

from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from kinds import BACKENDS
from same_notices import told

import partialpool as pp
from partialpool.formula import parse, read_roles
from partialpool.rows import read_statistics

# cases: a formula, and columns as lists in which None is a missing value ------------------


def _values(size, seed):
    return np.random.default_rng(seed).normal(size=size).round(6).tolist()


def _labels(names, size):
    return [names[(3 * i + i // 4) % len(names)] for i in range(size)]


def _with_missing(column, *rows):
    return [None if i in rows else v for i, v in enumerate(column)]


WORDS = ["b", "a", "d", "c", "e"]
SIZE = 40
PLAIN = "y ~ 1 + (1 | g)"
Y, G = _values(SIZE, 1), _labels(WORDS, SIZE)
STEP = {k: 1e9 * (j - 1) for j, k in enumerate("abcde")}
CASES = {
    "rows": (PLAIN, {"g": G, "y": Y}),
    "integer groups": (PLAIN, {"g": _labels([30, -7, 100_000_000_000, 4], SIZE), "y": Y}),
    "unicode groups": (PLAIN, {"g": _labels(["Ωmega", "zoë", "学校", "a b", "🎓"], SIZE), "y": Y}),
    "offset of 1e9": (PLAIN, {"g": G, "y": [1e9 + v for v in Y]}),
    "means spread over 1e9": (
        PLAIN,
        {"g": G, "y": [STEP[k] + round(v * 256) / 256 for k, v in zip(G, Y, strict=True)]},
    ),
    "missing values": (
        PLAIN,
        {"g": _with_missing(G, 3, 5, 39), "y": _with_missing(Y, 0, 5, 17)},
    ),
    "a group without outcomes": (
        PLAIN,
        {"g": G, "y": [None if k == "a" else v for k, v in zip(G, Y, strict=True)]},
    ),
    "a group of one row": (PLAIN, {"g": [*G, "single"], "y": [*Y, 7.25]}),
    "se": (
        "y | se(s) ~ 1 + (1 | g)",
        {"g": G, "y": _with_missing(Y, 4), "s": _with_missing([0.5 + v * v for v in Y], 8)},
    ),
    "weights": (
        "y | weights(w) ~ 1 + (1 | g)",
        {"g": _with_missing(G, 9), "y": Y, "w": _with_missing([0.1 + v * v for v in Y], 2, 9)},
    ),
    "summary": (
        "y | summary(n, s) ~ 1 + (1 | g)",
        {
            "g": G,
            "y": [1e9 + v for v in Y],
            "n": [1 if i == 6 else 2 + i % 4 for i in range(SIZE)],
            "s": _with_missing([abs(v) for v in Y], 6, 11),
        },
    ),
    "names that need quotes": (
        'y | weights(`w; --"x`) ~ 1 + (1 | `my ``group`)',
        {"my `group": G, "y": Y, 'w; --"x': [1.0 + i % 3 for i in range(SIZE)]},
    ),
}

each_backend = pytest.mark.parametrize("backend", BACKENDS)


@pytest.fixture
def place(request, backend, tmp_path):
    """Where a backend puts its rows: a Spark session, or a folder."""
    return request.getfixturevalue(backend) if "spark" in backend else tmp_path


# what must come out -----------------------------------------------------------------------


def exact(formula, columns):
    """Statistics in rational arithmetic: label -> (n, weight, mean, ss), and rows left out."""
    roles = read_roles(parse(formula))
    groups, kept = {}, 0
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        y, n, w, inside = row[roles.outcome.name], 1, Fraction(1), Fraction(0)
        if roles.se is not None and row[roles.se.name] is not None:
            w = 1 / Fraction(row[roles.se.name]) ** 2
        if roles.weights is not None and row[roles.weights.name] is not None:
            w = Fraction(row[roles.weights.name])
        if roles.count is not None:
            n = row[roles.count.name]
            sd = 0 if n == 1 else row[roles.sd.name]
            row[roles.sd.name] = sd
            w, inside = Fraction(n), (n - 1) * Fraction(sd or 0) ** 2
        if any(row[c.name] is None for c in roles.columns):
            continue
        kept += 1
        groups.setdefault(row[roles.group.name], []).append((n, w, Fraction(y), inside))
    return {k: _summed(groups[k]) for k in sorted(groups)}, kept


def _summed(rows):
    weight = sum(w for _, w, _, _ in rows)
    mean = sum(w * y for _, w, y, _ in rows) / weight
    ss = sum(w * (y - mean) ** 2 + inside for _, w, y, inside in rows)
    return sum(n for n, _, _, _ in rows), float(weight), mean, float(ss)


@pytest.mark.parametrize("case", CASES)
@each_backend
def test_statistics(backend, case, place):
    formula, columns = CASES[case]
    expected, kept = exact(formula, columns)
    data = BACKENDS[backend][0](columns, place)
    got = read_statistics(read_roles(parse(formula)), data).statistics
    assert got.labels.tolist() == list(expected)
    assert (got.n_rows, got.n_dropped) == (len(columns["y"]), len(columns["y"]) - kept)
    n, weight, mean, ss = (list(v) for v in zip(*expected.values(), strict=True))
    assert got.n.tolist() == n
    np.testing.assert_allclose(got.weight, weight, rtol=1e-10)
    np.testing.assert_allclose(got.ss, ss, rtol=1e-10, atol=1e-10 * max(ss))
    from_center = [float(m - Fraction(got.center)) for m in mean]
    np.testing.assert_allclose(got.mean, from_center, rtol=1e-10, atol=1e-10 * max(map(abs, mean)))
    if "se(" in formula:
        assert got.sigma_known
        log_weight = sum(-2 * np.log(s) for s in _kept(formula, columns, "s"))
        assert got.log_weight.sum() == pytest.approx(log_weight, rel=1e-10)


def _kept(formula, columns, name):
    roles = read_roles(parse(formula))
    rows = zip(*(columns[c.name] for c in roles.columns), strict=True)
    whole = [all(v is not None for v in row) for row in rows]
    return [v for v, keep in zip(columns[name], whole, strict=True) if keep]


@each_backend
def test_results_come_in_the_kind_of_frame_that_was_given(backend, place):
    make, kind = BACKENDS[backend]
    fit = pp.fit(PLAIN, make(CASES["rows"][1], place))
    for table in (fit.groups(), fit.parameters()):
        assert isinstance(table, kind)
    names = ["group", "n", "raw", "estimate", "sd", "lower", "upper", "shrinkage"]
    assert list(getattr(fit.groups(), "column_names", getattr(fit.groups(), "columns", names))) == (
        names
    )


@each_backend
def test_notices(backend, place):
    formula, columns = CASES["a group without outcomes"]
    fit = pp.fit(formula, BACKENDS[backend][0](columns, place))
    expected = pp.fit(formula, columns)
    assert told(fit.notices) == told(expected.notices)
    assert {"rows_dropped", "groups_dropped"} <= {n.code for n in fit.notices}


@each_backend
@pytest.mark.parametrize(
    ("formula", "name", "value", "words"),
    [
        ("y | se(s) ~ (1 | g)", "s", -0.5, ["positive finite standard error", "found -0.5"]),
        ("y | weights(s) ~ (1 | g)", "s", 0.0, ["positive finite weight", "found 0"]),
        ("y | summary(n, s) ~ (1 | g)", "n", 2.5, ["whole number of rows", "found 2.5"]),
        ("y ~ (1 | g)", "y", 1e120, ["finite numbers of at most 1e100", "found 1e+120"]),
        ("y ~ (1 | g)", "y", float("inf"), ["finite numbers", "found inf"]),
    ],
)
def test_values_that_are_not_allowed(backend, place, formula, name, value, words):
    columns = {"g": G, "y": Y, "s": [1.0] * SIZE, "n": [2.0] * SIZE}
    columns[name] = [value if i == 4 else v for i, v in enumerate(columns[name])]
    with pytest.raises(pp.DataError) as caught:
        pp.fit(formula, BACKENDS[backend][0](columns, place))
    for word in [f'column "{name}"', *words, f'group "{G[4]}"']:
        assert word in str(caught.value)
    assert ("in row 5" in str(caught.value)) == ("spark" not in backend)


@each_backend
def test_a_value_that_is_not_allowed_in_a_row_that_does_not_count(backend, place):
    columns = {"g": G, "y": _with_missing(Y, 4), "s": [1.0] * 4 + [-1.0] + [1.0] * (SIZE - 5)}
    fit = pp.fit("y | se(s) ~ (1 | g)", BACKENDS[backend][0](columns, place))
    assert (fit.statistics.n_rows, fit.statistics.n_dropped) == (SIZE, 1)


@each_backend
def test_a_column_that_is_not_there(backend, place):
    with pytest.raises(pp.ColumnError, match=r'"yy".*did you mean "y"'):
        pp.fit("yy ~ (1 | g)", BACKENDS[backend][0]({"g": G, "y": Y}, place))


@each_backend
def test_the_plan_is_told_without_running_it(backend, place):
    text = pp.explain("y | se(s) ~ 1 + (1 | g)", BACKENDS[backend][0](CASES["se"][1], place))
    in_memory = BACKENDS[backend][1] in (pd.DataFrame, pl.DataFrame, pa.Table) or "dict" in backend
    assert ("No query is run" if in_memory else "GROUP BY g") in text


@each_backend
def test_more_rows_are_added_to_a_fit(backend, place):
    formula, columns = CASES["offset of 1e9"]
    old = {k: v[:25] for k, v in columns.items()}
    new = {k: [*v[25:], None] for k, v in columns.items()}
    whole = pp.fit(formula, {k: [*v, None] for k, v in columns.items()})
    updated = pp.fit(formula, old).update(BACKENDS[backend][0](new, place))
    np.testing.assert_allclose(
        updated._engine.theta.mean - 1e9, whole._engine.theta.mean - 1e9, rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(updated._engine.theta.sd, whole._engine.theta.sd, rtol=1e-6)
    assert (updated.statistics.n_rows, updated.statistics.n_dropped) == (SIZE + 1, 1)
