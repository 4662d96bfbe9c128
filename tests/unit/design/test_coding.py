"""Terms to columns: as many as the terms span, none redundant."""

import itertools

import numpy as np
import pytest

from partialpool.design.coded_rows import code_rows
from partialpool.design.encode import finished
from partialpool.errors import DataError
from partialpool.formula import parse, read_roles
from partialpool.rows import read_mixed
from partialpool.rows.memory import from_frame
from partialpool.rows.mixed_read import learned_design

SIZE = 48
RNG = np.random.default_rng(3)
CELLS = list(itertools.product(["a1", "a2"], ["b1", "b2", "b3"]))
DATA = {
    "y": RNG.normal(size=SIZE),
    "x": RNG.normal(size=SIZE) + 2.0,
    "z": RNG.normal(size=SIZE),
    "a": [CELLS[i % 6][0] for i in range(SIZE)],
    "b": [CELLS[i % 6][1] for i in range(SIZE)],
    "g": [str(i % 5) for i in range(SIZE)],
}


def coefficients(terms, data=DATA):
    return read_mixed(read_roles(parse(f"y ~ {terms} + (1 | g)")), data).statistics.coefficients


@pytest.mark.parametrize("kind", ["U", "O", np.dtypes.StringDType()])
def test_text_is_a_category_in_every_kind_of_array(kind):
    assert coefficients("a", {**DATA, "a": np.array(DATA["a"], dtype=kind)}) == (
        "Intercept",
        "a[a2]",
    )


def test_numbers_stored_as_text_are_refused_in_an_array_too():
    with pytest.raises(DataError, match="numbers stored as text"):
        coefficients("x", {**DATA, "x": np.array([f"{v:.3f}" for v in DATA["x"]])})


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ("a + b", "Intercept a[a2] b[b2] b[b3]"),
        ("0 + a + b", "a[a1] a[a2] b[b2] b[b3]"),
        ("0 + b + a", "b[b1] b[b2] b[b3] a[a2]"),
        ("a:x", "Intercept a[a1]:x a[a2]:x"),
        ("x + a:x", "Intercept x a[a2]:x"),
        ("a + a:x", "Intercept a[a2] a[a1]:x a[a2]:x"),
        ("a * x", "Intercept a[a2] x a[a2]:x"),
        ("a:b", "Intercept b[b2] b[b3] a[a2]:b[b1] a[a2]:b[b2] a[a2]:b[b3]"),
        ("a * b", "Intercept a[a2] b[b2] b[b3] a[a2]:b[b2] a[a2]:b[b3]"),
        ("0 + a:b", "a[a1]:b[b1] a[a2]:b[b1] a[a1]:b[b2] a[a2]:b[b2] a[a1]:b[b3] a[a2]:b[b3]"),
        ("b/a", "Intercept b[b2] b[b3] b[b1]:a[a2] b[b2]:a[a2] b[b3]:a[a2]"),
        ("x:z", "Intercept x:z"),
        ("poly(x, 2):a", "Intercept poly(x, 2)1:a[a1] poly(x, 2)2:a[a1] poly(x, 2)1:a[a2] "
                         "poly(x, 2)2:a[a2]"),
        ("C(b, 'b3', 'b1', 'b2')", "Intercept C(b)[b1] C(b)[b2]"),
    ],
)  # fmt: skip
def test_columns(terms, expected):
    found = coefficients(terms)
    names = expected.replace("poly(x, 2)", "poly(x,2)").split()
    assert [n.replace(" ", "") for n in found] == names


@pytest.mark.parametrize(
    "terms", ["a*b*x", "0 + a*b*x", "a:b:x", "x:a + b", "(a + b + x)^2", "a*x*z"]
)
def test_the_columns_span_what_all_levels_span(terms):
    """The rank is that of the overcomplete coding, and no column is left out as redundant."""
    reading = read_mixed(read_roles(parse(f"y ~ {terms} + (1 | g)")), DATA)
    assert "columns_left_out" not in [n.code for n in reading.notices]
    every = {"a": ["a1", "a2"], "b": ["b1", "b2", "b3"]}
    columns = [np.ones(SIZE)] if reading.design.roles.intercept else []
    for term in reading.design.roles.terms:
        parts = [
            [np.array(DATA[f.name]) == k for k in every[f.name]] if f.name in every
            else [DATA[f.name]] for f in term.factors
        ]  # fmt: skip
        columns += [np.prod(p, axis=0) for p in itertools.product(*parts)]
    rank = np.linalg.matrix_rank(np.stack(columns, axis=1).astype(float))
    assert len(reading.statistics.coefficients) == rank


def test_a_cell_without_rows_is_left_out_and_said():
    data = {**DATA, "b": ["b1" if a == "a1" and b == "b3" else b for a, b in
                          zip(DATA["a"], DATA["b"], strict=True)]}  # fmt: skip
    reading = read_mixed(read_roles(parse("y ~ a * b + (1 | g)")), data)
    assert len(reading.statistics.coefficients) == 5
    assert "left out: it is an exact combination" in reading.notices[0].text
    assert '"a[a2]:b[b3]"' in reading.notices[0].text


TERMS = ["a", "b", "c", "x", "scale(x)", "poly(z, 2)", "a:b", "a:x", "b:scale(x)", "a:b:c"]
TERMS += ["b:poly(z, 2)"]


def test_a_model_takes_its_columns_from_those_of_a_complete_design():
    """Whatever the terms and levels: the sums of rows can be added before columns are chosen."""
    three = DATA | {"c": [["u", "v"][i % 7 % 2] for i in range(SIZE)]}
    for k in (1, 2, 3):
        for terms in itertools.combinations(TERMS, k):
            for first in ("1", "0"):
                roles = read_roles(parse(f"y ~ {first} + {' + '.join(terms)} + (1 | g)"))
                rows = code_rows(from_frame(three, "mapping", roles), roles)
                complete, _ = learned_design(rows)
                design, chosen = finished(complete)
                assert len(chosen.x) == len(set(chosen.x.tolist())) == len(design.columns)
                for column, at in zip(design.columns, chosen.x, strict=True):
                    same = complete.columns[at]
                    assert len(same.parts) == len(column.parts)
                    assert (column.parts == ()) == (same.parts == ())
