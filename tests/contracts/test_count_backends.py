"""Counts through every kind of data: the same statistics."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from same_notices import told
from scipy.special import gammaln
from test_backends import BACKENDS, SIZE, G, each_backend, place  # noqa: F401  (a fixture)

import partialpool as pp
from partialpool.design.row_values import log_factorial_sql
from partialpool.formula import parse, read_roles
from partialpool.rows import read_count_rows, read_counts

Y = [(5 * i) % 7 for i in range(SIZE)]
N = [None if i == 6 else 6 + i % 5 for i in range(SIZE)]
CASES = {
    "trials": ("y | trials(n) ~ 1 + (1 | g)", "binomial", {"g": G, "y": Y, "n": N}),
    "exposure": (
        "y ~ 1 + offset(log(n)) + (1 | g)",
        "poisson",
        {"g": G, "y": Y, "n": [None if v is None else v / 4 for v in N]},
    ),
    "rows of 0 and 1": (
        "y ~ 1 + (1 | g)",
        "binomial",
        {"g": G, "y": [None if i == 3 else int(v > 3) for i, v in enumerate(Y)]},
    ),
    "booleans": ("y ~ 1 + (1 | g)", "binomial", {"g": G, "y": [v > 3 for v in Y]}),
    "counts": ("y ~ 1 + (1 | g)", "poisson", {"g": G, "y": Y}),
}


def plain(columns):
    """Events, sizes and rows of each group, one row after another."""
    found = {}
    for i, g in enumerate(columns["g"]):
        y, n = columns["y"][i], columns["n"][i] if "n" in columns else 1
        if y is None or n is None:
            continue
        a, b, c = found.get(g, (0, 0, 0))
        found[g] = (a + y, b + n, c + 1)
    return found


@pytest.mark.parametrize("case", CASES)
@each_backend
def test_same_statistics_from_every_kind_of_data(backend, case, place):  # noqa: F811
    formula, family, columns = CASES[case]
    make, like = BACKENDS[backend]
    reading = read_counts(read_roles(parse(formula), family), make(columns, place))
    s, wanted = reading.statistics, plain(columns)
    assert s.labels.tolist() == sorted(wanted)
    for j, label in enumerate(s.labels.tolist()):
        np.testing.assert_allclose([s.y[j], s.size[j], s.n[j]], wanted[label], rtol=1e-15)
    assert s.n_rows == SIZE
    assert s.n_dropped == SIZE - sum(c for *_, c in wanted.values())
    reference = read_counts(read_roles(parse(formula), family), dict(columns)).statistics
    np.testing.assert_allclose(s.log_constant, reference.log_constant, rtol=1e-12)
    np.testing.assert_allclose(s.square, reference.square, rtol=1e-12)
    assert isinstance(reading.like(pp.Table(group=s.labels)), like)


@pytest.mark.parametrize("family", ["negative_binomial", "beta_binomial"])
@each_backend
def test_equal_rows_of_a_family_with_a_dispersion(backend, family, place):  # noqa: F811
    """Rows that are the same in events and size too are counted; others stay apart."""
    columns = {"g": G, "y": Y, "n": N}
    addition = "trials" if family == "beta_binomial" else "exposure"
    roles = read_roles(parse(f"y | {addition}(n) ~ 1 + (1 | g)"), family)
    s = read_count_rows(roles, BACKENDS[backend][0](columns, place)).statistics
    labels = s.blocks[0].labels.tolist()
    rows = zip((labels[i] for i in s.rows.group[0]), s.rows.y, s.rows.size, s.rows.count,
               strict=True)  # fmt: skip
    found = {(g, y / c, n / c): c for g, y, n, c in rows}
    wanted = {}
    for row in zip(G, Y, N, strict=True):
        if None not in row:
            wanted[row] = wanted.get(row, 0) + 1
    assert found == wanted
    reference = read_count_rows(roles, dict(columns)).statistics
    np.testing.assert_allclose(s.log_constant, reference.log_constant, rtol=1e-12)
    np.testing.assert_allclose(s.rough_dispersion, reference.rough_dispersion, rtol=1e-9)


@each_backend
@pytest.mark.parametrize(
    ("y", "n", "words"),
    [
        (9, 6, "at most the number of trials of its row; found 9"),
        (-2, 6, "0 or more; found -2"),
        (2, -6, "a whole number of trials, 0 or more; found -6"),
    ],
)
def test_bad_values_are_named_with_their_row(backend, y, n, words, place):  # noqa: F811
    columns = {"g": G, "y": [1] * SIZE, "n": [6] * SIZE}
    columns["y"][4], columns["n"][4] = y, n
    with pytest.raises(pp.DataError, match=words) as caught:
        pp.fit("y | trials(n) ~ 1 + (1 | g)", BACKENDS[backend][0](columns, place))
    assert ("in row 5" in str(caught.value)) == ("spark" not in backend)
    assert f'group "{G[4]}"' in str(caught.value)


@each_backend
def test_events_without_exposure(backend, place):  # noqa: F811
    columns = {"g": G, "y": [0.0] * SIZE, "n": [0.5] * SIZE}
    columns["y"][4], columns["n"][4], columns["n"][5] = 1.0, 0.0, 0.0
    with pytest.raises(pp.DataError, match=r"0 where the exposure is 0; found 1"):
        pp.fit("y | exposure(n) ~ 1 + (1 | g)", BACKENDS[backend][0](columns, place))


@each_backend
def test_bad_values_in_rows_that_do_not_count(backend, place):  # noqa: F811
    columns = {"g": G, "y": [1.0] * SIZE, "n": [6.0] * SIZE}
    columns["y"][4], columns["n"][4] = -2.0, None
    fit = pp.fit("y | trials(n) ~ 1 + (1 | g)", BACKENDS[backend][0](columns, place))
    assert (fit.statistics.n_rows, fit.statistics.n_dropped) == (SIZE, 1)


@each_backend
def test_the_same_fit_and_notices(backend, place):  # noqa: F811
    columns = {"g": [*G, "f"], "y": [*Y, None], "n": [*N, 5]}
    formula = "y | trials(n) ~ 1 + (1 | g)"
    wanted = pp.fit(formula, dict(columns))
    fit = pp.fit(formula, BACKENDS[backend][0](columns, place))
    np.testing.assert_allclose(fit._engine.theta.mean, wanted._engine.theta.mean, rtol=1e-10)
    assert told(fit.notices) == told(wanted.notices)
    assert {"rows_dropped", "groups_dropped"} <= {n.code for n in fit.notices}


def test_the_logarithm_of_a_factorial_in_sql():
    x = np.concatenate([np.arange(200), 2 ** np.arange(8, 53)]).astype(float)
    found = duckdb.execute(
        f"SELECT {log_factorial_sql('x')} AS f FROM (SELECT UNNEST($x) AS x)", {"x": x.tolist()}
    )
    np.testing.assert_allclose(found.fetchnumpy()["f"], gammaln(x + 1), rtol=1e-14, atol=2e-14)


X = [round(0.3 * ((i * i) % 7) - 1, 3) for i in range(SIZE)]
KIND = ["low", "mid", "high"]
ROWS = {
    "g": [*G[:-1], None],
    "h": [f"h{i % 4}" for i in range(SIZE)],
    "y": Y,
    "n": N,
    "x": [None if i == 11 else v for i, v in enumerate(X)],
    "kind": [KIND[(i // 3) % 3] for i in range(SIZE)],
}
WITH_PREDICTORS = {
    "trials": ("y | trials(n) ~ x + kind + (1 | g)", "binomial", {}),
    "slopes and two factors": ("y | trials(n) ~ scale(x) + (1 + x | g) + (1 | h)", "binomial", {}),
    "exposure": ("y | exposure(n) ~ poly(x, 2) + (1 | g:h)", "poisson", {}),
    "offsets": ("y ~ x + offset(log(n)) + offset(x) + (1 | g)", "poisson", {}),
    "the size as a predictor": ("y | trials(n) ~ log(n) * kind + (1 | g)", "binomial", {}),
    "rows of 0 and 1": (
        "y ~ x + (kind || h)",
        "binomial",
        {"y": [None if i == 3 else int(v > 3) for i, v in enumerate(Y)]},
    ),
    "counts": ("y ~ C(kind) + (1 | g)", "poisson", {}),
}


@pytest.mark.parametrize("case", WITH_PREDICTORS)
@each_backend
def test_rows_with_predictors_are_added_up_where_they_are(backend, case, place):  # noqa: F811
    formula, family, changed = WITH_PREDICTORS[case]
    columns = ROWS | changed
    roles = read_roles(parse(formula), family)
    wanted = read_count_rows(roles, dict(columns))
    got = read_count_rows(roles, BACKENDS[backend][0](columns, place))
    s, t = got.statistics, wanted.statistics
    assert (s.n_rows, s.n_used) == (t.n_rows, t.n_used) == (SIZE, _complete(roles, columns))
    assert s.coefficients == t.coefficients
    assert told(got.notices, dropped=False) == told(wanted.notices, dropped=False)
    assert [b.n.tolist() for b in s.blocks] == [b.n.tolist() for b in t.blocks]
    assert s.rows.y.sum() == t.rows.y.sum()
    np.testing.assert_allclose(s.log_constant, t.log_constant, rtol=1e-12)
    for name in ("y", "size", "offset", "x"):
        np.testing.assert_allclose(
            getattr(s.rows, name), getattr(t.rows, name), rtol=1e-9, atol=1e-12
        )
    np.testing.assert_allclose(s.xtx, t.xtx, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(s.xty, t.xty, rtol=1e-8, atol=1e-10)
    assert isinstance(got.like(pp.Table(group=np.arange(2))), BACKENDS[backend][1])


def _complete(roles, columns):
    names = [c.name for c in roles.columns]
    return sum(all(columns[n][i] is not None for n in names) for i in range(SIZE))


def test_equal_rows_count_as_one():
    roles = read_roles(parse("y ~ kind + (1 | g)"), "poisson")
    many = {"g": ["a", "b"] * 500, "kind": ["u", "u", "v"] * 333 + ["v"], "y": [1] * 1000}
    s = read_count_rows(roles, many).statistics
    assert (len(s.rows.y), s.rows.y.sum(), s.n_used) == (4, 1000, 1000)


@each_backend
@pytest.mark.parametrize(
    ("formula", "changed", "words"),
    [
        ("y | trials(n) ~ x + (1 | g)", {"y": 99}, "at most the number of trials.*found 99"),
        ("y | trials(n) ~ x + (1 | g)", {"n": 2.5}, "whole number of trials.*found 2.5"),
        ("y | exposure(n) ~ x + (1 | g)", {"y": 1, "n": 0}, "0 where the exposure is 0; found 1"),
        ("y | trials(n) ~ log(x) + (1 | g)", {"x": 0.0}, "log.x. must be finite numbers"),
        ("y | trials(n) ~ x + (1 | g)", {"x": float("inf")}, "finite numbers.*found inf"),
    ],
)
def test_bad_values_with_predictors(backend, formula, changed, words, place):  # noqa: F811
    columns = {"g": G, "y": [1.0] * SIZE, "n": [6.0] * SIZE}
    columns["x"] = [1.0 + i % 3 for i in range(SIZE)]
    for name, value in changed.items():
        columns[name] = [value if i == 4 else v for i, v in enumerate(columns[name])]
    with pytest.raises(pp.DataError, match=words) as caught:
        pp.fit(formula, BACKENDS[backend][0](columns, place))
    assert ("in row 5" in str(caught.value)) == ("spark" not in backend)
    assert f'group "{G[4]}"' in str(caught.value)
