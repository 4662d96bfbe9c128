"""From statistics to the posterior of a mixed model: by integration, or with spreads as given."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from partialpool._typing import Floats
from partialpool.data.cross_products import CrossProducts
from partialpool.integrate import (
    Accuracy,
    Cloud,
    highest_points,
    integrate_by_surrogate,
    integrate_cloud,
)
from partialpool.integrate.ascent import Peak
from partialpool.kernels.covariance import packed, partial_correlations, unpacked
from partialpool.models import MixedModel, Priors, mixed_model
from partialpool.models.mixed_propriety import Orders, check_proper
from partialpool.posterior.mixed import MixedPosterior

TARGETS = ((2, 1e-8), (4, 1e-4), (99, 1e-3))
"""Targets of the error in up to so many dimensions of phi."""
ROUGH = 0.05
"""And where an evaluation is slow."""
SLOW = 2e-3
"""Seconds of one evaluation from which on a polynomial stands in for most of them."""
SECONDS = 5.0
MOST = 200_000
"""About what the evaluations may take, and how many they may be."""
NEEDED = {2: 400, 3: 1500}
"""Evaluations without a polynomial, by dimension: made where it falls short, if afforded."""


def mixed_posterior(
    statistics: CrossProducts, priors: Priors, accuracy: float | None = None
) -> MixedPosterior:
    """Compute the posterior of a linear mixed model by deterministic integration.

    Parameters
    ----------
    statistics : CrossProducts
        The data, reduced.
    priors : Priors
        Of coefficients, sds, correlations and sigma.
    accuracy : float, optional
        Target of the error (posterior sds), in place of the default.

    Raises
    ------
    DataError
        If predictors are collinear, or a factor has one group only.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    model = mixed_model(statistics, priors)
    orders = check_proper(model)
    targets = TARGETS if accuracy is None else ((99, accuracy),)
    cloud = integrated_cloud(model, orders, targets)
    return MixedPosterior(statistics, model, orders, cloud, accuracy)


def integrated_cloud(
    model: MixedModel, orders: Orders, targets: Sequence[tuple[int, float]]
) -> Cloud:
    """Integrate over the hyperparameters, to the first target whose dimension is not exceeded."""
    slow = model.seconds > SLOW
    starts = model.starts[:1] if slow else model.starts
    peaks = highest_points(model.rough, model.axes, starts)
    if slow and len(model.axes) > 1:
        found = _by_surrogate(model, peaks[0], orders)
        needed = NEEDED.get(len(model.axes), math.inf)
        if found.status is Accuracy.REACHED or needed * model.seconds > SECONDS:
            return found
    return integrate_cloud(
        model.evaluate,
        model.axes,
        peaks,
        moments=orders.phi,
        tolerance=next(target for most, target in targets if len(model.axes) <= most),
        budget=int(min(SECONDS / model.seconds, MOST)),
    )


def _by_surrogate(model: MixedModel, peak: Peak, orders: Orders) -> Cloud:
    """What is carried along is interpolated, and the covariances of beta remain covariances."""
    p = model.system.p
    inside = slice(1 + p, 1 + p + p * p)

    def evaluate(points: Floats) -> tuple[Floats, Floats]:
        log_f, carried = model.evaluate(points)
        carried[:, inside] = packed(carried[:, inside].reshape(len(carried), p, p))
        return log_f, carried

    found = integrate_by_surrogate(evaluate, model.axes, peak, moments=orders.phi, tolerance=ROUGH)
    found.carried[:, inside] = unpacked(found.carried[:, inside]).reshape(len(found.carried), p * p)
    return found


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


def one_node(model: MixedModel, point: Floats, carried: Floats) -> tuple[Orders, Cloud]:
    """The only node of a posterior given phi, (1, d), with all moments."""
    cloud = Cloud(
        lines=(),
        place=np.zeros((1, point.shape[1]), dtype=np.int64),
        weight=np.ones(1),
        points=point,
        carried=carried,
        second=np.zeros(1, dtype=bool),
        log_total=math.nan,
        error=0.0,
        status=Accuracy.REACHED,
    )
    many = (math.inf,) * point.shape[1]
    names = model.statistics.coefficients
    return Orders(many, many, math.inf, (math.inf,) * len(names)), cloud
