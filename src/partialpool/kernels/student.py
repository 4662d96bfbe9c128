"""Student's t (normal when df is infinite) and mixtures of it, accurate at any df."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from partialpool._normal import INVERSE_ROOT_2PI, LOG_2PI
from partialpool._typing import Floats, Ints

LARGE_DF = 20.0
"""From here on Hill's expansion is exact to 1e-11 (absolute, measured against the incomplete beta
function), and three to four times faster than stdtr. Lower, and it is no longer: 5e-11 at 15."""

HUGE_DF = 1e5
"""From here on two terms of the Cornish-Fisher expansion are: the next is of 1 / df^3."""

CELLS_AT_ONCE = 2**17
"""Elements of the (components, groups) arrays worked on at once: 1 MiB, what the cache of a core
holds."""

MOST_STEPS = 200
"""Steps to a quantile, at most: a guard. One or two are usual, and else the bracket is halved."""

LAST_STEP, SHORT_STEP = 5e-5, 3e-4
"""Distance from a quantile, on the normal scale, from which one more step of Newton's method is
the last, if it is shorter than so much of the narrowest component's scale: it squares both."""

LAST_HOWEVER_LONG = 1e-9
"""Distance from which it is the last however long it is (components of very different width, and
the gap between two peaks, where a step may do much worse than square the distance)."""

EXPANDED_SKEWNESS = 1.0
"""Skewness up to which the expansion in it is used to start from: beyond, the expansion may fall
where it should rise. A poor start costs steps, no digits."""

UNEVEN_SCALES = 30.0
"""Ratio of the widest to the narrowest component from which on moments are no start."""


def cdf(x: Floats, df: float) -> Floats:
    """P(T <= x) for T standard t with df degrees of freedom.

    Source: Hill (1970), doi:10.1145/355598.355599, for large df.
    """
    if math.isinf(df):
        return np.asarray(special.ndtr(x))
    if df < LARGE_DF:
        return np.asarray(special.stdtr(df, x))
    return np.asarray(special.ndtr(_to_normal(x, df)))


def _to_normal(x: Floats, df: float) -> Floats:
    if df > HUGE_DF:
        x2 = x * x
        second = (13.0 * x2 + 8.0) * x2 / (96.0 * df * df)
        return np.asarray(x + x * (second - (x2 + 1.0) / (4.0 * df)))
    a = df - 0.5
    b = 48.0 * a * a
    z2 = a * np.log1p(x * x / df)
    z = np.sqrt(z2)
    third = z2 * z2 * (4.0 * z2 * z + 33.0 * z) / 10.0 + z2 * z * 24.0 + z * 85.5
    u = z + (z2 * z + 3.0 * z) / b - third / (b * (b + 0.8 * z2 * z2 + 100.0))
    return np.copysign(u, x)


def pdf(x: Floats, df: float) -> Floats:
    """Density of the standard t with df degrees of freedom."""
    if math.isinf(df):
        return np.asarray(np.exp(-0.5 * x * x) * INVERSE_ROOT_2PI)
    if df > HUGE_DF:
        x2 = x * x
        return np.asarray(
            np.exp(-0.5 * x2) * INVERSE_ROOT_2PI * (1.0 + ((x2 - 2.0) * x2 - 1.0) / (4.0 * df))
        )
    return np.asarray(np.exp(log_constant(df) - 0.5 * (df + 1.0) * np.log1p(x * x / df)))


def log_constant(df: float) -> float:
    """Logarithm of the normalising constant of the t density."""
    if df > 1e6:  # the difference of gammas loses digits; expansion in 1 / df
        return -0.5 * LOG_2PI - 0.25 / df
    half = 0.5 * df
    gap = math.lgamma(half + 0.5) - math.lgamma(half)
    return gap - 0.5 * math.log(df * math.pi)


def quantile(p: Floats | float, df: float) -> Floats:
    """Quantile of the standard t with df degrees of freedom; shape as p."""
    if math.isinf(df):
        return np.asarray(special.ndtri(p))
    return np.asarray(special.stdtrit(df, p))


