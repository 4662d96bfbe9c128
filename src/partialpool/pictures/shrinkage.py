"""From each group's own estimate to its partially pooled one."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool import display
from partialpool._typing import Floats
from partialpool.errors import ArgumentError
from partialpool.pictures import parts
from partialpool.pictures.style import Look, altair, look, styled
from partialpool.posterior import AnyPosterior
from partialpool.posterior.distributions import IntervalKind

MOST_GROUPS = 60
"""With more groups a sample, evenly spread over the raw estimates, is drawn."""


def shrinkage(
    post: AnyPosterior,
    *,
    level: float = 0.95,
    kind: IntervalKind = "equal-tailed",
    truth: Floats | None = None,
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
    alt, colours, s = altair(), look(dark), post.statistics
    bars = f"{parts.percent(level)} {'' if kind == 'equal-tailed' else kind + ' '}intervals"
    order = parts.known(s.raw, MOST_GROUPS)
    rows = parts.group_rows(post, order, level, kind)
    _add_arrows(rows)
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=parts.group_axis(alt, [r["group"] for r in rows], s.factor),
        tooltip=parts.tooltip(alt, s),
    )
    x = parts.outcome(alt, "lower:Q", post)
    interval = base.mark_rule(color=colours.pooled, opacity=0.35, strokeWidth=5).encode(
        x=x, x2="upper:Q"
    )
    raw, pooled = _points(alt, base, post, colours)
    # the interval over the circle, so that a large circle does not hide a short interval
    layers = [parts.mean_line(alt, post, colours), *_arrows(base, colours), raw, interval, pooled]
    if truth is not None:
        layers.append(_truth(base, rows, _checked(truth, s.n_groups)[order], colours))
        bars += "; crosses are the truth"
    chart = alt.layer(*layers).properties(
        width=parts.WIDTH, height=parts.row_height(alt, len(rows))
    )
    return styled(parts.described(chart, _head(post, bars, title, len(rows))), dark)


def _add_arrows(rows: list[dict[str, Any]]) -> None:
    """Where each arrow's head stands and which way it points; short arrows have none."""
    ends = [r[k] for r in rows for k in ("raw", "lower", "upper")]
    long = 0.05 * (max(ends) - min(ends))
    for row in rows:
        gap = row["estimate"] - row["raw"]
        row["head"] = row["raw"] + 0.55 * gap
        row["direction"] = "none" if abs(gap) < long else "right" if gap > 0 else "left"


def _arrows(base: Any, colours: Look) -> list[Any]:
    shaft = base.mark_rule(color=colours.faint, strokeWidth=1.2).encode(x="raw:Q", x2="estimate:Q")
    heads = [
        base.transform_filter(f"datum.direction == '{way}'")
        .mark_point(color=colours.faint, filled=True, size=45, opacity=1, shape=f"triangle-{way}")
        .encode(x="head:Q")
        for way in ("left", "right")
    ]
    return [shaft, *heads]


def _points(alt: Any, base: Any, post: AnyPosterior, colours: Look) -> list[Any]:
    marks = parts.two_marks(alt, colours)
    largest = float(post.statistics.weight.max())
    area = alt.Size("size:Q", legend=None, scale=alt.Scale(domain=[0, largest], range=[44, 260]))
    if not parts.sizes_differ(post.statistics):
        area = alt.value(90)
    raw = base.transform_calculate(what=f"'{parts.OWN}'").mark_point(
        strokeWidth=2, opacity=1
    ).encode(x="raw:Q", **marks, size=area)  # fmt: skip
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


def _truth(base: Any, rows: list[dict[str, Any]], truth: Floats, colours: Look) -> Any:
    for row, value in zip(rows, truth.tolist(), strict=True):
        row["truth"] = value
    mark = base.mark_point(shape="cross", filled=True, size=70, opacity=1, color=colours.truth)
    return mark.encode(x="truth:Q")


def _head(post: AnyPosterior, bars: str, title: str | None, shown: int) -> dict[str, Any]:
    s = post.statistics
    low, high = post.shrinkage.mean.min(), post.shrinkage.mean.max()
    share = f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%} to {high:.0%}"
    lines = [
        f"Each {display.printable(s.factor)} is drawn {share} of the way to the population mean "
        f"(dashed); bars are {bars}",
    ]
    if parts.sizes_differ(s):
        lines.append(f"Larger circles: more {parts.size_words(s)}")
    lines += parts.sampled(shown, s.n_groups, "their own estimates")
    names = display.printable(s.outcome), display.printable(s.factor)
    return parts.head(title or f"Partial pooling of {names[0]} by {names[1]}", lines)
