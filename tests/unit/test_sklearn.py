"""The encoder: scikit-learn's own checks, and its numbers against fits and by hand."""

import importlib
import pickle
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import partialpool as pp

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.compose import make_column_transformer  # noqa: E402
from sklearn.linear_model import Ridge  # noqa: E402
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import TargetEncoder  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from partialpool.sklearn import GroupEncoder  # noqa: E402

RNG = np.random.default_rng(7)
SIZE = 300
A, B = RNG.integers(0, 20, SIZE), RNG.integers(0, 7, SIZE)
ETA = RNG.normal(size=20)[A] + RNG.normal(size=7)[B]
Y = ETA + RNG.normal(size=SIZE)
TARGETS = {
    "continuous": Y,
    "binary": (Y > 0).astype(int),
    "count": RNG.poisson(np.exp(0.5 * ETA)),
}
FAMILIES = {"continuous": None, "binary": "binomial", "count": "poisson"}
X = pd.DataFrame({"a": [f"a{i}" for i in A], "b": B})


@parametrize_with_checks([GroupEncoder()])
def test_estimator_checks(estimator, check):
    check(estimator)


# numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_a_category_is_the_posterior_mean_of_a_model_of_its_column(target):
    y = TARGETS[target]
    encoder = GroupEncoder(target_type=target, with_sd=True, with_shrinkage=True).fit(X, y)
    for column, name in enumerate(X):
        rows = {"g": X[name].to_numpy(), "y": y}
        fit = pp.fit("y ~ 1 + (1 | g)", rows, family=FAMILIES[target])
        groups, new = fit.groups(), fit.posterior.new_group()
        assert encoder.categories_[column].tolist() == groups["group"].tolist()
        np.testing.assert_allclose(encoder.encodings_[column], groups["estimate"], rtol=1e-9)
        np.testing.assert_allclose(encoder.sds_[column], groups["sd"], rtol=1e-9)
        np.testing.assert_allclose(encoder.shrinkages_[column], groups["shrinkage"], rtol=1e-9)
        mean = groups["estimate"].mean() if target == "count" else float(new.mean)
        assert encoder.unknown_[column, 0] == pytest.approx(mean, rel=1e-9)
        if target != "count":
            assert encoder.unknown_[column, 1] == pytest.approx(float(new.sd), rel=1e-9)
    place = encoder.categories_[0].tolist().index(X["a"][0])
    first = [v[0][place] for v in (encoder.encodings_, encoder.sds_, encoder.shrinkages_)]
    np.testing.assert_array_equal(encoder.transform(X)[0, :3], first)


def test_one_model_of_all_columns():
    rows = {"a": X["a"].to_numpy(), "b": B, "y": Y}
    for method in ("posterior", "reml"):
        fit = pp.fit("y ~ 1 + (1 | a) + (1 | b)", rows, method=method)
        chosen = {"posterior": "posterior", "reml": "ml"}[method]
        encoder = GroupEncoder(additive=True, method=chosen).fit(X, Y)
        for column, name in enumerate(X):
            expected = fit.posterior.groups(name).mean
            np.testing.assert_allclose(encoder.encodings_[column], expected, rtol=1e-6)
            assert encoder.unknown_[column, 0] == pytest.approx(
                float(fit.posterior["Intercept"].mean), rel=1e-6
            )


def test_additive_values_are_nearer_to_effects_that_are_confounded():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 30, 2000)
    b = np.where(rng.random(2000) < 0.7, a % 6, rng.integers(0, 6, 2000))
    effect_a, effect_b = rng.normal(size=30), 3.0 * rng.normal(size=6)
    y = effect_a[a] + effect_b[b] + rng.normal(size=2000)
    columns = np.column_stack([a, b])
    alone = GroupEncoder().fit(columns, y).encodings_[0]
    together = GroupEncoder(additive=True, method="ml").fit(columns, y).encodings_[0]
    errors = [np.std(values - effect_a) for values in (alone, together)]
    np.testing.assert_allclose(errors, [1.894, 0.126], atol=0.002)


