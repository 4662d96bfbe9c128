"""Variance explained per level."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.words.variance import variance_explained


@pytest.fixture(scope="module")
def world():
    """60 groups of 30 rows: a group predictor of variance 4, groups 1, a slope 0.25, rows 1."""
    rng = np.random.default_rng(12)
    group = np.repeat(np.arange(60), 30)
    u, b, slope = rng.normal(0, 2, 60), rng.normal(0, 1, 60), rng.normal(0, 0.5, 60)
    x = rng.normal(size=len(group))
    y = (u + b)[group] + slope[group] * x + rng.normal(size=len(group))
    return {"g": group, "u": u[group], "x": x, "y": y}


def test_shares_are_those_of_the_world(world):
    fit = pp.fit("y ~ u + (x | g)", world)
    found = variance_explained(fit.posterior)
    levels = dict(zip(found.levels["level"], zip(*list(found.levels.values())[1:], strict=True),
                      strict=True))  # fmt: skip
    share = {name: values[0] for name, values in levels.items()}
    assert sum(share.values()) == pytest.approx(1.0)
    assert share["rows"] == pytest.approx(1 / 2.25, abs=0.08)
    assert share["g, x"] == pytest.approx(0.25 / 2.25, abs=0.06)
    assert levels["g"][1] == pytest.approx(4 / 5, abs=0.08)
    assert np.isnan(levels["g, x"][1])
    assert levels["rows"][1] == pytest.approx(1 - 1 / np.var(world["y"]), abs=0.03)
    assert 0 < levels["g"][2] < 0.1 < levels["g, x"][2] < 0.5
    spread = np.var(world["u"])
    assert found.marginal[0] == pytest.approx(spread / (spread + 2.25), abs=0.06)
    assert found.marginal[1] < found.marginal[0] < found.marginal[2] < found.conditional[0]


def test_the_residual_squares_of_crossed_groups_add_up():
    """R2 of the rows from cross-products is that of the rows themselves."""
    data = pp.datasets.penicillin()
    fit = pp.fit("diameter ~ 1 + (1 | plate) + (1 | sample)", data)
    found = variance_explained(fit.posterior)
    mean = fit.predict(data)["estimate"]
    rest = np.mean((data["diameter"] - mean) ** 2) / np.var(data["diameter"])
    noise = 30 / 144 * float(fit.posterior.sigma.mean) ** 2 / np.var(data["diameter"])
    assert found.levels["r2"][0] == pytest.approx(1 - rest - noise, abs=0.01)


def test_known_errors_and_no_predictors():
    found = variance_explained(
        pp.fit("effect | se(se) ~ 0 + I(0 * se + 1) + (1 | school)",
               pp.datasets.eight_schools()).posterior
    )  # fmt: skip
    assert found.levels["share"].sum() == pytest.approx(1.0)
    assert 0 <= found.marginal[0] < 1


def test_advice_says_it_in_words(world):
    advice = pp.fit("y ~ u + (x | g)", world).advise()
    assert "predictors and groups" in repr(advice)
    assert "By g, levels and slopes of x differ by far more than their noise" in advice.text
