"""The groups of a fit as a table in pages: searched, sorted, ranked, among thousands."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from partialpool._table import Table
from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design.labels import natural_order
from partialpool.errors import ArgumentError
from partialpool.fitted import Fit
from partialpool.words import formatting

USUAL_PAGE, LARGEST_PAGE = 20, 200
"""Groups of a page, if nothing is said, and at most."""
SEED = 20261130
"""A fixed one: a page that is opened again shows the same digits."""
DRAWN_CELLS, FEWEST_DRAWS, MOST_DRAWS = 2e6, 400, 2500
"""Draws times groups, and draws: 2,500 leave a probability an error of at most 0.01, and of
thousands of groups 400 leave 0.025 and take seconds at most."""
MANY_GROUPS = 200
"""With more groups the population mean of counts is known to a tenth of their spread, and a group
is compared with that number; with fewer, with draws of the mean."""
RANKS = ("expected_rank", "rank_lower", "rank_upper", "best")


@dataclass(eq=False)
class GroupTable:
    """The groups of one factor by one of their effects.

    Parameters
    ----------
    factor, term : str
        Whose groups, and by which effect.
    table : Table
        Their rows, as `Fit.group_table` has them.
    above : ndarray, shape (J,)
        Probability that a group is above the population.
    grand : float
        The population's value (units of the outcome; of counts probabilities or rates).
    ranks : dict of ndarray
        Empty until they are asked for.
    """

    factor: str
    term: str
    table: Table
    above: Floats
    grand: float
    ranks: dict[str, AnyArray] = field(default_factory=dict)

    @property
    def labels(self) -> list[Any]:
        labels: list[Any] = self.table["group"].tolist()
        return labels

    @cached_property
    def names(self) -> list[str]:
        """The labels as text."""
        return [str(label) for label in self.labels]

    @cached_property
    def searched(self) -> list[str]:
        """The names without case, accents and width, as `plain` writes them."""
        return [plain(name) for name in self.names]

    @cached_property
    def natural(self) -> Ints:
        """Places of the groups in natural order."""
        order = natural_order(self.searched)
        place = np.empty(len(order), dtype=np.intp)
        place[order] = np.arange(len(order))
        return place

    @cached_property
    def cells(self) -> list[list[str]]:
        """The numbers of each row as text, rounded alike on every page."""
        return formatting.group_cells(self.table)

    @property
    def sizes(self) -> list[str]:
        """Columns that say how much is known of a group."""
        names = ("events", "trials", "exposure") if "events" in self.table else ("n",)
        return [name for name in names if name in self.table]

    @property
    def axis(self) -> list[float]:
        """From the lowest to the highest value of any group, so that pages share an axis."""
        every = np.concatenate([self.table[k] for k in ("raw", "estimate", "lower", "upper")])
        known = every[np.isfinite(every)]
        low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
        margin = 0.05 * (high - low or 1.0)
        return [float(low - margin), float(high + margin)]

    def place(self, group: object) -> int:
        """Where a group stands, by its id.

        Raises
        ------
        ArgumentError
            If there is no such group.
        """
        if (
            isinstance(group, bool)
            or not isinstance(group, int)
            or not (0 <= group < len(self.labels))
        ):
            raise ArgumentError(
                f"a group is chosen by its id, from 0 to {len(self.labels) - 1}, not {group!r}"
            )
        return group

    def page(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One page: `search`, `sort`, `descending`, `page` (from 0) and `size` say which."""
        chosen = self._sorted(self._searched(request.get("search")), request)
        size = _whole(request.get("size"), USUAL_PAGE, 1, LARGEST_PAGE)
        pages = max(1, math.ceil(len(chosen) / size))
        page = _whole(request.get("page"), 0, 0, pages - 1)
        part = chosen[page * size : (page + 1) * size]
        return {
            "factor": self.factor,
            "term": self.term,
            "head": self._head(),
            "rows": [self.row(int(i)) for i in part],
            "page": page,
            "pages": pages,
            "matched": len(chosen),
            "total": len(self.labels),
            "axis": self.axis,
            "grand": formatting.plain_number(self.grand),
            "ranked": bool(self.ranks),
        }

    def row(self, i: int) -> dict[str, Any]:
        """One group: its numbers, and its cells in the order of the head."""
        values = {
            "n": self.table[self.sizes[-1]],
            "own": self.table["raw"],
            "estimate": self.table["estimate"],
            "lower": self.table["lower"],
            "upper": self.table["upper"],
            "shrinkage": self.table["shrinkage"],
            "above": self.above,
        }
        numbers = {k: formatting.plain_number(np.asarray(v)[i].item()) for k, v in values.items()}
        return {"id": i, "name": self.names[i], **numbers, "cells": self._cells_of(i)}

    def _head(self) -> list[dict[str, str]]:
        """What the columns are called, and by what they are sorted."""
        sizes = {"n": "rows", "events": "events", "trials": "trials", "exposure": "exposure"}
        heads = {
            "group": self.factor,
            **{k: sizes[k] for k in self.sizes},
            "raw": "own",
            "estimate": "partial pooling",
            "lower": "95% interval",
            "shrinkage": "pulled",
            "above": "P(above average)",
        }
        if self.ranks:
            heads |= {"expected_rank": "rank", "rank_lower": "95% of rank", "best": "P(highest)"}
        return [{"key": k, "text": v} for k, v in heads.items()]

    def _cells_of(self, i: int) -> list[str]:
        cells = dict(zip(self.table, self.cells[i], strict=True))
        texts = [
            self.names[i],
            *(cells[k] for k in self.sizes),
            cells["raw"],
            cells["estimate"],
            f"{cells['lower']} to {cells['upper']}",
            percent(float(self.table["shrinkage"][i])),
            percent(float(self.above[i])),
        ]
        if self.ranks:
            r = self.ranks
            texts += [
                f"{r['expected_rank'][i]:.1f}",
                f"{r['rank_lower'][i]:,} to {r['rank_upper'][i]:,}",
                percent(float(r["best"][i])),
            ]
        return texts

    def _searched(self, search: object) -> Ints:
        wanted = plain(search[:200]) if isinstance(search, str) else ""
        if not wanted:
            return np.arange(len(self.names))
        hits = [i for i, name in enumerate(self.searched) if wanted in name]
        return np.array(hits, dtype=np.intp)

    def _sorted(self, chosen: Ints, request: Mapping[str, Any]) -> Ints:
        """The groups in order; those without a number last, equal ones in natural order."""
        by = request.get("sort") or "estimate"
        descending = request.get("descending", by not in ("group", *RANKS[:3]))
        values: AnyArray
        if by == "group":
            values = self.natural
        elif by == "above":
            values = self.above
        elif by in RANKS and self.ranks:
            values = self.ranks[by]
        elif by in self.table and by not in ("factor", "term"):
            values = self.table[by]
        else:
            raise ArgumentError(f'the groups cannot be sorted by "{str(by)[:40]}"')
        key = np.asarray(values, dtype=np.float64)[chosen] * (-1.0 if descending else 1.0)
        return chosen[np.lexsort((self.natural[chosen], key, np.isnan(key)))]


