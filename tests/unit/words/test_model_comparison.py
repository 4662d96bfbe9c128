"""Leave-one-group-out scores of several models: sums, weights, words, and what is refused."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.words.model_comparison import stacking_weights

SCHOOLS = "effect | se(se) ~ 1 + (1 | school)"


def dataset(name):
    (entry,) = (d for d in pp.datasets.catalogue if d.name == name)
    return {k: np.asarray(v) for k, v in entry.load().items()}


def test_eight_schools_under_three_priors():
    data = pp.datasets.eight_schools()
    priors = [None, "tau ~ half_normal(5)", ["mu ~ normal(0, 10)", "tau ~ half_normal(5)"]]
    fits = [pp.fit(SCHOOLS, data, prior=p) for p in priors]
    result = pp.compare_models(*fits, names=["flat", "narrow", "proper"])
    assert result.table["model"].tolist() == ["proper", "narrow", "flat"]
    for name, fit in zip(["flat", "narrow", "proper"], fits, strict=True):
        at = result.table["model"].tolist().index(name)
        assert result.table["elpd"][at] == pytest.approx(fit.influence().elpd)
    gap = result.pointwise["flat"] - result.pointwise["proper"]
    assert result.table["difference"][2] == pytest.approx(gap.sum())
    assert result.table["difference_se"][2] == pytest.approx(np.sqrt(8) * gap.std(ddof=1))
    log_p = result.table["log_marginal_likelihood"]
    assert log_p[0] == pytest.approx(fits[2].posterior.log_marginal_likelihood)
    assert np.isnan(log_p[1:]).all()
    assert "within 2 se" in result.text
    assert "With 8 groups the standard errors are rough" in result.text


def test_sleepstudy_wants_slopes():
    data = dataset("sleepstudy")
    formulas = ["reaction ~ 1 + (1 | subject)", "reaction ~ days + (1 | subject)",
                "reaction ~ days + (days | subject)"]  # fmt: skip
    result = pp.compare_models(*(pp.fit(f, data) for f in formulas))
    assert result.table["model"].tolist() == formulas[::-1]
    assert result.table["elpd"] == pytest.approx([-886.155, -904.62, -959.90], abs=0.05)
    assert result.table["weight"].sum() == pytest.approx(1)
    assert "A predicts groups best, by" in result.text
    assert "A: reaction ~ days + (days | subject)" in repr(result)
    assert "log p(y)" not in repr(result)


def test_populations_of_counts_are_told_apart_by_name():
    data = {"y": [1, 18, 8, 46, 8, 13], "n": [47, 148, 119, 810, 211, 196], "g": list("abcdef")}
    formula = "y | trials(n) ~ 1 + (1 | g)"
    fits = [pp.fit(formula, data, population=p) for p in ("normal", "beta")]
    names = set(pp.compare_models(*fits).table["model"].tolist())
    kinds = ("binomial", "binomial, beta population")
    assert names == {f"{formula} ({kind}, tau ~ flat())" for kind in kinds}


def test_stacking_weights_are_at_the_maximum():
    """At the maximum no model's mean ratio to the mixture is above one; it is one where used."""
    rng = np.random.default_rng(4)
    log_density = rng.normal(size=(60, 4)) + np.array([0.0, 0.2, -0.5, 0.1])
    w = stacking_weights(log_density)
    p = np.exp(log_density)
    ratio = (p / (p @ w)[:, None]).mean(axis=0)
    assert w.sum() == pytest.approx(1)
    assert (w >= 0).all()
    assert ratio.max() < 1 + 1e-5
    assert ratio[w > 1e-6] == pytest.approx(1, abs=1e-5)


def test_stacking_weights_of_two_models_are_those_of_a_line_search():
    rng = np.random.default_rng(9)
    log_density = rng.normal(size=(40, 2))
    grid = np.linspace(0, 1, 100_001)
    p = np.exp(log_density)
    score = np.log(np.outer(grid, p[:, 0]) + np.outer(1 - grid, p[:, 1])).sum(axis=1)
    assert stacking_weights(log_density)[0] == pytest.approx(grid[score.argmax()], abs=1e-4)


def test_stacking_survives_groups_that_are_impossible_under_a_model():
    log_density = np.array([[-1.0, -900.0], [-800.0, -1.0]])
    assert stacking_weights(log_density) == pytest.approx([0.5, 0.5])


