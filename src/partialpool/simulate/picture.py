"""A draw as a picture: own and pooled estimates beside the truth."""

from __future__ import annotations

from typing import Any

from partialpool.charts import parts
from partialpool.charts.drawing import Rows
from partialpool.charts.shrinkage import Named, add_own, bars_are, poolings, pulled
from partialpool.errors import ArgumentError
from partialpool.simulate.draw import Draw, Pooled

FULL_NAMES = {
    "moments": "the method of moments",
    "reml": "REML",
    "posterior": "the full posterior",
}
"""Estimators that pool partially, as they are called in sentences."""


def shrinkage(draw: Draw, estimator: str = "posterior", *, dark: bool = False) -> Any:
    """Draw a world with its truth, pooled by one estimator; an altair.Chart.

    Parameters
    ----------
    draw : Draw
        What was drawn.
    estimator : str
        One of the draw's estimators that pool partially.
    dark : bool
        Colours for dark surroundings.

    Raises
    ------
    ArgumentError
        If the draw has no such estimator.
    """
    if estimator not in draw.estimates or estimator not in FULL_NAMES:
        known = [k for k in draw.estimates if k in FULL_NAMES]
        raise ArgumentError(
            f'this draw has no partially pooling estimator "{estimator}"; it has '
            f"{', '.join(known) or 'none'}"
        )
    pooled, sizes = draw.estimates[estimator], draw.world.n
    differ = len(set(sizes)) > 1
    rows = _rows(draw, pooled)
    share = [1.0 - row["weight"] for row in rows]
    bars = bars_are("95% intervals", own=True, new=estimator == "posterior")
    caption = [pulled(min(share), max(share), "group", bars)]
    if differ:
        caption.append("Larger circles: more rows")
    raw, own = draw.statistics.raw, draw.estimates.get("no_pooling")
    if own is not None and own.lower is not None and own.upper is not None:
        add_own(rows, own.lower, own.upper)
    full = estimator == "posterior"
    return poolings(
        [rows[i] for i in parts.spread_evenly(raw, len(raw))],
        Named("score", "group", differ, truth=True, small=parts.is_small(raw)),
        middle=pooled.middle,
        new=draw.posterior.new_group.interval(0.95).tolist() if full else None,
        title=f"{len(sizes)} groups pooled by {FULL_NAMES[estimator]}",
        caption=caption,
        dark=dark,
    )


def _rows(draw: Draw, pooled: Pooled) -> Rows:
    ends = (pooled.estimate if e is None else e for e in (pooled.lower, pooled.upper))
    assert pooled.weight is not None
    assert pooled.at_used is not None
    columns = {
        "group": [str(v) for v in draw.statistics.labels.tolist()],
        "n": list(draw.world.n),
        "size": [float(n) for n in draw.world.n],
        "raw": draw.statistics.raw.tolist(),
        "estimate": pooled.estimate.tolist(),
        **{k: e.tolist() for k, e in zip(("lower", "upper"), ends, strict=True)},
        "truth": draw.truth.tolist(),
        "weight": pooled.weight.tolist(),
        "at_used": pooled.at_used.tolist(),
    }
    return [dict(zip(columns, v, strict=True)) for v in zip(*columns.values(), strict=True)]
