"""Maximum likelihood of counts with slopes, crossed and nested factors against glmmTMB."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from partialpool.formula import parse, read_roles
from partialpool.posterior import estimated_counts
from partialpool.rows import read_count_rows

HERE = Path(__file__).parent
TRUTH = json.loads((HERE / "truth" / "glmm_several.json").read_text())


def table(name):
    with (HERE / "data" / f"{name}.csv").open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def verbal_aggression():
    """Answers of 316 persons to 24 items, a string of 0 and 1 each."""
    persons, items = table("verbal_aggression"), table("verbal_aggression_items")
    rows = [
        (int(answer), int(p["anger"]), p["gender"] == "M", p["id"], i)
        for p in persons
        for i, answer in zip(items, p["answers"].removeprefix("a"), strict=True)
    ]
    y, anger, male, person, item = zip(*rows, strict=True)
    data = {"y": y, "anger": anger, "male": np.array(male) * 1.0, "id": person}
    data["item"] = [i["item"] for i in item]
    for name, column, value in (
        ("scold", "btype", "scold"),
        ("shout", "btype", "shout"),
        ("self", "situ", "self"),
        ("do", "mode", "do"),
    ):
        data[name] = np.array([i[column] == value for i in item]) * 1.0
    formula = "y ~ anger + male + scold + shout + self + do + (1 | id) + (1 | item)"
    return formula, "binomial", data


def contraception_slopes():
    women = table("contraception_women")
    numbers = ("use", "age")
    data = {k: [float(w[k]) if k in numbers else w[k] for w in women] for k in women[0]}
    formula = "use ~ age + I(age * age) + urban + C(livch) + (urban | district)"
    return formula, "binomial", data


def grouse_ticks():
    """Every chick an effect of its own, in broods, in locations."""
    chicks = table("grouse_ticks")
    data = {
        k: [float(c[k]) if k in ("ticks", "height") else c[k] for c in chicks] for k in chicks[0]
    }
    formula = "ticks ~ C(year) + height + (1 | brood) + (1 | chick) + (1 | location)"
    return formula, "poisson", data


@pytest.mark.parametrize("make", [verbal_aggression, contraception_slopes, grouse_ticks])
def test_log_likelihood_and_standard_errors(make):
    """1e-6 of the log likelihood; standard errors to 1e-3; estimates to 1e-3 standard errors."""
    formula, family, data = make()
    expected = TRUTH[make.__name__]
    s = read_count_rows(read_roles(parse(formula), family), data).statistics
    found = estimated_counts(s, quadrature=1).estimate
    assert found.converged
    assert found.shortfall < 1e-9
    assert found.log_likelihood == pytest.approx(expected["log_likelihood"], abs=1e-6)
    se = np.array(list(expected["se"].values()))
    np.testing.assert_allclose(found.se, se, rtol=1e-3)
    gap = found.coefficients - list(expected["coefficients"].values())
    assert np.abs(gap / se).max() < 1e-3
    sds = np.concatenate([list(v.values()) for v in expected["sds"].values()])
    np.testing.assert_allclose(np.concatenate(found.sds), sds, rtol=1e-4)
