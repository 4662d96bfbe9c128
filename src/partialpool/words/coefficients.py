"""Coefficients by complete pooling, fixed effects and the hierarchical model, side by side."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np

from partialpool._markup import output, paragraph
from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.classical.fixed_counts import fixed_effects_of_counts
from partialpool.classical.pooled_regression import (
    FixedEffects,
    fixed_effects_regression,
    pooled_regression,
)
from partialpool.design.labels import as_labels, shown
from partialpool.posterior import Estimated, MixedPosterior
from partialpool.records import Clusters, CrossProducts
from partialpool.records.count_products import CountProducts
from partialpool.words.formatting import WIDTH
from partialpool.words.meta_analysis import MetaAnalysis, meta_analysis, printed


@dataclass(frozen=True, slots=True, eq=False)
class MixedComparison:
    """What the poolings say of each coefficient.

    Parameters
    ----------
    coefficients : Table
        name; complete, complete_se (rows taken as independent), complete_robust_se
        (cluster-robust, CR2); fixed, fixed_se (an intercept for each group; nan where these take
        the predictor up); hierarchical, hierarchical_sd (posterior mean and sd, or estimate and
        standard error).
    text : str
        What the clusters are, and what fixed effects cost.
    meta_analysis : MetaAnalysis, optional
        Of effects with known standard errors and predictors of the groups: ``.heterogeneity`` (Q,
        I^2, tau) and ``.pooled`` (the coefficients by Wald and by Knapp and Hartung).
    """

    coefficients: Table
    text: str
    meta_analysis: MetaAnalysis | None = None

    def __repr__(self) -> str:
        text = "\n".join(textwrap.wrap(self.text, WIDTH))
        return "\n\n".join([repr(self.coefficients), text, *printed(self.meta_analysis)])

    def _repr_html_(self) -> str:
        table = self.coefficients.as_html("Coefficients")
        return output(table, paragraph(self.text))


def compare_coefficients(
    post: MixedPosterior | Estimated, clusters: Clusters | None
) -> MixedComparison:
    """Compare complete pooling, fixed effects and the hierarchical model.

    Parameters
    ----------
    post : MixedPosterior or Estimated
        The fitted model.
    clusters : Clusters, optional
        Cross-products within clusters, for robust errors.
    """
    s = post.statistics
    pooled = pooled_regression(s, clusters)
    unlimited: tuple[str, ...] = ()
    if isinstance(s, CountProducts):
        fixed, unlimited = fixed_effects_of_counts(s), s.unlimited
    else:
        fixed = fixed_effects_regression(s)
    nothing = np.full(len(s.coefficients), np.nan)
    limited = np.where(np.isin(s.coefficients, unlimited), np.nan, 1.0)
    table = Table(
        name=as_labels(s.coefficients),
        complete=limited * pooled.estimate,
        complete_se=limited * pooled.naive_se,
        complete_robust_se=limited * pooled.robust_se,
        fixed=nothing if fixed is None else fixed.estimate,
        fixed_se=nothing if fixed is None else fixed.se,
        hierarchical=np.array([float(d.mean) for d in post.coefficients.values()]),
        hierarchical_sd=_errors_of(post),
    )
    text = " ".join([_errors(clusters), *_cost(s, fixed)])
    return MixedComparison(table, text, meta_analysis(s))


def _errors_of(post: MixedPosterior | Estimated) -> Floats:
    if isinstance(post, Estimated):
        return post.estimate.se
    return np.array([float(d.sd) for d in post.coefficients.values()])


def _errors(clusters: Clusters | None) -> str:
    if clusters is None:
        return (
            "complete pools all rows; robust errors are not given: they need sums within groups, "
            "which are not kept in statistics, nor with too many predictors or groups."
        )
    return (
        f"complete pools all rows; its robust errors (CR2) let rows of the same "
        f"{clusters.factor} go together ({len(clusters.xty):,} clusters)."
    )


def _cost(s: CrossProducts, fixed: FixedEffects | None) -> list[str]:
    if fixed is None:
        return ["There are no fixed effects: no term lets the intercept vary."]
    text = (
        f"fixed gives each {fixed.factor} an intercept of its own: {fixed.intercepts:,} "
        f"coefficients more, which leaves {fixed.df:,} of {s.n_used:,} degrees of freedom."
    )
    if fixed.lost:
        text += f" It cannot estimate {shown(fixed.lost)}, which the groups take up."
    estimable = dict(zip(s.coefficients, np.isfinite(fixed.estimate), strict=True))
    if not all(estimable[n] for n in s.coefficients if n not in ("Intercept", *fixed.lost)):
        text += " Predictors that tell events from none have no finite estimate."
    elif s.proportion:
        text += " With few trials a group its estimates are too far from 0."
    return [text]
