"""Rows that count several times: the same sums as of rows written out so often."""

import numpy as np
import pytest

from partialpool.design.coded_rows import code_rows
from partialpool.design.source import Chunk, MemorySource
from partialpool.formula import Roles
from partialpool.records.repeated_rows import repeated_counts, repeated_measurements
from partialpool.rows import arrays

RNG = np.random.default_rng(3)
CODES = RNG.integers(0, 6, 80)
TIMES = RNG.integers(0, 4, 80).astype(float)
TIMES[CODES == 2] = 0.0
OUT = np.repeat(np.arange(80), TIMES.astype(int))


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_measurements(offset):
    y = offset + np.round(RNG.normal(size=80) * 64) / 64
    got = repeated_measurements(CODES, y, TIMES)
    chunk = Chunk({"y": y[OUT]}, {"g": CODES[OUT]})
    rows = MemorySource({"g": np.arange(6)}, frozenset(), chunk)
    wanted = arrays.reduce(code_rows(rows, Roles.one_factor("y", "g")))
    assert got.labels.tolist() == [0, 1, 3, 4, 5] == wanted.labels.tolist()
    np.testing.assert_array_equal(got.n, wanted.n)
    np.testing.assert_array_equal(got.weight, wanted.weight)
    np.testing.assert_allclose(got.raw, wanted.raw, rtol=1e-15)
    np.testing.assert_allclose(got.ss, wanted.ss, rtol=1e-12)
    assert got.n_used == len(OUT)


def test_measurements_of_any_weight_by_their_definition():
    times = np.array([0.5, 1.5, 0.25, 2.0])
    got = repeated_measurements(np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 2.0, 5.0]), times)
    np.testing.assert_allclose(got.raw, [2.5, 10.5 / 2.25], rtol=1e-15)
    np.testing.assert_allclose(got.ss, [1.5, 9 * 0.25 * 2 / 2.25], rtol=1e-14)
    np.testing.assert_array_equal(got.n, [2.0, 2.25])


def test_rows_that_do_not_differ_have_no_sum_of_squares():
    got = repeated_measurements(np.zeros(3, dtype=int), np.full(3, 0.1), np.array([1.0, 0.3, 2.0]))
    assert got.ss.tolist() == [0.0]


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_counts(family):
    y = RNG.integers(0, 2 if family == "binomial" else 9, 80).astype(float)
    got = repeated_counts(CODES, y, TIMES, family)
    assert got.labels.tolist() == [0, 1, 3, 4, 5]
    for j, label in enumerate(got.labels):
        of_group = y[OUT][CODES[OUT] == label]
        assert (got.y[j], got.size[j], got.n[j]) == (of_group.sum(), len(of_group), len(of_group))
        assert got.square[j] == (of_group**2).sum()
