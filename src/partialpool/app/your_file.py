"""The user's file: what is in it, a fit, and questions about the fit; plain values in and out.

The same code runs behind the server, each question in a process of its own, and in a web worker in
the browser. Nothing here knows of either.
"""

from __future__ import annotations

import json
import os
import shlex
import tempfile
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from partialpool._table import Table
from partialpool.app import file_answers, file_groups
from partialpool.app.file_formula import Model, model_of, reading_of
from partialpool.app.file_groups import GroupTable
from partialpool.app.file_roles import guessed
from partialpool.app.unpacking import check_unpacked
from partialpool.design.design import column_of
from partialpool.errors import ArgumentError, MissingExtraError, PartialPoolError
from partialpool.fitted import Fit
from partialpool.fitting import fit
from partialpool.notices import Notice
from partialpool.report import Contents, page
from partialpool.rows.files import ENDINGS, unknown_ending, write_table
from partialpool.rows.preview import preview
from partialpool.rows.read_table import read
from partialpool.words import formatting, summary
from partialpool.words.accuracy import require_reliable
from partialpool.words.advice import recommendation

LONGEST_NAME = 120
"""Characters of a file's name that are kept, its ending included."""
MOST_COLUMNS = 300
"""Columns of a file that are listed; a formula can name the others."""
MOST_LEVELS = 200
"""Values of a column that are offered for a prediction; others are written."""
KINDS = ("html", "csv", "json", "xlsx", "parquet")
"""What can be downloaded."""

Progress = Callable[[float], None]
Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def no_progress(_done: float) -> None:
    """Tell nobody."""


def ending_of(name: str) -> str:
    """The ending by which a file is read.

    Raises
    ------
    DataError
        If there is no such kind of file.
    """
    lower = name.lower()
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if lower.endswith(ending) and len(lower) > len(ending):
            return ending
    raise unknown_ending(shown_name(name))


def shown_name(name: str) -> str:
    """A file's name as it is shown: its last part, without control characters, not too long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    bare = "".join(c for c in last if unicodedata.category(c) != "Cc")
    return bare if len(bare) <= LONGEST_NAME else f"\u2026{bare[-LONGEST_NAME + 1 :]}"


@dataclass(eq=False)
class Fitted:
    """A fit with what was asked of it, each computed once."""

    model: Model
    fit: Fit
    tables: dict[tuple[str, str], GroupTable] = field(default_factory=dict)

    @property
    def effects(self) -> list[tuple[str, str]]:
        """Each factor with each of its effects."""
        return list(dict.fromkeys((term.factor, term.name) for term in self.fit._engine.terms))

    def table(self, request: Mapping[str, Any]) -> GroupTable:
        """The groups of the factor and effect that a request names, else of the first ones."""
        wanted = request.get("factor"), request.get("term")
        fits = [
            e
            for e in self.effects
            if all(w in (None, "", v) for w, v in zip(wanted, e, strict=True))
        ]
        if not fits:
            known = ", ".join(f"{f} ({t})" for f, t in self.effects)
            raise ArgumentError(f"there is no such grouping and effect; there are {known}")
        if fits[0] not in self.tables:
            self.tables[fits[0]] = file_groups.group_table(self.fit, *fits[0])
        return self.tables[fits[0]]


class FileError(PartialPoolError, ValueError):
    """Something about the user's file, in words that name it as its owner does."""


def _in_its_name(
    method: Callable[Concatenate[YourFile, Rest], Result],
) -> Callable[Concatenate[YourFile, Rest], Result]:
    """Let errors name the file as its owner does, not as it is kept."""

    @wraps(method)
    def asked(self: YourFile, /, *args: Rest.args, **options: Rest.kwargs) -> Result:
        try:
            return method(self, *args, **options)
        except PartialPoolError as error:
            if not os.path.exists(self.path):
                raise FileError(f'"{self.name}" is no longer here: choose it again') from None
            raise FileError(self._say(str(error))) from error

    return asked


