"""What several charts share: rows of groups, their axis, marks, captions and label places."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.charts.display import shown
from partialpool.charts.places import log_ticks
from partialpool.charts.style import Look, styled
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.posterior import Distribution, OneFactor, Posterior
from partialpool.posterior.distributions import IntervalKind
from partialpool.records import CountStatistics, GroupStatistics
from partialpool.words import formatting

WIDTH = 560
"""px of a chart: with names of groups beside it it fits the column of a notebook and of a
report."""
CAPTION = 86
"""Characters of a line of a caption, which fit that width in wide fonts too."""
CROWDED = 30
"""With more rows of groups than this they stand closer."""
OWN, POOLED, TRUTH = "own estimate", "partially pooled", "truth"

Engine = TypeVar("Engine")
Rest = ParamSpec("Rest")


def of_posterior(
    chart: Callable[Concatenate[Engine, Rest], Any],
) -> Callable[Concatenate[Posterior | Engine, Rest], Any]:
    """Let a chart take ``fit.posterior`` where it needs the engine behind it."""

    @wraps(chart)
    def drawn(post: Posterior | Engine, /, *args: Rest.args, **options: Rest.kwargs) -> Any:
        engine: Any = post._engine if isinstance(post, Posterior) else post
        return chart(engine, *args, **options)

    return drawn


def distinct(labels: Iterable[object]) -> list[str]:
    """Labels as text, each once: 1 and "1" become "1" and "1 (2)"."""
    seen: Counter[str] = Counter()
    out: list[str] = []
    for label in labels:
        name = formatting.printable(label)
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


def number(value: float, spread: float) -> str:
    """Write a number with the digits that matter for a quantity that varies by `spread`."""
    if value == 0:
        return "0"
    written = formatting.number(value, spread)
    return written.lstrip("-") if not any(c in "123456789" for c in written) else written


def head(title: str, lines: Iterable[str]) -> dict[str, Any]:
    """A title and the caption beneath it: sentences, the most important first, on two lines.

    Sentences that do not fit are left out: a chart that needs more words needs other marks.
    """
    said: list[str] = []
    for line in lines:
        longer = textwrap.wrap(" ".join([*said, sentence(line)]), CAPTION)
        if said and len(longer) > 2:
            break
        said.append(sentence(line))
    caption = textwrap.wrap(" ".join(said), CAPTION)
    return {"text": textwrap.wrap(title, 68) or [title], "subtitle": caption}


def sentence(line: str) -> str:
    """A line of a caption with its full stop."""
    return line if line.endswith((".", "?", "!")) else f"{line}."


def described(chart: Any, title: dict[str, Any]) -> Any:
    """Set a chart's title and caption, and the same words as description for screen readers."""
    words = " ".join([*title["text"], *title["subtitle"]])
    return shown(chart.properties(title=title, description=words))


def finished(chart: Any, title: str, lines: Iterable[str], dark: bool) -> Any:
    """A chart with its title, its caption and its colours."""
    return styled(described(chart, head(title, lines)), dark)


def shown_groups(
    values: Floats, labels: AnyArray, most: int, groups: Sequence[object] | None
) -> tuple[Ints, list[str]]:
    """Which groups are drawn, in which order, and what the caption says of that.

    Parameters
    ----------
    values : ndarray, shape (J,)
        From high to low; groups whose value is not known are left out.
    labels : ndarray, shape (J,)
    most : int
        Of more groups the highest and the lowest half of so many are drawn.
    groups : sequence, optional
        These instead, in this order, by label.

    Raises
    ------
    ArgumentError
        If there is no such group.
    """
    if groups is not None:
        places = {label: i for i, label in enumerate(labels.tolist())}
        places |= {str(label): i for label, i in places.items() if str(label) not in places}
        unknown = [g for g in groups if g not in places]
        if unknown or not len(groups):
            hint = did_you_mean(str(unknown[0]), map(str, labels.tolist())) if unknown else ""
            what = f'no group "{unknown[0]}"' if unknown else "no group to draw"
            raise ArgumentError(f"there is {what}; {hint}".rstrip("; "))
        some = [f"{len(groups):,} of {len(labels):,} groups"] if len(groups) < len(labels) else []
        return np.array([places[g] for g in groups], dtype=np.intp), some
    order = known(values, len(values))
    if len(order) <= most:
        return order, []
    high, low = most - most // 2, most // 2
    said = f"{high:,} highest and {low:,} lowest of {len(order):,}"
    return np.concatenate([order[:high], order[-low:]]), [said]


