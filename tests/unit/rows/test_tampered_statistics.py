"""Files of statistics that no rows can give are refused, and none ends in a traceback.

A digest finds all damage; files of version 1, which have none, are held against what rows can give.
"""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import partialpool as pp
from partialpool.rows import files

RNG = np.random.default_rng(21)
N = 60
ROWS = {
    "g": [f"g{i % 6}" for i in range(N)],
    "h": [f"h{i // 10}" for i in range(N)],
    "k": [("lo", "mid", "hi")[i % 3] for i in range(N)],
    "x": np.round(RNG.normal(size=N), 3),
    "y": np.round(RNG.normal(size=N), 3),
    "w": np.round(RNG.uniform(1, 2, N), 3),
    "n": RNG.integers(5, 9, N).astype(float),
    "s": RNG.integers(0, 5, N).astype(float),
}
FORMULAS = {
    "y ~ 1 + (1 | g)": None,
    "y | weights(w) ~ 1 + (1 | g)": None,
    "y | se(w) ~ 1 + (1 | g)": None,
    "s | trials(n) ~ 1 + (1 | g)": None,
    "s ~ 1 + (1 | g)": "poisson",
    "y ~ x + k + (1 + x | g)": None,
    "y ~ scale(x) + (1 | g) + (1 | h)": None,
    "s | trials(n) ~ x + (1 | g)": None,
}
ONE_WAY = list(FORMULAS)[:5]
MIXED = list(FORMULAS)[5:7]


@pytest.fixture(scope="module")
def database():
    with files.connect() as connection:
        yield connection


@pytest.fixture(autouse=True)
def no_database_each(database, monkeypatch):
    """One database for the two thousand files, of which each would open two."""
    monkeypatch.setattr(files, "connect", lambda: database.cursor())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The table of each formula's file, and what its metadata say."""
    found = {}
    for i, (formula, family) in enumerate(FORMULAS.items()):
        path = tmp_path_factory.mktemp("kept") / f"{i}.parquet"
        pp.statistics(formula, ROWS, family=family).save(path)
        table, facts = opened(path)
        del facts["digest"]
        if "zeros" in table.column_names:
            table = table.drop_columns(["zeros", "reciprocal"])
        found[formula] = table, {**facts, "version": 1}
    return found


def opened(path):
    """The table of a file and what its metadata say."""
    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[b"partialpool_statistics"])
    return table.replace_schema_metadata(None), facts


def stored(table, facts, path):
    text = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
    pq.write_table(table.replace_schema_metadata({b"partialpool_statistics": text}), path)
    return path


def with_values(table, name, values):
    return table.set_column(table.column_names.index(name), name, pa.chunked_array([values]))


def changed(table, name, row, change):
    """The table with one number changed."""
    values = table.column(name).to_pylist()
    values[row] = change(values[row])
    return with_values(table, name, pa.array(values, pa.float64()))


