"""What moves when a group is left out, and how well the others predict it."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._markup import output, paragraph
from partialpool._markup import table as html_table
from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.posterior.left_out import I_SQUARED, LeftOutGroups
from partialpool.posterior.posterior import Posterior
from partialpool.words.formatting import PRINTED_GROUPS, WIDTH, aligned, number, printable

MUCH = 0.5
"""Posterior sds from which on a shift is said to be much."""


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """The fit without each group of a factor.

    Parameters
    ----------
    table : Table
        One row a group: group; elpd, the log density of its rows given those of the other groups,
        ``log p(y_j | y_-j)``; elpd_error, a 95% bound on its error (0 where nothing was sampled);
        for every parameter, by its name, its posterior mean without the group and, as
        ``shift <name>``, by how many posterior sds that lies from the mean of all groups; largest
        shift, the largest of these. nan where the others leave no posterior, or what is asked does
        not exist.
    factor, formula : str
    left_out : LeftOutGroups
        Sds without each group too, and for which of them the others were fitted anew.
    means, sds : dict of float
        Of every parameter, all groups in.
    """

    table: Table
    factor: str
    formula: str
    left_out: LeftOutGroups
    means: dict[str, float]
    sds: dict[str, float]

    @property
    def elpd(self) -> float:
        """Leave-one-group-out score: the sum of the log densities."""
        return float(self.table["elpd"].sum())

    @property
    def text(self) -> str:
        """What moves most, and which group is least expected, in sentences."""
        return " ".join(_sentences(self))

    def cells(self) -> list[list[str]]:
        """The table as text, row by row, the most influential groups first."""
        order = np.argsort(-np.nan_to_num(self.table["largest shift"], nan=-1.0), kind="stable")
        rows = list(self.table.rows())
        return [_cells(rows[i], self.sds) for i in order.tolist()]

    @property
    def header(self) -> list[str]:
        """What the columns of `cells` are called."""
        return [self.factor, "elpd", *(f"{name} (shift)" for name in self.sds)]

    def __repr__(self) -> str:
        cells = self.cells()
        lines = [f"{self.formula}, without each group of {self.factor}", ""]
        lines += aligned(self.header, cells[:PRINTED_GROUPS])
        if len(cells) > PRINTED_GROUPS:
            lines.append(f"... {len(cells) - PRINTED_GROUPS:,} more groups: .table")
        return "\n".join([*lines, "", *textwrap.wrap(self.text, WIDTH)])

    def _repr_html_(self) -> str:
        cells, left = self.cells(), self.table.n_rows - PRINTED_GROUPS
        return output(
            paragraph(self.formula),
            html_table(self.header, cells[:PRINTED_GROUPS], f"Without each group of {self.factor}"),
            paragraph(f"... {left:,} more groups: .table", "more") if left > 0 else "",
            paragraph(self.text),
        )


def influence(post: Posterior, of: LeftOutGroups, formula: str) -> Influence:
    """Put together what is known without each group and with all.

    Parameters
    ----------
    post : Posterior
        Of all groups.
    of : LeftOutGroups
    formula : str
    """
    whole = {k: post.icc(of.factor) if k == I_SQUARED else post[k] for k in of.mean}
    means = {name: float(d.mean) for name, d in whole.items()}
    sds = {name: float(d.sd) for name, d in whole.items()}
    columns: dict[str, Floats] = {}
    shifts = {name: _shift(of.mean[name], means[name], sds[name]) for name in of.mean}
    for name, shift in shifts.items():
        columns |= {name: of.mean[name], f"shift {name}": shift}
    every = np.abs(np.stack(list(shifts.values())))
    largest = np.max(every, axis=0, where=~np.isnan(every), initial=0.0)
    largest[np.isnan(every).all(axis=0)] = math.nan
    table = Table(
        {"group": of.labels, "elpd": of.log_density, "elpd_error": of.error}
        | columns
        | {"largest shift": largest}
    )
    return Influence(table, of.factor, formula, of, means, sds)


def _shift(mean: Floats, all_in: float, sd: float) -> Floats:
    """By how many sds a mean lies from that of all groups; nan where either does not exist."""
    if not (math.isfinite(all_in) and 0.0 < sd < math.inf):
        return np.full(len(mean), math.nan)
    return np.where(np.isfinite(mean), mean - all_in, math.nan) / sd


def _cells(row: dict[str, Any], sds: dict[str, float]) -> list[str]:
    cells = [printable(row["group"]), "-" if math.isnan(row["elpd"]) else f"{row['elpd']:.2f}"]
    for name, sd in sds.items():
        shift = row[f"shift {name}"]
        moved = "" if math.isnan(shift) else f" ({shift:+.2f})"
        cells.append(number(row[name], sd) + moved)
    return cells


def _sentences(of: Influence) -> list[str]:
    table, said = of.table, []
    shifts = {name: table[f"shift {name}"] for name in of.means}
    known = [name for name, shift in shifts.items() if not np.isnan(shift).all()]
    if known:
        name = max(known, key=lambda k: float(np.nanmax(np.abs(shifts[k]))))
        at = int(np.nanargmax(np.abs(shifts[name])))
        said.append(
            f"Without {_named(table, at)} {name} moves most: from "
            f"{number(of.means[name], of.sds[name])} to "
            f"{number(float(table[name][at]), of.sds[name])} "
            f"({shifts[name][at]:+.2f} posterior sds)."
        )
        much = int((np.nan_to_num(table["largest shift"]) > MUCH).sum())
        verb = "moves" if much == 1 else "move"
        said.append(
            f"{much:,} of {table.n_rows:,} groups {verb} a parameter by more than {MUCH:g} sds."
            if much
            else f"No group moves a parameter by more than {MUCH:g} sds."
        )
    else:
        said.append("Means or sds of the parameters do not exist, so no shift is told.")
    elpd = table["elpd"]
    missing = np.flatnonzero(np.isnan(elpd))
    if len(missing) < table.n_rows:
        at = int(np.nanargmin(elpd))
        said.append(f"Least likely given the others is {_named(table, at)} (elpd {elpd[at]:.2f}).")
    if len(missing):
        names = [_named(table, int(i)) for i in missing[:3]] + ["..."] * (len(missing) > 3)
        groups = "group" if len(missing) == 1 else "groups"
        said.append(
            f"Of {len(missing):,} {groups} ({', '.join(names)}) nothing is told: the others say "
            "nothing of some coefficient, or the posterior without the group is too far from that "
            "of all to be read from it; fit the rows without it."
        )
    return said


def _named(table: Table, at: int) -> str:
    return printable(table["group"].tolist()[at])
