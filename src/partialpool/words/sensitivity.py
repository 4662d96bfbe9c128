"""How much the answers owe to the prior and to the likelihood: tables, and what moves in words."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._markup import output, paragraph
from partialpool._markup import table as html_table
from partialpool._normal import ENDS_AND_MEDIAN, NORMAL_WIDTH
from partialpool._table import Table
from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design.labels import as_labels
from partialpool.posterior.engine import FullEngine, Term
from partialpool.posterior.sensitivity import Setting, settings
from partialpool.words.formatting import WIDTH, aligned, number, printable

MUCH = 0.5
"""Posterior sds from which on an answer is said to move: half the uncertainty."""
SHOWN_GROUPS = 5
"""Groups that are told with intervals: those that move most."""
LEVEL = 0.95
"""Of the intervals of the table: what is compared are answers, whatever level a fit prints."""
LIGHT_SHARE = 1e-9
"""Share of the weight of nodes that are left out: shifts are right to 0.01."""

READ_NODES = 256
"""Nodes from which groups of models with predictors are read: shifts of sleepstudy and rats under a
proper prior are right to 0.02 and 0.06 sds, with a quarter as many to 0.06 and 0.12. All 8,000
nodes of high_school would take two minutes."""


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """The answers under other priors, and under powers of prior and likelihood.

    Parameters
    ----------
    table : Table
        One row a setting and parameter: kind ("fit", "prior", "power of prior", "power of
        likelihood"); setting, the prior of tau or the power; name, mean, sd, lower, median, upper
        (95% intervals); shift from the fit, in the fit's posterior sds (of medians, in quarters of
        the interval, where means or sds do not exist); moves, whether that is more than half.
    groups : Table
        The same of the groups that move most (group; with several effects also factor and term).
    largest : Table
        Of every group its largest shift, and under which setting.
    refused : dict of str
        Settings under which there is no posterior, and why.
    formula : str
    """

    table: Table
    groups: Table
    largest: Table
    refused: dict[str, str]
    formula: str

    @property
    def text(self) -> str:
        """What moves, in sentences."""
        return " ".join(_sentences(self))

    @property
    def header(self) -> list[str]:
        """What the columns of `cells` are called."""
        return ["setting", *dict.fromkeys(self.table["name"].tolist())]

    def cells(self) -> list[list[str]]:
        """One row a setting: mean and shift of every parameter, those that move marked."""
        return _wide(self.table, "name")

    def group_cells(self) -> list[list[str]]:
        """The same of the groups that move most."""
        return _wide(self.groups, "group")

    @property
    def group_header(self) -> list[str]:
        """What the columns of `group_cells` are called."""
        names = dict.fromkeys(_called(row, "group") for row in self.groups.rows())
        return ["setting", *names]

    def __repr__(self) -> str:
        lines = [f"{self.formula} under other priors and powers, with shifts in posterior sds", ""]
        lines += [*aligned(self.header, self.cells()), ""]
        lines += ["Groups that move most", *aligned(self.group_header, self.group_cells()), ""]
        return "\n".join([*lines, *textwrap.wrap(self.text, WIDTH)])

    def _repr_html_(self) -> str:
        caption = "Other priors and powers, with shifts in posterior sds"
        return output(
            paragraph(self.formula),
            html_table(self.header, self.cells(), caption),
            html_table(self.group_header, self.group_cells(), "Groups that move most"),
            paragraph(self.text),
        )


def sensitivity(post: FullEngine, formula: str) -> Sensitivity:
    """Look at every answer under every setting.

    Parameters
    ----------
    post : OneWayPosterior, CountsPosterior, MixedPosterior or GeneralizedPosterior
    formula : str
    """
    every = list(settings(post))
    tried = [s for s in every if s.engine is not None]
    engines = [s.engine.without_light_nodes(LIGHT_SHARE) for s in every if s.engine is not None]
    parameters = [_parameters(engine) for engine in engines]
    shifts = [_shifts(parameters[0], other) for other in parameters]
    effects = _Effects.of(post)
    engines = [engine.thinned(READ_NODES) for engine in engines]
    means = [effects.moments(engine) for engine in engines]
    moved = np.stack([_shift(*means[0], mean) for mean, _ in means])
    which = np.nanargmax(np.abs(np.nan_to_num(moved)), axis=0)
    largest = moved[which, np.arange(moved.shape[1])]
    order = np.argsort(-np.abs(np.nan_to_num(largest)), kind="stable")[:SHOWN_GROUPS]
    names = [s.name for s in tried]
    return Sensitivity(
        table=_joined(
            [_labelled(s, p, m) for s, p, m in zip(tried, parameters, shifts, strict=True)]
        ),
        groups=_joined(
            [
                _labelled(s, effects.table(e, order, mean[order], sd[order]), m[order])
                for s, e, (mean, sd), m in zip(tried, engines, means, moved, strict=True)
            ]
        ),
        largest=Table(
            effects.labelled(np.arange(len(largest)))
            | {"largest shift": largest, "setting": as_labels([names[i] for i in which.tolist()])}
        ),
        refused={s.name: s.refused for s in every if s.engine is None},
        formula=formula,
    )


# parameters -----------------------------------------------------------------------------------


def _parameters(engine: FullEngine) -> dict[str, AnyArray]:
    """Name, mean, sd, median and the ends of the interval of every parameter."""
    named = engine.named()
    quantiles = np.array([d.quantile(ENDS_AND_MEDIAN) for d in named.values()])
    return {
        "name": as_labels(named),
        "mean": np.array([float(d.mean) for d in named.values()]),
        "sd": np.array([float(d.sd) for d in named.values()]),
        **dict(zip(("lower", "median", "upper"), quantiles.T, strict=True)),
    }


def _shifts(fit: dict[str, AnyArray], other: dict[str, AnyArray]) -> Floats:
    """Shifts of the parameters: of means in sds, or of what stands for them."""
    exist = np.isfinite(fit["sd"]) & np.isfinite(fit["mean"]) & np.isfinite(other["mean"])
    width = (fit["upper"] - fit["lower"]) / NORMAL_WIDTH
    of_medians = _shift(fit["median"], width, other["median"])
    return np.where(exist, _shift(fit["mean"], fit["sd"], other["mean"]), of_medians)


def _shift(mean: Floats, sd: Floats, other: Floats) -> Floats:
    """By how many sds another mean lies from that of the fit; nan where either does not exist."""
    with np.errstate(invalid="ignore", divide="ignore"):
        out = (other - mean) / sd
    return np.where(np.isfinite(out) & np.isfinite(sd), out, np.nan)


# groups ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Effects:
    """Every effect of every group, one after another."""

    terms: list[Term]
    block: Ints
    position: Ints

    @staticmethod
    def of(post: FullEngine) -> _Effects:
        """All effects of a model."""
        sizes = [len(term.labels) for term in post.terms]
        position = np.concatenate([np.arange(n) for n in sizes])
        return _Effects(post.terms, np.repeat(np.arange(len(sizes)), sizes), position)

    def labelled(self, which: Ints) -> dict[str, AnyArray]:
        """Group, and with several effects factor and term."""
        labels = np.concatenate([term.labels.astype(object) for term in self.terms])[which]
        columns: dict[str, AnyArray] = {"group": as_labels(labels.tolist())}
        if len(self.terms) > 1:
            of = [self.terms[b] for b in self.block[which].tolist()]
            columns["factor"] = as_labels([t.factor for t in of])
            columns["term"] = as_labels([t.name for t in of])
        return columns

    def moments(self, engine: FullEngine) -> tuple[Floats, Floats]:
        """Means and sds of all effects under a setting."""
        every = [engine.values(term, "response") for term in engine.terms]
        return np.concatenate([d.mean for d in every]), np.concatenate([d.sd for d in every])

    def table(self, engine: FullEngine, which: Ints, mean: Floats, sd: Floats) -> dict[str, Any]:
        """Some effects with intervals."""
        ends = np.empty((2, len(which)))
        for b in np.unique(self.block[which]).tolist():
            here = np.flatnonzero(self.block[which] == b)
            some = self.position[which][here]
            ends[:, here] = engine.some_intervals(self.terms[b], some, LEVEL)
        return {**self.labelled(which), "mean": mean, "sd": sd, "lower": ends[0], "upper": ends[1]}


# tables ---------------------------------------------------------------------------------------


def _labelled(setting: Setting, columns: dict[str, Any], shift: Floats) -> dict[str, Any]:
    size = len(shift)
    first = {"kind": as_labels([setting.kind] * size), "setting": as_labels([setting.name] * size)}
    return {**first, **columns, "shift": shift, "moves": np.abs(np.nan_to_num(shift)) > MUCH}


def _joined(tables: list[dict[str, Any]]) -> Table:
    return Table({k: np.concatenate([t[k] for t in tables]) for k in tables[0]})


def _called(row: dict[str, Any], key: str) -> str:
    name = printable(row[key])
    return f"{name} ({row['term']})" if "term" in row and row["term"] != "Intercept" else name


def _wide(table: Table, key: str) -> list[list[str]]:
    """One row a setting: mean and shift of each quantity, marked where it moves."""
    rows = list(table.rows())
    fit = {_called(r, key): r for r in rows if r["kind"] == "fit"}
    out: dict[str, list[str]] = {}
    for row in rows:
        of_fit = fit[_called(row, key)]
        spread = (
            of_fit["sd"] if math.isfinite(of_fit["sd"]) else (of_fit["upper"] - of_fit["lower"]) / 4
        )
        exists = math.isfinite(row["mean"]) and math.isfinite(of_fit["mean"])
        cell = number(row["mean"] if exists else row.get("median", math.nan), spread)
        if row["kind"] != "fit" and not math.isnan(row["shift"]):
            cell += f" ({row['shift']:+.2f}{'*' if row['moves'] else ''})"
        name = row["setting"] + (" (the fit)" if row["kind"] == "fit" else "")
        out.setdefault(name, [name]).append(cell)
    return list(out.values())


# words ----------------------------------------------------------------------------------------


def _sentences(of: Sensitivity) -> list[str]:
    said = [_of_kind(of, "prior", "other priors of tau")]
    kinds = set(of.table["kind"].tolist())
    if "power of prior" in kinds:
        said.append(_of_kind(of, "power of prior", "the prior to the power 0.8 or 1.25"))
    else:
        said.append("The fit's own priors are flat, so that a power of them changes nothing.")
    if "power of likelihood" in kinds:
        said.append(_of_kind(of, "power of likelihood", "the likelihood to the power 0.8 or 1.25"))
    moved = int((np.abs(np.nan_to_num(of.largest["largest shift"])) > MUCH).sum())
    effects = "effects of groups" if "term" in of.largest else "groups"
    verb = "moves" if moved == 1 else "move"
    said.append(
        f"{moved:,} of {of.largest.n_rows:,} {effects} {verb} by more than {MUCH:g} sds."
        if moved
        else f"No group moves by more than {MUCH:g} sds."
    )
    said += [f"Under {name} there is no posterior." for name in of.refused]
    return said


def _of_kind(of: Sensitivity, kind: str, what: str) -> str:
    """What the settings of a kind move."""
    rows = [r for r in of.table.rows() if r["kind"] == kind and not math.isnan(r["shift"])]
    if not rows:
        return f"Under {what} there is no posterior to compare with."
    largest = max(rows, key=lambda r: abs(r["shift"]))
    moved = list(dict.fromkeys(r["name"] for r in rows if r["moves"]))
    most = f"{largest['name']} under {largest['setting']}: {largest['shift']:+.2f}"
    if not moved:
        return (
            f"Under {what}, no parameter moves by more than {MUCH:g} posterior sds (most {most})."
        )
    verb = "moves" if len(moved) == 1 else "move"
    names = " and ".join(moved)
    return f"Under {what}, {names} {verb} by more than {MUCH:g} posterior sds (most {most})."
