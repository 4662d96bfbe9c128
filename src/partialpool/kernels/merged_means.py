"""Means of two sets of rows as those of both, and what lies between the two.

The update of Chan, Golub and LeVeque (1983), The American Statistician 37, 242-247,
doi:10.1080/00031305.1983.10483115: sums of squares about the means of both are

    S = S_1 + S_2 + w_1 w_2 / (w_1 + w_2) (m_2 - m_1)^2,

where no two large numbers are subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats


@dataclass(frozen=True, slots=True, eq=False)
class MergedMeans:
    """Means of both sets of rows.

    Parameters
    ----------
    mean : ndarray, shape (...)
    gap : ndarray, shape (...)
        The second mean less the first; 0 where one side has no weight.
    harmonic : ndarray, shape (...)
        ``w_1 w_2 / (w_1 + w_2)``, by which products of gaps enter the sums of squares.
    """

    mean: Floats
    gap: Floats
    harmonic: Floats


def merged_means(weight: tuple[Floats, Floats], mean: tuple[Floats, Floats]) -> MergedMeans:
    """Merge the means of two sides.

    Parameters
    ----------
    weight : pair of ndarray, shape (...)
        Sums of weights, one of them positive wherever a mean is wanted.
    mean : pair of ndarray, shape (...)
        Weighted means; without weight, any finite number.
    """
    first, second = weight
    share = second / (first + second)
    # a side without weight may have any mean, which must not enter
    gap = np.where((first > 0) & (second > 0), mean[1] - mean[0], 0.0)
    return MergedMeans(
        # from the first mean by a part of the gap: exact where both are equal
        np.where(first > 0, mean[0], mean[1]) + gap * share,
        gap,
        np.asarray(first * share),
    )
