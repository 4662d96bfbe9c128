"""One face of the posterior: the same questions of every model, with the answers of its tables."""

import pickle

import numpy as np
import pytest

import partialpool as pp

RNG = np.random.default_rng(3)
G = np.repeat([f"g{i}" for i in range(12)], 15)
H = np.array([f"{g}.{i % 3}" for i, g in enumerate(G)])
X = RNG.normal(size=180)
LEVEL = np.repeat(RNG.normal(0, 0.7, 12), 15)
ROWS = {
    "g": G,
    "h": H,
    "x": X,
    "y": 1 + X + LEVEL + RNG.normal(size=180),
    "n": np.full(180, 6),
    "k": RNG.binomial(6, 1 / (1 + np.exp(-LEVEL - 0.3 * X))),
}
MODELS = {
    "one way": ("y ~ 1 + (1 | g)", {}),
    "proportions": ("k | trials(n) ~ 1 + (1 | g)", {}),
    "rates": ("k | exposure(n) ~ 1 + (1 | g)", {}),
    "conjugate": ("k | trials(n) ~ 1 + (1 | g)", {"population": "beta"}),
    "predictor": ("y ~ x + (1 | g)", {}),
    "slopes": ("y ~ x + (x | g)", {}),
    "nested": ("y ~ x + (1 | g/h)", {}),
    "counts": ("k | trials(n) ~ x + (1 | g)", {}),
    "counts with slopes": ("k | trials(n) ~ x + (x | g)", {}),
    "reml": ("y ~ x + (x | g)", {"method": "reml"}),
    "ml of counts": ("k | trials(n) ~ x + (1 | g)", {"method": "ml"}),
}
FITS: dict[str, pp.Fit] = {}


def fitted(name):
    if name not in FITS:
        formula, how = MODELS[name]
        FITS[name] = pp.fit(formula, ROWS, **how)
    return FITS[name]


def table_of(fit, factor, term, **how):
    table = fit.groups(**how)
    table = {k: np.asarray(table[k]) for k in table}
    keep = np.ones(len(table["group"]), dtype=bool)
    if "factor" in table:
        keep = (table["factor"] == factor) & (table["term"] == term)
    return {k: v[keep] for k, v in table.items()}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("scale", ["response", "link"])
