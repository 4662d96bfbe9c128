"""Frames of libraries that nothing here is written for, by the interfaces that they share."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool.design.labels import shown
from partialpool.errors import DataError, MissingExtraError
from partialpool.rows import files, frames

STREAMS = ("__arrow_c_stream__", "__arrow_c_array__")
"""Methods of the Arrow PyCapsule interface, which frames and readers of batches have."""
OF_NARWHALS = ("__narwhals_dataframe__", "__narwhals_lazyframe__")
PANDAS_LIKE = ("modin", "cudf", "dask", "ibis", "sqlframe", "daft")
"""Libraries whose frames narwhals takes without a method of theirs that says so."""


def known_frame(data: Any) -> Any:
    """Return data of a kind that can be read: as they are, or as the frame that they hold.

    What narwhals wraps is unwrapped; a table or a stream of batches with the Arrow C interface,
    read once, becomes a PyArrow table (or a Polars frame where PyArrow is not installed), and so
    does another frame that narwhals takes. Anything else is returned, to be refused by name.

    Raises
    ------
    DataError
        Of arrays without named columns, NumPy's records and xarray, with the way to a frame.
    MissingExtraError
        If a library that reads the frame is not installed.
    """
    root = type(data).__module__.partition(".")[0]
    if isinstance(data, np.ndarray) or root == "xarray":
        raise _refusal(data, root)
    if files.are_paths(data) or frames.kind_of(data) is not None:
        return data
    if root == "narwhals" and hasattr(data, "to_native"):
        return known_frame(data.to_native())
    if any(hasattr(data, name) for name in STREAMS):
        return _from_arrow(data)
    if root in PANDAS_LIKE or any(hasattr(data, name) for name in OF_NARWHALS):
        return _by_narwhals(data)
    return data


def _from_arrow(data: Any) -> Any:
    """The table that a stream holds."""
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        return _by_polars(data)
    try:
        return pa.table(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _no_table(data, error) from error


def _by_polars(data: Any) -> Any:
    try:
        import polars as pl
    except ModuleNotFoundError as error:
        raise MissingExtraError.needs("pyarrow", f"data of type {_name(data)}") from error
    try:
        return pl.DataFrame(data)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise _no_table(data, error) from error


def _by_narwhals(data: Any) -> Any:
    try:
        import narwhals as nw
    except ModuleNotFoundError as error:
        raise MissingExtraError.needs("narwhals", f"data of type {_name(data)}") from error
    frame = nw.from_native(data)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    return frame.to_arrow()


def _name(data: Any) -> str:
    return f"{type(data).__module__.partition('.')[0]}.{type(data).__name__}"


def _no_table(data: Any, error: Exception) -> DataError:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(
        f"data of type {_name(data)} are no table with named columns ({first}); give a frame, or a "
        "dict of columns"
    )


def _refusal(data: Any, root: str) -> DataError:
    """The error for arrays, with the way to a frame."""
    if root == "xarray":
        return DataError(
            f"data are an xarray {type(data).__name__}, whose values lie on dimensions and not in "
            "rows; give its table: data.to_dataframe().reset_index()"
        )
    if data.dtype.names is not None:
        return DataError(
            f"data are a NumPy array of records ({shown(data.dtype.names)}); give its columns as a "
            "dict: {name: data[name] for name in data.dtype.names}"
        )
    return DataError(
        f"data are an array of shape {data.shape}, whose columns have no names; give a dict of "
        'columns, such as {"school": data[:, 0], "score": data[:, 1]}'
    )
