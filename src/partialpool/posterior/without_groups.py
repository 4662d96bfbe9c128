"""Every posterior without each group of a factor: one question to all engines."""

from __future__ import annotations

from typing import Any

from partialpool.errors import ArgumentError, did_you_mean
from partialpool.posterior.counts import CountsPosterior
from partialpool.posterior.estimated import Estimated
from partialpool.posterior.generalized import GeneralizedPosterior
from partialpool.posterior.heteroscedastic import HeteroscedasticPosterior
from partialpool.posterior.heteroscedastic_left_out import heteroscedastic_without
from partialpool.posterior.left_out import LeftOutGroups, counts_without, one_way_without
from partialpool.posterior.left_out_mixed import generalized_without, mixed_without
from partialpool.posterior.one_way import OneWayPosterior
from partialpool.posterior.population import PopulationPosterior
from partialpool.posterior.population_without import population_without
from partialpool.records import Clusters


def left_out_factor(post: Any, factor: str | None = None) -> str:
    """Return the factor whose groups are left out: the one that is asked for, or the only one.

    Parameters
    ----------
    post : OneWayPosterior, CountsPosterior, MixedPosterior or GeneralizedPosterior
    factor : str, optional
        Of counts with several factors: the one with most groups, also if not given.

    Raises
    ------
    ArgumentError
        If there are estimates only, the fit has no such factor, or groups of it cannot be left out.
    """
    if isinstance(post, Estimated):
        raise ArgumentError('leaving groups out needs a posterior: fit with method="posterior"')
    factors = list(dict.fromkeys(term.factor for term in post.terms))
    if factor is not None and factor not in factors:
        raise ArgumentError(
            f'no factor "{factor}" in this fit; {did_you_mean(factor, factors)}'
            f"it has {', '.join(factors)}"
        )
    if not isinstance(post, GeneralizedPosterior):
        return factor or factors[0]
    largest = post.statistics.blocks[post.model.system.levels[0].terms[0]].factor
    if factor not in (None, largest):
        raise ArgumentError(
            f'of counts with several factors the groups of "{largest}", the one with most of them, '
            f'can be left out, not those of "{factor}"'
        )
    return largest


def without_each_group(
    post: Any, clusters: Clusters | None = None, factor: str | None = None
) -> LeftOutGroups:
    """Leave out each group of a factor in turn.

    Parameters
    ----------
    post : OneWayPosterior, CountsPosterior, MixedPosterior or GeneralizedPosterior
    clusters : Clusters, optional
        Of linear mixed models: sums within groups.
    factor : str, optional
        As in `left_out_factor`.

    Raises
    ------
    ArgumentError
        As `left_out_factor`; also if factors are several, or the others leave no posterior.
    """
    left_out_factor(post, factor)
    if isinstance(post, OneWayPosterior):
        return one_way_without(post)
    if isinstance(post, HeteroscedasticPosterior):
        return heteroscedastic_without(post)
    if isinstance(post, CountsPosterior):
        return counts_without(post)
    if isinstance(post, PopulationPosterior):
        return population_without(post)
    if isinstance(post, GeneralizedPosterior):
        return generalized_without(post)
    return mixed_without(post, clusters)
