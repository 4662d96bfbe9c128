"""Joint draws of linear predictors of rows, and of weighted sums of them, whatever the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from partialpool._typing import Floats, Ints
from partialpool.design.new_rows import NewRows

CELLS_AT_ONCE = 2**16
"""Rows times draws worked on at once, 512 KiB an array: what the cache of a core holds."""
ROW_EFFECT_NODES = 15
"""Gauss-Hermite nodes over an effect of each row; means of probabilities are then right to 1e-5
for sds up to 2, and to 1e-3 up to 5."""


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """Coefficients and effects of groups, S draws of them or their means (S = 1).

    Parameters
    ----------
    coefficients : ndarray, shape (S, p)
        Of the columns of X as named.
    effects : tuple of ndarray, shape (S, L, q)
        Of each term's groups.
    new : mapping of ndarray, shape (S, K, q)
        Of each term's groups that are not in the data, where rows have any.
    """

    coefficients: Floats
    effects: tuple[Floats, ...]
    new: dict[int, Floats]


def new_sizes(rows: Sequence[NewRows], skipped: Sequence[int] = ()) -> dict[int, int]:
    """How many groups that are not in the data rows have, of each term that has any."""
    sizes: dict[int, int] = {}
    for each in rows:
        for t, of in each.new.items():
            if t not in skipped and len(of) and of.max() >= 0:
                sizes[t] = max(sizes.get(t, 0), int(of.max()) + 1)
    return sizes


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """G weighted sums of linear predictors: linear combinations of coefficients and effects.

    Parameters
    ----------
    constant : ndarray, shape (G,)
    x : ndarray, shape (G, p)
    known, new : mapping of sparse arrays, shapes (G, L q) and (G, K q)
        For each term, weights on the effects of its groups and of those not in the data.
    """

    constant: Floats
    x: Floats
    known: dict[int, Any]
    new: dict[int, Any]

    @staticmethod
    def of(rows: NewRows, weight: Any, groups: Sequence[int], skipped: Sequence[int]) -> Sums:
        """Sums of rows, with weights (G, R); `groups` counts those of each term.

        Terms that are `skipped` are left out.
        """
        known, new = {}, {}
        for t, (index, z) in rows.groups.items():
            if t in skipped:
                continue
            if (index >= 0).any():  # else the product would be of all groups for nothing
                known[t] = weight @ _places(index, z, groups[t])
            if (rows.new[t] >= 0).any():
                new[t] = weight @ _places(rows.new[t], z, int(rows.new[t].max()) + 1)
        return Sums(np.asarray(weight @ rows.offset), np.asarray(weight @ rows.x), known, new)

    def at(self, drawn: Effects) -> Floats:
        """The sums at each draw; (S, G)."""
        out = drawn.coefficients @ self.x.T + self.constant
        for weights, values in ((self.known, drawn.effects), (self.new, drawn.new)):
            for t, each in weights.items():
                width = each.shape[1]
                effects = values[t].reshape(len(out), -1)[:, :width]
                out += np.asarray((each @ effects.T).T)
        return out

    def less(self, other: Sums) -> Sums:
        """The differences of these sums from others."""
        size = {t: m.shape for t, m in (*self.known.items(), *other.known.items())}
        known = {
            t: _both(self.known.get(t), other.known.get(t), shape) for t, shape in size.items()
        }
        wide: dict[int, tuple[int, int]] = {}
        for t, m in (*self.new.items(), *other.new.items()):
            wide[t] = m.shape[0], max(m.shape[1], wide.get(t, (0, 0))[1])
        new = {t: _both(self.new.get(t), other.new.get(t), shape) for t, shape in wide.items()}
        return Sums(self.constant - other.constant, self.x - other.x, known, new)


def _both(first: Any, second: Any, shape: tuple[int, int]) -> Any:
    """The difference of two sparse arrays, either of which may be missing or narrower."""
    out = scipy.sparse.csr_array(shape)
    for each, sign in ((first, 1.0), (second, -1.0)):
        if each is not None:
            # compressed rows do not depend on the number of columns: a wider array shares them
            wide = scipy.sparse.csr_array((each.data, each.indices, each.indptr), shape=shape)
            out = out + sign * wide
    return out


def _places(index: Ints, z: Floats, groups: int) -> Any:
    """Rows as weights on the effects of groups; sparse, (R, groups q)."""
    size, q = z.shape
    used = np.flatnonzero(index >= 0)
    columns = (index[used, None] * q + np.arange(q)).ravel()
    entries = z[used].ravel(), (np.repeat(used, q), columns)
    return scipy.sparse.csr_array(entries, shape=(size, groups * q))


@dataclass(frozen=True, slots=True, eq=False)
class RowDraws:
    """Draws of the linear predictors of rows, some rows at a time.

    Parameters
    ----------
    rows : NewRows
    drawn : Effects
        S draws.
    skipped : sequence of int
        Terms that are left out.
    """

    rows: NewRows
    drawn: Effects
    skipped: Sequence[int] = ()

    def blocks(self) -> Iterator[tuple[slice, slice, Floats]]:
        """Some rows, some draws, and the predictors of these; (B, D)."""
        draws = len(self.drawn.coefficients)
        wide = min(draws, 2048)
        step = max(1, CELLS_AT_ONCE // wide)
        for j in range(0, draws, wide):
            which = slice(j, min(j + wide, draws))
            coefficients, tables = self._tables(which)
            for i in range(0, len(self.rows.x), step):
                part = slice(i, min(i + step, len(self.rows.x)))
                yield part, which, self._predictor(part, coefficients, tables)

    def _tables(self, which: slice) -> tuple[Floats, dict[int, list[Floats]]]:
        """Some draws, laid out by row: coefficients, and of each term one array an effect.

        The last row of these is zero, for rows that are of no group; those before it are of
        groups that are not in the data.
        """
        tables = {}
        for t, (index, _) in self.rows.groups.items():
            if t in self.skipped or not ((index >= 0) | (self.rows.new[t] >= 0)).any():
                continue
            parts = [self.drawn.effects[t][which]]
            if t in self.drawn.new:
                parts.append(self.drawn.new[t][which])
            parts.append(np.zeros_like(parts[0][:, :1]))
            every = np.concatenate(parts, axis=1)
            tables[t] = [np.ascontiguousarray(every[:, :, k].T) for k in range(every.shape[2])]
        return self.drawn.coefficients[which].T, tables

    def _predictor(
        self, part: slice, coefficients: Floats, tables: dict[int, list[Floats]]
    ) -> Floats:
        out = self.rows.x[part] @ coefficients
        out += self.rows.offset[part, None]
        for t, table in tables.items():
            index, z = (each[part] for each in self.rows.groups[t])
            new, known = self.rows.new[t][part], self.drawn.effects[t].shape[1]
            none = len(table[0]) - 1
            at = np.where(index >= 0, index, np.where(new >= 0, known + new, none))
            for k, effect in enumerate(table):
                weight = z[:, k]
                if not weight.any():
                    continue
                each = np.take(effect, at, axis=0, mode="clip")
                if not (weight == 1.0).all():
                    each *= weight[:, None]
                out += each
        return out


def averaged_over_rows(
    eta: Floats, to_value: Callable[[Floats], Floats], row_sd: Floats | None
) -> Floats:
    """Values of linear predictors, averaged over an effect of each row with this sd, (D,)."""
    if row_sd is None:
        return to_value(eta)
    z, w = np.polynomial.hermite_e.hermegauss(ROW_EFFECT_NODES)
    total = np.zeros_like(eta)
    for x, share in zip(z, w / w.sum(), strict=True):
        total += share * to_value(eta + x * row_sd)
    return total
