"""Which of several models predicts groups that it has not seen, and how sure that is."""

from __future__ import annotations

import math
import string
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

from partialpool._markup import output, paragraph
from partialpool._markup import table as html_table
from partialpool._table import Table
from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design.labels import as_labels
from partialpool.errors import ArgumentError, PriorError
from partialpool.models import Priors
from partialpool.posterior.left_out import LeftOutGroups
from partialpool.words.formatting import WIDTH, aligned, printable

FEW_GROUPS = 30
"""With fewer groups the standard error of a difference is itself too uncertain to be relied on.
Sivula, Magnusson and Vehtari (2020), arXiv:2008.10296, show it to be too small with few
observations, with models that predict alike, and with outliers."""
SAME_SHARE = 1e-8
"""Relative difference of groups' own values that may be rounding of their sums."""
LONG_NAME = 28
"""Longer names are replaced by letters in the printed table."""
USED_WEIGHT = 0.05
"""Stacking weights below this are not worth a sentence."""
SMALL_DIFFERENCE = 4.0
"""Differences below this are said to be small (same source)."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelComparison:
    """Leave-one-group-out scores of several models of the same data.

    Parameters
    ----------
    table : Table
        One row a model, the best first: model; elpd, the sum over groups of
        ``log p(y_j | y_-j)``, higher is better; elpd_error, a bound on its numerical error; se, its
        standard error over groups; difference from the best model, and difference_se; weight, the
        stacking weight; log_marginal_likelihood, log p(y), nan where a prior is improper or it is
        not computed.
    pointwise : Table
        group, and a column a model: the log density of each group's rows given the others.
    factor : str
        Whose groups were left out.
    """

    table: Table
    pointwise: Table
    factor: str

    @property
    def text(self) -> str:
        """What may be concluded, in sentences."""
        return " ".join(_sentences(self, self.short_names))

    @property
    def short_names(self) -> list[str]:
        """Names by which sentences call the models: letters where the names are long."""
        names = [printable(name) for name in self.table["model"].tolist()]
        if max(map(len, names)) <= LONG_NAME or len(names) > len(string.ascii_uppercase):
            return names
        return list(string.ascii_uppercase[: len(names)])

    @property
    def header(self) -> list[str]:
        """What the columns of `cells` are called."""
        last = ["log p(y)"] if self._has_marginal else []
        return ["model", "elpd", "se", "difference", "its se", "weight", *last]

    def cells(self) -> list[list[str]]:
        """The table as text, row by row."""
        return [
            [
                name,
                *(_number(row[k]) for k in ("elpd", "se", "difference", "difference_se")),
                f"{row['weight']:.2f}",
                *([_number(row["log_marginal_likelihood"])] if self._has_marginal else []),
            ]
            for name, row in zip(self.short_names, self.table.rows(), strict=True)
        ]

    @property
    def legend(self) -> list[str]:
        """What the letters stand for; nothing where models go by their names."""
        names = [printable(name) for name in self.table["model"].tolist()]
        short = self.short_names
        if short == names:
            return []
        return [f"{letter}: {name}" for letter, name in zip(short, names, strict=True)]

    @property
    def _has_marginal(self) -> bool:
        return bool(np.isfinite(self.table["log_marginal_likelihood"]).any())

    def __repr__(self) -> str:
        lines = [f"Each group of {self.factor} predicted from the others (higher is better)", ""]
        lines += aligned(self.header, self.cells())
        legend = [line for text in self.legend for line in textwrap.wrap(text, WIDTH)]
        return "\n".join([*lines, "", *legend, *textwrap.wrap(self.text, WIDTH)])

    def _repr_html_(self) -> str:
        caption = f"Each group of {self.factor} predicted from the others (higher is better)"
        return output(
            html_table(self.header, self.cells(), caption),
            *(paragraph(line) for line in (*self.legend, self.text)),
        )


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.2f}"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One model: its name and outcome, its engine, and how to leave out each group of a factor."""

    name: str
    outcome: str
    engine: Any
    factor: str
    without: Callable[[], LeftOutGroups]


