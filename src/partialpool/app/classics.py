"""The bundled data sets as the page shows them: fits by the library, as values that JSON holds."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any

import numpy as np

from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.charts.tau import tau_density, tau_end, tau_marks
from partialpool.charts.terms import effect
from partialpool.classical import fixed_effects, no_pooling
from partialpool.classical.pooled_regression import pooled_regression
from partialpool.datasets import Dataset, catalogue
from partialpool.fitted import Fit
from partialpool.fitting import fit
from partialpool.posterior import CountsPosterior, MixedPosterior, OneWayPosterior
from partialpool.words import formatting, summary
from partialpool.words.advice import recommendation
from partialpool.words.coefficients import MixedComparison
from partialpool.words.comparison import squared_errors

LEVEL = 0.95
"""Of every interval of the lesson, whose texts say 95%."""
SIGNIFICANT_DIGITS = 6
"""Significant digits of every number: a picture shows three."""
VALUES_OF_TAU = 41
"""Values of tau at which estimates are given: between two of them lines differ from what the
library computes by less than a thousandth of the picture's width (tests/app/test_classics.py)."""


def classics() -> dict[str, Any]:
    """Fit every bundled data set, for the pages of the lesson.

    Returns
    -------
    dict
        By name of the data set: its texts, `groups` (one a group; of regressions one a group and
        effect), `tau` (its density and summaries), `held` (the estimates with tau held at each of
        a grid), `parameters`, and of regressions `coefficients` by the three poolings and, where
        every group has a line, `lines`. Numbers have six significant digits; None stands where
        there is none.
    """
    return {d.name: _rounded(_classic(d)) for d in catalogue}


