"""A fit on the page: what is shown of classic data and of a file alike."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool import charts
from partialpool._typing import Floats
from partialpool.app import tables
from partialpool.app.payload import Sender, Still, rounded, table
from partialpool.charts.drawing import Drawing
from partialpool.charts.shrinkage import shrinkage_drawing
from partialpool.charts.tau import tau_drawing
from partialpool.charts.trace import trace_drawing, with_line
from partialpool.data import Table
from partialpool.fitted import Fit
from partialpool.posterior import CountsPosterior, OneWayPosterior
from partialpool.words import formatting, summary
from partialpool.words.accuracy import require_reliable
from partialpool.words.advice import recommendation
from partialpool.words.comparison import squared_errors

SHOWN_GROUPS = 200
PLACES = ("shrinkage", "tau", "trace", *(f"more{i}" for i in range(1, 10)))
"""Where charts stand on the page, in their order."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What is drawn once of a fit.

    Parameters
    ----------
    charts : dict
        Drawings that fit a place on the page; of models with predictors or several factors they
        are charts that never change.
    end : float
        Where the axis of tau ends (units of y); 0 if tau cannot be held.
    """

    charts: dict[str, Drawing | Still]
    end: float = 0.0


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
    drawn: dict[bool, Drawn]
    truth: Floats | None = None
    priors: tuple[str, ...] = ()
    family: str | None = None

    @property
    def end(self) -> float:
        """Where the axis of tau ends (units of y); 0 if tau cannot be held."""
        return self.drawn[False].end


def result(
    fit: Fit,
    source: str,
    *,
    truth: Floats | None = None,
    priors: tuple[str, ...] = (),
    family: str | None = None,
) -> Result:
    """Draw what does not follow the controls."""
    require_reliable(fit._engine)
    drawn = {dark: _drawn(fit, truth, dark) for dark in (False, True)}
    return Result(fit, source, drawn, truth, priors, family)


def _drawn(fit: Fit, truth: Floats | None, dark: bool) -> Drawn:
    post = fit._engine
    if isinstance(post, OneWayPosterior):
        trace = trace_drawing(post, dark=dark)
        return Drawn({"trace": trace}, end=float(trace.values["end"]))
    if isinstance(post, CountsPosterior):
        shrinkage = shrinkage_drawing(post, truth=truth, dark=dark)
        return Drawn({"shrinkage": shrinkage, "tau": tau_drawing(post, dark=dark)})
    charts = (Still.of(chart) for chart in fit.charts(dark=dark))
    return Drawn(dict(zip(PLACES, charts, strict=False)))


def chart(found: Result, place: str, tau: float | None) -> Any:
    """The altair.Chart at a place, as it is shown in light; the first one where there is none."""
    post = found.fit._engine
    if not isinstance(post, OneWayPosterior | CountsPosterior):
        drawn = dict(zip(PLACES, found.fit.charts(), strict=False))
        return drawn.get(place, drawn[PLACES[0]])
    if place == "trace" and isinstance(post, OneWayPosterior):
        return charts.estimates_by_tau(post, at=tau)
    if place == "tau":
        return charts.tau(post)
    return charts.shrinkage(post, truth=found.truth, tau=tau)


def shown(found: Result, sender: Sender, dark: bool) -> dict[str, Any]:
    """What is shown of a result once: tables, notices, and what no slider moves."""
    fit = found.fit
    post = fit._engine
    groups = post.group_table()
    left_out = _left_out(groups)
    part = Table({k: v[:SHOWN_GROUPS] for k, v in groups.items()})
    caption = f"{groups.n_rows:,} groups with 95% intervals"
    if part.n_rows < groups.n_rows:
        caption = f"The first {part.n_rows:,} of {caption}; all of them are in the downloads"
    parameters = fit.parameter_table()
    return {
        "stale": [],
        "oneWay": isinstance(post, OneWayPosterior),
        "charts": _charts(found, sender, dark),
        "text": {
            "headline": summary.headline(post, fit.formula),
            "priors": summary.prior_line(post),
            "pooling": summary.pooling_line(post),
            "advice": recommendation(post),
            "python": python(found),
            "command": command(found),
        },
        "notices": [{"level": n.level, "text": n.text} for n in fit.notices],
        "tables": {
            "groups": _without(table(part, formatting.group_cells(part), caption), left_out),
            "parameters": table(
                parameters, formatting.parameter_cells(parameters), "Posterior of the parameters"
            ),
            **tables.NONE,
            **tables.of_drawings(found.drawn[dark].charts),
        },
    }


def _left_out(groups: Table) -> set[str]:
    """Columns that a page has no room for and that say little; the downloads have them."""
    out = {"effect"} & set(groups)
    if "factor" in groups and len(set(groups["factor"].tolist())) == 1:
        out.add("factor")
    if "events" in groups:
        out.add("n")
    return out


def _without(shown: dict[str, Any], names: set[str]) -> dict[str, Any]:
    keep = [i for i, name in enumerate(shown["head"]) if name not in names]
    rows = [[row[i] for i in keep] for row in shown["rows"]]
    return shown | {"head": [shown["head"][i] for i in keep], "rows": rows}


def _charts(found: Result, sender: Sender, dark: bool) -> dict[str, Any]:
    """The charts no slider moves; None where a place stays empty."""
    drawn = found.drawn[dark].charts
    if isinstance(found.fit._engine, OneWayPosterior):  # those of tau follow the slider: see `held`
        return dict.fromkeys(p for p in PLACES if p not in ("shrinkage", "trace"))
    return dict.fromkeys(PLACES) | {
        name: sender.drawing(name, of) if isinstance(of, Drawing) else sender.still(name, of)
        for name, of in drawn.items()
    }


def held(found: Result, tau: float | None, sender: Sender, dark: bool) -> dict[str, Any]:
    """What follows the slider of tau; None lets the posterior decide."""
    drawn, post = found.drawn[dark], found.fit._engine
    if not isinstance(post, OneWayPosterior):
        return {"text": {"held": "", **_scored(found, None), **NO_WEIGHT}}
    tau = None if tau is None else min(max(tau, 0.0), drawn.end)
    trace = drawn.charts["trace"]
    assert isinstance(trace, Drawing)
    trace = trace if tau is None else with_line(trace, tau)
    drawing = shrinkage_drawing(post, truth=found.truth, tau=tau, dark=dark)
    return {
        "charts": {
            "shrinkage": sender.drawing("shrinkage", drawing),
            "trace": sender.drawing("trace", trace),
        },
        "range": {
            "held_tau": {
                "max": rounded(drawn.end),
                "step": rounded(drawn.end / 200),
                "rest": rounded(float(post.tau.median)),
            }
        },
        "text": {"held": _held(post, tau), **_scored(found, tau), **_weight(post, tau)},
    }


NO_WEIGHT = {"tau_used": "", "sigma_used": "", "weight_how": ""}
"""Of counts the weight is no simple formula: only its average is shown."""


def _weight(post: OneWayPosterior, tau: float | None) -> dict[str, str]:
    """The numbers of the weight formula; those of a group are in the picture's rows."""
    used = float(post.tau.median) if tau is None else tau
    sigma = "" if post.sigma is None else f"{float(post.sigma.median):.3g}"
    names = "tau" if post.sigma is None else "tau and sigma"
    how = f"{names} at the posterior median; the picture averages the weight over the posterior"
    if tau is not None:
        how = "tau as held" + ("" if post.sigma is None else ", sigma at its posterior median")
    return {"tau_used": f"{used:.3g}", "sigma_used": sigma, "weight_how": how}


def _held(post: OneWayPosterior, tau: float | None) -> str:
    if tau is None:
        return "tau is not held: the picture averages over its posterior."
    spread = float(np.diff(post.tau.interval(0.9)).item()) / 4
    return f"tau is held at {formatting.number(tau, spread)}."


def _scored(found: Result, tau: float | None) -> dict[str, str]:
    """How near the estimates are to what became known later."""
    post, truth = found.fit._engine, found.truth
    if truth is None or not isinstance(post, OneWayPosterior | CountsPosterior):
        return {"errors_here": ""}
    raw, mine = squared_errors(post, truth, tau)
    return {
        "errors_here": f"Against what became known later, the mean squared error of partial "
        f"pooling is {mine:.3g}: {formatting.change(mine, raw)} that of the groups' own estimates "
        f"({raw:.3g})."
    }


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
