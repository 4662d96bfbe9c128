"""Draw the pictures of README and docs: python docs/picture.py (needs the extra `plot`)."""

from pathlib import Path

import partialpool as pp
from partialpool import charts

fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
chart = charts.shrinkage(fit.posterior, title="Coaching effects in eight schools")
charts.save(chart, Path(__file__).parent / "eight_schools.svg")

formula, schools = "effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools()
narrow = pp.fit(formula, schools, prior="tau ~ half_normal(3)")
charts.save(narrow.plot.sensitivity(), Path(__file__).parent / "sensitivity.svg")
