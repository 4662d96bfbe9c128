#!/usr/bin/env python3
"""Draw the pictures of docs/numerics, with nodes as the package lays them.

python docs/numerics/pictures.py     (needs the extra [plot])
"""

from pathlib import Path

import altair as alt
import numpy as np

import partialpool as pp
from partialpool.integrate import integrate
from partialpool.models import Priors, mixed_model
from partialpool.models.mixed_propriety import check_proper
from partialpool.models.oneway import one_way_model
from partialpool.posterior.integrated import integrated

HERE = Path(__file__).parent
BLUE, GREY = "#0072B2", "#888888"
FORMULA = "effect | se(se) ~ 1 + (1 | school)"


def double_exponential() -> alt.Chart:
    """The posterior of tau of the eight schools in three coordinates, with the rule's nodes."""
    model = one_way_model(pp.fit(FORMULA, pp.datasets.eight_schools()).statistics, Priors())
    grid = integrate(
        model.log_density, model.axes, model.start, moments=model.moment_orders, squared=True
    )
    line = grid.lines[0]
    density = grid.weight / line.step  # per unit of t
    slope_u = line.scale * np.cosh(line.t)  # du / dt; dx / dt is exp(log_slope)
    panels = [
        ("tau", line.x, density / np.exp(line.log_slope), [0.0, 40.0]),
        ("u = log tau", line.u, density / slope_u, [-8.0, 6.0]),
        ("t", line.t, density, [-4.0, 4.0]),
    ]
    return alt.hconcat(*[_panel(*panel) for panel in panels])


def _panel(name: str, x: np.ndarray, y: np.ndarray, domain: list[float]) -> alt.Chart:
    inside = (x >= domain[0]) & (x <= domain[1])
    rows = [{"x": a, "y": b} for a, b in zip(x[inside], y[inside], strict=True)]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("x:Q", title=name, scale=alt.Scale(domain=domain)),
        y=alt.Y("y:Q", title=None, axis=None),
    )
    curve = base.mark_line(color=BLUE, strokeWidth=1.5, interpolate="monotone")
    return (curve + base.mark_point(color=BLUE, filled=True, size=18)).properties(
        width=190, height=140
    )


def lattice() -> alt.Chart:
    """Nodes over the two sds of the penicillin data, by grid."""
    fit = pp.fit("diameter ~ 1 + (1 | plate) + (1 | sample)", pp.datasets.penicillin())
    model = mixed_model(fit.statistics, Priors())
    nodes = integrated(model, check_proper(model))
    some = nodes.weight > 1e-7 * nodes.weight.max()
    rows = [
        {"plate": x, "sample": y, "weight": w, "grid": f"{['first', 'second'][g]} grid"}
        for (x, y), w, g in zip(
            nodes.points[some, :2], nodes.weight[some], nodes.replicate[some], strict=True
        )
    ]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_point(filled=True)
        .encode(
            x=alt.X(
                "plate:Q",
                title="sd of plates / sigma (log scale)",
                scale=alt.Scale(type="log", nice=False, zero=False),
            ),
            y=alt.Y(
                "sample:Q",
                title="sd of samples / sigma (log scale)",
                scale=alt.Scale(type="log", nice=False, zero=False),
            ),
            size=alt.Size("weight:Q", legend=None, scale=alt.Scale(range=[4, 90])),
            color=alt.Color(
                "grid:N",
                legend=alt.Legend(title=None, orient="top"),
                scale=alt.Scale(range=[BLUE, "#D55E00"]),
            ),
        )
        .properties(width=420, height=320)
    )


def mixture() -> alt.Chart:
    """Student's t with 4 degrees of freedom, and the normals that it is mixed of."""
    log_share, variance = pp.Student(df=4).components(np.ones(1), np.zeros((1, 0)), 20.0)
    z = np.linspace(-20.0, 20.0, 401)
    sd = np.sqrt(variance[0])[:, None]
    each = np.exp(log_share[0])[:, None] * np.exp(-0.5 * (z / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    curves = [(f"normal {k}", y) for k, y in enumerate(each)] + [("sum", each.sum(axis=0))]
    rows = [
        {"z": a, "density": b, "of": name, "sum": name == "sum"}
        for name, y in curves
        for a, b in zip(z.tolist(), y.tolist(), strict=True)
        if b > 1e-6
    ]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=1.5)
        .encode(
            x=alt.X("z:Q", title="(theta - mu) / tau"),
            y=alt.Y(
                "density:Q",
                title="density (log scale)",
                scale=alt.Scale(type="log", domain=[1e-6, 1.0]),
                axis=alt.Axis(format=".0e", tickCount=4),
            ),
            detail="of:N",
            color=alt.condition("datum.sum", alt.value(BLUE), alt.value("#bbbbbb")),
        )
        .properties(width=420, height=240)
    )


if __name__ == "__main__":
    pictures = {"double_exponential": double_exponential, "lattice": lattice, "mixture": mixture}
    for name, picture in pictures.items():
        picture().configure_view(stroke=None).save(HERE / f"{name}.svg")
