"""Statistics of models with predictors or several factors: kept, combined, shared, fitted."""

import datetime as dt
import json
import os

import duckdb
import numpy as np
import pytest

import partialpool as pp

RNG = np.random.default_rng(11)
SIZE = 240
ROWS = {
    "school": np.array([f"s{k}" for k in RNG.integers(0, 8, SIZE)], dtype=object),
    "year": RNG.integers(0, 5, SIZE),
    "kind": np.array(["u", "v", "w", "z"], dtype=object)[RNG.integers(0, 4, SIZE)],
    "x": RNG.normal(3, 1, SIZE),
    "w": RNG.uniform(0.5, 2, SIZE),
    "trials": RNG.integers(4, 9, SIZE),
}
ROWS["y"] = 50 + 2 * ROWS["x"] + RNG.normal(size=SIZE) + 3 * (ROWS["school"] > "s4")
ROWS["y"][7] = np.nan
ROWS["hits"] = RNG.binomial(ROWS["trials"], 0.4)
HERE = (ROWS["school"] < "s5") & (ROWS["kind"] != "z")  # the other site has other levels and groups
FORMULAS = [
    "y ~ x + (x | school)",
    "y ~ x * kind + (1 | school) + (1 | year)",
    "y ~ 0 + kind + (0 + x || school)",
    "y ~ scale(x) + poly(w, 2) * kind + (center(x) | school/year)",
    "y | weights(w) ~ 1 + (1 | school) + (1 | year)",
    "y | se(w) ~ x + (1 | school)",
    'y ~ C(kind, "w", "z", "v", "u") + (1 | school)',
    "log(y) ~ exp(-x) + offset(w) + (1 | year)",
    "hits | trials(trials) ~ x + kind + (1 | school)",
    "hits | trials(trials) ~ scale(x) + (1 | school) + (1 | year)",
]


def said(fit):
    """Notices, but for how many values each column misses: statistics do not keep that."""
    return [(n.code, n.level, n.text.split(" missing")[0] if n.code == "rows_dropped" else n.text)
            for n in fit.notices]  # fmt: skip


def part(columns, which):
    return {k: v[which] for k, v in columns.items()}


def same(got, expected):
    """Two fits of the same rows: the same words and numbers."""
    assert said(got) == said(expected)
    for first, second in (
        (got.groups(), expected.groups()),
        (got.parameters(), expected.parameters()),
    ):
        assert list(first) == list(second)
        for name, values in first.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(values, second[name], rtol=1e-6, atol=1e-7)
            else:
                assert values.tolist() == second[name].tolist()


@pytest.mark.parametrize("formula", FORMULAS)
def test_two_sites_are_all_the_rows(formula, tmp_path):
    method = "ml" if "hits" in formula else "reml"
    whole = pp.fit(formula, ROWS, method=method)
    for name, which in (("a", HERE), ("b", ~HERE)):
        found = pp.statistics(formula, part(ROWS, which))
        written = found.save(tmp_path / f"{name}.parquet")
        assert (
            repr(pp.load_statistics(tmp_path / f"{name}.parquet")) == repr(found) == repr(written)
        )
    both = pp.load_statistics(str(tmp_path / "*.parquet"))
    same(pp.fit_statistics(both, method=method), whole)
    if "C(" not in formula:  # a fit of one site refuses a level that is not there
        same(pp.fit(formula, part(ROWS, HERE), method=method).update(part(ROWS, ~HERE)), whole)


def test_sums_are_associative():
    formula = "y ~ poly(x, 3) + kind + (x | school) + (1 | year)"
    a, b, c = (pp.statistics(formula, part(ROWS, slice(k, None, 3))) for k in range(3))
    for found in (a.combine(b).combine(c), a.combine(b.combine(c)), c.combine(a, b)):
        same(pp.fit_statistics(found, method="reml"), pp.fit(formula, ROWS, method="reml"))


def test_offsets_cost_no_digits():
    rows = ROWS | {"x": 1e6 + ROWS["x"], "y": 1e6 + ROWS["y"]}
    formula = "y ~ x + (1 | school)"
    found = [pp.statistics(formula, part(rows, which)) for which in (HERE, ~HERE)]
    got = pp.fit_statistics(found[0].combine(found[1]), method="reml")
    expected = pp.fit(formula, ROWS, method="reml")
    slope, sigma = 1, -1
    for name in ("mean", "sd"):
        for row in (slope, sigma):
            np.testing.assert_allclose(
                got.parameters()[name][row], expected.parameters()[name][row], rtol=1e-8
            )


def test_a_posterior_is_updated_with_its_priors():
    prior = "tau ~ half_normal(2)"
    fit = pp.fit("y ~ x + (1 | school)", part(ROWS, HERE), prior=prior).update(part(ROWS, ~HERE))
    expected = pp.fit("y ~ x + (1 | school)", ROWS, prior=prior)
    np.testing.assert_allclose(fit.parameters()["mean"], expected.parameters()["mean"], rtol=1e-7)


