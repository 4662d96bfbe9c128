"""From the fields of "Your file" to a formula and priors."""

from __future__ import annotations

from collections.abc import Callable

from partialpool.app.controls import SHAPE
from partialpool.errors import ArgumentError
from partialpool.formula.tree import Name

LONGEST = 10_000
"""Characters of a text field that are read."""


def formula_of(get: Callable[[str], object]) -> str:
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
    group, outcome = _name(get, "group", "group"), _name(get, "outcome", "outcome")
    match shape:
        case "estimates":
            outcome = f"{outcome} | se({_name(get, 'se', 'standard error')})"
        case "proportions":
            outcome = f"{outcome} | trials({_name(get, 'trials', 'trials')})"
        case "counts" if text_of(get("exposure")):
            outcome = f"{outcome} | exposure({_name(get, 'exposure', 'exposure')})"
        case "summaries":
            outcome += f" | summary({_name(get, 'count', 'n')}, {_name(get, 'sd', 'sd')})"
    return f"{outcome} ~ 1 + (1 | {group})"


def family_of(get: Callable[[str], object]) -> str | None:
    """The family that the kind of data asks for, where the formula does not say it."""
    return "poisson" if SHAPE.read(get("shape")) == "counts" else None


def priors_of(get: Callable[[str], object]) -> list[str]:
    """The priors written, one a line."""
    lines = text_of(get("priors")).splitlines()
    return [line.strip() for line in lines if line.strip()]


def text_of(value: object) -> str:
    """Whatever came as a text; nothing else than text is read."""
    return value.strip()[:LONGEST] if isinstance(value, str) else ""


def _name(get: Callable[[str], object], field: str, what: str) -> str:
    name = text_of(get(field))
    if not name:
        raise ArgumentError(f"choose the {what} column")
    return str(Name(name))
