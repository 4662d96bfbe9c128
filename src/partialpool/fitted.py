"""The Fit the user holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

import numpy as np

from partialpool._table import Table
from partialpool._typing import Floats, Frame, Paths
from partialpool.design.new_rows import Target, Unseen, one_way_design
from partialpool.errors import ArgumentError
from partialpool.fit_record import FitRecord, with_threads_of_fit
from partialpool.formula import Roles
from partialpool.kept_statistics import Statistics, with_more
from partialpool.notices import Notice
from partialpool.posterior import Draws
from partialpool.posterior.above import Above
from partialpool.posterior.distributions import IntervalKind
from partialpool.posterior.engine import Scale, checked_scale
from partialpool.posterior.fit_engine import EngineOptions, blas_threads, fit_engine
from partialpool.prediction import PredictionOptions, predict, predict_draws
from partialpool.records import CountStatistics, GroupStatistics
from partialpool.records.count_table import CountTable
from partialpool.records.mixed_statistics import MixedStatistics
from partialpool.rows.foreign_frames import known_frame
from partialpool.rows.read import handing_back
from partialpool.words.accuracy import checked_accuracy, require_reliable
from partialpool.words.advice import Advice, MixedAdvice, advise
from partialpool.words.arrange import Arrangement
from partialpool.words.ratios import ParameterScale, TableScale

# Charts, reports, comparisons, worlds and the reading of other models are imported by the methods
# that use them, so that a fit of one factor begins at once; `benchmarks/cold_start.py` measures it.
if TYPE_CHECKING:
    import pandas
    import polars
    from xarray import DataTree

    from partialpool.averages import Average
    from partialpool.charts import Plots
    from partialpool.posterior.averaged import AverageScale, ContrastKind
    from partialpool.rows.mixed_read import MixedReading
    from partialpool.simulate import CountWorld, World
    from partialpool.words.checks import Check
    from partialpool.words.coefficients import MixedComparison
    from partialpool.words.comparison import Comparison
    from partialpool.words.influence import Influence
    from partialpool.words.sensitivity import Sensitivity


class Predicting(TypedDict, total=False):
    """Options of `Fit.predict`; see there."""

    target: Target
    unseen: Unseen
    observation: bool
    level: float
    kind: IntervalKind


class Fit(FitRecord[Frame]):
    """A fitted model; its tables are of the kind `Frame`, that of the data.

    What it is made of: `FitRecord`.
    """

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
            If the estimated error is above 0.5 posterior sds, as from `parameters` and all other
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

    @with_threads_of_fit
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
        post: Any = self._reliable
        post.check_comparable(estimators)
        if post.one_factor:
            from partialpool.words.comparison import compare

            return compare(post, estimators)
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
            with blas_threads(self.statistics):
                return predict_draws(self._reliable, self.design, rows, options, draws, rng)
        with blas_threads(self.statistics):
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
        with blas_threads(self.statistics):
            return average(
                self._reliable, self.design, self._like(cells), options, handing_back(cells)
            )

    @with_threads_of_fit
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

    @with_threads_of_fit
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

    @with_threads_of_fit
    def influence(self, *, factor: str | None = None) -> Influence:
        """Leave out each group in turn: what moves without it, and how well the others predict it.

            log p(y_j | y_-j) = -log E[1 / p(y_j | y_-j, phi) | y],   phi the hyperparameters

        Exact for one factor: the group is taken out of the statistics at every node of the
        posterior, for all groups at once, and the nodes are reweighted; where the posterior
        without a group lies too far from that of all, the others are fitted anew. Counts with
        predictors are read from weighted points, whose error is estimated.

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

    @with_threads_of_fit
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
            from partialpool.rows.rows_again import rows_again

            rows = rows_again(self.design, self._like(data), self._sizes)
        return check(post, self.formula, self.to_input_frame, self.design, rows, rng)

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

        values = self._reliable.world()
        counts = isinstance(self.statistics, CountStatistics)
        return CountWorld(**values) if counts else World(**values)

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

    @with_threads_of_fit
    def charts(self, *, level: float = 0.95, dark: bool = False) -> list[Any]:
        """The charts that say most of this fit, as the app shows them.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> len(fit.charts())
        2
        """
        if self._reliable.estimates_only:
            return []
        return self.plot.telling(level=level, dark=dark)

    @with_threads_of_fit
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

    @with_threads_of_fit
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
        self._engine.full("to_arviz()")
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
            self._engine.full("accuracy")
        both = with_more(Statistics(self.design.roles, self.sums), self._like(data), progress)
        how = EngineOptions(
            **self._engine.fitted_by,
            population=self.population,
            accuracy=self.accuracy if accuracy is None else accuracy,
        )
        return replace(fit_kept(both, how, self.to_input_frame), folded=self.folded)


def fit_kept(statistics: Statistics, how: EngineOptions, like: Callable[[Table], Any]) -> Fit:
    """Fit from statistics; `like` hands tables back."""
    kept = statistics.groups
    if isinstance(kept, MixedStatistics):
        from partialpool.rows.mixed_read import reading as finish_mixed

        return fit_mixed(finish_mixed(kept, None, like), how)
    if isinstance(kept, CountTable):
        from partialpool.rows.working_responses import counted as finish_counts

        return fit_mixed(finish_counts(kept, like), how)
    return fit_one_factor(statistics.roles, kept.sorted(), how, like)


def fit_one_factor(
    roles: Roles,
    s: GroupStatistics | CountStatistics,
    how: EngineOptions,
    like: Callable[[Table], Any],
    notices: tuple[Notice, ...] = (),
) -> Fit:
    """Fit one factor without predictors from its statistics; `like` hands tables back."""
    engine = fit_engine(s, how, noise_by_group=roles.noise_by_group)
    if roles.noise_by_group:  # far rows were looked for under one sigma: of noisy groups no news
        notices = tuple(n for n in notices if n.code != "outlying_rows")
    design = one_way_design(roles, s.labels)
    return Fit(engine, like, design, notices, sums=s, accuracy=how.accuracy)


def fit_mixed(reading: MixedReading, how: EngineOptions) -> Fit:
    """Fit predictors, slopes or several factors from what was read."""
    engine = fit_engine(reading.statistics, how)
    last = reading.like, reading.design, reading.notices, reading.clusters, reading.kept
    return Fit(engine, *last, how.accuracy)
