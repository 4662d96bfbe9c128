"""What the charts of a posterior hold, read from their specs."""

import json

import numpy as np
import pytest

import partialpool as pp
from partialpool import charts
from partialpool.charts.shrinkage import own_interval
from partialpool.charts.trace import conditional_means
from partialpool.classical import dersimonian_laird, maximum_likelihood, reml
from partialpool.errors import ArgumentError

OF_ANY = (
    charts.shrinkage,
    charts.caterpillar,
    charts.shrinkage_by_size,
    charts.tau,
    charts.estimates_by_tau,
)


def rows_of(spec):
    """All rows of all data of a chart."""
    found = []
    if isinstance(spec, dict):
        for key, value in spec.items():
            if key == "datasets":
                found += [row for rows in value.values() for row in rows]
            elif key == "values" and isinstance(value, list) and value[:1] != [0]:
                found += [row for row in value if isinstance(row, dict)]
            else:
                found += rows_of(value)
    elif isinstance(spec, list):
        for value in spec:
            found += rows_of(value)
    return found


def caption(spec):
    return " ".join(spec["title"]["subtitle"])


def domain_of_groups(spec):
    for layer in spec["layer"]:
        y = layer.get("encoding", {}).get("y", {})
        if y.get("field") == "group":
            domain = y["scale"]["domain"]
            named = {p["name"]: p.get("value") for p in spec.get("params", [])}
            return named[domain["expr"]] if isinstance(domain, dict) else domain
    raise AssertionError("no rows of groups")


@pytest.mark.parametrize("draw", OF_ANY)
@pytest.mark.parametrize(("name", "dark"), [("schools", True), ("twelve", False), ("three", True)])
def test_specs_are_valid_and_hold_only_finite_numbers(draw, name, dark, request):
    chart = draw(request.getfixturevalue(name), dark=dark)
    spec = chart.to_dict()  # validates
    json.dumps(spec, allow_nan=False)
    assert spec["config"]["background"] == ("#16191D" if dark else "#FFFFFF")
    assert spec["description"].startswith(spec["title"]["text"][0])
    assert spec["title"]["subtitle"]


@pytest.mark.parametrize("draw", [*OF_ANY, charts.forest])
def test_given_title_and_level(draw, schools):
    spec = draw(schools, title="Mine", level=0.8).to_dict()
    assert spec["title"]["text"] == ["Mine"]
    if draw is not charts.shrinkage_by_size:
        assert "80% interval" in caption(spec)
    with pytest.raises(ArgumentError):
        draw(schools, level=1.5)


def test_shrinkage_holds_the_posterior(schools):
    spec = charts.shrinkage(schools, level=0.9).to_dict()
    rows = {r["group"]: r for r in spec["datasets"]["groups"]}
    assert list(domain_of_groups(spec)) == [*"AGHBDFEC", "a new school"]
    lower, upper = schools.theta.interval(0.9)
    for i, label in enumerate("ABCDEFGH"):
        row = rows[label]
        assert row["raw"] == pytest.approx(schools.statistics.raw[i])
        assert row["estimate"] == pytest.approx(schools.theta.mean[i])
        assert row["lower"] == pytest.approx(lower[i], abs=1e-6)
        assert row["upper"] == pytest.approx(upper[i], abs=1e-6)
        assert row["weight"] == pytest.approx(1 - schools.shrinkage.mean[i])
        tau2, se2 = float(schools.tau.median) ** 2, row["se"] ** 2
        assert row["at_used"] == pytest.approx(tau2 / (tau2 + se2))
    assert rows["B"]["direction"] == "none"
    assert rows["A"]["direction"] == "left"
    assert rows["C"]["direction"] == "right"


