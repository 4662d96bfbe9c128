"""What categories are worth: their posterior means, by a model a column or one of all columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from partialpool._typing import Bools, Floats, Ints
from partialpool.errors import ArgumentError, DataError, ImproperPosteriorError
from partialpool.fitted import Fit, fit_one_factor
from partialpool.fitting import fit
from partialpool.formula import CountFamily, Roles
from partialpool.models import PriorLike
from partialpool.posterior.distributions import Distribution
from partialpool.posterior.fit_engine import EngineOptions
from partialpool.records.counts import CountStatistics
from partialpool.records.measurements import GroupStatistics
from partialpool.records.repeated_rows import repeated_counts, repeated_measurements
from partialpool.rows.read import as_table

PROPER = "tau ~ uniform_shrinkage()"
"""The prior where the flat one leaves no proper posterior, such as of two categories. It needs no
scale: the weight on the pooled value is uniform on (0, 1) for a category of typical size."""

ONE_SD = (0.15865525, 0.84134475)
"""Where the distribution function of a normal distribution is one sd below and above its mean."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """What a column's J categories are worth; the last value is that of any other category.

    So place -1, of a category that is not known, is the last one.

    Parameters
    ----------
    estimate, sd, shrinkage : ndarray, shape (J + 1,)
        Posterior mean and sd (units of the target, of counts probabilities or rates), and weight
        on the pooled value. All are finite: where there is no sd it is half the width of the
        central 68%.
    """

    estimate: Floats
    sd: Floats
    shrinkage: Floats

    @classmethod
    def of_fit(cls, fitted: Fit, factor: str, size: int, *, rates: bool) -> Encoding:
        """Values of a fit whose labels are places among `size` categories.

        The rate of a new group has no mean under priors with heavy tails; the mean of the known
        categories is put in its place.
        """
        groups, new = fitted.posterior.groups(factor), fitted.posterior.new_group(factor)
        estimate = groups.estimate
        any_other = float(estimate.mean() if rates else new.estimate)
        spread = float(_central_half_width(new) if rates else _spread(new))
        values = cls.alike(size, any_other, spread, 1.0)
        at = groups.labels
        values.estimate[at], values.sd[at] = estimate, _spread(groups)
        values.shrinkage[at] = fitted.posterior.shrinkage(factor).estimate
        return values

    @classmethod
    def alike(cls, size: int, estimate: float, sd: float, shrinkage: float) -> Encoding:
        """Every category of the same value."""
        return cls(*(np.full(size + 1, value) for value in (estimate, sd, shrinkage)))


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of categories with their outcome.

    Parameters
    ----------
    codes : list of ndarray of int, shape (N,)
        Of each column the place of the row's category, -1 where it has none.
    sizes : list of int
        Of each column the number of categories.
    y : ndarray, shape (N,)
    times : ndarray, shape (N,)
        How often each row counts.
    """

    codes: list[Ints]
    sizes: list[int]
    y: Floats
    times: Floats

    def part(self, at: Ints | Bools) -> Rows:
        """Some of the rows."""
        return replace(self, codes=[c[at] for c in self.codes], y=self.y[at], times=self.times[at])

    def counting(self) -> Rows:
        """The rows that count."""
        return self if (self.times > 0).all() else self.part(self.times > 0)

    def pooled(self, size: int) -> Encoding:
        """Complete pooling: every category has the mean of all rows, with its standard error."""
        total = float(self.times.sum())
        mean = float(np.average(self.y, weights=self.times))
        squares = float(self.times @ (self.y - mean) ** 2)
        sd = np.sqrt(squares / max(total - 1.0, 1.0) / total)
        return Encoding.alike(size, mean, float(sd), 1.0)


