"""Leaving groups out of models with predictors and slopes, against refits of the rows."""

import numpy as np
import pytest
from scipy import stats

import partialpool as pp
from partialpool.posterior.left_out_mixed import generalized_without, mixed_without

RNG = np.random.default_rng(11)


def dataset(name):
    (entry,) = (d for d in pp.datasets.catalogue if d.name == name)
    return entry.formula, {k: np.asarray(v) for k, v in entry.load().items()}


def some_rows(data, used):
    return {k: v[used] for k, v in data.items()}


def against_refit(formula, data, label, tolerance, **options):
    """Means and sds without a group are those of a fit of the other rows; the log density."""
    fit = pp.fit(formula, data, **options)
    out = fit._without_each_group()
    j = out.labels.astype(str).tolist().index(str(label))
    others = pp.fit(formula, some_rows(data, data[out.factor].astype(str) != str(label)), **options)
    for row in others.parameters().rows():
        if row["name"] in out.mean:
            gap = (out.mean[row["name"]][j] - row["mean"]) / row["sd"]
            assert abs(gap) < tolerance, row["name"]
            assert abs(out.sd[row["name"]][j] / row["sd"] - 1) < tolerance, row["name"]
    return out, j, others


def test_sleepstudy_without_a_subject_is_a_refit_and_its_density_brute_force():
    formula, data = dataset("sleepstudy")
    out, j, others = against_refit(formula, data, "309", 0.005)
    drawn = others.draws(20_000, np.random.default_rng(1))
    rows = data["subject"].astype(str) == "309"
    y, z = data["reaction"][rows], np.column_stack([np.ones(10), data["days"][rows]])
    sds = [drawn[f"tau[subject{k}]"] for k in ("", ", days")]
    rho = drawn["rho[subject, Intercept, days]"]
    covariance = np.empty((len(rho), 2, 2))
    covariance[:, 0, 0], covariance[:, 1, 1] = sds[0] ** 2, sds[1] ** 2
    covariance[:, 0, 1] = covariance[:, 1, 0] = rho * sds[0] * sds[1]
    v = z @ covariance @ z.T + drawn["sigma"][:, None, None] ** 2 * np.eye(10)
    r = y - np.stack([drawn["Intercept"], drawn["days"]], axis=1) @ z.T
    squares = np.einsum("si,sij,sj->s", r, np.linalg.inv(v), r)
    log_p = -0.5 * (np.linalg.slogdet(v)[1] + squares + 10 * np.log(2 * np.pi))
    density = np.exp(log_p - log_p.max())
    brute_force = np.log(density.mean()) + log_p.max()
    error = density.std() / density.mean() / np.sqrt(len(density))
    assert abs(out.log_density[j] - brute_force) < 4 * error + 0.005
    assert error < 0.02
    assert out.error.max() < 0.1


def test_sleepstudy_subject_far_from_the_others_is_left_out_by_a_refit():
    formula, data = dataset("sleepstudy")
    first = data["subject"].astype(str) == "308"
    data["reaction"] = np.where(first, data["reaction"] + 60 * data["days"], data["reaction"])
    out, j, _ = against_refit(formula, data, "308", 1e-6)
    assert out.refitted[j]
    assert out.refitted.sum() == 1
    assert out.log_density[j] == pytest.approx(-76.627, abs=0.02)


def test_radon_without_a_county_is_a_refit():
    formula, data = dataset("radon")
    out, *_ = against_refit(formula, data, "ANOKA", 1e-6)
    assert not out.refitted.any()
    assert out.log_density.sum() == pytest.approx(-1029.9165, abs=0.01)


