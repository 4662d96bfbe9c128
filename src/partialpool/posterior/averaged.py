"""Averages and totals of predictions over cells, all uncertainty joint.

    A_g = sum_r w_gr f(eta_r) / sum_r w_gr,    eta = offset + X beta + sum_t Z_t b_t

with f the inverse link. Of measurements f is the identity, A_g is a linear combination, and its
distribution is exact where there is one factor; else it is read from joint draws. Means are not
left to the draws: the exact mean of a linear combination is known, and that of other averages is
corrected by one that moves with them (a control variate; Owen 2013, Monte Carlo, chapter 8.9).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import scipy

from partialpool._typing import Floats, Ints
from partialpool.design.cells import Cells, Side
from partialpool.errors import ArgumentError, DataError
from partialpool.kernels.families import LOG
from partialpool.posterior.distributions import Distribution
from partialpool.posterior.engine import FullEngine, Scale
from partialpool.posterior.joint_rows import (
    Effects,
    RowDraws,
    Sums,
    averaged_over_rows,
    new_sizes,
)
from partialpool.posterior.ranks import SEED

AverageScale = Literal["response", "link", "exp"]
ContrastKind = Literal["difference", "ratio", "odds_ratio"]

FEWEST_DRAWS, MOST_DRAWS = 1_000, 40_000
"""Draws from which averages are read. An end of a 95% interval has a standard error of 2.7 / root
of the draws, in sds: .013 with most, .084 with fewest."""
USUAL_DRAWS = 4_000
"""Draws where rows are many: ends then have a standard error of .042 sds."""
MOST_CELLS = 3e7
"""Draws times groups of the model, or averages, at most: some 250 MB, a second or two."""
MOST_VALUES = 5e7
"""Draws times cells whose inverse link is computed, beyond which draws are fewer: about a second.
A poll with 12,240 cells is so read from 4,085 draws."""
COUNTED_VALUES = 5e6
"""The same where events are drawn, each of which takes ten times as long."""
CELLS_AT_ONCE = 2**21
"""Draws times groups that are made at once, 16 MiB; as for ranks."""
CHECKED_ROWS = 32
"""Rows, evenly spread, of which is asked whether they have a mean and an sd."""
DENSE_AVERAGES = 64
"""Averages that some cells are part of, up to which a dense product is quicker than a sparse."""


@dataclass(frozen=True, slots=True)
class Averaging:
    """What is averaged; see `Fit.average`."""

    scale: AverageScale = "response"
    kind: ContrastKind = "difference"
    total: bool = False
    observation: bool = False
    benchmark: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AverageDraws:
    """Joint draws of G averages.

    Parameters
    ----------
    values : ndarray, shape (S, G)
        The averages, or what compares the two levels; on the link scale for scale "exp".
    levels : tuple of ndarray, shape (S, G)
        The averages of each level of a comparison; one for averages that compare nothing.
    factor, shift : ndarray, shape (G,)
        Means and quantiles are those of draws times `factor`, plus `shift`. Single draws are not
        moved: where averages differ by less than the shift it would change their order.
    surprise : float
        Sds by which a known total lies above what the model alone says; 0 without one.
    share : ndarray, shape (G,), or None
        The part of a change of the total that each area takes.
    """

    values: Floats
    levels: tuple[Floats, ...]
    factor: Floats
    shift: Floats
    surprise: float = 0.0
    share: Floats | None = None

    def corrected(self, value: Floats) -> Floats:
        """Means or quantiles of draws, (..., G), with the errors of means taken out."""
        return np.asarray(value * self.factor + self.shift)


class Averager:
    """Draws averages of cells from a posterior; what does not depend on the draws is made once.

    Parameters
    ----------
    engine : FullEngine
    cells : Cells
    how : Averaging
    """

    def __init__(self, engine: FullEngine, cells: Cells, how: Averaging) -> None:
        self.linear = engine.link is None or how.scale != "response"
        if not self.linear:
            cells = replace(cells, sides=tuple(map(_by_average, cells.sides)))
        self.engine, self.cells, self.how = engine, cells, how
        self.skipped = () if self._counted and not self.linear else cells.row_terms
        self._check_sizes()
        rows = [side.rows for side in cells.sides]
        self.new = new_sizes(rows, self.skipped)
        self.means = engine.mean_effects(self.new)
        self.weights = [side.weight / self._divisor(side)[:, None] for side in cells.sides]
        pairs = zip(rows, self.weights, strict=True)
        if self.linear:
            self.sums = [self._sums(each, weight) for each, weight in pairs]
        else:
            self.sums = [self._sums(each, self._sloped(each, weight)) for each, weight in pairs]

    @property
    def averages(self) -> int:
        """Number of averages G."""
        return len(self.cells.sides[0].total)

    def exact(self) -> Distribution | None:
        """Distribution of the averages where it needs no draws."""
        one = self.how.kind == "difference" and self.how.benchmark is None
        if not (self.linear and one) or self._groups > MOST_CELLS / 100:
            return None
        if len(self.sums) == 1:
            return self.engine.exact_sums(self.sums[0], self._noise[0])
        noise = self._noise[0] + self._noise[1]
        return self.engine.exact_sums(self.sums[1].less(self.sums[0]), noise)

    def moments_exist(self) -> tuple[bool, bool]:
        """Whether rows have a mean, and an sd: of some, with those of new groups first."""
        if not self.linear and self.engine.link is not LOG:
            return True, True  # probabilities
        scale: Scale = "link" if self.linear else "response"
        mean = sd = True
        for side in self.cells.sides:
            new = np.any([of >= 0 for of in side.rows.new.values()], axis=0)
            rows = np.argsort(~new, kind="stable")
            some = rows[:: max(1, len(rows) // CHECKED_ROWS)]
            with np.errstate(all="ignore"):
                value = self.engine.of_new_rows(side.rows.part(some), scale)
                mean &= bool(np.isfinite(value.mean).all())
                sd &= bool(np.isfinite(value.sd).all())
        return mean, sd

    def size(self) -> int:
        """Draws from which averages are read."""
        size = MOST_CELLS / max(self._groups, self.averages)
        if not self.linear:
            rows = sum(len(side.rows.x) for side in self.cells.sides)
            most = COUNTED_VALUES if self._counted else MOST_VALUES
            size = min(size, max(most / rows, USUAL_DRAWS if rows * USUAL_DRAWS < 4e8 else 0))
        return int(np.clip(size, FEWEST_DRAWS, MOST_DRAWS))

    def summary_draws(self) -> AverageDraws:
        """Draws with a fixed seed, and what makes their means as exact as can be."""
        values, controls = self._drawn(self.size(), np.random.default_rng(SEED))
        means = [
            self._better_mean(value, control, sums)
            for value, control, sums in zip(values, controls, self.sums, strict=True)
        ]
        return self._compared(values, means, None)

    def draws(self, size: int, rng: np.random.Generator, share: Floats | None) -> Floats:
        """Independent joint draws, (size, G)."""
        values = self._drawn(size, rng)[0]
        return self._compared(values, [v.mean(axis=0) for v in values], share).values

    # draws of each level ----------------------------------------------------------------------

    def _drawn(self, size: int, rng: np.random.Generator) -> tuple[list[Floats], list[Floats]]:
        """Draws of the averages of each level, and of what moves with them; (S, G) each."""
        values = [np.empty((size, self.averages)) for _ in self.sums]
        controls = values if self.linear else [np.empty_like(v) for v in values]
        step = int(np.clip(CELLS_AT_ONCE // self._groups, 100, 4096))
        for i in range(0, size, step):
            part = slice(i, min(i + step, size))
            drawn = self.engine.draws(part.stop - part.start, rng)
            effects = self.engine.drawn_effects(drawn, self.new, rng)
            for k, sums in enumerate(self.sums):
                controls[k][part] = sums.at(effects)
                if not self.linear:
                    values[k][part] = self._responses(k, drawn, effects, rng)
                elif self.how.observation:
                    sigma = drawn.sigma
                    if sigma is None:  # standard errors are known
                        sigma = np.ones(part.stop - part.start)
                    error = rng.standard_normal(controls[k][part].shape)
                    values[k][part] += sigma[:, None] * np.sqrt(self._noise[k]) * error
        return values, controls

    def _responses(
        self, side: int, drawn: Any, effects: Effects, rng: np.random.Generator
    ) -> Floats:
        """Averages of probabilities or rates, or of new events; (S, G)."""
        link, rows = self.engine.link, self.cells.sides[side].rows
        assert link is not None
        counted = self._counted and link is not LOG
        weight = (self.cells.sides[side].weight if self._counted else self.weights[side]).tocsc()
        out = np.zeros((self.averages, len(effects.coefficients)))
        row_sd = self._row_sd(drawn)
        blocks: dict[int, Any] = {}
        for part, which, eta in RowDraws(rows, effects, self.skipped).blocks():
            sd = None if row_sd is None else row_sd[which]
            value = averaged_over_rows(eta, link.natural, sd)
            if part.start not in blocks:
                blocks[part.start] = _columns(weight, part)
            at, some = blocks[part.start]
            if counted:
                self._add_events(out, at, some, which, value, rng)
            else:
                out[at, which] += some @ value
        if self._counted and link is LOG:
            out = rng.poisson(out).astype(np.float64)  # sums of Poisson events are Poisson events
        divisor = self._divisor(self.cells.sides[side]) if self._counted else 1.0
        return np.asarray((out / np.asarray(divisor).reshape(-1, 1)).T)

    @staticmethod
    def _add_events(
        out: Floats, at: Any, trials: Any, which: slice, p: Floats, rng: np.random.Generator
    ) -> None:
        """Add events of new trials with these probabilities."""
        dense = trials if isinstance(trials, np.ndarray) else trials.toarray()
        for place, n in zip(at, dense, strict=True):
            used = n > 0
            events = rng.binomial(n[used, None].astype(np.int64), p[used])
            out[place, which] += events.sum(axis=0)

    def _row_sd(self, drawn: Any) -> Floats | None:
        """Draws of the sd of an effect of each row, (S,), where it is averaged over."""
        if not self.skipped:
            return None
        block = self.engine.statistics.blocks[self.skipped[0]]
        return np.asarray(drawn.tau[f"tau[{block.factor}]"])

    # means -----------------------------------------------------------------------------------

    def _better_mean(self, values: Floats, control: Floats, sums: Sums) -> Floats:
        """Means of averages: the exact ones, or those of draws corrected by what is exact."""
        mean: Floats = values.mean(axis=0)
        exact = sums.at(self.means)[0]
        if self.linear:  # of an observation too: its error has mean zero
            return np.asarray(np.where(np.isfinite(exact), exact, mean))
        middle = control.mean(axis=0)
        about = control - middle
        slope = ((values - mean) * about).sum(axis=0)
        slope /= np.maximum((about**2).sum(axis=0), 1e-300)
        better = mean - slope * (middle - exact)
        return np.asarray(np.where(np.isfinite(better) & (better > 0.0), better, mean))

    def _sloped(self, rows: Any, weight: Any) -> Any:
        """Weights times the slope of the inverse link at the mean of each row's predictor."""
        link = self.engine.link
        assert link is not None
        eta = np.empty(len(rows.x))
        with np.errstate(invalid="ignore"):
            for part, _, block in RowDraws(rows, self.means, self.skipped).blocks():
                eta[part] = block[:, 0]
            slope = np.asarray(link.slope(eta))
        return weight * np.where(np.isfinite(slope), slope, 1.0)[None, :]

    # comparisons and totals --------------------------------------------------------------------

    def _compared(
        self, levels: list[Floats], means: list[Floats], share: Floats | None
    ) -> AverageDraws:
        """What was asked for, from the averages of each level and their means."""
        gaps = [mean - level.mean(axis=0) for level, mean in zip(levels, means, strict=True)]
        one, none = np.ones(self.averages), np.zeros(self.averages)
        if len(levels) == 1:
            if self.how.benchmark is not None:
                return _benchmarked(levels[0], gaps[0], self.how.benchmark, share)
            if self.linear:
                return AverageDraws(levels[0], tuple(levels), one, gaps[0])
            factor = means[0] / np.maximum(means[0] - gaps[0], 1e-300)  # so that none is negative
            return AverageDraws(levels[0], tuple(levels), factor, none)
        first, second = levels
        if self.how.kind == "difference":
            return AverageDraws(second - first, (first, second), one, gaps[1] - gaps[0])
        _refuse_not_positive(levels, self.how.kind)
        to = np.asarray if self.how.kind == "ratio" else _odds
        ratio = to(means[1]) / to(means[0])
        factor = ratio * to(means[0] - gaps[0]) / to(means[1] - gaps[1])
        return AverageDraws(to(second) / to(first), (first, second), factor, none)

    # helpers -----------------------------------------------------------------------------------

    @property
    def _counted(self) -> bool:
        """Whether events of new trials or exposure are drawn."""
        return self.how.observation and self.engine.link is not None

    @property
    def _groups(self) -> int:
        """Effects of all groups, of which each draw has one."""
        return max(1, sum(int(e.shape[1] * e.shape[2]) for e in self.means.effects))

    @property
    def _noise(self) -> list[Floats]:
        """Variance of the error of observations of each level, over sigma^2; (G,) each."""
        out = []
        for side in self.cells.sides:
            if not self.how.observation or side.rows.weight is None or not self.linear:
                out.append(np.zeros(self.averages))
                continue
            # w rows of a cell are observed, each with a variance of sigma^2 over its own weight
            variance = np.asarray(side.weight @ (1.0 / side.rows.weight))
            out.append(variance / self._divisor(side) ** 2)
        return out

    def _divisor(self, side: Side) -> Floats:
        return np.ones(side.weight.shape[0]) if self.how.total else side.total

    def _sums(self, rows: Any, weight: Any) -> Sums:
        groups = [e.shape[1] for e in self.means.effects]
        return Sums.of(rows, weight, groups, self.skipped)

    def _check_sizes(self) -> None:
        """Raise an ArgumentError if observations cannot be drawn of these cells or weights."""
        if self.how.observation and not self.engine.one_sigma:
            raise ArgumentError(
                "observation=True: averages of new observations are of fits with one sigma; where "
                "groups differ in noise leave it out, or take predict(rows, observation=True)"
            )
        if not self._counted:
            return
        if self.cells.row_terms:
            raise ArgumentError(
                "observation=True: with an effect of each row, (1 | row), the events of a cell "
                "depend on how many rows its weight stands for; leave observation out"
            )
        if self.engine.dispersion is not None:
            raise ArgumentError(
                "observation=True: rows of this family vary by themselves, so that the events of a "
                "cell depend on how many rows its weight stands for; leave observation out"
            )
        weights = np.concatenate([side.weight.data for side in self.cells.sides])
        broken = weights != np.rint(weights)
        if self.engine.link is not LOG and broken.any():
            raise DataError(
                "observation=True: weights are numbers of new trials here, which are whole; one "
                f"is {weights[broken][0]:g}"
            )


