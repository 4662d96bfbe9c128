"""Maximum likelihood for counts with predictors, slopes and several factors.

    y_i ~ Binomial(n_i, expit(eta_i))  or  Poisson(e_i exp(eta_i)),
    eta = offset + X beta + sum_t Z_t b_t,   b_t,l ~ N(0, Sigma_t)

The groups are integrated out by Laplace's approximation (one node), or the largest factor's by
adaptive Gauss-Hermite quadrature. The search runs over beta and the entries of each term's factor
together; whether the point found is a maximum is checked by first and second derivatives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from partialpool._typing import Bools, Floats, Ints
from partialpool.classical.mixed import (
    BOUNDARY,
    CONVERGED,
    Criterion,
    MixedEstimate,
    correlation_of,
    make_criterion,
    on_boundary,
    starting_points,
)
from partialpool.data.count_rows import CountProducts
from partialpool.data.sorted_rows import sorted_rows
from partialpool.errors import ArgumentError, DataError
from partialpool.integrate.ascent import Peak, ascend, polished
from partialpool.kernels import grouped
from partialpool.kernels.several import Around, Several, highest
from partialpool.kernels.system import System

MOST_POINTS = 101
ENOUGH = 1e-9
FINER = {1: 25, 2: 9}
"""Nodes an effect of the rule by which another is judged, by the number of effects; else 5."""
DIFFERENCE = 0.02
SNAP = 2e-3
"""Entries this close to zero, in typical standard errors, are set to zero if that is as good."""


@dataclass(frozen=True, slots=True, eq=False)
class CountCriterion:
    """Log likelihood of beta and the factors' entries.

    Parameters
    ----------
    plain : Criterion
        Of the working responses: how entries become factors.
    several : Several
        The rows.
    points : int
        Nodes of the quadrature rule along each effect of the largest factor.
    log_constant : float
    """

    plain: Criterion
    several: Several
    points: int
    log_constant: float

    @property
    def p(self) -> int:
        return self.plain.system.p

    def lambdas(self, s: Floats) -> list[Floats]:
        """Lambda of each level at entries' coordinates, (G, d)."""
        return self.plain.system.relative_factors(self.plain.factors(s))

    def log_likelihood(self, at: Floats) -> Floats:
        """At beta in the basis and entries' coordinates; (G, p + d) to (G,)."""
        beta, factors = at[:, : self.p], self.lambdas(at[:, self.p :])
        with np.errstate(all="ignore"):
            if not self.several.sizes:
                rows = self.several.rows
                found = grouped.log_marginals(rows, beta, factors[0], self.points)
            else:
                begin = np.zeros(self.several.columns)
                found = np.empty(len(at))
                for g in range(len(at)):
                    around = self.around(beta[g], [f[g] for f in factors], begin)
                    begin = around.at
                    found[g] = around.value - np.log(np.diag(around.lower)).sum()
        return found + self.log_constant

    def around(self, beta: Floats, factors: list[Floats], begin: Floats) -> Around:
        """The other levels' effects at their highest, given beta."""
        rows = self.several.rows
        fixed = replace(
            self.several, rows=replace(rows, base=rows.eta(beta[None])[0], x=rows.x[:, :0])
        )
        prior = np.eye(len(begin) + 1)
        prior[-1, -1] = 0.0
        return highest(fixed.at(factors[1:]), factors[0], prior, begin, self.points)


