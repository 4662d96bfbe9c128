"""Effects of groups by their own counts alone, the rest of the linear predictor given."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import Bools, Floats, Ints
from partialpool.kernels.families import LOG, Link

MOST_STEPS = 60
"""Newton steps, at most: a guard against turning in circles."""
LONGEST_STEP = 2.0
"""Change of a linear predictor in one step, at most: Newton's steps jump too far up a log rate."""
PENALTIES = (1e-11, 1e-13)
"""Precisions, over the information of the events, with which effects are drawn to the start. An
effect that the counts limit moves by less than a thousandth from the first to the second; one to
which they set no limit by the logarithm of their ratio, 4.6."""
UNLIMITED_MOVE = 0.1
"""Change of a linear predictor between the two beyond which an effect has no finite estimate."""
CONVERGED_STEP = 1e-9
"""Change of every linear predictor of a group in a step after which it is done."""
ROUNDING_SHARE = 1e-6
"""Share of a log likelihood that may be rounding: of a billion trials a tenth of this is."""
UNTOLD_SHARE = 1e-10
"""A combination of effects of which a group's rows say less, relative to the rest, has no
estimate."""


def own_levels(link: Link, y: Floats, size: Floats, base: Floats, group: Ints, n: int) -> Floats:
    """The level a_j at which a group's expected events are those it had, (n,).

        sum_i size_i mean(base_i + a_j) = sum_i y_i   over the rows i of group j

    Parameters
    ----------
    link : Link
    y, size, base : ndarray, shape (N,)
        Events; trials or exposure; linear predictor without the group.
    group : ndarray of int, shape (N,)
    n : int
        Groups.

    Returns
    -------
    ndarray, shape (n,)
        On the link scale; infinite for groups without events, or with nothing but events, and nan
        without trials.
    """
    events, trials = (np.bincount(group, v, n) for v in (y, size))
    if link is LOG:
        with np.errstate(divide="ignore", invalid="ignore"):
            # rates are multiples of exp(a_j): in closed form
            return np.asarray(np.log(events / np.bincount(group, size * np.exp(base), n)))
    inside = (events > 0) & (events < trials)
    center = np.divide(
        np.bincount(group, size * base, n), trials, where=trials > 0, out=np.zeros(n)
    )
    share = np.where(inside, events / np.maximum(trials, 1e-300), 0.5)
    # at equal linear predictors this is the solution
    a = link.linked(share) - center
    for _ in range(MOST_STEPS):
        _, mean, slope = link.cumulants(base + a[group])
        excess = events - np.bincount(group, size * mean, n)
        # the slope vanishes in the tails, from where steps of 2 lead back
        step = excess / np.maximum(np.bincount(group, size * slope, n), 1e-12 * (1.0 + trials))
        step = np.where(inside, np.clip(step, -2.0, 2.0), 0.0)
        a = a + step
        if not (np.abs(step) > 1e-12).any():
            break
    ends = np.where(trials == 0, np.nan, np.where(events == 0, -np.inf, np.inf))
    return np.asarray(np.where(inside, a, ends))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows of counts and their design, (N, q), sorted by nothing; `groups` groups."""

    link: Link
    y: Floats
    size: Floats
    base: Floats
    z: Floats
    index: Ints
    groups: int

    def sums(self, values: Floats) -> Floats:
        """Sums by group, (groups,)."""
        return np.bincount(self.index, values, self.groups).astype(np.float64, copy=False)

    def of_groups(self, chosen: Bools) -> _Rows:
        """The rows of some groups."""
        at = chosen[self.index]
        number = np.cumsum(chosen) - 1
        return replace(
            self,
            y=self.y[at],
            size=self.size[at],
            base=self.base[at],
            z=self.z[at],
            index=number[self.index[at]],
            groups=int(chosen.sum()),
        )

    def along(self, effects: Floats) -> Floats:
        """The linear predictor's part of effects (groups, q), (N,)."""
        return np.asarray((self.z * effects[self.index]).sum(axis=1))

    def value(self, effects: Floats) -> Floats:
        """Log likelihood of each group, up to a constant."""
        eta = self.base + self.along(effects)
        return self.sums(self.y * eta - self.size * self.link.cumulant(eta))

    def slopes(self, effects: Floats) -> tuple[Floats, Floats]:
        """Gradient (groups, q) and information (groups, q, q) of each group."""
        _, mean, slope = self.link.cumulants(self.base + self.along(effects))
        q = self.z.shape[1]
        excess, weight = self.y - self.size * mean, self.size * slope
        gradient = np.stack([self.sums(excess * self.z[:, k]) for k in range(q)], axis=1)
        information = np.empty((self.groups, q, q))
        for k in range(q):
            for m in range(k + 1):
                information[:, k, m] = self.sums(weight * self.z[:, k] * self.z[:, m])
                information[:, m, k] = information[:, k, m]
        return gradient, information


