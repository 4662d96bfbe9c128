"""Statistics of counts that are kept: saved and read, combined, shared, fitted, added to."""

import dataclasses
from dataclasses import replace

import duckdb
import numpy as np
import pytest

import partialpool as pp
from count_models import COUNT_MODELS
from partialpool.rows.statistics_files import write_statistics

RNG = np.random.default_rng(8)
SIZE = 90
BASE = {
    "g": np.array(list("ABCDEFGHI"), dtype=object)[np.arange(SIZE) ** 2 % 9],
    "y": RNG.integers(0, 4, SIZE).astype(float),
    "n": RNG.integers(4, 9, SIZE).astype(float),
}
BASE["y"][7] = np.nan
KINDS = {
    "binomial": ("y | trials(n) ~ 1 + (1 | g)", BASE),
    "beta": ("y ~ 1 + (1 | g)", {**BASE, "y": np.where(BASE["y"] > 1, 1.0, 0.0)}),
    "poisson": ("y ~ 1 + (1 | g)", BASE),
    "gamma": ("y ~ 1 + offset(log(n)) + (1 | g)", BASE),
}
each_family = pytest.mark.parametrize("family", KINDS)


def said(fit):
    """Notices, but for how many values each column misses: statistics do not keep that."""
    return [(n.code, n.level, n.text.split(" missing")[0] if n.code == "rows_dropped" else n.text)
            for n in fit.notices]  # fmt: skip


def part(columns, which):
    return {k: v[which] for k, v in columns.items()}


@each_family
def test_yesterday_and_today_are_all_the_rows(family, tmp_path):
    formula, columns = KINDS[family]
    asked = {"prior": "tau ~ half_normal(1)"}
    whole = pp.fit(formula, columns, **COUNT_MODELS[family], **asked)
    old, new = part(columns, slice(50)), part(columns, slice(50, None))
    pp.statistics(formula, old, family=COUNT_MODELS[family]["family"]).save(
        tmp_path / "old.parquet"
    )
    kept = pp.load_statistics(tmp_path / "old.parquet")
    kept = kept.combine(pp.statistics(formula, new, family=COUNT_MODELS[family]["family"]))
    first = pp.fit(formula, old, **COUNT_MODELS[family], **asked)
    population = COUNT_MODELS[family].get("population", "normal")
    again = pp.fit_statistics(kept, population=population, **asked)
    for fit in (again, first.update(new)):
        assert (fit.formula, fit.population) == (formula, population)
        assert fit.family == COUNT_MODELS[family]["family"]
        assert fit.statistics.log_constant == pytest.approx(whole.statistics.log_constant)
        got, expected = fit.groups(), whole.groups()
        for name in ("n", "raw", "estimate", "sd", "shrinkage"):
            np.testing.assert_allclose(got[name], expected[name], rtol=1e-10)
        assert said(fit) == said(whole)


@each_family
def test_a_file_holds_exactly_what_was_saved(family, tmp_path):
    formula, columns = KINDS[family]
    gone = {k: np.append(v, v[:1]) for k, v in columns.items()}
    gone["g"][-1], gone["y"][-1] = "Z", np.nan
    saved = pp.statistics(formula, gone, family=COUNT_MODELS[family]["family"])
    read = saved.save(tmp_path / "s.parquet") and pp.load_statistics(tmp_path / "s.parquet")
    assert repr(read) == repr(saved)
    assert read.groups.absent.tolist() == ["Z"]
    for field in dataclasses.fields(saved.groups):
        first, second = (getattr(s.groups, field.name) for s in (saved, read))
        same = np.array_equal(first, second) if isinstance(first, np.ndarray) else first == second
        assert same, field.name


def test_small_groups_are_left_out_and_counted(tmp_path):
    columns = {"g": list("aaaabbbbccde"), "y": [1.0, 0, 2, 1, 3, 0, 1, 1, 2, 9, 4, np.nan]}
    found = pp.statistics("y ~ (1 | g)", columns, family="poisson")
    found.save(tmp_path / "s.parquet", min_cell=3)
    read = pp.load_statistics(tmp_path / "s.parquet")
    assert read.groups.withheld == (3, 3)
    alone = pp.statistics("y ~ (1 | g)", part_of(columns, 8), family="poisson")
    assert read.groups.log_constant == alone.groups.log_constant  # tells nothing of the others
    fit = pp.fit_statistics(read, prior="tau ~ half_normal(1)")
    notice = next(n for n in fit.notices if n.code == "groups_withheld")
    assert "3 with 3 rows" in notice.text
    assert read.combine(read).groups.withheld == (6, 6)
    with pytest.raises(pp.DataError, match="no group has 5 rows or more"):
        found.save(tmp_path / "t.parquet", min_cell=5)


