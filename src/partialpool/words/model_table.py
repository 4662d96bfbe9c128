"""Several models side by side, as papers print them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal, Protocol, get_args

from partialpool._markup import output, paragraph
from partialpool._markup import table as html_table
from partialpool._table import Table
from partialpool.design.labels import as_labels
from partialpool.errors import ArgumentError
from partialpool.posterior.distributions import check_level
from partialpool.records.cross_products import DISPERSION
from partialpool.words.formatting import aligned, number, printable
from partialpool.words.ratios import ParameterScale, middles

Spread = Literal["sd", "interval"]
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip

MARKDOWN = {"\\": "\\\\", "|": "\\|", "*": "\\*", "<": "&lt;", ">": "&gt;"}


class Fitted(Protocol):
    """What a table needs of a fit."""

    @property
    def formula(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def population(self) -> object: ...
    @property
    def statistics(self) -> Any: ...
    @property
    def computed_by(self) -> str: ...
    def parameter_table(
        self, level: float = ..., kind: Any = ..., scale: ParameterScale = ...
    ) -> Table: ...


@dataclass(frozen=True, slots=True, eq=False)
class ModelTable:
    """Models side by side: text when printed, and as Markdown, LaTeX, HTML or columns.

    Parameters
    ----------
    names : tuple of str
        Of the models.
    parameters, about : tuple of rows
        Each a name and a cell for each model: coefficients, standard deviations and correlations;
        and below them rows, groups, family and method.
    note : str
        What the cells are.
    """

    names: tuple[str, ...]
    parameters: tuple[tuple[str, ...], ...]
    about: tuple[tuple[str, ...], ...]
    note: str

    @property
    def rows(self) -> list[list[str]]:
        """All rows, a name and a cell for each model."""
        return [list(row) for row in (*self.parameters, *self.about)]

    def columns(self) -> Table:
        """The same as columns of text: parameter, and one a model."""
        cells = zip(*self.rows, strict=True)
        header = ["parameter", *self.names]
        return Table({k: as_labels(list(v)) for k, v in zip(header, cells, strict=True)})

    def __repr__(self) -> str:
        lines = aligned(["", *self.names], self.rows)
        rule = "-" * max(map(len, lines))
        body = [*lines[: 1 + len(self.parameters)], rule, *lines[1 + len(self.parameters) :]]
        return "\n".join([*body, rule, self.note])

    def _repr_html_(self) -> str:
        models = html_table(["parameter", *self.names], self.rows, "Models side by side")
        return output(models, paragraph(self.note))

    def to_markdown(self) -> str:
        """Return a table of Markdown, with the note below it."""

        def line(cells: Sequence[str]) -> str:
            safe = ("".join(MARKDOWN.get(c, c) for c in cell) for cell in cells)
            return f"| {' | '.join(safe)} |"

        head = [line(["", *self.names]), "|" + ":--|" + "--:|" * len(self.names)]
        return "\n".join([*head, *map(line, self.rows), "", self.note])

    def to_latex(self) -> str:
        r"""Return a ``tabular`` of LaTeX with the rules of the package booktabs."""

        def line(cells: Sequence[str]) -> str:
            return " & ".join(map(_latex, cells)) + r" \\"

        size = len(self.names) + 1
        return "\n".join(
            [
                rf"\begin{{tabular}}{{l{'r' * len(self.names)}}}",
                r"\toprule",
                line(["", *self.names]),
                r"\midrule",
                *map(line, self.parameters),
                r"\midrule",
                *map(line, self.about),
                r"\bottomrule",
                rf"\multicolumn{{{size}}}{{l}}{{\footnotesize {_latex(self.note)}}} \\",
                r"\end{tabular}",
            ]
        )

    def to_html(self) -> str:
        """Return a table of HTML."""

        def line(cells: Sequence[str]) -> str:
            first = f'<th scope="row">{escape(cells[0])}</th>'
            return f"<tr>{first}{''.join(f'<td>{escape(c)}</td>' for c in cells[1:])}</tr>"

        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("", *self.names))
        bodies = (f"<tbody>{''.join(map(line, rows))}</tbody>" for rows in
                  (self.parameters, self.about))  # fmt: skip
        note = f'<tr><td colspan="{len(self.names) + 1}">{escape(self.note)}</td></tr>'
        return (
            f"<table><thead><tr>{head}</tr></thead>{''.join(bodies)}<tfoot>{note}</tfoot></table>"
        )


def table(
    *fits: Fitted,
    names: Sequence[str] | None = None,
    spread: Spread = "sd",
    level: float = 0.95,
    scale: ParameterScale = "link",
) -> ModelTable:
    """Put the parameters of several models side by side.

    Parameters
    ----------
    *fits : Fit
        Of one outcome or several, by any method.
    names : sequence of str, optional
        Of the models; (1), (2), ... if not given.
    spread : {"sd", "interval"}
        What follows each estimate: its posterior sd (or standard error) in parentheses, or its
        interval in brackets.
    level : float
        Probability of the intervals.
    scale : {"link", "exp"}
        As of `Fit.parameters`; exp goes with ``spread="interval"``.

    Returns
    -------
    ModelTable
        Prints as text; ``.to_markdown()``, ``.to_latex()``, ``.to_html()``, ``.columns()``. A row
        for each coefficient, standard deviation and correlation, then rows, groups, family and
        method.

    Raises
    ------
    ArgumentError
        If there is no fit, something else is given, or names and fits differ in number.

    Examples
    --------
    >>> import partialpool as pp
    >>> bcg = pp.datasets.bcg()
    >>> pp.table(
    ...     pp.fit("log_rr | se(log_rr_se) ~ 1 + (1 | trial)", bcg),
    ...     pp.fit("log_rr | se(log_rr_se) ~ latitude + (1 | trial)", bcg),
    ... )
                              (1)               (2)
    Intercept        -0.72 (0.21)       0.24 (0.33)
    latitude                       -0.0287 (0.0093)
    tau[trial]        0.65 (0.19)       0.35 (0.17)
    -----------------------------------------------
    outcome                log_rr            log_rr
    rows                       13                13
    groups of trial            13                13
    family               gaussian          gaussian
    method              posterior         posterior
    -----------------------------------------------
    Posterior means with sds in parentheses.
    """
    if not fits:
        raise ArgumentError("table takes fits, one or more: pp.table(fit, other)")
    for fit in fits:
        if not hasattr(fit, "parameter_table"):
            raise ArgumentError(
                f"table takes fits, as pp.fit returns them, not {type(fit).__name__}"
            )
    if spread not in get_args(Spread):
        raise ArgumentError(f'spread is "sd" or "interval", not {spread!r}')
    if scale == "exp" and spread == "sd":
        raise ArgumentError('an sd is of logarithms: scale="exp" goes with spread="interval"')
    check_level(level)
    called = tuple(f"({i})" for i in range(1, len(fits) + 1)) if names is None else tuple(names)
    if len(called) != len(fits) or len(set(called)) < len(called):
        raise ArgumentError(f"names are one a fit and distinct: {len(fits)} fits, names {called}")
    cells = [_cells(fit, spread, level, scale) for fit in fits]
    about = [_about(fit) for fit in fits]
    return ModelTable(
        tuple(map(printable, called)), _side_by_side(cells), _side_by_side(about),
        _note(fits, spread, level),
    )  # fmt: skip


def _kind(name: str) -> int:
    """Order of kinds of parameters: coefficients of all models come first, sigma last."""
    return (
        3
        if name in ("sigma", DISPERSION)
        else 2
        if name.startswith("rho[")
        else int(name.startswith("tau["))
    )


def _side_by_side(models: list[dict[str, str]]) -> tuple[tuple[str, ...], ...]:
    """One row a name, in the order of the models and of kinds; empty where a model has none."""
    names = sorted(dict.fromkeys(name for cells in models for name in cells), key=_kind)
    return tuple((printable(name), *(cells.get(name, "") for cells in models)) for name in names)


def _cells(fit: Fitted, spread: Spread, level: float, scale: ParameterScale) -> dict[str, str]:
    parameters = fit.parameter_table(level, "equal-tailed", scale)
    estimates = parameters["estimate"] if scale == "exp" else middles(parameters)
    cells = {}
    for row, estimate in zip(parameters.rows(), estimates.tolist(), strict=True):
        low, high = row["lower"], row["upper"]
        sd = row.get("sd", math.nan)
        digits = sd if math.isfinite(sd) else (high - low) / 4
        cell = number(estimate, digits)
        if spread == "sd" and math.isfinite(sd):  # estimates of spreads have none
            cell += f" ({number(sd, digits)})"
        if spread == "interval" and not math.isnan(low):
            cell += f" [{number(low, digits)}, {number(high, digits)}]"
        cells[row["name"]] = cell
    return cells


def _about(fit: Fitted) -> dict[str, str]:
    s = fit.statistics
    return {
        "outcome": printable(s.outcome),
        "rows": f"{s.n_used:,}",
        **{f"groups of {factor}": f"{size:,}" for factor, size in s.group_counts.items()},
        "family": fit.family,
        **({} if fit.population == "normal" else {"population": str(fit.population)}),
        "method": fit.computed_by,
    }


def _note(fits: Sequence[Fitted], spread: Spread, level: float) -> str:
    posterior = [fit.computed_by == "posterior" for fit in fits]
    estimate = "Posterior means" if all(posterior) else "Estimates"
    if any(posterior) and not all(posterior):
        estimate = "Posterior means or estimates"
    if spread == "interval":
        return f"{estimate} with {100 * level:g}% intervals."
    sd = "sds" if all(posterior) else "standard errors"
    if any(posterior) and not all(posterior):
        sd = "sds or standard errors"
    return f"{estimate} with {sd} in parentheses."


def _latex(text: str) -> str:
    """Text for LaTeX; numbers have a minus sign."""
    safe = "".join(LATEX.get(c, c) for c in text)
    numeric = safe[:1] in "-0123456789(" or safe.startswith("[")
    return safe.replace("-", "$-$") if numeric else safe
