"""Statistics beside their distributions: p-values by other formulas."""

import numpy as np
import pytest
from scipy import stats

from partialpool.kernels.compared import with_draws, with_gamma, with_largest, with_normal


def test_draws_count_the_data_as_one_more_and_ties_half():
    drawn = np.array([1.0, 2.0, 2.0, 3.0, 4.0])
    assert with_draws(2.0, drawn).p == pytest.approx((2 + 1 + 1) / 6)  # 2 above, 2 ties, itself
    assert with_draws(5.0, drawn).p == pytest.approx(1 / 6)
    assert with_draws(0.0, drawn).p == 1.0
    assert with_draws(0.0, drawn, both=True).p == pytest.approx(2 / 6)
    assert with_draws(2.0, drawn, both=True).p == 1.0
    found = with_draws(5.0, np.arange(1001.0))
    assert (found.lower, found.expected, found.upper) == (25.0, 500.0, 975.0)


def test_gamma_is_a_chi_square_where_it_is_one():
    found, twin = with_gamma(18.3, 10.0, 20.0), stats.chi2(10)
    assert found.p == pytest.approx(twin.sf(18.3), rel=1e-12)
    assert [found.lower, found.expected, found.upper] == pytest.approx(
        twin.ppf([0.025, 0.5, 0.975])
    )


def test_normal_one_and_both_ways():
    assert with_normal(-1.5).p == pytest.approx(2 * stats.norm.sf(1.5))
    assert with_normal(-1.5, both=False).p == pytest.approx(stats.norm.sf(-1.5))
    assert with_normal(0.3).upper == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize(("df", "law"), [(np.inf, stats.norm()), (7.0, stats.t(7))])
def test_the_largest_of_many(df, law):
    found = with_largest(3.0, 30, df)
    assert found.p == pytest.approx(1 - (law.cdf(3.0) - law.cdf(-3.0)) ** 30, rel=1e-10)
    for end, p in ((found.lower, 0.025), (found.expected, 0.5), (found.upper, 0.975)):
        assert (law.cdf(end) - law.cdf(-end)) ** 30 == pytest.approx(p, rel=1e-9)
