"""The shape of the population, and estimates against own values."""

import numpy as np
import pytest

import partialpool as pp

FORMULA = "y | se(se) ~ 1 + (1 | g)"
RNG = np.random.default_rng(3)
SE = RNG.uniform(0.4, 1.2, 30)
DATA = {"y": RNG.normal(0, 1, 30) + RNG.normal(0, SE), "se": SE, "g": np.arange(30)}
DATA["y"][:2] += 8.0


def values(chart, layer):
    return chart.to_dict()["layer"][layer]["data"]["values"]


@pytest.mark.parametrize("population", ["student", "contaminated", "point_normal", "normal"])
def test_shape_is_the_density_of_a_new_group(population):
    fit = pp.fit(FORMULA, DATA, population=population)
    chart = fit.plot.population()
    rows = [r for r in values(chart, 0) if r["what"] == "this population"]
    x, height = (np.array([r[k] for r in rows]) for k in ("x", "density"))
    assert all(r["lower"] <= r["density"] <= r["upper"] for r in rows)
    if population == "point_normal":  # the atom is said, not drawn
        share = float(fit.posterior["share[g]"].mean)
        assert np.trapezoid(height, x) == pytest.approx(share, abs=0.05)
        assert "is exactly at 0" in " ".join(chart.to_dict()["title"]["subtitle"])
        return
    exact = np.asarray(fit.posterior.new_group().density(x))
    assert np.abs(height - exact).max() < 0.06 * exact.max()  # of 600 draws
    lines = {r["what"] for r in values(chart, 1)}
    assert len(lines) == (1 if population == "normal" else 2)


def test_lines_go_through_groups_of_the_typical_size():
    data = {"y": DATA["y"], "se": np.full(30, 0.7), "g": DATA["g"]}
    for population in ("student", "contaminated(ratio=5)", "normal"):
        fit = pp.fit(FORMULA, data, population=population)
        chart = fit.plot.estimate_by_value()
        curve = [r for r in values(chart, 0) if r["what"] == "this population"]
        x, y = (np.array([r[k] for r in curve]) for k in ("raw", "estimate"))
        table = fit.groups()
        np.testing.assert_allclose(
            np.interp(table["raw"], x, y), table["estimate"], atol=0.02 * table["sd"].max()
        )
        straight = np.polyval(np.polyfit(x, y, 1), x)
        assert (np.abs(y - straight).max() < 1e-9) == (population == "normal")


def test_charts_that_there_are_of_such_fits():
    fit = pp.fit(FORMULA, DATA, population="student")
    assert {"population", "estimate_by_value", "shrinkage", "tau", "forest"} <= set(dir(fit.plot))
    assert not {"shrinkage_by_size", "estimates_by_tau"} & set(dir(fit.plot))
    for name, words in (
        ("shrinkage_by_size", "this one is student: draw estimate_by_value instead"),
        ("estimates_by_tau", "of a normal population"),
    ):
        with pytest.raises(pp.ArgumentError, match=words):
            getattr(fit.plot, name)()
    tau = fit.plot.tau().to_dict()
    marks = [m["name"] for m in tau["datasets"]["marks"]]
    assert marks == ["posterior median", "posterior mean"]
    assert "scale of the population (units of y)" in str(tau)


def test_counts_have_estimates_by_value_and_no_shape():
    counts = {"y": [3, 5, 2, 6, 4, 1], "n": [10, 12, 9, 11, 10, 8], "g": list("abcdef")}
    fit = pp.fit("y | trials(n) ~ 1 + (1 | g)", counts)
    assert {r["what"] for r in values(fit.plot.estimate_by_value(), 0)} == {"no pooling"}
    with pytest.raises(pp.ArgumentError, match="of measurements of one sigma, not of counts"):
        fit.plot.population()
