"""Checks of fits: what is right is left alone, what is wrong is seen, by other formulas."""

import numpy as np
import pytest
from scipy import stats

import partialpool as pp
from partialpool.posterior.group_check import _left_out_count
from partialpool.posterior.score_checks import of_group_means

RNG = np.random.default_rng(11)


def rows_of(check):
    return {(r["check"], r["of"]): r for r in check.as_table().rows()}


@pytest.fixture(scope="module")
def measured():
    g = np.repeat(np.arange(14), 6)
    x = RNG.normal(size=14)[g] + RNG.normal(size=len(g))
    y = RNG.normal(size=14)[g] + 0.5 * x + RNG.normal(size=len(g))
    return {"y": y, "x": x, "g": np.array([f"g{k:02}" for k in g]), "z": RNG.normal(size=len(g))}


def test_the_same_digits_at_every_call_and_others_by_another_generator(measured):
    fit = pp.fit("y ~ 1 + (1 | g)", measured)
    p = [fit.check(measured).as_table()["p"] for _ in range(2)]
    np.testing.assert_array_equal(*p)
    assert not np.array_equal(
        p[0], fit.check(measured, rng=np.random.default_rng(5)).as_table()["p"]
    )


def test_spread_of_groups_is_that_of_new_groups_from_draws():
    data = pp.datasets.eight_schools()
    fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", data)
    found = rows_of(fit.check())["spread of groups", "groups of school"]
    rng = np.random.default_rng(3)
    tau = fit.posterior.draws(20_000, rng)["tau[school]"]
    new = tau[:, None] * rng.normal(size=(20_000, 8)) + data["se"] * rng.normal(size=(20_000, 8))
    spread = new.std(axis=1, ddof=1)
    assert found["observed"] == pytest.approx(np.std(data["effect"], ddof=1))
    assert found["expected"] == pytest.approx(np.median(spread), rel=0.05)
    p = 2 * min((spread > found["observed"]).mean(), (spread < found["observed"]).mean())
    assert found["p"] == pytest.approx(p, abs=0.06)


def test_slope_of_group_means_is_a_term_of_the_regression(measured):
    """The z of a further column is that of its coefficient by maximum likelihood, but for tau."""
    g = measured["g"]
    mean = np.array([measured["x"][g == k].mean() for k in g])
    fit = pp.fit("y ~ x + (1 | g)", measured)
    found = rows_of(fit.check())["slope of group means", "x between and within g"]
    longer = pp.fit("y ~ x + m + (1 | g)", {**measured, "m": mean}, method="reml")
    row = next(r for r in longer.parameters().rows() if r["name"] == "m")
    assert found["observed"] == pytest.approx(row["mean"] / row["sd"], abs=0.15)


def test_sums_tell_of_group_means_what_rows_do(measured):
    """The same statistic from cross-products as from rows: the draws of variances are the same."""
    fit = pp.fit("y ~ x + (1 | g)", measured)
    key = "slope of group means", "x between and within g"
    by_sums = {k[:2]: k[2] for k in of_group_means(fit._engine, np.random.default_rng(1))}
    by_rows = rows_of(fit.check(measured))
    assert by_sums[key].observed == pytest.approx(by_rows[key]["observed"], abs=0.1)


def test_curve_and_column_left_out_are_seen(measured):
    bent = {**measured, "y": measured["y"] + 0.5 * measured["x"] ** 2 + measured["z"]}
    found = rows_of(pp.fit("y ~ x + (1 | g)", bent).check(bent))
    assert found["curve", "rows by x"]["p"] < 1e-4
    assert found["column left out", "rows by z"]["p"] < 1e-4
    right = rows_of(pp.fit("y ~ poly(x, 2) + z + (1 | g)", bent).check(bent))
    assert ("curve", "rows by z") in right
    assert ("column left out", "rows by z") not in right


def test_farthest_row_is_the_studentised_residual_of_least_squares(measured):
    data = {**measured, "y": measured["y"].copy()}
    data["y"][17] += 5.0
    found = rows_of(pp.fit("y ~ x + (1 | g)", data).check(data))["farthest row", "rows"]
    dummies = (data["g"][:, None] == np.unique(data["g"])) * 1.0
    design = np.column_stack([dummies, data["x"]])
    hat = design @ np.linalg.pinv(design)
    e, df = data["y"] - hat @ data["y"], len(data["y"]) - design.shape[1]
    r2 = e**2 / (1 - np.diag(hat)) / (e @ e / df)
    t = np.sqrt(r2 * (df - 1) / (df - r2))
    assert int(np.argmax(t)) == 17
    assert found["observed"] == pytest.approx(t.max(), rel=0.02)  # leverage of groups alone
    assert found["p"] < 1e-3


