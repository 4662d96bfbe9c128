"""One-way models of counts: one grouping factor, an intercept, binomial or Poisson events.

    y_j ~ Binomial(n_j, p_j),  logit p_j ~ N(mu, tau^2)            binomial
    y_j ~ Poisson(e_j rate_j), log rate_j ~ N(mu, tau^2)           poisson
    p_j    ~ Beta(m f, (1 - m) f),   m = expit(mu), f = 1 / tau^2  binomial, population beta
    rate_j ~ Gamma(f, f / m),        m = exp(mu),   f = 1 / tau^2  poisson, population gamma

Groups with equal events and size are computed once. In the conjugate populations tau is the
coefficient of variation of the rates, or the sd of the probabilities relative to its largest,
``sd(p)^2 = m (1 - m) tau^2 / (1 + tau^2)``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from partialpool._typing import Bools, Floats, Ints
from partialpool.errors import DataError
from partialpool.integrate import Axis
from partialpool.kernels import conjugate, counts
from partialpool.kernels.counts import Pairs
from partialpool.kernels.families import LOG, LOGIT, Link
from partialpool.models.counts_propriety import CountMoments, CountSizes, check_proper
from partialpool.models.population_text import CountPopulation
from partialpool.models.prior_set import Priors
from partialpool.models.priors import Normal, log_density_of_coefficient
from partialpool.models.unused_priors import refuse_sigma
from partialpool.records import CountStatistics

CELLS_AT_ONCE = 4_000_000
"""Elements of the (pairs, nodes) arrays held at once (32 MB)."""


@dataclass(frozen=True, slots=True, eq=False)
class CountsModel:
    """The likelihood and priors of a one-way model of counts over (mu, tau).

    Parameters
    ----------
    pairs : Pairs
        Distinct (events, size) of the groups that have data, K of them.
    count : ndarray, shape (K,)
        Groups of each pair.
    member : ndarray of int, shape (J,)
        The pair of each group; K for groups without trials or exposure.
    population : {"normal", "beta", "gamma"}
        Distribution of the groups: of their link, or of the probability or rate itself.
    priors : Priors
        Of mu (link scale) and tau.
    sizes : CountSizes
        What decides which priors give a proper posterior.
    moments : CountMoments
        Which moments exist.
    log_constant : float
        Parts of the log likelihood that no parameter changes.
    """

    pairs: Pairs
    count: Floats
    member: Ints
    population: CountPopulation
    priors: Priors
    sizes: CountSizes
    moments: CountMoments
    log_constant: float

    @property
    def link(self) -> Link:
        """Logit or log."""
        return self.pairs.link

    @property
    def conjugate(self) -> bool:
        """Whether the population is conjugate to the family, not normal."""
        return self.population != "normal"

    @property
    def inside(self) -> Bools:
        """Pairs strictly inside their range; see `Pairs.inside`."""
        return self.pairs.inside

    @property
    def axis(self) -> Axis:
        """The range of tau."""
        return Axis(*self.priors.tau.support)

    @property
    def typical_ratio(self) -> float:
        """Standard error of a typical group's own estimate, on the link scale, where sigma is 1."""
        return math.sqrt(self.count.sum() / (self.count @ self.pairs.sd**-2))

    @property
    def pooled(self) -> float:
        """Probability or rate of all groups together, half an event added."""
        y, size = self.count @ self.pairs.y, self.count @ self.pairs.size
        return float((y + 0.5) / (size + (1.0 if self.link is LOGIT else 0.0)))

    @property
    def start(self) -> float:
        """A rough guess of tau inside its prior's range."""
        low, high = self.priors.tau.support
        guess = self.typical_ratio
        if low < guess < high:
            return guess
        return 0.5 * (low + (high if math.isfinite(high) else 2.0 * low + 1.0))

    def guess(self, tau: Floats) -> tuple[Floats, Floats]:
        """Rough mean and sd of mu at each tau, by normal approximation; each shape (T,)."""
        spread = tau
        if self.conjugate and self.link is LOGIT:
            # a group says no more of m than one trial
            # m (1 - m) / (1 + f) is the variance of a probability; on the logit scale it is divided
            # by (m (1 - m))^2
            spread = tau / np.sqrt(self.pooled * (1.0 - self.pooled) * (1.0 + tau**2))
        elif self.conjugate:  # towards larger mu the likelihood falls like exp(-groups mu / tau^2)
            spread = tau * np.sqrt(1.0 + tau**2 / self.count.sum())
        center, precision = np.zeros(len(tau)), np.zeros(len(tau))
        for part in self._chunks(len(tau)):
            p = self.pairs.at(part)
            # precision of a group's estimate of mu at this tau
            w = self.count[part, None] / (p.sd[:, None] ** 2 + spread**2)  # (K, T)
            center += p.center @ w
            precision += w.sum(axis=0)
        center /= precision
        if isinstance(self.priors.mu, Normal):
            prior_precision = self.priors.mu.sd**-2
            center = (center * precision + self.priors.mu.mean * prior_precision) / (
                precision + prior_precision
            )
            precision = precision + prior_precision
        return center, precision**-0.5

    def log_joint(self, mu: Floats, tau: Floats) -> Floats:
        """Log posterior density of (mu, tau), less `log_constant`.

        Parameters
        ----------
        mu : ndarray, shape (T, M)
        tau : ndarray, shape (T,)

        Returns
        -------
        ndarray, shape (T, M)
        """
        out = self.log_prior(mu, tau)
        for part in self._chunks(mu.size):
            log_l = self.log_marginals(self.pairs.at(part), mu, tau)
            out += (self.count[part] @ log_l.reshape(len(log_l), -1)).reshape(mu.shape)
        return out

    def log_prior(self, mu: Floats, tau: Floats) -> Floats:
        """Log prior density of (mu, tau), shapes (T, M) and (T,) to (T, M)."""
        of_tau = self.priors.tau.log_density(tau, self.typical_ratio)
        return np.asarray(log_density_of_coefficient(self.priors.mu, mu) + of_tau[:, None])

    def log_marginals(self, pairs: Pairs, mu: Floats, tau: Floats) -> Floats:
        """Log likelihood of each pair at each node, its parameter integrated out; (K, T, M)."""
        if not pairs.size.any():  # no data: the likelihood is 1
            return np.zeros((len(pairs), *mu.shape))
        form = conjugate.log_marginals if self.conjugate else counts.log_marginals
        return form(pairs, mu, tau)

    def pooling(self, size: Floats, mu: Floats, tau: Floats) -> Floats:
        """Weight on the pooled value of a group of this size; shapes broadcast.

            B = 1 / (1 + tau^2 I),   I the information in `size` at the population mean

        with I = n m (1 - m) for binomial and e m for Poisson events; in the conjugate populations
        ``B = f / (f + n)`` and ``f / (f + e m)``, exactly the weight on m in the mean of p_j
        or rate_j.
        """
        each = self.link.slope(mu)
        if self.conjugate and self.link is LOGIT:
            each = np.ones_like(each)
        return np.asarray(1.0 / (1.0 + size * (tau**2 * each)))

    def _chunks(self, nodes: int) -> Iterator[slice]:
        step = max(1, CELLS_AT_ONCE // nodes)
        for i in range(0, len(self.pairs), step):
            yield slice(i, i + step)


def counts_model(
    statistics: CountStatistics, priors: Priors, population: CountPopulation = "normal"
) -> CountsModel:
    """Set up the model; the population is one that goes with the family.

    Raises
    ------
    DataError
        If there is one group only, or none with trials or exposure.
    PriorError
        If sigma is given a prior.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    s = statistics
    refuse_sigma(priors, counts=True)
    if s.n_groups < 2:
        raise DataError(
            f'column "{s.factor}" has one group only ("{s.labels[0]}", {s.n_used} rows): pooling '
            "needs at least two groups"
        )
    if not s.size.any():
        raise DataError(f'column "{s.size_name}" is 0 in every row: there is nothing to learn from')
    pairs, count, member = distinct_pairs(s.y, s.size, LOGIT if s.proportion else LOG)
    ends = (pairs.y == 0) | ((pairs.y == pairs.size) & s.proportion)
    sizes = CountSizes(
        groups=int(count.sum()),
        inside=int(count[~ends].sum()),
        any_event=bool(pairs.y.any()),
        any_failure=not s.proportion or bool((pairs.y < pairs.size).any()),
        family=s.family,
        conjugate=population != "normal",
    )
    return CountsModel(
        pairs=pairs,
        count=count,
        member=member,
        population=population,
        priors=priors,
        sizes=sizes,
        moments=check_proper(sizes, priors),
        log_constant=s.log_constant + float(count @ pairs.best),
    )


def distinct_pairs(y: Floats, size: Floats, link: Link) -> tuple[Pairs, Floats, Ints]:
    """Distinct pairs with their numbers, and the pair of each group (their number where size 0)."""
    used = np.flatnonzero(size > 0)
    # equal pairs beside each other
    order = used[np.lexsort((y[used], size[used]))]
    new = np.concatenate([[True], (np.diff(y[order]) != 0) | (np.diff(size[order]) != 0)])
    at = order[new]
    unsorted = _pairs(y[at], size[at], link)
    # in the order that the kernels' bands need
    rank = np.argsort(unsorted.information, kind="stable")
    place = np.empty(len(rank), dtype=np.intp)
    place[rank] = np.arange(len(rank))
    # K, one past the last pair, for groups without data
    member = np.full(len(y), len(at), dtype=np.intp)
    member[order] = place[np.cumsum(new) - 1]
    count = np.bincount(member[used], minlength=len(at)).astype(np.float64)
    columns = (getattr(unsorted, f.name)[rank] for f in fields(Pairs)[1:])
    return Pairs(link, *columns), count, member


def _pairs(y: Floats, size: Floats, link: Link) -> Pairs:
    first, second = link.factors(y, size)
    center, sd = link.guess(y, size)
    best, information = link.best(y, size), link.information(y, size)
    return Pairs(link, y, size, first, second, best, center, sd, information)


def empty_pair(link: Link) -> Pairs:
    """The pair of a group without data: its likelihood is 1 everywhere."""
    zero = np.zeros(1)
    return Pairs(link, zero, zero, zero, zero, zero, zero, zero, zero)
