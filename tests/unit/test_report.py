"""What a report says beside its tables."""

import html

import numpy as np

import partialpool as pp
from partialpool import report


def written(fit):
    return html.unescape(report.page(fit.report_contents(drawn=False)))


def test_what_the_answer_rests_on_is_what_checks_priors_and_single_groups_say():
    fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
    page = written(fit)
    assert "What the answer rests on" in page
    assert fit.sensitivity().text in page
    assert fit.influence().text in page
    assert fit.check().text in page


def test_too_few_groups_to_leave_one_out_are_reported_all_the_same():
    rows = {"g": list("aabbcc"), "y": [1.0, 2.0, 5.0, 4.0, 2.0, 2.5]}
    fit = pp.fit("y ~ 1 + (1 | g)", rows)
    assert "Under other priors of tau" in written(fit)


def test_what_takes_seconds_is_not_in_a_report():
    rng = np.random.default_rng(1)
    many = pp.fit_groups(mean=rng.normal(size=2001), se=np.ones(2001))
    slopes = pp.fit("reaction ~ days + (days | subject)", pp.datasets.sleepstudy())
    for fit in (many, slopes):
        assert "What the answer rests on" not in written(fit)
