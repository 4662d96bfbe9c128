"""Averages of predictions: against brute force from draws, exact formulas, and each other."""

import math

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import special

import partialpool as pp
from count_models import COUNT_MODELS, PROPORTIONS
from partialpool.errors import ArgumentError, ColumnError, DataError

SLEEP = "reaction ~ days + (days | subject)"


@pytest.fixture(scope="module")
def schools():
    return pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())


@pytest.fixture(scope="module")
def sleep():
    return pp.fit(SLEEP, pp.datasets.sleepstudy())


def survey(seed=3, n=900):
    """Answers of people in 6 regions and 4 ages, in two arms."""
    rng = np.random.default_rng(seed)
    region, age = rng.integers(0, 6, n), rng.integers(0, 4, n)
    arm = rng.integers(0, 2, n)
    eta = -0.4 + 0.6 * arm + rng.normal(0, 0.6, 6)[region] + rng.normal(0, 0.4, 4)[age]
    return pd.DataFrame(
        {
            "region": np.char.add("R", region.astype(str)),
            "age": np.char.add("a", age.astype(str)),
            "arm": np.where(arm == 1, "B", "A"),
            "yes": (rng.random(n) < special.expit(eta)).astype(int),
        }
    )


@pytest.fixture(scope="module")
def poll():
    formula = "yes ~ arm + (1 | region) + (1 | age)"
    priors = "tau ~ half_normal(1)"
    return pp.fit(formula, survey(), family="binomial", prior=priors)


@pytest.fixture(scope="module")
def cells():
    place = np.arange(48)
    regions, ages, arms = place // 8, place // 2 % 4, np.array(["A", "B"])[place % 2]
    n = np.random.default_rng(5).integers(1, 900, len(regions))
    return pd.DataFrame(
        {
            "region": np.char.add("R", regions.astype(str)),
            "age": np.char.add("a", ages.astype(str)),
            "arm": arms,
            "n": n,
        }
    )


def by_hand(fit, cells, size=40_000, arm=None):
    """Draws of the probability of every cell, (S, R), from the public face."""
    draws = fit.posterior.draws(size, np.random.default_rng(77))
    arms = cells["arm"].to_numpy() if arm is None else np.full(len(cells), arm)
    eta = draws["Intercept"][:, None] + draws["arm[B]"][:, None] * (arms == "B")
    for factor in ("region", "age"):
        labels = fit.posterior.groups(factor).labels.tolist()
        effects = draws.groups(factor, scale="link")
        base = draws["Intercept"][:, None]
        place = [labels.index(v) for v in cells[factor]]
        eta += (effects - base)[:, place]
    return special.expit(eta)


def agrees(average, drawn, tolerance=0.03):
    """Means, sds and ends within so many sds of those of draws."""
    sd = drawn.std(axis=0)
    np.testing.assert_allclose((average["estimate"] - drawn.mean(axis=0)) / sd, 0, atol=tolerance)
    np.testing.assert_allclose(average["sd"] / sd, 1, atol=tolerance)
    for name, p in (("lower", 0.025), ("upper", 0.975)):
        gap = (average[name] - np.quantile(drawn, p, axis=0)) / sd
        np.testing.assert_allclose(gap, 0, atol=3 * tolerance)


# measurements, where averages are exact -------------------------------------------------------


def test_an_average_of_eight_schools_is_the_contrast_of_them(schools):
    cells = {"school": list("ABC"), "w": [2.0, 1.0, 1.0], "kind": ["x", "x", "y"]}
    one = schools.average(cells, weights="w")
    want = schools.posterior.contrast({"A": 0.5, "B": 0.25, "C": 0.25})
    assert one["estimate"][0] == pytest.approx(float(want.mean), rel=1e-10)
    assert one["sd"][0] == pytest.approx(float(want.sd), rel=1e-10)
    np.testing.assert_allclose(one.interval(0.9)[:, 0], want.interval(0.9), rtol=1e-8)
    above = float(want.probability(above=10.0))
    assert one.probability(above=10.0)[0] == pytest.approx(above, rel=1e-8)
    total = schools.average(cells, by="kind", weights="w", total=True)
    assert total["estimate"][1] == pytest.approx(6.13075, abs=1e-5)  # of school C, weight 1
    against = schools.average(cells, weights="w", contrast={"school": ("A", "C")})
    assert against["estimate"][0] == pytest.approx(6.13075 - 11.40026, abs=1e-5)
    assert against["contrast"][0] == "C - A"


