"""What meta-analysts report beside a posterior: Q, I^2, and pooled effects by the classics."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.design.labels import as_labels
from partialpool.design.new_rows import NEW
from partialpool.posterior import MixedPosterior
from partialpool.posterior.distributions import Distribution
from partialpool.posterior.mapped import Selected
from partialpool.words.formatting import WIDTH

INTERCEPT = "Intercept"
INTERVALS = ("estimate", "se", "lower", "upper", "hartung_se", "hartung_lower", "hartung_upper")


@dataclass(frozen=True, slots=True, eq=False)
class Studies:
    """Estimates of groups with known standard errors, and predictors of the groups.

    Parameters
    ----------
    y, se : ndarray, shape (J,)
        Units of y; of several rows of a group their weighted mean.
    x : ndarray, shape (J, p - 1)
        Predictors, as named.
    names : tuple of str, length p
        Coefficients, the intercept first.
    """

    y: Floats
    se: Floats
    x: Floats
    names: tuple[str, ...]

    @property
    def data(self) -> dict[str, Any]:
        """Arguments of the classical estimators."""
        predictors = self.x if self.x.shape[1] else None
        return {"mean": self.y, "se": self.se, "predictors": predictors}


def studies_of(statistics: Any) -> Studies | None:
    """The studies of a meta-analysis; None of other models.

    A meta-analysis has known standard errors, one factor whose intercept varies, and no predictors
    but those of its groups.
    """
    s = statistics
    if not s.errors_known:
        return None
    if s.one_factor:
        return Studies(s.raw, s.weight**-0.5, np.empty((s.n_groups, 0)), (INTERCEPT,))
    block = s.blocks[0]
    alone = len(s.blocks) == 1 and block.effects == (INTERCEPT,) and bool(block.constant.all())
    if not alone or s.coefficients[:1] != (INTERCEPT,):
        return None
    x = (block.x_mean + s.shift)[:, 1:]
    return Studies(block.y_mean + s.center, block.weight**-0.5, x, s.coefficients)


@dataclass(frozen=True, slots=True, eq=False)
class MetaAnalysis:
    """Heterogeneity and pooled effects.

    Parameters
    ----------
    heterogeneity : Table
        One row: q, df and p (Cochran's test of tau = 0), i2 with its interval, tau (by REML) with
        its Q-profile interval (units of y); with predictors of what these leave unexplained.
    pooled : Table
        estimator (of tau), name (coefficient), estimate, se, lower, upper, and hartung_se,
        hartung_lower and hartung_upper by Knapp and Hartung; without predictors also
        prediction_lower and prediction_upper, of the effect in a new study (units of y).
    """

    heterogeneity: Table
    pooled: Table


def meta_analysis(
    statistics: Any, estimators: Sequence[str] = ("reml",), level: float = 0.95
) -> MetaAnalysis | None:
    """Heterogeneity and pooled effects; None where there is no meta-analysis, or too few studies.

    Parameters
    ----------
    statistics : GroupStatistics or CrossProducts
    estimators : sequence of str
        Estimators of tau from estimates with standard errors, by name.
    level : float
        Probability of the intervals.
    """
    from partialpool import classical  # which the summary of a fit, that reads this file, needs not

    studies = studies_of(statistics)
    if studies is None or len(studies.y) < len(studies.names) + 1:
        return None
    data = studies.data
    tau = classical.reml(**data).tau
    h = classical.heterogeneity(**data, tau=tau, level=level)
    row = {k: getattr(h, k) for k in ("q", "df", "p", "i2", "i2_lower", "i2_upper")}
    row |= {"tau": tau, "tau_lower": h.tau_lower, "tau_upper": h.tau_upper}
    by_estimator = {}
    for name in dict.fromkeys(estimators):
        between = getattr(classical, name)(**data).tau
        by_estimator[name] = classical.pooled_effects(**data, tau=between, level=level)
    size = len(studies.names)
    columns = {k: np.concatenate([getattr(e, k) for e in by_estimator.values()]) for k in INTERVALS}
    if size == 1:
        columns |= {
            k: np.array([getattr(e, k) for e in by_estimator.values()])
            for k in ("prediction_lower", "prediction_upper")
        }
    pooled = Table(
        estimator=as_labels([name for name in by_estimator for _ in range(size)]),
        name=as_labels(list(studies.names) * len(by_estimator)),
        **columns,
    )
    return MetaAnalysis(Table({k: np.array([v]) for k, v in row.items()}), pooled)


def new_at_means(post: MixedPosterior) -> Distribution | None:
    """The effect in a new group of every factor, predictors at their means over groups.

    None unless standard errors are known (not of counts) and only intercepts vary.
    """
    population = population_at_means(post)
    if population is None:
        return None
    new = {t: (np.full(1, NEW), np.ones((1, 1))) for t in range(len(post.statistics.blocks))}
    return Selected(post.linear(population, new), index=0)


def population_at_means(post: MixedPosterior) -> Floats | None:
    """Predictors at their means over the groups of the first factor, (1, p); None as above."""
    s = post.statistics
    if not s.errors_known or any(b.effects != (INTERCEPT,) for b in s.blocks):
        return None
    return np.asarray((s.blocks[0].x_mean + s.shift).mean(axis=0, keepdims=True))


def heterogeneity_line(of: MetaAnalysis) -> str:
    """Q, I^2 and tau in a sentence."""
    row = next(of.heterogeneity.rows())
    left = "Beside the predictors, " if set(of.pooled["name"].tolist()) != {INTERCEPT} else ""
    p = "< 0.0001" if row["p"] < 1e-4 else f"= {row['p']:.4f}"
    return (
        f"{left}Q {row['q']:.2f} on {row['df']:.0f} degrees of freedom, p {p}; I^2 {row['i2']:.2f} "
        f"({row['i2_lower']:.2f} to {row['i2_upper']:.2f}); tau by REML {row['tau']:.3g} "
        f"({row['tau_lower']:.3g} to {row['tau_upper']:.3g} by Q-profile)."
    )


def printed(of: MetaAnalysis | None) -> list[str]:
    """The line and the table as text; nothing where there is no meta-analysis."""
    if of is None:
        return []
    line = "\n".join(textwrap.wrap(heterogeneity_line(of), WIDTH))
    return [line, repr(of.pooled)]
