"""The doors by which data come in: one table as every kind of data that `fit` takes."""

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

DOORS = (
    "pandas",
    "polars",
    "arrow",
    "duckdb",
    "csv",
    "many csv",
    "large csv",
    "parquet",
    "excel",
    "dict",
)


def through(door, folder, data, monkeypatch=None):
    """The pandas frame `data` as another kind of data; files are written to `folder`."""
    if door == "polars":
        return pl.DataFrame(data)
    if door == "arrow":
        return pa.table(data)
    if door == "duckdb":
        return duckdb.from_df(data)
    if door == "dict":
        return {name: data[name].tolist() for name in data}
    if door == "excel":
        data.to_excel(folder / "rows.xlsx", index=False)
        return folder / "rows.xlsx"
    if door == "parquet":
        data.to_parquet(folder / "rows.parquet")
        return folder / "rows.parquet"
    if door == "large csv":  # through DuckDB
        monkeypatch.setattr("partialpool.rows.csv_rows.SMALL_FILE", 0)
    if door in ("csv", "large csv"):
        data.to_csv(folder / "rows.csv", index=False)
        return folder / "rows.csv"
    if door == "many csv":
        half = len(data) // 2
        data[:half].to_csv(folder / "1.csv", index=False)
        data[half:].to_csv(folder / "2.csv", index=False)
        return str(folder / "*.csv")
    assert isinstance(data, pd.DataFrame)
    return data
