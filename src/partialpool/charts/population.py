"""The population that groups come from: its shape, with how sure it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.charts import parts
from partialpool.charts.style import Look, altair, look
from partialpool.errors import ArgumentError
from partialpool.posterior import OneFactor
from partialpool.posterior.ranks import SEED
from partialpool.words import formatting

DRAWS, DENSITY_POINTS = 600, 241
"""Draws behind the band, whose edges are then good to a twentieth of its width, and places."""
MOST_TICKS = 400
"""Of more groups so many own values, evenly spread, are marked."""
SHAPE, NORMAL = "this population", "a normal one, fitted to the same data"


@parts.of_posterior
def population(
    post: OneFactor, *, level: float = 0.95, title: str | None = None, dark: bool = False
) -> Any:
    """Draw the density of a group that is not in the data, beside that of a normal population.

    Parameters
    ----------
    post : OneWayPosterior or PopulationPosterior
        What to draw.
    level : float
        Probability of the band.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Density over the outcome (units of y): its mean over the posterior, and a band that holds
        each height with that probability; dashed, the mean density of a normal population fitted
        to the same data; ticks at the groups' own values. What lies exactly at one value is said.

    Raises
    ------
    ArgumentError
        If the model is of counts.
    """
    if post.counts or not post.one_sigma:
        raise ArgumentError(
            "the shape of a population is drawn of measurements of one sigma, not of counts: draw "
            "shrinkage or estimate_by_value instead"
        )
    alt, colours, s = altair(), look(dark), post.statistics
    x = _grid(post)
    heights, atom = _heights(post, x)
    normal = post.with_normal_population()
    rows = _rows(x, heights, level)
    others = [] if normal is post else _line(x, np.asarray(normal.new_group.density(x)), NORMAL)
    chart = alt.layer(*_layers(alt, post, rows, others, colours))
    lines = [
        *([] if atom is None else [_of_atom(post, atom, level)]),
        f"Line and band: mean and {parts.percent(level)} interval of the density of a new group",
        "Ticks: the groups' own values",
    ]
    what = f"The population that groups of {formatting.printable(s.factor)} come from"
    chart = chart.properties(width=parts.WIDTH, height=300)
    return parts.finished(chart, title or what, lines, dark)


def _grid(post: OneFactor) -> Floats:
    """Places from the lowest to the highest own value, or where nearly all of a new group lies."""
    low, high = np.asarray(post.new_group.quantile(np.array([0.01, 0.99]))).tolist()
    raw, middle = post.statistics.raw, float(post.mu.median)
    reach = 4.0 * max(float(np.abs(raw - middle).max()), 1e-300)
    low, high = max(low, middle - reach), min(high, middle + reach)
    return np.linspace(min(low, float(raw.min())), max(high, float(raw.max())), DENSITY_POINTS)


def _heights(post: OneFactor, x: Floats) -> tuple[Floats, Floats | None]:
    """Densities at each draw, (S, G), and the shares that lie exactly at the middle."""
    drawn = post.draws(DRAWS, np.random.default_rng(SEED))
    share, variance = post.population_components(drawn)
    there = variance > 0.0
    scale = np.sqrt(np.where(there, variance, 1.0))
    out = np.zeros((DRAWS, len(x)))
    for k in range(share.shape[1]):
        z = (x - drawn.mu[:, None]) / scale[:, k, None]
        height = np.exp(-0.5 * z**2) / (scale[:, k, None] * np.sqrt(2.0 * np.pi))
        out += np.where(there[:, k, None], share[:, k, None] * height, 0.0)
    atom = (share * ~there).sum(axis=1)
    return out, atom if atom.any() else None


def _rows(x: Floats, heights: Floats, level: float) -> list[dict[str, float]]:
    low, high = np.quantile(heights, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    columns = (x.tolist(), heights.mean(axis=0).tolist(), low.tolist(), high.tolist())
    names = ("x", "density", "lower", "upper")
    return [dict(zip(names, v, strict=True)) | {"what": SHAPE} for v in zip(*columns, strict=True)]


def _line(x: Floats, density: Floats, what: str) -> list[dict[str, Any]]:
    return [
        {"x": at, "density": height, "what": what}
        for at, height in zip(x.tolist(), density.tolist(), strict=True)
    ]


def _of_atom(post: OneFactor, atom: Floats, level: float) -> str:
    low, high = np.quantile(atom, [0.5 - level / 2, 0.5 + level / 2]).tolist()
    middle = getattr(post.group_population, "middle", None)
    at = "the middle" if middle is None else f"{middle:g}"
    return (
        f"A share of {float(atom.mean()):.2f} ({low:.2f} to {high:.2f}) is exactly at {at}, the "
        "others as drawn"
    )


def _layers(
    alt: Any,
    post: OneFactor,
    rows: list[dict[str, Any]],
    others: list[dict[str, Any]],
    colours: Look,
) -> list[Any]:
    s = post.statistics
    top = 1.4 * max(r["density"] for r in [*rows, *others])
    shown = [r | {"upper": min(r["upper"], top), "lower": min(r["lower"], top)} for r in rows]
    x = parts.outcome(alt, "x:Q", post)
    scale = alt.Scale(domain=[0, top], nice=False)
    y = alt.Y("density:Q", title="density", scale=scale, axis=alt.Axis(labels=False, ticks=False))
    kinds = [SHAPE, NORMAL] if others else [SHAPE]
    colour = alt.Scale(domain=kinds, range=[colours.pooled, colours.mean][: len(kinds)])
    dashes = alt.Scale(domain=kinds, range=[[1, 0], [6, 4]][: len(kinds)])
    legend = {} if others else {"legend": None}
    base = alt.Chart(alt.Data(values=shown))
    band = base.mark_area(color=colours.pooled, opacity=0.18).encode(
        x=x, y=alt.Y("lower:Q", title="density", scale=scale), y2="upper:Q"
    )
    line = alt.Chart(alt.Data(values=[*others, *shown])).mark_line(strokeWidth=2)
    line = line.encode(
        x=x,
        y=y,
        color=alt.Color("what:N", scale=colour, **legend),
        strokeDash=alt.StrokeDash("what:N", scale=dashes, **legend),
    )
    order = parts.spread_evenly(s.raw, MOST_TICKS)
    names = parts.distinct(s.labels[order].tolist())
    own = [{"x": v, "group": g} for v, g in zip(s.raw[order].tolist(), names, strict=True)]
    ticks = alt.Chart(alt.Data(values=own)).mark_tick(
        color=colours.raw, height=12, thickness=1.4, opacity=0.8, yOffset=-6
    )
    tips = [
        alt.Tooltip("group:N", title=formatting.printable(s.factor)),
        alt.Tooltip("x:Q", title=parts.OWN, format=",.4~g"),
    ]
    return [band, line, ticks.encode(x=x, y=alt.datum(0, scale=scale), tooltip=tips)]
