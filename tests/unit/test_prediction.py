"""Predictions: of a known group, a new one, the population; encodings are those of the fit."""

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import partialpool as pp
from partialpool.errors import ArgumentError, ColumnError, DataError

SLEEP = "reaction ~ days + (days | subject)"


@pytest.fixture(scope="module")
def sleep():
    return pp.fit(SLEEP, pp.datasets.sleepstudy())


@pytest.fixture(scope="module")
def dyes():
    return pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff())


def second_moment(distribution):
    return float(distribution.mean) ** 2 + float(distribution.sd) ** 2


def test_a_known_group_is_its_line(sleep):
    table = sleep.groups()
    at = [i for i, g in enumerate(table["group"]) if g == 330]
    intercept, slope = table["estimate"][at]
    found = sleep.predict({"subject": [330, 330], "days": [0.0, 7.5]})
    np.testing.assert_allclose(found["estimate"], [intercept, intercept + 7.5 * slope], rtol=1e-9)
    assert found["sd"][0] == pytest.approx(table["sd"][at[0]], rel=1e-9)
    assert found["lower"][0] == pytest.approx(table["lower"][at[0]], rel=1e-6)


def test_the_spread_of_groups_is_in_a_new_group_and_noise_in_an_observation(sleep):
    at_zero = {"days": [0.0]}
    sd = {
        name: float(sleep.predict(at_zero, **options)["sd"][0])
        for name, options in {
            "population": {"target": "population"},
            "new": {"target": "new_group"},
            "row": {"target": "new_group", "observation": True},
        }.items()
    }
    post = sleep._engine
    tau, sigma = post.tau("subject"), post.sigma
    assert sd["population"] == pytest.approx(float(post.coefficients["Intercept"].sd), rel=1e-3)
    assert sd["new"] ** 2 - sd["population"] ** 2 == pytest.approx(second_moment(tau), rel=1e-2)
    assert sd["row"] ** 2 - sd["new"] ** 2 == pytest.approx(second_moment(sigma), rel=1e-2)


def test_one_way_fits_predict_too(dyes):
    table, post = dyes.groups(), dyes._engine
    known = dyes.predict({"batch": ["C", "A"]})
    np.testing.assert_allclose(known["estimate"], table["estimate"][[2, 0]], rtol=1e-12)
    np.testing.assert_allclose(known["upper"], table["upper"][[2, 0]], rtol=1e-9)
    new = dyes.predict({"any": [1]}, target="new_group")
    assert new["lower"][0] == pytest.approx(float(post.new_group.interval()[0]), rel=1e-9)
    population = dyes.predict({"any": [1]}, target="population")
    assert population["sd"][0] == pytest.approx(float(post.mu.sd), rel=1e-9)
    row = dyes.predict({"batch": ["C"]}, observation=True)
    gap = row["sd"][0] ** 2 - known["sd"][0] ** 2
    assert gap == pytest.approx(second_moment(post.sigma), rel=1e-9)


def test_estimates_with_errors_and_weights():
    schools = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
    mean = schools.predict({"school": ["A"]})["sd"][0]
    row = schools.predict({"school": ["A"], "se": [3.0]}, observation=True)["sd"][0]
    assert row**2 == pytest.approx(mean**2 + 9.0)
    with pytest.raises(ColumnError, match='"se"'):
        schools.predict({"school": ["A"]}, observation=True)
    with pytest.raises(DataError, match="positive finite standard error; it is not in row 2"):
        schools.predict({"school": ["A", "B"], "se": [3.0, -1.0]}, observation=True)