def test_what_was_written_is_read(written, tmp_path):
    for table, facts in written.values():
        kept = pp.load_statistics(stored(table, facts, tmp_path / "s.parquet"))
        assert kept.formula == facts["formula"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_any_number_changed_is_found_by_the_digest(formula, tmp_path):
    path = tmp_path / "s.parquet"
    pp.statistics(formula, ROWS, family=FORMULAS[formula]).save(path)
    table, facts = opened(path)
    assert facts["version"] == 2
    rng, changes = np.random.default_rng(8), [lambda v: v + 1.0, lambda v: v * (1 + 1e-12) + 1e-300]
    numbers = [
        (name, row)
        for name in table.column_names
        for row, value in enumerate(table.column(name).to_pylist())
        if isinstance(value, int | float) and not isinstance(value, bool) and name != "i"
    ]
    for k in range(40):
        name, row = numbers[rng.integers(len(numbers))]
        stored(changed(table, name, row, changes[k % 2]), facts, path)
        if opened(path)[0].column(name)[row].as_py() == table.column(name)[row].as_py():
            continue  # a whole number, which a change of 1e-12 leaves as it is
        with pytest.raises(pp.DataError, match="is damaged"):
            pp.load_statistics(path)
    for k, v in facts.items():
        if isinstance(v, int | float) and k != "version" and not isinstance(v, bool):
            with pytest.raises(pp.DataError, match="is damaged"):
                pp.load_statistics(stored(table, {**facts, k: v + 1}, path))
    assert pp.load_statistics(stored(table, facts, path)).formula == formula


def test_files_of_version_1_are_read_and_added_to_others(written, tmp_path):
    formula = "s ~ 1 + (1 | g)"
    old = pp.load_statistics(stored(*written[formula], tmp_path / "old.parquet"))
    new = pp.statistics(formula, ROWS, family="poisson")
    both = old.combine(new)
    both.save(tmp_path / "both.parquet")
    assert "zeros" not in opened(tmp_path / "both.parquet")[0].column_names
    again = pp.load_statistics(tmp_path / "both.parquet")
    estimates = [pp.fit_statistics(s).groups()["estimate"] for s in (both, again)]
    np.testing.assert_array_equal(*estimates)
    assert pp.fit_statistics(old).groups()["n"].tolist() == [10] * 6


IMPOSSIBLE = {
    "n is negative": ("n", lambda v: -v),
    "n is no whole number": ("n", lambda v: v + 0.5),
    "n is larger": ("n", lambda v: v + 1),
    "a weight is negative": ("weight", lambda v: -v),
    "a weight is infinite": ("weight", lambda v: float("inf")),
    "a weight is missing": ("weight", lambda v: None),
    "a sum of squares is negative": ("ss", lambda v: -1.0),
    "a mean is missing": ("mean", lambda v: None),
    "a mean is not finite": ("mean", lambda v: float("nan")),
    "logarithms of weights are too large": ("log_weight", lambda v: v + 1e3),
    "events are negative": ("y", lambda v: -1.0),
    "events are not whole": ("y", lambda v: v + 0.5),
    "more events than trials": ("y", lambda v: v + 1e3),
    "a size is negative": ("size", lambda v: -v),
    "squares are too few": ("square", lambda v: v / 10),
    "squares are too many": ("square", lambda v: 1e6),
    "constants are too large": ("log_constants", lambda v: v + 1e4),
}
POSSIBLE = {
    ("squares are too many", "s ~ 1 + (1 | g)"),
    ("more events than trials", "s ~ 1 + (1 | g)"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
@pytest.mark.parametrize("formula", ONE_WAY)
def test_numbers_that_no_rows_give_are_refused(name, formula, written, tmp_path):
    table, facts = written[formula]
    column, change = IMPOSSIBLE[name]
    if column not in table.column_names or (name, formula) in POSSIBLE:
        return
    for row in (0, table.num_rows - 1):
        path = stored(changed(table, column, row, change), facts, tmp_path / "s.parquet")
        with pytest.raises(pp.DataError, match="is damaged"):
            pp.load_statistics(path)


def places(table):
    """Every number of a file of parts, by its column and row."""
    for name in table.column_names:
        if pa.types.is_floating(table.schema.field(name).type):
            for row, value in enumerate(table.column(name).to_pylist()):
                if value is not None and abs(value) > 1e-9:
                    yield name, row, table.column("part")[row].as_py()


@pytest.mark.parametrize("formula", MIXED)
@pytest.mark.parametrize("factor", [-1.0, 1.5, 1e9])
def test_sums_of_regressions_that_no_rows_give_are_refused(formula, factor, written, tmp_path):
    """One sum changed disagrees with the sums of groups, or is no sum of squares."""
    table, facts = written[formula]
    every = [p for p in places(table) if p[0] != "shift"]
    chosen = np.random.default_rng(3).permutation(len(every))[:40]
    accepted = []
    for i in chosen:
        name, row, part = every[i]
        path = stored(
            changed(table, name, row, lambda v: v * factor), facts, tmp_path / "s.parquet"
        )
        try:
            pp.load_statistics(path)
        except pp.DataError:
            continue
        accepted.append((part, name, row))
    assert all(part.startswith("pairs") or "groups" in part for part, _, _ in accepted), accepted
    assert len(accepted) <= len(chosen) // 2, accepted


def test_labels_must_occur_once(written, tmp_path):
    for formula, (table, facts) in written.items():
        column = next(c for c in table.column_names if c.startswith("label"))
        values = table.column(column).to_pylist()
        there = [i for i, v in enumerate(values) if v is not None]
        values[there[1]] = values[there[0]]
        path = stored(with_values(table, column, pa.array(values)), facts, tmp_path / "s.parquet")
        with pytest.raises(pp.DataError, match="is damaged"):
            pp.load_statistics(path)
        assert formula


FACTS = {
    "records": [0, 10**6, "6", None],
    "n_rows": [0, -5, 10**6, 1.5, "60", None, [1], True],
    "n_dropped": [-1, 7, "0", None],
    "withheld": [[-1, 0], [0], 3, None, ["a", "b"], [5, 3], [0, 9]],
    "labels_from_text": ["yes", 3, None],
    "sigma_known": ["no", None],
    "formula": ["", "y ~ x", "a ~ 1 + (1 | b)", 7, None, "y ~ z * q + (1 | g)"],
    "center": ["0", None, float("nan"), 1e300, []],
    "yty": [-1.0, "1", None, float("inf")],
    "n_used": [0, 59, 61, "60", None],
    "family": ["nonsense", 5, ["poisson"]],
    "model": ["mixed", "counts", "measurements", "mixed_counts", "other", None, 3],
    "shifts": [[], [[]], None, "a"],
    "constant": [[], [[True]], None],
    "within": [[], [None, None], [[[1.0]]], None, "x"],
    "moments": [{}, None, [], {"scale(x)": [1]}],
    "columns": [[], None],
    "categories": [["x"], None, 4],
    "labels": [[], ["g", "g"], None],
    "texts": [["g"], None],
}


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_facts_that_no_rows_give_are_refused(name, formula, written, tmp_path):
    """Wrong facts are refused in a sentence; what is not read may be anything."""
    table, facts = written[formula]
    if name not in facts:
        return
    unread = {"columns", "texts", "categories", "labels"}
    unread |= set() if "scale(" in formula else {"moments"}
    for value in FACTS[name]:
        if value == facts[name] and type(value) is type(facts[name]):
            continue
        path = stored(table, {**facts, name: value}, tmp_path / "s.parquet")
        try:
            pp.fit_statistics(pp.load_statistics(path))
        except pp.PartialPoolError:
            continue
        assert name in unread, (name, value)
    path = stored(table, {k: v for k, v in facts.items() if k != name}, tmp_path / "s.parquet")
    try:
        pp.load_statistics(path)
    except pp.DataError:
        return
    assert name in {*unread, "family", "within"}


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"3", b'"a"', b"{}", b"{", b'{"version": 1}', b"\xff"]
)
def test_metadata_of_any_kind(text, written, tmp_path):
    table, _ = written[ONE_WAY[0]]
    with pytest.raises(pp.DataError):
        pp.load_statistics(stored(table, text, tmp_path / "s.parquet"))


@pytest.mark.parametrize("formula", FORMULAS)
def test_fifty_random_changes_end_in_no_traceback(formula, written, tmp_path):
    table, facts = written[formula]
    rng = np.random.default_rng(8)
    refused = 0
    for _ in range(50):
        path = stored(randomly_changed(table, rng), facts, tmp_path / "s.parquet")
        try:
            pp.load_statistics(path)
        except pp.DataError:
            refused += 1
    assert refused >= 30


def randomly_changed(table, rng):
    """Rows dropped, doubled or swapped; a column without its values, as text, or mixed up."""
    name = str(rng.choice(table.column_names))
    column, rows = table.column(name), table.num_rows
    match int(rng.integers(7)):
        case 0:
            return table.take(np.delete(np.arange(rows), rng.integers(rows)))
        case 1:
            return table.take(np.append(np.arange(rows), rng.integers(rows)))
        case 2:
            return table.drop_columns([name])
        case 3:
            return with_values(table, name, pc.cast(column, pa.string()).combine_chunks())
        case 4:
            nothing = pa.nulls(rows, column.type)
            return with_values(table, name, nothing)
        case 5:
            return with_values(table, name, column.take(rng.permutation(rows)).combine_chunks())
        case _:
            return table.rename_columns([n + "_" if n == name else n for n in table.column_names])
