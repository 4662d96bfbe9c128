"""Importance sampling from a mixture of t distributions, with quasi-Monte Carlo points.

For densities over many dimensions, given per unit of coordinates that run over the whole real
line. The mixture starts with one component a mode and is fitted to weighted points in rounds.
Independent randomisations of the final points tell the error.

Sources: Cappe, Douc, Guillin, Marin and Robert (2008), doi:10.1007/s11222-008-9059-x, for fitting
the mixture; Raftery and Bao (2010), doi:10.1111/j.1541-0420.2010.01399.x, for new components
where weights are large; Cornuet, Marin, Mira and Robert (2012),
doi:10.1111/j.1467-9469.2011.00756.x, for pooling all rounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from partialpool._normal import INTERVAL_ENDS, NORMAL_WIDTH, T_OF_EIGHT
from partialpool._typing import AnyArray, Floats, Ints
from partialpool.integrate.axis import Coordinate
from partialpool.integrate.maximise import Peak
from partialpool.integrate.rank_one_lattice import folded_lattice
from partialpool.integrate.trapezoid import Accuracy
from partialpool.integrate.weighted import WeightedNodes

Evaluate = Callable[[Floats], tuple[Floats, Floats]]
"""Maps points, (G, d), to log densities, (G,), and to whatever is carried along, (G, m)."""

COMPONENT_DF = 5.0
"""Degrees of freedom of the components: fewer waste points, more leave tails uncovered (a normal
mixture has an effective share of 0.4 on Machines with three effects, this one 0.7)."""
WIDEST_COMPONENT = 3.0
"""Largest sd of a first component, in units of a coordinate: flat directions are cut off there."""
LEAST_SHARE = 0.1
"""Of a mode among the first components, however low it is: Laplace may say little of a mode with a
heavy tail, and points there that are not needed cost little."""
FIRST_FITTING_POINTS, FITTING_GROWTH, MOST_FITTING_POINTS = 128, 1.5, 8192
"""Points of the first round of fitting; their growth; points of all rounds, at most."""
GOOD_SHARE = 0.6
"""Effective share of points at which fitting stops: what is left to gain is less than double."""
MOST_COMPONENTS = 6
"""Components, at most; more are fitted to noise, with some hundred points each."""
NEW_COMPONENT_SHARE = 0.25
"""Of a component that is added where weights are largest."""
FITTING_STEPS = 3
"""EM steps a round: the weights change with the next round anyway."""
DROPPED_SHARE = 0.01
"""A component of less share is dropped: its covariance would rest on a few points."""
FINAL_STRETCH = 1.25
"""Factor of the components' scales in the end: a proposal that is too narrow costs far more than
one that is too wide (share 0.6 to 0.65, largest weight halved)."""
SCRAMBLES = 8
"""Independent shifts of the lattice, from whose spread errors are estimated: as few as tell a
standard error to a fourth, as each needs points enough to be even."""
FIRST_SIZE, LARGEST_SIZE = 1024, 2**16
"""Points to begin with, and at most; they are doubled until the error is reached."""
UNEVEN_SHARE, UNEVEN_WEIGHT = 0.1, 0.1
"""A smaller effective share, or a larger single weight, and the estimated error is not to be relied
on: the target counts as not reached."""
SEED = 20261129
"""A fixed one: the same data give the same digits."""
DENSITY_DIFFERENCE = 0.0125
"""Difference of probability over which the density at an end is taken."""


@dataclass(frozen=True, slots=True)
class SamplingTarget:
    """Targets of the error, in standard deviations, as 95% bounds.

    Parameters
    ----------
    moments : float
        Of means and standard deviations.
    ends : float
        Of ends of 95% intervals.
    """

    moments: float
    ends: float


@dataclass(frozen=True, eq=False)
class Sample(WeightedNodes):
    """A density as weighted points of several randomisations.

    Parameters
    ----------
    u : ndarray, shape (C, d)
        Coordinates of the points.
    axes : tuple of Coordinate
    effective : float
        Effective share of the points, 1 / (C sum w^2).
    """

    u: Floats
    axes: tuple[Coordinate, ...]
    effective: float

    @property
    def method(self) -> str:
        """How the density was integrated, in words."""
        size = len(self.weight)
        return f"importance sampling over the hyperparameters, {size:,} quasi-Monte Carlo points"

    def bound(self, values: Floats, chosen: Ints | slice = slice(None)) -> Floats:
        """Bound (95%) on the error of the weighted mean of values, (C, ...), of chosen nodes."""
        means = self._replicate_means(values, chosen)
        return np.asarray(T_OF_EIGHT * means.std(axis=0, ddof=1) / math.sqrt(len(means)))


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """A mixture of K multivariate t distributions in d dimensions.

    Parameters
    ----------
    share : ndarray, shape (K,)
    mean : ndarray, shape (K, d)
    root : ndarray, shape (K, d, d)
        Lower Cholesky factors of the squared scales.
    """

    share: Floats
    mean: Floats
    root: Floats

    def parts(self, u: Floats) -> tuple[Floats, Floats]:
        """Log density of each component times its share, and squared distances; (K, N) each."""
        d = u.shape[1]
        # of the multivariate t with squared scale root root'
        constant = math.lgamma(0.5 * (COMPONENT_DF + d)) - math.lgamma(0.5 * COMPONENT_DF)
        constant -= 0.5 * d * math.log(COMPONENT_DF * math.pi)
        logs, squares = [], []
        for share, mean, root in zip(self.share, self.mean, self.root, strict=True):
            square = _squared_distance(u, mean, root)
            size = float(np.log(np.diag(root)).sum())
            log_q = (
                math.log(share)
                + constant
                - size
                - 0.5 * (COMPONENT_DF + d) * np.log1p(square / COMPONENT_DF)
            )
            logs.append(log_q)
            squares.append(square)
        return np.array(logs), np.array(squares)

    def log_density(self, u: Floats) -> Floats:
        """Log density at u, (N, d)."""
        return np.asarray(special.logsumexp(self.parts(u)[0], axis=0))

    def points(self, first: int, size: int, shifts: Floats) -> Floats:
        """Points `first`, ... of each component's sequence, divided by share; shifts (K, d + 1)."""
        d = self.mean.shape[1]
        out = []
        # stratified: each component has its share of the points, from a sequence of its own, so
        # that points of the next round continue it
        ends = np.rint(np.cumsum(self.share) * size).astype(np.intp)
        begins = np.rint(np.cumsum(self.share) * first).astype(np.intp)
        counts, starts = np.diff(ends, prepend=0), np.diff(begins, prepend=0)
        for k, (mean, root) in enumerate(zip(self.mean, self.root, strict=True)):
            p = folded_lattice(int(starts[k]), int(counts[k]), shifts[k])
            normal = special.ndtri(p[:, :d])
            chi2 = 2.0 * special.gammaincinv(0.5 * COMPONENT_DF, p[:, d])
            # a normal vector over the root of chi-square / df is a multivariate t
            out.append(mean + (normal / np.sqrt(chi2 / COMPONENT_DF)[:, None]) @ root.T)
        return np.concatenate(out)


