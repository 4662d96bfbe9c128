"""From each group's own estimate to its partially pooled one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from partialpool import display
from partialpool._typing import Floats
from partialpool.errors import ArgumentError
from partialpool.pictures import parts
from partialpool.pictures.drawing import Drawing, Frame, Rows
from partialpool.pictures.style import Look, altair, look, styled
from partialpool.posterior import AnyPosterior, Posterior
from partialpool.posterior.distributions import IntervalKind

MOST_GROUPS = 60
"""With more groups a sample, evenly spread over the raw estimates, is drawn."""
SMALLEST, LARGEST, ALIKE = 44.0, 260.0, 90.0
"""Areas of circles, in square pixels: of a group of no size, of the largest, of groups alike."""


def shrinkage(
    post: AnyPosterior,
    *,
    level: float = 0.95,
    kind: IntervalKind = "equal-tailed",
    truth: Floats | None = None,
    tau: float | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw raw and partially pooled estimates with intervals, and the population mean.

    Parameters
    ----------
    post : Posterior
        What to draw.
    level : float
        Probability of the intervals.
    kind : {"equal-tailed", "highest-density"}
        Kind of interval.
    truth : ndarray, shape (J,), optional
        True group parameters where they are known (units of y), drawn as crosses.
    tau : float, optional
        Draw the estimates as they would be if tau were known to be this (units of y).
    title : str, optional
        In place of the standard title.
    dark : bool
        Colours for dark surroundings.

    Returns
    -------
    altair.Chart
        Groups by raw estimate from high to low: open circle raw (larger with more data, where
        groups differ in it), filled diamond partially pooled with its interval, an arrow
        between, a dashed line at the population mean; x in units of y.
    """
    return shrinkage_drawing(
        post, level=level, kind=kind, truth=truth, tau=tau, title=title, dark=dark
    ).chart()


