"""The Fit the user holds, and the two calls that make one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from partialpool import display, pictures
from partialpool.advice import Advice, advise, recommendation
from partialpool.comparison import Comparison, compare
from partialpool.data import (
    GroupStatistics,
    Table,
    from_estimates,
    from_summaries,
    read_statistics,
)
from partialpool.data.labels import as_labels
from partialpool.data.read import as_table
from partialpool.errors import ArgumentError, PriorError
from partialpool.findings import findings
from partialpool.formula import one_way, parse
from partialpool.models import Priors, priors
from partialpool.models.priors import Prior
from partialpool.notices import Notice
from partialpool.posterior import Draws, Posterior, posterior
from partialpool.posterior.distributions import IntervalKind
from partialpool.reading import Statistics, statistics
from partialpool.simulate import World

PriorLike = Priors | Mapping[str, Prior | str] | Iterable[str] | str | None


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted one-way model.

    Parameters
    ----------
    formula : str
        As given, or the formula that says the same.
    family : str
        ``"gaussian"``.
    posterior : Posterior
        The joint posterior of every parameter: ``fit.posterior.mu``, ``.tau``, ``.sigma``,
        ``.theta``, ``.new_group``, ``.contrast(...)``, ``.draws(...)``.
    like : callable
        Turns a Table into the kind of frame the data came in.
    """

    formula: str
    family: Literal["gaussian"]
    posterior: Posterior
    like: Callable[[Table], Any]

    @cached_property
    def notices(self) -> tuple[Notice, ...]:
        """What to know about the data and the result."""
        return tuple(findings(self.posterior))

    @property
    def statistics(self) -> GroupStatistics:
        """The per-group statistics of the data."""
        return self.posterior.statistics

    @property
    def priors(self) -> Priors:
        """The priors used."""
        return self.posterior.priors

    def groups(self, *, level: float = 0.95, kind: IntervalKind = "equal-tailed") -> Any:
        """One row a group, in the kind of frame the data came in.

        Parameters
        ----------
        level : float
            Probability of the intervals.
        kind : {"equal-tailed", "highest-density"}
            Kind of interval.

        Returns
        -------
        frame
            group; n (rows); raw (the group's own mean: no pooling); estimate, sd, lower, upper
            (posterior of theta_j, units of y); shrinkage (posterior mean of the weight on the
            pooled value: 0 no pooling, 1 complete pooling).
        """
        return self.like(self.posterior.group_table(level, kind))

    def parameters(self, *, level: float = 0.95, kind: IntervalKind = "equal-tailed") -> Any:
        """One row a parameter: name, mean, sd, lower, median, upper; frame as in `groups`."""
        return self.like(self._parameters(level, kind))

    def compare(self, *estimators: str) -> Comparison:
        """No, complete and partial pooling side by side, with scores that need no truth.

        Parameters
        ----------
        *estimators : str
            Classical estimators to add, such as ``"reml"`` or ``"james_stein"``.

        Returns
        -------
        Comparison
            ``.groups`` (a column an estimator) and ``.scores``; see `partialpool.comparison`.
        """
        return compare(self.posterior, estimators)

    def advise(self) -> Advice:
        """Say how much the grouping matters, in numbers and in words; see `partialpool.advice`."""
        return advise(self.posterior)

    def world(self) -> World:
        """Return a world like this fit: its group sizes, and mu, tau and sigma at their medians.

        For use with `partialpool.simulate`.

        Raises
        ------
        ArgumentError
            If standard errors are given: there are no rows to simulate.
        """
        post = self.posterior
        if post.sigma is None:
            raise ArgumentError("a world is made of rows; this fit has known standard errors")
        return World(
            n=tuple(self.statistics.n.tolist()),
            tau=float(post.tau.median),
            sigma=float(post.sigma.median),
            mu=float(post.mu.median),
        )

    @property
    def plot(self) -> pictures.Plots:
        """Charts of this fit: ``fit.plot.shrinkage()``, ``.caterpillar()``, ``.tau()``, ..."""
        return pictures.Plots(self.posterior)

    def draws(self, size: int, rng: np.random.Generator) -> Draws:
        """Draw independently from the joint posterior; see `Posterior.draws`."""
        return self.posterior.draws(size, rng)

    def update(self, data: Any, *, progress: Callable[[float], None] | None = None) -> Fit:
        """Fit again with more rows: the same as a fit of all the rows together.

        Only the new rows are read; of the others the statistics are known.

        Parameters
        ----------
        data : frame, mapping, path or relation
            The new rows, with the columns of the formula; any kind of data that `fit` takes.
        progress : callable, optional
            As in `fit`.

        Raises
        ------
        ColumnError, DataError
            As in `fit`.
        """
        new = statistics(self.formula, data, progress=progress)
        both = Statistics(self.formula, self.statistics).combine(new)
        return _fit(self.formula, both.groups, self.priors, self.like)

    def to_dict(
        self, *, level: float = 0.95, kind: IntervalKind = "equal-tailed"
    ) -> dict[str, Any]:
        """Return everything as plain Python values: the contract of the command's ``--json``.

        Numbers that do not exist (such as the sd of tau with four groups and flat priors) are
        None.
        """
        return self._as_dict(self.posterior.group_table(level, kind), level, kind)

    def _as_dict(self, groups: Table, level: float, kind: IntervalKind) -> dict[str, Any]:
        """The dict of these groups, already computed, chosen and ordered."""
        factor = self.statistics.factor
        return {
            "formula": self.formula,
            "family": self.family,
            "n_rows": self.statistics.n_rows,
            "n_dropped": self.statistics.n_dropped,
            "parameters": display.plain_rows(self._parameters(level, kind)),
            "groups": [{"factor": factor, **row} for row in display.plain_rows(groups)],
            "accuracy": {
                "method": self.posterior.method,
                "error": self.posterior.error,
                "status": self.posterior.status.name.lower(),
            },
            "notices": [n.to_dict() for n in self.notices],
        }

    def __repr__(self) -> str:
        return display.summary(
            self.formula,
            self.posterior,
            self.notices,
            self._parameters(0.95, "equal-tailed"),
            self.posterior.group_table(),
            recommendation(self.posterior),
        )

    def _parameters(self, level: float, kind: IntervalKind) -> Table:
        named = self.posterior.named()
        ends = [d.interval(level, kind) for d in named.values()]
        return Table(
            name=as_labels(named),
            mean=np.array([float(d.mean) for d in named.values()]),
            sd=np.array([float(d.sd) for d in named.values()]),
            lower=np.array([float(e[0]) for e in ends]),
            median=np.array([float(d.median) for d in named.values()]),
            upper=np.array([float(e[1]) for e in ends]),
        )


