"""One-dimensional distributions: what can be asked of every parameter, and of every group.

All share one face: mean, sd, median, cdf, density, quantile, interval, probability. Quantiles
are those of the true mixture, not of a normal approximation.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from partialpool._markup import output
from partialpool._table import Table
from partialpool._typing import Floats, Numbers
from partialpool.errors import ArgumentError
from partialpool.integrate import Coordinate, sinc
from partialpool.kernels import student
from partialpool.threads import mapped

IntervalKind = Literal["equal-tailed", "highest-density"]
Moments = tuple[Floats | float, Floats | float]


class Distribution(ABC):
    """A posterior distribution of one quantity, or of one quantity a group.

    `shape` is () for one quantity and (J,) for one a group; methods return that shape, preceded
    by the shape of what they are given.
    """

    __slots__ = ()
    shape: tuple[int, ...]

    @property
    @abstractmethod
    def mean(self) -> Floats:
        """Mean; nan where it does not exist, inf where it diverges."""

    @property
    @abstractmethod
    def sd(self) -> Floats:
        """Standard deviation; inf where it does not exist."""

    @abstractmethod
    def _cdf(self, x: Floats) -> Floats:
        """P(X <= x); x has shape (K, *shape)."""

    @abstractmethod
    def _density(self, x: Floats) -> Floats:
        """Density at x; x has shape (K, *shape)."""

    @abstractmethod
    def _quantiles(self, p: Floats) -> Floats:
        """Quantiles at probabilities in (0, 1); p broadcasts to the result, (K, *shape)."""

    @property
    def median(self) -> Floats:
        """Median."""
        return self.quantile(0.5)

    @property
    def estimate(self) -> Floats:
        """Mean where there is one, and the median where there is none."""
        mean = self.mean
        exists = np.isfinite(mean)
        return mean if exists.all() else np.where(exists, mean, self.median)

    def cdf(self, x: Numbers) -> Floats:
        """P(X <= x), at a number or at each of several.

        Parameters
        ----------
        x : float or array_like, shape (...)

        Returns
        -------
        ndarray, shape ``(..., *shape)``

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> tau = fit.posterior["tau"]
        >>> tau.cdf([1.0, 10.0]).round(3)
        array([0.103, 0.789])
        """
        return self._at(self._cdf, x)

    def density(self, x: Numbers) -> Floats:
        """Density at a number or at each of several; shapes as in `cdf`.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> tau = fit.posterior["tau"]
        >>> float(tau.density(5.0).round(4))
        0.0826
        """
        return self._at(self._density, x)

    def quantile(self, p: Numbers) -> Floats:
        """Quantile at a probability or at each of several; shapes as in `cdf`.

        Raises
        ------
        ArgumentError
            If a probability is outside [0, 1].

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> tau = fit.posterior["tau"]
        >>> tau.quantile([0.1, 0.9]).round(2)
        array([ 0.97, 13.73])
        """
        probabilities = np.asarray(p, dtype=np.float64)
        if not np.all((probabilities >= 0) & (probabilities <= 1)):
            raise ArgumentError(f"a probability lies between 0 and 1; received {p}")
        flat = probabilities.ravel()
        inside = (flat > 0) & (flat < 1)
        out = np.empty((len(flat), *self.shape))
        out[flat == 0], out[flat == 1] = self._ends()
        if inside.any():
            # probabilities in front, quantities behind: broadcasting does the rest
            wide = flat[inside].reshape((-1,) + (1,) * len(self.shape))
            out[inside] = self._quantiles(wide)
        return out.reshape(probabilities.shape + self.shape)

    def interval(self, level: float = 0.95, kind: IntervalKind = "equal-tailed") -> Floats:
        """Interval that holds the quantity with this probability.

        Parameters
        ----------
        level : float
            Probability, between 0 and 1.
        kind : {"equal-tailed", "highest-density"}
            Equal probability outside on both sides, or the shortest interval.

        Returns
        -------
        ndarray, shape ``(2, *shape)``
            Lower and upper ends.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> tau = fit.posterior["tau"]
        >>> tau.interval(0.9).round(2)
        array([ 0.49, 17.18])
        >>> tau.interval(0.9, "highest-density").round(2)
        array([ 0.  , 13.73])
        """
        check_level(level)
        if kind == "equal-tailed":
            return self.quantile(np.array([0.5 - level / 2, 0.5 + level / 2]))
        if kind != "highest-density":
            raise ArgumentError(f'kind is "equal-tailed" or "highest-density", not {kind!r}')
        return self._shortest(level)

    def probability(self, *, above: float | None = None, below: float | None = None) -> Floats:
        """Probability of lying above one number and below another (either may be left out).

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> tau = fit.posterior["tau"]
        >>> float(tau.probability(above=5.0, below=10.0).round(3))
        0.308
        """
        low = 0.0 if above is None else self.cdf(above)
        high = 1.0 if below is None else self.cdf(below)
        return np.asarray(np.maximum(high - low, 0.0))

    def __repr__(self) -> str:
        if self.shape:
            return f"Distribution(one for each of {self.shape[0]:,} groups, in their order)"
        lower, upper = self.interval()
        mean, sd = float(self.mean), float(self.sd)
        return f"Distribution(mean {mean:.6g}, sd {sd:.4g}, 95% {lower:.6g} to {upper:.6g})"

    def _repr_html_(self) -> str:
        if not self.shape:
            return output(self._summary().as_html("Distribution"))
        place = np.arange(self.shape[0])
        caption = f"{self.shape[0]:,} distributions, in their order"
        return output(Table(place=place, **self._summary()).as_html(caption))

    def _summary(self) -> Table:
        """Mean, sd and 95% interval of each quantity."""
        columns = (self.mean, self.sd, *self.quantile(np.array([0.025, 0.5, 0.975])))
        names = ("mean", "sd", "lower", "median", "upper")
        return Table({k: np.atleast_1d(v) for k, v in zip(names, columns, strict=True)})

    def _at(self, function: Callable[[Floats], Floats], x: Numbers) -> Floats:
        points = np.asarray(x, dtype=np.float64)
        flat = points.reshape((-1,) + (1,) * len(self.shape))
        wide = np.broadcast_to(flat, (flat.shape[0], *self.shape))
        return function(wide).reshape(points.shape + self.shape)

    def _ends(self) -> tuple[float, float]:
        return (-math.inf, math.inf)

    def _shortest(self, level: float) -> Floats:
        """Golden-section search over the probability left out below, between nine starts."""
        # probability outside of the interval, of which a part is below it
        spare = 1.0 - level
        tails = np.linspace(0.0, spare, 9).reshape((-1,) + (1,) * len(self.shape))
        widths = np.concatenate([self._width(t[None], level) for t in tails])
        best = widths.argmin(axis=0)
        a = spare * np.maximum(best - 1, 0) / 8
        b = spare * np.minimum(best + 1, 8) / 8
        ratio = (math.sqrt(5) - 1) / 2
        c, d = b - ratio * (b - a), a + ratio * (b - a)
        width_c, width_d = self._width(c[None], level)[0], self._width(d[None], level)[0]
        for _ in range(24):
            left = width_c < width_d
            a, b = np.where(left, a, c), np.where(left, d, b)
            new = np.where(left, b - ratio * (b - a), a + ratio * (b - a))
            width = self._width(new[None], level)[0]
            c, d = np.where(left, new, d), np.where(left, c, new)
            width_c, width_d = np.where(left, width, width_d), np.where(left, width_c, width)
        middle = 0.5 * (a + b)
        # a density that is highest at its lower end: the search only comes near it
        at_start = widths[0] <= self._width(middle[None], level)[0]
        tail = np.where(at_start, 0.0, middle)[None]
        return np.concatenate([self._each_quantile(tail), self._each_quantile(tail + level)])

    def _width(self, tail: Floats, level: float) -> Floats:
        upper = self._each_quantile(np.minimum(tail + level, 1.0))
        return np.asarray(upper - self._each_quantile(tail))

    def _each_quantile(self, p: Floats) -> Floats:
        """Quantiles at probabilities of each element's own; p broadcasts to (1, *shape)."""
        p = np.broadcast_to(p, (1, *self.shape))
        low, high = self._ends()
        inside = self._quantiles(np.clip(p, 1e-12, 1.0 - 1e-12))
        return np.where(p <= 0, low, np.where(p >= 1, high, inside))


