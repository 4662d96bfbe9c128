"""The coefficients of a mixed model with their intervals."""

from __future__ import annotations

from typing import Any

from partialpool.charts import parts
from partialpool.charts.style import Look, altair, look
from partialpool.posterior import MixedPosterior
from partialpool.words import formatting


@parts.of_posterior
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
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Diamonds at posterior means, in the order of the formula; a dashed line at zero; x in
        units of the outcome over units of the predictor. The intercept where there is no other.
    """
    alt, colours = altair(), look(dark)
    rows = _rows(post, level)
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y(
            "coefficient:N",
            sort=None,
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelPadding=8, maxExtent=420),
        ),
        tooltip=[
            "coefficient:N",
            *(alt.Tooltip(f"{k}:Q", format=",.4~g") for k in ("mean", "lower", "upper")),
        ],
    )
    largest = max(max(abs(r["lower"]), abs(r["upper"])) for r in rows)
    x = alt.X(
        "lower:Q",
        title=f"coefficient (change of {formatting.printable(post.outcome)})",
        scale=alt.Scale(zero=True),
        axis=parts.value_axis(alt, parts.is_small(largest)),
    )
    chart = alt.layer(*_layers(alt, base, x, colours)).properties(
        width=parts.WIDTH, height=alt.Step(30)
    )
    lines = [f"Posterior means with {parts.percent(level)} and 50% intervals"]
    return parts.finished(
        chart, title or f"What predicts {formatting.printable(post.outcome)}", lines, dark
    )


def _rows(post: MixedPosterior, level: float) -> list[dict[str, Any]]:
    names = post.statistics.coefficients
    rows = []
    for name in [n for n in names if n != "Intercept"] or names:
        coefficient = post.coefficients[name]
        ends = coefficient.interval(level), coefficient.interval(0.5)
        rows.append({
            "coefficient": formatting.printable(name), "mean": float(coefficient.mean),
            "lower": float(ends[0][0]), "upper": float(ends[0][1]),
            "low": float(ends[1][0]), "high": float(ends[1][1]),
        })  # fmt: skip
    return rows


def _layers(alt: Any, base: Any, x: Any, colours: Look) -> list[Any]:
    zero = (
        alt.Chart(alt.Data(values=[{"zero": 0.0}]))
        .mark_rule(color=colours.mean, strokeDash=[5, 4], strokeWidth=1.5)
        .encode(x="zero:Q")
    )
    return [
        zero,
        base.mark_rule(color=colours.pooled, strokeWidth=1.6).encode(x=x, x2="upper:Q"),
        base.mark_rule(color=colours.pooled, strokeWidth=5, opacity=0.55).encode(
            x="low:Q", x2="high:Q"
        ),
        base.mark_point(
            shape="diamond", filled=True, size=110, opacity=1, color=colours.pooled
        ).encode(x="mean:Q"),
    ]
