"""The estimates as functions of tau, above the posterior of tau."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.charts import parts
from partialpool.charts.drawing import Rows, filled
from partialpool.charts.places import apart
from partialpool.charts.style import Look, altair, look, styled
from partialpool.charts.tau import (
    density_layers,
    density_params,
    mark_layers,
    missing_marks,
    place_marks,
    tau_axis,
    tau_caption,
    tau_density,
    tau_end,
    tau_marks,
    top_with,
    unit_of,
)
from partialpool.errors import ArgumentError
from partialpool.kernels.oneway import theta_given
from partialpool.posterior import OneFactor, OneWayPosterior
from partialpool.words import formatting

MOST_GROUPS = 40
"""With more groups a sample, evenly spread over the raw estimates, is drawn."""
MOST_NAMED = 12
"""With more groups their lines have no names: at the right edge these would cover each other."""
TAU_POINTS = 50
"""Values of tau of the lines, closer near zero, where these bend."""
HEIGHT, DENSITY_HEIGHT = 320, 190
"""px of the lines and of the density of tau below them."""
MEDIAN = "The vertical line is at the posterior median of tau"
HELD = "The vertical line is at the tau asked for"


@parts.of_posterior
def estimates_by_tau(
    post: OneFactor,
    *,
    level: float = 0.95,
    at: float | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw every group's conditional mean E(theta_j | tau) above the posterior of tau.

        E(theta_j | tau) = B_j mu(tau) + (1 - B_j) ybar_j,   B_j = 1 / (1 + P_j tau^2 / sigma^2)

    Parameters
    ----------
    post : OneWayPosterior
        What to draw. Where sigma is not known it is held at its posterior median.
    level : float
        Probability of the shaded interval of tau.
    at : float, optional
        Where the vertical line stands (units of y), in place of the posterior median of tau.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.VConcatChart
        Above, one line a group (units of y), at most 40, with names if there are at most 12,
        and the population mean dashed; below, the density of tau (units of y) on the same axis
        with marks at the classical estimates, the posterior median and mean; a line through
        both at the posterior median of tau, or where asked for.

    Raises
    ------
    ArgumentError
        If the model is of counts.

    Notes
    -----
    Source: Rubin (1981), doi:10.3102/10769986006004377, figure 1; Gelman et al. (2013), Bayesian
    Data Analysis, figures 5.5 and 5.6.
    """
    if not isinstance(post, OneWayPosterior):
        raise ArgumentError(
            "estimates as functions of tau are drawn of measurements of one sigma and of a normal "
            "population, not of others or counts: draw shrinkage, tau or estimate_by_value"
        )
    s = post.statistics
    marks = tau_marks(post, {})
    end = tau_end(post, max(m["tau"] for m in marks))
    order = parts.spread_evenly(s.raw, MOST_GROUPS)
    density = tau_density(post, end, level)
    left = place_marks(marks, max(d["density"] for d in density), end)
    lines = [
        "Lines: the mean of each group if tau were known; dashed: the population mean",
        *tau_caption(post, end, level),
        *missing_marks(post),
    ]
    if not s.sigma_known:
        lines.append("sigma is held at its posterior median")
    lines[:0] = parts.sampled(len(order), s.n_groups, "their own estimates")
    lines.append(MEDIAN if at is None else HELD)
    names = formatting.printable(s.outcome), formatting.printable(s.factor)
    what = title or f"Estimates of {names[0]} by {names[1]}, as functions of tau"
    peak = max(d["density"] for d in density)
    rule = [{"tau": float(post.tau.median) if at is None else at, "head": peak, "foot": 0.0}]
    named = len(order) <= MOST_NAMED
    return filled(
        _frame(
            parts.outcome_name(s),
            unit_of(post),
            parts.is_small(s.raw),
            parts.is_small(end),
            named,
            tuple(m["name"] for m in marks),
            left,
            dark,
        ),
        {**_traces(post, order, end), "density": density, "marks": marks, "rule": rule},
        {"end": end, "top": top_with(density, len(marks))},
        what,
        lines,
    )


