"""From the fields of "Your file" to a formula and priors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from partialpool.app.controls import CONJUGATE, SECOND_IS, SHAPE
from partialpool.errors import ArgumentError
from partialpool.formula.tree import Name

Get = Callable[[str], object]
LONGEST = 10_000
"""Characters of a text field that are read."""
MOST_PREDICTORS = 30
"""Predictors that are read."""
FORMS = {"number": "{}", "log": "log({})", "categories": "C({})", "text": "{}"}
"""What becomes of a predictor, by how it is to be taken."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """One predictor.

    Parameters
    ----------
    term : str
        As it stands in the formula.
    varies_by : {"", "group", "second"}
        The grouping by which its effect differs, if any.
    """

    term: str
    varies_by: str


def formula_of(get: Get) -> str:
    """The formula that the chosen columns make, or the one written.

    Raises
    ------
    ArgumentError
        If a column has not been chosen.
    """
    shape = SHAPE.read(get("shape"))
    if shape == "formula":
        text = text_of(get("formula"))
        if not text:
            raise ArgumentError('write a formula, such as "score ~ 1 + (1 | school)"')
        return text
    group = _name(get, "group", "group")
    outcome = _outcome(get, shape)
    if shape == "summaries":
        return f"{outcome} ~ 1 + (1 | {group})"
    found = predictors_of(get("predictors"))
    terms = [p.term for p in found]
    return f"{outcome} ~ {' + '.join(['1', *terms, *_groupings(get, group, found)])}"


def _outcome(get: Get, shape: str) -> str:
    """The left-hand side."""
    outcome = _name(get, "outcome", "outcome")
    match shape:
        case "estimates":
            return f"{outcome} | se({_name(get, 'se', 'standard error')})"
        case "proportions":
            return f"{outcome} | trials({_name(get, 'trials', 'trials')})"
        case "counts" if text_of(get("exposure")):
            return f"{outcome} | exposure({_name(get, 'exposure', 'exposure')})"
        case "summaries":
            return f"{outcome} | summary({_name(get, 'count', 'n')}, {_name(get, 'sd', 'sd')})"
    return outcome


def _groupings(get: Get, group: str, predictors: list[Predictor]) -> list[str]:
    """The terms of the groups: one factor, two crossed, or one within the other."""
    second = text_of(get("second"))
    of_group = _varying(predictors, "group")
    if not second:
        return [f"({of_group} | {group})"]
    larger, of_larger = str(Name(second)), _varying(predictors, "second")
    if larger == group:
        raise ArgumentError("the group column and the second grouping are the same column")
    if SECOND_IS.read(get("second_is")) == "crossed":
        return [f"({of_group} | {group})", f"({of_larger} | {larger})"]
    if of_group == of_larger == "1":
        return [f"(1 | {larger}/{group})"]
    return [f"({of_larger} | {larger})", f"({of_group} | {larger}:{group})"]


def _varying(predictors: list[Predictor], by: str) -> str:
    return " + ".join(["1", *(p.term for p in predictors if p.varies_by == by)])


def predictors_of(value: object) -> list[Predictor]:
    """The predictors chosen, from a list of [column, how it is taken, by what it varies].

    A browser can send anything: what is not of this form is left out.
    """
    found: dict[str, Predictor] = {}
    for item in value if isinstance(value, list | tuple) else ():
        if not (isinstance(item, list | tuple) and len(item) == 3):
            continue
        column, form, by = (text_of(part) for part in item)
        if column and form in FORMS and by in ("", "group", "second"):
            found.setdefault(column, Predictor(FORMS[form].format(Name(column)), by))
    return list(found.values())[:MOST_PREDICTORS]


def family_of(get: Get) -> str | None:
    """The family that the kind of data asks for, where the formula does not say it."""
    families = {
        ("counts", "normal"): "poisson",
        ("counts", "beta"): "gamma_poisson",
        ("proportions", "beta"): "beta_binomial",
    }
    return families.get((SHAPE.read(get("shape")), CONJUGATE.read(get("conjugate"))))


def priors_of(get: Get) -> list[str]:
    """The priors written, one a line."""
    lines = text_of(get("priors")).splitlines()
    return [line.strip() for line in lines if line.strip()]


def text_of(value: object) -> str:
    """Whatever came as a text; nothing else than text is read."""
    return value.strip()[:LONGEST] if isinstance(value, str) else ""


def _name(get: Get, field: str, what: str) -> str:
    name = text_of(get(field))
    if not name:
        raise ArgumentError(f"choose the {what} column")
    return str(Name(name))
