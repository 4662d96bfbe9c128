"""Errors of estimators: of one setting as bars, over tau as lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from partialpool.charts import parts
from partialpool.charts.drawing import Rows, filled
from partialpool.charts.places import log_ticks
from partialpool.charts.style import Look, altair, estimator_looks, look, styled
from partialpool.errors import ArgumentError
from partialpool.words import formatting

WHISKER_ERRORS = 2.0
"""Whiskers and bands reach this many Monte Carlo errors to either side."""
WIDE_RANGE = 20.0
"""Risks that differ by more than this factor are drawn on a log axis."""
NEEDED = ("tau", "estimator", "risk", "error")


def error_bars(
    errors: Mapping[str, tuple[float, float]],
    *,
    here: Mapping[str, float] | None = None,
    axis: str = "mean squared error",
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw mean squared errors as bars with their Monte Carlo errors.

    Parameters
    ----------
    errors : mapping
        From estimator to its mean squared error and the Monte Carlo error of that (both in units
        of y squared); an error of 0 or nan draws no whisker.
    here : mapping, optional
        From estimator to its mean squared error in one draw (units of y squared), as diamonds.
    axis : str
        Name of the axis.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        One bar an estimator, in the order given, its value at the end.

    Raises
    ------
    ArgumentError
        If there is nothing to draw, or a value is negative or not finite.
    """
    rows, marks = _bars(errors), _marks(errors, here or {})
    furthest = {m["group"]: m["value"] for m in marks}
    for row in rows:
        if row["group"] in furthest:
            value = furthest[row["group"]]
            row["label"] += f"; this draw {parts.number(value, value / 10)}"
    top = max([r["upper"] for r in rows] + list(furthest.values())) or 1.0
    lines = ["Lower is better"]
    if any(r["error"] for r in rows):
        lines = [
            f"Lower is better; ± Monte Carlo error, whiskers reach {WHISKER_ERRORS:g} times as far"
        ]
    if marks:
        lines.append("Bars: expected; diamonds: this draw")
    return filled(
        _error_frame(tuple(r["group"] for r in rows), axis, dark),
        {"bars": rows, "here": marks},
        {"top": 1.02 * top},
        title or "Error of the estimators",
        lines,
    )


@lru_cache(maxsize=32)
def _error_frame(names: tuple[str, ...], axis: str, dark: bool) -> Any:
    alt, colours = altair(), look(dark)
    ranges = estimator_looks(names, colours)[0]
    y = alt.Y("group:N", scale=alt.Scale(domain=list(names)), axis=None)
    base = alt.Chart(alt.NamedData("bars")).encode(y=y)
    scale = alt.Scale(domainMin=0, domainMax=alt.ExprRef("top"), nice=False)
    x = alt.X("value:Q", title=axis, scale=scale, axis=alt.Axis(tickCount=6))
    colour = alt.Color("group:N", legend=None, scale=alt.Scale(domain=list(names), range=ranges))
    line = base.transform_filter("datum.error > 0")
    # names and values above the bars, so that nothing beside them is cut, however narrow the chart
    words = {"baseline": "middle", "yOffset": -16}
    layers = [
        base.mark_bar(size=14, yOffset=3).encode(x=x, color=colour),
        line.mark_rule(color=colours.ink, strokeWidth=1.5, yOffset=3).encode(
            x="lower:Q", x2="upper:Q"
        ),
        *(
            line.mark_tick(
                color=colours.ink, thickness=1.5, size=9, opacity=1, yOffset=3
            ).encode(x=f"{end}:Q")
            for end in ("lower", "upper")
        ),
        base.mark_text(align="left", **words).encode(x=alt.value(0), text="group:N"),
        base.mark_text(align="right", **words).encode(x=alt.value("width"), text="label:N"),
        alt.Chart(alt.NamedData("here"))
        .mark_point(shape="diamond", size=90, opacity=1, filled=True, fill=colours.paper,
                    stroke=colours.ink, strokeWidth=1.5, yOffset=3)
        .encode(x="value:Q", y=y, tooltip=["group:N", alt.Tooltip("value:Q", format=",.4~g")]),
    ]  # fmt: skip
    chart = alt.layer(*layers).properties(width=430, height=alt.Step(46))
    return styled(chart.add_params(alt.param(name="top", value=1.0)), dark)


def _marks(errors: Mapping[str, Any], here: Mapping[str, float]) -> Rows:
    """The errors of this draw, of the estimators that have a bar."""
    names = parts.distinct(errors)
    marks = [(label, here[k]) for label, k in zip(names, errors, strict=True) if k in here]
    return [{"group": label, "value": float(value)} for label, value in marks]


