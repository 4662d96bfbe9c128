"""Which column plays which part: a Formula read as a one-way model."""

from __future__ import annotations

from dataclasses import dataclass

from partialpool.errors import FormulaError, UnsupportedFormulaError
from partialpool.formula.tree import Addition, Formula, Name


@dataclass(frozen=True, slots=True)
class OneWay:
    """The columns of ``outcome | additions ~ 1 + (1 | group)``.

    At most one of `se` and the pair (`count`, `sd`) is given.

    Parameters
    ----------
    outcome, group : Name
        The outcome and the grouping factor.
    se : Name, optional
        Known standard errors of the outcome (same units as the outcome).
    weights : Name, optional
        Precision weights: row i has variance sigma^2 / w_i.
    count, sd : Name, optional
        Each row is a summary: number of rows, and their standard deviation.
    """

    outcome: Name
    group: Name
    se: Name | None = None
    weights: Name | None = None
    count: Name | None = None
    sd: Name | None = None

    @property
    def columns(self) -> tuple[Name, ...]:
        """Every column that is read, each once, the group first."""
        found = (self.group, self.outcome, self.se, self.weights, self.count, self.sd)
        return tuple({c.name: c for c in found if c is not None}.values())


def one_way(formula: Formula) -> OneWay:
    """Read a formula as a one-way model with an intercept.

    Raises
    ------
    UnsupportedFormulaError
        If the formula asks for more than this version fits; the message says which part.
    FormulaError
        If the group is also the outcome or says how precise a row is.
    """

    def refuse(what: str, at: int) -> UnsupportedFormulaError:
        return UnsupportedFormulaError(
            f"{what} not yet supported here; this version fits one grouping factor with an "
            "intercept: y ~ 1 + (1 | group)",
            formula.text,
            at,
        )

    if not isinstance(formula.response, Name):
        raise refuse("a function of the outcome is", formula.response.at)
    if formula.terms and not formula.groups and len(formula.terms) == 1:
        raise refuse(
            f"the predictor {formula.terms[0]} (if it names the groups, write "
            f"(1 | {formula.terms[0]})) is",
            formula.terms[0].factors[0].at,
        )
    if formula.terms:
        raise refuse(f"the predictor {formula.terms[0]} is", formula.terms[0].factors[0].at)
    if formula.offsets:
        raise refuse("an offset is", formula.offsets[0].at)
    if not formula.intercept:
        raise refuse("a model without an intercept is", formula.tilde)
    if not formula.groups:
        raise UnsupportedFormulaError(
            "the formula has no group term: add (1 | group) with the column that names the groups",
            formula.text,
            len(formula.text),
        )
    first = formula.groups[0]
    if len(formula.groups) > 1:
        raise refuse("a second grouping factor is", formula.groups[1].at)
    if first.terms:
        raise refuse("a slope that varies by group is", first.at)
    if len(first.factor) > 1:
        raise refuse("a combination of columns as the group is", first.factor[1].at)
    roles = _with_additions(formula, OneWay(formula.response, first.factor[0]))
    for other in (roles.outcome, roles.se, roles.weights, roles.count, roles.sd):
        if other == roles.group:
            raise FormulaError(
                f'the column "{other.name}" cannot be both the group and a number of each row',
                formula.text,
                roles.group.at,
            )
    return roles


def _with_additions(formula: Formula, base: OneWay) -> OneWay:
    columns: dict[str, Name] = {}
    for addition in formula.additions:
        if addition.kind in ("trials", "exposure"):
            raise UnsupportedFormulaError(
                f"{addition.kind}() (counts and proportions) is not yet supported here; "
                "this version fits measurements and estimates with known standard errors",
                formula.text,
                addition.at,
            )
        names = _names(formula, addition)
        if addition.kind == "summary":
            columns["count"], columns["sd"] = names
        else:
            columns[addition.kind] = names[0]
    kinds = {a.kind: a for a in formula.additions}
    if len(kinds) > 1:
        last = formula.additions[-1]
        raise UnsupportedFormulaError(
            f"{' and '.join(f'{k}()' for k in kinds)} cannot be combined: known standard errors, "
            "weights and summaries each say how precise a row is; keep one",
            formula.text,
            last.at,
        )
    return OneWay(base.outcome, base.group, **columns)


def _names(formula: Formula, addition: Addition) -> list[Name]:
    names: list[Name] = []
    for argument in addition.arguments:
        if not isinstance(argument, Name):
            raise UnsupportedFormulaError(
                f"{addition.kind}() takes column names, not {argument}", formula.text, addition.at
            )
        names.append(argument)
    return names
