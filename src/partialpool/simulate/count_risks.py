"""What to expect of the poolings of counts: risk, wins and coverage, with their errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from partialpool._table import Table
from partialpool._typing import Bools, Floats
from partialpool.design.labels import as_labels
from partialpool.errors import ArgumentError, ImproperPosteriorError
from partialpool.formula import parse, read_roles
from partialpool.formula.families import PROPORTIONS
from partialpool.models import Priors, priors
from partialpool.posterior import CountsPosterior, counts_posterior
from partialpool.records import CountStatistics
from partialpool.rows import read_counts
from partialpool.simulate.counts import CountWorld, CountWorlds, count_worlds

ESTIMATORS = ("no_pooling", "complete_pooling", "posterior")


@dataclass(frozen=True, slots=True, eq=False)
class CountRisks:
    """Expected performance over replicates of a world of counts.

    Parameters
    ----------
    world : CountWorld
        The settings.
    replicates : int
        Number of replicates that were scored.
    left_out : int
        Replicates beside these whose posterior would be improper under the priors, such as when
        no group has an event: they are in no number.
    table : Table
        A row for each estimator, on the natural scale (probabilities or rates). mse and
        mse_error: mean squared error of the groups' estimates and its Monte Carlo error; best:
        share of replicates in which the estimator has the lowest error of no, complete and this
        one; beats_no, beats_complete: share in which it is lower than that one; coverage,
        coverage_error, width: of its intervals, nan where it has none.
    """

    world: CountWorld
    replicates: int
    left_out: int
    table: Table

    def __repr__(self) -> str:
        return repr(self.table)


@dataclass(frozen=True, slots=True, eq=False)
class CountDraw:
    """One world of counts with its truth, its data and what the poolings make of them.

    Parameters
    ----------
    world : CountWorld
    truth, events : ndarray, shape (J,)
        True probabilities or rates, and what was seen.
    posterior : CountsPosterior
    """

    world: CountWorld
    truth: Floats
    events: Floats
    posterior: CountsPosterior

    def table(self, level: float = 0.95) -> Table:
        """A row a group: group, size, events, truth, the three poolings, and the interval."""
        post = self.posterior
        no, complete = _pooled(self.events[None], np.array(self.world.size))
        lower, upper = post.value.interval(level)
        return Table(
            group=np.arange(1, len(self.truth) + 1),
            size=np.array(self.world.size),
            events=self.events,
            truth=self.truth,
            no_pooling=no[0],
            complete_pooling=complete[0],
            posterior=post.value.mean,
            lower=lower,
            upper=upper,
        )


def count_draw(world: CountWorld, *, seed: int = 1, prior: Any = None) -> CountDraw:
    """Draw one world of counts and fit it.

    Parameters
    ----------
    world : CountWorld
        The settings.
    seed : int
        Of the noise, as in `count_worlds`.
    prior : optional
        As in `partialpool.fit`.

    Raises
    ------
    ImproperPosteriorError
        If these data and priors leave no proper posterior.
    """
    drawn = count_worlds(world, seed=seed)
    post = counts_posterior(_statistics(drawn, 0), _priors(prior), population=world.population)
    return CountDraw(world, drawn.value[0], drawn.y[0], post)


def count_risks(
    world: CountWorld,
    *,
    replicates: int = 200,
    seed: int = 1,
    level: float = 0.95,
    prior: Any = None,
) -> CountRisks:
    """Simulate replicates of a world of counts and score the poolings against the truth.

    Raw proportions have Jeffreys' intervals. Source: Brown, Cai and DasGupta (2001),
    doi:10.1214/ss/1009213286.

    Parameters
    ----------
    world : CountWorld
        The settings.
    replicates, seed : int
        Number of replicates and the seed of their noise, as in `count_worlds`.
    level : float
        Probability of intervals.
    prior : optional
        As in `partialpool.fit`.

    Raises
    ------
    ArgumentError
        If a number is out of range.
    ImproperPosteriorError
        If no replicate has a proper posterior under the priors.

    Examples
    --------
    >>> import partialpool as pp
    >>> world = pp.simulate.CountWorld.of(10, 20, 0.5)
    >>> pp.simulate.count_risks(world, replicates=20).table["estimator"].tolist()
    ['no_pooling', 'complete_pooling', 'posterior']
    """
    if not 0 < level < 1:
        raise ArgumentError(f"level lies between 0 and 1; received {level!r}")
    drawn, chosen = count_worlds(world, replicates=replicates, seed=seed), _priors(prior)
    size = np.array(world.size)
    used = np.zeros(replicates, dtype=bool)
    mean, lower, upper = np.zeros((3, *drawn.y.shape))
    refused: ImproperPosteriorError | None = None
    for r in range(replicates):
        try:
            post = counts_posterior(_statistics(drawn, r), chosen, population=world.population)
            value = post.value
        except ImproperPosteriorError as error:
            refused = error
            continue
        mean[r], (lower[r], upper[r]) = value.mean, value.interval(level)
        used[r] = True
    if refused is not None and not used.any():
        raise refused
    no, complete = _pooled(drawn.y, size)
    ends = {"no_pooling": _jeffreys(drawn, level), "posterior": (lower, upper)}
    estimates = dict(zip(ESTIMATORS, (no, complete, mean), strict=True))
    seen = size > 0  # a group without trials has no estimate of its own
    errors = {
        k: np.square(v - drawn.value)[used][:, seen].mean(axis=1) for k, v in estimates.items()
    }
    rows = [_row(name, drawn.value, ends.get(name), errors, used, seen) for name in ESTIMATORS]
    numbers = {k: np.array([row[k] for row in rows]) for k in rows[0]}
    table = Table(estimator=as_labels(ESTIMATORS), **numbers)
    return CountRisks(world, int(used.sum()), int((~used).sum()), table)


def _priors(prior: Any) -> Priors:
    return prior if isinstance(prior, Priors) else priors(prior, factor="group")


def _statistics(drawn: CountWorlds, replicate: int) -> CountStatistics:
    roles = read_roles(parse(drawn.formula), drawn.world.family)
    return read_counts(roles, drawn.table(replicate)).statistics


def _pooled(y: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Own and common proportions or rates, (R, J) each; nan for a group without size."""
    own = np.divide(y, size, out=np.full(y.shape, np.nan), where=size > 0)
    return own, np.broadcast_to((y.sum(axis=1) / size.sum())[:, None], y.shape)


