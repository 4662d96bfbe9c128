"""Which column plays which part: a Formula read as a one-way model of counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from partialpool.errors import ArgumentError, FormulaError, UnsupportedFormulaError, did_you_mean
from partialpool.formula.mixed import Mixed, check_roles, mixed
from partialpool.formula.roles import CountFamily, column_of, one_way
from partialpool.formula.tree import Addition, Call, Expression, Formula, Name

COUNT_FAMILIES: tuple[CountFamily, ...] = (
    "binomial",
    "poisson",
    "beta_binomial",
    "gamma_poisson",
)
PROPORTIONS = ("binomial", "beta_binomial")
CONJUGATE = {"beta_binomial": "binomial", "gamma_poisson": "poisson"}
"""The conjugate families, and what their groups' rows are."""
FAMILY_WORDS = {
    "bernoulli": "binomial",
    "logistic": "binomial",
    "normal": "gaussian",
    "betabinomial": "beta_binomial",
    "beta-binomial": "beta_binomial",
}
"""What other packages call the families."""
NEGATIVE_BINOMIAL = (
    "nb", "nb1", "nb2", "nbinom", "nbinom1", "nbinom2", "negbin", "negbinomial", "negbinomial2",
    "negative_binomial", "negativebinomial", "neg_binomial",
)  # fmt: skip
IMPLIED: dict[str, CountFamily] = {"trials": "binomial", "exposure": "poisson"}
"""The family that an addition stands for when none is named."""


class Columns(Protocol):
    """Column roles of any model: what reading a frame or file needs to know."""

    @property
    def group(self) -> Name:
        """The grouping factor."""

    @property
    def columns(self) -> tuple[Name, ...]:
        """Every column that is read, each once, the group first."""


@dataclass(frozen=True, slots=True)
class CountRoles:
    """The columns of ``events | trials(size) ~ 1 + (1 | group)``.

    Parameters
    ----------
    family : {"binomial", "poisson", "beta_binomial", "gamma_poisson"}
        How events are distributed.
    outcome, group : Name
        The number of events of each row, and the grouping factor.
    size : Name, optional
        Trials or exposure of each row; 1 for every row if not given.
    """

    family: CountFamily
    outcome: Name
    group: Name
    size: Name | None = None

    @property
    def labels(self) -> tuple[Name, ...]:
        """The columns that hold labels only, whatever they look like."""
        return (self.group,)

    @property
    def counted(self) -> tuple[Name, ...]:
        """The columns that hold numbers of events or trials."""
        trials = self.size if self.proportion else None
        return tuple(n for n in (self.outcome, trials) if n is not None)

    @property
    def undecided(self) -> tuple[Name, ...]:
        """The predictors that are numbers or categories, as their values say: none."""
        return ()

    @property
    def columns(self) -> tuple[Name, ...]:
        """Every column that is read, each once, the group first."""
        found = (self.group, self.outcome, self.size)
        return tuple({c.name: c for c in found if c is not None}.values())

    @property
    def proportion(self) -> bool:
        """Whether events are among trials, not over an exposure."""
        return self.family in PROPORTIONS


def count_family(formula: Formula, family: str | None) -> CountFamily | None:
    """Which family of counts is meant; None for measurements.

    Raises
    ------
    ArgumentError
        If the family is not known.
    FormulaError
        If the family is of measurements and the formula is of counts.
    """
    additions = {a.kind: a for a in formula.additions}
    implied = next((k for k in IMPLIED if k in additions), None)
    if family is None:
        return IMPLIED[implied] if implied else None
    if family == "gaussian":
        if implied:
            raise FormulaError(
                f'{implied}() says that the outcome counts events, and family="gaussian" that it '
                f'is measured; leave the family out, or use "{IMPLIED[implied]}"',
                formula.text,
                additions[implied].at,
            )
        return None
    word = str(family).lower().replace(" ", "_")
    family = FAMILY_WORDS.get(word, family)
    if family == "gaussian":
        return count_family(formula, "gaussian")
    for known in COUNT_FAMILIES:
        if family == known:
            return known
    if word in NEGATIVE_BINOMIAL:
        raise ArgumentError(
            f'family="{family}": negative binomial rows are not fitted here; use family="poisson" '
            "with an effect of every row, (1 | row), which takes up what they vary by more"
        )
    families = ("gaussian", *COUNT_FAMILIES)
    raise ArgumentError(
        f'there is no family "{family}"; {did_you_mean(str(family), families)}'
        f"the families are {', '.join(families)}"
    )


