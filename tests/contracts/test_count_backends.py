"""Counts through every kind of data: the same statistics."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from scipy.special import gammaln
from test_backends import BACKENDS, SIZE, G, each_backend, place  # noqa: F401  (a fixture)

import partialpool as pp
from partialpool.data import read_counts
from partialpool.data.count_statements import log_factorial
from partialpool.formula import count_roles, parse

Y = [(5 * i) % 7 for i in range(SIZE)]
N = [None if i == 6 else 6 + i % 5 for i in range(SIZE)]
CASES = {
    "trials": ("y | trials(n) ~ 1 + (1 | g)", "binomial", {"g": G, "y": Y, "n": N}),
    "exposure": (
        "y ~ 1 + offset(log(n)) + (1 | g)",
        "gamma_poisson",
        {"g": G, "y": Y, "n": [None if v is None else v / 4 for v in N]},
    ),
    "rows of 0 and 1": (
        "y ~ 1 + (1 | g)",
        "beta_binomial",
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
    reading = read_counts(count_roles(parse(formula), family), make(columns, place))
    s, wanted = reading.statistics, plain(columns)
    assert s.labels.tolist() == sorted(wanted)
    for j, label in enumerate(s.labels.tolist()):
        np.testing.assert_allclose([s.y[j], s.size[j], s.n[j]], wanted[label], rtol=1e-15)
    assert s.n_rows == SIZE
    assert s.n_dropped == SIZE - sum(c for *_, c in wanted.values())
    reference = read_counts(count_roles(parse(formula), family), dict(columns)).statistics
    np.testing.assert_allclose(s.log_constant, reference.log_constant, rtol=1e-12)
    np.testing.assert_allclose(s.square, reference.square, rtol=1e-12)
    assert isinstance(reading.like(pp.Table(group=s.labels)), like)


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
    np.testing.assert_allclose(fit.posterior.theta.mean, wanted.posterior.theta.mean, rtol=1e-10)
    assert [n.to_dict() for n in fit.notices] == [n.to_dict() for n in wanted.notices]
    assert {"rows_dropped", "groups_dropped"} <= {n.code for n in fit.notices}


def test_the_logarithm_of_a_factorial_in_sql():
    x = np.concatenate([np.arange(200), 2 ** np.arange(8, 53)]).astype(float)
    found = duckdb.execute(
        f"SELECT {log_factorial('x')} AS f FROM (SELECT UNNEST($x) AS x)", {"x": x.tolist()}
    )
    np.testing.assert_allclose(found.fetchnumpy()["f"], gammaln(x + 1), rtol=1e-14, atol=2e-14)
