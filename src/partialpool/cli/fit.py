"""`partialpool fit`: from options to a table, JSON, CSV or a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from partialpool import charts, report
from partialpool._typing import Ints
from partialpool.charts.save import checked
from partialpool.cli.common import fitted, print_csv, print_table, source, waiting, wide_console
from partialpool.data import Table
from partialpool.data.files import write_table
from partialpool.errors import ArgumentError
from partialpool.fitted import Fit, Method
from partialpool.kept_statistics import explain
from partialpool.posterior.distributions import IntervalKind
from partialpool.words import formatting, summary
from partialpool.words.advice import recommendation

SHOWN_GROUPS = 50


@dataclass(frozen=True, slots=True)
class FitOptions:
    """What was asked for; see the command's help."""

    data: str
    formula: str | None
    priors: tuple[str, ...]
    method: Method
    quadrature: int | None
    accuracy: float | None
    family: str | None
    event: str | None
    interval: float
    hdi: bool
    profile: bool
    sort: str | None
    top: int | None
    as_json: bool
    as_csv: bool
    out: str | None
    plot: str | None
    report: str | None
    explain: bool
    debug: bool

    @property
    def kind(self) -> IntervalKind:
        """The kind of interval asked for."""
        return "highest-density" if self.hdi else "equal-tailed"


def run(options: FitOptions) -> None:
    """Fit and print."""
    if options.profile and options.method == "posterior":
        raise ArgumentError(
            "--profile goes with --method reml or ml; a posterior has intervals of every parameter"
        )
    if options.as_json and options.as_csv:
        raise ArgumentError("--json and --csv both print to standard output; give one")
    if options.plot:
        checked(options.plot)
    if options.report:
        report.checked(options.report)
    if options.explain:
        chosen = source(options.data, options.formula, options.family)
        with chosen as (data, formula, family):
            click.echo(explain(formula, data, family=family))
        return
    found = fitted(
        options.data,
        options.formula,
        options.priors,
        method=options.method,
        family=options.family,
        event=options.event,
        quadrature=options.quadrature,
        accuracy=options.accuracy,
    )
    kind = options.kind
    with waiting("computing the tables"):
        groups = found.group_table(options.interval, kind)
    order = _order(groups, options)
    table = Table({k: v[order] for k, v in groups.items()})
    with waiting("writing files"):
        written = _write(found, table, options)
    if options.as_json:
        result = found.to_dict(level=options.interval, kind=kind, groups=table)
        if options.profile:
            result["profile"] = formatting.plain_rows(found.profile_table(options.interval))
        click.echo(json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False))
    elif options.as_csv:
        print_csv(table)
    else:
        _print_tables(found, groups, table, options)
    for sentence in written:
        click.echo(sentence, err=True)


def _write(found: Fit, table: Table, options: FitOptions) -> list[str]:
    """Write the files that were asked for, and say which."""
    written = []
    if options.out:
        write_table(table, options.out)
        written.append(f"wrote {table.n_rows:,} groups to {options.out}")
    if options.plot:
        charts.save(_chart(found, options), options.plot)
        written.append(f"drew {options.plot}")
    if options.report:
        found.report(options.report, level=options.interval)
        written.append(f"wrote {options.report}")
    return written


def _chart(found: Fit, options: FitOptions) -> Any:
    """Own and pooled estimates; of a mixed model, the first effect of the first term."""
    return found.plot.first(level=options.interval, kind=options.kind)


def _order(groups: Table, options: FitOptions) -> Ints:
    """Indices of the groups to show, in order: labels upward, numbers downward."""
    order = np.arange(groups.n_rows)
    if options.sort and options.sort != "group":
        order = np.argsort(-groups[options.sort].astype(float), kind="stable")
    return order[: options.top].astype(np.intp, copy=False)


def _print_groups(console: Any, shown: Table, every: Table, factor: str) -> None:
    """The table of groups; factor and term are left out where there is one only."""
    cells = formatting.group_cells(shown)
    told = [k for k in shown if k not in ("factor", "term") or len(set(every[k].tolist())) > 1]
    header = list(told) if "factor" in told else [factor if k == "group" else k for k in told]
    places = [list(shown).index(k) for k in told]
    texts = len({"factor", "group", "term"} & set(told))
    print_table(console, header, [[row[i] for i in places] for row in cells], texts=texts)


def _print_tables(found: Fit, every: Table, groups: Table, options: FitOptions) -> None:
    from rich.text import Text

    console = wide_console(100)
    kind = options.kind
    parameters = found.parameter_table(options.interval, kind)
    console.print(Text(summary.headline(found._engine, found.formula), style="bold"))
    console.print(Text(summary.prior_line(found._engine), style="dim"))
    header = ["parameter", *list(parameters)[1:]]
    print_table(console, header, formatting.parameter_cells(parameters))
    if options.profile:
        ends = found.profile_table(options.interval)
        console.print(Text("profile-likelihood intervals", style="dim"))
        print_table(console, list(ends), formatting.profile_cells(ends))
    pooling = summary.pooling_line(found._engine, options.interval, kind)
    console.print(Text(f"{pooling} {recommendation(found._engine)}"))
    console.print()
    limit = options.top or SHOWN_GROUPS
    shown = Table({k: v[:limit] for k, v in groups.items()})
    _print_groups(console, shown, every, found.factor)
    if shown.n_rows < every.n_rows:
        what = "effects of groups" if "term" in every else "groups"
        more = f"{shown.n_rows:,} of {every.n_rows:,} {what}"
        more += "" if options.top else "; all of them: --csv, --json or --out FILE"
        console.print(Text(more, style="dim"))
    percent = f"{100 * options.interval:g}%"
    console.print(Text(f"lower and upper: {percent} {kind} interval", style="dim"))
    for notice in found.notices:
        mark, style = ("!", "bold yellow") if notice.level == "warning" else ("-", "cyan")
        console.print(Text.assemble((f"{mark} ", style), notice.text))
