"""What is sent to the browser: texts, lists, tables, meters and drawings, by their names."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Any

from partialpool.charts.drawing import Drawing, Frame, Rows
from partialpool.charts.parts import sentence
from partialpool.data import Table


def rounded(value: Any) -> Any:
    """A value that JSON can hold, with seven digits: more than a picture can show."""
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value


def columns(rows: Rows) -> dict[str, list[Any]]:
    """Rows as columns, which is a third of the size."""
    return {k: [rounded(r[k]) for r in rows] for k in rows[0]} if rows else {}


def table(found: Table, cells: list[list[str]], caption: str) -> dict[str, Any]:
    """A table of text, its first column the name of a row."""
    return {"caption": caption, "head": list(found), "rows": cells}


@dataclass(slots=True)
class Sender:
    """Remembers what a browser has been sent, so that the same is not sent twice."""

    frames: set[str] = field(default_factory=set)
    data: dict[tuple[str, str], str] = field(default_factory=dict)
    drawn: dict[str, str] = field(default_factory=dict)

    def drawing(self, name: str, drawing: Drawing) -> dict[str, Any]:
        """One drawing under the name of its place on the page."""
        key = drawing.frame.key
        fresh = self.drawn.get(name) != key
        self.drawn[name] = key
        found: dict[str, Any] = {
            "frame": key,
            "values": drawing.values,
            "title": drawing.title,
            "caption": " ".join(sentence(line) for line in drawing.caption),
            "data": {},
        }
        if key not in self.frames:
            self.frames.add(key)
            found["spec"] = responsive(drawing.frame)
        for part, rows in drawing.data.items():
            packed = columns(rows)
            digest = hashlib.md5(json.dumps(packed).encode(), usedforsecurity=False).hexdigest()
            if fresh or self.data.get((name, part)) != digest:
                self.data[name, part] = digest
                found["data"][part] = packed
        return found

    def still(self, name: str, still: Still) -> dict[str, Any]:
        """One chart that never changes under the name of its place on the page."""
        self.drawn[name] = still.key
        found = {"frame": still.key, "values": {}, "data": {}}
        found |= {"title": still.title, "caption": still.caption}
        if still.key not in self.frames:
            self.frames.add(still.key)
            found["spec"] = still.spec
        return found


@dataclass(frozen=True, slots=True)
class Still:
    """A chart that holds its data, as plain values.

    Parameters
    ----------
    key : str
        Tells charts apart.
    spec : dict
        The Vega-Lite specification without title.
    title, caption : str
        Its title, and the sentences beneath.
    """

    key: str
    spec: dict[str, Any]
    title: str
    caption: str

    @classmethod
    def of(cls, chart: Any) -> Still:
        """Take a chart apart."""
        spec = chart.to_dict()
        title = spec.pop("title", {})
        key = hashlib.md5(json.dumps(spec).encode(), usedforsecurity=False).hexdigest()
        words = (" ".join(title.get(part, [])) for part in ("text", "subtitle"))
        return cls(key, _as_wide_as_its_place(spec), *words)


def responsive(frame: Frame) -> dict[str, Any]:
    """The frame's specification, as wide as its place; concatenated charts keep their widths."""
    return _as_wide_as_its_place(frame.spec)


def _as_wide_as_its_place(given: dict[str, Any]) -> dict[str, Any]:
    spec = dict(given)
    if not {"vconcat", "hconcat", "concat", "facet"} & set(spec):
        spec["width"] = "container"
    return spec
