"""`effect_size` on data of every kind, and what it refuses."""

import math

import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from doors import DOORS, through
from partialpool.classical.control_limits import control_limits, tail_probability
from partialpool.classical.effect_sizes import computed

TRIALS = pd.DataFrame(
    {"trial": ["A", "B", "C"], "a": [4, 0, 7], "n1": [127, 40, 9], "c": [11, 3, 2],
     "d": [139, 39, 10]}
)  # fmt: skip
COLUMNS = {"events1": "a", "n1": "n1", "events2": "c", "non_events2": "d"}
LOG_OR = [
    math.log(4 * 139 / (123 * 11)),
    math.log(0.5 * 39.5 / (40.5 * 3.5)),
    math.log(7 * 10 / (2 * 2)),
]
SE = [
    math.sqrt(1 / 4 + 1 / 123 + 1 / 11 + 1 / 139),
    math.sqrt(1 / 0.5 + 1 / 40.5 + 1 / 3.5 + 1 / 39.5),
    math.sqrt(1 / 7 + 1 / 2 + 1 / 2 + 1 / 10),
]


@pytest.mark.parametrize("door", DOORS)
def test_any_data_come_back_with_two_columns_more(door, tmp_path, monkeypatch):
    data = through(door, tmp_path, TRIALS, monkeypatch)
    found = pp.effect_size("odds_ratio", data, **COLUMNS)
    if door in ("pandas", "polars", "arrow", "duckdb"):
        assert type(found).__module__.split(".")[0] == type(data).__module__.split(".")[0]
    columns = {k: list(v) for k, v in as_dict(found).items()}
    assert list(columns) == [*TRIALS, "effect", "se"]
    assert columns["trial"] == ["A", "B", "C"]
    np.testing.assert_allclose(columns["effect"], LOG_OR, rtol=1e-12)
    np.testing.assert_allclose(columns["se"], SE, rtol=1e-12)


def as_dict(frame):
    if hasattr(frame, "fetchnumpy"):
        return frame.fetchnumpy()
    if hasattr(frame, "to_pydict"):
        return frame.to_pydict()
    return frame if isinstance(frame, dict) else {k: frame[k].to_list() for k in frame.columns}


def test_the_index_of_a_frame_and_the_frame_itself_stay():
    data = TRIALS.set_index(pd.Index([5, 3, 9]))
    found = pp.effect_size("RD", data, **COLUMNS)
    assert found.index.tolist() == [5, 3, 9]
    assert "effect" not in data


def test_missing_figures_give_missing_effects_and_a_sentence():
    data = {"a": [4, None, 0], "n1": [127, 40, 9.0], "c": [11, 3, 2], "d": [139, 39, 10]}
    found = computed(
        "OR", pp.Table({k: np.array(v, dtype=float) for k, v in data.items()}), COLUMNS
    )
    assert np.isnan(found.effect).tolist() == [False, True, False]
    assert found.said() == [
        "zero cells: a constant was added to the cells of 1 of 3 studies",
        "1 of 3 studies are without an effect (row 2)",
    ]


def test_without_a_constant_ratios_of_zero_cells_are_missing():
    found = pp.effect_size("OR", TRIALS, **COLUMNS, to="none")
    assert np.isnan(found["se"]).tolist() == [False, True, False]
    other = pp.effect_size("OR", TRIALS, **COLUMNS, names=("log_or", "log_or_se"))
    assert list(other)[-2:] == ["log_or", "log_or_se"]


REFUSED = [
    ("OR", {**COLUMNS, "events1": "minus"}, 'column "minus" must be a number of events, 0 or more'),
    ("OR", {**COLUMNS, "n1": "c"}, 'must be at least "a", the events among them; it is 2 in row 3'),
    ("OR", {**COLUMNS, "non_events1": "c"}, 'must be the sum of "a" and "c"'),
    ("OR", {k: COLUMNS[k] for k in ("events1", "n1")}, "not given: events2, n2"),
    ("OR", {**COLUMNS, "sd1": "c"}, "not sd1"),
    ("OR", {**COLUMNS, "n1": "n_1"}, 'column "n_1" is not in the data; did you mean "n1"?'),
    ("OR", {**COLUMNS, "n1": "trial"}, 'column "trial" must hold numbers'),
    ("odds", COLUMNS, 'there is no measure "odds"; did you mean'),
    ("OR", {**COLUMNS, "to": "some"}, "to='some': it is one of"),
    ("OR", {**COLUMNS, "add": -1}, "add is 0 or more"),
    ("OR", {**COLUMNS, "names": ("trial", "se")}, 'have a column "trial" already'),
    ("OR", {**COLUMNS, "n1": [1, 2, 3]}, "n1 is the name of a column"),
    ("ZCOR", {"r": "a", "n": "n1"}, "a correlation between -1 and 1; it is 4 in row 1"),
    ("ZCOR", {"r": "zero", "n": "c"}, "above 3, as the variance is 1 / (n - 3)"),
    ("ROM", {"mean1": "minus", "sd1": "c", "n1": "c", "mean2": "c", "sd2": "c", "n2": "c"},
     "a mean above 0, as its logarithm is taken"),
    ("SMD", {"mean1": "c", "sd1": "zero", "n1": "c", "mean2": "c", "sd2": "c", "n2": "c"},
     "a standard deviation above 0"),
    ("IRR", {"events1": "a", "time1": "zero", "events2": "c", "time2": "c"}, "above 0; it is 0"),
]  # fmt: skip


@pytest.mark.parametrize(("measure", "how", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_possible_is_refused_in_a_sentence(measure, how, words):
    data = TRIALS.assign(minus=[1, -2, 3], zero=0.0)
    with pytest.raises(pp.PartialPoolError) as caught:
        pp.effect_size(measure, data, **how)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# control limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["proportion", "rate"])
@pytest.mark.parametrize("level", [0.95, 0.998])
def test_counts_are_beyond_the_limits_where_a_tail_has_less_than_its_share(outcome, level):
    size, target = np.repeat([7.0, 50, 333], 334), 0.3
    events = np.tile(np.arange(334.0), 3)
    keep = events <= size
    size, value = size[keep], (events / size)[keep]
    low, high = control_limits(outcome, target=target, size=size, level=level)
    p = tail_probability(outcome, target=target, size=size, value=value)
    beyond = p < (1 - level) / 2
    np.testing.assert_array_equal((value < low - 1e-12) | (value > high + 1e-12), beyond)
    assert beyond.any()


def test_limits_of_few_trials_are_those_of_the_binomial_distribution():
    # P(R <= 1) = .0107, P(R <= 2) = .0547 of binomial(10, .5): a = (.0547 - .025) / .0439
    low, high = control_limits("proportion", target=0.5, size=[10.0], level=0.95)
    share = (56 / 1024 - 0.025) / (45 / 1024)
    np.testing.assert_allclose(low, (2 - share) / 10, rtol=1e-12)
    np.testing.assert_allclose(high, 1 - low, rtol=1e-12)


def test_limits_of_means_are_normal():
    low, high = control_limits("mean", target=10.0, size=[4.0], level=0.95, sigma=2.0)
    np.testing.assert_allclose([low[0], high[0]], [10 - 1.959963984540054, 10 + 1.959963984540054])
