"""The calls that make a Fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, get_args, overload

from partialpool._table import Table
from partialpool._typing import Paths
from partialpool.errors import ArgumentError, PriorError
from partialpool.fitted import Fit, fit_kept, fit_mixed, fit_one_factor
from partialpool.formula import Roles, parse, read_roles
from partialpool.formula.tree import Name
from partialpool.kept_statistics import Statistics
from partialpool.models import PriorLike
from partialpool.models.population_text import (
    PopulationLike,
    parse_population,
    population_of,
)
from partialpool.notices import Notice
from partialpool.posterior.fit_engine import EngineOptions, Method
from partialpool.records.count_table import CountTable
from partialpool.records.counts import CountStatistics
from partialpool.rows import from_estimates, from_summaries, read_counts, read_statistics
from partialpool.rows.find_dates import with_days
from partialpool.rows.folding import Folded, folding
from partialpool.rows.foreign_frames import known_frame
from partialpool.rows.outcome_words import with_event
from partialpool.rows.read import as_table
from partialpool.words.accuracy import checked_accuracy

if TYPE_CHECKING:
    import pandas
    import polars


class Fitting(TypedDict, total=False):
    """Options of `fit`; see there."""

    prior: PriorLike
    method: Method
    family: str | None
    population: PopulationLike
    event: str | None
    quadrature: int | None
    accuracy: float | None
    labels: Literal["fold"] | None
    progress: Callable[[float], None] | None


@overload
def fit(
    formula: str, data: Paths | Mapping[str, Any], **options: Unpack[Fitting]
) -> Fit[Table]: ...


@overload
def fit(
    formula: str, data: pandas.DataFrame, **options: Unpack[Fitting]
) -> Fit[pandas.DataFrame]: ...


@overload
def fit(
    formula: str, data: polars.DataFrame | polars.LazyFrame, **options: Unpack[Fitting]
) -> Fit[polars.DataFrame]: ...


@overload
def fit(formula: str, data: Any, **options: Unpack[Fitting]) -> Fit[Any]: ...


def fit(
    formula: str,
    data: Any,
    *,
    prior: PriorLike = None,
    method: Method = "posterior",
    family: str | None = None,
    population: PopulationLike = None,
    event: str | None = None,
    labels: Literal["fold"] | None = None,
    quadrature: int | None = None,
    accuracy: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> Fit:
    """Fit a hierarchical model and return its posterior.

        y_ij ~ N(theta_j, sigma^2 / w_ij),   theta_j ~ N(mu, tau^2)

    and with predictors, slopes that vary, and nested or crossed groups

        y = X beta + sum_t Z_t b_t + e,   b_t,l ~ N(0, Sigma_t),   e_i ~ N(0, sigma^2 / w_i)

    Parameters
    ----------
    formula : str
        ``"score ~ 1 + (1 | school)"`` for rows; ``"effect | se(se) ~ 1 + (1 | school)"`` for
        estimates with known standard errors; ``"y | weights(w) ~ ..."`` for rows of variance
        sigma^2 / w; ``"mean | summary(n, sd) ~ ..."`` for summaries of groups;
        ``"hits | trials(at_bats) ~ ..."`` for proportions; ``"count | exposure(hours) ~ ..."``
        for rates. Predictors and their interactions ``x * kind``, functions log, exp, sqrt,
        center, scale, poly, C, I and offset, slopes ``(x | school)`` (``||``: independent),
        nesting ``(1 | county/tract)``, and several terms for crossed groups. Of one factor without
        predictors ``"score ~ 1 + (1 | school); sigma ~ 1 + (1 | school)"`` gives each group its own
        sigma.
    data : frame, mapping, path or relation
        A pandas or Polars frame (also lazy), a PyArrow table, a dict of arrays, the path of a
        CSV or Parquet file (also a glob, or a list of paths), a table of a DuckDB database
        ("file.duckdb::table"), a DuckDB relation, or a Spark DataFrame (classic or Connect). Any
        other table or stream with the Arrow C interface, or that narwhals takes (ibis, dask), is
        read into memory.
        Files, relations and Spark DataFrames are summed by group where they are, also with
        predictors and several factors; their rows never reach Python, and memory grows with
        groups, not with rows. (Counts with predictors: one record for rows that are the same.)
    prior : Priors, mapping, str or sequence of str, optional
        ``pp.priors(tau=pp.HalfNormal(5))`` or ``["tau ~ half_normal(5)"]``. The default is flat
        on mu and tau and 1/sigma on sigma. With predictors also ``"floor ~ normal(0, 10)"`` for
        one coefficient, ``beta`` for all but the intercept, ``"tau[county, floor] ~ ..."`` for
        one standard deviation, ``tau`` for all, and ``"rho ~ lkj(2)"``; ``"dispersion ~ ..."``
        of a family that has one, whose default is half_normal(1).
    method : {"posterior", "reml", "ml"}
        The full posterior, or point estimates by (restricted) maximum likelihood with standard
        errors.
    family : str, optional
        ``"gaussian"``; ``"binomial"`` for events among trials, also rows of 0 and 1;
        ``"poisson"`` for counts. If not given, trials() means binomial, exposure() Poisson, and
        anything else gaussian. ``"beta_binomial"`` and ``"negative_binomial"`` are binomial and
        Poisson rows that vary more: with m the mean of a row, by a dispersion d that is learned,

            counts: variance m + (d m)^2;   events of n: n p (1 - p) (1 + (n - 1) d^2 / (1 + d^2))
    population : str or object, optional
        What groups come from. ``"normal"`` if not given; of one factor without predictors also
        ``"student"`` (a few groups lie far out; `pp.Student`), ``"contaminated"`` (a share of
        groups from a wider population; `pp.Contaminated`) and ``"point_normal"`` (most groups
        are all the same; `pp.PointNormal`), with numbers as in ``"student(7)"``; ``"beta"`` for
        the probabilities of binomial counts, and ``"gamma"`` for the rates of Poisson counts.
    event : str, optional
        Of an outcome of two words, such as yes and no: the one that is the event. If not given,
        the one that says yes, else the second in the order of letters; a notice says which.
    labels : {"fold"}, optional
        Merge labels of groups and categories that differ only in spaces, capitals or the way a
        letter is coded, such as "East" and "east "; a notice says which. If not given, they are
        different, and a notice names them.
    quadrature : int, optional
        For counts with ``method="ml"``: nodes of the quadrature rule over each effect of the
        largest factor; 1, if not given, is Laplace's approximation.
    accuracy : float, optional
        Target of the error of what is printed, in posterior standard deviations: the largest of
        any mean, sd or interval end of parameters and groups, from 1e-10 to 0.5. If not given,
        0.02 where the integral is laid on a lattice, and where points are sampled 0.05 for means
        and sds and 0.15 for interval ends. A smaller one takes more time; what was reached is
        ``fit.posterior.error``.
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
    ArgumentError
        If a family or method is not known, or an accuracy not one that may be asked for.
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
    if not isinstance(formula, str):
        raise ArgumentError(
            f"the arguments are fit(formula, data); the first is a {type(formula).__name__}, "
            'not a formula such as "score ~ 1 + (1 | school)"'
        )
    if isinstance(data, str) and "~" in data and "~" not in formula:
        raise ArgumentError(
            f'the arguments are fit(formula, data), the formula first: fit("{data}", "{formula}")'
        )
    _check_method(method, prior, accuracy)
    data = folding(known_frame(data), labels)
    parsed, said = with_event(parse(formula), family, data, event)
    parsed, dated = with_days(parsed, data)
    roles = read_roles(parsed, family)
    _refuse_two(population, roles)
    chosen = population_of(population, roles, method)
    _check_quadrature(quadrature, method, counts=roles.family is not None)
    how = EngineOptions(prior, method, chosen, quadrature, accuracy)
    result = _read_and_fit(roles, data, how, (*said, *dated), progress)
    return replace(result, folded=isinstance(data, Folded))


