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
    found = variance_explained(fit._engine)
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
    found = variance_explained(fit._engine)
    mean = fit.predict(data)["estimate"]
    rest = np.mean((data["diameter"] - mean) ** 2) / np.var(data["diameter"])
    noise = 30 / 144 * float(fit._engine.sigma.mean) ** 2 / np.var(data["diameter"])
    assert found.levels["r2"][0] == pytest.approx(1 - rest - noise, abs=0.01)


def test_known_errors_and_no_predictors():
    found = variance_explained(
        pp.fit("effect | se(se) ~ 0 + I(0 * se + 1) + (1 | school)",
               pp.datasets.eight_schools())._engine
    )  # fmt: skip
    assert found.levels["share"].sum() == pytest.approx(1.0)
    assert 0 <= found.marginal[0] < 1


def test_advice_says_it_in_words(world):
    advice = pp.fit("y ~ u + (x | g)", world).advise()
    assert "predictors and groups" in repr(advice)
    assert "By g, levels differ by far more than their noise; slopes of x probably" in advice.text


@pytest.fixture(scope="module")
def slopes():
    """Two slopes of predictors far from zero, correlated with the intercept and each other."""
    rng = np.random.default_rng(7)
    group = np.repeat(np.arange(12), 8)
    x, w = rng.normal(4, 1, len(group)), rng.normal(-2, 1, len(group))
    root = np.array([[1.0, 0, 0], [0.5, 0.7, 0], [-0.3, 0.4, 0.6]])
    b, u = rng.normal(size=(12, 3)) @ root.T, rng.normal(size=12)
    z = np.column_stack([np.ones(len(group)), x, w])
    y = u[group] + x + (z * b[group]).sum(axis=1) + rng.normal(size=len(group))
    data = {"g": group, "u": u[group], "x": x, "w": w, "y": y}
    fit = pp.fit("y ~ x + u + (x + w | g)", data, prior="tau ~ half_normal(2)")
    return data, z, fit._engine


def row_by_row(data, z, post):
    """Of every draw the variances by effect, (S, 3), of a row, and of what predictors say."""
    draws = post.draws(1000, np.random.default_rng(0))
    sd = [draws.tau["tau[g]"], draws.tau["tau[g, x]"], draws.tau["tau[g, w]"]]
    rho = {
        (1, 0): draws.rho["rho[g, Intercept, x]"],
        (2, 0): draws.rho["rho[g, Intercept, w]"],
        (2, 1): draws.rho["rho[g, x, w]"],
    }
    between = np.stack([sd[k] ** 2 * np.mean(z[:, k] ** 2) for k in range(3)], axis=1)
    for (late, early), r in rho.items():
        between[:, late] += 2 * r * sd[late] * sd[early] * np.mean(z[:, late] * z[:, early])
    columns = {"Intercept": 1.0 + 0 * data["x"], **data}
    x = np.column_stack([columns[name] for name in post.statistics.coefficients])
    return draws, between, draws.sigma**2, draws.coefficients @ x.T


def test_shares_are_those_of_the_rows_one_by_one(slopes):
    data, z, post = slopes
    _, between, rows, fixed = row_by_row(data, z, post)
    total = between.sum(axis=1) + rows
    found = variance_explained(post)
    assert found.levels["level"].tolist() == ["rows", "g", "g, x", "g, w"]
    expected = [np.mean(rows / total), *np.mean(between / total[:, None], axis=0)]
    np.testing.assert_allclose(found.levels["share"], expected, rtol=1e-8)
    own = fixed.var(axis=1)
    for name, above in (("marginal", own), ("conditional", own + between.sum(axis=1))):
        share = above / (own + total)
        told = [share.mean(), *np.quantile(share, [0.025, 0.975])]
        np.testing.assert_allclose(getattr(found, name), told, rtol=1e-8)


def test_r2_and_pooling_are_those_of_gelman_and_pardoe(slopes):
    data, z, post = slopes
    draws, _, _, fixed = row_by_row(data, z, post)
    b = draws.effects[0]
    eta = fixed + np.einsum("nk,snk->sn", z, b[:, data["g"]])
    left = ((data["y"] - eta) ** 2).sum(axis=1).mean()
    error = b[:, :, 0]
    at = post.statistics.coefficients.index("u")
    u = data["u"][::8]
    predicted = draws.coefficients[:, [at]] * u
    pooling = [1 - b[:, :, k].mean(axis=0).var() / b[:, :, k].var(axis=1).mean() for k in range(3)]
    found = variance_explained(post).levels
    whole = ((data["y"] - data["y"].mean()) ** 2).sum()
    np.testing.assert_allclose(found["r2"][0], 1 - left / whole, rtol=1e-7)
    of_groups = 1 - error.var(axis=1).mean() / (predicted + error).var(axis=1).mean()
    np.testing.assert_allclose(found["r2"][1], of_groups, rtol=1e-7)
    np.testing.assert_allclose(found["pooling"][1:], pooling, rtol=1e-7)
    assert np.isnan(found["r2"][2:]).all()
    assert np.isnan(found["pooling"][0])


def test_the_residual_squares_of_crossed_groups_are_those_of_the_rows_exactly():
    rng = np.random.default_rng(9)
    data = {"g": np.arange(60) % 7, "h": np.arange(60) % 5}
    data["y"] = 3 * rng.normal(size=7)[data["g"]] + 3 * rng.normal(size=5)[data["h"]]
    data["y"] += 10 + rng.normal(size=60)
    post = pp.fit("y ~ 1 + (1 | g) + (1 | h)", data, prior="tau ~ half_normal(3)")._engine
    draws = post.draws(1000, np.random.default_rng(0))
    names = [block.factor for block in post.statistics.blocks]
    groups = [b[:, data[name], 0] for name, b in zip(names, draws.effects, strict=True)]
    left = ((data["y"] - draws.coefficients[:, [0]] - sum(groups)) ** 2).sum(axis=1).mean()
    whole = ((data["y"] - data["y"].mean()) ** 2).sum()
    found = variance_explained(post).levels["r2"][0]
    np.testing.assert_allclose(found, 1 - left / whole, rtol=1e-7)


def test_with_known_errors_a_row_has_the_variance_of_one_of_mean_weight():
    se = np.array([1.0, 2.0, 0.5, 1.5, 1.0, 3.0, 0.7, 1.2])
    data = {"g": list("aabbccdd"), "se": se, "x": np.arange(8.0), "y": np.arange(8.0) ** 2 / 9}
    formula = "y | se(se) ~ x + (1 | g)"
    post = pp.fit(formula, data, prior="tau ~ half_normal(2)")._engine
    tau2 = post.draws(1000, np.random.default_rng(0)).tau["tau[g]"] ** 2
    row = 1 / np.mean(1 / se**2)
    found = variance_explained(post).levels["share"]
    np.testing.assert_allclose(found[0], np.mean(row / (row + tau2)), rtol=1e-8)
