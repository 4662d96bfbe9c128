"""Leaving groups out under populations that are not normal: reweighted nodes against refits."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.posterior import population_posterior
from partialpool.posterior.population_without import left_out_cdf, population_without

SCHOOLS = "effect | se(se) ~ 1 + (1 | school)"
POPULATIONS = ["student", "student(1)", "contaminated(ratio=5)", "point_normal", "contaminated"]


def rows(seed=2, groups=7):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), rng.integers(2, 7, groups))
    return {"g": g, "y": 5 + rng.normal(0, 2, groups)[g] + rng.normal(size=len(g))}


def others(fit, j):
    s = fit.statistics
    keep = s.of_groups(np.arange(s.n_groups) != j)
    return population_posterior(keep, fit.priors, fit.population)


@pytest.mark.parametrize("population", POPULATIONS)
def test_reweighted_nodes_are_refits_of_the_others(population):
    fit = pp.fit(SCHOOLS, pp.datasets.eight_schools(), population=population)
    out = population_without(fit._engine)
    for j in (0, 4):
        without = others(fit, j)
        # grids of two to four dimensions are good to a hundredth of an sd
        assert out.log_density[j] == pytest.approx(
            fit._engine.log_evidence - without.log_evidence, abs=0.02
        )
        for name, of in without.named().items():
            if np.isfinite(of.sd):
                assert out.mean[name][j] == pytest.approx(float(of.mean), abs=0.03 * float(of.sd))
                assert out.sd[name][j] == pytest.approx(float(of.sd), rel=0.04)
            else:
                assert np.isinf(out.sd[name][j])


def test_rows_whose_sigma_is_learned():
    fit = pp.fit("y ~ 1 + (1 | g)", rows(), population="student")
    out = population_without(fit._engine)
    without = others(fit, 3)
    gap = fit._engine.log_evidence - without.log_evidence
    assert out.log_density[3] == pytest.approx(gap, abs=0.02)
    sigma = without.named()["sigma"]
    assert out.mean["sigma"][3] == pytest.approx(float(sigma.mean), abs=0.03 * float(sigma.sd))


def test_one_node_of_many_groups_is_the_closed_form():
    """Under a normal population, which Student t with very many df nearly is, PITs are known."""
    data = pp.datasets.eight_schools()
    fit = pp.fit(SCHOOLS, data, population="student(1e4)")
    z = pp.fit(SCHOOLS, data).check().groups["pit"]
    np.testing.assert_allclose(left_out_cdf(fit._engine, np.arange(8)), z, atol=2e-3)


@pytest.mark.parametrize("population", ["student(2)", "contaminated(ratio=5)"])
def test_places_among_the_others_are_those_that_refits_predict(population):
    fit = pp.fit(SCHOOLS, pp.datasets.eight_schools(), population=population)
    s = fit.statistics
    got = left_out_cdf(fit._engine, np.array([0, 2]))
    for place, j in zip(got, (0, 2), strict=True):
        row = {0: (np.array([-1]), np.ones(1))}
        new = others(fit, j).linear(np.empty((1, 0)), row, noise=s.weight[[j]])
        assert place == pytest.approx(float(new.cdf(s.raw[j])[0]), abs=5e-3)


def test_a_group_that_the_others_make_impossible_is_refitted():
    data = dict(pp.datasets.eight_schools())
    data["effect"] = [400.0, *np.asarray(data["effect"])[1:]]
    out = population_without(pp.fit(SCHOOLS, data, population="student")._engine)
    assert out.refitted[0]
    assert not out.refitted[1:].any()


def test_too_few_groups_are_refused():
    data = {"y": [1.0, 2.0, 5.0], "se": [1.0, 1.0, 1.0], "g": list("abc")}
    fit = pp.fit("y | se(se) ~ 1 + (1 | g)", data, population="student")
    with pytest.raises(pp.ArgumentError, match="has no proper posterior, so none can be left out"):
        fit.influence()
    assert fit.check().group_table().n_rows == 0


def test_influence_and_scores():
    data = dict(pp.datasets.eight_schools())
    data["effect"] = [100.0, *np.asarray(data["effect"])[1:]]
    fits = [pp.fit(SCHOOLS, data, population=p) for p in ("normal", "student", "contaminated")]
    assert "Least likely given the others is A" in fits[1].influence().text
    scored = pp.compare_models(*fits, names=["normal", "student", "contaminated"]).table
    by_name = dict(zip(scored["model"], scored["elpd"], strict=True))
    assert by_name["contaminated"] > by_name["student"] > by_name["normal"]
