"""Posteriors of counts with predictors, slopes and several factors against long references.

One factor: quadrature of every group inside long importance sampling. Several: 40,000 draws of
NUTS. Each stored number has its own standard error; see truth/README.md and make_truths.py.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from reference_cases import COUNTS

import partialpool as pp

STORED = json.loads((Path(__file__).parent / "truth" / "counts_with_predictors.json").read_text())
PARAMETERS = ("mean", "sd", "lower", "median", "upper")
GROUPS = {"mean": "estimate", "sd": "sd", "lower": "lower", "upper": "upper"}
CLOSE = {"mean": 0.02, "sd": 0.02, "lower": 0.05, "median": 0.05, "upper": 0.05}
WIDER = {"mean": 0.03, "sd": 0.03, "lower": 0.12, "median": 0.12, "upper": 0.12}
"""Largest distance in sds of each quantity, beyond three standard errors of the reference."""

SIMPLE = ("cbpp", "seeds", "bacteria")
CASES = [name for name in COUNTS if name in STORED]


@cache
def fitted(name):
    case = COUNTS[name]()
    return pp.fit(case.formula, case.rows, family=case.family, prior=case.prior or None)


def far(name, got, expected, columns):
    """Numbers that are too far from the reference, and by how many sds."""
    allowed = CLOSE if name in SIMPLE else WIDER
    out = {}
    for number, column in columns.items():
        slack = 3 * expected["error"][number]
        gap = max(0.0, abs(float(got[column]) - expected[number]) - slack) / expected["sd"]
        if not gap <= allowed[number]:
            out[number] = round(gap, 3)
    return out


def test_every_case_is_stored():
    made_by_hand = {"contraception_slopes", "verbal_aggression"}  # an hour each to make
    assert set(COUNTS) - set(CASES) <= made_by_hand


@pytest.mark.parametrize("name", CASES)
def test_parameters(name):
    table = fitted(name).parameters()
    place = {n: i for i, n in enumerate(table["name"])}
    assert set(place) == set(STORED[name]["parameters"])
    wrong = {}
    for parameter, expected in STORED[name]["parameters"].items():
        row = {k: table[k][place[parameter]] for k in PARAMETERS}
        wrong[parameter] = far(name, row, expected, dict(zip(PARAMETERS, PARAMETERS, strict=True)))
    wrong = {k: v for k, v in wrong.items() if v}
    assert not wrong, f"sds from the reference: {wrong}"


@pytest.mark.parametrize("name", CASES)
def test_groups(name):
    """On the link scale, where the reference has its effects."""
    table = fitted(name).groups(scale="link")
    if "term" not in table:  # one factor of intercepts
        table = {**table, "factor": [COUNTS[name]().design.terms[0][0]] * len(table["group"])}
        table["term"] = ["Intercept"] * len(table["group"])
    keys = zip(*(map(str, table[k]) for k in ("factor", "group", "term")), strict=True)
    place = {key: i for i, key in enumerate(keys)}
    wrong = {}
    for expected in STORED[name]["groups"]:
        key = expected["factor"], expected["group"], expected["term"]
        row = {k: table[k][place[key]] for k in GROUPS.values()}
        wrong[key] = far(name, row, expected, GROUPS)
    wrong = {k: v for k, v in wrong.items() if v}
    assert not wrong, f"sds from the reference: {wrong}"


@pytest.mark.parametrize("name", CASES)
def test_error_is_told(name):
    """The largest error told of any printed number covers the distances above."""
    post = fitted(name).posterior
    assert str(post.status).lower().endswith("reached")
    assert post.error <= 0.15
