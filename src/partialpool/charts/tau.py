"""The posterior of tau, and where the classical estimates fall in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from partialpool.charts import parts
from partialpool.charts.drawing import Rows, filled
from partialpool.charts.style import SHAPES, Look, altair, look, styled
from partialpool.classical import anova, dersimonian_laird, maximum_likelihood, reml
from partialpool.posterior import OneFactor
from partialpool.records import CountStatistics
from partialpool.words import formatting

DENSITY_POINTS = 200
"""Points of the density, one in three pixels of the width."""
MARK_DISTANCE = 0.14
"""Marks above the density stand this share of its height apart."""
MOST_FOR_REML = 20_000
"""With more known standard errors REML, which is found on a wide grid, is left out."""


@parts.of_posterior
def tau(
    post: OneFactor,
    *,
    level: float = 0.95,
    at: Mapping[str, float] | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw the posterior density of tau with marks of the classical estimates.

    Parameters
    ----------
    post : OneWayPosterior
        What to draw.
    level : float
        Probability of the shaded interval.
    at : mapping, optional
        Further values of tau to mark, by name, such as ``{"truth": 5.0}`` (units of y).
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Density of tau (units of y) from 0 to its 99.5% quantile, the interval shaded; a line
        each at the moment estimate, REML, the posterior mean and the posterior median. Where
        the posterior has a very long tail the axis ends earlier, which the caption says.
    """
    s, marks = post.statistics, tau_marks(post, at or {})
    end = tau_end(post, max(m["tau"] for m in marks))
    density = tau_density(post, end, level)
    left = place_marks(marks, max(d["density"] for d in density), end)
    lines = [*tau_caption(post, end, level), *missing_marks(post)]
    what = f"How much {formatting.printable(s.outcome)} differs by {formatting.printable(s.factor)}"
    names = tuple(m["name"] for m in marks)
    return filled(
        _frame(names, unit_of(post), parts.is_small(end), left, dark),
        {"density": density, "marks": marks},
        {"end": end, "top": top_with(density, len(marks))},
        title or what,
        lines,
    )


@lru_cache(maxsize=64)
def _frame(names: tuple[str, ...], unit: str, small: bool, left: bool, dark: bool) -> Any:
    alt, colours = altair(), look(dark)
    x = tau_axis(alt, unit, small)
    layers = density_layers(alt, x, colours) + mark_layers(alt, names, x, left, colours)
    chart = alt.layer(*layers).properties(width=parts.WIDTH, height=340)
    return styled(chart.add_params(*density_params(alt)), dark)


def tau_end(post: OneFactor, at_least: float = 0.0) -> float:
    """Where the axis of tau ends: its 99.5% quantile, or less if that is mostly an empty tail."""
    quarter, ninety, last = post.tau.quantile(np.array([0.75, 0.9, 0.995])).tolist()
    return float(max(min(last, max(ninety, 4.0 * quarter)), 1.05 * at_least))


UNITS = ("log-odds", "log rate", "units of ")


def unit_of(post: OneFactor) -> str:
    """The unit of tau, or where the population is not normal what it is."""
    s = post.statistics
    if post.group_population == "beta":
        return "spread between groups, 1 / sqrt(prior trials)"
    if post.group_population == "gamma":
        return "coefficient of variation of the groups' rates"
    unit = f"units of {formatting.printable(s.outcome)}"
    if s.counts:
        unit = "log-odds" if s.proportion else "log rate"
    return unit if post.linear_shrinkage else f"scale of the population ({unit})"


def tau_axis(alt: Any, unit: str, small: bool, **options: Any) -> Any:
    """The x axis of tau, from 0 to the parameter `end`; options in place of title and axis."""
    standard = {
        "title": f"tau: sd between groups ({unit})" if unit.startswith(UNITS) else f"tau: {unit}",
        "axis": parts.value_axis(alt, small),
    }
    scale = alt.Scale(domainMin=0, domainMax=alt.ExprRef("end"), nice=False)
    return alt.X("tau:Q", scale=scale, **standard | options)


def tau_caption(post: OneFactor, end: float, level: float) -> list[str]:
    """Say what is shaded, and how much lies beyond the axis if that is much."""
    low, high = post.tau.interval(level).tolist()
    shown = ", ".join(parts.number(v, (high - low) / 4) for v in (low, high))
    lines = [f"Posterior density of tau; shaded: {parts.percent(level)} interval [{shown}]"]
    beyond = float(post.tau.probability(above=end))
    if beyond > 0.0075:
        lines.append(f"A long tail: {parts.percent(round(beyond, 3))} lies beyond the axis")
    return lines


def tau_density(post: OneFactor, end: float, level: float) -> Rows:
    """One dict a point: tau, density, inside (the interval)."""
    low, high = post.tau.interval(level).tolist()
    grid = np.linspace(0.0, end, DENSITY_POINTS)
    grid = np.unique(np.concatenate([grid, [v for v in (low, high) if v < end]]))
    density = post.tau.density(grid)
    density = np.where(np.isfinite(density), density, 0.0)
    inside = (grid >= low) & (grid <= high)
    columns = (grid.tolist(), density.tolist(), inside.tolist())
    names = ("tau", "density", "inside")
    return [dict(zip(names, v, strict=True)) for v in zip(*columns, strict=True)]