def shrinkage_drawing(
    post: AnyPosterior,
    *,
    level: float = 0.95,
    kind: IntervalKind = "equal-tailed",
    truth: Floats | None = None,
    tau: float | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Drawing:
    """Return what `shrinkage` draws as a frame and what fills it; see there."""
    s = post.statistics
    if tau is not None:
        if not isinstance(post, Posterior):
            raise ArgumentError("tau can be held for measurements, not for counts")
        post = post.given_tau(tau)
    order = parts.known(s.raw, MOST_GROUPS)
    rows = parts.group_rows(post, order, level, kind)
    if truth is not None:
        for row, value in zip(rows, _checked(truth, s.n_groups)[order].tolist(), strict=True):
            row["truth"] = value
    caption = _caption(post, level, kind, tau, truth is not None)
    caption += parts.sampled(len(rows), s.n_groups, "their own estimates")
    names = display.printable(s.outcome), display.printable(s.factor)
    return poolings_drawing(
        rows,
        Named(
            parts.outcome_name(s),
            names[1],
            parts.sizes_differ(s),
            truth is not None,
            parts.is_small(s.raw),
            parts.counted(s),
        ),
        middle=float(parts.centre(parts.population(post))),
        title=title or f"Partial pooling of {names[0]} by {names[1]}",
        caption=caption,
        dark=dark,
    )


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


def poolings_drawing(
    rows: Rows,
    named: Named,
    *,
    middle: float,
    title: str,
    caption: Sequence[str],
    dark: bool = False,
) -> Drawing:
    """Draw rows of groups from own to pooled estimate, whatever estimator pooled them.

    Parameters
    ----------
    rows : list of dict
        group (each once), n, size, raw, estimate, lower, upper and, if known, truth; in the
        order of the chart. Rows without interval have lower and upper equal to estimate.
    named : Named
        What to call things.
    middle : float
        The pooled value (units of y).
    title : str
    caption : sequence of str
        Title, and the sentences beneath.
    dark : bool
        Colours for dark surroundings.
    """
    _add_arrows(rows)
    _add_areas(rows, named.sizes_differ)
    data = {"groups": rows, "middle": parts.middle(middle)}
    return Drawing(
        _frame(named, len(rows) > parts.CROWDED, dark),
        data,
        {"names": [r["group"] for r in rows]},
        title,
        caption,
    )


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
        row["area"] = SMALLEST + (LARGEST - SMALLEST) * share if differ else ALIKE


@lru_cache(maxsize=64)
def _frame(named: Named, crowded: bool, dark: bool) -> Frame:
    alt, colours = altair(), look(dark)
    names = alt.param(name="names", value=[])
    base = alt.Chart(alt.NamedData("groups")).encode(
        y=parts.group_axis(alt, alt.ExprRef("names"), named.factor),
        tooltip=parts.tooltip(alt, named.factor, named.counted),
    )
    x = parts.outcome_axis(alt, "lower:Q", named.outcome, named.small)
    interval = base.mark_rule(color=colours.pooled, opacity=0.35, strokeWidth=5).encode(
        x=x, x2="upper:Q"
    )
    raw, pooled = _points(alt, base, colours)
    middle = parts.mean_line(alt, alt.NamedData("middle"), colours)
    # the interval over the circle, so that a large circle does not hide a short interval
    layers = [middle, *_arrows(base, colours), raw, interval, pooled]
    if named.truth:
        layers.append(
            base.mark_point(
                shape="cross", filled=True, size=70, opacity=1, color=colours.truth
            ).encode(x="truth:Q")
        )
    chart = alt.layer(*layers).properties(width=parts.WIDTH, height=alt.Step(parts.step(crowded)))
    return Frame(styled(chart.add_params(names), dark))


def _arrows(base: Any, colours: Look) -> list[Any]:
    shaft = base.mark_rule(color=colours.faint, strokeWidth=1.2).encode(x="raw:Q", x2="estimate:Q")
    heads = [
        base.transform_filter(f"datum.direction == '{way}'")
        .mark_point(color=colours.faint, filled=True, size=45, opacity=1, shape=f"triangle-{way}")
        .encode(x="head:Q")
        for way in ("left", "right")
    ]
    return [shaft, *heads]


def _points(alt: Any, base: Any, colours: Look) -> list[Any]:
    marks = parts.two_marks(alt, colours)
    raw = base.transform_calculate(what=f"'{parts.OWN}'").mark_point(
        strokeWidth=2, opacity=1
    ).encode(x="raw:Q", **marks, size=alt.Size("area:Q", legend=None, scale=None))  # fmt: skip
    pooled = base.transform_calculate(what=f"'{parts.POOLED}'").mark_point(
        strokeWidth=0, size=75, opacity=1
    ).encode(x="estimate:Q", **marks)  # fmt: skip
    return [raw, pooled]


def _checked(truth: Floats, groups: int) -> Floats:
    values = np.asarray(truth, dtype=np.float64)
    if values.shape != (groups,) or not np.isfinite(values).all():
        raise ArgumentError(
            f"truth must be one finite value a group, in the order of fit.groups(): {groups} "
            f"values, not an array of shape {values.shape}"
        )
    return values


def _caption(
    post: AnyPosterior, level: float, kind: IntervalKind, tau: float | None, truth: bool
) -> list[str]:
    s, share = post.statistics, post.shrinkage.mean
    bars = (
        f"bars are {parts.percent(level)} {'' if kind == 'equal-tailed' else kind + ' '}intervals"
    )
    if truth:
        bars += "; crosses are the truth"
    low, high = float(share.min()), float(share.max())
    if_known = "" if tau is None else f"If tau were {parts.number(tau, tau / 10)}: "
    lines = [if_known + pulled(low, high, display.printable(s.factor), bars)]
    if parts.sizes_differ(s):
        lines.append(f"Larger circles: more {parts.size_words(s)}")
    return lines


def pulled(low: float, high: float, factor: str, bars: str) -> str:
    """Say how far groups are drawn toward the mean, and what the bars are."""
    share = f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%} to {high:.0%}"
    way = f"{share} of the way to the population mean (dashed)"
    return f"Each {factor} is drawn {way}; {bars}"
