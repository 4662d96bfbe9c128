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
from partialpool.fitting import Fit
from partialpool.pictures.drawing import Drawing
from partialpool.pictures.shrinkage import shrinkage_drawing
from partialpool.pictures.tau import tau_drawing, tau_end
from partialpool.pictures.trace import trace_drawing, with_line

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
    end : float
        Where the axis of tau ends (units of y).
    tau, trace : dict
        Drawings in light (False) and dark (True).
    truth : ndarray, shape (J,), optional
        What later became known of the groups (units of y).
    priors : tuple of str
        Priors that were given, as written.
    """

    fit: Fit
    source: str
    end: float
    tau: dict[bool, Drawing]
    trace: dict[bool, Drawing]
    truth: Floats | None = None
    priors: tuple[str, ...] = ()


def result(
    fit: Fit, source: str, *, truth: Floats | None = None, priors: tuple[str, ...] = ()
) -> Result:
    """Draw what does not follow the controls."""
    post = fit.posterior
    return Result(
        fit,
        source,
        tau_end(post),
        {dark: tau_drawing(post, dark=dark) for dark in (False, True)},
        {dark: trace_drawing(post, dark=dark) for dark in (False, True)},
        truth,
        priors,
    )


def shown(found: Result, sender: Sender, dark: bool) -> dict[str, Any]:
    """What is shown of a result once: tables, notices, the posterior of tau."""
    fit = found.fit
    post = fit.posterior
    groups = post.group_table()
    part = Table({k: v[:SHOWN_GROUPS] for k, v in groups.items()})
    caption = f"{groups.n_rows:,} groups with 95% intervals"
    if part.n_rows < groups.n_rows:
        caption = f"The first {part.n_rows:,} of {caption}; all of them are in the downloads"
    parameters = fit._parameters(0.95, "equal-tailed")
    return {
        "stale": [],
        "charts": {"tau": sender.drawing("tau", found.tau[dark])},
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
        "range": {"held_tau": {"max": rounded(found.end), "step": rounded(found.end / 200)}},
    }


def held(found: Result, tau: float | None, sender: Sender, dark: bool) -> dict[str, Any]:
    """What follows the slider of tau; None lets the posterior decide."""
    post = found.fit.posterior
    tau = None if tau is None else min(max(tau, 0.0), found.end)
    trace = found.trace[dark]
    trace = trace if tau is None else with_line(trace, tau)
    drawing = shrinkage_drawing(post, truth=found.truth, tau=tau, dark=dark)
    return {
        "charts": {
            "shrinkage": sender.drawing("shrinkage", drawing),
            "trace": sender.drawing("trace", trace),
        },
        "text": _words(found, tau),
    }


def _words(found: Result, tau: float | None) -> dict[str, str]:
    post = found.fit.posterior
    spread = float(np.diff(post.tau.interval(0.9)).item()) / 4
    given = post if tau is None else post.given_tau(tau)
    if tau is None:
        held = "tau is not held: the picture averages over its posterior."
    else:
        held = f"tau is held at {display.number(tau, spread)}."
    if found.truth is None:
        return {"held": held, "errors_here": ""}
    raw, mine = (
        float(np.mean((e - found.truth) ** 2)) for e in (post.statistics.raw, given.theta.mean)
    )
    words = (
        f"Against what became known later, the mean squared error of partial pooling is "
        f"{mine:.3g}: {display.change(mine, raw)} that of the groups' own estimates ({raw:.3g})."
    )
    return {"held": held, "errors_here": words}


def python(found: Result) -> str:
    """The same fit from Python."""
    fit = found.fit
    prior = f", prior={list(found.priors)!r}" if found.priors else ""
    lines = [
        "import partialpool as pp",
        "",
        f"fit = pp.fit({fit.formula!r}, {found.source}{prior})",
        "fit, fit.groups(), fit.advise()",
        "fit.plot.shrinkage()",
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
    return f"partialpool fit {name} {shlex.quote(fit.formula)}{priors}"