def mixture_cdf(x: Floats, loc: Floats, scale: Floats, weight: Floats, df: float) -> Floats:
    """CDF of B mixtures of C components; x (B,), loc and scale (C, B), weight (C,)."""
    return np.asarray(weight @ cdf((x - loc) / scale, df))


def mixture_pdf(x: Floats, loc: Floats, scale: Floats, weight: Floats, df: float) -> Floats:
    """Density of B mixtures of C components; shapes as in `mixture_cdf`."""
    return np.asarray(weight @ (pdf((x - loc) / scale, df) / scale))


def mixture_quantile(
    p: Floats | float,
    loc: Floats,
    scale: Floats,
    weight: Floats,
    df: float,
    near: float = LAST_STEP,
) -> Floats:
    """Quantile of B mixtures of C components, by Newton's method kept inside a bracket.

    The equation solved is ``ndtri(F(x)) = ndtri(p)``: on this scale the distribution function of
    a mixture that is nearly normal is nearly a straight line, so that one or two steps from the
    expansion in its moments give all digits. A mixture's quantile lies between the smallest and
    the largest of its components' quantiles; a step that leaves this bracket is replaced by its
    middle.

    Parameters
    ----------
    p : float or ndarray, shape (B,)
        Probabilities in (0, 1).
    loc, scale : ndarray, shape (C, B) or (C, 1)
        Location and scale of every component.
    weight : ndarray, shape (C,) or (C, B)
        Weights that sum to one over the components.
    df : float
        Degrees of freedom, infinite for normal components.
    near : float
        Distance on the normal scale from which one more step is the last.

    Returns
    -------
    ndarray, shape (B,)
    """
    unit = quantile(p, df)
    # each component's own quantile
    ends = loc + scale * unit
    low, high = ends.min(axis=0), ends.max(axis=0)
    narrow = np.broadcast_to(scale.min(axis=0), low.shape)
    # `not <`: scales of zero count as uneven
    uneven = np.broadcast_to(~(scale.max(axis=0) < UNEVEN_SCALES * scale.min(axis=0)), low.shape)
    x = _start(unit, ends, loc, scale, weight, np.flatnonzero(uneven))
    x = np.asarray(np.minimum(np.maximum(x, low), high))
    probability = np.broadcast_to(np.asarray(p, dtype=np.float64), x.shape)
    active = np.arange(len(x))
    for _ in range(MOST_STEPS):
        everyone = len(active) == len(x)
        some = slice(None) if everyone else active
        mixture = (loc, scale, weight) if everyone else _chosen(loc, scale, weight, active)
        new, excess = _step(x[some], probability[some], mixture, df)
        # each step tells on which side of the quantile its point lies: the bracket shrinks whatever
        # Newton's method does
        below = excess <= 0
        high[some] = np.where(below, high[some], x[some])
        low[some] = np.where(below, x[some], low[some])
        inside = (new >= low[some]) & (new <= high[some])
        if not inside.all():
            new = np.where(inside, new, _middle(low[some], high[some], narrow[some]))
        length = np.abs(
            new - x[some]
        )  # SHORT_STEP goes with LAST_STEP: other distances, in proportion
        short = (np.abs(excess) <= near) & (length <= SHORT_STEP / LAST_STEP * near * narrow[some])
        done = (short | (np.abs(excess) <= LAST_HOWEVER_LONG)) & inside | (
            high[some] - low[some] <= 1e-14 * np.abs(x[some])
        )
        x[some] = new
        active = active[~done]
        if not len(active):
            break
    return np.asarray(x)


def _start(
    unit: Floats, ends: Floats, loc: Floats, scale: Floats, weight: Floats, uneven: Ints
) -> Floats:
    """Where to look for quantiles first: Cornish and Fisher's expansion to the skewness.

    Moments say nothing where some components are very much wider than others: for these mixtures
    the start is the weighted median of the components' own quantiles.
    """
    if loc.shape[1] == 1 and ends.shape[1] > 1:
        return _weighted_median(ends, weight)
    # moments of the normal mixture, whatever df: this is only a start
    mean = _mixed(weight, loc)
    gap, square = loc - mean, scale * scale
    gap2 = gap * gap
    variance = _mixed(weight, square + gap2)
    # third central moment of a mixture of symmetric components: E gap^3 + 3 gap variance
    skew = _mixed(weight, gap * (3.0 * square + gap2)) / variance**1.5
    bend = np.clip(skew, -EXPANDED_SKEWNESS, EXPANDED_SKEWNESS) / 6.0
    x = np.asarray(mean + np.sqrt(variance) * (unit + bend * (unit * unit - 1.0)))
    if len(uneven):
        shares = weight if weight.ndim == 1 else weight[:, uneven]
        x[uneven] = _weighted_median(ends[:, uneven], shares)
    return np.asarray(x)