@pytest.mark.parametrize(
    "labels",
    [
        [3, -1, 2**60],
        [0.5, 1.5, -2.5],
        [dt.date(2020, 1, i) for i in (1, 2, 3)],
        np.array(["2020-01-01", "2021-01-01", "2022-01-01"], dtype="datetime64[us]"),
        ["Ωmega", "it's", '"{quoted}"'],
    ],
)
def test_labels_and_levels_of_any_type_are_kept(labels, tmp_path):
    given = labels if isinstance(labels, np.ndarray) else np.array(labels, dtype=object)
    rows = {"g": np.tile(given, 6), "k": np.repeat(given, 6), "y": RNG.normal(size=18)}
    found = pp.statistics("y ~ C(k) + (1 | g)", rows)
    found.save(tmp_path / "s.parquet")
    read = pp.load_statistics(tmp_path / "s.parquet").groups
    for name, values in found.groups.labels.items():
        assert read.labels[name].tolist() == values.tolist()
    first, second = read.products, found.groups.products
    for name in ("xtx", "xty", "yty", "center", "shift"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


def test_text_files_whose_labels_look_like_numbers(tmp_path):
    for name, names in (("1.csv", "7 8 7 9"), ("2.csv", "7 x 8 10")):
        lines = [f"{g},{i % 3},{i * i % 7}" for i, g in enumerate(names.split() * 3)]
        (tmp_path / name).write_text("\n".join(["g,x,y", *lines, ""]))
    first, second = (pp.statistics("y ~ x + (1 | g)", tmp_path / f"{k}.csv") for k in (1, 2))
    whole = pp.fit("y ~ x + (1 | g)", str(tmp_path / "*.csv"), method="ml")
    for both in (first.combine(second), second.combine(first)):
        same(pp.fit_statistics(both, method="ml"), whole)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("y ~ x + (1 | school)", "y ~ w + (1 | school)", "of the same formula can be combined"),
        ("y ~ x + (1 | school)", "y ~ 1 + (1 | school)", "same outcome, group column and kind"),
        ("y ~ x + (1 | school)", "hits | trials(trials) ~ x + (1 | school)", "counts or of meas"),
        ("scale(y) ~ x + (1 | school)", None, r"scale\(y\) in scale\(y\) learned other values"),
        ("y ~ I(center(x)^2) + (1 | school)", None, r"center\(x\) in I\(center\(x\)\^2\) learned"),
        ("y ~ 0 + center(x) + (1 | school)", None, "without an intercept"),
    ],
)
def test_what_cannot_be_combined(first, second, words):
    one, other = (
        pp.statistics(f or first, part(ROWS, w)) for f, w in ((first, HERE), (second, ~HERE))
    )
    with pytest.raises(pp.DataError, match=words):
        one.combine(other)


def test_numbers_on_one_side_and_text_on_the_other():
    text = {**part(ROWS, HERE), "year": np.array([f"{v}" for v in ROWS["year"][HERE]], object)}
    for formula, words in (
        ("y ~ x + (1 | year)", r'labels of "year" are text.*convert'),
        ("hits | trials(trials) ~ x + (1 | year)", r'labels of "year" are text.*convert'),
        ("y ~ x + C(year) + (1 | school)", r"labels of .C\(year\). are text.*convert"),
    ):
        one, other = pp.statistics(formula, text), pp.statistics(formula, part(ROWS, ~HERE))
        with pytest.raises(pp.DataError, match=words):
            one.combine(other)
    words = {**part(ROWS, HERE), "x": np.array(["a", "b"], object)[np.arange(HERE.sum()) % 2]}
    with pytest.raises(pp.DataError, match='"x" holds numbers on one side and categories'):
        pp.statistics("y ~ x + (1 | school)", words).combine(
            pp.statistics("y ~ x + (1 | school)", part(ROWS, ~HERE))
        )


def test_a_site_may_have_one_group_and_one_level_but_a_fit_may_not():
    formula = "y ~ kind + (1 | school)"
    one = part(ROWS, (ROWS["school"] == "s1") & (ROWS["kind"] == "u"))
    rest = part(ROWS, (ROWS["school"] != "s1") | (ROWS["kind"] != "u"))
    alone = pp.statistics(formula, one)
    with pytest.raises(pp.DataError, match="one group only"):
        pp.fit_statistics(alone)
    both = alone.combine(pp.statistics(formula, rest))
    same(pp.fit_statistics(both, method="reml"), pp.fit(formula, ROWS, method="reml"))


