"""Gauss rules of discrete measures."""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats


def gauss(x: Floats, weight: Floats, size: int) -> tuple[Floats, Floats]:
    """Return a Gauss rule of a discrete measure: fewer nodes for the same smooth integrals.

    Exact for polynomials up to degree 2 size - 1. Source: Golub and Welsch (1969),
    doi:10.2307/2004418, with the Lanczos recursion on the measure, reorthogonalised.

    Parameters
    ----------
    x, weight : ndarray, shape (G,)
        Nodes and their weights, which sum to one.
    size : int
        Nodes wanted; fewer are returned where the measure has no more.

    Returns
    -------
    ndarray, ndarray, shape (size,)
        Nodes and weights.
    """
    middle, width = float(x @ weight), float(np.ptp(x)) or 1.0
    # powers of z stay within one
    z = (x - middle) / width
    basis = [np.sqrt(weight)]
    diagonal: list[float] = []
    beside: list[float] = []
    for k in range(size):
        v = z * basis[k]
        diagonal.append(float(basis[k] @ v))
        # twice is enough: what one pass leaves is rounding (Kahan's rule, in Parlett 1980, The
        # Symmetric Eigenvalue Problem)
        for _ in range(2):
            for q in basis:
                v = v - (q @ v) * q
        norm = float(np.linalg.norm(v))
        # the measure has no more nodes than k + 1
        if k == size - 1 or norm < 1e-14:
            break
        beside.append(norm)
        basis.append(v / norm)
    matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    node, vectors = np.linalg.eigh(matrix)
    # Golub and Welsch: nodes are eigenvalues, weights squares of the eigenvectors' first entries
    return middle + width * node, np.asarray(vectors[0] ** 2)
