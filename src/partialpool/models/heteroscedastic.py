"""Groups that differ in noise: one grouping factor, an intercept, each group its own sigma.

    y_ij ~ N(theta_j, sigma_j^2 / w_ij),   theta_j ~ N(mu, tau^2),
    log sigma_j ~ N(log sigma, omega^2)

The parameters are mu ("Intercept"), tau, sigma (the median of the sigma_j) and omega, the standard
deviation of log sigma_j ("sd_log_sigma[factor]"). The lattice is over (tau, sigma, omega); over mu
given these a trapezoid rule is laid about where the groups' means have it.

Sources: Lee and Nelder (2006), doi:10.1111/j.1467-9876.2006.00538.x, for random effects in the
dispersion; Hedges and Olkin (1985) for the model of few groups with variances of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from partialpool._normal import LOG_2PI
from partialpool._typing import Floats
from partialpool.design.labels import shown
from partialpool.design.rules import SMALLEST_SCALE
from partialpool.errors import DataError, ImproperPosteriorError
from partialpool.integrate import Axis, Coordinate, HalfLine, Interval
from partialpool.kernels.heteroscedastic import GroupSums, log_marginal
from partialpool.models.prior_set import Priors
from partialpool.models.priors import HalfNormal, ScalePrior
from partialpool.models.propriety import Moments, Sizes, check_proper
from partialpool.models.scaled_prior import ScaledPrior
from partialpool.records import GroupStatistics

MU_STEP, MU_NODES = 0.5, 23
"""Distance of the nodes over mu given the rest, in its conditional sds, and their number: they
reach 5.5 sds to either side, beyond which lies 1e-7 of a t with 30 degrees of freedom."""
FEW_EVALUATED, MANY_GROUPS = (9, 3), 300
"""Nodes over mu at which densities are computed, of fewer and of so many groups; between them their
logarithm is a polynomial (`test_polynomial_over_mu`: off by 1e-4 of 5 groups, 1e-6 of 30, and with
three nodes 1e-3 of 300)."""


def lagrange(nodes: Floats, x: Floats) -> Floats:
    """Maps values at nodes, (K,), to those of their polynomial at x, (X,): shape (X, K)."""
    # 1 in place of the zeros on the diagonal, which are left out of the products
    gap = nodes[:, None] - nodes + np.eye(len(nodes))
    return np.array(
        [[np.prod(np.delete((p - nodes) / gap[k], k)) for k in range(len(nodes))] for p in x]
    )


def _places(groups: int) -> tuple[Floats, Floats]:
    """Where over mu densities are computed, in distances of nodes, and the map to all nodes.

    Chebyshev's nodes out to the last of all, or out to three sds.
    """
    few, many = FEW_EVALUATED
    half = 0.5 * (MU_NODES - 1)
    size, reach = (
        (few, half) if groups < MANY_GROUPS else (many, 3.0 / MU_STEP / math.sin(math.pi / 3))
    )
    places = reach * np.cos(np.pi * (np.arange(size) + 0.5) / size)
    return places, lagrange(places, np.arange(float(MU_NODES)) - half)


@dataclass(frozen=True, slots=True, eq=False)
class MuGivenPhi:
    """Mu given each of G values of phi, on M even nodes.

    Parameters
    ----------
    mu : ndarray, shape (G, M)
        Less the model's center.
    step : ndarray, shape (G,)
        Distance of the nodes.
    weight : ndarray, shape (G, M)
        Probability of each node; they sum to one over the nodes.
    log_density : ndarray, shape (G,)
        Of phi, mu integrated out.
    """

    mu: Floats
    step: Floats
    weight: Floats
    log_density: Floats


@dataclass(frozen=True, eq=False)
class HeteroscedasticModel:
    """Likelihood and priors over phi = (tau, sigma, omega).

    Parameters
    ----------
    groups : GroupSums
        What the rows tell of each group; means less `center`.
    priors : Priors
        In the units of y.
    center : float
        What was taken off the outcome.
    log_constant : float
        What `evaluate` leaves out.
    moments : Moments
        Which moments exist; that of sigma is of the median of the sigma_j.
    """

    groups: GroupSums
    priors: Priors
    center: float
    log_constant: float
    moments: Moments

    @cached_property
    def typical_ratio(self) -> float:
        """Standard error of a typical group mean, over the sd of a row."""
        return 1.0 / math.sqrt(float(self.groups.weight.mean()))

    @cached_property
    def _log_sds(self) -> tuple[Floats, Floats]:
        """Logarithms of the groups' own standard deviations, and their degrees of freedom."""
        g = self.groups
        own = g.ss > 0.0
        df = g.n[own] - 1.0
        return 0.5 * np.log(g.ss[own] / df), df

    @cached_property
    def _guess(self) -> tuple[float, float, float]:
        """tau, sigma and omega by moments."""
        log_sd, df = self._log_sds
        middle = float(log_sd @ df / df.sum())
        # variance of log s of df degrees of freedom: 1 / (2 df), about
        noise = float((0.5 / df).mean())
        # never zero: a coordinate that is logarithmic would begin at minus infinity
        omega = math.sqrt(max(float((log_sd - middle).var()) - noise, 0.1 * noise))
        sigma = math.exp(middle)
        own = sigma**2 * float((1.0 / self.groups.weight).mean())
        return math.sqrt(max(float(self.groups.mean.var()) - own, 0.1 * own)), sigma, omega

    @cached_property
    def axes(self) -> tuple[Coordinate, ...]:
        """A smooth coordinate for tau, sigma and omega."""
        _, sigma, _ = self._guess
        _, df = self._log_sds
        return (
            _positive(self.priors.tau, sigma * self.typical_ratio),
            Axis(*self.priors.sigma.support),
            _positive(self.priors.sd_log_sigma, math.sqrt(0.5 / float(df.mean()))),
        )

    @property
    def starts(self) -> Floats:
        """Guesses of phi inside the priors' range, (S, 3): by moments, and with hardly any tau."""
        tau, sigma, omega = self._guess
        rough = np.array([[tau, sigma, omega], [0.1 * sigma * self.typical_ratio, sigma, omega]])
        for column, axis in enumerate(self.axes):
            if math.isfinite(axis.upper):
                margin = 0.05 * (axis.upper - axis.lower)
                rough[:, column] = np.clip(
                    rough[:, column], axis.lower + margin, axis.upper - margin
                )
        return rough

    def log_prior(self, phi: Floats) -> Floats:
        """Log prior density of tau, sigma and omega, (G, 3) to (G,)."""
        tau, sigma, omega = phi.T
        out = self.priors.tau.log_density(tau, sigma * self.typical_ratio)
        out = out + self.priors.sigma.log_density(sigma, 1.0)
        return np.asarray(out + self.priors.sd_log_sigma.log_density(omega, 1.0))

    def evaluate(self, phi: Floats) -> tuple[Floats, Floats]:
        """Log posterior density of phi, mu integrated out, less `log_constant`.

        Returns
        -------
        log_density : ndarray, shape (G,)
        carried : ndarray, shape (G, E)
            Log density of phi and mu at the nodes over mu at which it was computed.
        """
        middle, step = self._nodes_of_mu(phi)
        places, _ = self._places
        points = np.empty((len(phi), len(places), 4))
        points[:, :, 0] = middle[:, None] + step[:, None] * places
        points[:, :, 1:] = phi[:, None]
        log_f = log_marginal(self.groups, points.reshape(-1, 4)).reshape(len(phi), -1)
        log_f += self.log_prior(phi)[:, None]
        return self.given_phi(phi, log_f).log_density, log_f

    def given_phi(self, phi: Floats, carried: Floats) -> MuGivenPhi:
        """Mu given phi from what `evaluate` carries along: log densities become a polynomial."""
        middle, step = self._nodes_of_mu(phi)
        mu = middle[:, None] + step[:, None] * (np.arange(MU_NODES) - 0.5 * (MU_NODES - 1))
        # the likelihood is interpolated, the prior of mu not: it may have kinks of its own, and
        # costs nothing
        log_f = carried @ self._places[1].T + self._log_prior_of_mu(mu)
        top = log_f.max(axis=1)
        weight = np.exp(log_f - top[:, None])
        total = weight.sum(axis=1)
        # trapezoid rule over mu
        return MuGivenPhi(mu, step, weight / total[:, None], top + np.log(total * step))

    @cached_property
    def _places(self) -> tuple[Floats, Floats]:
        return _places(len(self.groups.n))

    def _nodes_of_mu(self, phi: Floats) -> tuple[Floats, Floats]:
        """Middle and distance of the nodes over mu given phi, from each group's likely noise.

        Its noise is about the mean of its own variance and of exp(2 log sigma), each with the
        precision that it has for log sigma_j.
        """
        g, (tau, sigma, omega) = self.groups, phi.T[:, :, None]
        # precision of log s_j: 2 df
        own = np.where(g.ss > 0.0, 2.0 * (g.n - 1.0), 0.0)
        prior = omega**-2.0
        log_own = 0.5 * np.log(np.where(g.ss > 0.0, g.ss / np.maximum(g.n - 1.0, 0.1), 1.0))
        log_sd = (own * log_own + prior * np.log(sigma)) / (own + prior)
        weight = 1.0 / (tau**2 + np.exp(2.0 * log_sd) / g.weight)
        # a mean far out says that its group is noisy
        middle = (weight @ g.mean) / weight.sum(axis=1)
        far = weight * (g.mean - middle[:, None]) ** 2
        # a t with n + 2 degrees of freedom stands for the unknown noise: an EM weight, as of robust
        # means
        weight = weight * (g.n + 3.0) / (g.n + 2.0 + far)
        precision = weight.sum(axis=1)
        middle = (weight * g.mean).sum(axis=1) / precision
        return middle, MU_STEP / np.sqrt(precision)

    def _log_prior_of_mu(self, mu: Floats) -> Floats:
        reach = float(np.abs(self.groups.mean).max()) + abs(self.center)
        parts = self.priors.mu.components(reach)
        if parts is None:
            return np.zeros(mu.shape)
        log_w, mean, sd = parts
        z = (mu[..., None] + self.center - mean) / sd
        return np.asarray(special.logsumexp(log_w - np.log(sd) - 0.5 * (LOG_2PI + z * z), axis=-1))


