"""What several charts share: rows of groups, their axis, marks, captions and label places."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from partialpool import display
from partialpool._typing import Floats, Ints
from partialpool.data import CountStatistics, GroupStatistics
from partialpool.pictures.style import Look
from partialpool.posterior import AnyPosterior, CountsPosterior, Distribution
from partialpool.posterior.distributions import IntervalKind
from partialpool.posterior.posterior import Theta

WIDTH = 560
OWN, POOLED = "own estimate", "partially pooled"


def distinct(labels: Iterable[object]) -> list[str]:
    """Labels as text, each once: 1 and "1" become "1" and "1 (2)"."""
    seen: Counter[str] = Counter()
    out: list[str] = []
    for label in labels:
        name = display.printable(label)
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


def number(value: float, spread: float) -> str:
    """Write a number with the digits that matter for a quantity that varies by `spread`."""
    if value == 0:
        return "0"
    written = display.number(value, spread)
    return written.lstrip("-") if not any(c in "123456789" for c in written) else written


def head(title: str, lines: Iterable[str]) -> dict[str, Any]:
    """A title and the caption beneath it, both wrapped to the width of a chart."""
    caption = [part for line in lines for part in textwrap.wrap(line, 100)]
    return {"text": textwrap.wrap(title, 68) or [title], "subtitle": caption}


def described(chart: Any, title: dict[str, Any]) -> Any:
    """Set a chart's title and caption, and the same words as description for screen readers."""
    words = " ".join([*title["text"], *title["subtitle"]])
    return chart.properties(title=title, description=words)


def sampled(shown: int, of: int, over: str) -> list[str]:
    """Say that not all groups are drawn, if so."""
    return [f"{shown:,} of {of:,} groups, evenly spread over {over}"] if shown < of else []


def spread_evenly(values: Floats, most: int) -> Ints:
    """Positions from the highest value to the lowest; at most `most`, the extremes included."""
    order = np.argsort(-values, kind="stable")
    if len(order) > most:
        order = order[np.linspace(0, len(order) - 1, most).round().astype(np.int64)]
    return order


def centre(of: Distribution) -> Floats:
    """Mean where it exists, the median elsewhere."""
    mean = of.mean
    return np.asarray(mean if np.isfinite(mean).all() else of.median)


def groups_of(post: AnyPosterior) -> Distribution:
    """Every group's parameter, in the units of the outcome: a mean, probability or rate."""
    return post.value if isinstance(post, CountsPosterior) else post.theta


def some_groups(post: AnyPosterior, order: Ints) -> Distribution:
    """The same of some groups."""
    if isinstance(post, CountsPosterior):
        return post.some_groups(order)
    return Theta.of(post, post.components, order)


def population(post: AnyPosterior) -> Distribution:
    """The middle of the population, in the same units."""
    return post.population if isinstance(post, CountsPosterior) else post.mu


def known(values: Floats, most: int) -> Ints:
    """Positions of the values that exist, from the highest down, at most `most` of them."""
    at = np.flatnonzero(np.isfinite(values))
    return np.asarray(at[spread_evenly(values[at], most)])


def group_rows(
    post: AnyPosterior, order: Ints, level: float, kind: IntervalKind = "equal-tailed"
) -> list[dict[str, Any]]:
    """One dict a group: group, n, size, raw, estimate, lower, upper; intervals of these only."""
    s = post.statistics
    part, mean = some_groups(post, order), groups_of(post).mean[order]
    columns: dict[str, list[Any]] = {
        "group": distinct(s.labels[order].tolist()),
        "n": s.n[order].tolist(),
        "size": s.weight[order].tolist(),
        "raw": s.raw[order].tolist(),
        "estimate": (mean if np.isfinite(mean).all() else part.median).tolist(),
        **dict(zip(("lower", "upper"), part.interval(level, kind).tolist(), strict=True)),
    }
    return [dict(zip(columns, v, strict=True)) for v in zip(*columns.values(), strict=True)]


