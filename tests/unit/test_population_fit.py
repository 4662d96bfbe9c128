"""What a fit answers where the population is not normal."""

import pickle

import numpy as np
import pytest

import partialpool as pp

SCHOOLS = "effect | se(se) ~ 1 + (1 | school)"
RNG = np.random.default_rng(6)
G = np.repeat(np.arange(9), 4)
ROWS = {"g": G, "y": 3 + RNG.standard_t(3, 9)[G] + RNG.normal(size=36), "row": np.arange(36)}


def far():
    data = dict(pp.datasets.eight_schools())
    data["effect"] = [100.0, *np.asarray(data["effect"], dtype=float)[1:]]
    return data


def test_a_school_at_100_is_as_in_the_docs():
    """The table of docs/populations.md."""
    table = {
        "normal": [(85.1, 16.3), (8.8, 9.6), (13.2, 16.0)],
        "student": [(89.1, 15.9), (8.3, 9.0), (11.0, 14.1)],
        "contaminated": [(92.7, 15.7), (7.7, 8.1), (9.2, 12.0)],
    }
    for population, expected in table.items():
        fit = pp.fit(SCHOOLS, far(), population=population)
        got = fit.groups()
        cells = np.stack([got["estimate"], got["sd"]], axis=1)[[0, 1, 7]]
        np.testing.assert_allclose(cells, expected, atol=0.051)
    assert fit.groups()["p_outlying"][0] == pytest.approx(0.90, abs=0.005)


@pytest.mark.parametrize("population", ["student", "contaminated(ratio=5)", "point_normal"])
@pytest.mark.parametrize(("formula", "data"), [(SCHOOLS, far()), ("y ~ 1 + (1 | g)", ROWS)])
def test_everything_that_a_normal_population_has(formula, data, population):
    fit = pp.fit(formula, data, population=population)
    assert str(fit.population) == population
    label = fit.statistics.labels[0]
    table = fit.groups(above="average")
    assert {"p_above", "standing"} <= set(table)
    lower, upper = table["lower"], table["upper"]
    assert ((lower <= table["estimate"]) & (table["estimate"] <= upper)).all()
    assert sorted(fit.rank()["expected_rank"]) == pytest.approx(
        sorted(fit.posterior.ranks()["expected_rank"])
    )
    known = fit.predict({fit.factor: [label]})
    assert known["estimate"][0] == pytest.approx(table["estimate"][0])
    rows = {fit.factor: [label, "elsewhere"]}
    found = fit.predict(rows, unseen="new_group")
    noisy = {**rows, "se": [1.0, 1.0]} if "se" in formula else rows
    wide = fit.predict(noisy, unseen="new_group", observation=True)
    assert wide["sd"][0] > known["sd"][0]
    assert found["sd"][0] == pytest.approx(known["sd"][0])
    drawn = fit.posterior.draws(20_000, np.random.default_rng(1))
    theta = drawn.groups(fit.factor)
    np.testing.assert_allclose(theta.mean(axis=0), table["estimate"], atol=0.05 * table["sd"].max())
    both = fit.average(rows, unseen="new_group")
    assert float(both.table["estimate"][0]) == pytest.approx(found["estimate"].mean(), abs=0.3)
    assert fit.to_dict()["population"] == population
    again = pickle.loads(pickle.dumps(fit))
    np.testing.assert_array_equal(again.groups()["estimate"], table["estimate"])
    assert "population" in fit.methods()
    assert fit.report_contents(drawn=False).foundations
    assert "population" in repr(fit)
    assert fit.check(data).table


def test_statistics_updates_and_groups_are_the_same_fit():
    whole = pp.fit("y ~ 1 + (1 | g)", ROWS, population="student(7)")
    parts = [{k: v[at] for k, v in ROWS.items()} for at in (slice(20), slice(20, None))]
    updated = pp.fit("y ~ 1 + (1 | g)", parts[0], population="student(7)").update(parts[1])
    kept = pp.fit_statistics(pp.statistics("y ~ 1 + (1 | g)", ROWS), population=pp.Student(7))
    s = whole.statistics
    sd = np.sqrt(s.ss / (s.n - 1))
    groups = pp.fit_groups(n=s.n, mean=s.raw, sd=sd, names=s.labels, population="t(7)")
    for other in (updated, kept, groups):
        assert other.population == pp.Student(7)
        got, want = other.groups(), whole.groups()
        np.testing.assert_allclose(got["estimate"], want["estimate"], atol=1e-3)
        np.testing.assert_allclose(got["upper"], want["upper"], atol=5e-3)
    named = pp.fit_groups(mean=[1.0, 2, 9], se=[1.0, 1, 1], population="student")
    assert named.population == pp.Student()


