"""Parts of columns as people would see them; never an id as the outcome."""

import random

import numpy as np
import pytest

from partialpool import datasets
from partialpool.app.file_roles import guessed
from partialpool.rows.files import write_table
from partialpool.rows.preview import Column, preview


def column(name, values, kind="number"):
    return Column(name, kind, tuple(None if v is None else str(v) for v in values))


def choices(*columns):
    return guessed(columns)[1]


def roles(*columns):
    return {c["name"]: c["role"] for c in guessed(columns)[0]}


SITES = column("site", [f"s{i % 6}" for i in range(60)], "text")
SCORES = column("score", [round(50 + (i * 37 % 23) / 7, 2) for i in range(60)])
IDS = column("id", range(60))


def test_rows_of_measurements():
    found = choices(IDS, SITES, SCORES)
    assert found["outcome"] == "score"
    assert found["groups"] == ["site"]
    assert found["outcomeKind"] == "measurement"


@pytest.mark.parametrize("name", ["score", "y", "outcome", "value", "id", "n"])
def test_whole_numbers_that_differ_in_every_row_are_never_the_outcome(name):
    shuffled = random.Random(1).sample(range(1000), 60)
    found = guessed([column(name, shuffled), SITES, column("x", [i % 7 / 3 for i in range(60)])])
    assert found[1]["outcome"] == "x"
    assert next(c for c in found[0] if c["name"] == name)["role"] == "id"


def test_texts_without_repeats_are_ids():
    names = column("pupil", [f"p{i}" for i in range(60)], "text")
    found = guessed([names, SITES, SCORES])
    assert found[0][0]["role"] == "id"
    assert "no value stands twice" in found[0][0]["why"]
    assert found[1]["groups"] == ["site"]


def test_what_does_not_vary_within_groups_is_not_the_outcome():
    size = column("beds", [100 + 10 * (i % 6) + 0.5 for i in range(60)])
    assert choices(SITES, size, SCORES)["outcome"] == "score"
    assert "outcome" not in choices(SITES, size)


@pytest.mark.parametrize(
    ("values", "kind"),
    [([i * i % 5 % 2 for i in range(60)], "number"),
     (["pass" if i * i % 5 % 2 else "fail" for i in range(60)], "text"),
     (["true" if i * i % 5 % 2 else "false" for i in range(60)], "yes/no")],
)  # fmt: skip
def test_two_values_are_an_outcome_of_yes_and_no(values, kind):
    found = choices(IDS, SITES, column("passed", values, kind))
    assert (found["outcome"], found["outcomeKind"]) == ("passed", "binary")


def test_nested_groups_are_seen():
    tract = column("tract", [f"t{i % 12}" for i in range(60)], "text")
    county = column("county", [f"c{i % 12 // 3}" for i in range(60)], "text")
    found = choices(tract, county, SCORES)
    assert found["groups"] == ["tract", "county"]
    assert found["nested"] is True
    crossed = column("year", [f"y{i // 12}" for i in range(60)], "text")
    assert choices(tract, crossed, SCORES)["groups"] == ["tract"]


def test_numbers_of_groups_are_groups_where_they_are_called_so():
    codes = column("hospital_id", [101 + i % 6 for i in range(60)])
    assert choices(SCORES, codes)["groups"] == ["hospital_id"]
    assert choices(SCORES, column("age", [30 + i % 6 for i in range(60)]))["groups"] == []


def test_every_role_has_a_reason():
    for found in guessed([IDS, SITES, SCORES])[0]:
        assert bool(found["role"]) == bool(found["why"])


def test_strange_columns_do_no_harm():
    strange = [
        column("", [], "empty"), column("all missing", [None] * 5, "empty"), column("one", [1] * 5),
        column("unclear", ["1,234"] * 4 + ["2,345"]), column("dates", ["2020-01-02"] * 5, "date"),
    ]  # fmt: skip
    listed, found = guessed(strange)
    assert len(listed) == 5
    assert found["groups"] == []
    assert guessed([]) == ([], {"outcomeKind": "measurement", "groups": [], "nested": False})


EXPECTED = {
    "eight_schools": ("estimate", "effect", ["school"]),
    "baseball": ("proportion", "hits", ["player"]),
    "dyestuff": ("measurement", "yield", ["batch"]),
    "sleepstudy": ("measurement", "reaction", ["subject"]),
    "cbpp": ("proportion", "incidence", ["herd"]),
    "penicillin": ("measurement", "diameter", ["plate"]),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_classic_data_are_seen_as_they_are_fitted(name, tmp_path):
    dataset = next(d for d in datasets.catalogue if d.name == name)
    path = tmp_path / f"{name}.csv"
    write_table(dataset.load(), str(path))
    found = guessed(preview(path).columns)[1]
    kind, outcome, groups = EXPECTED[name]
    assert (found["outcomeKind"], found["outcome"], found["groups"][:1]) == (kind, outcome, groups)


def test_shuffled_rows_and_columns_do_not_change_the_outcome():
    rng = np.random.default_rng(1)
    for _ in range(20):
        order, places = rng.permutation(60), rng.permutation(3)
        shuffled = [Column(c.name, c.kind, tuple(c.texts[i] for i in order))
                    for c in (IDS, SITES, SCORES)]  # fmt: skip
        found = choices(*(shuffled[i] for i in places))
        assert (found["outcome"], found["groups"]) == ("score", ["site"])