def density_params(alt: Any) -> list[Any]:
    """The parameters that `tau_axis` and `density_layers` refer to."""
    return [alt.param(name="end", value=1.0), alt.param(name="top", value=1.0)]


def top_of(density: Rows, room: float) -> float:
    """Where the axis of the density ends: `room` times its height."""
    return float(room * max(d["density"] for d in density))


def top_with(density: Rows, marks: int) -> float:
    """Where it ends with so many marks above the density."""
    return top_of(density, 1 + MARK_DISTANCE * (marks + 0.5))


def missing_marks(post: OneFactor) -> list[str]:
    """Say which estimates of tau are not marked, and why."""
    s, lines = post.statistics, []
    if not np.isfinite(post.tau.mean):
        lines.append("The posterior mean is infinite")
    if post.linear_shrinkage and s.errors_known and s.n_groups > MOST_FOR_REML:
        lines.append("REML is not computed for so many estimates")
    return lines


def density_layers(alt: Any, x: Any, colours: Look) -> list[Any]:
    """The density as a line, its interval shaded."""
    y = alt.Y(
        "density:Q",
        title="posterior density",
        scale=alt.Scale(domainMin=0, domainMax=alt.ExprRef("top"), nice=False),
        axis=alt.Axis(labels=False, ticks=False, domain=False),
    )
    base = alt.Chart(alt.NamedData("density")).encode(x=x, y=y)
    return [
        base.transform_filter("datum.inside").mark_area(color=colours.pooled, opacity=0.22),
        base.mark_line(color=colours.pooled, strokeWidth=2),
    ]


def tau_marks(post: OneFactor, at: Mapping[str, float]) -> Rows:
    """Name and value of each estimate of tau that exists, and of what else to mark."""
    s = post.statistics
    marks: dict[str, float] = {}
    if isinstance(s, CountStatistics) or not post.linear_shrinkage:
        pass  # the classical estimates are of measurements from a normal population
    elif s.sigma_known:
        se = s.weight**-0.5
        marks["moments (DerSimonian-Laird)"] = dersimonian_laird(mean=s.raw, se=se).tau
        if s.n_groups <= MOST_FOR_REML:
            marks["REML"] = reml(mean=s.raw, se=se).tau
    elif s.plain and s.n_used > s.n_groups and s.ss.sum() > 0:
        marks["moments (mean squares)"] = anova(mean=s.raw, n=s.n, ss=s.ss).tau
        marks["REML"] = maximum_likelihood(mean=s.raw, n=s.n, ss=s.ss).tau
    marks["posterior median"] = float(post.tau.median)
    if np.isfinite(post.tau.mean):
        marks["posterior mean"] = float(post.tau.mean)
    marks |= {name: float(value) for name, value in at.items()}
    low, high = post.tau.interval(0.9).tolist()
    texts = {k: parts.number(v, (high - low) / 4) for k, v in marks.items()}
    return [
        {"name": k, "tau": v, "text": texts[k], "label": f"{k}  {texts[k]}"}
        for k, v in marks.items()
    ]


def place_marks(marks: Rows, top: float, end: float) -> bool:
    """Set the height of each mark; the further left the higher, so that no line crosses a label.

    Returns whether labels stand at the left: where all marks lie in the right part of the chart.
    """
    left = bool(min(m["tau"] for m in marks) > 0.5 * end)
    for i, mark in enumerate(
        sorted(marks[:: 1 if left else -1], key=lambda m: m["tau"] if left else -m["tau"])
    ):
        mark["density"] = top * (1.0 + MARK_DISTANCE * (i + 0.85))
        mark["foot"] = 0.0
    return left


def mark_layers(alt: Any, names: tuple[str, ...], x: Any, left: bool, colours: Look) -> list[Any]:
    """A line each, its name beside its head."""
    ours = [_colour(name, colours) for name in names]
    colour = alt.Color("name:N", legend=None, scale=alt.Scale(domain=list(names), range=ours))
    shapes = alt.Scale(domain=list(names), range=list(SHAPES[: len(names)]))
    base = alt.Chart(alt.NamedData("marks")).encode(x=x, y="density:Q", color=colour)
    return [
        base.mark_rule(strokeWidth=1.4).encode(y2="foot:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            shape=alt.Shape("name:N", legend=None, scale=shapes)
        ),
        base.mark_text(
            align="right" if left else "left", baseline="middle", dx=-9 if left else 9
        ).encode(text="label:N"),
    ]


def _colour(name: str, colours: Look) -> str:
    if name.startswith("posterior"):
        return colours.pooled
    return colours.raw if name.startswith(("moments", "REML")) else colours.truth
