"""Everything that is read from one fit agrees, whatever the family, and however the data came.

Two numbers agree if they differ by no more than the estimated error, in sds of the quantity: that
is what this says. Where both are read from the same nodes or points they agree better.
"""

import functools
import re

import numpy as np
import pytest
from scipy import special

import partialpool as pp
from count_models import COUNT_MODELS

LEVELS = 0.95, 0.5
DRAWS = 20_000
SIGMAS = 4.5
"""Standard errors of a share of draws: some 2,000 are compared, so that one in 150,000 may fail."""
GROUPS, REGIONS, ITEMS = 9, 3, 6


@functools.cache
def data():
    """Rows in groups of 8 to 14 within regions, crossed with items; every kind of outcome."""
    rng = np.random.default_rng(2026)
    g = np.repeat(np.arange(GROUPS), rng.integers(8, 15, GROUPS))
    item = rng.permutation(np.arange(len(g)) % ITEMS)
    x, z = rng.normal(size=len(g)), rng.normal(size=len(g))
    eta = (0.6 * rng.normal(size=GROUPS))[g] + (0.4 * rng.normal(size=ITEMS))[item]
    eta += (0.5 + 0.4 * rng.normal(size=GROUPS))[g] * x - 0.3 * z
    trials = rng.integers(3, 12, len(g))
    hours = rng.uniform(0.5, 4.0, len(g))
    return {
        "g": np.array([f"g{k}" for k in g]), "region": np.array([f"r{k % REGIONS}" for k in g]),
        "item": np.array([f"i{k}" for k in item]), "x": x, "z": z,
        "y": 2.0 + eta + 0.8 * rng.normal(size=len(g)), "w": rng.uniform(0.5, 2.0, len(g)),
        "se": rng.uniform(0.5, 1.0, len(g)), "trials": trials, "hours": hours,
        "hits": rng.binomial(trials, special.expit(eta - 0.3)),
        "hit": (rng.random(len(g)) < special.expit(eta)) * 1,
        "events": rng.poisson(hours * np.exp(0.5 + 0.7 * eta)),
    }  # fmt: skip


@functools.cache
def summaries():
    """One row a group: n, mean, sd and a standard error."""
    d = data()
    parts = [d["y"][d["g"] == k] for k in np.unique(d["g"])]
    n = np.array([len(p) for p in parts])
    sd = np.array([p.std(ddof=1) for p in parts])
    return {
        "g": np.unique(d["g"]), "n": n, "mean": np.array([p.mean() for p in parts]), "sd": sd,
        "se": sd / np.sqrt(n),
    }  # fmt: skip


FAMILIES = {
    "one way": ("y ~ 1 + (1 | g)", None),
    "known errors": ("mean | se(se) ~ 1 + (1 | g)", None),
    "summaries": ("mean | summary(n, sd) ~ 1 + (1 | g)", None),
    "predictors": ("y ~ x + z + (1 | g)", None),
    "weights": ("y | weights(w) ~ x + (1 | g)", None),
    "known errors and a predictor": ("y | se(se) ~ x + (1 | g)", None),
    "slopes": ("y ~ x + (x | g)", None),
    "independent slopes": ("y ~ x + (x || g)", None),
    "nested": ("y ~ x + (1 | region/g)", None),
    "crossed": ("y ~ x + (1 | g) + (1 | item)", None),
    "binomial": ("hits | trials(trials) ~ 1 + (1 | g)", None),
    "beta": ("hits | trials(trials) ~ 1 + (1 | g)", "beta"),
    "poisson": ("events | exposure(hours) ~ 1 + (1 | g)", None),
    "gamma": ("events | exposure(hours) ~ 1 + (1 | g)", "gamma"),
    "binomial with predictors": ("hits | trials(trials) ~ x + z + (1 | g)", None),
    "rows of 0 and 1": ("hit ~ x + (1 | g)", "binomial"),
    "poisson with a predictor": ("events | exposure(hours) ~ x + (1 | g)", None),
    "binomial with slopes": ("hits | trials(trials) ~ x + (x | g)", None),
    "crossed counts": ("hits | trials(trials) ~ x + (1 | g) + (1 | item)", None),
}
LINEAR = [k for k, (formula, _) in FAMILIES.items() if formula.startswith(("y", "mean"))]
MIXED = [k for k, (formula, _) in FAMILIES.items() if "x" in formula.split("~")[1]]
REORDERED = {
    "predictors": "y ~ z + x + (1 | g)",
    "slopes": "y ~ (x | g) + x",
    "nested": "y ~ (1 | region:g) + (1 | region) + x",
    "crossed": "y ~ (1 | item) + x + (1 | g)",
    "binomial with predictors": "hits | trials(trials) ~ z + (1 | g) + x",
    "crossed counts": "hits | trials(trials) ~ (1 | item) + (1 | g) + x",
}


