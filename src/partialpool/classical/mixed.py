"""REML and ML of linear mixed models: one best value of the spreads, taken as if it were known.

    y = X beta + sum_t Z_t b_t + e,   e_i ~ N(0, sigma^2 / w_i),   b_t,l ~ N(0, Sigma_t)

The search runs over the entries of each term's relative factor Lambda_t, which may have any sign:
the likelihood is smooth through the boundary, where a standard deviation is zero or a correlation
is one. Whether the point found is a maximum is checked by first and second derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from partialpool._normal import LOG_2PI
from partialpool._typing import Floats, Ints
from partialpool.classical.satterthwaite import DIFFERENCE, degrees_of_freedom
from partialpool.errors import DataError
from partialpool.integrate.maximise import Peak, ascend, polished
from partialpool.kernels.fixed_effects import Solved, fits_perfectly, solve
from partialpool.kernels.mixed_likelihood import (
    MixedLikelihood,
    log_density,
    make_mixed_likelihood,
    typical_errors,
)
from partialpool.kernels.normal_equations import System
from partialpool.records.cross_products import CrossProducts

SEARCH_RISE = 1e-10
"""The search ends where the log likelihood can rise by less: at 1e-7 estimates move by 2e-4
standard errors (benchmarks/constants.py)."""
ZERO_ENTRY = 2e-3
"""Entries this close to zero, in typical standard errors, are set to zero if that is as good."""
SMALL_START = 0.3
"""Of a small sd where the search begins, in typical standard errors. From 0.1 or 1 the same maxima
are found (benchmarks/constants.py)."""
SLOW_EVALUATION = 1e-3
"""Seconds of one evaluation from which on searches begin at one point, and results are kept."""
LEVEL_CURVATURE = 1e-5
"""Curvatures of the log likelihood below this, in the coordinates of the search, are none."""
CONVERGED_RISE = 1e-8
"""A maximum's log likelihood can be raised by less than this: 1e-4 standard errors of an
estimate."""
BOUNDARY_DISTANCE = 1e-4
"""Relative sds, in typical standard errors, and distances of correlations from one, below which
an estimate counts as on the boundary."""


Layout = tuple[tuple[Ints, Ints, Floats], ...]


@dataclass(frozen=True, slots=True, eq=False)
class MixedEstimate:
    """Maximum of the likelihood of a mixed model.

    Parameters
    ----------
    names : tuple of str
        Of the coefficients.
    coefficients, se, df : ndarray, shape (p,)
        Estimates, standard errors and Satterthwaite degrees of freedom.
    covariance : ndarray, shape (p, p)
        Of the coefficients.
    sds : tuple of ndarray, shape (q,)
        Standard deviations of each term's effects.
    correlations : tuple of ndarray, shape (q, q)
        Of each term's effects; the identity for uncorrelated ones, nan where an sd is zero.
    sigma : float
        Residual standard deviation (1 if standard errors are given).
    log_likelihood : float
        Restricted for REML.
    deviance : float
        Minus twice the log likelihood.
    effects, effect_sds : tuple of ndarray, shape (L, q)
        Conditional modes of each term's groups, and their sds given the estimates.
    restricted : bool
        REML or ML.
    boundary : bool
        Whether an sd is estimated as zero or a correlation as plus or minus one.
    shortfall : float
        How much higher the log likelihood is predicted to be at its maximum, from first and
        second derivatives at the estimate.
    converged : bool
        Whether that is negligible.
    unclear : tuple of tuple of int
        Terms and effects (t, k) whose spreads the data cannot tell from each other, or do not
        limit: the likelihood is level there.
    finer, moved : int, float
        Of counts: nodes of a finer quadrature rule, and by how many standard errors one Newton step
        toward its maximum would move an estimate, at most; 0 where nothing is approximated.
    dispersion : float, optional
        Of counts that vary more than Poisson or binomial ones.
    """

    names: tuple[str, ...]
    coefficients: Floats
    se: Floats
    df: Floats
    covariance: Floats
    sds: tuple[Floats, ...]
    correlations: tuple[Floats, ...]
    sigma: float
    log_likelihood: float
    deviance: float
    effects: tuple[Floats, ...]
    effect_sds: tuple[Floats, ...]
    restricted: bool
    boundary: bool
    shortfall: float
    converged: bool
    unclear: tuple[tuple[int, int], ...] = ()
    finer: int = 0
    moved: float = 0.0
    dispersion: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Criterion:
    """Log likelihood as a function of the relative factors' entries.

    An entry is ``reference * sinh(s)``, s the coordinate: even about zero, logarithmic in the tail.

    Parameters
    ----------
    likelihood : MixedLikelihood
    n : int
        Rows.
    log_weight : float
    restricted : bool
    layout : tuple of tuple
        See `layout_of`.
    known : dict
        Results of slow evaluations, by coordinate.
    """

    likelihood: MixedLikelihood
    n: int
    log_weight: float
    restricted: bool
    layout: Layout
    known: dict[bytes, tuple[Floats, Solved]] = field(default_factory=dict)

    @property
    def system(self) -> System:
        """The normal equations."""
        return self.likelihood.system

    @property
    def sigma_known(self) -> bool:
        """Whether standard errors are given."""
        return self.likelihood.sigma_known

    @property
    def slow(self) -> bool:
        """Whether evaluations are spared, and what they gave is kept in `known`."""
        return self.likelihood.kernel.seconds > SLOW_EVALUATION

    @property
    def freedom(self) -> int:
        """Rows, less coefficients for REML."""
        return self.n - self.system.p if self.restricted else self.n

    def factors(self, s: Floats) -> list[Floats]:
        """Lambda of each term at coordinates s, (G, d); (G, q, q) each."""
        return self.as_named(self.shifted(s))

    def shifted(self, s: Floats) -> list[Floats]:
        """The same for the columns as shifted, where these are of an intercept and slopes."""
        out, at = [], 0
        for rows, columns, size in self.layout:
            factor = np.zeros((len(s), len(size), len(size)))
            entries = s[:, at : at + len(rows)]
            # a factor and its negative are one covariance: entries may cross zero smoothly
            factor[:, rows, columns] = size[rows] * np.sinh(entries)
            out.append(factor)
            at += len(rows)
        return out

    def as_named(self, factors: list[Floats]) -> list[Floats]:
        """Factors for the columns as shifted to those for the columns as named, in place."""
        for factor, shift, (rows, _, size) in zip(
            factors, self.system.shifts, self.layout, strict=True
        ):
            if len(rows) > len(size):  # a free covariance
                # the intercept's row for the columns as named
                factor[:, 0] -= np.einsum("k,gkj->gj", shift, factor)
        return factors

    def pieces(self, s: Floats) -> tuple[Floats, Solved]:
        """Log determinants that count, and beta given Lambda, at coordinates."""
        if not self.slow:
            return self.of_factors(self.factors(s))
        # searches ask for the same points again: differences about one point, and starts
        keys = [row.tobytes() for row in s]
        new = {key: row for key, row in zip(keys, s, strict=True) if key not in self.known}
        if new:
            log_det, solved = self.of_factors(self.factors(np.array(list(new.values()))))
            for k, key in enumerate(new):
                self.known[key] = log_det[k : k + 1], solved.part(slice(k, k + 1))
        pieces = [self.known[key] for key in keys]
        return np.concatenate([d for d, _ in pieces]), Solved.joined([each for _, each in pieces])

    def of_factors(self, factors: list[Floats]) -> tuple[Floats, Solved]:
        """Log determinants that count, and beta, given a factor of each term."""
        reduced = self.likelihood.reduced(factors)
        solved = solve(reduced.squares)
        if self.restricted:
            return reduced.log_det + solved.log_det + self.system.log_det, solved
        return reduced.log_det, solved

    def log_likelihood(self, s: Floats) -> Floats:
        """Log likelihood with the best beta and sigma; (G, d) to (G,)."""
        with np.errstate(all="ignore"):
            log_det, solved = self.pieces(s)
            # sigma has its maximum in closed form given the rest
            best = np.sqrt(solved.rest / self.freedom)
            sigma = np.ones_like(best) if self.sigma_known else best
            return self.at_sigma(log_det, solved.rest, sigma)

    def at_sigma(self, log_det: Floats, rest: Floats, sigma: Floats) -> Floats:
        """Log likelihood at sigma, (G,), with all its constants."""
        constant = 0.5 * (self.log_weight - self.freedom * LOG_2PI)
        return log_density(log_det, rest, sigma, self.freedom) + constant


def mixed_model(statistics: CrossProducts, *, restricted: bool = True) -> MixedEstimate:
    """Fit a linear mixed model by restricted or plain maximum likelihood.

    The spreads are taken as known afterwards: with few groups intervals are too short, and a
    spread estimated as zero pools completely.

    Parameters
    ----------
    statistics : CrossProducts
        The data, reduced.
    restricted : bool
        REML; otherwise ML.

    Returns
    -------
    MixedEstimate

    Raises
    ------
    DataError
        If nothing is left for sigma.

    Notes
    -----
    Source: Bates et al. (2015), doi:10.18637/jss.v067.i01, for the criterion; Satterthwaite
    (1946), doi:10.2307/3002019, for the degrees of freedom.
    """
    criterion = make_criterion(statistics, restricted=restricted)
    if not statistics.sigma_known and fits_perfectly(criterion.system, criterion.likelihood.kernel):
        raise DataError(
            "coefficients and groups' effects together fit every row exactly, so the likelihood "
            "has no maximum: sigma would be 0. Give the standard error of each row "
            "(y | se(column) ~ ...), more rows a group, or fewer terms"
        )
    peak = highest(criterion)
    return _estimate(statistics, criterion, peak)


def make_criterion(statistics: CrossProducts, *, restricted: bool) -> Criterion:
    """Set up the likelihood of a mixed model."""
    s = statistics
    likelihood = make_mixed_likelihood(s, sigma_known=s.sigma_known)
    return Criterion(likelihood, s.n_used, s.log_weight, restricted, layout_of(s))


def layout_of(statistics: CrossProducts) -> Layout:
    """Of each term the rows and columns of its factor's free entries, and each row's typical size.

    The size is the typical standard error of a group's own effect, over sigma.
    """
    layout = []
    for block in statistics.blocks:
        q = len(block.effects)
        rows, columns = np.tril_indices(q) if block.correlated else (np.arange(q),) * 2
        layout.append((rows, columns, typical_errors(block)))
    return tuple(layout)


def highest(criterion: Criterion) -> Peak:
    """The highest of the maxima found from several starts (one, where an evaluation is slow)."""
    starts = starting_points(criterion)
    if criterion.slow:
        starts = starts[:1]
    peaks = []
    for start in starts:
        peaks.append(ascend(criterion.log_likelihood, start, step=0.05, enough=1e-3))
    rough = max(peaks, key=lambda p: p.value)
    step, order = (DIFFERENCE, 2) if criterion.slow else (0.01, 4)
    best = polished(criterion.log_likelihood, rough, step=step, enough=SEARCH_RISE, order=order)
    # on the boundary the likelihood is even in the entry, so that a search ends near zero, not at
    # it
    zeroed = np.where(np.abs(best.at) < ZERO_ENTRY, 0.0, best.at)
    value = float(criterion.log_likelihood(zeroed[None])[0])
    return replace(best, at=zeroed, value=value) if value >= best.value - 1e-9 else best


def starting_points(criterion: Criterion) -> list[Floats]:
    """Factors from the groups' own values, and small ones; and with effects that go together.

    The first two are diagonal. The others, if effects of a term are correlated, have
    correlations near one, and of the first effect with the others near minus one.
    """
    ratios = criterion.likelihood.moment_ratios()
    out: list[list[Floats]] = [[], [], [], []]
    for ratio, (rows, columns, size) in zip(ratios, criterion.layout, strict=True):
        coordinates = np.arcsinh(ratio / size)[rows]
        diagonal, first = rows == columns, columns == 0
        out[0].append(np.where(diagonal, coordinates, 0.0))
        out[1].append(np.where(diagonal, SMALL_START, 0.0))
        for k, sign in ((2, 1.0), (3, -1.0)):
            # entries of the first column make effects go with the first one, or against it
            away = np.where(rows > 0, sign, 1.0) * coordinates
            out[k].append(np.where(first, away, np.where(diagonal, SMALL_START, 0.0)))
    together = any(len(rows) > len(size) for rows, _, size in criterion.layout)
    return [np.concatenate(each) for each in out[: 4 if together else 2]]


def _estimate(statistics: CrossProducts, criterion: Criterion, peak: Peak) -> MixedEstimate:
    system, s = criterion.system, peak.at[None]
    _, solved = criterion.pieces(s)
    sigma = 1.0 if criterion.sigma_known else math.sqrt(solved.rest[0] / criterion.freedom)
    matrix, offset = system.named
    covariance = sigma**2 * matrix @ solved.covariance[0] @ matrix.T
    factors = [f[0] for f in criterion.factors(s)]
    sds = tuple(sigma * np.sqrt(np.square(f).sum(axis=1)) for f in factors)
    effects, effect_sds = _conditional(criterion, s, solved.beta[0], sigma)
    value = float(peak.value)
    return MixedEstimate(
        names=statistics.coefficients,
        coefficients=matrix @ solved.beta[0] + offset,
        se=np.sqrt(np.diag(covariance)),
        df=degrees_of_freedom(criterion, peak, sigma),
        covariance=covariance,
        sds=sds,
        correlations=tuple(correlation_of(f) for f in factors),
        sigma=sigma,
        log_likelihood=value,
        deviance=-2.0 * value,
        effects=effects,
        effect_sds=effect_sds,
        restricted=criterion.restricted,
        boundary=on_boundary(criterion.layout, factors),
        shortfall=peak.rise,
        converged=peak.rise <= CONVERGED_RISE * max(1.0, 1e-4 * abs(value)),
        unclear=_unclear(criterion, peak),
    )


def _unclear(criterion: Criterion, peak: Peak) -> tuple[tuple[int, int], ...]:
    """Rows of the terms' factors in directions in which the log likelihood is level."""
    curvature, axes = np.linalg.eigh(-peak.hessian)
    # rounding of second differences of the log likelihood
    noise = 1e-9 * max(abs(peak.value), 1.0)
    # of coordinates s; entries are sinh(s), whose change is cosh(s) ds
    directions = axes[:, curvature < max(LEVEL_CURVATURE, noise)].T
    return level_rows(criterion.layout, np.sinh(peak.at), np.cosh(peak.at) * directions)


