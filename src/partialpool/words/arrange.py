"""Which groups of a table are shown, and in which order: the same for every way of showing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._table import Table
from partialpool._typing import Ints
from partialpool.errors import ArgumentError, did_you_mean


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What is shown of a table of groups.

    Parameters
    ----------
    sort : str, optional
        A column: labels upward, numbers downward; as they came if not given.
    top : int, optional
        The first so many, of each effect of each factor.
    factor, term : str, optional
        Of these only.
    groups : sequence of str, optional
        These groups only, by their labels as text.
    """

    sort: str | None = None
    top: int | None = None
    factor: str | None = None
    term: str | None = None
    groups: Sequence[str] | None = None

    def of(self, table: Table, factor: str) -> Table:
        """The rows of a table of groups of `factor` that are shown, in order.

        Raises
        ------
        ArgumentError
            If there is no such factor, term or group.
        """
        places = self._chosen(table, factor)
        kinds = [table[k][places].tolist() for k in ("factor", "term") if k in table]
        of_kind: dict[Any, list[int]] = {}
        for place, *kind in zip(places.tolist(), *kinds, strict=True):
            of_kind.setdefault(tuple(kind), []).append(place)
        order = [self._ordered(table, np.array(at))[: self.top] for at in of_kind.values()]
        shown = np.concatenate([np.zeros(0, dtype=np.intp), *order]).astype(np.intp)
        if self.sort is None:
            shown.sort()  # as they came: the effects of a group together
        return Table({k: v[shown] for k, v in table.items()})

    def _chosen(self, table: Table, factor: str) -> Ints:
        keep = np.ones(table.n_rows, dtype=bool)
        for name, wanted in (("factor", self.factor), ("term", self.term)):
            if wanted is None:
                continue
            only = factor if name == "factor" else "Intercept"
            column = table.get(name, np.full(table.n_rows, only))
            known = list(dict.fromkeys(column.tolist()))
            if wanted not in known:
                hint = did_you_mean(wanted, known)
                raise ArgumentError(
                    f'there is no {name} "{wanted}"; {hint}there is {", ".join(known)}'
                )
            keep &= column == wanted
        if self.groups is not None:
            labels = np.array([str(v) for v in table["group"].tolist()], dtype=object)
            unknown = [g for g in self.groups if not (labels == g).any()]
            if unknown:
                hint = did_you_mean(unknown[0], labels.tolist())
                raise ArgumentError(f'there is no group "{unknown[0]}"; {hint}'.rstrip("; "))
            keep &= np.isin(labels, list(self.groups))
        return np.flatnonzero(keep)

    def _ordered(self, table: Table, at: Ints) -> Ints:
        if self.sort is None or self.sort == "group":
            return at  # labels are in order as they come
        if self.sort not in table:
            raise ArgumentError(
                f'there is no column "{self.sort}" to sort by'
                + ("; it comes with above" if self.sort == "p_above" else "")
            )
        return at[np.argsort(-table[self.sort][at].astype(float), kind="stable")]