def test_shrinkage_holds_a_new_group_and_own_intervals(schools, twelve):
    for post in (schools, twelve):
        data = charts.shrinkage(post).to_dict()["datasets"]
        cut = {(c["group"], c["way"]) for c in data["cuts"]}
        lower, upper = own_interval(post.statistics, 0.95)
        labels = [str(v) for v in post.statistics.labels.tolist()]
        for row in data["groups"]:
            i = labels.index(row["group"])
            if (row["group"], "left") not in cut:
                assert row["own_lower"] == pytest.approx(lower[i])
            if (row["group"], "right") not in cut:
                assert row["own_upper"] == pytest.approx(upper[i])
        (new,) = data["new"]
        ends = post.new_group.interval(0.95)
        assert [new["lower"], new["upper"]] == pytest.approx(ends.tolist(), abs=1e-6)


def test_what_reaches_far_is_cut_and_it_is_said():
    post = pp.fit_groups(mean=[1, 2, 4, 3], se=[1, 1, 40, 1])._engine
    spec = charts.shrinkage(post).to_dict()
    data = spec["datasets"]
    assert {(c["group"], c["way"]) for c in data["cuts"] if c["own"]} == {
        ("3", "left"),
        ("3", "right"),
    }
    assert "Triangles: the interval goes on" in caption(spec)
    ends = [r[k] for r in data["groups"] for k in ("raw", "lower", "upper")]
    room = 0.21 * (max(ends) - min(ends))
    for row in data["groups"]:
        assert min(ends) - room <= row["own_lower"] <= row["own_upper"] <= max(ends) + room


def test_caterpillar_is_sorted_by_estimate(twelve):
    spec = charts.caterpillar(twelve).to_dict()
    order = np.argsort(-twelve.theta.mean)
    expected = [str(v) for v in twelve.statistics.labels[order].tolist()]
    assert list(domain_of_groups(spec)) == expected


def test_many_groups_are_sampled_and_it_is_said(many):
    spec = charts.caterpillar(many).to_dict()
    rows = {r["rank"]: r for r in rows_of(spec) if "rank" in r}
    assert len(rows) == 400
    assert "400 of 1,500 groups" in caption(spec)
    assert rows[1]["estimate"] == many.theta.mean.max()
    assert rows[1500]["estimate"] == many.theta.mean.min()
    ranked = np.sort(many.theta.mean)[::-1]
    assert all(ranked[k - 1] == r["estimate"] for k, r in rows.items())
    assert "30 highest and 30 lowest of 1,500" in caption(charts.shrinkage(many).to_dict())
    spec = charts.estimates_by_tau(many).to_dict()
    assert "40 of 1,500 groups" in caption(spec)
    assert len({r["group"] for r in rows_of(spec) if "group" in r}) == 40


def test_between_60_and_400_groups_all_are_drawn_without_names(two_hundred_estimates):
    spec = charts.caterpillar(two_hundred_estimates).to_dict()
    assert len({r["rank"] for r in rows_of(spec) if "rank" in r}) == 200
    assert " of 200 groups" not in caption(spec)


def test_forest_holds_own_and_pooled_intervals(schools):
    rows = rows_of(charts.forest(schools).to_dict())
    own = next(r for r in rows if r.get("group") == "A" and r["what"] == "own estimate")
    assert own["lower"] == pytest.approx(28 - 1.959964 * 15, abs=1e-4)
    pooled = next(r for r in rows if r.get("group") == "A" and r["what"] == "partially pooled")
    assert pooled["estimate"] == pytest.approx(schools.theta.mean[0])
    mean = next(r for r in rows if r.get("what") == "mu")
    assert [mean["lower"], mean["upper"]] == pytest.approx(schools.mu.interval(0.95).tolist())
    new = next(r for r in rows if r.get("group") == "A new school")
    assert [new["lower"], new["upper"]] == pytest.approx(schools.new_group.interval().tolist())


def test_forest_cuts_what_would_squeeze_the_rest(three, two_hundred_estimates):
    spec = charts.forest(three).to_dict()
    new = next(r for r in rows_of(spec) if r.get("what") == "new")
    assert new["cut_left"]
    assert new["cut_right"]
    assert new["to"] < new["upper"]
    assert "(arrows: they go on)" in caption(spec)
    assert "20 highest and 20 lowest of 200" in caption(
        charts.forest(two_hundred_estimates).to_dict()
    )