def test_known_and_new_schools_and_the_population_in_one_average(schools):
    cells = {"school": ["A", "Z", "Z", "Y"]}
    found = schools.average(cells, unseen="new_group")
    draws = schools.posterior.draws(400_000, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    new = draws["Intercept"] + draws["tau[school]"] * rng.standard_normal((2, 400_000))
    brute = (draws.groups()[:, 0] + 2 * new[0] + new[1]) / 4
    assert found["estimate"][0] == pytest.approx(brute.mean(), abs=0.04)
    assert found["sd"][0] == pytest.approx(brute.std(), rel=0.01)
    ends = found.interval()[:, 0]
    np.testing.assert_allclose(ends, np.quantile(brute, [0.025, 0.975]), atol=0.15)
    middle = schools.average(cells, unseen="population")
    brute = (draws.groups()[:, 0] + 3 * draws["Intercept"]) / 4
    assert middle["sd"][0] == pytest.approx(brute.std(), rel=0.01)


def test_slopes_of_one_factor_are_exact(sleep):
    cells = pp.datasets.sleepstudy()
    found = sleep.average({"subject": [330, 330, 331], "days": [0.0, 8.0, 4.0]})
    draws = sleep.posterior.draws(200_000, np.random.default_rng(4))
    labels = sleep.posterior.groups().labels.tolist()
    at = [labels.index(330), labels.index(331)]
    line = draws.groups(), draws.groups(term="days")
    brute = (2 * line[0][:, at[0]] + 8 * line[1][:, at[0]] + line[0][:, at[1]]) / 3
    brute += 4 * line[1][:, at[1]] / 3
    assert found["estimate"][0] == pytest.approx(brute.mean(), abs=0.05)
    assert found["sd"][0] == pytest.approx(brute.std(), rel=0.01)
    np.testing.assert_allclose(
        found.interval()[:, 0], np.quantile(brute, [0.025, 0.975]), atol=0.15
    )
    # one cell is its prediction, exactly
    one = sleep.average({"subject": [330], "days": [3.0]})
    want = sleep.predict({"subject": [330], "days": [3.0]})
    for name in ("estimate", "sd", "lower", "upper"):
        assert one[name][0] == pytest.approx(want[name][0], rel=1e-6)
    # every row set to both days: the mean slope of the subjects, over nine days
    slowed = sleep.average(cells, contrast={"days": (0, 9)})
    brute = 9 * draws.groups(term="days").mean(axis=1)
    assert slowed["estimate"][0] == pytest.approx(brute.mean(), abs=0.1)
    assert slowed["sd"][0] == pytest.approx(brute.std(), rel=0.01)


def test_new_observations_have_the_noise_of_as_many(sleep):
    cells = {"subject": [330, 331], "days": [0.0, 0.0], "n": [3, 1]}
    plain = sleep.average(cells, weights="n")
    noisy = sleep.average(cells, weights="n", observation=True)
    sigma = sleep.posterior["sigma"]
    square = float(sigma.mean) ** 2 + float(sigma.sd) ** 2
    assert noisy["sd"][0] ** 2 - plain["sd"][0] ** 2 == pytest.approx(square / 4, rel=0.03)
    total = sleep.average(cells, weights="n", observation=True, total=True)
    assert total["sd"][0] == pytest.approx(4 * noisy["sd"][0], rel=1e-9)
    drawn = noisy.draws(100_000, np.random.default_rng(3))[:, 0]
    assert drawn.std() == pytest.approx(noisy["sd"][0], rel=0.01)


def crossed_data():
    """Rows of 8 plates by 5 samples."""
    rng = np.random.default_rng(8)
    plate, sample = np.repeat(np.arange(8), 10), np.tile(np.repeat(np.arange(5), 2), 8)
    y = rng.normal(0, 1, 8)[plate] + rng.normal(0, 2, 5)[sample] + rng.normal(10, 0.5, 80)
    return pd.DataFrame({"plate": plate, "sample": sample, "y": y})


def test_crossed_factors_have_exact_means_and_their_spread_from_draws():
    data = crossed_data()
    fit = pp.fit("y ~ 1 + (1 | plate) + (1 | sample)", data)
    found = fit.average(data, by="sample")
    draws = fit.posterior.draws(40_000, np.random.default_rng(6))
    plates = draws.groups("plate") - draws["Intercept"][:, None]
    agrees(found, draws.groups("sample") + plates.mean(axis=1, keepdims=True))
    exact = fit.posterior.groups("sample").mean + fit.posterior.effects("plate").mean.mean()
    np.testing.assert_allclose(found["estimate"], exact, rtol=1e-6)
    assert found.exact is None
    assert found.error < 0.1


# counts ---------------------------------------------------------------------------------------


def test_a_poll_by_region_is_what_draws_say(poll, cells):
    found = poll.average(cells, by="region", weights="n")
    p, n = by_hand(poll, cells), cells["n"].to_numpy(float)
    member = np.array([found["region"].tolist().index(r) for r in cells["region"]])
    weight = np.zeros((len(n), 6))
    weight[np.arange(len(n)), member] = n
    drawn = p @ weight / weight.sum(axis=0)
    agrees(found, drawn)
    total = poll.average(cells, by="region", weights="n", total=True)
    np.testing.assert_allclose(total["sd"], found["sd"] * weight.sum(axis=0), rtol=1e-9)
    above = (drawn > 0.5).mean(axis=0)
    np.testing.assert_allclose(found.probability(above=0.5), above, atol=0.015)
    joint = found.draws(20_000, np.random.default_rng(8))
    np.testing.assert_allclose(np.corrcoef(joint.T), np.corrcoef(drawn.T), atol=0.03)


@pytest.mark.parametrize("kind", ["difference", "ratio", "odds_ratio"])
def test_arms_are_compared_with_each_cell_set_to_both(poll, cells, kind):
    found = poll.average(cells, by="region", weights="n", contrast={"arm": ("A", "B")}, kind=kind)
    n = cells["n"].to_numpy(float)
    sides = []
    for arm in "AB":
        p = by_hand(poll, cells, arm=arm)
        sides.append(
            np.stack(
                [
                    (p * n)[:, cells["region"] == r].sum(axis=1) / n[cells["region"] == r].sum()
                    for r in found["region"]
                ],
                axis=1,
            )
        )
    first, second = sides
    of = {
        "difference": second - first,
        "ratio": second / first,
        "odds_ratio": second / (1 - second) / (first / (1 - first)),
    }[kind]
    middle = of.mean(axis=0) if kind == "difference" else np.median(of, axis=0)
    np.testing.assert_allclose((found["estimate"] - middle) / of.std(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(found["sd"] / of.std(axis=0), 1, atol=0.03)
    loss = found.expected_loss()
    np.testing.assert_allclose(
        np.where(loss["choice"] == "B", loss["loss"], loss["loss_otherwise"]),
        np.maximum(first - second, 0).mean(axis=0),
        atol=1e-3,
    )
    swapped = found.expected_loss(lower_is_better=True)
    np.testing.assert_allclose(
        swapped["loss"] + swapped["loss_otherwise"], np.abs(second - first).mean(axis=0), atol=2e-3
    )
    assert set(loss["choice"]) == {"B"}
    assert set(swapped["choice"]) == {"A"}


def test_arms_in_by_are_compared_as_they_are(poll, cells):
    some = cells[(cells["arm"] == "B") | (cells["age"] != "a0")]
    found = poll.average(some, by=["region", "arm"], weights="n", contrast={"arm": ("A", "B")})
    each = poll.average(some, by=["region", "arm"], weights="n")
    gap = each["estimate"][each["arm"] == "B"] - each["estimate"][each["arm"] == "A"]
    np.testing.assert_allclose(found["estimate"], gap, atol=1e-9)
    assert list(found.table.columns) == ["region", "contrast", "estimate", "sd", "lower", "upper"]
    both = poll.average(some, by="region", weights="n", contrast={"arm": ("A", "B")})
    assert not np.allclose(both["estimate"], gap, atol=1e-3)


def test_an_unsampled_region_is_a_new_group_and_equal_labels_are_the_same(poll, cells):
    new = cells[cells["region"] == "R0"].assign(region="elsewhere")
    found = poll.average(new, by="age", weights="n", unseen="new_group")
    draws = poll.posterior.draws(40_000, np.random.default_rng(2))
    effect = draws["tau[region]"] * np.random.default_rng(3).standard_normal(40_000)
    labels = poll.posterior.groups("age").labels.tolist()
    ages = draws.groups("age", scale="link")[:, [labels.index(a) for a in found["age"]]]
    shares = {arm: new[new["arm"] == arm].set_index("age")["n"] for arm in "AB"}
    n = np.stack([shares[arm].loc[list(found["age"])].to_numpy(float) for arm in "AB"])
    p = [
        special.expit(ages + effect[:, None] + slope[:, None])
        for slope in (0 * effect, draws["arm[B]"])
    ]
    drawn = (n[0] * p[0] + n[1] * p[1]) / n.sum(axis=0)
    agrees(found, drawn, 0.04)
    correlation = np.corrcoef(found.draws(20_000, np.random.default_rng(4)).T)[0, 1]
    assert correlation == pytest.approx(np.corrcoef(drawn.T)[0, 1], abs=0.03)


def test_numbers_of_events_in_new_trials(poll, cells):
    few = cells.assign(n=cells["n"] // 100)
    found = poll.average(few, by="region", weights="n", observation=True, total=True)
    rng = np.random.default_rng(12)
    events = rng.binomial(few["n"].to_numpy(), by_hand(poll, few))
    drawn = np.stack([events[:, few["region"] == r].sum(axis=1) for r in found["region"]], axis=1)
    np.testing.assert_allclose(found["estimate"], drawn.mean(axis=0), rtol=0.02)
    np.testing.assert_allclose(found["sd"], drawn.std(axis=0), rtol=0.05)
    mean = poll.average(few, by="region", weights="n", observation=True)
    n = few.groupby("region")["n"].sum().loc[list(found["region"])].to_numpy()
    np.testing.assert_allclose(mean["estimate"] * n, found["estimate"], rtol=1e-9)
    with pytest.raises(
        DataError, match=r"numbers of new trials here, which are whole; one is 0\.5"
    ):
        poll.average(few.assign(n=0.5), weights="n", observation=True)


@pytest.mark.parametrize("family", ["binomial", "poisson", "beta", "gamma"])
def test_one_way_counts_of_every_population(family):
    rng = np.random.default_rng(4)
    size = rng.integers(20, 60, 12)
    y = rng.binomial(size, rng.beta(6, 14, 12))
    kind = "trials" if family in PROPORTIONS else "exposure"
    data = pd.DataFrame({"site": np.arange(12), "y": y, "size": size})
    prior = {"mu": "normal(0, 2)", "tau": "uniform(0, 0.6)"}
    fit = pp.fit(f"y | {kind}(size) ~ 1 + (1 | site)", data, **COUNT_MODELS[family], prior=prior)
    cells = {"site": [0, 3, 3, 99], "w": [1.0, 2.0, 1.0, 4.0]}
    found = fit.average(cells, weights="w", unseen="new_group")
    table = fit.groups()
    new = fit.posterior.new_group()
    want = (table["estimate"][0] + 3 * table["estimate"][3] + 4 * float(new.mean)) / 8
    assert found["estimate"][0] == pytest.approx(want, abs=0.01 * found["sd"][0])
    known = fit.average({"site": [0, 3]}, by="site")
    for at, group in ((0, 0), (1, 3)):
        assert known["estimate"][at] == pytest.approx(table["estimate"][group], rel=1e-3)
        assert known["sd"][at] == pytest.approx(table["sd"][group], rel=0.02)
        end = (known["upper"][at] - table["upper"][group]) / known["sd"][at]
        assert end == pytest.approx(0, abs=0.06)
    one = fit.average({"site": [99]}, unseen="new_group")
    assert one["sd"][0] == pytest.approx(float(new.sd), rel=0.03)


def test_rates_whose_mean_does_not_exist_have_a_median_and_no_sd():
    data = {"site": list("abcd"), "y": [3, 5, 0, 2], "e": [10, 10, 10, 10]}
    fit = pp.fit("y | exposure(e) ~ 1 + (1 | site)", data, family="poisson")
    found = fit.average({"site": ["z"]}, unseen="new_group")
    new = fit.posterior.new_group()
    assert not np.isfinite(new.mean)
    assert found["estimate"][0] == pytest.approx(float(new.median), rel=0.05)
    assert found["sd"][0] == math.inf


def test_an_effect_of_each_row_is_averaged_over():
    rng = np.random.default_rng(7)
    site = np.repeat(np.arange(8), 12)
    rate = np.exp(rng.normal(0, 0.3, 8)[site] + rng.normal(0.5, 0.8, 96))
    data = pd.DataFrame({"site": site, "y": rng.poisson(rate)})
    fit = pp.fit(
        "y ~ 1 + (1 | site) + (1 | row)", data, family="poisson", prior="tau ~ half_normal(1)"
    )
    found = fit.average({"site": [2, 5]}, by="site")
    draws = fit.posterior.draws(40_000, np.random.default_rng(1))
    drawn = np.exp(
        draws.groups("site", scale="link")[:, [2, 5]] + draws["tau[row]"][:, None] ** 2 / 2
    )
    agrees(found, drawn, 0.04)
    with pytest.raises(ArgumentError, match=r"effect of each row, \(1 \| row\).*leave observation"):
        fit.average({"site": [2, 5]}, observation=True)


# totals, ranks, losses ------------------------------------------------------------------------


def test_totals_that_add_up_to_a_known_one_are_the_normal_conditional(schools):
    cells = {"school": list("ABCDEFGH")}
    free = schools.average(cells, by="school", total=True)
    known = schools.average(cells, by="school", total=True, benchmark=80.0)
    assert known["estimate"].sum() == pytest.approx(80.0, abs=1e-9)
    drawn = known.draws(1000, np.random.default_rng(1))
    np.testing.assert_allclose(drawn.sum(axis=1), 80.0)
    joint = schools.posterior.draws(400_000, np.random.default_rng(9)).groups()
    v = np.cov(joint.T)
    share = v.sum(axis=1) / v.sum()
    want = free["estimate"] + share * (80.0 - free["estimate"].sum())
    np.testing.assert_allclose(known["estimate"], want, atol=0.05)
    sd = np.sqrt(np.diag(v) - share**2 * v.sum())
    np.testing.assert_allclose(known["sd"], sd, rtol=0.02)
    assert "lies 0.5 sds above what the model says alone" in repr(known)
    assert "That is far" in repr(schools.average(cells, by="school", total=True, benchmark=8e4))


def test_ranks_and_losses_of_averages_are_those_of_groups(schools):
    found = schools.average({"school": list("ABCDEFGH")}, by="school")
    ranks, want = found.ranks(top=3), schools.rank(top=3)
    np.testing.assert_allclose(ranks["expected_rank"], want["expected_rank"], atol=0.03)
    np.testing.assert_allclose(ranks["top"], want["top"], atol=0.01)
    assert list(ranks) == ["school", "expected_rank", "lower", "median", "upper", "best", "top"]
    theta = schools.posterior.draws(200_000, np.random.default_rng(9)).groups()
    loss = found.expected_loss()
    want = (theta.max(axis=1, keepdims=True) - theta).mean(axis=0)
    np.testing.assert_allclose(loss["loss"], want, rtol=0.02)
    lowest = found.expected_loss(lower_is_better=True)
    np.testing.assert_allclose(
        lowest["loss"], (theta - theta.min(axis=1, keepdims=True)).mean(axis=0), rtol=0.02
    )
    assert loss["probability"].sum() == pytest.approx(1.0)


def test_exponentials_are_of_averages_on_the_link_scale(poll, cells):
    link = poll.average(cells, weights="n", contrast={"arm": ("A", "B")}, scale="link")
    ratio = poll.average(cells, weights="n", contrast={"arm": ("A", "B")}, scale="exp")
    of = poll.posterior["arm[B]"]
    assert link["estimate"][0] == pytest.approx(float(of.mean), abs=0.01 * float(of.sd))
    assert ratio["estimate"][0] == pytest.approx(math.exp(float(of.median)), rel=0.01)
    np.testing.assert_allclose(ratio.interval(), np.exp(link.interval()), rtol=1e-3)
    assert ratio["contrast"][0] == "B / A"


def test_estimates_take_spreads_as_known(sleep):
    data = pp.datasets.sleepstudy()
    fit = pp.fit(SLEEP, data, method="reml")
    found = fit.average(data, contrast={"days": (0, 1)})
    slope = fit.parameters()["mean"][1]
    assert found["estimate"][0] == pytest.approx(slope, abs=0.01)
    assert found["sd"][0] < sleep.average(data, contrast={"days": (0, 1)})["sd"][0]


# cells of every kind --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["polars", "arrow", "duckdb", "parquet", "csv", "dict"])
def test_cells_of_every_kind_give_the_same(poll, cells, kind, tmp_path):
    twice = pd.concat([cells, cells[:7]], ignore_index=True)
    want = poll.average(twice, by="region", weights="n")
    if kind == "parquet":
        twice.to_parquet(tmp_path / "c.parquet")
    if kind == "csv":
        twice.to_csv(tmp_path / "c.csv", index=False)
    given = {
        "polars": lambda: pl.DataFrame(twice),
        "arrow": lambda: pa.table(twice),
        "duckdb": lambda: duckdb.from_df(twice),
        "parquet": lambda: tmp_path / "c.parquet",
        "csv": lambda: tmp_path / "c.csv",
        "dict": lambda: {k: twice[k].tolist() for k in twice},
    }[kind]()
    found = poll.average(given, by="region", weights="n")
    np.testing.assert_allclose(found["estimate"], want["estimate"], rtol=1e-9)
    np.testing.assert_allclose(found["sd"], want["sd"], rtol=1e-9)
    assert found["region"].tolist() == want["region"].tolist()
    kinds = {"polars": pl.DataFrame, "arrow": pa.Table, "duckdb": duckdb.DuckDBPyRelation}
    assert isinstance(found.table, kinds.get(kind, pp.Table))


def test_cells_of_spark_are_added_up_there(spark, poll, cells):
    twice = pd.concat([cells, cells], ignore_index=True)
    found = poll.average(spark.createDataFrame(twice), by="region", weights="n")
    want = poll.average(cells, by="region", weights="n")
    np.testing.assert_allclose(found["estimate"], want["estimate"], rtol=1e-9)
    bad = spark.createDataFrame(cells.assign(n=-1))
    with pytest.raises(DataError, match="finite numbers, 0 or more; some rows hold -1"):
        poll.average(bad, weights="n")


def test_a_column_that_is_not_in_the_formula_may_divide_the_cells(poll, cells):
    cells = cells.assign(precinct=np.arange(len(cells)) % 3)
    found = poll.average(cells, by="precinct", weights="n")
    for at in range(3):
        one = poll.average(cells[cells["precinct"] == at], weights="n")
        assert found["estimate"][at] == pytest.approx(one["estimate"][0], abs=0.01 * one["sd"][0])


# what is refused ------------------------------------------------------------------------------


def refused(poll, cells, match, error=ArgumentError, **options):
    with pytest.raises(error, match=match) as caught:
        poll.average(cells, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["pandas", "duckdb"])
def test_cells_that_cannot_be_averaged_are_one_sentence(poll, cells, kind):
    def of(frame):
        return duckdb.from_df(frame) if kind == "duckdb" else frame

    row = "row 1" if kind == "pandas" else "some rows"
    minus = "it holds -3 in row 1" if kind == "pandas" else "some rows hold -3"
    first = cells.index == 0
    bad = cells.assign(n=np.where(first, -3, cells["n"]))
    refused(poll, of(bad), f"finite numbers, 0 or more; {minus}", DataError, weights="n")
    bad = cells.assign(n=np.where(first, np.nan, cells["n"]))
    refused(poll, of(bad), f'weights: column "n" has no value in {row}', DataError, weights="n")
    bad = cells.assign(n=np.where(cells["region"] == "R1", 0, cells["n"]))
    match = 'those of column "n" sum to zero for region "R1"'
    refused(poll, of(bad), match, DataError, weights="n", by="region")
    bad = cells.assign(arm=np.where(first, "C", cells["arm"]))
    refused(poll, of(bad), f'holds "C" in {row}, which no row of the fit has', DataError)
    bad = cells.assign(region=np.where(first, "R9", cells["region"]))
    refused(poll, of(bad), f'no group "R9" in "region" .{row} of the new data', DataError)
    bad = cells.assign(age=np.where(first, None, cells["age"]))
    refused(poll, of(bad), f'column "age" of the new data has no value in {row}', DataError)
    refused(poll, of(cells.drop(columns="age")), 'column "age".* is not in the data', ColumnError)
    refused(poll, of(cells), 'column "state" is not in the data', ColumnError, by="state")
    refused(poll, of(cells), 'column "people" is not in the data', ColumnError, weights="people")
    refused(poll, of(cells[:0]), "the new data have no rows", DataError)


def test_what_makes_no_sense_is_one_sentence(poll, cells, schools):
    arm = {"arm": ("A", "B")}
    refused(poll, cells, "kind='ration': did you mean \"ratio\"", contrast=arm, kind="ration")
    refused(poll, cells, "is of a comparison; say of what with contrast", kind="ratio")
    refused(poll, cells, "one column and two of its levels", contrast={"arm": "AB"})
    refused(poll, cells, "one column and two of its levels", contrast={})
    refused(poll, cells, "the two levels are the same, 'A'", contrast={"arm": ("A", "A")})
    refused(poll, cells, 'holds "C" in row 1', DataError, contrast={"arm": ("A", "C")})
    match = 'column "arm" of the cells has no "C"; it holds'
    refused(poll, cells, match, contrast={"arm": ("A", "C")}, by=["arm"])
    refused(poll, cells, "neither in the formula nor in by", contrast={"n": (1, 2)})
    refused(poll, cells, "on the scale of the outcome", observation=True, scale="link")
    refused(poll, cells, "scale='natural'", scale="natural")
    refused(poll, cells, "unseen='new'", unseen="new")
    refused(poll, cells, "between 0 and 1", level=95)
    refused(poll, cells, "it goes with total=True", benchmark=10.0)
    refused(poll, cells, "it goes with by", benchmark=10.0, total=True)
    refused(poll, cells, "a finite number", benchmark=math.nan, total=True, by="region")
    refused(poll, cells, 'scale="exp" is of averages only', total=True, scale="exp")
    refused(poll, cells, "by is the name of a column", by=["region", "region"])
    refused(poll, cells, "by is the name of a column", by=3)
    refused(poll, cells.assign(sd=1), 'has a column "sd" of its own', by="sd")
    schools_cells = {"school": list("AB")}
    school = {"school": ("A", "B")}
    refused(schools, schools_cells, "is of probabilities", contrast=school, kind="odds_ratio")
    refused(schools, schools_cells, "needs averages above 0", contrast=school, kind="ratio")
    only = cells[(cells["arm"] == "A") | (cells["region"] != "R2")]
    match = 'no cells of arm "B" where region "R2" is'
    refused(poll, only, match, DataError, contrast=arm, by=["region", "arm"])
    average = poll.average(cells, by="region")
    with pytest.raises(ArgumentError, match=r'no column "estimat"; did you mean "estimate"'):
        average["estimat"]
    with pytest.raises(ArgumentError, match="above is a number"):
        average.probability(above=math.nan)


@pytest.mark.parametrize(
    ("formula", "data", "options"),
    [
        ("y | exposure(n) ~ 1 + (1 | g)", {"y": [3, 5, 0, 9, 2, 4], "n": [5, 8, 4, 9, 3, 7]}, {}),
        ("y | se(n) ~ 1 + (1 | g)", {"y": [3, 5, 0, 9, 2, 4], "n": [5, 8, 4, 9, 3, 7]},
         {"population": "student(1)"}),
    ],
)  # fmt: skip
def test_where_there_is_no_mean_the_median_is_said_to_be_one(formula, data, options):
    """A new group's rate, and a new group of a Cauchy population, have no mean."""
    fit = pp.fit(formula, {"g": list("abcdef"), **data}, **options)
    rows = {"g": ["a", "new"]}
    table = fit.predict(rows, unseen="new_group")
    assert table["estimate_of"].tolist() == ["mean", "median"]
    new = fit.posterior.new_group()
    assert table["estimate"][1] == pytest.approx(float(new.median))
    assert table["estimate"][0] == pytest.approx(float(fit.posterior.groups()["a"].mean))
    assert "estimate_of" not in fit.predict({"g": ["a"]})
    # draws of what has no mean are not moved to one: ends were a third of what they are
    averages = fit.average(rows, by="g", unseen="new_group")
    assert "the median (estimate_of)" in repr(averages)
    sd = (table["upper"] - table["lower"]) / 3.92
    for name in ("lower", "upper"):
        gap = np.abs(averages.table[name] - table[name]) / sd
        assert gap.max() < 0.2  # the standard error of an end of a Cauchy distribution is 0.06
    median = float(fit.posterior.groups()["a"].median), float(new.median)
    assert np.abs(averages["estimate"] - median).max() < 0.03 * sd.max()


def test_events_of_a_new_group_without_a_mean_are_told_by_their_median():
    data = {"g": list("abcdef"), "y": [3, 5, 0, 9, 2, 4], "n": [5, 8, 4, 9, 3, 7]}
    fit = pp.fit("y | exposure(n) ~ 1 + (1 | g)", data)
    rows = {"g": ["a", "new"], "n": [10, 10]}
    table = fit.predict(rows, unseen="new_group", observation=True)
    assert table["estimate_of"].tolist() == ["mean", "median"]
    drawn = fit.predict(rows, unseen="new_group", observation=True, draws=40_000,
                        rng=np.random.default_rng(1))  # fmt: skip
    assert table["estimate"][1] == np.median(drawn[:, 1])
