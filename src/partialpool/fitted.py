"""The Fit the user holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

import numpy as np

from partialpool._typing import Floats, Frame, Ints, Paths
from partialpool.data import (
    Clusters,
    CountProducts,
    CountStatistics,
    CrossProducts,
    Design,
    GroupStatistics,
    Table,
)
from partialpool.data.count_table import CountTable
from partialpool.data.design import column_of
from partialpool.data.folding import Folded
from partialpool.data.foreign_frames import known_frame
from partialpool.data.mixed_statistics import MixedStatistics
from partialpool.data.new_rows import (
    NewRows,
    Target,
    Unseen,
    new_rows,
    one_way_design,
)
from partialpool.data.one_way_products import as_cross_products
from partialpool.data.read import Reading, handing_back
from partialpool.data.statistics_files import Kept
from partialpool.errors import ArgumentError, NotReachedError, PriorError
from partialpool.formula import Roles
from partialpool.kept_statistics import Statistics, with_more
from partialpool.models import Priors, parameter_names, priors
from partialpool.models.population_model import default_priors
from partialpool.models.population_text import AnyPopulation, without_priors
from partialpool.models.populations import Population
from partialpool.models.priors import Prior
from partialpool.notices import Notice
from partialpool.posterior import (
    CountsPosterior,
    Draws,
    Engine,
    Estimated,
    HeteroscedasticPosterior,
    MixedPosterior,
    OneFactor,
    OneWayPosterior,
    PopulationPosterior,
    Posterior,
    counts_posterior,
    estimated,
    estimated_counts,
    generalized_posterior,
    heteroscedastic_posterior,
    mixed_posterior,
    one_way_posterior,
    population_posterior,
)
from partialpool.posterior.above import Above, probability_above
from partialpool.posterior.distributions import IntervalKind
from partialpool.posterior.engine import Scale, checked_scale
from partialpool.prediction import PredictionOptions, predict, predict_draws
from partialpool.threads import one_blas_thread
from partialpool.words import formatting, summary
from partialpool.words.accuracy import accuracy_notice, checked_accuracy, require_reliable
from partialpool.words.advice import Advice, MixedAdvice, advise, recommendation
from partialpool.words.arrange import Arrangement
from partialpool.words.notices import notices_of
from partialpool.words.ratios import (
    ParameterScale,
    TableScale,
    coefficients_of,
    engine_scale,
    group_ratios,
    is_exp,
    parameter_ratios,
)
from partialpool.words.standing import standing

# Charts, reports, comparisons, worlds and the reading of other models are imported by the methods
# that use them, so that a fit of one factor begins at once; `benchmarks/cold_start.py` measures it.
if TYPE_CHECKING:
    import pandas
    import polars
    from xarray import DataTree

    from partialpool.averages import Average
    from partialpool.charts import Plots
    from partialpool.data.mixed_read import MixedReading
    from partialpool.posterior.averaged import AverageScale, ContrastKind
    from partialpool.posterior.left_out import LeftOutGroups
    from partialpool.report import Contents
    from partialpool.simulate import CountWorld, World
    from partialpool.words.checks import Check
    from partialpool.words.coefficients import MixedComparison
    from partialpool.words.comparison import Comparison
    from partialpool.words.influence import Influence
    from partialpool.words.sensitivity import Sensitivity

PriorLike = Priors | Mapping[str, Prior | str] | Iterable[str] | str | None
Method = Literal["posterior", "reml", "ml"]

MOST_RANKED = 2000
"""Of more groups a report has no ranks: they take seconds, and none of so many is known."""
MOST_LEFT_OUT, MOST_COUNTS_LEFT_OUT = 2000, 100
"""Of more groups of measurements or counts a report does not say what it rests on: with these it
takes about half a second."""

AnyStatistics = GroupStatistics | CrossProducts | CountStatistics
Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def _threads(statistics: AnyStatistics) -> AbstractContextManager[None]:
    """One BLAS thread, unless the model has large matrices, or (one-way) hardly any."""
    if isinstance(statistics, GroupStatistics):
        return nullcontext()
    if not isinstance(statistics, CrossProducts):
        return one_blas_thread()
    return one_blas_thread(largest=_dense_rows(statistics))


def _dense_rows(s: CrossProducts) -> int:
    """Rows of the dense system that is left when the largest factor is eliminated.

    Nested factors, whose pairs of groups are no more than the groups of the inner one, are all
    eliminated group by group; so is a factor alone.
    """
    sizes = {block.factor: 0 for block in s.blocks}
    for block in s.blocks:
        sizes[block.factor] += block.zty.size
    groups = [len(block.n) for block in s.blocks]
    crossed = any(len(c.i) > max(groups[c.first], groups[c.second]) for c in s.crossings)
    rest = sum(sizes.values()) - max(sizes.values()) if crossed else 0
    return len(s.coefficients) + rest


def _reads(
    method: Callable[Concatenate[Fit, Rest], Result],
) -> Callable[Concatenate[Fit, Rest], Result]:
    """Make a method of Fit compute with as many BLAS threads as its fit did."""

    @wraps(method)
    def limited(self: Fit, /, *args: Rest.args, **options: Rest.kwargs) -> Result:
        with _threads(self.statistics):
            return method(self, *args, **options)

    return limited


class Predicting(TypedDict, total=False):
    """Options of `Fit.predict`; see there."""

    target: Target
    unseen: Unseen
    observation: bool
    level: float
    kind: IntervalKind


@dataclass(frozen=True, eq=False)
class Fit(Generic[Frame]):
    """A fitted model; its tables are of the kind `Frame`, that of the data.

    Parameters
    ----------
    _engine : posterior.Engine
        What computes the posterior of this kind of model; `posterior` is its face.
    to_input_frame : callable
        Turns a Table into the kind of frame the data came in.
    design : Design
        How rows became columns: roles, levels, means, groups; used again for new rows.
    data_notices : tuple of Notice
        What was found when the data were read.
    clusters : Clusters, optional
        Cross-products within clusters, for robust errors.
    sums : optional
        The statistics to which `update` adds those of more rows.
    accuracy : float, optional
        The accuracy asked for, which `update` asks for again; None is the default.
    folded : bool
        Whether labels were merged that differ only in spaces, capitals or coding; those of new
        rows are as well.
    """

    _engine: Engine
    to_input_frame: Callable[[Table], Frame]
    design: Design
    data_notices: tuple[Notice, ...] = ()
    clusters: Clusters | None = None
    sums: Kept | None = None
    accuracy: float | None = None
    folded: bool = False

    @property
    def formula(self) -> str:
        """As given, or the formula that says the same."""
        return self.design.roles.text

    @property
    def family(self) -> str:
        """``"gaussian"``, or one of counts."""
        return self.design.roles.family or "gaussian"

    @property
    def population(self) -> AnyPopulation:
        """What groups come from: ``"normal"``, ``"beta"``, ``"gamma"``, or such as `Student`."""
        return self._engine.group_population

    @cached_property
    @_reads
    def notices(self) -> tuple[Notice, ...]:
        """What to know about the data and the result."""
        try:
            require_reliable(self._engine)
        except NotReachedError:  # then nothing but this can be said of the result
            return (*accuracy_notice(self._engine), *self.data_notices)
        of_data = {n.code: n for n in self.data_notices}
        by_column = {"rows_dropped": of_data["rows_dropped"]} if "rows_dropped" in of_data else {}
        of_result = [by_column.get(n.code, n) for n in notices_of(self._engine)]
        said = {"rows_dropped"}
        if any(n.code == "labels_may_start_anew" for n in of_result):
            said.add("factors_crossed")  # says in general what the other says of these data
        return (*of_result, *(n for n in self.data_notices if n.code not in said))

    @cached_property
    def posterior(self) -> Posterior:
        """The joint posterior of every parameter: ``fit.posterior["x"]``, ``.groups(...)``, ...

        The same questions have the same names whatever the model; see `Posterior`.
        """
        return Posterior(self._engine, self._new_rows)

    @property
    def statistics(self) -> AnyStatistics:
        """The sums the data were reduced to."""
        return self._engine.statistics

    @property
    def priors(self) -> Priors:
        """The priors used."""
        return self._full("a prior").priors

    def groups(
        self,
        *,
        level: float = 0.95,
        kind: IntervalKind = "equal-tailed",
        scale: TableScale = "response",
        factor: str | None = None,
        term: str | None = None,
        above: Above | None = None,
    ) -> Frame:
        """One row a group, in the kind of frame the data came in.

        Parameters
        ----------
        level : float
            Probability of the intervals.
        kind : {"equal-tailed", "highest-density"}
            Kind of interval.
        scale : {"response", "link", "exp"}
            For counts: probabilities or rates, or log-odds or log rates. Of measurements both
            are the same. "exp" is exp of the link, such as odds ratios of log odds ratios: of raw
            values, posterior means and ends of intervals; the sd is left out.
        factor, term : str, optional
            With slopes or several factors: the groups of this factor, and this effect, only.
        above : float or "average", optional
            Also tell the probability that a group lies above this value, or above the average of
            its population (what predictors say of it left aside), and what follows in a word.

        Returns
        -------
        frame
            group; n (rows); raw (the group's own mean: no pooling); estimate, sd, lower, upper
            (posterior of theta_j, units of y); shrinkage (posterior mean of the weight on the
            pooled value: 0 no pooling, 1 complete pooling); of counts also events, and trials or
            exposure; where groups differ in noise also sigma (posterior median of the group's own
            standard deviation), sigma_lower and sigma_upper. With predictors, slopes or several
            factors one row for each effect of a group: also factor, term (the effect) and effect
            (posterior mean of the deviation b); estimate is population value and deviation. With
            `above` also p_above, and standing: "above" or "below" where the interval of this level
            says so, "probably above" or "probably below" from 0.9 on, else "uncertain".

        Raises
        ------
        ArgumentError
            If there is no such factor or term, or a value is given for several effects.
        NotReachedError
            If the error told is above 0.5 posterior sds, as from `parameters` and all other
            tables, charts and words of this fit.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> fit.groups()["shrinkage"].round(2)
        array([0.83, 0.72, 0.84, 0.75, 0.69, 0.75, 0.72, 0.86])
        """
        table = self.group_table(level, kind, scale)
        table = Arrangement(factor=factor, term=term).of(table, self.factor)
        if above is not None:
            table = self.with_standing(table, above, level, scale=scale)
        return self.to_input_frame(table)

    @_reads
    def group_table(
        self,
        level: float = 0.95,
        kind: IntervalKind = "equal-tailed",
        scale: TableScale = "response",
    ) -> Table:
        """`groups` as a Table, whatever kind of frame the data came in.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> list(fit.group_table())
        ['group', 'n', 'raw', 'estimate', 'sd', 'lower', 'upper', 'shrinkage']
        """
        exp = is_exp(scale)
        table = self._reliable.group_table(level, kind, engine_scale(scale))
        return group_ratios(table) if exp else table

    @_reads
    def with_standing(
        self, table: Table, above: Above, level: float = 0.95, *, scale: TableScale = "response"
    ) -> Table:
        """A table of groups with p_above and standing, as `groups` gives them with `above`.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> table = fit.with_standing(fit.group_table(), "average")
        >>> table["p_above"].round(2)
        array([0.67, 0.5 , 0.41, 0.48, 0.33, 0.4 , 0.66, 0.53])
        """
        if is_exp(scale):
            above = self._logarithm(above)
        factors = table.get("factor", np.full(table.n_rows, self.factor)).tolist()
        terms = table.get("term", np.full(table.n_rows, "Intercept")).tolist()
        kinds = list(dict.fromkeys(zip(factors, terms, strict=True)))
        if len(kinds) > 1 and not isinstance(above, str):
            listed = ", ".join(f"{term} by {factor}" for factor, term in kinds)
            raise ArgumentError(
                f"above={above:g} is a value of one effect, and there are several ({listed}): say "
                'which with factor= and term= (--factor, --term), or ask for above="average"'
            )
        p = {
            (*kind, label): value
            for kind in kinds
            for label, value in zip(
                self.posterior._term(*kind).labels.tolist(),
                probability_above(self.posterior, above, kind[0], term=kind[1]).tolist(),
                strict=True,
            )
        }
        several = len({str(self.posterior._term(*kind).labels.dtype) for kind in kinds}) > 1
        if several or "term" in table:  # labels of factors of several types are shown as text
            p |= {(*key[:2], str(key[2])): value for key, value in p.items()}
        rows = zip(factors, terms, table["group"].tolist(), strict=True)
        p_above = np.array([p[row] for row in rows])
        return Table(**table, p_above=p_above, standing=standing(p_above, level))

    def _logarithm(self, above: Above) -> Above:
        """A ratio as the value of the outcome that it is the exp of."""
        if isinstance(above, str):
            return above
        if self.family != "gaussian":
            raise ArgumentError(
                f"above={above:g} is a probability or rate of counts: leave scale out (--exp), or "
                'ask for above="average"'
            )
        if not above > 0:
            raise ArgumentError(f'above is a ratio with scale="exp", and so above 0, not {above:g}')
        return float(np.log(above))

    def parameters(
        self,
        *,
        level: float = 0.95,
        kind: IntervalKind = "equal-tailed",
        scale: ParameterScale = "link",
    ) -> Frame:
        """One row a parameter; frame as in `groups`.

        Parameters
        ----------
        level, kind
            As in `groups`.
        scale : {"link", "exp"}
            As the model has them (of counts on the link scale), or exp of the coefficients, such
            as odds ratios.

        Returns
        -------
        frame
            name, mean, sd, lower, median, upper. With ``scale="exp"`` name, estimate, lower,
            median, upper: coefficients are called ``exp(name)`` and their estimate is exp of the
            posterior mean; standard deviations stay those of logarithms.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> fit.parameters()
        name            mean       sd     lower   median    upper
        Intercept    7.93238  5.17839  -2.09022   7.8917  18.2181
        tau[school]  6.57548  5.65038  0.242696  5.23851  20.7525
        """
        return self.to_input_frame(self.parameter_table(level, kind, scale))

    def profile(self, level: float = 0.95) -> Frame:
        """Profile-likelihood intervals of a fit by maximum likelihood.

            {t : 2 (l_max - max l given t) <= chi2_1(level)}

        Parameters
        ----------
        level : float
            Coverage, between 0 and 1.

        Returns
        -------
        frame
            name, estimate, lower, upper: of standard deviations, correlations and sigma, and with
            ``method="ml"`` of the coefficients; frame as in `groups`. A lower end of 0 of a
            standard deviation, or an end of 1 or -1 of a correlation, is the end of its range:
            the data do not rule it out.

        Raises
        ------
        ArgumentError
            If the fit is a posterior, or of counts.

        Notes
        -----
        Source: Venzon and Moolgavkar (1988), doi:10.2307/2347496.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff(), method="ml")
        >>> fit.profile()
        name        estimate    lower    upper
        Intercept     1527.5  1486.45  1568.55
        tau[batch]   37.2604  12.1965  84.0639
        sigma        49.5101  38.2301  67.6577
        """
        return self.to_input_frame(self.profile_table(level))

    @_reads
    def profile_table(self, level: float = 0.95) -> Table:
        """`profile` as a Table, whatever kind of frame the data came in.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff(), method="reml")
        >>> fit.profile_table()["name"].tolist()
        ['tau[batch]', 'sigma']
        """
        return self._reliable.profile(level)

    @_reads
    def compare(self, *estimators: str) -> Comparison | MixedComparison:
        """No, complete and partial pooling side by side, with scores that need no truth.

        Parameters
        ----------
        *estimators : str
            Classical estimators to add, such as ``"reml"`` or ``"james_stein"``.

        Returns
        -------
        Comparison
            ``.groups`` (a column an estimator) and ``.scores``; see `partialpool.comparison`.
        MixedComparison
            With predictors, slopes or several factors: ``.coefficients`` by complete pooling,
            fixed effects and the model, and what fixed effects cost.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> fit.compare("reml").scores
        estimator             tau  log_score  group_rmse  row_rmse
        no_pooling            inf        nan         nan       nan
        complete_pooling        0   -3.82009     10.9836       nan
        partial_pooling   5.23851   -3.91772     11.0116       nan
        reml                    0        nan         nan       nan
        """
        post = self._reliable
        if isinstance(post, PopulationPosterior):
            raise ArgumentError(
                "compare() sets no, complete and partial pooling under a normal population side by "
                f"side; this population is {self.population}: leave population out, or score "
                "populations against each other by pp.compare_models(a, b)"
            )
        if isinstance(post, OneWayPosterior | CountsPosterior):
            from partialpool.words.comparison import compare

            return compare(post, estimators)
        if isinstance(post, HeteroscedasticPosterior):
            raise ArgumentError(
                "compare() sets one sigma for all groups beside others: fit without "
                '"; sigma ~ ..." for that, and pp.compare_models(a, b) says which of the two fits '
                "predicts groups better"
            )
        if estimators:
            raise ArgumentError(
                f"estimators such as {estimators[0]} are for one factor without predictors; "
                'here compare() takes none: fit with method="reml" or "ml" (--method) for those'
            )
        from partialpool.words.coefficients import compare_coefficients

        return compare_coefficients(post, self.clusters)

    def rank(
        self,
        *,
        top: int = 1,
        level: float = 0.95,
        descending: bool = True,
        factor: str | None = None,
        term: str | None = None,
        above: Above | None = None,
    ) -> Frame:
        """Who is really best: ranks of the groups, with how sure they are.

            expected rank of j = 1 + sum_k P(theta_k > theta_j)

        Parameters
        ----------
        top : int
            Size of the leading set whose probability is given.
        level : float
            Probability of the rank intervals.
        descending : bool
            Whether rank 1 is the highest.
        factor, term : str
            With predictors, slopes or several factors: whose groups, and by which of their
            effects; groups then are ranked by their deviation, what predictors leave to them.
        above : float or "average", optional
            Also tell p_above and standing, as in `groups`.

        Returns
        -------
        frame
            group, expected_rank, lower, median, upper (of the rank), best (probability of rank
            1), top (probability of a rank up to `top`); frame as in `groups`. Probabilities are
            read from draws with a fixed seed and good to about 0.003 (0.005 by deviations).

        Raises
        ------
        ArgumentError
            If there is no such factor or term, or `top` is not a number of groups.

        Notes
        -----
        Source: Laird and Louis (1989), doi:10.3102/10769986014001029.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> fit.rank(top=3)["top"].round(2)
        array([0.57, 0.37, 0.29, 0.35, 0.21, 0.27, 0.55, 0.4 ])
        """
        return self.to_input_frame(self.rank_table(top, level, descending, factor, term, above))

    @_reads
    def rank_table(
        self,
        top: int = 1,
        level: float = 0.95,
        descending: bool = True,
        factor: str | None = None,
        term: str | None = None,
        above: Above | None = None,
    ) -> Table:
        """`rank` as a Table, whatever kind of frame the data came in.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> fit.rank_table()["expected_rank"].round(1)
        array([3.5, 4.5, 5. , 4.6, 5.5, 5.1, 3.6, 4.3])
        """
        require_reliable(self._engine)
        how: dict[str, Any] = {"top": top, "level": level, "descending": descending}
        factor = factor or self.factor
        table = self.posterior.ranks(factor, term=term, **how)
        if above is None:
            return table
        p = probability_above(self.posterior, above, factor, term=term)
        return Table(**table, p_above=p, standing=standing(p, level))

    @overload
    def predict(self, data: Paths | Mapping[str, Any], **options: Unpack[Predicting]) -> Table: ...

    @overload
    def predict(
        self, data: pandas.DataFrame, **options: Unpack[Predicting]
    ) -> pandas.DataFrame: ...

    @overload
    def predict(
        self, data: polars.DataFrame | polars.LazyFrame, **options: Unpack[Predicting]
    ) -> polars.DataFrame: ...

    @overload
    def predict(
        self, data: Any, *, draws: int, rng: np.random.Generator, **options: Unpack[Predicting]
    ) -> Floats: ...

    @overload
    def predict(self, data: Any, **options: Unpack[Predicting]) -> Any: ...

    def predict(
        self,
        data: Any,
        *,
        draws: int | None = None,
        rng: np.random.Generator | None = None,
        target: Target = "group",
        unseen: Unseen = "error",
        observation: bool = False,
        level: float = 0.95,
        kind: IntervalKind = "equal-tailed",
    ) -> Any:
        """Predict new rows, with intervals.

        Parameters
        ----------
        data : frame, mapping, path or relation
            New rows, of any kind that `fit` takes; missing values are refused.
        draws, rng : int, numpy.random.Generator, optional
            In place of the frame, so many joint draws of the predictions as an array, (draws,
            rows): rows share coefficients and groups, labels that are not in the data too.
        target : {"group", "new_group", "population"}
            The groups named in the rows; for every factor a group that is not in the data, with
            the spread there is between groups; or the population, without any group's deviation.
        unseen : {"error", "new_group", "population"}
            What a label stands for that is not in the data: with ``target="group"`` it is an
            error unless this says otherwise.
        observation : bool
            Predict a new row, with its own noise sigma, and not the mean of such rows; of counts
            the number of events in the row's trials or exposure, which the new data then give.
        level, kind
            Of the intervals, as in `groups`.

        Returns
        -------
        frame
            estimate, sd, lower, upper (in units of the outcome as modelled, so of log(y) for a
            formula of log(y); of counts the probability, or the rate of one unit of exposure),
            one row for each row of `data`, in their order, in the kind of frame that `data` is; of
            pandas with the same index.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> fit.predict({"school": ["A", "B"]})
        estimate       sd     lower    upper
         11.4003  8.34142  -2.10502  31.6234
         7.89455  6.27484  -4.65946  20.6618
        """
        options = PredictionOptions(target, unseen, observation, level, kind)
        data = known_frame(data)
        if draws is not None or rng is not None:
            if draws is None or rng is None:
                missing = "draws, a number" if draws is None else "rng, numpy.random.default_rng(1)"
                raise ArgumentError(f"joint draws need draws and rng; give {missing}, too")
            rows = self._like(data)
            with _threads(self.statistics):
                return predict_draws(self._reliable, self.design, rows, options, draws, rng)
        with _threads(self.statistics):
            table = predict(self._reliable, self.design, self._like(data), options)
        predicted = handing_back(data)(table)
        index = getattr(data, "index", None)
        if index is not None and type(predicted).__module__.startswith("pandas"):
            predicted.index = index  # so that the result can be assigned to the rows
        return predicted

    def average(
        self,
        cells: Any,
        *,
        by: str | Sequence[str] | None = None,
        weights: str | None = None,
        contrast: Mapping[str, Sequence[Any]] | None = None,
        kind: ContrastKind = "difference",
        scale: AverageScale = "response",
        observation: bool = False,
        unseen: Unseen = "error",
        total: bool = False,
        benchmark: float | None = None,
        level: float = 0.95,
    ) -> Average:
        """Average predictions over cells, and compare averages, all uncertainty joint.

            A_g = sum_r w_r f(eta_r) / sum_r w_r   over the cells r of group g

        with f the inverse link. With the people of a state by age and education as cells this is
        poststratification; with a contrast the average effect of a treatment, or lift.

        Parameters
        ----------
        cells : frame, mapping, path, relation or Spark DataFrame
            Rows of predictors and groups. Equal ones are added up, those of DuckDB and Spark by
            the engine.
        by : str or sequence of str, optional
            Columns of the cells: one average for each of their combinations.
        weights : str, optional
            Column of the weights, such as numbers of people; without it each cell counts one.
        contrast : mapping, optional
            ``{"arm": ("A", "B")}`` compares B with A. Where the column is one of `by`, cells of A
            are averaged and cells of B, as they are; else every cell is set to both.
        kind : {"difference", "ratio", "odds_ratio"}
            How the two averages are compared: B - A, B / A, or the odds of B over the odds of A.
        scale : {"response", "link", "exp"}
            Units of the outcome (probabilities or rates of counts); linear predictors; or the
            exponential of their average (geometric means; with a contrast ratios, for outcomes
            on a log scale).
        observation : bool
            Average new observations, as many in each cell as its weight says, with their own
            noise; of counts the events in as many new trials, or so much exposure.
        unseen : {"error", "new_group", "population"}
            What a label stands for that no row of the fit has: equal ones for the same new group,
            others for independent ones; or for the population.
        total : bool
            Weighted sums in place of averages.
        benchmark : float, optional
            With `total`, what the totals are known to add up to: the joint distribution given
            that, normal about its means; see docs/averages.md.
        level : float
            Probability of the intervals.

        Returns
        -------
        Average
            ``.table`` (the columns of `by`, estimate, sd, lower, upper; in the kind of frame that
            the cells are), ``.probability(above=)``, ``.draws()``, ``.ranks()``,
            ``.expected_loss()``.

        Raises
        ------
        ArgumentError, DataError, ColumnError
            If something that is asked for is not known, not in the cells, or makes no sense.

        Notes
        -----
        Of estimates (``method="reml"``, ``"ml"``) everything is given the estimated spreads. Source
        of poststratification: Gelman and Little (1997), Survey Methodology 23, 127-135.

        Examples
        --------
        >>> import partialpool as pp
        >>> patients = {"arm": ["A", "B"] * 6, "site": list("UUVVWWXXYYZZ"),
        ...             "y": [5.1, 6.0, 4.2, 5.5, 6.3, 6.9, 5.0, 5.8, 4.7, 6.1, 5.5, 6.0]}
        >>> fit = pp.fit("y ~ arm + (1 | site)", patients)
        >>> fit.average(patients, contrast={"arm": ("A", "B")})
        Average of predictions over 12 cells
        contrast  estimate    sd  lower  upper
        B - A         0.92  0.20   0.52   1.31
        """
        from partialpool.averages import AverageOptions, average

        cells = known_frame(cells)
        options = AverageOptions(
            by, weights, contrast, kind, scale, observation, unseen, total, benchmark, level
        )
        with _threads(self.statistics):
            return average(
                self._reliable, self.design, self._like(cells), options, handing_back(cells)
            )

    @_reads
    def advise(self) -> Advice | MixedAdvice:
        """Say how much the grouping matters, in numbers and in words; see `words.advice`.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> round(fit.advise().nearly_complete, 2)
        0.38
        """
        advice: Advice | MixedAdvice = advise(self._posterior("advice"))
        return advice

    @_reads
    def sensitivity(self) -> Sensitivity:
        """What the answers owe to the prior: parameters and groups under others, and under powers.

            p(phi | y) ∝ p(phi)^a p(y | theta)^b p(theta | phi),   a, b = 0.8 or 1.25

        The priors of tau are flat, half-Cauchy, half-t (4), half-normal, exponential, uniform
        shrinkage and DuMouchel's, whose scale is the standard deviation of the groups' own
        estimates (of counts 1, on the link scale); all other priors stay. Improper priors say
        nothing that a power could change.

        Returns
        -------
        Sensitivity
            ``.table``: a row a setting and parameter, with its shift in posterior sds of this fit;
            ``.groups``: the groups that move most; ``.largest``: every group's largest shift;
            ``.text`` in sentences.

        Raises
        ------
        ArgumentError
            If there are estimates only.

        Notes
        -----
        One factor without predictors takes milliseconds, as the nodes of the posterior are
        weighted anew; other models are fitted under each prior, and counts with predictors not
        under powers of the likelihood. Source of the powers: Kallioinen, Paananen, Bürkner and
        Vehtari (2024), doi:10.1007/s11222-023-10366-5.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> bool(fit.sensitivity().table["moves"].any())
        False
        """
        from partialpool.words.sensitivity import sensitivity

        return sensitivity(self._posterior("sensitivity"), self.formula)

    @_reads
    def influence(self, *, factor: str | None = None) -> Influence:
        """Leave out each group in turn: what moves without it, and how well the others predict it.

            log p(y_j | y_-j) = -log E[1 / p(y_j | y_-j, phi) | y],   phi the hyperparameters

        Exact for one factor: the group is taken out of the statistics at every node of the
        posterior, for all groups at once, and the nodes are reweighted; where the posterior
        without a group lies too far from that of all, the others are fitted anew. Counts with
        predictors are read from weighted points, whose error is told.

        Parameters
        ----------
        factor : str, optional
            Of counts with several factors: the one with most groups, whose groups can be left out.

        Returns
        -------
        Influence
            ``.table``, one row a group: elpd (log density of its rows given the others'), the mean
            of every parameter without it (of known standard errors also of I^2), and by how many
            posterior sds that shifts it; ``.text`` in sentences.

        Raises
        ------
        ArgumentError
            If there are estimates only, several factors of measurements, or so few groups that the
            others leave no proper posterior.

        Notes
        -----
        Source: Gelfand, Dey and Chang (1992), in Bayesian Statistics 4.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> round(float(fit.influence().table["elpd"][0]), 3)
        -4.596
        """
        from partialpool.words.influence import influence

        return influence(self.posterior, self._without_each_group(factor), self.formula)

    @_reads
    def _without_each_group(self, factor: str | None = None) -> LeftOutGroups:
        """What `influence` and `partialpool.compare_models` read."""
        from partialpool.posterior.without_groups import without_each_group

        require_reliable(self._engine)
        return without_each_group(self._engine, self.clusters, factor)

    @_reads
    def check(self, data: Any = None, *, rng: np.random.Generator | None = None) -> Check[Frame]:
        """Hold the data against what the model expects of them.

        Groups are held against what the others predict of them, noise and counts against what they
        can be, and predictors and further columns by score tests; see docs/checks.md for each.

        Parameters
        ----------
        data : frame, mapping, path or relation, optional
            The rows of the fit once more, of any kind but Spark: then residuals of the rows are
            checked too, and columns that are not in the model.
        rng : numpy.random.Generator, optional
            Of the draws behind p-values; if not given they are the same at every call.

        Returns
        -------
        Check
            ``.table`` (one row a check: observed, expected, p), ``.groups`` (one row a group: z,
            pit, p, outlying), ``.notices`` and ``.text`` (what does not hold and what to do).

        Raises
        ------
        ArgumentError
            If there are estimates only (``method="reml"`` or ``"ml"``).
        DataError
            If `data` are not the rows of the fit.

        Notes
        -----
        P-values are uniform where the model holds, but for those whose reference is "predictive"
        (Bayarri and Berger 2000, doi:10.1080/01621459.2000.10474309).

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff())
        >>> print(fit.check().text)
        Nothing speaks against the model in 4 checks. P-values of what new data drawn from the
        posterior would show (predictive) are too near 0.5: a small one counts, a large one says
        little. With the rows, fit.check(data), noise and columns left out are checked too.
        """
        from partialpool.words.checks import check

        post = self._posterior("check()")
        rows = None
        if data is not None:
            from partialpool.data.rows_again import rows_again

            rows = rows_again(self.design, self._like(data), self._sizes)
        return check(post, self.formula, self.to_input_frame, self.design, rows, rng)

    @property
    def _sizes(self) -> Ints:
        """Rows of each group of the first factor."""
        s = self.statistics
        return s.blocks[0].n if isinstance(s, CrossProducts) else s.n

    def world(self) -> World | CountWorld:
        """Return a world like this fit: its group sizes, and mu, tau and sigma at their medians.

        For use with `partialpool.simulate`.

        Raises
        ------
        ArgumentError
            If standard errors are given: there are no rows to simulate; or if the model is more
            than one-way.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff())
        >>> fit.world().n
        (5, 5, 5, 5, 5, 5)
        """
        from partialpool.simulate import CountWorld, World

        post = self._reliable
        if isinstance(post, CountsPosterior):
            return CountWorld(
                size=tuple(post.statistics.size.tolist()),
                tau=float(post.tau.median),
                mu=float(post.mu.median),
                family=post.statistics.family,
                population=post.model.population,
            )
        if isinstance(post, PopulationPosterior):
            raise ArgumentError(
                f"worlds are of normal populations, or of counts; this one is {self.population}: "
                "fit with a normal one, or give the world's own population, such as "
                'pp.simulate.World.of(30, 10, tau=5, population="heavy_tailed")'
            )
        if not isinstance(post, OneWayPosterior):
            own = isinstance(post, HeteroscedasticPosterior)
            what = "has a sigma of each group" if own else "has more"
            raise ArgumentError(
                f"a world has one factor, one sigma and no predictors; this fit {what}"
            )
        if post.sigma is None:
            raise ArgumentError("a world is made of rows; this fit has known standard errors")
        return World(
            n=tuple(post.statistics.n.tolist()),
            tau=float(post.tau.median),
            sigma=float(post.sigma.median),
            mu=float(post.mu.median),
        )

    def __dir__(self) -> list[str]:
        """Public names only."""
        return sorted(name for name in super().__dir__() if not name.startswith("_"))

    @property
    def plot(self) -> Plots:
        """Charts of this fit: ``fit.plot.shrinkage()``, ``.coefficients()``, ...

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> chart = fit.plot.shrinkage()
        >>> chart.title["text"]
        ['Partial pooling of effect by school']
        """
        from partialpool.charts import Plots

        return Plots(self._posterior("a chart"))

    @property
    def computed_by(self) -> str:
        """How the model was fitted, in a word: "posterior", "REML" or "ML"."""
        engine = self._engine
        if not isinstance(engine, Estimated):
            return "posterior"
        return "REML" if engine.estimate.restricted else "ML"

    def methods(self, *, level: float = 0.95) -> str:
        """Return a paragraph for a paper: model, priors, how it was computed, with which error.

        Parameters
        ----------
        level : float
            Probability of the intervals that the paper shows.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> fit.methods()[:60]
        'The outcome effect was modelled by a hierarchical normal mod'
        """
        from partialpool.words import methods

        return methods.methods(self._reliable, self.formula, level)

    def report(
        self, path: str | Path, *, level: float = 0.95, scale: TableScale = "response"
    ) -> None:
        """Write one self-contained HTML page: tables, pictures, notices, advice.

        Parameters
        ----------
        path : str or Path
            Where to; ends in .html.
        level : float
            Probability of the intervals.
        scale : {"response", "link", "exp"}
            Of tables and forest; as in `groups`.

        Raises
        ------
        ArgumentError
            If the file cannot be written.
        MissingExtraError
            If the charts' extra is not installed.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp(), "report.html")
        >>> fit.report(path)
        >>> path.read_text(encoding="utf-8")[:15]
        '<!doctype html>'
        """
        from partialpool.report import write

        write(self.report_contents(level, scale=scale), path)

    @_reads
    def report_contents(
        self,
        level: float = 0.95,
        shown: Arrangement | None = None,
        *,
        drawn: bool = True,
        scale: TableScale = "response",
    ) -> Contents:
        """What `report` writes, of the groups that are `shown`; `drawn` with charts or without.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> fit.report_contents(drawn=False).question
        'How does effect differ by school?'
        """
        from partialpool.report import Contents
        from partialpool.words import answer, methods

        post = self._reliable
        every = self.group_table(level, scale=scale)
        groups = (shown or Arrangement()).of(every, self.factor)
        factor = (shown.factor if shown else None) or self.factor
        of_first = Arrangement(factor=factor).of(every, self.factor)
        term = (shown.term if shown else None) or "Intercept"
        if "term" in of_first:
            known = list(dict.fromkeys(of_first["term"].tolist()))
            term = term if term in known else str(known[0])
            of_first = Arrangement(term=term).of(of_first, self.factor)
        ranks = None
        if of_first.n_rows <= MOST_RANKED and not isinstance(post, Estimated):
            ranks = self.rank_table(level=level, factor=factor, term=term)
        asked = shown is not None and bool(shown.sort or shown.top or shown.groups)
        labels = groups["group"].tolist() if asked and "term" not in groups else None
        charted = ranks, (factor, term), level, labels, scale
        return Contents(
            question=answer.question(post.statistics),
            answer=self._answer(of_first, ranks, factor, level),
            lines=(
                summary.headline(post, self.formula),
                f"{summary.pooling_line(post, level)} {recommendation(post)}",
                *filter(None, [summary.new_group_line(post, level, exp=scale == "exp")]),
            ),
            methods=methods.methods(post, self.formula, level),
            parameters=self.parameter_table(level, scale="exp" if scale == "exp" else "link"),
            groups=groups,
            notices=self.notices,
            charts=self._report_charts(*charted, dark=False) if drawn else (),
            dark_charts=self._report_charts(*charted, dark=True) if drawn else (),
            foundations=self._foundations(),
        )

    def _foundations(self) -> tuple[str, ...]:
        """What checks, other priors and single groups say, where that takes no second."""
        post = self._engine
        if isinstance(post, HeteroscedasticPosterior):  # other priors take a fit each
            return (self.check().text,) if post.statistics.n_groups <= MOST_RANKED else ()
        if not isinstance(post, OneWayPosterior | CountsPosterior | PopulationPosterior):
            return ()
        most = MOST_LEFT_OUT if isinstance(post, OneWayPosterior) else MOST_COUNTS_LEFT_OUT
        if post.statistics.n_groups > most:
            return ()
        said = [self.check().text]
        with suppress(ArgumentError):  # of a population that is not normal
            said.append(self.sensitivity().text)
        with suppress(ArgumentError):  # of so few groups that the others leave no posterior
            said.append(self.influence().text)
        return tuple(said)

    def _answer(
        self, groups: Table, ranks: Table | None, factor: str, level: float
    ) -> tuple[str, ...]:
        """What is known of one effect of a factor, in sentences."""
        from partialpool.words import answer

        lines = answer.ends_of(groups, factor, level)
        if isinstance(self._engine, Estimated):
            return tuple(lines)
        lines.append(answer.sure_of(self.with_standing(groups, "average", level), level))
        if ranks is not None:
            lines.append(answer.first_of(ranks, by_deviation="term" in groups))
        return tuple(lines)

    def _report_charts(
        self,
        ranks: Table | None,
        effect: tuple[str, str],
        level: float,
        groups: list[Any] | None,
        scale: TableScale,
        *,
        dark: bool,
    ) -> tuple[Any, ...]:
        """The charts of a report: those that say most, the forest and the ranks."""
        if isinstance(self._engine, Estimated):
            return ()
        plot = self.plot
        how: dict[str, Any] = {"level": level, "dark": dark}
        chosen = plot.telling(**how, groups=groups)
        from partialpool.words.meta_analysis import studies_of

        if studies_of(self.statistics) is not None:
            chosen.insert(1, plot.forest(**how, groups=groups, scale=scale))
        if ranks is not None:
            from partialpool.charts.ranks import of_table as ranks_of_table

            chosen.append(ranks_of_table(ranks, *effect, 1, level, groups, dark=dark))
        return tuple(chosen)

    @_reads
    def charts(self, *, level: float = 0.95, dark: bool = False) -> list[Any]:
        """The charts that say most of this fit, as the app shows them.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> len(fit.charts())
        2
        """
        if isinstance(self._reliable, Estimated):
            return []
        return self.plot.telling(level=level, dark=dark)

    @_reads
    def draws(self, size: int, rng: np.random.Generator) -> Draws:
        """Draw independently from the joint posterior; see `Draws`.

        Examples
        --------
        >>> import numpy as np
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> fit.draws(1000, np.random.default_rng(1))
        Draws(1,000 of Intercept, tau[school] and every group)
        """
        require_reliable(self._engine)
        return self.posterior.draws(size, rng)

    @_reads
    def to_arviz(
        self,
        size: int = 4000,
        rng: np.random.Generator | None = None,
        *,
        scale: Scale = "response",
    ) -> DataTree:
        """Independent draws and the data as ArviZ keeps them, for its plots and statistics.

        Parameters
        ----------
        size : int
            Number of draws S, in one chain.
        rng : numpy.random.Generator, optional
            Source of randomness; a fixed seed if not given.
        scale : {"response", "link"}
            Of the groups of counts, as in `groups`.

        Returns
        -------
        xarray.DataTree
            ``posterior``: every parameter by the name that `parameters` prints, and
            ``theta[school]`` or ``theta[school, x]``, every group's value as `groups` has it, with
            the dimension ``school`` and the groups' labels. ``constant_data``: ``n[school]``, the
            rows of each group, and what else is known of it (sd, se, trials, exposure). Of one
            factor without predictors also ``observed_data``, each group's mean or events, and
            ``log_likelihood``: log p(y_j | mu, tau, sigma) of all data of a group, its own value
            integrated out exactly, so that leaving one out is to leave out a group.

        Raises
        ------
        ArgumentError
            If the fit is by maximum likelihood, or an argument is not allowed.
        MissingExtraError
            If the extra ``[arviz]`` is not installed.

        Notes
        -----
        Draws are independent, so that one chain is enough and effective sizes are about S. Rows
        are not kept; groups are what is left out. Source: Vehtari, Gelman and Gabry (2017),
        doi:10.1007/s11222-016-9696-4.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> tree = fit.to_arviz(1000)
        >>> tree["posterior"]["theta[school]"].sel(school="A").mean().round().item()
        11.0
        """
        require_reliable(self._engine)
        self._full("to_arviz()")
        from partialpool.arviz import data_tree
        from partialpool.posterior.ranks import SEED

        drawn = self.posterior.draws(size, rng or np.random.default_rng(SEED))
        tree: DataTree = data_tree(self.posterior, drawn, self.formula, checked_scale(scale))
        return tree

    def update(
        self,
        data: Any,
        *,
        accuracy: float | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Fit:
        """Fit again with more rows: the same as a fit of all the rows together.

        Only the new rows are read; of the others the statistics are known.

        Parameters
        ----------
        data : frame, mapping, path or relation
            The new rows, with the columns of the formula; any kind of data that `fit` takes.
        accuracy : float, optional
            As in `fit`; if not given, that of this fit.
        progress : callable, optional
            As in `fit`.

        Raises
        ------
        ColumnError, DataError
            As in `fit`.

        Examples
        --------
        >>> import partialpool as pp
        >>> rows = {"g": ["a", "a", "b", "b", "c", "c"], "y": [1.0, 2.0, 5.0, 4.0, 2.0, 2.0]}
        >>> fit = pp.fit("y ~ 1 + (1 | g)", rows)
        >>> fit.update({"g": ["c", "d"], "y": [3.0, 4.0]}).statistics.n
        array([2, 2, 3, 1])
        """
        assert self.sums is not None  # every door gives them
        checked_accuracy(accuracy)
        if accuracy is not None:
            self._full("accuracy")
        both = with_more(Statistics(self.design.roles, self.sums), self._like(data), progress)
        post = self._engine
        if isinstance(post, Estimated):
            method: Method = "reml" if post.estimate.restricted else "ml"
            fit = fit_kept(both, None, self.to_input_frame, method, post.quadrature)
            return replace(fit, folded=self.folded)
        asked = self.accuracy if accuracy is None else accuracy
        like, population = self.to_input_frame, self.population
        fit = fit_kept(both, post.priors, like, accuracy=asked, population=population)
        return replace(fit, folded=self.folded)

    def to_dict(
        self,
        *,
        level: float = 0.95,
        kind: IntervalKind = "equal-tailed",
        groups: Table | None = None,
        scale: TableScale = "response",
    ) -> dict[str, Any]:
        """Return everything as plain Python values: the contract of the command's ``--json``.

        Numbers that do not exist (such as the sd of tau with four groups and flat priors) are
        None.

        Parameters
        ----------
        level, kind
            As in `groups`.
        groups : Table, optional
            Rows of `group_table` at this level, chosen and ordered, in place of all of them.
        scale : {"response", "link", "exp"}
            Of the tables; as in `groups`.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> sorted(fit.to_dict())[:7]
        ['accuracy', 'family', 'formula', 'groups', 'n_dropped', 'n_rows', 'notices']
        """
        groups = self.group_table(level, kind, scale) if groups is None else groups
        on: ParameterScale = "exp" if scale == "exp" else "link"
        first = {} if "factor" in groups else {"factor": self.factor}
        values = {
            "formula": self.formula,
            "family": self.family,
            "population": str(self.population),
            "n_rows": self.statistics.n_rows,
            "n_dropped": self.statistics.n_dropped,
            "parameters": formatting.plain_rows(self.parameter_table(level, kind, on)),
            "groups": [{**first, **row} for row in formatting.plain_rows(groups)],
            "accuracy": {
                "method": self.posterior.method,
                "error": self.posterior.error,
                "target": self.posterior.target,
                "status": self.posterior.status.name.lower(),
            },
            "notices": [n.to_dict() for n in self.notices],
        }
        if isinstance(self._engine, Estimated):
            values["log_likelihood"] = self._engine.log_likelihood
        return values

    def __repr__(self) -> str:
        try:
            parameters, groups = self.parameter_table(), self.group_table()
        except NotReachedError as error:
            return summary.without_numbers(self.formula, self._engine, str(error))
        return summary.printed(
            self.formula,
            self._engine,
            self.notices,
            parameters,
            groups,
            recommendation(self._engine),
        )

    def _repr_html_(self) -> str:
        try:
            parameters, groups = self.parameter_table(), self.group_table()
        except NotReachedError as error:
            return summary.html_without_numbers(self.formula, self._engine, str(error))
        advice = recommendation(self._engine)
        return summary.as_html(self.formula, self._engine, self.notices, parameters, groups, advice)

    @_reads
    def parameter_table(
        self,
        level: float = 0.95,
        kind: IntervalKind = "equal-tailed",
        scale: ParameterScale = "link",
    ) -> Table:
        """`parameters` as a Table, whatever kind of frame the data came in.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> fit.parameter_table()["name"].tolist()
        ['Intercept', 'tau[school]']
        """
        exp = is_exp(scale, ParameterScale)
        table = self._reliable.parameter_table(level, kind)
        return parameter_ratios(table, coefficients_of(self.statistics)) if exp else table

    @property
    def factor(self) -> str:
        """The grouping column; the first of several."""
        s = self.statistics
        return s.blocks[0].factor if isinstance(s, CrossProducts) else s.factor

    def _new_rows(self, data: Any, target: Target, unseen: Unseen) -> NewRows:
        """New rows as columns."""
        return new_rows(self.design, self._like(data), target, unseen, observation=False)

    def _like(self, data: Any) -> Any:
        """New rows of a known kind, their labels merged into those of the fit if these were."""
        data = known_frame(data.data if isinstance(data, Folded) else data)
        if not self.folded:
            return data
        design = self.design
        factors = [effects.factor for effects in design.effects]
        known = {n: v for f in factors for n, v in zip(f.columns, f.levels, strict=True)}
        known |= {column_of(v): c.labels for v, c in design.categories.items()}
        return Folded(data, known)

    @property
    def _reliable(self) -> Engine:
        """The posterior; an error if it is too far off for its numbers to be shown."""
        require_reliable(self._engine)
        return self._engine

    def _posterior(self, what: str) -> OneFactor | MixedPosterior:
        """The posterior; an error if there are estimates only, or numbers too far off."""
        require_reliable(self._engine)
        return self._full(what)

    def _full(self, what: str) -> OneFactor | MixedPosterior:
        """The posterior, however far off; an error if there are estimates only."""
        if isinstance(self._engine, Estimated):
            raise ArgumentError(f'{what} needs a posterior: fit with method="posterior"')
        return self._engine


def fit_kept(
    statistics: Statistics,
    prior: PriorLike,
    like: Callable[[Table], Any],
    method: Method = "posterior",
    quadrature: int | None = None,
    accuracy: float | None = None,
    population: AnyPopulation = "normal",
) -> Fit:
    """Fit from statistics; `like` hands tables back."""
    kept = statistics.groups
    if isinstance(kept, MixedStatistics):
        from partialpool.data.mixed_read import reading as finish_mixed

        rows = finish_mixed(kept, None, like)
        return fit_mixed(rows, prior, method, accuracy)
    if isinstance(kept, CountTable):
        from partialpool.data.working_responses import counted as finish_counts

        nodes = (quadrature or 1) if method == "ml" else None
        rows = finish_counts(kept, like)
        return fit_counts(rows, prior, nodes, accuracy)
    groups, roles = kept.sorted(), statistics.roles
    if isinstance(groups, CountStatistics):
        return fit_one_way_counts(roles, Reading(groups, like), prior, accuracy, population)
    return fit_one_way(roles, Reading(groups, like), prior, method, accuracy, population)


def fit_one_way(
    roles: Roles,
    reading: Reading[GroupStatistics],
    prior: PriorLike,
    method: Method,
    accuracy: float | None = None,
    population: AnyPopulation = "normal",
) -> Fit:
    """Fit one factor without predictors from its statistics."""
    s = reading.statistics
    design = one_way_design(roles, s.labels)
    if roles.noise_by_group:
        return _fit_heteroscedastic(design, reading, prior, method, accuracy)
    if method != "posterior":
        products = as_cross_products(s)
        with _threads(products):
            estimates = estimated(products, restricted=method == "reml")
        return Fit(estimates, reading.like, design, reading.notices, sums=s)
    chosen = _one_way_priors(prior, s.factor, None, population)
    _refuse_sigma(chosen, s.sigma_known)
    _refuse_sd_log_sigma(chosen)
    post: OneWayPosterior | PopulationPosterior
    if isinstance(population, Population):
        post = population_posterior(s, chosen, population, accuracy)
    else:
        post = one_way_posterior(s, chosen, accuracy)
    return Fit(post, reading.like, design, reading.notices, None, s, accuracy)


def _fit_heteroscedastic(
    design: Design,
    reading: Reading[GroupStatistics],
    prior: PriorLike,
    method: Method,
    accuracy: float | None,
) -> Fit:
    """Fit one factor whose groups differ in noise."""
    if method != "posterior":
        raise ArgumentError(
            f'method="{method}" is for one sigma of all groups; groups that differ in noise '
            '(sigma ~ 1 + (1 | group)) are fitted with method="posterior"'
        )
    s = reading.statistics
    chosen = _stated(prior, None, factor=s.factor)
    post = heteroscedastic_posterior(s, chosen, accuracy)
    # far rows were looked for under one sigma: those of noisy groups are no news
    said = tuple(n for n in reading.notices if n.code != "outlying_rows")
    return Fit(post, reading.like, design, said, None, s, accuracy)


def fit_one_way_counts(
    roles: Roles,
    reading: Reading[CountStatistics],
    prior: PriorLike,
    accuracy: float | None = None,
    population: AnyPopulation = "normal",
) -> Fit:
    """Fit counts of one factor without predictors from their statistics."""
    s = reading.statistics
    chosen = _one_way_priors(prior, s.factor, s.family, population)
    _refuse_sd_log_sigma(chosen)
    post: CountsPosterior | PopulationPosterior
    with _threads(s):
        if isinstance(population, Population):
            post = population_posterior(s, chosen, population, accuracy)
        else:
            post = counts_posterior(s, chosen, accuracy, population=population)
    design = one_way_design(roles, s.labels)
    return Fit(post, reading.like, design, reading.notices, None, s, accuracy)


def _stated(prior: PriorLike, family: str | None, **known: Any) -> Priors:
    """Priors under a normal population."""
    if isinstance(prior, Priors):
        return prior
    return priors(prior, without=without_priors(family), **known)


def _one_way_priors(
    prior: PriorLike, factor: str, family: str | None, population: AnyPopulation
) -> Priors:
    """Priors with the defaults of the population, under some of which tau cannot be flat."""
    base = default_priors(population) if isinstance(population, Population) else Priors()
    if not isinstance(prior, Priors):
        without = without_priors(family, population, factor)
        return priors(prior, factor=factor, default=base, without=without)
    return replace(prior, tau=base.tau) if prior.tau == Priors().tau else prior


def fit_mixed(
    reading: MixedReading,
    prior: PriorLike,
    method: Method,
    accuracy: float | None = None,
) -> Fit:
    """Fit a linear mixed model from what was read."""
    s = reading.statistics
    post: MixedPosterior | Estimated
    if method == "posterior":
        names = parameter_names(s)
        chosen = _stated(prior, None, parameters=names)
        _refuse_sigma(chosen, s.sigma_known)
        _refuse_sd_log_sigma(chosen)
        _refuse_rho(chosen, s)
        with _threads(s):
            post = mixed_posterior(s, chosen, accuracy=accuracy)
    else:
        with _threads(s):
            post = estimated(s, restricted=method == "reml")
    last = reading.like, reading.design, reading.notices, reading.clusters, reading.kept
    return Fit(post, *last, accuracy=accuracy)


def fit_counts(
    reading: MixedReading,
    prior: PriorLike,
    quadrature: int | None,
    accuracy: float | None = None,
) -> Fit:
    """Fit counts with predictors, slopes or several factors from what was read.

    By maximum likelihood if nodes of quadrature are given.
    """
    s = reading.statistics
    assert isinstance(s, CountProducts)
    last = reading.like, reading.design, reading.notices, reading.clusters, reading.kept
    if quadrature is not None:
        with _threads(s):
            estimates = estimated_counts(s, quadrature=quadrature)
        return Fit(estimates, *last)
    chosen = _stated(prior, s.family, parameters=parameter_names(s))
    if chosen.sigma != Priors().sigma:
        raise PriorError(
            f"sigma ~ {chosen.sigma}: the spread of counts within groups follows from their mean, "
            "so there is no sigma to give a prior; leave it out"
        )
    _refuse_rho(chosen, s)
    with _threads(s):
        post = generalized_posterior(s, chosen, accuracy=accuracy)
    return Fit(post, *last, accuracy=accuracy)


def _refuse_rho(chosen: Priors, statistics: CrossProducts) -> None:
    if chosen.rho == Priors().rho:
        return
    if not any(b.correlated and len(b.effects) > 1 for b in statistics.blocks):
        raise PriorError(
            f"rho ~ {chosen.rho}: no effects of one term are correlated here, so there is no "
            "correlation to give a prior; leave it out"
        )


def _refuse_sd_log_sigma(chosen: Priors) -> None:
    if chosen.sd_log_sigma != Priors().sd_log_sigma:
        raise PriorError(
            f"sd_log_sigma ~ {chosen.sd_log_sigma}: all groups have one sigma here; the second "
            'formula "; sigma ~ 1 + (1 | group)" lets it differ'
        )


def _refuse_sigma(chosen: Priors, sigma_known: bool) -> None:
    if sigma_known and chosen.sigma != Priors().sigma:
        raise PriorError(
            f"sigma ~ {chosen.sigma}: standard errors are given, so there is no sigma to give a "
            "prior; leave it out"
        )
