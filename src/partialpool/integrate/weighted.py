"""A density as weighted nodes that come in independent replicates, which tell their error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.integrate.trapezoid import Accuracy


@dataclass(frozen=True, eq=False)
class WeightedNodes:
    """Nodes and weights of a density, from several integrations of their own each.

    Parameters
    ----------
    weight : ndarray, shape (C,)
        Sums to one.
    points : ndarray, shape (C, d)
        Values of the nodes.
    carried : ndarray, shape (C, m)
        What the function evaluated carries along.
    replicate : ndarray of int, shape (C,)
        To which of the integrations each node belongs: 0, ..., R - 1.
    log_total : float
        Logarithm of the integral.
    error : float
        Bound on the error of any mean, standard deviation or end of a 95% interval of a
        dimension, in standard deviations of that dimension.
    status : Accuracy
        Whether the target for it was reached.
    """

    weight: Floats
    points: Floats
    carried: Floats
    replicate: Ints
    log_total: float
    error: float
    status: Accuracy

    @property
    def method(self) -> str:
        """How the density was integrated, in words."""
        return "values as given"

    def bound(self, values: Floats, chosen: Ints | slice = slice(None)) -> Floats:
        """Bound (95%) on the error of the weighted mean of values, (C, ...), of chosen nodes.

        The largest difference between two replicates; none where there is one only.
        """
        means = self._replicate_means(values, chosen)
        return np.asarray(means.max(axis=0) - means.min(axis=0))

    def _replicate_means(self, values: Floats, chosen: Ints | slice) -> Floats:
        """Weighted means of each replicate, (R, ...)."""
        replicate, weight = self.replicate[chosen], self.weight[chosen]
        shares = np.zeros((int(self.replicate.max()) + 1, len(weight)))
        shares[replicate, np.arange(len(weight))] = weight
        total = shares.sum(axis=1)
        shares = shares[total > 0] / total[total > 0][:, None]
        flat = shares @ values.reshape(len(values), math.prod(values.shape[1:]))
        return np.asarray(flat.reshape(len(flat), *values.shape[1:]))
