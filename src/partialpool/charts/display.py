"""How a chart shows in a notebook: as a picture (SVG), which needs no network and no extension."""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from html import escape
from importlib.util import find_spec
from typing import Any

from partialpool.charts.save import named_apart, to_svg
from partialpool.charts.style import altair

AS_USUAL = "default"
"""Altair's renderer where the user has chosen none."""


class Shown:
    """What is added to a chart of Altair: as a picture in a notebook.

    Altair's own way leaves the drawing to the notebook, most of which fetch it from elsewhere and
    show nothing without a network. A renderer that the user enables (``alt.renderers.enable``) is
    used in its place.
    """

    def _repr_mimebundle_(self, *args: Any, **options: Any) -> Any:
        if altair().renderers.active != AS_USUAL or find_spec("vl_convert") is None:
            return super()._repr_mimebundle_(*args, **options)  # type: ignore[misc]
        return {"image/svg+xml": picture(self), "text/plain": f"<{type(self).__name__}>"}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the chart of Altair that it is: a class made here has no name to be read by."""
        plain: Any = self.copy(deep=False)  # type: ignore[attr-defined]
        object.__setattr__(plain, "__class__", type(self).__bases__[1])
        return shown, (plain,)


def shown(chart: Any) -> Any:
    """The same chart, which shows as a picture in a notebook.

    It stays a chart of its class of Altair, as do the charts that Altair makes of it.
    """
    of: Any = type(chart)
    object.__setattr__(chart, "__class__", _class_shown(of))  # else a field of the chart
    return chart


@lru_cache
def _class_shown(of: Any) -> type:
    return of if issubclass(of, Shown) else type(of.__name__, (Shown, of), {"__doc__": of.__doc__})


def picture(chart: Any) -> str:
    """The chart as SVG for a page that may hold many: described, and no wider than its place.

    It is described as a whole; Vega's descriptions of its parts are of marks without words.
    """
    svg = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", to_svg(chart))
    words = chart.description if isinstance(chart.description, str) else "chart"
    added = f'<svg role="img" aria-label="{escape(words)}" style="max-width:100%;height:auto" '
    return named_apart(svg, f"c{zlib.crc32(svg.encode()):x}-").replace("<svg ", added, 1)