RNG = np.random.default_rng(8)
ROWS = {
    "y": RNG.normal(size=60),
    "x": RNG.uniform(1, 9, 60),
    "o": RNG.normal(size=60),
    "kind": ["lo", "mid", "hi"] * 20,
    "g": [f"g{i % 6}" for i in range(60)],
    "h": [i // 12 for i in range(60)],
}
RICH = "y ~ poly(x, 2) + scale(log(x)) * kind + offset(o) + (center(x) | g) + (1 | g:h)"


def some(rows):
    return {k: [v[i] for i in rows] for k, v in ROWS.items()}


@pytest.fixture(scope="module")
def rich():
    return pp.fit(RICH, ROWS, prior="tau ~ half_normal(1)")


def test_rows_are_coded_as_the_fit_coded_them(rich):
    """A few rows, in any order, get the predictions they have among all rows."""
    whole = rich.predict(ROWS)
    rows = [40, 3, 3, 17]
    part = rich.predict(some(rows))
    for name in whole:
        np.testing.assert_allclose(part[name], whole[name][rows], rtol=1e-8, atol=1e-10)


def _relation(rows):
    connection = duckdb.connect()
    connection.register("rows", pa.table(rows))
    return connection.sql("SELECT * FROM rows")


def _csv(rows, folder):
    pd.DataFrame(rows).to_csv(folder / "new.csv", index=False)
    return str(folder / "new.csv")


KINDS = {
    "pandas": (lambda r, _: pd.DataFrame(r), pd.DataFrame),
    "polars": (lambda r, _: pl.DataFrame(r), pl.DataFrame),
    "lazy": (lambda r, _: pl.LazyFrame(r), pl.DataFrame),
    "arrow": (lambda r, _: pa.table(r), pa.Table),
    "relation": (lambda r, _: _relation(r), duckdb.DuckDBPyRelation),
    "dict": (lambda r, _: r, pp.Table),
    "csv": (_csv, pp.Table),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_frame_that_came_comes_back(kind, rich, tmp_path):
    rows = some([1, 2, 30])
    make, expected = KINDS[kind]
    found = rich.predict(make(rows, tmp_path))
    assert isinstance(found, expected)
    values = found.fetchnumpy() if kind == "relation" else found
    for name, column in rich.predict(rows).items():
        np.testing.assert_allclose(np.asarray(values[name]), column, rtol=1e-9)


def test_labels_that_are_not_in_the_data(rich, dyes):
    rows = some([1, 2])
    rows["g"] = ["g1", "gg2"]
    with pytest.raises(DataError) as caught:
        rich.predict(rows)
    for words in ('no group "gg2"', "row 2", "did you mean", 'unseen="new_group"'):
        assert words in str(caught.value)
    new = rich.predict(rows, unseen="new_group")
    none = rich.predict(rows, unseen="population")
    known = rich.predict(some([1]))
    for found in (new, none):
        assert found["estimate"][0] == pytest.approx(known["estimate"][0])
    assert new["estimate"][1] == pytest.approx(none["estimate"][1])
    assert new["sd"][1] > none["sd"][1]
    with pytest.raises(DataError, match='no group "Z" in "batch"'):
        dyes.predict({"batch": ["Z"]})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": ["lo", "top"]}, 'holds "top" in row 2'),
        ({"x": [1.0, np.nan]}, '"x" of the new data has no value in row 2'),
        ({"g": [None, "g1"]}, '"g" of the new data has no value in row 1'),
        ({"x": [1.0, -2.0]}, "not a finite number in row 2"),
        ({"x": ["a", "b"]}, 'row 1 holds the text "a"'),
    ],
)
def test_new_rows_that_cannot_be_used(rich, changes, words):
    with pytest.raises(DataError) as caught:
        rich.predict(some([1, 2]) | changes)
    assert words in str(caught.value)


@pytest.mark.parametrize("option", [{"target": "groups"}, {"unseen": "zero"}])
def test_options_that_do_not_exist(dyes, option):
    with pytest.raises(ArgumentError, match="it is one of"):
        dyes.predict({"batch": ["A"]}, **option)


def test_a_missing_column(rich):
    rows = some([1])
    del rows["x"]
    with pytest.raises(ColumnError, match='"x"'):
        rich.predict(rows)
    with pytest.raises(DataError, match="cannot be read"):
        rich.predict(3)


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_estimates_predict_given_the_spreads(method):
    fit = pp.fit(SLEEP, pp.datasets.sleepstudy(), method=method)
    found = fit.predict({"days": [0.0]}, target="population")
    first = fit.parameters()
    assert found["estimate"][0] == pytest.approx(first["mean"][0])
    assert found["sd"][0] == pytest.approx(first["sd"][0], rel=1e-6)


@pytest.mark.parametrize("kind", [int, float, str])
@pytest.mark.parametrize("asked", [int, str])
def test_numbers_and_text_that_read_the_same_name_the_same_group(kind, asked):
    """Labels of a file are text, those of a frame may be numbers."""
    data = pp.datasets.sleepstudy()
    subjects = [kind(v) for v in np.asarray(data["subject"]).astype(int)]
    fit = pp.fit("reaction ~ days + (1 | subject)", {**data, "subject": subjects})
    told = fit.predict({"days": [1.0, 1.0], "subject": [asked(308), asked(309)]})
    found = fit.groups()["estimate"][:2]
    slope = fit._engine.coefficients["days"].mean
    np.testing.assert_allclose(told["estimate"], found + slope, rtol=1e-9)


