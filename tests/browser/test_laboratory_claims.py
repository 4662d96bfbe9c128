"""Every sentence of the laboratory, read as a reader would, against the library's numbers.

All five exercises of the classic simulator over 200 draws each, and 100 random worlds with
unequal sizes. The texts come from the page's modules; every number and every word of comparison
in them is then checked against `pp.simulate`, without the page's code.
"""

import re

import numpy as np
import pytest
from lesson_pages import page_of_modules

from partialpool.simulate import World, draw, worlds
from partialpool.simulate.estimators import ESTIMATORS, observed
from partialpool.simulate.world import POPULATIONS

SEEDS = range(1, 201)
MINUS = "\N{MINUS SIGN}"
EXERCISES = [(12, 5, 5), (12, 100, 5), (12, 15, 1), (12, 15, 15), (12, 15, 5)]
"""Groups, rows and tau of the five."""

TEXTS = """
async ([parameters, averaged]) => {
  const [settings, facts, claims, exercises, averages] = await Promise.all(
    ["settings", "facts", "claims", "exercises", "averages"].map(
      (name) => import(`/laboratory/${name}.js`)));
  const holder = document.createElement("div");
  const text = (html) => { holder.innerHTML = html; return holder.textContent; };
  let over = null;
  return parameters.map((one) => {
    const state = settings.read(one);
    const drawn = facts.drawFacts(state);
    if (averaged && !over) over = averages.allAverages(state);
    const exercise = exercises.current(state);
    const all = { no: true, partial: true };
    return {
      here: text(claims.inThisDraw(drawn)), caption: text(claims.caption(drawn)),
      weights: claims.weights(drawn.groups), title: claims.title(drawn, all),
      titles: ["no", "complete", "partial"].map((name) => claims.title(drawn, { [name]: true })),
      noise: text(claims.noiseAgainstSpread(state)), keeps: text(claims.keeps(drawn)),
      arrows: text(claims.arrows(drawn)), tau: claims.tauTitle(drawn),
      panel: ["no", "complete"].map((name) =>
        text(claims.lower(drawn.error.partial, drawn.error[name]))),
      expected: over && text(claims.expectedErrors(over)), least: over && claims.least(over),
      times: over && text(claims.timesAsLarge(over)),
      coverage: over && text(claims.coverage(
        { share: over.coverage, kind: "", width: over.coverage.width })),
      answer: exercise && exercise.answer(state, drawn, over).filter(Boolean).map(text),
    };
  });
}
"""


@pytest.fixture(scope="module")
def page(chromium):
    with page_of_modules(chromium) as found:
        yield found


def close(said, value):
    """Whether a printed number is the value, rounded to the digits printed."""
    said = said.replace(",", "").replace(MINUS, "-").rstrip(".")
    digits = len(said.split(".")[1]) if "." in said else 0
    return abs(float(said) - value) <= 0.5000001 * 10.0**-digits


def says_change(said, value, other):
    """Whether "39% lower than" and its like are right, in sign and size."""
    percent = 100 * (value / other - 1)
    if said.startswith("the same"):
        return abs(percent) < 0.05
    number, way = re.match(r"([\d,.]+)% (lower|higher)", said).groups()
    return way == ("lower" if percent < 0 else "higher") and close(number, abs(percent))


def facts(world, seed, estimator, known=True):
    """The draw by the library: truth, own means, and the partial estimates with their weights."""
    names = ("no_pooling", "complete_pooling", estimator)
    drawn = draw(world, seed=seed, sigma_known=known, estimators=names)
    return drawn, drawn.estimates["no_pooling"].estimate, drawn.estimates[estimator]


def check_draw(text, world, seed, estimator, known=True):
    drawn, own, partial = facts(world, seed, estimator, known)
    errors = [drawn.errors[k] for k in ("no_pooling", "complete_pooling", estimator)]
    check_errors(text, errors, drawn.closer(estimator), len(world.n))
    moved = partial.estimate - own
    most = int(np.argmax(np.abs(moved)))
    name, points, way = re.match(r"School (\d+) is pulled ([\d.]+) points (up|down)",
                                 text["title"]).groups()  # fmt: skip
    assert int(name) == most + 1
    assert close(points, abs(moved[most]))
    assert way == ("up" if moved[most] > 0 else "down")
    for title, error in zip(text["titles"], errors, strict=True):
        assert close(re.search(r"by ([\d.]+) points", title)[1], np.sqrt(error))
    check_weights(text, partial.weight, moved)
    check_arrows(text["arrows"], world, own, partial, moved)
    ends = re.search(r"between ([\d.]+) and ([\d.]+)", text["tau"]).groups()
    for said, value in zip(ends, drawn.posterior.tau.interval(0.95), strict=True):
        assert close(said, value)


