"""From choices to a model: its formula, family, priors, and how the file is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from partialpool.errors import ArgumentError
from partialpool.formula.tree import Name

LONGEST_TEXT = 10_000
"""Characters of a formula that are read, as in `formula/scanner.py`."""
MOST_PREDICTORS = 30
"""Predictors that can be chosen one by one; a formula has no such bound."""
HOW = {"number": "{}", "log": "log({})", "category": "C({})", "as it is": "{}"}
"""What becomes of a predictor, by how it is taken."""
KINDS = ("measurement", "estimate", "summary", "proportion", "binary", "count")
"""What an outcome can be."""
READING = {"decimal": str, "encoding": str, "sheet": str, "header": int, "na": list}
"""How a file is read, where it does not say so itself; arguments of `read`."""


@dataclass(frozen=True, slots=True)
class Model:
    """What is to be fitted.

    Parameters
    ----------
    formula : str
    family, population, event : str or None
    priors : tuple of str
    reading : dict
        Arguments of `read`; empty where the file is read as it is.
    """

    formula: str
    family: str | None
    population: str | None
    event: str | None
    priors: tuple[str, ...]
    reading: dict[str, Any]

    @property
    def key(self) -> str:
        """Tells results of different models apart."""
        how = [self.family, self.population, self.event]
        fields = [self.formula, *how, self.priors, sorted(self.reading.items())]
        return sha256(json.dumps(fields).encode()).hexdigest()[:16]


def model_of(choices: object) -> Model:
    """Read choices, which may come from anywhere.

    Parameters
    ----------
    choices : mapping
        Either `formula`, or `outcome`, `outcomeKind` (one of `KINDS`), `groups` (the inner one
        first), and as the kind asks `se`, `n` and `sd`, `trials`, `exposure`; `weights`;
        `nested` (whether the second grouping holds the first); `predictors` (each with `column`,
        `how` and `varies_by`, a grouping column or empty); `event`; `priors` (one a line);
        `family`; `population`, as in `fit`; `reading`.

    Raises
    ------
    ArgumentError
        If a choice is missing or not one of those allowed.
    """
    if not isinstance(choices, Mapping):
        raise ArgumentError(f"choices are a mapping by name, not {type(choices).__name__}")
    written = _text(choices, "formula")
    kind = _text(choices, "outcomeKind") or "measurement"
    if kind not in KINDS:
        raise ArgumentError(f'outcomeKind "{kind[:40]}" is not one of {", ".join(KINDS)}')
    family = _text(choices, "family") or None
    if not written:
        family = family or {"binary": "binomial", "count": "poisson"}.get(kind)
    return Model(
        formula=written or formula_of(choices, kind),
        family=family,
        population=_text(choices, "population") or None,
        event=_text(choices, "event") or None,
        priors=tuple(t.strip() for t in _text(choices, "priors").splitlines() if t.strip()),
        reading=reading_of(choices.get("reading")),
    )


def formula_of(choices: Mapping[str, Any], kind: str) -> str:
    """The formula that the chosen columns make."""
    groups = [str(Name(g)) for g in _texts(choices.get("groups")) if g]
    if not groups:
        raise ArgumentError("choose the column that names the groups")
    if len(set(groups)) < len(groups):
        raise ArgumentError("the same column is chosen twice as a grouping; choose another one")
    if len(groups) > 2:
        raise ArgumentError(
            f"at most two groupings can be chosen here, not {len(groups)}; write a formula for more"
        )
    left = _left(choices, kind)
    predictors = [] if kind == "summary" else _predictors(choices.get("predictors"))
    terms = ["1", *(term for term, _ in predictors)]
    return f"{left} ~ {' + '.join([*terms, *_groupings(groups, choices, predictors)])}"


def _left(choices: Mapping[str, Any], kind: str) -> str:
    """The left-hand side."""
    outcome = _name(choices, "outcome", "the outcome")
    match kind:
        case "estimate":
            return f"{outcome} | se({_name(choices, 'se', 'the standard errors')})"
        case "summary":
            size, sd = _name(choices, "n", "the n"), _name(choices, "sd", "the standard deviations")
            return f"{outcome} | summary({size}, {sd})"
        case "proportion":
            return f"{outcome} | trials({_name(choices, 'trials', 'the trials')})"
        case "count" if _text(choices, "exposure"):
            return f"{outcome} | exposure({_name(choices, 'exposure', 'the exposure')})"
        case "measurement" if _text(choices, "weights"):
            return f"{outcome} | weights({_name(choices, 'weights', 'the weights')})"
    return outcome


def _groupings(
    groups: list[str], choices: Mapping[str, Any], predictors: list[tuple[str, str]]
) -> list[str]:
    """The terms of the groups: one factor, two crossed, or one within the other."""

    def effects(group: str) -> str:
        return " + ".join(["1", *(term for term, by in predictors if by == group)])

    if len(groups) == 1:
        return [f"({effects(groups[0])} | {groups[0]})"]
    inner, outer = groups
    if choices.get("nested") is not True:
        return [f"({effects(inner)} | {inner})", f"({effects(outer)} | {outer})"]
    if effects(inner) == effects(outer) == "1":
        return [f"(1 | {outer}/{inner})"]
    return [f"({effects(outer)} | {outer})", f"({effects(inner)} | {outer}:{inner})"]


def _predictors(value: object) -> list[tuple[str, str]]:
    """The predictors: each as it stands in the formula, and the grouping by which it varies."""
    chosen: dict[str, tuple[str, str]] = {}
    for item in value if isinstance(value, list | tuple) else ():
        if not isinstance(item, Mapping) or not _text(item, "column"):
            continue
        how = _text(item, "how") or "as it is"
        if how not in HOW:
            raise ArgumentError(f'a predictor is taken as {", ".join(HOW)}, not "{how[:40]}"')
        by = _text(item, "varies_by")
        column = _text(item, "column")
        chosen.setdefault(column, (HOW[how].format(Name(column)), str(Name(by)) if by else ""))
    if len(chosen) > MOST_PREDICTORS:
        raise ArgumentError(
            f"at most {MOST_PREDICTORS} predictors can be chosen here, not {len(chosen)}; write a "
            "formula for more"
        )
    return list(chosen.values())


def reading_of(value: object) -> dict[str, Any]:
    """How the file is read; what is empty is left to the file."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ArgumentError(f"reading is a mapping by name, not {type(value).__name__}")
    chosen: dict[str, Any] = {}
    for name in READING:
        item = value.get(name)
        if name == "na":
            words = _texts(item)
            chosen |= {"na": words} if words else {}
        elif name == "header" and item not in (None, "", 0):
            if not str(item).isascii() or not str(item).isdigit() or int(str(item)[:9]) < 1:
                raise ArgumentError(f'header is the number of a line, from 1, not "{item}"')
            chosen["header"] = int(str(item)[:9])
        elif name != "header" and isinstance(item, str) and item.strip():
            chosen[name] = item.strip()[:LONGEST_TEXT] if name != "sheet" else item[:LONGEST_TEXT]
    return chosen


def _text(choices: Mapping[str, Any], field: str) -> str:
    value = choices.get(field)
    return value.strip()[:LONGEST_TEXT] if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    items = value if isinstance(value, list | tuple) else ()
    return [v.strip()[:LONGEST_TEXT] for v in items if isinstance(v, str) and v.strip()]


def _name(choices: Mapping[str, Any], field: str, what: str) -> str:
    name = _text(choices, field)
    if not name:
        raise ArgumentError(f"choose the column of {what}")
    return str(Name(name))