@dataclass(frozen=True, slots=True)
class _Target:
    """The density per unit of the coordinates."""

    evaluate: Evaluate
    axes: tuple[Coordinate, ...]

    def __call__(self, u: Floats) -> tuple[Floats, Floats, Floats]:
        """Log density at u, (N, d), the points' values, and what is carried along."""
        x = np.stack([a.value(u[:, i]) for i, a in enumerate(self.axes)], axis=1)
        log_f, carried = self.evaluate(x)
        # density per unit of u: the Jacobian of each axis
        slope = np.sum([a.log_slope(u[:, i]) for i, a in enumerate(self.axes)], axis=0)
        return np.where(np.isfinite(log_f), log_f, -np.inf) + slope, x, carried


@np.errstate(all="ignore")  # in the tails numbers may overflow: there is no density
def integrate_by_sampling(
    evaluate: Evaluate,
    axes: Sequence[Coordinate],
    peaks: Sequence[Peak],
    *,
    moments: Sequence[float],
    target: SamplingTarget,
    budget: int,
) -> Sample:
    """Integrate exp(log density) over the axes.

    Parameters
    ----------
    evaluate : callable
        Maps points (G, d) to log densities (G,) and what is to be carried along (G, m).
    axes : sequence of Coordinate, length d
    peaks : sequence of Peak
        All modes, from `find_modes`: one that is missed is not noticed.
    moments : sequence of float, length d
        Moments of an order below this exist and are monitored (orders 1 and 2 at most).
    target : SamplingTarget
        Points are doubled until the error is below it.
    budget : int
        Evaluations to spend, about, at most; the error reached with them is estimated.
    """
    density = _Target(evaluate, tuple(axes))
    rng = np.random.default_rng(SEED)
    proposal = _fitted(density, _first_proposal(peaks), rng, min(budget // 4, MOST_FITTING_POINTS))
    # shares of the drawn points exactly, or the weights would be biased
    proposal = _rounded(replace(proposal, root=FINAL_STRETCH * proposal.root))
    shifts = rng.random((SCRAMBLES, len(proposal.share), len(axes) + 1))
    first, size = 0, FIRST_SIZE // SCRAMBLES
    parts: list[tuple[AnyArray, ...]] = []
    while True:
        parts.append(_drawn(density, proposal, shifts, first, size))
        sample, told = _weighted(parts, density.axes, moments)
        reached = told.moments <= target.moments and told.ends <= target.ends
        # one heavy point makes all randomisations agree but one: their spread then tells too little
        even = sample.effective > UNEVEN_SHARE and sample.weight.max() < UNEVEN_WEIGHT
        first, size = first + size, first + size
        if (reached and even) or SCRAMBLES * 2 * size > min(budget, LARGEST_SIZE):
            status = Accuracy.REACHED if reached and even else Accuracy.NOT_REACHED
            return replace(sample, status=status)


def _first_proposal(peaks: Sequence[Peak]) -> Proposal:
    """One component a mode, as wide as the curvature there says."""
    share, root = [], []
    for peak in peaks:
        curved, directions = np.linalg.eigh(-peak.hessian)
        covariance = (directions / np.maximum(curved, WIDEST_COMPONENT**-2)) @ directions.T
        root.append(np.linalg.cholesky(covariance))
        # Laplace's approximation of the mass of each mode
        share.append(peak.value + float(np.log(np.diag(root[-1])).sum()))
    shares = np.exp(np.array(share) - max(share))
    shares = np.maximum(shares / shares.sum(), LEAST_SHARE)
    return Proposal(shares / shares.sum(), np.array([p.at for p in peaks]), np.array(root))


class Pool:
    """Points of several proposals with log densities, and mixtures fitted to all of them."""

    def __init__(self) -> None:
        self._points: list[Floats] = []
        self._values: list[Floats] = []
        self._proposals: list[Callable[[Floats], Floats]] = []

    @property
    def size(self) -> int:
        """Number of points."""
        return sum(map(len, self._points))

    def add(self, u: Floats, log_f: Floats, proposal: Callable[[Floats], Floats]) -> None:
        """Add points u, (N, d), drawn from a proposal with this log density."""
        self._points.append(u)
        self._values.append(log_f)
        self._proposals.append(proposal)

    def fitted(self, mixture: Proposal, *, widen: bool) -> Proposal:
        """A mixture fitted to all points, from another; with a new component if `widen`."""
        every, log_f = np.concatenate(self._points), np.concatenate(self._values)
        # points of all rounds as one sample from the mixture of their proposals (deterministic
        # mixture weights, Owen and Zhou 2000)
        counts = [math.log(len(p) / self.size) for p in self._points]
        pooled = [q(every) + c for q, c in zip(self._proposals, counts, strict=True)]
        weight = _normalised(log_f - special.logsumexp(np.array(pooled), axis=0))
        mixture = _expected(mixture, every, weight)
        if widen and len(mixture.share) < MOST_COMPONENTS:
            mixture = _expected(_added(mixture, every, weight, log_f), every, weight)
        return mixture


def _fitted(
    density: _Target, proposal: Proposal, rng: np.random.Generator, budget: int
) -> Proposal:
    """Fit the mixture to the density in rounds, each with the points of all before it."""
    pool, size = Pool(), FIRST_FITTING_POINTS
    while not pool.size or pool.size + size <= budget:
        shifts = rng.random((len(proposal.share), len(density.axes) + 1))
        u = proposal.points(0, size, shifts)
        log_f = density(u)[0]
        if effective_share(log_f - proposal.log_density(u)) > GOOD_SHARE:
            break
        widen = pool.size > 0
        pool.add(u, log_f, proposal.log_density)
        proposal = pool.fitted(proposal, widen=widen)
        size = int(size * FITTING_GROWTH)
    return proposal


def effective_share(log_weight: Floats) -> float:
    """1 / (N sum w^2) of N normalised weights: the share of points that count."""
    weight = _normalised(log_weight)
    return float(1.0 / (weight**2).sum() / len(weight))


def _normalised(log_weight: Floats) -> Floats:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def _expected(proposal: Proposal, u: Floats, weight: Floats) -> Proposal:
    """EM steps for a mixture of t's with weighted points.

    Each component's squared scale is drawn towards what it was, the more the fewer points it has.
    """
    d = u.shape[1]
    for _ in range(FITTING_STEPS):
        logs, squares = proposal.parts(u)
        belongs = weight * np.exp(logs - special.logsumexp(logs, axis=0))
        share, mean, root = [], [], []
        for r, square, old in zip(belongs, squares, proposal.root, strict=True):
            total = float(r.sum())
            if total < DROPPED_SHARE:
                continue
            # effective number of points that a component is fitted to
            points = total**2 / float((r**2).sum())
            # as an inverse Wishart prior worth d + 1 points would
            keep = (d + 1.0) / (points + d + 1.0)
            # EM for a multivariate t: a point far away counts less, by its expected precision
            g = r * (COMPONENT_DF + d) / (COMPONENT_DF + square)
            center = g @ u / g.sum()
            away = u - center
            covariance = (1.0 - keep) * ((away.T * g) @ away) / total + keep * (old @ old.T)
            share.append(total)
            mean.append(center)
            root.append(_cholesky(covariance))
        proposal = Proposal(np.array(share) / sum(share), np.array(mean), np.array(root))
    return proposal


def _added(proposal: Proposal, u: Floats, weight: Floats, log_f: Floats) -> Proposal:
    """One component more, about the point at which the mixture falls shortest of the density."""
    d = u.shape[1]
    center = weight @ u
    away = u - center
    spread = _cholesky((away.T * weight) @ away)
    # where the ratio is largest among points that have weight
    short = log_f - proposal.log_density(u) + np.log(weight + 1e-300)
    worst = u[int(np.argmax(short))]
    distance = _squared_distance(u, worst, spread)
    near = np.argsort(distance)[: max(10 * d, len(u) // 8)]
    # half by weight, half even: one heavy point would make a component without width
    local = 0.5 * weight[near] / max(float(weight[near].sum()), 1e-300) + 0.5 / len(near)
    away = u[near] - worst
    return Proposal(
        np.append((1.0 - NEW_COMPONENT_SHARE) * proposal.share, NEW_COMPONENT_SHARE),
        np.concatenate([proposal.mean, worst[None]]),
        np.concatenate([proposal.root, _cholesky((away.T * local) @ away)[None]]),
    )


def _squared_distance(u: Floats, center: Floats, root: Floats) -> Floats:
    """Squared distances (N,) in units of a small matrix's factor, inverted: solving is slower."""
    away = (u - center) @ np.linalg.inv(root).T
    return np.asarray(np.einsum("nd,nd->n", away, away))


def _cholesky(covariance: Floats) -> Floats:
    """Factor of a covariance, its diagonal raised by what rounding may have taken off."""
    diagonal = np.diag(covariance)
    return np.asarray(np.linalg.cholesky(covariance + np.diag(1e-9 * diagonal + 1e-12)))


def _rounded(proposal: Proposal) -> Proposal:
    """The same with shares that divide the points of each randomisation without a rest.

    A component of a share that is not the share of its points would bias the weights.
    """
    size = FIRST_SIZE // SCRAMBLES
    ends = np.rint(np.cumsum(proposal.share) * size)
    counts = np.maximum(np.diff(ends, prepend=0.0), 1.0)
    # the largest component takes what rounding left
    counts[int(np.argmax(counts))] -= counts.sum() - size
    return replace(proposal, share=counts / size)


def _drawn(
    density: _Target, proposal: Proposal, shifts: Floats, first: int, size: int
) -> tuple[AnyArray, ...]:
    """Coordinates, values, what is carried, log weight and randomisation of new points."""
    u = np.concatenate([proposal.points(first, size, s) for s in shifts])
    log_f, x, carried = density(u)
    replicate = np.repeat(np.arange(len(shifts)), size)
    return u, x, carried, log_f - proposal.log_density(u), replicate


def _weighted(
    parts: list[tuple[AnyArray, ...]], axes: tuple[Coordinate, ...], moments: Sequence[float]
) -> tuple[Sample, SamplingTarget]:
    """All points with their weights, and the errors they tell."""
    u, x, carried, log_weight, replicate = (np.concatenate(p) for p in zip(*parts, strict=True))
    top = log_weight.max()
    weight = np.exp(log_weight - top)
    log_total = float(top + math.log(weight.mean()))
    some = weight > 0.0  # the others need not carry numbers
    effective = effective_share(log_weight)
    sample = Sample(
        weight=weight[some] / weight.sum(),
        points=x[some],
        carried=carried[some],
        replicate=replicate[some].astype(np.intp),
        log_total=log_total,
        error=math.inf,
        status=Accuracy.NOT_REACHED,
        u=u[some],
        axes=axes,
        effective=effective,
    )
    told = _told(sample, moments)
    return replace(sample, error=max(told.moments, told.ends)), told


def _told(sample: Sample, moments: Sequence[float]) -> SamplingTarget:
    """Bounds on the errors of each dimension's mean, sd and ends of its 95% interval."""
    of_moments, of_ends = [], []
    for i, (axis, order) in enumerate(zip(sample.axes, moments, strict=True)):
        x, u, w = sample.points[:, i], sample.u[:, i], sample.weight
        rank = np.argsort(u)
        # weight below each point, half of its own included
        below = np.cumsum(w[rank]) - 0.5 * w[rank]
        ends = np.interp(INTERVAL_ENDS, below, u[rank])
        width = float(np.diff(axis.value(ends))[0]) / NORMAL_WIDTH
        for p, end in zip(INTERVAL_ENDS, ends, strict=True):
            # error of the probability below the end, which over the density there is that of the
            # end
            off = float(sample.bound((u <= end).astype(np.float64)))
            around = axis.value(
                np.interp([p - DENSITY_DIFFERENCE, p + DENSITY_DIFFERENCE], below, u[rank])
            )
            of_ends.append(off * float(np.diff(around)[0]) / (2.0 * DENSITY_DIFFERENCE * width))
        if order > 1.0:
            mean = float(w @ x)
            square = (x - mean) ** 2
            sd = math.sqrt(float(w @ square))
            of_moments.append(float(sample.bound(x)) / (sd if order > 2.0 else width))
        if order > 2.0:
            # d log sd = d log variance / 2
            of_moments.append(0.5 * float(sample.bound(square)) / sd**2)
    return SamplingTarget(_largest(of_moments), _largest(of_ends))


def _largest(bounds: list[float]) -> float:
    """The largest bound, each drawn half way to what all say together.

    Eight randomisations tell a standard error to a fourth only: of twenty of the same size the
    largest estimate is half as much again.
    """
    square = np.square(bounds)
    if not len(square):
        return 0.0
    return float(np.nan_to_num(math.sqrt(0.5 * (square.max() + square.mean())), nan=math.inf))
