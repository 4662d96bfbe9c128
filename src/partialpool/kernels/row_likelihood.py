"""Log likelihoods of rows of counts as functions of their linear predictor eta.

Poisson and binomial rows are of the form y eta - size A(eta). Rows that vary more have one more
parameter, the dispersion d:

    negative binomial: y ~ NB with mean m = e exp(eta) and variance m + (d m)^2
    beta-binomial:     y ~ Binomial(n, p), p ~ Beta(f m, f (1 - m)), m = expit(eta), f = 1 / d^2

Given d a negative binomial row is, as a function of eta, a binomial one: with k = 1 / d^2

    log p(y) = y psi - (y + k) log(1 + exp(psi)) + constant,   psi = eta + log(e / k),

so that all that is written for binomial rows serves it. Equal rows are added up: `count` is their
number, and their events and sizes are sums.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.kernels.families import LOGIT, Link
from partialpool.kernels.rising_factorial import log_rising, rising_slopes

LEAST_DISPERSION = 1e-4
"""Dispersions below this are taken as this: with counts of up to 10,000, by which it is divided
where there are larger ones, the variance is then within 1e-4 of that without."""
DIFFERENCE = 2e-3
"""Distance of differences in the logarithm of a dispersion: what they leave out is of its fourth
power, and rounding of 1e-13 of the values."""
NO_EXPOSURE = 1e-300
"""Stands for an exposure of 0, whose row has no events and says nothing."""
Overdispersed = Literal["negative_binomial", "beta_binomial"]
"""Distributions of rows that vary more than Poisson or binomial ones."""


class RowLikelihood(ABC):
    """Log likelihood of rows at linear predictors (N,), or (N, B) of B points."""

    __slots__ = ()

    @abstractmethod
    def value(self, eta: Floats) -> Floats:
        """Log likelihood of every row, up to a constant that no parameter changes."""

    @abstractmethod
    def slopes(self, eta: Floats) -> tuple[Floats, Floats]:
        """First derivative of every row, and minus the second, or a positive stand-in for it."""

    @abstractmethod
    def curvatures(self, eta: Floats) -> tuple[Floats, Floats, Floats]:
        """First derivative of every row, and minus the second and third."""

    @abstractmethod
    def part(self, rows: slice | Ints) -> RowLikelihood:
        """Some rows."""


def beside(values: Floats, eta: Floats) -> Floats:
    """Values of rows beside linear predictors of rows, or of rows at points."""
    return values[:, None] if values.ndim < eta.ndim else values


@dataclass(frozen=True, slots=True, eq=False)
class ExponentialRows(RowLikelihood):
    """y eta - size A(eta + shift) + extra.

    Parameters
    ----------
    link : Link
    y : ndarray, shape (N,)
    size, shift, extra : ndarray, shape (N,) or (N, B)
        Shift and extra are 0 where they are not given.
    """

    link: Link
    y: Floats
    size: Floats
    shift: Floats | None = None
    extra: Floats | None = None

    def _shifted(self, eta: Floats) -> Floats:
        return eta if self.shift is None else eta + beside(self.shift, eta)

    def value(self, eta: Floats) -> Floats:
        lost = beside(self.size, eta) * self.link.cumulant(self._shifted(eta))
        out = beside(self.y, eta) * eta - lost
        return np.asarray(out if self.extra is None else out + beside(self.extra, eta))

    def slopes(self, eta: Floats) -> tuple[Floats, Floats]:
        mean, weight = self.link.slopes(self._shifted(eta))
        size = beside(self.size, eta)
        return beside(self.y, eta) - size * mean, size * weight

    def curvatures(self, eta: Floats) -> tuple[Floats, Floats, Floats]:
        mean, weight = self.link.slopes(self._shifted(eta))
        size = beside(self.size, eta)
        weight = size * weight
        return beside(self.y, eta) - size * mean, weight, weight * self.link.skew(mean)

    def part(self, rows: slice | Ints) -> ExponentialRows:
        shift = None if self.shift is None else self.shift[rows]
        extra = None if self.extra is None else self.extra[rows]
        return ExponentialRows(self.link, self.y[rows], self.size[rows], shift, extra)


@dataclass(frozen=True, slots=True, eq=False)
class BetaBinomialRows(RowLikelihood):
    """count (log B(y + f m, n - y + f (1 - m)) - log B(f m, f (1 - m))) + extra, m = expit(eta).

    Parameters
    ----------
    y, others, count : ndarray, shape (N,)
        Events and failures of one row, and the number of such rows.
    total : ndarray, shape () or (B,)
        f, of all rows.
    extra : ndarray, shape (N,) or (N, B)
    """

    y: Floats
    others: Floats
    count: Floats
    total: Floats
    extra: Floats

    def _shapes(self, eta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Both shape parameters of the beta distribution, and m and 1 - m."""
        # p and 1 - p both to all digits: neither is one less the other
        small = np.exp(-np.abs(eta))
        large = 1.0 / (1.0 + small)
        # a shape of zero has an infinite log gamma
        small = np.maximum(small * large, 1e-290)
        m = np.where(eta >= 0, large, small)
        other = np.where(eta >= 0, small, large)
        return self.total * m, self.total * other, m, other

    def value(self, eta: Floats) -> Floats:
        a, b, _, _ = self._shapes(eta)
        y, others = beside(self.y, eta), beside(self.others, eta)
        out = beside(self.count, eta) * (log_rising(a, y) + log_rising(b, others))
        return np.asarray(out + beside(self.extra, eta))

    def slopes(self, eta: Floats) -> tuple[Floats, Floats]:
        a, b, m, other = self._shapes(eta)
        y, others, count = (beside(v, eta) for v in (self.y, self.others, self.count))
        # da/deta = f m (1 - m) = -db/deta
        along = rising_slopes(a, y, 1)[0] - rising_slopes(b, others, 1)[0]
        n, each = y + others, m * other
        # the information of a binomial row over its variance inflation: positive, as the second
        # derivative need not be
        weight = n * each / (1.0 + (n - 1.0) / (self.total + 1.0))
        return count * self.total * each * along, count * weight

    def curvatures(self, eta: Floats) -> tuple[Floats, Floats, Floats]:
        a, b, m, other = self._shapes(eta)
        y, others, count = (beside(v, eta) for v in (self.y, self.others, self.count))
        up, down = rising_slopes(a, y, 3), rising_slopes(b, others, 3)
        along = up[0] - down[0], up[1] + down[1], up[2] - down[2]
        # of a = f m the first three derivatives in eta
        first = self.total * m * other
        second = first * (other - m)
        # (other - m)^2 - 2 m other = 1 - 6 m other
        third = first * (1.0 - 6.0 * m * other)
        slope = first * along[0]
        # Faa di Bruno's formula, of a function of a and one of b = f - a: odd orders of the second
        # change sign
        curve = second * along[0] + first**2 * along[1]
        bend = third * along[0] + 3.0 * first * second * along[1] + first**3 * along[2]
        return count * slope, -count * curve, -count * bend

    def part(self, rows: slice | Ints) -> BetaBinomialRows:
        return BetaBinomialRows(
            self.y[rows], self.others[rows], self.count[rows], self.total, self.extra[rows]
        )