def _read_and_fit(
    roles: Roles,
    data: Any,
    how: EngineOptions,
    said: tuple[Notice, ...],
    progress: Callable[[float], None] | None,
) -> Fit:
    """Reduce data to what the model needs, and fit it; `said` comes before other notices."""
    counts = roles.family is not None
    if roles.one_way and (how.method == "posterior" or not counts):
        read_sums = read_counts if counts else read_statistics
        reading = read_sums(roles, data, progress=progress)
        notices = (*said, *reading.notices)
        return fit_one_factor(roles, reading.statistics, how, reading.like, notices)
    if counts:
        from partialpool.rows.working_responses import read_count_rows as read
    else:
        from partialpool.rows.mixed_read import read_mixed as read
    rows = read(roles, data, progress=progress)
    return fit_mixed(replace(rows, notices=(*said, *rows.notices)), how)


def _refuse_two(asked: PopulationLike, roles: Roles) -> None:
    """Refuse a population that is not the one in the formula."""
    if asked is None or roles.population is None:
        return
    stated = (parse_population(p) if isinstance(p, str) else p for p in (asked, roles.population))
    if len(set(stated)) > 1:
        raise ArgumentError(
            f'population="{asked}", and the formula says dist = "{roles.population}"; give one'
        )


def _check_method(method: Method, prior: PriorLike, accuracy: float | None) -> None:
    if method not in get_args(Method):
        raise ArgumentError(f'method={method!r}: it is "posterior", "reml" or "ml"')
    if method != "posterior" and prior not in (None, [], ()):
        raise PriorError(f'method="{method}" takes no priors; use method="posterior"')
    if method != "posterior" and accuracy is not None:
        raise ArgumentError(
            f'accuracy is that of a posterior; estimates with method="{method}" are taken to the '
            "maximum of the likelihood: leave accuracy out"
        )
    checked_accuracy(accuracy)


