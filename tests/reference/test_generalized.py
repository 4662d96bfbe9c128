"""Counts with predictors against numbers made by other software (see truth/README.md)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import partialpool as pp
from partialpool.formula import parse, read_roles
from partialpool.posterior import estimated_counts
from partialpool.rows import read_count_rows

HERE = Path(__file__).parent


def truth(name):
    return json.loads((HERE / "truth" / f"{name}.json").read_text())


def data(name, numbers):
    with (HERE / "data" / name).open() as file:
        rows = list(csv.DictReader(file))
    return {k: [float(r[k]) if k in numbers else r[k] for r in rows] for k in rows[0]}


def assert_posterior(post, name, names, effects):
    """Means, sds and quantiles, and of effects means and sds, to the estimated error."""
    moments, ends = post.errors
    assert moments < 0.05
    assert ends < 0.15
    expected, found = truth(name)["parameters"], post.named()
    for own, theirs in names.items():
        of, wanted = found[own], expected[theirs]
        got = [float(of.mean), float(of.sd), *of.quantile([0.05, 0.5, 0.95])]
        want = [wanted[k] for k in ("mean", "sd", "q05", "q50", "q95")]
        off = np.abs(np.array(got) - want) / wanted["sd"]
        assert off[:2].max() < moments
        assert off[2:].max() < ends
    own = post.effect(0)
    each = [expected[f"{effects}[{i + 1}]"] for i in range(len(own.mean))]
    sd = np.array([e["sd"] for e in each])
    assert np.abs((own.mean - [e["mean"] for e in each]) / sd).max() < moments
    assert np.abs(own.sd / sd - 1.0).max() < moments


def test_seeds():
    seeds = pp.datasets.seeds()
    rows = {
        "r": seeds["germinated"],
        "n": seeds["seeds"],
        "plate": seeds["plate"],
        "x1": (seeds["variety"] == "O. aegyptiaca 73") * 1.0,
        "x2": (seeds["extract"] == "cucumber") * 1.0,
    }
    prior = ["beta ~ normal(0, 1)", "Intercept ~ normal(0, 1)", "tau ~ half_cauchy(1)"]
    fit = pp.fit("r | trials(n) ~ x1 * x2 + (1 | plate)", rows, prior=prior)
    names = {"Intercept": "alpha0", "x1": "alpha1", "x2": "alpha2", "x1:x2": "alpha12"}
    names["tau[plate]"] = "sigma"
    assert_posterior(fit._engine, "seeds_data-seeds_stanified_model", names, "b")


def test_peregrines():
    """Pairs of falcons by year, with an effect of each year."""
    found = pp.datasets.peregrine()
    year = np.asarray(found["year"], dtype=float)
    z = (year - year.mean()) / year.std(ddof=1)
    rows = {"pairs": found["pairs"], "z": z, "year": np.arange(len(z))}
    formula = "pairs ~ z + I(z * z) + I(z * z * z) + (1 | year)"
    fit = pp.fit(formula, rows, family="poisson", prior=["tau ~ uniform(0, 5)"])
    names = {"Intercept": "alpha", "z": "beta1", "I(z*z)": "beta2", "I(z*z*z)": "beta3"}
    names["tau[year]"] = "sigma"
    assert_posterior(fit._engine, "GLMM_Poisson_data-GLMM_Poisson_model", names, "eps")


def test_salmonella():
    """Revertant colonies by dose, with an effect of each plate."""
    found = pp.datasets.salmonella()
    dose = np.asarray(found["dose"], dtype=float)
    rows = {"y": found["colonies"], "dose": dose, "k": dose / 1000, "plate": np.arange(18)}
    fit = pp.fit(
        "y ~ log(dose + 10) + k + (1 | plate)",
        rows,
        family="poisson",
        prior=["tau ~ inverse_gamma_sq(0.001, 0.001)"],
    )
    names = {"Intercept": "alpha", "log(dose + 10)": "beta", "k": "gamma_x1000"}
    names["tau[plate]"] = "sigma"
    assert_posterior(fit._engine, "bugs_salm", names, "lambda")


def cbpp():
    return "incidence | trials(size) ~ C(period) + (1 | herd)", pp.datasets.cbpp(), -41.9783539


def contraception():
    rows = data("contraception_women.csv", ("use", "age"))
    formula = "use ~ age + I(age * age) + urban + C(livch) + (1 | district)"
    return formula, rows, 0.0


def toenail():
    rows = data("toenail.csv", ("y", "time"))
    return "y ~ treatment * time + (1 | patient)", rows, 0.0


CASES = [
    (make, fit)
    for make in (cbpp, contraception, toenail)
    for fit in truth(f"glmm_{make.__name__}")["fits"]
]


@pytest.mark.parametrize(("make", "expected"), CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_maximum_likelihood(make, expected):
    """Log likelihoods to 1e-6 of the better of the two programs, estimates and ses to 1e-3."""
    formula, rows, constant = make()
    points = int(expected["method"].partition("AGQ")[2] or 1)
    s = read_count_rows(read_roles(parse(formula), "binomial"), rows).statistics
    found = estimated_counts(s, quadrature=points).estimate
    wanted = expected["logLik"] + (constant if points > 1 else 0.0)
    short = make is contraception and expected["method"] == "glmer Laplace"  # of the maximum
    assert found.converged
    assert found.log_likelihood > wanted - 1e-6
    assert found.log_likelihood < wanted + (1e-4 if short else 1e-6)
    se = np.array(list(expected["se"].values()))
    gap = np.abs(found.coefficients - list(expected["fixef"].values())) / se
    assert gap.max() < 1e-3
    np.testing.assert_allclose(found.se, se, rtol=2e-3 if short else 1e-3)


def test_large_spread_of_single_trials():
    """Toenail: beta's joint mode with the groups lies 3.5 sds from where beta alone is highest.

    Numbers are those of the trapezoid rule on a lattice, whose own error is 0.002 sds; maximum
    likelihood with 25 nodes says Intercept -1.61 (0.43), tau 4.00.
    """
    formula, rows, _ = toenail()
    post = pp.fit(formula, rows, family="binomial")._engine
    expected = {
        "Intercept": (-1.67926, 0.454381),
        "treatment[terbinafine]": (-0.171978, 0.608678),
        "time": (-0.399024, 0.0451553),
        "treatment[terbinafine]:time": (-0.14006, 0.0692748),
        "tau[patient]": (4.17328, 0.403065),
    }
    assert post.error < 0.3
    for name, (mean, sd) in expected.items():
        found = post.named()[name]
        assert abs(float(found.mean) - mean) < 0.02 * sd
        assert float(found.sd) == pytest.approx(sd, rel=0.03)


def test_where_laplace_matters_is_said_and_by_how_much():
    """Toenail: Laplace says tau 4.57, the quadrature rule 4.00; on cbpp both agree."""
    formula, rows, _ = toenail()
    codes = {}
    for points in (1, 5, 25):
        fit = pp.fit(formula, rows, family="binomial", method="ml", quadrature=points)
        codes[points] = {n.code: n.text for n in fit.notices}
    assert "more than a standard error" in codes[1]["laplace_error"]
    assert "--quadrature 25" in codes[1]["laplace_error"]
    assert "with 5 nodes" in codes[5]["quadrature_error"]
    assert not {"laplace_error", "quadrature_error"} & set(codes[25])
    formula, rows, _ = cbpp()
    assert "laplace_error" not in [n.code for n in pp.fit(formula, rows, method="ml").notices]
