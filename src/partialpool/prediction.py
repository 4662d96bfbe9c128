"""Predictions for new rows, each with its interval: of a known group, a new one, the population."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.design.design import Design
from partialpool.design.new_rows import NewRows, Target, Unseen
from partialpool.design.source import ROW
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.kernels.families import LOG
from partialpool.posterior import Engine
from partialpool.posterior.argument_checks import checked_draws
from partialpool.posterior.dispersed_events import varied
from partialpool.posterior.distributions import IntervalKind
from partialpool.posterior.engine import FullEngine
from partialpool.posterior.joint_rows import RowDraws, new_sizes
from partialpool.posterior.predicted_counts import new_events
from partialpool.rows.new_rows import new_rows

ROWS_AT_ONCE = 2048
"""Rows of counts whose components are held at once: each is then computed once, not three times."""


@dataclass(frozen=True, slots=True)
class PredictionOptions:
    """What is predicted; see `Fit.predict`."""

    target: Target
    unseen: Unseen
    observation: bool
    level: float
    kind: IntervalKind

    def check(self) -> None:
        """Raise an ArgumentError if a choice is not one of those there are."""
        for name, kinds in (("target", Target), ("unseen", Unseen)):
            value = getattr(self, name)
            if value not in get_args(kinds):
                hint = did_you_mean(str(value), get_args(kinds))
                choices = ", ".join(f'"{c}"' for c in get_args(kinds))
                raise ArgumentError(f"{name}={value!r}: {hint}it is one of {choices}")


def predict(post: Engine, design: Design, data: Any, options: PredictionOptions) -> Table:
    """Predict new rows.

    Parameters
    ----------
    post : OneWayPosterior, MixedPosterior or Estimated
        The fitted model.
    design : Design
        How its rows became columns.
    data : frame, mapping, path or relation
        New rows.
    options : PredictionOptions
        What is predicted.

    Returns
    -------
    Table
        estimate, sd, lower, upper (units of the outcome), in the order of the rows.
    """
    options.check()
    rows = new_rows(design, data, options.target, options.unseen, observation=options.observation)
    each = _each(post, rows, options)
    return Table({name: np.asarray(values)[rows.place] for name, values in each.items()})


def predict_draws(
    post: Engine,
    design: Design,
    data: Any,
    options: PredictionOptions,
    size: int,
    rng: np.random.Generator,
) -> Floats:
    """Draw predictions of new rows jointly; (size, N), in the order of the rows.

    Rows of the same group share its effect: of one that is not in the data as well, by its label.

    Parameters
    ----------
    post, design, data, options
        As of `predict`.
    size : int
        Number of draws S.
    rng : numpy.random.Generator
        Source of randomness.
    """
    options.check()
    size = checked_draws(size, rng)
    engine: FullEngine = post.given
    rows = new_rows(design, data, options.target, options.unseen, observation=options.observation)
    of_each = [t for t, e in enumerate(design.effects) if ROW in e.factor.columns]
    if of_each:  # of equal rows each has an effect of its own
        rows = rows.repeated()
        every = np.arange(len(rows.place))
        apart = {t: np.where(rows.new[t] >= 0, every, -1) for t in of_each}
        rows = replace(rows, new={**rows.new, **apart})
    drawn = engine.draws(size, rng)
    effects_drawn = engine.drawn_effects(drawn, new_sizes([rows]), rng)
    values = np.empty((size, len(rows.x)))
    for part, which, eta in RowDraws(rows, effects_drawn).blocks():
        values[which, part] = (eta if engine.link is None else engine.link.natural(eta)).T
    values = values[:, rows.place]
    if rows.weight is None:
        return values
    weight = rows.weight[rows.place]
    if engine.dispersion is not None:
        values = varied(values, drawn.dispersion, rng, proportion=engine.link is not LOG)
    if engine.link is LOG:
        return rng.poisson(values * weight).astype(np.float64)
    if engine.link is not None:
        return rng.binomial(weight.astype(np.int64), values).astype(np.float64)
    noise = engine.drawn_noise(drawn, rows, rng)
    noise = noise if noise.shape[1] == 1 else noise[:, rows.place]
    return np.asarray(values + rng.standard_normal(values.shape) * noise / np.sqrt(weight))


def _each(post: Engine, rows: NewRows, options: PredictionOptions) -> Table:
    """One row of the table for each row that differs."""
    given = post.given
    if given.counts:
        starts = range(0, max(len(rows.x), 1), ROWS_AT_ONCE)
        parts = [rows.part(slice(i, i + ROWS_AT_ONCE)) for i in starts]
        tables = [_counted(given, part, options) for part in parts]
        return Table({k: np.concatenate([t[k] for t in tables]) for k in tables[0]})
    predictor = given.linear(rows.x, rows.groups, noise=rows.weight)
    lower, upper = predictor.interval(options.level, options.kind)
    columns = {"estimate": predictor.estimate, "lower": lower, "upper": upper}
    moved = {k: np.asarray(v) + rows.offset for k, v in columns.items()}
    return Table(
        estimate=moved["estimate"], sd=predictor.sd, lower=moved["lower"], upper=moved["upper"]
    )


def _counted(post: FullEngine, rows: NewRows, options: PredictionOptions) -> Table:
    """Probabilities or rates, or the events of new trials or exposure if these were asked for."""
    value = post.of_new_rows(rows, "response")
    if rows.weight is not None:
        if options.kind != "equal-tailed":
            raise ArgumentError("intervals of numbers of events have equal tails only")
        proportion = bool(post.statistics.proportion)
        return new_events(value, rows.weight, proportion, options.level, post.dispersion)
    lower, upper = value.interval(options.level, options.kind)
    return Table(estimate=value.estimate, sd=value.sd, lower=lower, upper=upper)
