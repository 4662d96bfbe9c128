"""The estimators over many replicates at once; (R, J) in, (R, J) out.

The same formulas as in `classical` and `posterior`, vectorised over replicates; tests hold each
to its twin there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.kernels import student
from partialpool.simulate.world import Worlds
from partialpool.threads import mapped

CELLS_AT_ONCE = 2**18
"""Replicates times groups times nodes worked on at once (2 MiB an array, of which a core's cache
holds one or two)."""
NEGLIGIBLE = 1e-14
"""Nodes of no larger probability in any replicate are left out: far below the error of risks over
replicates."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimated:
    """What an estimator makes of R replicates.

    Parameters
    ----------
    estimate : ndarray, shape (R, J)
    lower, upper : ndarray, shape (R, J), optional
        Intervals, where the estimator gives them.
    tau, middle : ndarray, shape (R,), optional
        The tau it uses and the value it pools toward, where it has them (units of y).
    """

    estimate: Floats
    lower: Floats | None = None
    upper: Floats | None = None
    tau: Floats | None = None
    middle: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What an estimator may use.

    Parameters
    ----------
    mean : ndarray, shape (R, J)
        Group means.
    n : ndarray, shape (J,)
        Rows.
    ssw : ndarray, shape (R,)
        Within-group sums of squares; zero where sigma is taken as known.
    sigma : float or None
        Within-group sd, if it is taken as known.
    level : float
        Probability of intervals.
    """

    mean: Floats
    n: Floats
    ssw: Floats
    sigma: float | None
    level: float

    @property
    def sigma_used(self) -> Floats:
        """Known or pooled sigma, shape (R, 1)."""
        if self.sigma is not None:
            return np.full((len(self.mean), 1), self.sigma)
        return np.asarray(np.sqrt(self.ssw / (self.n.sum() - len(self.n)))[:, None])

    @property
    def z(self) -> float:
        """Normal quantile of the level."""
        return float(special.ndtri(0.5 + self.level / 2))


def observed(given: Worlds, *, sigma_known: bool, level: float) -> Observed:
    """Take what can be seen of the worlds."""
    if sigma_known:  # then the squares are not needed, and drawing them takes longest
        nothing = np.zeros(len(given.mean))
        return Observed(given.mean, given.n, nothing, given.world.sigma, level)
    return Observed(given.mean, given.n, given.ss.sum(axis=1), None, level)


def no_pooling(o: Observed) -> Estimated:
    """Each group's own mean."""
    half = o.z
    if o.sigma is None:
        half = float(special.stdtrit(o.n.sum() - len(o.n), 0.5 + o.level / 2))
    error = half * o.sigma_used / np.sqrt(o.n)
    return Estimated(o.mean, o.mean - error, o.mean + error)


def complete_pooling(o: Observed) -> Estimated:
    """The mean of all rows."""
    grand = (o.mean @ o.n / o.n.sum())[:, None]
    return Estimated(np.broadcast_to(grand, o.mean.shape))


def moments(o: Observed) -> Estimated:
    """The classic simulator's estimator, floor 0.01, with its naive intervals."""
    v = o.sigma_used**2 / o.n  # (R, J)
    tau2 = np.var(o.mean, axis=1, ddof=1) - v.mean(axis=1)
    tau2 = np.maximum(tau2, 0.01)[:, None]
    kept = tau2 / (tau2 + v)
    middle = o.mean.mean(axis=1, keepdims=True)
    estimate = kept * o.mean + (1 - kept) * middle
    error = o.z * np.sqrt(kept * v)
    tau = np.sqrt(tau2[:, 0])
    return Estimated(estimate, estimate - error, estimate + error, tau, middle[:, 0])


def james_stein(o: Observed) -> Estimated:
    """Positive part, toward the mean; for groups of one size."""
    v = o.sigma_used**2 / o.n[0]
    middle = o.mean.mean(axis=1, keepdims=True)
    gap = o.mean - middle
    kept = 1.0 - (len(o.n) - 3) * v / (gap**2).sum(axis=1, keepdims=True)
    return Estimated(middle + np.maximum(kept, 0.0) * gap)


def reml(o: Observed) -> Estimated:
    """REML plug-in, with intervals that allow for mu but not for tau."""
    scale = 1.0 if o.sigma is None else o.sigma
    lam = reml_ratio(o)[:, None]
    w = o.n / (1.0 + o.n * lam)
    mu = ((w * o.mean).sum(axis=1) / w.sum(axis=1))[:, None]
    b = 1.0 / (1.0 + o.n * lam)
    if o.sigma is None:
        squares = o.ssw + (w * (o.mean - mu) ** 2).sum(axis=1)
        sigma2 = (squares / (o.n.sum() - 1))[:, None]
    else:
        sigma2 = np.full((len(o.mean), 1), scale**2)
    estimate = o.mean + b * (mu - o.mean)
    variance = sigma2 * (lam * b + b**2 / w.sum(axis=1, keepdims=True))
    error = o.z * np.sqrt(variance)
    tau = np.sqrt(lam * sigma2)[:, 0]
    return Estimated(estimate, estimate - error, estimate + error, tau, mu[:, 0])


