"""The three poolings of a one-way model side by side, and how well each predicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from scipy import special

from partialpool import classical
from partialpool._markup import output
from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.design.labels import as_labels
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.kernels.predictive import leave_one_group_out
from partialpool.models.counts_propriety import natural_moments
from partialpool.posterior import CountsPosterior, OneFactor, OneWayPosterior
from partialpool.posterior.components import Components, every_component
from partialpool.records import GroupStatistics
from partialpool.words.meta_analysis import MetaAnalysis, meta_analysis, printed

Spread = Callable[..., Any]
BY_ERRORS: dict[str, Spread] = {
    "dersimonian_laird": classical.dersimonian_laird,
    "hedges": classical.hedges,
    "hunter_schmidt": classical.hunter_schmidt,
    "paule_mandel": classical.paule_mandel,
    "sidik_jonkman": classical.sidik_jonkman,
    "ml": classical.ml,
    "reml": classical.reml,
    "boundary_avoiding": classical.boundary_avoiding,
}
"""Estimators of tau from estimates with standard errors."""
BY_ROWS = ("anova", "ml", "reml")
"""Of these, what there is for rows with sigma unknown; the others use sigma from within groups."""
ESTIMATORS = ("anova", *BY_ERRORS, "james_stein")


def squared_errors(post: OneFactor, truth: Floats) -> tuple[float, float]:
    """Mean squared error of no pooling and of partial pooling against a truth.

    Parameters
    ----------
    post : OneFactor
    truth : ndarray, shape (J,)
        True group parameters (units of y; of counts probabilities or rates).

    Returns
    -------
    float, float
        Units of y squared.
    """
    estimates = post.statistics.raw, post.value.mean
    none, partial = (float(np.mean((each - truth) ** 2)) for each in estimates)
    return none, partial


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Estimates of every group by several estimators, and how well each predicts.

    Parameters
    ----------
    groups : Table
        group, n, and a column for each estimator (units of y).
    scores : Table
        estimator; tau (units of y; nan where there is none); log_score, the log density of
        each group's data given the other groups, averaged over groups, hyperparameters
        integrated out; group_rmse, the root mean squared error of predicting a group's mean from
        the others; row_rmse, of predicting a row from all others, hyperparameters held, over
        rows of groups with two rows or more. nan where an estimator cannot predict.
    meta_analysis : MetaAnalysis, optional
        With known standard errors: ``.heterogeneity`` (Q, I^2, tau) and ``.pooled`` (the effect by
        Wald and by Knapp and Hartung).
    """

    groups: Table
    scores: Table
    meta_analysis: MetaAnalysis | None = None

    def __repr__(self) -> str:
        return "\n\n".join([repr(self.groups), repr(self.scores), *printed(self.meta_analysis)])

    def _repr_html_(self) -> str:
        groups = self.groups.as_html("Estimates of each group")
        return output(groups, self.scores.as_html("How well each predicts"))


@singledispatch
def compare(post: Any, estimators: Sequence[str] = ()) -> Comparison:
    """Compare no, complete and partial pooling, and other estimators asked for."""
    raise TypeError(f"compare of a {type(post).__name__}")


