"""The charts of one linear mixed model, as methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from partialpool.charts.coefficients import coefficients
from partialpool.charts.effects import effects
from partialpool.charts.group_lines import group_lines
from partialpool.charts.group_predictor import by_predictor, measured_predictor
from partialpool.charts.terms import has_slope
from partialpool.charts.two_effects import intercept_by_slope
from partialpool.posterior import MixedPosterior


@dataclass(frozen=True, slots=True)
class MixedPlots:
    """The charts of a linear mixed model: ``fit.plot.coefficients()``."""

    posterior: MixedPosterior

    def fitting(self, *, level: float = 0.95, dark: bool = False) -> list[Any]:
        """The charts that this model has something for, those that say most first."""
        post, found = self.posterior, []
        predictor = measured_predictor(post)
        if predictor is not None:
            found.append(by_predictor(post, predictor, level=level, dark=dark))
        if has_slope(post):
            found += [chart(post, dark=dark) for chart in (group_lines, intercept_by_slope)]
        for block in post.statistics.blocks:
            found.append(effects(post, block.factor, block.effects[0], level=level, dark=dark))
        if post.statistics.coefficients != ("Intercept",):
            found.append(coefficients(post, level=level, dark=dark))
        return found

    def coefficients(self, **options: Any) -> Any:
        """Coefficients with their intervals."""
        return coefficients(self.posterior, **options)

    def effects(self, *which: str, **options: Any) -> Any:
        """An effect of every group, in the order of their estimates."""
        return effects(self.posterior, *which, **options)

    def group_lines(self, *which: str, **options: Any) -> Any:
        """Each group's line by no, complete and partial pooling."""
        return group_lines(self.posterior, *which, **options)

    def intercept_by_slope(self, *which: str, **options: Any) -> Any:
        """Where each group's own line is drawn to."""
        return intercept_by_slope(self.posterior, *which, **options)

    def by_predictor(self, *which: str, **options: Any) -> Any:
        """Groups' intercepts against a predictor of the groups."""
        return by_predictor(self.posterior, *which, **options)