def _bars(errors: Mapping[str, tuple[float, float]]) -> list[dict[str, Any]]:
    if not errors:
        raise ArgumentError("there are no errors to draw: give a mapping such as "
                            '{"partial pooling": (4.1, 0.05)}')  # fmt: skip
    rows: list[dict[str, Any]] = []
    names = parts.distinct(errors)
    for name, (value, error) in zip(names, errors.values(), strict=True):
        if not (math.isfinite(value) and value >= 0):
            raise ArgumentError(f'the error of "{name}" must be 0 or more; received {value}')
        error = float(error) if math.isfinite(error) else 0.0
        label = parts.number(value, error or value / 10)
        rows.append({
            "group": name,
            "value": float(value),
            "error": error,
            "lower": max(0.0, value - WHISKER_ERRORS * error),
            "upper": float(value + WHISKER_ERRORS * error),
            "label": f"{label} ± {parts.number(error, error)}" if error else label,
        })  # fmt: skip
    return rows


def risk_by_tau(
    table: Iterable[Mapping[str, Any]],
    *,
    axis: str = "expected mean squared error",
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw the risk of estimators as lines over the true tau, with Monte Carlo bands.

    Parameters
    ----------
    table : iterable of mappings
        Rows with tau (units of y), estimator, risk and its Monte Carlo error (both in units of
        y squared).
    axis : str
        Name of the y axis.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        One line an estimator, told apart by colour, shape and dash; on a log axis, which the
        axis says, where risks differ by more than a factor of 20.

    Raises
    ------
    ArgumentError
        If there is no row, a key is missing, or a risk is negative or not finite.
    """
    alt, colours = altair(), look(dark)
    rows = _risks(table)
    risks = [r["risk"] for r in rows]
    log = min(risks) > 0 and max(risks) > WIDE_RANGE * min(risks)
    floor = 0.5 * min(risks) if log else 0.0
    for row in rows:
        row["lower"] = max(row["lower"], floor)
    low, high = 0.85 * min(r["lower"] for r in rows), 1.15 * max(r["upper"] for r in rows)
    on_log = {"type": "log", "domain": [low, high], "nice": False}
    ticks = {"values": log_ticks(low, high)} if log else {"tickCount": 6}
    x = alt.X("tau:Q", title="true tau: standard deviation between groups",
              scale=alt.Scale(zero=False, nice=False, padding=8))  # fmt: skip
    y: dict[str, Any] = {
        "title": axis + (" (log scale)" if log else ""),
        "scale": alt.Scale(**(on_log if log else {"zero": True, "nice": True})),
        "axis": alt.Axis(format=",.3~g", labelOverlap=False, **ticks),
    }
    lines = [f"Lower is better; bands: {WHISKER_ERRORS:g} Monte Carlo errors to either side"]
    chart = alt.layer(*_risk_layers(alt, rows, x, y, colours)).properties(
        width=parts.WIDTH, height=340
    )
    what = title or "Risk of the estimators by how different the groups are"
    return parts.finished(chart, what, lines, dark)


def _risk_layers(
    alt: Any, rows: list[dict[str, Any]], x: Any, y_options: dict[str, Any], colours: Look
) -> list[Any]:
    """Bands, lines and points, one colour, shape and dash an estimator."""
    names = list(dict.fromkeys(r["estimator"] for r in rows))
    tints, shapes, dashes = estimator_looks(names, colours)
    y, band = alt.Y("risk:Q", **y_options), alt.Y("lower:Q", **y_options)
    colour = alt.Color(
        "estimator:N",
        scale=alt.Scale(domain=names, range=tints),
        legend=alt.Legend(symbolOpacity=1),
    )
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, color=colour)
    return [
        base.mark_area(opacity=0.22).encode(y=band, y2="upper:Q"),
        *(
            alt.Chart(alt.Data(values=[r for r in rows if r["estimator"] == name]))
            .mark_line(strokeWidth=2, strokeDash=dash)
            .encode(x=x, y=y, color=colour)
            for name, dash in zip(names, dashes, strict=True)
        ),
        base.mark_point(filled=True, size=55, opacity=1).encode(y=y, shape=alt.Shape(
            "estimator:N", scale=alt.Scale(domain=names, range=shapes))),
    ]  # fmt: skip


def _risks(table: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for row in table:
        if missing := [k for k in NEEDED if k not in row]:
            raise ArgumentError(
                f"each row needs {', '.join(NEEDED)}; {', '.join(missing)} is missing in {row}"
            )
        tau, risk, error = (float(row[k]) for k in ("tau", "risk", "error"))
        if not (math.isfinite(tau) and math.isfinite(risk) and risk >= 0):
            raise ArgumentError(f"tau and risk must be finite, and risk 0 or more; received {row}")
        reach = WHISKER_ERRORS * error if math.isfinite(error) else 0.0
        ends = {"lower": max(0.0, risk - reach), "upper": risk + reach}
        name = formatting.printable(row["estimator"])
        rows.append({"tau": tau, "estimator": name, "risk": risk, **ends})
    if not rows:
        raise ArgumentError(f"there is no risk to draw: give rows with {', '.join(NEEDED)}")
    return sorted(rows, key=lambda r: r["tau"])
