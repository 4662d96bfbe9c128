"""What `fit.sensitivity()` tells, in tables and in words."""

import time
from pathlib import Path

import numpy as np
import pytest

import partialpool as pp

SCHOOLS = "effect | se(se) ~ 1 + (1 | school)"


def schools(**options):
    return pp.fit(SCHOOLS, pp.datasets.eight_schools(), **options)


def test_eight_schools_under_a_flat_prior():
    result = schools().sensitivity()
    rows = {(r["setting"], r["name"]): r for r in result.table.rows()}
    tau = rows["tau ~ half_normal(10)", "tau[school]"]
    assert tau["mean"] == pytest.approx(4.8438, abs=1e-3)
    assert tau["shift"] == pytest.approx((4.8438 - 6.57548) / 5.65038, abs=1e-3)
    assert not result.table["moves"].any()
    assert "no parameter moves by more than 0.5 posterior sds" in result.text
    assert "The fit's own priors are flat" in result.text
    assert result.table["kind"].tolist().count("power of likelihood") == 4
    own = result.table["kind"] == "fit"
    assert (result.table["shift"][own] == 0).all()


def test_a_narrow_prior_is_seen_to_decide():
    result = schools(prior="tau ~ half_normal(2)").sensitivity()
    assert "tau[school] moves by more than 0.5 posterior sds" in result.text
    assert "3 of 8 groups move by more than 0.5 sds." in result.text
    first = {r["setting"]: r for r in result.groups.rows() if r["group"] == "A"}
    assert first["tau ~ flat()"]["mean"] == pytest.approx(11.40026, abs=1e-4)
    assert first["tau ~ flat()"]["lower"] == pytest.approx(-2.1, abs=0.3)
    assert first["tau ~ flat()"]["moves"]
    assert not first["prior to the power 0.8"]["moves"]
    printed = repr(result)
    assert "(+4.32*)" in printed
    assert "tau ~ half_normal(2) (the fit)" in printed


def test_medians_stand_for_means_that_do_not_exist():
    result = pp.fit_groups(mean=[1.0, 4, 2], se=[1.0, 1, 1]).sensitivity()
    rows = [r for r in result.table.rows() if r["name"] == "tau[group]"]
    assert np.isinf(rows[0]["mean"])
    assert all(np.isfinite(r["shift"]) for r in rows)
    half_normal = next(r for r in rows if "half_normal" in r["setting"])
    width = (rows[0]["upper"] - rows[0]["lower"]) / 3.919928
    assert half_normal["shift"] == pytest.approx(
        (half_normal["median"] - rows[0]["median"]) / width
    )


def test_every_group_has_its_largest_shift():
    result = schools(prior="tau ~ half_normal(2)").sensitivity()
    rows = [r for r in result.groups.rows() if r["group"] == "A"]
    largest = max(rows, key=lambda r: abs(r["shift"]))
    at = result.largest["group"].tolist().index("A")
    assert result.largest["largest shift"][at] == largest["shift"]
    assert result.largest["setting"][at] == largest["setting"]


def test_with_slopes_scales_are_of_each_sd():
    (sleep,) = (d for d in pp.datasets.catalogue if d.name == "sleepstudy")
    result = pp.fit(sleep.formula, sleep.load()).sensitivity()
    assert "tau ~ half_normal(33), half_normal(5.6)" in result.table["setting"].tolist()
    assert set(result.groups["term"].tolist()) <= {"Intercept", "days"}
    assert "likelihood to the power 0.8" in result.table["setting"].tolist()


def test_counts_with_predictors_have_no_powers_of_the_likelihood():
    (seeds,) = (d for d in pp.datasets.catalogue if d.name == "seeds")
    result = pp.fit(seeds.formula, seeds.load(), prior="tau ~ half_normal(1)").sensitivity()
    kinds = set(result.table["kind"].tolist())
    assert kinds == {"fit", "prior", "power of prior"}


@pytest.mark.parametrize("groups", [8, 1000])
def test_it_takes_milliseconds(groups):
    """About 25 and 70 ms of one free core; the limit is for a busy machine."""
    rng = np.random.default_rng(1)
    se = rng.uniform(0.5, 2, groups)
    fit = pp.fit_groups(mean=rng.normal(size=groups) + se * rng.normal(size=groups), se=se)
    fit.sensitivity()
    start = time.process_time()
    fit.sensitivity()
    assert time.process_time() - start < 0.5


def test_estimates_have_none():
    (sleep,) = (d for d in pp.datasets.catalogue if d.name == "sleepstudy")
    fit = pp.fit(sleep.formula, sleep.load(), method="reml")
    with pytest.raises(pp.ArgumentError, match="needs a posterior"):
        fit.sensitivity()


def test_the_page_shows_what_is_printed():
    """docs/sensitivity.md, whose code is run by tests/surface."""
    page = (Path(__file__).parents[3] / "docs" / "sensitivity.md").read_text(encoding="utf-8")
    shown = " ".join(page.split())
    assert schools(prior="tau ~ half_normal(3)").sensitivity().text in shown
    assert schools().influence().text in shown
    (sleep,) = (d for d in pp.datasets.catalogue if d.name == "sleepstudy")
    formulas = "reaction ~ days + (1 | subject)", "reaction ~ days + (days | subject)"
    assert pp.compare_models(*(pp.fit(f, sleep.load()) for f in formulas)).text in shown
