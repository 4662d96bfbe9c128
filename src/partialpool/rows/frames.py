"""Frames in memory: recognise the library, take the columns the formula names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design import labels as lab
from partialpool.errors import ColumnError, DataError
from partialpool.formula.tree import Name
from partialpool.rows.text_numbers import advice_for, is_missing, is_number

FRAMES = {
    "pandas": ("DataFrame",),
    "polars": ("DataFrame", "LazyFrame"),
    "pyarrow": ("Table", "RecordBatch"),
    "duckdb": ("DuckDBPyRelation",),
    "_duckdb": ("DuckDBPyRelation",),
    "pyspark": ("DataFrame",),
}
"""The frames of each library, by the name of their class."""
TEXT_TYPES = (
    "str",
    "large_string",
    "utf8",
    "bool",
    "category",
    "categorical",
    "enum",
    "dictionary",
)
"""How the types of text, truth values and categories begin, in any library."""


def kind_of(data: Any) -> str | None:
    """Name the library a frame comes from, or None."""
    for base in type(data).__mro__:  # a GeoDataFrame is a pandas frame
        root = _library(base)
        if base.__name__ in FRAMES.get(root, ()):
            return root.removeprefix("_")
    return "mapping" if isinstance(data, Mapping) else None


def _library(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def take(data: Any, kind: str, wanted: Sequence[Name]) -> dict[str, Any]:
    """Take columns out of a frame, by name, as the frame holds them.

    Raises
    ------
    ColumnError
        If a column is missing or there twice.
    """
    lazy = type(data).__name__ == "LazyFrame"
    names = column_names(data, kind)
    _refuse_index(data, kind, [role.name for role in wanted if role.name not in names])
    for role in wanted:
        check_column(role.name, names, role.at)
    chosen = [c.name for c in wanted]
    if kind == "polars":
        data = data.select(chosen).collect() if lazy else data.select(chosen)
        names = chosen
    return {n: column_at(data, kind, names.index(n), n) for n in chosen}


def _refuse_index(data: Any, kind: str, absent: Sequence[str]) -> None:
    """Say that a column of the formula is the index of a pandas frame."""
    index = [str(name) for name in data.index.names] if absent and kind == "pandas" else []
    for name in absent:
        if name in index:
            raise ColumnError(
                f'"{name}" is the index of the frame and no column: give data.reset_index()'
            )


def check_lengths(lengths: Mapping[str, int]) -> None:
    """Raise a DataError unless all columns are of one length."""
    if len(set(lengths.values())) > 1:
        raise DataError(
            "columns differ in length: " + ", ".join(f"{k} has {v}" for k, v in lengths.items())
        )


def check_column(name: str, columns: list[str], at: int) -> None:
    """Raise a ColumnError unless the column is there exactly once."""
    count = Counter(columns)[name]
    if count == 0:
        raise ColumnError.missing(name, columns, at if at >= 0 else None)
    if count > 1:
        raise ColumnError(
            f'column "{name}" is in the data {count} times; give the columns distinct names'
        )


def column_names(data: Any, kind: str) -> list[str]:
    """Names of the columns of a frame or mapping."""
    lazy = type(data).__name__ == "LazyFrame"
    if kind == "mapping":
        return [str(k) for k in data]
    if kind == "pandas":
        return [str(c) for c in data.columns]
    if kind == "pyarrow":
        return list(data.schema.names)
    return list(data.collect_schema().names() if lazy else data.columns)


def column_at(data: Any, kind: str, position: int, name: str) -> Any:
    """Take a column by its position: names need not be text."""
    if kind == "pandas":
        return data.iloc[:, position]
    if kind == "polars":
        return data[name]
    if kind == "pyarrow":
        return data.column(position)
    return as_column(list(data.values())[position], name)


def as_column(column: Any, name: str) -> Any:
    """Return a column the user gave as it is, or as a list; refuse what has no rows.

    Raises
    ------
    DataError
        If it is text, a single value, a set or mapping, or has more than one dimension.
    """
    if isinstance(column, str | bytes | Mapping | Set) or not hasattr(column, "__iter__"):
        raise DataError(
            f'column "{name}" must be a list or array with one value a row, '
            f"not {lab.shown([column])} ({type(column).__name__})"
        )
    shape = getattr(column, "shape", None)
    if shape is not None and len(shape) != 1:
        raise DataError(f'column "{name}" has {len(shape)} dimensions; a column has one')
    return column if hasattr(column, "__len__") else list(column)


def holds_categories(column: Any) -> bool:
    """Whether every value of a column is text, or every value true or false (or missing)."""
    kind = _library(type(column))
    if kind in ("pandas", "polars", "pyarrow"):
        described = str(column.type if kind == "pyarrow" else column.dtype).lower()
        if described.startswith(TEXT_TYPES):
            return True
        if described != "object":
            return False
    values = column.tolist() if kind == "pandas" else _array(column)
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return values.dtype.kind in "bUT"
    items = list(values)
    types = {type(v) for v in items} - {type(None)}
    absent = {type(v) for v in items if isinstance(v, float) and v != v}
    types = {k for k in types - absent if k.__name__ not in ("NAType", "NaTType")}
    return types in ({str}, {bool}, {np.str_}, {np.bool_})


def may_hold_text(column: Any) -> bool:
    """Whether some value of a column may be text that stands for a number."""
    kind = _library(type(column))
    if kind in ("pandas", "polars", "pyarrow"):
        described = str(column.type if kind == "pyarrow" else column.dtype).lower()
        return described.startswith((*TEXT_TYPES, "object"))
    return _array(column).dtype.kind in "OUT"


def number_texts(column: Any) -> list[str | None] | None:
    """A column of text, or of text and numbers as cells of a spreadsheet are, as text.

    None where it holds no text, or something else.
    """
    try:
        codes, labels = label_codes(column)
        values = labels.tolist()
        if not any(isinstance(v, str) for v in values):
            return None
        texts = [v if isinstance(v, str) else repr(float(v)) for v in values]
    except (DataError, TypeError, ValueError, OverflowError):  # `numbers` says what is wrong
        return None
    return [None if code < 0 else texts[code] for code in codes.tolist()]


def category_order(data: Any, kind: str, name: str) -> list[Any] | None:
    """The order of a column of ordered categories of a frame; None for any other column."""
    if kind == "mapping":
        return order_of(data[name]) if name in data else None
    if kind not in ("pandas", "polars", "pyarrow"):
        return None
    if kind == "polars":
        schema = data.collect_schema()
        return _polars_order(schema[name]) if name in schema else None
    names = column_names(data, kind)
    return order_of(column_at(data, kind, names.index(name), name)) if name in names else None


def order_of(column: Any) -> list[Any] | None:
    """The order of ordered categories: of pandas, Polars (Enum) and Arrow; None for others."""
    library = _library(type(column))
    if library == "pandas" and getattr(column.dtype, "ordered", False):
        return list(np.asarray(column.dtype.categories).tolist())
    if library == "polars":
        return _polars_order(column.dtype)
    if library == "pyarrow" and getattr(column.type, "ordered", False):
        parts = getattr(column, "chunks", [column])
        return list(dict.fromkeys(v for part in parts for v in part.dictionary.to_pylist()))
    return None


def _polars_order(kind: Any) -> list[Any] | None:
    return kind.categories.to_list() if str(kind).startswith("Enum") else None


def numbers(column: Any, name: str) -> Floats:
    """A column as float64, NaN where a value is missing."""
    if hasattr(column, "to_numpy"):
        if type(column).__module__.startswith("pyarrow"):
            column = _arrow_values(column)
        elif type(column).__module__.startswith("pandas") and column.dtype.kind not in "iufb":
            column = column.to_numpy(dtype=object, na_value=None)
        elif type(column).__module__.startswith("polars") and _is_wide(column):
            column = lab.as_labels(column.to_list())
        else:
            column = column.to_numpy()
    values = np.asarray(column) if isinstance(column, np.ndarray) else _array(column)
    if isinstance(column, np.ma.MaskedArray):
        values = np.where(np.ma.getmaskarray(column), np.nan, column.filled(0).astype(np.float64))
    if values.ndim != 1:
        raise DataError(f'column "{name}" has {values.ndim} dimensions; a column has one')
    if values.dtype.kind in "iufb":
        return values.astype(np.float64, copy=False)
    if values.dtype.kind in "mMc":
        raise DataError(f'column "{name}" must hold numbers; it holds {values.dtype.name} values')
    return _from_objects(values, name)


def _array(column: Any) -> AnyArray:
    try:
        values = np.asarray(column)
    except ValueError:  # ragged
        return lab.as_labels(column)
    return lab.as_labels(column) if values.dtype.kind in "US" else values  # numbers stay numbers


def _is_wide(column: Any) -> bool:
    """Whether a Polars column holds numbers that NumPy does not: decimals, 128-bit integers."""
    return str(column.dtype).startswith(("Decimal", "Int128", "UInt128"))


def _arrow_values(column: Any) -> AnyArray:
    if column.null_count or str(column.type).startswith("decimal"):
        return lab.as_labels(column.to_pylist())
    return np.asarray(column)


def _from_objects(values: AnyArray, name: str) -> Floats:
    """Objects to floats; text is refused, even text that looks like a number."""
    out = np.empty(len(values), dtype=np.float64)
    for i, value in enumerate(values.tolist()):
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            out[i] = np.nan
            continue
        if isinstance(value, str | bytes):
            wrong = _wrong(values) or [i]
            raise not_a_number(name, values[wrong[0]], wrong[0] + 1, _others(values, wrong))
        try:
            out[i] = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise not_a_number(name, value, i + 1) from error
    return out


def _wrong(values: AnyArray) -> list[int]:
    """Places of texts that no rule reads as numbers."""
    return [
        i
        for i, value in enumerate(values.tolist())
        if isinstance(value, bytes)
        or (isinstance(value, str) and not (is_number(value) or is_missing(value)))
    ]


SHOWN = 5
"""Values that a message names."""


def _others(values: AnyArray, wrong: Sequence[int]) -> str:
    """The places and texts after the first, and how many more there are."""
    others = "".join(f", row {i + 1} {lab.shown([values[i]])}" for i in wrong[1:SHOWN])
    return others + (f" and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else "")


def not_a_number(name: str, value: object, row: int | None, others: str = "") -> DataError:
    """Build the error for text where a number belongs; rows of some engines have no number.

    `others` names further ones.
    """
    shown = lab.shown([value])
    what = f"the text {shown}" if isinstance(value, str) else f"{shown} ({type(value).__name__})"
    where = "it" if row is None else f"row {row}"
    return DataError(
        f'column "{name}" must hold numbers; {where} holds {what}{others}: {advice_for(value)}'
    )


def label_codes(column: Any) -> tuple[Ints, AnyArray]:
    """A code a row (-1 where missing) and the distinct labels, as they came."""
    kind = _library(type(column))
    if kind == "pandas":
        return _pandas_codes(column)
    if kind == "polars" and str(column.dtype) in ("String", "Categorical") and len(column):
        return _polars_codes(column)
    if kind == "pyarrow":
        return _arrow_codes(column)
    if kind == "polars":
        plain = column.dtype.is_numeric() and not column.null_count() and not _is_wide(column)
        column = column.to_numpy() if plain else column.to_list()
    if isinstance(column, np.ma.MaskedArray):
        column = column.tolist()
    return codes_of(lab.as_labels(column))


def codes_of(values: AnyArray) -> tuple[Ints, AnyArray]:
    """Number the labels of an array; -1 where a label is missing."""
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low <= 4 * len(values) and high < 2**63:
            return _dense_codes(values, low, high)
    absent = lab.missing(values)
    if not absent.any():
        return lab.number(values)
    codes = np.full(len(values), -1, dtype=np.intp)
    codes[~absent], distinct = lab.number(values[~absent])
    return codes, distinct


def _dense_codes(values: AnyArray, low: int, high: int) -> tuple[Ints, AnyArray]:
    """Integers in a short range are numbered by counting, without a sort."""
    offset = (values.astype(np.int64) - low).astype(np.intp)  # labels take 64 bits, places need not
    present = np.flatnonzero(np.bincount(offset, minlength=high - low + 1))
    position = np.zeros(high - low + 1, dtype=np.intp)
    position[present] = np.arange(len(present))
    return position[offset], (present + low).astype(values.dtype)


def _pandas_codes(column: Any) -> tuple[Ints, AnyArray]:
    import pandas as pd

    if str(column.dtype).startswith("dictionary"):
        return _arrow_codes(column.array.__arrow_array__())
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) != "string":
        return codes_of(lab.as_labels(column.tolist()))  # 1, 1.0 and True stay apart
    codes, distinct = pd.factorize(column)
    if isinstance(column.dtype, pd.CategoricalDtype):
        order = np.argsort(distinct.codes)
        codes = np.where(codes < 0, -1, np.argsort(order)[codes])
        distinct = np.asarray(distinct.categories)[np.sort(distinct.codes)]
    if isinstance(distinct, pd.DatetimeIndex) and distinct.tz is not None:
        distinct = distinct.astype(object)
    labels = np.asarray(distinct)
    if labels.dtype.kind in "UT":
        labels = labels.astype(object)
    return codes.astype(np.intp, copy=False), labels


def _polars_codes(column: Any) -> tuple[Ints, AnyArray]:
    import polars as pl

    text = column.cast(pl.String)
    frame = text.alias("g").to_frame().with_row_index("row")
    groups = frame.group_by("g").agg(pl.col("row")).filter(pl.col("g").is_not_null())
    codes = np.full(len(column), -1, dtype=np.intp)
    lengths = groups["row"].list.len().to_numpy()
    rows = groups["row"].explode().to_numpy()
    codes[rows] = np.repeat(np.arange(len(groups)), lengths)
    return codes, lab.as_labels(groups["g"].to_list())


def _arrow_codes(column: Any) -> tuple[Ints, AnyArray]:
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # more than one chunk, or none
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if not pa.types.is_dictionary(column.type):
        try:
            column = column.dictionary_encode()
        except pa.ArrowNotImplementedError:
            return codes_of(lab.as_labels(column.to_pylist()))
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.intp)
    # values of a dictionary may be missing, and may be there more than once
    place, labels = codes_of(lab.as_labels(column.dictionary.to_pylist()))
    return np.append(place, -1)[codes], labels
