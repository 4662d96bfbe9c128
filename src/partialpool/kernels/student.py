"""Student's t (normal when df is infinite) and mixtures of it, accurate at any df."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from partialpool._typing import Floats

ROOT_2PI = 1.0 / math.sqrt(2.0 * math.pi)

LARGE_DF = 400.0
"""From here on Hill's expansion is exact to rounding, and much faster than stdtr."""

HUGE_DF = 1e5
"""From here on two terms of the Cornish-Fisher expansion are."""

BLOCK = 2**17
"""Elements of the (components, groups) arrays worked on at once."""


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
        return np.asarray(np.exp(-0.5 * x * x) * ROOT_2PI)
    if df > HUGE_DF:
        x2 = x * x
        return np.asarray(
            np.exp(-0.5 * x2) * ROOT_2PI * (1.0 + ((x2 - 2.0) * x2 - 1.0) / (4.0 * df))
        )
    return np.asarray(np.exp(log_constant(df) - 0.5 * (df + 1.0) * np.log1p(x * x / df)))


def log_constant(df: float) -> float:
    """Logarithm of the normalising constant of the t density."""
    if df > 1e6:  # the difference of gammas loses digits; expansion in 1 / df
        return -0.5 * math.log(2.0 * math.pi) - 0.25 / df
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
    p: Floats | float, loc: Floats, scale: Floats, weight: Floats, df: float, rounds: int = 200
) -> Floats:
    """Quantile of B mixtures of C components, by Newton's method kept inside a bracket.

    A mixture's quantile lies between the smallest and the largest of its components' quantiles.

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

    Returns
    -------
    ndarray, shape (B,)
    """
    unit = quantile(p, df)
    ends = loc + scale * unit
    low, high = ends.min(axis=0), ends.max(axis=0)
    narrow = scale.min(axis=0)
    if loc.shape[1] == 1:
        x = np.broadcast_to(_weighted_median(ends, weight), low.shape)
    else:
        mean = _mixed(weight, loc)
        spread = np.sqrt(_mixed(weight, scale**2 + (loc - mean) ** 2))
        x = np.minimum(np.maximum(mean + spread * unit, low), high)
    inverse = 1.0 / scale
    slope_weight = inverse * (weight if weight.ndim == 2 else weight[:, None])
    near = 1e-4 * np.minimum(p, 1.0 - np.asarray(p))  # Newton's next step squares this
    for _ in range(rounds):
        z = (x - loc) * inverse
        excess = _mixed(weight, cdf(z, df)) - p
        density = pdf(z, df)
        density *= slope_weight
        slope = density.sum(axis=0)
        high = np.where(excess > 0, x, high)
        low = np.where(excess > 0, low, x)
        new = x - excess / np.maximum(slope, 1e-300)
        inside = (new >= low) & (new <= high)
        if not inside.all():
            new = np.where(inside, new, _middle(low, high, narrow))
        done = (np.abs(excess) <= near) & inside | (high - low <= 1e-14 * np.abs(x))
        x = new
        if done.all():
            break
    return np.asarray(x)


def mixture_expansion(p: float, loc: Floats, scale: Floats, weight: Floats, df: float) -> Floats:
    """Quantile of B mixtures from their first four moments, for mixtures that are nearly normal.

    The Cornish-Fisher expansion; exact to the squares of the excess skewness and kurtosis, so
    to be used only where that has been checked. Shapes as in `mixture_quantile`.
    """
    factor = 1.0 if math.isinf(df) else df / (df - 2.0)
    fourth_factor = 3.0 if math.isinf(df) else 3.0 * factor * df / (df - 4.0)
    mean = weight @ loc
    d = loc - mean
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
    """Weighted median of each column of (C, B) values."""
    order = np.argsort(values, axis=0)
    below = np.cumsum(weight[order], axis=0)
    at = np.minimum((below < 0.5).sum(axis=0), len(weight) - 1)
    ranked = np.take_along_axis(values, order, axis=0)
    return np.asarray(np.take_along_axis(ranked, at[None], axis=0)[0])


def _middle(low: Floats, high: Floats, unit: Floats) -> Floats:
    """Middle of a bracket, on a scale linear within `unit` of zero and logarithmic beyond."""
    return np.asarray(unit * np.sinh(0.5 * (np.arcsinh(low / unit) + np.arcsinh(high / unit))))