@compare.register
def _compare_one_way(post: OneWayPosterior, estimators: Sequence[str] = ()) -> Comparison:
    """Compare no, complete and partial pooling, and classical estimators asked for.

    Leaving out a group is exact: its information is taken out of the posterior at every node
    and the nodes are reweighted by ``1 / p(group | others, node)``; nothing is refitted.

    Parameters
    ----------
    post : OneWayPosterior
        The fitted model.
    estimators : sequence of str
        Of ``anova``, ``reml``, ``ml``, ``dersimonian_laird``, ``hedges``, ``hunter_schmidt``,
        ``paule_mandel``, ``sidik_jonkman``, ``boundary_avoiding``, ``james_stein``.

    Raises
    ------
    ArgumentError
        If an estimator is not known, or does not apply to the data.
    """
    s = post.statistics
    chosen = [_classical(post, name) for name in dict.fromkeys(estimators)]
    complete = float(s.mean @ s.weight / s.weight.sum() + s.center)
    columns = {
        "no_pooling": s.raw,
        "complete_pooling": np.full(s.n_groups, complete),
        "partial_pooling": post.theta.mean,
    }
    columns |= {c.name: c.estimate for c in chosen}
    groups = Table(group=s.labels, n=s.n, **columns)
    held = float(post.tau_over_sigma.quantile(0.5)) ** 2
    rows = [
        _Score("no_pooling", math.inf, math.nan, math.nan, _row_rmse(post, math.inf)),
        _Score("complete_pooling", 0.0, *_complete_score(post), _row_rmse(post, 0.0)),
        _Score("partial_pooling", float(post.tau.quantile(0.5)), *_partial_score(post),
               _row_rmse(post, held)),
    ]  # fmt: skip
    rows += [_Score(c.name, c.tau, math.nan, math.nan, _row_rmse(post, c.lam)) for c in chosen]
    numbers = {
        k: np.array([getattr(r, k) for r in rows])
        for k in ("tau", "log_score", "group_rmse", "row_rmse")
    }
    scores = Table(estimator=as_labels([r.estimator for r in rows]), **numbers)
    of_tau = [name for name in ("reml", *estimators) if name in BY_ERRORS]
    return Comparison(groups, scores, meta_analysis(s, of_tau))


@dataclass(frozen=True, slots=True)
class _Score:
    estimator: str
    tau: float
    log_score: float
    group_rmse: float
    row_rmse: float


@dataclass(frozen=True, slots=True, eq=False)
class _Classical:
    """A classical estimator's tau, lambda = (tau / sigma)^2 and estimates."""

    name: str
    tau: float
    lam: float
    estimate: Floats


def _classical(post: OneWayPosterior, name: str) -> _Classical:
    s = post.statistics
    if name not in ESTIMATORS:
        hint = did_you_mean(name, ESTIMATORS)
        raise ArgumentError(
            f'there is no estimator "{name}"; {hint}they are {", ".join(ESTIMATORS)}'
        )
    if s.sigma_known:
        if name == "anova":
            raise ArgumentError("anova needs rows: with known standard errors use hedges or reml")
        sigma = 1.0
    else:
        if name in BY_ROWS:
            sds = _by_rows(s, name)
            return _shrunken(name, s, sds.tau, sds.sigma)
        sigma = classical.fixed_effects(mean=s.raw, n=s.n, ss=s.ss).sigma
    se = sigma / np.sqrt(s.weight)
    if name == "james_stein":
        return _james_stein(s, se)
    return _shrunken(name, s, BY_ERRORS[name](mean=s.mean, se=se).tau, sigma)


def _by_rows(s: GroupStatistics, name: str) -> classical.Components:
    if not np.array_equal(s.weight, s.n):
        raise ArgumentError(f"{name} is not there for weighted rows")
    if name == "anova":
        return classical.anova(mean=s.mean, n=s.n, ss=s.ss)
    return classical.maximum_likelihood(mean=s.mean, n=s.n, ss=s.ss, restricted=name == "reml")


def _shrunken(name: str, s: GroupStatistics, tau: float, sigma: float) -> _Classical:
    se = sigma / np.sqrt(s.weight)
    fit = classical.empirical_bayes(mean=s.mean, se=se, tau=tau)
    return _Classical(name, tau, (tau / sigma) ** 2, fit.estimate + s.center)


def _james_stein(s: GroupStatistics, se: Floats) -> _Classical:
    if not np.allclose(se, se[0], rtol=1e-9):
        raise ArgumentError(
            "james_stein needs equal standard errors (groups of one size): its theorem holds for "
            "these only; use reml or paule_mandel"
        )
    fit = classical.james_stein(mean=s.mean, se=float(se[0]))
    return _Classical("james_stein", math.nan, math.nan, fit.estimate + s.center)


# predicting what was left out -----------------------------------------------------------------


def _partial_score(post: OneWayPosterior) -> tuple[float, float]:
    if not post.predicts_without_one_group:
        return math.nan, math.nan
    return _score(post, every_component(post.model, post.grid))


