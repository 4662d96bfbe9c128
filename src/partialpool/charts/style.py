"""One look for every chart: colours that colour-blind readers can tell apart, and shapes too.

Colours from Okabe and Ito (2008), "Color Universal Design". They differ in lightness as well, so
that print without colour still tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from partialpool.errors import MissingExtraError


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of one theme.

    Parameters
    ----------
    raw, pooled, mean, truth : str
        No pooling, partial pooling, complete pooling (and the population mean), a known truth.
    others : tuple of str
        For further estimators.
    ink, faint, line, paper : str
        Text; secondary text; axes and arrows; background.
    """

    raw: str
    pooled: str
    mean: str
    truth: str
    others: tuple[str, ...]
    ink: str
    faint: str
    line: str
    paper: str


LIGHT = Look(
    raw="#D55E00", pooled="#0072B2", mean="#7A7A7A", truth="#009E73",
    others=("#009E73", "#CC79A7", "#8A6D00", "#56B4E9", "#000000"),
    ink="#333333", faint="#555555", line="#888888", paper="#FFFFFF",
)  # fmt: skip
DARK = Look(
    raw="#F28E2B", pooled="#56B4E9", mean="#A8A8A8", truth="#2FC79A",
    others=("#2FC79A", "#E39BC6", "#F0E442", "#3D8BD0", "#FFFFFF"),
    ink="#E6E6E6", faint="#BDBDBD", line="#8C8C8C", paper="#16191D",
)  # fmt: skip

SHAPES = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down", "triangle-right")
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4], [12, 4], [1, 2])
"""Dashes and gaps in px, so that lines are told apart without their colours too."""
KNOWN = ("no", "partial", "complete")
"""First words of estimators whose colour is the same in every chart."""


def look(dark: bool) -> Look:
    """Return the colours for light or dark surroundings."""
    return DARK if dark else LIGHT


def altair() -> Any:
    """Import altair, or say which extra brings it."""
    try:
        import altair
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "charts need altair, which is not installed: pip install 'partialpool[plot]'"
        ) from error
    return altair


def estimator_looks(names: Sequence[str], colours: Look) -> tuple[list[str], list[str], list[Any]]:
    """Colour, shape and dash of each estimator, by its name; no two alike for up to seven."""
    fixed = dict(zip(KNOWN, (colours.raw, colours.pooled, colours.mean), strict=True))
    places: list[int] = []
    for name in names:
        word = name.lower().split(" ")[0]
        first = KNOWN.index(word) if word in KNOWN else len(KNOWN)
        free = [i for i in range(len(SHAPES)) if i not in places and i >= len(KNOWN)]
        taken = first == len(KNOWN) or first in places
        places.append((free[0] if free else len(places) % len(SHAPES)) if taken else first)
    palette = [*(fixed[k] for k in KNOWN), *colours.others]
    return (
        [palette[i] for i in places],
        [SHAPES[i] for i in places],
        [DASHES[i] for i in places],
    )


def styled(chart: Any, dark: bool = False) -> Any:
    """Apply the common look to a finished chart, for light or dark surroundings."""
    c = look(dark)
    return chart.configure(  # in one call: each call copies the chart and its data
        font="sans-serif",
        background=c.paper,
        padding=14,
        view={"strokeWidth": 0},
        axis={
            "grid": False, "domainColor": c.line, "tickColor": c.line,
            "labelColor": c.ink, "labelFontSize": 12, "labelLimit": 300,
            "titleColor": c.ink, "titleFontSize": 13, "titleFontWeight": "normal",
        },
        # labels at the ends are drawn about their ticks, and none so near another that they glue
        axisQuantitative={"labelFlush": False, "labelOverlap": "greedy", "labelSeparation": 8},
        text={"font": "sans-serif", "fontSize": 12, "color": c.ink},
        title={
            "anchor": "start", "frame": "bounds", "offset": 14, "fontSize": 16, "color": c.ink,
            "subtitleFontSize": 12.5, "subtitleColor": c.faint, "subtitleLineHeight": 17,
        },
        legend={
            "orient": "top", "title": None, "labelFontSize": 12.5, "labelColor": c.ink,
            "labelLimit": 260, "symbolSize": 110, "columnPadding": 18,
        },
    )  # fmt: skip
