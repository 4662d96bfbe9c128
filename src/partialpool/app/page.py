"""The page: native controls with labels and help, places for charts, text and tables.

Everything that changes is filled in by `www/app.js` from what the server sends; the names of
places here are the names in those payloads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from typing import Any

from htmltools import HTML, Tag, TagList, tags
from shiny import ui
from starlette.requests import Request

from partialpool.app import controls
from partialpool.app.controls import HELD
from partialpool.app.exercises import EXERCISES
from partialpool.app.results import PLACES
from partialpool.app.settings import LARGEST_UPLOAD, held_controls, of, settings
from partialpool.app.state import Simulation

DEPENDENCIES = "<meta name=dependencies>"
"""Where Shiny puts its scripts."""
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Ccircle cx='5' cy='8' r='4' fill='none' stroke='%23D55E00' stroke-width='2'/%3E"
    "%3Cpath d='M12 4l3 4-3 4-3-4z' fill='%230072B2'/%3E%3C/svg%3E"
)


def page(file_name: str | None) -> Callable[[Request], Any]:
    """Return the page as a function of the request: its query sets the controls."""

    def for_request(request: Request) -> Any:
        query = request.query_params
        state = Simulation.read(query)
        start = "simulate" if file_name is None else "file"
        source = controls.SOURCE.read(query.get("source", start))
        tau = HELD.read(query["held_tau"]) if "held_tau" in query else None
        found = _document(state, source, query.get("dataset", ""), tau, file_name)
        return ui.page_html(f"<!doctype html>\n{found}", deps_replace_pattern=DEPENDENCIES)

    return for_request


def _document(
    state: Simulation, source: str, dataset: str, tau: float | None, file_name: str | None
) -> Tag:
    www = resources.files("partialpool.app") / "www"
    style, script = ((www / n).read_text(encoding="utf-8") for n in ("app.css", "app.js"))
    return tags.html(
        tags.head(
            tags.title("partialpool"),
            tags.meta(charset="utf-8"),
            tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
            tags.meta(name="color-scheme", content="light dark"),
            tags.link(rel="icon", href=ICON),
            HTML(DEPENDENCIES),
            tags.style(HTML(style)),
        ),
        tags.body(
            tags.a("Skip to the picture", href="#picture", class_="skip"),
            tags.p(
                "The connection was lost: reload the page to go on.",
                id="lost",
                role="alert",
                hidden="",
            ),
            _header(source),
            tags.main(
                settings(state, dataset, file_name),
                _picture(tau),
                _words(),
                class_="layout",
            ),
            tags.footer(
                "partialpool: exact posteriors by quadrature, the same digits every time. "
                "Nothing is loaded from elsewhere; an uploaded file stays on this server and is "
                "removed when the page is closed."
            ),
            _payloads(),
            tags.script(src="charts.js", defer=""),
            tags.script(HTML(script)),
            data_source=source,
            data_limit=str(LARGEST_UPLOAD),
        ),
        lang="en",
    )


def _header(source: str) -> Tag:
    return tags.header(
        tags.h1("partialpool", tags.span(" honest estimates for many groups", class_="tagline")),
        tags.div(
            *(
                tags.label(
                    tags.input(
                        type="radio",
                        name="source",
                        value=value,
                        checked="" if value == source else None,
                    ),
                    tags.span(label),
                )
                for value, label in controls.SOURCE.options
            ),
            id="source",
            class_="pp-input tabs",
            role="radiogroup",
            aria_label=controls.SOURCE.label,
        ),
        tags.button("Dark", id="theme", type="button", class_="quiet", aria_pressed="false"),
    )


def _picture(tau: float | None) -> Tag:
    exercises = (
        tags.button(
            e.title,
            type="button",
            class_="chip",
            data_name=e.name,
            data_set=_json({k: v for k, v in asdict(e.state).items() if k != "seed"}),
        )
        for e in EXERCISES
    )
    return tags.section(
        of(
            "simulate",
            tags.div(
                *exercises, id="exercises", class_="chips", role="group", aria_label="Exercises"
            ),
            tags.div(
                tags.p(data_text="claim"), tags.p(data_text="verdict", class_="verdict"),
                class_="claim", aria_live="polite",
            ),
        ),
        of(
            "file",
            _welcome(),
            tags.details(
                tags.summary("Columns of the file"),
                tags.div(data_table="columns", class_="wide"),
                id="columns",
                open="",
                hidden="",
            ),
        ),
        _chart("shrinkage"),
        tags.div(
            tags.label("Weight of group ", tags.select(id="focus"), for_="focus"),
            tags.output(id="weight", for_="focus"),
            tags.p(data_text="weight_how", class_="help"),
            class_="formula",
            hidden="",
        ),
        _chart("tau", "tau_marks"),
        of(
            "classic file",
            held_controls(tau),
            _chart("trace", "trace", "trace_marks"),
            *(_chart(place) for place in PLACES if place.startswith("more")),
        ),
        id="picture",
        tabindex="-1",
        aria_label="Picture",
    )  # fmt: skip


STEPS = (
    "Choose a file: it stays on this server and is removed when the page is closed.",
    "Say which columns hold what; a guess is made from their names.",
    "Press Fit: estimates of all groups appear here, with a table, words and a report.",
)
EXAMPLES = (
    ("rows", ("school", "score"), ("Ashford", "71"), ("Ashford", "64")),
    ("estimates", ("site", "effect", "se"), ("A", "0.28", "0.10"), ("B", "0.09", "0.20")),
    ("summaries", ("clinic", "n", "mean", "sd"), ("1", "57", "115.8", "11.7"),
     ("2", "24", "119.3", "10.7")),
    ("proportions", ("segment", "visits", "bought"), ("north", "819", "151"),
     ("south", "185", "37")),
    ("counts", ("site", "hours", "birds"), ("marsh", "3.6", "11"), ("wood", "4.6", "6")),
)  # fmt: skip
"""What files can look like: a kind, a header and two rows."""


def _welcome() -> Tag:
    """What is to be done, where there is no result yet."""
    examples = (
        tags.table(
            tags.caption(kind),
            tags.thead(tags.tr(*(tags.th(name, scope="col") for name in head))),
            tags.tbody(*(tags.tr(*(tags.td(cell) for cell in row)) for row in rows)),
        )
        for kind, head, *rows in EXAMPLES
    )
    return tags.div(
        tags.ol(*(tags.li(step) for step in STEPS)),
        tags.p("A file can hold any of these; with predictors, and groups within groups:"),
        tags.div(*examples, class_="examples"),
        class_="welcome",
    )


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def _chart(name: str, *tables: str) -> Tag:
    """A place for a chart, hidden while there is none, with its numbers as tables."""
    return tags.figure(
        tags.figcaption(tags.h2(data_title=name), tags.p(data_caption=name, class_="help")),
        tags.div(
            tags.div(aria_hidden="true"),
            data_chart=name,
            class_="chart",
            role="img",
            aria_label=f"Chart: {name}",
        ),
        *(
            tags.details(
                tags.summary("The chart as a table"),
                *(tags.div(data_table=table, class_="wide") for table in tables),
            )
            for _ in tables[:1]
        ),
        hidden="",
    )


def _words() -> Tag:
    simulated = (
        _chart("errors", "errors"),
        tags.h2("In words"),
        tags.p(data_text="here"),
        tags.p(data_text="wins"),
        tags.p(data_text="expected", aria_live="polite"),
        tags.h2("Do 95% intervals cover?"),
        _meter("coverage_posterior", "Full posterior"),
        _meter("coverage_naive", "Plug-in (method of moments)"),
        tags.p("Share of true values inside the intervals, over many worlds.", class_="help"),
    )
    fitted = (
        tags.h2("In words"),
        tags.p(data_text="headline"),
        tags.p(data_text="pooling"),
        tags.p(data_text="advice"),
        tags.p(data_text="held"),
        tags.p(data_text="errors_here"),
        tags.ul(data_notices="", class_="notices"),
        tags.p(data_text="priors", class_="help"),
        tags.div(data_table="parameters", class_="wide"),
    )
    return tags.section(
        of("simulate", *simulated),
        of("classic file", *fitted),
        tags.details(
            tags.summary("Table of the groups"),
            tags.div(data_table="groups", class_="wide"),
            id="groups-table",
        ),
        tags.details(
            tags.summary("Copy, save, share"),
            tags.p(
                "The address of this page holds its state. ",
                tags.button("Copy link", type="button", class_="quiet", data_copy="link"),
                class_="for for-simulate for-classic",
            ),
            tags.h3("Python"),
            tags.pre(tags.code(data_text="python"), tabindex="0"),
            tags.button("Copy as Python", type="button", class_="quiet", data_copy="python"),
            tags.h3("Command"),
            tags.pre(tags.code(data_text="command"), tabindex="0"),
            tags.button("Copy as command", type="button", class_="quiet", data_copy="command"),
            tags.h3("Download"),
            tags.p("Results and report", class_="help"),
            tags.div(*(_download(k) for k in DOWNLOADS if k not in PICTURES), class_="buttons"),
            tags.label("One chart", for_="chart", class_="help"),
            tags.select(id="chart", class_="pp-input"),
            tags.div(*(_download(k) for k in PICTURES), class_="buttons"),
        ),
        class_="words",
        aria_label="Results",
    )


PICTURES = ("svg", "png")
DOWNLOADS = {
    "csv": "CSV",
    "parquet": "Parquet",
    "json": "JSON",
    "svg": "SVG",
    "png": "PNG",
    "html": "HTML report",
}


def _download(kind: str) -> Tag:
    return tags.a(
        DOWNLOADS[kind],
        id=f"download_{kind}",
        href="",
        target="_blank",
        download="",
        class_="shiny-download-link button",
    )


def _meter(name: str, label: str) -> Tag:
    return tags.div(
        tags.label(label, for_=name),
        tags.meter(id=name, min="0.4", max="1", low="0.9", optimum="0.95", data_meter=name),
        tags.output(for_=name, data_meter_text=name),
        class_="meter",
    )


PAYLOADS = ("live", "settled", "about", "result", "scrub", "upload_state", "fit_state")
"""The outputs of the server; each brings what is to be filled in on the page."""


def _payloads() -> TagList:
    return TagList(*(tags.div(id=name, class_="pp-payload") for name in PAYLOADS))