def test_groups_are_those_of_the_table(name, scale):
    fit = fitted(name)
    for term in fit.posterior._terms:
        found = fit.posterior.groups(term.factor, term=term.name, scale=scale)
        table = table_of(fit, term.factor, term.name, scale=scale)
        assert found.shape == (len(table["group"]),) == (len(found),)
        np.testing.assert_array_equal(found.labels.astype(str), table["group"].astype(str))
        ends = found.interval()
        width = ends[1] - ends[0]
        for got, column in ((found.mean, "estimate"), (ends[0], "lower"), (ends[1], "upper")):
            assert (np.abs(got - table[column]) < 0.01 * width).all()
        np.testing.assert_allclose(found.sd, table["sd"], rtol=0.02)
        one = fit.posterior.group(found.labels[2], term.factor, term=term.name, scale=scale)
        assert float(one.mean) == pytest.approx(found.mean[2], rel=1e-9)
        assert float(found[found.labels[2]].median) == pytest.approx(found.median[2], rel=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_parameters_by_their_printed_names(name):
    fit = fitted(name)
    table = fit.parameters()
    for row, printed in enumerate(table["name"]):
        if np.isnan(table["lower"][row]):  # an estimate only
            with pytest.raises(pp.ArgumentError, match="estimate and no distribution"):
                fit.posterior[printed]
            continue
        found = fit.posterior[printed]
        assert float(found.mean) == pytest.approx(table["mean"][row], rel=1e-9)
        np.testing.assert_allclose(found.interval(), [table["lower"][row], table["upper"][row]])
    with pytest.raises(pp.ArgumentError, match='no parameter "Interceptt"; did you mean "Inter'):
        fit.posterior["Interceptt"]
    assert fit.posterior["mu"].mean == fit.posterior["Intercept"].mean


def test_tau_is_short_for_the_only_one():
    post = fitted("predictor").posterior
    assert post["tau"].median == post["tau[g]"].median
    with pytest.raises(pp.ArgumentError, match='did you mean "tau'):
        fitted("slopes").posterior["tau"]


@pytest.mark.parametrize("name", MODELS)
def test_shrinkage_is_that_of_the_table(name):
    fit = fitted(name)
    for term in fit.posterior._terms:
        found = fit.posterior.shrinkage(term.factor, term=term.name)
        table = table_of(fit, term.factor, term.name)
        np.testing.assert_allclose(found.mean, table["shrinkage"], rtol=1e-6)
        assert (found.quantile(0.02) <= found.mean).all()
        assert ((found.interval() >= 0) & (found.interval() <= 1)).all()


@pytest.mark.parametrize("name", [n for n in MODELS if "ml" not in n])
def test_draws_agree_with_everything(name):
    post = fitted(name).posterior
    drawn = post.draws(20_000, np.random.default_rng(1))
    assert len(drawn) == 20_000
    assert drawn.names == post.names
    told = 0.05 + post.error
    for each in post.names:
        gap = drawn[each].mean() - float(post[each].mean)
        assert abs(gap) < told * float(post[each].sd)
    for term in post._terms:
        for scale in ("response", "link"):
            of = {"factor": term.factor, "term": term.name, "scale": scale}
            groups, values = post.groups(**of), drawn.groups(**of)
            assert values.shape == (20_000, len(groups))
            assert (np.abs(values.mean(axis=0) - groups.mean) < told * groups.sd).all()
            np.testing.assert_allclose(values.std(axis=0), groups.sd, rtol=0.05 + post.error)
            a, b = groups.labels[:2]
            difference = post.contrast({a: 1, b: -1}, **of)
            direct = values[:, 0] - values[:, 1]
            assert abs(direct.mean() - float(difference.mean)) < told * direct.std()
            assert float(difference.sd) == pytest.approx(direct.std(), rel=0.05 + post.error)


@pytest.mark.parametrize("name", MODELS)
def test_linear_predictors_of_rows(name):
    fit = fitted(name)
    rows = {"g": ["g3", "g1", "g3"], "h": ["g3.0", "g1.1", "g3.0"], "x": [0.5, 0.0, 0.5]}
    rows = {**rows, "n": [6, 6, 6]}
    found = fit.posterior.linear(rows, scale="response")
    table = fit.predict(rows)
    assert found.shape == (3,)
    np.testing.assert_allclose(found.mean, table["estimate"], rtol=1e-6)
    np.testing.assert_allclose(found.interval()[1], table["upper"], rtol=1e-3)
    again = fit.posterior.linear(rows, target="population")
    assert float(again.mean[1]) == pytest.approx(float(fit.posterior["Intercept"].mean), rel=2e-3)


@pytest.mark.parametrize("name", MODELS)
def test_a_new_group_is_that_of_predictions(name):
    fit = fitted(name)
    rows = {"g": ["none"], "h": ["none.1"], "x": [0.0], "n": [6]}
    for factor in {term.factor for term in fit.posterior._terms}:
        if name == "nested" and factor == "g":
            continue  # a row has a group within it too
        found = fit.posterior.new_group(factor)
        table = fit.predict(rows, target="new_group")
        assert float(found.estimate) == pytest.approx(float(table["estimate"][0]), rel=1e-3)
        assert float(found.sd) == pytest.approx(float(table["sd"][0]), rel=1e-3)


def test_a_new_slope():
    """Its variance is that of the coefficient and of the slopes."""
    post = fitted("slopes").posterior
    new, x, tau = post.new_group(term="x"), post["x"], post["tau[g, x]"]
    assert float(new.mean) == pytest.approx(float(x.mean), abs=0.02 * float(x.sd))
    variance = float(x.sd) ** 2 + float(tau.mean) ** 2 + float(tau.sd) ** 2
    assert float(new.sd) ** 2 == pytest.approx(variance, rel=0.02)


def test_a_contrast_of_one_factor_is_exact():
    """The closed form of the general engine and the one-way engine agree on a one-way model."""
    rows = {**ROWS, "o": np.zeros(180)}
    simple = pp.fit("y ~ 1 + (1 | g)", rows).posterior.contrast({"g0": 2, "g4": -1})
    general = pp.fit("y ~ 1 + offset(o) + (1 | g)", rows).posterior.contrast({"g0": 2, "g4": -1})
    assert float(general.mean) == pytest.approx(float(simple.mean), rel=1e-6)
    np.testing.assert_allclose(general.interval(), simple.interval(), rtol=1e-5)


def test_questions_that_a_model_cannot_answer_say_why():
    nested, reml = fitted("nested").posterior, fitted("reml").posterior
    with pytest.raises(pp.ArgumentError, match='groups are by "g", "g:h"; say which'):
        nested.groups()
    with pytest.raises(pp.ArgumentError, match=r'no factor "gg": .*did you mean "g"'):
        nested.groups("gg")
    with pytest.raises(pp.ArgumentError, match='"Intercept", "x"; "z" does not'):
        fitted("slopes").posterior.groups(term="z")
    for ask in (reml.icc, reml.ranks, lambda: reml.draws(3, RNG), lambda: reml.priors):
        with pytest.raises(pp.ArgumentError, match='fit with method="posterior"'):
            ask()
    with pytest.raises(pp.ArgumentError, match="one factor without predictors only"):
        nested.log_marginal_likelihood  # noqa: B018
    with pytest.raises(pp.ArgumentError, match='method="reml" or "ml"'):
        nested.log_likelihood  # noqa: B018
    with pytest.raises(pp.ArgumentError, match="not of deviations"):
        fitted("proportions").posterior.effects()
    with pytest.raises(pp.ArgumentError, match='no group "g99"'):
        fitted("predictor").posterior.contrast({"g99": 1})
    with pytest.raises(pp.ArgumentError, match="finite numbers and not all 0"):
        fitted("predictor").posterior.contrast({"g0": 0})
    with pytest.raises(pp.ArgumentError, match='"natural" is called "response" now'):
        fitted("counts").posterior.groups(scale="natural")
    assert np.isfinite(reml.log_likelihood)


@pytest.mark.parametrize("name", ["one way", "counts", "slopes", "reml"])
def test_old_names_say_the_new_ones(name):
    post = fitted(name).posterior
    for old, new in (("theta", r"post.groups\(\)"), ("tau", r'post\["tau'), ("taus", r'post\["t')):
        with pytest.raises(AttributeError, match=f"post.{old} is {new}"):
            getattr(post, old)
    with pytest.raises(AttributeError, match="no attribute 'thetta'"):
        post.thetta  # noqa: B018


@pytest.mark.parametrize("name", ["one way", "counts", "slopes"])
def test_deviations_have_no_mean_and_fits_are_pickled(name):
    fit = fitted(name)
    effects = fit.posterior.effects()
    assert abs(effects.mean.mean()) < 0.1
    again = pickle.loads(pickle.dumps(fit))
    np.testing.assert_array_equal(again.posterior.groups().mean, fit.posterior.groups().mean)


def test_charts_take_the_posterior():
    post = fitted("one way").posterior
    chart = pp.charts.caterpillar(post)
    assert chart.to_dict() == pp.charts.caterpillar(fitted("one way")._engine).to_dict()
