"""One world under the hand: its truth, its posterior, and what each estimator makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from partialpool._table import Table
from partialpool._typing import Bools, Floats
from partialpool.kernels.oneway import kept
from partialpool.models import Priors
from partialpool.posterior import OneWayPosterior, one_way_posterior
from partialpool.records import GroupStatistics
from partialpool.rows import from_estimates, from_summaries
from partialpool.simulate.estimators import ESTIMATORS, Estimated, Observed, observed
from partialpool.simulate.risks import check
from partialpool.simulate.world import World, Worlds, worlds


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """What one estimator makes of a draw.

    Parameters
    ----------
    estimate : ndarray, shape (J,)
        Estimates (units of y).
    lower, upper : ndarray, shape (J,), or None
        Intervals, where it gives them.
    tau, sigma, middle : float
        The tau and sigma it uses and the value it pools toward (units of y): for the posterior
        the medians of tau / sigma (times sigma) and of sigma, and the mean of mu; nan where it
        has none.
    weight : ndarray, shape (J,), or None
        Weight on each group's own mean: 1 no pooling, 0 complete pooling; averaged over the
        posterior for the posterior.
    at_used : ndarray, shape (J,), or None
        The same weight at the tau and sigma used: (n / sigma^2) / (n / sigma^2 + 1 / tau^2).
    """

    estimate: Floats
    lower: Floats | None
    upper: Floats | None
    tau: float = math.nan
    sigma: float = math.nan
    middle: float = math.nan
    weight: Floats | None = None
    at_used: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """One draw of a world, with what its data say.

    Parameters
    ----------
    world : World
        The settings.
    seed : int
        Seed of the noise.
    truth : ndarray, shape (J,)
        True group parameters (units of y).
    posterior : OneWayPosterior
        The full posterior under the default priors.
    estimates : dict
        From estimator to its estimates and intervals, each of shape (J,); intervals are None
        where it gives none.
    """

    world: World
    seed: int
    truth: Floats
    posterior: OneWayPosterior
    estimates: dict[str, Pooled]

    @property
    def statistics(self) -> GroupStatistics:
        """What was observed."""
        return self.posterior.statistics

    @property
    def errors(self) -> dict[str, float]:
        """Mean squared error of each estimator (units of y squared)."""
        return {
            k: float(np.mean((e.estimate - self.truth) ** 2)) for k, e in self.estimates.items()
        }

    def closer(self, name: str, than: str = "no_pooling") -> int:
        """Count the groups that one estimator brings closer to the truth than another."""
        return int(self.wins(name, than).sum())

    def wins(self, name: str, than: str = "no_pooling") -> Bools:
        """Whether one estimator brings each group closer to the truth than another; shape (J,)."""
        gaps = (np.abs(self.estimates[k].estimate - self.truth) for k in (name, than))
        mine, others = gaps
        return np.asarray(mine < others)

    def covered(self, name: str) -> int:
        """Count the groups whose truth lies in the interval of an estimator that gives one."""
        e = self.estimates[name]
        if e.lower is None or e.upper is None:
            return 0
        return int(((e.lower <= self.truth) & (self.truth <= e.upper)).sum())

    def table(self) -> Table:
        """Return group, n, truth, and a column for each estimator (units of y)."""
        columns = {k: e.estimate for k, e in self.estimates.items()}
        s = self.statistics
        return Table(group=s.labels, n=np.array(self.world.n), truth=self.truth, **columns)

    def __repr__(self) -> str:
        return repr(self.table())


def draw(
    world: World,
    *,
    seed: int = 1,
    sigma_known: bool = True,
    estimators: Sequence[str] = ("no_pooling", "complete_pooling", "moments", "posterior"),
    level: float = 0.95,
) -> Draw:
    """Draw one world, the first replicate of `seed`, and estimate its groups.

    Parameters
    ----------
    world : World
        The settings; three groups or more.
    seed : int
        Seed of its noise.
    sigma_known : bool
        Whether the estimators are told sigma.
    estimators : sequence of str
        As in `risks`.
    level : float
        Probability of intervals.

    Raises
    ------
    ArgumentError
        If an estimator is not known or does not apply.
    """
    for name in ("posterior", *estimators):
        check(name, world, sigma_known)
    drawn = worlds(world, replicates=1, seed=seed)
    seen = observed(drawn, sigma_known=sigma_known, level=level)
    post = one_way_posterior(_statistics(drawn, sigma_known), Priors())
    estimates = {}
    for name in dict.fromkeys(estimators):
        if name == "posterior":
            estimates[name] = _full(post, level, world.sigma)
        else:
            estimates[name] = _plugged_in(ESTIMATORS[name](seen), seen)
    return Draw(world, seed, drawn.theta[0], post, estimates)


def _full(post: OneWayPosterior, level: float, sigma: float) -> Pooled:
    lower, upper = post.theta.interval(level)
    used = sigma if post.sigma is None else float(post.sigma.median)
    tau = float(post.tau_over_sigma.median) * (1.0 if post.sigma is None else used)
    return Pooled(
        post.theta.mean,
        lower,
        upper,
        tau=tau,
        sigma=used,
        middle=float(post.mu.mean),
        weight=1.0 - post.shrinkage.mean,
        at_used=post.weight_at(tau),
    )


def _plugged_in(e: Estimated, seen: Observed) -> Pooled:
    """The estimates of the first and only replicate."""
    lower, upper = (None if x is None else x[0] for x in (e.lower, e.upper))
    if e.tau is None or e.middle is None:
        return Pooled(e.estimate[0], lower, upper)
    tau, sigma = float(e.tau[0]), float(seen.sigma_used[0, 0])
    weight = kept(seen.n, np.array((tau / sigma) ** 2))
    return Pooled(e.estimate[0], lower, upper, tau, sigma, float(e.middle[0]), weight, weight)


def _statistics(drawn: Worlds, sigma_known: bool) -> GroupStatistics:
    world, mean, n = drawn.world, drawn.mean[0], np.array(drawn.world.n)
    names = np.arange(1, len(n) + 1)
    if sigma_known:
        statistics = from_estimates(mean, world.sigma / np.sqrt(n), names, factor="group")
    else:
        sd = np.sqrt(drawn.ss[0] / np.maximum(n - 1, 1))
        statistics = from_summaries(n, mean, sd, names, factor="group")
    return replace(statistics, outcome="score")
