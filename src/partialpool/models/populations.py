"""Populations of groups that are not normal: Student's t, contaminated normal, point-normal.

Given its hyperparameters each is a finite mixture of normals about one middle, so that whatever
can be computed for groups from a normal population is computed for these by one sum more.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import numpy as np
from scipy import special

from partialpool._normal import LOG_2PI
from partialpool._typing import Floats
from partialpool.errors import ArgumentError
from partialpool.integrate import Axis, Coordinate

LEARNED = "learned"
LEAST_DF = 0.5
"""Of Student's t: below, half of the groups are outliers, and the mixture takes too many nodes."""
LONGEST_STEP, WIDTHS_A_STEP = 0.95, 0.9
"""Longest step of the log precision between nodes of the mixture that is Student's t, also in its
sds: log densities of groups within six standard errors are off by 3e-4 at most with df of 1 and 2,
by 8e-5 from 4 on, of farther ones by 6e-4 (`test_student_mixture_is_student` holds this)."""
MOST_NODES = 30
"""Nodes where df is learned, at most: what is below df 1 has a weight of a hundredth."""
OUTERMOST_TAIL = 1e-6
"""Probability of precisions beyond the outermost nodes: at 1e-4 numbers move by 3e-4 sd, at 1e-8 by
3e-5 (benchmarks/constants.py)."""
FARTHEST_SCALES = 60.0
"""Distance of a group from the middle, in scales, up to which nodes are laid for it."""
WIDTHS_BEYOND = 6.0
"""Widths of the density of the log precision of the farthest group that are laid nodes for."""


@dataclass(frozen=True, slots=True)
class Population(ABC):
    """A population that is a finite mixture of normals about one middle.

        theta_j ~ sum_k exp(log_share_k) N(middle, variance_k)

    with shares and variances that depend on tau and on `shape`, the hyperparameters beyond tau.
    """

    text_name: ClassVar[str]

    def __str__(self) -> str:
        said = [
            f"{f.name}={value:g}" if isinstance(value, float) else f"{f.name}={value or LEARNED}"
            for f in fields(self)
            if (value := getattr(self, f.name)) != f.default
        ]
        return f"{self.text_name}({', '.join(said)})" if said else self.text_name

    @property
    def middle(self) -> float | None:
        """The middle where it is known, in units of the outcome; None if it is learned."""
        return None

    @property
    def has_atom(self) -> bool:
        """Whether some groups are exactly at the middle."""
        return False

    @property
    def tells_outliers(self) -> bool:
        """Whether the last component is one that a group may be said to be of."""
        return False

    @property
    def moments(self) -> float:
        """Moments of a group of an order below this exist, given the hyperparameters."""
        return math.inf

    @property
    @abstractmethod
    def learned(self) -> tuple[str, ...]:
        """Names of the hyperparameters beyond tau that are learned, such as ("share", "ratio")."""

    @property
    @abstractmethod
    def hyperpriors(self) -> dict[str, str]:
        """Prior of each of `learned`, in words."""

    @property
    @abstractmethod
    def axes(self) -> tuple[Coordinate, ...]:
        """The range of each of `learned`."""

    @property
    @abstractmethod
    def start(self) -> tuple[float, ...]:
        """A rough guess of each of `learned`."""

    @abstractmethod
    def log_hyperprior(self, shape: Floats) -> Floats:
        """Log prior density of what is learned; shape (T, m) to (T,)."""

    @abstractmethod
    def components(self, tau: Floats, shape: Floats, far: float) -> tuple[Floats, Floats]:
        """Log shares and variances of the K normal components.

        Parameters
        ----------
        tau : ndarray, shape (T,)
        shape : ndarray, shape (T, m)
            Values of what is learned.
        far : float
            Distance of the farthest group from the middle (units of tau).

        Returns
        -------
        log_share, variance : ndarray, shape (T, K)
            A variance of 0 is an atom.
        """

    @abstractmethod
    def variance_over_tau(self, shape: Floats) -> Floats:
        """Variance of a group over tau^2, infinite where there is none; (T, m) to (T,)."""

    def parameter_names(self, factor: str) -> tuple[str, ...]:
        """Names of `learned` as tables print them, such as ``"df[school]"``."""
        return tuple(f"{name}[{factor}]" for name in self.learned)


