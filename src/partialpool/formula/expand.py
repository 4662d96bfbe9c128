"""From what was written to what it means: the algebra of terms.

``a*b`` is a + b + a:b; ``(a + b)^2`` adds the interactions; ``a/b`` is a + a:b;
``- x`` takes a term away; ``0`` or ``- 1`` takes the intercept away.
Source: Wilkinson and Rogers (1973), doi:10.2307/2346786; bars as in Bates et al. (2015),
doi:10.18637/jss.v067.i01.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from partialpool.errors import FormulaError
from partialpool.formula.tree import (
    Addition,
    Bar,
    Binary,
    Call,
    Expression,
    Formula,
    GroupTerm,
    Name,
    Number,
    Term,
    Text,
    Unary,
)

MAX_POWER, MAX_TERMS, MAX_FACTORS = 5, 1_000, 20
"""Largest power of (a + b)^n, terms of an expanded formula, and predictors of an interaction.
Guards: (a + b + ...)^n multiplies, so that a short text could fill memory; no model comes near."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What a piece of the right side adds: None for the intercept means not mentioned."""

    intercept: bool | None = None
    terms: tuple[Term, ...] = ()
    bars: tuple[Bar, ...] = ()
    offsets: tuple[Expression, ...] = field(default=())

    def plus(self, other: _Part) -> _Part:
        return _Part(
            self.intercept if other.intercept is None else other.intercept,
            tuple(dict.fromkeys(self.terms + other.terms)),
            self.bars + other.bars,
            self.offsets + other.offsets,
        )


def expand(
    text: str,
    response: Name | Call,
    additions: tuple[Addition, ...],
    right: Expression,
    tilde: int,
) -> Formula:
    """Turn the right side as written into a Formula with every shorthand expanded."""
    part = _Expander(text).part(right)
    groups: list[GroupTerm] = []
    for bar in part.bars:
        groups.extend(_Expander(text).group_terms(bar))
    seen: set[tuple[tuple[Name, ...], bool, tuple[Term, ...]]] = set()
    for group in groups:
        key = (group.factor, group.intercept, group.terms)
        if key in seen:
            raise FormulaError(f"the group term {group} is given twice", text, group.at)
        seen.add(key)
    return Formula(
        text=text,
        response=response,
        additions=additions,
        intercept=part.intercept is not False,
        terms=part.terms,
        groups=tuple(groups),
        offsets=part.offsets,
        tilde=tilde,
    )


