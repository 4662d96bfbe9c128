"""Profile-likelihood intervals against those lme4 prints, and against a slow dense twin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, special

import partialpool as pp
from partialpool.errors import ArgumentError

# As printed by confint() in the manual of lme4, its tests and Bates (2010), "lme4: Mixed-effects
# modeling with R", chapters 1, 2 and 4. Always of the ML fit. lme4 interpolates the profile by a
# spline, hence the tolerance.
PUBLISHED = {
    ("dyestuff", "yield ~ 1 + (1 | batch)"): {
        "Intercept": (1486.4515, 1568.54849),
        "tau[batch]": (12.1985292, 84.0630513),
        "sigma": (38.2299848, 67.6576964),
    },
    ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"): {
        "Intercept": (21.2666274, 24.6778176),
        "tau[plate]": (0.6335658, 1.1821040),
        "tau[sample]": (1.0957893, 3.5562919),
        "sigma": (0.4858454, 0.6294535),
    },
    ("sleepstudy", "reaction ~ days + (days | subject)"): {
        "Intercept": (237.680695505234, 265.129514680174),
        "days": (7.35865327511699, 13.5759187517082),
        "tau[subject]": (14.3814181607732, 37.7159953182866),
        "tau[subject, days]": (3.8011640532591, 8.75338075305527),
        "rho[subject, Intercept, days]": (-0.481500758280773, 0.684986273295485),
        "sigma": (22.8982668820808, 28.8579965114253),
    },
}


@pytest.mark.parametrize(("case", "expected"), PUBLISHED.items(), ids=[k[0] for k in PUBLISHED])
def test_published_intervals(case, expected):
    data, formula = case
    found = pp.fit(formula, getattr(pp.datasets, data)(), method="ml").profile()
    assert set(found["name"]) == set(expected)
    for name, lower, upper in zip(found["name"], found["lower"], found["upper"], strict=True):
        width = upper - lower
        assert abs(lower - expected[name][0]) < 1e-3 * width, name
        assert abs(upper - expected[name][1]) < 1e-3 * width, name


def draw(seed, groups=9, rows=7):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), rows)
    x = rng.normal(size=len(g))
    b = rng.normal(size=(2, groups)) * [[1.0], [0.6]]
    b[1] += 0.4 * b[0]
    y = 2.0 + 0.5 * x + b[0][g] + b[1][g] * x + rng.normal(size=len(g))
    return {"y": y, "x": x, "g": g}


class Dense:
    """The likelihood from its definition; parameters are log sds, a correlation, log sigma."""

    def __init__(self, data, *, restricted):
        self.y, self.restricted = data["y"], restricted
        self.X = np.stack([np.ones_like(data["x"]), data["x"]], axis=1)
        inside = (data["g"][:, None] == np.unique(data["g"])).astype(float)
        self.Z = [inside, inside * data["x"][:, None]]

    def log_likelihood(self, sds, rho, sigma, held=None):
        both = sds[0] * sds[1] * rho * (self.Z[0] @ self.Z[1].T)
        V = sum(s**2 * z @ z.T for s, z in zip(sds, self.Z, strict=True))
        V = V + both + both.T + sigma**2 * np.eye(len(self.y))
        X, y = self.X, self.y
        if held is not None:
            k, value = held
            X, y = np.delete(X, k, axis=1), y - X[:, k] * value
        solved = np.linalg.solve(V, X)
        beta = np.linalg.solve(X.T @ solved, solved.T @ y)
        left = y - X @ beta
        free = len(y) - (X.shape[1] if self.restricted else 0)
        out = np.linalg.slogdet(V)[1] + left @ np.linalg.solve(V, left)
        if self.restricted:
            out += np.linalg.slogdet(X.T @ solved)[1]
        return -0.5 * (out + free * math.log(2 * math.pi))

    def best(self, begin, name=None, value=None):
        """Highest log likelihood with one parameter held."""
        order = ["tau[g]", "tau[g, x]", "rho[g, Intercept, x]", "sigma"]
        coefficient = {"Intercept": 0, "x": 1}.get(name)

        def fall(free):
            every = list(free)
            if name in order:
                every.insert(order.index(name), None)
            at = [f(v) if v is not None else value for f, v in zip(into, every, strict=True)]
            held = None if coefficient is None else (coefficient, value)
            return -self.log_likelihood(at[:2], at[2], at[3], held)

        into = [math.exp, math.exp, math.tanh, math.exp]
        back = [math.log, math.log, math.atanh, math.log]
        start = [f(v) for n, f, v in zip(order, back, begin, strict=True) if n != name]
        options = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000}
        return -optimize.minimize(fall, start, method="Nelder-Mead", options=options).fun


@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize("level", [0.95, 0.5])
def test_likelihood_falls_by_the_quantile_at_the_ends(method, level):
    data = draw(3)
    fit = pp.fit("y ~ x + (x | g)", data, method=method)
    dense = Dense(data, restricted=method == "reml")
    begin = list(fit._engine.spreads.values())
    top = dense.best(begin)
    assert abs(top - fit._engine.log_likelihood) < 1e-6
    height = special.chdtri(1.0, 1.0 - level)
    found = fit.profile(level)
    assert len(found["name"]) == (6 if method == "ml" else 4)
    for name, *ends in zip(found["name"], found["lower"], found["upper"], strict=True):
        for end in ends:
            last = name.startswith("rho") and abs(end) == 1.0  # the end of the range
            inside = float(end) * (1.0 - 1e-9 * last)
            fall = 2.0 * (top - dense.best(begin, name, inside))
            gap = fall - height
            assert gap < 2e-3 * height if last else abs(gap) < 2e-3 * height, (name, end, fall)


def test_intervals_reach_the_boundary():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(8), 6)
    y = rng.normal(size=len(g))
    y = (
        y - 0.9 * np.array([y[g == k].mean() for k in range(8)])[g]
    )  # groups differ less than by chance
    found = pp.fit("y ~ 1 + (1 | g)", {"y": y, "g": g}, method="reml").profile()
    row = list(found["name"]).index("tau[g]")
    assert found["estimate"][row] == 0.0
    assert found["lower"][row] == 0.0
    assert 0.0 < found["upper"][row] < 1.0


def test_known_standard_errors():
    data = pp.datasets.eight_schools()
    fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", data, method="ml")
    found = fit.profile()
    assert list(found["name"]) == ["Intercept", "tau[school]"]
    assert found["lower"][1] == 0.0
    y, v = np.asarray(data["effect"], float), np.asarray(data["se"], float) ** 2

    def deviance(mu, tau):
        return np.sum(np.log(v + tau**2) + (y - mu) ** 2 / (v + tau**2))

    def at(tau):
        w = 1.0 / (v + tau**2)
        return deviance(w @ y / w.sum(), tau)

    least = at(0.0)
    assert at(float(found["upper"][1])) - least == pytest.approx(3.841459, abs=2e-3)
    for mu in (found["lower"][0], found["upper"][0]):
        lowest = optimize.minimize_scalar(lambda t, m=mu: deviance(m, t), bounds=(0, 40)).fun
        assert lowest - least == pytest.approx(3.841459, abs=2e-3)


def test_refused_where_there_is_a_posterior():
    fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
    with pytest.raises(ArgumentError, match="parameters"):
        fit.profile()
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff(), method="ml").profile(95)


@pytest.mark.parametrize("offset", [30.0, 1e5])
def test_where_the_predictor_is_counted_from_changes_intercepts_only(offset):
    data = draw(3)
    near = pp.fit("y ~ x + (x | g)", data, method="reml").profile()
    far = {**data, "x": data["x"] + offset}
    found = pp.fit("y ~ x + (x | g)", far, method="reml").profile()
    names = list(near["name"])
    for name in ("tau[g, x]", "sigma"):
        at = names.index(name)
        for end in ("lower", "upper"):
            assert found[end][at] == pytest.approx(near[end][at], rel=1e-3)
    at = names.index("tau[g]")  # so far away it is the slopes that make intercepts differ
    if offset == 1e5:
        slope = names.index("tau[g, x]")
        assert found["lower"][at] / offset == pytest.approx(found["lower"][slope], rel=1e-3)
        assert found["upper"][at] / offset == pytest.approx(found["upper"][slope], rel=1e-3)
