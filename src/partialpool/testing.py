"""Checks that a prior, or the link of a family, of your own passes before fits can trust it.

A prior tells, beside its density, how it behaves at zero and in its tail, and from that alone it
is decided whether a posterior is proper. What it tells wrongly shows in no single fit. These
checks hold it against its own density, against brute force and against simulated worlds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.errors import PartialPoolError
from partialpool.fitting import fit_groups
from partialpool.models import priors
from partialpool.models.priors import Jeffreys, ScalePrior

__all__ = ["Check", "CheckError", "check_link", "check_prior"]

ENDS, STEP = 100.0, 0.01
"""The density is summed at steps of 0.01 in u, x = exp(u) above the support's lower end, for u
from -100 to 100; what a tail like a power of x leaves beyond is added by its formula. At half the
step the integrals of all priors of the menu change by less than 1e-9."""
NEAR, FAR = (1e-6, 1e-9, 1e-12), (1e6, 1e9, 1e12)
"""Where powers are read at zero and in the tail, in units of the reference. At 1e6 a tail of
1 + 1/x differs from its power by 1e-6, which `SLOPE_AGREES` allows."""
SLOPE_AGREES = 1e-3
"""Difference of a power from the one that a prior tells; a wrong one is off by 0.5 or more."""
STANDARD_ERRORS = (0.4, 1.0, 0.7, 2.0, 1.5, 1.1, 0.9, 0.6)
"""Standard errors of the groups of brute force and of simulated worlds."""
ESTIMATES = (1.2, -0.4, 2.6, 3.0, -1.1, 0.3, 1.9, 0.8)
"""Estimates beside these errors: tau is pinned down neither near zero nor away from it, so that a
prior moves it."""
NOT_DRAWN = 1e-3
"""Priors with more of their mass beyond exp(100), such as inverse_gamma_sq(0.001, 0.001) with 0.8,
have no worlds that could be computed: their standard deviations overflow when squared."""
UNLIKELY = 1e-3
"""Below this p-value the ranks of the truth are not uniform; with a fixed seed a right prior
fails once in a thousand seeds, always or never at the default."""


class CheckError(PartialPoolError, AssertionError):
    """A check did not hold; the message names every one."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check that was made.

    Parameters
    ----------
    name : str
        What was compared.
    value, expected : float
        What was computed, and what it has to be.
    tolerance : float
        By how much they may differ.
    """

    name: str
    value: float
    expected: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the two agree."""
        if math.isnan(self.value) or math.isnan(self.expected):
            return False
        return self.value == self.expected or abs(self.value - self.expected) <= self.tolerance

    def __str__(self) -> str:
        return f"{self.name}: {self.value:.6g}, expected {self.expected:.6g}"


def _require(subject: str, checks: Sequence[Check]) -> tuple[Check, ...]:
    failed = [str(check) for check in checks if not check.holds]
    if failed:
        raise CheckError(
            f"{subject} fails {len(failed)} of {len(checks)} checks: {'; '.join(failed)}"
        )
    return tuple(checks)


