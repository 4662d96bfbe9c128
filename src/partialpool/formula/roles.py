"""Which column plays which part: a Formula read as a model, whatever its groups and rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Unpack

from partialpool.errors import FormulaError, UnsupportedFormulaError
from partialpool.formula.additions import Precision, column_of, precision_columns, size_columns
from partialpool.formula.checks import FunctionChecks
from partialpool.formula.families import PROPORTIONS, WITHOUT_DISPERSION, CountFamily, count_family
from partialpool.formula.tree import (
    Call,
    Expression,
    Formula,
    GroupTerm,
    Name,
    Term,
    is_categorical,
    names_in,
)


@dataclass(frozen=True, slots=True)
class Roles:
    """The parts of ``outcome | additions ~ predictors + (effects | factor) + ...``.

    At most one of `se`, `weights` and the pair (`count`, `sd`) is given.

    Parameters
    ----------
    outcome : Name or Call
        The outcome, or a function of it; of counts the number of events of each row.
    groups : tuple of GroupTerm
        Group-level terms; terms of one effect each and of the same factor are put together as
        one with independent effects.
    intercept : bool
        Whether the population part has one.
    terms : tuple of Term
        Predictors and interactions.
    offsets : tuple of Expression
        What is taken off the outcome.
    se : Name, optional
        Known standard errors of the outcome (same units as the outcome).
    weights : Name, optional
        Precision weights: row i has variance sigma^2 / w_i.
    count, sd : Name, optional
        Each row is a summary: number of rows, and their standard deviation.
    family : {"binomial", "poisson", "negative_binomial", "beta_binomial"}, optional
        How events are distributed; None for measurements.
    population : str, optional
        The population of the groups, where the formula or kept statistics name one; see
        `models.population_text`.
    size : Name, optional
        Trials or exposure of each row of counts; 1 for every row if not given.
    noise_by_group : bool
        Whether sigma differs between the groups of a one-way model, as a second formula says.
    text : str
        The formula as written, for error messages.
    """

    outcome: Name | Call
    groups: tuple[GroupTerm, ...]
    intercept: bool = True
    terms: tuple[Term, ...] = ()
    offsets: tuple[Expression, ...] = ()
    se: Name | None = None
    weights: Name | None = None
    count: Name | None = None
    sd: Name | None = None
    family: CountFamily | None = None
    population: str | None = None
    size: Name | None = None
    noise_by_group: bool = False
    text: str = field(default="", compare=False)

    @classmethod
    def one_factor(cls, outcome: str, factor: str, **precision: Unpack[Precision]) -> Roles:
        """The roles of ``outcome ~ 1 + (1 | factor)``, without a formula."""
        group = GroupTerm(True, (), (Name(factor),), True)
        return cls(Name(outcome), (group,), **precision)

    @property
    def one_way(self) -> bool:
        """Whether this is one grouping factor with an intercept: ``y ~ 1 + (1 | group)``.

        And the rows of a group are known by their sums, as those with a dispersion are not.
        """
        return (
            isinstance(self.outcome, Name)
            and not self.dispersed
            and self.intercept
            and not self.terms
            and not self.offsets
            and len(self.groups) == 1
            and not self.groups[0].terms
            and len(self.groups[0].factor) == 1
        )

    @property
    def proportion(self) -> bool:
        """Whether events are among trials, not over an exposure."""
        return self.family in PROPORTIONS

    @property
    def dispersed(self) -> bool:
        """Whether events vary more than Poisson or binomial ones, by a dispersion."""
        return self.family in WITHOUT_DISPERSION

    @property
    def count_family(self) -> CountFamily:
        """How events are distributed, of counts."""
        assert self.family is not None
        return self.family

    @property
    def outcome_column(self) -> Name:
        """The outcome of counts or of a one-way model, which is a column."""
        assert isinstance(self.outcome, Name)
        return self.outcome

    @property
    def group(self) -> Name:
        """The first grouping column: of a one-way model the only one."""
        return self.groups[0].factor[0]

    @property
    def factors(self) -> tuple[Name, ...]:
        """The grouping columns, each once."""
        return _once(name for group in self.groups for name in group.factor)

    @property
    def variables(self) -> tuple[Name | Call, ...]:
        """What terms are made of, each once: columns and functions of columns."""
        every = chain(self.terms, *(g.terms for g in self.groups))
        return tuple(dict.fromkeys(f for term in every for f in term.factors))

    @property
    def plain(self) -> tuple[Name, ...]:
        """Columns that are predictors as they are: numbers, or categories."""
        return tuple(v for v in self.variables if isinstance(v, Name))

    @property
    def categories(self) -> tuple[Name, ...]:
        """Columns inside C(): categories, whatever they hold."""
        return _once(name for v in self.variables if is_categorical(v) for name in names_in(v))

    @property
    def precision(self) -> tuple[Name, ...]:
        """Columns of the additions."""
        every = (self.se, self.weights, self.count, self.sd, self.size)
        return tuple(n for n in every if n is not None)

    @property
    def numbers(self) -> tuple[Name, ...]:
        """Columns that must hold numbers: of the outcome, of functions, and of the additions."""
        calls = (v for v in self.variables if isinstance(v, Call) and not is_categorical(v))
        inside = chain([self.outcome], calls, self.offsets)
        return _once(chain((n for e in inside for n in names_in(e)), self.precision))

    @property
    def predictors(self) -> tuple[Name, ...]:
        """Every column a prediction needs, but for the groups."""
        inside = chain(self.variables, self.offsets)
        return _once(n for e in inside for n in names_in(e))

    @property
    def columns(self) -> tuple[Name, ...]:
        """Every column that is read, each once, the groups first."""
        return _once(chain(self.factors, names_in(self.outcome), self.predictors, self.precision))

    @property
    def labels(self) -> tuple[Name, ...]:
        """The columns that hold labels only, whatever they look like."""
        used = {n.name for n in (*self.plain, *self.numbers)}
        return _once(n for n in (*self.factors, *self.categories) if n.name not in used)

    @property
    def counted(self) -> tuple[Name, ...]:
        """The columns that hold numbers of events or trials, of counts."""
        if self.family is None:
            return ()
        trials = self.size if self.proportion else None
        return tuple(n for n in (self.outcome, trials) if isinstance(n, Name))

    @property
    def undecided(self) -> tuple[Name, ...]:
        """The predictors that are numbers or categories, as their values say."""
        numbers = {n.name for n in self.numbers}
        return _once(n for n in self.plain if n.name not in numbers)


def _once(names: Iterable[Name]) -> tuple[Name, ...]:
    first: dict[str, Name] = {}
    for name in names:
        first.setdefault(name.name, name)
    return tuple(first.values())


def read_roles(formula: Formula, family: str | None = None) -> Roles:
    """Read which column plays which part; `family` as in `fit`.

    Raises
    ------
    ArgumentError
        If there is no such family.
    UnsupportedFormulaError
        If there is no group term, or an addition is not supported.
    FormulaError
        If an addition does not fit the family, a function is not used as it is meant, or a
        column plays two parts.
    """
    if not formula.groups:
        raise _no_groups(formula)
    roles = Roles(
        outcome=formula.response,
        groups=_merged(formula),
        intercept=formula.intercept,
        terms=formula.terms,
        offsets=formula.offsets,
        population=next((g.population for g in formula.groups if g.population), None),
        text=formula.text,
    )
    counts = count_family(formula, family)
    if counts is None:
        roles = replace(roles, **precision_columns(formula))
    else:
        roles = _with_counts(replace(roles, family=counts), formula)
    _check_functions(roles)
    _check_columns(roles)
    if formula.noise is not None:
        _check_noise(roles, formula.noise)
    return replace(roles, noise_by_group=formula.noise is not None)


def _check_noise(roles: Roles, noise: GroupTerm) -> None:
    """Refuse a formula of sigma that does not go with the first."""
    why = None
    if roles.family is not None:
        why = f"rows of the family {roles.family} have no sigma"
    elif roles.se is not None:
        why = "standard errors are given, so that there is no sigma"
    elif not roles.one_way:
        why = f"it does not go with {beyond_one_way(roles)}"
    elif noise.factor != roles.groups[0].factor:
        why = f"its groups ({noise.factor_name}) are not those of the outcome ({roles.group.name})"
    if why is not None:
        raise UnsupportedFormulaError(
            f"sigma ~ 1 + (1 | group) is fitted for measurements of one grouping factor without "
            f"predictors, outcome ~ 1 + (1 | group); {why}",
            roles.text,
            noise.at,
        )


def _with_counts(roles: Roles, formula: Formula) -> Roles:
    """The roles with trials or exposure.

    Of a one-way model ``offset(log(x))`` is the exposure x; of others an offset stays one.
    """
    without_offsets = replace(roles, offsets=())
    exposures: list[Name] = []
    if without_offsets.one_way and not roles.proportion and all(map(_is_log, roles.offsets)):
        exposures = [_exposure(formula, offset) for offset in formula.offsets]
        roles = without_offsets
    if not isinstance(roles.outcome, Name):
        raise FormulaError(
            f"the outcome of the family {roles.family} is a column of counts, not {roles.outcome}",
            formula.text,
            0,
        )
    sizes = [*size_columns(formula, roles.count_family), *exposures]
    if len(sizes) > 1:
        what, keep = "trials or exposure are", ""
        if exposures:
            what, keep = "exposure is", "; keep one of exposure(x) and offset(log(x))"
        raise FormulaError(f"{what} given twice{keep}", formula.text, sizes[1].at)
    size = sizes[0] if sizes else None
    if size == roles.outcome:
        raise FormulaError(
            f'the column "{size}" cannot be both the events and their {_size_word(roles)}',
            formula.text,
            sizes[0].at,
        )
    return replace(roles, size=size)


def _size_word(roles: Roles) -> str:
    return "trials" if roles.proportion else "exposure"


def _is_log(offset: Expression) -> bool:
    return isinstance(offset, Call) and offset.function == "log" and len(offset.arguments) == 1


def _exposure(formula: Formula, offset: Expression) -> Name:
    assert isinstance(offset, Call)
    return column_of(formula, offset.arguments[0], "offset(log())", offset.at)


def beyond_one_way(roles: Roles) -> str:
    """What a formula has that one grouping factor with an intercept has not."""
    if roles.terms:
        return f"the predictor {roles.terms[0]}"
    if len(roles.groups) > 1:
        return "a second grouping factor"
    if roles.groups[0].terms:
        return "a slope that varies by group"
    if roles.offsets:
        return f"offset({roles.offsets[0]})"
    if isinstance(roles.outcome, Call):
        return f"the computed outcome {roles.outcome} (make it a column)"
    if len(roles.groups[0].factor) > 1:
        return f"the factor {roles.groups[0].factor_name} of several columns"
    return "a formula without an intercept"


def _check_functions(roles: Roles) -> None:
    check = FunctionChecks(roles.text)
    for variable in roles.variables:
        check.variable(variable)
    for expression in (roles.outcome, *roles.offsets):
        check.numeric(expression)


def _no_groups(formula: Formula) -> UnsupportedFormulaError:
    hint = ""
    if len(formula.terms) == 1:
        hint = f", such as (1 | {formula.terms[0]}) if {formula.terms[0]} names the groups"
    return UnsupportedFormulaError(
        "the formula has no group term: add (1 | group) with the column that names the groups"
        + hint,
        formula.text,
        len(formula.text),
    )


def _merged(formula: Formula) -> tuple[GroupTerm, ...]:
    """Independent terms of the same factor, as ``(1 | g) + (0 + x | g)``, as one: ``(x || g)``."""
    merged: list[GroupTerm] = []
    for group in formula.groups:
        for i, other in enumerate(merged):
            if other.factor != group.factor:
                continue
            if (other.intercept and group.intercept) or set(other.terms) & set(group.terms):
                raise FormulaError(
                    f"{other} and {group} let the same effect vary by {group.factor_name} twice; "
                    "the data cannot tell the two apart: leave one out",
                    formula.text,
                    group.at,
                )
            if _independent(other) and _independent(group):
                merged[i] = replace(
                    other,
                    intercept=other.intercept or group.intercept,
                    terms=other.terms + group.terms,
                    correlated=False,
                )
                break
        else:
            merged.append(group)
    return tuple(merged)


def _independent(group: GroupTerm) -> bool:
    return not group.correlated or group.intercept + len(group.terms) == 1


def _check_columns(roles: Roles) -> None:
    """Refuse a column that plays two parts."""
    outcome = {n.name: n for n in names_in(roles.outcome)}
    for name in chain(roles.predictors, roles.factors):
        if name.name in outcome:
            what = "a group" if name in roles.factors else "a predictor"
            raise FormulaError(
                f'the column "{name.name}" cannot be both the outcome and {what}',
                roles.text,
                name.at,
            )
    for name in roles.factors:
        if name in roles.precision:
            raise FormulaError(
                f'the column "{name.name}" cannot be both the group and a number of each row',
                roles.text,
                name.at,
            )
