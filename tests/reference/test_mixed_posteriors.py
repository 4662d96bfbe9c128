"""Posteriors of regressions against quadratures by another program (see truth/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import partialpool as pp
from partialpool.formula import parse, read_roles
from partialpool.models import Priors
from partialpool.models.priors import Flat, HalfNormal, Normal
from partialpool.posterior import mixed_posterior
from partialpool.rows import read_mixed

HERE = Path(__file__).parent
PRIORS = Priors(mu=Normal(0, 10), beta=Normal(0, 10), tau=HalfNormal(1), sigma=HalfNormal(1))


def posterior(formula, data, priors):
    return mixed_posterior(read_mixed(read_roles(parse(formula)), data).statistics, priors, 1e-4)


def check(got, expected, tolerance, at=None):
    """Mean, sd and quantiles, in posterior sds."""
    found = [got.mean, got.sd, *got.quantile([0.05, 0.5, 0.95])]
    values = [float(v if at is None else v[at]) for v in found]
    truth = [expected[k] for k in ("mean", "sd", "q05", "q50", "q95")]
    np.testing.assert_allclose(values, truth, atol=tolerance * expected["sd"], rtol=0)


def truth(name):
    return json.loads((HERE / "truth" / f"{name}.json").read_text())["parameters"]


def numbered_radon():
    """Counties in the order in which the stored numbers count them."""
    data = pp.datasets.radon()
    first = {label: i for i, label in reversed(list(enumerate(data["county"].tolist())))}
    order = sorted(first, key=first.__getitem__)
    number = {label: i + 1 for i, label in enumerate(order)}
    return {**data, "county": np.array([number[c] for c in data["county"].tolist()])}


@pytest.mark.parametrize(
    ("name", "formula", "groups", "named"),
    [
        (
            "radon_mn-radon_partially_pooled",
            "log_radon ~ 1 + (1 | county)",
            "alpha",
            {"mu_alpha": "Intercept", "sigma_alpha": "tau[county]", "sigma_y": "sigma"},
        ),
        (
            "radon_mn-radon_variable_intercept",
            "log_radon ~ floor + (1 | county)",
            "alpha",
            {"beta": "floor", "sigma_alpha": "tau[county]", "sigma_y": "sigma"},
        ),
        (
            "radon_mn-radon_variable_slope",
            "log_radon ~ floor + (0 + floor | county)",
            "beta",
            {"alpha": "Intercept", "mu_beta": "floor", "sigma_beta": "tau[county, floor]"},
        ),
    ],
)
def test_radon(name, formula, groups, named):
    post, expected = posterior(formula, numbered_radon(), PRIORS), truth(name)
    for key, parameter in named.items():
        check(post.named()[parameter], expected[key], 1e-5)
    by_county = post.group(0)
    for j in range(85):
        check(by_county, expected[f"{groups}[{j + 1}]"], 5e-4, at=j)


def test_radon_with_flat_priors():
    data = numbered_radon()
    activity = np.where(data["activity"] == 0, 0.1, data["activity"])
    data = {**data, "log_radon": np.log(activity)}
    post = posterior("log_radon ~ floor + (1 | county)", data, Priors(sigma=Flat()))
    expected = truth("arm_radon_M1_flat")
    named = {"beta": "floor", "sigma_alpha": "tau[county]", "sigma_y": "sigma"}
    for key, parameter in named.items():
        check(post.named()[parameter], expected[key], 1e-5)
    by_county = post.group(0)
    for j in range(85):
        check(by_county, expected[f"alpha[{j + 1}]"], 1e-5, at=j)


def test_radon_exact():
    """Flat priors, 1/sigma on sigma: every mean and sd to nine digits."""
    expected = json.loads((HERE / "truth" / "radon_floor_exact.json").read_text())
    data = pp.datasets.radon()
    post = posterior("log_radon ~ floor + (1 | county)", data, Priors())
    for name, key in (("sigma", "sigma"), ("tau[county]", "tau")):
        got = post.named()[name]
        np.testing.assert_allclose([got.mean, got.sd], expected[key], rtol=1e-9)
    coefficients = [post.coefficients[k] for k in ("Intercept", "floor")]
    np.testing.assert_allclose([c.mean for c in coefficients], expected["b"]["mean"], rtol=1e-9)
    np.testing.assert_allclose([c.sd for c in coefficients], expected["b"]["sd"], rtol=1e-9)
    place = {label: i for i, label in enumerate(expected["levels"])}
    labels = post.statistics.blocks[0].labels.tolist()
    order = [place["".join(filter(str.isalpha, label))] for label in labels]
    effect = post.effect(0)
    np.testing.assert_allclose(effect.mean, np.array(expected["a"]["mean"])[order], atol=1e-9)
    np.testing.assert_allclose(effect.sd, np.array(expected["a"]["sd"])[order], rtol=1e-7)


def test_rats():
    data = pp.datasets.rats()
    data = {**data, "time": data["day"] - 22.0}
    priors = Priors(mu=Normal(0, 100), beta=Normal(0, 100), sigma=Flat())
    post = posterior("weight ~ time + (time || rat)", data, priors)
    expected = truth("rats_data-rats_model")
    named = {"mu_alpha": "Intercept", "mu_beta": "time", "sigma_alpha": "tau[rat]"}
    named |= {"sigma_beta": "tau[rat, time]", "sigma_y": "sigma"}
    for key, parameter in named.items():
        check(post.named()[parameter], expected[key], 5e-5)
    by_rat = post.group(0)  # intercept and slope of each
    for i in range(30):
        check(by_rat, expected[f"alpha[{i + 1}]"], 3e-4, at=2 * i)
        check(by_rat, expected[f"beta[{i + 1}]"], 3e-4, at=2 * i + 1)