@dataclass(frozen=True, slots=True)
class _Expander:
    text: str

    def fail(self, problem: str, at: int) -> FormulaError:
        return FormulaError(problem, self.text, at)

    def part(self, node: Expression) -> _Part:
        match node:
            case Name():
                return _Part(terms=(Term((node,)),))
            case Call(function="offset"):
                return _Part(offsets=node.arguments)
            case Call():
                return _Part(terms=(Term((node,)),))
            case Number():
                if node.value not in (0.0, 1.0):
                    raise self.fail(
                        f"only the numbers 0 and 1 can stand alone (the intercept), not {node}",
                        node.at,
                    )
                return _Part(intercept=node.value == 1.0)
            case Bar():
                return _Part(bars=(node,))
            case Unary(operator="+"):
                return self.part(node.operand)
            case Unary():
                return self._minus(_Part(), node.operand, node.at)
            case Binary():
                return self._binary(node)
            case Text():
                raise self.fail(
                    "a string can only stand inside C(); a column name goes between backquotes",
                    node.at,
                )

    def _binary(self, node: Binary) -> _Part:
        match node.operator:
            case "+":
                return self.part(node.left).plus(self.part(node.right))
            case "-":
                return self._minus(self.part(node.left), node.right, node.at)
            case "^":
                return self._power(node)
        left, right = self._plain(node.left), self._plain(node.right)
        both = self._cross(left, right, node.at)
        match node.operator:
            case ":":
                return _Part(terms=both)
            case "*":
                return _Part(terms=tuple(dict.fromkeys(left + right + both)))
            case _:  # a/b: b within every combination of a
                inside = Term(tuple(dict.fromkeys(f for t in left for f in t.factors)))
                nested = self._cross((inside,), right, node.at)
                return _Part(terms=tuple(dict.fromkeys(left + nested)))

    def _minus(self, part: _Part, node: Expression, at: int) -> _Part:
        gone = self.part(node)
        if gone.bars or gone.offsets:
            raise self.fail("a group term or an offset cannot be taken away", at)
        for term in gone.terms:
            if term not in part.terms:
                raise self.fail(f"{term} is not there to be taken away", at)
        intercept = part.intercept
        if gone.intercept is not None:
            intercept = not gone.intercept
        terms = tuple(t for t in part.terms if t not in gone.terms)
        return replace(part, intercept=intercept, terms=terms)

    def _power(self, node: Binary) -> _Part:
        assert isinstance(node.right, Number)
        power = node.right.value
        if power != int(power) or not 1 <= power <= MAX_POWER:
            raise self.fail(
                f"^ takes a whole number from 1 to {MAX_POWER}, not {node.right}; "
                "for a squared predictor write I(x^2)",
                node.right.at,
            )
        base = self._plain(node.left)
        if len(base) == 1 and power > 1:
            raise self.fail(
                f"a power of one term is that term (powers of sums stand for interactions); for "
                f"the square write I(x^2), for a polynomial poly(x, {int(power)})",
                node.at,
            )
        terms = base
        for _ in range(int(power) - 1):
            terms = tuple(dict.fromkeys(terms + self._cross(terms, base, node.at)))
        return _Part(terms=tuple(sorted(terms, key=lambda t: len(t.factors))))

    def _cross(self, left: tuple[Term, ...], right: tuple[Term, ...], at: int) -> tuple[Term, ...]:
        if len(left) * len(right) > MAX_TERMS:
            raise self.fail(f"the formula expands to more than {MAX_TERMS} terms", at)
        crossed = [Term(tuple(dict.fromkeys(a.factors + b.factors))) for a in left for b in right]
        if any(len(term.factors) > MAX_FACTORS for term in crossed):
            raise self.fail(f"an interaction of more than {MAX_FACTORS} predictors", at)
        return tuple(dict.fromkeys(crossed))

    def _plain(self, node: Expression) -> tuple[Term, ...]:
        part = self.part(node)
        if part.bars or part.offsets or part.intercept is not None:
            raise self.fail(
                "only predictors can be multiplied or crossed, not the intercept, "
                "an offset or a group term",
                node.at,
            )
        return part.terms

    # group terms --------------------------------------------------------------------------

    def group_terms(self, bar: Bar) -> list[GroupTerm]:
        effects = self.part(bar.effects)
        if effects.bars or effects.offsets:
            raise self.fail("a group term cannot hold another one or an offset", bar.at)
        intercept = effects.intercept is not False
        if not intercept and not effects.terms:
            raise self.fail("this group term varies nothing: write (1 | group)", bar.at)
        node, population = _without_population(bar.factor)
        return [
            GroupTerm(intercept, effects.terms, factor, bar.correlated, bar.at, population)
            for factor in self._factors(node)
        ]

    def _factors(self, node: Expression) -> list[tuple[Name, ...]]:
        """``g`` -> [g]; ``g:h`` -> [g:h]; ``g/h`` -> [g, g:h]; ``g + h`` -> [g, h]."""
        match node:
            case Name():
                return [(node,)]
            case Call(function="C", arguments=(Name() as name, *_)):
                return [(name,)]
            case Call(function="gr", arguments=(Name() as name,)):
                return [(name,)]
            case Call(function="interaction"):
                parts = [self._factors(each) for each in node.arguments]
                if all(len(part) == 1 for part in parts):
                    return [tuple(dict.fromkeys(name for (part,) in parts for name in part))]
            case Binary(operator=":"):
                left, right = self._factors(node.left), self._factors(node.right)
                if len(left) == 1 and len(right) == 1:
                    return [tuple(dict.fromkeys(left[0] + right[0]))]
            case Binary(operator="/"):
                left, right = self._factors(node.left), self._factors(node.right)
                if len(right) == 1:
                    return [*left, tuple(dict.fromkeys(left[-1] + right[0]))]
            case Binary(operator="+"):
                return self._factors(node.left) + self._factors(node.right)
        raise self.fail(
            'after "|" stands a grouping column: school, district/school or a:b', node.at
        )


def _without_population(node: Expression) -> tuple[Expression, str | None]:
    """``gr(g, dist = "student")`` as g, and what its groups come from."""
    match node:
        case Call(function="gr", arguments=(column, Text(value=population))):
            return column, "normal" if population == "gaussian" else population
    return node, None
