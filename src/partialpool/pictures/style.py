"""One look for every chart: colours that colour-blind readers can tell apart, and shapes too.

Colours from Okabe and Ito (2008), "Color Universal Design".
"""

from __future__ import annotations

from typing import Any

from partialpool.errors import MissingExtraError

RAW = "#D55E00"
POOLED = "#0072B2"
MEAN = "#7A7A7A"
TRUTH = "#009E73"


def altair() -> Any:
    """Import altair, or say which extra brings it."""
    try:
        import altair
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "charts need altair, which is not installed: pip install 'partialpool[plot]'"
        ) from error
    return altair


def styled(chart: Any) -> Any:
    """Apply the common look to a finished chart."""
    return (
        chart.configure(font="sans-serif", background="white")
        .configure_view(strokeWidth=0)
        .configure_axis(
            grid=False, domainColor="#888", tickColor="#888", labelColor="#333", titleColor="#333",
            labelFontSize=12, titleFontSize=13, titleFontWeight="normal", labelLimit=220,
        )
        .configure_title(anchor="start", fontSize=16, subtitleFontSize=12.5, subtitleColor="#555",
                         offset=12)
        .configure_legend(orient="top", title=None, labelFontSize=12.5, symbolSize=110)
    )  # fmt: skip