def _positive(prior: ScalePrior, reference: float) -> Coordinate:
    lower, upper = prior.support
    return Interval(lower, upper) if math.isfinite(upper) else HalfLine(reference)


def heteroscedastic_model(
    statistics: GroupStatistics, priors: Priors, *, power: float = 1.0
) -> HeteroscedasticModel:
    """Set up the model, the likelihood of the rows to a power.

    Raises
    ------
    DataError
        If there is one group, no group tells its noise, or all rows of a group are equal.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    s = statistics
    moments = _checked(s, priors)
    middle = float(s.mean @ s.weight / s.weight.sum())
    n, weight = power * s.n.astype(np.float64), power * s.weight.astype(np.float64)
    constant = 0.5 * float((power * s.log_weight - np.log(weight)).sum())
    # of the rows within groups; that of each mean is in the kernel
    constant -= 0.5 * LOG_2PI * float((n - 1.0).sum())
    return HeteroscedasticModel(
        GroupSums(n, weight, s.mean - middle, power * s.ss),
        priors,
        s.center + middle,
        constant,
        moments,
    )


def _checked(s: GroupStatistics, priors: Priors) -> Moments:
    """Which moments exist; see `propriety.check_proper`."""
    if s.n_groups < 2:
        raise DataError(
            f'column "{s.factor}" has one group only ("{s.labels[0]}"): groups cannot differ; '
            "pooling needs at least two groups, and three under the default priors"
        )
    several = s.n > 1
    equal = np.flatnonzero(several & (s.ss <= 0.0))
    if len(equal):
        raise DataError(
            f'all rows of {shown(s.labels[equal].tolist())} are equal in "{s.outcome}": their own '
            "sigma would be 0, and no prior holds the posterior together; leave "
            f"{'them' if len(equal) > 1 else 'it'} out, or fit one sigma for all groups, without "
            '"; sigma ~ ..."'
        )
    if not several.any():
        raise DataError(
            f'no group of "{s.factor}" has two rows: a sigma of each group needs rows that differ '
            'within groups; leave out "; sigma ~ ..." and give standard errors, y | se(column)'
        )
    size = math.sqrt(float(s.ss.sum()) / s.n_used)
    if size < SMALLEST_SCALE:
        raise DataError(
            f'the spread of column "{s.outcome}" is about {size:.1g}, too small to be squared; '
            "give it in units in which it lies between 1e-100 and 1e100"
        )
    of_means = check_proper(Sizes(s.n_groups, s.n_used, True, sigma_known=True), priors)
    known = int(several.sum())
    prior = priors.sd_log_sigma
    # each group of two rows or more adds a power of 1 / omega, and an improper sigma takes one
    if known - (priors.sigma.tail <= 1.0) + prior.tail <= 1.0:
        raise ImproperPosteriorError(
            f"{known} groups of two rows or more are too few to learn how much sigma differs under "
            f"sd_log_sigma ~ {prior}: give it a proper prior such as half_normal(1)"
        )
    return Moments(of_means.tau, _moments_of_sigma(prior, known), of_means.mu, of_means.theta)


def _moments_of_sigma(prior: ScalePrior, known: int) -> float:
    """Moments below this exist of the median sigma.

    Log sigma given omega has about a normal tail of variance omega^2 / J; with omega half-normal of
    scale s, P(log sigma > u) falls like exp(-sqrt(J) u / s).
    """
    if math.isfinite(prior.support[1]):
        return math.inf
    raised, power = (prior.of, prior.power) if isinstance(prior, ScaledPrior) else (prior, 1.0)
    return math.sqrt(known * power) / raised.scale if isinstance(raised, HalfNormal) else 0.0
