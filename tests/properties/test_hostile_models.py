"""Models that ask more than the data can tell: a sentence, or numbers that make sense."""

import numpy as np
import pytest

import partialpool as pp


def world(seed, groups, rows):
    rng = np.random.default_rng(seed)
    g = rng.integers(0, groups, groups * rows)
    x, level = rng.normal(size=len(g)), rng.normal(0.0, 10.0, groups)[g]
    n = rng.integers(1, 30, len(g))
    return {
        "g": [f"g{i}" for i in g],
        "d": [f"d{i % 3}" for i in g],
        "h": [f"h{i}" for i in rng.integers(0, max(2, groups // 2), len(g))],
        "x": x,
        "e": rng.uniform(0.1, 5.0, len(g)),
        "n": n,
        "k": rng.binomial(n, 1 / (1 + np.exp(-level))),
        "c": rng.poisson(np.exp(np.clip(level, -30.0, 6.0))),
        "y": level + rng.normal(size=len(g)),
    }


@pytest.mark.parametrize(("groups", "rows"), [(4, 4), (6, 2)])
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + (x | d/g)",
        "y ~ x + (1 | g) + (1 | h) + (1 | d)",
        "k | trials(n) ~ x + (x || g)",
        "k | trials(n) ~ x + (1 | g) + (0 + x | h)",
        "k | trials(n) ~ x + offset(e) + (1 | g)",
        "c | exposure(e) ~ x + (1 | g)",
        "c ~ 1 + (1 | d/g)",
    ],
)
def test_a_sentence_or_sensible_numbers(formula, groups, rows):
    data = world(0, groups, rows)
    family = "poisson" if formula.startswith("c") else None
    try:
        fit = pp.fit(formula, data, family=family)
    except pp.PartialPoolError:
        return
    try:
        found = fit.groups()
    except pp.NotReachedError:
        assert fit.posterior.error > 0.5
        assert "no number is shown" in " ".join(repr(fit).split())
        return
    lower, upper, share = (np.asarray(found[k]) for k in ("lower", "upper", "shrinkage"))
    assert (lower <= upper).all()
    assert ((share >= 0) & (share <= 1)).all()
    draws = fit._engine.draws(50, np.random.default_rng(1))
    assert np.isfinite(draws.coefficients).all()
    reached = fit.posterior.status.name == "REACHED"
    assert reached == ("accuracy_not_reached" not in [n.code for n in fit.notices])
    assert fit.posterior.error <= fit.posterior.target or not reached
    assert repr(fit)
    assert fit.advise()


def test_groups_that_tell_a_side_only_limit_no_spread():
    rows = {"g": list("aabbccdd"), "x": [1.0, 2, 1, 2, 2, 1, 2, 1], "n": [9] * 8}
    ends = {**rows, "k": [9, 9, 0, 0, 9, 9, 0, 0]}
    with pytest.raises(pp.ImproperPosteriorError, match="say no more than on which side"):
        pp.fit("k | trials(n) ~ x + (1 | g)", ends)
    fit = pp.fit("k | trials(n) ~ x + (1 | g)", ends, prior="tau ~ half_normal(2)")
    assert fit.posterior.status.name == "REACHED"


def test_own_proportions_are_those_at_predictors_and_offsets_of_zero():
    """A group's own level explains its events; comparable with its estimate, not crude."""
    data = world(3, 6, 5)
    fit = pp.fit("k | trials(n) ~ x + offset(e) + (1 | g)", data, prior="tau ~ half_normal(3)")
    found, slope = fit.groups(), float(fit._engine.coefficients["x"].median)
    for label, raw in zip(found["group"], found["raw"], strict=True):
        mine = np.array(data["g"]) == label
        if raw in (0, 1):
            assert data["k"][mine].sum() == raw * data["n"][mine].sum()
            continue
        eta = np.log(raw / (1 - raw)) + slope * data["x"][mine] + data["e"][mine]
        expected = (data["n"][mine] / (1 + np.exp(-eta))).sum()
        np.testing.assert_allclose(expected, data["k"][mine].sum(), rtol=1e-6)


@pytest.mark.parametrize("formula", ["k | trials(n) ~ 1 + (1 | g)", "c ~ 1 + (1 | g)"])
def test_own_values_without_predictors_are_crude(formula):
    data = world(4, 6, 5)
    family = "poisson" if formula.startswith("c") else None
    found = pp.fit(formula, data, family=family, prior="tau ~ half_normal(3)").groups()
    first = np.asarray(found["factor"]) == "g" if "factor" in found else slice(None)
    for label, raw in zip(found["group"][first], found["raw"][first], strict=True):
        mine = np.array(data["g"]) == label
        own = (
            data["k"][mine].sum() / data["n"][mine].sum()
            if family is None
            else data["c"][mine].mean()
        )
        assert raw == pytest.approx(own)