def test_known_errors_and_normal_priors_are_a_refit():
    x = np.arange(12.0)
    data = {"y": RNG.normal(size=12) + 0.2 * x, "se": RNG.uniform(0.5, 1, 12), "x": x,
            "g": np.array(list("abcdefghijkl"))}  # fmt: skip
    prior = ["x ~ normal(0, 0.1)", "tau ~ half_normal(1)"]
    out, *_ = against_refit("y | se(se) ~ x + (1 | g)", data, "c", 1e-6, prior=prior)
    assert "sigma" not in out.mean


@pytest.mark.parametrize(
    ("formula", "prior"),
    [("y | weights(w) ~ {} + (1 | g)", None), ("y ~ {} + (1 | g)", ["tau ~ half_normal(1)"]),
     ("y | se(w) ~ {} + (1 | g)", None), ("y ~ {} + (1 | g)", ["sigma ~ half_cauchy(1)"])],
)  # fmt: skip
def test_densities_are_those_of_the_one_way_engine(formula, prior):
    """A predictor that a prior holds at zero changes nothing: constants agree between engines."""
    g = np.repeat(np.arange(12), 5)
    data = {"g": g, "y": RNG.normal(size=60) + RNG.normal(size=12)[g], "x": RNG.normal(size=60),
            "w": RNG.uniform(0.5, 2, 60)}  # fmt: skip
    one = pp.fit(formula.format("1"), data, prior=prior)
    held = [*(prior or []), "x ~ normal(0, 1e-7)"]
    two = pp.fit(formula.format("x"), data, prior=held)
    gap = one._without_each_group().log_density - two._without_each_group().log_density
    assert np.abs(gap).max() < 0.01


def test_counts_are_those_of_the_one_way_engine():
    g = np.repeat(np.arange(12), 5)
    data = {"g": g, "e": RNG.uniform(0.5, 2, 60), "x": RNG.normal(size=60)}
    data["y"] = RNG.poisson(5 * data["e"] * np.exp(RNG.normal(size=12)[g]))
    data |= {"n": RNG.integers(5, 20, 60)}
    data["k"] = RNG.binomial(data["n"], 0.3)
    for outcome in ("y | exposure(e)", "k | trials(n)"):
        one = pp.fit(f"{outcome} ~ 1 + (1 | g)", data)._without_each_group()
        two = pp.fit(f"{outcome} ~ x + (1 | g)", data, prior="x ~ normal(0, 1e-7)")
        gap = one.log_density - two._without_each_group().log_density
        assert np.abs(gap).max() < 0.02


def test_cbpp_without_a_herd_is_a_refit_and_its_density_brute_force():
    formula, data = dataset("cbpp")
    out, j, others = against_refit(formula, data, "1", 0.05)
    drawn = others.draws(4_000, np.random.default_rng(1))
    rows = data["herd"].astype(str) == "1"
    beta = np.stack([drawn["Intercept"], *(drawn[f"C(period)[{k}]"] for k in (2, 3, 4))])
    period = data["period"][rows].astype(int)
    known = beta[0][:, None] + np.where(period > 1, beta[np.maximum(period - 1, 1)].T, 0.0)
    node, weight = np.polynomial.hermite_e.hermegauss(41)
    eta = known[:, :, None] + drawn["tau[herd]"][:, None, None] * node
    events, size = data["incidence"][rows][:, None], data["size"][rows][:, None]
    p = stats.binom.pmf(events, size, 1 / (1 + np.exp(-eta))).prod(axis=1) @ weight
    density = p / weight.sum()
    brute_force, error = (
        np.log(density.mean()),
        density.std() / density.mean() / np.sqrt(len(density)),
    )
    assert error < 0.03
    assert abs(out.log_density[j] - brute_force) < 4 * error + out.error[j]


def test_a_predictor_of_one_group_only_leaves_that_group_unknown():
    data = {"g": np.repeat(list("abcdef"), 4), "y": RNG.normal(size=24),
            "x": np.r_[np.zeros(20), np.ones(4)]}  # fmt: skip
    fit = pp.fit("y ~ x + (1 | g)", data)
    out = mixed_without(fit._engine, fit.clusters)
    assert np.isnan(out.log_density).tolist() == [False] * 5 + [True]
    assert np.isnan(out.mean["x"]).tolist() == [False] * 5 + [True]