def model_names(
    models: Sequence[tuple[str, str, Priors]], names: Sequence[str] | None
) -> list[str]:
    """What each model is called, no two alike: its formula, and where that is not enough more.

    Parameters
    ----------
    models : sequence of (str, str, Priors)
        Formula, family and priors of each.
    names : sequence of str, optional
        What they are called instead.

    Raises
    ------
    ArgumentError
        If there are not so many different names.
    """
    if names is not None:
        if len(set(names)) != len(models) or len(names) != len(models):
            raise ArgumentError(
                f"names must be {len(models)} different names, one a fit; received {list(names)}"
            )
        return [str(name) for name in names]
    formulas = Counter(formula for formula, _, _ in models)
    called = [
        formula if formulas[formula] == 1 else f"{formula} ({family}, tau ~ {priors.tau})"
        for formula, family, priors in models
    ]
    often = Counter(called)
    return [f"{name} #{i}" if often[name] > 1 else name for i, name in enumerate(called, start=1)]


def compared(models: Sequence[Scored]) -> ModelComparison:
    """Compare models of the same data.

    Raises
    ------
    ArgumentError
        If their outcomes, rows or groups differ, or a group's log density is not known.
    """
    first = models[0]
    places = [_same_groups(first, other) for other in models]
    left_out = [m.without() for m in models]
    score = np.stack([of.log_density[at] for of, at in zip(left_out, places, strict=True)], axis=1)
    _refuse_unknown(models, left_out[0], score)
    total = score.sum(axis=0)
    order = np.argsort(-total, kind="stable")
    gap = score - score[:, order[:1]]
    names = as_labels([m.name for m in models])
    size = len(score)
    table = Table(
        model=names,
        elpd=total,
        elpd_error=np.array([of.error.sum() for of in left_out]),
        se=math.sqrt(size) * score.std(axis=0, ddof=1),
        difference=gap.sum(axis=0),
        difference_se=math.sqrt(size) * gap.std(axis=0, ddof=1),
        weight=stacking_weights(score),
        log_marginal_likelihood=np.array([_log_marginal(m.engine) for m in models]),
    )
    pointwise = {"group": left_out[0].labels}
    pointwise |= {name: score[:, k] for k, name in enumerate(names.tolist())}
    return ModelComparison(
        Table({k: v[order] for k, v in table.items()}), Table(pointwise), first.factor
    )


