"""`partialpool fit`: from options to a table, JSON, CSV or a file."""

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
    checked_above,
    chosen_groups,
    fitted_as_asked,
    print_csv,
    print_table,
    source,
    waiting,
    wide_console,
)
from partialpool.errors import ArgumentError
from partialpool.fitted import Fit
from partialpool.kept_statistics import explain
from partialpool.posterior.distributions import IntervalKind
from partialpool.posterior.fit_engine import Method
from partialpool.rows.files import write_table
from partialpool.words import formatting, summary
from partialpool.words.advice import recommendation
from partialpool.words.arrange import Arrangement
from partialpool.words.ratios import TableScale

PRINTED_GROUPS = 50
"""Groups that the command prints unless --top or --output is given: two screens of a terminal."""
MOST_CHARTED = 60
"""Of more groups that are shown in some order the first and the last are drawn."""


@dataclass(frozen=True, slots=True)
class FitOptions(ModelOptions):
    """What was asked for; see the command's help."""

    method: Method
    quadrature: int | None
    interval: float
    hdi: bool
    profile: bool
    sort: str | None
    top: int | None
    factor: str | None
    term: str | None
    groups: str | None
    above: str | None
    exp: bool
    plot: str | None
    report: str | None
    explain: bool

    @property
    def kind(self) -> IntervalKind:
        """The kind of interval asked for."""
        return "highest-density" if self.hdi else "equal-tailed"

    @property
    def scale(self) -> TableScale:
        """The scale of the tables."""
        return "exp" if self.exp else "response"

    @property
    def arrangement(self) -> Arrangement:
        """Which groups are shown, and in which order."""
        groups = chosen_groups(self.groups)
        return Arrangement(self.sort, self.top, self.factor, self.term, groups)


def run(options: FitOptions) -> None:
    """Fit and print."""
    if options.profile and options.method == "posterior":
        raise ArgumentError(
            "--profile goes with --method reml or ml; a posterior has intervals of every parameter"
        )
    check_outputs(options)
    above = checked_above(options.above)
    _check_files(options)
    if options.explain:
        chosen = source(options.data, options.formula, options.family)
        with chosen as (data, formula, family):
            click.echo(explain(formula, data, family=family))
        return
    fit = fitted_as_asked(options, method=options.method, quadrature=options.quadrature)
    kind = options.kind
    with waiting("computing the tables"):
        groups = fit.group_table(options.interval, kind, options.scale)
        table = Arrangement(factor=options.factor, term=options.term).of(groups, fit.factor)
        if above is not None:
            table = fit.with_standing(table, above, options.interval, scale=options.scale)
    table = options.arrangement.of(table, fit.factor)
    with waiting("writing files"):
        written = _write(fit, table, options)
    if options.as_json:
        result = fit.to_dict(level=options.interval, kind=kind, groups=table, scale=options.scale)
        if options.profile:
            result["profile"] = formatting.plain_rows(fit.profile_table(options.interval))
        click.echo(json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False))
    elif options.as_csv:
        print_csv(table)
    else:
        _print_tables(fit, groups, table, options)
    for sentence in written:
        click.echo(sentence, err=True)


def _check_files(options: FitOptions) -> None:
    """Refuse a chart or a report that cannot be written before the fit takes its time."""
    if options.plot:
        from partialpool.charts.save import checked

        checked(options.plot)
    if options.report:
        from partialpool import report

        report.checked(options.report)


def _write(fit: Fit, table: Table, options: FitOptions) -> list[str]:
    """Write the files that were asked for, and say which."""
    written = []
    if options.out:
        write_table(table, options.out)
        written.append(f"wrote {table.n_rows:,} groups to {options.out}")
    if options.plot:
        from partialpool import charts

        charts.save(_chart(fit, table, options), options.plot)
        written.append(f"drew {options.plot}")
    if options.report:
        from partialpool import report

        contents = fit.report_contents(options.interval, options.arrangement, scale=options.scale)
        report.write(contents, options.report)
        written.append(f"wrote {options.report}")
    return written


def _chart(fit: Fit, table: Table, options: FitOptions) -> Any:
    """Own and pooled estimates; of a mixed model, the first effect of the first term shown."""
    factor, term = (str(table[k][0]) if k in table else None for k in ("factor", "term"))
    how: dict[str, Any] = {"level": options.interval, "kind": options.kind, "scale": options.scale}
    if options.sort is None and options.top is None and options.groups is None:
        return fit.plot.first(**how, factor=factor, term=term)
    shown = np.ones(table.n_rows, dtype=bool)
    if "term" in table:
        shown = (table["factor"] == factor) & (table["term"] == term)
    labels = table["group"][shown].tolist()
    if len(labels) > MOST_CHARTED:
        half = MOST_CHARTED // 2
        labels = [*labels[:half], *labels[-half:]]
    return fit.plot.first(**how, factor=factor, term=term, groups=labels)


def _print_groups(console: Any, shown: Table, factor: str, above: str | None) -> None:
    """The table of groups; factor and term are left out where there is one only."""
    cells = formatting.group_cells(shown)
    columns = [k for k in shown if k not in ("factor", "term") or len(set(shown[k].tolist())) > 1]
    header = (
        list(columns) if "factor" in columns else [factor if k == "group" else k for k in columns]
    )
    header = [f"P(above {above})" if k == "p_above" else k for k in header]
    places = [list(shown).index(k) for k in columns]
    texts = len({"factor", "group", "term"} & set(columns))
    print_table(console, header, [[row[i] for i in places] for row in cells], texts=texts)


def _print_tables(fit: Fit, every: Table, groups: Table, options: FitOptions) -> None:
    from rich.text import Text

    console = wide_console(100)
    kind = options.kind
    parameters = fit.parameter_table(options.interval, kind, "exp" if options.exp else "link")
    console.print(Text(summary.headline(fit._engine, fit.formula), style="bold"))
    console.print(Text(summary.prior_line(fit._engine), style="dim"))
    header = ["parameter", *list(parameters)[1:]]
    print_table(console, header, formatting.parameter_cells(parameters))
    if options.profile:
        ends = fit.profile_table(options.interval)
        console.print(Text("profile-likelihood intervals", style="dim"))
        print_table(console, list(ends), formatting.parameter_cells(ends))
    pooling = summary.pooling_line(fit._engine, options.interval, kind)
    console.print(Text(f"{pooling} {recommendation(fit._engine)}"))
    if new := summary.new_group_line(fit._engine, options.interval, kind, exp=options.exp):
        console.print(Text(new))
    console.print()
    limit = groups.n_rows if options.top else PRINTED_GROUPS
    shown = Table({k: v[:limit] for k, v in groups.items()})
    factor = str(shown["factor"][0]) if "factor" in shown else fit.factor
    _print_groups(console, shown, factor, options.above)
    if shown.n_rows < every.n_rows:
        what = "effects of groups" if "term" in every else "groups"
        more = f"{shown.n_rows:,} of {every.n_rows:,} {what}"
        more += "" if options.top else "; all of them: --csv, --json or --out FILE"
        console.print(Text(more, style="dim"))
    percent = f"{100 * options.interval:g}%"
    console.print(Text(f"lower and upper: {percent} {kind} interval", style="dim"))
    for notice in fit.notices:
        mark, style = ("!", "bold yellow") if notice.level == "warning" else ("-", "cyan")
        console.print(Text.assemble((f"{mark} ", style), notice.text))
