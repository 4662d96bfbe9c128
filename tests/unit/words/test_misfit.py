"""What does not fit is said: and where the model is right, nothing is."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from doors import DOORS, through
from partialpool.posterior.count_misfit import excess_zeros, fitted_means, overdispersion


def world(seed, *, kind="right", family="poisson", groups=30, rows=30, level=0.5):
    """Counts of groups with a predictor; rows vary more, or are zero for no reason, by kind."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(groups), rows), rng.normal(size=groups * rows)
    eta = level + 0.3 * x + rng.normal(0, 0.5, groups)[g]
    if family == "poisson":
        mean = np.exp(eta)
        if kind == "varies":
            mean = mean * rng.gamma(0.5, 2.0, len(g))
        y = rng.poisson(mean)
        if kind == "zeros":  # twice as many as there would be
            y = np.where(rng.random(len(y)) < np.exp(-mean), 0, y)
        return {"y": y, "x": x, "g": g}, "y ~ x + (1 | g)"
    n, p = rng.integers(2, 9, len(g)), 1 / (1 + np.exp(-eta))
    if kind == "varies":
        p = rng.beta(2 * p, 2 * (1 - p))
    return {"y": rng.binomial(n, p), "n": n, "x": x, "g": g}, "y | trials(n) ~ x + (1 | g)"


def codes(seed, **how):
    data, formula = world(seed, **how)
    fit = pp.fit(formula, data, family=how.get("family", "poisson"))
    return {n.code for n in fit.notices}


@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_rows_that_vary_more(family):
    for seed in range(3):
        assert "overdispersion" in codes(seed, kind="varies", family=family)


def test_too_many_zeros():
    assert sum("excess_zeros" in codes(seed, kind="zeros") for seed in range(6)) >= 5


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"family": "binomial"},
        {"groups": 6, "rows": 8},
        {"level": -2.0},
        {"level": 2.5},
    ],
)
def test_a_right_model_is_not_blamed(how):
    for seed in range(8):
        assert not codes(seed, **how) & {"overdispersion", "excess_zeros"}


@pytest.mark.slow
@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_pearson_and_zeros_are_calibrated(family):
    """In 60 worlds where the model is right both are near 0 with an sd near 1."""
    found = []
    for seed in range(60):
        data, formula = world(seed, family=family)
        engine = pp.fit(formula, data, family=family)._engine
        found.append([overdispersion(engine).sds, excess_zeros(engine).sds])
    mean, sd = np.mean(found, axis=0), np.std(found, axis=0)
    assert (np.abs(mean) < 0.4).all()
    assert ((sd > 0.7) & (sd < 1.3)).all()


def test_fitted_means_follow_the_rows():
    data, formula = world(1)
    engine = pp.fit(formula, data, family="poisson")._engine
    rows = engine.statistics.rows
    assert float(fitted_means(engine).sum()) == pytest.approx(rows.y.sum(), rel=0.01)


def test_an_effect_of_every_row_takes_it_up():
    data, _ = world(1, kind="varies", groups=10, rows=10)
    data["row"] = np.arange(100)
    fit = pp.fit("y ~ x + (1 | g) + (1 | row)", data, family="poisson")
    assert "overdispersion" not in {n.code for n in fit.notices}


