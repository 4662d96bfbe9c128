"""Populations: what they are made of, and what is refused."""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

import partialpool as pp
from partialpool.models.population_text import parse_population


def log_marginal(population, y, se, tau, shape, far):
    """Log density of an estimate y from this population about 0."""
    log_share, variance = population.components(np.array([tau]), np.array([shape]), far)
    sd = np.sqrt(se**2 + variance[0])
    return special.logsumexp(log_share[0] + stats.norm.logpdf(y, 0.0, sd))


@pytest.mark.parametrize(
    ("df", "close"), [(0.5, 2e-3), (1.0, 3e-4), (2.0, 3e-4), (4.0, 1e-4), (7.0, 3e-5), (30.0, 1e-6)]
)
@pytest.mark.parametrize("tau", [0.3, 1.0, 3.0])
def test_student_mixture_is_student(df, close, tau):
    """Against numerical integration over theta, of groups within six standard errors."""
    t = np.linspace(-40.0, 40.0, 100_001)
    theta, slope = tau * np.sinh(t), tau * np.cosh(t) * (t[1] - t[0])
    prior = stats.t.pdf(theta, df, scale=tau) * slope
    for y in (0.0, 1.0, 3.0, 6.0):
        exact = math.log(prior @ stats.norm.pdf(y, theta, 1.0))
        value = log_marginal(pp.Student(df), y, 1.0, tau, [], 6.0)
        assert value == pytest.approx(exact, abs=close)
        if df >= 1.0:  # of less the weight is small, and the nodes are few
            learned = log_marginal(pp.Student("learned"), y, 1.0, tau, [df], 6.0)
            assert learned == pytest.approx(exact, abs=4.0 * close)


def test_student_with_many_degrees_of_freedom_is_normal():
    assert log_marginal(pp.Student(1e6), 2.0, 1.0, 2.0, [], 5.0) == pytest.approx(
        stats.norm.logpdf(2.0, 0.0, math.sqrt(5.0)), abs=1e-6
    )


def test_components_of_two_part_populations():
    tau, shape = np.array([2.0]), np.array([[0.1, 5.0]])
    log_share, variance = pp.Contaminated().components(tau, shape, 9.0)
    np.testing.assert_allclose(np.exp(log_share), [[0.9, 0.1]])
    np.testing.assert_allclose(variance, [[4.0, 100.0]])
    np.testing.assert_allclose(pp.Contaminated().variance_over_tau(shape), 0.9 + 0.1 * 25.0)
    some = pp.Contaminated(share=0.1)
    np.testing.assert_allclose(some.components(tau, shape[:, 1:], 9.0)[1], [[4.0, 100.0]])
    log_share, variance = pp.PointNormal().components(tau, np.array([[0.3]]), 9.0)
    np.testing.assert_allclose(np.exp(log_share), [[0.7, 0.3]])
    np.testing.assert_allclose(variance, [[0.0, 4.0]])


def test_variance_of_student():
    assert pp.Student(4.0).variance_over_tau(np.zeros((1, 0))).item() == 2.0
    assert pp.Student(2.0).variance_over_tau(np.zeros((1, 0))).item() == math.inf


def test_hyperpriors_are_densities():
    student = pp.Student("learned")
    total, _ = integrate.quad(
        lambda x: math.exp(student.log_hyperprior(np.array([[x]])).item()), 0.5, math.inf
    )
    assert total == pytest.approx(1.0, abs=1e-7)
    for name in ("share", "ratio"):
        other = {"share": "ratio", "ratio": "share"}[name]
        one = pp.Contaminated(**{other: {"share": 0.1, "ratio": 4.0}[other]})
        low, high = one.axes[0].lower, one.axes[0].upper
        total, _ = integrate.quad(
            lambda x, one=one: math.exp(one.log_hyperprior(np.array([[x]])).item()), low, high
        )
        assert total == pytest.approx(1.0, abs=1e-7)


def test_they_are_said_in_words():
    said = {
        pp.Student(): "student",
        pp.Student(7): "student(df=7)",
        pp.Student(df="learned"): "student(df=learned)",
        pp.Contaminated(): "contaminated",
        pp.Contaminated(share=0.1, ratio=5): "contaminated(share=0.1, ratio=5)",
        pp.Contaminated(ratio=5): "contaminated(ratio=5)",
        pp.PointNormal(): "point_normal",
        pp.PointNormal(mean=2): "point_normal(mean=2)",
        pp.PointNormal(mean=None): "point_normal(mean=learned)",
    }
    assert {each: str(each) for each in said} == said
    assert parse_population("student") == pp.Student(4.0)
    assert pp.Student("learned").parameter_names("school") == ("df[school]",)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pp.Student(0), "a finite number of 0.5 or more"),
        (lambda: pp.Student(math.inf), "received inf"),
        (lambda: pp.Student(math.nan), "received nan"),
        (lambda: pp.Student("learn"), "a number, or \"learned\"; received 'learn'"),
        (lambda: pp.Student(True), "received True"),
        (lambda: pp.Contaminated(share=0), "a number between 0 and 1, or None"),
        (lambda: pp.Contaminated(share=10), "received 10"),
        (lambda: pp.Contaminated(ratio=0.2), "a finite number above 1"),
        (lambda: pp.Contaminated(ratio="5"), "received '5'"),
        (lambda: pp.PointNormal(mean=math.inf), "a finite number, or None"),
        (lambda: pp.PointNormal(mean="zero"), "received 'zero'"),
        (lambda: parse_population("studnet"), 'did you mean "student"'),
    ],
)
def test_what_is_refused(make, said):
    with pytest.raises(pp.ArgumentError) as error:
        make()
    assert said in str(error.value)