def check_level(level: float) -> None:
    """Raise an ArgumentError unless 0 < level < 1."""
    if not isinstance(level, int | float) or not 0 < level < 1:
        raise ArgumentError(f"an interval's probability lies between 0 and 1; received {level!r}")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mixture(Distribution):
    """Mixtures of C normals, or of Student's t with common df, one mixture a group.

    Parameters
    ----------
    shape : tuple of int
        () or (J,).
    rows : callable
        Maps a slice of groups to their locations and scales, each shape (C, B).
    weight : ndarray, shape (C,)
        Weights that sum to one.
    df : float
        Degrees of freedom; infinite for normal.
    shift : float
        Added to every location.
    moments : float or ndarray, shape (J,)
        Moments of an order below this exist, of all groups or of each.
    """

    shape: tuple[int, ...]
    rows: Callable[[slice], tuple[Floats, Floats]]
    weight: Floats
    df: float
    shift: float
    moments: Floats | float
    near: ClassVar[float] = student.LAST_STEP

    def moved(self, added: Floats) -> Mixture:
        """The same with a number, of shape (J,), added to each group's quantity."""

        def rows(part: slice) -> tuple[Floats, Floats]:
            loc, scale = self.rows(part)
            return loc + added[part], scale

        return replace(self, rows=rows)

    @property
    def mean(self) -> Floats:
        exists = np.minimum(self.moments, self.df) > 1
        if not exists.any():
            return np.full(self.shape, math.nan)
        mean = self._each(lambda _part, loc, _scale: self.weight @ loc) + self.shift
        return np.where(exists, mean, math.nan)

    @property
    def sd(self) -> Floats:
        exists = np.minimum(self.moments, self.df) > 2
        if not exists.any():
            return np.full(self.shape, math.inf)
        # variance of a t over its squared scale
        inflation = 1.0 if math.isinf(self.df) else self.df / (self.df - 2.0)

        def one(_: slice, loc: Floats, scale: Floats) -> Floats:
            gap = loc - self.weight @ loc
            return np.asarray(np.sqrt(self.weight @ (inflation * scale**2 + gap**2)))

        return np.where(exists, self._each(one), math.inf)

    def _cdf(self, x: Floats) -> Floats:
        return self._each_point(x, student.mixture_cdf)

    def _density(self, x: Floats) -> Floats:
        return self._each_point(x, student.mixture_pdf)

    def _quantiles(self, p: Floats) -> Floats:
        if not self.shape:
            loc, scale = self.rows(slice(None))
            return self._quantile(p, loc, scale) + self.shift
        common = p.size == len(p)

        def one(part: slice, loc: Floats, scale: Floats) -> Floats:
            each = [q.item() for q in p] if common else p[:, part]
            return np.stack([self._quantile(q, loc, scale) for q in each])

        return self._each(one, len(p)) + self.shift

    def _quantile(self, p: Floats | float, loc: Floats, scale: Floats) -> Floats:
        return student.mixture_quantile(p, loc, scale, self.weight, self.df, near=self.near)

    def _each_point(self, x: Floats, function: Callable[..., Floats]) -> Floats:
        flat = x.reshape(len(x), -1) - self.shift

        def one(part: slice, loc: Floats, scale: Floats) -> Floats:
            return np.stack([function(v, loc, scale, self.weight, self.df) for v in flat[:, part]])

        return self._each(one, len(x))

    def _each(
        self, function: Callable[[slice, Floats, Floats], Floats], leading: int | None = None
    ) -> Floats:
        """Apply a function to blocks of groups, on several threads if there are many blocks."""
        size = math.prod(self.shape)
        step = max(1, student.CELLS_AT_ONCE // len(self.weight))
        parts = [slice(i, min(i + step, size)) for i in range(0, size, step)]
        out = np.empty(size if leading is None else (leading, size))

        def fill(part: slice) -> None:
            out[..., part] = function(part, *self.rows(part))

        mapped(fill, parts, at_least=4)
        return out.reshape(self.shape if leading is None else (leading, *self.shape))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sliced(Distribution):
    """A positive quantity whose density is known on the nodes of S even grids.

    ``P(X <= x) = sum_s F_s(t_s(u))`` with u the axis's coordinate of x and F_s the integrated
    sinc series of slice s.

    Parameters
    ----------
    axis : Axis
        Range of the quantity.
    mass : ndarray, shape (S, G)
        Probability at the nodes of each slice; sums to one.
    first, step : float
        First grid position and distance of positions.
    locate : callable
        Maps u, shape (K,), to positions t and slopes dt/du, each shape (S, K).
    start_u, start_mass : ndarray, shape (S * G,)
        The nodes as points of u with their mass: where to start looking for quantiles.
    mean_value, sd_value : float
        Mean and sd, computed where the nodes are known.
    """

    axis: Coordinate
    mass: Floats
    first: float
    step: float
    locate: Callable[[Floats], tuple[Floats, Floats]]
    start_u: Floats
    start_mass: Floats
    mean_value: float
    sd_value: float
    shape: tuple[int, ...] = ()

    @property
    def mean(self) -> Floats:
        return np.asarray(self.mean_value)

    @property
    def sd(self) -> Floats:
        return np.asarray(self.sd_value)

    def _ends(self) -> tuple[float, float]:
        return (self.axis.lower, self.axis.upper)

    def _cdf(self, x: Floats) -> Floats:
        u = self._clipped(self.axis.coordinate(x))
        below = np.clip(self._cdf_u(u), 0.0, 1.0)
        below = np.where(x >= self.axis.upper, 1.0, below)
        return np.where(x <= self.axis.lower, 0.0, below)

    def _density(self, x: Floats) -> Floats:
        u = self._clipped(self.axis.coordinate(x))
        inside = (x >= self.axis.lower) & (x <= self.axis.upper)
        density = self._density_u(u) * np.exp(-self.axis.log_slope(u))
        return np.where(inside, np.maximum(density, 0.0), 0.0)

    def _clipped(self, u: Floats) -> Floats:
        """Keep to where the density still has digits; it is flat or zero beyond."""
        seen = self.start_u[self.start_mass > 1e-9 * self.start_mass.max()]
        return np.clip(u, seen.min(), None)

    def _cdf_u(self, u: Floats) -> Floats:
        t, _ = self.locate(u)  # (S, K)
        return self._sum(sinc.integrated, t)

    def _density_u(self, u: Floats) -> Floats:
        t, slope = self.locate(u)
        return self._sum(sinc.series, t, slope / self.step)

    def _sum(
        self,
        function: Callable[[Floats, Floats], Floats],
        t: Floats,
        factor: Floats | None = None,
    ) -> Floats:
        position = (t - self.first) / self.step  # (S, K)
        out = np.zeros(t.shape[1])
        for s, mass in enumerate(self.mass):
            values = function(position[s], mass)
            out += values if factor is None else values * factor[s]
        return out

    def _quantiles(self, p: Floats) -> Floats:
        order = np.argsort(self.start_u)
        nodes = self.start_u[order]
        below = np.cumsum(self.start_mass[order]) - 0.5 * self.start_mass[order]
        u = newton(
            lambda u: (self._cdf_u(u), self._density_u(u)),
            p,
            np.interp(p, below, nodes),
            nodes[0] - 1.0,
            nodes[-1] + 1.0,
        )
        return self.axis.value(u)


def newton(
    function: Callable[[Floats], tuple[Floats, Floats]],
    p: Floats,
    start: Floats,
    low: Floats | float,
    high: Floats | float,
) -> Floats:
    """Solve cdf(x) = p for each p, shape (K,), by Newton steps kept inside [low, high].

    `function` returns the distribution function and the density at x.
    """
    x = np.clip(start, low, high)
    low, high = np.broadcast_to(low, x.shape), np.broadcast_to(high, x.shape)
    for _ in range(80):
        value, slope = function(x)
        excess = value - p
        high = np.where(excess > 0, x, high)
        low = np.where(excess > 0, low, x)
        new = x - excess / np.where(slope > 0, slope, 1e-300)
        inside = (new >= low) & (new <= high)
        new = np.where(inside, new, 0.5 * (low + high))
        # the error of Newton's method is squared at each step
        near = inside & (np.abs(excess) <= 1e-6 * np.minimum(p, 1.0 - p))
        x = new
        if (near | (high - low <= 1e-15 * np.abs(x))).all():
            break
    return x
