"""Profile-likelihood intervals of the spreads and, for ML, the coefficients of a mixed model.

    {t : 2 (l_max - max l given t) <= chi2_1(level)}

with everything else at its best for each value t. Unlike intervals from standard errors they take
the boundary into account: that of a standard deviation may begin at zero.

Source: Venzon and Moolgavkar (1988), doi:10.2307/2347496.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.classical.mixed import Criterion, MixedEstimate, highest, make_criterion
from partialpool.integrate.maximise import ascend
from partialpool.records.cross_products import CrossProducts

Factors = list[Floats]
Change = Callable[[Factors, Floats], None]


@dataclass(frozen=True, slots=True)
class Fixing:
    """Changes the terms' factors, (G, q, q) each, in place, so that one quantity has a value.

    Parameters
    ----------
    change : callable
        Of the factors, given sigma (G,).
    named : bool
        Of those for the columns as named; otherwise for the columns as shifted. Slopes are
        changed first, so that what the intercepts are at the predictors' means stays.
    """

    change: Change
    named: bool


CLIMB_DIFFERENCE, CLIMB_RISE = 0.02, 1e-6
"""Distance of differences, in coordinates of the search, and rise of the log likelihood at which a
search ends. At four times or a quarter of the distance ends move by 5e-5 and 8e-6 of a quarter of
the interval (benchmarks/constants.py)."""
END_TOLERANCE = 1e-5
"""Ends are found to this share of the distance from the estimate: tables print three or four
digits."""
MOST_PROFILES = 60
"""Values at which the profile is taken for one end, at most: a guard; six do, after three ends are
off by 0.007 of a quarter of the interval."""
SLOPES_DOMINATE = 1.5
"""Times the part of the intercepts' sd that slopes make, beyond which these are the cause."""
ZERO_NUDGED_TO = 0.05
"""Where entries begin whose estimate is zero, in typical standard errors: the log likelihood is
even in them, so that a search from zero itself has no slope to follow."""


@dataclass(frozen=True, slots=True, eq=False)
class Profiled:
    """Profile intervals: name, estimate, and the ends, (P,) each."""

    names: tuple[str, ...]
    estimate: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """One quantity: its estimate, its range, a first distance, and its profile log likelihood."""

    name: str
    estimate: float
    lowest: float
    highest: float
    reach: float
    profile: Callable[[float, Floats], tuple[float, Floats]]


def profile_intervals(
    statistics: CrossProducts, estimate: MixedEstimate, names: dict[str, float], level: float
) -> Profiled:
    """Compute the intervals.

    Parameters
    ----------
    statistics : CrossProducts
        The data, reduced.
    estimate : MixedEstimate
        Of these.
    names : dict
        Every spread by name, in the order of terms: sds, correlations, sigma.
    level : float
        Coverage, between 0 and 1.
    """
    likelihood = _Likelihood(make_criterion(statistics, restricted=estimate.restricted))
    start, best = likelihood.start()
    # the root of twice the fall, about linear in the quantity: ends are where it is this
    height = math.sqrt(special.chdtri(1.0, 1.0 - level))
    rows = []
    for target in _targets(likelihood, estimate, names):
        ends = (_end(target, side, start, best, height) for side in (-1.0, 1.0))
        rows.append((target.name, target.estimate, *ends))
    columns = list(zip(*rows, strict=True))
    return Profiled(columns[0], *(np.array(c) for c in columns[1:]))