def test_single_trials_tell_nothing():
    rng = np.random.default_rng(1)
    data = {"y": rng.integers(0, 2, 200), "x": rng.normal(size=200), "g": np.arange(200) // 10}
    engine = pp.fit("y ~ x + (1 | g)", data, family="binomial")._engine
    assert overdispersion(engine) is None
    assert excess_zeros(engine) is None


def test_maximum_likelihood_says_it_too():
    data, formula = world(2, kind="varies")
    fit = pp.fit(formula, data, family="poisson", method="ml")
    assert "overdispersion" in {n.code for n in fit.notices}


# offsets, labels and crossed factors --------------------------------------------------------------

RNG = np.random.default_rng(5)
TIME = RNG.uniform(1, 1400, 60)
HOURS = {
    "g": np.arange(60) // 10,
    "y": RNG.poisson(0.01 * TIME),
    "time": TIME,
    "few": TIME / 100,
    "log_time": np.log(TIME),
}


def test_an_offset_that_is_no_logarithm():
    with pytest.raises(pp.DataError, match=r"offset\(time\) is added to the log rate and goes "
                       r"from .* a factor of exp\(1,\d+\): write offset\(log\(time\)\) or "
                       r"y \| exposure\(time\)"):  # fmt: skip
        pp.fit("y ~ 1 + offset(time) + (1 | g)", HOURS, family="poisson")
    few = pp.fit("y ~ 1 + offset(few) + (1 | g)", HOURS, family="poisson")
    (said,) = [n.text for n in few.notices if n.code == "offset_not_logged"]
    assert "If its logarithm is meant, write offset(log(few))" in said
    right = pp.fit("y ~ few + offset(log(time)) + (1 | g)", HOURS, family="poisson")
    assert "offset_not_logged" not in {n.code for n in right.notices}
    exposed = pp.fit("y | exposure(time) ~ few + (1 | g)", HOURS)
    for name in ("Intercept", "tau[g]"):
        a, b = right.posterior[name], exposed.posterior[name]
        assert abs(float(a.mean) - float(b.mean)) < 0.1 * float(b.sd)


def test_the_only_group_that_varies_is_told():
    """Without it all rows are equal, and what they predict has no width: no division by it."""
    data = {"g": list("ABCDEF") * 2, "y": [2.5] * 3 + [1.0] + [2.5] * 8}
    fit = pp.fit("y ~ 1 + (1 | g)", data)
    assert fit.check().groups["outlying"].tolist() == [label == "D" for label in "ABCDEF"]


@pytest.mark.parametrize("formula", ["y ~ 1 + (1 | g)", "y ~ x + (1 | g)", "y ~ g + (1 | h)"])
def test_labels_that_may_stand_for_missing_values(formula):
    """`astype(str)` of a column with gaps makes a group called nan."""
    data = {"x": RNG.normal(size=36), "y": RNG.normal(size=36), "h": np.arange(36) // 6}
    for labels, words in {
        ("nan", "A", "B"): '"nan" is a label of g',
        ("", "B", " NA"): '"" and " NA"',
    }.items():
        fit = pp.fit(formula, {**data, "g": np.tile(labels, 12)})
        (said,) = [n.text for n in fit.notices if n.code == "labels_for_missing"]
        assert words in said
    plain = pp.fit(formula, {**data, "g": np.tile(["Nana", "unknown", "B"], 12)})
    assert "labels_for_missing" not in {n.code for n in plain.notices}


def test_labels_that_differ_in_what_cannot_be_seen():
    names = ["East", "East ", "West", "west", "Köln", "Ko\u0308ln", "A B", "A\u00a0 B", "North"]
    data = {"g": np.repeat(names, 4), "y": RNG.normal(size=36), "x": RNG.normal(size=36)}
    unseen = {**data, "g": np.repeat(["A", "A\u200b", "\ufeffB", "B", "C", "D"], 6)}
    (said,) = [
        n.text for n in pp.fit("y ~ 1 + (1 | g)", unseen).notices if n.code == "labels_alike"
    ]
    assert r'"A" and "A\u200b"; "B" and "\ufeffB"' in said
    folded = pp.fit("y ~ 1 + (1 | g)", {**unseen, "g": np.repeat(["A\u200b", "A", "B"], 12)},
                    labels="fold", prior="tau ~ half_normal(1)")  # fmt: skip
    assert folded.groups()["group"].tolist() == ["A", "B"]
    for formula in ("y ~ 1 + (1 | g)", "y ~ x + (1 | g)"):
        (said,) = [n.text for n in pp.fit(formula, data).notices if n.code == "labels_alike"]
        assert '"East" and "East "' in said
        assert "and 1 more" in said
        assert "North" not in said
    plain = {**data, "g": np.repeat(list("abcdefghi"), 4)}
    assert "labels_alike" not in {n.code for n in pp.fit("y ~ 1 + (1 | g)", plain).notices}
    levels = {**data, "g": np.arange(36) % 6, "k": np.tile(["lo", "Lo", "hi"], 12)}
    (said,) = [
        n.text for n in pp.fit("y ~ k + (1 | g)", levels).notices if n.code == "labels_alike"
    ]
    assert said.startswith("Labels of k differ")


def crossed(outer, inner, formula="y ~ 1 + (1 | a) + (1 | b)", **more):
    data = {"a": outer, "b": inner, "y": np.random.default_rng(0).normal(size=len(outer)), **more}
    codes = ("factors_crossed", "labels_may_start_anew")
    return [n.text for n in pp.fit(formula, data).notices if n.code in codes]


def test_labels_that_start_anew_are_named_the_right_way_round():
    county, tract = np.repeat(np.arange(20), 20), np.tile(np.repeat(np.arange(1, 6), 4), 20)
    (said,) = crossed(county, tract)
    assert "start anew in each a, write (1 | a/b)" in said
    (said,) = crossed(tract, county)
    assert "write (1 | b/a)" in said
    few = np.repeat([f"county {i}" for i in range(5)], 60)  # more tracts than counties
    many = np.concatenate([np.arange(60) % k + 1 for k in (20, 30, 12, 25, 30)])
    (said,) = crossed(few, many)
    assert "write (1 | a/b)" in said


def test_all_crossed_pairs_are_in_one_notice():
    rng = np.random.default_rng(3)
    a, b, c = (rng.integers(0, k, 200) for k in (6, 7, 8))
    effects = [rng.normal(size=9)[labels] for labels in (a, b, c)]  # the same for every row
    formula = "y ~ 1 + (1 | a) + (1 | b) + (1 | c)"
    (said,) = crossed(a, b, formula, c=c, y=np.sum(effects, axis=0) + rng.normal(size=200))
    assert said.count("pairs)") == 3


def test_advice_never_contradicts_its_interval():
    """Worlds without a spread: no sentence says that groups differ where 0 is not ruled out."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        g = np.repeat(np.arange(6), 3)
        data = {"g": g, "x": rng.normal(size=18), "y": rng.normal(size=18)}
        for formula in ("y ~ 1 + (1 | g)", "y ~ x + (1 | g)"):
            fit = pp.fit(formula, data)
            near = "tau_near_zero" in {n.code for n in fit.notices}
            assert not (near and "probably differ" in fit.advise().text)


def test_rows_left_out_are_said_by_column(tmp_path):
    n = 40
    data = {
        "y": [None, *RNG.integers(0, 5, n - 1).tolist()],
        "x": [1.0, None, None, *RNG.normal(size=n - 3)],
        "k": [None if i == 5 else "ab"[i % 2] for i in range(n)],
        "g": [None if i in (7, 8) else f"g{i % 6}" for i in range(n)],
    }
    cases = {
        "y ~ 1 + (1 | g)": "3 of 40 rows were left out because a value was missing (g: 2, y: 1).",
        "y ~ x + k + (1 | g)": "6 of 40 rows were left out because a value was missing (k: 1, "
        "g: 2, y: 1, x: 2).",
    }
    for formula, said in cases.items():
        for family in ("gaussian", "poisson"):
            fit = pp.fit(formula, data, family=family)
            (notice,) = [n.text for n in fit.notices if n.code == "rows_dropped"]
            left, right = said[:-2].split("("), notice.split(").")[0].split("(")
            assert left[0] == right[0]
            assert set(left[1].split(", ")) == set(right[1].split(", "))
    sums = {"g": list("abcd"), "m": [1.0, 2, 3, 4], "n": [5, 6, 1, 4], "s": [1.0, 1, None, 2]}
    fit = pp.fit("m | summary(n, s) ~ 1 + (1 | g)", sums)
    assert "rows_dropped" not in {n.code for n in fit.notices}


def test_zeros_and_ones_as_measurements():
    g, x = np.arange(80) % 8, RNG.normal(size=80)
    y = RNG.integers(0, 2, 80)
    for formula in ("y ~ 1 + (1 | g)", "y ~ x + (1 | g)", "y ~ x + (x | g)"):
        for how in ({}, {"method": "reml"}):
            codes = {n.code for n in pp.fit(formula, {"y": y, "x": x, "g": g}, **how).notices}
            assert "zero_or_one" in codes
    for other in (y * 1.5, y + 2, np.where(np.arange(80) == 5, 0.5, y), 1000 * y, x):
        for formula in ("y ~ 1 + (1 | g)", "y ~ x + (1 | g)"):
            data = {"y": other, "x": RNG.normal(size=80), "g": g}
            assert "zero_or_one" not in {n.code for n in pp.fit(formula, data).notices}
    counted = pp.fit("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, family="binomial")
    assert "zero_or_one" not in {n.code for n in counted.notices}


@pytest.mark.parametrize("code", [-999, 9999, -99])
def test_codes_for_missing_values(code):
    rng = np.random.default_rng(1)
    y, x, g = rng.normal(size=60), rng.uniform(0, 3, 60), np.arange(60) % 6
    for formula, column in (("y ~ 1 + (1 | g)", "y"), ("y ~ x + (1 | g)", "x")):
        data = {"y": y.copy(), "x": x.copy(), "g": g}
        data[column][[3, 40]] = code
        (said,) = [n.text for n in pp.fit(formula, data).notices if n.code == "code_for_missing"]
        assert said.startswith(f"{column} is {code} in 2 rows and from ")
        assert f"--na {code}" in said
    for value in (9.0, 5000.0):  # no code; or a code among its like
        data = {"y": np.where(np.arange(60) == 7, value, 4 * y), "g": g}
        notices = pp.fit("y ~ 1 + (1 | g)", data).notices
        assert "code_for_missing" not in {n.code for n in notices}


GAPS = pd.DataFrame(
    {
        "y": RNG.normal(size=60),
        "x": RNG.normal(size=60),
        "k": np.where(np.arange(60) % 2, "a", "b"),
        "g": [f"g{i % 6}" for i in range(60)],
        "s": RNG.poisson(3, 60).astype(float),
        "n": 12.0,
    }
)
for column, gaps in {"y": [0], "x": [0, 1], "g": [5, 9], "k": [7], "s": [3], "n": [4]}.items():
    GAPS.loc[gaps, column] = None
SAID_OF_GAPS = {
    "y ~ 1 + (1 | g)": (3, {"g: 2", "y: 1"}),
    "y ~ x + k + (1 | g)": (5, {"g: 2", "k: 1", "y: 1", "x: 2"}),
    "y | weights(n) ~ 1 + (1 | g)": (4, {"g: 2", "y: 1", "n: 1"}),
    "s | trials(n) ~ 1 + (1 | g)": (4, {"g: 2", "s: 1", "n: 1"}),
    "s | trials(n) ~ x + (1 | g)": (6, {"g: 2", "s: 1", "n: 1", "x: 2"}),
}


@pytest.mark.parametrize("door", DOORS)
def test_missing_values_and_codes_are_said_the_same_through_every_door(door, tmp_path, monkeypatch):
    rows = through(door, tmp_path, GAPS, monkeypatch)
    for formula, (left_out, by_column) in SAID_OF_GAPS.items():
        fit = pp.fit(formula, rows, prior="tau ~ half_normal(5)")
        (said,) = [n.text for n in fit.notices if n.code == "rows_dropped"]
        assert said.startswith(f"{left_out} of 60 rows were left out")
        assert set(said.split("(")[1].split(")")[0].split(", ")) == by_column
    codes = GAPS.assign(y=GAPS["y"].where(~GAPS.index.isin([20, 30]), -999.0))
    codes.loc[21, "x"] = 99.0
    rows = through(door, tmp_path, codes, monkeypatch)
    for formula, times in {
        "y ~ 1 + (1 | g)": ["2 rows"],
        "y ~ x + (1 | g)": ["1 row", "2 rows"],
    }.items():
        fit = pp.fit(formula, rows, prior="tau ~ half_normal(5)")
        said = sorted(n.text for n in fit.notices if n.code == "code_for_missing")
        assert [text.split(" in ")[1].split(" and ")[0] for text in said] == times
