"""Maximum likelihood of negative binomial and beta-binomial rows against glmmTMB."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import partialpool as pp
from partialpool.formula import parse, read_roles
from partialpool.posterior import estimated_counts
from partialpool.rows import read_count_rows

HERE = Path(__file__).parent
TRUTH = json.loads((HERE / "truth" / "glmm_dispersed.json").read_text())


def table(name):
    with (HERE / "data" / f"{name}.csv").open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def epil(right):
    rows = table("epil")
    numbers = {k: np.array([float(r[k]) for r in rows]) for k in ("y", "base", "age", "fourth")}
    data = {
        "subject": [r["subject"] for r in rows],
        "treated": np.array([r["trt"] == "progabide" for r in rows]) * 1.0,
        "lbase": np.log(numbers["base"] / 4.0),
        **numbers,
    }
    return f"y ~ {right}", "negative_binomial", data


def ticks():
    chicks = table("grouse_ticks")
    numbers = ("ticks", "height")
    data = {k: [float(c[k]) if k in numbers else c[k] for c in chicks] for k in chicks[0]}
    return "ticks ~ C(year) + height + (1 | brood) + (1 | location)", "negative_binomial", data


def salamanders():
    formula = "count | exposure(surveys) ~ mined + species + (1 | site)"
    return formula, "negative_binomial", pp.datasets.salamanders()


def contraception():
    """Women who use contraception, of each kind in each district."""
    women = table("contraception_women")
    kinds = [(w["district"], w["urban"], w["livch"]) for w in women]
    users = Counter(k for k, w in zip(kinds, women, strict=True) if w["use"] == "1")
    sizes = Counter(kinds)
    district, urban, _ = zip(*sizes, strict=True)
    data = {"district": district, "urban": urban, "n": list(sizes.values())}
    data["use"] = [users[k] for k in sizes]
    return "use | trials(n) ~ urban + (1 | district)", "beta_binomial", data


def cbpp():
    formula = "incidence | trials(size) ~ C(period) + (1 | herd)"
    return formula, "beta_binomial", pp.datasets.cbpp()


CASES = {
    "epil": lambda: epil("treated + lbase + (1 | subject)"),
    "epil_slopes": lambda: epil("treated + fourth + (fourth | subject)"),
    "epil_exposure": lambda: epil("treated + offset(log(age)) + (1 | subject)"),
    "grouse_ticks": ticks,
    "salamanders": salamanders,
    "contraception": contraception,
    "cbpp": cbpp,
}


@pytest.mark.parametrize("name", list(CASES))
def test_log_likelihood_coefficients_and_dispersion(name):
    """1e-5 of the log likelihood, to which glmmTMB stops; estimates to 1e-3 standard errors.

    Of cbpp the sd of the herds is estimated as 0, where glmmTMB stops at 2e-6.
    """
    formula, family, data = CASES[name]()
    expected = TRUTH[name]
    s = read_count_rows(read_roles(parse(formula), family), data).statistics
    estimate = estimated_counts(s, quadrature=1).estimate
    assert estimate.converged
    assert estimate.log_likelihood == pytest.approx(expected["log_likelihood"], abs=1e-5)
    se = np.array(list(expected["se"].values()))
    np.testing.assert_allclose(estimate.se, se, rtol=1e-3)
    gap = estimate.coefficients - list(expected["coefficients"].values())
    assert np.abs(gap / se).max() < 1e-3
    sds = np.concatenate([list(v.values()) for v in expected["sds"].values()])
    np.testing.assert_allclose(np.concatenate(estimate.sds), sds, rtol=1e-3, atol=1e-5)
    assert estimate.dispersion == pytest.approx(expected["dispersion"], rel=1e-4)
