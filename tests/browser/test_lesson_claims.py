"""Every sentence of the lesson that claims something, over 100 worlds: the numbers bear it out.

Facts come from worlds of 100 seeds, or are drawn so that each wording occurs; the text is then
read as a reader would, and its words are checked against the facts without the page's code.
"""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from lesson_pages import PATIENCE, site

__all__ = ["site"]  # fixtures

SEEDS = range(1, 101)
SIZES = [12, 3, 30, 6, 4, 40, 9, 3, 20, 5, 15, 4]
NUMBERS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
           "eleven", "twelve"]  # fmt: skip

WORLDS = """
async ({ seeds, n }) => {
  const w = await import('/worlds.js');
  return seeds.map((seed) => {
    const drawn = w.world({ n, tau: 5, sigma: 10, mu: 70, seed, squares: false });
    const data = { n, mean: drawn.mean, sigma: 10, ss: null };
    const post = w.posterior(data);
    return { mean: drawn.mean, theta: drawn.theta, estimate: post.estimate,
             tau: [post.tauLower, post.tauMedian, post.tauUpper] };
  });
}
"""
TEXTS = """
async (asked) => {
  const claims = await import('/claims.js');
  const holder = document.createElement('div');
  return asked.map(([name, facts]) => {
    holder.innerHTML = claims[name](facts);
    return holder.textContent;
  });
}
"""


@pytest.fixture(scope="module")
def page(chromium, site):
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(site + "page.css")  # an address to import modules from; no lesson runs
    yield page
    context.close()


@pytest.fixture(scope="module")
def drawn(page):
    found = page.evaluate(WORLDS, {"seeds": list(SEEDS), "n": SIZES})
    return [{key: np.array(value) for key, value in one.items()} for one in found]


def said(page, name, facts):
    return page.evaluate(TEXTS, [[name, one] for one in facts])