def mixed_counts(
    formula: Formula, family: CountFamily, *, one_way_too: bool = False
) -> Mixed | None:
    """Read a formula as a model of counts with predictors, slopes or several factors.

    None if it is one grouping factor with an intercept (see `count_roles`), unless `one_way_too`.

    Raises
    ------
    UnsupportedFormulaError
        If the family is conjugate, which has one grouping factor and no predictors.
    ArgumentError
        If it is conjugate and `one_way_too`.
    FormulaError
        If an addition does not fit the family, or a column plays two parts.
    """
    bare = replace(formula, additions=(), offsets=())
    exposed = all(map(_is_log, formula.offsets)) and family not in PROPORTIONS
    simple = one_way(bare) is not None and (exposed or not formula.offsets)
    if not formula.groups or (simple and not one_way_too):
        return None
    if family in CONJUGATE and simple:
        raise ArgumentError(
            f'method="ml" is for binomial and poisson counts; {family} is fitted with '
            'method="posterior"'
        )
    if family in CONJUGATE:
        raise UnsupportedFormulaError(
            f"{_beyond(formula)} does not go with the family {family}, whose groups have one "
            f'probability or rate each; use family="{CONJUGATE[family]}", with a term such as '
            "(1 | row) if rows vary by more than that family says",
            formula.text,
            formula.tilde,
        )
    roles = mixed(replace(formula, additions=()))
    if not isinstance(roles.outcome, Name):
        raise FormulaError(
            f"the outcome of the family {family} is a column of counts, not {roles.outcome}",
            formula.text,
            0,
        )
    base = CountRoles(family, roles.outcome, roles.factors[0])
    sizes = [_addition(formula, base, a) for a in formula.additions]
    if len(sizes) > 1:
        raise FormulaError("trials or exposure are given twice", formula.text, sizes[1].at)
    found = replace(roles, family=family, size=sizes[0] if sizes else None)
    check_roles(found)
    return found


def _is_log(offset: Expression) -> bool:
    return isinstance(offset, Call) and offset.function == "log"


def _beyond(formula: Formula) -> str:
    """What a formula has that one grouping factor with an intercept has not."""
    if formula.terms:
        return f"the predictor {formula.terms[0]}"
    if len(formula.groups) > 1:
        return "a second grouping factor"
    if formula.groups and formula.groups[0].terms:
        return "a slope that varies by group"
    return "this formula"


def count_roles(formula: Formula, family: CountFamily) -> CountRoles:
    """Read a formula as a one-way model of counts.

    Raises
    ------
    UnsupportedFormulaError
        If the formula asks for more than one grouping factor with an intercept.
    FormulaError
        If an addition does not fit the family, or a column plays two parts.
    """
    bare = one_way(replace(formula, additions=(), offsets=()))
    if bare is None:
        raise UnsupportedFormulaError(
            f"{_beyond(formula)} is not yet supported with counts; they are fitted with one "
            "grouping factor and an intercept: events | trials(size) ~ 1 + (1 | group)",
            formula.text,
            formula.tilde,
        )
    base = CountRoles(family, bare.outcome, bare.group)
    sizes = [_addition(formula, base, a) for a in formula.additions]
    sizes += [_offset(formula, base, o) for o in formula.offsets]
    if len(sizes) > 1:
        raise FormulaError(
            "exposure is given twice; keep one of exposure(x) and offset(log(x))",
            formula.text,
            sizes[1].at,
        )
    roles = replace(base, size=sizes[0] if sizes else None)
    if roles.size in (roles.outcome, roles.group):
        raise FormulaError(
            f'the column "{roles.size}" cannot play two parts', formula.text, roles.size.at
        )
    if roles.group == roles.outcome:
        raise FormulaError(
            f'the column "{roles.group.name}" cannot be both the group and a number of each row',
            formula.text,
            roles.group.at,
        )
    return roles


def _addition(formula: Formula, base: CountRoles, addition: Addition) -> Name:
    wanted = "trials" if base.proportion else "exposure"
    if addition.kind != wanted:
        raise FormulaError(
            f"{addition.kind}() does not go with the family {base.family}, which takes "
            f"{wanted}(column)",
            formula.text,
            addition.at,
        )
    return column_of(formula, addition.arguments[0], f"{wanted}()", addition.at)


def _offset(formula: Formula, base: CountRoles, offset: Expression) -> Name:
    if base.proportion:
        raise FormulaError(
            f"an offset does not go with the family {base.family}; give trials(column)",
            formula.text,
            offset.at,
        )
    if not isinstance(offset, Call) or offset.function != "log" or len(offset.arguments) != 1:
        raise UnsupportedFormulaError(
            f"offset({offset}) is not supported; write offset(log(x)), or exposure(x), with the "
            "column x of exposures",
            formula.text,
            offset.at,
        )
    return column_of(formula, offset.arguments[0], "offset(log())", offset.at)
