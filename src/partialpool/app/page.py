"""The page: native controls with labels and help, places for charts, text and tables.

Everything that changes is filled in by `www/app.js` from what the server sends; the names of
places here are the names in those payloads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from importlib import resources
from typing import Any

from htmltools import HTML, Tag, TagList, tags
from shiny import ui
from starlette.requests import Request

from partialpool import datasets
from partialpool.app import controls
from partialpool.app.controls import HELD
from partialpool.app.exercises import EXERCISES
from partialpool.app.state import Simulation

DEPENDENCIES = "<meta name=dependencies>"
"""Where Shiny puts its scripts."""
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Ccircle cx='5' cy='8' r='4' fill='none' stroke='%23D55E00' stroke-width='2'/%3E"
    "%3Cpath d='M12 4l3 4-3 4-3-4z' fill='%230072B2'/%3E%3C/svg%3E"
)
MEGABYTE = 2**20
LARGEST_UPLOAD = 200 * MEGABYTE


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
                _settings(state, dataset, tau, file_name),
                _picture(),
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


def _settings(state: Simulation, dataset: str, tau: float | None, file_name: str | None) -> Tag:
    return tags.section(
        _of("simulate", *_simulator_controls(state)),
        _of("classic", *_classic_controls(dataset)),
        _of("file", *_file_controls(file_name)),
        _of("classic file", *_held_controls(tau)),
        class_="settings",
        aria_label="Settings",
    )


def _of(sources: str, *content: Any) -> Tag:
    """Content shown for some sources only."""
    return tags.div(*content, class_="for " + " ".join(f"for-{s}" for s in sources.split()))


def _control(control: controls.Control, value: Any) -> Tag:
    help_id = f"{control.name}-help"
    common: dict[str, Any] = {"id": control.name, "aria_describedby": help_id}
    note = tags.p(control.help, id=help_id, class_="help")
    label: Any = tags.label(control.label, for_=control.name)
    if isinstance(control, controls.Switch):
        box = tags.input(
            type="checkbox", class_="pp-input", checked="" if value else None, **common
        )
        return tags.div(tags.div(box, label, class_="switch"), note, class_="control")
    if isinstance(control, controls.Choice):
        options = (
            tags.option(text, value=v, selected="" if v == value else None)
            for v, text in control.options
        )
        return tags.div(
            label, tags.select(*options, class_="pp-input", **common), note, class_="control"
        )
    field = tags.input(
        type="range" if control.slider else "number",
        min=f"{control.low:g}",
        max=f"{control.high:g}",
        step=f"{control.step:g}",
        value=f"{value:g}",
        class_="pp-input",
        **common,
    )
    if control.slider:
        label = tags.div(label, tags.output(f"{value:g}", for_=control.name), class_="labelled")
    return tags.div(label, field, note, class_="control")


def _simulator_controls(state: Simulation) -> list[Any]:
    values = asdict(state)
    shown = [_control(c, values[c.name]) for c in controls.SIMULATOR]
    draw = tags.button("New draw", id="new_draw", type="button", class_="main")
    first = {"groups", "n", "imbalance", "tau", "sigma"}
    split = [c.name in first for c in controls.SIMULATOR].index(False)
    return [
        draw,
        *shown[:split],
        tags.details(tags.summary("Population, estimator and seed"), *shown[split:], open=""),
    ]


def _classic_controls(dataset: str) -> list[Any]:
    names = [d.name for d in datasets.catalogue]
    chosen = dataset if dataset in names else names[0]
    control = controls.Choice(
        "dataset",
        "Data set",
        "Bundled with the library, each with its source.",
        tuple((d.name, f"{d.field}: {d.title}") for d in datasets.catalogue),
        names[0],
    )
    return [
        _control(control, chosen),
        tags.p(data_text="story"),
        tags.p(data_text="citation", class_="help"),
    ]


def _held_controls(tau: float | None) -> list[Any]:
    held = controls.Switch(
        "held", "Hold tau", "See the estimates as they would be if tau were known to be this."
    )
    slider = _control(replace(HELD, high=1.0, step=0.005), 0)
    if tau is not None:  # its range comes with the data
        for field in slider.children:
            if isinstance(field, Tag) and field.name == "input":
                field.attrs["data-start"] = f"{tau:g}"
    return [tags.div(_control(held, tau is not None), slider, class_="one-way")]


def _file_controls(file_name: str | None) -> list[Any]:
    megabytes = LARGEST_UPLOAD // MEGABYTE
    upload = tags.div(
        ui.input_file(
            "upload",
            f"CSV, TSV, Parquet or Excel, up to {megabytes} MB",
            accept=[".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq", ".xlsx", ".xlsm"],
            button_label="Choose a file",
            placeholder=file_name or "no file yet",
        ),
        class_="control",
    )
    return [
        upload,
        tags.p(data_text="file_message", class_="message", role="status"),
        tags.div(
            _control(controls.SHAPE, "rows"),
            _column("group", "Group column", "Names the school, hospital or player."),
            _column("outcome", "Outcome column", "The number to compare; events of counts."),
            _column("se", "Standard error column", "In the units of the outcome.", "estimates"),
            _column("count", "Column of n", "Rows behind each mean.", "summaries"),
            _column("sd", "Column of the sd", "With divisor n - 1.", "summaries"),
            _column("trials", "Trials column", "How many each could have been.", "proportions"),
            _column("exposure", "Exposure column", "Hours, area; empty if alike.", "counts"),
            _text("formula", "Formula", 'Such as "score ~ 1 + (1 | school)".', "formula"),
            tags.details(
                tags.summary("Advanced: priors"),
                _text(
                    "priors",
                    "Priors, one a line",
                    'Such as "tau ~ half_normal(5)"; empty for the default, flat on mu and tau.',
                    lines=3,
                ),
            ),
            tags.div(
                tags.button("Fit", id="go", type="button", class_="main pp-button"),
                tags.button(
                    "Cancel", id="cancel", type="button", class_="quiet pp-button", hidden=""
                ),
                class_="buttons",
            ),
            tags.progress(id="fitting", max="1", hidden="", aria_label="Progress of the fit"),
            tags.p(data_text="fit_message", class_="message", role="alert"),
            id="describe",
            hidden="",
        ),
        tags.div(data_table="columns", class_="wide"),
    ]


MEASURED = "rows estimates summaries proportions counts"
"""Kinds of data whose columns are chosen."""


def _column(name: str, label: str, note: str, shapes: str = MEASURED) -> Tag:
    found = _control(controls.Choice(name, label, note, (), ""), "")
    found.attrs["data-shapes"] = shapes
    return found


def _text(name: str, label: str, note: str, shapes: str = "", lines: int = 0) -> Tag:
    common: dict[str, Any] = {"id": name, "class_": "pp-input", "aria_describedby": f"{name}-help"}
    field = tags.textarea(rows=str(lines), **common) if lines else tags.input(type="text", **common)
    return tags.div(
        tags.label(label, for_=name),
        field,
        tags.p(note, id=f"{name}-help", class_="help"),
        class_="control",
        data_shapes=shapes or None,
    )


def _picture() -> Tag:
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
        _of(
            "simulate",
            tags.div(
                *exercises, id="exercises", class_="chips", role="group", aria_label="Exercises"
            ),
            tags.div(
                tags.p(data_text="claim"), tags.p(data_text="verdict", class_="verdict"),
                class_="claim", aria_live="polite",
            ),
        ),
        _chart("shrinkage"),
        _of(
            "simulate",
            tags.div(
                tags.label("Weight of group ", tags.select(id="focus"), for_="focus"),
                tags.output(id="weight", for_="focus"),
                tags.p(data_text="weight_how", class_="help"),
                class_="formula",
            ),
        ),
        _chart("tau"),
        _of("classic file", _chart("trace")),
        id="picture",
        tabindex="-1",
        aria_label="Picture",
    )  # fmt: skip


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def _chart(name: str) -> Tag:
    return tags.figure(
        tags.figcaption(tags.h2(data_title=name), tags.p(data_caption=name, class_="help")),
        tags.div(
            tags.div(aria_hidden="true"),
            data_chart=name,
            class_="chart",
            role="img",
            aria_label=f"Chart: {name}",
        ),
    )


def _words() -> Tag:
    simulated = (
        _chart("errors"),
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
        _of("simulate", *simulated),
        _of("classic file", *fitted),
        tags.details(
            tags.summary("Table of the groups"), tags.div(data_table="groups", class_="wide")
        ),
        _of(
            "simulate",
            tags.details(
                tags.summary("Table of errors"), tags.div(data_table="errors", class_="wide")
            ),
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
            tags.div(*(_download(k) for k in DOWNLOADS), class_="buttons"),
        ),
        class_="words",
        aria_label="Results",
    )


DOWNLOADS = {
    "csv": "CSV",
    "parquet": "Parquet",
    "json": "JSON",
    "svg": "SVG",
    "png": "PNG",
    "html": "HTML page",
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


PAYLOADS = ("live", "settled", "result", "scrub", "upload_state")
"""The outputs of the server; each brings what is to be filled in on the page."""


def _payloads() -> TagList:
    return TagList(*(tags.div(id=name, class_="pp-payload") for name in PAYLOADS))
