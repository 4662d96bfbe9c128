"""Rows are read from all nodes or from fewer, and whatever else is asked for beside them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from partialpool.formula import parse, read_roles
from partialpool.models import Priors
from partialpool.posterior import mixed_posterior, readout
from partialpool.posterior.linear import functional, located
from partialpool.rows import read_mixed

FORMULAS = {
    "one factor": "y ~ x + (x | a)",
    "nested": "y ~ x + (1 | a) + (1 | b)",
    "crossed": "y ~ x + (1 | a) + (1 | c)",
}


def posterior(formula, *, groups=40, accuracy=None):
    rng = np.random.default_rng(7)
    b = np.repeat(np.arange(3 * groups), 3)
    a, c, x = b // 3, rng.integers(0, 7, len(b)), rng.normal(size=len(b))
    y = x + rng.normal(size=groups)[a] * (1.0 + 0.4 * x) + rng.normal(size=3 * groups)[b]
    y += rng.normal(size=7)[c] + rng.normal(size=len(b))
    data = {"y": y, "x": x, "a": a, "b": b, "c": c}
    return mixed_posterior(
        read_mixed(read_roles(parse(formula)), data).statistics, Priors(), accuracy
    )


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_new_groups_do_not_depend_on_what_is_read_beside_them(formula):
    """Rows without a known group take a short way; with one beside them they do not."""
    post = posterior(formula)
    widths = [len(b.effects) for b in post.statistics.blocks]
    z = [np.tile([1.0, 0.3][:q], (3, 1)) for q in widths]
    x = np.array([[1.0, 0.2], [1.0, 0.2], [1.0, -1.0]])
    index = np.array([0, -1, -2])
    together = post.linear(x, {k: (index, z[k]) for k in range(len(z))})
    alone = post.linear(x[1:], {k: (index[1:], z[k][1:]) for k in range(len(z))})
    for p in (0.025, 0.5, 0.975):
        np.testing.assert_allclose(together.quantile(p)[1:], alone.quantile(p), rtol=1e-9)


@pytest.mark.parametrize("formula", [FORMULAS["one factor"], FORMULAS["crossed"]])
def test_fewer_nodes_change_ends_by_no_more_than_is_told(formula, monkeypatch):
    monkeypatch.setattr(readout, "is_slow", lambda _: False)
    everything = posterior(formula)
    assert everything._few is everything.nodes
    monkeypatch.setattr(readout, "CELLS_OF_ALL_NODES", 100)
    fewer = replace(everything)  # nothing that was cached
    assert len(fewer._few.weight) < 0.6 * len(fewer.nodes.weight)
    assert fewer._read_out.gap <= readout.ENDS_AGREE
    for block in range(len(fewer.statistics.blocks)):
        ends = fewer.group(block).interval()
        expected = everything.group(block).interval()
        unit = (expected[1] - expected[0]) / 3.92
        assert (abs(ends - expected) / unit).max() < 3.0 * readout.ENDS_AGREE


def test_a_known_groups_prediction_is_its_row_of_the_table():
    """Also where groups are read from fewer nodes than new groups are."""
    post = posterior("y ~ x + (x | a)", groups=3000)
    assert len(post._few.weight) < len(post.nodes.weight)
    table = post.group_table(most=5)
    at = np.arange(5)
    rows = post.linear(np.tile([1.0, 0.0], (6, 1)), {0: (np.append(at, -1), np.eye(2)[[0] * 6])})
    intercepts = slice(0, 10, 2)
    np.testing.assert_allclose(rows.estimate[:5], table["estimate"][intercepts], rtol=1e-9)
    np.testing.assert_allclose(rows.interval()[0][:5], table["lower"][intercepts], rtol=1e-9)
    np.testing.assert_allclose(rows.sd[:5], table["sd"][intercepts], rtol=1e-9)
    new = post.linear(np.array([[1.0, 0.0]]), {0: (np.array([-1]), np.array([[1.0, 0.0]]))})
    np.testing.assert_allclose(rows.interval()[:, 5], new.interval()[:, 0], rtol=1e-9)


def test_a_component_that_is_a_point_widens_no_other():
    """Nodes at which an sd is next to nothing keep their width (a floor spoiled three groups)."""
    post = posterior("y ~ x + (x | a)", groups=4)
    nodes, rows = post.nodes, post._sample
    scale = located(nodes, rows, functional(post.model, nodes, rows))[1]
    read = post.group(0).rows(slice(None))[1]
    np.testing.assert_allclose(read[:, : scale.shape[1]], scale, rtol=1e-9)


def test_the_error_told_is_no_less_than_what_more_nodes_change():
    usual = posterior("y ~ x + (x | a)")
    exact = posterior("y ~ x + (x | a)", accuracy=3e-4)
    assert exact.error < 5e-4 < usual.error <= 0.02
    off = []
    for name, found in usual.named().items():
        expected = exact.named()[name]
        unit = float(np.diff(expected.interval())[0]) / 3.92
        off += list(abs(found.interval() - expected.interval()) / unit)
        off.append(abs(float(found.mean - expected.mean)) / unit)
    for block in range(1):
        expected = exact.group(block).interval()
        unit = (expected[1] - expected[0]) / 3.92
        off += list((abs(usual.group(block).interval() - expected) / unit).ravel())
    assert np.mean(np.array(off) < usual.error) > 0.95
    assert not math.isinf(usual.error)
