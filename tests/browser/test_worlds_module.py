"""The page's arithmetic (app/www/worlds.js) in Chromium against the library, on 300 settings."""

import numpy as np
import pytest
from lesson_pages import page_of_modules

from partialpool.models import Priors
from partialpool.posterior import one_way_posterior
from partialpool.posterior.distributions import Mixture
from partialpool.rows import from_estimates, from_summaries
from partialpool.simulate import World, risks, worlds
from partialpool.simulate.estimators import (
    complete_pooling,
    james_stein,
    moments,
    no_pooling,
    observed,
    reml,
)
from partialpool.simulate.world import POPULATIONS

CLOSE = 1e-9
CASES = 300
RISKS = 24

RUN = """
async (cases) => {
  const w = await import(`/worlds.js`);
  return cases.map((c) => {
    const drawn = w.world(c);
    const data = { n: c.n, mean: drawn.mean, ss: drawn.ss, level: c.level,
                   sigma: c.sigma_known ? c.sigma : null };
    const out = { drawn, sizes: w.sizes(c.groups, c.rows, c.imbalance) };
    out.no_pooling = w.noPooling(data);
    out.complete_pooling = w.completePooling(data);
    out.moments = w.moments(data);
    out.reml = w.reml(data);
    if (c.stein) out.james_stein = w.jamesStein(data);
    if (c.groups > 2) {
      const { atTau, tauDensityAt, ...post } = w.posterior(data);
      out.posterior = post;
      out.held = c.held.map(atTau);
    }
    return out;
  });
}
"""
EXPECTED = """
async (cases) => {
  const w = await import(`/worlds.js`);
  return cases.map((c) => {
    let sums = null;  // in chunks of unequal length, as the page adds them
    for (const [from, replicates] of [[0, 1], [1, 16], [17, 23]]) {
      sums = w.expected({ ...c, sigmaKnown: c.sigma_known, fixedPopulation: c.fixed,
                          from, replicates }, c.names, sums);
    }
    const { state, ...plain } = sums;
    return plain;
  });
}
"""


@pytest.fixture(scope="module")
def module_page(chromium):
    with page_of_modules(chromium) as page:
        yield page


