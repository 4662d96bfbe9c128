"""A small table for users without a frame library: a dict of columns that prints."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from partialpool._markup import output, paragraph
from partialpool._markup import table as html_table
from partialpool._typing import AnyArray
from partialpool.errors import MissingExtraError

SHOWN_ROWS = 20
"""Of longer tables the first are printed."""


class Table(dict[str, AnyArray]):
    """A dict of equally long columns (NumPy arrays) that prints as a table.

    It is what comes back when data came as a dict or from a file, and what the bundled
    data sets are.

    Examples
    --------
    >>> import numpy as np
    >>> Table(school=np.array(["A", "B"]), score=np.array([71.5, 69.0]))
    school  score
    A        71.5
    B          69
    """

    __slots__ = ()

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.values()), ()))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one dict a row, with plain Python values.

        Examples
        --------
        >>> import numpy as np
        >>> import partialpool as pp
        >>> table = pp.Table(school=np.array(["A", "B"]), score=np.array([71.5, 69.0]))
        >>> list(table.rows())
        [{'school': 'A', 'score': 71.5}, {'school': 'B', 'score': 69.0}]
        """
        columns = [c.tolist() for c in self.values()]
        for values in zip(*columns, strict=True):
            yield dict(zip(self.keys(), values, strict=True))

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame.

        Examples
        --------
        >>> import numpy as np
        >>> import partialpool as pp
        >>> table = pp.Table(school=np.array(["A", "B"]), score=np.array([71.5, 69.0]))
        >>> table.to_pandas().shape
        (2, 2)
        """
        return build_frame(self, "pandas")

    def to_polars(self) -> Any:
        """Return a Polars DataFrame.

        Examples
        --------
        >>> import numpy as np
        >>> import partialpool as pp
        >>> table = pp.Table(school=np.array(["A", "B"]), score=np.array([71.5, 69.0]))
        >>> table.to_polars().shape
        (2, 2)
        """
        return build_frame(self, "polars")

    def to_arrow(self) -> Any:
        """Return a PyArrow Table.

        Examples
        --------
        >>> import numpy as np
        >>> import partialpool as pp
        >>> table = pp.Table(school=np.array(["A", "B"]), score=np.array([71.5, 69.0]))
        >>> table.to_arrow().num_rows
        2
        """
        return build_frame(self, "pyarrow")

    def to_spark(self, session: Any) -> Any:
        """Return a Spark DataFrame of this session (classic or Spark Connect).

        Examples
        --------
        >>> import numpy as np
        >>> import partialpool as pp
        >>> table = pp.Table(school=np.array(["A", "B"]), score=np.array([71.5, 69.0]))
        >>> table.to_spark(session).count()  # doctest: +SKIP
        2
        """
        return session.createDataFrame(self.to_arrow())

    def as_html(self, caption: str = "") -> str:
        """The table as HTML: its first rows, and how many more there are.

        Parameters
        ----------
        caption : str
            What it is of; if not given, its number of rows.

        Examples
        --------
        >>> import numpy as np
        >>> html = Table(school=np.array(["A", "B"])).as_html("Schools")
        >>> "<caption>Schools</caption>" in html
        True
        """
        columns = [_aligned(v[:SHOWN_ROWS]) for v in self.values()]
        texts = {i for i, v in enumerate(self.values()) if v.dtype.kind not in "iufb"}
        size = f"{self.n_rows:,} row{'s' * (self.n_rows != 1)}"
        left = self.n_rows - SHOWN_ROWS
        more = paragraph(f"... {left:,} more rows", "more") if left > 0 else ""
        rows = list(zip(*columns, strict=True))
        return html_table(list(self), rows, caption or size, texts) + more

    def _repr_html_(self) -> str:
        return output(self.as_html())

    def __repr__(self) -> str:
        shown = SHOWN_ROWS
        cells = {k: [_cell(x) for x in v[:shown].tolist()] for k, v in self.items()}
        width = {k: max([len(k), *map(len, c)]) for k, c in cells.items()}
        right = {k: v.dtype.kind in "iufb" for k, v in self.items()}

        def line(values: dict[str, str]) -> str:
            parts = (
                x.rjust(width[k]) if right[k] else x.ljust(width[k]) for k, x in values.items()
            )
            return "  ".join(parts).rstrip()

        lines = [line({k: k for k in self})]
        lines += [line({k: cells[k][i] for k in self}) for i in range(min(shown, self.n_rows))]
        if self.n_rows > shown:
            lines.append(f"... {self.n_rows - shown} more rows")
        return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _aligned(column: AnyArray) -> list[str]:
    """Cells of a column, all numbers with as many decimals: of the largest four digits at most."""
    values = column.tolist()
    if column.dtype.kind != "f":
        return [f"{v:,}" if type(v) is int and abs(v) > 9999 else str(v) for v in values]
    finite = [v for v in values if math.isfinite(v)]
    size = max(map(abs, finite), default=0.0)
    form = ".4g"  # with exponents, or nothing but zeros
    if 1e-4 < size < 1e9:
        most = max(3 - math.floor(math.log10(size)), 0)
        near = 1e-9 * size  # sums such as 28.000000000000004
        exact = (d for d in range(most) if all(abs(v - round(v, d)) <= near for v in finite))
        form = f",.{next(exact, most)}f"
    return ["-" if math.isnan(v) else format(v, form) for v in values]


def build_frame(
    columns: dict[str, AnyArray], library: str, orders: Mapping[str, Sequence[Any]] | None = None
) -> Any:
    """Build a frame of the named library (pandas, polars, pyarrow) from columns.

    `orders` names columns of ordered categories, which they become again, and their order.
    """
    frame = _frame(columns, library)
    for name, order in (orders or {}).items():
        if name in columns and set(columns[name].tolist()) <= set(order):
            frame = _ordered(frame, library, name, order)
    return frame


def _ordered(frame: Any, library: str, name: str, order: Sequence[Any]) -> Any:
    """The frame with a column as ordered categories."""
    module = importlib.import_module(library)
    if library == "pandas":
        return frame.assign(**{name: module.Categorical(frame[name], order, ordered=True)})
    if library == "polars":
        return frame.with_columns(module.col(name).cast(module.Enum(order)))
    places = [order.index(v) for v in frame.column(name).to_pylist()]
    indices = module.array(places, module.int32())
    column = module.DictionaryArray.from_arrays(indices, module.array(order), ordered=True)
    return frame.set_column(frame.column_names.index(name), name, column)


def _frame(columns: dict[str, AnyArray], library: str) -> Any:
    try:
        module = importlib.import_module(library)
    except ModuleNotFoundError as error:
        raise MissingExtraError.needs(library, f"a {library} frame") from error
    if library == "pyarrow":
        return module.table({k: _arrow(module, v) for k, v in columns.items()})
    if library == "polars":
        strict = {k: v.tolist() if v.dtype == object else v for k, v in columns.items()}
        return module.DataFrame(strict, strict=False)
    return module.DataFrame(dict(columns))


def _arrow(pyarrow: Any, values: AnyArray) -> Any:
    """An Arrow column; labels that Arrow cannot hold together (1, "a") become text."""
    if values.dtype != object:
        return values
    items = values.tolist()
    try:
        return pyarrow.array(items)
    except (pyarrow.ArrowException, OverflowError):
        return pyarrow.array([None if v is None else str(v) for v in items])
