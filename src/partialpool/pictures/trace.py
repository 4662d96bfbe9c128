"""The estimates as functions of tau, above the posterior of tau."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool import display
from partialpool._typing import Floats, Ints
from partialpool.errors import ArgumentError
from partialpool.kernels.oneway import theta_given
from partialpool.pictures import parts
from partialpool.pictures.places import apart
from partialpool.pictures.style import Look, altair, look, styled
from partialpool.pictures.tau import (
    density_layers,
    tau_axis,
    tau_caption,
    tau_density,
    tau_end,
)
from partialpool.posterior import AnyPosterior, Posterior

MOST_GROUPS = 40
"""With more groups a sample, evenly spread over the raw estimates, is drawn."""
MOST_NAMED = 12
POINTS = 50
HEIGHT = 320


def estimates_by_tau(
    post: AnyPosterior, *, level: float = 0.95, title: str | None = None, dark: bool = False
) -> Any:
    """Draw every group's conditional mean E(theta_j | tau) above the posterior of tau.

        E(theta_j | tau) = B_j mu(tau) + (1 - B_j) ybar_j,   B_j = 1 / (1 + P_j tau^2 / sigma^2)

    Parameters
    ----------
    post : Posterior
        What to draw. Where sigma is not known it is held at its posterior median.
    level : float
        Probability of the shaded interval of tau.
    title : str, optional
        In place of the standard title.
    dark : bool
        Colours for dark surroundings.

    Returns
    -------
    altair.VConcatChart
        Above, one line a group (units of y), at most 40, with names if there are at most 12,
        and the population mean dashed; below, the density of tau (units of y) on the same axis;
        a line through both at the posterior median of tau.

    Raises
    ------
    ArgumentError
        If the model is of counts.

    Notes
    -----
    Source: Rubin (1981), doi:10.3102/10769986006004377, figure 1; Gelman et al. (2013), Bayesian
    Data Analysis, figures 5.5 and 5.6.
    """
    if not isinstance(post, Posterior):
        raise ArgumentError(
            "estimates as functions of tau are drawn of measurements, not of counts: draw "
            "shrinkage or tau instead"
        )
    alt, colours, s = altair(), look(dark), post.statistics
    end = tau_end(post)
    order = parts.spread_evenly(s.raw, MOST_GROUPS)
    x = tau_axis(alt, post, end)
    median = alt.Chart(alt.Data(values=[{"tau": float(post.tau.median)}]))
    rule = median.mark_rule(color=colours.line, strokeWidth=1.2).encode(x=x)
    above = alt.layer(*_traces(alt, post, order, end, colours), rule)
    density = density_layers(alt, tau_density(post, end, level), x, colours, 1.05)
    below = alt.layer(*density, rule).properties(width=parts.WIDTH, height=110)
    lines = [
        "Lines: the mean of each group if tau were known; dashed: the population mean",
        *tau_caption(post, end, level),
    ]
    lines[1] += "; vertical line: its median"
    if not s.sigma_known:
        lines.append("sigma is held at its posterior median")
    lines += parts.sampled(len(order), s.n_groups, "their own estimates")
    names = display.printable(s.outcome), display.printable(s.factor)
    what = parts.head(title or f"Estimates of {names[0]} by {names[1]}, as functions of tau", lines)
    above = above.properties(width=parts.WIDTH, height=HEIGHT)
    chart = alt.vconcat(above, below, spacing=6).resolve_scale(x="shared")
    return styled(parts.described(chart, what), dark)


def conditional_means(post: Posterior, order: Ints, tau: Floats) -> tuple[Floats, Floats]:
    """E(theta_j | tau) of some groups, and E(mu | tau), sigma at its posterior median.

    Parameters
    ----------
    post : Posterior
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
    given = model.conditional(points)
    mu = (np.exp(given.log_share) * given.mu).sum(axis=1)  # (G,)
    column = [v[:, None] for v in (given.lam, given.sigma, mu, np.zeros_like(mu))]
    means, _ = theta_given(s.raw[order] - model.center, s.weight[order], *column)
    return means + model.center, mu + model.center


def _traces(alt: Any, post: Posterior, order: Ints, end: float, colours: Look) -> list[Any]:
    s = post.statistics
    tau = end * np.linspace(0.0, 1.0, POINTS) ** 2  # dense where the lines bend
    means, mu = conditional_means(post, order, tau)
    names = parts.distinct(s.labels[order].tolist())
    rows = [
        {"tau": float(t), "value": float(v), "group": name}
        for name, column in zip(names, means.T, strict=True)
        for t, v in zip(tau, column, strict=True)
    ]
    x = alt.X("tau:Q", title=None, axis=alt.Axis(labels=False, ticks=False),
              scale=alt.Scale(domain=[0, end], nice=False))  # fmt: skip
    y = parts.outcome(alt, "value:Q", post, "y")
    middle = [{"tau": float(t), "value": float(v)} for t, v in zip(tau, mu, strict=True)]
    named = len(names) <= MOST_NAMED
    layers = [
        alt.Chart(alt.Data(values=rows))
        .mark_line(interpolate="monotone", color=colours.pooled, strokeWidth=1.6 if named else 1.1,
                   opacity=0.9 if named else 0.55)
        .encode(x=x, y=y, detail="group:N", tooltip="group:N"),
        alt.Chart(alt.Data(values=middle))
        .mark_line(color=colours.mean, strokeDash=[5, 4], strokeWidth=2)
        .encode(x=x, y=y),
    ]  # fmt: skip
    return layers + (_names(alt, names, means, y, colours) if named else [])


def _names(alt: Any, names: list[str], means: Floats, y: Any, colours: Look) -> list[Any]:
    """Names at the right ends, moved apart where lines end close together."""
    ends = means[-1]
    at = apart(ends, 15 * float(np.ptp(means)) / HEIGHT)
    rows = [
        {"group": name, "value": float(v), "at": float(a)}
        for name, v, a in zip(names, ends, at, strict=True)
    ]
    base = alt.Chart(alt.Data(values=rows))
    right = alt.value(parts.WIDTH)
    return [
        base.mark_rule(color=colours.line, strokeWidth=1).encode(
            x=right, x2=alt.value(parts.WIDTH + 14), y=y, y2="at:Q"
        ),
        base.mark_text(align="left", baseline="middle", limit=300).encode(
            x=alt.value(parts.WIDTH + 18), y=alt.Y("at:Q"), text="group:N"
        ),
    ]