def check_errors(text, errors, closer, groups):
    no, complete, mine = errors
    pattern = (
        r"error is ([\d.,]+) without pooling, ([\d.,]+) with complete pooling and ([\d.,]+) with "
        r"partial pooling: (.*?) (?:than|as) without pooling, (.*?) (?:than|as) with complete "
        r"pooling\. Partial pooling brings (\d+) of (\d+) schools"
    )
    said = re.search(pattern, text["here"]).groups()
    assert all(close(s, e) for s, e in zip(said[:3], errors, strict=True))
    assert says_change(said[3], mine, no)
    assert says_change(said[4], mine, complete)
    assert [int(v) for v in said[5:]] == [closer, groups]
    assert says_change(text["panel"][0], mine, no)
    assert says_change(text["panel"][1], mine, complete)
    assert says_change(text["caption"].split("pooling is ")[1], mine, no)


def check_weights(text, weight, moved):
    for said, values in [(text["weights"]["own"], weight), (text["weights"]["grand"], 1 - weight)]:
        numbers = re.findall(r"[\d.]+", said)
        assert close(numbers[0], 100 * values.min())
        assert close(numbers[-1], 100 * values.max())
    share, points = re.search(r"keeps (\d+)% .* by ([\d.]+) points", text["keeps"]).groups()
    assert close(share, 100 * weight.mean())
    assert close(points, np.abs(moved).mean())


def check_arrows(said, world, own, partial, moved):
    away = np.abs(own - partial.middle)
    size = np.abs(moved)
    pattern = r"School (\d+), ([\d.]+) points from the average of [^ ]+, moves by ([\d.]+)"
    told = re.findall(pattern, said)
    for name, distance, points in told:
        assert close(distance, away[int(name) - 1])
        assert close(points, size[int(name) - 1])
    assert [int(name) - 1 for name, *_ in told] == [size.argmax(), size.argmin()]
    if "Those far from the average move most" in said:
        assert away.argmax() == size.argmax()
        assert away.argmin() == size.argmin()
    else:
        assert away.argmax() != size.argmax() or away.argmin() != size.argmin()
        farthest, kept, rows = re.search(
            r"farthest, School (\d+), keeps (\d+)% of its distance, with (\d+)", said
        ).groups()
        far = int(away.argmax())
        assert int(farthest) == far + 1
        assert int(rows) == world.n[far]
        assert close(kept, 100 * partial.weight[far])


def averages(world, estimator, known=True):
    """Mean squared error of each world by the library: no, complete, partial; and coverage."""
    drawn = worlds(world, replicates=2000, seed=1)
    seen = observed(drawn, sigma_known=known, level=0.95)
    made = [ESTIMATORS[k](seen) for k in ("no_pooling", "complete_pooling", estimator)]
    errors = np.array([((e.estimate - drawn.theta) ** 2).mean(axis=1) for e in made])
    covered = (made[2].lower <= drawn.theta) & (drawn.theta <= made[2].upper)
    return errors, covered.mean(axis=1)


def with_error(values):
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


