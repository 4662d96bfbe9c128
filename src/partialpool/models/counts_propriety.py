"""Whether the posterior of a model of counts integrates, and which of its moments exist.

With tau large and mu of the same order, a group strictly inside its range (neither 0 nor all of
its trials; for rates, at least one event) contributes 1/tau to the likelihood, and a group at an
end contributes a constant: it says only on which side of mu it lies. In the conjugate populations
a group inside contributes 1/tau^2. Integrating over a flat mu gives back a factor tau (tau^2 for
gamma-Poisson, nothing for beta-binomial). With flat mu and no event at all (or no failure) the
likelihood does not fall for mu towards one side, whatever tau.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from partialpool.errors import ImproperPosteriorError
from partialpool.formula import CountFamily
from partialpool.formula.families import PROPORTIONS
from partialpool.models.prior_set import Priors
from partialpool.models.priors import HalfNormal, Normal, StudentT
from partialpool.models.propriety import ADVICE


@dataclass(frozen=True, slots=True)
class CountSizes:
    """What decides propriety: groups with data, those strictly inside their range, the totals.

    And the family, and whether the population is conjugate to it or normal.
    """

    groups: int
    inside: int
    any_event: bool
    any_failure: bool
    family: CountFamily
    conjugate: bool


@dataclass(frozen=True, slots=True)
class CountMoments:
    """Moments of an order below these exist: of tau, of mu, and of theta of groups at an end."""

    tau: float
    mu: float
    theta: float


TAU_POWERS_INSIDE = {False: 1, True: 2}
"""Powers of 1/tau of a group inside its range, by whether its population is conjugate."""
TAU_POWERS_OF_FLAT_MU = {"binomial": 0, "poisson": 2}
"""Powers of tau that a flat mu of conjugate populations gives back; of normal ones 1."""


def check_proper(sizes: CountSizes, priors: Priors) -> CountMoments:
    """Return which moments exist.

    Raises
    ------
    ImproperPosteriorError
        If the posterior does not integrate to one; the message says why and what to choose.
    """
    flat = not priors.mu.proper
    if flat and not (sizes.any_event and sizes.any_failure):
        raise _one_sided(sizes)
    # the posterior of tau falls like tau^-right: groups at an end tend to a constant and limit
    # nothing
    right = TAU_POWERS_INSIDE[sizes.conjugate] * sizes.inside + priors.tau.tail
    if flat:
        right -= TAU_POWERS_OF_FLAT_MU[sizes.family] if sizes.conjugate else 1
    # the integral of tau^-right to infinity
    if right <= 1:
        raise _too_few(sizes, priors)
    tau = right - 1
    if flat:
        # mu grows like tau^2 there, elsewhere like tau
        mu = 0.5 * tau if sizes.conjugate and sizes.family == "poisson" else tau
    else:
        mu = tau + priors.mu.df if isinstance(priors.mu, StudentT) else math.inf
    return CountMoments(tau, mu, min(tau, mu))


def natural_moments(sizes: CountSizes, priors: Priors) -> float:
    """Moments below this order exist of the rate of a new group; all do of a probability.

    A log-normal rate has moments of order k only if exp(k^2 tau^2 / 2) has a mean, a gamma rate
    if exp(k mu) has, whose tail given tau falls like exp(-groups mu / tau^2).
    """
    tau = priors.tau
    if sizes.family in PROPORTIONS:
        return math.inf
    if not sizes.conjugate:
        if isinstance(tau, HalfNormal):
            return 1.0 / tau.scale
        return math.inf if math.isfinite(tau.support[1]) else 0.0
    if isinstance(priors.mu, Normal):
        return math.inf
    return sizes.groups / tau.support[1] ** 2


def _one_sided(sizes: CountSizes) -> ImproperPosteriorError:
    proportion = sizes.family in PROPORTIONS
    if sizes.any_event:
        what, side = "every trial of every group is an event", "upper"
    else:
        what, side = "no group has any event", "lower"
    scale, prior = ("log-odds", "student_t(3, 0, 2.5)") if proportion else ("log", "normal(0, 3)")
    return ImproperPosteriorError(
        f"{what}: the data put no {side} limit on mu, so under mu ~ flat() the posterior has no "
        f"finite total. Give mu a proper prior (on the {scale} scale) and tau too, such as "
        f'--prior "mu ~ {prior}" --prior "tau ~ half_normal(1)" '
        f'(in Python: prior=["mu ~ {prior}", "tau ~ half_normal(1)"])'
    )


def _too_few(sizes: CountSizes, priors: Priors) -> ImproperPosteriorError:
    inside = "an event and a failure" if sizes.family in PROPORTIONS else "at least one event"
    return ImproperPosteriorError(
        f"{sizes.inside} of {sizes.groups} groups have {inside}; the others say only on which side "
        f"of the mean they lie. That is too little to learn tau under tau ~ {priors.tau} and "
        f"mu ~ {priors.mu}: the posterior of tau has no finite total: {ADVICE}"
    )