def columns(kind):
    return summaries() if kind in ("known errors", "summaries") else data()


def prior(formula, scale=1.0):
    """None of a one-way model; proper ones of standard deviations of few groups."""
    return [f"tau ~ half_normal({2.0 * scale!r})"] if "x" in formula.split("~")[1] else None


def fitted(kind, formula=None, rows=None, **options):
    formula = formula or FAMILIES[kind][0]
    rows = columns(kind) if rows is None else rows
    options = {"prior": prior(formula), **COUNT_MODELS.get(FAMILIES[kind][1], {}), **options}
    return pp.fit(formula, rows, **options)


@functools.cache
def fit_of(kind):
    return fitted(kind)


def told(*fits):
    """The errors told, and what rounding alone may change (sds of 1e-8 of the outcome)."""
    return sum(fit.posterior.error for fit in fits) + 1e-6


def printed(fit):
    """Mean, sd and interval of every parameter and every effect of a group, by name."""
    found = {}
    table = fit.parameters()
    for i, name in enumerate(table["name"].tolist()):
        found[name] = [float(table[k][i]) for k in ("mean", "sd", "lower", "median", "upper")]
    table = fit.groups(scale="link")
    rows = len(table["group"])
    factor = table["factor"].tolist() if "factor" in table else [fit.factor] * rows
    term = table["term"].tolist() if "term" in table else ["Intercept"] * rows
    for i, label in enumerate(table["group"].tolist()):
        values = [float(table[k][i]) for k in ("estimate", "sd", "lower", "upper")]
        found[factor[i], str(label), term[i]] = values
    return found


def size(values):
    """The sd, or what stands for it where there is none."""
    return values[1] if np.isfinite(values[1]) else (values[-1] - values[2]) / 4.0


def assert_agree(first, second, error):
    """The same names and, to the estimated error, the same numbers."""
    assert first.keys() == second.keys()
    off = {}
    for name, a in first.items():
        b = second[name]
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b), err_msg=str(name))
        gap = np.nanmax(np.abs(np.subtract(a, b)[np.isfinite(a)])) / size(a)
        if gap > error:
            off[name] = float(gap)
    assert off == {}, f"more sds off than the {error:.2g} told"


def renamed(name):
    """The name of a correlation, whichever of its effects comes first."""
    parts = re.fullmatch(r"rho\[(.*), (.*), (.*)\]", name) if isinstance(name, str) else None
    if parts is None:
        return name
    return f"rho[{parts[1]}, {', '.join(sorted(parts.groups()[1:]))}]"


# one fit, read in several ways ---------------------------------------------------------------


def at_zero(kind, **labels):
    """One new row with predictors at zero."""
    return {"x": [0.0], "z": [0.0], **{k: [v] for k, v in labels.items()}}


