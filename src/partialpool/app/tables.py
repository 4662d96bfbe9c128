"""Charts as tables: the numbers that are drawn, for those who read rather than look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from partialpool.charts.drawing import Drawing
from partialpool.words import formatting

COLUMNS = 7
"""Values of tau at which estimates are listed."""

NONE = dict.fromkeys(("tau_marks", "trace", "trace_marks"))
"""That there are no such tables."""


def of_drawings(charts: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of the charts of tau, by their places; what the others draw has tables already."""
    found = {}
    for place, drawing in charts.items():
        if isinstance(drawing, Drawing) and "marks" in drawing.data:
            found[f"{place}_marks"] = marks(drawing)
        if isinstance(drawing, Drawing) and "lines" in drawing.data:
            found[place] = traces(drawing)
    return found


def marks(drawing: Drawing) -> dict[str, Any]:
    """What is marked on the axis of tau."""
    rows = [[m["name"], m["text"]] for m in drawing.data["marks"]]
    return {"caption": "Estimates of tau", "head": ["of", "tau"], "rows": rows}


def traces(drawing: Drawing) -> dict[str, Any]:
    """Each group's estimate at a few values of tau."""
    lines: dict[str, dict[float, float]] = {}
    for point in drawing.data["lines"]:
        lines.setdefault(point["group"], {})[point["tau"]] = point["value"]
    at = sorted(next(iter(lines.values())))
    at = [at[i] for i in np.linspace(0, len(at) - 1, COLUMNS).round().astype(int)]
    spread = float(np.ptp([line[at[-1]] for line in lines.values()])) / 10
    step = at[-1] / 10
    return {
        "caption": "Estimates if tau were known to be",
        "head": ["group", *(formatting.number(t, step) for t in at)],
        "rows": [
            [g, *(formatting.number(line[t], spread) for t in at)] for g, line in lines.items()
        ],
    }
