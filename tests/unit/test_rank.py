"""Ranks with their uncertainty, of every kind of fit."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.kernels.ranks import ranks
from partialpool.posterior.ranks import rank_table

SCHOOLS = "effect | se(se) ~ 1 + (1 | school)"
NAMES = ["group", "expected_rank", "lower", "median", "upper", "best", "top"]


def test_eight_schools():
    """Expected ranks in closed form; which of two is higher, by draws and exactly."""
    fit = pp.fit(SCHOOLS, pp.datasets.eight_schools())
    found = fit.rank(top=3)
    assert list(found) == NAMES
    known = [3.49, 4.49, 5.01, 4.58, 5.45, 5.07, 3.57, 4.34]
    np.testing.assert_allclose(found["expected_rank"], known, atol=0.005)
    np.testing.assert_allclose([found["best"].sum(), found["top"].sum()], [1, 3], rtol=1e-12)
    assert (found["lower"] <= found["median"]).all()
    assert (found["median"] <= found["upper"]).all()
    two = fit._engine.contrast({"A": 1, "C": -1}).probability(above=0)
    draws = fit._engine.draws(40_000, np.random.default_rng(1)).theta
    assert (draws[:, 0] > draws[:, 2]).mean() == pytest.approx(float(two), abs=0.01)
    again = fit.rank(top=3)
    assert all((again[k] == found[k]).all() for k in NAMES)


def test_the_lowest_first():
    fit = pp.fit(SCHOOLS, pp.datasets.eight_schools())
    up, down = fit.rank(), fit.rank(descending=False)
    np.testing.assert_allclose(up["expected_rank"] + down["expected_rank"], 9.0)


@pytest.mark.parametrize(
    ("formula", "data", "options"),
    [
        ("hits | trials(at_bats) ~ 1 + (1 | player)", pp.datasets.batting, {}),
        ("reaction ~ days + (days | subject)", pp.datasets.sleepstudy, {"term": "days"}),
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", pp.datasets.penicillin, {"factor": "sample"}),
        ("incidence | trials(size) ~ C(period) + (1 | herd)", pp.datasets.cbpp, {}),
    ],
)
def test_every_kind_of_fit(formula, data, options):
    """Ranks go with estimates, and their probabilities add up."""
    fit = pp.fit(formula, data())
    found = fit.rank(top=2, **options)
    assert list(found) == NAMES
    size = len(found["group"])
    np.testing.assert_allclose(found["expected_rank"].sum(), size * (size + 1) / 2, rtol=1e-9)
    np.testing.assert_allclose([found["best"].sum(), found["top"].sum()], [1, 2], rtol=1e-9)
    groups = fit.groups()
    if "term" in groups:
        mine = groups["factor"] == options.get("factor", fit.factor)
        mine &= groups["term"] == options.get("term", "Intercept")
        value = groups["effect"][mine]
    else:
        value = groups["estimate"]
    order = np.argsort(np.argsort(-value)) + 1
    assert np.corrcoef(order, found["expected_rank"])[0, 1] > 0.9


def test_frames_come_back_as_they_came():
    pd = pytest.importorskip("pandas")
    frame = pp.datasets.eight_schools().to_pandas()
    assert isinstance(pp.fit(SCHOOLS, frame).rank(), pd.DataFrame)


@pytest.mark.parametrize(
    ("formula", "options", "says"),
    [
        ("reaction ~ 1 + (1 | subject)", {"factor": "day"}, 'groups are by "subject"'),
        (
            "reaction ~ days + (days | subject)",
            {"term": "hours"},
            'by "subject" is "Intercept", "days"; "hours" does not',
        ),
        ("reaction ~ days + (days | subject)", {"top": 99}, "between 1 and the number"),
        ("reaction ~ 1 + (1 | subject)", {"level": 95}, "between 0 and 1"),
    ],
)
def test_what_cannot_be_ranked_is_said(formula, options, says):
    with pytest.raises(pp.ArgumentError, match=says):
        pp.fit(formula, pp.datasets.sleepstudy()).rank(**options)


def test_estimates_have_no_ranks():
    fit = pp.fit("reaction ~ days + (days | subject)", pp.datasets.sleepstudy(), method="reml")
    with pytest.raises(pp.ArgumentError, match="needs a posterior"):
        fit.rank()


def test_ranks_of_draws_are_those_of_sorting():
    rng = np.random.default_rng(0)
    values = rng.normal(1e6, 1.0, (7, 501)) * rng.choice([1.0, 1e-3], (7, 1))
    values[3] *= -1.0
    found = np.empty(values.shape, dtype=np.uint16)
    ranks(values, found)
    np.testing.assert_array_equal(found, values.argsort(axis=1).argsort(axis=1) + 1)


def test_summaries_do_not_depend_on_how_many_are_ranked_at_once(monkeypatch):
    values = np.random.default_rng(1).normal(size=(1000, 9)) + np.arange(9)

    def table():
        left = iter(np.split(values, np.arange(100, 1000, 100)))
        rest = [np.empty((0, 9))]

        def draw(size):
            while len(rest[0]) < size:
                rest[0] = np.concatenate([rest[0], next(left)])
            taken, rest[0] = rest[0][:size], rest[0][size:]
            return taken

        return rank_table(draw, 1000, np.arange(9), 2, 0.9)

    whole = table()
    rank = values.argsort(axis=1).argsort(axis=1) + 1
    np.testing.assert_allclose(whole["expected_rank"], rank.mean(axis=0))
    np.testing.assert_allclose(whole["top"], (rank <= 2).mean(axis=0))
    expected = np.quantile(rank, [0.05, 0.5, 0.95], axis=0, method="inverted_cdf")
    for name, values_of in zip(("lower", "median", "upper"), expected, strict=True):
        np.testing.assert_array_equal(whole[name], values_of)
    monkeypatch.setattr("partialpool.posterior.ranks.CELLS_AT_ONCE", 50)
    again = table()
    for name in whole:
        np.testing.assert_array_equal(again[name], whole[name])


def test_equal_values_share_their_ranks():
    """Groups exactly at the point are tied: no place in the file decides which is higher."""
    values = np.tile([0.0, 5.0, 0.0, -1.0, 0.0], (30_000, 1))
    out = np.empty(values.shape, dtype=np.int64)
    ranks(values, out)
    np.testing.assert_array_equal(np.sort(out, axis=1)[::10_000], [[1, 2, 3, 4, 5]] * 3)
    np.testing.assert_array_equal(out[:, [1, 3]], [[5, 1]] * 30_000)
    for tied in (0, 2, 4):
        shares = [(out[:, tied] == r).mean() for r in (2, 3, 4)]
        np.testing.assert_allclose(shares, 1 / 3, atol=0.01)


def test_point_normal_ranks_do_not_depend_on_the_labels():
    """1 + sum_k P(theta_k > theta_j) + P(theta_k = theta_j) / 2, from joint draws."""
    data = pp.datasets.eight_schools()
    turned = {name: np.asarray(data[name])[::-1] for name in ("effect", "se")}
    fit = pp.fit(SCHOOLS, data, population="point_normal")
    there = fit.rank(top=2)
    back = pp.fit(SCHOOLS, {"school": data["school"], **turned}, population="point_normal").rank(
        top=2
    )
    for name in ("expected_rank", "best", "top"):
        np.testing.assert_allclose(there[name], back[name][::-1], atol=0.05)
    theta = fit.posterior.draws(4000, np.random.default_rng(3)).groups()
    above = (theta[:, None, :] > theta[:, :, None]).mean(axis=0).sum(axis=1)
    equal = (theta[:, None, :] == theta[:, :, None]).mean(axis=0).sum(axis=1) - 1
    np.testing.assert_allclose(there["expected_rank"], 1 + above + equal / 2, atol=0.1)
