"""The laboratory in Chromium, as plain files: the worlds of Python and of the command, by hand."""

import json
import re
from html import unescape

import numpy as np
import pytest
from axe_core_python.sync_playwright import Axe
from click.testing import CliRunner
from lesson_pages import Handler, served
from watched_pages import watched

import partialpool as pp
from partialpool.cli.main import cli

SCHOOLS = "School A", "School B", "School C"


def known_errors():
    """Results in the format of classics.json, small and made up."""
    held = [0.0, 5.0, None]
    groups = [
        {"name": name, "n": None, "own": own, "se": 10.0, "estimate": 8.0 + own / 10,
         "sd": 6.0, "lower": own / 10 - 4, "upper": own / 10 + 20, "shrinkage": 0.9}
        for name, own in zip(SCHOOLS, (28.0, 8.0, -3.0), strict=True)
    ]  # fmt: skip
    at = [[11.0, 11.0, 11.0], [14.0, 10.0, 8.0], [28.0, 8.0, -3.0]]
    return {
        "title": "Coaching in three schools", "story": "Three <schools>.", "citation": "A 1981",
        "field": "education", "formula": "effect | se(se) ~ 1 + (1 | school)", "unit": "points",
        "factor": "school",
        "kind": "known_se", "groups": groups, "grand": 11.0, "sentences": ["It shrinks."],
        "tau": {"grid": [0, 5, 10], "density": [0.1, 0.05, 0.01], "mean": 6.0, "median": 5.0,
                "lower": 0.2, "upper": 9.0},
        "held": {"tau": held, "estimate": at, "lower": [[v - 9 for v in row] for row in at],
                 "upper": [[v + 9 for v in row] for row in at], "grand": [11.0, 10.5, 11.0]},
    }  # fmt: skip


def many_groups():
    groups = [
        {"name": f"County {j}", "n": j + 1, "own": j / 10, "estimate": 5 + j / 20,
         "lower": 4.0, "upper": 9.0}
        for j in range(90)
    ]  # fmt: skip
    return {
        "title": "Ninety counties", "story": "Houses.", "citation": "B", "formula": "y ~ 1",
        "unit": "log", "kind": "measurements", "groups": groups, "grand": 5.0, "tau": None,
        "held": None, "sentences": [],
    }  # fmt: skip


class WithData(Handler):
    results = json.dumps({"eight_schools": known_errors(), "radon": many_groups()}).encode()


@pytest.fixture(scope="module")
def address(chromium):
    with served(WithData) as found:
        yield found


@pytest.fixture
def open_laboratory(chromium, address):
    """Open it; after the test no script has failed and nothing came from elsewhere."""
    with watched(chromium, address) as new_page:

        def call(query="", **options):
            page = new_page(**({"viewport": {"width": 1280, "height": 844}} | options))
            page.goto(f"{address}?part=laboratory{query}")
            page.wait_for_selector(".lab-picture svg .partial, .lab-picture svg .own")
            return page

        yield call


def table(page):
    """The main picture's numbers as its table gives them: head, rows."""
    page.get_by_text(re.compile("The (schools|groups) as a table")).click()
    page.wait_for_selector("details.numbers[open] td")
    rows = page.evaluate("""() => [...document.querySelectorAll("details.numbers[open] tr")].map(
      (row) => [...row.children].map((cell) => cell.textContent))""")
    return rows[0], rows[1:]


def number(text):
    return float(text.replace("\N{MINUS SIGN}", "-").replace(",", ""))


def settled(page, worlds="2,000"):
    page.wait_for_function(
        "(worlds) => document.querySelector('.lab-bars .caption')?.textContent.includes(worlds)",
        arg=f"{worlds} worlds",
    )


WORLDS = [
    {},
    {"groups": 5, "n": 4, "tau": 2.5, "imbalance": 1, "population": "outlier", "seed": 77},
    {"sigma_known": 0, "estimator": "reml", "seed": 2**19, "population": "heavy_tailed"},
    {"sigma": 21.5, "mu": -3.25, "tau": 0, "imbalance": 0, "population": "two_clusters"},
]


