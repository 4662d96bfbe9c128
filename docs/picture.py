"""Draw the pictures of README and docs: python docs/picture.py (needs the extra `plot`)."""

from pathlib import Path

import partialpool as pp
from partialpool import charts

fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
chart = charts.shrinkage(fit.posterior, title="Coaching effects in eight schools")
HERE = Path(__file__).parent
charts.save(chart, HERE / "eight_schools.svg")

TITLE = "Risk ratios of tuberculosis, with the BCG vaccine and without"
trials = pp.fit("log_rr | se(log_rr_se) ~ 1 + (1 | trial)", pp.datasets.bcg())
by_latitude = pp.fit("log_rr | se(log_rr_se) ~ latitude + (1 | trial)", pp.datasets.bcg())
charts.save(trials.plot.forest(scale="exp", title=TITLE), HERE / "bcg_forest.svg")
charts.save(
    by_latitude.plot.forest(scale="exp", title=f"{TITLE}, by latitude"),
    HERE / "bcg_forest_latitude.svg",
)
charts.save(trials.plot.funnel(scale="exp"), HERE / "bcg_funnel.svg")

data = pp.datasets.salamanders()
fit = pp.fit("count | exposure(surveys) ~ mined + (1 | species) + (1 | site)", data)
charts.save(charts.check(fit.check(data)), HERE / "checks.svg")

formula, schools = "effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools()
narrow = pp.fit(formula, schools, prior="tau ~ half_normal(3)")
charts.save(narrow.plot.sensitivity(), HERE / "sensitivity.svg")