@dataclass(frozen=True, slots=True)
class Model:
    """What is fitted: the family of the target (None: measurements), priors, and one model or many.

    `method` is that of the additive model, ``"posterior"`` or ``"ml"``.
    """

    family: CountFamily | None
    prior: PriorLike
    additive: bool
    method: str

    @property
    def rates(self) -> bool:
        """Whether the target counts events, and categories have rates."""
        return self.family == "poisson"

    def encodings(self, rows: Rows) -> list[Encoding]:
        """The encoding of every column."""
        if not rows.times.any():
            raise DataError(
                "every training row of a fold has sample_weight zero; leave out the rows that do "
                "not count, or choose fewer folds (cv=)"
            )
        if self.additive:
            return self._together(rows.counting())
        return [self._alone(rows, i) for i in range(len(rows.sizes))]

    def _alone(self, rows: Rows, column: int) -> Encoding:
        """One column by a model of its own."""
        codes, size = rows.codes[column], rows.sizes[column]
        seen = (codes >= 0) & (rows.times > 0)
        if not seen.any():
            return rows.pooled(size)
        if not seen.all():
            rows = rows.part(seen)
        codes = rows.codes[column]
        statistics: GroupStatistics | CountStatistics
        if self.family is None:
            statistics = repeated_measurements(codes, rows.y, rows.times)
        else:
            statistics = repeated_counts(codes, rows.y, rows.times, self.family)
        one_row_each = bool(statistics.weight.max() <= 1.0)
        if statistics.n_groups == 1 or one_row_each or np.ptp(rows.y) == 0.0:
            return rows.pooled(size)
        if statistics.noiseless:
            return _known_means(statistics, rows.pooled(size))

        def fitted(prior: PriorLike) -> Fit:
            roles = Roles.one_factor("target", "category")
            return fit_one_factor(roles, statistics, EngineOptions(prior), as_table)

        return Encoding.of_fit(self._with_priors(fitted), "category", size, rates=self.rates)

    def _with_priors(self, fitted: Callable[..., Fit]) -> Fit:
        """A fit with the default priors, or else proper ones; with those that are given, if any."""
        try:
            return fitted(prior=self.prior)
        except ImproperPosteriorError:
            if self.prior is not None:
                raise
            return fitted(prior=PROPER)

    def _together(self, rows: Rows) -> list[Encoding]:
        """All columns by one additive model, from the rows in which none is missing."""
        complete = np.logical_and.reduce([c >= 0 for c in rows.codes])
        if complete.any():
            rows = rows.part(complete)
        several = [i for i, c in enumerate(rows.codes) if np.ptp(c) > 0]
        pooled = [rows.pooled(size) for size in rows.sizes]
        if not several or not complete.any() or np.ptp(rows.y) == 0.0:
            return pooled
        fitted = self._additive(_written_out(rows), several)
        return [
            Encoding.of_fit(fitted, f"c{i}", size, rates=self.rates) if i in several else pooled[i]
            for i, size in enumerate(rows.sizes)
        ]

    def _additive(self, rows: Rows, columns: Sequence[int]) -> Fit:
        """``y ~ 1 + (1 | a) + (1 | b) + ...``, priors as `_with_priors`."""
        formula = "y ~ 1 + " + " + ".join(f"(1 | c{i})" for i in columns)
        data = {"y": rows.y, **{f"c{i}": rows.codes[i] for i in columns}}
        if self.method == "ml":
            restricted = self.family is None
            return fit(formula, data, family=self.family, method="reml" if restricted else "ml")
        return self._with_priors(partial(fit, formula, data, family=self.family))


def _spread(values: Distribution) -> Floats:
    """The sd; of distributions that have none half the width of the middle, as of a normal one."""
    sd = np.asarray(values.sd)
    exists = np.isfinite(sd)
    return sd if exists.all() else np.where(exists, sd, _central_half_width(values))


def _central_half_width(values: Distribution) -> Floats:
    low, high = values.quantile(ONE_SD)
    return np.asarray(0.5 * (high - low))


def _known_means(statistics: GroupStatistics | CountStatistics, pooled: Encoding) -> Encoding:
    """Rows of one category never differ: its mean is known, whatever that of the others is."""
    at = statistics.labels
    pooled.estimate[at], pooled.sd[at], pooled.shrinkage[at] = statistics.raw, 0.0, 0.0
    return pooled


def _written_out(rows: Rows) -> Rows:
    """Each row as often as it counts."""
    if (rows.times == 1.0).all():
        return rows
    if not np.array_equal(rows.times, np.rint(rows.times)):
        bad = rows.times[rows.times != np.rint(rows.times)][0]
        raise ArgumentError(
            f"sample_weight holds {bad:g}; with additive=True weights say how often a row counts "
            "and are whole numbers: round them, or give each column a model of its own "
            "(additive=False)"
        )
    return rows.part(np.repeat(np.arange(len(rows.y)), rows.times.astype(np.intp)))
