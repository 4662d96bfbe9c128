"""What functions of a formula learn from rows in an engine, and about the means of columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import AnyArray
from partialpool.design import labels as lab
from partialpool.design.coding import Variable
from partialpool.design.encode import expressions
from partialpool.design.expressions import Learned, Moments, degree_of, learned_of, stateful_calls
from partialpool.design.row_values import replaced
from partialpool.design.rules import RULES, no_rows, not_finite, nothing_left
from partialpool.formula.tree import Call, Expression, Name
from partialpool.notices import Notice
from partialpool.records.design_notices import dropped
from partialpool.rows.checked_rows import Check
from partialpool.rows.design_sql import Given, constant, is_finite, legendre, staged
from partialpool.rows.one_way import KNOWN
from partialpool.rows.sql import Engine, broken_rule, codes_in_engine


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """What the passes without groups found.

    Parameters
    ----------
    used : int
        Rows that miss nothing.
    learned : mapping
        What center(), scale() and poly() learned.
    moments : mapping
        The moments behind them.
    means : mapping
        About the mean of each numeric variable; 0 if absent.
    outcome_mean : float
        About the mean of the outcome less the offsets.
    """

    used: int
    learned: Learned
    moments: Mapping[Call, Moments]
    means: Mapping[Variable, float]
    outcome_mean: float


def learn(engine: Engine, given: Given, first_pass: Mapping[str, float]) -> Learning:
    """Learn from what `checked_means` first_pass and, for scale() and poly(), another pass.

    Raises
    ------
    DataError
        If a function is not finite in some row, or there are too few distinct values.
    """
    roles = given.roles
    nodes, calls = expressions(roles, given.texts), calls_that_learn(given)
    first = first_expressions(given)
    used = int(first_pass["used"])
    moments = {c: _moments(first_pass, first.index(c.arguments[0]), used) for c in calls}
    learned = _learned(engine, given, moments)
    late = [n for n in nodes if stateful_calls(n) and n not in learned]
    means = {n: float(first_pass[f"m{i}"]) for i, n in enumerate(first)}
    if late:
        again = _one_row(engine, means_statement(given, late, learned, first_pass=False))
        _refuse(engine, given, late, learned, again)
        means |= {n: float(again[f"m{i}"]) for i, n in enumerate(late)}
    outcome = means.get(roles.outcome, 0.0) - sum(means.get(o, 0.0) for o in roles.offsets)
    own = {v: means[v] for v in roles.variables if v in means}
    return Learning(used, learned, moments, own, outcome)


def calls_that_learn(given: Given) -> list[Call]:
    """The calls of center(), scale() and poly(), each once."""
    return stateful_calls(*expressions(given.roles, given.texts))


def first_expressions(given: Given) -> list[Expression]:
    """What can be computed before anything is learned: with arguments of what learns."""
    nodes = expressions(given.roles, given.texts)
    inside = [c.arguments[0] for c in calls_that_learn(given)]
    return list(dict.fromkeys([*inside, *(n for n in nodes if not stateful_calls(n))]))


def checked_means(engine: Engine, given: Given) -> dict[str, float]:
    """Count the rows, check their values, and take means of what needs no learning.

    Raises
    ------
    DataError
        If no row is complete, a value is not allowed, or a function is not finite in some row.
    """
    nodes = first_expressions(given)
    first_pass = _one_row(engine, means_statement(given, nodes, {}, first_pass=True))
    if first_pass["refused"]:
        error = broken_rule(engine, given.rows)
        if error is not None:
            raise error
    if not first_pass["used"]:
        raise no_rows(int(first_pass["total"]), given.roles)
    _refuse(engine, given, nodes, {}, first_pass)
    return first_pass


def of_missing(engine: Engine, given: Given, first_pass: Mapping[str, float]) -> Iterator[Notice]:
    """Notices of missing values by column, and of codes for them, by what `checked_means` gives."""
    total = int(first_pass["total"])
    missing = {name: total - int(first_pass[f"{KNOWN}{x}"]) for x, name in given.columns.items()}
    roles = given.roles
    yield from dropped(total - int(first_pass["used"]), total, missing, frozenset(replaced(roles)))
    counts = {n.name for n in roles.counted}
    ends = {
        x: (float(first_pass[f"least_{x}"]), float(first_pass[f"most_{x}"]))
        for name, x in given.numbers.items()
        if name not in counts
    }
    yield from codes_in_engine(engine, given.rows, ends)


def _moments(first_pass: Mapping[str, float], i: int, used: int) -> Moments:
    mean, low, high = (float(first_pass[f"{what}{i}"]) for what in ("m", "low", "high"))
    return Moments(used, mean, 0.0, low, high)


def without_small(
    engine: Engine, given: Given, used: int, least: int
) -> tuple[Given, tuple[int, int]]:
    """Leave out the rows of small groups and levels, until none is small.

    Returns
    -------
    given : Given
        Names the rows that are left.
    withheld : tuple of int
        Groups and levels, and rows, that were left out.
    """
    before = _cells(engine, given)
    now, left = replace(given, least=least, rounds=1), used
    while True:
        ((n,),) = engine.fetch(f"SELECT COUNT(*) AS n FROM ({now.used()}) AS q")
        if not n:
            raise nothing_left(least)
        if n == left:
            return now, (before - _cells(engine, now), used - left)
        left, now = n, replace(now, rounds=now.rounds + 1)


def _cells(engine: Engine, given: Given) -> int:
    """How many groups and levels there are."""
    cells = 0
    for cell in given.cells:
        rows = f"SELECT {cell} FROM ({given.used()}) AS q GROUP BY {cell}"
        ((n,),) = engine.fetch(f"SELECT COUNT(*) AS n FROM ({rows}) AS d")
        cells += int(n)
    return cells


def means_of_left(engine: Engine, given: Given) -> dict[str, float]:
    """As `checked_means` of the rows that are left."""
    return _one_row(engine, means_statement(given, first_expressions(given), {}, first_pass=True))


def means_statement(
    given: Given, nodes: list[Expression], learned: Learned, *, first_pass: bool
) -> tuple[str, list[str]]:
    """Counts of rows, and of expressions mean, range, and how often they are not finite."""
    values = {f"e{i}": f"CASE WHEN ok > 0 THEN {given.value(n, learned)} END"
              for i, n in enumerate(nodes)}  # fmt: skip
    what = {}
    if first_pass:
        what = {
            "total": "COUNT(*)",
            "used": "COUNT(CASE WHEN ok > 0 THEN 1 END)",
            "refused": "COUNT(CASE WHEN ok < 0 THEN 1 END)",
        }
        what |= {f"{KNOWN}{x}": f"COUNT({x})" for x in given.columns}
        for x in given.numbers.values():
            what |= {f"least_{x}": f"MIN({x})", f"most_{x}": f"MAX({x})"}
    learners = {c.arguments[0] for c in calls_that_learn(given)}
    for i, node in enumerate(nodes):
        what[f"m{i}"] = f"AVG(e{i})"
        if node in learners:
            what |= {f"low{i}": f"MIN(e{i})", f"high{i}": f"MAX(e{i})"}
        if not isinstance(node, Name):  # whose values are checked
            what[f"bad{i}"] = f"COUNT(CASE WHEN NOT ({is_finite(f'e{i}')}) THEN 1 END)"
    rows = staged(given.used() if given.rounds else given.rows.judged(), [values])
    return _statement(what, rows)


def _statement(what: Mapping[str, str], rows: str) -> tuple[str, list[str]]:
    columns = ", ".join(f"{sql} AS {name}" for name, sql in what.items())
    return f"SELECT {columns} FROM ({rows}) AS q", list(what)


def _one_row(engine: Engine, statement: tuple[str, list[str]]) -> dict[str, float]:
    sql, names = statement
    ((*values,),) = engine.fetch(sql)
    return {k: np.nan if v is None else v for k, v in zip(names, values, strict=True)}


def _refuse(
    engine: Engine,
    given: Given,
    nodes: Iterable[Expression],
    learned: Learned,
    first_pass: Mapping[str, float],
) -> None:
    """Refuse an expression that is not finite in some row."""
    for i, node in enumerate(nodes):
        if not first_pass.get(f"bad{i}"):
            continue
        value = given.value(node, learned)
        broken = Check(str(node), value, f"NOT ({is_finite(value)})", RULES["outcome"])
        rows = engine.fetch(given.rows.first_broken(broken, numbered=engine.numbered))
        at = [r[2] for r in rows] if engine.numbered else None
        groups = lab.shown([r[1] for r in rows])
        raise not_finite(str(node), [r[0] for r in rows], at, int(first_pass[f"bad{i}"]), groups)


def _learned(engine: Engine, given: Given, moments: Mapping[Call, Moments]) -> Learned:
    """Means and ranges are known; squares and products of polynomials take another pass."""
    statement, cells = squares_statement(given, moments)
    if cells:
        moments_row = _one_row(engine, statement)
        for call, names in cells.items():
            values = np.array([float(moments_row[n]) for n in names.ravel()]).reshape(names.shape)
            moments[call].square = float(values) if values.ndim == 0 else 0.0
            moments[call].gram = values if values.ndim else None
    return {call: learned_of(call, m) for call, m in moments.items()}


def squares_statement(
    given: Given, moments: Mapping[Call, Moments]
) -> tuple[tuple[str, list[str]], dict[Call, AnyArray]]:
    """Squares about the mean, and products of polynomials; and the names of these sums."""
    what: dict[str, str] = {}
    cells: dict[Call, AnyArray] = {}
    place, degree = {}, {}
    for i, (call, m) in enumerate(moments.items()):
        x = given.value(call.arguments[0], {})
        if call.function == "scale":
            gap = f"({x} - {constant(m.mean)})"
            what[f"q{i}"] = f"SUM({gap} * {gap})"
            cells[call] = np.array(f"q{i}")
        elif call.function == "poly":
            d = degree[f"u{i}"] = degree_of(call)
            place[f"u{i}"] = (x, *m.place)
            p = ["1", *(f"u{i}_{k}" for k in range(1, d + 1))]
            names = [[f"g{i}_{min(a, b)}_{max(a, b)}" for b in range(d + 1)] for a in range(d + 1)]
            cells[call] = np.array(names)
            what |= {
                names[a][b]: f"SUM(CAST({p[a]} AS DOUBLE) * {p[b]})"
                for a in range(d + 1)
                for b in range(a, d + 1)
            }
    stages = legendre(place, degree) if place else []
    return _statement(what or {"n": "COUNT(*)"}, staged(given.used(), stages)), cells
