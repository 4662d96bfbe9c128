"""The one-way normal likelihood from sufficient statistics.

Groups with the same total weight enter only through their number, the mean and the spread of
their group means, so the cost is that of the distinct weights (K), not of the groups (J).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import AnyArray, Floats

CELLS_AT_ONCE = 2**20
"""Elements of the (nodes, classes) arrays worked on at once, 8 MiB each, so that memory stays small
with very many different sizes."""


@dataclass(frozen=True, slots=True, eq=False)
class SizeClasses:
    """Groups gathered by equal total weight; K classes.

    Parameters
    ----------
    count : ndarray, shape (K,)
        Groups in each class.
    weight : ndarray, shape (K,)
        Their common total weight (rows, for plain data).
    mean : ndarray, shape (K,)
        Mean of their group means.
    spread : ndarray, shape (K,)
        Sum of squares of their group means about `mean`.
    member : ndarray of int, shape (J,)
        The class of each group.
    """

    count: Floats
    weight: Floats
    mean: Floats
    spread: Floats
    member: AnyArray


def size_classes(weight: Floats, mean: Floats) -> SizeClasses:
    """Gather J groups by equal weight."""
    distinct, member = _distinct(weight)
    count = np.bincount(member).astype(np.float64)
    centre = np.bincount(member, mean) / count
    # two passes: means of squares would cancel where group means are far from zero
    spread = np.bincount(member, (mean - centre[member]) ** 2).astype(np.float64, copy=False)
    return SizeClasses(count, distinct, centre, spread, member)


def _distinct(weight: Floats) -> tuple[Floats, AnyArray]:
    """Distinct weights and the place of each group's among them."""
    top = weight.max()
    # 4: beyond, the table is longer than sorting takes
    if top <= 4 * len(weight) and np.array_equal(whole := np.rint(weight), weight):
        codes = whole.astype(np.intp)  # whole numbers in a short range: count, do not sort
        present = np.bincount(codes) > 0
        return np.flatnonzero(present).astype(np.float64), (np.cumsum(present) - 1)[codes]
    distinct, member = np.unique(weight, return_inverse=True)
    return distinct, member.astype(np.intp, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Pieces of the likelihood at G values of lambda = (tau / sigma)^2; each shape (G,).

    With ``w_j = P_j / (1 + P_j lambda)``, P_j the total weight of group j:

    log_det : sum_j log(1 + P_j lambda)
    precision : sum_j w_j
    mu : sum_j w_j ybar_j / sum_j w_j
    between : sum_j w_j (ybar_j - mu)^2
    """

    log_det: Floats
    precision: Floats
    mu: Floats
    between: Floats


def profile(classes: SizeClasses, lam: Floats) -> Profile:
    """Evaluate the likelihood's pieces at every lambda; lam has shape (G,)."""
    step = max(1, CELLS_AT_ONCE // len(classes.weight))
    if len(lam) <= step:
        return _profile(classes, lam)
    parts = [_profile(classes, lam[i : i + step]) for i in range(0, len(lam), step)]
    joined = [np.concatenate([getattr(p, f) for p in parts]) for f in Profile.__slots__]
    return Profile(*joined)


def _profile(c: SizeClasses, lam: Floats) -> Profile:
    product = lam[:, None] * c.weight  # (G, K)
    w = c.weight / (1.0 + product)
    precision = w @ c.count
    mu = (w @ (c.count * c.mean)) / precision
    # sum of w (ybar_j - mu)^2 over a class: w (count (mean - mu)^2 + spread); in place, as these
    # arrays are the cost of a fit
    gap = c.mean - mu[:, None]  # (G, K)
    np.multiply(gap, gap, out=gap)
    gap *= c.count
    gap += c.spread
    gap *= w
    # log1p: near lambda = 0 the determinant differs from one by less than a rounding
    return Profile(np.log1p(product) @ c.count, precision, mu, gap.sum(axis=1))


def between_slope(classes: SizeClasses, lam: Floats, mu: Floats) -> Floats:
    """Derivative of `between` with respect to lambda: -sum_j w_j^2 (ybar_j - mu)^2."""
    w = classes.weight / (1.0 + lam[:, None] * classes.weight)  # (G, K)
    gap = classes.mean - mu[:, None]
    # mu is at its minimum of `between`, so that its own derivative adds nothing (envelope theorem);
    # dw/dlambda = -w^2
    slope: Floats = -np.sum(w * w * (classes.count * gap * gap + classes.spread), axis=1)
    return slope


def kept(weight: Floats, lam: Floats) -> Floats:
    """Weight on a group's own mean, 1 - B_j = P_j lambda / (1 + P_j lambda); shapes broadcast.

    Written so that no digits are lost where lambda is near zero.
    """
    product = weight * lam
    return np.asarray(product / (1.0 + product))


def pooled(weight: Floats, lam: Floats) -> Floats:
    """Weight on the pooled value, B_j = 1 / (1 + P_j lambda); no digits lost far from zero."""
    return np.asarray(1.0 / (1.0 + weight * lam))


def theta_given(
    y: Floats, weight: Floats, lam: Floats, sigma: Floats, mu: Floats, mu_sd: Floats
) -> tuple[Floats, Floats]:
    """Location and scale of theta_j given each node.

        loc = mu + k (y - mu),   scale^2 = sigma^2 lam b + b^2 mu_sd^2,   k = 1 - b = kept(P, lam)

    Parameters
    ----------
    y, weight : ndarray, shape (B,)
        Group means and total weights P.
    lam, sigma, mu, mu_sd : ndarray, shape (C, 1)
        The nodes.

    Returns
    -------
    loc, scale : ndarray, shape (C, B)
    """
    # b and k each by its own formula: either of 1 - b and 1 - k would cancel at one end
    b = pooled(weight, lam)
    loc = mu + kept(weight, lam) * (y - mu)
    # given mu tau^2 b; and mu, known to mu_sd, counts with its weight b
    return loc, np.sqrt(sigma**2 * (lam * b) + (b * mu_sd) ** 2)


def log_marginal(
    y: Floats, n: AnyArray, weight: Floats, ss: Floats, lam: Floats, sigma: Floats, mu: Floats
) -> Floats:
    """Log density of all rows of each group given mu, tau and sigma, theta_j integrated out.

        -1/2 (n log(2 pi sigma^2) + log(1 + P lam) + (ss + P (y - mu)^2 / (1 + P lam)) / sigma^2)

    The sum of the rows' log weights over 2 is left out.

    Parameters
    ----------
    y, n, weight, ss : ndarray, shape (J,)
        Means, rows, total weights P and sums of squares within groups.
    lam, sigma, mu : ndarray, shape (S, 1)
        Values of (tau / sigma)^2, sigma and mu.

    Returns
    -------
    ndarray, shape (S, J)
    """
    more = 1.0 + weight * lam
    squares = (ss + weight * (y - mu) ** 2 / more) / sigma**2
    return np.asarray(-0.5 * (n * np.log(2.0 * np.pi * sigma**2) + np.log(more) + squares))
