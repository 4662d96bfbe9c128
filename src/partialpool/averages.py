"""Averages of predictions over cells: what `Fit.average` returns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np

from partialpool._table import Table
from partialpool._typing import AnyArray, Floats
from partialpool.design.cells import Comparison
from partialpool.design.design import Design
from partialpool.design.new_rows import Unseen
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.posterior import Engine
from partialpool.posterior.argument_checks import checked_draws
from partialpool.posterior.averaged import (
    AverageDraws,
    Averager,
    AverageScale,
    Averaging,
    ContrastKind,
)
from partialpool.posterior.distributions import Distribution, check_level
from partialpool.posterior.ranks import rank_table
from partialpool.rows.cells import read_cells
from partialpool.words import averages as words

COLUMNS = ("contrast", "estimate", "sd", "lower", "upper")
NORMAL_END = 2.67
"""Root of p (1 - p) over the normal density at p = .025: the standard error of an end in sds, times
the root of the draws."""


@dataclass(frozen=True, slots=True)
class AverageOptions:
    """What is averaged and compared; see `Fit.average`."""

    by: str | Sequence[str] | None
    weights: str | None
    contrast: Mapping[str, Sequence[Any]] | None
    kind: ContrastKind
    scale: AverageScale
    observation: bool
    unseen: Unseen
    total: bool
    benchmark: float | None
    level: float


@dataclass(frozen=True, eq=False, repr=False)
class Average:
    """Averages of predictions over groups of cells, known jointly; G of them.

    Parameters
    ----------
    labels : dict of ndarray, shape (G,)
        The columns by which cells were averaged.
    comparison : Comparison or None
        The column whose levels are compared, the first level, and the second.
    how : Averaging
    level : float
        Probability of the intervals.
    n_cells : int
        Cells that were averaged.
    exact : Distribution or None
        Where no draws are needed for tables.
    error : float
        Bound (95%) on the error of a mean, sd or end of an interval, in sds.

    Examples
    --------
    >>> import partialpool as pp
    >>> sleep = pp.datasets.sleepstudy()
    >>> fit = pp.fit("reaction ~ days + (days | subject)", sleep)
    >>> slowed = fit.average(sleep, contrast={"days": (0, 9)})
    >>> round(float(slowed["estimate"][0]), 1)
    94.2
    """

    labels: dict[str, AnyArray]
    comparison: Comparison | None
    how: Averaging
    level: float
    n_cells: int
    exact: Distribution | None
    error: float
    _moments: tuple[bool, bool]
    _averager: Averager
    _hand_back: Callable[[Table], Any]

    @property
    def table(self) -> Any:
        """One row an average, in the kind of frame that the cells are.

        The columns of `by`; contrast, in words, where two levels are compared; estimate (posterior
        mean; of ratios and of scale "exp" the median), sd, lower, upper.
        """
        return self._hand_back(self._table)

    @cached_property
    def drawn(self) -> AverageDraws:
        """Joint draws from which what is not exact is read, made when first needed."""
        return self._averager.summary_draws()

    @property
    def _table(self) -> Table:
        lower, upper = self.interval(self.level)
        said = self._in_words
        middle = {} if said is None else {"contrast": np.full(len(self), said, dtype=object)}
        return Table(
            **self.labels,
            **middle,
            estimate=self.estimate,
            sd=self.sd,
            lower=lower,
            upper=upper,
        )

    @property
    def _in_words(self) -> str | None:
        """The comparison, such as "B - A"."""
        if self.comparison is None:
            return None
        kind = "ratio" if self.how.scale == "exp" else self.how.kind
        return words.comparison(self.comparison.first, self.comparison.second, kind)

    @property
    def estimate(self) -> Floats:
        """Posterior means, (G,); medians of ratios, of scale "exp" and where there is no mean."""
        if not self._has_mean:
            return np.asarray(self._quantiles(np.array([0.5]))[0])
        if self.exact is not None:
            return self.exact.estimate
        return self.drawn.corrected(np.asarray(self.drawn.values.mean(axis=0)))

    @property
    def _has_mean(self) -> bool:
        return self.how.kind == "difference" and self.how.scale != "exp" and self._moments[0]

    @property
    def sd(self) -> Floats:
        """Posterior sds, (G,); infinite where there is none."""
        if self.exact is not None and self.how.scale != "exp":
            return self.exact.sd
        if not self._moments[1]:
            return np.full(len(self), math.inf)
        sd: Floats = self._values.std(axis=0)
        return np.asarray(self.drawn.factor * sd)

    def interval(self, level: float = 0.95) -> Floats:
        """Intervals of equal tails that hold each average with this probability; (2, G)."""
        check_level(level)
        return self._quantiles(np.array([0.5 - level / 2, 0.5 + level / 2]))

    def _quantiles(self, p: Floats) -> Floats:
        if self.exact is not None:
            return self._on_scale(self.exact.quantile(p))
        return self._on_scale(self.drawn.corrected(np.quantile(self.drawn.values, p, axis=0)))

    def probability(self, *, above: float | None = None, below: float | None = None) -> Floats:
        """Probability of each average to lie above one number and below another; (G,).

        Parameters
        ----------
        above, below : float, optional
            In units of the averages; either may be left out.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> fit.average({"school": ["A", "B"]}).probability(above=5).round(3)
        array([0.794])
        """
        for name, value in (("above", above), ("below", below)):
            if value is not None and (isinstance(value, bool) or not np.isfinite(value)):
                raise ArgumentError(f"{name} is a number; received {value!r}")
        if self.exact is not None and self.how.scale != "exp":
            return self.exact.probability(above=above, below=below)
        inside = np.ones(self._values.shape, dtype=bool)
        if above is not None:
            inside &= self._values > above
        if below is not None:
            inside &= self._values <= below
        return np.asarray(inside.mean(axis=0))

    def draws(self, size: int, rng: np.random.Generator) -> Floats:
        """Draw the averages jointly; (size, G), in the order of the table.

        Parameters
        ----------
        size : int
            Number of draws.
        rng : numpy.random.Generator
            Source of randomness.

        Examples
        --------
        >>> import numpy as np
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> schools = fit.average({"school": ["A", "B", "C"]}, by="school")
        >>> schools.draws(1000, np.random.default_rng(1)).shape
        (1000, 3)
        """
        size = checked_draws(size, rng)
        share = None if self.how.benchmark is None else self.drawn.share
        return self._on_scale(self._averager.draws(size, rng, share))

    def expected_loss(self, *, lower_is_better: bool = False) -> Any:
        """What a choice costs on average where it is truly the worse one, in units of the outcome.

            loss of choosing B = E max(0, A - B)

        and of one of several averages, E max_k (A_k) - A_j.

        Parameters
        ----------
        lower_is_better : bool
            Whether a low outcome is what one wants.

        Returns
        -------
        frame
            With a contrast one row for each row of the table: the columns of `by`; choice, the
            level with the smaller loss; probability, that it is truly the better one; loss of
            choosing it; and loss_otherwise, of choosing the other. Without one, the averages are
            what is chosen among: probability and loss of each.

        Notes
        -----
        Differences are taken on the scale of the averages also where `kind` is a ratio.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> schools = fit.average({"school": ["A", "B", "C"]}, by="school")
        >>> schools.expected_loss()["loss"].round(1)
        array([2.1, 5.6, 7.4])
        """
        sign = -1.0 if lower_is_better else 1.0
        levels = [sign * self._on_scale(v) for v in self.drawn.levels]
        if self.comparison is None:
            (value,) = levels
            best = value.max(axis=1, keepdims=True)
            table = Table(
                **self.labels,
                probability=(value == best).mean(axis=0),
                loss=(best - value).mean(axis=0),
            )
            return self._hand_back(table)
        gain = levels[1] - levels[0]
        losses = np.stack([np.maximum(gain, 0.0).mean(axis=0), np.maximum(-gain, 0.0).mean(axis=0)])
        second = losses[1] < losses[0]
        names = np.empty(2, dtype=object)
        names[:] = self.comparison.first, self.comparison.second
        table = Table(
            **self.labels,
            choice=names[second.astype(np.intp)],
            probability=np.where(second, gain > 0, gain < 0).mean(axis=0),
            loss=losses.min(axis=0),
            loss_otherwise=losses.max(axis=0),
        )
        return self._hand_back(table)

    def ranks(self, *, top: int = 1, level: float = 0.95, descending: bool = True) -> Any:
        """Ranks of the averages, with how sure they are; as `Fit.rank` of groups.

        Parameters
        ----------
        top : int
            Size of the leading set whose probability is given.
        level : float
            Probability of the rank intervals.
        descending : bool
            Whether rank 1 is the highest.

        Returns
        -------
        frame
            The columns of `by`, expected_rank, lower, median, upper, best, top.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> schools = fit.average({"school": ["A", "B", "C"]}, by="school")
        >>> schools.ranks()["expected_rank"].round(1)
        array([1.7, 2.1, 2.3])
        """
        values = -self._values if descending else self._values
        rows = iter(values)
        table = rank_table(
            lambda size: np.stack(list(itertools.islice(rows, size))),
            len(values),
            np.arange(len(self)),
            top,
            level,
        )
        del table["group"]
        return self._hand_back(Table(**self.labels, **table))

    @property
    def _values(self) -> Floats:
        return self._on_scale(self.drawn.values)

    def _on_scale(self, values: Floats) -> Floats:
        return np.exp(values) if self.how.scale == "exp" else values

    def __getitem__(self, column: str) -> AnyArray:
        """Return a column of the table, as an array."""
        table = self._table
        if column not in table:
            hint = did_you_mean(str(column), table)
            raise ArgumentError(
                f'there is no column "{column}"; {hint}the columns are {", ".join(table)}'
            )
        return table[column]

    def __len__(self) -> int:
        return self._averager.averages

    def __repr__(self) -> str:
        return words.printed(*self._shown)

    def _repr_html_(self) -> str:
        return words.as_html(*self._shown)

    @property
    def _shown(self) -> tuple[Table, int, bool, float | None, float]:
        how = self.how
        surprise = 0.0 if how.benchmark is None else self.drawn.surprise
        return self._table, self.n_cells, how.total, how.benchmark, surprise


def average(
    engine: Engine,
    design: Design,
    data: Any,
    options: AverageOptions,
    hand_back: Callable[[Table], Any],
) -> Average:
    """Average predictions over cells; see `Fit.average`.

    Parameters
    ----------
    engine : Engine
        The fitted model; of estimates, everything given the estimated spreads.
    design : Design
        How its rows became columns.
    data : frame, mapping, path or relation
        The cells.
    options : AverageOptions
    hand_back : callable
        Turns a Table into the kind of frame that the cells are.
    """
    post = engine.given
    by = _columns(options.by)
    comparison = _comparison(options)
    how = _checked(options, comparison, counts=post.counts, several=bool(by))
    noise = how.observation and not post.counts
    cells = read_cells(design, data, by, options.weights, comparison, options.unseen, noise=noise)
    if how.kind == "odds_ratio" and not getattr(post.statistics, "proportion", False):
        raise ArgumentError(
            'kind="odds_ratio" is of probabilities, and this outcome has none; '
            'use kind="ratio" or "difference"'
        )
    averager = Averager(post, cells, how)
    exact = averager.exact()
    error = engine.error
    if exact is None:
        error += 1.96 * NORMAL_END / math.sqrt(averager.size())
    result = Average(
        cells.labels,
        comparison,
        how,
        options.level,
        cells.n_cells,
        exact,
        error,
        (True, True) if exact is not None else averager.moments_exist(),
        averager,
        hand_back,
    )
    if exact is None:
        _ = result.drawn  # now, with the threads of the fit and errors where they are expected
    return result


def _columns(by: str | Sequence[str] | None) -> list[str]:
    """Names of the columns by which is averaged."""
    names: list[Any] = list(by) if isinstance(by, list | tuple) else [] if by is None else [by]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ArgumentError(f"by is the name of a column, or several that differ; got {by!r}")
    taken = [name for name in names if name in COLUMNS]
    if taken:
        raise ArgumentError(
            f'by: the result has a column "{taken[0]}" of its own; rename that of the cells'
        )
    return names


def _comparison(options: AverageOptions) -> Comparison | None:
    """The two levels that are compared."""
    contrast = options.contrast
    if contrast is None:
        if options.kind != "difference":
            raise ArgumentError(
                f'kind="{options.kind}" is of a comparison; say of what with contrast, such as '
                'contrast={"arm": ("A", "B")}'
            )
        return None
    pair = next(iter(contrast.values())) if isinstance(contrast, Mapping) and contrast else None
    if pair is None or len(contrast) != 1 or isinstance(pair, str) or len(list(pair)) != 2:
        raise ArgumentError(
            'contrast is one column and two of its levels, such as {"arm": ("A", "B")} for B '
            f"against A; received {contrast!r}"
        )
    first, second = pair
    if first == second:
        raise ArgumentError(f"contrast: the two levels are the same, {first!r}")
    return Comparison(str(next(iter(contrast))), first, second)


def _checked(
    options: AverageOptions, comparison: Comparison | None, *, counts: bool, several: bool
) -> Averaging:
    """What is averaged; an ArgumentError where it makes no sense."""
    check_level(options.level)
    for name, kinds in (("kind", ContrastKind), ("scale", AverageScale), ("unseen", Unseen)):
        value = getattr(options, name)
        if value not in get_args(kinds):
            hint = did_you_mean(str(value), get_args(kinds))
            choices = ", ".join(f'"{c}"' for c in get_args(kinds))
            raise ArgumentError(f"{name}={value!r}: {hint}it is one of {choices}")
    scale, kind = options.scale, options.kind
    if options.observation and scale != "response":
        raise ArgumentError(
            f'observation=True is on the scale of the outcome, scale="response", not "{scale}"'
        )
    if kind != "difference" and (scale == "exp" or (scale == "link" and counts)):
        raise ArgumentError(
            f'kind="{kind}" is of averages of the outcome (scale="response"); with scale="exp" a '
            "difference is a ratio already"
        )
    if options.total and scale == "exp":
        raise ArgumentError('total=True adds up predictions; scale="exp" is of averages only')
    if options.benchmark is not None:
        _check_benchmark(options.benchmark, options.total, comparison, several)
    return Averaging(scale, kind, options.total, options.observation, options.benchmark)


def _check_benchmark(
    benchmark: float, total: bool, comparison: Comparison | None, several: bool
) -> None:
    """Raise an ArgumentError unless totals of several areas can be adjusted to this one."""
    if isinstance(benchmark, bool) or not np.isfinite(benchmark):
        raise ArgumentError(f"benchmark is a known total, a finite number; received {benchmark!r}")
    if not total:
        raise ArgumentError("benchmark is the known sum of totals: it goes with total=True")
    if comparison is not None or not several:
        raise ArgumentError(
            "benchmark adjusts the totals of several areas: it goes with by, and not with contrast"
        )