def level_rows(layout: Layout, entries: Floats, directions: Floats) -> tuple[tuple[int, int], ...]:
    """Terms and effects (t, k) whose factor's rows change in directions, (D, d), of the entries.

    Directions that turn a factor, and leave its covariance as it is, do not count.
    """
    out: list[tuple[int, int]] = []
    for direction in directions:
        at = 0
        for t, (rows, columns, size) in enumerate(layout):
            part = slice(at, at + len(rows))
            at = part.stop
            f, d = np.zeros((2, len(size), len(size)))
            f[rows, columns], d[rows, columns] = entries[part], direction[part]
            # derivative of the covariance F F' along d
            change = np.abs(f @ d.T + d @ f.T).max()
            moved = np.abs(d).max(axis=1) > 0.1
            if change > 1e-2 * np.abs(f).max() * np.abs(d).max() or not f[moved].any():
                out += [(t, int(k)) for k in np.flatnonzero(moved)]
    return tuple(dict.fromkeys(out))


def correlation_of(factor: Floats) -> Floats:
    """Correlations of a covariance F F'; nan beside a standard deviation of zero."""
    covariance = factor @ factor.T
    sd = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(covariance / np.outer(sd, sd))


def on_boundary(layout: Layout, factors: Sequence[Floats]) -> bool:
    """Whether a covariance matrix is singular, in units of the typical standard errors."""
    for factor, (_, _, size) in zip(factors, layout, strict=True):
        scaled = factor / size[:, None]
        # a singular factor is an sd of zero or a correlation of one
        if np.linalg.svd(scaled, compute_uv=False)[-1] < BOUNDARY_DISTANCE:
            return True
    return False


def _conditional(
    criterion: Criterion, s: Floats, beta: Floats, sigma: float
) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Modes and sds of every group's effects given beta and the spreads."""
    system = criterion.system
    factors = system.relative_factors(criterion.factors(s))
    index, z = system.every_effect()
    x = np.zeros((len(index[0]), system.p))
    given_beta = criterion.likelihood.kernel.functional(factors, index, z, x)
    mode = given_beta.constant[0] + given_beta.x[0] @ beta
    sd = sigma * np.sqrt(np.maximum(given_beta.variance[0], 0.0))
    sizes = {t: level.size for level in system.levels for t in level.terms}
    shapes = [(sizes[t], len(size)) for t, (_, _, size) in enumerate(criterion.layout)]
    ends = np.cumsum([groups * q for groups, q in shapes])[:-1]
    modes, sds = np.split(mode, ends), np.split(sd, ends)
    return (
        tuple(m.reshape(shape) for m, shape in zip(modes, shapes, strict=True)),
        tuple(m.reshape(shape) for m, shape in zip(sds, shapes, strict=True)),
    )