def test_rows_of_small_groups_and_levels_are_left_out_while_reading(tmp_path):
    formula = "y ~ kind + x + (1 | school) + (1 | year)"
    odd = np.array([*ROWS["school"][:-2], "rare", "rare"], dtype=object)
    kind = np.array([*ROWS["kind"][:-3], "odd", "u", "u"], dtype=object)
    rows = ROWS | {"school": odd, "kind": kind}
    found = pp.statistics(formula, rows, min_cell=3)
    kept = (odd != "rare") & (kind != "odd")
    expected = pp.fit(formula, part(rows, kept), method="reml")
    fit = pp.fit_statistics(found, method="reml")
    np.testing.assert_allclose(fit.groups()["estimate"], expected.groups()["estimate"], rtol=1e-8)
    assert found.groups.withheld == (2, 3)
    assert (found.groups.products.n_rows, found.groups.products.n_dropped) == (SIZE, 1)
    assert "groups_withheld" in {n.code for n in fit.notices}
    path = tmp_path / "rows.parquet"
    columns = dict(rows)
    connection = duckdb.connect()
    connection.execute(f"COPY (SELECT * FROM columns) TO '{path}' (FORMAT parquet)")
    by_sql = pp.statistics(formula, path, min_cell=3)
    assert repr(by_sql) == repr(found)
    assert by_sql.groups.withheld == found.groups.withheld
    assert columns
    np.testing.assert_allclose(by_sql.groups.products.yty, found.groups.products.yty, rtol=1e-8)
    found.save(tmp_path / "s.parquet", min_cell=3)
    assert b"rare" not in (tmp_path / "s.parquet").read_bytes()
    with pytest.raises(pp.DataError, match=r"fewer than 40 rows.*min_cell=40"):
        found.save(tmp_path / "t.parquet", min_cell=40)
    with pytest.raises(pp.DataError, match="nothing is left to share"):
        pp.statistics(formula, rows, min_cell=500)
    with pytest.raises(pp.ArgumentError, match="min_cell must be 1 or more"):
        pp.statistics(formula, rows, min_cell=0)


def test_small_cells_of_counts_are_left_out(tmp_path):
    formula = "hits | trials(trials) ~ kind + (1 | year)"
    found = pp.statistics(formula, ROWS)
    least = int(np.median(found.groups.count))
    written = found.save(tmp_path / "s.parquet", min_cell=least)
    read = pp.load_statistics(tmp_path / "s.parquet")
    assert read.groups.count.min() >= least
    assert read.groups.withheld == written.groups.withheld
    assert read.groups.withheld[1] == SIZE - read.groups.count.sum()
    assert "groups_withheld" in {n.code for n in pp.fit_statistics(read, method="ml").notices}
    with pytest.raises(pp.DataError, match="rows are the same in predictors and groups"):
        pp.statistics("hits | trials(trials) ~ x + (1 | year)", ROWS, min_cell=3)


@pytest.mark.parametrize("formula", [FORMULAS[1], FORMULAS[-2]])
def test_a_file_that_was_changed_is_damaged(formula, tmp_path):
    path, out = tmp_path / "s.parquet", tmp_path / "changed.parquet"
    pp.statistics(formula, ROWS).save(path)
    ((text,),) = duckdb.execute("SELECT value FROM parquet_kv_metadata(?)", [str(path)]).fetchall()
    facts = json.loads(text)
    for query, changes in (
        ("SELECT * FROM f", {"records": facts["records"] + 1}),
        ("SELECT * EXCLUDE (n) FROM f", {}),
        ("SELECT * FROM f WHERE part NOT LIKE 'labels%'", {}),
        ("SELECT * REPLACE (NULL::DOUBLE AS v0) FROM f", {}),
        ("SELECT * FROM f", {"formula": "y ~ x + (1 | nobody)"}),
    ):
        said = json.dumps(facts | changes).replace("'", "''")
        duckdb.execute(
            f"COPY (WITH f AS (FROM '{path}') {query}) TO '{out}' "
            f"(FORMAT parquet, KV_METADATA {{partialpool_statistics: '{said}'}})"
        )
        with pytest.raises(pp.DataError, match="is damaged"):
            pp.load_statistics(out)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(pp.DataError, match="cannot be read"):
        pp.load_statistics(path)


def test_maximum_likelihood_of_one_factor_is_updated():
    formula = "hits | trials(trials) ~ 1 + (1 | school)"
    fit = pp.fit(formula, part(ROWS, HERE), method="ml").update(part(ROWS, ~HERE))
    same(fit, pp.fit(formula, ROWS, method="ml"))
    rows = pp.fit("y ~ 1 + (1 | school)", part(ROWS, HERE), method="reml").update(part(ROWS, ~HERE))
    expected = pp.fit("y ~ 1 + (1 | school)", ROWS, method="reml")
    np.testing.assert_allclose(rows.parameters()["mean"], expected.parameters()["mean"], rtol=1e-8)


def test_the_plan_of_a_regression(tmp_path):
    (tmp_path / "a.csv").write_text("g,h,y,x,k\na,1,1,2,u\nb,2,2,1,v\n")
    text = pp.explain("y ~ scale(x) + poly(x, 2) + k + (1 | g) + (1 | h)", tmp_path / "a.csv")
    for words in ("the levels of k", "what scale() and poly() learn", "mean[x]", "level 1"):
        assert words in text
    assert text.count("GROUP BY") >= 4
    assert "No query is run" in pp.explain("y ~ x + (1 | g)", {"g": [1], "x": [1.0], "y": [1.0]})
    counted = pp.explain("y ~ x + (1 | g)", tmp_path / "a.csv", family="poisson")
    assert "events of the rows that are otherwise the same" in counted
    assert os.listdir(tmp_path) == ["a.csv"]
