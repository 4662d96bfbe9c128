"""The plain sums behind data/populations.json agree with what is known otherwise."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from brute_force.populations import Counts, Mesh, Normal, OneNormal, Student, answers

STORED = json.loads((Path(__file__).parent / "data" / "populations.json").read_text())
Y, SE = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]


def test_one_normal_population_is_that_of_the_closed_form():
    found = answers(Normal(Y, SE), OneNormal(), Mesh(7.5, 6.0, step_v=0.08, step_s=0.06, every=2))
    tau = found["parameters"]["tau"]
    assert found["parameters"]["Intercept"][:2] == pytest.approx([7.93238, 5.17839], abs=2e-5)
    assert tau == pytest.approx([6.57548, 5.65038, 0.2427, 5.2385, 20.7525], abs=6e-5)
    means = [11.40026, 7.89455, 6.13075, 7.64468, 5.12642, 6.13854, 10.66698, 8.45682]
    assert [g[0] for g in found["groups"]] == pytest.approx(means, abs=2e-5)
    assert [g[1] for g in found["groups"]][:2] == pytest.approx([8.34142, 6.27484], abs=1e-4)


@pytest.mark.parametrize("df", [1.0, 4.0, 30.0])
@pytest.mark.parametrize("tau", [0.5, 8.0])
def test_mixture_over_s_is_the_t_density(df, tau):
    mesh = Mesh(0.0, 2.0)
    ((_, _, rule),) = Student(df).settings(mesh)
    place = np.argmin(np.abs(np.exp(mesh.log_tau) - tau))
    tau, weights = np.exp(mesh.log_tau[place]), rule[0][1][place]
    found = weights @ stats.norm.pdf(40.0, 3.0, np.hypot(mesh.s, 9.0))

    def by_theta(x):
        return stats.t.pdf(x, df, 3.0, tau) * stats.norm.pdf(40.0, x, 9.0)

    ends = [-500, 0, 3 - 5 * tau, 3, 3 + 5 * tau, 40, 100, 500]
    parts = [integrate.quad(by_theta, a, b, epsabs=1e-14)[0] for a, b in itertools.pairwise(ends)]
    assert found == pytest.approx(sum(parts), rel=1e-6)


@pytest.mark.parametrize(("family", "y", "n"), [("binomial", 0, 7), ("poisson", 5, 2.5)])
@pytest.mark.parametrize("s", [0.0, 0.3, 4.0])
def test_counts_integrated_over_theta(family, y, n, s):
    mesh = Mesh(-0.5, 0.2)
    mesh.v, mesh.s = np.zeros(1), np.array([s])
    found = np.exp(Counts(family, [y], [n]).log_table(mesh)[0, 0, 0])

    def likelihood(x):
        p = 1 / (1 + np.exp(-x))
        return (
            stats.binom.pmf(y, n, p)
            if family == "binomial"
            else stats.poisson.pmf(y, n * np.exp(x))
        )

    if s == 0.0:
        assert found == pytest.approx(likelihood(-0.5), rel=1e-10)
        return
    integrand = lambda x: likelihood(x) * stats.norm.pdf(x, -0.5, s)  # noqa: E731
    want = sum(integrate.quad(integrand, a, a + 4)[0] for a in range(-40, 40, 4))
    assert found == pytest.approx(want, rel=1e-7)


def test_stored_truths_are_as_exact_as_they_say():
    for name, entry in STORED.items():
        assert max(entry["accuracy"].values()) < 5e-3, name
        assert len(entry["groups"]["mean"]) == len(entry["data"].get("y", entry["data"].get("n")))
