"""What goes to the browser: numbers that JSON holds, and nothing twice."""

import json
import math

import numpy as np
import pytest

from partialpool.app.payload import Sender, columns, responsive, rounded, table
from partialpool.app.simulator import drawn
from partialpool.app.state import Simulation
from partialpool.data import Table
from partialpool.simulate.picture import shrinkage_drawing


def drawing(**settings):
    return shrinkage_drawing(drawn(Simulation.read(settings)))


def test_numbers_keep_seven_digits_and_json_holds_them():
    assert rounded(1 / 3) == 0.3333333
    assert rounded(123456789.0) == 123456800.0
    assert rounded(math.inf) is rounded(math.nan) is None
    assert rounded("text") == "text"
    assert rounded(7) == 7


def test_rows_become_columns():
    assert columns([{"a": 1.0, "b": "x"}, {"a": 2.0, "b": "y"}]) == {"a": [1, 2], "b": ["x", "y"]}
    assert columns([]) == {}


def test_a_table_is_text_under_its_heads():
    found = Table(group=np.array(["A", "B"]), mean=np.array([1.5, 2.0]))
    assert table(found, [["A", "1.5"], ["B", "2.0"]], "Means") == {
        "caption": "Means",
        "head": ["group", "mean"],
        "rows": [["A", "1.5"], ["B", "2.0"]],
    }


def test_a_frame_is_sent_once_and_data_when_they_change():
    sender = Sender()
    first = sender.drawing("shrinkage", drawing())
    again = sender.drawing("shrinkage", drawing())
    moved = sender.drawing("shrinkage", drawing(tau=8))
    assert "spec" in first
    assert set(first["data"]) == set(drawing().data)
    assert "spec" not in again
    assert "spec" not in moved
    assert again["data"] == {}
    assert moved["data"]
    assert first["frame"] == again["frame"] == moved["frame"]
    assert moved["data"]["groups"]["truth"] == pytest.approx(
        [r["truth"] for r in drawing(tau=8).data["groups"]], rel=1e-6
    )


def test_a_place_that_shows_another_frame_is_filled_again():
    sender, light = Sender(), drawing()
    dark = shrinkage_drawing(drawn(Simulation()), dark=True)
    sender.drawing("shrinkage", light)
    assert "spec" in sender.drawing("shrinkage", dark)
    back = sender.drawing("shrinkage", light)
    assert "spec" not in back
    assert set(back["data"]) == set(light.data)


def test_places_are_filled_each_for_itself():
    sender = Sender()
    sender.drawing("here", drawing())
    assert sender.drawing("there", drawing())["data"]


def test_frames_are_as_wide_as_their_place_and_stay_as_they_are():
    frame = drawing().frame
    before = json.dumps(frame.spec)
    assert responsive(frame)["width"] == "container"
    assert json.dumps(frame.spec) == before


def test_an_update_is_small_and_plain_json():
    sender = Sender()
    sender.drawing("shrinkage", drawing(groups=50))
    update = json.dumps(sender.drawing("shrinkage", drawing(groups=50, tau=9)), allow_nan=False)
    assert len(update) < 10_000
