"""A chart as a frame that seldom changes, and what fills it.

To build a chart with Altair takes a tenth of a second, to fill one a millisecond. Frames, charts
without data and title, are built once for each look and kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from partialpool.charts import parts

Rows = list[dict[str, Any]]


def filled(
    frame: Any, data: Mapping[str, Rows], values: Mapping[str, Any], title: str,
    caption: Sequence[str],
) -> Any:  # fmt: skip
    """Return a chart that holds everything; the frame stays as it is.

    Parameters
    ----------
    frame : altair.Chart
        With named data, and named parameters for what else changes.
    data : mapping
        Rows of each named data of the frame.
    values : mapping
        Value of each named parameter of the frame.
    title : str
        The title.
    caption : sequence of str
        What is to be known to read the chart, one sentence each, without full stops.
    """
    chart = frame.copy(deep=False)
    if values:
        chart.params = [_with_value(p, values) for p in chart.params]
    return parts.described(chart.properties(datasets=dict(data)), parts.head(title, caption))


def _with_value(parameter: Any, values: Mapping[str, Any]) -> Any:
    copy = parameter.copy(deep=False)
    copy.value = values[copy.name]
    return copy
