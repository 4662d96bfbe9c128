"""`partialpool influence`: the fit without each group."""

from __future__ import annotations

from dataclasses import dataclass

from partialpool.cli.common import (
    ModelOptions,
    check_outputs,
    fitted_as_asked,
    hand_out,
    print_table,
    waiting,
    wide_console,
)
from partialpool.words import summary


@dataclass(frozen=True, slots=True)
class InfluenceOptions(ModelOptions):
    """What was asked for; see the command's help."""

    factor: str | None
    top: int | None


def run(options: InfluenceOptions) -> None:
    """Fit, leave out each group and print what moves."""
    check_outputs(options)
    fit = fitted_as_asked(options)
    with waiting("leaving out each group"):
        result = fit.influence(factor=options.factor)
    if hand_out(result.table, options, "groups", "groups", fit.formula):
        return
    from rich.text import Text

    console = wide_console(110)
    console.print(Text(summary.headline(fit._engine, fit.formula), style="bold"))
    print_table(console, result.header, result.cells()[: options.top])
    lines = (
        "elpd: log density of a group's rows given the others'; then each parameter without the",
        "group, in brackets its shift in posterior sds. The groups that move most come first.",
    )
    for line in lines:
        console.print(Text(line, style="dim"))
    console.print(Text(result.text))
