"""Apache Spark as the engine: DataFrames, classic or through Spark Connect.

Rows have no order in Spark, so messages give values in place of row numbers; and because a
pass may mean a long job, NaN is looked for at the first try.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from partialpool._typing import AnyArray
from partialpool.design import labels as lab
from partialpool.errors import DataError, MissingExtraError
from partialpool.rows.days import Since, spark_days
from partialpool.rows.sql import Kind

FLOATS = ("float", "double")
NUMERIC = ("tinyint", "smallint", "int", "bigint", "boolean")
NESTED = ("array", "map", "struct", "variant")


@contextmanager
def translated() -> Iterator[None]:
    """Raise what Spark raises as one of our errors, in one sentence."""
    try:
        yield
    except ImportError as error:
        if isinstance(error, MissingExtraError):
            raise
        raise MissingExtraError.needs("pyarrow", "a Spark DataFrame", extra="spark") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("pyspark", "py4j", "grpc"):
            raise
        raise DataError(f"the Spark job failed: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    """What a Spark error says: its first line, and the last of a Python traceback within it."""
    lines = [x.strip() for x in str(error).splitlines() if x.strip()]
    if not lines:
        return type(error).__name__
    if "Traceback (most recent call last):" in str(error):
        raised = [x for x in lines if x.partition(":")[0].endswith(("Error", "Exception"))]
        return f"a Python function of the frame failed: {raised[-1]}" if raised else lines[0]
    return lines[0][:400]


@dataclass(frozen=True, slots=True)
class Spark:
    """A Spark DataFrame as an engine; see `rows.sql.Engine`.

    Parameters
    ----------
    data : pyspark.sql.DataFrame
        The rows; not a streaming frame.
    given : mapping
        The user's column for each column that the statements name.
    """

    data: Any
    given: Mapping[str, str] = field(default_factory=dict)

    numbered: ClassVar[bool] = False
    row_number: ClassVar[str] = "MONOTONICALLY_INCREASING_ID() + 1"
    nan_plans: ClassVar[tuple[bool, ...]] = (True,)

    def __post_init__(self) -> None:
        if self.data.isStreaming:
            raise DataError(
                "a streaming DataFrame has no end; in foreachBatch call partialpool.statistics "
                "on each batch and combine the results"
            )

    @property
    def columns(self) -> list[str]:
        return [field.name for field in self.data.schema.fields]

    def naming(self, given: Mapping[str, str]) -> Spark:
        return replace(self, given=given)

    def projected(self, columns: Sequence[str]) -> Spark:
        return replace(self, data=self.data.selectExpr(*columns))

    def holds_text(self, name: str) -> bool:
        return self.type_of(name)[0] == "text"

    def quote(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def days(self, name: str, since: Since) -> str:
        return spark_days(self.quote(name), self.type_of(name)[1], since)

    def text(self, value: str) -> str:
        return f"CAST(X'{value.encode().hex()}' AS STRING)"  # whatever escapes the session reads

    def type_of(self, name: str) -> tuple[Kind, str]:
        field = self.data.schema.fields[self.columns.index(name)]
        kind = field.dataType.simpleString()
        if kind.startswith(NESTED):
            return "nested", kind
        if kind in FLOATS:
            return "floating", kind
        if kind in NUMERIC or kind.startswith("decimal"):
            return "number", kind
        return ("text" if kind.startswith(("string", "varchar", "char")) else "other"), kind

    def table(self, sql: str, labels: Sequence[str]) -> dict[str, AnyArray]:
        answer = self._query(sql).toArrow()
        texts = [k for k in labels if str(answer.schema.field(k).type).endswith("string")]
        if texts:
            answer = answer.sort_by(texts[0])  # labels in order are sorted faster as Python's
        return {
            k: _labels(answer.column(k)) if k in labels else np.asarray(answer.column(k))
            for k in answer.column_names
        }

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._query(sql).collect()]

    def shown(self, sql: str) -> str:
        return sql.format(rows="the_rows")

    def _query(self, sql: str) -> Any:
        return self.data.sparkSession.sql(sql, rows=self._rows())

    def _rows(self) -> Any:
        """The user's columns, named as the statements name them; taken by place, not by name."""
        names = self.columns
        numbered = self.data.toDF(*(f"c{i}" for i in range(len(names))))
        columns = (f"c{names.index(name)} AS {role}" for role, name in self.given.items())
        return numbered.selectExpr(*columns)


def _labels(column: Any) -> AnyArray:
    """Labels as they came: numbers in an array of their type, anything else as objects.

    Numbers are masked where missing: in an array of integers there is no other way.
    """
    if str(column.type).startswith(("int", "double", "float", "bool")):
        absent = np.asarray(column.is_null())
        if not absent.any():
            return np.asarray(column)
        filled = np.asarray(column.fill_null(column.drop_null()[0] if not absent.all() else 0))
        return np.ma.MaskedArray(filled, absent)
    return lab.as_labels(column.to_pylist())
