"""What the chart of checks holds, read from its spec."""

import json

import numpy as np
import pytest
from scipy import stats

import partialpool as pp
from partialpool import charts


@pytest.fixture(scope="module")
def check():
    data = pp.datasets.salamanders()
    formula = "count | exposure(surveys) ~ mined + (1 | species) + (1 | site)"
    return pp.fit(formula, data).check(data)


def layers_of(spec, data=None):
    """Panels, each with its data, which a single one may leave to what is around it."""
    data = spec.get("data", data)
    for panel in spec.get("vconcat", spec.get("hconcat", [])):
        yield from layers_of(panel, data)
    if "layer" in spec:
        yield {**spec, "data": data}


@pytest.mark.parametrize("dark", [False, True])
def test_statistics_and_groups_are_drawn(check, dark):
    spec = charts.check(check, dark=dark).to_dict()
    json.dumps(spec, allow_nan=False)
    statistics, *groups = layers_of(spec)
    rows = statistics["data"]["values"]
    assert [r["wrong"] for r in rows].count("speaks against") == 2
    far = next(r for r in rows if r["name"] == "dispersion of rows")
    assert far["at"] == 3.0
    near = next(r for r in rows if r["name"] == "farthest group: species")
    found = check.findings[0].compared
    half = found.expected - found.lower
    assert near["at"] == pytest.approx((found.observed - found.expected) / half)
    assert len(groups) == 2
    species = groups[0]["data"]["values"]
    assert len(species) == 7
    assert [r["z"] for r in species] == sorted(r["z"] for r in species)
    low = [stats.norm.ppf(stats.beta.ppf(0.025, k, 8 - k)) for k in range(1, 8)]
    np.testing.assert_allclose([r["low"] for r in species], low)
    assert spec["title"]["subtitle"][0].startswith("2 of 5 statistics speak against the model")


def test_a_fit_draws_its_checks():
    fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
    spec = fit.plot.check(title="Schools").to_dict()
    assert spec["title"]["text"] == ["Schools"]


def test_of_many_groups_some_are_drawn():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(2500), 2)
    fit = pp.fit("y ~ 1 + (1 | g)", {"y": rng.normal(size=5000), "g": g})
    *_, groups = layers_of(fit.plot.check().to_dict())
    assert len(groups["data"]["values"]) == 1000
