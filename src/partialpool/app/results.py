"""A fit on the page: what is shown of classic data and of a file alike."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool import display
from partialpool._typing import Floats
from partialpool.advice import recommendation
from partialpool.app.payload import Sender, rounded, table
from partialpool.data import Table
from partialpool.fitted import Fit
from partialpool.pictures.drawing import Drawing
from partialpool.pictures.shrinkage import shrinkage_drawing
from partialpool.pictures.tau import tau_drawing, tau_end
from partialpool.pictures.trace import trace_drawing, with_line
from partialpool.posterior import Posterior

SHOWN_GROUPS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A fit, and what is drawn of it once.

    Parameters
    ----------
    fit : Fit
        The fit.
    source : str
        How data are named in code: a file's name, or a loader.
    drawn : dict
        Drawings in light (False) and dark (True).
    truth : ndarray, shape (J,), optional
        What later became known of the groups (units of y).
    priors : tuple of str
        Priors that were given, as written.
    family : str, optional
        The family that was given, where the formula does not say it.
    """

    fit: Fit
    source: str
    drawn: dict[bool, OneWayDrawings | tuple[Any, ...]]
    truth: Floats | None = None
    priors: tuple[str, ...] = ()
    family: str | None = None

    @property
    def end(self) -> float:
        """Where the axis of tau ends (units of y); 0 if tau cannot be held."""
        light = self.drawn[False]
        return light.end if isinstance(light, OneWayDrawings) else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class OneWayDrawings:
    """What is drawn once of one factor without predictors.

    Parameters
    ----------
    end : float
        Where the axis of tau ends (units of y).
    tau, trace : Drawing
        The posterior of tau; the estimates as functions of it.
    """

    end: float
    tau: Drawing
    trace: Drawing


def result(
    fit: Fit,
    source: str,
    *,
    truth: Floats | None = None,
    priors: tuple[str, ...] = (),
    family: str | None = None,
) -> Result:
    """Draw what does not follow the controls."""
    drawn = {dark: _drawn(fit, dark) for dark in (False, True)}
    return Result(fit, source, drawn, truth, priors, family)


def _drawn(fit: Fit, dark: bool) -> OneWayDrawings | tuple[Any, ...]:
    post = fit.posterior
    if not isinstance(post, Posterior):
        return tuple(fit.charts(dark=dark))
    tau, trace = tau_drawing(post, dark=dark), trace_drawing(post, dark=dark)
    return OneWayDrawings(tau_end(post), tau, trace)


PLACES = ("shrinkage", "tau", "trace")
"""Where charts stand on the page, in their order."""


def shown(found: Result, sender: Sender, dark: bool) -> dict[str, Any]:
    """What is shown of a result once: tables, notices, and what no slider moves."""
    fit = found.fit
    post = fit.posterior
    groups = post.group_table()
    part = Table({k: v[:SHOWN_GROUPS] for k, v in groups.items()})
    caption = f"{groups.n_rows:,} groups with 95% intervals"
    if part.n_rows < groups.n_rows:
        caption = f"The first {part.n_rows:,} of {caption}; all of them are in the downloads"
    parameters = fit.parameter_table()
    one_way = isinstance(found.drawn[dark], OneWayDrawings)
    return {
        "stale": [],
        "oneWay": one_way,
        "charts": _charts(found, sender, dark),
        "text": {
            "headline": display.headline(post, fit.formula),
            "priors": display.prior_line(post),
            "pooling": display.pooling_line(post),
            "advice": recommendation(post),
            "python": python(found),
            "command": command(found),
        },
        "notices": [{"level": n.level, "text": n.text} for n in fit.notices],
        "tables": {
            "groups": table(part, display.group_cells(part), caption),
            "parameters": table(
                parameters, display.parameter_cells(parameters), "Posterior of the parameters"
            ),
        },
    }


def _charts(found: Result, sender: Sender, dark: bool) -> dict[str, Any]:
    drawn = found.drawn[dark]
    if isinstance(drawn, OneWayDrawings):
        return {"tau": sender.drawing("tau", drawn.tau)}
    charts = dict.fromkeys(PLACES)
    return charts | {
        name: sender.chart(name, chart) for name, chart in zip(PLACES, drawn, strict=False)
    }


def held(found: Result, tau: float | None, sender: Sender, dark: bool) -> dict[str, Any]:
    """What follows the slider of tau; None lets the posterior decide."""
    drawn, post = found.drawn[dark], found.fit.posterior
    if not isinstance(drawn, OneWayDrawings) or not isinstance(post, Posterior):
        return {"text": {"held": "", "errors_here": ""}}
    tau = None if tau is None else min(max(tau, 0.0), drawn.end)
    trace = drawn.trace if tau is None else with_line(drawn.trace, tau)
    drawing = shrinkage_drawing(post, truth=found.truth, tau=tau, dark=dark)
    return {
        "charts": {
            "shrinkage": sender.drawing("shrinkage", drawing),
            "trace": sender.drawing("trace", trace),
        },
        "range": {"held_tau": {"max": rounded(drawn.end), "step": rounded(drawn.end / 200)}},
        "text": _words(post, found.truth, tau),
    }


def _words(post: Posterior, truth: Floats | None, tau: float | None) -> dict[str, str]:
    spread = float(np.diff(post.tau.interval(0.9)).item()) / 4
    given = post if tau is None else post.given_tau(tau)
    if tau is None:
        held = "tau is not held: the picture averages over its posterior."
    else:
        held = f"tau is held at {display.number(tau, spread)}."
    if truth is None:
        return {"held": held, "errors_here": ""}
    raw, mine = (float(np.mean((e - truth) ** 2)) for e in (post.statistics.raw, given.theta.mean))
    words = (
        f"Against what became known later, the mean squared error of partial pooling is "
        f"{mine:.3g}: {display.change(mine, raw)} that of the groups' own estimates ({raw:.3g})."
    )
    return {"held": held, "errors_here": words}


def python(found: Result) -> str:
    """The same fit from Python."""
    fit = found.fit
    prior = f", prior={list(found.priors)!r}" if found.priors else ""
    family = f', family="{found.family}"' if found.family else ""
    lines = [
        "import partialpool as pp",
        "",
        f"fit = pp.fit({fit.formula!r}, {found.source}{prior}{family})",
        "fit, fit.groups(), fit.advise()",
        "fit.charts()",
    ]
    return "\n".join(lines)


def command(found: Result) -> str:
    """The same fit from the command line."""
    fit = found.fit
    name = found.source
    if name.startswith("pp.datasets."):
        name = name.removeprefix("pp.datasets.").removesuffix("()")
    else:
        name = shlex.quote(name.strip("\"'"))
    priors = "".join(f" --prior {shlex.quote(p)}" for p in found.priors)
    family = f" --family {found.family}" if found.family else ""
    return f"partialpool fit {name} {shlex.quote(fit.formula)}{priors}{family}"
