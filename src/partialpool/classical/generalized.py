"""Maximum likelihood for counts with predictors, slopes and several factors.

    y_i ~ Binomial(n_i, expit(eta_i))  or  Poisson(e_i exp(eta_i)),
    eta = offset + X beta + sum_t Z_t b_t,   b_t,l ~ N(0, Sigma_t)

The groups are integrated out by Laplace's approximation, those of the largest factor also by
adaptive Gauss-Hermite quadrature. The search runs over beta and the entries of each term's
Cholesky factor together, along exact gradients. Entries may have any sign: the likelihood is even
in the columns of a factor, so that an sd of zero is an ordinary stationary point, from which no
search starts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import scipy

from partialpool._typing import Floats, Ints
from partialpool.classical.mixed import (
    CONVERGED_RISE,
    ZERO_ENTRY,
    MixedEstimate,
    correlation_of,
    layout_of,
    level_rows,
    on_boundary,
)
from partialpool.errors import ArgumentError, DataError
from partialpool.integrate.quasi_newton import Minimum, minimum
from partialpool.kernels.count_mode import Mode, find_mode, inverse
from partialpool.kernels.grouped_counts import Effects, GroupedCounts, grouped_counts
from partialpool.kernels.laplace import Slopes, criterion
from partialpool.kernels.mixed_likelihood import moments_by_term
from partialpool.kernels.normal_equations import System, make_system
from partialpool.records.count_products import CountProducts
from partialpool.records.sorted_rows import sorted_rows

MOST_POINTS = 101
"""Nodes an effect that may be asked for: 25 are what a rule is judged by."""
JUDGING_NODES = {1: 25, 2: 9}
"""Nodes an effect of the rule by which another is judged, by the number of effects; else 5."""
SECOND_START = 3.0
"""Where a second search begins after one that ended at zero, relative to the first start."""
LEVEL_CURVATURE = 1e-4
"""Second derivatives in the search's coordinates, where they are about one, that are none: those of
two sds that are not told apart are below 1e-5, that of the sd of 20 groups of which one holds both
events and none is 2e-3."""


@dataclass(eq=False)
class Likelihood:
    """Log likelihood of beta and the factors' entries, with its gradient.

    Parameters
    ----------
    rows : GroupedCounts
    system : System
        The basis of X, the levels and their columns as shifted.
    entries : tuple
        Of each entry its level and the matrix Lambda of that level moves by.
    constant : float
        What no parameter changes.
    mode : tuple
        The last mode, from which the next search begins.
    """

    rows: GroupedCounts
    system: System
    entries: tuple[tuple[int, Floats], ...]
    constant: float
    mode: Effects = field(init=False)

    def __post_init__(self) -> None:
        shape = len(self.rows.z[0]), len(self.rows.starts)
        self.mode = np.zeros(shape), np.zeros(self.rows.n_others)

    @property
    def p(self) -> int:
        """Coefficients."""
        return self.system.p

    def theta(self, x: Floats) -> Floats:
        """The entries of the factors among all parameters."""
        return x[self.p : self.p + len(self.entries)]

    def dispersion(self, x: Floats) -> float | None:
        """The dispersion, the last of the parameters; None where rows have none."""
        return abs(float(x[-1])) if self.rows.dispersed is not None else None

    def estimated_dispersion(self, x: Floats) -> float | None:
        """The same, zero where it cannot be told from it."""
        value, rows = self.dispersion(x), self.rows.dispersed
        return 0.0 if value is not None and rows is not None and value <= rows.least else value

    def factors(self, theta: Floats) -> list[Floats]:
        """Lambda of each level, for the columns as shifted."""
        out = [np.zeros((level.q, level.q)) for level in self.system.levels]
        for value, (level, direction) in zip(theta, self.entries, strict=True):
            out[level] += value * direction
        return out

    def at(self, x: Floats) -> Mode:
        """The groups' mode at beta in the basis, entries and the dispersion."""
        factors = self.factors(self.theta(x))
        mode = find_mode(self.rows, x[: self.p], factors, self.mode, self.dispersion(x))
        self.mode = mode.effects
        return mode

    def slopes(self, x: Floats, points: int) -> tuple[float, Floats]:
        """Log likelihood and gradient; minus infinity where it cannot be computed."""
        with np.errstate(all="ignore"):
            try:
                slopes: Slopes = criterion(self.rows, self.at(x), points, self.dispersion(x))
            except np.linalg.LinAlgError:
                return -math.inf, np.zeros_like(x)
        # chain rule: dLambda / d entry is the direction d
        theta = [float((slopes.factors[level] * d).sum()) for level, d in self.entries]
        if self.rows.dispersed is not None:  # even in it, and level where it is none
            # d log phi = d phi / phi
            theta.append(slopes.log_dispersion / x[-1] if x[-1] else 0.0)
        gradient = np.append(slopes.beta, theta)
        if not (math.isfinite(slopes.value) and np.isfinite(gradient).all()):
            return -math.inf, np.zeros_like(x)
        return slopes.value + self.constant, gradient


