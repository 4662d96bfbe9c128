"""The plan of sums on rows in memory: however the rows come in parts, the sums are the same."""

import numpy as np
import pytest

from partialpool.formula import parse, read_roles
from partialpool.rows import read_mixed

FORMULAS = (
    "y ~ x + kind + of_group + (1 + x | g) + (1 | h)",
    "y | weights(w) ~ x + kind + (1 + x || g) + (0 + x | h)",
    "y | summary(count, sd) ~ x + (1 | g) + (1 | h)",
    "y ~ poly(x, 2) + kind:x + (kind | g) + offset(w)",
)


def table(n=211):
    rng = np.random.default_rng(4)
    g, h = rng.integers(0, 9, n), rng.integers(0, 23, n)
    return {
        "g": g,
        "h": np.array([f"h{i}" for i in h], dtype=object),
        "kind": np.array(["a", "b", "c"], dtype=object)[rng.integers(0, 3, n)],
        "x": rng.normal(size=n),
        "of_group": np.sqrt(2.0 + g),  # constant within groups
        "y": 3.0 * g + rng.normal(size=n),
        "w": rng.uniform(0.5, 2.0, n),
        "count": rng.integers(1, 5, n),
        "sd": rng.uniform(0.5, 2.0, n),
    }


def arrays(reading):
    """Every array of the sums, and of those within clusters if there are any."""
    s, clusters = reading.statistics, reading.clusters
    found = {"xtx": s.xtx, "xty": s.xty, "yty": s.yty, "n": s.n_used, "log": s.log_weight}
    for t, b in enumerate(s.blocks):
        names = ("n", "ztz", "ztx", "zty", "weight", "x_mean", "constant", "within")
        found |= {f"{name}{t}": getattr(b, name) for name in names if getattr(b, name) is not None}
    for c in s.crossings:
        found |= {f"{k}{c.first}{c.second}": getattr(c, k) for k in ("i", "k", "products")}
    if clusters is not None:
        found |= {"by cluster": clusters.xtx, "by cluster y": clusters.xty}
    return found


@pytest.mark.parametrize("formula", FORMULAS)
def test_parts_do_not_matter(formula, monkeypatch):
    roles, data = read_roles(parse(formula)), table()
    whole = arrays(read_mixed(roles, data))
    for module in ("design.source", "rows.array_sums"):
        monkeypatch.setattr(f"partialpool.{module}.CHUNK", 29)
    monkeypatch.setattr("partialpool.rows.array_sums.CELLS", 80)
    in_parts = arrays(read_mixed(roles, data))
    assert in_parts.keys() == whole.keys()
    for name, values in in_parts.items():
        size = float(np.max(np.abs(whole[name])))
        np.testing.assert_allclose(values, whole[name], rtol=1e-11, atol=1e-11 * size, err_msg=name)


@pytest.mark.parametrize("formula", FORMULAS)
def test_without_room_for_clusters_the_sums_are_the_same(formula, monkeypatch):
    roles, data = read_roles(parse(formula)), table()
    by_cluster = read_mixed(roles, data)
    np.testing.assert_allclose(
        by_cluster.clusters.xtx.sum(axis=0), by_cluster.statistics.xtx, rtol=1e-10, atol=1e-9
    )
    monkeypatch.setattr("partialpool.records.clusters.MOST_NUMBERS", 0)
    alone = read_mixed(roles, data)
    assert alone.clusters is None
    for name, values in arrays(alone).items():
        expected = arrays(by_cluster)[name]
        size = float(np.max(np.abs(expected)))
        np.testing.assert_allclose(values, expected, rtol=1e-11, atol=1e-11 * size, err_msg=name)


def test_a_column_is_constant_only_if_it_is_in_every_part(monkeypatch):
    monkeypatch.setattr("partialpool.design.source.CHUNK", 4)
    monkeypatch.setattr("partialpool.rows.array_sums.CHUNK", 4)
    g = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    late = np.array([1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 3.0])  # another value in the second part
    data = {"g": g, "y": np.arange(8.0), "same": 1.0 + g, "late": late}
    statistics = read_mixed(read_roles(parse("y ~ same + late + (1 | g)")), data).statistics
    names = dict(zip(statistics.coefficients, statistics.blocks[0].constant.tolist(), strict=True))
    assert names == {"Intercept": True, "same": True, "late": False}
