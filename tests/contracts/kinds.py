"""Kinds of data: from columns, lists in which None is a missing value, to what the user gives."""

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import partialpool as pp


def _pandas(columns, dtype):
    group = next(iter(columns))
    frame = pd.DataFrame({k: v for k, v in columns.items() if k != group})
    values = columns[group]
    integers = all(v is None or isinstance(v, int) for v in values)
    if dtype == "str" and integers:
        dtype = "Int64"
    return frame.assign(**{group: pd.Series(values, dtype=dtype)})


def _dict(columns, folder):
    def array(values):
        numbers = not any(isinstance(v, str) for v in values)
        if numbers and None in values:
            return np.array([np.nan if v is None else v for v in values])
        return np.array(values) if numbers else np.array(values, dtype=object)

    return {k: array(v) for k, v in columns.items()}


def _parquet(columns, path):
    pq.write_table(pa.table(columns), path)
    return str(path)


def _parquet_glob(columns, folder):
    table = pa.table(columns)
    pq.write_table(table.slice(0, 13), folder / "part-1.parquet")
    pq.write_table(table.slice(13).select(table.column_names[::-1]), folder / "part-2.parquet")
    return str(folder / "part-*.parquet")


def _csv(columns, folder):
    path = folder / "rows.csv"
    pl.DataFrame(columns).write_csv(path, null_value="NA")
    return path


def _relation(columns, folder):
    connection = duckdb.connect()
    rows = pa.table(columns)
    connection.register("arrow_rows", rows)
    return connection.sql("SELECT * FROM arrow_rows")


def _table(columns, folder):
    connection = duckdb.connect()
    connection.register("arrow_rows", pa.table(columns))
    connection.execute("CREATE TABLE scores AS SELECT * FROM arrow_rows")
    return connection.table("scores")


def _database(columns, folder):
    path = folder / "rows.duckdb"
    with duckdb.connect(path) as connection:
        connection.register("arrow_rows", pa.table(columns))
        connection.execute("CREATE TABLE scores AS SELECT * FROM arrow_rows")
    return f"{path}::scores"


def _spark(columns, session):
    return session.createDataFrame(pa.table(columns)).repartition(3)


BACKENDS = {
    "dict of arrays": (_dict, pp.Table),
    "dict of lists": (lambda c, _: dict(c), pp.Table),
    "pandas str": (lambda c, _: _pandas(c, "str"), pd.DataFrame),
    "pandas object": (lambda c, _: _pandas(c, object), pd.DataFrame),
    "pandas categorical": (lambda c, _: _pandas(c, "category"), pd.DataFrame),
    "pandas nullable": (lambda c, _: pd.DataFrame(c).convert_dtypes(), pd.DataFrame),
    "polars": (lambda c, _: pl.DataFrame(c), pl.DataFrame),
    "polars lazy": (lambda c, _: pl.LazyFrame(c), pl.DataFrame),
    "pyarrow": (lambda c, _: pa.table(c), pa.Table),
    "pyarrow chunked": (
        lambda c, _: pa.concat_tables([pa.table(c).slice(0, 9), pa.table(c).slice(9)]),
        pa.Table,
    ),
    "CSV": (_csv, pp.Table),
    "Parquet": (lambda c, folder: _parquet(c, folder / "rows.parquet"), pp.Table),
    "Parquet glob": (_parquet_glob, pp.Table),
    "DuckDB relation": (_relation, duckdb.DuckDBPyRelation),
    "DuckDB table": (_table, duckdb.DuckDBPyRelation),
    "DuckDB database": (_database, pp.Table),
    "spark": (_spark, pp.Table),
    "spark_connect": (_spark, pp.Table),
}