def stacking_weights(log_density: Floats) -> Floats:
    """Weights of the mixture of models with the highest log score.

        max over w >= 0, sum w = 1 of  sum_j log sum_k w_k exp(l_jk),

    a concave problem. Source: Yao, Vehtari, Simpson and Gelman (2018), doi:10.1214/17-BA1091.

    Parameters
    ----------
    log_density : ndarray, shape (J, K)

    Returns
    -------
    ndarray, shape (K,)
    """
    p = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    models = p.shape[1]
    if models == 1:
        return np.ones(1)
    optimum = optimize.minimize(
        lambda w: -float(np.log(p @ w).mean()),
        np.full(models, 1.0 / models),
        jac=lambda w: -(p / (p @ w)[:, None]).mean(axis=0),
        method="SLSQP",
        bounds=[(1e-12, 1.0)] * models,  # a weight of exactly 0 could leave a group impossible
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    w = np.where(optimum.x > 1e-8, optimum.x, 0.0)
    return np.asarray(w / w.sum())


def _log_marginal(engine: Any) -> float:
    try:
        return float(engine.log_marginal_likelihood())
    except (ArgumentError, PriorError):
        return math.nan


# the same data --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """What must be the same in every model: labels, rows and own value of each group."""

    labels: AnyArray
    n: Ints
    value: Floats
    counts: bool


def _groups(m: Scored) -> _Groups:
    s, term = m.engine.statistics, next(t for t in m.engine.terms if t.factor == m.factor)
    rows, value = s.rows_by_group(term.block), s.outcome_by_group(term.block)
    return _Groups(term.labels, rows, value, s.counts)


def _same_groups(first: Scored, other: Scored) -> Ints:
    """Positions of the first model's groups in the other.

    Raises
    ------
    ArgumentError
        If outcome, rows or groups are not the same.
    """
    if first.factor != other.factor:
        factors = f"{first.factor} and {other.factor}"
        raise _unlike(first, other, f"leave out groups of different columns, {factors}")
    if first.outcome != other.outcome:
        outcomes = f"{first.outcome} and {other.outcome}"
        how = f"have different outcomes, {outcomes}, whose densities are in different units"
        raise _unlike(first, other, how)
    of_first, of_other = _groups(first), _groups(other)
    if of_first.counts != of_other.counts:
        raise _unlike(first, other, "are of measurements (densities) and of counts (probabilities)")
    places = {str(label): i for i, label in enumerate(of_other.labels.tolist())}
    labels = [str(label) for label in of_first.labels.tolist()]
    if set(places) != set(labels):
        odd = min(set(places) ^ set(labels))
        raise _unlike(first, other, f'do not have the same groups ("{odd}" is in one only)')
    at = np.array([places[label] for label in labels], dtype=np.intp)
    if not np.array_equal(of_first.n, of_other.n[at]):
        rows = f"{int(of_first.n.sum()):,} and {int(of_other.n.sum()):,} rows"
        how = f"do not use the same rows ({rows}): leave rows with missing values out of the data"
        raise _unlike(first, other, how)
    apart = np.abs(of_first.value - of_other.value[at])
    size = np.abs(of_first.value).max(initial=1e-300)
    if np.nanmax(apart, initial=0.0) > SAME_SHARE * size:
        raise _unlike(first, other, "do not have the same values of the outcome, offsets taken off")
    return at


def _unlike(first: Scored, other: Scored, how: str) -> ArgumentError:
    return ArgumentError(
        f"models are compared on the same data only: {first.name} and {other.name} {how}"
    )


def _refuse_unknown(models: Sequence[Scored], first: LeftOutGroups, score: Floats) -> None:
    for k, m in enumerate(models):
        unknown = np.flatnonzero(~np.isfinite(score[:, k]))
        if len(unknown):
            label = printable(first.labels.tolist()[unknown[0]])
            raise ArgumentError(
                f"{m.name} cannot be scored: without {len(unknown)} of the groups (the first is "
                f'"{label}") the others say nothing of some coefficient, or too few points are '
                "left; give the coefficients proper priors, or ask for more with accuracy="
            )


# in words -------------------------------------------------------------------------------------


def _sentences(of: ModelComparison, names: Sequence[str]) -> list[str]:
    rows = list(of.table.rows())
    if len(rows) == 1:
        return ["There is one model only: nothing to compare it with."]
    gap, se = -rows[1]["difference"], rows[1]["difference_se"]
    said = [f"{names[0]} predicts groups best, by {gap:.2f} (se {se:.2f}) over {names[1]}."]
    error = rows[0]["elpd_error"] + rows[1]["elpd_error"]
    if error > max(0.1 * gap, 0.01):
        said.append(f"The difference itself is computed to {error:.2g}.")
    if gap < 2.0 * se:
        said.append("The difference is within 2 se: the data cannot tell them apart.")
    elif gap < SMALL_DIFFERENCE:
        said.append(f"So small a difference (below {SMALL_DIFFERENCE:g}) hardly matters.")
    groups = of.pointwise.n_rows
    if groups < FEW_GROUPS:
        said.append(
            f"With {groups} groups the standard errors are rough, and more often too small than "
            "too large."
        )
    used = [(n, r["weight"]) for n, r in zip(names, rows, strict=True) if r["weight"] > USED_WEIGHT]
    if len(used) > 1:
        parts = ", ".join(f"{weight:.2f} {name}" for name, weight in used)
        said.append(f"Averaged predictions score best with the weights {parts}.")
    return said