@pytest.mark.parametrize("settings", WORLDS, ids=str)
def test_the_page_python_and_the_command_show_the_same_world(open_laboratory, settings):
    page = open_laboratory("".join(f"&{k}={v}" for k, v in settings.items()))
    head, rows = table(page)
    page.locator(".lab-share summary").click()
    code, command = (
        unescape(page.locator(".snippet", has_text=name).locator("pre").inner_text())
        for name in ("Python", "Command")
    )
    names = {}
    exec(re.sub(r"^print\(.*\)$", "", code, flags=re.M), names)
    drawn = names["draw"].table()
    output = CliRunner().invoke(cli, [*command.split()[1:], "--json", "--replicates", "2"]).stdout
    told = json.loads(output)["world"]
    estimator = settings.get("estimator", "posterior")
    columns = {"own average": "no_pooling", "partial pooling": estimator, "truth": "truth"}
    for row in rows:
        j = int(row[0].split()[1]) - 1
        for words, name in columns.items():
            said = number(row[head.index(words)])
            assert said == pytest.approx(drawn[name][j], abs=0.051), (words, row)
            assert told[j][name] == pytest.approx(float(drawn[name][j]), rel=1e-6)
        if len(set(drawn["n"])) > 1:
            assert number(row[head.index("students")]) == drawn["n"][j]
    assert len(rows) == len(drawn["n"])


def test_the_classic_in_full_is_one_click(open_laboratory):
    page = open_laboratory()
    page.get_by_role("radio", name="Classic simulator").check()
    page.wait_for_selector(".panel")
    ranges = page.evaluate("""() => [
      ...document.querySelectorAll(".lab-side input[type=range]")
    ].map((i) => [i.labels[0].textContent, i.min, i.max, i.step, i.value])""")
    assert [r[1:] for r in ranges] == [
        ["1", "15", "1", "5"], ["5", "100", "5", "15"], ["5", "30", "1", "12"],
    ]  # fmt: skip
    world = pp.simulate.World.of(12, 15, 5)
    drawn = pp.simulate.draw(world, seed=1)
    weight = drawn.estimates["moments"].weight[0]
    values = page.locator(".panel dd").all_inner_texts()
    errors = [drawn.errors[k] for k in ("no_pooling", "complete_pooling", "moments")]
    assert values[0] == f"{100 * weight:.1f}%"
    assert values[1] == f"{100 - 100 * weight:.1f}%"
    assert values[2:5] == [f"{e:.1f}" for e in errors]
    for said, other in zip(values[5:], errors[:2], strict=True):
        percent = 100 * (errors[2] / other - 1)
        assert said == f"{abs(percent):.1f}% {'lower' if percent < 0 else 'higher'}"


def test_a_draw_in_which_pooling_loses_is_said_to_lose(open_laboratory):
    """The classic simulator says "-108.1% lower" there."""
    world = pp.simulate.World.of(5, 15, 5)
    for seed in range(1, 200):
        errors = pp.simulate.draw(world, seed=seed).errors
        if errors["moments"] > 1.2 * errors["complete_pooling"]:
            break
    page = open_laboratory(f"&view=classic&groups=5&seed={seed}")
    percent = 100 * (errors["moments"] / errors["complete_pooling"] - 1)
    said = f"{percent:.1f}% higher" if percent < 99.95 else f"{percent:.0f}% higher"
    assert page.locator(".panel dd").last.inner_text() == said


def test_exercises_set_the_world_and_back_undoes_them(open_laboratory):
    page = open_laboratory("&view=classic")
    for i, expected in enumerate(["n=5", "n=100", "tau=1", "tau=15", "exercise=5"]):
        button = page.locator(".lab-exercises .button").nth(i)
        button.click()
        page.wait_for_function("(q) => location.search.split('&').includes(q)", arg=expected)
        assert button.get_attribute("aria-pressed") == "true"
        page.wait_for_selector(".answer p.ask")
    page.go_back()
    page.wait_for_function("location.search.includes('tau=15')")
    assert page.locator(".slider output").first.inner_text() == "15"
    assert "exercise=4" in page.url
    page.reload()
    page.wait_for_selector(".answer p.ask")
    assert page.locator(".slider output").first.inner_text() == "15"


def bar_ends(page):
    return page.evaluate("""() => [...document.querySelectorAll(".lab-bars rect.bar")].map(
      (r) => r.getAttribute("width"))""")


def test_new_draw_leaves_the_bars_and_piles_up_dots(open_laboratory):
    page = open_laboratory("&view=classic")
    settled(page)
    page.wait_for_timeout(400)
    before = bar_ends(page)
    for draws in (2, 3, 4):
        page.get_by_role("button", name="New draw").click()
        page.wait_for_function(
            "(k) => document.querySelectorAll('.lab-bars circle.dot').length === k", arg=3 * draws
        )
    page.wait_for_timeout(400)
    assert f"your {draws} draws" in page.locator(".lab-bars .caption").inner_text()
    assert bar_ends(page) == before
    assert "seed=4" in page.url


