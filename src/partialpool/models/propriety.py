"""Whether a posterior integrates, and which of its moments exist, by counting powers.

Given sigma, the likelihood of tau (mu integrated out) goes like tau^-(J-1) in the tail, tau^-J if
the prior of mu is proper, and is finite at zero. With sigma unknown and N rows the likelihood goes
like sigma^-(N-1) in the tail and, if the rows within groups are all equal, like sigma^-(N-J) at
zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from partialpool.errors import ImproperPosteriorError
from partialpool.models.prior_set import Priors
from partialpool.models.priors import Flat, StudentT

ADVICE = (
    'give tau a proper prior, such as --prior "tau ~ half_normal(scale)", half_cauchy(scale), '
    "half_t(3, scale), exponential(rate) or uniform_shrinkage() "
    "(in Python: prior=pp.priors(tau=pp.HalfNormal(scale)))"
)


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of an order below these exist: of tau, of sigma, of mu, of each theta."""

    tau: float
    sigma: float
    mu: float
    theta: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """What decides propriety: groups, rows, and whether rows within groups differ at all.

    Rows are no whole number where the likelihood is taken to a power.
    """

    n_groups: int
    n_rows: float
    varies_within: bool
    sigma_known: bool


def degrees_of_freedom(sizes: Sizes, priors: Priors) -> float | None:
    """Degrees of freedom of sigma given tau / sigma; None if the priors have an own scale."""
    flat_mu = not priors.mu.proper
    a, b = priors.sigma.degree, priors.tau.degree
    if sizes.sigma_known or not flat_mu or a is None or b is None:
        return None
    # rows, less one for mu, one for d tau = sigma d ratio, and one as df is the power of sigma less
    # one
    return sizes.n_rows - 3.0 - a - b


def check_proper(sizes: Sizes, priors: Priors) -> Moments:
    """Return which moments exist.

    Raises
    ------
    ImproperPosteriorError
        If the posterior does not integrate to one; the message says why and what to choose.
    """
    flat_mu = not priors.mu.proper
    # far out each group's density falls like 1 / tau, a flat mu gives one power back, and the prior
    # adds its own
    right = sizes.n_groups - (1 if flat_mu else 0) + priors.tau.tail
    if sizes.sigma_known:
        if right <= 1:
            raise _too_few(sizes, priors)
        return Moments(right - 1, math.inf, _mu_order(priors, right), math.inf)
    if not sizes.varies_within:
        _check_replicates(sizes, priors)
    df = degrees_of_freedom(sizes, priors)
    if df is not None:
        if right - (0 if sizes.varies_within else df) <= 1:
            raise _too_few(sizes, priors)
        if df <= 0:
            raise ImproperPosteriorError(
                f"{sizes.n_rows:.12g} rows in {sizes.n_groups} groups are too few for sigma and "
                f"tau under sigma ~ {priors.sigma} and tau ~ {priors.tau}: {ADVICE}"
            )
        return Moments(min(right - 1, df), df, min(right - 1, df), df)
    if right <= 1:
        raise _too_few(sizes, priors)
    far = sizes.n_rows - (1 if flat_mu else 0) + priors.sigma.tail
    # sigma and tau to infinity together, at a ratio
    both = far + priors.tau.tail - 1
    if min(far, both) <= 1:
        raise ImproperPosteriorError(
            f"{sizes.n_rows:.12g} rows in {sizes.n_groups} groups leave sigma without an upper "
            f"limit under sigma ~ {priors.sigma}: give sigma a proper prior such as "
            "half_normal(scale)"
        )
    sigma = min(far, both) - 1
    tau = min(right - 1, both - 1)
    mu = min(_mu_order(priors, right), _mu_order(priors, far))
    theta = math.inf if not flat_mu and math.isinf(priors.tau.tail) else sigma
    return Moments(tau, sigma, mu, theta)


def _mu_order(priors: Priors, tail: float) -> float:
    """Moments of mu below this exist, if the posterior of the spread falls like x^-tail."""
    if isinstance(priors.mu, Flat):
        return tail - 1
    return tail - 1 + priors.mu.df if isinstance(priors.mu, StudentT) else math.inf


def _check_replicates(sizes: Sizes, priors: Priors) -> None:
    """Rows within groups show no spread: only the prior can keep sigma away from zero."""
    extra = sizes.n_rows - sizes.n_groups
    # sigma^-extra times the prior's power must be integrable at zero
    if extra - priors.sigma.zero < 1 and priors.sigma.zero >= 0:
        return
    if extra == 0:
        raise ImproperPosteriorError(
            "every group has one row, so sigma (the spread within groups) and tau (the spread "
            "between them) cannot be told apart: not identified. Give the standard error of each "
            "row (y | se(column) ~ ...), more rows a group, or a proper prior on sigma "
            '(--prior "sigma ~ half_normal(scale)")'
        )
    raise ImproperPosteriorError(
        "within every group all values are equal, so the data say sigma = 0 and the posterior "
        "has no finite total. Check the outcome column; if it is right, the group means are known "
        'exactly, or give sigma a prior that excludes 0 (--prior "sigma ~ lognormal(0, 1)")'
    )


def _too_few(sizes: Sizes, priors: Priors) -> ImproperPosteriorError:
    return ImproperPosteriorError(
        f"{sizes.n_groups} groups are too few to learn their spread under tau ~ {priors.tau} and "
        f"mu ~ {priors.mu}: the posterior of tau has no finite total (with flat priors at least 3 "
        f"groups are needed): {ADVICE}"
    )