def part_of(columns, size):
    return {k: v[:size] for k, v in columns.items()}


def test_labels_of_csv_files_meet(tmp_path):
    for name, body in {"1.csv": "7,1\n8,2\n7,3\n", "2.csv": "7,4\nx,5\n8,7\n"}.items():
        (tmp_path / name).write_text("g,y\n" + body)
    first, second = (
        pp.statistics("y ~ (1 | g)", tmp_path / f"{k}.csv", family="poisson") for k in (1, 2)
    )
    both = first.combine(second).groups
    assert both.labels.tolist() == ["7", "8", "x"]
    assert both.y.tolist() == [8.0, 9.0, 5.0]


def test_files_of_earlier_versions_name_the_population_in_their_family(tmp_path):
    formula, columns = KINDS["binomial"]
    kept = pp.statistics(formula, columns)
    old = replace(kept.groups, family="beta_binomial")
    write_statistics(old, formula, str(tmp_path / "old.parquet"))
    want = pp.fit(formula, columns, population="beta")
    for read in (
        pp.load_statistics(tmp_path / "old.parquet"),
        kept.combine(pp.load_statistics(tmp_path / "old.parquet")),
        pp.load_statistics(tmp_path / "old.parquet").save(tmp_path / "new.parquet"),
        pp.load_statistics(tmp_path / "new.parquet"),
    ):
        fit = pp.fit_statistics(read)
        assert (fit.family, fit.population) == ("binomial", "beta")
    np.testing.assert_allclose(fit.groups()["estimate"], want.groups()["estimate"], rtol=1e-10)
    assert pp.fit_statistics(read, population="normal").population == "normal"


def test_what_cannot_be_combined():
    formula, columns = KINDS["binomial"]
    counts = pp.statistics(formula, columns)
    other = pp.statistics(formula.replace("trials", "exposure"), columns)
    plain = pp.statistics("y ~ 1 + (1 | g)", columns)
    weighted = pp.statistics("y | weights(n) ~ 1 + (1 | g)", columns)
    for first, second, words in (
        (counts, other, "same family"),
        (counts, plain, "both must be of counts or of measurements"),
        (plain, weighted, r"both with the same of se\(\), weights\(\) or neither"),
    ):
        with pytest.raises(pp.DataError, match=words):
            first.combine(second)
        with pytest.raises(pp.DataError, match=words):
            second.combine(first)
    summary = pp.statistics("y | summary(n, y) ~ 1 + (1 | g)", part(columns, columns["y"] > 0))
    assert plain.combine(summary).groups.n_rows > plain.groups.n_rows  # both stand for rows


@pytest.mark.parametrize("change", ["-y AS y", "y + 1000 AS y", "size * 0 - 1 AS size"])
def test_numbers_that_no_counts_give(change, tmp_path):
    formula, columns = KINDS["binomial"]
    path = tmp_path / "s.parquet"
    pp.statistics(formula, columns).save(path)
    ((text,),) = duckdb.execute("SELECT value FROM parquet_kv_metadata(?)", [str(path)]).fetchall()
    facts = text.decode().replace("'", "''")
    duckdb.execute(
        f"COPY (SELECT * REPLACE ({change}) FROM '{path}') TO '{tmp_path / 'c.parquet'}' "
        f"(FORMAT parquet, KV_METADATA {{partialpool_statistics: '{facts}'}})"
    )
    with pytest.raises(pp.DataError, match="is damaged"):
        pp.load_statistics(tmp_path / "c.parquet")


def test_the_plan(tmp_path):
    (tmp_path / "a.csv").write_text("g,y,n\na,1,2\nb,2,4\n")
    text = pp.explain("y | trials(n) ~ 1 + (1 | g)", tmp_path / "a.csv")
    assert "GROUP BY g" in text
    assert '"n" AS s' in text
    text = pp.explain("y ~ 1 + (1 | g)", dict(BASE), family="poisson")
    assert "one pass" in text
