"""REML and ML estimates with the face of a posterior: groups, predictions, intervals.

Spreads are taken as known at their estimates, so that intervals leave out that they are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Never, final

import numpy as np

from partialpool._table import Table
from partialpool._typing import Floats, Ints
from partialpool.design.labels import as_labels
from partialpool.errors import ArgumentError
from partialpool.models.mixed import check_design, sd_name
from partialpool.posterior.argument_checks import DETERMINISTIC
from partialpool.posterior.distributions import Distribution, IntervalKind, Mixture, check_level
from partialpool.posterior.engine import Engine, Scale, Term, terms_of
from partialpool.posterior.generalized import plug_in_counts
from partialpool.posterior.integrated import plug_in
from partialpool.posterior.mixed import MixedPosterior
from partialpool.records import CountProducts, CrossProducts
from partialpool.records.cross_products import DISPERSION

if TYPE_CHECKING:  # estimators are imported by the fits that use them: a posterior needs none
    from partialpool.classical.mixed import MixedEstimate
    from partialpool.posterior.group_check import GroupCheck


@final
@dataclass(frozen=True, eq=False, repr=False)
class Estimated(Engine):
    """A linear mixed model at the maximum of its (restricted) likelihood.

    Parameters
    ----------
    statistics : CrossProducts
        The data, reduced.
    estimate : MixedEstimate
        Estimates, standard errors, degrees of freedom, log likelihood, and whether the point is
        a maximum.
    quadrature : int, optional
        Of counts, the nodes of the quadrature rule; 1 is Laplace's approximation.
    """

    statistics: CrossProducts
    estimate: MixedEstimate
    quadrature: int | None = None

    @cached_property
    def given(self) -> MixedPosterior:
        """Coefficients and groups given the estimated spreads; computed when first asked for."""
        s, e = self.statistics, self.estimate
        if isinstance(s, CountProducts):
            return plug_in_counts(s, e)
        return plug_in(s, e.sds, e.correlations, e.sigma)

    estimates_only = True

    @property
    def fitted_by(self) -> dict[str, Any]:
        """Restricted or plain maximum likelihood, and of counts the nodes of quadrature."""
        method = "reml" if self.estimate.restricted else "ml"
        return {"method": method, "quadrature": self.quadrature}

    def named(self) -> dict[str, Distribution]:
        """The coefficients."""
        return self.coefficients

    def full(self, what: str) -> Never:
        """Refused: there are estimates only."""
        raise ArgumentError(f'{what} needs a posterior: fit with method="posterior"')

    def group_checks(self, *, every: bool = False) -> Iterator[GroupCheck]:
        """Hold each group against all the others, given the estimated spreads."""
        return self.given.group_checks(every=every)

    @property
    def terms(self) -> list[Term]:
        """Every effect of every term."""
        return terms_of(self.statistics)

    @property
    def log_likelihood(self) -> float:
        """Of the estimates; the restricted one for REML."""
        return self.estimate.log_likelihood

    @property
    def method(self) -> str:
        """How the estimates were found."""
        kind = "restricted maximum likelihood" if self.estimate.restricted else "maximum likelihood"
        return f"{kind}{self.approximation}, checked by first and second derivatives"

    @property
    def approximation(self) -> str:
        """How the groups of counts were integrated out, in words; nothing for measurements."""
        if self.quadrature is None:
            return ""
        if self.quadrature == 1:
            return " by Laplace's approximation"
        return f" by adaptive Gauss-Hermite quadrature with {self.quadrature} nodes"

    @property
    def error(self) -> float:
        """How far the estimates may be from the maximum, in standard errors.

        A log likelihood that is quadratic near its maximum is lower by ``z^2 / 2`` at z standard
        errors from it.
        """
        return math.sqrt(2.0 * max(self.estimate.shortfall, 0.0))

    @property
    def target(self) -> float:
        """Target of the error, in standard errors."""
        return DETERMINISTIC

    @cached_property
    def coefficients(self) -> dict[str, Distribution]:
        """Every coefficient: Student's t with Satterthwaite's degrees of freedom."""
        e = self.estimate
        columns = zip(e.names, e.coefficients, e.se, e.df, strict=True)
        return {name: _student(value, se, df) for name, value, se, df in columns}

    def group_table(
        self, level: float = 0.95, kind: IntervalKind = "equal-tailed", scale: Scale = "response"
    ) -> Table:
        """One row an effect of a group, given the estimated spreads; as of `MixedPosterior`."""
        return self.given.group_table(level, kind, scale)

    def linear(
        self,
        x: Floats,
        groups: Mapping[int, tuple[Ints, Floats]] | None = None,
        *,
        noise: Floats | float | None = None,
    ) -> Distribution:
        """Linear combinations given the estimated spreads; as of `MixedPosterior`."""
        return self.given.linear(x, groups, noise=noise)

    def pooling(self, block: int) -> Floats:
        """Weight on the pooled value of each effect; as of `MixedPosterior`."""
        return self.given.pooling(block)

    def typical_shares(self, block: int) -> tuple[Floats, Floats]:
        """Mean weight on the pooled value over groups; as of `MixedPosterior`."""
        return self.given.typical_shares(block)

    def parameter_table(self, level: float = 0.95, kind: IntervalKind = "equal-tailed") -> Table:
        """One row a parameter: the estimate as mean, its standard error as sd.

        Standard errors of measurements take standard deviations and correlations as known; those
        of counts are from the second derivatives over all parameters, and do not. Standard
        deviations and correlations themselves have estimates only; the rest is nan.
        """
        e = self.estimate
        columns = zip(e.names, e.coefficients.tolist(), e.se.tolist(), strict=True)
        rows = [
            (name, value, se, *map(float, self.coefficients[name].interval(level, kind)))
            for name, value, se in columns
        ]
        rows += [
            (name, value, math.nan, math.nan, math.nan) for name, value in self.spreads.items()
        ]
        names, mean, sd, lower, upper = zip(*rows, strict=True)
        value = np.array(mean)
        median = np.where(np.isnan(sd), np.nan, value)
        return Table(
            name=as_labels(names),
            mean=value,
            sd=np.array(sd),
            lower=np.array(lower),
            median=median,
            upper=np.array(upper),
        )

    def profile(self, level: float = 0.95) -> Table:
        """Profile-likelihood intervals of spreads and, for ML, coefficients; see `Fit.profile`."""
        check_level(level)
        if self.quadrature is not None:
            raise ArgumentError(
                "profile intervals are for measurements; of counts the full posterior "
                '(method="posterior") gives intervals of every parameter'
            )
        from partialpool.classical.profile import profile_intervals

        profiled = profile_intervals(self.statistics, self.estimate, self.spreads, level)
        return Table(
            name=as_labels(profiled.names),
            estimate=profiled.estimate,
            lower=profiled.lower,
            upper=profiled.upper,
        )

    @property
    def spreads(self) -> dict[str, float]:
        """Standard deviations and correlations between groups, and sigma where it is unknown."""
        sds: dict[str, float] = {}
        rhos: dict[str, float] = {}
        e = self.estimate
        for block, sd, rho in zip(self.statistics.blocks, e.sds, e.correlations, strict=True):
            names = block.effects
            sds |= {sd_name(block.factor, n): float(v) for n, v in zip(names, sd, strict=True)}
            if block.correlated:
                rhos |= {
                    f"rho[{block.factor}, {names[k]}, {names[i]}]": float(rho[i, k])
                    for i in range(len(names))
                    for k in range(i)
                }
        last = {} if self.statistics.sigma_known else {"sigma": e.sigma}
        if e.dispersion is not None:
            last = {DISPERSION: e.dispersion}
        return {**sds, **rhos, **last}

    def __repr__(self) -> str:
        return f"Estimated(log likelihood {self.log_likelihood:.6g}; {self.method})"


def estimated(statistics: CrossProducts, *, restricted: bool) -> Estimated:
    """Fit a linear mixed model by restricted or plain maximum likelihood.

    Raises
    ------
    DataError
        If predictors are collinear, or a factor has one group only.
    """
    from partialpool.classical.mixed import mixed_model

    return Estimated(statistics, mixed_model(statistics, restricted=restricted))


def estimated_counts(statistics: CountProducts, *, quadrature: int) -> Estimated:
    """Fit counts with predictors, slopes or several factors by maximum likelihood.

    Raises
    ------
    ArgumentError
        If `quadrature` is not a number of nodes.
    DataError
        If the data set no limit to a coefficient, or a factor has one group only.
    """
    from partialpool.classical.generalized import generalized_model

    check_design(statistics)
    return Estimated(statistics, generalized_model(statistics, points=quadrature), quadrature)


def _student(value: float, se: float, df: float) -> Distribution:
    loc, scale = np.array([[value]]), np.array([[max(se, 1e-300)]])

    def rows(_: slice) -> tuple[Floats, Floats]:
        return loc, scale

    return Mixture((), rows, np.ones(1), float(df), 0.0, float(df))
