"""What `fit.influence()` tells, in its table and in words."""

import numpy as np
import pytest

import partialpool as pp

SCHOOLS = "effect | se(se) ~ 1 + (1 | school)"


def test_eight_schools():
    fit = pp.fit(SCHOOLS, pp.datasets.eight_schools())
    result = fit.influence()
    others = pp.fit(SCHOOLS, {k: np.asarray(v)[1:] for k, v in pp.datasets.eight_schools().items()})
    row = next(result.table.rows())
    assert list(row) == ["group", "elpd", "elpd_error", "Intercept", "shift Intercept",
                         "tau[school]", "shift tau[school]", "I^2", "shift I^2",
                         "largest shift"]  # fmt: skip
    post = others.posterior
    assert row["Intercept"] == pytest.approx(float(post["Intercept"].mean))
    assert row["tau[school]"] == pytest.approx(float(post["tau"].mean))
    assert row["I^2"] == pytest.approx(float(post.icc().mean))
    whole = fit.posterior["Intercept"]
    shift = (float(post["Intercept"].mean) - float(whole.mean)) / float(whole.sd)
    assert row["shift Intercept"] == pytest.approx(shift)
    assert row["largest shift"] == pytest.approx(abs(shift))
    assert result.elpd == pytest.approx(-31.3417436, abs=1e-6)
    assert "Without E Intercept moves most: from 7.9 to 10.0 (+0.39" in result.text
    assert "Least likely given the others is A (elpd -4.60)" in result.text
    assert repr(result).splitlines()[3].startswith("E ")  # the most influential first


def test_the_score_is_that_of_compare():
    (dyestuff,) = (d for d in pp.datasets.catalogue if d.name == "dyestuff")
    fit = pp.fit(dyestuff.formula, dyestuff.load())
    scores = fit.compare().scores
    partial = scores["log_score"][scores["estimator"] == "partial_pooling"][0]
    assert fit.influence().elpd / 6 == pytest.approx(partial)


def test_shifts_that_do_not_exist_are_not_told():
    result = pp.fit_groups(mean=[1.0, 4, 2, 3], se=[1.0, 1, 1, 1]).influence()
    assert np.isinf(result.table["tau[group]"]).all()
    assert np.isnan(result.table["shift tau[group]"]).all()
    assert np.isfinite(result.table["shift I^2"]).all()
    assert "inf" in repr(result)
    assert "nan" not in repr(result)


def test_groups_of_which_nothing_is_known_are_named():
    rng = np.random.default_rng(0)
    data = {"g": np.repeat(list("abcdef"), 4), "y": rng.normal(size=24),
            "x": np.r_[np.zeros(20), np.ones(4)]}  # fmt: skip
    result = pp.fit("y ~ x + (1 | g)", data).influence()
    assert "Of 1 group (f) nothing is told" in result.text
    assert repr(result).splitlines()[-4:]


def test_ten_rows_are_printed():
    (baseball,) = (d for d in pp.datasets.catalogue if d.name == "baseball")
    result = pp.fit(baseball.formula, baseball.load()).influence()
    assert "... 8 more groups: .table" in repr(result)
    assert result.table.n_rows == 18
