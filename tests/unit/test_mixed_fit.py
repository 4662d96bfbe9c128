"""A mixed model in the user's hands: what is printed, said, returned and refused."""

import json
import pickle
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import partialpool as pp
from partialpool.errors import ArgumentError, DataError, FormulaError, PriorError

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "fit.schema.json").read_text())
SLEEP = "reaction ~ days + (days | subject)"


@pytest.fixture(scope="module")
def sleep():
    return pp.fit(SLEEP, pp.datasets.sleepstudy())


@pytest.fixture(scope="module")
def sleep_reml():
    return pp.fit(SLEEP, pp.datasets.sleepstudy(), method="reml")


def codes(fit):
    return [n.code for n in fit.notices]


def test_the_printed_fit(sleep):
    text = repr(sleep)
    for words in (
        "180 rows; 18 groups of subject",
        "rho[subject, Intercept, days]",
        "tau[subject, days]",
        "other coefficients ~ flat()",
        "26 more groups",
        "Share of the variance of one row",
    ):
        assert words in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_dict_follows_the_contract(sleep, sleep_reml):
    for fit in (sleep, sleep_reml):
        found = fit.to_dict()
        jsonschema.validate(found, SCHEMA, jsonschema.Draft202012Validator)
        json.dumps(found, allow_nan=False)
        assert len(found["groups"]) == 36
        assert {g["term"] for g in found["groups"]} == {"Intercept", "days"}
    assert "log_likelihood" not in sleep.to_dict()
    found = sleep_reml.to_dict()
    assert found["log_likelihood"] == pytest.approx(-871.8141359792422, abs=1e-6)
    tau = next(p for p in found["parameters"] if p["name"] == "tau[subject]")
    assert tau["sd"] is None
    assert tau["mean"] == pytest.approx(24.7407, abs=1e-3)


def test_estimates_of_one_way_models():
    fit = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff(), method="ml")
    assert fit.to_dict()["log_likelihood"] == pytest.approx(-163.6635299, abs=1e-6)
    assert fit.parameters()["mean"][0] == pytest.approx(1527.5)
    schools = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools(),
                     method="reml")  # fmt: skip
    assert schools.parameters()["mean"][0] == pytest.approx(7.6856, abs=1e-3)
    assert {"estimate_on_boundary", "few_groups"} <= set(codes(schools))
    assert "are taken as known" in repr(schools)


def test_what_estimates_do_not_have(sleep_reml):
    for ask in (
        sleep_reml.advise,
        sleep_reml.world,
        lambda: sleep_reml.plot,
        lambda: sleep_reml.priors,
        lambda: sleep_reml.draws(3, np.random.default_rng(1)),
    ):
        with pytest.raises(ArgumentError):
            ask()


def test_what_a_mixed_model_does_not_have(sleep):
    with pytest.raises(ArgumentError, match="one factor, one sigma and no predictors"):
        sleep.world()
    with pytest.raises(ArgumentError, match="compare\\(\\) takes none"):
        sleep.compare("reml")


def test_methods_and_priors_that_do_not_go_together():
    data = pp.datasets.sleepstudy()
    with pytest.raises(ArgumentError, match='"posterior", "reml" or "ml"'):
        pp.fit(SLEEP, data, method="mcmc")
    with pytest.raises(PriorError, match="takes no priors"):
        pp.fit(SLEEP, data, method="reml", prior="tau ~ half_normal(1)")
    with pytest.raises(PriorError, match="there is no sigma"):
        pp.fit("effect | se(se) ~ se + (1 | school)", pp.datasets.eight_schools(),
               prior="sigma ~ half_normal(1)")  # fmt: skip


def test_priors_of_single_parameters():
    data = pp.datasets.sleepstudy()
    texts = ["days ~ normal(0, 0.1)", "tau[subject, days] ~ half_normal(0.1)", "rho ~ lkj(4)"]
    fit = pp.fit(SLEEP, data, prior=texts)
    held = dict(zip(fit.parameters()["name"], fit.parameters()["mean"], strict=True))
    assert abs(held["days"]) < 1
    assert held["tau[subject, days]"] < 2
    assert "tau[subject, days] ~ half_normal(0.1)" in repr(fit)
    same = pp.fit(SLEEP, data, prior={"rho": pp.LKJ(4)})
    assert abs(float(same._engine.rhos["rho[subject, Intercept, days]"].mean)) < 0.2


def test_the_groups_table(sleep):
    table = sleep.groups()
    assert list(table) == [
        "factor", "group", "term", "n", "raw", "effect", "estimate", "sd", "lower", "upper",
        "shrinkage",
    ]  # fmt: skip
    mean = {n: float(d.mean) for n, d in sleep._engine.coefficients.items()}
    population = np.array([mean[t] for t in table["term"]])
    np.testing.assert_allclose(table["estimate"], population + table["effect"], rtol=1e-4)
    assert ((table["shrinkage"] > 0) & (table["shrinkage"] < 1)).all()


