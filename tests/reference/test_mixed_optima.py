"""REML and ML against optima polished by Newton's method (see truth/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import partialpool as pp
from partialpool.classical.mixed import mixed_model
from partialpool.formula import parse, read_roles
from partialpool.rows import read_mixed

HERE = Path(__file__).parent
FITS = json.loads((HERE / "truth" / "lmm_optima.json").read_text())["fits"]
FORMULAS = {
    "Reaction ~ Days + (Days | Subject)": ("sleepstudy", "reaction ~ days + (days | subject)"),
    "Reaction ~ Days + (Days || Subject)": ("sleepstudy", "reaction ~ days + (days || subject)"),
    "Reaction ~ Days + (1 | Subject)": ("sleepstudy", "reaction ~ days + (1 | subject)"),
    "Yield ~ 1 + (1 | Batch)": ("dyestuff", "yield ~ 1 + (1 | batch)"),
    "diameter ~ 1 + (1 | plate) + (1 | sample)": (
        "penicillin",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
    ),
    "mAch ~ meanses + (1 | school)": ("high_school", "math ~ school_ses + (1 | school)"),
    "mAch ~ cses + (cses | school)": (
        "high_school",
        "math ~ relative_ses + (relative_ses | school)",
    ),
    "normexam ~ standLRT + (1 | school)": ("exam", "normexam ~ standLRT + (1 | school)"),
    "normexam ~ standLRT + (standLRT | school)": (
        "exam",
        "normexam ~ standLRT + (standLRT | school)",
    ),
}


def statistics(model):
    name, formula = FORMULAS[model]
    data = HERE / "data" / "exam.csv" if name == "exam" else getattr(pp.datasets, name)()
    return read_mixed(read_roles(parse(formula)), data).statistics


@pytest.mark.parametrize("expected", FITS, ids=lambda f: f"{f['model']} {f['REML']}")
def test_optimum(expected):
    found = mixed_model(statistics(expected["model"]), restricted=expected["REML"])
    assert found.converged
    assert abs(found.deviance - expected["criterion"]) < 1e-6
    assert abs(found.log_likelihood - expected["logLik"]) < 1e-6
    np.testing.assert_allclose(found.coefficients, expected["fixef"], rtol=3e-6)
    np.testing.assert_allclose(found.se, expected["se"], rtol=3e-6)
    np.testing.assert_allclose(found.sigma, expected["sigma"], rtol=1e-6)
    sds = np.concatenate([np.atleast_1d(b["sd"]) for b in expected["blocks"]])
    np.testing.assert_allclose(np.concatenate(found.sds), sds, rtol=3e-6)


@pytest.mark.parametrize(
    "expected",
    [f for f in FITS if f["dataset"] in ("sleepstudy", "Penicillin") and "||" not in f["model"]],
    ids=lambda f: f"{f['model']} {f['REML']}",
)
def test_conditional_modes_and_sds(expected):
    s = statistics(expected["model"])
    found = mixed_model(s, restricted=expected["REML"])
    for t, truth in enumerate(expected["blocks"]):
        rows = [truth["ranef"][str(label)] for label in s.blocks[t].labels]
        mean = np.array([np.atleast_1d(r["mean"]) for r in rows])
        sd = np.array([np.atleast_1d(r["condsd"]) for r in rows])
        np.testing.assert_allclose(found.effects[t], mean, atol=1e-4 * sd.max())
        np.testing.assert_allclose(found.effect_sds[t], sd, rtol=1e-4)


def test_degrees_of_freedom_where_they_are_known_exactly():
    """Balanced data: those of the exact F tests, subjects or batches less one."""
    found = mixed_model(statistics("Reaction ~ Days + (Days | Subject)"))
    np.testing.assert_allclose(found.df, [17.0, 17.0], rtol=1e-3)
    found = mixed_model(statistics("Yield ~ 1 + (1 | Batch)"))
    np.testing.assert_allclose(found.df, [5.0], rtol=1e-3)
    found = mixed_model(statistics("Reaction ~ Days + (1 | Subject)"))
    np.testing.assert_allclose(found.df[1], 161.0, rtol=1e-3)


@pytest.mark.parametrize("restricted", [True, False])
def test_wider_models_are_no_worse(restricted):
    """Groups far apart, alike in all categories: correlations are one, in a narrow valley."""
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(9), 4)
    k = np.array(list("pqr"))[rng.integers(0, 3, len(g))]
    data = {"y": 120.0 * rng.normal(size=9)[g] + 0.5 * rng.normal(size=len(g)), "k": k, "g": g}

    def highest(formula):
        found = mixed_model(
            read_mixed(read_roles(parse(formula)), data).statistics, restricted=restricted
        )
        assert found.converged
        return found

    alike = highest("y ~ k + (1 | g)")
    found = highest("y ~ k + (0 + k | g)")
    assert found.log_likelihood >= alike.log_likelihood - 1e-7
    assert (found.correlations[0] > 0.999).all()