def check_prior(
    prior: ScalePrior, *, reference: float = 1.0, worlds: int = 400, seed: int = 1
) -> tuple[Check, ...]:
    """Check a prior of a between-group standard deviation tau.

    1. If it says that it is proper, its density integrates to 1 over its support.
    2. Near zero the density goes like ``x^zero``, and in the tail like ``x^-tail``, as it says.
    3. Where it says so, it keeps its shape under a change of units,
       ``p(c x; c reference) = c^degree p(x; reference)``.
    4. The posterior of tau of eight estimates has the mean and the distribution function that a
       sum over 20,000 values of tau gives.
    5. Over worlds whose tau is drawn from it, the truth is uniform in its posterior
       (simulation-based calibration).

    Parameters
    ----------
    prior : ScalePrior
        The prior.
    reference : float
        The unit in which a relative prior is taken, and around which 2 and 3 look.
    worlds : int
        Simulated worlds of 5; 0 leaves it out. Improper priors, and those with mass beyond what
        can be squared, have none.
    seed : int
        Seed of these worlds.

    Returns
    -------
    tuple of Check
        Every check that was made.

    Raises
    ------
    CheckError
        If one does not hold.

    Source: Talts et al. (2018), arXiv:1804.06788, for 5.

    Examples
    --------
    >>> import partialpool as pp
    >>> from partialpool.testing import check_prior
    >>> checks = check_prior(pp.HalfNormal(2.0), worlds=50)
    >>> print(checks[0])
    integral of the density: 1, expected 1
    """
    grid = _Grid.of(prior, reference)
    checks: list[Check] = []
    if prior.proper:
        checks.append(Check("integral of the density", grid.total, 1.0, 1e-6))
    checks += _powers(prior, reference)
    if prior.degree is not None:
        checks.append(_change_of_units(prior, reference, prior.degree))
    if not isinstance(prior, Jeffreys):  # refused for tau: the posterior does not integrate
        checks += _brute_force(prior)
        if prior.proper and worlds and grid.beyond < NOT_DRAWN:
            checks.append(_calibration(prior, worlds, seed))
    return _require(str(prior), checks)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Values of x over the support, and the density times the length of each one's step."""

    x: Floats
    mass: Floats
    beyond: float
    """What a tail of a power of x holds above the last value."""

    @classmethod
    def of(cls, prior: ScalePrior, reference: float) -> _Grid:
        lower, upper = prior.support
        u = np.arange(-ENDS, ENDS + STEP, STEP)
        if math.isinf(upper):
            grown = reference * np.exp(u)
            x, slope = lower + grown, grown
        else:  # both ends finite: the same points to either side
            x = lower + (upper - lower) * special.expit(u)
            slope = (upper - lower) * special.expit(u) * special.expit(-u)
        inside = (x > lower) & (x < upper)
        x, slope = x[inside], slope[inside]
        mass = np.exp(prior.log_density(x, reference)) * slope * STEP
        endless = math.isinf(upper) and 1.0 < prior.tail < math.inf
        # The last value's mass reaches half a step beyond it.
        beyond = float(mass[-1]) * (1.0 / (STEP * (prior.tail - 1.0)) - 0.5) if endless else 0.0
        return cls(x, mass, beyond)

    @property
    def total(self) -> float:
        return float(self.mass.sum()) + self.beyond

    def drawn(self, uniform: Floats) -> Floats:
        """Values at these probabilities; shape of `uniform`."""
        below = np.cumsum(self.mass) - 0.5 * self.mass
        return np.interp(uniform * self.total, below, self.x)


def _powers(prior: ScalePrior, reference: float) -> Iterator[Check]:
    """The powers of x at both ends, against those that the prior tells."""
    lower, upper = prior.support
    if lower == 0.0:
        powers = [_slope(prior, x * reference, reference) for x in NEAR]
        yield _power("power of x near zero", powers, prior.zero)
    if math.isinf(upper):
        powers = [-_slope(prior, x * reference, reference) for x in FAR]
        yield _power("power of 1/x in the tail", powers, prior.tail)


def _slope(prior: ScalePrior, x: float, reference: float) -> float:
    """D log p / d log x, from a step of one part in a hundred to either side."""
    at = np.array([x * 0.99, x * 1.01])
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = prior.log_density(at, reference)
    if math.isinf(low) or math.isinf(high):  # the density itself has vanished
        return math.inf
    return float((high - low) / (np.log(at[1]) - np.log(at[0])))


def _power(name: str, powers: list[float], told: float) -> Check:
    first, *_, last = powers
    if math.isinf(told):  # faster than any power: the power grows without end
        grows = math.isinf(last) or last - first > 1.0
        return Check(name, math.inf if grows else last, math.inf, 0.0)
    return Check(name, last, told, SLOPE_AGREES)


