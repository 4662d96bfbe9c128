"""Estimates of groups whose population is a mixture of normals about one middle.

    y_j ~ sum_k exp(log_share_k) N(mu, s_j^2 + v_k)

for every node of the shares and variances, and for several mu a node. Groups may stand for several
equal ones, or be knots that stand for many (`count`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats

CELLS_AT_ONCE = 2**17
"""Elements of the (nodes, components, groups) arrays worked on at once: a core's cache."""
SMALLEST_TOTAL = 1e-280
"""Sums of exponentials above this have all their digits: a term that underflows at 1e-308 is
nothing beside it."""
CENTER_STEPS = 8
"""Steps towards the mode of mu: the rest is left to the grid about it; with four results move by
2e-8 sd, with two by 5e-6."""


@dataclass(frozen=True, slots=True, eq=False)
class NormalMixtures:
    """The mixture at G nodes.

    Parameters
    ----------
    log_share, variance : ndarray, shape (G, K)
        Log shares and variances of the components.
    """

    log_share: Floats
    variance: Floats

    def at(self, part: slice) -> NormalMixtures:
        """Some of the nodes."""
        return NormalMixtures(self.log_share[part], self.variance[part])


def log_marginals(y: Floats, error: Floats, mu: Floats, of: NormalMixtures) -> Floats:
    """Log density of every estimate given mu, less that of a standard normal at 0; (G, M, J).

    Parameters
    ----------
    y : ndarray, shape (J,)
    error : ndarray, shape (1 or G, J)
        Sampling variances.
    mu : ndarray, shape (G, M)
    of : NormalMixtures
    """
    base, precision = _parts(error, of)
    return np.stack(
        [_log_sum(base - 0.5 * precision * ((y - m[:, None]) ** 2)[:, None])[0] for m in mu.T],
        axis=1,
    )


def log_likelihood(
    y: Floats, error: Floats, count: Floats, mu: Floats, of: NormalMixtures
) -> Floats:
    """Sum of `log_marginals` over groups, each as often as `count` says; (G, M)."""
    out = np.empty(mu.shape)
    step = max(1, CELLS_AT_ONCE // (of.variance.shape[1] * len(y)))
    for i in range(0, len(mu), step):
        part = slice(i, i + step)
        errors = error if len(error) == 1 else error[part]
        base, precision = _parts(errors, of.at(part))
        # in place, as a block is used for one part only
        precision *= 0.5
        for m in range(mu.shape[1]):
            square = (y - mu[part, m, None]) ** 2
            out[part, m] = _log_total(base - precision * square[:, None]) @ count
    return out


def center_and_sd(
    y: Floats, error: Floats, count: Floats, of: NormalMixtures, prior: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """About the mode of mu at each node, and the sd of a normal density there; (G,) each.

    By reweighting: a mixture of normals is a normal of the mean precision about its mode.

    Parameters
    ----------
    y, error, count, of
        As above.
    prior : tuple of ndarray, shape (G,)
        Mean and precision of a normal that stands for mu's prior; a precision of 0 is flat.
    """
    size = len(of.variance)
    center, sd = np.empty(size), np.empty(size)
    step = max(1, CELLS_AT_ONCE // (of.variance.shape[1] * len(y)))
    for i in range(0, size, step):
        part = slice(i, i + step)
        errors = error if len(error) == 1 else error[part]
        some = prior[0][part], prior[1][part]
        center[part], sd[part] = _center_and_sd(y, errors, count, of.at(part), some)
    return center, sd


def _center_and_sd(
    y: Floats, error: Floats, count: Floats, of: NormalMixtures, prior: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    base, precision = _parts(error, of)
    mean, of_prior = prior
    each = (np.exp(of.log_share)[:, :, None] * precision).sum(axis=1)
    center = np.zeros(len(base))
    for _ in range(CENTER_STEPS):
        # expected precision of each group's estimate under the current shares: an EM step for mu
        weight = each * count
        total = weight.sum(axis=1) + of_prior
        center = (weight @ y + of_prior * mean) / total
        square = (y - center[:, None]) ** 2
        _, share = _log_sum(base - 0.5 * precision * square[:, None])
        each = (share * precision).sum(axis=1)
    # variance of the precision over components: by which the mixture's log density is less curved
    # than its mean precision, in proportion to the squared distance
    spread = (share * precision**2).sum(axis=1) - each**2
    # between two modes the log density is not concave: a share of the precision stands in
    curvature = (each - square * spread) @ count + of_prior
    smooth = each @ count + of_prior
    return center, np.maximum(curvature, 0.1 * smooth) ** -0.5


def _parts(error: Floats, of: NormalMixtures) -> tuple[Floats, Floats]:
    """Log shares less half the log variances of estimates, and the precisions; (G, K, J)."""
    total = error[:, None] + of.variance[:, :, None]
    return of.log_share[:, :, None] - 0.5 * np.log(total), 1.0 / total


def _log_total(values: Floats) -> Floats:
    """Logarithm of the sum of exponentials over components, (G, K, J) to (G, J).

    Without the largest taken off first, unless a sum is too small for that: half the time.
    """
    total = np.exp(values).sum(axis=1)
    # terms that underflow (1e-308) are nothing beside such a sum
    if total.min(initial=1.0) > SMALLEST_TOTAL:
        return np.asarray(np.log(total))
    return _log_sum(values)[0]


def _log_sum(values: Floats) -> tuple[Floats, Floats]:
    """Logarithm of the sum of exponentials over components, (G, K, J) to (G, J); and shares."""
    top = values.max(axis=1)
    values -= top[:, None]
    np.exp(values, out=values)
    total = values.sum(axis=1)
    values /= total[:, None]
    return np.log(total) + top, values