@pytest.mark.parametrize("target", ["continuous", "binary", "count"])
def test_counts_by_maximum_likelihood_and_of_two_columns(target):
    fit = pp.fit(
        "y ~ 1 + (1 | a) + (1 | b)",
        {"a": A, "b": B, "y": TARGETS[target]},
        family=FAMILIES[target],
        method="reml" if target == "continuous" else "ml",
    )
    encoder = GroupEncoder(target_type=target, additive=True, method="ml")
    encoder.fit(np.column_stack([A, B]), TARGETS[target])
    np.testing.assert_allclose(encoder.encodings_[0], fit.posterior.groups("a").estimate, rtol=1e-6)
    assert np.isfinite(encoder.unknown_).all()


def test_a_world_of_200_categories():
    """The benchmark's second world at one seed: how far from the truth each encoder is."""
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(0.0, np.log(51), 200)).astype(int)
    group = np.repeat(np.arange(200), sizes)
    theta = rng.normal(size=200)
    y = 10.0 + theta[group] + rng.normal(0.0, 2.0, len(group))
    errors = {}
    for name, encoder in {
        "ours": GroupEncoder(),
        "auto": TargetEncoder(),
        "10": TargetEncoder(smooth=10.0),
    }.items():
        said = encoder.fit(group[:, None], y).transform(np.arange(200)[:, None])[:, 0]
        errors[name] = np.mean((said - 10.0 - theta) ** 2)
    assert errors["ours"] < errors["10"] < errors["auto"]
    assert errors["auto"] / errors["ours"] == pytest.approx(2.301, abs=0.01)


# cross-fitting --------------------------------------------------------------------------------


@pytest.mark.parametrize("additive", [False, True])
def test_no_row_sees_its_own_target(additive):
    encoder = GroupEncoder(additive=additive, with_sd=True, cv=4)
    before = encoder.fit_transform(X, Y)
    changed = Y.copy()
    changed[17] += 50.0
    after = encoder.fit_transform(X, changed)
    np.testing.assert_array_equal(after[17], before[17])
    assert (after != before).any(axis=1).sum() > SIZE / 2


def test_rows_are_encoded_by_the_fit_of_the_other_folds():
    folds = KFold(3, shuffle=True, random_state=2)
    got = GroupEncoder(cv=folds).fit_transform(X, Y)
    for train, test in folds.split(X):
        fitted = GroupEncoder().fit(X.iloc[train], Y[train])
        np.testing.assert_allclose(got[test], fitted.transform(X.iloc[test]), rtol=1e-12)
    np.testing.assert_array_equal(got, GroupEncoder(cv=list(folds.split(X))).fit_transform(X, Y))


def test_folds_are_as_many_as_rows_at_most_and_stratified_for_binary_targets():
    few = GroupEncoder().fit_transform([["a"], ["a"], ["b"], ["b"]], [1.0, 2.0, 3.0, 5.0])
    alone = GroupEncoder(cv=LeaveOneOut()).fit_transform(
        [["a"], ["a"], ["b"], ["b"]], [1.0, 2.0, 3.0, 5.0]
    )
    np.testing.assert_allclose(np.sort(few, axis=0), np.sort(alone, axis=0))
    rare = np.zeros(SIZE)
    rare[:10] = 1.0
    means = GroupEncoder().fit_transform(np.zeros((SIZE, 1)), rare)
    np.testing.assert_allclose(means, 10 / SIZE)  # each fold has one of ten events
    assert GroupEncoder(cv=400).fit_transform(X[["b"]], Y).shape == (SIZE, 1)


# what goes in, what comes out -----------------------------------------------------------------