def _chosen(loc: Floats, scale: Floats, weight: Floats, at: Ints) -> tuple[Floats, Floats, Floats]:
    """Some of the mixtures."""
    shares = weight if weight.ndim == 1 else weight[:, at]
    return (loc, scale, shares) if loc.shape[1] == 1 else (loc[:, at], scale[:, at], shares)


@np.errstate(all="ignore")  # a step that is not a number is outside of the bracket
def _step(
    x: Floats, p: Floats, mixture: tuple[Floats, Floats, Floats], df: float
) -> tuple[Floats, Floats]:
    """Newton's next points, and how far x is above the quantile on the normal scale."""
    loc, scale, weight = mixture
    z = (x - loc) / scale
    value = _mixed(weight, cdf(z, df))
    slope = _mixed(weight, pdf(z, df) / scale)
    normal = special.ndtri(value)
    excess = normal - special.ndtri(p)
    # d ndtri(F(x)) / dx = slope / density of the normal there
    new = x - excess * np.exp(-0.5 * normal * normal) * INVERSE_ROOT_2PI / slope
    return new, excess


def mixture_expansion(p: float, loc: Floats, scale: Floats, weight: Floats, df: float) -> Floats:
    """Quantile of B mixtures from their first four moments, for mixtures that are nearly normal.

    The Cornish-Fisher expansion; exact to the squares of the excess skewness and kurtosis, so
    to be used only where that has been checked. Shapes as in `mixture_quantile`.
    """
    # variance and fourth moment of a t are 1 and 3 times these of its scale
    factor = 1.0 if math.isinf(df) else df / (df - 2.0)
    fourth_factor = 3.0 if math.isinf(df) else 3.0 * factor * df / (df - 4.0)
    mean = weight @ loc
    d = loc - mean
    # s2: variances of the components
    d2, s2 = d * d, factor * scale * scale
    variance = weight @ (s2 + d2)
    third = weight @ (d * (3.0 * s2 + d2))
    fourth = weight @ (fourth_factor / factor**2 * s2 * s2 + d2 * (6.0 * s2 + d2))
    sd = np.sqrt(variance)
    skew, excess = third / (variance * sd), fourth / variance**2 - 3.0
    z = float(special.ndtri(p))
    z2 = z * z
    offset = z + skew * ((z2 - 1.0) / 6.0) + excess * (z * (z2 - 3.0) / 24.0)
    offset -= skew * skew * (z * (2.0 * z2 - 5.0) / 36.0)
    return np.asarray(mean + sd * offset)


def _mixed(weight: Floats, values: Floats) -> Floats:
    """Weighted sum over components, (C, B) to (B,)."""
    return np.asarray(weight @ values if weight.ndim == 1 else (weight * values).sum(axis=0))


def _weighted_median(values: Floats, weight: Floats) -> Floats:
    """Weighted median of each column of (C, B) values; weight has shape (C,) or (C, B)."""
    order = np.argsort(values, axis=0)
    ordered = weight[order] if weight.ndim == 1 else np.take_along_axis(weight, order, axis=0)
    below = np.cumsum(ordered, axis=0)
    at = np.minimum((below < 0.5).sum(axis=0), len(weight) - 1)
    ranked = np.take_along_axis(values, order, axis=0)
    return np.asarray(np.take_along_axis(ranked, at[None], axis=0)[0])


def _middle(low: Floats, high: Floats, unit: Floats) -> Floats:
    """Middle of a bracket, on a scale linear within `unit` of zero and logarithmic beyond."""
    return np.asarray(unit * np.sinh(0.5 * (np.arcsinh(low / unit) + np.arcsinh(high / unit))))