def _jeffreys(drawn: CountWorlds, level: float) -> tuple[Floats, Floats]:
    y, size = drawn.y, np.array(drawn.world.size)
    low, high = 0.5 - level / 2, 0.5 + level / 2
    if drawn.world.family not in PROPORTIONS:
        with np.errstate(divide="ignore"):
            lower, upper = (special.gammaincinv(y + 0.5, p) / size for p in (low, high))
        return np.where(y == 0, 0.0, lower), upper
    lower, upper = (special.betaincinv(y + 0.5, size - y + 0.5, p) for p in (low, high))
    return np.where(y == 0, 0.0, lower), np.where(y == size, 1.0, upper)


def _row(
    name: str,
    truth: Floats,
    ends: tuple[Floats, Floats] | None,
    errors: dict[str, Floats],
    used: Bools,
    seen: Bools,
) -> dict[str, float]:
    error, no, complete = errors[name], errors["no_pooling"], errors["complete_pooling"]
    row = {"mse": float(error.mean()), "mse_error": _error(error)}
    row["best"] = float((error <= np.minimum(no, complete)).mean())
    row["beats_no"] = float((error < no).mean())
    row["beats_complete"] = float((error < complete).mean())
    row["coverage"] = row["coverage_error"] = row["width"] = np.nan
    if ends is not None:
        lower, upper = (e[used][:, seen] for e in ends)
        inside = (lower <= truth[used][:, seen]) & (truth[used][:, seen] <= upper)
        covered = inside.mean(axis=1)
        row["coverage"], row["coverage_error"] = float(covered.mean()), _error(covered)
        row["width"] = float((upper - lower).mean())
    return row


def _error(values: Floats) -> float:
    """Monte Carlo standard error of a mean over replicates; nan for one replicate."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan
