"""Whether the posterior of a mixed model integrates, and which moments exist, by counting powers.

Far out the likelihood falls like a whole power of the sds that go to infinity together: with one
factor of L groups and an intercept, like tau^-(L - 1). The power depends on the columns of X and Z
alone. For crossed and nested factors, varying slopes and predictors that are constant within
groups it is read off the determinants in the likelihood at two points in the tail, and rounded.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.errors import DataError, ImproperPosteriorError
from partialpool.kernels.fixed_effects import Solved, fits_perfectly, solve
from partialpool.models.confounded import check_confounded
from partialpool.models.mixed import MixedModel, inside, sd_name
from partialpool.models.priors import ScalePrior, StudentT
from partialpool.records.cross_products import Block

Shortfall = Callable[[Sequence[tuple[int, int]]], int]
"""By how many powers less than of measurements the likelihood falls for some effects, each by the
position of its term and its own in the term; see `one_sided`."""

POWER_FROM, POWER_TO = 3e3, 3e5
"""Multiples of the typical standard errors between which powers are measured."""
ALL_SETS_UP_TO = 6
"""Up to so many sds, all sets of them are tried; beyond, each alone, pairs, and all."""


FARTHEST_MEAN = 100.0
"""How many sds from zero the mean of a varying slope's predictor may lie."""


@dataclass(frozen=True, slots=True)
class Orders:
    """Moments of an order below these exist.

    Parameters
    ----------
    phi : tuple of float
        Of each dimension of phi, as `integrate_lattice` takes them.
    sd : tuple of float
        Of each sd, in the order of the terms' effects.
    sigma : float
    coefficients : tuple of float
        Of each coefficient.
    """

    phi: tuple[float, ...]
    sd: tuple[float, ...]
    sigma: float
    coefficients: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Spread:
    """One sd: where it is in phi and how its prior falls."""

    name: str
    groups: int
    effect: tuple[int, int]
    at: int
    prior: ScalePrior
    bounded: bool
    reference: float

    @property
    def tail(self) -> float:
        return self.prior.tail


def check_proper(model: MixedModel, short: Shortfall | None = None) -> Orders:
    """Return which moments exist.

    Parameters
    ----------
    model : MixedModel
    short : callable, optional
        Of counts, where groups may limit their effects on one side only.

    Raises
    ------
    DataError
        If a varying slope's predictor is so far from zero that its intercept means nothing.
    ImproperPosteriorError
        If the posterior does not integrate to one; the message says why and what to choose.
    """
    for block in model.statistics.blocks:
        _check_offset(block)
    spreads = _spreads(model)
    _check_sigma(model)
    check_confounded(model)
    free = [s for s in spreads if not s.bounded and math.isfinite(s.tail)]
    powers, grows = _powers(model, spreads, free)
    missing = {c: 0 if short is None else short([s.effect for s in c]) for c in powers}
    powers = {chosen: power - missing[chosen] for chosen, power in powers.items()}
    for chosen, power in powers.items():
        # as all of a set grow together, r^(n - 1) dr of n sds must be beaten
        if power + sum(s.tail for s in chosen) <= len(chosen):
            raise _improper(chosen, missing[chosen])
    sigma = _sigma_order(model)
    df = math.inf if model.df is None else model.df
    orders = {c: power + sum(s.tail for s in c) - len(c) for c, power in powers.items()}
    # a moment of one sd must exist along every set that it is in
    lowest_order = {s: min([math.inf, *(o for c, o in orders.items() if s in c)]) for s in spreads}
    # sds are ratios times sigma, whose own tail is that of df
    sd = tuple(min(lowest_order[s], df) for s in spreads)
    phi = [0.0] * len(model.axes)
    for s in spreads:
        phi[s.at] = lowest_order[s]
    if model.has_sigma:
        phi[0] = sigma
    whole = df if math.isfinite(df) else sigma
    coefficients = tuple(
        min([whole, *(o for c, o in orders.items() if grows[c][k])])
        for k in range(len(model.statistics.coefficients))
    )
    return Orders(tuple(phi), sd, sigma, _with_priors(model, coefficients))


def _with_priors(model: MixedModel, orders: tuple[float, ...]) -> tuple[float, ...]:
    """A proper prior adds its own moments."""
    out = []
    for name, order in zip(model.statistics.coefficients, orders, strict=True):
        prior = model.priors.coefficient(name)
        more = prior.df if isinstance(prior, StudentT) else math.inf if prior.proper else 0.0
        out.append(order + more)
    return tuple(out)


def _check_offset(block: Block) -> None:
    """Refuse slopes whose intercept is an extrapolation far beyond the data."""
    if not block.correlated:
        return
    # sd of the predictor about its mean
    spread = np.sqrt(np.einsum("lkk->k", block.ztz) / block.weight.sum())
    for effect, shift, sd in zip(block.effects, block.shift, spread, strict=True):
        if abs(shift) > FARTHEST_MEAN * sd > 0.0:
            raise DataError(
                f'"{effect}" lies far from zero (mean {shift:.4g}, spread {sd:.3g}), and the '
                f'intercepts that vary by "{block.factor}" would be those at zero; write '
                f"center({effect}) in its place"
            )


