"""Score tests of further columns: against dense matrices and ordinary regression."""

import numpy as np
import pytest
from scipy import stats

from partialpool.kernels.score_tests import Linear

RNG = np.random.default_rng(2)
N = 60


@pytest.fixture
def rows():
    g, h = RNG.integers(0, 7, N), RNG.integers(0, 5, N)
    x = np.column_stack([np.ones(N), RNG.normal(size=N)])
    z = np.column_stack([np.ones(N), RNG.normal(size=N)])
    return {
        "y": RNG.normal(size=N),
        "weight": RNG.uniform(0.5, 2, N),
        "x": x,
        "groups": [(g, z), (np.where(h == 4, -1, h), np.ones((N, 1)))],
    }


def test_as_dense_matrices(rows):
    factors = [np.array([[0.8, 0.0], [0.3, 0.5]]), np.array([[1.2]])]
    added = RNG.normal(size=(N, 3))
    found = Linear(**rows, df=np.inf).score(added, factors)
    v = np.diag(1 / rows["weight"])
    for (index, z), factor in zip(rows["groups"], factors, strict=True):
        for group in range(index.max() + 1):
            mine = z @ factor * (index == group)[:, None]
            v += mine @ mine.T
    x, inverse = rows["x"], np.linalg.inv(v)
    p = inverse - inverse @ x @ np.linalg.solve(x.T @ inverse @ x, x.T @ inverse)
    np.testing.assert_allclose(found.score, added.T @ p @ rows["y"], rtol=1e-8)
    np.testing.assert_allclose(found.information, added.T @ p @ added, rtol=1e-8)
    assert found.outcome == pytest.approx(rows["y"] @ p @ rows["y"])
    square = (added.T @ p @ rows["y"]) @ np.linalg.solve(
        added.T @ p @ added, added.T @ p @ rows["y"]
    )
    assert found.p_value(slice(0, 3)) == pytest.approx((square, 3, stats.chi2.sf(square, 3)))


def test_without_groups_it_is_the_f_test_of_regression(rows):
    x, y = rows["x"], rows["y"]
    added = RNG.normal(size=(N, 2))
    plain = Linear(y, np.ones(N), x, [], N - 2.0).score(added, [])

    def rest(columns):
        return np.linalg.lstsq(columns, y, rcond=None)[1][0]

    both = np.column_stack([x, added])
    f = (rest(x) - rest(both)) / 2 / (rest(both) / (N - 4))
    square, df, p = plain.p_value(slice(0, 2))
    assert (square, df, p) == pytest.approx((2 * f, 2, stats.f.sf(f, 2, N - 4)))


def test_columns_that_are_there_already_count_for_nothing(rows):
    added = np.column_stack([3 * rows["x"][:, 1] - 1, np.zeros(N), RNG.normal(size=N)])
    added = np.column_stack([added, added[:, 2] * 2])
    scores = Linear(**rows, df=N - 2.0).score(added, [np.eye(2), np.eye(1)])
    assert scores.p_value(slice(0, 2))[1:] == (0, 1.0)
    assert scores.p_value(slice(2, 4)) == pytest.approx(scores.p_value(slice(2, 3)))