def test_forest_refuses_rows(twelve):
    with pytest.raises(ArgumentError, match="caterpillar"):
        charts.forest(twelve)


def test_a_group_called_population_mean_is_told_apart():
    names = ["Population mean", "A new group", "c", "d"]
    post = pp.fit_groups(mean=[1, 2, 3, 4], se=[1, 1, 1, 1], names=names)._engine
    domain = domain_of_groups(charts.forest(post).to_dict())
    assert len(domain) == len(set(domain)) == 7


def test_shrinkage_by_size_lies_on_its_curve(schools, twelve):
    for post, x in ((schools, schools.statistics.weight**-0.5), (twelve, twelve.statistics.n)):
        rows = rows_of(charts.shrinkage_by_size(post).to_dict())
        points = {r["x"]: r for r in rows if "groups" in r}
        curve = sorted((r["x"], r["shrinkage"]) for r in rows if "lower" in r)
        for size, share in zip(x, post.shrinkage.mean, strict=True):
            at = min(points, key=lambda v, size=size: abs(v - size))
            assert points[at]["shrinkage"] == pytest.approx(share)
            assert np.interp(size, *np.transpose(curve)) == pytest.approx(share, abs=2e-3)
        assert sum(p["groups"] for p in points.values()) == len(x)


def test_shrinkage_by_size_samples_beyond_2000_sizes():
    rng = np.random.default_rng(3)
    se = rng.uniform(1, 2, 3000)
    post = pp.fit_groups(mean=rng.normal(0, 2, 3000), se=se)._engine
    spec = charts.shrinkage_by_size(post).to_dict()
    assert sum("groups" in r for r in rows_of(spec)) == 2000
    assert "2,000 of 3,000 distinct sizes" in caption(spec)


def test_tau_marks_the_classical_estimates(schools, twelve):
    marks = {r["name"]: r for r in rows_of(charts.tau(schools).to_dict()) if "name" in r}
    s = schools.statistics
    se = s.weight**-0.5
    assert marks["moments (DerSimonian-Laird)"]["tau"] == dersimonian_laird(mean=s.raw, se=se).tau
    assert marks["REML"]["tau"] == reml(mean=s.raw, se=se).tau == 0
    assert marks["REML"]["label"].endswith(" 0")
    assert marks["posterior mean"]["tau"] == pytest.approx(float(schools.tau.mean))
    by_height = sorted(marks.values(), key=lambda m: -m["density"])
    values = [m["tau"] for m in by_height]
    assert values == sorted(values)  # so that no line crosses a label
    marks = {r["name"]: r for r in rows_of(charts.tau(twelve).to_dict()) if "name" in r}
    s = twelve.statistics
    fitted = maximum_likelihood(mean=s.raw, n=s.n, ss=s.ss)
    assert marks["REML"]["tau"] == pytest.approx(fitted.tau)


def test_tau_density_is_that_of_the_posterior(schools):
    rows = [r for r in rows_of(charts.tau(schools).to_dict()) if "inside" in r]
    x, density = np.array([(r["tau"], r["density"]) for r in rows]).T
    np.testing.assert_allclose(density, schools.tau.density(x))
    assert x[-1] == pytest.approx(schools.tau.quantile(0.995))
    inside = [r["tau"] for r in rows if r["inside"]]
    assert [inside[0], inside[-1]] == pytest.approx(schools.tau.interval(0.95).tolist())


def test_a_long_tail_and_a_missing_mean_are_said(three):
    text = caption(charts.tau(three).to_dict())
    assert "A long tail" in text
    assert "posterior mean is infinite" in text