def _spreads(model: MixedModel) -> list[_Spread]:
    out = []
    for t, (term, block) in enumerate(zip(model.terms, model.statistics.blocks, strict=True)):
        for k, effect in enumerate(term.effects):
            prior = term.priors[k]
            bounded = math.isfinite(prior.support[1])
            out.append(
                _Spread(
                    sd_name(term.factor, effect),
                    len(block.n),
                    (t, k),
                    term.sds.start + k,
                    prior,
                    bounded,
                    float(term.reference[k]),
                )
            )
    return out


def _powers(
    model: MixedModel, spreads: list[_Spread], free: list[_Spread]
) -> tuple[dict[tuple[_Spread, ...], float], dict[tuple[_Spread, ...], list[bool]]]:
    """Power with which the likelihood falls for sets of sds; which coefficients grow with each."""
    sizes = range(1, len(free) + 1) if len(free) <= ALL_SETS_UP_TO else (1, 2, len(free))
    sets = [c for size in sizes for c in itertools.combinations(free, size)]
    if not sets:
        return {}, {}
    base = np.array(model.starts[0])
    unit = model.sigma(base[None])[0]
    for s in spreads:
        base[s.at] = inside(s.prior, unit * s.reference)
    points = np.tile(base, (2 * len(sets), 1))
    for row, chosen in enumerate(sets):
        for s in chosen:
            points[row, s.at] = POWER_FROM * s.reference * unit
            points[row + len(sets), s.at] = POWER_TO * s.reference * unit
    with np.errstate(all="ignore"):
        log_det, solved = _determinants(model, points)
    named, _ = model.system.named
    variance = np.einsum("ij,gjk,ik->gi", named, solved.covariance, named)
    near, far = np.split(log_det, 2)
    # log likelihood falls by half the log determinant: the power is a whole number, and the rest is
    # what POWER_FROM is short of infinity
    rise = np.rint(0.5 * (far - near) / math.log(POWER_TO / POWER_FROM))
    # in proportion to the squared sd, 1e4 times here, or not at all
    grow = variance[len(sets) :] > 1e2 * variance[: len(sets)]
    powers = dict(zip(sets, np.nan_to_num(rise, nan=-math.inf).tolist(), strict=True))
    return powers, dict(zip(sets, grow.tolist(), strict=True))


def _determinants(model: MixedModel, points: Floats) -> tuple[Floats, Solved]:
    """Logarithm of |V| |X'V^-1 X|, and the coefficients' covariance, at points of phi.

    A proper prior of a coefficient counts as information of the size of the data's: how far out
    it takes effect does not matter.
    """
    reduced = model.reduced(points)
    squares = reduced.squares
    for name in model.statistics.coefficients:
        if model.priors.coefficient(name).proper:
            row = model.prior_row(name, 0.0)
            # its mean does not matter far out
            row[-1] = 0.0
            squares = squares + np.outer(row, row) / (row @ row)
    solved = solve(squares)
    return reduced.log_det + solved.log_det, solved


def _check_sigma(model: MixedModel) -> None:
    """Refuse data that leave sigma without a lower or an upper limit."""
    s = model.statistics
    if s.sigma_known:
        return
    if model.df is not None and model.df <= 0:
        raise ImproperPosteriorError(
            f"{s.n_used} rows are too few for {len(s.coefficients)} coefficients, sigma and "
            f"{sum(len(t.effects) for t in model.terms)} standard deviations between groups: "
            f"{_advice()}"
        )
    if model.priors.sigma.zero == math.inf or not fits_perfectly(model.system, model.kernel):
        return
    raise ImproperPosteriorError(
        "coefficients and groups' effects together fit every row exactly, so sigma (the spread "
        "of rows about their groups' lines) cannot be told from the spread between groups: not "
        "identified. Give the standard error of each row (y | se(column) ~ ...), more rows a "
        'group, or a prior of sigma that excludes 0 (--prior "sigma ~ lognormal(0, 1)")'
    )


def _sigma_order(model: MixedModel) -> float:
    """Moments of sigma below this exist."""
    s = model.statistics
    if s.sigma_known:
        return math.inf
    if model.df is not None:
        return model.df
    flat = sum(not model.priors.coefficient(name).proper for name in s.coefficients)
    order = s.n_used - flat + model.priors.sigma.tail - 1.0
    tails = [p.tail - 1.0 for t in model.terms for p in t.priors]
    together = order + sum(tails)
    if min(order, together) <= 0:
        raise ImproperPosteriorError(
            f"{s.n_used} rows leave sigma without an upper limit under sigma ~ "
            f"{model.priors.sigma}: give sigma a proper prior such as half_normal(scale)"
        )
    return min(order, together)


def _advice() -> str:
    return (
        'give the standard deviations proper priors, such as --prior "tau ~ half_normal(scale)" '
        "for all of them (in Python: prior=pp.priors(tau=pp.HalfNormal(scale)))"
    )


def _improper(chosen: tuple[_Spread, ...], missing: int) -> ImproperPosteriorError:
    names = " and ".join(s.name for s in chosen)
    groups = " and ".join(f"{n:,}" for n in dict.fromkeys(s.groups for s in chosen))
    why = ""
    if missing:
        verb = "says" if missing == 1 else "say"
        why = (
            f"; {missing:,} of them, with no event, or events only, {verb} no more than on which "
            "side of the others they lie"
        )
    return ImproperPosteriorError(
        f"the data do not limit {names} from above: {groups} groups are too few for it{why}, or "
        f"its effects cannot be told from other terms; its posterior has no finite total under "
        f"flat priors (an intercept that varies needs at least 3 groups): {_advice()}"
    )
