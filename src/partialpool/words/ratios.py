"""Tables of logarithms (of ratios, odds, rates) as what they are logarithms of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

import numpy as np

from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.design.labels import as_labels
from partialpool.errors import ArgumentError
from partialpool.posterior.engine import Scale

TableScale = Literal["response", "link", "exp"]
"""Scales of tables: "exp" is exp of the link, such as odds ratios of log odds ratios."""
ParameterScale = Literal["link", "exp"]
"""Scales of parameters, which are those of the link."""


def is_exp(scale: str, allowed: object = TableScale) -> bool:
    """Whether exp is asked for.

    Raises
    ------
    ArgumentError
        If the scale is not one of those allowed.
    """
    known = get_args(allowed)
    if scale not in known:
        old = '; "natural" is called "response" now' if scale == "natural" else ""
        listed = ", ".join(f'"{k}"' for k in known[:-1]) + f' or "{known[-1]}"'
        raise ArgumentError(f"scale is {listed}, not {scale!r}{old}")
    return scale == "exp"


def engine_scale(scale: TableScale) -> Scale:
    """The scale that an engine computes: the link, of which exp is taken."""
    return "link" if scale == "exp" else scale


def group_ratios(table: Table) -> Table:
    """A table of groups on the link scale as exp of it.

    The estimate becomes exp of the posterior mean (the mean of exp need not exist) and the ends of
    intervals exp of the ends; the sd, which is of logarithms, is left out.
    """
    logarithms = ("raw", "effect", "estimate", "lower", "upper")
    columns = {k: np.exp(v) if k in logarithms else v for k, v in table.items() if k != "sd"}
    return Table(columns)


def parameter_ratios(table: Table, coefficients: Iterable[str]) -> Table:
    """A table of parameters with exp of the coefficients, which are renamed ``exp(name)``.

    Returns
    -------
    Table
        name, estimate (exp of the posterior mean, or of the median where there is no mean; standard
        deviations and correlations stay those of logarithms), lower, median, upper.
    """
    ratios = np.isin(table["name"].astype(str), list(coefficients))
    names = [
        f"exp({name})" if ratio else name
        for name, ratio in zip(table["name"].tolist(), ratios.tolist(), strict=True)
    ]
    values = {k: table[k] for k in ("lower", "median", "upper")}
    values = {"estimate": middles(table), **values}
    with np.errstate(over="ignore"):
        columns = {k: np.where(ratios, np.exp(v), v) for k, v in values.items()}
    return Table(name=as_labels(names), **columns)


def middles(table: Table) -> Floats:
    """Means of parameters, medians where there is no mean; estimates have no median."""
    mean = table["mean"]
    return np.asarray(np.where(np.isfinite(mean), mean, table["median"]))


def coefficients_of(statistics: Any) -> tuple[str, ...]:
    """Names of the coefficients; of one factor without predictors the intercept."""
    return tuple(getattr(statistics, "coefficients", ("Intercept",)))
