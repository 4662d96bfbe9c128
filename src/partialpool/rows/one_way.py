"""What a model of one factor sums of the rows of each group, and the record that the sums become.

Rows in memory (`arrays`) and in an engine (`sql`) are summed by the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from partialpool._typing import AnyArray, Floats
from partialpool.design.labels import missing, sorted_order
from partialpool.design.row_values import events, precision
from partialpool.design.rules import no_rows
from partialpool.formula import Roles
from partialpool.records.counts import CountStatistics, size_name
from partialpool.records.measurements import GroupStatistics, without_rounding

CANCELLATION = 1e4
"""Largest ratio of the sum of squares about a common centre to that within groups before a second
pass: the reciprocal of `LEAST_SHARE_WITHIN` of `cross_products.py`, which says what it costs."""
KNOWN = "known_"
"""How the sums begin that count the values of a column which are there."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Sums by group: the labels and, by name, the sums, (J,); and how many rows there are.

    `total` also counts rows without a label, and is 0 if it was not asked for. `missing` says how
    many of all rows miss a value, by what the statements call the column, where that was asked for.
    """

    labels: AnyArray
    sums: dict[str, AnyArray]
    total: int
    missing: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, columns: Mapping[str, AnyArray], *, in_order: bool = True) -> Groups:
        """What an engine returned, one row a group: labels `g`, masked where missing, and sums.

        `total` and what begins with `KNOWN` count all rows, also those without a label.
        """
        by_group = {name: values for name, values in columns.items() if name != "g"}
        labels = columns["g"]
        gone = missing(labels)
        rows = by_group.pop("total", np.zeros(len(labels)))
        known = {x: by_group.pop(x) for x in list(by_group) if x.startswith(KNOWN)}
        total = int(rows.sum())
        missed = {x.removeprefix(KNOWN): total - int(v.sum()) for x, v in known.items()}
        if known:
            missed = {"g": int(rows[gone].sum()), **missed}
        labels, places = np.asarray(labels), np.flatnonzero(~gone)
        if in_order:
            places = places[sorted_order(labels[places])]
        sums = {name: values[places] for name, values in by_group.items()}
        return cls(labels[places], sums, total, missed)

    def present(self, roles: Roles) -> tuple[Groups, AnyArray]:
        """The groups with a row that can be used, and the labels of the others.

        Raises
        ------
        DataError
            If there is none.
        """
        keep = self.sums["used"] > 0
        if not keep.any():
            raise no_rows(self.total, roles)
        if keep.all():
            return self, self.labels[:0]
        sums = {k: v[keep] for k, v in self.sums.items()}
        return Groups(self.labels[keep], sums, self.total, self.missing), self.labels[~keep]


def factors_of(roles: Roles) -> dict[str, tuple[str, ...]]:
    """The sums of a model by name: the numbers of each row whose product is summed.

    `used`, the number of rows, comes beside them. Of measurements `d` is the outcome less a
    centre, and `w`, `lw` and `inside` are what rows that are not plain are worth.
    """
    if roles.family is not None:
        return {name: (name,) for name in events(roles)}
    worth = precision(roles)
    w = ("w",) if worth else ()
    return {"s1": (*w, "d"), "s2": (*w, "d", "d"), **{name: (name,) for name in worth}}


def loses_digits(groups: Groups) -> bool:
    """Whether group means lie so far apart that sums about one centre are not enough."""
    s = groups.sums
    within = float((s["s2"] - s["s1"] ** 2 / s.get("w", s["used"])).sum())
    some = s["used"].sum() > len(s["used"])
    return bool(some and s["s2"].sum() > CANCELLATION * max(within, 0.0))


def measured(
    roles: Roles,
    groups: Groups,
    absent: AnyArray,
    center: float,
    about: Mapping[str, Floats] | None = None,
) -> GroupStatistics:
    """The record of measurements.

    Parameters
    ----------
    roles : Roles
    groups : Groups
        Sums about `center`, of the groups that are present.
    absent : ndarray
        Labels of groups of which no row could be used.
    center : float
    about : mapping, optional
        `s1` and `s2` about ``s1 / w``, each group's mean as far as the first sums tell it.
    """
    sums = groups.sums
    used = sums["used"]
    w = sums.get("w", used)
    mean = sums["s1"] / w
    if about is None:
        square = sums["s2"]
        ss = square - mean * sums["s1"]
    else:
        slip, square = about["s1"] / w, about["s2"]
        mean, ss = mean + slip, square - w * slip**2
    noise = 8 * np.finfo(float).eps * square
    ss = without_rounding(np.where(ss > noise, ss, 0.0), w, mean, center)
    rows = w if "inside" in sums else used  # those that a summary stands for
    return GroupStatistics(
        factor=roles.group.name,
        outcome=roles.outcome_column.name,
        labels=groups.labels,
        n=np.rint(rows).astype(np.intp),
        weight=w.astype(np.float64),
        mean=mean,
        ss=ss + sums.get("inside", 0.0),
        center=center,
        log_weight=sums.get("lw", np.zeros(len(used))),
        sigma_known=roles.se is not None,
        n_rows=groups.total,
        n_dropped=groups.total - int(used.sum()),
        absent=absent,
    )


def counted(roles: Roles, groups: Groups, absent: AnyArray) -> CountStatistics:
    """The record of counts, from the sums of the groups that are present."""
    n = np.rint(groups.sums["used"]).astype(np.intp)
    sums = {k: groups.sums[k].astype(np.float64) for k in factors_of(roles)}
    return CountStatistics(
        family=roles.count_family,
        factor=roles.group.name,
        outcome=roles.outcome_column.name,
        size_name=size_name(roles),
        labels=groups.labels,
        n=n,
        y=sums["y"],
        size=sums["size"],
        square=sums["square"],
        log_constants=sums["constant"],
        zeros=sums["zeros"],
        reciprocal=sums["reciprocal"],
        n_rows=groups.total,
        n_dropped=groups.total - int(n.sum()),
        absent=absent,
    )