def sampled(shown: int, of: int, over: str) -> list[str]:
    """Say that not all groups are drawn, if so."""
    return [f"{shown:,} of {of:,} groups, evenly spread over {over}"] if shown < of else []


def spread_evenly(values: Floats, most: int) -> Ints:
    """Positions from the highest value to the lowest; at most `most`, the extremes included."""
    order = np.argsort(-values, kind="stable")
    if len(order) > most:
        order = order[np.linspace(0, len(order) - 1, most).round().astype(np.intp)]
    return order


def centre(of: Distribution) -> Floats:
    """Mean where it exists, the median elsewhere."""
    mean = of.mean
    return np.asarray(mean if np.isfinite(mean).all() else of.median)


def groups_of(post: OneFactor) -> Distribution:
    """Every group's parameter, in the units of the outcome: a mean, probability or rate."""
    return post.values(post.terms[0], "response")


def known(values: Floats, most: int) -> Ints:
    """Positions of the values that exist, from the highest down, at most `most` of them."""
    at = np.flatnonzero(np.isfinite(values))
    return np.asarray(at[spread_evenly(values[at], most)])


def group_rows(
    post: OneFactor, order: Ints, level: float, kind: IntervalKind = "equal-tailed"
) -> list[dict[str, Any]]:
    """One dict a group: group, n, size, raw, estimate, lower, upper; intervals of these only."""
    s = post.statistics
    part, mean = post.some_groups(order), groups_of(post).mean[order]
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


def sizes_differ(s: GroupStatistics | CountStatistics) -> bool:
    """Whether groups differ in size by more than rounding."""
    return bool(np.ptp(s.weight) > 1e-9 * s.weight.max())


def group_axis(alt: Any, names: Any, title: str) -> Any:
    """Rows of groups from top to bottom in the order of names (a list, or an expression)."""
    return alt.Y(
        "group:N",
        scale=alt.Scale(domain=names),
        title=formatting.printable(title),
        axis=alt.Axis(ticks=False, domain=False, labelPadding=8, maxExtent=420, titlePadding=14),
    )


def row_height(alt: Any, rows: int) -> Any:
    """Height of a chart of that many rows of groups."""
    return alt.Step(step(rows > CROWDED))


def step(crowded: bool) -> int:
    """Height of one row of groups."""
    return 17 if crowded else 26


def counted(s: GroupStatistics | CountStatistics) -> str:
    """What is counted of a group besides rows, such as trials; nothing of measurements."""
    return s.size_words if s.counts else ""


def outcome_name(s: GroupStatistics | CountStatistics) -> str:
    """What values are called: the outcome, for counts per trial or unit of exposure."""
    per = f" per {formatting.printable(s.denominator)}" if s.denominator else ""
    return formatting.printable(s.outcome) + per


def tooltip(alt: Any, factor: str, size: str = "") -> list[Any]:
    """What is shown of the group under the pointer; `size` as from `counted`."""
    return [
        alt.Tooltip("group:N", title=formatting.printable(factor)),
        alt.Tooltip("n:Q", title="rows"),
        *([alt.Tooltip("size:Q", title=size, format=",.6~g")] if size else []),
        alt.Tooltip("raw:Q", title=OWN, format=",.4~g"),
        alt.Tooltip("estimate:Q", title=POOLED, format=",.4~g"),
        alt.Tooltip("lower:Q", title="interval from", format=",.4~g"),
        alt.Tooltip("upper:Q", title="to", format=",.4~g"),
    ]


def two_marks(
    alt: Any, colours: Look, shapes: tuple[str, str] = ("circle", "diamond"), *, truth: bool = False
) -> dict[str, Any]:
    """Encodings of own (open) and pooled (filled) estimates, and the truth; one legend for all."""
    kinds = slice(3 if truth else 2)

    def scale(*of: str) -> Any:
        return alt.Scale(domain=[OWN, POOLED, TRUTH][kinds], range=list(of[kinds]))

    return {
        "stroke": alt.Stroke("what:N", scale=scale(colours.raw, colours.pooled, colours.truth)),
        "fill": alt.Fill("what:N", scale=scale(colours.paper, colours.pooled, colours.truth)),
        "shape": alt.Shape("what:N", scale=scale(*shapes, "cross")),
    }


