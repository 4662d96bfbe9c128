"""The coefficients of a mixed model with their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool import display
from partialpool.pictures import parts
from partialpool.pictures.style import altair, look, styled
from partialpool.posterior import MixedPosterior


def coefficients(
    post: MixedPosterior, *, level: float = 0.95, title: str | None = None, dark: bool = False
) -> Any:
    """Draw every coefficient but the intercept, with its interval.

    Parameters
    ----------
    post : MixedPosterior
        What to draw.
    level : float
        Probability of the long intervals; the thick ones hold half.
    title : str, optional
        In place of the standard title.
    dark : bool
        Colours for dark surroundings.

    Returns
    -------
    altair.Chart
        Diamonds at posterior means, in the order of the formula; a dashed line at zero; x in
        units of the outcome over units of the predictor. The intercept where there is no other.
    """
    alt, colours, s = altair(), look(dark), post.statistics
    chosen = [n for n in s.coefficients if n != "Intercept"] or list(s.coefficients)
    rows, largest = [], 0.0
    for name in chosen:
        found = post.coefficients[name]
        ends = found.interval(level), found.interval(0.5)
        largest = max(largest, float(np.abs(ends[0]).max()))
        rows.append({
            "coefficient": display.printable(name), "mean": float(found.mean),
            "lower": float(ends[0][0]), "upper": float(ends[0][1]),
            "low": float(ends[1][0]), "high": float(ends[1][1]),
        })  # fmt: skip
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y(
            "coefficient:N",
            sort=None,
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelPadding=8, maxExtent=420),
        ),
        tooltip=["coefficient:N", *(alt.Tooltip(f"{k}:Q", format=",.4~g")
                                    for k in ("mean", "lower", "upper"))],
    )  # fmt: skip
    x = alt.X(
        "lower:Q",
        title=f"coefficient (change of {display.printable(s.outcome)})",
        scale=alt.Scale(zero=True),
        axis=parts.value_axis(alt, parts.is_small(largest)),
    )
    zero = (
        alt.Chart(alt.Data(values=[{"zero": 0.0}]))
        .mark_rule(color=colours.mean, strokeDash=[5, 4], strokeWidth=1.5)
        .encode(x="zero:Q")
    )
    layers = [
        zero,
        base.mark_rule(color=colours.pooled, strokeWidth=1.6).encode(x=x, x2="upper:Q"),
        base.mark_rule(color=colours.pooled, strokeWidth=5, opacity=0.55).encode(
            x="low:Q", x2="high:Q"
        ),
        base.mark_point(
            shape="diamond", filled=True, size=110, opacity=1, color=colours.pooled
        ).encode(x="mean:Q"),
    ]
    chart = alt.layer(*layers).properties(width=parts.WIDTH, height=alt.Step(30))
    lines = [f"Posterior means with {parts.percent(level)} and 50% intervals"]
    what = parts.head(title or f"What predicts {display.printable(s.outcome)}", lines)
    return styled(parts.described(chart, what), dark)
