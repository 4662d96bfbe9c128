"""Which moments of a mixed model exist, and which standard deviations the data limit at all."""

from __future__ import annotations

from itertools import permutations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import partialpool as pp
from partialpool.formula import parse, read_roles
from partialpool.models import mixed_model
from partialpool.models.mixed_propriety import check_proper
from partialpool.rows import read_mixed

RNG = np.random.default_rng(12)
SIZE = 60
ROWS = {
    "g": [f"g{i % 4}" for i in range(SIZE)],
    "h": [f"h{i % 6 // 2}{i % 4}" for i in range(SIZE)],
    "k": ["X" if v else "Y" for v in RNG.random(SIZE) < 0.5],
    "y": RNG.normal(size=SIZE),
    **{name: 3.0 + RNG.normal(size=SIZE) for name in "bcd"},
}
ROWS["kk"] = [float(k == "Y") for k in ROWS["k"]]
ROWS["u"] = [float(g == "g1") for g in ROWS["g"]]  # of groups
ROWS["v"] = [float(g[1]) for g in ROWS["g"]]
ROWS["w"] = [float(g[1]) ** 2 for g in ROWS["g"]]


def model(formula, prior=None):
    statistics = read_mixed(read_roles(parse(formula)), dict(ROWS)).statistics
    return mixed_model(statistics, pp.priors() if prior is None else pp.priors(**prior))


def orders(formula, prior=None):
    found = model(formula, prior)
    return dict(zip(found.statistics.coefficients, check_proper(found).coefficients, strict=True))


@pytest.mark.parametrize("terms", list(permutations(["b", "c", "d", "(1 + c | g)"])), ids=str)
def test_only_the_coefficient_whose_effects_vary_lacks_an_sd_in_any_order(terms):
    """Of four groups a flat tau leaves moments below order 2: an infinite sd."""
    assert orders(f"y ~ {' + '.join(terms)}") == {
        **dict.fromkeys(["b", "d"], SIZE - 4 - 2), "Intercept": 2.0, "c": 2.0
    }  # fmt: skip


@pytest.mark.parametrize("terms", list(permutations(["b", "u", "(0 + b | g)", "(1 | h)"])), ids=str)
def test_moments_with_several_factors_do_not_depend_on_the_order(terms):
    """12 groups of h, of which u is constant within; 4 of g, by which only b varies."""
    found = orders(f"y ~ {' + '.join(terms)}")
    assert (found["Intercept"], found["u"], found["b"]) == (9.0, 9.0, 2.0)


def test_the_fault_as_told():
    rows = {"b": ROWS["b"], "c": ROWS["c"], "y": ROWS["y"], "g": ROWS["g"]}
    fits = [pp.fit(f"y ~ {t} + (1 + c | g)", rows) for t in ("b + c", "c + b")]
    tables = [f.parameters() for f in fits]
    for table, fit in zip(tables, fits, strict=True):
        sd = dict(zip(table["name"].tolist(), table["sd"].tolist(), strict=True))
        assert np.isinf([sd["c"], sd["Intercept"], sd["tau[g, c]"]]).all()
        assert 0 < sd["b"] < 1
        told = next(n.text for n in fit.notices if n.code == "no_finite_sd")
        assert "Intercept, c, tau[g], tau[g, c]" in told or "c, tau[g]" in told
        assert " b," not in told
    by_name = [dict(zip(t["name"].tolist(), t["sd"].tolist(), strict=True)) for t in tables]
    assert by_name[0]["b"] == pytest.approx(by_name[1]["b"], rel=1e-8)


CONFOUNDED = [
    "y ~ g + k + (0 + k | g)",
    "y ~ g + kk + (kk | g)",
    "y ~ C(g) + (1 | g)",
    'y ~ C(g, "g3", "g1", "g0", "g2") + b + (b | g)',
    "y ~ 0 + g + (1 | g)",
    "y ~ b + g + (1 | g) + (0 + b | g)",
    "y ~ g * b + (0 + b | g)",
    "y ~ g:k + (1 | g)",
    "y ~ g:k + (k | g)",
    "y ~ 0 + g:b + (0 + b || g)",
    "y ~ g + (1 | g / k)",
    "y ~ g + b + (1 | h) + (1 | g)",
]


@pytest.mark.parametrize("formula", CONFOUNDED)
@pytest.mark.parametrize("engine", ["memory", "SQL"])
def test_a_factor_that_is_also_a_predictor_is_refused_by_name(formula, engine):
    rows = duckdb.connect().from_arrow(pa.table(ROWS)) if engine == "SQL" else dict(ROWS)
    with pytest.raises(pp.ImproperPosteriorError, match=r"^g is both a predictor .* grouping") as e:
        pp.fit(formula, rows)
    assert "take g out of the predictors" in str(e.value)
    assert "half_normal" in str(e.value)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_it_is_refused_in_models_of_counts(family):
    rows = ROWS | {"y": RNG.integers(1, 9, SIZE), "n": np.full(SIZE, 10)}
    size = "trials(n)" if family == "binomial" else "exposure(n)"
    for formula in ("~ g + b + (1 | g)", "~ C(g) + k + (0 + k | g)"):
        with pytest.raises(pp.ImproperPosteriorError, match=r"^g is both a predictor"):
            pp.fit(f"y | {size} {formula}", rows, family=family)


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("y ~ u + v + w + (1 | g)", '^the predictors "u", "v", "w" tell the 4 groups of g apart'),
        ("y ~ h + (1 | g)", '^the predictors "h.*tell the 4 groups of g apart'),
    ],
)
def test_predictors_that_tell_the_groups_apart_are_named(formula, told):
    with pytest.raises(pp.ImproperPosteriorError, match=told):
        model_and_check(formula)


def model_and_check(formula, prior=None):
    return check_proper(model(formula, prior))


def test_predictors_of_groups_that_do_not_tell_them_apart_are_allowed():
    assert orders("y ~ b + v + (1 | h)")["v"] == 9.0
    assert orders("y ~ 0 + g:b + (1 | g)")["g[g0]:b"] > 2
    # independent effects of both levels: their difference limits the root of the sum of both
    # variances, whose likelihood falls like its power -3; in the plane of both sds that leaves
    # moments below order 1
    assert orders("y ~ g + k + (0 + k || g)")["k[Y]"] == 1.0


def test_proper_priors_of_either_side_are_enough():
    for prior in ("tau ~ half_normal(1)", "beta ~ normal(0, 100)"):
        fit = pp.fit("y ~ g + k + (1 | g)", ROWS, prior=prior)
        assert np.isfinite(fit._engine.tau("g").median)
    fit = pp.fit("y ~ g + b + (1 | g)", ROWS, prior="tau ~ half_normal(0.7)")
    tau = fit._engine.tau("g")  # learns nothing: its posterior is its prior
    np.testing.assert_allclose(tau.mean, 0.7 * np.sqrt(2 / np.pi), rtol=1e-3)
    np.testing.assert_allclose(tau.quantile(0.975), 0.7 * 2.2414, rtol=1e-2)


def test_one_proper_prior_of_two_effects_is_enough_for_both():
    """Given one sd, that of the difference limits the other."""
    prior = ["tau[g, k[X]] ~ half_normal(1)"]
    fit = pp.fit("y ~ g + k + (0 + k | g)", ROWS, prior=prior)
    assert np.isfinite(fit._engine.tau("g", "k[Y]").median)
