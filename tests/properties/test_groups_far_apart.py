"""However far apart groups are, what lies within them keeps its digits."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy import special

import partialpool as pp
from partialpool.classical.pooled_regression import fixed_effects_regression
from partialpool.formula import parse, read_roles
from partialpool.rows import read_mixed

GROUPS, EACH = 20, 50
RNG = np.random.default_rng(1)
G = np.repeat(np.arange(GROUPS), EACH)
H = np.tile(np.arange(10), GROUPS * EACH // 10)
X = RNG.normal(size=GROUPS * EACH)
APART = RNG.normal(size=GROUPS)[G]
NOISE = RNG.normal(size=GROUPS * EACH)
OF_H = RNG.normal(size=10)[H]
RATIOS = [1.0, 4e3, 3e4, 1e6, 1e8]


def rows(ratio, offset=0.0):
    return {"y": offset + ratio * APART + X + NOISE, "x": X, "g": G, "h": H}


def within(data):
    """Slope and residual sum of squares of least squares with an intercept a group, by 80 bits."""
    y, x = data["y"].astype(np.longdouble), data["x"].astype(np.longdouble)
    for v in (y, x):
        for j in range(GROUPS):
            v[j == G] -= v[j == G].mean()
    slope = (x @ y) / (x @ x)
    return float(slope), float(((y - slope * x) ** 2).sum())


def parameters(fit):
    table = fit.parameters()
    return dict(zip(table["name"].tolist(), table["mean"].tolist(), strict=True))


def mean_of_sigma(rss):
    df = GROUPS * EACH - GROUPS - 1
    return np.sqrt(rss / 2) * np.exp(special.gammaln((df - 1) / 2) - special.gammaln(df / 2))


@pytest.mark.parametrize("ratio", RATIOS[1:])
def test_the_posterior_is_that_of_intercepts_of_their_own(ratio):
    """In this limit sigma^2 is RSS over a chi-square with N - J - 1 degrees of freedom."""
    data = rows(ratio)
    slope, rss = within(data)
    found = parameters(pp.fit("y ~ x + (1 | g)", data))
    limit = 1.0 / ratio**2  # how far the model still is from its limit
    by_means = 1e-3 / ratio  # and the slope from that within groups
    assert found["sigma"] == pytest.approx(mean_of_sigma(rss), rel=1e-8 + limit)
    assert found["x"] == pytest.approx(slope, rel=1e-8 + by_means)
    one_way = pp.fit("y ~ 1 + (1 | g)", data).parameters()
    tau = float(one_way["mean"][one_way["name"].tolist().index("tau[g]")])
    assert found["tau[g]"] == pytest.approx(tau, rel=1e-4)


@pytest.mark.parametrize("ratio", RATIOS)
def test_sums_about_the_means_of_groups(ratio):
    data = rows(ratio)
    slope, rss = within(data)
    for source in (data, duckdb.connect().from_arrow(pa.table(data))):
        block = read_mixed(read_roles(parse("y ~ x + (1 | g)")), source).statistics.blocks[0]
        assert block.within.shape == (3, 3)
        assert (block.within[0] == 0.0).all()
        inner = block.within[1:, 1:]
        assert inner[0, 1] / inner[0, 0] == pytest.approx(slope, rel=1e-10)
        left = inner[1, 1] - inner[0, 1] ** 2 / inner[0, 0]
        assert left == pytest.approx(rss, rel=1e-10)


@pytest.mark.parametrize("ratio", [4e3, 1e8])
def test_other_estimators_and_forms_of_the_model(ratio):
    data = rows(ratio)
    _, rss = within(data)
    sigma = np.sqrt(rss / (GROUPS * EACH - GROUPS - 1))
    fit = pp.fit("y ~ x + (1 | g)", data, method="reml")
    assert parameters(fit)["sigma"] == pytest.approx(sigma, rel=1e-6)
    statistics = read_mixed(read_roles(parse("y ~ x + (1 | g)")), data).statistics
    fixed = fixed_effects_regression(statistics)
    assert fixed.sigma == pytest.approx(sigma, rel=1e-10)
    # a prior on sigma keeps it in the integral; the intercept in another term of the same factor
    near = pp.fit("y ~ x + (1 | g)", data, prior="sigma ~ half_cauchy(1e6)")
    assert parameters(near)["sigma"] == pytest.approx(sigma, rel=3e-3)
    other = pp.fit("y ~ x + (0 + x | g) + (1 | g)", data)
    again = pp.fit("y ~ x + (1 | g) + (0 + x | g)", data)
    assert parameters(other)["sigma"] == pytest.approx(parameters(again)["sigma"], rel=1e-6)
    assert parameters(other)["sigma"] == pytest.approx(sigma, rel=3e-3)


@pytest.mark.parametrize("ratio", [4e3, 3e4])
@pytest.mark.parametrize("far", ["g", "h"])
def test_crossed_factors_as_far_as_their_sums_reach(ratio, far):
    """Only factors that are nested are summed about their means: 8 digits at 1e4, 3 at 1e6."""
    scale = {"g": (ratio, 1.0), "h": (1.0, ratio)}[far]
    data = rows(0.0) | {"y": scale[0] * APART + scale[1] * OF_H + X + NOISE}
    near = rows(0.0) | {"y": 30 * (scale[0] > 1) * APART + 30 * (scale[1] > 1) * OF_H
                        + APART * (scale[0] == 1) + OF_H * (scale[1] == 1) + X + NOISE}  # fmt: skip
    found, wanted = (parameters(pp.fit("y ~ x + (1 | g) + (1 | h)", d)) for d in (data, near))
    assert found["sigma"] == pytest.approx(wanted["sigma"], rel=1e-3)
    assert found["x"] == pytest.approx(wanted["x"], rel=2e-3)


def test_nested_factors():
    leaf = RNG.normal(size=200)[G * 10 + H]
    sigmas = []
    for ratio in (4e3, 1e6):
        fit = pp.fit("y ~ x + (1 | g / h)", rows(0.0) | {"y": APART + ratio * leaf + X + NOISE})
        sigmas.append(parameters(fit)["sigma"])
        assert parameters(fit)["tau[g:h]"] == pytest.approx(ratio, rel=0.15)
    assert sigmas[0] == pytest.approx(sigmas[1], rel=1e-6)


def test_parts_that_are_combined_and_files(tmp_path):
    formula, data = "y ~ x + (1 | g)", rows(1e8)
    first = {k: v[:730] for k, v in data.items()}
    rest = {k: v[730:] for k, v in data.items()}
    whole = pp.statistics(formula, data)
    both = pp.statistics(formula, first).combine(pp.statistics(formula, rest))
    both.save(tmp_path / "both.parquet")
    slope, rss = within(data)
    for statistics in (whole, both, pp.load_statistics(tmp_path / "both.parquet")):
        found = parameters(pp.fit_statistics(statistics))
        assert found["x"] == pytest.approx(slope, rel=1e-7)
        assert found["sigma"] == pytest.approx(mean_of_sigma(rss), rel=1e-7)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize(
    "formula", ["y ~ x + (1 | g)", "y ~ x + (1 | g) + (1 | h)", "y ~ 1 + (x | g)"]
)
def test_a_perfect_fit_is_still_refused(formula, offset):
    y = offset + 4e3 * APART + 0.3 * X + (OF_H if "h" in formula else 0.0)
    with pytest.raises(pp.ImproperPosteriorError, match="fit every row exactly"):
        pp.fit(formula, rows(0.0) | {"y": y})