def test_weighted_rows_have_no_classical_marks():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(6), 5)
    data = {"y": rng.normal(g, 2), "w": rng.uniform(1, 3, 30), "g": g}
    post = pp.fit("y | weights(w) ~ 1 + (1 | g)", data)._engine
    names = {r["name"] for r in rows_of(charts.tau(post).to_dict()) if "name" in r}
    assert names == {"posterior median", "posterior mean"}
    assert "total weight" in charts.shrinkage_by_size(post).to_dict()["title"]["text"][0]


@pytest.mark.parametrize("prior", [None, ["mu ~ normal(60, 5)", "tau ~ half_normal(4)"]])
def test_conditional_means_average_to_the_posterior(prior):
    """E(theta) is the average of E(theta | tau), exactly so where sigma is known."""
    table = pp.datasets.eight_schools()
    post = pp.fit("effect | se(se) ~ 1 + (1 | school)", table, prior=prior)._engine
    line = post.grid.lines[0]
    order = np.arange(8)
    means, mu = conditional_means(post, order, line.x)
    weight = post.grid.weight.ravel()
    np.testing.assert_allclose(weight @ means, post.theta.mean, rtol=1e-9)
    np.testing.assert_allclose(weight @ mu, post.mu.mean, rtol=1e-9)


@pytest.mark.parametrize("prior", [None, ["sigma ~ half_normal(10)"]])
def test_conditional_means_from_rows_go_from_one_mean_to_each_own(prior):
    data = pp.datasets.dyestuff()
    post = pp.fit("yield ~ 1 + (1 | batch)", data, prior=prior)._engine
    means, mu = conditional_means(post, np.arange(6), np.array([0.0, 1e9]))
    np.testing.assert_allclose(means[0], mu[0])
    np.testing.assert_allclose(means[1], post.statistics.raw, rtol=1e-9)


def test_names_at_the_right_do_not_overlap(twelve):
    rows = rows_of(charts.estimates_by_tau(twelve).to_dict())
    at = np.sort(list({r["group"]: r["at"] for r in rows if "at" in r}.values()))
    assert len(at) == 12
    ends = [r["value"] for r in rows if "value" in r and "group" in r]
    assert np.diff(at).min() >= 14.9 / 320 * np.ptp(ends)


def test_more_than_twelve_groups_are_not_named():
    post = pp.fit_groups(mean=np.arange(13.0), se=np.ones(13))._engine
    assert not any("at" in r for r in rows_of(charts.estimates_by_tau(post).to_dict()))


def test_labels_that_read_the_same_and_control_characters():
    post = pp.fit_groups(mean=[1, 2, 4], se=[1, 1, 2], names=["1\n", "1\\n", "\x1b"])._engine
    domain = domain_of_groups(charts.shrinkage(post).to_dict())
    assert sorted(domain) == ["1\\n", "1\\n (2)", "\\x1b", "a new group"]


def test_groups_without_any_difference_draw():
    post = pp.fit_groups(mean=[5.0] * 6, se=[1.0] * 6)._engine
    for draw in (*OF_ANY, charts.forest):
        json.dumps(draw(post).to_dict(), allow_nan=False)


def test_shrinkage_marks_a_known_truth(schools):
    truth = np.arange(8.0)
    drawn = str(charts.shrinkage(schools, truth=truth).to_dict())
    assert "'domain': ['own estimate', 'partially pooled', 'truth']" in drawn
    assert "'truth': 7.0" in drawn
    with pytest.raises(ArgumentError, match="8 values"):
        charts.shrinkage(schools, truth=truth[:3])


def test_the_middle_of_rates_is_among_them():
    """The mean of that population is 3e117: an exponential of a wide normal."""
    fit = pp.fit("colonies ~ 1 + (1 | dose)", pp.datasets.salmonella(), family="poisson")
    (row,) = [r for r in rows_of(fit.plot.shrinkage().to_dict()) if "mu" in r]
    assert row["mu"] == pytest.approx(np.exp(fit.posterior["Intercept"].median), rel=1e-6)
    assert 20 < row["mu"] < 50