def test_tau_of_point_normal_has_a_proper_prior_unless_a_flat_one_is_stated():
    fit = pp.fit(SCHOOLS, far(), population="point_normal")
    assert str(fit.priors.tau) == "dumouchel()"
    stated = pp.fit(SCHOOLS, far(), population="point_normal", prior="tau ~ half_normal(50)")
    assert str(stated.priors.tau) == "half_normal(50)"
    with pytest.raises(pp.ImproperPosteriorError, match="leave the prior of tau out"):
        pp.fit(SCHOOLS, far(), population="point_normal", prior="tau ~ flat()")


def test_what_is_of_normal_populations_is_said():
    fit = pp.fit(SCHOOLS, far(), population="student(1)")
    for ask, words in (
        (fit.compare, "this population is student"),
        (fit.world, "this one is student"),
        (fit.profile, 'of fits with method="reml" or "ml"'),
        (fit.posterior.icc, "has no variance"),
    ):
        with pytest.raises(pp.ArgumentError, match=words):
            ask()


def test_a_table_of_models_names_the_population():
    a, b = (pp.fit(SCHOOLS, far(), population=p) for p in ("normal", "contaminated"))
    about = pp.table(a, b).columns()
    assert "contaminated" in repr(pp.table(a, b))
    assert "share[school]" in about["parameter"].tolist()


COUNTS = {
    "deaths | trials(operations) ~ 1 + (1 | hospital)": pp.datasets.surgical_deaths(),
    "pairs | exposure(hours) ~ 1 + (1 | year)": {
        "pairs": [3, 8, 0, 12, 5, 40], "hours": [2.0, 4, 1, 5, 2, 3], "year": [1, 2, 3, 4, 5, 6],
    },
}  # fmt: skip


@pytest.mark.parametrize("population", ["student", "contaminated(ratio=5)"])
@pytest.mark.parametrize("formula", COUNTS)
def test_counts_have_it_too(formula, population):
    data = COUNTS[formula]
    fit = pp.fit(formula, data, population=population, prior="tau ~ half_normal(1)")
    assert str(fit.population) == population
    table = fit.groups(above="average")
    drawn = fit.posterior.draws(20_000, np.random.default_rng(1))
    theta = drawn.groups(fit.factor, scale="link")
    above = (theta > drawn["Intercept"][:, None]).mean(axis=0)
    np.testing.assert_allclose(table["p_above"], above, atol=0.02)
    response = drawn.groups(fit.factor)
    np.testing.assert_allclose(response.mean(axis=0), table["estimate"], rtol=0.03)
    label = table["group"][0]
    rows = {fit.factor: [label], "operations": [10], "hours": [1.0]}
    assert fit.predict(rows)["estimate"][0] == pytest.approx(table["estimate"][0], rel=1e-6)
    assert fit.check(data).as_table().n_rows >= 0
    if "hours" in formula and population != "student":  # each group left out: once is enough
        assert fit.influence().table.n_rows == len(table["group"])
        assert fit.report_contents(drawn=False).foundations
    assert "events" in repr(fit)
    assert "population" in fit.methods()
    with pytest.raises(pp.ArgumentError, match="of measurements of one sigma, not of counts"):
        fit.plot.population()


@pytest.mark.parametrize(
    ("options", "prior", "words"),
    [
        ({"population": "student(learned)"}, "df[school] ~ gamma(2, 0.1)",
         ["the prior of df is gamma(2, 0.1) and cannot be changed", "student(df=4)"]),
        ({"population": "student"}, "df ~ gamma(2, 0.1)", ["df is 4.0 here, as stated"]),
        ({"population": "contaminated"}, "share[school] ~ beta(1, 4)",
         ["the prior of share is beta(1, 4)", "contaminated(share=0.1)"]),
        ({"population": "contaminated(ratio=3)"}, "ratio[school] ~ half_normal(1)",
         ["ratio is 3.0 here"]),
        ({"population": "point_normal"}, "share[school] ~ beta(1, 4)",
         ["the prior of share is uniform(0, 1) and cannot be changed; leave it out"]),
        ({}, "dispersion ~ half_normal(1)", ["the gaussian family has none", "it is sigma"]),
    ],
)  # fmt: skip
def test_priors_of_what_populations_learn_are_refused(options, prior, words):
    with pytest.raises(pp.PriorError) as caught:
        pp.fit(SCHOOLS, far(), prior=prior, **options)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("formula", ["y ~ 1 + (1 | g)", "y ~ x + (1 | g)"])
@pytest.mark.parametrize(
    ("family", "wider"), [("poisson", "negative_binomial"), ("binomial", "beta_binomial")]
)
def test_families_without_a_dispersion_name_those_that_have_one(formula, family, wider):
    data = {"g": list("abcd") * 2, "y": [0, 1, 1, 0, 1, 0, 1, 1], "x": [1.0, 2, 3, 4, 5, 6, 7, 8]}
    with pytest.raises(pp.PriorError) as caught:
        pp.fit(formula, data, family=family, prior="dispersion ~ half_normal(1)")
    said = str(caught.value)
    assert f"the {family} family has none" in said
    assert f'or write family="{wider}"' in said
    assert "negative_binomial and beta_binomial" in said
    assert "did you mean" not in said
