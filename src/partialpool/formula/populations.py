"""The populations that groups may come from, and with which outcomes and formulas each goes."""

from __future__ import annotations

from typing import Any, Literal

from partialpool.errors import ArgumentError, UnsupportedFormulaError, did_you_mean
from partialpool.formula.roles import Roles
from partialpool.formula.tree import Name

PopulationWord = Literal["normal", "beta", "gamma"]
"""What a population is called."""

CONJUGATE: dict[str, PopulationWord] = {"binomial": "beta", "poisson": "gamma"}
"""The population of probabilities or rates whose integral with counts of a family is closed."""


def check_population(word: Any, roles: Roles) -> PopulationWord:
    """Return the word of a population that goes with the outcome and the formula.

    Raises
    ------
    ArgumentError
        If there is no such population, or it does not go with the family.
    UnsupportedFormulaError
        If it is not normal and the formula is of more than one factor with an intercept.
    """
    conjugate = CONJUGATE.get(roles.family or "")
    allowed: list[PopulationWord] = ["normal", *([conjugate] if conjugate else [])]
    known = next((w for w in allowed if w == word), None)
    if known is None and roles.dispersed and word in CONJUGATE.values():
        raise ArgumentError(
            f'population="{word}" does not go with family="{roles.family}": one of the two takes '
            "up what varies more; leave population out (normal)"
        )
    if known is None:
        raise _not_allowed(word, allowed, roles)
    if known != "normal" and not roles.one_way:
        raise UnsupportedFormulaError(
            f'{beyond_one_way(roles)} does not go with population="{known}", which is of one '
            "factor with an intercept; leave population out (normal), with a term such as "
            "(1 | row) if rows vary by more than the family says",
            roles.text,
            roles.text.find("~"),
        )
    return known


def _not_allowed(word: Any, allowed: list[PopulationWord], roles: Roles) -> ArgumentError:
    ways = {population: family for family, population in CONJUGATE.items()}
    of = f"{roles.family} counts" if roles.family else "measurements"
    fits = f"of {of} it is {' or '.join(allowed)}"
    if word in ways:
        return ArgumentError(
            f'population="{word}" goes with family="{ways[word]}", not with {of}; {fits}'
        )
    return ArgumentError(
        f"there is no population {word!r}; {did_you_mean(str(word), [*allowed, *ways])}{fits}"
    )


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
    if not isinstance(roles.outcome, Name):
        return f"the outcome {roles.outcome}, which is not a column,"
    if len(roles.groups[0].factor) > 1:
        return f"the factor {roles.groups[0].factor_name} of several columns"
    return "a formula without an intercept"