def test_frames_and_names():
    encoder = GroupEncoder(with_sd=True, with_shrinkage=True)
    names = ["a", "a_sd", "a_shrinkage", "b", "b_sd", "b_shrinkage"]
    array = encoder.fit(X, Y).transform(X)
    assert encoder.get_feature_names_out().tolist() == names
    for library, frame in {"pandas": X, "polars": pl.from_pandas(X)}.items():
        out = clone(encoder).set_output(transform=library).fit(frame, Y).transform(frame)
        assert list(out.columns) == names
        np.testing.assert_allclose(out.to_numpy(), array, rtol=1e-12)
    shifted = X.set_index(np.arange(SIZE) + 1000)
    out = clone(encoder).set_output(transform="pandas").fit_transform(shifted, Y)
    assert out.index[0] == 1000
    table = pa.Table.from_pandas(X)
    np.testing.assert_allclose(clone(encoder).fit(table, Y).transform(table), array, rtol=1e-12)
    lazy = pl.from_pandas(X).lazy()
    np.testing.assert_allclose(clone(encoder).fit(lazy, Y).transform(lazy), array, rtol=1e-12)


def test_in_a_pipeline_with_a_grid():
    rows = X.assign(x=RNG.normal(size=SIZE))
    columns = make_column_transformer((GroupEncoder(cv=3), ["a", "b"]), remainder="passthrough")
    search = GridSearchCV(
        make_pipeline(columns, Ridge()),
        {"columntransformer__groupencoder__additive": [False, True]},
        cv=3,
    ).fit(rows, Y)
    assert search.best_score_ > 0.4
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(rows), search.best_estimator_.predict(rows))


def test_categories_that_are_not_known_and_missing_ones():
    columns = pd.DataFrame({"g": ["b", None, "a", "b", np.nan, "a", "b", None] * 5})
    y = np.tile([1.0, 5.0, 2.0, 1.4, 5.5, 2.2, 0.8, 5.2], 5)
    own = GroupEncoder().fit(columns, y)
    assert own.categories_[0].tolist() == ["a", "b", None]
    new = pd.DataFrame({"g": ["a", None, "z", "b"]})
    out = own.transform(new)[:, 0]
    np.testing.assert_array_equal(out, [*own.encodings_[0][[0, 2]], *own.unknown_[:, 0],
                                        own.encodings_[0][1]])  # fmt: skip
    population = GroupEncoder(missing="population").fit(columns, y)
    known = columns["g"].notna().to_numpy()
    without = GroupEncoder().fit(columns[known], y[known])
    np.testing.assert_allclose(population.encodings_[0], without.encodings_[0])
    out = population.transform(new)[:, 0]
    assert out[1] == out[2] == population.unknown_[0, 0]
    assert without.transform(new)[1, 0] == without.unknown_[0, 0]


def test_whole_numbers_are_found_again_in_columns_with_gaps():
    encoder = GroupEncoder().fit(pd.DataFrame({"g": B}), Y)
    gaps = pd.DataFrame({"g": [3.0, np.nan]})
    out = encoder.transform(gaps)[:, 0]
    np.testing.assert_array_equal(out, [encoder.encodings_[0][3], encoder.unknown_[0, 0]])
    mixed = [["a", 1], ["b", 2.0], [None, 1]] * 4
    encoder = GroupEncoder().fit(mixed, np.arange(12.0))
    assert encoder.categories_[0].tolist() == ["a", "b", None]
    assert encoder.n_features_in_ == 2


EDGES = {
    "one category": (["a"] * 5, [1.0, 2, 3, 4, 5], "auto", [3.0], 3.0),
    "one row": (["a"], [1.5], "auto", [1.5], 1.5),
    "one row a category": (list("abcd"), [1.5, 2, 3, 6], "auto", [3.125] * 4, 3.125),
    "constant": (list("abc") * 3, [2.5] * 9, "auto", [2.5] * 3, 2.5),
    "one word": (list("abc") * 3, ["no"] * 9, "auto", [0.0] * 3, 0.0),
    "always true": (list("abc") * 3, [True] * 9, "binary", [1.0] * 3, 1.0),
    "never differs within": (list("abc") * 3, [0.5, 1, 0] * 3, "auto", [0.5, 1, 0], 0.5),
    "no events": (list("ab") * 3, [0] * 6, "count", [0.0] * 2, 0.0),
}


