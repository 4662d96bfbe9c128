"""Draw the pictures of README and docs/checks.md: python docs/picture.py (needs `plot`)."""

from pathlib import Path

import partialpool as pp
from partialpool import charts

fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
chart = charts.shrinkage(fit.posterior, title="Coaching effects in eight schools")
charts.save(chart, Path(__file__).parent / "eight_schools.svg")

data = pp.datasets.salamanders()
fit = pp.fit("count | exposure(surveys) ~ mined + (1 | species) + (1 | site)", data)
charts.save(charts.check(fit.check(data)), Path(__file__).parent / "checks.svg")