def test_several_factors_and_missing_sums_are_refused():
    formula, data = dataset("penicillin")
    with pytest.raises(pp.ArgumentError, match="several factors"):
        pp.fit(formula, data).influence()
    formula, data = dataset("radon")
    with pytest.raises(pp.ArgumentError, match="sums of predictors within groups are not there"):
        pp.fit_statistics(pp.statistics(formula, data)).influence()


def test_counts_of_several_factors_leave_out_the_largest():
    formula, data = dataset("salamanders")
    fit = pp.fit(formula, data)
    out = generalized_without(fit._engine)
    assert out.factor == "site"
    assert np.median(out.error) < 0.03  # of site R-4, far from the others, 0.8 is brute_force
    with pytest.raises(pp.ArgumentError, match='"site", the one with most'):
        fit.influence(factor="species")
    with pytest.raises(pp.ArgumentError, match='no factor "sit"'):
        fit.influence(factor="sit")


def test_a_large_mean_costs_no_digits():
    _, data = dataset("sleepstudy")
    near = pp.fit("reaction ~ days + (1 | subject)", data)._without_each_group()
    data["reaction"] = data["reaction"] + 1e9
    far = pp.fit("reaction ~ days + (1 | subject)", data)._without_each_group()
    assert far.sd["Intercept"] == pytest.approx(near.sd["Intercept"], rel=1e-4)
    assert far.log_density == pytest.approx(near.log_density, abs=1e-3)


@pytest.mark.parametrize(
    "formula", ["y | weights(w) ~ x + (x | g)", "y | summary(n, w) ~ x + (1 | g)"]
)
def test_sums_of_files_are_those_of_rows_in_memory(formula, tmp_path):
    g = np.repeat(np.arange(9), 4)
    data = {"g": g, "y": RNG.normal(size=36) + RNG.normal(size=9)[g], "x": RNG.normal(size=36),
            "w": RNG.uniform(0.5, 2, 36), "n": RNG.integers(2, 9, 36)}  # fmt: skip
    columns = pytest.importorskip("pyarrow").table(data)
    pytest.importorskip("pyarrow.parquet").write_table(columns, tmp_path / "rows.parquet")
    memory = pp.fit(formula, data)._without_each_group()
    file = pp.fit(formula, str(tmp_path / "rows.parquet"))._without_each_group()
    assert file.log_density == pytest.approx(memory.log_density, abs=1e-6)
    assert file.mean["x"] == pytest.approx(memory.mean["x"], abs=1e-6)


def test_a_point_of_no_weight_may_hardly_allow_a_group(monkeypatch):
    """1 / p of all other points beside it was 0, and the error that is told 0 / 0."""
    rng, g = np.random.default_rng(5), np.repeat(np.arange(8), 3)
    data = {"y": rng.poisson(3.0, 24), "x": rng.normal(size=24), "g": g}
    priors = ["tau ~ half_normal(1)", "x ~ normal(0, 1)"]
    post = pp.fit("y ~ x + (1 | g)", data, family="poisson", prior=priors).posterior._engine
    plain, of = generalized_without(post), post.weighted
    weight, by_group = of.weight.copy(), of.sampler.by_group(of.points.phi, of.points.b)
    weight[0], by_group[:, 0] = 0.0, by_group[:, 0] - 1e5
    monkeypatch.setitem(vars(of), "weight", weight)
    vars(of).pop("by_randomisation", None)
    monkeypatch.setattr(type(of.sampler), "by_group", lambda *_: by_group)
    out = generalized_without(post)
    np.testing.assert_allclose(out.log_density, plain.log_density, atol=0.01)
    np.testing.assert_allclose(out.error, plain.error, atol=0.005)