@lru_cache(maxsize=1)
def as_text() -> str:
    """The same as JSON; some seconds, once a process."""
    return json.dumps(classics(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def truth_of(dataset: Dataset, table: Table, fitted: Fit) -> Floats | None:
    """What later became known of each group, in the order of the fit; None where nothing did."""
    if dataset.truth is None:
        return None
    at = {label: i for i, label in enumerate(table[fitted.factor].tolist())}
    order = [at[label] for label in fitted.group_table()["group"].tolist()]
    return np.asarray(dataset.truth(table))[order]


def _classic(dataset: Dataset) -> dict[str, Any]:
    table = dataset.load()
    fitted = fit(dataset.formula, table, family=dataset.family)
    post = fitted._engine
    truth = truth_of(dataset, table, fitted)
    return {
        "title": dataset.title,
        "story": dataset.story,
        "citation": dataset.citation,
        "field": dataset.field,
        "formula": dataset.formula,
        "family": fitted.family,
        "unit": dataset.unit,
        "outcome": formatting.printable(fitted.statistics.outcome),
        "factor": formatting.printable(fitted.factor),
        "parameters": formatting.plain_rows(fitted.parameter_table()),
        **_shown(post, fitted, table, truth),
        "sentences": [
            summary.pooling_line(post),
            recommendation(post),
            *_scored(post, truth),
            *(n.text for n in fitted.notices),
        ],
    }


def _scored(post: Any, truth: Floats | None) -> list[str]:
    """How near the estimates are to what became known later."""
    if truth is None:
        return []
    raw, mine = squared_errors(post, truth)
    return [
        f"Against what became known later, the mean squared error of partial pooling is "
        f"{mine:.3g}: {formatting.change(mine, raw)} that of the groups' own estimates ({raw:.3g})."
    ]


def _shown(post: Any, fitted: Fit, table: Table, truth: Floats | None) -> dict[str, Any]:
    """What is shown of one kind of model: of a fit, the rows and what later became known."""
    s = post.statistics
    if not s.one_factor:
        return _regression(post, fitted, table)
    return (_counts if s.counts else _one_way)(post, truth)


def _one_way(post: OneWayPosterior, truth: Floats | None) -> dict[str, Any]:
    s = post.statistics
    groups = _groups(post.group_table())
    if s.sigma_known:
        own = no_pooling(mean=s.raw, se=s.weight**-0.5, level=LEVEL)
    else:
        own = fixed_effects(mean=s.raw, n=s.n, ss=s.ss, level=LEVEL).groups
    _add(groups, "se", own.se)
    _add(groups, "ownLower", own.lower)
    _add(groups, "ownUpper", own.upper)
    _add(groups, "truth", truth)
    end = tau_end(post, max(m["tau"] for m in tau_marks(post, {})))
    return {
        "kind": "known_se" if s.sigma_known else "measurements",
        "groups": groups,
        "grand": float(post.mu.mean),
        "tau": _tau(post, end),
        "held": _held(post, end),
    }


def _counts(post: CountsPosterior, truth: Floats | None) -> dict[str, Any]:
    groups = _groups(post.group_table())
    _add(groups, "truth", truth)
    return {
        "kind": "binomial" if post.statistics.proportion else "poisson",
        "groups": groups,
        "grand": float(post.middle.median),
        "tau": _tau(post, tau_end(post)),
        "held": None,
    }


def _regression(post: MixedPosterior, fitted: Fit, table: Table) -> dict[str, Any]:
    compared = fitted.compare()
    assert isinstance(compared, MixedComparison)
    alone = list(post.coefficients) == ["Intercept"]
    return {
        "kind": "regression",
        "groups": _groups(post.group_table()),
        "grand": float(post.coefficients["Intercept"].mean) if alone else None,
        "tau": None,
        "held": None,
        "coefficients": formatting.plain_rows(compared.coefficients),
        "approaches": compared.text,
        **_lines(post, table),
    }


def _groups(table: Table) -> list[dict[str, Any]]:
    """The rows of a table of groups under the names that the page knows."""
    names = {"group": "name", "raw": "own"}
    return [
        {names.get(k, k): formatting.printable(v) if k in TEXTS else v for k, v in row.items()}
        for row in formatting.plain_rows(table)
    ]


TEXTS = ("factor", "group", "term")


def _add(groups: list[dict[str, Any]], name: str, values: Floats | None) -> None:
    if values is not None:
        for row, value in zip(groups, values.tolist(), strict=True):
            row[name] = value


def _tau(post: OneWayPosterior | CountsPosterior, end: float) -> dict[str, Any]:
    density = tau_density(post, end, LEVEL)
    lower, upper = post.tau.interval(LEVEL).tolist()
    return {
        "grid": [row["tau"] for row in density],
        "density": [row["density"] for row in density],
        "mean": float(post.tau.mean),
        "median": float(post.tau.median),
        "lower": lower,
        "upper": upper,
    }


def _held(post: OneWayPosterior, end: float) -> dict[str, Any]:
    """Estimates with tau held, from 0 on, closer together where they bend."""
    grid = end * np.linspace(0.0, 1.0, VALUES_OF_TAU) ** 2
    columns: dict[str, list[Any]] = {
        k: [] for k in ("tau", "estimate", "lower", "upper", "weight", "grand")
    }
    for tau in grid.tolist():
        at = post.given_tau(tau)
        lower, upper = at.theta.interval(LEVEL)
        values = (tau, at.theta.mean, lower, upper, post.weight_at(tau), at.mu.mean)
        for column, value in zip(columns.values(), values, strict=True):
            column.append(np.asarray(value).tolist())
    return columns


def _lines(post: MixedPosterior, table: Table) -> dict[str, Any]:
    """Each group's line with its rows, where all that the formula has is one line a group."""
    s = post.statistics
    names = list(post.coefficients)
    effects = [("Intercept", x) for x in names[1:]]
    if len(s.blocks) != 1 or not effects or s.blocks[0].effects != effects[0]:
        return {}
    block, x = s.blocks[0], names[1]
    own, pooled = (
        np.column_stack([getattr(effect(post, block.factor, name), what) for name in effects[0]])
        for what in ("raw", "estimate")
    )
    groups = []
    for label, first, second in zip(block.labels, own.tolist(), pooled.tolist(), strict=True):
        rows = table[block.factor] == label
        groups.append(
            {
                "name": formatting.printable(label),
                "own": first,
                "estimate": second,
                "points": np.column_stack([table[x][rows], table[s.outcome][rows]]).tolist(),
            }
        )
    return {
        "predictor": x,
        "lines": groups,
        "grandLine": [float(d.mean) for d in post.coefficients.values()],
        "completeLine": pooled_regression(s, None).estimate.tolist(),
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    return value
