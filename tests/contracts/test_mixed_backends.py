"""One set of rows through every kind of data: the same cross-products as a dense design gives."""

import numpy as np
import pytest
from kinds import BACKENDS
from same_notices import told
from test_backends import each_backend, place  # noqa: F401  (a fixture)

import partialpool as pp
from partialpool.formula import parse, read_roles
from partialpool.rows import read_mixed

SIZE = 60
RNG = np.random.default_rng(7)


def _values(offset=0.0):
    return (offset + RNG.normal(size=SIZE).round(6)).tolist()


def _cycle(names, step):
    return [names[(i * step + i // 7) % len(names)] for i in range(SIZE)]


def _with_missing(column, *rows):
    return [None if i in rows else v for i, v in enumerate(column)]


X, Y = _values(3.0), _values()
G, H = _cycle(["b", "a", "d", "c"], 3), _cycle([3, 1, 2, 10, 7], 2)
KIND = _cycle(["low", "high", "mid"], 5)
W = [1.0 + (i % 4) / 8 for i in range(SIZE)]
BASE = {"g": G, "y": Y, "x": X, "h": H, "kind": KIND, "w": W}


AWKWARD = {"low": 'it\'s "quoted"', "mid": "学校 ✓", "high": "{0}\\n"}


def _level(name, level):
    return lambda r: float(r[name] == level)


def _times(*parts):
    return lambda r: float(np.prod([p(r) for p in parts]))


def one(_):
    return 1.0


def x(r):
    return r["x"]


def _outcome(r):
    return r["y"]


# formula; columns; outcome and weight of a row; columns of X; for each term its groups and Z
CASES = {
    "slopes": (
        "y ~ x + (x | g)",
        BASE | {"x": _with_missing(X, 5, 7), "y": _with_missing(Y, 0, 7)},
        _outcome,
        one,
        {"Intercept": one, "x": x},
        [(("g",), {"Intercept": one, "x": x})],
    ),
    "offset of 1e9": (
        "y ~ x + (x | g)",
        BASE | {"x": [1e9 + round(v * 256) / 256 for v in X], "y": [1e9 + v for v in Y]},
        _outcome,
        one,
        {"Intercept": one, "x": x},
        [(("g",), {"Intercept": one, "x": x})],
    ),
    "groups far apart": (
        "y | weights(w) ~ x + kind + (1 | g) + (0 + x || h)",
        BASE
        | {
            "y": [2e7 * ord(g) + v for g, v in zip(G, Y, strict=True)],
            "x": [3e5 * ord(g) + v for g, v in zip(G, X, strict=True)],
        },
        _outcome,
        lambda r: r["w"],
        {
            "Intercept": one,
            "x": x,
            "kind[low]": _level("kind", "low"),
            "kind[mid]": _level("kind", "mid"),
        },
        [(("g",), {"Intercept": one}), (("h",), {"x": x})],
    ),
    "categories and interactions": (
        "y | weights(w) ~ kind * x + (1 | g)",
        BASE | {"kind": _with_missing(KIND, 3)},
        _outcome,
        lambda r: r["w"],
        {
            "Intercept": one,
            "kind[low]": _level("kind", "low"),
            "kind[mid]": _level("kind", "mid"),
            "x": x,
            "kind[low]:x": _times(_level("kind", "low"), x),
            "kind[mid]:x": _times(_level("kind", "mid"), x),
        },
        [(("g",), {"Intercept": one})],
    ),
    "levels written, no intercept": (
        'y ~ 0 + C(kind, "mid", "low", "high") + (0 + kind || h)',
        BASE,
        _outcome,
        one,
        {f"C(kind)[{k}]": _level("kind", k) for k in ("mid", "low", "high")},
        [(("h",), {f"kind[{k}]": _level("kind", k) for k in ("high", "low", "mid")})],
    ),
    "nested": (
        "y ~ 1 + (1 | g/h)",
        BASE | {"h": _with_missing(H, 11)},
        _outcome,
        one,
        {"Intercept": one},
        [(("g",), {"Intercept": one}), (("g", "h"), {"Intercept": one})],
    ),
    "crossed": (
        "y ~ x + (1 + x | g) + (1 | h)",
        BASE,
        _outcome,
        one,
        {"Intercept": one, "x": x},
        [(("g",), {"Intercept": one, "x": x}), (("h",), {"Intercept": one})],
    ),
    "functions": (
        "log(y) ~ I(x^2 - 1) + exp(x / 10) + offset(w) + (0 + sqrt(x) | g)",
        BASE | {"y": [v + 9.0 for v in Y], "x": [v + 9.0 for v in X]},
        lambda r: np.log(r["y"]) - r["w"],
        one,
        {
            "Intercept": one,
            "I(x^2 - 1)": lambda r: r["x"] ** 2 - 1,
            "exp(x/10)": lambda r: np.exp(r["x"] / 10),
        },
        [(("g",), {"sqrt(x)": lambda r: np.sqrt(r["x"])})],
    ),
    "known standard errors": (
        "y | se(w) ~ x + (1 | g)",
        BASE | {"w": _with_missing(W, 2)},
        _outcome,
        lambda r: r["w"] ** -2,
        {"Intercept": one, "x": x},
        [(("g",), {"Intercept": one})],
    ),
    "levels that need quotes": (
        "y ~ kind + (1 | g)",
        BASE | {"kind": [AWKWARD[v] for v in KIND]},
        _outcome,
        one,
        {
            "Intercept": one,
            "kind[{0}\\n]": _level("kind", "{0}\\n"),
            "kind[学校 ✓]": _level("kind", "学校 ✓"),
        },
        [(("g",), {"Intercept": one})],
    ),
    "numbers as categories, nested thrice": (
        "y ~ C(h) + (1 | g:h) + (1 | kind)",
        BASE | {"g": _with_missing(G, 4)},
        _outcome,
        one,
        {"Intercept": one, **{f"C(h)[{k}]": _level("h", k) for k in (2, 3, 7, 10)}},
        [(("g", "h"), {"Intercept": one}), (("kind",), {"Intercept": one})],
    ),
    "true and false": (
        "y ~ t + (1 + t || g)",
        BASE | {"t": [i % 3 == 0 for i in range(SIZE)]},
        _outcome,
        one,
        {"Intercept": one, "t[True]": lambda r: float(r["t"])},
        [(("g",), {"Intercept": one, "t[True]": lambda r: float(r["t"])})],
    ),
}


def _rows(formula, columns):
    """The complete rows as dicts."""
    names = [c.name for c in read_roles(parse(formula)).columns]
    rows = [dict(zip(columns, v, strict=True)) for v in zip(*columns.values(), strict=True)]
    return [r for r in rows if all(r[n] is not None for n in names)]


def _matrix(rows, columns, shift):
    return np.array([[f(r) for f in columns.values()] for r in rows]) - shift


@pytest.mark.parametrize("case", CASES)
@each_backend
def test_cross_products(backend, case, place):  # noqa: F811
    formula, columns, outcome, weight, predictors, terms = CASES[case]
    rows = _rows(formula, columns)
    data = BACKENDS[backend][0](columns, place)
    got = read_mixed(read_roles(parse(formula)), data).statistics
    assert (got.n_rows, got.n_used, got.n_dropped) == (SIZE, len(rows), SIZE - len(rows))
    assert got.coefficients == tuple(predictors)
    w = np.array([weight(r) for r in rows])
    y = np.array([outcome(r) for r in rows]) - got.center
    design = _matrix(rows, predictors, got.shift)
    _close_to_terms(got.xtx, design, design, w)
    _close_to_terms(got.xty, design, y, w)
    close(got.yty, w @ y**2)
    blocks = []
    for block, (names, effects) in zip(got.blocks, terms, strict=True):
        z = _matrix(rows, effects, block.shift)
        groups = [tuple(r[n] for n in names) for r in rows]
        distinct = sorted(set(groups))
        labels = [":".join(map(str, v)) if len(v) > 1 else v[0] for v in distinct]
        assert block.labels.tolist() == labels
        assert block.effects == tuple(effects)
        at = np.array([distinct.index(v) for v in groups])
        _check_block(block, z, design, y, w, at)
        blocks.append((z, at))
    assert len(got.crossings) == len(blocks) * (len(blocks) - 1) // 2
    for crossing in got.crossings:
        _check_crossing(crossing, *blocks[crossing.first], *blocks[crossing.second], w)


def _check_block(block, z, x, y, w, at):
    for j in range(len(block.labels)):
        zj, xj, wj = z[at == j], x[at == j], w[at == j]
        assert block.n[j] == len(zj)
        close(block.weight[j], wj.sum())
        close(block.ztz[j], zj.T @ (wj[:, None] * zj))
        close(block.ztx[j], zj.T @ (wj[:, None] * xj))
        close(block.zty[j], zj.T @ (wj * y[at == j]))
        close(block.x_mean[j], wj @ xj / wj.sum())
    constant = [
        all(np.ptp(x[at == j, k]) == 0 for j in range(len(block.labels))) for k in range(x.shape[1])
    ]
    assert block.constant.tolist() == constant
    if block.effects[0] != "Intercept":
        assert block.within is None
        return
    both, expected = np.column_stack([x, y]), np.zeros((x.shape[1] + 1,) * 2)
    for j in range(len(block.labels)):
        left = both[at == j] - _mean(both[at == j], w[at == j])
        expected += left.T @ (w[at == j, None] * left)
    close(block.within, expected)


def _mean(values, weight):
    return weight @ values / weight.sum()


def _check_crossing(crossing, first, i, second, k, w):
    expected = {}
    for pair, a, b, v in zip(zip(i, k, strict=True), first, second, w, strict=True):
        expected[pair] = expected.get(pair, 0.0) + v * np.outer(a, b)
    assert list(zip(crossing.i.tolist(), crossing.k.tolist(), strict=True)) == sorted(expected)
    for pair, product in zip(sorted(expected), crossing.products, strict=True):
        close(product, expected[pair])


def _close_to_terms(got, first, second, w):
    """Sums of products over all rows are as exact as their terms, which may cancel."""
    expected = first.T @ (w * second.T).T
    rounding = 2.0**-52 * np.abs(first).T @ (w * np.abs(second).T).T
    np.testing.assert_array_less(
        np.abs(got - expected), 1e-10 * (1.0 + np.abs(expected)) + rounding
    )


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)


LEARNED = {
    "summaries": (
        "y | summary(n, w) ~ x + (1 | g)",
        {"n": [1 + i % 3 for i in range(SIZE)], "w": _with_missing(W, 0, 4, 6)},
    ),
    "scale and poly": (
        "y ~ scale(x) + poly(w, 3) * kind + center(x):kind + (poly(x, 2) | g) + (1 | g:h)",
        {"w": [w + i / 50 for i, w in enumerate(W)], "kind": _with_missing(KIND, 8)},
    ),
    "functions within functions": (
        "scale(y) ~ I(center(x)^2) + sqrt(w / x) + exp(-x) + offset(log(w)) + (log(x) || h)",
        {"x": [4.0 + v for v in X]},
    ),
    "a high degree": ("y ~ poly(x, 12) + (1 | h)", {}),
    "far from zero": (
        "y ~ x * kind + center(x):w + (1 + x | g)",
        {"x": [1e9 + round(v * 256) / 256 for v in X], "y": [1e9 + v for v in Y]},
    ),
    "wide": ("y ~ 0 + kind * C(h) * x + (kind * x | g) + (kind || h)", {}),
}


def twice_the_same(backend, case):
    """Spark Connect has the JVM compile the widest statements once more, after the classic session.

    Other statements show that it is read alike; these take it as long as all of them.
    """
    return backend == "spark_connect" and case in ("scale and poly", "wide")


@pytest.mark.parametrize(
    ("backend", "case"),
    [
        pytest.param(b, c, marks=[pytest.mark.slow] * twice_the_same(b, c), id=f"{b}-{c}")
        for b in BACKENDS
        for c in LEARNED
    ],
)
def test_what_is_learned_from_rows(backend, case, place, monkeypatch):  # noqa: F811
    formula, changed = LEARNED[case]
    columns = BASE | changed
    monkeypatch.setattr("partialpool.rows.mixed_sql.MOST_SUMS", 40)
    got = read_mixed(read_roles(parse(formula)), BACKENDS[backend][0](columns, place))
    expected = read_mixed(read_roles(parse(formula)), dict(columns))
    assert got.statistics.coefficients == expected.statistics.coefficients
    found, wanted = got.statistics, expected.statistics
    assert (found.n_rows, found.n_used) == (wanted.n_rows, wanted.n_used)
    if "1e9" not in str(changed) and "x" not in changed:
        for a, b in zip(_as_named(found), _as_named(wanted), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    one_base = _at_one_base(found, wanted)
    np.testing.assert_allclose(one_base, _at_one_base(wanted, wanted), rtol=1e-9, atol=1e-8)


def _at_one_base(s, base):
    """Products of columns and outcome less what `base` takes off."""
    names = [*s.coefficients, "y"]
    up = np.eye(len(names))
    if s.coefficients[0] == "Intercept":
        up[0, :-1] += s.shift - base.shift
        up[0, -1] += s.center - base.center
    whole = np.block([[s.xtx, s.xty[:, None]], [s.xty[None], np.array([[s.yty]])]])
    return up.T @ whole @ up


@each_backend
def test_the_same_fit_and_notices(backend, place):  # noqa: F811
    columns = BASE | {
        "g": [*_with_missing(G, 2), "new", None],
        "y": [*_with_missing(Y, 9), None, 1.0],
    }
    columns |= {k: [*v, *v[:2]] for k, v in columns.items() if len(v) == SIZE}
    formula = "y ~ x + kind + (1 | g) + (1 | h)"
    wanted = pp.fit(formula, dict(columns), method="reml")
    fit = pp.fit(formula, BACKENDS[backend][0](columns, place), method="reml")
    for name in ("estimate", "effect", "sd"):
        got = np.asarray(_column(fit.groups(), name), float)
        np.testing.assert_allclose(got, wanted.groups()[name], rtol=1e-8, atol=1e-10)
    assert told(fit.notices) == told(wanted.notices)
    assert {"rows_dropped", "groups_without_rows"} <= {n.code for n in fit.notices}


def _column(frame, name):
    if hasattr(frame, "fetchnumpy"):
        return frame.fetchnumpy()[name]
    return frame[name]


@each_backend
@pytest.mark.parametrize(
    ("formula", "name", "value", "words"),
    [
        ("y ~ log(w) + (1 | g)", "w", 0.0, ["log(w) must be finite numbers", "it is -inf"]),
        ("y ~ I(1 / w) + (1 | g)", "w", 0.0, ["I(1/w) must be finite numbers", "it is inf"]),
        ("y ~ sqrt(w) + (x | g)", "w", -1.0, ["sqrt(w) must be finite numbers", "it is nan"]),
        ("y ~ w + (x | g)", "w", float("inf"), ['column "w" must be finite', "found inf"]),
        ("y | se(w) ~ x + (1 | g)", "w", 0.0, ['"w" must be a positive finite standard error']),
    ],
)
def test_values_that_are_not_allowed(backend, place, formula, name, value, words):  # noqa: F811
    columns = BASE | {name: [value if i == 4 else v for i, v in enumerate(BASE[name])]}
    with pytest.raises(pp.DataError) as caught:
        pp.fit(formula, BACKENDS[backend][0](columns, place))
    for word in [*words, f'group "{G[4]}"']:
        assert word in str(caught.value)
    assert ("in row 5" in str(caught.value)) == ("spark" not in backend)


@pytest.mark.parametrize("size", [1, 7])
def test_parts_do_not_show(monkeypatch, size, tmp_path):
    """Rows in many small parts give what one part gives."""
    formula = read_roles(parse("y ~ scale(x) + poly(w, 2) + kind + (x | g) + (1 | g:h)"))
    whole = read_mixed(formula, BASE).statistics
    monkeypatch.setattr("partialpool.design.source.CHUNK", size)
    for backend in ("pandas str", "Parquet"):
        parts = read_mixed(formula, BACKENDS[backend][0](BASE, tmp_path)).statistics
        for got, expected in zip(_as_named(parts), _as_named(whole), strict=True):
            close(got, expected)


def _as_named(s):
    """Every sum in the columns as named: what was taken off may be the mean of some rows only."""
    x = _unshift(s.shift)
    z = [_unshift(b.shift) for b in s.blocks]
    yield x.T @ s.xtx @ x
    yield x.T @ (s.xty + s.center * s.xtx[:, 0])
    yield s.yty + 2 * s.center * s.xty[0] + s.center**2 * s.xtx[0, 0]
    for block, up in zip(s.blocks, z, strict=True):
        yield up.T @ block.ztz @ up
        yield up.T @ block.ztx @ x
        yield (block.zty + s.center * block.ztx[:, :, 0]) @ up
        yield block.x_mean + s.shift
        yield block.constant
    for crossing in s.crossings:
        yield np.stack([crossing.i, crossing.k])
        yield z[crossing.first].T @ crossing.products @ z[crossing.second]


def _unshift(shift):
    up = np.eye(len(shift))
    up[0] += shift
    return up
