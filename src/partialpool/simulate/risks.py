"""What to expect of each estimator: risk, bias, variance, wins, coverage, with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.design.labels import as_labels
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.simulate.estimators import ESTIMATORS, Estimated, observed
from partialpool.simulate.world import World, Worlds, worlds

TIE_SHARE = 1e-9
"""Errors closer than this, in proportion, are equal: REML at tau = 0 is complete pooling, and
rounding must not decide which of the two is better."""


@dataclass(frozen=True, slots=True, eq=False)
class Risks:
    """Expected performance over replicates.

    Parameters
    ----------
    world : World
        The settings.
    replicates : int
        Number of replicates.
    table : Table
        A row for each estimator. mse and mse_error: mean squared error of the group estimates
        and its Monte Carlo error (units of y squared); bias2 and variance: the two parts of mse
        for one fixed population, nan unless asked for; best: share of replicates in which the
        estimator has, or shares, the lowest error of no, complete and this one; beats_no,
        beats_complete: share in which it is lower than that one; coverage, coverage_error, width:
        of its intervals (units of y), nan where it has none.
    """

    world: World
    replicates: int
    table: Table

    def __repr__(self) -> str:
        return repr(self.table)


def risks(
    world: World,
    *,
    estimators: Sequence[str] = ("no_pooling", "complete_pooling", "moments", "reml", "posterior"),
    replicates: int = 1000,
    seed: int = 1,
    sigma_known: bool = True,
    fixed_population: bool = False,
    level: float = 0.95,
) -> Risks:
    """Simulate replicates of a world and score estimators against the truth.

    Parameters
    ----------
    world : World
        The settings.
    estimators : sequence of str
        Of no_pooling, complete_pooling, moments, reml, james_stein, posterior.
    replicates, seed : int
        Number of replicates and the seed of their noise; replicate r is the same world whatever
        the number of replicates.
    sigma_known : bool
        Whether the estimators are told sigma.
    fixed_population : bool
        Keep the true group parameters of the first replicate in all, so that the error splits
        into bias and variance.
    level : float
        Probability of intervals.

    Raises
    ------
    ArgumentError
        If an estimator is not known or does not apply.
    """
    for name in estimators:
        check(name, world, sigma_known)
    if not 0 < level < 1:
        raise ArgumentError(f"level lies between 0 and 1; received {level!r}")
    drawn = worlds(world, replicates=replicates, seed=seed)
    if fixed_population:
        truth = np.broadcast_to(drawn.theta[:1], drawn.theta.shape)
        drawn = replace(drawn, theta=truth, mean=drawn.mean - drawn.theta + truth)
    seen = observed(drawn, sigma_known=sigma_known, level=level)
    needed = dict.fromkeys(["no_pooling", "complete_pooling", *estimators])
    estimates = {name: ESTIMATORS[name](seen) for name in needed}
    errors = {name: ((e.estimate - drawn.theta) ** 2).mean(axis=1) for name, e in estimates.items()}
    asked = list(dict.fromkeys(estimators))
    rows = [_row(name, estimates[name], drawn, errors, fixed_population) for name in asked]
    numbers = {k: np.array([row[k] for row in rows]) for k in rows[0]}
    return Risks(world, replicates, Table(estimator=as_labels(asked), **numbers))


def check(name: str, world: World, sigma_known: bool) -> None:
    """Refuse an estimator that is not known or does not apply."""
    if name not in ESTIMATORS:
        hint = did_you_mean(name, ESTIMATORS)
        raise ArgumentError(
            f'there is no estimator "{name}"; {hint}they are {", ".join(ESTIMATORS)}'
        )
    groups, rows = len(world.n), sum(world.n)
    if name == "james_stein" and (groups < 4 or len(set(world.n)) > 1):
        raise ArgumentError("james_stein needs at least 4 groups, all of one size")
    if name == "posterior" and groups < 3:
        raise ArgumentError("the posterior under flat priors needs at least 3 groups")
    if not sigma_known and rows - groups < 1:
        raise ArgumentError("with sigma unknown, some group needs more than one row")


def _row(
    name: str, e: Estimated, drawn: Worlds, errors: dict[str, Floats], fixed: bool
) -> dict[str, float]:
    error = errors[name]
    no, complete = errors["no_pooling"], errors["complete_pooling"]
    row = {"mse": float(error.mean()), "mse_error": _error(error)}
    row["bias2"] = row["variance"] = np.nan
    if fixed:
        bias = e.estimate.mean(axis=0) - drawn.theta[0]
        row["bias2"] = float((bias**2).mean())
        row["variance"] = float(e.estimate.var(axis=0).mean())
    row["best"] = float((error <= np.minimum(no, complete) * (1.0 + TIE_SHARE)).mean())
    row["beats_no"] = float((error < no * (1.0 - TIE_SHARE)).mean())
    row["beats_complete"] = float((error < complete * (1.0 - TIE_SHARE)).mean())
    row["coverage"] = row["coverage_error"] = row["width"] = np.nan
    if e.lower is not None and e.upper is not None:
        covered = ((e.lower <= drawn.theta) & (drawn.theta <= e.upper)).mean(axis=1)
        row["coverage"], row["coverage_error"] = float(covered.mean()), _error(covered)
        row["width"] = float((e.upper - e.lower).mean())
    return row


def _error(values: Floats) -> float:
    """Monte Carlo standard error of a mean over replicates; nan for one replicate."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan
