"""The posterior of tau, and where the classical estimates fall in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool import display
from partialpool.classical import anova, dersimonian_laird, maximum_likelihood, reml
from partialpool.data import CountStatistics
from partialpool.pictures import parts
from partialpool.pictures.style import SHAPES, Look, altair, look, styled
from partialpool.posterior import AnyPosterior

POINTS = 200
MOST_FOR_REML = 20_000
"""With more known standard errors REML, which is found on a wide grid, is left out."""


def tau(
    post: AnyPosterior, *, level: float = 0.95, title: str | None = None, dark: bool = False
) -> Any:
    """Draw the posterior density of tau with marks of the classical estimates.

    Parameters
    ----------
    post : Posterior
        What to draw.
    level : float
        Probability of the shaded interval.
    title : str, optional
        In place of the standard title.
    dark : bool
        Colours for dark surroundings.

    Returns
    -------
    altair.Chart
        Density of tau (units of y) from 0 to its 99.5% quantile, the interval shaded; a line
        each at the moment estimate, REML, the posterior mean and the posterior median. Where
        the posterior has a very long tail the axis ends earlier, which the caption says.
    """
    alt, colours, s = altair(), look(dark), post.statistics
    marks = _marks(post)
    end = tau_end(post, max(m["tau"] for m in marks))
    density = tau_density(post, end, level)
    x = tau_axis(alt, post, end)
    layers = [*density_layers(alt, density, x, colours, 1 + 0.14 * (len(marks) + 0.5))]
    layers += _mark_layers(alt, marks, density, x, end, colours)
    chart = alt.layer(*layers).properties(width=parts.WIDTH, height=340)
    lines = [*tau_caption(post, end, level)]
    if not np.isfinite(post.tau.mean):
        lines.append("With so few groups the posterior mean is infinite, and not drawn")
    if s.sigma_known and s.n_groups > MOST_FOR_REML:
        lines.append("REML is not computed for so many estimates")
    what = f"How much {display.printable(s.outcome)} differs by {display.printable(s.factor)}"
    return styled(parts.described(chart, parts.head(title or what, lines)), dark)


def tau_end(post: AnyPosterior, at_least: float = 0.0) -> float:
    """Where the axis of tau ends: its 99.5% quantile, or less if that is mostly an empty tail."""
    quarter, ninety, last = post.tau.quantile(np.array([0.75, 0.9, 0.995])).tolist()
    return float(max(min(last, max(ninety, 4.0 * quarter)), 1.05 * at_least))


def tau_axis(alt: Any, post: AnyPosterior, end: float) -> Any:
    """The x axis of tau."""
    unit = f"units of {display.printable(post.statistics.outcome)}"
    if isinstance(post.statistics, CountStatistics):
        unit = "log-odds" if post.statistics.proportion else "log rate"
    name = f"tau: standard deviation between groups ({unit})"
    return alt.X(
        "tau:Q",
        title=name,
        scale=alt.Scale(domain=[0, end], nice=False),
        axis=parts.value_axis(alt, end),
    )


def tau_caption(post: AnyPosterior, end: float, level: float) -> list[str]:
    """Say what is shaded, and how much lies beyond the axis if that is much."""
    low, high = post.tau.interval(level).tolist()
    shown = ", ".join(parts.number(v, (high - low) / 4) for v in (low, high))
    lines = [f"Posterior density of tau; shaded: {parts.percent(level)} interval [{shown}]"]
    beyond = float(post.tau.probability(above=end))
    if beyond > 0.0075:
        lines.append(
            f"A long tail: {parts.percent(round(beyond, 3))} of the posterior lies beyond "
            "the end of the axis"
        )
    return lines


def tau_density(post: AnyPosterior, end: float, level: float) -> list[dict[str, Any]]:
    """One dict a point: tau, density, inside (the interval)."""
    low, high = post.tau.interval(level).tolist()
    grid = np.linspace(0.0, end, POINTS)
    grid = np.unique(np.concatenate([grid, [v for v in (low, high) if v < end]]))
    density = post.tau.density(grid)
    density = np.where(np.isfinite(density), density, 0.0)
    inside = (grid >= low) & (grid <= high)
    columns = (grid.tolist(), density.tolist(), inside.tolist())
    names = ("tau", "density", "inside")
    return [dict(zip(names, v, strict=True)) for v in zip(*columns, strict=True)]


def density_layers(
    alt: Any, density: list[dict[str, Any]], x: Any, colours: Look, room: float
) -> list[Any]:
    """The density as a line, its interval shaded; `room` times its height is the chart's."""
    top = max(d["density"] for d in density)
    y = alt.Y(
        "density:Q",
        title="posterior density",
        scale=alt.Scale(domain=[0, room * top], nice=False),
        axis=alt.Axis(labels=False, ticks=False, domain=False),
    )
    base = alt.Chart(alt.Data(values=density)).encode(x=x, y=y)
    return [
        base.transform_filter("datum.inside").mark_area(color=colours.pooled, opacity=0.22),
        base.mark_line(color=colours.pooled, strokeWidth=2),
    ]


def _marks(post: AnyPosterior) -> list[dict[str, Any]]:
    """Name and value of each estimate of tau that exists."""
    s = post.statistics
    found: dict[str, float] = {}
    if isinstance(s, CountStatistics):
        pass  # the classical estimates are of measurements
    elif s.sigma_known:
        se = s.weight**-0.5
        found["moments (DerSimonian-Laird)"] = dersimonian_laird(mean=s.raw, se=se).tau
        if s.n_groups <= MOST_FOR_REML:
            found["REML"] = reml(mean=s.raw, se=se).tau
    elif np.array_equal(s.weight, s.n) and s.n_used > s.n_groups and s.ss.sum() > 0:
        found["moments (mean squares)"] = anova(mean=s.raw, n=s.n, ss=s.ss).tau
        found["REML"] = maximum_likelihood(mean=s.raw, n=s.n, ss=s.ss).tau
    found["posterior median"] = float(post.tau.median)
    if np.isfinite(post.tau.mean):
        found["posterior mean"] = float(post.tau.mean)
    low, high = post.tau.interval(0.9).tolist()
    return [
        {"name": k, "tau": v, "label": f"{k}  {parts.number(v, (high - low) / 4)}"}
        for k, v in found.items()
    ]


def _mark_layers(
    alt: Any, marks: list[dict[str, Any]], density: list[dict[str, Any]], x: Any, end: float,
    colours: Look,
) -> list[Any]:  # fmt: skip
    """A line each, its name at the right; the further left the higher, so that none cross.

    Where all lie in the right part of the chart names are at the left, the other way round.
    """
    left = min(m["tau"] for m in marks) > 0.5 * end
    top = max(d["density"] for d in density)
    names = [m["name"] for m in marks]
    for i, mark in enumerate(
        sorted(marks[:: 1 if left else -1], key=lambda m: m["tau"] if left else -m["tau"])
    ):
        mark["density"] = top * (1.12 + 0.14 * i)
        mark["foot"] = 0.0
    ours = [colours.pooled if n.startswith("posterior") else colours.raw for n in names]
    colour = alt.Color("name:N", legend=None, scale=alt.Scale(domain=names, range=ours))
    shapes = alt.Scale(domain=names, range=list(SHAPES[: len(names)]))
    base = alt.Chart(alt.Data(values=marks)).encode(x=x, y="density:Q", color=colour)
    return [
        base.mark_rule(strokeWidth=1.4).encode(y2="foot:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            shape=alt.Shape("name:N", legend=None, scale=shapes)
        ),
        base.mark_text(
            align="right" if left else "left", baseline="middle", dx=-9 if left else 9
        ).encode(text="label:N"),
    ]