def interval_layers(
    alt: Any, base: Any, along: Any, colours: Look, *, across: str = "x", compact: bool = False
) -> list[Any]:
    """Intervals, pooled estimates and own ones of groups that `base` puts in rows (or columns).

    Parameters
    ----------
    along : altair.X or altair.Y
        The axis of values, of the field `lower`.
    across : {"x", "y"}
        Which it is.
    compact : bool
        Small marks, all of one shape, the own estimates beneath.
    """
    size = {"own": 9, "pooled": 9} if compact else {"own": 26, "pooled": 110}
    rule = {"strokeWidth": 1, "opacity": 0.4} if compact else {"strokeWidth": 2}
    marks = two_marks(alt, colours, *([("circle", "circle")] if compact else []))
    pooled = (
        base.transform_calculate(what=f"'{POOLED}'")
        .mark_point(strokeWidth=0, size=size["pooled"], opacity=1)
        .encode(**{across: "estimate:Q"}, **marks)
    )
    own = (
        base.transform_calculate(what=f"'{OWN}'")
        .transform_filter("isValid(datum.raw)")
        .mark_point(strokeWidth=1 if compact else 1.5, size=size["own"], opacity=1)
        .encode(**{across: "raw:Q"}, **marks)
    )
    ends = base.mark_rule(color=colours.pooled, **rule).encode(
        **{across: along, f"{across}2": "upper:Q"}
    )
    return [ends, own, pooled] if compact else [ends, pooled, own]


def middle(value: float) -> list[dict[str, Any]]:
    """The row that `mean_line` draws."""
    return [{"mu": value, "what": "population mean"}]


def mean_line(alt: Any, data: Any, colours: Look, channel: str = "x") -> Any:
    """A dashed line at the population mean; data holds the row of `middle`."""
    place = {channel: alt.X("mu:Q") if channel == "x" else alt.Y("mu:Q")}
    return (
        alt.Chart(data)
        .mark_rule(color=colours.mean, strokeDash=[5, 4], strokeWidth=1.5)
        .encode(**place, tooltip=["what:N", alt.Tooltip("mu:Q", format=",.4~g")])
    )


def is_small(values: Any) -> bool:
    """Whether values are so small that they are written with exponents."""
    return bool(0 < np.nanmax(np.abs(values)) < 1e-3)


def value_axis(alt: Any, small: bool, **options: Any) -> Any:
    """An axis of values; small ones are written with exponents."""
    return alt.Axis(**({"format": "~g"} if small else {}), **options)


def outcome(alt: Any, field: str, post: OneFactor, channel: str = "x", **axis: Any) -> Any:
    """The axis of the outcome (units of y), which need not start at zero."""
    s = post.statistics
    return outcome_axis(alt, field, outcome_name(s), is_small(s.raw), channel, **axis)


def outcome_axis(
    alt: Any, field: str, name: str, small: bool, channel: str = "x", **axis: Any
) -> Any:
    """The axis of an outcome by name, `small` as said by `is_small`."""
    make = alt.X if channel == "x" else alt.Y
    return make(
        field,
        title=name,
        scale=alt.Scale(zero=False, nice=True),
        axis=value_axis(alt, small, **axis),
    )


def ratio_axis(alt: Any, field: str, name: str, low: float, high: float) -> Any:
    """A logarithmic axis of exp of values between `low` and `high`, which also holds 1."""
    low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.04 * (high - low)
    domain = [math.exp(low - margin), math.exp(high + margin)]
    return alt.X(
        field,
        title=f"exp({name}), logarithmic axis",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(values=log_ticks(*domain), format=",.6~g"),
    )


def no_effect_line(alt: Any, colours: Look) -> Any:
    """A line at a ratio of 1."""
    data = alt.Data(values=[{"ratio": 1.0}])
    return alt.Chart(data).mark_rule(color=colours.line, strokeWidth=1.2).encode(x="ratio:Q")
