"""What a fit is made of, and its tables: what commands, the app and pages render."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from partialpool._table import Table
from partialpool._typing import Frame, Ints
from partialpool.design import Design
from partialpool.design.design import column_of
from partialpool.design.new_rows import NewRows, Target, Unseen
from partialpool.errors import NotReachedError
from partialpool.models import Priors
from partialpool.models.population_text import AnyPopulation
from partialpool.notices import Notice
from partialpool.posterior import Engine, MixedPosterior, OneFactor, Posterior
from partialpool.posterior.above import Above
from partialpool.posterior.distributions import IntervalKind
from partialpool.posterior.fit_engine import AnyStatistics, Method, blas_threads
from partialpool.records import Clusters
from partialpool.rows.folding import Folded
from partialpool.rows.foreign_frames import known_frame
from partialpool.rows.new_rows import new_rows
from partialpool.rows.statistics_files import Kept
from partialpool.words import fit_tables, formatting, summary
from partialpool.words.accuracy import accuracy_notice, require_reliable
from partialpool.words.advice import recommendation
from partialpool.words.arrange import Arrangement
from partialpool.words.notices import notices_of
from partialpool.words.ratios import ParameterScale, TableScale

if TYPE_CHECKING:  # imported by the methods that use them; see `fitted`
    from partialpool.posterior.left_out import LeftOutGroups
    from partialpool.report import Contents

Rest = ParamSpec("Rest")
Result = TypeVar("Result")
Reader = TypeVar("Reader", bound="FitRecord[Any]")


def with_threads_of_fit(
    method: Callable[Concatenate[Reader, Rest], Result],
) -> Callable[Concatenate[Reader, Rest], Result]:
    """Make a method of Fit compute with as many BLAS threads as its fit did."""

    @wraps(method)
    def limited(self: Reader, /, *args: Rest.args, **options: Rest.kwargs) -> Result:
        with blas_threads(self.statistics):
            return method(self, *args, **options)

    return limited


@dataclass(frozen=True, eq=False)
class FitRecord(Generic[Frame]):
    """A fitted model: what computes it, how its rows became columns, and its tables.

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
    @with_threads_of_fit
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
        return self._engine.full("a prior").priors

    @property
    def computed_by(self) -> str:
        """How the model was fitted, in a word: "posterior", "REML" or "ML"."""
        method: Method = self._engine.fitted_by["method"]
        return method if method == "posterior" else method.upper()

    @property
    def factor(self) -> str:
        """The grouping column; the first of several."""
        return next(iter(self.statistics.group_counts))

    @with_threads_of_fit
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
        return fit_tables.group_table(self.posterior, level, kind, scale)

    @with_threads_of_fit
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
        return fit_tables.with_standing(self.posterior, table, above, level, scale)

    @with_threads_of_fit
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

    @with_threads_of_fit
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
        how = self.posterior, factor or self.factor, term, above
        return fit_tables.rank_table(*how, top=top, level=level, descending=descending)

    @with_threads_of_fit
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
        return fit_tables.parameter_table(self.posterior, level, kind, scale)

    @with_threads_of_fit
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
        from partialpool.report import contents

        about = self.posterior, self.design, self.notices, self.clusters
        return contents(*about, level, shown or Arrangement(), drawn=drawn, scale=scale)

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
        if self._engine.estimates_only:
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

    def __dir__(self) -> list[str]:
        """Public names only."""
        return sorted(name for name in super().__dir__() if not name.startswith("_"))

    @with_threads_of_fit
    def _without_each_group(self, factor: str | None = None) -> LeftOutGroups:
        """What `influence` and `partialpool.compare_models` read."""
        require_reliable(self._engine)
        self._engine.left_out_factor(factor)
        return self._engine.full("leaving groups out").without_each_group(self.clusters)

    @property
    def _sizes(self) -> Ints:
        """Rows of each group of the first factor."""
        return self.statistics.rows_by_group(0)

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
        return self._reliable.full(what)