def fit(
    formula: str,
    data: Any,
    *,
    prior: PriorLike = None,
    family: str = "gaussian",
    progress: Callable[[float], None] | None = None,
) -> Fit:
    """Fit a hierarchical model and return its exact posterior.

        y_ij ~ N(theta_j, sigma^2 / w_ij),   theta_j ~ N(mu, tau^2)

    Parameters
    ----------
    formula : str
        ``"score ~ 1 + (1 | school)"`` for rows; ``"effect | se(se) ~ 1 + (1 | school)"`` for
        estimates with known standard errors; ``"y | weights(w) ~ ..."`` for rows of variance
        sigma^2 / w; ``"mean | summary(n, sd) ~ ..."`` for summaries of groups.
    data : frame, mapping, path or relation
        A pandas or Polars frame (also lazy), a PyArrow table, a dict of arrays, the path of a
        CSV or Parquet file (also a glob, or a list of paths), a table of a DuckDB database
        ("file.duckdb::table"), a DuckDB relation, or a Spark DataFrame (classic or Connect).
        Files, relations and Spark DataFrames are reduced to one record a group where they are;
        their rows never reach Python.
    prior : Priors, mapping, str or sequence of str, optional
        ``pp.priors(tau=pp.HalfNormal(5))`` or ``["tau ~ half_normal(5)"]``. The default is flat
        on mu and tau and 1/sigma on sigma.
    family : str
        ``"gaussian"``.
    progress : callable, optional
        Called with the fraction of a file that has been read. Spark shows its own progress.

    Returns
    -------
    Fit
        Groups are in label order.

    Raises
    ------
    FormulaError
        If the formula cannot be read, or asks for more than this version fits.
    ColumnError, DataError
        If a column is missing or a value is not allowed.
    PriorError, ImproperPosteriorError
        If a prior does not apply, or data and priors leave no proper posterior.

    Examples
    --------
    >>> import partialpool as pp
    >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
    >>> fit.parameters()
    name            mean       sd     lower   median    upper
    Intercept    7.93238  5.17839  -2.09022   7.8917  18.2181
    tau[school]  6.57548  5.65038  0.242696  5.23851  20.7525
    """
    if family != "gaussian":
        raise ArgumentError(
            f'family="{family}" is not yet supported here; this version fits "gaussian"'
        )
    if not isinstance(formula, str):
        raise ArgumentError(
            f"the arguments are fit(formula, data); the first is a {type(formula).__name__}, "
            'not a formula such as "score ~ 1 + (1 | school)"'
        )
    parsed = parse(formula)
    roles = one_way(parsed)
    reading = read_statistics(roles, data, progress=progress)
    return _fit(formula, reading.statistics, prior, reading.like)