def _change_of_units(prior: ScalePrior, reference: float, degree: float) -> Check:
    x, factor = reference * np.geomspace(0.01, 100.0, 9), 3.7
    before = prior.log_density(x, reference)
    after = prior.log_density(factor * x, factor * reference)
    worst = float(np.abs(after - before - degree * math.log(factor)).max())
    return Check("largest change of log p under other units", worst, 0.0, 1e-9)


def _brute_force(prior: ScalePrior) -> Iterator[Check]:
    """The posterior of tau of eight estimates, mu integrated out under a flat prior."""
    errors, estimates = np.array(STANDARD_ERRORS), np.array(ESTIMATES)
    fitted = fit_groups(
        mean=estimates, se=errors, names=np.arange(len(errors)), prior=priors(tau=prior)
    ).posterior
    tau = fitted["tau"]
    # For estimates of unequal precision the reference is the root of their harmonic mean square.
    typical = float(np.sqrt(1.0 / np.mean(errors**-2)))
    grid = _Grid.of(prior, typical)
    precision = 1.0 / (errors**2 + grid.x[:, None] ** 2)
    total = precision.sum(axis=1)
    mean = (precision @ estimates) / total
    away = (precision * (estimates - mean[:, None]) ** 2).sum(axis=1)
    log_likelihood = 0.5 * np.log(precision).sum(axis=1) - 0.5 * np.log(total) - 0.5 * away
    weight = grid.mass * np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()
    if prior.tail + len(errors) - 1.0 > 3.0:  # the posterior of tau has a variance
        sd = float(tau.sd)
        yield Check("posterior mean of tau", float(tau.mean), float(weight @ grid.x), 0.002 * sd)
    for probability in (0.1, 0.5, 0.9):
        at = float(np.interp(probability, np.cumsum(weight) - 0.5 * weight, grid.x))
        yield Check(f"P(tau < {at:.4g})", float(tau.cdf(at)), probability, 0.001)


def _calibration(prior: ScalePrior, worlds: int, seed: int) -> Check:
    rng = np.random.default_rng(seed)
    errors = np.full(5, 1.0)  # equal, so that the reference of relative priors is 1
    tau = _Grid.of(prior, 1.0).drawn(rng.uniform(size=worlds))
    theta = tau[:, None] * rng.standard_normal((worlds, len(errors)))
    seen = theta + errors * rng.standard_normal(theta.shape)
    names = np.arange(len(errors))
    ranks = np.array(
        [
            fit_groups(mean=y, se=errors, names=names, prior=priors(tau=prior))
            .posterior["tau"]
            .cdf(truth)
            for y, truth in zip(seen, tau, strict=True)
        ]
    )
    share = _uniform(ranks)
    name = f"p-value of uniform ranks over {worlds} worlds is above {UNLIKELY:g}"
    return Check(name, float(share > UNLIKELY), 1.0, 0.0)


def _uniform(ranks: Floats) -> float:
    """P-value of the Kolmogorov-Smirnov test that these are uniform on (0, 1)."""
    n, ordered = len(ranks), np.sort(ranks)
    steps = np.arange(n + 1) / n
    largest = max(float((steps[1:] - ordered).max()), float((ordered - steps[:-1]).max()))
    return float(special.kolmogorov(math.sqrt(n) * largest))


def check_link(link: Any, *, whole_part: float = 20.0) -> tuple[Check, ...]:
    """Check the link of a family of counts: its functions agree with one another.

        log likelihood = y theta - size A(theta),   E(y) = size A'(theta)

    The inverse of the link, its slope, the derivatives of A, the two functions of the
    likelihood, its mode, its curvature and its largest value are each held against another one
    or against a central difference.

    Parameters
    ----------
    link : Link
        As in `partialpool.kernels.families`.
    whole_part : float
        Sizes (trials or exposure) that are tried reach up to this.

    Returns
    -------
    tuple of Check

    Raises
    ------
    CheckError
        If one does not hold.

    Examples
    --------
    >>> from partialpool.kernels.families import LOGIT
    >>> from partialpool.testing import check_link
    >>> len(check_link(LOGIT)) > 10
    True
    """
    theta = np.linspace(-6.0, 6.0, 49)
    checks = [*_link_derivatives(link, theta), *_link_likelihood(link, theta, whole_part)]
    return _require(link.name, checks)