def generalized_model(statistics: CountProducts, *, points: int = 1) -> MixedEstimate:
    """Fit counts by maximum likelihood.

    Standard deviations and correlations are taken as known afterwards, as by `mixed_model`.

    Parameters
    ----------
    statistics : CountProducts
        The distinct rows, with cross-products of working responses.
    points : int
        Nodes of the quadrature rule along each effect of the largest factor; 1 is Laplace's
        approximation. Other factors are always integrated by Laplace's approximation.

    Returns
    -------
    MixedEstimate
        Standard errors of coefficients are from second derivatives over all parameters, so that
        they count what is not known of the standard deviations too; df are infinite. The log
        likelihood is whole: binomial coefficients and factorials are counted. Sds of groups'
        effects are given the estimates.

    Raises
    ------
    ArgumentError
        If `points` is not a number of nodes.
    DataError
        If the data set no limit to a coefficient or a standard deviation.

    Notes
    -----
    Source: Bolker et al. (2009), doi:10.1016/j.tree.2008.10.008, for the approximations; Liu and
    Pierce (1994), doi:10.1093/biomet/81.3.624, for the quadrature.
    """
    if not isinstance(points, int) or not 1 <= points <= MOST_POINTS:
        raise ArgumentError(
            f"quadrature={points!r}: it is the number of nodes an effect, from 1 (Laplace's "
            f"approximation) to {MOST_POINTS}"
        )
    s = statistics
    _refuse_unlimited(s)
    likelihood, place = make_likelihood(s)
    search = Search(likelihood, points, *_scaled_start(s, likelihood))
    return _estimate(s, search, search.best(), place)


def _refuse_unlimited(s: CountProducts) -> None:
    """Refuse data whose likelihood has no maximum (separation)."""
    if s.unlimited:
        raise DataError(
            f"the data put no limit on {', '.join(s.unlimited)}: some combination of predictors "
            "tells events from none without error, so the likelihood has no maximum; leave out "
            'predictors, or use method="posterior" with proper priors'
        )
    one = s.rows.y / s.rows.count, s.rows.size / s.rows.count
    if s.dispersed == "beta_binomial" and not ((one[0] > 0) & (one[0] < one[1])).any():
        raise DataError(
            "every row has events only, or none: the likelihood rises with the dispersion without "
            'limit and has no maximum; use method="posterior", whose prior limits it'
        )
    for block, group, inside in zip(s.blocks, s.rows.group, s.inside, strict=True):
        several = np.bincount(group, s.rows.size) > 1.0
        if block.effects[0] == "Intercept" and s.proportion and not inside and several.any():
            raise DataError(
                f"every group of {block.factor} has events only, or none: the likelihood rises "
                f"with tau[{block.factor}] without limit and has no maximum; leave the term out, "
                f'or use method="posterior" with a proper prior, such as "tau ~ half_normal(1)"'
            )


def make_likelihood(statistics: CountProducts) -> tuple[Likelihood, Ints]:
    """Put rows in the order of the largest factor's groups and coefficients in the system's basis.

    Also returned is the label's position of each of these groups, (L,).
    """
    s = statistics
    system = make_system(s)
    by_group = sorted_rows(s, system)
    sizes = np.diff(by_group.starts, append=len(by_group.y))
    factors = [(np.repeat(np.arange(len(sizes)), sizes), by_group.z[0], len(sizes))]
    for level, index, z in zip(system.levels[1:], by_group.index[1:], by_group.z[1:], strict=True):
        factors.append((index, z, level.size))
    counts = by_group.y, by_group.size, by_group.known
    dispersed = by_group.dispersed(s.dispersed)
    rows = grouped_counts(s.link, counts, by_group.x, factors, dispersed)
    constant = s.log_constant + float(rows.best.sum())
    return Likelihood(rows, system, _entries(s, system), constant), by_group.place


def _entries(s: CountProducts, system: System) -> tuple[tuple[int, Floats], ...]:
    """Level of each entry, and how Lambda of it, for the columns as shifted, moves with the entry.

    A term's correlated effects have a free factor for the columns as shifted too; that of
    uncorrelated ones is diagonal for the columns as named. Entries are in typical standard errors.
    """
    level_of = {
        term: (k, at)
        for k, level in enumerate(system.levels)
        for term, at in zip(level.terms, level.columns, strict=True)
    }
    out = []
    for term, (rows, columns, size) in enumerate(layout_of(s)):
        k, at = level_of[term]
        for row, column in zip(rows, columns, strict=True):
            wide = np.zeros((system.levels[k].q,) * 2)
            wide[at.start + row, at.start + column] = size[row]
            if len(rows) == len(size):
                # a diagonal factor for the columns as named has entries in the intercept's row of
                # that as shifted
                wide[at.start, at.start + column] += size[row] * system.shifts[term][row]
            out.append((k, wide))
    return tuple(out)