def test_slopes_hold_their_cross_level_interactions():
    """The pooled slope of a group lies between its own and that of groups like it."""
    fit = pp.fit(
        "math ~ sector * relative_ses + (relative_ses | school)", pp.datasets.high_school()
    )
    table = fit.groups()
    slope = table["term"] == "relative_ses"
    moved = table["estimate"][slope] - table["effect"][slope]
    by_sector = {float(v) for v in moved.round(1)}
    coefficient = fit._engine.coefficients
    catholic = float(coefficient["relative_ses"].mean)
    public = catholic + float(coefficient["sector[public]:relative_ses"].mean)
    assert by_sector == {round(catholic, 1), round(public, 1)}


def test_a_fit_can_be_pickled(sleep, sleep_reml):
    for fit in (sleep, sleep_reml):
        again = pickle.loads(pickle.dumps(fit))
        assert again.to_dict() == fit.to_dict()
        known = {"days": [1.0], "subject": [308]}
        assert again.predict(known)["estimate"] == fit.predict(known)["estimate"]


# hostile designs ------------------------------------------------------------------------------

RNG = np.random.default_rng(9)
GROUP = np.repeat([f"g{i}" for i in range(12)], 6)
BASE = {
    "g": GROUP,
    "x": RNG.normal(size=72),
    "y": RNG.normal(size=12).repeat(6) + RNG.normal(size=72),
}


def test_collinear_columns_are_left_out_and_said():
    fit = pp.fit("y ~ x + twice + (1 | g)", BASE | {"twice": 2 * BASE["x"]})
    assert "columns_left_out" in codes(fit)
    alone = pp.fit("y ~ x + (1 | g)", BASE)
    np.testing.assert_allclose(fit.parameters()["mean"], alone.parameters()["mean"])
    new = {"x": [1.0], "twice": [2.0], "g": ["g3"]}
    assert fit.predict(new)["estimate"] == pytest.approx(alone.predict(new)["estimate"])


def test_a_slope_of_a_predictor_that_groups_have():
    data = BASE | {"u": RNG.normal(size=12).repeat(6)}
    fit = pp.fit("y ~ u + (u | g)", data, prior="tau ~ half_normal(1)")
    assert "slope_without_variation" in codes(fit)
    assert np.isfinite(fit.parameters()["mean"]).all()


def test_a_group_of_one_row():
    data = {k: np.append(v, "alone" if k == "g" else 1.0) for k, v in BASE.items()}
    data["x"], data["y"] = data["x"].astype(float), data["y"].astype(float)
    fit = pp.fit("y ~ x + (x | g)", data)
    assert "single_row_groups" in codes(fit)
    table = fit.groups()
    alone = table["group"] == "alone"
    assert np.isnan(table["raw"][alone]).all()
    assert np.isfinite(table["estimate"][alone]).all()


def test_thirty_predictors():
    many = {f"x{i}": RNG.normal(size=72) for i in range(30)}
    fit = pp.fit(f"y ~ {' + '.join(many)} + (1 | g)", BASE | many)
    assert fit.to_dict()["accuracy"]["status"] == "reached"
    assert len(fit.parameters()["name"]) == 33


def test_a_factor_with_a_level_a_row():
    with pytest.raises(pp.ImproperPosteriorError):
        pp.fit("y ~ x + (1 | row)", BASE | {"row": np.arange(72)})
    fit = pp.fit("y | se(s) ~ x + (1 | row)", BASE | {"row": np.arange(72), "s": np.full(72, 0.5)})
    assert fit._engine.tau("row").mean > 0


def test_two_groups():
    data = {k: v[:12] for k, v in BASE.items()}
    with pytest.raises(pp.ImproperPosteriorError):
        pp.fit("y ~ x + (1 | g)", data)
    fit = pp.fit("y ~ x + (1 | g)", data, prior="tau ~ half_normal(1)")
    assert "few_groups" in codes(fit)


def test_one_group():
    with pytest.raises(DataError, match="one group only"):
        pp.fit("y ~ x + (1 | g)", BASE | {"g": ["a"] * 72})


def test_perfectly_fitted_rows():
    """No noise: either exact estimates, or a sentence that says so."""
    x = BASE["x"]
    effect = RNG.normal(size=12).repeat(6)
    try:
        fit = pp.fit("y ~ x + (1 | g)", BASE | {"y": 2.0 * x + effect})
    except pp.PartialPoolError as error:
        assert "noise" in str(error) or "sigma" in str(error)  # noqa: PT017
    else:
        assert fit.parameters()["mean"][1] == pytest.approx(2.0, abs=1e-6)