def axis(page):
    return page.evaluate("""() => [...document.querySelectorAll(".lab-picture svg text.tick")]
      .map((t) => t.textContent).filter((t) => /^[0-9]+$/.test(t))""")


def test_growing_tau_looks_like_growing(open_laboratory):
    """The axis holds while a slider is dragged, and rows keep their order."""
    page = open_laboratory("&view=classic&tau=6")
    names = """() => [...document.querySelectorAll(".lab-picture text.group-name")].map(
      (t) => t.textContent)"""
    slide = """(value) => {
      const input = document.querySelector(".lab-side input[type=range]");
      input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }"""
    ticks, order = axis(page), page.evaluate(names)
    spread = []
    for tau in (2, 3, 4):
        page.evaluate(slide, str(tau))
        assert axis(page) == ticks
        assert page.evaluate(names) == order
        page.wait_for_timeout(1000)  # changes move
        spread.append(
            page.evaluate("""() => {
          const x = [...document.querySelectorAll(".lab-picture figure > svg path.truth")].map(
            (m) => m.getBoundingClientRect().x);
          return Math.max(...x) - Math.min(...x);
        }""")
        )
    assert spread[2] / spread[0] == pytest.approx(2, rel=0.01)
    assert spread[1] / spread[0] == pytest.approx(1.5, rel=0.01)
    page.evaluate(slide, "15")  # far more than the axis holds
    assert axis(page) == ticks


def test_estimates_are_switched_and_arrows_are_drawn(open_laboratory):
    page = open_laboratory()
    arrows = page.locator(".lab-picture figure > svg polyline.arrow")
    assert arrows.count() >= 4  # of twelve schools some hardly move
    page.get_by_role("checkbox", name="Complete").check()
    page.wait_for_selector(".lab-picture figure > svg path.complete", state="attached")
    page.get_by_role("checkbox", name="Partial").uncheck()
    page.wait_for_selector(".lab-picture figure > svg polyline.arrow", state="detached")
    assert page.locator(".lab-picture .picture-title").inner_text().startswith("Every school")
    page.go_back()
    page.wait_for_selector(".lab-picture figure > svg polyline.arrow", state="attached")


def test_what_changed_is_said_once_after_a_pause(open_laboratory):
    page = open_laboratory("&view=classic")
    slider = page.locator(".lab-side input[type=range]").first
    slider.focus()
    for _ in range(4):
        slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "9"
    assert slider.evaluate("e => e === document.activeElement")
    page.wait_for_function(
        "/^School \\d+ is pulled/.test(document.querySelector('.lab [role=status]').textContent)"
    )
    assert "tau=9" in page.url


