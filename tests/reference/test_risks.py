"""Risks of the simulator against 200,000 replicates of another program."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from partialpool.simulate import World, risks

LINES = (Path(__file__).parent / "truth" / "simulator_risks.txt").read_text().splitlines()[1:]
ESTIMATORS = ("no_pooling", "complete_pooling", "moments", "james_stein")
REPLICATES = 20_000


def settings(line):
    """(groups, n, tau), four risks, and the coverage of the naive intervals in the last column."""
    groups, n, tau = map(int, re.findall(r"\d+", line.split(")")[0]))
    numbers = line.split(")")[1].replace("|", " ").split()
    no, complete, moments, _oracle, stein = map(float, numbers[:5])
    return (groups, n, tau), (no, complete, moments, stein), float(numbers[-1])


@pytest.mark.slow
@pytest.mark.parametrize("line", [x for x in LINES if x.strip()], ids=lambda x: x.split(")")[0])
def test_risks_within_monte_carlo_error(line):
    (groups, n, tau), expected, coverage = settings(line)
    table = risks(World.of(groups, n, tau), estimators=ESTIMATORS, replicates=REPLICATES).table
    gap = np.abs(table["mse"] - expected) / table["mse_error"]
    assert (gap < 4.5).all(), dict(zip(ESTIMATORS, gap, strict=True))
    assert abs(table["coverage"][2] - coverage) < 4.5 * table["coverage_error"][2] + 5e-4


def test_james_stein_dominates_at_every_tau():
    for tau in (0.0, 1.0, 3.0, 10.0, 100.0):
        table = risks(
            World.of(5, 10, tau), estimators=["no_pooling", "james_stein"], replicates=20_000
        ).table
        no, stein = table["mse"]
        assert stein < no + 3 * table["mse_error"][1]
        assert stein < no or tau == 100.0


def test_the_plug_in_is_worse_than_raw_means_with_three_or_four_far_groups():
    for groups in (3, 4):
        world = World.of(groups, 5, 15.0)
        table = risks(world, estimators=["no_pooling", "moments"], replicates=200_000).table
        no, plug_in = table["mse"]
        assert plug_in > no
    table = risks(World.of(12, 5, 5.0), estimators=["no_pooling", "moments"], replicates=20_000)
    assert table.table["mse"][1] < 0.75 * table.table["mse"][0]


def test_partial_pooling_is_not_always_best_in_one_draw():
    """It wins in expectation, but in a fifth to two fifths of draws another extreme is closer."""
    for n, tau in ((15, 5), (5, 5), (100, 5), (15, 1)):
        table = risks(World.of(12, n, tau), estimators=["moments"], replicates=20_000).table
        assert 0.15 < 1 - table["best"][0] < 0.42