def test_correlation_of_one():
    b = RNG.normal(size=12).repeat(6)
    data = BASE | {"y": b + b * BASE["x"] + 0.1 * RNG.normal(size=72)}
    rho = pp.fit("y ~ x + (x | g)", data)._engine.rhos["rho[g, Intercept, x]"]
    assert float(rho.quantile(0.05)) > 0.9
    assert float(rho.quantile(0.999)) <= 1.0


def test_no_group_term():
    with pytest.raises(FormulaError, match="no group term"):
        pp.fit("y ~ x", BASE)


def test_estimates_that_are_not_identified_are_named():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(8), 5)
    data = {"y": rng.normal(size=40), "x": rng.normal(size=40), "g": g, "again": g + 10}
    data["label"] = np.array(list("abcdefgh"))[g]
    fit = pp.fit("y ~ label + (1 | g)", data, method="reml")
    assert "spreads_not_identified" in codes(fit)
    assert "tau[g]" in next(n.text for n in fit.notices if n.code == "spreads_not_identified")
    assert "spreads_not_identified" not in codes(pp.fit("y ~ x + (x | g)", data, method="reml"))
    alike = pp.fit("y ~ x + (1 | g) + (1 | again)", data, method="reml")
    assert "factors_alike" in codes(alike)


def test_means_of_estimates_exist_with_two_groups():
    rng = np.random.default_rng(1)
    g = np.repeat([0, 1], 10)
    data = {"y": rng.normal(size=20) + 3 * g, "g": g}
    table = pp.fit("y ~ 1 + (1 | g)", data, method="reml").parameters()
    assert np.isfinite(table["mean"]).all()


def test_labels_that_start_anew_are_told():
    rng = np.random.default_rng(2)
    county, tract = np.repeat(np.arange(5), 12), np.tile(np.repeat(np.arange(3), 4), 5)
    data = {"y": rng.normal(size=60), "county": county, "tract": tract}
    fit = pp.fit("y ~ 1 + (1 | county/tract)", data)
    text = next(n.text for n in fit.notices if n.code == "labels_start_anew")
    assert "3 labels of tract" in text
    assert "has 15" in text
    data["tract"] = county * 3 + tract
    assert "labels_start_anew" not in codes(pp.fit("y ~ 1 + (1 | county/tract)", data))


def test_the_reference_level_is_told_beside_slopes_of_each_level():
    rng = np.random.default_rng(3)
    data = {
        "y": rng.normal(size=40),
        "x": rng.normal(size=40),
        "kind": np.tile(["p", "q"], 20),
        "g": np.repeat(np.arange(5), 8),
    }
    assert "reference_level" in codes(pp.fit("y ~ kind / x + (1 | g)", data))
    assert "reference_level" not in codes(pp.fit("y ~ x:kind + (1 | g)", data))


@pytest.mark.parametrize("formula", ["y ~ x + (1 + x | d/g)", "y ~ x + (1 | d) + (1 | g)"])
def test_nested_groups_are_estimated_with_the_groups_they_lie_in(formula):
    """As a prediction of the group is, and comparable with its own mean; here d has 3 groups."""
    rng = np.random.default_rng(8)
    g = np.arange(120) % 12
    d, x = g % 3, rng.normal(size=120)
    level = rng.normal(size=3)[d] + 0.3 * rng.normal(size=12)[g]
    data = {"y": 5 + level + x + 0.5 * rng.normal(size=120), "x": x}
    data |= {"d": [f"d{i}" for i in d], "g": [f"g{i:02}" for i in g]}
    fit = pp.fit(formula, data, prior="tau ~ half_normal(2)")
    found = fit.groups()
    inner = [f != "d" and t == "Intercept" for f, t in zip(found["factor"], found["term"])]  # noqa: B905
    labels = [str(v)[-3:] for v in found["group"][inner]]
    rows = {"x": [0.0] * 12, "g": labels, "d": [f"d{int(v[1:]) % 3}" for v in labels]}
    told = fit.predict(rows)
    for name in ("estimate", "sd", "lower", "upper"):
        np.testing.assert_allclose(found[name][inner], told[name], rtol=1e-6)
    np.testing.assert_allclose(found["estimate"][inner], found["raw"][inner], atol=0.5)


def test_predictors_far_from_zero_are_pointed_at_where_they_hurt():
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(5), 8)
    x = 5.0 + 0.1 * rng.normal(size=40)
    data = {"y": rng.normal(size=40), "x": x, "g": g}
    fit = pp.fit("y ~ x + (x | g)", data)
    assert "accuracy_not_reached" in codes(fit)
    text = next(n.text for n in fit.notices if n.code == "accuracy_not_reached")
    assert "center(x)" in text
    centred = pp.fit("y ~ center(x) + (center(x) | g)", data)
    assert "accuracy_not_reached" not in codes(centred)
