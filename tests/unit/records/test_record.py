"""What every record of statistics says of itself, held against the rows it was made of."""

from functools import cache

import numpy as np
import pytest

import partialpool as pp


@cache
def rows():
    rng = np.random.default_rng(8)
    group = np.repeat(np.arange(6), [2, 3, 4, 5, 6, 7])
    x = rng.normal(2.0, 1.0, len(group))
    return {
        "g": group,
        "x": x,
        "y": rng.normal(100.0, 1.0, 6)[group] + 0.5 * x + rng.normal(0.0, 1.0, len(group)),
        "trials": np.full(len(group), 9),
        "events": rng.binomial(9, 0.3, len(group)),
        "se": rng.uniform(0.5, 1.0, len(group)),
    }


def by_group(values):
    return np.bincount(rows()["g"], values)


@cache
def statistics(formula):
    return pp.fit(formula, rows()).statistics


ONE_FACTOR = (
    "y ~ 1 + (1 | g)",
    "y | se(se) ~ 1 + (1 | g)",
    "events | trials(trials) ~ 1 + (1 | g)",
)
SEVERAL = ("y ~ x + (x | g)", "y | se(se) ~ x + (1 | g)", "events | trials(trials) ~ x + (x | g)")


@pytest.mark.parametrize(("formulas", "one_factor"), [(ONE_FACTOR, True), (SEVERAL, False)])
def test_kinds_are_told_apart(formulas, one_factor):
    kinds = [statistics(f) for f in formulas]
    assert [s.one_factor for s in kinds] == [one_factor] * 3
    assert [s.counts for s in kinds] == [False, False, True]
    assert [s.proportion for s in kinds] == [False, False, True]
    assert [s.errors_known for s in kinds] == [False, True, False]
    assert [s.group_counts for s in kinds] == [{"g": 6}] * 3
    for s in kinds:
        np.testing.assert_array_equal(s.rows_by_group(0), [2, 3, 4, 5, 6, 7])


@pytest.mark.parametrize("formula", ["y ~ 1 + (1 | g)", "y ~ x + (x | g)"])
def test_moments_of_plain_rows_are_those_of_the_rows(formula):
    y = rows()["y"]
    expected = (27.0, y.sum(), (y**2).sum())
    np.testing.assert_allclose(statistics(formula).plain_moments(), expected, rtol=1e-12)


@pytest.mark.parametrize("formula", [*ONE_FACTOR[1:], *SEVERAL[1:]])
def test_other_rows_have_no_plain_moments(formula):
    assert statistics(formula).plain_moments() is None


def test_what_was_observed_of_each_group():
    n, y, events = by_group(None), by_group(rows()["y"]), by_group(rows()["events"])
    for formula, expected in zip(ONE_FACTOR, (y / n, None, events), strict=True):
        if expected is not None:
            np.testing.assert_allclose(statistics(formula).outcome_by_group(0), expected)
    np.testing.assert_allclose(statistics(SEVERAL[0]).outcome_by_group(0), y / n)
    np.testing.assert_array_equal(statistics(SEVERAL[2]).outcome_by_group(0), events)
    assert np.isnan(statistics("y ~ x + (0 + x | g)").outcome_by_group(0)).all()


def test_means_of_a_slope_and_of_the_outcome():
    n, x = by_group(None), by_group(rows()["x"])
    y, events = by_group(rows()["y"]), by_group(rows()["events"])
    for formula, expected in ((SEVERAL[0], y / n), (SEVERAL[2], events / (9 * n))):
        means = statistics(formula).slope_means(0, 1)
        np.testing.assert_allclose(means, [x / n, expected], rtol=1e-10)


def test_all_groups_together():
    measured, counted = statistics(ONE_FACTOR[0]), statistics(ONE_FACTOR[2])
    y, g = rows()["y"], rows()["g"]
    within = y - (by_group(y) / by_group(None))[g]
    assert measured.pooled_value == pytest.approx(y.mean(), rel=1e-12)
    assert measured.sd_within == pytest.approx(np.sqrt((within**2).sum() / (27 - 6)), rel=1e-9)
    assert counted.pooled_value == pytest.approx(rows()["events"].sum() / (9 * 27), rel=1e-12)


@pytest.mark.parametrize("formula", [ONE_FACTOR[0], ONE_FACTOR[2]])
def test_shrinkage_at_a_size_is_that_of_a_group_of_that_size(formula):
    engine = pp.fit(formula, rows())._engine
    at_sizes = engine.shrinkage_of(engine.statistics.weight)
    np.testing.assert_allclose(at_sizes.mean, engine.shrinkage.mean, rtol=1e-12)
    np.testing.assert_allclose(at_sizes.interval(), engine.shrinkage.interval(), rtol=1e-9)


def test_a_slope_without_a_mean_is_about_a_ratio_of_one():
    """The app set the population's ratio of odds to 0 where it is exp(0)."""
    counts = pp.fit("events | trials(trials) ~ 1 + (x | g)", rows())._engine
    measured = pp.fit("y ~ 1 + (x | g)", rows())._engine
    assert counts.population_value(counts.terms[1]) == 1.0
    assert measured.population_value(measured.terms[1]) == 0.0
