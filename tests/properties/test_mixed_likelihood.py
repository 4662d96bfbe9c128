"""The fast likelihood of mixed models against a dense naive twin, on random designs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from partialpool.formula import parse, read_roles
from partialpool.kernels import crossed as kernels_crossed
from partialpool.kernels.crossed import make_crossed
from partialpool.kernels.nested_factors import make_tree, nested
from partialpool.kernels.normal_equations import make_system
from partialpool.rows import read_mixed

FORMULAS = {
    "one": "y ~ x + u + (1 + x | a)",
    "uncorrelated": "y ~ x + u + (1 + x || a)",
    "slope only": "y ~ x + u + (0 + x | a)",
    "nested": "y ~ x + u + (1 + x | top / a)",
    "three deep": "y ~ x + (1 | top / middle / a)",
    "crossed": "y ~ x + u + (1 + x | a) + (1 | b)",
    "crossed slopes": "y ~ u + (1 | a) + (1 + x + u | b) + (1 | c)",
}


def design(seed, n=60):
    """Rows in 12 groups nested in 5 nested in 2, crossed with 6 and with 3; weights."""
    rng = np.random.default_rng(seed)
    a = np.concatenate([np.arange(12), rng.integers(0, 12, n - 12)])
    middle = np.concatenate([np.arange(5), rng.integers(0, 5, 7)])
    top = np.array([0, 1, 0, 1, 1])
    b = np.concatenate([np.arange(6), rng.integers(0, 6, n - 6)])
    x = rng.normal(3.0, 2.0, n)
    return {
        "y": rng.normal(size=n) + 50.0 + x,
        "x": x,
        "u": rng.normal(size=n),
        "a": a,
        "middle": middle[a],
        "top": top[middle[a]],
        "b": b,
        "c": rng.integers(0, 3, n),
        "w": rng.uniform(0.5, 2.0, n),
    }


def prepared(name, seed):
    data = design(seed)
    formula = FORMULAS[name].replace("y ~", "y | weights(w) ~", 1)
    s = read_mixed(read_roles(parse(formula)), data).statistics
    system = make_system(s)
    rng = np.random.default_rng(seed + 1)
    by_term = [
        np.tril(rng.normal(size=(3, len(b.effects), len(b.effects))))
        * (1.0 if b.correlated else np.eye(len(b.effects)))
        for b in s.blocks
    ]
    return data, s, system, by_term


def column(data, name):
    return np.ones(len(data["y"])) if name == "Intercept" else data[name]


def place(data, block):
    """Group of each row: the position of its labels among the block's."""
    parts = [data[name].astype(str) for name in block.factor.split(":")]
    labels = [":".join(each) for each in zip(*parts, strict=True)]
    where = {str(label): i for i, label in enumerate(block.labels)}
    return np.array([where[label] for label in labels])


def dense(data, s, by_term, node):
    """V / sigma^2, X, and for each term its Z, all with the columns as named."""
    x = np.stack([column(data, name) for name in s.coefficients], axis=1)
    v = np.diag(1.0 / data["w"])
    wide = []
    for block, factor in zip(s.blocks, by_term, strict=True):
        at, q = place(data, block), len(block.effects)
        z = np.zeros((len(x), len(block.n) * q))
        for k, effect in enumerate(block.effects):
            z[np.arange(len(x)), at * q + k] = column(data, effect)
        covariance = np.kron(np.eye(len(block.n)), factor[node] @ factor[node].T)
        v = v + z @ covariance @ z.T
        wide.append((z, covariance))
    return v, x, wide


@pytest.mark.parametrize("name", FORMULAS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=5)
def test_likelihood_and_effects_equal_those_of_a_dense_computation(name, seed):
    data, s, system, by_term = prepared(name, seed)
    factors = system.relative_factors(by_term)
    kernels = [make_crossed(system)] if len(system.levels) > 1 else []
    if nested(system):
        kernels.append(make_tree(system))
    assert kernels
    matrix, offset = system.named
    for kernel in kernels:
        reduced = kernel.evaluate(factors)
        index, z = system.every_effect()
        effects = kernel.functional(factors, index, z, np.zeros((len(index[0]), system.p)))
        for node in range(3):
            v, x, wide = dense(data, s, by_term, node)
            log_det = np.linalg.slogdet(v)[1] + np.log(data["w"]).sum()
            np.testing.assert_allclose(reduced.log_det[node], log_det, rtol=1e-9, atol=1e-9)
            rotated = np.concatenate([x @ matrix, (data["y"] - x @ offset)[:, None]], axis=1)
            whitened = linalg.solve_triangular(linalg.cholesky(v, lower=True), rotated, lower=True)
            squares = whitened.T @ whitened
            tolerance = 1e-8 * np.sqrt(np.outer(np.diag(squares), np.diag(squares))).max()
            np.testing.assert_allclose(reduced.squares[node], squares, atol=tolerance)
            start = 0
            for b, covariance in wide:
                gain = covariance @ b.T @ np.linalg.inv(v)
                part = slice(start, start + len(covariance))
                start += len(covariance)
                mean = gain @ (data["y"] - x @ offset)
                variance = np.diag(covariance - gain @ b @ covariance)
                np.testing.assert_allclose(effects.constant[node, part], mean, atol=1e-7)
                np.testing.assert_allclose(effects.x[node, part], -gain @ x @ matrix, atol=1e-7)
                np.testing.assert_allclose(effects.variance[node, part], variance, atol=1e-7)