def linked(kind, values):
    """Probabilities or rates on the link scale; measurements as they are."""
    formula = FAMILIES[kind][0]
    if kind in LINEAR:
        return values
    return special.logit(values) if formula.startswith("hit") else np.log(values)


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_population_at_zero_is_the_intercept(kind):
    fit = fit_of(kind)
    row = {k: fit.parameters()[k][0] for k in ("name", "mean", "sd", "lower", "upper")}
    assert row["name"] == "Intercept"
    got = fit.predict(at_zero(kind), target="population")
    error = told(fit) * size([row["mean"], row["sd"], row["lower"], row["upper"]])
    ends = [float(linked(kind, got[k][0])) for k in ("lower", "upper")]
    np.testing.assert_allclose(ends, [row["lower"], row["upper"]], rtol=0, atol=error)
    if kind in LINEAR:
        moments = [float(got["estimate"][0]), float(got["sd"][0])]
        np.testing.assert_allclose(moments, [row["mean"], row["sd"]], rtol=0, atol=error)


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_prediction_of_a_known_group_is_its_row(kind):
    """Of several factors, with the others at the population."""
    fit, table = fit_of(kind), fit_of(kind).groups()
    columns_ = ("estimate", "sd", "lower", "upper")
    for i, label in enumerate(table["group"].tolist()):
        factor = table["factor"][i] if "factor" in table else fit.factor
        if "term" in table and table["term"][i] != "Intercept":
            continue
        if ":" in factor:
            labels = dict(zip(factor.split(":"), label.split(":"), strict=True))
        else:
            labels = {"g": "nobody", "item": "nobody", "region": "nobody", factor: label}
        got = fit.predict(at_zero(kind, **labels), unseen="population")
        want = [float(table[k][i]) for k in columns_]
        have = [float(got[k][0]) for k in columns_]
        np.testing.assert_allclose(
            have, want, rtol=0, atol=told(fit) * size(want), err_msg=f"{factor} {label}"
        )


def drawn(fit):
    """Draws of every parameter and every group's coefficients, named as by `printed`."""
    draws = fit._engine.draws(DRAWS, np.random.default_rng(5))
    found = {}
    if hasattr(draws, "mu"):
        found = {"Intercept": draws.mu, f"tau[{fit.factor}]": draws.tau}
        found |= {} if draws.sigma is None else {"sigma": draws.sigma}
        for j, label in enumerate(draws.groups.tolist()):
            found[fit.factor, str(label), "Intercept"] = draws.theta[:, j]
        return found
    s = fit.statistics
    found = dict(zip(s.coefficients, draws.coefficients.T, strict=True)) | draws.tau | draws.rho
    if fit._engine.sigma is not None:
        found["sigma"] = draws.sigma
    outer = {}
    for block, effects in zip(s.blocks, draws.effects, strict=True):
        for j, label in enumerate(block.labels.tolist()):
            for k, term in enumerate(block.effects):
                value = found[term] + effects[:, j, k]
                outer[block.factor, str(label), term] = effects[:, j, k]
                if ":" in block.factor:
                    first = block.factor.split(":")[0], str(label).split(":")[0], term
                    value = value + outer[first]
                found[block.factor, str(label), term] = value
    return found


@pytest.mark.parametrize("kind", FAMILIES)
def test_draws_have_the_quantiles_of_the_tables(kind):
    """The share of draws below an end, moved by the estimated error, is on the right side of p."""
    fit, error = fit_of(kind), told(fit_of(kind))
    draws, off = drawn(fit), {}
    names = set()
    for level in LEVELS:
        parameters, groups = fit.parameters(level=level), fit.groups(level=level, scale="link")
        factor = groups["factor"] if "factor" in groups else [fit.factor] * len(groups["group"])
        term = groups["term"] if "term" in groups else ["Intercept"] * len(groups["group"])
        keys = [*parameters["name"].tolist()]
        keys += [
            (str(f), str(v), str(t)) for f, v, t in zip(factor, groups["group"], term, strict=True)
        ]
        for side, p in (("lower", 0.5 - level / 2), ("upper", 0.5 + level / 2)):
            ends = np.concatenate([parameters[side], groups[side]])
            sds = np.concatenate([parameters["sd"], groups["sd"]])
            for name, end, sd in zip(keys, ends.tolist(), sds.tolist(), strict=True):
                names.add(name)
                value = draws[name]
                spread = sd if np.isfinite(sd) else np.ptp(np.quantile(value, [0.16, 0.84])) / 2
                chance = SIGMAS * np.sqrt(p * (1 - p) / DRAWS)
                below = (value <= end + error * spread).mean()
                above = (value <= end - error * spread).mean()
                if below < p - chance or above > p + chance:
                    off[name, side, level] = round((value <= end).mean() - p, 4)
    assert names == draws.keys()
    assert off == {}, f"shares of draws beyond the ends of {kind}, estimated error {error:.2g}"