def reml_ratio(o: Observed) -> Floats:
    """Lambda = tau^2 / sigma^2 that maximises the restricted likelihood, shape (R,)."""
    df = o.n.sum() - 1.0

    def pieces(lam: Floats) -> tuple[Floats, Floats, Floats]:
        w = o.n / (1.0 + o.n * lam[:, None])  # (R, J)
        total = w.sum(axis=1)
        mu = (w * o.mean).sum(axis=1) / total
        return w, total, (o.mean - mu[:, None]) ** 2

    def value(lam: Floats) -> Floats:
        w, total, squares = pieces(lam)
        q = (w * squares).sum(axis=1)
        fit = q / o.sigma**2 if o.sigma is not None else df * np.log(o.ssw + q)
        return np.asarray(-0.5 * (np.log1p(o.n * lam[:, None]).sum(axis=1) + np.log(total) + fit))

    def slope(lam: Floats) -> Floats:
        w, total, squares = pieces(lam)
        w2 = w * w
        fall = (w2 * squares).sum(axis=1)
        if o.sigma is not None:
            fall = fall / o.sigma**2
        else:
            fall = fall * df / (o.ssw + (w * squares).sum(axis=1))
        return np.asarray(0.5 * (fall - total + w2.sum(axis=1) / total))

    grid = np.concatenate([[0.0], np.geomspace(1e-5, 1e4, 28) / o.n.mean()])
    values = np.stack([value(np.full(len(o.mean), g)) for g in grid])
    best = values.argmax(axis=0)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, len(grid) - 1)]
    at_zero = (best == 0) & (slope(np.zeros(len(low))) <= 0)
    for _ in range(40):
        middle = 0.5 * (low + high)
        rising = slope(middle) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return np.where(at_zero, 0.0, 0.5 * (low + high))


def full_posterior(o: Observed) -> Estimated:
    """Exact posterior under flat priors of mu and tau (1/sigma on sigma), in blocks."""
    size, groups = o.mean.shape
    u, log_slope = _nodes(o)
    block = max(1, CELLS_AT_ONCE // (len(u) * groups))

    def part(i: int) -> tuple[Floats, Floats, Floats]:
        here = replace(o, mean=o.mean[i : i + block], ssw=o.ssw[i : i + block])
        return _posterior_block(here, u, log_slope)

    parts = mapped(part, range(0, size, block))
    joined = [np.concatenate(p) for p in zip(*parts, strict=True)]
    return Estimated(*joined)


def _nodes(o: Observed) -> tuple[Floats, Floats]:
    """Nodes of u = log(tau / sigma), the same for all replicates, and log du/dt."""
    step = min(0.0625, 0.6 / math.sqrt(2.0 * len(o.n)))
    reach = math.ceil(4.6 / step)
    t = step * np.arange(-reach, reach + 1)
    u = -0.5 * math.log(o.n.mean()) + np.sinh(t)
    return u, np.log(np.cosh(t))


def _posterior_block(o: Observed, u: Floats, log_slope: Floats) -> tuple[Floats, Floats, Floats]:
    rows = o.n.sum()
    center = (o.mean @ o.n / rows)[:, None]
    y = o.mean - center  # (R, J)
    lam = np.exp(2.0 * u)[:, None]  # (G, 1)
    w = o.n / (1.0 + o.n * lam)  # (G, J)
    total = w.sum(axis=1)[:, None]
    mu = (w @ y.T) / total  # (G, R)
    between = w @ (y**2).T - total * mu**2
    fixed = log_slope + u - 0.5 * np.log1p(o.n * lam).sum(axis=1) - 0.5 * np.log(total[:, 0])
    if o.sigma is None:
        df = float(rows - 2.0)
        squares = o.ssw + np.maximum(between, 0.0)
        log_p = fixed[:, None] - 0.5 * df * np.log(squares)
        scale2 = squares / df
    else:
        df = math.inf
        log_p = fixed[:, None] - 0.5 * between / o.sigma**2
        scale2 = np.full(mu.shape, o.sigma**2)
    p = np.exp(log_p - log_p.max(axis=0))
    p /= p.sum(axis=0)  # (G, R)
    used = p.max(axis=1) > NEGLIGIBLE
    p, mu, scale2, lam, total = p[used], mu[used], scale2[used], lam[used], total[used]
    b = (1.0 / (1.0 + o.n * lam))[:, None, :]  # (G, 1, J)
    loc = y + b * (mu[:, :, None] - y)  # (G, R, J)
    variance = scale2[:, :, None] * (lam[:, :, None] * b + b**2 / total[:, :, None])
    estimate = np.einsum("gr,grj->rj", p, loc) + center
    shape = y.shape
    weight = np.repeat(p, shape[1], axis=1)
    loc2, scale = loc.reshape(len(p), -1), np.sqrt(variance).reshape(len(p), -1)
    tail = 0.5 - o.level / 2
    ends = [student.mixture_quantile(q, loc2, scale, weight, df) for q in (tail, 1 - tail)]
    lower, upper = (e.reshape(shape) + center for e in ends)
    return estimate, lower, upper


Estimator = Callable[[Observed], Estimated]
CLOSED_FORM: dict[str, Estimator] = {
    "no_pooling": no_pooling,
    "complete_pooling": complete_pooling,
    "moments": moments,
    "reml": reml,
    "james_stein": james_stein,
}
ESTIMATORS: dict[str, Estimator] = {**CLOSED_FORM, "posterior": full_posterior}