def _apart(a: Floats, b: Floats) -> float:
    """Largest difference, relative where numbers are large."""
    return float((np.abs(a - b) / np.maximum(1.0, np.abs(b))).max())


def _derivative(function: Callable[[Floats], Floats], at: Floats) -> Floats:
    """Central differences of fourth order: errors of 1e-11 for steps of 1e-3."""
    h = 1e-3
    near = function(at + h) - function(at - h)
    wide = function(at + 2 * h) - function(at - 2 * h)
    return np.asarray((8.0 * near - wide) / (12.0 * h))


def _link_derivatives(link: Any, theta: Floats) -> Iterator[Check]:
    value, slope, bend = link.cumulants(theta)
    same = {
        "theta from its own mean": (link.linked(link.natural(theta)), theta),
        "slope of the mean": (link.slope(theta), _derivative(link.natural, theta)),
        "A from cumulants and by itself": (value, link.cumulant(theta)),
        "A from exp(theta)": (link.cumulant_of(np.exp(theta)), value),
        "first derivative of A": (slope, _derivative(link.cumulant, theta)),
        "A' is the mean": (slope, link.natural(theta)),
        "second derivative of A": (bend, _derivative(link.natural, theta)),
        "slopes as in cumulants": (np.stack(link.slopes(theta)), np.stack([slope, bend])),
        "third derivative over the second": (
            link.skew(slope),
            _derivative(lambda t: link.slopes(t)[1], theta) / bend,
        ),
    }
    for name, (one, other) in same.items():
        yield Check(f"largest difference of {name}", _apart(one, other), 0.0, 1e-8)
    for step in (1e-9, 1e-3, 0.7, -2.0):
        exact = step * slope + 0.5 * step**2 * bend  # the next term is of third order
        if abs(step) > 1e-6:
            exact = link.cumulant(theta + step) - link.cumulant(theta)
        gap = _apart(link.cumulant_step(theta, np.full_like(theta, step)) / step, exact / step)
        yield Check(f"largest difference of A(theta + {step:g}) - A(theta)", gap, 0.0, 1e-9)


def _link_likelihood(link: Any, theta: Floats, largest: float) -> Iterator[Check]:
    size = np.array([1.0, 2.0, 7.0, largest])
    y = np.array([0.5, 1.0, 3.0, 0.4 * largest])  # inside, so that a mode exists
    mode = link.mode(y, size)
    from_terms, from_cumulant = (
        _log_likelihood(link, theta, y, size),
        y * theta[:, None] - size * link.cumulant(theta)[:, None],
    )
    gap = _apart(from_terms, from_cumulant)
    yield Check("largest difference of the two forms of the likelihood", gap, 0.0, 1e-10)
    at_mode = y - size * link.natural(mode)
    yield Check("slope of the likelihood at its mode", float(np.abs(at_mode).max()), 0.0, 1e-9)
    bend = size * link.slopes(mode)[1]
    gap = _apart(link.information(y, size), bend)
    yield Check("largest difference of the curvature at the mode", gap, 0.0, 1e-9)
    highest = y * mode - size * link.cumulant(mode)
    gap = _apart(link.best(y, size), highest)
    yield Check("largest difference of the highest likelihood", gap, 0.0, 1e-9)


def _log_likelihood(link: Any, theta: Floats, y: Floats, size: Floats) -> Floats:
    a, b = link.factors(y, size)
    return np.asarray(a * link.first(theta)[:, None] + b * link.second(theta)[:, None])