def _scaled_start(s: CountProducts, likelihood: Likelihood) -> tuple[Floats, Floats]:
    """Where the search begins, and its coordinates' unit vectors: about standard errors.

    Beta begins at the fit without groups, with the covariance that it has given the first
    standard deviations; these are from moments.
    """
    system, p = likelihood.system, likelihood.p
    moments = moments_by_term(system, sigma_known=True)
    theta, scale = [], []
    for term, (rows, columns, size) in enumerate(layout_of(s)):
        ratio = moments[term][rows] / size[rows]
        groups, alike = len(s.blocks[term].n), rows == columns
        theta.append(np.where(alike, ratio, 0.0))
        # an sd of J groups known with errors of size 1 has about this standard error
        error = (ratio + 1.0 / ratio) / math.sqrt(2.0 * groups)
        # not more than the entry itself: a unit step does not cross zero
        scale.append(np.minimum(error, ratio) * np.where(alike, 1.0, math.sqrt(2.0)))
    if s.dispersed is not None:
        theta.append(np.array([s.rough_dispersion]))
        scale.append(np.array([s.rough_dispersion / math.sqrt(0.5 * s.n_used)]))
    start = np.concatenate([np.zeros(p), *theta])
    unit = np.diag(np.concatenate([np.ones(p), *scale]))
    information = _information(likelihood.rows, likelihood.at(start))
    # a root of the covariance: curvature in u is about one in every direction
    unit[:p, :p] = scipy.linalg.cholesky(np.linalg.inv(information), lower=True)
    return start, unit


def _information(rows: GroupedCounts, mode: Mode) -> Floats:
    """Of beta, with the groups' effects adapted: X'WX - X'WU H^-1 U'WX."""
    weighted = mode.weight[:, None] * rows.x
    out = np.empty((rows.x.shape[1],) * 2)
    for k, column in enumerate(weighted.T):
        effects = mode.curvature.solve(rows.over_effects(mode.t, column))
        at_rows = rows.at_rows(effects)
        explained = sum(np.einsum("kn,kn->n", a, b) for a, b in zip(mode.t, at_rows, strict=True))
        out[k] = weighted.T @ (rows.x[:, k] - explained)
    return 0.5 * (out + out.T)