def shown(value, digits=0):
    rounded = Decimal(float(abs(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    text = f"{rounded:,}"
    return ("\N{MINUS SIGN}" if value < 0 and float(text.replace(",", "")) else "") + text


def about(rng, middle, spread, error):
    return {"mean": float(middle + spread * rng.standard_normal()), "error": error}


def order(a, b):
    """-1, 0 or 1: as the lesson compares, by two standard errors."""
    gap = a["mean"] - b["mean"]
    error = np.hypot(a["error"], b["error"])
    return 0 if abs(gap) <= 2 * error else int(np.sign(gap))


EXACT = {"error": 0}


def exactly(value):
    return EXACT | {"mean": value}


def every(outcomes, *words):
    assert set(outcomes) == set(words)


def test_the_picked_school(page, drawn):
    facts, checks = [], []
    for seed, one in zip(SEEDS, drawn, strict=True):
        j = seed % 12 if seed > 12 else int(np.argmax(one["theta"]))
        table = list(np.argsort(-one["mean"]))
        best = int(np.argmax(one["theta"]))
        better = int(np.sum(one["theta"] > one["theta"][j]))
        facts.append({"name": f"School {j + 1}", "pupils": SIZES[j], "own": one["mean"][j],
                      "truth": one["theta"][j], "better": better, "bestName": f"School {best + 1}",
                      "bestPlace": table.index(best) + 1})  # fmt: skip
        checks.append((j, one, better, best, table.index(best) + 1))
    outcomes = []
    for text, (j, one, better, best, place) in zip(
        said(page, "picked", facts), checks, strict=True
    ):
        assert f"School {j + 1} averaged {shown(one['mean'][j])} from {SIZES[j]} pupils" in text
        assert f"true level is {shown(one['theta'][j])}." in text
        outcomes.append("itself" if better == 0 else "other")
        if better == 0:
            assert text.endswith("It is truly the best.")
            continue
        assert (
            f"{NUMBERS[better].capitalize()} of the others {'is' if better == 1 else 'are'}" in text
        )
        where = "at the top of the table" if place == 1 else f"only number {place} of the table"
        assert text.endswith(f"the best is School {best + 1}, {where}.")
    every(outcomes, "itself", "other")


def test_the_top_of_the_table(page):
    rng = np.random.default_rng(1)
    facts = [{"worlds": 2000, "isBest": about(rng, 0.4, 0.1, 0.01),
              "excess": about(rng, 0, 0.4, 0.1), "smallShare": about(rng, 5 / 12, 0.04, 0.011),
              "smallSchools": 5, "schools": 12, "small": 5} for _ in SEEDS]  # fmt: skip
    outcomes = []
    for text, fact in zip(said(page, "topOfTable", facts), facts, strict=True):
        side = order(fact["excess"], exactly(0))
        more = order(fact["smallShare"], exactly(5 / 12))
        assert ("too high" in text, "about right" in text, "too low" in text) == (
            side > 0, side == 0, side < 0)  # fmt: skip
        assert ("more than their share" in text, "which is their share" in text,
                "less than their share" in text) == (more > 0, more == 0, more < 0)  # fmt: skip
        assert f"truly the best in {shown(100 * fact['isBest']['mean'])}% ± 1" in text
        outcomes.append((side, more))
    every((side for side, _ in outcomes), -1, 0, 1)
    every((more for _, more in outcomes), -1, 0, 1)


def test_two_easy_answers(page, drawn):
    rng = np.random.default_rng(2)
    facts = []
    for one in drawn:
        grand = np.average(one["mean"], weights=SIZES)
        facts.append({"no": np.mean((one["mean"] - one["theta"]) ** 2),
                      "complete": np.mean((grand - one["theta"]) ** 2), "worlds": 2000,
                      "noMean": about(rng, 20, 1, 0.3),
                      "completeMean": about(rng, 20, 1, 0.3)})  # fmt: skip
    outcomes = []
    for text, fact in zip(said(page, "twoAnswers", facts), facts, strict=True):
        assert (
            f"{shown(fact['no'], 1)} without pooling and {shown(fact['complete'], 1)} with" in text
        )
        side = order(fact["noMean"], fact["completeMean"])
        words = {-1: "believing every average is the lesser evil", 0: "neither is better",
                 1: "ignoring the schools is the lesser evil"}  # fmt: skip
        assert words[side] in text
        outcomes.append(side)
    every(outcomes, -1, 0, 1)


def test_the_pull(page, drawn):
    facts = []
    for seed, one in zip(SEEDS, drawn, strict=True):
        grand = np.average(one["mean"], weights=SIZES)
        # Every third world is one in which the truth lies at an end, or beyond it.
        truth = one["theta"] if seed % 3 else (one["mean"] if seed % 2 else 2 * grand - one["mean"])
        step = grand - one["mean"]
        best = float(np.clip(np.sum((truth - one["mean"]) * step) / np.sum(step**2), 0, 1))
        error = {
            p: np.mean((one["mean"] + p * step - truth) ** 2) for p in (0, seed / 100, best, 1)
        }
        facts.append({"pull": seed / 100, "error": error[seed / 100], "best": best,
                      "bestError": error[best], "atZero": error[0], "atOne": error[1]})  # fmt: skip
    outcomes = []
    for text, fact in zip(said(page, "pulled", facts), facts, strict=True):
        inside = 0.005 < fact["best"] < 0.995
        end = "left" if fact["best"] < 0.5 else "right"
        assert ("lies at neither end" in text) == inside
        assert (f"lies at the {end} end" in text) == (not inside)
        assert f"the mean squared error is {shown(fact['error'], 1)}." in text
        if inside:
            assert fact["bestError"] <= min(fact["atZero"], fact["atOne"], fact["error"]) + 1e-9
        outcomes.append(inside or end)
    every(outcomes, True, "left", "right")


def test_spreads_and_seesaws(page):
    facts = [{"tau": 1 + seed % 15, "sigma": 2 + seed % 19} for seed in SEEDS]
    for text, fact in zip(said(page, "twoSpreads", facts), facts, strict=True):
        between, within = fact["tau"] ** 2, fact["sigma"] ** 2
        assert f"{shown(100 * between / (between + within))}% of the variance" in text
        assert ("lie inside schools" in text) == (within > between)
        assert text.endswith("lie between schools.") == (between > within)
    weights = [
        (n / (n + 4), m / (m + 4)) for n, m in zip(range(1, 51), range(50, 0, -1), strict=True)
    ]
    weights.append((0.5, 0.5))
    facts = [{"first": {"name": "A", "weight": a}, "second": {"name": "B", "weight": b}, "own": 85,
              "grand": 70} for a, b in weights]  # fmt: skip
    for text, (a, b) in zip(said(page, "seesaws", facts), weights, strict=True):
        assert (
            f"A keeps {shown(100 * a)}% of its distance and goes from 85 to {shown(70 + 15 * a, 1)}"
            in text
        )
        assert ("the smaller school goes farther" in text) == (a != b)


def test_tau_subtracted_and_known(page, drawn):
    facts, known = [], []
    for one in drawn:
        observed = np.var(one["mean"], ddof=1)
        noise = 100 * np.mean(1 / np.array(SIZES)) * 2
        facts.append({"observed": observed, "noise": noise, "left": observed - noise, "pupils": 6})
        lower, median, upper = one["tau"]
        known.append({"lower": lower, "median": median, "upper": upper, "truth": 5})
    outcomes = []
    for text, fact in zip(said(page, "subtraction", facts), facts, strict=True):
        assert ("less than nothing" in text) == (fact["left"] <= 0)
        assert f"leaves {shown(fact['left'], 1)}" in text
        outcomes.append(fact["left"] > 0)
    every(outcomes, True, False)
    outcomes = []
    for text, fact in zip(said(page, "tauKnown", known), known, strict=True):
        holds = fact["lower"] <= 5 <= fact["upper"]
        assert ("is among these values" in text) == holds
        assert f"between {shown(fact['lower'], 1)} and {shown(fact['upper'], 1)}" in text
        outcomes.append(holds)
    assert np.mean(outcomes) > 0.85
    share = [{"share": {"mean": x, "error": np.sqrt(x * (1 - x) / 1000)}, "worlds": 1000}
             for x in np.linspace(0, 0.5, 100)]  # fmt: skip
    for text, fact in zip(said(page, "belowZero", share), share, strict=True):
        assert text.startswith("In none") == (order(fact["share"], exactly(0)) == 0)


def test_coverage(page):
    rng = np.random.default_rng(7)
    facts = [{"plug": about(rng, 0.9, 0.05, 0.005), "full": about(rng, 0.95, 0.02, 0.004),
              "worlds": 1000, "tau": 2} for _ in SEEDS]  # fmt: skip
    words = {-1: "fewer than they claim", 0: "as they claim", 1: "more than they claim"}
    outcomes = []
    for text, fact in zip(said(page, "coverage", facts), facts, strict=True):
        plug, full = text.split(";")
        for part, name in ((plug, "plug"), (full, "full")):
            side = order(fact[name], exactly(0.95))
            assert words[side] in part
            assert f"{shown(100 * fact[name]['mean'])}% ± " in part
            outcomes.append(side)
    every(outcomes, -1, 0, 1)


def test_bias_and_variance(page):
    rng = np.random.default_rng(8)
    facts = [{"name": "School 1"} | {
        kind: dict(zip(("bias2", "variance"), rng.uniform(0, 10, 2), strict=True))
        for kind in ("own", "partial", "grand")} for _ in SEEDS]  # fmt: skip
    outcomes = []
    ends = {"partial": "the smallest of the three.", "own": "own average is better.",
            "grand": "happens to be near it."}  # fmt: skip
    for text, fact in zip(said(page, "biasVariance", facts), facts, strict=True):
        best = min(ends, key=lambda kind: sum(fact[kind].values()))
        assert text.endswith(ends[best])
        outcomes.append(best)
    every(outcomes, *ends)


def test_more_groups(page):
    rng = np.random.default_rng(9)
    facts = [
        {"groups": 4, "error": about(rng, 20, 2, 0.4), "known": 11.1, "own": 20} for _ in SEEDS
    ]
    words = {-1: "below the 20.0", 0: "about the 20.0", 1: "above the 20.0"}
    outcomes = []
    for text, fact in zip(said(page, "moreGroups", facts), facts, strict=True):
        side = order(fact["error"], exactly(20))
        assert words[side] in text
        assert f"{shown(100 * (fact['error']['mean'] / 11.1 - 1))}% above" in text
        outcomes.append(side)
    every(outcomes, -1, 0, 1)


def test_who_loses(page, drawn):
    facts = []
    for seed, one in zip(SEEDS, drawn, strict=True):
        j = seed % 12
        change = np.abs(one["estimate"] - one["theta"]) - np.abs(one["mean"] - one["theta"])
        facts.append({"name": f"School {j + 1}", "own": one["mean"][j],
                      "partial": one["estimate"][j], "truth": one["theta"][j],
                      "losers": int(np.sum(change > 0.05)),
                      "worst": f"School {int(np.argmax(change)) + 1}", "schools": 12})  # fmt: skip
    outcomes = []
    for text, fact in zip(said(page, "loser", facts), facts, strict=True):
        own, partial = (abs(fact[name] - fact["truth"]) for name in ("own", "partial"))
        outcome = (
            "loses" if partial > own + 0.05 else "gains" if partial < own - 0.05 else "neither"
        )
        assert f"{fact['name']} {outcome}" in text
        assert ("No school loses more" in text) == (fact["worst"] == fact["name"])
        outcomes.append(outcome)
    every(outcomes, "loses", "gains", "neither")


def test_who_loses_on_average(page):
    rng = np.random.default_rng(10)
    facts = [{"worlds": 600, "no": about(rng, 15, 0.5, 0.2), "partial": about(rng, 15, 0.5, 0.2),
              "beats": about(rng, 0.8, 0.05, 0.02), "single": about(rng, 0.5, 0.03, 0.005),
              "oddName": "School 1" if seed % 2 else None, "oddOwn": about(rng, 8, 1, 0.3),
              "oddPartial": about(rng, 8, 1, 0.3)} for seed in SEEDS]  # fmt: skip
    verbs = {-1: "lowers", 0: "hardly changes", 1: "raises"}
    whole = said(page, "onTheWhole", facts)
    outcomes = []
    for text, end, fact in zip(said(page, "whoLoses", facts), whole, facts, strict=True):
        total = order(fact["partial"], fact["no"])
        assert f"pooling {verbs[total]} the mean squared error" in text
        assert ("School 1" in text) == (fact["oddName"] is not None)
        if fact["oddName"]:
            assert f"for School 1 it {verbs[order(fact['oddPartial'], fact['oddOwn'])]} it" in text
        most = order(fact["single"], exactly(0.5)) > 0
        wanted = "does not even help" if total >= 0 else "for most, not" if most else "not for most"
        assert wanted in end
        outcomes.append(wanted)
    every(outcomes, "does not even help", "for most, not", "not for most")


def test_stein_eight_schools_and_the_judge(page):
    rng = np.random.default_rng(11)
    facts = [{"means": 3, "fixed": bool(seed % 2), "own": about(rng, 3, 0.1, 0.04),
              "shrunk": about(rng, 3, 0.2, 0.04), "worlds": 2000} for seed in SEEDS]  # fmt: skip
    words = {-1: "less than the", 0: "hardly different from the", 1: "more than the"}
    sides = [order(fact["shrunk"], fact["own"]) for fact in facts]
    for text, side in zip(said(page, "stein", facts), sides, strict=True):
        assert words[side] in text
    every(sides, -1, 0, 1)
    effects = [28, 8, -3, 7]
    facts = [{"own": 28, "effects": effects, "estimates": [x, x / 2, 0, y]}
             for x, y in rng.uniform(0, 28, (100, 2))]  # fmt: skip
    outcomes = []
    for text, fact in zip(said(page, "whyModest", facts), facts, strict=True):
        alike = np.ptp(fact["estimates"]) < 31 / 2
        outcomes.append((fact["estimates"][0] < 14, alike))
        assert ("most of it" in text, "much alike" in text) == outcomes[-1]
        assert ("some of it" in text, "quite different" in text) != outcomes[-1]
    assert len(set(outcomes)) == 4
    lowers = rng.uniform(-10, 10, 100)
    facts = [{"own": 28, "estimate": 11.4, "lower": low, "upper": 30, "chosen": i % 5 == 4,
              "tau": 1.0} for i, low in enumerate(lowers)]  # fmt: skip
    for text, low in zip(said(page, "bestResult", facts), lowers, strict=True):
        assert ("is not ruled out" in text) == (low <= 0)
    halves = rng.uniform(0, 1, (100, 2))
    facts = [{"small": a, "large": b, "equal": i % 3 == 0} for i, (a, b) in enumerate(halves)]
    for text, fact in zip(said(page, "borrowed", facts), facts, strict=True):
        average = (fact["small"] + fact["large"]) / 2
        assert ("the same number of rows" in text) == (fact["equal"] and average >= 0.1)
        assert ("hardly pulled" in text) == (fact["equal"] and average < 0.1)
        more = not fact["equal"] and fact["small"] > fact["large"] + 0.005
        assert ("small ones most" in text) == more
        by = average if fact["equal"] else fact["small"]
        assert f"{shown(100 * by)}%" in text
    pairs = rng.uniform(1, 10, (100, 2))
    facts = [{"own": own, "partial": partial, "judge": "time"} for own, partial in pairs]
    for text, (own, partial) in zip(said(page, "judged", facts), pairs, strict=True):
        assert ("% less mean squared error" in text) == (partial < own)
        assert f"{shown(100 * abs(1 - partial / own))}%" in text