@dataclass(frozen=True, slots=True)
class Student(Population):
    """Groups from Student's t: a few may lie far out and are pulled in less.

        theta_j ~ t_df(mu, tau)

    tau is the scale, not the standard deviation, which is ``tau sqrt(df / (df - 2))`` for df above
    2 and does not exist below. A learned df has the prior gamma(2, rate 0.1) above 0.5.
    Source: Juarez and Steel (2010), doi:10.1198/jbes.2009.07145, for that prior.

    Parameters
    ----------
    df : float or "learned"
        Degrees of freedom, 0.5 or more: 1 is Cauchy's distribution, 4 has clearly longer tails
        than the normal one, 100 hardly differs from it.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.Student(), pp.Student(df=7), pp.Student(df="learned"))
    student student(df=7) student(df=learned)
    """

    df: float | Literal["learned"] = 4.0
    text_name: ClassVar[str] = "student"

    def __post_init__(self) -> None:
        if self.df == LEARNED:
            return
        object.__setattr__(self, "df", _number("Student", "df", self.df, ', or "learned"'))
        if not LEAST_DF <= float(self.df) < math.inf:
            raise ArgumentError(
                f"Student: df is the degrees of freedom, a finite number of {LEAST_DF:g} or more, "
                f'or "learned"; received {self.df:g}'
            )

    @property
    def moments(self) -> float:
        return LEAST_DF if self.df == LEARNED else float(self.df)

    @property
    def learned(self) -> tuple[str, ...]:
        return ("df",) if self.df == LEARNED else ()

    @property
    def hyperpriors(self) -> dict[str, str]:
        return {"df": "gamma(2, 0.1)"} if self.learned else {}

    @property
    def axes(self) -> tuple[Coordinate, ...]:
        return (Axis(LEAST_DF),) if self.learned else ()

    @property
    def start(self) -> tuple[float, ...]:
        return (8.0,) if self.learned else ()

    def log_hyperprior(self, shape: Floats) -> Floats:
        if not self.learned:
            return np.zeros(len(shape))
        df, rate = shape[:, 0], 0.1
        # gamma(2, rate): P(df > x) = (1 + rate x) exp(-rate x)
        above = math.log1p(rate * LEAST_DF) - rate * LEAST_DF  # log P(df > LEAST_DF)
        return np.asarray(2.0 * math.log(rate) + np.log(df) - rate * df - above)

    def components(self, tau: Floats, shape: Floats, far: float) -> tuple[Floats, Floats]:
        df = shape[:, 0] if self.learned else np.full(len(tau), float(self.df))
        most = MOST_NODES if self.learned else None
        log_precision, log_share = _precisions(df, far / tau, most)
        return log_share, tau[:, None] ** 2 * np.exp(-log_precision)

    def variance_over_tau(self, shape: Floats) -> Floats:
        df = shape[:, 0] if self.learned else np.full(len(shape), float(self.df))
        with np.errstate(divide="ignore"):
            return np.where(df > 2.0, df / np.maximum(df - 2.0, 0.0), math.inf)


def _precisions(df: Floats, far: Floats, most: int | None) -> tuple[Floats, Floats]:
    """Nodes of log lambda and their log shares, (T, K): t_df is N(0, 1 / lambda) mixed.

    lambda ~ Gamma(a, rate a), a = df / 2, by the trapezoid rule in log lambda. A group z scales
    away has its lambda about (df + 1) / (df + z^2), where nodes must be: the density of t has
    tails that no rule about the bulk of the gamma distribution sees.
    """
    a = 0.5 * df
    distinct, at = np.unique(a, return_inverse=True)
    ends = (
        special.gammaincinv(distinct, np.array([[OUTERMOST_TAIL], [1.0 - OUTERMOST_TAIL]]))
        / distinct
    )
    low, high = np.log(ends)[:, at]
    z = np.minimum(far, FARTHEST_SCALES)
    of_farthest = np.log((df + 1.0) / (df + z * z)) - WIDTHS_BEYOND * np.sqrt(2.0 / (df + 1.0))
    # only low precisions are of far groups
    low = np.minimum(low, of_farthest)
    step = np.minimum(LONGEST_STEP, WIDTHS_A_STEP * np.sqrt(2.0 / df))
    # one number of nodes for all: arrays are rectangular
    size = 2 + math.floor(float(((high - low) / step).max(initial=0.0)))
    size = size if most is None else min(size, most)
    u = np.linspace(low, high, size, axis=1)
    # density of log lambda: lambda^a exp(-a lambda), the Jacobian included
    log_share = a[:, None] * (u - np.exp(u))
    log_share -= special.logsumexp(log_share, axis=1, keepdims=True)
    return u, log_share