# the maximum ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """The search for the maximum in coordinates u, parameters being ``start + unit u``.

    Parameters
    ----------
    likelihood : Likelihood
    points : int
    start : ndarray, shape (p + d,)
    unit : ndarray, shape (p + d, p + d)
    """

    likelihood: Likelihood
    points: int
    start: Floats
    unit: Floats

    def parameters(self, u: Floats) -> Floats:
        """Beta in the basis, and entries; those that are zero but for rounding are zero."""
        x = self.start + self.unit @ u
        # start + unit u of an entry set to zero may leave a rounding
        return np.where(np.abs(x) < 1e-14, 0.0, x)

    def negative(self, u: Floats) -> tuple[float, Floats]:
        """Minus the log likelihood, and its gradient."""
        value, gradient = self.likelihood.slopes(self.parameters(u), self.points)
        return -value, -(self.unit.T @ gradient)

    def best(self) -> Minimum:
        """The maximum; the higher of two where the first has a standard deviation of zero.

        Entries almost zero become zero if that is as good.
        """
        p = self.likelihood.p
        first = minimum(self.negative, np.zeros(len(self.start)))
        best = self._snapped(first)
        if (self.parameters(best.at)[p:] == 0.0).any():
            again = best.at.copy()
            # in coordinates u, from three times the first start
            again[p:] = (SECOND_START * self.start[p:] - self.start[p:]) / np.diag(self.unit)[p:]
            second = minimum(self.negative, again)
            if second.value < best.value - 1e-6:
                return self._snapped(second)
        return best

    def _snapped(self, best: Minimum) -> Minimum:
        p = self.likelihood.p
        x = self.parameters(best.at)
        zero = np.append(np.zeros(p, dtype=bool), np.abs(x[p:]) < ZERO_ENTRY)
        if not zero.any():
            return best
        at = best.at - np.where(zero, x / np.diag(self.unit), 0.0)
        value, gradient = self.negative(at)
        # zero is not as good: the small entry stays
        if value > best.value + 1e-9:
            return best
        return replace(best, at=at, value=value, gradient=gradient)


def _estimate(s: CountProducts, search: Search, best: Minimum, place: Ints) -> MixedEstimate:
    likelihood, p = search.likelihood, search.likelihood.p
    x, (matrix, offset) = search.parameters(best.at), likelihood.system.named
    named = matrix @ search.unit[:p]
    size, axes = np.linalg.eigh(best.hessian)
    level = size < LEVEL_CURVATURE
    # level directions say nothing of coefficients, and would have infinite variance
    free = np.asarray((axes[:, ~level] / size[~level]) @ axes[:, ~level].T)
    covariance = named @ free @ named.T
    factors = _named_factors(s, likelihood.system, likelihood.theta(x))
    effects, effect_sds = _conditional(s, likelihood, x, place)
    value = -float(best.value)
    finer, moved = _approximation(search, best, free)
    return MixedEstimate(
        names=s.coefficients,
        coefficients=matrix @ x[:p] + offset,
        se=np.sqrt(np.maximum(np.diag(covariance), 0.0)),
        df=np.full(p, math.inf),
        covariance=covariance,
        sds=tuple(np.sqrt(np.square(f).sum(axis=1)) for f in factors),
        correlations=tuple(correlation_of(f) for f in factors),
        sigma=1.0,
        log_likelihood=value,
        deviance=-2.0 * value,
        effects=effects,
        effect_sds=effect_sds,
        restricted=False,
        boundary=on_boundary(layout_of(s), factors),
        dispersion=likelihood.estimated_dispersion(x),
        shortfall=best.fall,
        converged=best.fall <= CONVERGED_RISE,
        unclear=level_rows(
            layout_of(s), likelihood.theta(x), likelihood.theta(search.unit @ axes[:, level]).T
        ),
        finer=finer,
        moved=moved,
    )


def _named_factors(s: CountProducts, system: System, theta: Floats) -> list[Floats]:
    """The factor of each term, for the columns as named."""
    out, begin = [], 0
    for (rows, columns, size), shift in zip(layout_of(s), system.shifts, strict=True):
        factor = np.zeros((len(size),) * 2)
        factor[rows, columns] = size[rows] * theta[begin : begin + len(rows)]
        if len(rows) > len(size):  # correlated: the free factor is that of the columns as shifted
            # intercepts as named are those of shifted columns less slopes times shifts
            factor[0] -= shift @ factor
        out.append(factor)
        begin += len(rows)
    return out


def _approximation(search: Search, best: Minimum, free: Floats) -> tuple[int, float]:
    """Nodes of a finer rule, and the largest move of an estimate toward its maximum, in ses."""
    likelihood = search.likelihood
    q = len(likelihood.rows.z[0])
    finer = max(JUDGING_NODES.get(q, 5), search.points + search.points // 2 + 2)
    _, gradient = likelihood.slopes(search.parameters(best.at), finer)
    covariance = search.unit @ free @ search.unit.T
    se = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    known = se > 0
    # a Newton step toward the maximum of the finer rule, with the curvature at hand
    move = np.abs(covariance @ gradient)[known] / se[known]
    return finer, float(move.max(initial=0.0)) if np.isfinite(move).all() else math.inf


def _conditional(
    s: CountProducts, likelihood: Likelihood, x: Floats, place: Ints
) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Modes and sds of every group's effects given the estimates, term by term as named."""
    rows, system = likelihood.rows, likelihood.system
    mode, factors = likelihood.at(x), likelihood.factors(likelihood.theta(x))
    entries = inverse(mode.curvature)
    back = np.empty_like(place)
    back[place] = np.arange(len(place))
    v, r = mode.effects
    levels = [(v[:, back].T, entries.block[..., back])]
    begin = 0
    for size, z in zip(rows.sizes[1:], rows.z[1:], strict=True):
        q = len(z)
        column = begin + np.arange(size) * q + np.arange(q)[:, None]  # (q, L)
        assert rows.pairs is not None
        flat = rows.pairs.parts.place(column[:, None], column[None])
        levels.append((r[column].T, entries.others.reshape(-1)[flat]))
        begin += size * q
    modes: dict[int, Floats] = {}
    sds: dict[int, Floats] = {}
    for level, factor, (white, spread) in zip(system.levels, factors, levels, strict=True):
        for term, at in zip(level.terms, level.columns, strict=True):
            named = np.eye(len(system.shifts[term]))
            named[0] -= system.shifts[term]
            root = named @ factor[at]
            modes[term] = white @ root.T
            # diagonal of root spread root' of every group
            variance = np.einsum("kbl,kb->lk", np.tensordot(root, spread, 1), root)
            sds[term] = np.sqrt(np.maximum(variance, 0.0))
    every = range(len(s.blocks))
    return tuple(modes[t] for t in every), tuple(sds[t] for t in every)