class YourFile:
    """One file of a user.

    Parameters
    ----------
    path : str
        Where it is, under a name that ends as `name` does.
    name : str
        What its owner calls it; it is shown, and never used as a path.
    """

    def __init__(self, path: str, name: str) -> None:
        ending_of(name)
        self.path, self.name = path, shown_name(name)
        self.fitted: Fitted | None = None

    def _say(self, text: str) -> str:
        """A sentence that names the file as its owner does."""
        return text.replace(self.path, self.name)

    def _told(self, notices: tuple[Notice, ...]) -> list[dict[str, str]]:
        return [{"level": n.level, "text": self._say(n.text)} for n in notices]

    # what is in it ----------------------------------------------------------------------------

    @_in_its_name
    def columns(self, reading: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Look into the file: columns with a guess of their parts, and choices to begin with.

        Parameters
        ----------
        reading : mapping, optional
            decimal, encoding, sheet, header, na: as of `partialpool.read`.
        """
        check_unpacked(self.path, self.name)
        seen = preview(self.path, **reading_of(reading))
        columns, choices = guessed(seen.columns[:MOST_COLUMNS])
        return {
            "name": self.name,
            "columns": columns,
            "more": max(0, len(seen.columns) - MOST_COLUMNS),
            "rows": seen.rows,
            "choices": choices,
            "notices": self._told(seen.notices),
        }

    # a fit ------------------------------------------------------------------------------------

    @_in_its_name
    def formula(self, choices: Mapping[str, Any]) -> dict[str, str]:
        """The formula that choices make, or what is missing, in words."""
        try:
            return {"formula": model_of(choices).formula, "missing": ""}
        except ArgumentError as error:
            return {"formula": "", "missing": str(error)}

    @_in_its_name
    def fit(self, choices: Mapping[str, Any], progress: Progress = no_progress) -> dict[str, Any]:
        """Fit what `choices` say (see `model_of`), and return what is shown first."""
        model = model_of(choices)
        check_unpacked(self.path, self.name)
        data = read(self.path, **model.reading) if model.reading else self.path
        fitted = fit(
            model.formula,
            data,
            prior=list(model.priors),
            family=model.family,
            population=model.population,
            event=model.event,
            progress=progress,
        )
        progress(1.0)
        require_reliable(fitted._engine)
        self.fitted = Fitted(model, fitted)
        return self._result()

    def _result(self) -> dict[str, Any]:
        now = self._now({})
        fitted, post = now.fit, now.fit._engine
        table = now.table({})
        parameters = fitted.parameter_table()
        known = file_answers.summaries(parameters)
        return {
            "key": now.model.key,
            "formula": fitted.formula,
            "family": fitted.family,
            "sentences": file_answers.sentences(fitted, table, known),
            "lines": [
                summary.headline(post, fitted.formula),
                f"{summary.pooling_line(post)} {recommendation(post)}",
                summary.prior_line(post),
            ],
            "effects": [{"factor": f, "term": t} for f, t in now.effects],
            "groups": table.page({}),
            "tau": file_answers.curves(fitted, known),
            "parameters": {
                "head": ["parameter", *list(parameters)[1:]],
                "rows": formatting.parameter_cells(parameters),
            },
            "notices": self._told(fitted.notices),
            "fields": self._fields(),
            "python": self._python(now.model),
            "command": self._command(now.model),
            "downloads": list(KINDS),
        }

    def _now(self, request: Mapping[str, Any]) -> Fitted:
        """The fit; an error where there is none, or it is of other choices than a request's."""
        if not isinstance(request, Mapping):
            raise ArgumentError(f"a request is a mapping by name, not {type(request).__name__}")
        if self.fitted is None:
            raise ArgumentError("nothing has been fitted yet: fit the file first")
        if request.get("key") not in (None, "", self.fitted.model.key):
            raise ArgumentError("these results belong to other choices: fit again")
        return self.fitted

    # questions about the fit --------------------------------------------------------------------

    @_in_its_name
    def groups(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One page of the table of groups; see `GroupTable.page`."""
        return self._now(request).table(request).page(request)

    @_in_its_name
    def rank(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The same with ranks, and the answer in words by their probabilities."""
        now = self._now(request)
        table = now.table(request)
        if not table.ranks:
            table.ranks = file_groups.ranks(now.fit, table)
        first = now.table({})
        known = file_answers.summaries(now.fit.parameter_table())
        said = file_answers.sentences(now.fit, first, known) if table is first else []
        return table.page(request) | {"sentences": said}

    @_in_its_name
    def contrast(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The difference of the groups with the ids `first` and `second`."""
        now = self._now(request)
        table = now.table(request)
        first, second = table.place(request.get("first")), table.place(request.get("second"))
        if first == second:
            raise ArgumentError("choose two different groups")
        return file_answers.contrast(now.fit, table, first, second)

    @_in_its_name
    def predict(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What to expect of a new row: `values` by column, `target`, and `observation`.

        Parameters
        ----------
        request : mapping
            `values` are texts; `target` is "group", "new_group" or "population"; `observation`
            asks for a single row with its noise.
        """
        fitted = self._now(request).fit
        values, observation = request.get("values"), request.get("observation") is True
        if not isinstance(values, Mapping):
            raise ArgumentError("values are a mapping from column to text")
        target = request.get("target", "group")
        fields = [f for f in self._fields() if f["for"] in ("every", target, _weighed(observation))]
        row = {f["column"]: [_value(f, values.get(f["column"]))] for f in fields}
        of = fitted.predict(
            row or {fitted.factor: [""]}, target=target, unseen="new_group", observation=observation
        )
        one = {name: column[0] for name, column in of.items()}
        return file_answers.prediction(one, observation=observation)

    def _fields(self) -> list[dict[str, Any]]:
        """What a new row needs: columns, whether numbers or labels, and for which question."""
        fitted = self._now({}).fit
        design = fitted.design
        roles = design.roles
        fields = []
        for effects in design.effects:
            for name, labels in zip(effects.factor.columns, effects.factor.levels, strict=True):
                fields.append(_labels(name, labels, "group"))
        levels = {column_of(v): c.labels for v, c in design.categories.items()}
        inside = [n.name for n in roles.predictors]
        for name in inside:
            known = levels.get(name)
            fields.append(
                _number(name, "every") if known is None else _labels(name, known, "every")
            )
        weighed = roles.se or roles.weights or roles.size
        if weighed is not None:
            fields.append(_number(weighed.name, "observation"))
        unique = {f["column"]: f for f in reversed(fields)}
        return list(reversed(unique.values()))

    # files ------------------------------------------------------------------------------------

    @_in_its_name
    def download(self, kind: str, request: Mapping[str, Any] | None = None) -> tuple[str, bytes]:
        """The results as a file: its name, after the user's, and its content."""
        now = self._now(request or {})
        stem = self.name[: -len(ending_of(self.name))]
        if kind not in KINDS:
            raise ArgumentError(f'"{str(kind)[:40]}" is none of {", ".join(KINDS)}')
        if kind == "html":
            return f"{stem}-report.html", page(self._contents(now.fit)).encode()
        if kind == "json":
            text = json.dumps(now.fit.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)
            return f"{stem}-fit.json", text.encode()
        return f"{stem}-groups.{kind}", _written(now.fit.group_table(), kind)

    def _contents(self, fitted: Fit) -> Contents:
        """The report; without pictures where what draws them is not installed."""
        try:
            return fitted.report_contents()
        except MissingExtraError:
            return fitted.report_contents(drawn=False)

    def _python(self, model: Model) -> str:
        """The same from Python."""
        how = "".join(f", {k}={v!r}" for k, v in model.reading.items())
        data = f"pp.read({self.name!r}{how})" if how else repr(self.name)
        options = f", prior={list(model.priors)!r}" if model.priors else ""
        options += f", family={model.family!r}" if model.family else ""
        options += f", population={model.population!r}" if model.population else ""
        options += f", event={model.event!r}" if model.event else ""
        call = f"fit = pp.fit({model.formula!r}, {data}{options})"
        return f"import partialpool as pp\n\n{call}\nfit, fit.groups(), fit.rank()"

    def _command(self, model: Model) -> str:
        """The same from the command line."""
        how = [(k, w) for k, v in model.reading.items() for w in (v if k == "na" else [v])]
        how += [("prior", p) for p in model.priors]
        how += [("family", model.family)] if model.family else []
        how += [("population", model.population)] if model.population else []
        how += [("event", model.event)] if model.event else []
        options = "".join(f" --{name} {shlex.quote(str(value))}" for name, value in how)
        return f"partialpool fit {shlex.quote(self.name)} {shlex.quote(model.formula)}{options}"


def _weighed(observation: bool) -> str:
    return "observation" if observation else ""


def _labels(name: str, levels: Any, purpose: str) -> dict[str, Any]:
    known = [str(v) for v in levels.tolist()]
    several = {"levels": known[:MOST_LEVELS], "more": max(0, len(known) - MOST_LEVELS)}
    return {"column": name, "kind": "label", "for": purpose, **several, "type": levels.dtype.kind}


def _number(name: str, purpose: str) -> dict[str, Any]:
    return {"column": name, "kind": "number", "for": purpose}


def _value(of: Mapping[str, Any], text: object) -> Any:
    """What was written for a column, as the fit has it."""
    column = of["column"]
    if not isinstance(text, str) or not text.strip():
        raise ArgumentError(f'a value is needed for "{column}"')
    if of["kind"] == "label":
        return int(text) if of["type"] in "iu" and text.strip().lstrip("-").isdigit() else text
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        raise ArgumentError(f'"{column}" is a number, not "{text[:40]}"') from None


def _written(table: Table, kind: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"groups.{kind}")
        write_table(table, path)
        with open(path, "rb") as file:
            return file.read()