@dataclass(frozen=True, slots=True, eq=False)
class _Likelihood:
    """Log likelihood of the factors' entries and log sigma, at coordinates ``at``, (G, d [+ 1])."""

    criterion: Criterion

    def start(self) -> tuple[Floats, float]:
        """The maximum: where it is, entries that are zero nudged; and how high."""
        peak = highest(self.criterion)
        # an entry that is zero has no slope, and a search from there would never leave it
        at = np.where(peak.at == 0.0, ZERO_NUDGED_TO, peak.at)
        if not self.criterion.sigma_known:
            solved = self.criterion.pieces(peak.at[None])[1]
            at = np.append(at, 0.5 * math.log(solved.rest[0] / self.criterion.freedom))
        return at, peak.value

    def sigma(self, at: Floats) -> Floats:
        return np.ones(len(at)) if self.criterion.sigma_known else np.exp(at[:, -1])

    def fixed(self, fixing: Fixing) -> Callable[[Floats], Floats]:
        """The log likelihood with one quantity of the factors held."""

        def value(at: Floats) -> Floats:
            with np.errstate(all="ignore"):
                sigma = self.sigma(at)
                factors = self.criterion.shifted(at)
                # what is held is of the columns as shifted, or of those as named: the change comes
                # before or after the step between them
                if not fixing.named:
                    fixing.change(factors, sigma)
                factors = self.criterion.as_named(factors)
                if fixing.named:
                    fixing.change(factors, sigma)
                return self._value(factors, sigma)

        return value

    def with_sigma(self, sigma: float) -> Callable[[Floats], Floats]:
        """The log likelihood with sigma held."""

        def value(at: Floats) -> Floats:
            with np.errstate(all="ignore"):
                return self._value(self.criterion.factors(at), np.full(len(at), sigma))

        return value

    def with_coefficient(self, index: int, held: float) -> Callable[[Floats], Floats]:
        """The log likelihood with a coefficient, as named, held."""

        def value(at: Floats) -> Floats:
            with np.errstate(all="ignore"):
                factors = self.criterion.factors(at)
                return self._value(factors, self.sigma(at), (index, held))

        return value

    def _value(
        self, factors: Factors, sigma: Floats, held: tuple[int, float] | None = None
    ) -> Floats:
        log_det, solved = self.criterion.of_factors(factors)
        rest = solved.rest
        if held is not None:
            matrix, offset = self.criterion.system.named
            row = matrix[held[0]]
            away = solved.beta @ row + offset[held[0]] - held[1]
            # least squares with a'beta held: the sum of squares rises by its squared distance over
            # its variance
            rest = rest + away**2 / np.einsum("i,gij,j->g", row, solved.covariance, row)
        return self.criterion.at_sigma(log_det, rest, sigma)


def _targets(
    likelihood: _Likelihood, estimate: MixedEstimate, names: dict[str, float]
) -> Iterator[_Target]:
    """Coefficients (ML), sds, correlations, sigma: in the order of tables."""
    if not estimate.restricted:
        columns = zip(estimate.names, estimate.coefficients, estimate.se, strict=True)
        for k, (name, value, se) in enumerate(columns):
            held = _climber(partial(likelihood.with_coefficient, k))
            yield _Target(name, float(value), -math.inf, math.inf, float(se), held)
    layout, shifts = likelihood.criterion.layout, likelihood.criterion.system.shifts
    fixings = [
        _held_sd(
            t, k, whole=k == 0 and bool((np.abs(shifts[t] * sds) > sds[0] / SLOPES_DOMINATE).any())
        )
        for t, sds in enumerate(estimate.sds)
        for k in range(len(sds))
    ]
    pairs = [
        _held_correlation(t, i, k)
        for t, (rows, _, size) in enumerate(layout)
        if len(rows) > len(size)
        for i in range(len(size))
        for k in range(i)
    ]
    typical = _typical_sds(likelihood.criterion, estimate.sigma)
    items = list(names.items())
    for (name, value), fixing, size in zip(items, fixings, typical, strict=False):
        reach = max(0.5 * value, 0.5 * size)
        yield _Target(name, value, 0.0, math.inf, reach, _climber(_holding(likelihood, fixing)))
    for (name, value), fixing in zip(items[len(fixings) :], pairs, strict=False):
        held = _climber(_holding(likelihood, fixing))
        yield _Target(name, value, -1.0, 1.0, 0.4, held)
    if "sigma" in names:
        freedom = max(likelihood.criterion.freedom, 2)
        reach = estimate.sigma / math.sqrt(0.5 * freedom)
        held = _climber(likelihood.with_sigma)
        yield _Target("sigma", estimate.sigma, 0.0, math.inf, reach, held)


def _typical_sds(criterion: Criterion, sigma: float) -> Floats:
    """Sd of each effect at which its groups' own values would be half noise."""
    return sigma * np.concatenate([size for _, _, size in criterion.layout])


def _holding(
    likelihood: _Likelihood, fixing: Callable[[float], Fixing]
) -> Callable[[float], Callable[[Floats], Floats]]:
    return lambda t: likelihood.fixed(fixing(t))