def check_averages(text, errors, covered):
    no, complete, mine = errors
    for words, other in [("without pooling", no), ("with complete pooling", complete)]:
        gap, error = with_error(mine - other)
        found = re.search(
            rf"([^:.]*(?:\.\d+[^:.]*)*) {words} \(([\d.,]+) ± ([\d.,]+)\)", text["expected"]
        )
        assert close(found[2], other.mean())
        assert close(found[3], with_error(other)[1])
        if abs(gap) <= 2 * error:
            assert "hardly different from" in found[1]
            continue
        said = re.search(r"([\d.]+)% ± ([\d.]+) (lower|higher) than$", found[1])
        assert close(said[1], 100 * abs(gap) / other.mean())
        assert close(said[2], 100 * error / other.mean())
        assert said[3] == ("lower" if gap < 0 else "higher")
    best = mine <= np.minimum(no, complete) * (1 + 1e-9)
    share, error = re.search(r"three in ([\d.]+)% ± ([\d.]+)", text["expected"]).groups()
    assert close(share, 100 * best.mean())
    assert close(error, 100 * with_error(best)[1])
    share, error, words = re.search(
        r"in ([\d.]+)% ± ([\d.]+), (.*) they claim", text["coverage"]
    ).groups()
    rate, its_error = with_error(covered)
    assert close(share, 100 * rate)
    assert close(error, 100 * its_error)
    side = 0 if abs(rate - 0.95) <= 2 * its_error else np.sign(rate - 0.95)
    assert words == {0: "as often as", 1: "more often than", -1: "less often than"}[side]
    least = [with_error(mine - other) for other in (no, complete)]
    if all(gap < -2 * error for gap, error in least):
        assert text["least"] == "Partial pooling errs least, on average"
    else:
        assert "Partial pooling errs least" not in text["least"]
    ratio = complete.mean() / mine.mean()
    said = re.search(r"([\d.]+) times", text["times"])
    assert (said is not None) == (ratio >= 1.5)
    assert said is None or close(said[1], ratio)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_exercises_say_what_the_data_bear_out(page, number):
    groups, rows, tau = EXERCISES[number - 1]
    asked = [
        {"view": "classic", "groups": str(groups), "n": str(rows), "tau": str(tau),
         "exercise": str(number), "seed": str(seed)}
        for seed in SEEDS
    ]  # fmt: skip
    texts = page.evaluate(TEXTS, [asked, True])
    world = World((rows,) * groups, float(tau))
    for seed, text in zip(SEEDS, texts, strict=True):
        check_draw(text, world, seed, "moments")
    check_averages(texts[0], *averages(world, "moments"))
    check_noise(texts[0]["noise"], world)
    for text in texts:  # an answer is made of sentences that were checked, and of nothing else
        parts = [text["noise"], text["keeps"], text["expected"], text["times"], text["arrows"]]
        assert text["answer"]
        assert set(text["answer"]) <= set(parts), text["answer"]


def check_noise(said, world):
    noise, words, tau = re.search(
        r"by ([\d.]+) \(.*\), (.*) schools really differ \(τ = (\d+)", said
    ).groups()
    se = world.sigma / np.sqrt(world.n[0])
    assert close(noise, se)
    assert close(tau, world.tau)
    ratio = se / world.tau
    side = "more than" if ratio > 1.25 else "less than" if ratio < 0.8 else "about as much as"
    assert words == side


def test_any_world_says_what_the_data_bear_out(page):
    rng = np.random.default_rng(7)
    cases = []
    for _ in range(100):
        cases.append({
            "groups": int(rng.integers(4, 51)), "n": int(rng.integers(2, 201)),
            "tau": float(rng.integers(0, 41)) / 2, "imbalance": float(rng.choice([0, 0.7, 1.0])),
            "sigma": float(rng.integers(2, 61)) / 2, "population": str(rng.choice(POPULATIONS)),
            "estimator": str(rng.choice(["posterior", "moments", "reml"])),
            "sigma_known": str(int(rng.random() < 0.6)), "seed": int(rng.integers(0, 10**6)),
        })  # fmt: skip
    asked = [{key: str(value) for key, value in case.items()} for case in cases]
    for case, text in zip(cases, page.evaluate(TEXTS, [asked, False]), strict=True):
        world = World.of(case["groups"], case["n"], case["tau"], imbalance=case["imbalance"],
                         sigma=case["sigma"], population=case["population"])  # fmt: skip
        known = case["sigma_known"] == "1"
        if text["title"].startswith("No school is moved"):
            _, own, partial = facts(world, case["seed"], case["estimator"], known)
            assert np.abs(partial.estimate - own).max() < 0.05
        else:
            check_draw(text, world, case["seed"], case["estimator"], known)


@pytest.mark.parametrize(
    ("query", "estimator"),
    [
        ({"tau": 0, "groups": 3, "n": 2}, "posterior"),
        ({"tau": 1, "imbalance": 1, "sigma_known": 0}, "posterior"),
        ({"tau": 20, "n": 200, "estimator": "reml"}, "reml"),
        ({"groups": 3, "n": 5, "tau": 15, "imbalance": 0, "estimator": "moments"}, "moments"),
    ],
    ids=["few and alike", "sigma unknown", "REML far apart", "three groups"],
)
def test_averages_say_what_the_worlds_bear_out(page, query, estimator):
    text = page.evaluate(TEXTS, [[{k: str(v) for k, v in query.items()}], True])[0]
    settings = {"groups": 12, "n": 15, "tau": 5, "imbalance": 0.7} | query
    sizes = (settings[k] for k in ("groups", "n", "tau"))
    world = World.of(*sizes, imbalance=settings["imbalance"])
    check_averages(text, *averages(world, estimator, query.get("sigma_known") != 0))