def _complete_score(post: OneWayPosterior) -> tuple[float, float]:
    """The model with tau = 0: mu flat and, if unknown, 1/sigma on sigma."""
    s = post.statistics
    y, total = post.centered_means, s.weight.sum()
    mu = float(y @ s.weight / total)
    if s.sigma_known:
        sigma, df = 1.0, math.inf
    else:
        df = float(s.n_used - 1)
        sigma = math.sqrt(float(s.ss.sum() + s.weight @ (y - mu) ** 2) / df)
    weight, lam, scale, middle, error = (
        np.array([v]) for v in (1.0, 0.0, sigma, mu, sigma / math.sqrt(total))
    )
    return _score(post, Components(weight, lam, scale, middle, error, df))


def _score(post: OneWayPosterior, c: Components) -> tuple[float, float]:
    """Mean log density of a group given the others, and rmse of its mean."""
    s, y = post.statistics, post.centered_means
    log_score, error = 0.0, 0.0
    step = max(1, 2**18 // len(c.weight))
    for i in range(0, s.n_groups, step):
        part = slice(i, i + step)
        n = s.n[part].astype(np.float64)
        of = leave_one_group_out(y[part], n, s.weight[part], s.ss[part], *c.columns, c.df)
        top = (-of.log_density).max(axis=0)
        inverse = c.weight[:, None] * np.exp(-of.log_density - top)  # nodes reweighted by 1 / p
        total = inverse.sum(axis=0)
        log_score -= float((np.log(total) + top).sum())
        error += float(((y[part] - (inverse * of.center).sum(axis=0) / total) ** 2).sum())
    size = s.n_groups
    return (log_score + 0.5 * float(s.log_weight.sum())) / size, math.sqrt(error / size)


def _row_rmse(post: OneWayPosterior, lam: float) -> float:
    """Root mean squared error of predicting a row from all the others, lambda held.

    With K the covariance of the rows and P = K^-1 less its projection on mu, the error of row i
    is (P y)_i / P_ii; its squares sum to a function of n, mean and ss of each group.
    """
    s = post.statistics
    several = s.n >= 2
    if s.sigma_known or not np.array_equal(s.weight, s.n) or not several.any() or math.isnan(lam):
        return math.nan
    y, n = post.centered_means, s.weight
    inverse = 1.0 / (1.0 + n * lam) if math.isfinite(lam) else np.zeros(len(n))
    used = (1.0 - inverse) / n  # lambda / (1 + n lambda)
    if math.isfinite(lam):
        w = n * inverse
        mu, project = float(w @ y / w.sum()), inverse**2 / w.sum()
    else:
        mu, project = 0.0, np.zeros(len(n))
    diagonal = (1.0 - used - project)[several]  # P_ii
    squares = (s.ss + n * ((y - mu) * inverse) ** 2)[several] / diagonal**2
    return math.sqrt(float(squares.sum() / n[several].sum()))


HERMITE_NODES = 40
"""Gauss-Hermite nodes over theta for the mean of a probability: right to 1e-8 where tau is 2 on the
logit scale, 4e-4 at 5 and 9e-3 at 10, where nodes of a posterior have next to no weight; twice as
many gain two digits."""


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
    partial = _partial_score_of_counts(post) if post.predicts_without_one_group else nothing
    complete = _complete_score_of_counts(post)
    scores = Table(
        estimator=as_labels(["no_pooling", "complete_pooling", "partial_pooling"]),
        tau=np.array([math.inf, 0.0, float(post.tau.median)]),
        log_score=np.array([math.nan, complete[0], partial[0]]),
        group_rmse=np.array([math.nan, complete[1], partial[1]]),
        row_rmse=np.full(3, math.nan),
    )
    return Comparison(groups, scores)


def _partial_score_of_counts(post: CountsPosterior) -> tuple[float, float]:
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
    z, w = np.polynomial.hermite_e.hermegauss(HERMITE_NODES)
    theta = nodes.inner[:, :, None] + nodes.outer[:, None, None] * z
    return np.asarray(model.link.natural(theta) @ (w / w.sum()))


def _complete_score_of_counts(post: CountsPosterior) -> tuple[float, float]:
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