def _check_quadrature(quadrature: int | None, method: Method, *, counts: bool) -> None:
    if counts and method == "reml":
        raise ArgumentError(
            'method="reml" is for measurements; counts are fitted with method="posterior" or "ml"'
        )
    if quadrature is None or (counts and method == "ml"):
        return
    if counts:
        raise ArgumentError(
            'quadrature is for method="ml"; the posterior chooses its own rules and says which'
        )
    raise ArgumentError(
        "quadrature is for counts (binomial, poisson); measurements need none: their groups "
        "are integrated out in closed form"
    )


def fit_statistics(
    statistics: Statistics,
    *,
    prior: PriorLike = None,
    method: Method = "posterior",
    population: PopulationLike = None,
    quadrature: int | None = None,
    accuracy: float | None = None,
) -> Fit[Table]:
    """Fit from statistics that were computed or loaded before: no rows are read.

    Parameters
    ----------
    statistics : Statistics
        From `partialpool.statistics` or `load_statistics`, or several of them combined.
    prior, method, population, quadrature, accuracy
        As in `fit`; the statistics of one factor without predictors serve every population.

    Returns
    -------
    Fit
        Its tables are of the kind `Table`.

    Examples
    --------
    >>> import partialpool as pp
    >>> sums = pp.statistics("rate ~ 1 + (1 | batch)", {"batch": [1, 1, 2, 2, 3, 3],
    ...                                                  "rate": [1.0, 3, 4, 6, 9, 7]})
    >>> pp.fit_statistics(sums).statistics.n_groups
    3
    """
    _check_method(method, prior, accuracy)
    kept = statistics.groups
    chosen = population_of(population, statistics.roles, method)
    counts = isinstance(kept, CountTable | CountStatistics)
    _check_quadrature(quadrature, method, counts=counts)
    if method == "ml" and isinstance(kept, CountStatistics):
        raise ArgumentError(
            'method="ml" of counts needs rows, or statistics of a formula with predictors or '
            'several factors; fit these with method="posterior"'
        )
    return fit_kept(
        statistics, EngineOptions(prior, method, chosen, quadrature, accuracy), as_table
    )


def fit_groups(
    *,
    mean: Any,
    n: Any = None,
    sd: Any = None,
    se: Any = None,
    names: Any = None,
    factor: str = "group",
    prior: PriorLike = None,
    population: PopulationLike = None,
    accuracy: float | None = None,
) -> Fit[Table]:
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
    prior, population, accuracy
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
    checked_accuracy(accuracy)
    if se is not None and n is None and sd is None:
        statistics = from_estimates(mean, se, names, factor=factor)
        roles = Roles.one_factor("mean", factor, se=Name("se"))
        precision = "se(se)"
    elif se is None and n is not None and sd is not None:
        statistics = from_summaries(n, mean, sd, names, factor=factor)
        roles = Roles.one_factor("mean", factor, count=Name("n"), sd=Name("sd"))
        precision = "summary(n, sd)"
    else:
        given = [k for k, v in (("n", n), ("sd", sd), ("se", se)) if v is not None]
        raise ArgumentError(
            "give either se (known standard errors), or both n and sd; "
            f"received mean and {', '.join(given) or 'nothing else'}"
        )
    roles = replace(roles, text=f"mean | {precision} ~ 1 + (1 | {Name(factor)})")
    chosen = population_of(population, roles, "posterior")
    how = EngineOptions(prior, population=chosen, accuracy=accuracy)
    return fit_one_factor(roles, statistics, how, as_table)