@pytest.mark.parametrize(
    "query",
    [
        "&groups=1e308&n=-5&tau=nan&sigma=inf&seed=%00&population=[]&sigma_known=maybe&show=x",
        "&view=classic&n=7&tau=99&groups=two",
        "&groups=3&n=2&tau=0&sigma_known=0&imbalance=1",
        "&groups=50&n=200&tau=20&sigma=1&sigma_known=0&population=heavy_tailed&seed=999999",
        "&view=data&data=nothing&held=12",
    ],
)
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_any_address_gives_a_page_that_fits(open_laboratory, query, width):
    page = open_laboratory(query, viewport={"width": width, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "NaN" not in page.locator(".lab").inner_text()


def test_picture_and_first_slider_share_a_phone_s_screen(open_laboratory):
    page = open_laboratory("", viewport={"width": 390, "height": 844})
    box = page.locator(".lab-side input[type=range]").first.bounding_box()
    assert page.locator(".lab-picture svg").first.bounding_box()["y"] < box["y"]
    assert box["y"] + box["height"] < 844
    small = page.evaluate("""() => [...document.querySelectorAll(
      ".lab button, .lab summary, .lab input[type=range], .lab .choice label")].filter(
      (e) => e.offsetParent && e.getBoundingClientRect().height < 43.5).map((e) => e.outerHTML)""")
    assert small == []


def titled(page, title):
    """Wait until the main picture has this title, some of whose spaces do not break."""
    page.wait_for_function(
        """(title) => document.querySelector(".lab-picture .picture-title")
          .textContent.replace(/\\s/g, " ") === title""",
        arg=title,
    )


@pytest.mark.parametrize("query", ["", "&view=classic&exercise=5", "&view=data"])
def test_axe_finds_nothing_serious(open_laboratory, query):
    page = open_laboratory(query)
    for summary in page.locator(".lab details > summary").all():
        summary.click()
    page.wait_for_timeout(500)
    found = Axe().run(page)["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []


def test_with_many_schools_the_slider_stays_on_a_phone_s_screen(open_laboratory):
    page = open_laboratory("&groups=40", viewport={"width": 390, "height": 700})
    for scrolled in (0, 300):
        page.evaluate("(y) => scrollTo(0, y)", scrolled)
        box = page.locator(".lab-side input[type=range]").first.bounding_box()
        assert 0 < box["y"] < box["y"] + box["height"] <= 701


def test_picture_and_sliders_share_a_frame_of_700_by_500(open_laboratory):
    page = open_laboratory("&view=classic&embed=1", viewport={"width": 700, "height": 500})
    sliders = page.locator(".lab-side input[type=range]")
    assert sliders.count() == 3
    for box in (slider.bounding_box() for slider in sliders.all()):
        assert box["y"] + box["height"] < 500
    picture = page.locator(".lab-picture figure > svg").bounding_box()
    assert picture["y"] + picture["height"] < 500


def test_classic_data_with_tau_under_the_hand(open_laboratory):
    page = open_laboratory("&view=data")
    assert page.locator("h2").text_content() == "Coaching in three schools"
    titled(page, "School A: 28.0 becomes 10.8")
    slider = page.locator(".lab-side input[type=range]")
    for value, title in [(0, "School A: 28.0 becomes 11.0"), (1, "School A: 28.0 becomes 14.0")]:
        slider.fill(str(value))
        titled(page, title)
    page.wait_for_function("location.search.includes('held=1')")
    head, rows = table(page)
    at = [number(row[head.index("partial pooling")]) for row in rows]
    assert at == [14.0, 10.0, 8.0]
    page.go_back()
    page.wait_for_function("location.search.includes('held=0')")
    assert slider.input_value() == "0"
    assert "Three <schools>." in page.locator(".lab-says").inner_text()
    page.locator(".lab-choose select").select_option("radon")
    page.wait_for_function("document.querySelector('h2').textContent === 'Ninety counties'")
    assert "60 of 90 groups" in page.locator(".lab-says").inner_text()
    page.go_back()
    page.wait_for_function("document.querySelector('h2').textContent.startsWith('Coaching')")


def test_share_gives_the_picture_with_its_source(open_laboratory):
    page = open_laboratory("&tau=7", accept_downloads=True)
    page.locator(".lab-share summary").click()
    frame = page.locator(".snippet", has_text="A frame").locator("pre").inner_text()
    assert re.search(r'src="http[^"]*part=laboratory[^"]*tau=7[^"]*embed=1"', frame)
    saved = {}
    for kind in ("SVG", "PNG"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Picture as {kind}").click()
        saved[kind] = waiting.value.path().read_bytes()
        assert waiting.value.suggested_filename == f"partial-pooling-1.{kind.lower()}"
    text = saved["SVG"].decode()
    assert re.search(r"Partial pooling, http\S+tau=7\S*, \d{4}-\d\d-\d\d<", text)
    assert "is pulled" in text
    assert "var(" not in text
    assert saved["PNG"].startswith(b"\x89PNG")
    assert len(saved["PNG"]) > 20_000


def test_the_averages_do_not_hold_up_the_page(open_laboratory):
    """Pieces of a part of a frame each: no task of the page is long."""
    page = open_laboratory()
    settled(page)
    longest = page.evaluate("""async () => {
      const tasks = [];
      new PerformanceObserver((list) => tasks.push(...list.getEntries())).observe(
        { type: "longtask" });
      const input = document.querySelector(".lab-side input[type=range]");
      input.value = "6";
      input.dispatchEvent(new Event("input", { bubbles: true }));
      await new Promise((resolve) => setTimeout(resolve, 2500));
      return Math.max(0, ...tasks.map((t) => t.duration));
    }""")
    assert longest < 400  # of a machine that may be busy; 8 ms are asked of each piece


def test_numbers_of_the_picture_are_the_library_s(open_laboratory):
    """The intervals too, of a world with sigma unknown."""
    page = open_laboratory("&sigma_known=0&groups=7&seed=5")
    head, rows = table(page)
    world = pp.simulate.World.of(7, 15, 5, imbalance=0.7)
    found = pp.simulate.draw(world, seed=5, sigma_known=False).estimates["posterior"]
    for row in rows:
        j = int(row[0].split()[1]) - 1
        said = [number(row[head.index(name)]) for name in ("2.5%", "97.5%")]
        np.testing.assert_allclose(said, [found.lower[j], found.upper[j]], atol=0.051)
