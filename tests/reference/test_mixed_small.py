"""Posteriors of small linear mixed models against fine lattices (see truth/README.md).

Few groups, nested factors, slopes and correlated effects, flat priors: parameters, every group,
a new group and the population, each through the public face.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from reference_cases import LINEAR

import partialpool as pp

STORED = json.loads((Path(__file__).parent / "truth" / "mixed_small.json").read_text())
NUMBERS = {"mean": "mean", "sd": "sd", "lower": "lower", "median": "median", "upper": "upper"}
OF_GROUPS = {"mean": "estimate", "sd": "sd", "lower": "lower", "upper": "upper"}
TOLERANCE = dict.fromkeys(LINEAR, 0.02) | {
    "pastes": 0.03,
    "sleepstudy_3": 0.05,
    "machines_correlated": 0.1,
}
"""Of every number, in sds of its quantity (a quarter of the 95% width where it has no sd)."""

CASES = [name for name in LINEAR if name in STORED]


@cache
def fitted(name):
    case = LINEAR[name]()
    return pp.fit(case.formula, case.rows, prior=case.prior or None)


def by_name(table):
    return {n: {k: table[k][i] for k in table if k != "name"} for i, n in enumerate(table["name"])}


def by_group(table):
    keys = zip(*(map(str, table[k]) for k in ("factor", "group", "term")), strict=True)
    return {key: {k: table[k][i] for k in OF_GROUPS.values()} for i, key in enumerate(keys)}


def gaps(got, expected, columns):
    """Distance of each number to the stored one beyond that one's error, in its sds."""
    unit = expected["sd"] or (expected["upper"] - expected["lower"]) / 4
    for number, column in columns.items():
        if expected[number] is not None:  # the moment exists
            slack = 3 * expected["error"][number]
            yield number, max(0.0, abs(float(got[column]) - expected[number]) - slack) / unit


def assert_near(got, expected, columns, tolerance, what):
    far = {k: round(g, 4) for k, g in gaps(got, expected, columns) if not g <= tolerance}
    assert not far, f"{what}: {far} sds from the reference, {tolerance} allowed"


def test_every_case_is_stored():
    assert len(CASES) == len(LINEAR)


@pytest.mark.parametrize("name", CASES)
def test_parameters(name):
    table = by_name(fitted(name).parameters())
    for parameter, expected in STORED[name]["parameters"].items():
        assert_near(table[parameter], expected, NUMBERS, TOLERANCE[name], parameter)


@pytest.mark.parametrize("name", CASES)
def test_groups(name):
    table = by_group(fitted(name).groups())
    for expected in STORED[name]["groups"]:
        key = expected["factor"], expected["group"], expected["term"]
        columns = OF_GROUPS  # of three or four subjects the estimate may be the median
        if "mean" not in expected or name in ("sleepstudy_3", "sleepstudy_4"):
            columns = {"lower": "lower", "upper": "upper"}
        assert_near(table[key], expected, columns, TOLERANCE[name], key)


@pytest.mark.parametrize("name", [n for n in CASES if STORED[n].get("new")])
def test_new_group(name):
    """At zero predictors."""
    case = LINEAR[name]()
    ((what, expected),) = STORED[name]["new"].items()
    factor = case.design.terms[0][0]
    rows = {n: [0.0] for n in case.design.X if n in case.rows} | {factor: ["never seen"]}
    if name == "machines_correlated":
        rows["machine"] = ["A"]
    table = fitted(name).predict(rows, target="new_group")
    row = {k: table[k][0] for k in ("estimate", "sd", "lower", "upper") if k in table}
    columns = {"lower": "lower", "upper": "upper"}
    assert_near(row, expected, columns, TOLERANCE[name], what)


@pytest.mark.parametrize("name", CASES)
def test_population_at_zero_is_the_intercept(name):
    case = LINEAR[name]()
    rows = {n: [0.0] for n in case.design.X if n in case.rows}
    rows |= {"machine": ["A"]} if "machine" in case.rows else {}
    table = fitted(name).predict(rows or {"one": [1.0]}, target="population")
    row = {k: table[k][0] for k in ("lower", "upper")}
    expected = STORED[name]["parameters"]["Intercept"]
    columns = {"lower": "lower", "upper": "upper"}
    assert_near(row, expected, columns, TOLERANCE[name], "population")
