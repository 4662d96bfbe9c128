"""The one-way normal model: one grouping factor, an intercept, sigma known or not.

    y_ij | theta_j ~ N(theta_j, sigma^2 / w_ij),   theta_j ~ N(mu, tau^2)

Given phi everything else is Gaussian, or Student's t, in closed form. phi is

    tau                 if sigma is known (standard errors given),
    r = tau / sigma     if the priors have no scale of their own (sigma integrates out),
    (sigma, tau)        otherwise.

Source: Gelman et al. (2013), Bayesian Data Analysis, sections 5.4 and 11.6, for the algebra.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from partialpool._normal import LOG_2PI
from partialpool._typing import Floats
from partialpool.design.rules import SMALLEST_SCALE
from partialpool.errors import DataError
from partialpool.integrate import Axis
from partialpool.kernels.oneway import Profile, SizeClasses, profile, size_classes
from partialpool.kernels.shares import log_sum
from partialpool.models.prior_set import Priors
from partialpool.models.propriety import Moments, Sizes, check_proper, degrees_of_freedom
from partialpool.records import GroupStatistics


@dataclass(frozen=True, slots=True, eq=False)
class Conditional:
    """Exact distributions given each of G nodes; mu has M components a node.

    theta_j is normal, or t with `df`, with location and scale as in `kernels.oneway.theta_given`.

    Parameters
    ----------
    lam : ndarray, shape (G,)
        (tau / sigma)^2.
    sigma : ndarray, shape (G,)
        sigma, or its scale where it is integrated out.
    mu, mu_sd : ndarray, shape (G, M)
        Location and scale of mu (less the statistics' center).
    log_share : ndarray, shape (G, M)
        Log share of each component of mu at its node.
    df : float
        Degrees of freedom; infinite for normal.
    """

    lam: Floats
    sigma: Floats
    mu: Floats
    mu_sd: Floats
    log_share: Floats
    df: float


@dataclass(frozen=True, eq=False)
class OneWayModel:
    """The likelihood and priors of a one-way model over its hyperparameters phi.

    Parameters
    ----------
    classes : SizeClasses
        Groups gathered by weight.
    sizes : Sizes
        Numbers of groups and rows.
    ssw : float
        Within-group sum of squares.
    log_weight : float
        Sum of the logarithms of the weights.
    priors : Priors
        As given, in the units of y.
    center : float
        What was taken off the outcome.
    moments : Moments
        Which moments exist.
    df : float or None
        Degrees of freedom of sigma where it is integrated out in closed form.
    """

    classes: SizeClasses
    sizes: Sizes
    ssw: float
    log_weight: float
    priors: Priors
    center: float
    moments: Moments
    df: float | None

    @cached_property
    def dimensions(self) -> tuple[str, ...]:
        """What phi is: ("tau",), ("ratio",) or ("sigma", "tau")."""
        if self.sizes.sigma_known:
            return ("tau",)
        return ("sigma", "tau") if self.df is None else ("ratio",)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The range of each dimension of phi."""
        tau = Axis(*self.priors.tau.support)
        if self.dimensions == ("sigma", "tau"):
            return (Axis(*self.priors.sigma.support), tau)
        return (tau,) if self.sizes.sigma_known else (Axis(),)

    @cached_property
    def _mu_parts(self) -> tuple[Floats, Floats, Floats] | None:
        """Normal components of mu's prior: log weights, means and sds; None if flat."""
        c = self.classes
        # no group mean lies farther out than this
        spread = np.abs(c.mean).max() + math.sqrt(c.spread.max())
        prior = getattr(self.priors.mu, "mean", 0.0)
        return self.priors.mu.components(float(spread) + abs(self.center - prior))

    @cached_property
    def typical_ratio(self) -> float:
        """Standard error of a typical group mean, divided by sigma (harmonic mean of squares)."""
        c = self.classes
        return math.sqrt(c.count.sum() / (c.count @ c.weight))

    @property
    def start(self) -> tuple[float, ...]:
        """A rough guess of phi inside the priors' range."""
        if self.dimensions == ("sigma", "tau"):
            between = self.classes.mean.std() + math.sqrt(self.classes.spread.mean())
            extra = self.sizes.n_rows - self.sizes.n_groups
            sigma = math.sqrt(self.ssw / extra) if self.sizes.varies_within and extra else between
            guess = (sigma or 1.0, (sigma or 1.0) * self.typical_ratio)
            return tuple(_inside(a, g) for a, g in zip(self.axes, guess, strict=True))
        return (_inside(self.axes[0], self.typical_ratio),)

    @property
    def moment_orders(self) -> tuple[float, ...]:
        """For each dimension of phi, moments below this order exist."""
        if self.dimensions == ("sigma", "tau"):
            return (self.moments.sigma, self.moments.tau)
        if self.sizes.sigma_known:
            return (self.moments.tau,)
        order = self.sizes.n_groups - 2 + self.priors.tau.tail
        # without spread within groups the sum of squares falls like ratio^-2 in the tail
        # with SSW = 0 the sum of squares is `between` alone, which falls like ratio^-2, to the
        # power -df / 2
        return (order if self.sizes.varies_within else order - float(self.df or 0.0),)

    @cached_property
    def log_constant(self) -> float:
        """What `log_density` leaves out, so that it keeps its digits with very many rows."""
        n, extra = self.sizes.n_rows, self.sizes.n_rows - self.sizes.n_groups
        constant = 0.5 * self.log_weight - 0.5 * (n - 1) * LOG_2PI
        if self.df is not None:
            # integral of sigma^-(df + 1) exp(-Q / (2 sigma^2)) = 2^(df/2 - 1) Gamma(df / 2) Q^(-df
            # / 2)
            constant += math.lgamma(0.5 * self.df) - math.log(2) + 0.5 * self.df * math.log(2)
            return constant - 0.5 * self.df * math.log(self.ssw) if self.ssw > 0 else constant
        if self._best_sigma is not None:
            constant -= extra * (math.log(self._best_sigma) + 0.5)
        return constant

    @cached_property
    def _best_sigma(self) -> float | None:
        """The sigma at which the within-group part of the likelihood is highest."""
        extra = self.sizes.n_rows - self.sizes.n_groups
        if self.sizes.sigma_known or extra == 0 or self.ssw == 0.0:
            return None
        return math.sqrt(self.ssw / extra)

    def log_density(self, points: Floats) -> Floats:
        """Log posterior density of phi, less `log_constant`.

        With it, all constants of the likelihood and of proper priors are there.

        Parameters
        ----------
        points : ndarray, shape (G, d)

        Returns
        -------
        ndarray, shape (G,)
        """
        if self.df is not None:
            return self._log_density_ratio(points[:, 0])
        sigma, tau = self._sigma_tau(points)
        p = profile(self.classes, (tau / sigma) ** 2)
        # a sum over the components of mu's prior
        return np.asarray(log_sum(self._log_parts(p, sigma)) + self.log_prior(points))

    def log_prior(self, points: Floats) -> Floats:
        """Log prior density of tau and sigma at phi; of r its part that is not a power of sigma."""
        if self.df is not None:
            return self.priors.tau.log_density(points[:, 0], self.typical_ratio)
        sigma, tau = self._sigma_tau(points)
        out = self.priors.tau.log_density(tau, sigma * self.typical_ratio)
        return out if self.sizes.sigma_known else out + self.priors.sigma.log_density(sigma, 1.0)

    def conditional(self, points: Floats) -> Conditional:
        """Return the exact distributions given each node; points has shape (G, d)."""
        if self.df is not None:
            lam = points[:, 0] ** 2
            p = profile(self.classes, lam)
            scale = np.sqrt((self.ssw + p.between) / self.df)
            mu_sd = scale / np.sqrt(p.precision)
            share = np.zeros((len(lam), 1))
            return Conditional(lam, scale, p.mu[:, None], mu_sd[:, None], share, self.df)
        sigma, tau = self._sigma_tau(points)
        lam = (tau / sigma) ** 2
        p = profile(self.classes, lam)
        mu, mu_sd = self._mu(p, sigma)
        share = np.zeros(mu.shape)
        if mu.shape[1] > 1:
            parts = self._log_parts(p, sigma)
            share = parts - log_sum(parts)[:, None]
        return Conditional(lam, sigma, mu, mu_sd, share, math.inf)

    def scale_of_sigma(self, ratio: Floats) -> Floats:
        """sqrt(Q / df): given r, sigma is this times sqrt(df / chi2_df); any shape."""
        assert self.df is not None
        p = profile(self.classes, ratio.ravel() ** 2)
        return np.sqrt((self.ssw + p.between) / self.df).reshape(ratio.shape)

    def _sigma_tau(self, points: Floats) -> tuple[Floats, Floats]:
        if self.sizes.sigma_known:
            return np.ones(len(points)), points[:, 0]
        return points[:, 0], points[:, 1]

    def _log_density_ratio(self, ratio: Floats) -> Floats:
        assert self.df is not None
        p = profile(self.classes, ratio**2)
        # |V|, flat mu integrated out, sigma integrated out
        out = -0.5 * (p.log_det + np.log(p.precision) + self.df * self._log_squares(p))
        return np.asarray(out + self.log_prior(ratio[:, None]))

    def _log_parts(self, p: Profile, sigma: Floats) -> Floats:
        """Log likelihood with mu integrated over each component of its prior; shape (G, M)."""
        base = -0.5 * (p.log_det + np.log(p.precision))
        if self.sizes.sigma_known:
            # sigma is 1
            base -= 0.5 * (self.ssw + p.between)
        else:
            base += self._log_within(sigma) - (self.sizes.n_groups - 1) * np.log(sigma)
            base -= 0.5 * p.between / sigma**2
        base = base[:, None]
        if self._mu_parts is None:
            return np.asarray(base)
        log_w, mean, sd = self._mu_parts
        # the data's estimate of mu about the prior's mean: both variances together
        variance = sd**2 + (sigma**2 / p.precision)[:, None]
        gap = p.mu[:, None] - (mean - self.center)
        log_normal = -0.5 * (LOG_2PI + np.log(variance) + gap**2 / variance)
        return np.asarray(base + log_w + log_normal)

    def _log_squares(self, p: Profile) -> Floats:
        """Logarithm of SSW + between, less log SSW if there is any."""
        if self.ssw == 0.0:
            return np.asarray(np.log(p.between))
        # log1p keeps digits where rows are many and `between` is a small part
        return np.asarray(np.log1p(p.between / self.ssw))

    def _log_within(self, sigma: Floats) -> Floats:
        """-(N - J) log sigma - SSW / (2 sigma^2), less its maximum if there is one."""
        extra = self.sizes.n_rows - self.sizes.n_groups
        if self._best_sigma is None:
            return np.asarray(-extra * np.log(sigma) - 0.5 * self.ssw / sigma**2)
        d = np.log(sigma / self._best_sigma)
        # SSW = extra best^2; about its maximum the exponent is the difference of large numbers,
        # which expm1 takes exactly
        return np.asarray(-extra * (d + 0.5 * np.expm1(-2.0 * d)))

    def _mu(self, p: Profile, sigma: Floats) -> tuple[Floats, Floats]:
        """Location and scale of mu given each node and component; shape (G, M)."""
        data_variance = (sigma**2 / p.precision)[:, None]
        if self._mu_parts is None:
            return p.mu[:, None], np.sqrt(data_variance)
        _, mean, sd = self._mu_parts
        pull = data_variance / (data_variance + sd**2)  # weight of the prior's mean
        mu = p.mu[:, None] + pull * ((mean - self.center) - p.mu[:, None])
        # 1 / (1/sd^2 + 1/v) = sd^2 v / (v + sd^2)
        return mu, sd * np.sqrt(pull)


def one_way_model(
    statistics: GroupStatistics, priors: Priors, *, rows: float | None = None
) -> OneWayModel:
    """Set up the model.

    Parameters
    ----------
    statistics : GroupStatistics
    priors : Priors
    rows : float, optional
        Rows that the likelihood counts for, where it is taken to a power.

    Raises
    ------
    DataError
        If there is one group only.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    s = statistics
    if s.n_groups < 2:
        used = "1 row" if s.n_used == 1 else f"{s.n_used} rows"
        raise DataError(
            f'column "{s.factor}" has one group only ("{s.labels[0]}", {used}): pooling '
            "needs at least two groups, and three under the default priors"
        )
    ssw = float(s.ss.sum())
    sizes = Sizes(s.n_groups, s.n_used if rows is None else rows, ssw > 0.0, s.sigma_known)
    moments = check_proper(sizes, priors)
    middle = float(s.mean @ s.weight / s.weight.sum())
    _check_units(s, ssw)
    return OneWayModel(
        # about the weighted mean: group means far from zero keep their digits
        classes=size_classes(s.weight, s.mean - middle),
        sizes=sizes,
        ssw=ssw,
        log_weight=float(s.log_weight.sum()),
        priors=priors,
        center=s.center + middle,
        moments=moments,
        df=degrees_of_freedom(sizes, priors),
    )


def _check_units(s: GroupStatistics, ssw: float) -> None:
    """Refuse values so small that their squares vanish (too large ones are refused on reading)."""
    size = float(s.weight.max()) ** -0.5 if s.sigma_known else math.sqrt(ssw / s.n_used)
    if 0.0 < size < SMALLEST_SCALE:
        raise DataError(
            f'the spread of column "{s.outcome}" is about {size:.1g}, too small to be squared; '
            "give it in units in which it lies between 1e-100 and 1e100"
        )


def _inside(axis: Axis, guess: float) -> float:
    if guess <= axis.lower or guess >= axis.upper:
        far = axis.upper if math.isfinite(axis.upper) else 2 * axis.lower + 1
        return 0.5 * (axis.lower + far)
    return guess
