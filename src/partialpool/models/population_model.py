"""One-way models whose groups come from a population that is not normal.

    theta_j ~ sum_k share_k(phi) N(mu, v_k(phi)),    phi = (tau[, df | share, ratio][, sigma])

At each phi mu is known on a grid of its own, so that nothing is assumed of its distribution; the
integral over phi is left to who asks.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from partialpool._normal import LOG_2PI
from partialpool._typing import Bools, Floats, Ints
from partialpool.errors import ImproperPosteriorError
from partialpool.integrate import Axis, Coordinate, HalfLine, Interval
from partialpool.kernels import counts
from partialpool.kernels.counts import Pairs
from partialpool.kernels.families import Link
from partialpool.kernels.knots import Knots, knots
from partialpool.kernels.normal_mixtures import NormalMixtures, center_and_sd, log_likelihood
from partialpool.kernels.shares import log_sum
from partialpool.models.counts import CELLS_AT_ONCE, counts_model
from partialpool.models.oneway import one_way_model
from partialpool.models.populations import PointNormal, Population
from partialpool.models.prior_set import Priors
from partialpool.models.priors import (
    DuMouchel,
    Normal,
    ScalePrior,
    StudentT,
    log_density_of_coefficient,
)
from partialpool.models.propriety import Moments
from partialpool.records import CountStatistics, GroupStatistics

MU_STEP, MU_STEPS, MU_STRETCH = 0.3, 8, 2.0
"""Grid of mu at each phi: ``stretch sinh(t)`` sds from its centre, t even. Of a normal density the
totals are right to 1e-12; a finer grid (0.25, 10) moves nothing by 1e-4 sd."""
SD_RATIOS = (0.7, 1.5)
"""Sds of mu over that for which its grid was laid: beyond these a new one is laid."""
OFF_CENTRE = 0.6
"""Distance of the mean from the centre of the grid, in sds, beyond which it is too."""
MOST_REPEATS = 4
"""New grids at most: once for nearly all, three times where one group lies 200
standard errors from the others, whose rough density of mu is a hundred times too wide."""


@dataclass(frozen=True, slots=True, eq=False)
class MuGrids:
    """mu at each of G values of phi: M nodes with the density there.

    Parameters
    ----------
    mu : ndarray, shape (G, M)
        Nodes (less the model's center).
    log_mass : ndarray, shape (G, M)
        Log density of (y, mu, phi) times the distance of nodes of mu.
    """

    mu: Floats
    log_mass: Floats


class GroupsOfPopulation(ABC):
    """What is known of the groups: their likelihood given mu and the population."""

    @property
    @abstractmethod
    def far(self) -> float:
        """Distance of the farthest group from the middle."""

    @property
    @abstractmethod
    def terms(self) -> int:
        """Groups, or knots that stand for them."""

    @abstractmethod
    def rough(self, sigma: Floats) -> tuple[Floats, Floats, Floats]:
        """Normal approximations: estimates (J,), sampling variances (1 or G, J), counts (J,)."""

    @abstractmethod
    def log_likelihood(self, mu: Floats, of: NormalMixtures, sigma: Floats) -> Floats:
        """Sum over groups of the log likelihood, (G, M)."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured(GroupsOfPopulation):
    """Groups' means, normal with variance ``sigma^2 / weight``.

    Parameters
    ----------
    y, weight, count : ndarray, shape (J,)
        Means (less the model's center), total weights, and how many groups each stands for.
    grid : Knots or None
        The grid they are the knots of, where they stand for many groups.
    """

    y: Floats
    weight: Floats
    count: Floats
    grid: Knots | None = None

    @property
    def far(self) -> float:
        return float(np.abs(self.y - np.median(self.y)).max())

    @property
    def terms(self) -> int:
        return len(self.y)

    def rough(self, sigma: Floats) -> tuple[Floats, Floats, Floats]:
        return self.y, self.errors(sigma), self.count

    def errors(self, sigma: Floats) -> Floats:
        """Sampling variances, (G, J); once where sigma is the same everywhere."""
        same = len(sigma) > 0 and bool((sigma == sigma[0]).all())
        return np.asarray((sigma[:1] if same else sigma)[:, None] ** 2 / self.weight)

    def log_likelihood(self, mu: Floats, of: NormalMixtures, sigma: Floats) -> Floats:
        return log_likelihood(self.y, self.errors(sigma), self.count, mu, of)


def on_knots(groups: Measured, n_y: int, n_weight: int) -> Measured:
    """Knots that stand for many groups in sums over them."""
    grid = knots(groups.y, groups.weight, n_y, n_weight)
    return Measured(grid.y, grid.weight, grid.counts(groups.y, groups.weight), grid)


@dataclass(frozen=True, slots=True, eq=False)
class Counted(GroupsOfPopulation):
    """Groups' events, binomial or Poisson, on the link scale.

    Parameters
    ----------
    pairs : Pairs
        Distinct (events, size) of groups with data, K of them.
    count : ndarray, shape (K,)
        Groups of each.
    member : ndarray of int, shape (J,)
        The pair of each group; K for groups without trials or exposure.
    """

    pairs: Pairs
    count: Floats
    member: Ints

    @property
    def far(self) -> float:
        return float(np.abs(self.pairs.center - np.median(self.pairs.center)).max())

    @property
    def terms(self) -> int:
        # a pair's integral costs as much as ten closed forms
        return 10 * len(self.pairs)

    def rough(self, sigma: Floats) -> tuple[Floats, Floats, Floats]:
        del sigma
        return self.pairs.center, self.pairs.sd[None] ** 2, self.count

    def log_likelihood(self, mu: Floats, of: NormalMixtures, sigma: Floats) -> Floats:
        del sigma
        out = np.zeros(mu.shape)
        step = max(1, CELLS_AT_ONCE // mu.size)
        for i in range(0, len(self.pairs), step):
            part = slice(i, i + step)
            each = log_sum(np.moveaxis(component_marginals(self.pairs.at(part), mu, of), 0, -1))
            out += np.tensordot(self.count[part], each, axes=1)
        return out


def component_marginals(pairs: Pairs, mu: Floats, of: NormalMixtures) -> Floats:
    """Log likelihood of every pair by component, with the component's log share; (C, K, G, M)."""
    out = np.empty((of.variance.shape[1], len(pairs), *mu.shape))
    for c, (share, variance) in enumerate(zip(of.log_share.T, of.variance.T, strict=True)):
        atom = variance == 0.0
        if atom.any():
            at = mu[atom].ravel()
            # an atom needs no integral: the likelihood at its place
            flat = pairs.log_likelihood(pairs.link.first(at), pairs.link.second(at))
            out[c, :, atom] = np.moveaxis(flat.reshape(len(pairs), *mu[atom].shape), 1, 0)
        if not atom.all():
            sd = np.sqrt(variance[~atom])
            of_normal = counts.log_marginals(pairs, mu[~atom], sd)
            out[c, :, ~atom] = np.moveaxis(of_normal, 1, 0)
        out[c] += share[:, None]
    return out


@dataclass(frozen=True, eq=False)
class PopulationModel:
    """The likelihood and priors of a one-way model with such a population.

    Parameters
    ----------
    groups : GroupsOfPopulation
    population : Population
    priors : Priors
        In the units of y; counts on the link scale.
    center : float
        What was taken off the outcome.
    typical_ratio : float
        Standard error of a typical group (over sigma, where it is learned).
    sigma : Within or None
        What the rows say of sigma by themselves; None where there is none to learn.
    moments : Moments
        Which moments exist.
    log_constant : float
        What `evaluate` leaves out of log p(y).
    """

    groups: GroupsOfPopulation
    population: Population
    priors: Priors
    center: float
    typical_ratio: float
    sigma: Within | None
    moments: Moments
    log_constant: float

    @property
    def link(self) -> Link | None:
        """Logit or log; None of measurements."""
        return self.groups.pairs.link if isinstance(self.groups, Counted) else None

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What phi is: "tau", what the population learns, and perhaps "sigma"."""
        return ("tau", *self.population.learned, *(() if self.sigma is None else ("sigma",)))

    @cached_property
    def axes(self) -> tuple[Coordinate, ...]:
        """A smooth coordinate for each dimension of phi."""
        lower, upper = self.priors.tau.support
        unit = self.typical_ratio * (1.0 if self.sigma is None else self.sigma.guess)
        bounded = math.isfinite(upper) or lower > 0.0
        tau: Coordinate = Interval(lower, upper) if bounded else HalfLine(unit)
        of_sigma = () if self.sigma is None else (Axis(*self.priors.sigma.support),)
        return (tau, *self.population.axes, *of_sigma)

    @property
    def moment_orders(self) -> tuple[float, ...]:
        """For each dimension of phi, moments below this order exist."""
        learned = (math.inf,) * len(self.population.learned)
        return (self.moments.tau, *learned, *(() if self.sigma is None else (self.moments.sigma,)))

    @cached_property
    def starts(self) -> Floats:
        """Rough guesses of phi inside the priors' range, (S, d)."""
        sigma = 1.0 if self.sigma is None else self.sigma.guess
        y, _, count = self.groups.rough(np.array([sigma]))
        # the median: outliers are what such populations are for
        about = y - (float(np.median(y)) if self.middle is None else self.middle)
        between = math.sqrt(max(float(count @ about**2 / count.sum()), 1e-300))
        error = self.typical_ratio * sigma
        # three starts, as tau may have a mode where groups differ and one near zero
        wide = max(between, 0.5 * error)
        taus = [_within(tau, self.priors.tau) for tau in (wide, error, 0.3 * wide)]
        of_sigma = () if self.sigma is None else (_within(sigma, self.priors.sigma),)
        return np.array([[t, *self.population.start, *of_sigma] for t in dict.fromkeys(taus)])

    @property
    def cells(self) -> int:
        """Terms of the likelihood at one phi."""
        components = int(self.populations(self.starts[:1]).variance.shape[1])
        nodes = 1 if self.middle is not None else 2 * MU_STEPS + 1
        return nodes * components * self.groups.terms

    @property
    def middle(self) -> float | None:
        """The middle of the population where it is known, less the center."""
        known = self.population.middle
        return None if known is None else known - self.center

    def split(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """phi, (G, d), as tau (G,), what the population learns (G, m) and sigma (G,)."""
        m = len(self.population.learned)
        sigma = np.ones(len(points)) if self.sigma is None else points[:, -1]
        return points[:, 0], points[:, 1 : 1 + m], sigma

    def coordinates(self, points: Floats) -> Floats:
        """phi, (G, d), in the coordinates of its axes."""
        columns = [a.coordinate(points[:, i]) for i, a in enumerate(self.axes)]
        return np.stack(columns, axis=1)

    def values(self, coordinates: Floats) -> Floats:
        """phi, (G, d), from the coordinates of its axes."""
        columns = [a.value(coordinates[:, i]) for i, a in enumerate(self.axes)]
        return np.stack(columns, axis=1)

    def populations(self, points: Floats) -> NormalMixtures:
        """The components at each phi."""
        tau, shape, _ = self.split(points)
        return NormalMixtures(*self.population.components(tau, shape, self.groups.far))

    def evaluate(self, points: Floats) -> tuple[Floats, Floats]:
        """Log density of (y, phi), and grids of mu with their log masses, (G, 2 M)."""
        grids = self.grids(points)
        return log_sum(grids.log_mass), np.concatenate([grids.mu, grids.log_mass], axis=1)

    def grids(self, points: Floats) -> MuGrids:
        """The density over mu at each phi, (G, d)."""
        of, (_, _, sigma) = self.populations(points), self.split(points)
        log_prior = self.log_prior(points)
        if self.middle is not None:
            mu = np.full((len(points), 1), self.middle)
            return MuGrids(mu, self.groups.log_likelihood(mu, of, sigma) + log_prior[:, None])
        center, sd = self._rough_mu(of, sigma)
        first = self._grids(of, sigma, center, sd)
        for _ in range(MOST_REPEATS):
            again = _off(first, center, sd)
            if not again.any():
                break
            some = NormalMixtures(of.log_share[again], of.variance[again])
            # laid anew about what the first grid itself says
            center[again], sd[again] = _resolved(first.mu[again], first.log_mass[again])
            second = self._grids(some, sigma[again], center[again], sd[again])
            first.mu[again], first.log_mass[again] = second.mu, second.log_mass
        return MuGrids(first.mu, first.log_mass + log_prior[:, None])

    def mu_about(self, points: Floats) -> tuple[Floats, Floats]:
        """Centre and sd of mu at each phi, roughly; (G,) each."""
        if self.middle is not None:
            return np.full(len(points), self.middle), np.zeros(len(points))
        return self._rough_mu(self.populations(points), self.split(points)[2])

    def _rough_mu(self, of: NormalMixtures, sigma: Floats) -> tuple[Floats, Floats]:
        mean, precision = np.zeros(len(sigma)), np.zeros(len(sigma))
        prior = self.priors.mu
        if isinstance(prior, Normal):
            mean, precision = mean + prior.mean - self.center, precision + prior.sd**-2
        return center_and_sd(*self.groups.rough(sigma), of, (mean, precision))

    def _grids(self, of: NormalMixtures, sigma: Floats, center: Floats, sd: Floats) -> MuGrids:
        t = MU_STEP * np.arange(-MU_STEPS, MU_STEPS + 1)
        mu = center[:, None] + sd[:, None] * (MU_STRETCH * np.sinh(t))
        log_mass = self.groups.log_likelihood(mu, of, sigma)
        # weight of the trapezoid rule: d mu / dt times the step
        log_mass += np.log(MU_STEP * MU_STRETCH * np.cosh(t)) + np.log(sd)[:, None]
        log_mass += log_density_of_coefficient(self.priors.mu, mu + self.center)
        return MuGrids(mu, log_mass)

    def log_prior(self, points: Floats) -> Floats:
        """Log density of phi's prior, and of what the rows within groups say of sigma."""
        tau, shape, sigma = self.split(points)
        out = self.priors.tau.log_density(tau, sigma * self.typical_ratio)
        out = out + self.population.log_hyperprior(shape)
        if self.sigma is not None:
            out += self.priors.sigma.log_density(sigma, 1.0) + self.sigma.log_likelihood(sigma)
        return np.asarray(out)


@dataclass(frozen=True, slots=True)
class Within:
    """What rows within groups say of sigma: ``-extra log sigma - ssw / (2 sigma^2)``.

    Parameters
    ----------
    extra : float
        Rows less groups.
    ssw : float
        Sum of squares within groups.
    guess : float
        A rough sigma.
    """

    extra: float
    ssw: float
    guess: float

    @property
    def log_best(self) -> float:
        """The highest value, which `log_likelihood` leaves out."""
        if self.extra == 0 or self.ssw == 0.0:
            return 0.0
        # at sigma^2 = ssw / extra
        return -0.5 * self.extra * (math.log(self.ssw / self.extra) + 1.0)

    def log_likelihood(self, sigma: Floats) -> Floats:
        """Less the highest value."""
        return np.asarray(-self.extra * np.log(sigma) - 0.5 * self.ssw / sigma**2 - self.log_best)


def population_model(
    statistics: GroupStatistics | CountStatistics, priors: Priors, population: Population
) -> PopulationModel:
    """Set up the model of measurements or of counts.

    Raises
    ------
    DataError
        If there is one group only.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    check_tau(priors, population)
    if isinstance(statistics, CountStatistics):
        return _of_counts(statistics, priors, population)
    s = statistics
    normal = one_way_model(s, _priors_of_propriety(priors, population))
    # means about the center of the one-way model
    y = s.mean - (normal.center - s.center)
    extra = normal.sizes.n_rows - s.n_groups
    within = None
    constant = (
        # the kernel's density of a group's mean has the root of its weight, which that of its rows
        # has not
        -0.5 * s.n_used * LOG_2PI + 0.5 * normal.log_weight - 0.5 * float(np.log(s.weight).sum())
    )
    if s.sigma_known:
        constant -= 0.5 * normal.ssw
    else:
        between = float(np.sqrt(y.var())) / normal.typical_ratio
        guess = math.sqrt(normal.ssw / extra) if normal.ssw > 0.0 and extra > 0 else between
        within = Within(extra, normal.ssw, guess or 1.0)
        constant += within.log_best
    return PopulationModel(
        groups=Measured(y, s.weight, np.ones(len(y))),
        population=population,
        priors=priors,
        center=normal.center,
        typical_ratio=normal.typical_ratio,
        sigma=within,
        moments=moments_of(normal.sizes.n_groups, normal.moments, priors, population),
        log_constant=constant,
    )


def _of_counts(s: CountStatistics, priors: Priors, population: Population) -> PopulationModel:
    normal = counts_model(s, _priors_of_propriety(priors, population))
    of = normal.moments
    moments = Moments(of.tau, math.inf, of.mu, min(of.theta, population.moments))
    return PopulationModel(
        groups=Counted(normal.pairs, normal.count, normal.member),
        population=population,
        priors=priors,
        center=0.0,
        typical_ratio=normal.typical_ratio,
        sigma=None,
        moments=moments_of(normal.sizes.inside, moments, priors, population),
        log_constant=normal.log_constant,
    )


def default_priors(population: Population) -> Priors:
    """The priors where none are stated: dumouchel on tau where a flat one is improper."""
    return Priors(tau=DuMouchel()) if isinstance(population, PointNormal) else Priors()


def check_tau(priors: Priors, population: Population) -> None:
    """Refuse improper priors of tau where all groups may be at the middle.

    Raises
    ------
    ImproperPosteriorError
    """
    if population.has_atom and priors.tau.tail <= 1.0:
        raise ImproperPosteriorError(
            f"tau ~ {priors.tau} is improper, and under a {population} population all groups may "
            "be exactly at its middle, so that the data put no limit on tau: leave the prior of "
            'tau out (dumouchel()), or give a proper one (--prior "tau ~ half_normal(scale)", in '
            "Python: prior=pp.priors(tau=pp.HalfNormal(scale)))"
        )


def _priors_of_propriety(priors: Priors, population: Population) -> Priors:
    """The priors of the normal model whose posterior is proper if this one's is.

    With mu known it has one parameter less: a normal prior of mu stands for that.
    """
    if population.middle is None:
        return priors
    return replace(priors, mu=Normal(population.middle, 1.0))


def moments_of(groups: int, moments: Moments, priors: Priors, population: Population) -> Moments:
    """Moments that exist: those of the normal model, unless groups may be at the middle.

    There tau is limited by its prior only.
    """
    if not population.has_atom:
        return moments
    tau = priors.tau.tail - 1.0
    mu = math.inf
    if population.middle is None:
        flat = 0.0 if priors.mu.proper else -1.0
        mu = groups + priors.tau.tail + flat - 1.0 if flat else math.inf
        if isinstance(priors.mu, StudentT):
            mu = priors.mu.df + groups
    return Moments(min(tau, moments.tau), moments.sigma, min(mu, moments.mu), moments.theta)


def _within(guess: float, prior: ScalePrior) -> float:
    """The guess, or where the prior excludes it a value that it does not."""
    lower, upper = prior.support
    return guess if lower < guess < upper else 0.5 * (lower + min(upper, 2 * lower + 1))


def _moments(mu: Floats, log_mass: Floats) -> tuple[Floats, Floats]:
    """Mean and sd of each grid, (G,) each."""
    weight = np.exp(log_mass - log_sum(log_mass)[:, None])
    mean = (weight * mu).sum(axis=1)
    return mean, np.sqrt(np.maximum((weight * (mu - mean[:, None]) ** 2).sum(axis=1), 1e-300))


def _resolved(mu: Floats, log_mass: Floats) -> tuple[Floats, Floats]:
    """Mean and sd of each grid, at least half the distance of nodes there."""
    mean, sd = _moments(mu, log_mass)
    nearest = np.abs(mu - mean[:, None]).argmin(axis=1)
    # an sd smaller than half a step is that of the grid, not of the density
    distance = np.gradient(mu, axis=1)[np.arange(len(mu)), nearest]
    return mean, np.maximum(sd, 0.5 * distance)


def _off(grids: MuGrids, center: Floats, sd: Floats) -> Bools:
    """Grids that do not fit their density."""
    with np.errstate(invalid="ignore"):
        mean, spread = _moments(grids.mu, grids.log_mass)
    low, high = SD_RATIOS
    outside = (spread < low * sd) | (spread > high * sd)
    return np.asarray(outside | (np.abs(mean - center) > OFF_CENTRE * sd))