@dataclass(frozen=True, slots=True)
class Contaminated(Population):
    """Groups from a normal population, but for a share from one that is wider.

        theta_j ~ (1 - share) N(mu, tau^2) + share N(mu, (ratio tau)^2)

    A learned share has the prior beta(1, 4); a learned ratio, above 1, has log ratio ~ normal(log
    5, 0.5).

    Parameters
    ----------
    share : float, optional
        Share of groups from the wider part, between 0 and 1; learned if not given.
    ratio : float, optional
        Its standard deviation over tau, above 1; learned if not given.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.Contaminated(), pp.Contaminated(share=0.1, ratio=5))
    contaminated contaminated(share=0.1, ratio=5)
    """

    share: float | None = None
    ratio: float | None = None
    text_name: ClassVar[str] = "contaminated"

    def __post_init__(self) -> None:
        for name, low, high, allowed in (
            ("share", 0.0, 1.0, "a number between 0 and 1"),
            ("ratio", 1.0, math.inf, "a finite number above 1"),
        ):
            value = getattr(self, name)
            if value is None or value == LEARNED:
                object.__setattr__(self, name, None)
                continue
            number = _number("Contaminated", name, value, ", or None to learn it")
            if not low < number < high:
                raise ArgumentError(
                    f"Contaminated: {name} is {allowed}, or None to learn it; received {number:g}"
                )
            object.__setattr__(self, name, number)

    @property
    def tells_outliers(self) -> bool:
        return True

    @property
    def learned(self) -> tuple[str, ...]:
        return tuple(name for name in ("share", "ratio") if getattr(self, name) is None)

    @property
    def hyperpriors(self) -> dict[str, str]:
        said = {"share": "beta(1, 4)", "ratio": "lognormal(log 5, 0.5)"}
        return {name: said[name] for name in self.learned}

    @property
    def axes(self) -> tuple[Coordinate, ...]:
        axes = {"share": Axis(0.0, 1.0), "ratio": Axis(1.0)}
        return tuple(axes[name] for name in self.learned)

    @property
    def start(self) -> tuple[float, ...]:
        start = {"share": 0.1, "ratio": 5.0}
        return tuple(start[name] for name in self.learned)

    def log_hyperprior(self, shape: Floats) -> Floats:
        out = np.zeros(len(shape))
        for value, name in zip(shape.T, self.learned, strict=True):
            if name == "share":
                out += math.log(4.0) + 3.0 * np.log1p(-value)
                continue
            z = (np.log(value) - math.log(5.0)) / 0.5
            above = special.log_ndtr(math.log(5.0) / 0.5)  # ratios above 1
            out += -0.5 * (z * z + LOG_2PI) - math.log(0.5) - np.log(value) - above
        return out

    def components(self, tau: Floats, shape: Floats, far: float) -> tuple[Floats, Floats]:
        del far
        share, ratio = self._both(shape)
        log_share = np.stack([np.log1p(-share), np.log(share)], axis=1)
        return log_share, np.stack([tau**2, (ratio * tau) ** 2], axis=1)

    def variance_over_tau(self, shape: Floats) -> Floats:
        share, ratio = self._both(shape)
        # (1 - share) + share ratio^2
        return np.asarray(1.0 + share * (ratio**2 - 1.0))

    def _both(self, shape: Floats) -> list[Floats]:
        columns = dict(zip(self.learned, shape.T, strict=True))
        stated = {name: getattr(self, name) for name in ("share", "ratio")}
        return [columns.get(name, np.full(len(shape), value)) for name, value in stated.items()]


@dataclass(frozen=True, slots=True)
class PointNormal(Population):
    """Groups that are exactly at the middle, but for a share that differs from it.

        theta_j = mean with probability 1 - share, else theta_j ~ N(mean, tau^2)

    The share has the prior uniform(0, 1), and tau ~ dumouchel() unless another is given, which
    must be proper: where all groups may be at the middle, the data put no limit on tau.
    Source: Johnstone and Silverman (2004), doi:10.1214/009053604000000030.

    Parameters
    ----------
    mean : float, optional
        The middle (units of the outcome); None if it is to be learned.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.PointNormal(), pp.PointNormal(mean=None))
    point_normal point_normal(mean=learned)
    """

    mean: float | None = 0.0
    text_name: ClassVar[str] = "point_normal"

    def __post_init__(self) -> None:
        stated: object = self.mean
        if stated is None or stated == LEARNED:
            object.__setattr__(self, "mean", None)
            return
        number = _number("PointNormal", "mean", stated, ", or None to learn it")
        if not math.isfinite(number):
            raise ArgumentError(
                f"PointNormal: mean is a finite number, or None to learn it; received {number:g}"
            )
        object.__setattr__(self, "mean", number)

    @property
    def middle(self) -> float | None:
        return self.mean

    @property
    def has_atom(self) -> bool:
        return True

    @property
    def tells_outliers(self) -> bool:
        return True

    @property
    def learned(self) -> tuple[str, ...]:
        return ("share",)

    @property
    def hyperpriors(self) -> dict[str, str]:
        return {"share": "uniform(0, 1)"}

    @property
    def axes(self) -> tuple[Coordinate, ...]:
        return (Axis(0.0, 1.0),)

    @property
    def start(self) -> tuple[float, ...]:
        return (0.4,)

    def log_hyperprior(self, shape: Floats) -> Floats:
        return np.zeros(len(shape))

    def components(self, tau: Floats, shape: Floats, far: float) -> tuple[Floats, Floats]:
        del far
        share = shape[:, 0]
        log_share = np.stack([np.log1p(-share), np.log(share)], axis=1)
        return log_share, np.stack([np.zeros_like(tau), tau**2], axis=1)

    def variance_over_tau(self, shape: Floats) -> Floats:
        return shape[:, 0]


POPULATIONS: dict[str, type[Population]] = {
    kind.text_name: kind for kind in (Student, Contaminated, PointNormal)
}


def _number(kind: str, name: str, value: object, otherwise: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ArgumentError(f"{kind}: {name} is a number{otherwise}; received {value!r}")
    return float(value)