def random_case(rng):
    """2 to 50 groups of 1 to 500 rows, tau 0 to 30, sigma known or not, every population."""
    groups = int(rng.choice([2, 3, 4, 5, 8, 12, int(rng.integers(2, 51))]))
    n = np.exp(rng.uniform(0, np.log(500), groups)).astype(int)
    if rng.random() < 0.4:
        n[:] = n[0]
    known = bool(rng.random() < 0.5)
    if not known:  # with one or two rows more than groups the library's tau is good to 1e-5 only
        n[: groups // 2 + 1] += 3
    tau = float(rng.choice([0.0, rng.uniform(0, 3), rng.uniform(0, 30)]))
    return {
        "n": n.tolist(),
        "groups": groups,
        "rows": int(rng.integers(1, 200)),
        "imbalance": float(rng.choice([0.0, 0.7, 1.0])),
        "tau": tau,
        "sigma": float(rng.choice([10.0, rng.uniform(0.5, 30)])),
        "mu": float(rng.choice([70.0, 0.0, -1e4])),
        "population": str(rng.choice(POPULATIONS)),
        "seed": int(rng.choice([1, int(rng.integers(0, 2**31)), int(rng.integers(2**32, 2**53))])),
        "replicate": int(rng.choice([0, 1, 57])),
        "sigma_known": known,
        "level": float(rng.choice([0.95, 0.5, 0.8, 0.99])),
        "held": [0.0, 0.3 * (tau + 1), 3 * (tau + 1)],
        "stein": groups > 3 and len(set(n.tolist())) == 1,
    }


def same(found, expected, scale, what):
    """Equal to 1e-9 in units of `scale`, infinite and missing in the same places."""
    found = np.array([np.nan if v is None else v for v in np.atleast_1d(found)], dtype=float)
    expected = np.atleast_1d(np.asarray(expected, dtype=float))
    finite = np.isfinite(expected)
    assert (np.isfinite(found) == finite).all(), (what, found, expected)
    unit = np.broadcast_to(scale, expected.shape)[finite]
    gap = np.abs(found[finite] - expected[finite]) / unit
    assert (gap <= CLOSE).all(), (what, gap.max(), found, expected)


def compare_closed_forms(out, case, drawn):
    seen = observed(drawn, sigma_known=case["sigma_known"], level=case["level"])
    at = case["replicate"]
    unit = case["sigma"]
    twins = {
        "no_pooling": no_pooling,
        "complete_pooling": complete_pooling,
        "moments": moments,
        "reml": reml,
    }
    if case["stein"]:
        twins["james_stein"] = james_stein
    for name, twin in twins.items():
        expected = twin(seen)
        same(out[name]["estimate"], expected.estimate[at], unit, name)
        if expected.lower is not None:
            same(out[name]["lower"], expected.lower[at], unit, name)
            same(out[name]["upper"], expected.upper[at], unit, name)
        if expected.tau is not None:
            same(out[name]["tau"], expected.tau[at], unit, f"{name} tau")
            same(out[name]["mu"], expected.middle[at], unit, f"{name} mu")


def library_posterior(case, drawn):
    at, n = case["replicate"], np.array(case["n"])
    if case["sigma_known"]:
        found = from_estimates(drawn.mean[at], case["sigma"] / np.sqrt(n), None, factor="g")
    else:
        sd = np.sqrt(drawn.ss[at] / np.maximum(n - 1, 1))
        found = from_summaries(n, drawn.mean[at], sd, None, factor="g")
    return one_way_posterior(found, Priors())


def compare_posteriors(out, case, drawn):
    post, found = library_posterior(case, drawn), out["posterior"]
    compare_groups(found, post, case["level"], "posterior")
    spread = np.median(post.theta.sd)
    same(found["muMean"], post.mu.mean, spread, "mu")
    same(found["muSd"], post.mu.sd, post.mu.sd, "sd of mu")
    same(found["tauMean"], post.tau.mean, post.tau.mean, "mean of tau")
    ends = post.tau.interval(case["level"])
    wide = ends[1] - ends[0]
    same(found["tauMedian"], post.tau.median, wide, "median of tau")
    same([found["tauLower"], found["tauUpper"]], ends, wide, "interval of tau")
    compare_densities(found, post, wide)
    if not case["sigma_known"]:
        same(found["sigma"], post.sigma.median, case["sigma"], "sigma")
    for tau, held in zip(case["held"], out["held"], strict=True):
        given = post.given_tau(tau)
        compare_groups(held, given, case["level"], "held")
        same(held["grand"], given.mu.mean, spread, "grand mean at held tau")


def compare_densities(found, post, wide):
    """Where sigma is known against the density itself, else against the library's sinc series."""
    x, density = np.array(found["tauGrid"][1:]), np.array(found["tauDensity"][1:])
    if post.sigma is None:
        exact = np.exp(post.model.log_density(x[:, None]) - post.grid.log_total)
        same(density, exact, 1 / wide, "density of tau")
    else:
        assert (np.abs(density - post.tau.density(x)) * wide < 1e-6).all()


def compare_groups(found, post, level, what):
    sd = post.theta.sd
    unit = np.where(np.isfinite(sd), sd, np.diff(post.theta.interval(0.5), axis=0)[0])
    same(found["estimate"], post.theta.mean, unit, what)
    same(found["sds"], sd, unit, what)
    lower, upper = post.theta.interval(level)
    same(found["lower"], lower, unit, what)
    same(found["upper"], upper, unit, what)
    same(found["weight"], 1.0 - post.shrinkage.mean, 1.0, what)


@pytest.fixture(autouse=True)
def to_all_digits(monkeypatch):
    """The library stops looking for a quantile at 1e-9 of an sd; here it is to go on."""
    monkeypatch.setattr(Mixture, "near", 1e-8)


def test_worlds_and_estimates_are_the_library_s(module_page):
    rng = np.random.default_rng(14)
    cases = [random_case(rng) for _ in range(CASES)]
    for case, out in zip(cases, module_page.evaluate(RUN, cases), strict=True):
        world = World(*(tuple(case["n"]), case["tau"], case["sigma"], case["mu"]),
                      population=case["population"])  # fmt: skip
        drawn = worlds(world, replicates=case["replicate"] + 1, seed=case["seed"])
        at = case["replicate"]
        unit = case["sigma"] + case["tau"]
        same(out["drawn"]["theta"], drawn.theta[at], unit, "theta")
        same(out["drawn"]["mean"], drawn.mean[at], unit, "means")
        same(out["drawn"]["ss"], drawn.ss[at], np.maximum(drawn.ss[at], 1e-3), "squares")
        sizes = World.of(case["groups"], case["rows"], 1.0, imbalance=case["imbalance"]).n
        assert tuple(out["sizes"]) == sizes
        compare_closed_forms(out, case, drawn)
        if case["groups"] > 2:
            compare_posteriors(out, case, drawn)


def test_averages_over_worlds_are_the_library_s(module_page):
    rng = np.random.default_rng(15)
    cases = []
    while len(cases) < RISKS:
        case = random_case(rng)
        case["names"] = ["moments", "reml"]
        case["names"] += ["posterior"] * (case["groups"] > 2) + ["james_stein"] * case["stein"]
        case["fixed"] = len(cases) % 2 == 1
        cases.append(case)
    for case, out in zip(cases, module_page.evaluate(EXPECTED, cases), strict=True):
        world = World(*(tuple(case["n"]), case["tau"], case["sigma"], case["mu"]),
                      population=case["population"])  # fmt: skip
        names = ["no_pooling", "complete_pooling", *case["names"]]
        table = risks(world, estimators=names, replicates=40, seed=case["seed"],
                      sigma_known=case["sigma_known"], fixed_population=case["fixed"],
                      level=case["level"]).table  # fmt: skip
        compare_risks(out, {str(r["estimator"]): r for r in table.rows()}, case)
        if not case["fixed"]:
            compare_the_top(out, world, case["seed"])


def compare_risks(out, rows, case):
    assert out["replicates"] == 40
    for name, row in rows.items():
        unit = row["mse"] + 1e-12
        same(out["mse"][name]["mean"], row["mse"], unit, name)
        same(out["mse"][name]["error"], row["mse_error"], unit, name)
        gap = row["mse"] - rows["no_pooling"]["mse"]
        same(out["overNo"][name]["mean"], gap, unit + rows["no_pooling"]["mse"], name)
        gap = row["mse"] - rows["complete_pooling"]["mse"]
        same(out["overComplete"][name]["mean"], gap, unit + rows["complete_pooling"]["mse"], name)
        same(out["best"][name]["mean"], row["best"], 1.0, name)
        same(out["beatsNo"][name]["mean"], row["beats_no"], 1.0, name)
        same(out["beatsComplete"][name]["mean"], row["beats_complete"], 1.0, name)
        same(out["coverage"][name]["mean"], row["coverage"], 1.0, name)
        same(out["coverage"][name]["error"], row["coverage_error"], 1.0, name)
        same(out["coverage"][name]["width"], row["width"], row["width"], name)
        if case["fixed"]:
            same(out["bias2"][name], row["bias2"], unit, name)
            same(out["variance"][name], row["variance"], unit, name)


def compare_the_top(out, world, seed):
    """How often the highest mean is the best group's, and how far it is too high."""
    drawn = worlds(world, replicates=40, seed=seed)
    top = drawn.mean.argmax(axis=1)
    truth = np.take_along_axis(drawn.theta, top[:, None], axis=1)[:, 0]
    is_best = truth == drawn.theta.max(axis=1)
    excess = drawn.mean.max(axis=1) - truth
    same(out["topIsBest"]["mean"], is_best.mean(), 1.0, "top")
    same(out["topIsBest"]["error"], is_best.std(ddof=1) / np.sqrt(40), 1.0, "top")
    same(out["topExcess"]["mean"], excess.mean(), world.sigma, "excess")


def test_pupils_have_their_group_s_mean_and_spread(module_page):
    found = module_page.evaluate("""async () => {
      const w = await import(`/worlds.js`);
      const drawn = w.world({ n: [1, 2, 30, 400], tau: 5, sigma: 10, mu: 70, seed: 3 });
      return { drawn, pupils: drawn.n.map((_, j) => w.pupils(drawn, j)) };
    }""")
    drawn = found["drawn"]
    assert [len(p) for p in found["pupils"]] == [1, 2, 30, 100]
    for n, mean, ss, scores in zip(
        drawn["n"], drawn["mean"], drawn["ss"], found["pupils"], strict=True
    ):
        np.testing.assert_allclose(np.mean(scores), mean, rtol=1e-12)
        if n > 1:
            np.testing.assert_allclose(np.var(scores, ddof=1), ss / (n - 1), rtol=1e-10)


def test_eight_schools_go_in_by_their_errors(module_page):
    y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    se = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    found = module_page.evaluate(
        """async ([mean, se]) => {
          const w = await import(`/worlds.js`);
          const p = w.posterior({ n: se.map((s) => 1 / (s * s)), mean, sigma: 1 });
          return { ...p, atTau: null, tauDensityAt: null };
        }""",
        [y.tolist(), se.tolist()],
    )
    compare_groups(
        found,
        one_way_posterior(from_estimates(y, se, None, factor="school"), Priors()),
        0.95,
        "eight",
    )
