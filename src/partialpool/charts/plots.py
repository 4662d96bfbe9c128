"""The charts of one fit, as methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from partialpool.charts.by_size import shrinkage_by_size
from partialpool.charts.by_value import estimate_by_value
from partialpool.charts.caterpillar import caterpillar
from partialpool.charts.check import check
from partialpool.charts.coefficients import coefficients
from partialpool.charts.effects import effects
from partialpool.charts.forest import forest
from partialpool.charts.funnel import funnel
from partialpool.charts.group_lines import group_lines
from partialpool.charts.group_predictor import by_predictor, has_predictor, measured_predictor
from partialpool.charts.population import population
from partialpool.charts.ranks import ranks
from partialpool.charts.sensitivity import sensitivity
from partialpool.charts.shrinkage import shrinkage
from partialpool.charts.tau import tau
from partialpool.charts.terms import has_slope
from partialpool.charts.trace import estimates_by_tau
from partialpool.charts.two_effects import intercept_by_slope
from partialpool.errors import ArgumentError
from partialpool.posterior import MixedPosterior, OneFactor
from partialpool.posterior.distributions import IntervalKind
from partialpool.rows.read import as_table
from partialpool.words import checks
from partialpool.words.meta_analysis import studies_of
from partialpool.words.ratios import TableScale, is_exp

if TYPE_CHECKING:
    from altair import TopLevelMixin as Chart

ONE_FACTOR = (
    "shrinkage, caterpillar, shrinkage_by_size, tau, estimate_by_value, population, "
    "estimates_by_tau"
)
OF_NORMAL = ("shrinkage_by_size", "estimates_by_tau")
"""Charts that there are of normal populations, and not of others."""
MIXED = "coefficients, effects, group_lines, intercept_by_slope, by_predictor"


@dataclass(frozen=True, slots=True)
class Plots:
    """The charts of a fit: ``fit.plot.shrinkage()``; options as in `partialpool.charts`.

    Some are of one factor without predictors, others of everything else; asked for the wrong one,
    an ArgumentError names those there are. `ranks` is of every model; `forest` of estimates with
    known standard errors, and `funnel` of these and of league tables. In a notebook a chart shows
    as a picture, without a network.

    Examples
    --------
    >>> import partialpool as pp
    >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
    >>> "shrinkage" in dir(fit.plot)
    True
    >>> fit.plot.shrinkage().title["text"]
    ['Partial pooling of effect by school']
    """

    _engine: OneFactor | MixedPosterior

    def __dir__(self) -> list[str]:
        """The charts that there are of this fit."""
        post, mixed = self._engine, self._if_mixed
        refused = (ONE_FACTOR if mixed else MIXED).split(", ")
        if studies_of(post.statistics) is None:
            refused += ["forest", "funnel"] if mixed else ["forest"]
        if post.counts or not post.one_sigma:
            refused += ["estimates_by_tau", "population"]
        if mixed and not has_slope(mixed):
            refused += ["group_lines", "intercept_by_slope"]
        if mixed and not has_predictor(mixed):
            refused.append("by_predictor")
        if not post.linear_shrinkage:
            refused += OF_NORMAL
        public = (name for name in vars(type(self)) if not name.startswith("_"))
        return sorted(name for name in public if name not in refused)

    def __repr__(self) -> str:
        names = dir(self)
        width = max(map(len, names))
        said = {name: (getattr(type(self), name).__doc__ or "").splitlines()[0] for name in names}
        return "\n".join(f"{name:<{width}}  {what}" for name, what in said.items())

    @property
    def _one_factor(self) -> OneFactor:
        if isinstance(self._engine, MixedPosterior):
            raise ArgumentError(
                "this chart is of one factor without predictors; those of this fit are " + MIXED
            )
        return self._engine

    @property
    def _if_mixed(self) -> MixedPosterior | None:
        return self._engine if isinstance(self._engine, MixedPosterior) else None

    @property
    def _mixed(self) -> MixedPosterior:
        mixed = self._if_mixed
        if mixed is None:
            raise ArgumentError(
                "this chart is of fits with predictors, slopes or several factors; those of this "
                "fit are " + ONE_FACTOR
            )
        return mixed

    def first(
        self,
        *,
        level: float = 0.95,
        kind: IntervalKind = "equal-tailed",
        factor: str | None = None,
        term: str | None = None,
        groups: Sequence[object] | None = None,
        scale: TableScale = "response",
    ) -> Chart:
        """The chart of the groups: own and pooled estimates, or an effect.

        Of estimates with known standard errors and ``scale="exp"`` the forest.
        """
        if is_exp(scale) and studies_of(self._engine.statistics) is not None:
            return self.forest(level=level, groups=groups, scale=scale)
        if self._if_mixed:
            return effects(self._if_mixed, factor, term, level=level, groups=groups)
        return self.shrinkage(level=level, kind=kind, groups=groups)

    def ranks(self, *which: str, **options: Any) -> Chart:
        """The groups in the order of their ranks, with how sure each rank is."""
        return ranks(self._engine, *which, **options)

    def sensitivity(self, **options: Any) -> Chart:
        """Parameters and groups under other priors, and powers of the likelihood."""
        return sensitivity(self._engine, **options)

    def check(self, **options: Any) -> Chart:
        """Every check beside what the model expects; of the sums, not of the rows."""
        return check(checks.check(self._engine, "", as_table), **options)

    def telling(
        self,
        *,
        level: float = 0.95,
        dark: bool = False,
        groups: Sequence[object] | None = None,
    ) -> list[Chart]:
        """The charts that this fit has something for, those that say most first.

        With `groups` the first chart of a model of one factor is of these.
        """
        options: dict[str, Any] = {"level": level, "dark": dark}
        post = self._if_mixed
        if post is None:
            return [self.shrinkage(**options, groups=groups), self.tau(**options)]
        drawn = []
        predictor = measured_predictor(post)
        if predictor is not None:
            drawn.append(by_predictor(post, predictor, **options))
        if has_slope(post):
            drawn += [chart(post, dark=dark) for chart in (group_lines, intercept_by_slope)]
        for block in post.statistics.blocks:
            drawn.append(effects(post, block.factor, block.effects[0], **options))
        if post.statistics.coefficients != ("Intercept",):
            drawn.append(coefficients(post, **options))
        return drawn

    # estimates with known standard errors, and league tables ------------------------------------

    def forest(self, **options: Any) -> Chart:
        """Known standard errors: own and pooled estimates, the mean, a new group."""
        return forest(self._engine, **options)

    def funnel(self, **options: Any) -> Chart:
        """Estimates by standard error with significance, or groups by size with limits."""
        return funnel(self._engine, **options)

    # one factor without predictors --------------------------------------------------------------

    def shrinkage(self, **options: Any) -> Chart:
        """From each group's own estimate to its partially pooled one."""
        return shrinkage(self._one_factor, **options)

    def caterpillar(self, **options: Any) -> Chart:
        """Estimates with intervals, in their order."""
        return caterpillar(self._one_factor, **options)

    def shrinkage_by_size(self, **options: Any) -> Chart:
        """How much a group is pooled, by rows or standard error."""
        return shrinkage_by_size(self._one_factor, **options)

    def tau(self, **options: Any) -> Chart:
        """The posterior of tau, and the classical estimates in it."""
        return tau(self._one_factor, **options)

    def estimate_by_value(self, **options: Any) -> Chart:
        """Estimates against own values: how far values of what size are drawn in."""
        return estimate_by_value(self._one_factor, **options)

    def population(self, **options: Any) -> Chart:
        """The shape of the population, with how sure it is, beside a normal one."""
        return population(self._one_factor, **options)

    def estimates_by_tau(self, **options: Any) -> Chart:
        """The estimates as functions of tau."""
        return estimates_by_tau(self._one_factor, **options)

    # predictors, slopes, several factors --------------------------------------------------------

    def coefficients(self, **options: Any) -> Chart:
        """Coefficients with their intervals."""
        return coefficients(self._mixed, **options)

    def effects(self, *which: str, **options: Any) -> Chart:
        """An effect of every group, in the order of their estimates."""
        return effects(self._mixed, *which, **options)

    def group_lines(self, *which: str, **options: Any) -> Chart:
        """Each group's line by no, complete and partial pooling."""
        return group_lines(self._mixed, *which, **options)

    def intercept_by_slope(self, *which: str, **options: Any) -> Chart:
        """Where each group's own line is drawn to."""
        return intercept_by_slope(self._mixed, *which, **options)

    def by_predictor(self, *which: str, **options: Any) -> Chart:
        """Groups' intercepts against a predictor of the groups."""
        return by_predictor(self._mixed, *which, **options)
