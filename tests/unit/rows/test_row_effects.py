"""``(1 | row)``: one effect a row, without a column of that name."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from doors import DOORS, through

RNG = np.random.default_rng(2)
DATA = pd.DataFrame({"g": [f"g{i}" for i in np.arange(40) % 5], "x": RNG.normal(size=40)})
DATA["n"] = RNG.poisson(np.exp(1 + 0.8 * RNG.normal(size=40)))
DATA["y"], DATA["se"] = RNG.normal(size=40), RNG.uniform(0.5, 1, 40)
NUMBERED = DATA.assign(row=np.arange(1, 41))
FORMULAS = {
    "y | se(se) ~ 1 + (1 | row)": {},
    "y | se(se) ~ x + (1 | g) + (1 | row)": {"method": "reml"},
    "n ~ x + (1 | row)": {"family": "poisson", "method": "ml"},
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_rows_are_numbered(formula, door, tmp_path, monkeypatch):
    rows = through(door, tmp_path, DATA, monkeypatch)
    got = pp.fit(formula, rows, **FORMULAS[formula]).to_dict()
    want = pp.fit(formula, NUMBERED, **FORMULAS[formula]).to_dict()
    for a, b in zip(got["parameters"], want["parameters"], strict=True):
        assert a["mean"] == pytest.approx(b["mean"], rel=1e-6, abs=1e-9)
    assert [g["group"] for g in got["groups"]] == [g["group"] for g in want["groups"]]


def test_a_column_of_that_name_is_taken():
    data = DATA.assign(row=np.repeat(np.arange(20), 2))
    assert len(pp.fit("y | se(se) ~ 1 + (1 | row)", data).groups()) == 20


def test_new_rows_have_effects_of_their_own():
    fit = pp.fit("y | se(se) ~ 1 + (1 | row)", DATA)
    found = fit.predict(DATA[:2])
    new = fit.predict(DATA[:2], target="new_group")
    np.testing.assert_allclose(found["estimate"], new["estimate"])
    np.testing.assert_allclose(found["sd"], new["sd"])
    known = fit.predict({"row": [1, 2], "se": [1.0, 1.0]})
    np.testing.assert_allclose(known["estimate"], fit.groups()["estimate"][:2])


def test_numbers_of_rows_are_not_kept():
    formula = "y | se(se) ~ 1 + (1 | row)"
    with pytest.raises(pp.DataError, match='need a column "row" that names each row'):
        pp.statistics(formula, DATA)
    with pytest.raises(pp.DataError, match='need a column "row" that names each row'):
        pp.fit(formula, DATA).update(DATA)
    more = NUMBERED.assign(row=np.arange(41, 81))
    assert pp.fit(formula, NUMBERED).update(more).statistics.n_rows == 80