@lru_cache(maxsize=32)
def _frame(
    outcome: str, unit: str, small: bool, small_tau: bool,
    named: bool, marks: tuple[str, ...], left: bool, dark: bool,
) -> Any:  # fmt: skip
    alt, colours = altair(), look(dark)
    x = tau_axis(alt, unit, small_tau)
    bare = tau_axis(alt, unit, small_tau, title=None, axis=alt.Axis(labels=False, ticks=False))
    y = parts.outcome_axis(alt, "value:Q", outcome, small, "y")
    rule = alt.Chart(alt.NamedData("rule")).mark_rule(color=colours.ink, strokeWidth=1.4)
    above = alt.layer(*_lines(alt, bare, y, named, colours), rule.encode(x=bare))
    marked = mark_layers(alt, marks, x, left, colours)
    below = alt.layer(
        *density_layers(alt, x, colours), *marked, rule.encode(x=x, y="head:Q", y2="foot:Q")
    )
    chart = alt.vconcat(
        above.properties(width=parts.WIDTH, height=HEIGHT),
        below.properties(width=parts.WIDTH, height=DENSITY_HEIGHT),
        spacing=6,
    ).resolve_scale(x="shared")
    return styled(chart.add_params(*density_params(alt)), dark)


def conditional_means(post: OneWayPosterior, order: Ints, tau: Floats) -> tuple[Floats, Floats]:
    """E(theta_j | tau) of some groups, and E(mu | tau), sigma at its posterior median.

    Parameters
    ----------
    post : OneWayPosterior
    order : ndarray of int, shape (B,)
    tau : ndarray, shape (G,)
        Units of y.

    Returns
    -------
    ndarray, shape (G, B); ndarray, shape (G,)
        Units of y.
    """
    model, s = post.model, post.statistics
    points = tau[:, None]
    if post.sigma is not None:
        sigma = float(post.sigma.median)
        both = model.dimensions == ("sigma", "tau")
        points = np.column_stack([np.full_like(tau, sigma), tau]) if both else points / sigma
    conditional = model.conditional(points)
    mu = (np.exp(conditional.log_share) * conditional.mu).sum(axis=1)  # (G,)
    column = [v[:, None] for v in (conditional.lam, conditional.sigma, mu, np.zeros_like(mu))]
    means, _ = theta_given(s.raw[order] - model.center, s.weight[order], *column)
    return means + model.center, mu + model.center


def _traces(post: OneWayPosterior, order: Ints, end: float) -> dict[str, Rows]:
    """Rows of the lines, of the population mean, and of the names at the right ends."""
    tau = end * np.linspace(0.0, 1.0, TAU_POINTS) ** 2  # dense where the lines bend
    means, mu = conditional_means(post, order, tau)
    names = parts.distinct(post.statistics.labels[order].tolist())
    lines = [
        {"tau": float(t), "value": float(v), "group": name}
        for name, column in zip(names, means.T, strict=True)
        for t, v in zip(tau, column, strict=True)
    ]
    middle = [{"tau": float(t), "value": float(v)} for t, v in zip(tau, mu, strict=True)]
    ends = means[-1]
    at = apart(ends, 15 * float(np.ptp(means)) / HEIGHT)
    labels = [
        {"group": name, "value": float(v), "at": float(a)}
        for name, v, a in zip(names, ends, at, strict=True)
    ]
    return {"lines": lines, "mean": middle, "names": labels if len(names) <= MOST_NAMED else []}


def _lines(alt: Any, x: Any, y: Any, named: bool, colours: Look) -> list[Any]:
    layers = [
        alt.Chart(alt.NamedData("lines"))
        .mark_line(interpolate="monotone", color=colours.pooled, strokeWidth=1.6 if named else 1.1,
                   opacity=0.9 if named else 0.55)
        .encode(x=x, y=y, detail="group:N", tooltip="group:N"),
        alt.Chart(alt.NamedData("mean"))
        .mark_line(color=colours.mean, strokeDash=[5, 4], strokeWidth=2)
        .encode(x=x, y=y),
    ]  # fmt: skip
    return layers + (_names(alt, y, colours) if named else [])


def _names(alt: Any, y: Any, colours: Look) -> list[Any]:
    """Names at the right ends, moved apart where lines end close together."""
    base = alt.Chart(alt.NamedData("names"))
    right = alt.value("width")
    return [
        base.mark_rule(color=colours.line, strokeWidth=1, x2Offset=14).encode(
            x=right, x2=right, y=y, y2="at:Q"
        ),
        base.mark_text(align="left", baseline="middle", limit=300, dx=18).encode(
            x=right, y=alt.Y("at:Q"), text="group:N"
        ),
    ]
