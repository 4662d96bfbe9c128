"""The charts of one fit, as methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from partialpool.charts.by_size import shrinkage_by_size
from partialpool.charts.caterpillar import caterpillar
from partialpool.charts.forest import forest
from partialpool.charts.shrinkage import shrinkage
from partialpool.charts.tau import tau
from partialpool.charts.trace import estimates_by_tau
from partialpool.posterior import OneFactor


@dataclass(frozen=True, slots=True)
class Plots:
    """The charts of a posterior: ``fit.plot.shrinkage()``; options as in `partialpool.charts`."""

    posterior: OneFactor

    def shrinkage(self, **options: Any) -> Any:
        """From each group's own estimate to its partially pooled one."""
        return shrinkage(self.posterior, **options)

    def caterpillar(self, **options: Any) -> Any:
        """Estimates with intervals, in their order."""
        return caterpillar(self.posterior, **options)

    def forest(self, **options: Any) -> Any:
        """Known standard errors: own and pooled estimates, the mean, a new group."""
        return forest(self.posterior, **options)

    def shrinkage_by_size(self, **options: Any) -> Any:
        """How much a group is pooled, by rows or standard error."""
        return shrinkage_by_size(self.posterior, **options)

    def tau(self, **options: Any) -> Any:
        """The posterior of tau, and the classical estimates in it."""
        return tau(self.posterior, **options)

    def estimates_by_tau(self, **options: Any) -> Any:
        """The estimates as functions of tau."""
        return estimates_by_tau(self.posterior, **options)