def radon(formula, **changes):
    return pp.fit(formula, {**dataset("radon"), **changes})


def test_other_data_are_refused_in_a_sentence():
    one = radon("log_radon ~ 1 + (1 | county)")
    cases = {
        "different outcomes, log_radon and exp": radon("exp(log_radon) ~ floor + (1 | county)"),
        "do not use the same rows": radon(
            "log_radon ~ floor + (1 | county)",
            floor=np.where(np.arange(919) == 5, np.nan, dataset("radon")["floor"].astype(float)),
        ),
        "same values of the outcome": radon(
            "log_radon ~ floor + (1 | county)", log_radon=dataset("radon")["log_radon"][::-1].copy()
        ),
        "same groups": radon(
            "log_radon ~ floor + (1 | county)",
            county=np.where(dataset("radon")["county"] == "ANOKA", "X", dataset("radon")["county"]),
        ),
    }
    for words, other in cases.items():
        with pytest.raises(pp.ArgumentError, match=words):
            pp.compare_models(one, other)
    counts = pp.fit(
        "y | trials(n) ~ 1 + (1 | g)", {"y": [1, 2, 3, 9], "n": [9] * 4, "g": list("abcd")}
    )
    rows = pp.fit("y ~ 1 + (1 | g)", {"y": [1.0, 2, 3, 9, 2, 3, 5, 7], "g": list("abcd") * 2})
    with pytest.raises(pp.ArgumentError, match="of measurements"):
        pp.compare_models(counts, rows)
    with pytest.raises(pp.ArgumentError, match="different columns, county and g"):
        pp.compare_models(one, rows)


def test_what_is_not_a_fit_is_refused():
    fit = pp.fit(SCHOOLS, pp.datasets.eight_schools())
    with pytest.raises(pp.ArgumentError, match="received a int"):
        pp.compare_models(fit, 3)
    with pytest.raises(pp.ArgumentError, match="received nothing"):
        pp.compare_models()
    with pytest.raises(pp.ArgumentError, match="2 different names"):
        pp.compare_models(fit, fit, names=["a", "a"])
    assert "nothing to compare" in pp.compare_models(fit).text


def test_a_model_that_cannot_be_scored_is_refused():
    rng = np.random.default_rng(0)
    data = {"g": np.repeat(list("abcdef"), 4), "y": rng.normal(size=24),
            "x": np.r_[np.zeros(20), np.ones(4)]}  # fmt: skip
    formulas = "y ~ 1 + (1 | g)", "y ~ x + (1 | g)"
    with pytest.raises(pp.ArgumentError, match=r'1 of the 6 groups of g \("f"\)'):
        pp.compare_models(*(pp.fit(f, data) for f in formulas))
    # what the sentence advises, both ways
    proper = [pp.fit(f, data, prior=["beta ~ normal(0, 5)"] * ("x" in f)) for f in formulas]
    assert len(pp.compare_models(*proper).unscored) == 0
    fewer = {k: v[:20] for k, v in data.items()}
    fewer["x"] = np.arange(20.0)
    assert len(pp.compare_models(*(pp.fit(f, fewer) for f in formulas)).unscored) == 0


def test_other_groups_are_compared_where_one_cannot_be_told():
    """Without a group that is two hundred times higher no point of the posterior is left."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(12), 4), np.tile(np.arange(4.0), 12)
    rate = np.exp(0.5 + 0.3 * rng.standard_normal(12)[g] + 0.1 * x)
    y = rng.poisson(rate * rng.gamma(2.0, 0.5, 48))
    y[g == 7] = [400, 300, 500, 350]
    data = {"g": [f"g{i}" for i in g], "x": x, "y": y}
    fits = [
        pp.fit(f, data, family="negative_binomial") for f in ("y ~ 1 + (1 | g)", "y ~ x + (1 | g)")
    ]
    result = pp.compare_models(*fits, names=["plain", "x"])
    assert result.unscored.tolist() == ["g7"]
    others = result.pointwise["group"] != "g7"
    for row in result.table.rows():
        score = result.pointwise[row["model"]]
        assert np.isnan(score[~others]).all()
        assert row["elpd"] == pytest.approx(score[others].sum())
        assert row["se"] == pytest.approx(np.sqrt(11) * score[others].std(ddof=1))
    assert 'scores of 11 of the 12 groups: of "g7"' in result.text
