"""The poolings of counts side by side, and exact scores of groups left out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.comparison import Comparison, compare
from partialpool.data import Table
from partialpool.data.labels import as_labels
from partialpool.errors import ArgumentError
from partialpool.models.counts_propriety import natural_moments
from partialpool.posterior import CountsPosterior

HERMITE = 40


@compare.register
def _compare(post: CountsPosterior, estimators: Sequence[str] = ()) -> Comparison:
    """Compare no, complete and partial pooling of counts.

    Leaving out a group is exact: the nodes are reweighted by ``1 / p(group | node)``; nothing is
    refitted.

    Raises
    ------
    ArgumentError
        If a classical estimator is asked for: they are of measurements.
    """
    if estimators:
        raise ArgumentError(
            f"{', '.join(estimators)}: the classical estimators are of measurements, not of "
            "counts; for these transform the counts (such as arcsine, with se)"
        )
    s = post.statistics
    pooled = float(s.y.sum() / s.size.sum())
    groups = Table(
        group=s.labels,
        n=s.n,
        no_pooling=s.raw,
        complete_pooling=np.full(s.n_groups, pooled),
        partial_pooling=post.value.mean,
    )
    nothing = (math.nan, math.nan)
    partial = _partial_score(post) if post.predicts_without_one_group else nothing
    complete = _complete_score(post)
    scores = Table(
        estimator=as_labels(["no_pooling", "complete_pooling", "partial_pooling"]),
        tau=np.array([math.inf, 0.0, float(post.tau.median)]),
        log_score=np.array([math.nan, complete[0], partial[0]]),
        group_rmse=np.array([math.nan, complete[1], partial[1]]),
        row_rmse=np.full(3, math.nan),
    )
    return Comparison(groups, scores)


def _partial_score(post: CountsPosterior) -> tuple[float, float]:
    """Mean log density of a group given the others, and rmse of its own mean."""
    model, nodes, s = post.model, post.nodes, post.statistics
    weight = nodes.weight
    expected = _expected(post)
    log_score, squares = 0.0, 0.0
    for part in _slices(len(model.pairs), weight.size):
        pairs, count = model.pairs.at(part), model.count[part]
        log_l = model.log_marginals(pairs, nodes.inner, nodes.outer)
        least = log_l.min(axis=(1, 2), where=weight > 0, initial=math.inf)[:, None, None]
        inverse = weight * np.exp(np.where(weight > 0, least - log_l, -math.inf))
        total = inverse.sum(axis=(1, 2))
        log_score += float(count @ (least[:, 0, 0] - np.log(total) + pairs.best))
        mean = (inverse * expected).sum(axis=(1, 2)) / total
        squares += float(count @ (mean - pairs.y / pairs.size) ** 2)
    used = float(model.count.sum())
    return (log_score + s.log_constant) / s.n_groups, math.sqrt(squares / used)


def _slices(size: int, nodes: int) -> Iterator[slice]:
    step = max(1, 2**22 // nodes)
    for i in range(0, size, step):
        yield slice(i, i + step)


def _expected(post: CountsPosterior) -> Floats:
    """Expected probability or rate of a new group at every node; nan where it has none."""
    model, nodes = post.model, post.nodes
    if model.conjugate:
        return model.link.natural(nodes.inner)
    if model.link.name == "log":
        if natural_moments(model.sizes, model.priors) <= 1:
            return np.full(nodes.inner.shape, math.nan)
        return np.exp(nodes.inner + 0.5 * nodes.outer[:, None] ** 2)
    z, w = np.polynomial.hermite_e.hermegauss(HERMITE)
    theta = nodes.inner[:, :, None] + nodes.outer[:, None, None] * z
    return np.asarray(model.link.natural(theta) @ (w / w.sum()))


def _complete_score(post: CountsPosterior) -> tuple[float, float]:
    """One probability or rate for all groups, with a flat prior on the link scale; closed form."""
    s = post.statistics
    y, size = s.y.sum() - s.y, s.size.sum() - s.size  # of the others
    with np.errstate(invalid="ignore", divide="ignore"):
        if s.proportion:
            miss = size - y
            log_p = special.betaln(y + s.y, miss + s.size - s.y) - special.betaln(y, miss)
        else:
            log_p = special.gammaln(y + s.y) - special.gammaln(y) + special.xlogy(y, size)
            log_p -= (y + s.y) * np.log(size + s.size)
        gap = (y / size - s.raw)[s.size > 0]
    if (y == 0).any() or (s.proportion and (y == size).any()):
        return math.nan, math.sqrt(float((gap**2).mean()))
    score = (float(log_p.sum()) + s.log_constant) / s.n_groups
    return score, math.sqrt(float((gap**2).mean()))
