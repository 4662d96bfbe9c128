"""A browser can send anything; a control always reads an allowed value."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partialpool.app import controls
from partialpool.app.controls import HELD, SIMULATOR, Choice, Number, Switch

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NUMBER = Number("x", "X", "Help.", -2, 10, 0.5, 3)
WHOLE = Number("k", "K", "Help.", 0, 10, 1, 4)
CHOICE = Choice("c", "C", "Help.", (("a", "A"), ("b", "B")), "b")


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (5, 5.0),
        ("7.5", 7.5),
        (2.6, 2.5),
        (-1.8, -2.0),
        (9.9, 10.0),
        (-3, -2.0),
        (1e308, 10.0),
        (-1e308, -2.0),
        (math.inf, 10.0),
        ("-inf", -2.0),
        ("1e999", 10.0),
        (10**400, 3.0),
        (math.nan, 3.0),
        ("nan", 3.0),
        ("many", 3.0),
        ("", 3.0),
        (None, 3.0),
        (True, 3.0),
        ([5], 3.0),
        ({"x": 5}, 3.0),
    ],
)
def test_a_number_is_brought_into_its_range(sent, read):
    assert NUMBER.read(sent) == read


def test_a_whole_number_is_rounded():
    assert WHOLE.read(6.7) == 7.0
    assert WHOLE.read("9.6") == 10.0


def test_without_a_step_every_number_of_the_range_is_allowed():
    assert HELD.read(1.23456789) == 1.23456789
    assert HELD.read(-1) == HELD.low


@settings(max_examples=40, deadline=None)
@given(ANYTHING)
def test_whatever_comes_is_read_as_something_allowed(sent):
    for control in SIMULATOR:
        value = control.read(sent)
        match control:
            case Number():
                assert isinstance(value, int | float)
                assert control.low <= value <= control.high
                steps = (value - control.low) / control.step
                assert abs(steps - round(steps)) < 1e-6
            case Choice():
                assert value in dict(control.options)
            case Switch():
                assert isinstance(value, bool)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from([c.name for c in SIMULATOR]) | st.text(), ANYTHING))
def test_every_control_is_read_and_nothing_else(sent):
    assert list(controls.read(SIMULATOR, sent)) == [c.name for c in SIMULATOR]


@pytest.mark.parametrize("sent", [None, 5, "text", [1], ("groups",)])
def test_what_is_no_mapping_reads_as_the_defaults(sent):
    assert controls.read(SIMULATOR, sent) == controls.read(SIMULATOR, {})


def test_only_known_options_are_chosen():
    assert CHOICE.read("a") == "a"
    assert CHOICE.read("c") == CHOICE.read(["a"]) == CHOICE.read({"a": 1}) == "b"


def test_switches_read_what_the_address_writes():
    switch = Switch("s", "S", "Help.", default=True)
    assert switch.read("1") is True
    assert switch.read("0") is False
    assert switch.read(False) is False
    assert switch.read("yes") is switch.read(None) is switch.read(0) is True


def test_defaults_are_allowed_and_everything_is_explained():
    for control in SIMULATOR:
        assert control.read(control.default) == control.default
        assert control.label
        assert control.help.endswith(".")
