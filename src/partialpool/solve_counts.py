"""From counts to the posterior: from a formula and data, or from statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from partialpool.data import CountStatistics, read_counts
from partialpool.data.read import Reading
from partialpool.formula import CountFamily, Formula, count_roles
from partialpool.models import Priors, priors
from partialpool.posterior import CountsPosterior, counts_posterior
from partialpool.threads import one_blas_thread


def solve_counts(
    formula: Formula,
    family: CountFamily,
    data: Any,
    prior: Any,
    progress: Callable[[float], None] | None,
    accuracy: float | None = None,
) -> tuple[CountsPosterior, Reading[CountStatistics]]:
    """Read the data and compute the posterior; also what was read."""
    roles = count_roles(formula, family)
    reading = read_counts(roles, data, progress=progress)
    return solve_count_statistics(reading.statistics, prior, accuracy), reading


def solve_count_statistics(
    statistics: CountStatistics, prior: Any, accuracy: float | None = None
) -> CountsPosterior:
    """Compute the posterior from statistics."""
    chosen = prior if isinstance(prior, Priors) else priors(prior, factor=statistics.factor)
    with one_blas_thread():
        return counts_posterior(statistics, chosen, accuracy)