def test_moments_of_rows_are_those_of_all_residuals(measured):
    found = rows_of(pp.fit("y ~ 1 + (1 | g)", measured).check(measured))
    means = {k: measured["y"][measured["g"] == k].mean() for k in np.unique(measured["g"])}
    e = measured["y"] - np.array([means[k] for k in measured["g"]])
    df = len(e) - 14
    r2 = e**2 / (5 / 6) / (e @ e / df)
    t = np.sign(e) * np.sqrt(r2 * (df - 1) / (df - r2))
    t = t / np.sqrt(np.mean(t**2))
    assert found["tails of rows", "rows"]["observed"] == pytest.approx(np.mean(t**4) - 3)
    assert found["skewness of rows", "rows"]["observed"] == pytest.approx(np.mean(t**3))


@pytest.fixture(scope="module")
def counted():
    g = np.repeat(np.arange(12), 10)
    x = RNG.normal(size=len(g))
    mean = np.exp(0.5 + 0.4 * RNG.normal(size=12)[g] + 0.3 * x)
    return {"y": RNG.poisson(mean), "x": x, "g": g, "mean": mean}


def test_zeros_and_dispersion_of_rows_given_the_groups(counted):
    """Without predictors: zeros as if each group's events fell into its rows at random."""
    data = {k: counted[k] for k in ("y", "g")}
    found = rows_of(pp.fit("y ~ 1 + (1 | g)", data, family="poisson").check(data))
    total = np.bincount(data["g"], data["y"])
    expected = (10 * 0.9**total).sum()
    zeros = found["zeros among rows", "rows"]
    assert zeros["observed"] == (data["y"] == 0).sum()
    assert zeros["expected"] == pytest.approx(expected, abs=1.5)
    chi2 = sum((data["y"][data["g"] == k] - m) @ (data["y"][data["g"] == k] - m) / m
               for k, m in enumerate(total / 10))  # fmt: skip
    found = found["dispersion of rows", "rows"]
    assert found["observed"] == pytest.approx(chi2 / (12 * 9), rel=0.03)
    variance = (2 * 9 * (1 - 1 / total)).sum()
    assert found["upper"] == pytest.approx(1 + 1.96 * np.sqrt(variance) / 108, abs=0.1)


def test_trials_are_dealt_among_the_rows_of_a_group():
    g, n = np.repeat(np.arange(6), 8), np.full(48, 5)
    data = {"y": RNG.binomial(n, 0.2), "n": n, "g": g}
    found = rows_of(pp.fit("y | trials(n) ~ 1 + (1 | g)", data).check(data))
    total = np.bincount(g, data["y"])
    expected = (8 * stats.hypergeom.pmf(0, 40, total, 5)).sum()
    assert found["zeros among rows", "rows"]["expected"] == pytest.approx(expected, abs=1.1)


def test_counts_with_predictors_that_vary_too_much_or_are_too_often_zero(counted):
    formula = "y ~ x + (1 | g)"
    for y, check in (
        (RNG.poisson(counted["mean"] * RNG.gamma(0.5, 2.0, 120)), "dispersion of rows"),
        (np.where(RNG.random(120) < 0.3, 0, counted["y"]), "zeros among rows"),
    ):
        found = rows_of(pp.fit(formula, {**counted, "y": y}, family="poisson").check())
        assert found[check, "rows"]["p"] < 0.01
    right = rows_of(pp.fit(formula, counted, family="poisson").check())
    assert min(right[c, "rows"]["p"] for c in ("dispersion of rows", "zeros among rows")) > 0.01


def test_groups_of_counts_from_some_nodes_as_from_all():
    d = pp.datasets.batting()
    post = pp.fit("hits | trials(at_bats) ~ 1 + (1 | player)", d)._engine
    check = next(iter(post.group_checks(every=True)))
    for j in (0, 5, 11):
        below, above = _left_out_count(post, int(post.model.member[j]), post.nodes)
        assert check.pit[j] == pytest.approx(0.5 * (below + 1 - above), abs=0.01)


def test_estimates_are_told_to_be_no_posterior(measured):
    fit = pp.fit("y ~ x + (1 | g)", measured, method="reml")
    with pytest.raises(pp.ArgumentError, match=r"check\(\) needs a posterior"):
        fit.check()


def test_rng_is_a_generator(measured):
    with pytest.raises(pp.ArgumentError, match="rng must be a numpy"):
        pp.fit("y ~ 1 + (1 | g)", measured).check(rng=3)


@pytest.mark.slow
def test_of_many_rows_few_draws_tell_means_and_sds():
    """Groups of two rows: residuals are in pairs, and vary more than independent ones."""
    g, p = np.repeat(np.arange(6000), 2), []
    for _ in range(20):
        data = {"y": RNG.normal(size=6000)[g] + RNG.normal(size=12_000), "g": g}
        found = rows_of(pp.fit("y ~ 1 + (1 | g)", data).check(data))
        p.append([found[k, "rows"]["p"] for k in ("tails of rows", "noise by fitted value")])
    for each in np.transpose(p):
        assert stats.kstest(each, "uniform").pvalue > 0.005
    data["y"] = RNG.normal(size=6000)[g] + RNG.standard_t(4, 12_000)
    assert rows_of(pp.fit("y ~ 1 + (1 | g)", data).check(data))["tails of rows", "rows"]["p"] < 1e-3
