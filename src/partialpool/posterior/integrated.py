"""From statistics to the posterior of a mixed model: by integration, or with spreads as given."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from partialpool._typing import Floats
from partialpool.integrate import (
    Accuracy,
    Lattice,
    SamplingTarget,
    WeightedNodes,
    find_modes,
    integrate_by_sampling,
    integrate_lattice,
)
from partialpool.kernels.covariance import partial_correlations
from partialpool.models import MixedModel, Priors, mixed_model
from partialpool.models.mixed_propriety import Orders, check_proper
from partialpool.posterior.argument_checks import SAMPLED_ENDS, SAMPLED_MOMENTS
from partialpool.posterior.mixed import MixedPosterior
from partialpool.records.cross_products import CrossProducts

TARGETS = {1: 1e-8, 2: 5e-3, 5: 1e-1}
"""Targets of the error of the lattice by dimension of phi: in one and two they cost next to
nothing, in five more costs too much."""
USUAL_TARGET = 2e-2
"""And in three and four. At 2e-2 the worst end of any interval is off by 0.013 on 13 data sets;
5e-3 takes two to four times as many nodes."""
LATTICE_DIMENSIONS = 5
"""Dimensions up to which the lattice is 10 to 100 times better for the ends of sds than sampling at
as many evaluations (five crossed factors of 100: error 0.07 with 1,000 nodes, 0.4 with as many
points). Beyond, its nodes are too many (six effects of Machines: 1e5 and more)."""
SAMPLING_TARGET = SamplingTarget(moments=SAMPLED_MOMENTS, ends=SAMPLED_ENDS)
"""Targets of sampling."""
ROUGH_RISE = 1e-2
"""Rise still to be had where a mode is only the centre of a proposal."""
BUDGET_SECONDS = {"lattice": 20.0, "sampling": 5.0}
"""About what the evaluations may take, by `seconds` of the kernel: not measured, so that digits do
not depend on the machine."""
MOST_EVALUATIONS = 200_000
"""And how many they may be: beyond, their results fill memory."""
SLOW_EVALUATION = 2e-3
"""Seconds of one evaluation from which on the mode is looked for from one start, not from all."""


def mixed_posterior(
    statistics: CrossProducts, priors: Priors, accuracy: float | None = None
) -> MixedPosterior:
    """Compute the posterior of a linear mixed model.

    Deterministically over up to four hyperparameters, by importance sampling over more.

    Parameters
    ----------
    statistics : CrossProducts
        The data, reduced.
    priors : Priors
        Of coefficients, sds, correlations and sigma.
    accuracy : float, optional
        Target for the error of all that is printed, in sds; see `MixedPosterior.error`.

    Raises
    ------
    DataError
        If predictors are collinear, or a factor has one group only.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    model = mixed_model(statistics, priors)
    orders = check_proper(model)
    lattice = integrated(model, orders, accuracy)
    return MixedPosterior(statistics, model, orders, lattice, accuracy)


def integrated(model: MixedModel, orders: Orders, accuracy: float | None = None) -> WeightedNodes:
    """Integrate over the hyperparameters."""
    d, seconds = len(model.axes), model.seconds
    starts = model.starts[:1] if seconds > SLOW_EVALUATION else model.starts
    starts = np.concatenate([starts, model.prior_starts])
    if d <= LATTICE_DIMENSIONS:
        peaks = find_modes(model.rough, model.axes, starts)
        usual = TARGETS.get(d, USUAL_TARGET)
        return integrate_lattice(
            model.evaluate,
            model.axes,
            peaks,
            moments=orders.phi,
            tolerance=_tolerance(d, usual, accuracy),
            budget=int(min(BUDGET_SECONDS["lattice"] / seconds, MOST_EVALUATIONS)),
        )
    bounded = [math.isfinite(axis.lower) and math.isfinite(axis.upper) for axis in model.axes]
    return integrate_by_sampling(
        model.evaluate,
        model.axes,
        find_modes(model.rough, model.axes, starts, enough=ROUGH_RISE),
        moments=np.where(bounded, math.inf, orders.phi).tolist(),
        target=SAMPLING_TARGET if accuracy is None else SamplingTarget(accuracy, accuracy),
        budget=int(min(BUDGET_SECONDS["sampling"] / seconds, MOST_EVALUATIONS)),
    )


def _tolerance(d: int, usual: float, accuracy: float | None) -> float:
    if accuracy is None:
        return usual
    return min(accuracy, usual) if d == 1 else accuracy  # one dimension costs nothing


def plug_in(
    statistics: CrossProducts, sds: Sequence[Floats], correlations: Sequence[Floats], sigma: float
) -> MixedPosterior:
    """Everything given the spreads as if they were known: the posterior with one node.

    Parameters
    ----------
    statistics : CrossProducts
    sds : sequence of ndarray, shape (q,)
        Of each term's effects (units of y over those of z).
    correlations : sequence of ndarray, shape (q, q)
    sigma : float
    """
    model = mixed_model(statistics, Priors(), with_sigma=True)
    head = [] if statistics.sigma_known else [np.array([sigma])]
    point = np.concatenate([*head, one_point(model, sds, correlations)])[None]
    return MixedPosterior(statistics, model, *one_node(model, point, model.evaluate(point)[1]))


def one_point(model: MixedModel, sds: Sequence[Floats], correlations: Sequence[Floats]) -> Floats:
    """The part of phi that says the spreads of every term."""
    parts = []
    for term, sd, correlation in zip(model.terms, sds, correlations, strict=True):
        parts.append(np.maximum(sd, 0.0))
        if term.partial is not None:
            parts.append(partial_correlations(correlation))
    return np.concatenate(parts)


def one_node(model: MixedModel, point: Floats, carried: Floats) -> tuple[Orders, Lattice]:
    """The only node of a posterior given phi, (1, d), with all moments."""
    lattice = Lattice(
        lines=(),
        place=np.zeros((1, point.shape[1]), dtype=np.intp),
        weight=np.ones(1),
        points=point,
        carried=carried,
        replicate=np.zeros(1, dtype=np.intp),
        log_total=math.nan,
        error=0.0,
        status=Accuracy.REACHED,
    )
    sizes = point.shape[1], sum(len(t.effects) for t in model.terms)
    phi, sd, coefficients = ((math.inf,) * n for n in (*sizes, len(model.statistics.coefficients)))
    return Orders(phi, sd, math.inf, coefficients), lattice
