"""The accuracy asked for, the one notice of it, and the refusal of numbers that are too far off."""

import math
import pickle

import numpy as np
import pytest

import partialpool as pp
from partialpool.errors import ArgumentError, NotReachedError

PRIOR = "tau ~ half_normal(1)"


def rows():
    """Sixty rows in six groups, with a predictor, and two outcomes."""
    rng = np.random.default_rng(7)
    g, x = np.repeat(np.arange(6), 10), np.tile(np.linspace(-1, 1, 10), 6)
    y = rng.normal(size=6)[g] + 0.5 * x + rng.normal(size=60)
    return {"y": y, "x": x, "g": g, "hit": (y > 0) * 1}


FITS = {
    "estimates": lambda **k: pp.fit(
        "effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools(), **k
    ),
    "one way": lambda **k: pp.fit("y ~ 1 + (1 | g)", rows(), **k),
    "summaries": lambda **k: pp.fit_groups(n=[5, 9, 7], mean=[1, 2, 4], sd=[1, 1, 2], **k),
    "mixed": lambda **k: pp.fit("y ~ x + (1 | g)", rows(), **k),
    "counts": lambda **k: pp.fit("hit ~ 1 + (1 | g)", rows(), family="binomial", **k),
    "mixed counts": lambda **k: pp.fit("hit ~ x + (1 | g)", rows(), family="binomial", **k),
    "statistics": lambda **k: pp.fit_statistics(pp.statistics("y ~ x + (1 | g)", rows()), **k),
}
PRIORS = {"summaries": ["tau ~ half_normal(3)"], "mixed counts": [PRIOR, "beta ~ normal(0, 3)"]}


def fitted(kind, **options):
    return FITS[kind](prior=PRIORS.get(kind, [PRIOR]), **options)


@pytest.mark.parametrize("kind", FITS)
def test_what_is_asked_for_is_reached_and_known(kind):
    target = 0.2 if kind == "mixed counts" else 0.03  # the shape of groups' distributions is told
    fit = fitted(kind, accuracy=target)
    post = fit._engine
    assert post.target == target
    assert 0.0 <= post.error <= target
    assert post.status.name == "REACHED"
    assert "accuracy_not_reached" not in [n.code for n in fit.notices]
    assert fit.to_dict()["accuracy"] == {
        "method": post.method, "error": post.error, "target": target, "status": "reached",
    }  # fmt: skip
    assert pickle.loads(pickle.dumps(post)).target == target


@pytest.mark.parametrize("kind", FITS)
def test_the_default(kind):
    post = fitted(kind)._engine
    assert post.target == (0.15 if kind == "mixed counts" else 0.02)
    assert post.error <= post.target


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("accuracy", [0, 1e-11, 0.51, -0.1, math.nan, math.inf, "0.1", True, [0.1]])
def test_what_is_no_accuracy_is_refused(kind, accuracy):
    with pytest.raises(ArgumentError, match=r"a number from 1e-10 to 0\.5.*received"):
        FITS[kind](accuracy=accuracy)


@pytest.mark.parametrize("accuracy", [1e-10, 0.5, np.float32(0.125)])
def test_the_ends_of_what_may_be_asked_for(accuracy):
    assert fitted("one way", accuracy=accuracy).posterior.target == accuracy


def test_estimates_take_no_accuracy():
    with pytest.raises(ArgumentError, match="leave accuracy out"):
        pp.fit("y ~ x + (1 | g)", rows(), method="reml", accuracy=0.1)
    fit = pp.fit("y ~ x + (1 | g)", rows(), method="reml")
    assert fit.posterior.error <= fit.posterior.target == 0.02
    with pytest.raises(ArgumentError, match="needs a posterior"):
        fit.update(rows(), accuracy=0.1)


@pytest.mark.parametrize("kind", ["one way", "mixed", "counts", "mixed counts"])
def test_update_asks_for_the_same_accuracy_or_another(kind):
    fit = fitted(kind, accuracy=0.03)
    again = fit.update(rows())
    assert again.posterior.target == 0.03
    assert again.statistics.n_used == 120
    other = fit.update(rows(), accuracy=0.25)
    assert (other.posterior.target, other.update(rows()).posterior.target) == (0.25, 0.25)
    assert fitted(kind).update(rows()).accuracy is None
    with pytest.raises(ArgumentError, match=r"1e-10 to 0\.5"):
        fit.update(rows(), accuracy=1)


# a fit whose error is set by hand: whatever the engine, the doors treat it the same -------------


def set_error(patch, fit, error):
    """That of means and sds, and of interval ends, where an engine tells them apart."""
    owner = type(fit._engine)
    patch.setattr(owner, "error", property(lambda _: error))
    if hasattr(owner, "errors"):
        patch.setattr(owner, "errors", property(lambda _: (error, error)))


@pytest.fixture
def far_off(monkeypatch):
    """Return a fit of a kind, with an error as if the engine had told it."""

    def with_error(kind, error, **options):
        fit = FITS[kind](**options)
        set_error(monkeypatch, fit, error)
        return fit

    return with_error