def percent(level: float) -> str:
    """A probability as text, such as 95%."""
    return f"{100 * level:.4g}%"


def size_words(s: GroupStatistics | CountStatistics) -> str:
    """What `size` is."""
    if isinstance(s, CountStatistics):
        return s.size_words
    if s.sigma_known:
        return "precision (1 / standard error squared)"
    return "rows" if np.array_equal(s.weight, s.n) else "total weight"


def sizes_differ(s: GroupStatistics | CountStatistics) -> bool:
    """Whether groups differ in size by more than rounding."""
    return bool(np.ptp(s.weight) > 1e-9 * s.weight.max())


def group_axis(alt: Any, names: Sequence[str], title: str) -> Any:
    """Rows of groups from top to bottom in the order given."""
    return alt.Y(
        "group:N",
        scale=alt.Scale(domain=list(names)),
        title=display.printable(title),
        axis=alt.Axis(ticks=False, domain=False, labelPadding=8, maxExtent=420),
    )


def row_height(alt: Any, rows: int) -> Any:
    """Height of a chart of that many rows of groups."""
    return alt.Step(26 if rows <= 30 else 17)


def tooltip(alt: Any, s: GroupStatistics | CountStatistics) -> list[Any]:
    """What is shown of the group under the pointer."""
    size = [alt.Tooltip("size:Q", title=size_words(s), format=",.6~g")]
    return [
        alt.Tooltip("group:N", title=display.printable(s.factor)),
        alt.Tooltip("n:Q", title="rows"),
        *(size if isinstance(s, CountStatistics) else []),
        alt.Tooltip("raw:Q", title=OWN, format=",.4~g"),
        alt.Tooltip("estimate:Q", title=POOLED, format=",.4~g"),
        alt.Tooltip("lower:Q", title="interval from", format=",.4~g"),
        alt.Tooltip("upper:Q", title="to", format=",.4~g"),
    ]


def two_marks(
    alt: Any, colours: Look, shapes: tuple[str, str] = ("circle", "diamond")
) -> dict[str, Any]:
    """Encodings of own (open) and pooled (filled) estimates, with one legend for both."""

    def scale(own: str, pooled: str) -> Any:
        return alt.Scale(domain=[OWN, POOLED], range=[own, pooled])

    return {
        "stroke": alt.Stroke("what:N", scale=scale(colours.raw, colours.pooled)),
        "fill": alt.Fill("what:N", scale=scale(colours.paper, colours.pooled)),
        "shape": alt.Shape("what:N", scale=scale(*shapes)),
    }


def mean_line(alt: Any, post: AnyPosterior, colours: Look, channel: str = "x") -> Any:
    """A dashed line at the population mean."""
    rows = [{"mu": float(centre(population(post))), "what": "population mean"}]
    place = {channel: alt.X("mu:Q") if channel == "x" else alt.Y("mu:Q")}
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_rule(color=colours.mean, strokeDash=[5, 4], strokeWidth=1.5)
        .encode(**place, tooltip=["what:N", alt.Tooltip("mu:Q", format=",.4~g")])
    )


def value_axis(alt: Any, largest: float, **options: Any) -> Any:
    """An axis of values up to this size; very small ones are written with exponents."""
    small = {"format": "~g"} if 0 < abs(largest) < 1e-3 else {}
    return alt.Axis(**small, **options)


def outcome(alt: Any, field: str, post: AnyPosterior, channel: str = "x", **axis: Any) -> Any:
    """The axis of the outcome (units of y), which need not start at zero."""
    s = post.statistics
    largest = float(np.nanmax(np.abs(s.raw)))
    name = display.printable(s.outcome)
    if isinstance(s, CountStatistics) and s.size_words != "rows":
        name += f" per {display.printable(s.size_name)}"
    make = alt.X if channel == "x" else alt.Y
    return make(
        field,
        title=name,
        scale=alt.Scale(zero=False, nice=True),
        axis=value_axis(alt, largest, **axis),
    )
