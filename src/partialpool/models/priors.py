"""Priors: small frozen objects, each with a text form.

Priors of a standard deviation (tau, sigma) tell, beside their density, how it behaves at zero and
in its tail; from that alone it is decided whether a posterior is proper and which of its moments
exist. Priors of mu are finite mixtures of normals, so that everything stays Gaussian given tau
and sigma.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from partialpool._normal import LOG_2PI
from partialpool._typing import Floats
from partialpool.errors import PriorError


@dataclass(frozen=True, slots=True)
class Prior:
    """Common part: the text form, and checks that numbers are in range."""

    text_name: ClassVar[str] = ""
    proper: ClassVar[bool] = True

    def __str__(self) -> str:
        values = ", ".join(f"{getattr(self, f.name):g}" for f in fields(self))
        return f"{self.text_name}({values})"

    def _require(self, ok: bool, rule: str) -> None:
        finite = all(math.isfinite(getattr(self, f.name)) for f in fields(self))
        if not ok or not finite:
            raise PriorError(f"{self}: {rule}")


class ScalePrior(Prior, ABC):
    """A prior of a standard deviation x > 0.

    Attributes
    ----------
    tail : float
        The density falls like x^-tail as x grows; infinite if faster than any power.
    zero : float
        The density goes like x^zero near zero; infinite if it vanishes faster.
    degree : float or None
        If the density keeps its shape under a change of units, p(c x) = c^degree p(x).
    relative : bool
        Whether the density is of x relative to a reference (for tau: the typical standard
        error of a group mean).
    """

    __slots__ = ()
    tail: ClassVar[float] = math.inf
    degree: ClassVar[float | None] = None
    relative: ClassVar[bool] = False

    @property
    def zero(self) -> float:
        return 0.0

    @property
    def support(self) -> tuple[float, float]:
        return (0.0, math.inf)

    @abstractmethod
    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        """Log density at x (same units as y); `reference` is used by relative priors only."""


@dataclass(frozen=True, slots=True)
class Flat(ScalePrior):
    """p(x) = 1 on a standard deviation, p(mu) = 1 on the mean. Improper.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.Flat())
    flat()
    """

    text_name: ClassVar[str] = "flat"
    proper: ClassVar[bool] = False
    tail: ClassVar[float] = 0.0
    degree: ClassVar[float | None] = 0.0

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        return np.zeros_like(x)

    def components(self, reach: float) -> None:
        """No normal components: mu is integrated over the whole line."""


@dataclass(frozen=True, slots=True)
class Jeffreys(ScalePrior):
    """p(x) = 1/x: flat on log x. Improper; for sigma only.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.Jeffreys())
    jeffreys()
    """

    text_name: ClassVar[str] = "jeffreys"
    proper: ClassVar[bool] = False
    tail: ClassVar[float] = 1.0
    degree: ClassVar[float | None] = -1.0

    @property
    def zero(self) -> float:
        return -1.0

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        return np.asarray(-np.log(x))


@dataclass(frozen=True, slots=True)
class HalfNormal(ScalePrior):
    """p(x) = sqrt(2/pi) / scale * exp(-x^2 / (2 scale^2)), x > 0.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.HalfNormal(5.0))
    half_normal(5)
    """

    scale: float
    text_name: ClassVar[str] = "half_normal"

    def __post_init__(self) -> None:
        self._require(self.scale > 0, "the scale must be positive")

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        # twice the normal density: folded at zero
        constant = 0.5 * math.log(2 / math.pi) - math.log(self.scale)
        return np.asarray(constant - 0.5 * (x / self.scale) ** 2)


@dataclass(frozen=True, slots=True)
class HalfCauchy(ScalePrior):
    """p(x) = 2 / (pi scale (1 + (x/scale)^2)), x > 0.

    Source: Gelman (2006), doi:10.1214/06-BA117A.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.HalfCauchy(5.0))
    half_cauchy(5)
    """

    scale: float
    text_name: ClassVar[str] = "half_cauchy"
    tail: ClassVar[float] = 2.0

    def __post_init__(self) -> None:
        self._require(self.scale > 0, "the scale must be positive")

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        constant = math.log(2 / (math.pi * self.scale))
        return np.asarray(constant - np.log1p((x / self.scale) ** 2))


@dataclass(frozen=True, slots=True)
class HalfT(ScalePrior):
    """Student's t with df degrees of freedom and this scale, folded at zero.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.HalfT(3, 5.0))
    half_t(3, 5)
    """

    df: float
    scale: float
    text_name: ClassVar[str] = "half_t"

    def __post_init__(self) -> None:
        self._require(self.df > 0 and self.scale > 0, "df and scale must be positive")

    @property
    def tail(self) -> float:  # type: ignore[override]
        return self.df + 1.0

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        # folded at zero
        constant = math.log(2 / self.scale) + _t_constant(self.df)
        z2 = (x / self.scale) ** 2
        return np.asarray(constant - 0.5 * (self.df + 1) * np.log1p(z2 / self.df))


@dataclass(frozen=True, slots=True)
class Exponential(ScalePrior):
    """p(x) = rate exp(-rate x): mean 1/rate.

    The penalised-complexity prior of Simpson et al. (2017), doi:10.1214/16-STS576.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.Exponential(0.2))
    exponential(0.2)
    """

    rate: float
    text_name: ClassVar[str] = "exponential"

    def __post_init__(self) -> None:
        self._require(self.rate > 0, "the rate must be positive")

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        return np.asarray(math.log(self.rate) - self.rate * x)


@dataclass(frozen=True, slots=True)
class Uniform(ScalePrior):
    """p(x) = 1 / (upper - lower) between lower and upper.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.Uniform(0.0, 20.0))
    uniform(0, 20)
    """

    lower: float
    upper: float
    text_name: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        self._require(
            0 <= self.lower < self.upper,
            "it is a prior of standard deviations, and 0 <= lower < upper is needed; for "
            "coefficients take flat(), or normal(mean, sd)",
        )

    @property
    def zero(self) -> float:
        return 0.0 if self.lower == 0 else math.inf

    @property
    def support(self) -> tuple[float, float]:
        return (self.lower, self.upper)

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        return np.full_like(x, -math.log(self.upper - self.lower))


@dataclass(frozen=True, slots=True)
class LogNormal(ScalePrior):
    """log x is normal with this mean and sd (of the logarithm).

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.LogNormal(0.0, 1.0))
    lognormal(0, 1)
    """

    meanlog: float
    sdlog: float
    text_name: ClassVar[str] = "lognormal"

    def __post_init__(self) -> None:
        self._require(self.sdlog > 0, "sdlog must be positive")

    @property
    def zero(self) -> float:
        return math.inf

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        log_x = np.log(x)
        constant = -0.5 * LOG_2PI - math.log(self.sdlog)
        return np.asarray(constant - log_x - 0.5 * ((log_x - self.meanlog) / self.sdlog) ** 2)


@dataclass(frozen=True, slots=True)
class InverseGammaSq(ScalePrior):
    """The variance x^2 is inverse-gamma(shape, rate): the precision is gamma(shape, rate).

    p(x) = 2 rate^shape / Gamma(shape) x^(-2 shape - 1) exp(-rate / x^2), to reproduce BUGS
    examples; Gelman (2006), doi:10.1214/06-BA117A, says why not to use it otherwise.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.InverseGammaSq(2.0, 1.0))
    inverse_gamma_sq(2, 1)
    """

    shape: float
    rate: float
    text_name: ClassVar[str] = "inverse_gamma_sq"

    def __post_init__(self) -> None:
        self._require(self.shape > 0 and self.rate > 0, "shape and rate must be positive")

    @property
    def tail(self) -> float:  # type: ignore[override]
        return 2.0 * self.shape + 1.0

    @property
    def zero(self) -> float:
        return math.inf

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        # 2 from d x^-2 = 2 x^-3 dx
        constant = math.log(2) + self.shape * math.log(self.rate) - math.lgamma(self.shape)
        return np.asarray(constant - (2 * self.shape + 1) * np.log(x) - self.rate / x**2)


@dataclass(frozen=True, slots=True)
class UniformShrinkage(ScalePrior):
    """The shrinkage weight s0^2 / (s0^2 + tau^2) is uniform on (0, 1); for tau only.

    s0 is the typical standard error of a group mean (root harmonic mean of the squares).
    Source: Daniels (1999), doi:10.2307/3316112.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.UniformShrinkage())
    uniform_shrinkage()
    """

    text_name: ClassVar[str] = "uniform_shrinkage"
    tail: ClassVar[float] = 3.0
    degree: ClassVar[float | None] = -1.0
    relative: ClassVar[bool] = True

    @property
    def zero(self) -> float:
        return 1.0

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        s2 = np.square(reference)
        # |d B / d tau| of B = s0^2 / (s0^2 + tau^2)
        return np.asarray(math.log(2) + np.log(x) + np.log(s2) - 2 * np.log(s2 + x * x))


@dataclass(frozen=True, slots=True)
class DuMouchel(ScalePrior):
    """p(tau) = s0 / (s0 + tau)^2, s0 the typical standard error of a group mean; for tau only.

    Source: DuMouchel and Normand (2000), in Meta-Analysis in Medicine and Health Policy, ch. 6.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.DuMouchel())
    dumouchel()
    """

    text_name: ClassVar[str] = "dumouchel"
    tail: ClassVar[float] = 2.0
    degree: ClassVar[float | None] = -1.0
    relative: ClassVar[bool] = True

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        return np.asarray(np.log(reference) - 2 * np.log(reference + x))


@dataclass(frozen=True, slots=True)
class Normal(Prior):
    """mu is normal with this mean and sd (units of y).

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.Normal(0.0, 10.0))
    normal(0, 10)
    """

    mean: float
    sd: float
    text_name: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        self._require(self.sd > 0, "the sd must be positive")

    def components(self, reach: float) -> tuple[Floats, Floats, Floats]:
        """Log weights, means and sds of the normal components; each shape (1,)."""
        return np.zeros(1), np.array([self.mean]), np.array([self.sd])


@dataclass(frozen=True, slots=True)
class StudentT(Prior):
    """mu is Student's t with df degrees of freedom, location `mean` and this scale (units of y).

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.StudentT(3, 0.0, 10.0))
    student_t(3, 0, 10)
    """

    df: float
    mean: float
    scale: float
    text_name: ClassVar[str] = "student_t"

    def __post_init__(self) -> None:
        self._require(self.df >= 0.5 and self.scale > 0, "df >= 0.5 and scale > 0 are needed")

    def components(self, reach: float) -> tuple[Floats, Floats, Floats]:
        """Log weights, means and sds of normal components whose mixture is this t; shape (M,).

        The variance of a t is inverse-gamma(df/2, df/2) times its scale squared. That mixture is
        discretised by the trapezoid rule in u = log variance, whose error falls like
        exp(-pi^2 / step), up to variances that matter for data `reach` away.
        """
        half = 0.5 * self.df
        # for data `reach` away variances are about (reach / scale)^2 and fall like v^(-(df + 1) /
        # 2) beyond: exp(-40) is left out
        far = 2.0 * math.log(max(reach / self.scale, 1.0)) + 80.0 / (self.df + 1.0)
        # exp(-df / (2 v)) is doubly exponential below
        near = -math.log(1.0 + 80.0 / self.df) - 1.0
        u = np.arange(near, far + T_STEP, T_STEP)
        log_w = half * math.log(half) - math.lgamma(half) - half * u - half * np.exp(-u)
        # weights of the trapezoid rule: they sum to one but for its error
        log_w += math.log(T_STEP)
        return log_w, np.full(len(u), self.mean), self.scale * np.exp(0.5 * u)


T_STEP = 0.35
"""exp(-pi^2 / 0.35) is 6e-13."""


@dataclass(frozen=True, slots=True)
class LKJ(Prior):
    """``p(R) = |R|^(eta - 1)`` on correlation matrices: uniform with eta = 1, near identity above.

    Source: Lewandowski, Kurowicka and Joe (2009), doi:10.1016/j.jmva.2009.04.008: the partial
    correlations of their C-vine are independent.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.LKJ(2.0))
    lkj(2)
    """

    eta: float = 1.0
    text_name: ClassVar[str] = "lkj"

    def __post_init__(self) -> None:
        self._require(self.eta > 0, "eta must be positive")

    def log_density(self, partial: Floats, size: int) -> Floats:
        """Log density of partial correlations, (G, K) to (G,), up to a constant.

        They are in the order of the rows of the lower triangle: 21, 31, 32|1, 41, ...
        """
        # a partial correlation given k variables has a beta distribution on (-1, 1) with shape eta
        # + (size - 2 - k) / 2
        conditioned_on = np.array([k for i in range(1, size) for k in range(i)])
        power = self.eta - 1.0 + 0.5 * (size - 2.0 - conditioned_on)
        with np.errstate(divide="ignore", invalid="ignore"):  # at correlations of one
            return np.asarray(np.log1p(-np.square(partial)) @ power)


MuPrior = Flat | Normal | StudentT


def log_density_of_coefficient(prior: MuPrior, x: Floats) -> Floats:
    """Log prior density of a mean or a coefficient at x; any shape."""
    match prior:
        case Normal():
            z = (x - prior.mean) / prior.sd
            return np.asarray(-0.5 * (LOG_2PI + z * z) - math.log(prior.sd))
        case StudentT():
            z2 = ((x - prior.mean) / prior.scale) ** 2
            constant = _t_constant(prior.df) - math.log(prior.scale)
            return np.asarray(constant - 0.5 * (prior.df + 1.0) * np.log1p(z2 / prior.df))
    return np.zeros_like(x)


def _t_constant(df: float) -> float:
    gap = math.lgamma(0.5 * df + 0.5) - math.lgamma(0.5 * df)
    return gap - 0.5 * math.log(df * math.pi)
