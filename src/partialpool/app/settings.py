"""The settings at the left of the page: native controls with labels and help."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from htmltools import Tag, tags
from shiny import ui

from partialpool import datasets
from partialpool.app import controls
from partialpool.app.controls import HELD
from partialpool.app.state import Simulation

MEGABYTE = 2**20
LARGEST_UPLOAD = 200 * MEGABYTE


def of(sources: str, *content: Any) -> Tag:
    """Content shown for some sources only."""
    return tags.div(*content, class_="for " + " ".join(f"for-{s}" for s in sources.split()))


def settings(state: Simulation, dataset: str, file_name: str | None) -> Tag:
    """The controls of all three sources; the page shows those of the one chosen."""
    return tags.section(
        of("simulate", *_simulator_controls(state)),
        of("classic", *_classic_controls(dataset)),
        of("file", *_file_controls(file_name)),
        class_="settings",
        aria_label="Settings",
    )


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
    explain = tags.button(
        "Explain the controls",
        id="explain",
        type="button",
        class_="quiet phone",
        aria_pressed="false",
    )
    first = {"groups", "n", "imbalance", "tau", "sigma"}
    split = [c.name in first for c in controls.SIMULATOR].index(False)
    return [
        draw,
        *shown[:split],
        tags.details(tags.summary("Population, estimator and seed"), *shown[split:], open=""),
        explain,
    ]


def _classic_controls(dataset: str) -> list[Any]:
    names = [d.name for d in datasets.catalogue]
    chosen = dataset if dataset in names else names[0]
    fields = dict.fromkeys(d.field for d in datasets.catalogue)
    groups = (
        tags.optgroup(
            *(
                tags.option(
                    d.name.replace("_", " ").capitalize(),
                    value=d.name,
                    selected="" if d.name == chosen else None,
                )
                for d in datasets.catalogue
                if d.field == field
            ),
            label=field,
        )
        for field in fields
    )
    help_id = "dataset-help"
    return [
        tags.div(
            tags.label("Data set", for_="dataset"),
            tags.select(*groups, id="dataset", class_="pp-input", aria_describedby=help_id),
            tags.p("Bundled with the library, by field.", id=help_id, class_="help"),
            class_="control",
        ),
        tags.p(data_text="about", class_="about"),
        tags.p(data_text="story"),
        tags.p("Source: ", tags.span(data_text="citation"), class_="help"),
    ]


def held_controls(tau: float | None) -> Tag:
    """The slider of tau; it stands between the pictures that it moves."""
    held = controls.Switch(
        "held", "Hold tau", "See the estimates as they would be if tau were known to be this."
    )
    slider = _control(replace(HELD, high=1.0, step=0.005), 0)
    if tau is not None:  # its range comes with the data
        for field in slider.children:
            if isinstance(field, Tag) and field.name == "input":
                field.attrs["data-start"] = f"{tau:g}"
    return tags.div(_control(held, tau is not None), slider, class_="one-way scrubber")


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
        tags.div(*_columns(), id="describe", hidden=""),
    ]


def _columns() -> list[Any]:
    """What is said of the columns, once a file is there."""
    return [
        _control(controls.SHAPE, "rows"),
        _column("outcome", "Outcome column", "The number to compare; events of counts."),
        _column("se", "Standard error column", "In the units of the outcome.", "estimates"),
        _column("count", "Column of n", "Rows behind each mean.", "summaries"),
        _column("sd", "Column of the sd", "With divisor n - 1.", "summaries"),
        _column("trials", "Trials column", "How many each could have been.", "proportions"),
        _column("exposure", "Exposure column", "Hours, area; empty if alike.", "counts"),
        _column("group", "Group column", "Names the school, hospital or player."),
        _column("second", "Second grouping", "If there is one: counties of tracts.", MODELLED),
        _shown_for(_control(controls.SECOND_IS, "contains"), MODELLED, id="second-how"),
        tags.details(
            tags.summary("Predictors"),
            tags.p(
                "What else explains the outcome, at either level; an effect can differ by group.",
                id="predictors-help",
                class_="help",
            ),
            tags.div(
                id="predictors",
                class_="pp-input predictors",
                role="group",
                aria_label="Predictors",
                aria_describedby="predictors-help",
            ),
            data_shapes=MODELLED,
        ),
        _text("formula", "Formula", 'Such as "score ~ ses + (1 + ses | school)".', "formula", 3),
        tags.details(
            tags.summary("Advanced: priors"),
            _text(
                "priors",
                "Priors, one a line",
                'Such as "tau ~ half_normal(5)", for all spreads or "tau[school] ~ ..." for one; '
                '"Intercept ~ normal(0, 10)"; empty for the default, flat.',
                lines=3,
            ),
            _shown_for(_control(controls.CONJUGATE, "normal"), "proportions counts"),
        ),
        tags.div(
            tags.p(
                "This will fit ", tags.code(data_text="asked"), class_="asked", aria_live="polite"
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
            class_="go",
        ),
    ]


MEASURED = "rows estimates summaries proportions counts"
"""Kinds of data whose columns are chosen."""
MODELLED = "rows estimates proportions counts"
"""Kinds of data that can have predictors and a second grouping."""


def _shown_for(control: Tag, shapes: str, **attributes: str) -> Tag:
    control.attrs.update(attributes, **{"data-shapes": shapes})
    return control


def _column(name: str, label: str, note: str, shapes: str = MEASURED) -> Tag:
    return _shown_for(_control(controls.Choice(name, label, note, (), ""), ""), shapes)


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
