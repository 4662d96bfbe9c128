"""Numbers from the functions of a formula, and what the functions learned from the rows.

Nothing is evaluated as Python: the tree is walked, and each node is an array operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from partialpool._typing import Floats
from partialpool.errors import DataError
from partialpool.formula.functions import ARITHMETIC, ELEMENTWISE, STATEFUL
from partialpool.formula.tree import Binary, Call, Expression, Name, Number, Unary, calls_in
from partialpool.kernels.merged_means import merged_means


@dataclass(frozen=True, slots=True)
class Standard:
    """What center() and scale() learned: mean, and standard deviation (1 for center)."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What poly() learned: orthonormal polynomials of ``u = (x - middle) / half``.

    Parameters
    ----------
    middle, half : float
        The range of x, which u maps to [-1, 1].
    transform : ndarray, shape (degree + 1, degree)
        From Legendre polynomials of u to polynomials orthonormal over the rows and orthogonal
        to the constant, the leading coefficients positive.
    """

    middle: float
    half: float
    transform: Floats


Learned = Mapping[Call, Standard | Basis]


def evaluate(node: Expression, numbers: Mapping[str, Floats], learned: Learned) -> Floats:
    """One number a row: the value of an expression of columns."""
    with np.errstate(all="ignore"):  # what is not finite is refused by who asked
        return _value(node, numbers, learned)


def _value(node: Expression, numbers: Mapping[str, Floats], learned: Learned) -> Floats:
    match node:
        case Name():
            return numbers[node.name]
        case Number():
            return np.asarray(node.value)
        case Unary():
            value = _value(node.operand, numbers, learned)
            return np.negative(value) if node.operator == "-" else value
        case Binary():
            left = _value(node.left, numbers, learned)
            return ARITHMETIC[node.operator](left, _value(node.right, numbers, learned))
        case Call():
            inside = _value(node.arguments[0], numbers, learned)
            if node.function in ELEMENTWISE:
                return ELEMENTWISE[node.function].array(inside)
            standard = learned[node]
            assert isinstance(standard, Standard)
            return (inside - standard.mean) / standard.sd
    raise TypeError(f"{node} is not a number")


def polynomials(node: Call, numbers: Mapping[str, Floats], learned: Learned) -> Floats:
    """The columns of poly(x, degree); shape (N, degree)."""
    basis = learned[node]
    assert isinstance(basis, Basis)
    x = evaluate(node.arguments[0], numbers, learned)
    degree = basis.transform.shape[1]
    return legendre.legvander((x - basis.middle) / basis.half, degree) @ basis.transform


# learning from the rows -----------------------------------------------------------------------

Pass = Callable[[], Iterator[tuple[Mapping[str, Floats], Floats | None]]]
"""Goes through the rows once, in parts: the numbers of the rows that are used, and how many rows
each stands for if not one."""


@dataclass(slots=True, eq=False)
class Moments:
    """Count, mean, sum of squares about the mean, and range of a number; products for poly().

    Parameters
    ----------
    gram : ndarray, shape (degree + 1, degree + 1), or None
        Sums of products of Legendre polynomials of the number on its range.
    """

    n: float = 0.0
    mean: float = 0.0
    square: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    gram: Floats | None = None

    def add(self, x: Floats, count: Floats | None) -> None:
        """Add numbers, each as often as `count` says."""
        if not len(x):
            return
        size = float(len(x) if count is None else count.sum())
        mean = float(np.average(x, weights=count))
        squares = (x - mean) ** 2
        square = float(squares.sum() if count is None else count @ squares)
        own = Moments(size, mean, square, float(x.min()), float(x.max()))
        both = self.merged(own)
        self.n, self.mean, self.square = both.n, both.mean, both.square
        self.low, self.high = both.low, both.high

    @property
    def place(self) -> tuple[float, float]:
        """Middle and half of the range."""
        return 0.5 * (self.low + self.high), 0.5 * (self.high - self.low) or 1.0

    def merged(self, other: Moments) -> Moments:
        """The moments of both sets of rows together."""
        merged = merged_means(
            (np.array(self.n), np.array(other.n)), (np.array(self.mean), np.array(other.mean))
        )
        both = Moments(
            self.n + other.n,
            float(merged.mean),
            self.square + other.square + float(merged.gap**2 * merged.harmonic),
            min(self.low, other.low),
            max(self.high, other.high),
        )
        if self.gram is not None and other.gram is not None:
            both.gram = self._gram_on(both.place) + other._gram_on(both.place)
        return both

    def _gram_on(self, place: tuple[float, float]) -> Floats:
        """Products of the polynomials on another range, which are combinations of those here."""
        assert self.gram is not None
        degree = len(self.gram) - 1
        at = nodes(degree, self.place)
        here, there = (
            legendre.legvander((at - middle) / half, degree) for middle, half in (self.place, place)
        )
        change = np.linalg.solve(here, there)
        return np.asarray(change.T @ self.gram @ change)


def stateful_calls(*nodes: Expression) -> list[Call]:
    """The calls of center(), scale() and poly() in expressions, each once."""
    return list(dict.fromkeys(c for n in nodes for c in calls_in(n) if c.function in STATEFUL))


def learn(nodes: Iterable[Expression], rows: Pass) -> dict[Call, Moments]:
    """Go through the rows, once or twice, for what center(), scale() and poly() need."""
    calls = stateful_calls(*nodes)
    if not calls:
        return {}
    moments = {call: Moments() for call in calls}
    for numbers, count in rows():
        for call, sums in moments.items():
            sums.add(evaluate(call.arguments[0], numbers, {}), count)
    bends = [call for call in calls if call.function == "poly"]
    if bends:
        _add_products({call: moments[call] for call in bends}, rows)
    return moments


def _add_products(moments: Mapping[Call, Moments], rows: Pass) -> None:
    gram = {call: np.zeros((degree_of(call) + 1,) * 2) for call in moments}
    for numbers, count in rows():
        for call, sums in moments.items():
            middle, half = sums.place
            u = (evaluate(call.arguments[0], numbers, {}) - middle) / half
            p = legendre.legvander(u, degree_of(call))
            gram[call] += (p if count is None else p * count[:, None]).T @ p
    for call, sums in moments.items():
        sums.gram = gram[call]


def learned_of(call: Call, moments: Moments) -> Standard | Basis:
    """What center(), scale() or poly() does, from the moments of its argument.

    Raises
    ------
    DataError
        If there are too few distinct values to scale, or for the degree of a polynomial.
    """
    if call.function == "center":
        return Standard(moments.mean, 1.0)
    if call.function == "poly":
        assert moments.gram is not None
        return Basis(*moments.place, _orthonormal(call, moments.gram))
    if not moments.high > moments.low:
        raise DataError(f"{call} cannot be computed: every row has the value {moments.low:g}")
    return Standard(moments.mean, float(np.sqrt(moments.square / (moments.n - 1))))


def nodes(degree: int, place: tuple[float, float]) -> Floats:
    """Points of a range at which polynomials of a degree are told apart well."""
    middle, half = place
    return np.asarray(middle + half * legendre.leggauss(degree + 1)[0])


def in_terms_of(old: Standard | Basis, new: Standard | Basis) -> Floats:
    """What was learned from more rows, as combinations of what was learned from some.

    Returns
    -------
    ndarray, shape (degree + 1, degree)
        Weights of a constant and of each old column, for each new one.
    """
    if isinstance(old, Basis) and isinstance(new, Basis):
        degree = old.transform.shape[1]
        x = nodes(degree, (old.middle, old.half))
        before, after = (
            legendre.legvander((x - b.middle) / b.half, degree) @ b.transform for b in (old, new)
        )
        return np.asarray(np.linalg.solve(np.column_stack([np.ones(len(x)), before]), after))
    assert isinstance(old, Standard)
    assert isinstance(new, Standard)
    return np.array([[(old.mean - new.mean) / new.sd], [old.sd / new.sd]])


def same_learned(old: Standard | Basis, new: Standard | Basis) -> bool:
    """Whether two sets of rows taught the same."""
    if isinstance(old, Basis) and isinstance(new, Basis):
        place = (old.middle, old.half) == (new.middle, new.half)
        return place and np.array_equal(old.transform, new.transform)
    return old == new


def degree_of(call: Call) -> int:
    """The degree in poly(x, degree)."""
    degree = call.arguments[1]
    assert isinstance(degree, Number)
    return int(degree.value)


def _orthonormal(call: Call, gram: Floats) -> Floats:
    """Drop the constant from the inverse of the Cholesky factor's transpose."""
    try:
        factor = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        factor = np.zeros_like(gram)
    if np.isfinite(gram).all():  # values that are none are refused with their row
        factor = np.nan_to_num(factor)  # in a browser NumPy cannot raise, and returns nan
    if np.diag(factor).min() <= 1e-7 * np.sqrt(gram[0, 0]):
        raise DataError(
            f"{call} cannot be computed: a polynomial of degree {len(gram) - 1} needs more than "
            f"{len(gram) - 1} distinct values that are not too close; take a lower degree"
        )
    inverse: Floats = np.linalg.inv(factor).T
    return inverse[:, 1:]