def own_estimates(
    link: Link, y: Floats, size: Floats, base: Floats, z: Floats, index: Ints, groups: int
) -> Floats:
    """Each group's own effects by maximum likelihood of its counts alone, not pooled.

        y_i ~ Binomial(size_i, expit(eta_i)) or Poisson(size_i exp(eta_i)),
        eta_i = base_i + z_i a_j   for the rows i of group j

    Parameters
    ----------
    link : Link
    y, size, base : ndarray, shape (N,)
        Events; trials or exposure; linear predictor without the group.
    z : ndarray, shape (N, q)
        Columns of the effects, as named: ones for an intercept.
    index : ndarray of int, shape (N,)
        Group of each row.
    groups : int

    Returns
    -------
    ndarray, shape (groups, q)
        On the link scale; infinite where the likelihood rises without end (separation), nan
        where the group's rows do not tell an effect from the others.
    """
    rows = _Rows(link, y, size, base, z, index, groups)
    start = _start(rows)
    told = _told(rows.slopes(start)[1])
    share = link.information(y, np.where(size > 0, size, 1.0)) + 1.0
    scale = np.stack([rows.sums(share * column**2) for column in z.T], axis=1)
    # the maximum with a vanishing pull, and with one a hundredth of it: effects that the counts do
    # not limit go on by the logarithm of the ratio, all others stay
    weak = _penalised(rows, start, PENALTIES[0] * scale, start)
    weaker = _penalised(rows, start, PENALTIES[1] * scale, weak)
    reach = np.zeros_like(start)
    np.maximum.at(reach, index, np.where(size[:, None] > 0, np.abs(z), 0.0))
    # as a change of the linear predictor: units of columns do not matter
    moved = (weaker - weak) * reach
    out = np.where(np.abs(moved) > UNLIMITED_MOVE, np.copysign(np.inf, moved), weaker)
    return np.where(told, out, np.nan)


def _start(rows: _Rows) -> Floats:
    """No effects but an intercept at about what the events of all rows of a group say."""
    start = np.zeros((rows.groups, rows.z.shape[1]))
    if (rows.z[:, 0] == 1.0).all():
        events, size = rows.sums(rows.y), rows.sums(rows.size)
        base = rows.sums(rows.size * rows.base) / np.where(size > 0, size, 1.0)
        # half an event, so that groups without any have a start
        share = (events + 0.5) / (size + 1.0)
        start[:, 0] = np.where(size > 0, rows.link.linked(share) - base, 0.0)
    return start


def _told(information: Floats) -> Bools:
    """Which effects no untold combination of effects has a part in; (groups, q)."""
    scale = np.sqrt(np.einsum("gkk->gk", information))
    safe = np.where(scale > 0, scale, 1.0)
    # of correlations: a direction without information, whatever the columns' units
    value, vector = np.linalg.eigh(information / (safe[:, :, None] * safe[:, None, :]))
    untold = (value < UNTOLD_SHARE)[:, None, :] & (np.abs(vector) > 1e-4)
    return np.asarray(~untold.any(axis=2))


def _penalised(rows: _Rows, target: Floats, precision: Floats, begin: Floats) -> Floats:
    """The effects at which the log likelihood less a quadratic about `target` is highest.

    Newton's method with bounded and halved steps; groups that are there are left out.
    """
    out, active = begin.copy(), np.arange(rows.groups)
    effects, share = begin, np.ones(rows.groups)

    def value(at: Floats) -> Floats:
        # the penalty pulls to `target`, not to zero, and so does not move an effect that is there
        drawn = 0.5 * (precision * (at - target) ** 2).sum(axis=1)
        return np.asarray(rows.value(at) - drawn)

    height = value(effects)
    for _ in range(MOST_STEPS):
        step, longest = _step(rows, effects, precision, precision * (effects - target))
        new = (
            effects + step * np.minimum(share, LONGEST_STEP / np.maximum(longest, 1e-300))[:, None]
        )
        reached = value(new)
        # not worse by more than rounding, each group by itself
        better = reached >= height - ROUNDING_SHARE * (1.0 + np.abs(height))
        effects = np.where(better[:, None], new, effects)
        height, share = np.where(better, reached, height), np.where(better, 1.0, 0.5 * share)
        out[active] = effects
        left = longest > CONVERGED_STEP
        if not left.any():
            break
        # copying the rows of those that are left pays once a third is done
        if left.mean() < 0.7:
            active, rows = active[left], rows.of_groups(left)
            target, precision, effects = target[left], precision[left], effects[left]
            height, share = height[left], share[left]
    return out


def _step(rows: _Rows, effects: Floats, precision: Floats, pull: Floats) -> tuple[Floats, Floats]:
    """Newton's step of every group, and the largest change of a linear predictor by it."""
    gradient, information = rows.slopes(effects)
    at = np.arange(effects.shape[1])
    # any positive number: their gradient is zero
    information[:, at, at] += np.where(precision > 0, precision, 1.0)  # of groups without rows
    step = np.asarray(np.linalg.solve(information, (gradient - pull)[:, :, None]), np.float64)
    longest = np.zeros(rows.groups)
    np.maximum.at(longest, rows.index, np.abs(rows.along(step[:, :, 0])))
    return step[:, :, 0], longest
