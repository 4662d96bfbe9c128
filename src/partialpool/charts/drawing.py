"""A chart as a frame that seldom changes, and what fills it.

To build a chart with Altair takes a tenth of a second, to fill one a millisecond. Frames are
built once for each look and kept; the app sends a frame once and after that only what fills it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from partialpool.charts import parts

Rows = list[dict[str, Any]]


class Frame:
    """A chart without data and title.

    Parameters
    ----------
    chart : altair.Chart
        With named data, and named parameters for what else changes. A frame that comes from
        another process has no chart, only its specification.
    """

    def __init__(self, chart: Any) -> None:
        self.chart = chart

    def __getstate__(self) -> dict[str, Any]:
        """What goes to another process: plain values."""
        return {"chart": None, "spec": self.spec, "key": self.key}

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The Vega-Lite specification, as a dict that is not to be changed."""
        spec: dict[str, Any] = self.chart.to_dict()
        return spec

    @cached_property
    def key(self) -> str:
        """A name that tells frames apart."""
        text = json.dumps(self.spec, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A frame and what fills it.

    Parameters
    ----------
    frame : Frame
        The chart without data and title.
    data : dict
        Rows of each named data of the frame.
    values : dict
        Value of each named parameter of the frame.
    title : str
        The title.
    caption : sequence of str
        What is to be known to read the chart, one sentence each, without full stops.
    """

    frame: Frame
    data: dict[str, Rows]
    values: dict[str, Any]
    title: str
    caption: Sequence[str]

    def chart(self) -> Any:
        """Return an Altair chart that holds everything."""
        chart = self.frame.chart.copy(deep=False)
        if self.values:
            chart.params = [_filled(p, self.values) for p in chart.params]
        return parts.described(
            chart.properties(datasets=self.data), parts.head(self.title, self.caption)
        )


def _filled(parameter: Any, values: dict[str, Any]) -> Any:
    copy = parameter.copy(deep=False)
    copy.value = values[copy.name]
    return copy
