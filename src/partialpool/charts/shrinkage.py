"""From each group's own estimate to its partially pooled one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.charts import parts
from partialpool.charts.drawing import Rows, filled
from partialpool.charts.style import Look, altair, look, styled
from partialpool.classical import fixed_effects, no_pooling
from partialpool.errors import ArgumentError
from partialpool.posterior import OneFactor
from partialpool.posterior.distributions import IntervalKind
from partialpool.records import CountStatistics, GroupStatistics
from partialpool.words import formatting

MOST_GROUPS = 60
"""Of more groups the highest and the lowest are drawn."""
OVERHANG = 0.2
"""Own intervals and that of a new group reach at most this share of the picture beyond the rest."""
OWN_OFFSET = 0.27
"""A group's own interval is drawn this share of a row below the middle of the row."""
SMALLEST_AREA, LARGEST_AREA, EQUAL_AREA = 44.0, 260.0, 90.0
"""Areas of circles, in square px: of a group of no size, of the largest, and of groups of
one size: areas are what an eye compares, and none is so small that its colour is not seen."""


@parts.of_posterior
def shrinkage(
    post: OneFactor,
    *,
    level: float = 0.95,
    kind: IntervalKind = "equal-tailed",
    truth: Floats | None = None,
    tau: float | None = None,
    groups: Sequence[object] | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw raw and partially pooled estimates with intervals, and the population mean.

    Parameters
    ----------
    post : OneWayPosterior
        What to draw.
    level : float
        Probability of the intervals.
    kind : {"equal-tailed", "highest-density"}
        Kind of interval.
    truth : ndarray, shape (J,), optional
        True group parameters where they are known (units of y), drawn as crosses.
    tau : float, optional
        Draw the estimates as they would be if tau were known to be this (units of y).
    groups : sequence, optional
        Labels of the groups to draw, in their order; all if not given, and of more than 60 the
        30 with the highest and the 30 with the lowest estimates of their own.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Groups by raw estimate from high to low: open circle raw (larger with more data, where
        groups differ in it) with a thin interval, filled diamond partially pooled with a broad
        one, an arrow between, a dashed line at the population mean; last the interval of a group
        that is not in the data; x in units of y.
    """
    s = post.statistics
    at_used = _weights(post, tau)
    if tau is not None:
        post = post.given_tau(tau)
    order, some = parts.shown_groups(s.raw, s.labels, MOST_GROUPS, groups)
    rows = parts.group_rows(post, order, level, kind)
    for row, weight in zip(rows, (1.0 - post.shrinkage.mean[order]).tolist(), strict=True):
        row["weight"] = weight
    for name, column in at_used.items():
        for row, value in zip(rows, column[order].tolist(), strict=True):
            row[name] = value
    if truth is not None:
        for row, value in zip(rows, _checked(truth, s.n_groups)[order].tolist(), strict=True):
            row["truth"] = value
    own = own_interval(s, level, one_sigma=post.one_sigma)
    if own is not None:
        add_own(rows, *(end[order] for end in own))
    caption = [*some, *_caption(post, level, kind, tau, own is not None)]
    names = formatting.printable(s.outcome), formatting.printable(s.factor)
    return poolings(
        rows,
        Named(
            parts.outcome_name(s),
            names[1],
            parts.sizes_differ(s),
            truth is not None,
            parts.is_small(s.raw),
            parts.counted(s),
        ),
        middle=post.population_value(post.terms[0]),
        new=post.new_group.interval(level, kind).tolist(),
        title=title or f"Partial pooling of {names[0]} by {names[1]}",
        caption=caption,
        dark=dark,
    )


def _weights(post: OneFactor, tau: float | None) -> dict[str, Floats]:
    """Of measurements the weight at one tau, and the standard errors where they are known."""
    weight = post.weight_at(float(post.tau.median) if tau is None else tau)
    if weight is None:
        return {}
    known = {"se": post.statistics.weight**-0.5} if post.sigma is None else {}
    return {"at_used": weight, **known}


@dataclass(frozen=True, slots=True)
class Named:
    """What a chart of poolings calls things.

    Parameters
    ----------
    outcome, factor : str
        Names of the outcome and of the grouping column.
    sizes_differ : bool
        Whether circles show the size of groups.
    truth : bool
        Whether rows have a truth.
    small : bool
        Whether values are so small that they are written with exponents.
    counted : str
        What `size` counts, where it is not rows: shown of the group under the pointer.
    """

    outcome: str
    factor: str
    sizes_differ: bool = True
    truth: bool = False
    small: bool = False
    counted: str = ""


def poolings(
    rows: Rows,
    named: Named,
    *,
    middle: float,
    new: Sequence[float] | None,
    title: str,
    caption: Sequence[str],
    dark: bool = False,
) -> Any:
    """Draw rows of groups from own to pooled estimate, whatever estimator pooled them.

    Parameters
    ----------
    rows : list of dict
        group (each once), n, size, raw, estimate, lower, upper and, if known, truth, own_lower
        and own_upper; in the order of the chart. Rows without interval have lower and upper
        equal to estimate.
    named : Named
        What to call things.
    middle : float
        The pooled value (units of y).
    new : pair of float, optional
        The interval of a group that is not in the data (units of y).
    title : str
    caption : sequence of str
        Title, and the sentences beneath.
    dark : bool
        Colours for dark surroundings.
    """
    names = [r["group"] for r in rows]
    whole: Rows = []
    if new is not None:
        label = parts.distinct([*names, f"a new {named.factor}"])[-1]
        whole = [{"group": label, "lower": new[0], "upper": new[1]}]
    cuts = _cut(rows, whole)
    _add_arrows(rows)
    _add_areas(rows, named.sizes_differ)
    return filled(
        _frame(named, len(rows) > parts.CROWDED, dark),
        {"groups": rows, "middle": parts.middle(middle), "new": whole, "cuts": cuts},
        {"names": names + [r["group"] for r in whole]},
        title,
        _with_cuts(caption) if cuts else caption,
    )


def _with_cuts(caption: Sequence[str]) -> list[str]:
    """The caption with what triangles mean, before what circles mean, which may not fit."""
    last = [line for line in caption if line.startswith("Larger circles")]
    first = [line for line in caption if line not in last]
    return [*first, "Triangles: the interval goes on", *last]


def own_interval(
    s: GroupStatistics | CountStatistics, level: float, *, one_sigma: bool = True
) -> tuple[Floats, Floats] | None:
    """Intervals of the groups' own means by their own data: with known errors normal, else t.

    Where sigma is common to all groups a group of one row has an interval too, else each is by its
    own rows; None for counts, weights and where sigma cannot be estimated.
    """
    if isinstance(s, CountStatistics):
        return None
    if s.sigma_known:
        own = no_pooling(mean=s.raw, se=s.weight**-0.5, level=level)
    elif not one_sigma and s.plain:
        sd = np.sqrt(s.ss / np.maximum(s.n - 1.0, 1.0))
        own = no_pooling(mean=s.raw, n=s.n, sd=sd, level=level)
    elif s.plain and s.n_used > s.n_groups and s.ss.sum() > 0:
        own = fixed_effects(mean=s.raw, n=s.n, ss=s.ss, level=level).groups
    else:
        return None
    return own.lower, own.upper


def add_own(rows: Rows, lower: Floats, upper: Floats) -> None:
    """Add the intervals of the own estimates, where they exist."""
    for row, low, high in zip(rows, lower.tolist(), upper.tolist(), strict=True):
        if math.isfinite(low) and math.isfinite(high):
            row["own_lower"], row["own_upper"] = low, high


def _cut(rows: Rows, whole: Rows) -> Rows:
    """Let own intervals and that of a new group not squeeze the rest; return where they are cut."""
    seen = [r[k] for r in rows for k in ("raw", "lower", "upper", "truth") if k in r]
    reach = OVERHANG * (max(seen) - min(seen)) or math.inf
    low, high = min(seen) - reach, max(seen) + reach
    cuts: Rows = []
    for part, prefix in ((rows, "own_"), (whole, "")):
        lower, upper = f"{prefix}lower", f"{prefix}upper"
        for row in part:
            mark = {"group": row["group"], "own": bool(prefix)}
            if row.get(lower, low) < low:
                row[lower] = low
                cuts.append({**mark, "at": low, "way": "left"})
            if row.get(upper, high) > high:
                row[upper] = high
                cuts.append({**mark, "at": high, "way": "right"})
    return cuts


def _add_arrows(rows: Rows) -> None:
    """Where each arrow's head stands and which way it points; short arrows have none."""
    ends = [r[k] for r in rows for k in ("raw", "lower", "upper")]
    long = 0.05 * (max(ends) - min(ends))
    for row in rows:
        gap = row["estimate"] - row["raw"]
        row["head"] = row["raw"] + 0.55 * gap
        row["direction"] = "none" if abs(gap) < long else "right" if gap > 0 else "left"


def _add_areas(rows: Rows, differ: bool) -> None:
    largest = max(r["size"] for r in rows)
    for row in rows:
        share = row["size"] / largest
        row["area"] = (
            SMALLEST_AREA + (LARGEST_AREA - SMALLEST_AREA) * share if differ else EQUAL_AREA
        )


@lru_cache(maxsize=64)
def _frame(named: Named, crowded: bool, dark: bool) -> Any:
    alt, colours = altair(), look(dark)
    y = parts.group_axis(alt, alt.ExprRef("names"), named.factor)
    base = alt.Chart(alt.NamedData("groups")).encode(
        y=y, tooltip=parts.tooltip(alt, named.factor, named.counted)
    )
    x = parts.outcome_axis(alt, "lower:Q", named.outcome, named.small)
    interval = base.mark_rule(color=colours.pooled, opacity=0.35, strokeWidth=5).encode(
        x=x, x2="upper:Q"
    )
    middle = parts.mean_line(alt, alt.NamedData("middle"), colours)
    # the interval over the circle, so that a large circle does not hide a short interval
    marks = _points(alt, base, colours, named.truth)
    layers = [
        *_under(alt, base, y, parts.step(crowded), colours),
        middle,
        *_arrows(base, colours),
        marks[0],
        interval,
        *marks[1:],
    ]
    chart = alt.layer(*layers).properties(width=parts.WIDTH, height=alt.Step(parts.step(crowded)))
    return styled(chart.add_params(alt.param(name="names", value=[])), dark)


def _under(alt: Any, base: Any, y: Any, height: int, colours: Look) -> list[Any]:
    """Own intervals, and that of a new group."""
    new = alt.Chart(alt.NamedData("new")).encode(y=y)
    cuts = alt.Chart(alt.NamedData("cuts")).encode(y=y)
    below = round(OWN_OFFSET * height)
    return [
        base.transform_filter("isValid(datum.own_lower)")
        .mark_rule(color=colours.raw, opacity=0.6, strokeWidth=1.5, yOffset=below)
        .encode(x="own_lower:Q", x2="own_upper:Q"),
        new.mark_rule(color=colours.pooled, strokeWidth=2, strokeDash=[4, 3]).encode(
            x="lower:Q", x2="upper:Q"
        ),
        *(
            cuts.transform_filter(f"datum.way == '{way}' && datum.own == {own}")
            .mark_point(shape=f"triangle-{way}", filled=True, size=40, opacity=1, yOffset=offset,
                        color=colour)
            .encode(x="at:Q")
            for way in ("left", "right")
            for own, offset, colour in (("false", 0, colours.pooled), ("true", below, colours.raw))
        ),
    ]  # fmt: skip


def _arrows(base: Any, colours: Look) -> list[Any]:
    shaft = base.mark_rule(color=colours.faint, strokeWidth=1.2).encode(x="raw:Q", x2="estimate:Q")
    heads = [
        base.transform_filter(f"datum.direction == '{way}'")
        .mark_point(color=colours.faint, filled=True, size=45, opacity=1, shape=f"triangle-{way}")
        .encode(x="head:Q")
        for way in ("left", "right")
    ]
    return [shaft, *heads]


def _points(alt: Any, base: Any, colours: Look, truth: bool) -> list[Any]:
    """Own and pooled estimates, and the truth where it is known."""
    marks = parts.two_marks(alt, colours, truth=truth)
    raw = base.transform_calculate(what=f"'{parts.OWN}'").mark_point(
        strokeWidth=2, opacity=1
    ).encode(x="raw:Q", **marks, size=alt.Size("area:Q", legend=None, scale=None))  # fmt: skip
    other = [(parts.POOLED, "estimate:Q", 90)] + ([(parts.TRUTH, "truth:Q", 80)] if truth else [])
    return [raw] + [
        base.transform_calculate(what=f"'{name}'")
        .mark_point(strokeWidth=1, size=size, opacity=1)
        .encode(x=field, **marks)
        for name, field, size in other
    ]


def _checked(truth: Floats, groups: int) -> Floats:
    values = np.asarray(truth, dtype=np.float64)
    if values.shape != (groups,) or not np.isfinite(values).all():
        raise ArgumentError(
            f"truth must be one finite value a group, in the order of fit.groups(): {groups} "
            f"values, not an array of shape {values.shape}"
        )
    return values


def _caption(
    post: OneFactor, level: float, kind: IntervalKind, tau: float | None, own: bool
) -> list[str]:
    s, share = post.statistics, post.shrinkage.mean
    of = "" if kind == "equal-tailed" else kind + " "
    bars = bars_are(f"{parts.percent(level)} {of}intervals", own=own)
    low, high = float(share.min()), float(share.max())
    if_known = "" if tau is None else f"If tau were {parts.number(tau, tau / 10)}: "
    lines = [if_known + pulled(low, high, formatting.printable(s.factor), bars)]
    if parts.sizes_differ(s):
        lines.append(f"Larger circles: more {s.size_words}")
    return lines


def bars_are(what: str, *, own: bool, new: bool = True) -> str:
    """Say what the bars are; `what` such as "95% intervals"."""
    thin = ", thin: own estimates" if own else ""
    return f"Bars: {what}{thin}" + (", dashed: a new group" if new else "")


def pulled(low: float, high: float, factor: str, bars: str) -> str:
    """Say how far groups are drawn toward the mean, and what the bars are."""
    share = f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%} to {high:.0%}"
    way = f"{share} of the way to the mean (dashed)"
    return f"Each {factor} is drawn {way}. {bars}"
