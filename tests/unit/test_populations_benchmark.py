"""The worlds of benchmarks/populations.py: drawn as they say, and the oracle is right."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "populations.py"


@pytest.fixture(scope="module")
def worlds():
    return runpy.run_path(str(PATH), run_name="worlds")


def test_oracle_of_one_normal_population_is_the_closed_form(worlds):
    y, se = np.array([2.0, -1.0, 0.3]), np.array([0.5, 1.0, 2.0])
    mean, lower, upper = worlds["oracle"](worlds["WORLDS"]["normal"], y, se)
    pull = 1 / (1 + se**2)
    assert mean == pytest.approx(pull * y, abs=1e-12)
    half = 1.959963985 * np.sqrt(pull) * se
    assert [lower, upper] == [
        pytest.approx(mean - half, abs=1e-7),
        pytest.approx(mean + half, abs=1e-7),
    ]


def test_oracle_of_an_atom_holds_it(worlds):
    name = next(name for name in worlds["WORLDS"] if name.startswith("sparse"))
    mean, lower, upper = worlds["oracle"](worlds["WORLDS"][name], np.array([0.1]), np.array([1.0]))
    # 0.9 N(0, 1) against 0.1 N(0, 26) at 0.1
    wide = 0.1 / np.sqrt(26) * np.exp(-0.005 / 26)
    share = wide / (wide + 0.9 * np.exp(-0.005))
    assert mean == pytest.approx(share * 25 / 26 * 0.1, rel=1e-6)
    assert lower[0] <= 0.0 <= upper[0]
    assert upper[0] - lower[0] < 1e-6


def test_table_is_printed(worlds, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["populations.py", "--quick", "--worlds", "sparse"])
    worlds["main"]()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(worlds["METHODS"])
    assert [line.split(" | ")[2] for line in lines[2:]] == list(worlds["METHODS"])
    assert lines[2].split(" | ")[5] == "1"