def generalized_model(statistics: CountProducts, *, points: int = 1) -> MixedEstimate:
    """Fit counts by maximum likelihood.

    The spreads are taken as known afterwards, as by `mixed_model`.

    Parameters
    ----------
    statistics : CountProducts
        The distinct rows, with cross-products of working responses.
    points : int
        Nodes of the quadrature rule along each effect of the largest factor; 1 is Laplace's
        approximation.

    Returns
    -------
    MixedEstimate
        Standard errors are from second derivatives over all parameters; df are infinite. The log
        likelihood is whole: binomial coefficients and factorials are counted.

    Raises
    ------
    ArgumentError
        If `points` is not a number of nodes.
    DataError
        If the data set no limit to a coefficient.

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
    if s.unlimited:
        raise DataError(
            f"the data put no limit on {', '.join(s.unlimited)}: some combination of predictors "
            "tells events from none without error, so the likelihood has no maximum; leave out "
            'predictors, or use method="posterior" with proper priors'
        )
    plain = make_criterion(s, restricted=False)
    several, place = sorted_rows(s, plain.system)
    constant = s.log_constant + float(several.rows.best().sum())
    criterion = CountCriterion(plain, several, points, constant)
    return _estimate(s, criterion, _highest(criterion), place)


def _highest(criterion: CountCriterion) -> Peak:
    """The highest of the maxima from two starts; entries almost zero are zero if as good."""
    found = [
        ascend(
            criterion.log_likelihood,
            np.concatenate([np.zeros(criterion.p), start]),
            step=0.05,
            enough=1e-3,
        )
        for start in starting_points(criterion.plain)
    ]
    rough = max(found, key=lambda p: p.value)
    best = polished(criterion.log_likelihood, rough, step=0.01, enough=ENOUGH)
    at = best.at.copy()
    entries = at[criterion.p :]
    entries[np.abs(entries) < SNAP] = 0.0
    value = float(criterion.log_likelihood(at[None])[0])
    return replace(best, at=at, value=value) if value >= best.value - 1e-9 else best


def _estimate(
    s: CountProducts, criterion: CountCriterion, peak: Peak, place: Ints
) -> MixedEstimate:
    p, system = criterion.p, criterion.plain.system
    matrix, offset = system.named
    factors = [f[0] for f in criterion.plain.factors(peak.at[None, p:])]
    covariance = matrix @ _covariance(peak.hessian, p) @ matrix.T
    effects, effect_sds = _conditional(s, criterion, peak, place)
    value = float(peak.value)
    finer, moved = _approximation(criterion, peak)
    return MixedEstimate(
        names=s.coefficients,
        coefficients=matrix @ peak.at[:p] + offset,
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
        boundary=on_boundary(criterion.plain, factors),
        shortfall=peak.rise,
        converged=peak.rise <= CONVERGED * max(1.0, 1e-2 * abs(value)),
        finer=finer,
        moved=moved,
    )


def _approximation(criterion: CountCriterion, peak: Peak) -> tuple[int, float]:
    """Nodes of a finer rule, and the largest move of an estimate toward its maximum, in ses."""
    q = criterion.several.rows.z.shape[1]
    finer = max(FINER.get(q, 5), criterion.points + criterion.points // 2 + 2)
    better = replace(criterion, points=finer)
    one = DIFFERENCE * np.eye(len(peak.at))
    around = peak.at + np.concatenate([one, -one])
    up, down = np.split(better.log_likelihood(around) - criterion.log_likelihood(around), 2)
    free = _free(peak.hessian, criterion.p)
    gradient = ((up - down) / (2.0 * DIFFERENCE))[free]
    covariance = np.linalg.pinv(-peak.hessian[np.ix_(free, free)], hermitian=True)
    se = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    move = np.abs(covariance @ gradient) / se
    return finer, float(move.max()) if np.isfinite(move).all() else 0.0


def _free(hessian: Floats, p: int) -> Bools:
    """Which parameters are not at a boundary."""
    return np.append(np.ones(p, dtype=bool), -np.diag(hessian)[p:] > BOUNDARY)


def _covariance(hessian: Floats, p: int) -> Floats:
    """Of beta, from second derivatives; spreads at a boundary are taken as known."""
    free = _free(hessian, p)
    inner = -hessian[np.ix_(free, free)]
    return np.asarray(np.linalg.pinv(inner, hermitian=True)[:p, :p])


def _conditional(
    s: CountProducts, criterion: CountCriterion, peak: Peak, place: Ints
) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Modes and sds of every group's effects given the estimates."""
    p, system, several = criterion.p, criterion.plain.system, criterion.several
    factors = [f[0] for f in criterion.lambdas(peak.at[None, p:])]
    back = np.empty_like(place)
    back[place] = np.arange(len(place))
    if not several.sizes:
        v, spread = grouped.modes(several.rows, peak.at[:p], factors[0])
        found = [_effects(factors[0], v[:, back].T, spread[..., back])]
        return _by_term(s, system, found)
    around = criterion.around(peak.at[:p], factors, np.zeros(several.columns))
    root = linalg.solve_triangular(around.lower, np.eye(several.columns), lower=True)
    v, spread = grouped.modes(around.rows, around.at, factors[0])
    away = np.einsum("mn,qln->qlm", root, around.slope)
    spread = spread + np.einsum("qlm,rlm->qrl", away, away)
    found, begin = [_effects(factors[0], v[:, back].T, spread[..., back])], 0
    for size, factor in zip(several.sizes, factors[1:], strict=True):
        q, end = len(factor), begin + size * len(factor)
        half = root[:, begin:end].reshape(-1, size, q)
        mode = around.at[begin:end].reshape(size, q)
        found.append(_effects(factor, mode, np.einsum("mlq,mlr->qrl", half, half)))
        begin = end
    return _by_term(s, system, found)


def _effects(factor: Floats, mode: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """From v, (L, q), and its covariance, (q, q, L), to b and its covariance, (L, q, q)."""
    return mode @ factor.T, np.einsum("km,mrl,jr->lkj", factor, spread, factor, optimize=True)


def _by_term(
    s: CountProducts, system: System, found: list[tuple[Floats, Floats]]
) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """From levels' columns as shifted to terms' effects as named: modes and sds."""
    modes: dict[int, Floats] = {}
    sds: dict[int, Floats] = {}
    for level, (mode, covariance) in zip(system.levels, found, strict=True):
        for term, at in zip(level.terms, level.columns, strict=True):
            shift = system.shifts[term]
            named = np.eye(len(shift))
            named[0] -= shift
            modes[term] = mode[:, at] @ named.T
            own = np.einsum("ka,lab,kb->lk", named, covariance[:, at, at], named)
            sds[term] = np.sqrt(np.maximum(own, 0.0))
    every = range(len(s.blocks))
    return tuple(modes[t] for t in every), tuple(sds[t] for t in every)