WAYS = {
    "parameters": lambda f: f.parameters(),
    "parameter_table": lambda f: f.parameter_table(),
    "groups": lambda f: f.groups(),
    "group_table": lambda f: f.group_table(),
    "predict": lambda f: f.predict(rows(), target="new_group"),
    "rank": lambda f: f.rank(),
    "compare": lambda f: f.compare(),
    "draws": lambda f: f.draws(10, np.random.default_rng(1)),
    "advise": lambda f: f.advise(),
    "plot": lambda f: f.plot,
    "charts": lambda f: f.charts(),
    "report": lambda f: f.report("report.html"),
    "to_dict": lambda f: f.to_dict(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["one way", "mixed", "counts", "mixed counts"])
def test_numbers_too_far_off_are_not_shown(kind, way, far_off, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit = far_off(kind, 3.25, prior=PRIORS.get(kind, [PRIOR]))
    with pytest.raises(NotReachedError, match=r"about 3\.25 posterior standard deviations"):
        WAYS[way](fit)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["one way", "mixed", "counts", "mixed counts"])
def test_a_notebook_shows_no_such_numbers_either(kind, far_off):
    fit = far_off(kind, 3.25, prior=PRIORS.get(kind, [PRIOR]))
    assert "about 3.25 posterior standard deviations" in fit._repr_html_()
    for shown in (fit, fit.posterior):
        assert "<table>" not in shown._repr_html_()
        assert '<p class="warning">' in shown._repr_html_()


@pytest.mark.parametrize("error", [0.501, 1e30, math.inf, math.nan])
@pytest.mark.parametrize("kind", ["one way", "mixed", "counts", "mixed counts"])
def test_error_and_status_stay_readable(kind, error, far_off):
    fit = far_off(kind, error, prior=PRIORS.get(kind, [PRIOR]))
    post = fit._engine
    assert post.error == error or math.isnan(error)
    assert post.status.name == "NOT_REACHED"
    shown = repr(fit)
    assert fit.formula in shown
    assert "no number is shown" in " ".join(shown.split())
    assert "Intercept  " not in shown
    assert [n.code for n in fit.notices if n.code == "accuracy_not_reached"]
    assert fit.statistics.n_used == 60
    assert str(fit.priors.tau) == "half_normal(1)"


@pytest.mark.parametrize("kind", ["one way", "mixed", "counts", "mixed counts"])
def test_one_notice_where_the_error_is_above_its_target(kind, far_off):
    fit = far_off(kind, 0.31)
    about = [n for n in fit.notices if "error" in n.text or "accuracy" in n.text]
    assert [n.code for n in about] == ["accuracy_not_reached"]
    assert "about 0.31 posterior standard deviations" in about[0].text
    assert f"the target is {fit.posterior.target:g}" in about[0].text
    assert "half_normal(" in about[0].text
    fit.parameters()  # shown all the same


def test_an_error_below_its_target_that_is_not_good_enough(monkeypatch):
    """Means and sds have a target of their own, and points may be too uneven for any error."""
    fit = fitted("mixed counts")
    owner = type(fit._engine)

    def text():
        fit.__dict__.pop("notices", None)
        (only,) = (n.text for n in fit.notices if n.code == "accuracy_not_reached")
        return only

    monkeypatch.setattr(owner, "error", property(lambda _: 0.12))
    monkeypatch.setattr(owner, "errors", property(lambda _: (0.11, 0.12)))
    assert "error of a mean or sd of this fit is about 0.11 posterior" in text()
    assert "the target is 0.05" in text()
    monkeypatch.setattr(owner, "reliable", property(lambda _: False))
    assert "too few points carry the weight" in text()


def test_what_helps_is_named_by_what_is_hard(far_off):
    """A flat prior of the sd with the fewest groups; else the wider term; else the smaller one."""
    rng = np.random.default_rng(3)
    data = {
        "y": rng.normal(size=120), "x": np.tile(np.linspace(-1, 1, 12), 10),
        "region": np.arange(120) % 4, "school": np.arange(120) % 10,
    }  # fmt: skip

    def message(formula, error, **options):
        fit = pp.fit(formula, data, **options)
        with pytest.MonkeyPatch.context() as patch:
            set_error(patch, fit, error)
            with pytest.raises(NotReachedError) as caught:
                fit.groups()
        return str(caught.value)

    crossed = "y ~ 1 + (1 | school) + (1 | region)"
    flat = message(crossed, 2.0)
    assert 'give tau[region], of 4 groups, a proper prior: --prior "tau[region] ~ half' in flat
    assert "half_normal(1)" in flat
    assert "--accuracy 0.01" in flat
    assert "\n" not in flat
    proper = message(crossed, 2.0, prior=[PRIOR])
    assert "leave out the term of region, which has the fewest groups" in proper
    slopes = message("y ~ x + (x | school)", 2.0, prior=[PRIOR])
    assert "let the effects of school be independent (|| in place of |)" in slopes
    asked = message(crossed, 2.0, accuracy=0.01)
    assert "--accuracy" not in asked


def test_the_scale_of_a_prior_that_is_advised_is_that_of_the_data(far_off):
    for size, words in ((1.0, "half_normal(1)"), (1000.0, "half_normal(1000)")):
        data = {**rows(), "y": rows()["y"] * size}
        fit = pp.fit("y ~ x + (1 | g)", data)
        with pytest.MonkeyPatch.context() as patch:
            set_error(patch, fit, 0.3)
            text = next(n.text for n in fit.notices if n.code == "accuracy_not_reached")
        assert words in text


def test_estimates_far_from_the_maximum(far_off):
    near = far_off("mixed", 0.2, method="ml")
    notice = next(n for n in near.notices if n.code == "not_a_maximum")
    assert "about 0.2 standard errors" in notice.text
    near.parameters()
    far = far_off("mixed", 0.7, method="ml")
    for way in ("parameters", "groups", "to_dict"):
        with pytest.raises(NotReachedError, match=r"about 0\.7 standard errors"):
            WAYS[way](far)