@pytest.mark.parametrize("observation", [False, True])
@pytest.mark.parametrize("fitted", ["sleep", "dyes"])
def test_equal_rows_are_predicted_alike_in_their_places(fitted, observation, request):
    """Rows in any order, many times each, are what each of them is alone."""
    fit = request.getfixturevalue(fitted)
    new = (
        {"subject": [330, 308], "days": [2.0, 5.0]} if fitted == "sleep" else {"batch": ["C", "A"]}
    )
    once = fit.predict(new, observation=observation)
    place = np.random.default_rng(0).integers(0, 2, 300)
    many = fit.predict({k: np.array(v)[place] for k, v in new.items()}, observation=observation)
    for name in ("estimate", "sd", "lower", "upper"):
        np.testing.assert_array_equal(many[name], np.asarray(once[name])[place])


def test_errors_name_rows_of_the_data_though_equal_ones_are_one(sleep):
    new = {"subject": [330, 330, 330, 1], "days": [1.0, 1.0, 1.0, 1.0]}
    with pytest.raises(DataError, match=r'no group "1" in "subject" \(row 4 of the new data\)'):
        sleep.predict(new)


def test_joint_draws_of_rows_are_the_table_and_share_groups(sleep):
    rows = {"subject": [330, 330, 999, 999, 998], "days": [0.0, 7.5, 0.0, 0.0, 0.0]}
    table = sleep.predict(rows, unseen="new_group")
    draws = sleep.predict(rows, unseen="new_group", draws=40_000, rng=np.random.default_rng(1))
    assert draws.shape == (40_000, 5)
    np.testing.assert_allclose(draws.mean(axis=0), table["estimate"], atol=0.4)
    np.testing.assert_allclose(draws.std(axis=0), table["sd"], rtol=0.02)
    np.testing.assert_array_equal(draws[:, 2], draws[:, 3])  # the same new subject
    assert np.corrcoef(draws[:, 3], draws[:, 4])[0, 1] < 0.3
    how = {"unseen": "new_group", "observation": True}
    noisy = sleep.predict(rows, **how, draws=40_000, rng=np.random.default_rng(1))
    np.testing.assert_allclose(noisy.std(axis=0), sleep.predict(rows, **how)["sd"], rtol=0.02)
    assert np.corrcoef(noisy[:, 2], noisy[:, 3])[0, 1] < 0.95


def test_joint_draws_of_events_are_those_of_the_table():
    data = pp.datasets.surgical_deaths()
    fit = pp.fit("deaths | trials(operations) ~ 1 + (1 | hospital)", data, family="binomial")
    rows = {"hospital": data["hospital"][:3], "operations": np.array([100, 200, 300])}
    table = fit.predict(rows, observation=True)
    draws = fit.predict(rows, observation=True, draws=40_000, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(draws, np.rint(draws))
    np.testing.assert_allclose(draws.mean(axis=0), table["estimate"], rtol=0.05)
    np.testing.assert_allclose(draws.std(axis=0), table["sd"], rtol=0.03)


def test_an_effect_of_each_row_is_each_rows_own_in_draws():
    rng = np.random.default_rng(7)
    data = {"site": np.repeat(np.arange(6), 8), "y": rng.poisson(np.exp(rng.normal(1, 0.8, 48)))}
    formula, prior = "y ~ 1 + (1 | site) + (1 | row)", "tau ~ half_normal(1)"
    fit = pp.fit(formula, data, family="poisson", prior=prior)
    draws = fit.predict({"site": [2, 2]}, draws=20_000, rng=np.random.default_rng(1))
    table = fit.predict({"site": [2, 2]})
    assert np.corrcoef(np.log(draws).T)[0, 1] < 0.6
    median = np.median(draws, axis=0)
    assert median[0] == pytest.approx(median[1], rel=0.05)
    np.testing.assert_allclose(np.quantile(draws, 0.975, axis=0), table["upper"], rtol=0.06)


def test_draws_need_a_number_and_a_generator(sleep):
    rows = {"subject": [330], "days": [1.0]}
    with pytest.raises(ArgumentError, match="joint draws need draws and rng; give rng"):
        sleep.predict(rows, draws=10)
    with pytest.raises(ArgumentError, match="give draws, a number"):
        sleep.predict(rows, rng=np.random.default_rng(1))
    with pytest.raises(ArgumentError, match="whole number, 1 or more"):
        sleep.predict(rows, draws=0, rng=np.random.default_rng(1))