# rows whose dispersion is one more parameter ---------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class DispersedRows:
    """Rows that vary more than Poisson or binomial ones.

    Parameters
    ----------
    family : {"negative_binomial", "beta_binomial"}
    y, size, count : ndarray, shape (N,)
        Events and sizes of equal rows added up, and the number of these.
    """

    family: Overdispersed
    y: Floats
    size: Floats
    count: Floats

    @property
    def least(self) -> float:
        """Dispersions below this are taken as this."""
        largest = (self.y if self.family == "negative_binomial" else self.size) / self.count
        return LEAST_DISPERSION / math.sqrt(max(1.0, float(largest.max(initial=0.0)) / 1e4))

    def with_dispersion(self, dispersion: Floats | float, best: Floats) -> RowLikelihood:
        """The rows at a dispersion, or at those of B points, (B,); less `best`, (N,)."""
        # f, prior trials or events: infinite without dispersion, and digits are lost on the way
        total = 1.0 / np.maximum(np.asarray(dispersion, dtype=np.float64), self.least) ** 2
        y, size, count, best = (
            v[:, None] if total.ndim else v
            for v in (self.y / self.count, self.size / self.count, self.count, best)
        )
        if self.family == "negative_binomial":
            # y log(mean) - (y + f) log(f + mean): a binomial log likelihood with y + f trials at
            # logit = eta + log(size / f)
            shift = np.log(np.maximum(size, NO_EXPOSURE)) - np.log(total)
            # Gamma(y + f) / Gamma(f), and what y times the shift adds but for the exposure: y eta
            # is without it
            extra = count * (log_rising(total, y) - y * np.log(total)) - best
            return ExponentialRows(LOGIT, self.y, count * (y + total), shift, extra)
        extra = -count * log_rising(total, size) - best
        one = self.y / self.count, (self.size - self.y) / self.count
        return BetaBinomialRows(*one, self.count, total, extra)

    def part(self, rows: slice | Ints) -> DispersedRows:
        """Some rows."""
        return DispersedRows(self.family, self.y[rows], self.size[rows], self.count[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Along:
    """Rows at dispersions about one, for derivatives in its logarithm.

    Parameters
    ----------
    around : tuple of RowLikelihood
        At -2, -1, 1 and 2 times `DIFFERENCE`.
    """

    around: tuple[RowLikelihood, ...]

    def derivative(self, function: Callable[[RowLikelihood], Floats]) -> Floats:
        """Of a function of the rows, by five points: to fourth order."""
        below2, below, above, above2 = (function(rows) for rows in self.around)
        return (8.0 * (above - below) - (above2 - below2)) / (12.0 * DIFFERENCE)

    def part(self, rows: slice | Ints) -> Along:
        """Some rows."""
        return Along(tuple(each.part(rows) for each in self.around))


def along_dispersion(rows: DispersedRows, dispersion: float, best: Floats) -> Along:
    """Rows at dispersions about one."""
    steps = (-2.0, -1.0, 1.0, 2.0)
    return Along(
        tuple(rows.with_dispersion(dispersion * math.exp(k * DIFFERENCE), best) for k in steps)
    )