def fit_statistics(statistics: Statistics, *, prior: PriorLike = None) -> Fit:
    """Fit from statistics that were computed or loaded before: no rows are read.

    Parameters
    ----------
    statistics : Statistics
        From `partialpool.statistics` or `load_statistics`, or several of them combined.
    prior : Priors, mapping, str or sequence of str, optional
        As in `fit`.

    Returns
    -------
    Fit
        Its tables are of the kind `Table`.

    Examples
    --------
    >>> import partialpool as pp
    >>> found = pp.statistics("rate ~ 1 + (1 | batch)", {"batch": [1, 1, 2, 2, 3, 3],
    ...                                                  "rate": [1.0, 3, 4, 6, 9, 7]})
    >>> pp.fit_statistics(found).statistics.n_groups
    3
    """
    return _fit(statistics.formula, statistics.groups.sorted(), prior, as_table)


def fit_groups(
    *,
    mean: Any,
    n: Any = None,
    sd: Any = None,
    se: Any = None,
    names: Any = None,
    factor: str = "group",
    prior: PriorLike = None,
) -> Fit:
    """Fit from one record a group: estimates with standard errors, or n, mean and sd.

    Parameters
    ----------
    mean : array_like, shape (J,)
        Estimate or mean of each group (units of y).
    n, sd : array_like, shape (J,), optional
        Rows of each group and their standard deviation with divisor n - 1 (units of y); where
        n is 1 the sd is not used.
    se : array_like, shape (J,), optional
        Known standard error of each estimate (units of y). Give either this, or n and sd.
    names : array_like, shape (J,), optional
        Group labels, each once; 1 to J if not given.
    factor : str
        What a group is called, such as ``"school"``.
    prior : Priors, mapping, str or sequence of str, optional
        As in `fit`.

    Returns
    -------
    Fit
        Groups are in the order given.

    Raises
    ------
    ArgumentError, DataError
        If lengths differ, a value is not allowed, or a name occurs twice.

    Examples
    --------
    >>> import partialpool as pp
    >>> fit = pp.fit_groups(n=[5, 40, 12, 8], mean=[71, 64, 80, 75], sd=[9, 11, 10, 8])
    >>> fit.statistics.n_used
    65
    """
    if se is not None and n is None and sd is None:
        statistics = from_estimates(mean, se, names, factor=factor)
        formula = f"mean | se(se) ~ 1 + (1 | {factor})"
    elif se is None and n is not None and sd is not None:
        statistics = from_summaries(n, mean, sd, names, factor=factor)
        formula = f"mean | summary(n, sd) ~ 1 + (1 | {factor})"
    else:
        given = [k for k, v in (("n", n), ("sd", sd), ("se", se)) if v is not None]
        raise ArgumentError(
            "give either se (known standard errors), or both n and sd; "
            f"received mean and {', '.join(given) or 'nothing else'}"
        )
    return _fit(formula, statistics, prior, as_table)


def _fit(
    formula: str, statistics: GroupStatistics, prior: PriorLike, like: Callable[[Table], Any]
) -> Fit:
    chosen = prior if isinstance(prior, Priors) else priors(prior, factor=statistics.factor)
    if statistics.sigma_known and chosen.sigma != Priors().sigma:
        raise PriorError(
            f"sigma ~ {chosen.sigma}: standard errors are given, so there is no sigma to give a "
            "prior; leave it out"
        )
    return Fit(formula, "gaussian", posterior(statistics, chosen), like)
