"""What counts with predictors become: distinct rows, and cross-products of working responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.formula import CountFamily
from partialpool.formula.families import PROPORTIONS
from partialpool.kernels.families import LOG, LOGIT, Link
from partialpool.kernels.row_likelihood import Overdispersed
from partialpool.records.cross_products import CrossProducts
from partialpool.records.record import size_in_words


@dataclass(frozen=True, slots=True, eq=False)
class CountRows:
    """Distinct rows of counts.

    Parameters
    ----------
    y, size, offset : ndarray, shape (N,)
        Events; trials or exposure; what is added to the linear predictor.
    x : ndarray, shape (N, p)
        Predictors as named.
    group : tuple of ndarray of int, shape (N,)
    z : tuple of ndarray, shape (N, q)
        Group and columns of each term, as named.
    count : ndarray, shape (N,)
        Rows of the data that each stands for.
    log_constants : ndarray, shape (N,)
        Parts of their log likelihood that no parameter changes.
    """

    y: Floats
    size: Floats
    offset: Floats
    x: Floats
    group: tuple[Ints, ...]
    z: tuple[Floats, ...]
    count: Floats
    log_constants: Floats


@dataclass(frozen=True, slots=True, eq=False)
class CountProducts(CrossProducts):
    """Everything a generalized linear mixed model of counts needs to know about the rows.

        y_i ~ Binomial(n_i, expit(eta_i))  or  Poisson(e_i exp(eta_i)),
        eta = offset + X beta + sum_t Z_t b_t,   b_t,l ~ N(0, Sigma_t)

    The cross-products are those of working responses about the fit without groups.

    Parameters
    ----------
    family : {"binomial", "poisson", "beta_binomial", "negative_binomial"}
    size_name : str
        What `rows.size` is called.
    rows : CountRows
    log_constant : float
        Parts of the log likelihood that no parameter changes.
    unlimited : tuple of str
        Coefficients to which the data set no limit (separation).
    inside : tuple of int
        Of each term's groups, those with an event and, among trials, a failure.
    raw : tuple of ndarray, shape (L,)
        Of each term's groups, the own proportion, offsets not taken off, or rate; nan where the
        size is 0.
    rough_dispersion : float
        A guess of the dispersion by moments, of rows that have one.
    """

    counts: ClassVar[bool] = True

    family: CountFamily
    size_name: str
    rows: CountRows
    log_constant: float
    unlimited: tuple[str, ...]
    inside: tuple[int, ...]
    raw: tuple[Floats, ...]
    rough_dispersion: float = 0.0

    @property
    def dispersed(self) -> Overdispersed | None:
        """The family where rows have a dispersion."""
        if self.family in ("negative_binomial", "beta_binomial"):
            return self.family
        return None

    @property
    def link(self) -> Link:
        """Logit or log."""
        return LOGIT if self.proportion else LOG

    @property
    def proportion(self) -> bool:
        """Whether sizes count trials, not exposure."""
        return self.family in PROPORTIONS

    @property
    def size_words(self) -> str:
        """What sizes count."""
        return size_in_words(self.size_name, proportion=self.proportion)

    @property
    def errors_known(self) -> bool:
        """The errors of working responses are guesses."""
        return False

    @property
    def events(self) -> float:
        """Events in all."""
        return float(self.rows.y.sum())

    @property
    def total_size(self) -> float:
        """Trials, or exposure, in all."""
        return float(self.rows.size.sum())

    def outcome_by_group(self, term: int) -> Floats:
        """Events of each group of a term."""
        groups = len(self.blocks[term].n)
        return np.bincount(self.rows.group[term], self.rows.y, groups).astype(np.float64)

    def plain_moments(self) -> None:
        """Working responses are no measurements."""

    def slope_means(self, term: int, effect: int) -> tuple[Floats, Floats]:
        """Means of a slope's predictor over trials or exposure, and each group's own value."""
        rows, group = self.rows, self.rows.group[term]
        sums = np.bincount(group, rows.size * rows.z[term][:, effect], len(self.raw[term]))
        return sums / np.bincount(group, rows.size, len(sums)), self.raw[term]
