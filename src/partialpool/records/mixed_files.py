"""Statistics of models with predictors or several factors, as parts of a Parquet file and back.

What such a file tells about the rows is in ``docs/statistics.md``; keep the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design.coding import Variable
from partialpool.design.design import Categories, Design
from partialpool.design.encode import complete_columns, expressions, factor_of, named_levels
from partialpool.design.expressions import Moments, learned_of, stateful_calls
from partialpool.design.labels import typed
from partialpool.design.source import Chunk
from partialpool.formula import Roles
from partialpool.formula.tree import Name, is_categorical
from partialpool.records.count_table import CountTable
from partialpool.records.cross_products import Block, Crossing, CrossProducts, with_within
from partialpool.records.mixed_statistics import MixedStatistics

Part = dict[str, AnyArray]
Read = Callable[[str, Sequence[str]], Part]
"""Reads columns of one part, in the order written."""


def _part(name: str, **columns: Any) -> Part:
    size = len(next(iter(columns.values())))
    return {"part": np.full(size, name, dtype=object), "i": np.arange(size)} | columns


def _numbered(values: Floats) -> Part:
    """Columns `v0`, `v1`, ... of an array of one record a row."""
    flat = values.reshape(len(values), -1)
    return {f"v{j}": flat[:, j] for j in range(flat.shape[1])}


def _labels(labels: Mapping[str, AnyArray], absent: Mapping[str, AnyArray]) -> list[Part]:
    parts = []
    for k, (name, values) in enumerate(labels.items()):
        gone = set(absent[name].tolist()) if name in absent else set()
        used = np.array([v not in gone for v in values.tolist()], dtype=bool)
        columns: Part = {f"label_{k}": typed(values, name), "used": used}
        parts.append(_part(f"labels {name}", **columns))
    return parts


def _read_labels(read: Read, names: Sequence[str]) -> tuple[dict[str, AnyArray], Any]:
    labels, absent = {}, {}
    for k, name in enumerate(names):
        columns = read(f"labels {name}", [f"label_{k}", "used"])
        labels[name] = columns[f"label_{k}"]
        absent[name] = labels[name][~columns["used"].astype(bool)]
        _must(len(labels[name]) > 0)
    return labels, absent


def _must(holds: object) -> None:
    """Refuse what no rows can give; who reads the file says so."""
    if not holds:
        raise ValueError


# measurements ---------------------------------------------------------------------------------


def mixed_parts(s: MixedStatistics) -> tuple[list[Part], dict[str, Any]]:
    """The parts of a file, and its facts."""
    p = s.products
    parts = _labels(s.labels, s.absent)
    for k, (variable, c) in enumerate(s.design.categories.items()):
        columns: Part = {f"level_{k}": typed(c.labels, str(variable)), "n": c.n}
        parts.append(_part(f"levels {variable}", **columns))
    names = np.array(p.coefficients, dtype=object)
    if len(names):
        sums = _numbered(p.xtx)
        parts.append(_part("columns", column=names, shift=p.shift, xty=p.xty, **sums))
    for t, (b, e) in enumerate(zip(p.blocks, s.design.effects, strict=True)):
        values = (b.x_mean, b.ztz, b.ztx, b.zty)
        flat = np.concatenate([v.reshape(len(b.n), -1) for v in values], axis=1)
        parts.append(
            _part(f"groups {t}", code_0=e.factor.keys, n=b.n, weight=b.weight, **_numbered(flat))
        )
    for pair in p.crossings:
        pairs = _part(f"pairs {pair.first} {pair.second}", code_0=pair.i, code_1=pair.k)
        parts.append(pairs | _numbered(pair.products))
    facts = {k: getattr(p, k) for k in SCALARS} | {
        "labels_from_text": s.labels_from_text,
        "withheld": s.withheld,
        "columns": list(p.coefficients),
        "categories": [str(v) for v in s.design.categories],
        "shifts": [b.shift.tolist() for b in p.blocks],
        "constant": [b.constant.tolist() for b in p.blocks],
        "within": [None if b.within is None else b.within.tolist() for b in p.blocks],
        "moments": {str(call): _as_list(m) for call, m in s.moments.items()},
    }
    return parts, facts


SCALARS = ("center", "yty", "log_weight", "n_rows", "n_dropped", "n_used")


def _as_list(m: Moments) -> list[Any]:
    gram = None if m.gram is None else m.gram.tolist()
    return [m.n, m.mean, m.square, m.low, m.high, gram]


def read_mixed_parts(roles: Roles, facts: Mapping[str, Any], read: Read) -> MixedStatistics:
    """The statistics that `mixed_parts` wrote."""
    labels, absent = _read_labels(read, [n.name for n in roles.factors])
    texts = frozenset(n.name for n in roles.plain if str(n) in facts["categories"])
    categories: dict[Variable, Categories] = {}
    for variable in roles.variables:
        if is_categorical(variable) or (isinstance(variable, Name) and variable.name in texts):
            k = len(categories)
            columns = read(f"levels {variable}", [f"level_{k}", "n"])
            n = columns["n"].astype(np.intp)
            categories[variable] = named_levels(variable, columns[f"level_{k}"], n)
    moments = {
        call: _moments(facts["moments"][str(call)])
        for call in stateful_calls(*expressions(roles, texts))
    }
    learned = {call: learned_of(call, m) for call, m in moments.items()}
    design = complete_columns(roles, categories, learned)
    blocks, effects = [], []
    for t, e in enumerate(design.effects):
        keys, block = _block(read, t, design, facts)
        most = np.prod([float(len(labels[n])) for n in e.factor.columns])
        _must((keys >= 0).all() and (keys < most).all() and (block.n > 0).all())
        _must(block.within is None or np.isfinite(block.within).all())
        _must((block.weight > 0).all() and (np.diagonal(block.ztz, 0, 1, 2) >= 0).all())
        factor = factor_of(roles.groups[t], keys, labels)
        effects.append(replace(e, factor=factor))
        blocks.append(replace(block, labels=factor.labels))
    p = len(design.columns)
    x = read("columns", ["shift", "xty", *(f"v{j}" for j in range(p))]) if p else {}
    products = CrossProducts(
        outcome=str(roles.outcome),
        coefficients=design.coefficients,
        shift=x.get("shift", np.zeros(0)),
        xtx=np.stack([x[f"v{j}"] for j in range(p)], axis=1) if p else np.zeros((0, 0)),
        xty=x.get("xty", np.zeros(0)),
        blocks=tuple(blocks),
        crossings=tuple(
            _crossing(read, first, second, design)
            for first in range(len(blocks))
            for second in range(first + 1, len(blocks))
        ),
        sigma_known=roles.se is not None,
        **{k: facts[k] for k in SCALARS},
    )
    return MixedStatistics(
        replace(design, effects=tuple(effects)),
        products if "within" in facts else with_within(products),
        moments,
        absent,
        facts["labels_from_text"],
        (facts["withheld"][0], facts["withheld"][1]),
    )


def _moments(values: Sequence[Any]) -> Moments:
    n, mean, square, low, high, gram = values
    return Moments(n, mean, square, low, high, None if gram is None else np.array(gram, float))


def _block(read: Read, t: int, design: Design, facts: Mapping[str, Any]) -> tuple[Ints, Block]:
    effects, p = design.effects[t], len(design.columns)
    q = len(effects.columns)
    shapes = ((p,), (q, q), (q, p), (q,))
    width = sum(int(np.prod(s)) for s in shapes)
    columns = read(f"groups {t}", ["code_0", "n", "weight", *(f"v{j}" for j in range(width))])
    size = len(columns["n"])
    flat = np.stack([columns[f"v{j}"] for j in range(width)], axis=1)
    ends = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
    parts = np.split(flat, ends, axis=1)
    x_mean, ztz, ztx, zty = (v.reshape(size, *s) for v, s in zip(parts, shapes, strict=True))
    within = facts["within"][t] if "within" in facts else None  # files before 0.2 have none
    block = Block(
        factor=effects.factor.name,
        labels=np.zeros(0),
        effects=effects.names,
        correlated=effects.correlated,
        shift=np.array(facts["shifts"][t], dtype=np.float64),
        n=columns["n"].astype(np.intp),
        ztz=ztz,
        ztx=ztx,
        zty=zty,
        weight=columns["weight"],
        x_mean=x_mean,
        constant=np.array(facts["constant"][t], dtype=bool),
        within=None if within is None else np.array(within, dtype=np.float64),
    )
    return columns["code_0"].astype(np.intp), block


def _crossing(read: Read, first: int, second: int, design: Design) -> Crossing:
    shape = tuple(len(design.effects[t].columns) for t in (first, second))
    width = int(np.prod(shape))
    values = [f"v{j}" for j in range(width)]
    columns = read(f"pairs {first} {second}", ["code_0", "code_1", *values])
    products = np.stack([columns[v] for v in values], axis=1).reshape(-1, *shape)
    i, k = (columns[c].astype(np.intp) for c in ("code_0", "code_1"))
    return Crossing(first, second, i, k, products)


# counts ---------------------------------------------------------------------------------------


def table_parts(s: CountTable) -> tuple[list[Part], dict[str, Any]]:
    """The parts of a file, and its facts."""
    rows: Part = {f"code_{k}": v for k, v in enumerate(s.data.codes.values())}
    rows |= {f"v{k}": v for k, v in enumerate(s.data.numbers.values())}
    rows |= {"n": s.count.astype(np.intp), "y": s.y, "size": s.size}
    parts = _labels({n: s.labels[n] for n in s.data.codes}, s.usable().coded.absent)
    facts = {
        "n_rows": s.n_rows,
        "n_dropped": s.n_dropped,
        "labels_from_text": s.labels_from_text,
        "withheld": s.withheld,
        "labels": list(s.data.codes),
        "columns": list(s.data.numbers),
        "texts": sorted(s.texts),
    }
    return [*parts, _part("rows", **rows, log_constants=s.log_constants)], facts


def read_table_parts(roles: Roles, facts: Mapping[str, Any], read: Read) -> CountTable:
    """The rows that `table_parts` wrote."""
    labels, _ = _read_labels(read, facts["labels"])
    codes = {name: f"code_{k}" for k, name in enumerate(facts["labels"])}
    numbers = {name: f"v{k}" for k, name in enumerate(facts["columns"])}
    names = [*codes.values(), *numbers.values(), "n", "y", "size", "log_constants"]
    columns = read("rows", names)
    needed = {n.name for n in (*roles.factors, *roles.predictors)}
    _must(needed == {*codes, *numbers} and (columns["n"] > 0).all())
    _must(
        all(
            (columns[c] >= 0).all() and (columns[c] < len(labels[n])).all()
            for n, c in codes.items()
        )
    )
    _must((columns["y"] >= 0).all() and (columns["size"] >= 0).all())
    return CountTable(
        roles,
        labels,
        frozenset(facts["texts"]),
        Chunk(
            {n: columns[v] for n, v in numbers.items()},
            {n: columns[c].astype(np.intp) for n, c in codes.items()},
            count=columns["n"].astype(np.float64),
        ),
        columns["y"],
        columns["size"],
        columns["log_constants"],
        facts["n_rows"],
        facts["n_dropped"],
        facts["labels_from_text"],
        (facts["withheld"][0], facts["withheld"][1]),
    )