@pytest.mark.parametrize("name", EDGES)
def test_where_the_data_say_nothing_of_tau(name):
    labels, y, target, expected, unknown = EDGES[name]
    encoder = GroupEncoder(target_type=target, with_sd=True, with_shrinkage=True)
    column = np.array(labels, dtype=object)[:, None]
    out = encoder.fit(column, y).transform([[label] for label in [*sorted(set(labels)), "new"]])
    np.testing.assert_allclose(out[:, 0], [*expected, unknown], rtol=1e-12)
    assert np.isfinite(out).all()
    exact = name == "never differs within"
    np.testing.assert_allclose(out[:-1, 2], 0.0 if exact else 1.0)
    if name == "one row a category":  # the standard error of the mean
        np.testing.assert_allclose(out[:, 1], np.std(y, ddof=1) / 2.0)


def test_two_categories_have_the_proper_prior_that_is_told():
    labels, y = np.repeat(["a", "b"], 4), np.array([1.0, 2, 3, 2, 4, 5, 6, 3])
    rows = {"g": labels, "y": y}
    with pytest.raises(pp.ImproperPosteriorError):
        pp.fit("y ~ 1 + (1 | g)", rows)
    fit = pp.fit("y ~ 1 + (1 | g)", rows, prior="tau ~ uniform_shrinkage()")
    encoder = GroupEncoder(with_sd=True).fit(labels[:, None], y)
    np.testing.assert_allclose(encoder.encodings_[0], fit.groups()["estimate"], rtol=1e-12)
    given = GroupEncoder(prior="tau ~ half_normal(0.1)").fit(labels[:, None], y)
    assert abs(np.diff(given.encodings_[0])) < 0.2 < abs(np.diff(encoder.encodings_[0]))
    with pytest.raises(pp.ImproperPosteriorError):
        GroupEncoder(prior="tau ~ flat()").fit(labels[:, None], y)
    two = np.column_stack([labels, np.tile(["x", "y"], 4)])
    assert np.isfinite(GroupEncoder(additive=True).fit_transform(two, y)).all()


def test_every_spread_is_finite():
    """With three categories a new one has no sd under the flat prior, and a rate has no mean."""
    y = np.array([1.0, 2.0, 4.0, 5.0, 2.0, 4.0])
    encoder = GroupEncoder(with_sd=True).fit(np.array(list("aabbcc"))[:, None], y)
    fit = pp.fit("y ~ 1 + (1 | g)", {"g": list("aabbcc"), "y": y})
    new = fit.posterior.new_group()
    assert np.isinf(new.sd)
    low, high = new.quantile([0.158655253931, 0.841344746069])
    assert encoder.unknown_[0, 1] == pytest.approx((high - low) / 2, rel=1e-5)
    rates = GroupEncoder(target_type="count", with_sd=True).fit(X, TARGETS["count"])
    assert (rates.unknown_[:, 1] < 5.0).all()


# weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("additive", [False, True])
@pytest.mark.parametrize("target", ["continuous", "binary"])
def test_a_weight_counts_rows(target, additive):
    times = RNG.integers(0, 3, SIZE)
    out = np.repeat(np.arange(SIZE), times)
    y = TARGETS[target]
    options = {"target_type": target, "additive": additive, "method": "ml"}
    weighted = GroupEncoder(**options).fit(X, y, sample_weight=times)
    repeated = GroupEncoder(**options).fit(X.iloc[out], y[out])
    for got, expected in zip(weighted.encodings_, repeated.encodings_, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_a_fold_of_which_no_row_counts():
    times = np.zeros(SIZE)
    times[3] = 1.0
    with pytest.raises(pp.DataError, match="every training row of a fold has sample_weight zero"):
        GroupEncoder(cv=2).fit_transform(X, Y, sample_weight=times)


def test_weights_that_are_not_whole():
    halves = GroupEncoder().fit(X, Y, sample_weight=np.full(SIZE, 0.5))
    doubled = GroupEncoder().fit(pd.concat([X, X]), np.tile(Y, 2), np.full(2 * SIZE, 0.25))
    np.testing.assert_allclose(halves.encodings_[0], doubled.encodings_[0], rtol=1e-12)
    once = GroupEncoder().fit(X, Y)
    assert np.std(halves.encodings_[0]) < np.std(once.encodings_[0])


# words ----------------------------------------------------------------------------------------

TWO = [["a"], ["b"], ["b"]] * 3
REFUSED = {
    "target": ({"target_type": "counts"}, TWO, Y[:9], {}, 'did you mean "count"'),
    "missing": ({"missing": "new"}, TWO, Y[:9], {}, '"category", "population"'),
    "method": ({"method": "reml"}, TWO, Y[:9], {}, '"posterior", "ml"'),
    "prior": ({"prior": "tau ~ flatt()"}, TWO, Y[:9], {}, 'did you mean "flat"'),
    "no y": ({}, TWO, None, {}, "requires y to be passed"),
    "three words": ({}, TWO, list("xyz") * 3, {}, "3 values that are no numbers"),
    "three classes": ({"target_type": "binary"}, TWO, [0, 1, 2] * 3, {}, "y has 3 values"),
    "words as numbers": ({"target_type": "count"}, TWO, list("xyz") * 3, {}, "must hold numbers"),
    "negative counts": ({"target_type": "count"}, TWO, [0, 1, -2] * 3, {}, "it holds -2"),
    "broken counts": ({"target_type": "count"}, TWO, [0, 1.5, 2] * 3, {}, "it holds 1.5"),
    "no rows": ({}, X.iloc[:0], [], {}, "X has 0 rows"),
    "lists": ({}, np.array([[[1]], [["b"]]], dtype=object)[:, :, 0], [1.5, 2], {}, None),
    "negative weight": ({}, TWO, Y[:9], {"sample_weight": [-1.0] * 9}, "sample_weight holds -1"),
    "shares": ({}, TWO, Y[:9], {"sample_weight": [0.01] * 9}, "sums to 0.09, less than one row"),
    "weights of two columns": ({}, TWO, Y[:9], {"sample_weight": np.ones((9, 2))}, "shape"),
    "broken weights": (
        {"additive": True}, TWO, Y[:9], {"sample_weight": [1.5] * 9}, "additive=True .*whole",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_said_in_a_sentence(name):
    options, rows, y, more, message = REFUSED[name]
    if message is None:
        rows = np.array([[None], ["b"]], dtype=object)
        rows[0, 0] = {"not": "a category"}
        message = "argument must be a string or a number"
    with pytest.raises(pp.PartialPoolError, match=message):
        GroupEncoder(**options).fit(rows, y, **more)


@pytest.mark.parametrize(
    ("cv", "message"),
    [(1, "at least two folds"), ([([0, 1], [2])], "puts row 1 into 0 test folds")],
)
def test_folds_that_do_not_hold_each_row_once(cv, message):
    with pytest.raises(pp.ArgumentError, match=message):
        GroupEncoder(cv=cv).fit_transform(TWO, Y[:9])


def test_without_scikit_learn_it_says_so(monkeypatch):
    for name in [n for n in sys.modules if n.startswith("partialpool.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(pp.MissingExtraError, match=r"pip install 'partialpool\[sklearn\]'"):
        importlib.import_module("partialpool.sklearn")
