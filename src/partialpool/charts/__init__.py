"""Charts: one function each, an `altair.Chart` out, for notebook, command, report and app alike.

| function | what it shows |
|---|---|
| `shrinkage` | from each group's own estimate to its partially pooled one |
| `caterpillar` | estimates with intervals, in their order |
| `forest` | known standard errors: own and pooled estimates, the mean, a new group; ratios too |
| `funnel` | estimates by standard error with significance; groups by size with control limits |
| `check` | every check beside what the model expects, and every group beside the others |
| `ranks` | expected ranks with their intervals, of every model |
| `sensitivity` | parameters and groups under other priors, and powers of prior and likelihood |
| `shrinkage_by_size` | how much a group is pooled, by rows or standard error |
| `tau` | the posterior of tau, and the classical estimates in it |
| `estimates_by_tau` | the estimates as functions of tau |
| `coefficients` | mixed models: coefficients with their intervals |
| `estimate_by_value` | estimates against own values: how far values of what size are drawn in |
| `population` | the shape of the population, with how sure it is, beside a normal one |
| `effects` | mixed models: an effect of every group, in the order of their estimates |
| `group_lines` | mixed models: each group's line by no, complete and partial pooling |
| `intercept_by_slope` | mixed models: where each group's own line is drawn to |
| `by_predictor` | mixed models: groups' intercepts against a predictor of the groups |
| `error_bars`, `risk_by_tau` | errors of estimators, in one setting and over tau |

Every chart takes, of what it has: `level`, the probability of its intervals; `title`, in place of
the standard one; and `dark`, colours for dark surroundings.
"""

from partialpool.charts.by_size import shrinkage_by_size
from partialpool.charts.by_value import estimate_by_value
from partialpool.charts.caterpillar import caterpillar
from partialpool.charts.check import check
from partialpool.charts.coefficients import coefficients
from partialpool.charts.effects import effects
from partialpool.charts.forest import forest
from partialpool.charts.funnel import funnel
from partialpool.charts.group_lines import group_lines
from partialpool.charts.group_predictor import by_predictor
from partialpool.charts.plots import Plots
from partialpool.charts.population import population
from partialpool.charts.ranks import ranks
from partialpool.charts.risk import error_bars, risk_by_tau
from partialpool.charts.save import save
from partialpool.charts.sensitivity import sensitivity
from partialpool.charts.shrinkage import shrinkage
from partialpool.charts.tau import tau
from partialpool.charts.trace import estimates_by_tau
from partialpool.charts.two_effects import intercept_by_slope

__all__ = [
    "Plots",
    "by_predictor",
    "caterpillar",
    "check",
    "coefficients",
    "effects",
    "error_bars",
    "estimate_by_value",
    "estimates_by_tau",
    "forest",
    "funnel",
    "group_lines",
    "intercept_by_slope",
    "population",
    "ranks",
    "risk_by_tau",
    "save",
    "sensitivity",
    "shrinkage",
    "shrinkage_by_size",
    "tau",
]