# other ways to say the same ------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_order_of_rows(kind):
    rows = columns(kind)
    order = np.random.default_rng(3).permutation(len(rows["g"]))
    moved = fitted(kind, rows={k: v[order] for k, v in rows.items()})
    assert_agree(printed(fit_of(kind)), printed(moved), told(fit_of(kind), moved))


@pytest.mark.parametrize("kind", REORDERED)
def test_the_order_of_terms(kind):
    moved = fitted(kind, REORDERED[kind])
    first = {renamed(k): v for k, v in printed(fit_of(kind)).items()}
    second = {renamed(k): v for k, v in printed(moved).items()}
    assert_agree(first, second, told(fit_of(kind), moved))


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_names_of_groups(kind):
    """Names in the opposite order, so that every group has another place."""
    rows = columns(kind)
    last = {"g": "g", "region": "r", "item": "i"}
    names = {f"{a}{k}": f"{a}{9 - k}" for a in last.values() for k in range(10)}
    other = {
        k: np.array([names[label] for label in v.tolist()]) if k in last else v
        for k, v in rows.items()
    }
    moved = fitted(kind, rows=other)

    def named(key):
        if isinstance(key, str):
            return key
        return key[0], ":".join(names[part] for part in key[1].split(":")), key[2]

    first = {named(k): v for k, v in printed(fit_of(kind)).items()}
    assert_agree(first, printed(moved), told(fit_of(kind), moved))


def is_location(name):
    """Whether a shift of the outcome moves a quantity: intercepts, and groups' intercepts."""
    return name == "Intercept" or (isinstance(name, tuple) and name[2] == "Intercept")


@pytest.mark.parametrize("kind", LINEAR)
@pytest.mark.parametrize(("scale", "shift"), [(1e8, 0.0), (1e-8, 0.0), (1.0, 1e8), (1.0, -1e8)])
def test_units_and_the_zero_of_the_outcome(kind, scale, shift):
    """In units of 1e-8 and 1e8; and far from zero, where rows lose 1e-8 of a unit themselves."""
    formula, rows = FAMILIES[kind][0], columns(kind)
    changed = {**rows}
    for name in ("y", "mean"):
        if name in rows:
            changed[name] = rows[name] * scale + shift
    for name in ("sd", "se"):
        if name in rows:
            changed[name] = rows[name] * scale
    moved = fitted(kind, rows=changed, prior=prior(formula, scale))
    want = {}
    for name, values in printed(fit_of(kind)).items():
        factor = 1.0 if isinstance(name, str) and name.startswith("rho") else scale
        at = shift if is_location(name) else 0.0
        moments = [v * factor for v in values]
        want[name] = [v + at if k != 1 else v for k, v in enumerate(moments)]
    assert_agree(want, printed(moved), told(fit_of(kind), moved))


@pytest.mark.parametrize("kind", FAMILIES)
def test_statistics_combined_are_those_of_all_rows(kind):
    formula, family = FAMILIES[kind]
    rows = columns(kind)
    part = np.arange(len(rows["g"])) % 3 == 1
    parts = [{k: v[chosen] for k, v in rows.items()} for chosen in (part, ~part)]
    how = dict(COUNT_MODELS.get(family, {}))
    population = how.pop("population", None)
    first, second = (pp.statistics(formula, each, **how) for each in parts)
    both = pp.fit_statistics(first.combine(second), prior=prior(formula), population=population)
    assert both.statistics.n_rows == len(rows["g"])
    assert_agree(printed(fit_of(kind)), printed(both), told(fit_of(kind), both))


@pytest.mark.parametrize("kind", MIXED)
def test_a_fit_that_is_updated_is_that_of_all_rows(kind):
    rows = columns(kind)
    part = np.arange(len(rows["g"])) % 2 == 0
    first = fitted(kind, rows={k: v[part] for k, v in rows.items()})
    both = first.update({k: v[~part] for k, v in rows.items()})
    assert_agree(printed(fit_of(kind)), printed(both), told(fit_of(kind), both))