def _columns(weight: Any, part: slice) -> tuple[Ints, Any]:
    """Averages that some rows are part of, and their weights in these; from compressed columns."""
    starts = weight.indptr[part.start : part.stop + 1]
    inside = slice(starts[0], starts[-1])
    column = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    at, place = np.unique(weight.indices[inside], return_inverse=True)
    shape = len(at), len(starts) - 1
    some = scipy.sparse.csr_array((weight.data[inside], (place.ravel(), column)), shape=shape)
    return at, some.toarray() if len(at) <= DENSE_AVERAGES else some


def _by_average(side: Side) -> Side:
    """The rows ordered by the first average of each, so that few are together of many."""
    columns = side.weight.tocsc()
    used = np.diff(columns.indptr) > 0
    first = np.full(len(used), side.weight.shape[0])
    first[used] = columns.indices[columns.indptr[:-1][used]]
    order = np.argsort(first, kind="stable")
    return Side(side.rows.part(order), columns[:, order].tocsr())


def _benchmarked(values: Floats, gap: Floats, total: float, share: Floats | None) -> AverageDraws:
    """Totals given that they add up to a known one: each draw is moved by what it lacks.

        t* = t + c (T - sum t),   c_g = Cov(t_g, sum t) / Var(sum t)

    which for a joint normal distribution draws from it given the sum, and whose means are the
    benchmarked Bayes estimates of Datta, Ghosh, Steorts and Maples (2011),
    doi:10.1007/s11749-010-0218-y, for a loss by the inverse of the joint covariance.
    """
    sums = values.sum(axis=1)
    mean = float(sums.mean() + gap.sum())
    surprise = (total - mean) / max(float(sums.std()), 1e-300)
    if share is None:
        about = sums - sums.mean()
        share = about @ (values - values.mean(axis=0)) / max(float(about @ about), 1e-300)
    moved = values + (total - sums)[:, None] * share
    shift = gap - gap.sum() * share
    return AverageDraws(moved, (moved,), np.ones(len(share)), shift, surprise, share)


def _odds(p: Floats) -> Floats:
    return np.asarray(np.maximum(p, 1e-300) / np.maximum(1.0 - p, 1e-300))


def _refuse_not_positive(levels: list[Floats], kind: str) -> None:
    """Raise an ArgumentError if an average that is divided by may not be positive."""
    bad = max(float((v <= 0).any(axis=1).mean()) for v in levels)
    if bad > 0:
        raise ArgumentError(
            f'kind="{kind}" needs averages above 0, and {100 * bad:.2g}% of the draws have one '
            'that is not; ask for kind="difference"'
        )
