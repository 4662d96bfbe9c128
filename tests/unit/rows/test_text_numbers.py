"""The rule by which text becomes numbers: its values, and its SQL twin."""

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from partialpool.rows.text_numbers import (
    MISSING_WORDS,
    WHITE,
    is_missing,
    is_number,
    is_truth,
    number_from,
    number_sql,
    numbers_from,
    truth_sql,
    words_sql,
)

NUMBERS = {
    " 1.5": 1.5,
    "+5": 5.0,
    "0005": 5.0,
    "1e5": 1e5,
    "1E+05": 1e5,
    ".5": 0.5,
    "5.": 5.0,
    "-.5e-3": -0.0005,
    "\t3\r\n": 3.0,
    "-0": -0.0,
    "inf": math.inf,
    "-Infinity": -math.inf,
    "1e400": math.inf,
    "1e-400": 0.0,
    "9007199254740993": 9007199254740992.0,
    "0." + "0" * 300 + "1": 1e-301,
    "1" + "0" * 300 + ".5": 1e300,
    "0.1000000000000000055511151231257827021181583404541015625": 0.1,
    "2.2250738585072011e-308": 2.2250738585072011e-308,
    "4.9e-324": 5e-324,
    "true": 1.0,
    "FALSE": 0.0,
}
WRONG = ["0x10", "1_000", "1_0.5", "1e1_0", "+-5", "--5", "1,5", "1 000", "69,8", "1e", "e5", "- 1"]
WRONG += [
    "+",
    "1.5.2",
    "1d5",
    "5%",
    "$5",
    "\u0663",
    "\uff11",
    "\u00a05",
    "5\0",
    "0b1",
    "infin",
    "t",
]
WRONG += ["-.", "yes", "na", "- 5", "1/2", "\u22125"]
MISSING = [*MISSING_WORDS, " ", "\t", " NA ", "NAN", "-nan", " nan", None]


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_numbers(text, value):
    assert number_from(text) == value
    assert math.copysign(1, number_from(text)) == math.copysign(1, value)
    np.testing.assert_array_equal(numbers_from([text, "2"]), [value, 2.0])


@pytest.mark.parametrize("text", WRONG)
def test_no_numbers(text):
    for read in (number_from, lambda t: numbers_from(["1", t])):
        with pytest.raises(ValueError, match=r"no number|could not convert"):
            read(text)
    assert not is_number(text)


def test_missing_values():
    assert all(math.isnan(number_from(text)) for text in MISSING)
    assert np.isnan(numbers_from(MISSING)).all()
    np.testing.assert_array_equal(numbers_from(["1", "", "2"]), [1.0, np.nan, 2.0])


def test_words_for_truth_are_numbers_only_where_numbers_are_asked_for():
    assert number_from(" True") == 1.0
    with pytest.raises(ValueError, match="no number"):
        number_from("true", truth=False)
    assert not is_number("true")


def strings(rng):
    """Random strings near numbers, of characters and of words."""
    letters = np.array(list("00123456789015+-.eE_xXinfatyN \t,/\u0663\u00a0"))
    words = np.array(["inf", "nan", "true", "NA", "1e5", "-", "+", ".", "0x", "_", "1", "e", "12"])
    found = set()
    for _ in range(20_000):
        found.add("".join(rng.choice(letters, rng.integers(0, 7))))
        found.add("".join(rng.choice(words, rng.integers(1, 4))))
    return sorted(found)


def by_python(text, truth):
    try:
        value = number_from(text, truth=truth)
    except ValueError:
        return "refused"
    return None if math.isnan(value) else value


@pytest.mark.parametrize("truth", [True, False])
def test_the_rule_and_its_sql_are_the_same(truth):
    texts = [*strings(np.random.default_rng(3)), *NUMBERS, *WRONG, *MISSING]
    mark = 1.2345e222
    sql = number_sql("s", truth=truth, refused=repr(mark))
    rows = {"s": np.array(texts, dtype=object)}
    with duckdb.connect() as connection:
        connection.register("rows", pa.table(rows))
        found = [v for (v,) in connection.execute(f"SELECT {sql} FROM rows").fetchall()]
        words = connection.execute(f"SELECT {words_sql('s', refused='NULL')} FROM rows").fetchall()
        truths = connection.execute(
            f"SELECT {truth_sql('s', refused='FALSE')} FROM rows"
        ).fetchall()
    got = ["refused" if v == mark else None if v is None or math.isnan(v) else v for v in found]
    expected = [by_python(t, truth) for t in texts]
    assert [(t, a, b) for t, a, b in zip(texts, got, expected, strict=True) if a != b] == []
    assert sum(isinstance(v, float) for v in expected) > 500
    assert expected.count("refused") > 1000
    pairs = zip(texts, truths, strict=True)
    assert [t for t, (v,) in pairs if v] == [
        t for t in texts if t and t.strip(WHITE).lower() == "true"
    ]
    assert [v is None for (v,) in truths] == [is_missing(t) for t in texts]
    numbers = [t for t, (word,) in zip(texts, words, strict=True) if t is not None and word is None]
    assert numbers == [t for t in texts if t is not None and (is_number(t) or is_truth(t))]
