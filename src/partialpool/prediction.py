"""Predictions for new rows, each with its interval: of a known group, a new one, the population."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, get_args

import numpy as np

from partialpool._typing import Floats
from partialpool.data import Table
from partialpool.data.design import Design
from partialpool.data.new_rows import NewRows, Target, Unseen, new_rows
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.posterior import (
    CountsPosterior,
    Distribution,
    Estimated,
    GeneralizedPosterior,
    OneWayPosterior,
)
from partialpool.posterior.distributions import IntervalKind
from partialpool.posterior.one_way_linear import one_way_linear
from partialpool.posterior.predicted_counts import new_events

TOGETHER = 2048
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


def predict(post: Any, design: Design, data: Any, options: PredictionOptions) -> Table:
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


def _each(post: Any, rows: NewRows, options: PredictionOptions) -> Table:
    """One row of the table for each row that differs."""
    given = post.given if isinstance(post, Estimated) else post
    if isinstance(given, CountsPosterior):
        return _counted(
            given.of_rows(rows.groups[0][0]), rows, given.statistics.proportion, options
        )
    if isinstance(given, GeneralizedPosterior):
        starts = range(0, max(len(rows.x), 1), TOGETHER)
        parts = [rows.part(slice(i, i + TOGETHER)) for i in starts]
        tables = [_sampled(post, given, part, options) for part in parts]
        return Table({k: np.concatenate([t[k] for t in tables]) for k in tables[0]})
    found = linear(post, rows)
    lower, upper = found.interval(options.level, options.kind)
    columns: dict[str, Floats] = {"estimate": found.estimate, "lower": lower, "upper": upper}
    columns = {k: np.asarray(v) + rows.offset for k, v in columns.items()}
    return Table(
        estimate=columns["estimate"], sd=found.sd, lower=columns["lower"], upper=columns["upper"]
    )


def _sampled(
    post: Any, given: GeneralizedPosterior, rows: NewRows, options: PredictionOptions
) -> Table:
    """Rows of a model of counts with predictors: so few that their components can be held."""
    found = linear(post, replace(rows, weight=None))
    value = given.natural(found, rows.offset)
    return _counted(value, rows, given.statistics.proportion, options)


def _counted(
    value: Distribution, rows: NewRows, proportion: bool, options: PredictionOptions
) -> Table:
    """Probabilities or rates, or the events of new trials or exposure if these were asked for."""
    if rows.weight is not None:
        if options.kind != "equal-tailed":
            raise ArgumentError("intervals of numbers of events have equal tails only")
        return new_events(value, rows.weight, proportion, options.level)
    lower, upper = value.interval(options.level, options.kind)
    return Table(estimate=value.estimate, sd=value.sd, lower=lower, upper=upper)


@singledispatch
def linear(post: Any, rows: NewRows) -> Distribution:
    """Distribution of the linear predictor of each row, with noise where rows have weights."""
    found: Distribution = post.linear(rows.x, rows.groups, noise=rows.weight)
    return found


@linear.register
def _linear_one_way(post: OneWayPosterior, rows: NewRows) -> Distribution:
    return one_way_linear(post, rows.x, rows.groups, rows.weight)