def _climber(
    held: Callable[[float], Callable[[Floats], Floats]],
) -> Callable[[float, Floats], tuple[float, Floats]]:
    """Highest log likelihood for a value of the quantity, and where, from a point on."""

    def profile(t: float, begin: Floats) -> tuple[float, Floats]:
        peak = ascend(held(t), begin, step=CLIMB_DIFFERENCE, enough=CLIMB_RISE)
        # the rise that is left is known better than it is worth another step
        return peak.value + (peak.rise if peak.rise < CLIMB_RISE else 0.0), peak.at

    return profile


def _held_sd(term: int, k: int, *, whole: bool) -> Callable[[float], Fixing]:
    """Rows of a factor are stretched: the sd of an effect is sigma times its row's length.

    The whole factor is, if the intercepts lie so far from the data that it is the slopes that
    make them differ.
    """

    def fixing(sd: float) -> Fixing:
        def change(factors: Factors, sigma: Floats) -> None:
            row = factors[term][:, k]
            length = np.sqrt((row**2).sum(axis=1))
            # sd = sigma |row|
            stretch = (sd / (sigma * np.maximum(length, 1e-300)))[:, None]
            if whole:
                factors[term] *= stretch[:, :, None]
            else:
                row *= stretch

        return Fixing(change, named=k == 0)

    return fixing


def _held_correlation(term: int, i: int, k: int) -> Callable[[float], Fixing]:
    """A row is turned toward or away from another: the cosine of their angle is the correlation.

    The row of the intercept if it is one of them.
    """
    turned, still = (0, i) if k == 0 else (i, k)

    def fixing(rho: float) -> Fixing:
        def change(factors: Factors, _: Floats) -> None:
            row, other = factors[term][:, turned], factors[term][:, still]
            along = other / np.maximum(np.sqrt((other**2).sum(axis=1)), 1e-300)[:, None]
            # the part of the row at right angles to the other
            across = row - (row * along).sum(axis=1)[:, None] * along
            across /= np.maximum(np.sqrt((across**2).sum(axis=1)), 1e-300)[:, None]
            length = np.sqrt((row**2).sum(axis=1))[:, None]
            # the same length, and so the same sd
            row[:] = length * (rho * along + math.sqrt(max(1.0 - rho**2, 0.0)) * across)

        return Fixing(change, named=k == 0)

    return fixing


def _end(target: _Target, side: float, start: Floats, best: float, height: float) -> float:
    """Where the root of twice the fall in log likelihood is as high as it may be, on one side."""
    bound = target.highest if side > 0 else target.lowest
    if math.isnan(target.estimate) or target.estimate == bound:
        return bound if math.isfinite(bound) else math.nan
    at, inner, low = start, target.estimate, -height
    reach = target.reach
    for _ in range(MOST_PROFILES):
        outer = _within(target.estimate + side * reach, bound, side)
        value, there = target.profile(outer, at)
        high = math.sqrt(max(2.0 * (best - value), 0.0)) - height
        if high >= 0.0:
            return _root(target, (inner, low), (outer, high), there, best, height)
        if outer == bound:
            return bound
        at, inner, low = there, outer, high
        # the root of the fall is about proportional to the distance: so much farther, and a little
        # more
        reach *= min(max(1.1 * height / max(high + height, 0.1 * height), 1.3), 4.0)
    return side * math.inf


def _within(t: float, bound: float, side: float) -> float:
    return min(t, bound) if side > 0 else max(t, bound)


def _root(
    target: _Target,
    inner: tuple[float, float],
    outer: tuple[float, float],
    at: Floats,
    best: float,
    height: float,
) -> float:
    """Regula falsi (Illinois) between a value inside and one outside."""
    (a, f_a), (b, f_b) = inner, outer
    for _ in range(MOST_PROFILES):
        t = b - f_b * (b - a) / (f_b - f_a)
        value, at = target.profile(t, at)
        f = math.sqrt(max(2.0 * (best - value), 0.0)) - height
        if abs(f) < END_TOLERANCE * height or abs(b - a) < END_TOLERANCE * abs(b - target.estimate):
            return t
        if (f >= 0.0) != (f_b >= 0.0):
            a, f_a = b, f_b
        else:
            # Illinois: an end that stays has its value halved, or the steps would creep
            f_a *= 0.5
        b, f_b = t, f
    return b
