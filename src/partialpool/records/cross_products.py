"""The statistics of a linear mixed model: cross-products of its columns, in all and by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.records.record import Record

LEAST_SHARE_WITHIN = 1e-4
"""Share of a sum of squares that lies within groups, below which it is summed anew about their own
means: taking these off has then cost four digits of sixteen. Without the second reading sigma has
7 digits where groups are 10,000 sigmas apart, and none at 1e8."""


DISPERSION = "dispersion"
"""Name of the parameter of counts that vary more than Poisson or binomial ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One group-level term ``(effects | factor)``, from sums over the rows of each group.

    Sums are weighted by the rows' weights w (1 for plain rows, 1 / se^2 for known errors).

    Parameters
    ----------
    factor : str
        The grouping factor: a column, or several joined as in ``county:tract``.
    labels : ndarray, shape (L,)
        Label of each group; for several columns, theirs joined by a colon.
    effects : tuple of str, length q
        The columns of Z: "Intercept" (first, where there is one) and slopes.
    correlated : bool
        Whether the effects of one group are correlated: ``|`` and not ``||``.
    shift : ndarray, shape (q,)
        What was taken off each column of Z (0 for the intercept; 0 everywhere if the term has
        no intercept). The effects of the shifted columns differ from those of the columns as
        named in the intercept only, by ``shift @ b``.
    n : ndarray of int, shape (L,)
        Rows of each group.
    ztz : ndarray, shape (L, q, q)
    ztx : ndarray, shape (L, q, p)
    zty : ndarray, shape (L, q)
        Cross-products of the (shifted) columns within each group.
    weight : ndarray, shape (L,)
        Sum of w in each group.
    x_mean : ndarray, shape (L, p)
        Weighted mean of each (shifted) column of X in each group.
    constant : ndarray of bool, shape (p,)
        Which columns of X are constant within every group of this factor.
    within : ndarray, shape (p + 1, p + 1), or None
        Cross-products of ``[X y]`` about each group's own means, summed over groups: exactly 0 for
        columns that are constant there. None if the term has no intercept.
    """

    factor: str
    labels: AnyArray
    effects: tuple[str, ...]
    correlated: bool
    shift: Floats
    n: Ints
    ztz: Floats
    ztx: Floats
    zty: Floats
    weight: Floats
    x_mean: Floats
    constant: AnyArray
    within: Floats | None

    @property
    def y_mean(self) -> Floats:
        """Weighted mean of the outcome in each group; of a term with an intercept."""
        return np.asarray(self.zty[:, 0] / self.weight)

    def only(self, own: Ints, kept: Ints) -> Block:
        """The same for some of the columns of Z and of X."""
        return replace(
            self,
            effects=tuple(self.effects[i] for i in own),
            shift=self.shift[own],
            ztz=self.ztz[:, own[:, None], own],
            ztx=self.ztx[:, own[:, None], kept],
            zty=self.zty[:, own],
            x_mean=self.x_mean[:, kept],
            constant=self.constant[kept],
            within=None if self.within is None else _part_of(self.within, kept),
        )


def _part_of(products: Floats, kept: Ints) -> Floats:
    """Cross-products of ``[X y]`` for some of the columns of X."""
    at = np.append(kept, len(products) - 1)
    return np.asarray(products[at[:, None], at])


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """Cross-products between two blocks, for the pairs of groups that share rows.

    Parameters
    ----------
    first, second : int
        Positions of the blocks, ``first < second``.
    i, k : ndarray of int, shape (M,)
        The group of the first and of the second block; each pair once, sorted by i, then k.
    products : ndarray, shape (M, q_first, q_second)
        Sums of w z_first z_second' over the rows they share.
    """

    first: int
    second: int
    i: Ints
    k: Ints
    products: Floats

    def only(self, chosen: Sequence[Ints]) -> Crossing:
        """The same for some of the columns of each Z."""
        first, second = chosen[self.first], chosen[self.second]
        return replace(self, products=self.products[:, first[:, None], second])


@dataclass(frozen=True, slots=True, eq=False)
class CrossProducts(Record):
    """Everything a linear mixed model needs to know about the rows.

        y = X beta + sum_t Z_t b_t + e,   e_i ~ N(0, sigma^2 / w_i),   b_t,l ~ N(0, Sigma_t)

    Parameters
    ----------
    outcome : str
        Name of the outcome.
    coefficients : tuple of str, length p
        The columns of X: "Intercept" (first, where there is one) and predictors.
    shift : ndarray, shape (p,)
        What was taken off each column of X so that large offsets cost no digits; 0 for the
        intercept, and everywhere if there is none. The intercept of the columns as named is that
        of the shifted ones less ``shift @ beta``.
    center : float
        What was taken off the outcome (0 if there is no intercept).
    xtx : ndarray, shape (p, p)
    xty : ndarray, shape (p,)
    yty : float
        Weighted cross-products of the shifted columns and the centered outcome.
    blocks : tuple of Block
        The group-level terms, in the order of the formula.
    crossings : tuple of Crossing
        One for each pair of blocks.
    log_weight : float
        Sum over rows of log w.
    sigma_known : bool
        True if w = 1 / se^2 with known standard errors: then sigma is 1.
    n_rows, n_dropped, n_used : int
        Rows received, left out because a value was missing, and used (no whole number where the
        likelihood is taken to a power).
    """

    outcome: str
    coefficients: tuple[str, ...]
    shift: Floats
    center: float
    xtx: Floats
    xty: Floats
    yty: float
    blocks: tuple[Block, ...]
    crossings: tuple[Crossing, ...]
    log_weight: float
    sigma_known: bool
    n_rows: int
    n_dropped: int
    n_used: int

    @property
    def dispersed(self) -> str | None:
        """Family of rows whose dispersion is a parameter; measurements have none."""
        return None

    @property
    def errors_known(self) -> bool:
        """Whether rows are estimates with known standard errors."""
        return self.sigma_known

    @property
    def group_counts(self) -> dict[str, int]:
        """Number of groups of each factor."""
        return {b.factor: len(b.labels) for b in self.blocks}

    def rows_by_group(self, term: int) -> Ints:
        """Rows in each group of a term."""
        return self.blocks[term].n

    def outcome_by_group(self, term: int) -> Floats:
        """Mean of each group of a term; nan where it has no intercept."""
        block = self.blocks[term]
        if block.effects[:1] != ("Intercept",):
            return np.full(len(block.n), np.nan)
        return block.y_mean + self.center

    def plain_moments(self) -> tuple[float, float, float] | None:
        """Number, sum and sum of squares of rows without weights."""
        block = self.blocks[0]
        plain = not self.sigma_known and np.array_equal(block.weight, block.n)
        if not plain or block.effects[0] != "Intercept":
            return None
        rows, off = float(block.n.sum()), float(block.zty[:, 0].sum())
        squares = self.yty + 2.0 * self.center * off + rows * self.center**2
        return rows, off + rows * self.center, squares

    def slope_means(self, term: int, effect: int) -> tuple[Floats, Floats]:
        """Means of a slope's predictor and of the outcome in each group of a term."""
        block = self.blocks[term]
        x = block.ztz[:, 0, effect] / block.weight + block.shift[effect]
        return x, block.y_mean + self.center

    def only(self, kept: Ints, chosen: Sequence[Ints]) -> Self:
        """The same for some of the columns of X and of each Z; themselves if these are all."""
        every = [len(self.coefficients), *(len(b.effects) for b in self.blocks)]
        if all(
            np.array_equal(v, np.arange(n)) for v, n in zip([kept, *chosen], every, strict=True)
        ):
            return self
        pairs = zip(self.blocks, chosen, strict=True)
        return replace(
            self,
            coefficients=tuple(self.coefficients[i] for i in kept),
            shift=self.shift[kept],
            xtx=self.xtx[kept[:, None], kept],
            xty=self.xty[kept],
            blocks=tuple(b.only(own, kept) for b, own in pairs),
            crossings=tuple(c.only(chosen) for c in self.crossings),
        )

    def to_the_power(self, power: float) -> Self:
        """The sums of a likelihood to a power: all weights, and the number of rows, times it."""
        return replace(
            self,
            xtx=power * self.xtx,
            xty=power * self.xty,
            yty=power * self.yty,
            blocks=tuple(
                replace(
                    b,
                    ztz=power * b.ztz,
                    ztx=power * b.ztx,
                    zty=power * b.zty,
                    weight=power * b.weight,
                    within=None if b.within is None else power * b.within,
                )
                for b in self.blocks
            ),
            crossings=tuple(replace(c, products=power * c.products) for c in self.crossings),
            n_used=power * self.n_used,  # type: ignore[arg-type]  # sigma's power, no count
        )

    @property
    def whole(self) -> Floats:
        """Cross-products of ``[X y]``; shape (p + 1, p + 1)."""
        return np.block(
            [[self.xtx, self.xty[:, None]], [self.xty[None], np.full((1, 1), self.yty)]]
        )


def with_within(products: CrossProducts) -> CrossProducts:
    """Take the groups' means off the cross-products of all rows, block by block."""
    whole = products.whole
    return replace(
        products,
        blocks=tuple(
            replace(b, within=_about_means(whole, b)) if b.effects[:1] == ("Intercept",) else b
            for b in products.blocks
        ),
    )


def _about_means(whole: Floats, block: Block) -> Floats:
    mean = np.column_stack([block.x_mean, block.y_mean])
    return without_constant(whole - (mean * block.weight[:, None]).T @ mean, block)


def without_constant(within: Floats, block: Block) -> Floats:
    """Nothing is left within groups of the columns that are constant there, not even rounding."""
    within = within.copy()
    at = np.flatnonzero(block.constant)
    within[at], within[:, at] = 0.0, 0.0
    return within


def lost_digits(products: CrossProducts) -> list[int]:
    """Blocks whose groups are so far apart that their means cost the sums within groups digits.

    Their rows are to be read once more, and summed about each group's own means.
    """
    total = np.diag(products.whole)
    return [
        t
        for t, b in enumerate(products.blocks)
        if b.within is not None
        and (np.diag(b.within) < LEAST_SHARE_WITHIN * total)[np.append(~b.constant, True)].any()
    ]
