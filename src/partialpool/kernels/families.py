"""The two links of counts, as the functions of theta that enter their log likelihoods.

binomial: y log p + (n - y) log(1 - p),  p = 1 / (1 + exp(-theta))
Poisson:  y log(rate e) - rate e,        rate = exp(theta), e the exposure
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy import special

from partialpool._typing import Floats

LARGEST_LOG_RATE = 300.0
"""Rates beyond exp of this are taken as that: their squares still exist."""


class Link(ABC):
    """A link: log likelihood ``a first(theta) + b second(theta)`` of each (events, size)."""

    __slots__ = ()
    name: str

    @abstractmethod
    def first(self, theta: Floats) -> Floats:
        """The function multiplied by what did not happen: failures, or exposure."""

    @abstractmethod
    def second(self, theta: Floats) -> Floats:
        """The function multiplied by the number of events."""

    @abstractmethod
    def factors(self, y: Floats, size: Floats) -> tuple[Floats, Floats]:
        """What multiplies the two functions."""

    @abstractmethod
    def natural(self, theta: Floats) -> Floats:
        """Probability or rate at theta."""

    @abstractmethod
    def linked(self, value: Floats) -> Floats:
        """Theta at a probability or rate; infinite at the ends."""

    @abstractmethod
    def slope(self, theta: Floats) -> Floats:
        """D natural / d theta; for one trial, or unit exposure, also the information."""

    @abstractmethod
    def guess(self, y: Floats, size: Floats) -> tuple[Floats, Floats]:
        """Rough center and sd of the likelihood, finite for every count."""

    @abstractmethod
    def information(self, y: Floats, size: Floats) -> Floats:
        """Curvature of the log likelihood at its maximum."""

    @abstractmethod
    def best(self, y: Floats, size: Floats) -> Floats:
        """Highest value of the log likelihood over theta, without combinatorial constants."""

    @abstractmethod
    def cumulant(self, theta: Floats) -> Floats:
        """A(theta); see `cumulants`."""

    @abstractmethod
    def cumulant_of(self, grown: Floats) -> Floats:
        """A(theta) from exp(theta), which may be overwritten."""

    @abstractmethod
    def cumulants(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """A(theta), its slope and its second derivative: log likelihood ``y theta - size A``."""

    @abstractmethod
    def slopes(self, theta: Floats) -> tuple[Floats, Floats]:
        """The slope and the second derivative of A(theta)."""

    @abstractmethod
    def skew(self, mean: Floats) -> Floats:
        """Third derivative of A(theta) over its second, from the first."""

    @abstractmethod
    def cumulant_step(self, theta: Floats, step: Floats) -> Floats:
        """A(theta + step) - A(theta), to all digits also where the step is short."""

    def __reduce__(self) -> str:
        """Pickled by name: there is one of each."""
        return {"logit": "LOGIT", "log": "LOG"}[self.name]

    def mode(self, y: Floats, size: Floats) -> Floats:
        """Theta at which the likelihood is highest; infinite where y is at an end."""
        return self.linked(y / size)


class Logit(Link):
    """theta = log(p / (1 - p))."""

    __slots__ = ()
    name = "logit"

    def first(self, theta: Floats) -> Floats:
        return np.asarray(-np.maximum(theta, 0.0) - np.log1p(np.exp(-np.abs(theta))))

    def second(self, theta: Floats) -> Floats:
        return np.asarray(np.minimum(theta, 0.0) - np.log1p(np.exp(-np.abs(theta))))

    def factors(self, y: Floats, size: Floats) -> tuple[Floats, Floats]:
        return size - y, y

    def natural(self, theta: Floats) -> Floats:
        with np.errstate(over="ignore"):  # to zero; a quarter of the time of special.expit
            return np.asarray(1.0 / (1.0 + np.exp(-theta)))

    def linked(self, value: Floats) -> Floats:
        return np.asarray(special.logit(value))

    def slope(self, theta: Floats) -> Floats:
        return np.asarray(special.expit(theta) * special.expit(-theta))

    def cumulant(self, theta: Floats) -> Floats:
        # of a number between 1 and 2: the error is 1e-16 in absolute terms, as sums of rows need,
        # and log is quicker than log1p
        return np.asarray(np.maximum(theta, 0.0) + np.log(1.0 + np.exp(-np.abs(theta))))

    def cumulant_of(self, grown: Floats) -> Floats:
        grown += 1.0
        return np.asarray(np.log(grown, out=grown))

    def cumulants(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        # exponentials of negative numbers only: none overflows, and both p and 1 - p keep their
        # digits
        small = np.exp(-np.abs(theta))
        share = 1.0 / (1.0 + small)
        p = np.where(theta >= 0, share, small * share)
        return np.maximum(theta, 0.0) + np.log(1.0 + small), p, small * share * share

    def slopes(self, theta: Floats) -> tuple[Floats, Floats]:
        small = np.exp(-np.abs(theta))
        share = 1.0 / (1.0 + small)
        other = small * share
        return np.where(theta >= 0, share, other), other * share

    def skew(self, mean: Floats) -> Floats:
        return 1.0 - 2.0 * mean

    def cumulant_step(self, theta: Floats, step: Floats) -> Floats:
        negative = theta <= 0  # by A(theta) = theta + A(-theta) the rest is as exact
        near = np.clip(np.where(negative, step, -step), -30.0, 30.0)
        # log((1 + e^(theta + s)) / (1 + e^theta)) = log1p(p (e^s - 1)), p = expit(theta)
        change = np.log1p(special.expit(-np.abs(theta)) * np.expm1(near))
        far = self.cumulant(theta + step) - self.cumulant(theta)
        exact = np.where(negative, change, step + change)
        return np.asarray(np.where(np.abs(step) < 30.0, exact, far))

    def guess(self, y: Floats, size: Floats) -> tuple[Floats, Floats]:
        # half an event to either side, as in the empirical logit (Haldane 1956, Anscombe 1956)
        hit, miss = y + 0.5, size - y + 0.5
        return np.log(hit / miss), np.sqrt(1.0 / hit + 1.0 / miss)

    def information(self, y: Floats, size: Floats) -> Floats:
        # n p (1 - p) at p = y / n
        return np.asarray(y * ((size - y) / size))

    def best(self, y: Floats, size: Floats) -> Floats:
        return np.asarray(special.xlogy(y, y / size) + special.xlog1py(size - y, -y / size))


class Log(Link):
    """theta = log(rate)."""

    __slots__ = ()
    name = "log"

    def first(self, theta: Floats) -> Floats:
        return np.asarray(-np.exp(np.minimum(theta, LARGEST_LOG_RATE)))

    def second(self, theta: Floats) -> Floats:
        return theta

    def factors(self, y: Floats, size: Floats) -> tuple[Floats, Floats]:
        return size, y

    def natural(self, theta: Floats) -> Floats:
        return np.asarray(np.exp(np.minimum(theta, LARGEST_LOG_RATE)))

    def linked(self, value: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(value))

    def slope(self, theta: Floats) -> Floats:
        return self.natural(theta)

    def cumulant(self, theta: Floats) -> Floats:
        return self.natural(theta)

    def cumulant_of(self, grown: Floats) -> Floats:
        return grown

    def cumulants(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        rate = self.natural(theta)
        return rate, rate, rate

    def slopes(self, theta: Floats) -> tuple[Floats, Floats]:
        rate = self.natural(theta)
        return rate, rate

    def skew(self, mean: Floats) -> Floats:
        return np.ones_like(mean)

    def cumulant_step(self, theta: Floats, step: Floats) -> Floats:
        # expm1 for short steps; clipped, as both branches of np.where are computed
        near = self.natural(theta) * np.expm1(np.clip(step, -1.0, 1.0))
        far = self.natural(theta + step) - self.natural(theta)
        return np.asarray(np.where(np.abs(step) < 1.0, near, far))

    def guess(self, y: Floats, size: Floats) -> tuple[Floats, Floats]:
        return np.log((y + 0.5) / size), 1.0 / np.sqrt(y + 0.5)

    def information(self, y: Floats, size: Floats) -> Floats:
        return np.where(size > 0, y, 0.0)

    def best(self, y: Floats, size: Floats) -> Floats:
        return np.asarray(special.xlogy(y, y / size) - y)


LOGIT, LOG = Logit(), Log()
