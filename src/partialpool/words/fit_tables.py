"""Tables of a fit's groups, parameters and ranks, on every scale, and where each group stands."""

from __future__ import annotations

import numpy as np

from partialpool._table import Table
from partialpool.errors import ArgumentError
from partialpool.posterior import Posterior
from partialpool.posterior.above import Above, probability_above
from partialpool.posterior.distributions import IntervalKind
from partialpool.words.accuracy import require_reliable
from partialpool.words.ratios import (
    ParameterScale,
    TableScale,
    coefficients_of,
    engine_scale,
    group_ratios,
    is_exp,
    parameter_ratios,
)
from partialpool.words.standing import standing


def parameter_table(
    post: Posterior, level: float, kind: IntervalKind, scale: ParameterScale
) -> Table:
    """One row a parameter; see `Fit.parameters`."""
    exp, engine = is_exp(scale, ParameterScale), post._engine
    require_reliable(engine)
    table = engine.parameter_table(level, kind)
    return parameter_ratios(table, coefficients_of(engine.statistics)) if exp else table


def group_table(post: Posterior, level: float, kind: IntervalKind, scale: TableScale) -> Table:
    """One row a group; see `Fit.groups`."""
    exp, engine = is_exp(scale), post._engine
    require_reliable(engine)
    table = engine.group_table(level, kind, engine_scale(scale))
    return group_ratios(table) if exp else table


def rank_table(
    post: Posterior,
    factor: str,
    term: str | None,
    above: Above | None,
    *,
    top: int = 1,
    level: float,
    descending: bool = True,
) -> Table:
    """Ranks of the groups; see `Fit.rank`."""
    require_reliable(post._engine)
    table = post.ranks(factor, term=term, top=top, level=level, descending=descending)
    if above is None:
        return table
    p = probability_above(post, above, factor, term=term)
    return Table(**table, p_above=p, standing=standing(p, level))


def with_standing(
    post: Posterior, table: Table, above: Above, level: float, scale: TableScale
) -> Table:
    """A table of groups with p_above and standing; see `Fit.groups`."""
    if is_exp(scale):
        above = _logarithm(post, above)
    factors = table.get("factor", np.full(table.n_rows, post._terms[0].factor)).tolist()
    terms = table.get("term", np.full(table.n_rows, "Intercept")).tolist()
    kinds = list(dict.fromkeys(zip(factors, terms, strict=True)))
    if len(kinds) > 1 and not isinstance(above, str):
        listed = ", ".join(f"{term} by {factor}" for factor, term in kinds)
        raise ArgumentError(
            f"above={above:g} is a value of one effect, and there are several ({listed}): say "
            'which with factor= and term= (--factor, --term), or ask for above="average"'
        )
    labels = {kind: post._term(*kind).labels for kind in kinds}
    p = {
        (*kind, label): value
        for kind in kinds
        for label, value in zip(
            labels[kind].tolist(),
            probability_above(post, above, kind[0], term=kind[1]).tolist(),
            strict=True,
        )
    }
    several = len({str(each.dtype) for each in labels.values()}) > 1
    if several or "term" in table:  # labels of factors of several types are shown as text
        p |= {(*key[:2], str(key[2])): value for key, value in p.items()}
    rows = zip(factors, terms, table["group"].tolist(), strict=True)
    p_above = np.array([p[row] for row in rows])
    return Table(**table, p_above=p_above, standing=standing(p_above, level))


def _logarithm(post: Posterior, above: Above) -> Above:
    """A ratio as the value of the outcome that it is the exp of."""
    if isinstance(above, str):
        return above
    if post._values.counts:
        raise ArgumentError(
            f"above={above:g} is a probability or rate of counts: leave scale out (--exp), or "
            'ask for above="average"'
        )
    if not above > 0:
        raise ArgumentError(f'above is a ratio with scale="exp", and so above 0, not {above:g}')
    return float(np.log(above))