def test_rows_that_combine_known_new_and_no_groups():
    """A nested leaf brings its parent along; new groups add their own spread."""
    _, _, system, by_term = prepared("nested", 3)
    factors = system.relative_factors(by_term)
    tree, crossed = make_tree(system), make_crossed(system)
    parent = system.pairs[0, 1].k
    leaf = np.array([0, 3, -1, -2, -1])
    top = np.array([parent[0], parent[3], 1, 0, -1])
    rng = np.random.default_rng(0)
    z = [rng.normal(size=(5, level.q)) for level in system.levels]
    x = rng.normal(size=(5, system.p))
    one = tree.functional(factors, [leaf, top], z, x)
    other = crossed.functional(factors, [leaf, top], z, x)
    for name in ("constant", "x", "variance"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-9)
    assert (one.variance[:, 4] > 0).all()


@pytest.mark.parametrize("name", ["crossed", "crossed slopes"])
@pytest.mark.parametrize("large", [False, True])
def test_many_rows_at_once_are_as_one_by_one(name, large, monkeypatch):
    """Many rows go through the inverse of the rest, few through triangular solutions."""
    if large:
        monkeypatch.setattr(kernels_crossed, "LARGE_MATRIX", 1)
        monkeypatch.setattr(kernels_crossed, "CELLS_HELD", 500)  # in several parts
    _, _, system, by_term = prepared(name, 5)
    factors = system.relative_factors(by_term)
    kernel = make_crossed(system)
    rng = np.random.default_rng(1)
    size = 4 * kernel.rest
    index = [rng.integers(-2, level.size, size) for level in system.levels]
    for other in index[1:]:
        other[::3] = -2  # groups of the first level by themselves
    z = [rng.normal(size=(size, level.q)) for level in system.levels]
    for weight, at in zip(z, index, strict=True):
        weight[at == -2] = 0.0
    x = rng.normal(size=(size, system.p))
    together = kernel.functional(factors, index, z, x)
    for i in range(size):
        one = slice(i, i + 1)
        alone = kernel.functional(factors, [k[one] for k in index], [w[one] for w in z], x[one])
        for part in ("constant", "x", "variance"):
            np.testing.assert_allclose(
                getattr(alone, part)[:, 0], getattr(together, part)[:, i], rtol=1e-9, atol=1e-11
            )
    if large:
        whole = kernel.evaluate(factors)
        monkeypatch.undo()
        usual = kernel.evaluate(factors)
        np.testing.assert_allclose(whole.log_det, usual.log_det, rtol=1e-12)
        np.testing.assert_allclose(whole.squares, usual.squares, rtol=1e-10)


@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ x + (1 | g)", "y ~ x + (x || g)"])
@pytest.mark.parametrize("unit", [1.0, 1e-9])
def test_groups_that_are_alike_are_replaced_by_few(formula, unit):
    """Two kinds of groups; far out, too, nothing is lost."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(80), 5)
    x = np.where(g % 3 == 0, np.tile([0.0, 1, 2, 3, 5], 80), np.tile([1.0, 2, 2, 4, 9], 80))
    y = unit * (100.0 + rng.normal(size=80)[g] * (1.0 + x) + rng.normal(size=len(g)))
    system = make_system(
        read_mixed(read_roles(parse(formula)), {"y": y, "x": x, "g": g}).statistics
    )
    tree = make_tree(system)
    assert len(tree.count) < 30
    assert tree.count.sum() == pytest.approx(80)
    plain = replace(tree, alike=tree.leaf, count=np.ones(80))
    q = system.levels[0].q
    factors = np.tril(rng.normal(size=(4, q, q))) * np.array([1e-3, 1.0, 1e3, 1e6])[:, None, None]
    few, all_ = tree.evaluate([factors]), plain.evaluate([factors])
    np.testing.assert_allclose(few.log_det, all_.log_det, rtol=1e-12)
    size = np.sqrt(np.einsum("gkk->gk", all_.squares))
    gap = (few.squares - all_.squares) / (size[:, :, None] * size[:, None, :])
    assert np.abs(gap).max() < 1e-8
