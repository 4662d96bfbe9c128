"""Algebra of many small matrices, against NumPy's on each of them."""

from __future__ import annotations

import numpy as np
import pytest

from partialpool.kernels import batched_linalg

sizes = pytest.mark.parametrize("q", [1, 2, 3, 4])


def definite(q, *shape, seed=0):
    """Positive definite matrices, (*shape, q, q)."""
    a = np.random.default_rng(seed).normal(size=(*shape, q, q + 2))
    return a @ a.swapaxes(-1, -2)


def entries_first(a):
    return np.moveaxis(a, (-2, -1), (0, 1)).copy()


@sizes
def test_the_factor_of_each_matrix_is_its_own(q):
    a = definite(q, 3, 5)
    wanted = np.linalg.cholesky(a)
    found = batched_linalg.cholesky(entries_first(a))
    semidefinite = batched_linalg.semidefinite_cholesky(entries_first(a))
    for i in range(q):
        for k in range(i + 1):
            np.testing.assert_allclose(found[i, k], wanted[..., i, k], rtol=1e-11)
            np.testing.assert_allclose(semidefinite[i, k], wanted[..., i, k], rtol=1e-11)
        assert not semidefinite[i, i + 1 :].any()


def test_singular_matrices_have_columns_of_zeros():
    root = np.array([[1.0, 0, 0], [2.0, 0, 0], [-1.0, 0, 3.0]])
    found = batched_linalg.semidefinite_cholesky((root @ root.T)[:, :, None])
    np.testing.assert_allclose(found[:, :, 0], root, atol=1e-14)
    assert not batched_linalg.semidefinite_cholesky(np.zeros((3, 3, 1))).any()


def test_solving_with_a_singular_factor_leaves_zeros_where_it_is():
    root = np.array([[2.0, 0, 0], [2.0, 0, 0], [-1.0, 5.0, 3.0]])
    right = np.array([[4.0, 2.0], [9.0, 9.0], [7.0, 5.0]])
    found = batched_linalg.solve_semidefinite(root[:, :, None], right[:, :, None])[:, :, 0]
    np.testing.assert_allclose(found, [[2, 1], [0, 0], [3, 2]], rtol=1e-14)


@sizes
def test_solving_with_a_full_factor(q):
    lower = np.linalg.cholesky(definite(q, 6))
    right = np.random.default_rng(1).normal(size=(6, q, 2))
    found = batched_linalg.solve_semidefinite(entries_first(lower), entries_first(right))
    wanted = np.linalg.solve(lower, right)
    np.testing.assert_allclose(np.moveaxis(found, -1, 0), wanted, rtol=1e-9, atol=1e-12)


@sizes
@pytest.mark.parametrize("wide", [1, 3])
def test_forward_and_backward_solve_triangular_systems_in_place(q, wide):
    """Factors (q, q, G, L), right-hand sides (q, G, r, L)."""
    lower = np.linalg.cholesky(definite(q, 2, 5))
    right = np.random.default_rng(2).normal(size=(q, 2, wide, 5))
    for solve, matrix in (
        (batched_linalg.forward, lower),
        (batched_linalg.backward, lower.swapaxes(-1, -2)),
    ):
        given = right.copy()
        found = solve(entries_first(lower), given)
        assert found is given
        for g in range(2):
            for j in range(5):
                wanted = np.linalg.solve(matrix[g, j], right[:, g, :, j])
                np.testing.assert_allclose(found[:, g, :, j], wanted, rtol=1e-9, atol=1e-12)


@sizes
@pytest.mark.parametrize("alone", [True, False], ids=["one right side", "one each"])
def test_stacked_systems(q, alone):
    lower = np.linalg.cholesky(definite(q, 5))
    right = np.random.default_rng(3).normal(size=(1 if alone else 5, q, 2))
    every = np.broadcast_to(right, (5, q, 2))
    found = batched_linalg.stacked_forward(lower, right)
    np.testing.assert_allclose(found, np.linalg.solve(lower, every), rtol=1e-9, atol=1e-12)
    kept = every.copy()
    found = batched_linalg.stacked_backward(lower, every)
    wanted = np.linalg.solve(lower.swapaxes(1, 2), every)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(every, kept)


def test_stacked_factors_are_nan_only_where_a_matrix_is_not_definite():
    a = definite(3, 6)
    a[[1, 4], 0, 0] = -1.0
    found = batched_linalg.stacked_cholesky(a)
    assert np.isnan(found[[1, 4]]).all()
    keep = [0, 2, 3, 5]
    np.testing.assert_allclose(found[keep], np.linalg.cholesky(a[keep]), rtol=1e-13)


def test_roots_of_definite_semidefinite_and_nearly_semidefinite_matrices():
    whole = definite(3, 4)
    np.testing.assert_allclose(batched_linalg.root(whole), np.linalg.cholesky(whole))
    singular = whole.copy()
    singular[1] = np.outer([1.0, -2.0, 0.5], [1.0, -2.0, 0.5])
    singular[2] = np.diag([4.0, -1e-17, 9.0])
    found = batched_linalg.root(singular)
    square = found @ found.swapaxes(1, 2)
    np.testing.assert_allclose(square, singular, atol=1e-12)