def group_table(fit: Fit, factor: str, term: str) -> GroupTable:
    """The groups of a factor by an effect, with the probability that each is above average."""
    every = fit.group_table()
    if "factor" in every:
        mine = (every["factor"] == factor) & (every["term"] == term)
        every = Table({k: v[mine] for k, v in every.items()})
    return GroupTable(
        factor,
        term,
        every,
        _above(fit, factor, term),
        fit._engine.given.population_value(fit.posterior._term(factor, term)),
    )


def _above(fit: Fit, factor: str, term: str) -> Floats:
    """Probability that each group is above the population's value."""
    post = fit.posterior
    if not (fit.statistics.one_factor and fit.statistics.counts):
        return np.asarray(post.effects(factor, term=term).probability(above=0.0))
    theta = post.groups(factor, scale="link")
    if len(theta) > MANY_GROUPS:
        return np.asarray(theta.probability(above=float(post["Intercept"].mean)))
    drawn = fit.draws(draws_of(len(theta)), np.random.default_rng(SEED))
    mu = drawn["Intercept"][:, None]
    return np.asarray((drawn.groups(factor, scale="link") > mu).mean(axis=0))


def draws_of(groups: int) -> int:
    """How many draws of so many groups are made at once."""
    return int(np.clip(DRAWN_CELLS / groups, FEWEST_DRAWS, MOST_DRAWS))


def ranks(fit: Fit, table: GroupTable) -> dict[str, AnyArray]:
    """Expected rank, its interval and the probability of rank 1, in the order of the table."""
    ranked = fit.rank_table(factor=table.factor, term=table.term)
    names = {"lower": "rank_lower", "upper": "rank_upper"}
    return {names.get(k, k): ranked[k] for k in ("expected_rank", "lower", "upper", "best")}


def percent(share: float) -> str:
    """A share in percent; one that is not quite 0 or 1 does not become it."""
    if math.isnan(share):
        return "-"
    if 0.0 < share < 0.005:
        return "<1%"
    if 0.995 <= share < 1.0:
        return ">99%"
    return f"{100 * share:.0f}%"


def plain(text: str) -> str:
    """A text as it is searched: without case, accents, and differences of width."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c)).strip()


def _whole(value: object, default: int, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return default
    return min(max(value, low), high)
