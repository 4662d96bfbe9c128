"""The small table: a dict of columns that prints and converts."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from partialpool import MissingExtraError, Table
from partialpool._table import build_frame

TABLE = Table(school=np.array(["A", "Bee"], dtype=object), score=np.array([71.5, 69.0]))


def test_it_is_a_dict_with_rows():
    assert list(TABLE) == ["school", "score"]
    assert TABLE.n_rows == 2
    assert list(TABLE.rows()) == [
        {"school": "A", "score": 71.5},
        {"school": "Bee", "score": 69.0},
    ]
    assert Table().n_rows == 0


def test_it_prints_numbers_to_the_right():
    assert repr(TABLE).splitlines() == ["school  score", "A        71.5", "Bee        69"]


def test_it_prints_twenty_rows():
    lines = repr(Table(x=np.arange(30))).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "... 10 more rows"


def test_it_becomes_a_frame():
    assert isinstance(TABLE.to_pandas(), pd.DataFrame)
    assert isinstance(TABLE.to_polars(), pl.DataFrame)
    assert isinstance(TABLE.to_arrow(), pa.Table)
    assert TABLE.to_pandas()["school"].tolist() == ["A", "Bee"]
    assert TABLE.to_polars()["school"].to_list() == ["A", "Bee"]
    assert TABLE.to_arrow()["school"].to_pylist() == ["A", "Bee"]


@pytest.mark.parametrize("labels", [[1, "a", True], [2**70, 5, 6], [(1, 2), "b", 3.5]])
def test_labels_that_arrow_cannot_hold_together_become_text(labels):
    column = np.empty(3, dtype=object)
    column[:] = labels
    assert Table(group=column).to_arrow()["group"].to_pylist() == list(map(str, labels))


def test_a_missing_library_is_named():
    with pytest.raises(MissingExtraError, match="pip install no_such_library"):
        build_frame(TABLE, "no_such_library")
