"""`partialpool compare`: the poolings side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from partialpool._table import Table
from partialpool.cli.common import (
    ModelOptions,
    check_outputs,
    fitted_as_asked,
    print_csv,
    print_table,
    waiting,
    wide_console,
    written,
)
from partialpool.fitted import Fit
from partialpool.words import formatting, summary
from partialpool.words.coefficients import MixedComparison
from partialpool.words.comparison import Comparison
from partialpool.words.meta_analysis import MetaAnalysis, heterogeneity_line

HEADER = [
    "coefficient", "complete", "se", "robust se", "fixed", "se", "hierarchical", "sd",
]  # fmt: skip
"""What the columns of `MixedComparison.coefficients` are called in the terminal."""


@dataclass(frozen=True, slots=True)
class CompareOptions(ModelOptions):
    """What was asked for; see the command's help."""

    estimators: tuple[str, ...]
    top: int | None


def run(options: CompareOptions) -> None:
    """Compare and print."""
    fit = fitted_as_asked(options)
    check_outputs(options)
    with waiting("comparing"):
        result = fit.compare(*options.estimators)
    if isinstance(result, MixedComparison):
        _show_coefficients(fit, result, options)
    else:
        _show_groups(fit, result, options)


def _show_coefficients(fit: Fit, result: MixedComparison, options: CompareOptions) -> None:
    rows = formatting.plain_rows(result.coefficients)
    written(result.coefficients, options.out, "coefficients")
    if options.as_csv:
        print_csv(result.coefficients)
        return
    if options.as_json:
        content = {"coefficients": rows, "text": result.text, **_meta_json(result.meta_analysis)}
        _print_json({"formula": fit.formula, **content})
        return
    from rich.text import Text

    console = wide_console(110)
    console.print(Text(summary.headline(fit._engine, fit.formula), style="bold"))
    print_table(console, HEADER, formatting.coefficient_cells(result.coefficients))
    console.print(Text(result.text, style="dim"))
    _show_meta_analysis(console, result.meta_analysis)


def _show_groups(fit: Fit, result: Comparison, options: CompareOptions) -> None:
    groups = Table({k: v[: options.top] for k, v in result.groups.items()})
    written(groups, options.out, "groups")
    if options.as_csv:
        print_csv(groups)
        return
    if options.as_json:
        scores = formatting.plain_rows(result.scores)
        groups_and_scores = {"groups": formatting.plain_rows(groups), "scores": scores}
        _print_json(
            {"formula": fit.formula, **groups_and_scores, **_meta_json(result.meta_analysis)}
        )
        return
    from rich.text import Text

    console = wide_console(110)
    spread = float(np.ptp(groups["partial_pooling"])) / 4 or 1.0
    header = [fit.factor, *list(groups)[1:]]
    console.print(Text(summary.headline(fit._engine, fit.formula), style="bold"))
    print_table(console, header, formatting.estimate_cells(groups, spread))
    print_table(console, list(result.scores), formatting.score_cells(result.scores))
    lines = (
        "log_score: log density of a group given the others, higher is better; group_rmse: error",
        "of predicting a group's mean from the others; row_rmse: of a row from all other rows.",
    )
    for line in lines:
        console.print(Text(line, style="dim"))
    _show_meta_analysis(console, result.meta_analysis)


def _show_meta_analysis(console: Any, of: MetaAnalysis | None) -> None:
    """Q, I^2 and the pooled effects by the classics."""
    if of is None:
        return
    console.print()
    console.print(heterogeneity_line(of), markup=False)
    names = {"hartung_se": "se (KH)", "hartung_lower": "lower (KH)", "hartung_upper": "upper (KH)",
             "prediction_lower": "new from", "prediction_upper": "to"}  # fmt: skip
    header = [names.get(k, k) for k in of.pooled]
    print_table(console, header, formatting.pooled_cells(of.pooled), texts=2)
    last = "; new from and to: effect in a new study" if "prediction_upper" in of.pooled else ""
    console.print(f"95% intervals; KH: by Knapp and Hartung{last}.", style="dim")


def _meta_json(of: MetaAnalysis | None) -> dict[str, Any]:
    if of is None:
        return {}
    (heterogeneity,) = formatting.plain_rows(of.heterogeneity)
    return {"heterogeneity": heterogeneity, "pooled": formatting.plain_rows(of.pooled)}


def _print_json(result: dict[str, Any]) -> None:
    click.echo(json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False))
