"""What an engine returns, one row a group, as labels in order, sums, and counts of all rows."""

import numpy as np
import pytest

from partialpool.rows.one_way import Groups

LABELS = {
    "masked": np.ma.MaskedArray([10, 9, 0], [False, False, True]),
    "nan": np.array([10.0, 9.0, np.nan]),
    "objects": np.array(["site 10", "site 9", None], dtype=object),
}


@pytest.mark.parametrize("kind", LABELS)
def test_rows_without_a_label_count_among_all_rows_and_in_no_group(kind):
    columns = {
        "g": LABELS[kind],
        "total": np.array([3, 2, 4]),
        "used": np.array([3, 1, 0]),
        "known_y": np.array([3, 1, 4]),
        "s1": np.array([1.5, -2.0, 7.0]),
    }
    got = Groups.of(columns)
    assert got.labels.tolist() == LABELS[kind].tolist()[1::-1]
    assert not isinstance(got.labels, np.ma.MaskedArray)
    assert got.total == 9
    assert got.missing == {"g": 4, "y": 1}
    assert {k: v.tolist() for k, v in got.sums.items()} == {"used": [1, 3], "s1": [-2.0, 1.5]}
    assert "total" in columns  # what came in is left as it is


def test_the_order_of_records_stays_where_it_is_asked_for():
    columns = {"g": np.array([10, 9]), "n": np.array([3, 2])}
    got = Groups.of(columns, in_order=False)
    assert got.labels.tolist() == [10, 9]
    assert (got.total, got.missing) == (0, {})
