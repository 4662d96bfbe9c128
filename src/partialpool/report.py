"""One page about a fit that needs nothing else: the answer, charts, tables, notices and methods.

The page is one HTML file without scripts; it follows the reader's light or dark surroundings, and
its pages of tables open when it is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from partialpool._markup import paragraph, table
from partialpool._table import Table
from partialpool.charts import Plots
from partialpool.charts.ranks import of_table as chart_of_ranks
from partialpool.charts.save import named_apart, to_svg
from partialpool.design import Design
from partialpool.errors import ArgumentError
from partialpool.notices import Notice
from partialpool.posterior import Posterior
from partialpool.posterior.engine import INTERCEPT
from partialpool.records import Clusters
from partialpool.rows.read import as_table
from partialpool.rows.whole_files import moved_when_whole
from partialpool.words import answer, fit_tables, formatting, methods, summary
from partialpool.words.advice import recommendation
from partialpool.words.arrange import Arrangement
from partialpool.words.checks import check
from partialpool.words.influence import influence
from partialpool.words.meta_analysis import studies_of
from partialpool.words.ratios import TableScale
from partialpool.words.sensitivity import sensitivity

MOST_GROUPS = 1000
"""With more rows of groups only the first are listed."""
MOST_RANKED = 2000
"""Of more groups a report has no ranks: they take seconds, and none of so many is known."""
ROWS_A_PAGE = 50
"""Rows of one page of a table."""

STYLE = """
:root{color-scheme:light dark;--ink:#222;--faint:#555;--line:#ddd;--paper:#fff;--code:#f2f2f2}
@media (prefers-color-scheme:dark){:root{--ink:#e6e6e6;--faint:#b4b4b4;--line:#3a3f45;
--paper:#16191d;--code:#262b31}}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:var(--ink);background:var(--paper)}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.2rem;margin-top:2.2rem}
.about{color:var(--faint);overflow-wrap:anywhere}code{background:var(--code);padding:.1em .3em}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin-top:.5rem}
caption{text-align:left;color:var(--faint)}
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid var(--line)}
thead th{border-bottom:2px solid var(--line)}tbody th{font-weight:normal}
th.text,td.text{text-align:left}.wide{overflow-x:auto}
figure{margin:1.5rem 0;padding-left:1rem}svg{max-width:100%;height:auto;overflow:visible}
summary{cursor:pointer;color:var(--faint);margin-top:.8rem}
.warning{border-left:4px solid #D55E00;padding-left:.7rem}
.info{border-left:4px solid #0072B2;padding-left:.7rem}
.dark{display:none}
@media (prefers-color-scheme:dark){.both .dark{display:block}.both .light{display:none}}
@media print{
:root{--ink:#000;--faint:#333;--line:#bbb;--paper:#fff;--code:#f2f2f2}
body{font-size:10.5pt;max-width:none;margin:0;padding:0}
.both .dark{display:none}.both .light{display:block}
figure,tr,.warning,.info{break-inside:avoid}h2{break-after:avoid}
thead{display:table-header-group}.wide{overflow:visible}th,td{padding:.15rem .5rem}
summary{display:none}details::details-content{content-visibility:visible;block-size:auto}
svg{max-height:24cm}
@page{margin:1.6cm}}
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a report says.

    Parameters
    ----------
    question : str
        The title.
    answer : sequence of str
        Sentences that answer it: the highest and lowest groups, and what is sure.
    lines : sequence of str
        What was fitted, and how much is pooled: a paragraph each.
    methods : str
        A paragraph for a paper.
    parameters, groups : Table
        As `Fit.parameters` and `Fit.groups` give them.
    notices : sequence of Notice
    charts, dark_charts : sequence of altair.Chart
        The same for light and for dark surroundings; the first goes with the answer.
    foundations : sequence of str
        What the answer rests on: whether the model fits, and what other priors or single groups
        would change.
    """

    question: str
    answer: Sequence[str]
    lines: Sequence[str]
    methods: str
    parameters: Table
    groups: Table
    notices: Sequence[Notice]
    charts: Sequence[Any]
    dark_charts: Sequence[Any] = ()
    foundations: Sequence[str] = ()


def contents(
    post: Posterior,
    design: Design,
    notices: Sequence[Notice],
    clusters: Clusters | None,
    level: float,
    shown: Arrangement,
    *,
    drawn: bool,
    scale: TableScale,
) -> Contents:
    """What a report says of a fit, of the groups that are shown; `drawn` with charts or without."""
    engine: Any = post._engine
    every = fit_tables.group_table(post, level, "equal-tailed", scale)
    first = post._terms[0].factor
    groups, factor = shown.of(every, first), shown.factor or first
    of_first = Arrangement(factor=factor).of(every, first)
    term = shown.term or INTERCEPT
    if "term" in of_first:
        known = list(dict.fromkeys(of_first["term"].tolist()))
        term = term if term in known else str(known[0])
        of_first = Arrangement(term=term).of(of_first, first)
    ranks = None
    if of_first.n_rows <= MOST_RANKED and not engine.estimates_only:
        ranks = fit_tables.rank_table(post, factor, term, None, level=level)
    some = bool(shown.sort or shown.top or shown.groups) and "term" not in groups
    labels = groups["group"].tolist() if some else None
    charted = engine, ranks, (factor, term), level, labels, scale
    formula = design.roles.text
    exp = scale == "exp"
    return Contents(
        question=answer.question(engine.statistics),
        answer=_answer(post, of_first, ranks, factor, level),
        lines=(
            summary.headline(engine, formula),
            f"{summary.pooling_line(engine, level)} {recommendation(engine)}",
            *filter(None, [summary.new_group_line(engine, level, exp=exp)]),
        ),
        methods=methods.methods(engine, formula, level),
        parameters=fit_tables.parameter_table(
            post, level, "equal-tailed", "exp" if exp else "link"
        ),
        groups=groups,
        notices=notices,
        charts=_charts(*charted, dark=False) if drawn else (),
        dark_charts=_charts(*charted, dark=True) if drawn else (),
        foundations=_foundations(post, design, clusters),
    )


def _answer(
    post: Posterior, groups: Table, ranks: Table | None, factor: str, level: float
) -> tuple[str, ...]:
    """What is known of one effect of a factor, in sentences."""
    lines = answer.ends_of(groups, factor, level)
    if post._engine.estimates_only:
        return tuple(lines)
    standing = fit_tables.with_standing(post, groups, "average", level, "response")
    lines.append(answer.sure_of(standing, level))
    if ranks is not None:
        lines.append(answer.first_of(ranks, by_deviation="term" in groups))
    return tuple(lines)


def _charts(
    engine: Any,
    ranks: Table | None,
    effect: tuple[str, str],
    level: float,
    groups: list[Any] | None,
    scale: TableScale,
    *,
    dark: bool,
) -> tuple[Any, ...]:
    """The charts that say most, the forest and the ranks."""
    if engine.estimates_only:
        return ()
    plot = Plots(engine)
    how: dict[str, Any] = {"level": level, "dark": dark, "groups": groups}
    chosen = plot.telling(**how)
    if studies_of(engine.statistics) is not None:
        chosen.insert(1, plot.forest(**how, scale=scale))
    if ranks is not None:
        chosen.append(chart_of_ranks(ranks, *effect, 1, level, groups, dark=dark))
    return tuple(chosen)


def _foundations(post: Posterior, design: Design, clusters: Clusters | None) -> tuple[str, ...]:
    """What checks, other priors and single groups say, where that takes no second."""
    engine: Any = post._engine
    if len(post._terms[0].labels) > engine.groups_reported_on:
        return ()
    formula = design.roles.text
    said = [check(engine, formula, as_table, design).text]
    if engine.refits_for_priors:
        return tuple(said)
    with suppress(ArgumentError):  # of a population that is not normal
        said.append(sensitivity(engine, formula).text)
    with suppress(ArgumentError):  # of so few groups that the others leave no posterior
        said.append(influence(post, engine.without_each_group(clusters), formula).text)
    return tuple(said)


def page(c: Contents) -> str:
    """Return the report as an HTML page that fetches nothing."""
    figures = list(_figures(c))
    about, *pooling = c.lines
    parts = [
        paragraph(about, "about"),
        "<h2>Answer</h2>",
        *figures[:1],
        *(paragraph(line) for line in (*c.answer, *pooling)),
    ]
    if c.notices:
        parts.append("<h2>What to know</h2>")
        parts += [paragraph(n.text, n.level) for n in c.notices]
    if c.foundations:
        parts += ["<h2>What the answer rests on</h2>", *map(paragraph, c.foundations)]
    if figures[1:]:
        parts += ["<h2>Charts</h2>", *figures[1:]]
    cells = formatting.parameter_cells(c.parameters)
    parts += ["<h2>Tables</h2>", table(list(c.parameters), cells, "Parameters")]
    parts += _group_pages(c.groups)
    parts += ["<h2>Methods</h2>", paragraph(c.methods)]
    return _document(c.question, "".join(parts))


def _figures(c: Contents) -> Iterator[str]:
    """Every chart; for light and for dark surroundings, of which one is shown."""
    dark = [to_svg(chart) for chart in c.dark_charts] or [""] * len(c.charts)
    for k, (chart, other) in enumerate(zip(c.charts, dark, strict=True)):
        light = named_apart(to_svg(chart), f"l{k}-")
        if not other:
            yield f"<figure>{light}</figure>"
            continue
        other = named_apart(other, f"d{k}-")
        yield (
            f'<figure class="both"><div class="light">{light}</div>'
            f'<div class="dark" aria-hidden="true">{other}</div></figure>'
        )


def _group_pages(groups: Table) -> list[str]:
    """The table of groups in pages, of which the first is open."""
    shown = Table({k: v[:MOST_GROUPS] for k, v in groups.items()})
    what = "effects of groups" if "term" in groups else "groups"
    caption = f"{groups.n_rows:,} {what}"
    if shown.n_rows < groups.n_rows:
        caption = f"The first {shown.n_rows:,} of {caption}"
    head, rows, texts = formatting.telling_columns(shown)
    if len(rows) <= ROWS_A_PAGE:
        return [table(head, rows, caption, texts)]
    pages = [paragraph(caption)]
    for start in range(0, len(rows), ROWS_A_PAGE):
        part = rows[start : start + ROWS_A_PAGE]
        name = f"{start + 1:,} to {start + len(part):,}"
        opened = " open" if start == 0 else ""
        inside = table(head, part, f"Rows {name}", texts)
        pages.append(f"<details{opened}><summary>Rows {name}</summary>{inside}</details>")
    return pages


def _document(title: str, body: str) -> str:
    """A page that needs nothing else."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>\n<h1>{escape(title)}</h1>{body}\n</main></body></html>\n"
    )


def checked(path: str | Path) -> Path:
    """Return the path if a report can be written there.

    Raises
    ------
    ArgumentError
        If the ending is not .html, or there is no such folder.
    """
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f'"{target}": a report is an HTML file; let its name end in .html')
    if not target.parent.is_dir():
        raise ArgumentError(f'"{target}" cannot be written: there is no folder "{target.parent}"')
    return target


def write(contents: Contents, path: str | Path) -> None:
    """Write the report to a file."""
    target = checked(path)
    try:
        with moved_when_whole(str(target)) as aside:
            Path(aside).write_text(page(contents), encoding="utf-8")
    except OSError as error:
        why = error.strerror or error
        raise ArgumentError(f'"{target}" cannot be written: {why}') from error
