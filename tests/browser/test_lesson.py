"""The lesson as readers meet it: every step, size, colour scheme, by keyboard, on paper."""

import gzip
import re

import numpy as np
import pytest
from axe_core_python.sync_playwright import Axe
from lesson_pages import ANSWERED, STEPS, WWW, bare_site, go, open_lesson, shown, site

__all__ = ["bare_site", "open_lesson", "site"]  # fixtures

SIZES = {
    "desk": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}},
    "small phone": {"viewport": {"width": 320, "height": 640}},
    "zoomed to 200%": {"viewport": {"width": 640, "height": 400}},
    "frame": {"viewport": {"width": 700, "height": 500}},
}

LABELS = """
() => [...document.querySelectorAll('.picture > svg')].flatMap((svg) => {
  const boxes = [...svg.querySelectorAll('text')].filter((text) => text.textContent)
    .map((text) => [text.textContent, text.getBoundingClientRect()]);
  const clashes = [];
  boxes.forEach(([name, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (across > 1 && down > 5) clashes.push(`${name} | ${other}`);
  }));
  return clashes;
})
"""
OUTSIDE = """
() => [...document.querySelectorAll('.picture > svg text')].filter((text) => {
  const box = text.getBoundingClientRect();
  return text.textContent && (box.left < -1 || box.right > innerWidth + 1);
}).map((text) => text.textContent)
"""
SMALL_TARGETS = """
() => [...document.querySelectorAll('.step :is(a, button, input, summary, .hit), nav a, .theme')]
  .filter((target) => target.offsetParent !== null || target.matches('.hit'))
  .filter((target) => !target.closest('.notice, .side p'))
  .map((target) => [target.outerHTML.slice(0, 80), target.getBoundingClientRect()])
  .filter(([, box]) => box.height && box.height < 43.5)
  .map(([name, box]) => `${name} ${box.height}`)
"""
TICKS = "() => [...document.querySelectorAll('.picture .tick')].map((tick) => tick.textContent)"


DARK = (1, 5, 6, 7, 8, 12)
"""Steps that between them have every kind of picture and control."""


def settle(page):
    page.wait_for_timeout(260)


def notice(page, pattern):
    """Wait until the notice matches, and return it."""
    page.wait_for_function(
        "(pattern) => new RegExp(pattern).test(document.querySelector('.notice').textContent)",
        arg=pattern,
    )
    return page.inner_text(".notice")


def drag(page, value, nth=0):
    page.locator("input[type=range]").nth(nth).evaluate(
        "(slider, value) => { slider.value = value;"
        " slider.dispatchEvent(new Event('input', { bubbles: true })); }",
        value,
    )


def test_forwards_by_links_and_back_by_the_arrow_key(open_lesson):
    page = open_lesson()
    titles = []
    for step in range(1, STEPS + 1):
        shown(page, step)
        titles.append(page.inner_text("h1"))
        assert page.title().startswith(f"{step}. {titles[-1]}")
        if step < STEPS:
            page.click(".along .next")
            shown(page, step + 1)
            assert page.evaluate("document.activeElement.tagName") == "H1"
    assert len(set(titles)) == STEPS
    for step in range(STEPS - 1, 0, -1):
        page.keyboard.press("ArrowLeft")
        shown(page, step)
        assert page.inner_text("h1") == titles[step - 1]
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("h1") == titles[0]


@pytest.mark.parametrize("size", SIZES)
def test_every_step_by_address_fits(open_lesson, site, size):
    options = SIZES[size]
    embed = "&embed=1" if size == "frame" else ""
    page = open_lesson(1, reduced_motion="reduce", **options)
    for step in range(1, STEPS + 1):
        go(page, site, step, ANSWERED.get(step, "") + embed)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= options["viewport"]["width"], step
        assert page.evaluate(LABELS) == [], step
        assert page.evaluate(OUTSIDE) == [], step
        smallest = page.evaluate(
            "() => Math.min(...[...document.querySelectorAll('svg text')]"
            ".map((text) => parseFloat(getComputedStyle(text).fontSize)), 99)"
        )
        assert smallest >= 14, step
        if "phone" in size:
            assert page.evaluate(SMALL_TARGETS) == [], step
    body = page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")
    assert body >= (20 if size == "desk" else 18)


def test_a_step_that_does_not_exist_is_the_first(open_lesson):
    page = open_lesson(1, "&step=99")
    for nonsense in ("99", "0", "-3", "abc", ""):
        page.goto(page.url.split("?")[0] + f"?step={nonsense}&pull=7&pick=900")
        shown(page, 1)


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_axe_finds_nothing_serious(open_lesson, step):
    for scheme in ("light", "dark") if step in DARK else ("light",):
        page = open_lesson(
            step, ANSWERED.get(step, ""), color_scheme=scheme, reduced_motion="reduce"
        )
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        found = Axe().run(page)["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == [], scheme


def test_the_theme_can_be_chosen_and_stays(open_lesson):
    page = open_lesson(3, color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click(".theme")
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    shown(page, 3)
    assert page.evaluate(ground) == dark
    page.click(".theme")
    assert page.evaluate(ground) == light


def test_reduced_motion_moves_at_once_and_motion_ends_at_the_same_place(open_lesson):
    places = []
    for motion in ("reduce", "no-preference"):
        page = open_lesson(10, "&pick=1", reduced_motion=motion)
        page.wait_for_timeout(500)
        diamonds = (
            "[...document.querySelectorAll('svg .partial')].map((d) => d.getAttribute('transform'))"
        )
        before = page.evaluate(diamonds)
        at_once = page.evaluate(
            f"() => {{ document.querySelector('input[value=kinds]').click(); return {diamonds}; }}"
        )
        page.wait_for_timeout(500)
        after = page.evaluate(diamonds)
        assert after != before
        assert (at_once == after) == (motion == "reduce")
        places.append(after)
    assert places[0] == places[1]


DRAGS = {3: (0, 30, 100), 4: (1, 5, 15), 5: (1, 9, 50), 6: (2, 10, 50), 7: (0.5, 3, 6),
         12: (0, 60, 100)}  # fmt: skip


@pytest.mark.parametrize(("step", "values"), DRAGS.items())
def test_axes_and_rows_stay_while_a_slider_is_dragged(open_lesson, step, values):
    page = open_lesson(step)
    seen, pictures = set(), set()
    for value in values:
        drag(page, value)
        settle(page)
        names = page.evaluate(
            "() => [...document.querySelectorAll('.group-name')].map((name) => name.textContent)"
        )
        seen.add((*page.evaluate(TICKS), *sorted(names)))
        pictures.add(page.inner_html(".picture > svg"))
    assert len(seen) == 1
    assert len(pictures) == 3


def test_keyboard_alone(open_lesson):
    page = open_lesson(1)
    focused = "document.activeElement"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.getAttribute('aria-label')?.startsWith('School 9')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('.lead').textContent.startsWith('School 9 averaged')"
    )
    assert page.evaluate(f"{focused}.getAttribute('aria-pressed')") == "true"
    page.keyboard.press("ArrowRight")
    shown(page, 2)
    page.keyboard.press("ArrowRight")
    shown(page, 3)
    page.focus("input[type=range]")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("output") == "1%"
    assert page.get_attribute("input[type=range]", "aria-valuetext") == "1%"
    shown(page, 3)


def test_back_and_reload_keep_what_was_set(open_lesson):
    page = open_lesson(3)
    drag(page, 40)
    page.wait_for_function("location.search.includes('pull=40')")
    page.click(".along .next")
    shown(page, 4)
    assert "pull" not in page.url
    page.go_back()
    shown(page, 3)
    assert page.inner_text("output") == "40%"
    page.reload()
    shown(page, 3)
    assert page.inner_text("output") == "40%"
    page.go_forward()
    shown(page, 4)


def test_two_tabs_do_not_share_a_step(open_lesson):
    first, second = open_lesson(3), open_lesson(12)
    drag(first, 70)
    drag(second, 100)
    assert first.inner_text("output") == "70%"
    assert "complete pooling" in second.inner_text("output")


def test_what_changed_is_said_once_after_a_pause(open_lesson):
    page = open_lesson(5)
    page.wait_for_timeout(1500)
    page.evaluate(
        "() => { window.said = []; const live = document.querySelector('[aria-live]');"
        " new MutationObserver(() => said.push(live.textContent))"
        ".observe(live, { childList: true }); }"
    )
    for value in (5, 8, 12, 20):
        drag(page, value)
    assert page.evaluate("said") == []
    page.wait_for_timeout(1500)
    said = page.evaluate("said")
    assert len(said) == 1
    assert "School A keeps 83%" in said[0]
    assert page.locator("[aria-live], [role=status]").count() == 1


@pytest.mark.parametrize("step", [1, 2, 5, 6, 8, 12, 13])
def test_a_table_stands_beside_each_picture(open_lesson, step):
    page = open_lesson(step, ANSWERED.get(step, ""))
    for details in page.locator("details.numbers:not([hidden])").all():
        details.locator("summary").click()
        rows = details.locator("tbody tr")
        rows.first.wait_for()
        assert rows.count() >= 2
        cells = details.locator("tbody td").all_inner_texts()
        assert cells
        assert not any(re.search("NaN|undefined|null", cell) for cell in cells)


def test_on_paper_the_picture_is_whole_and_controls_are_gone(open_lesson):
    page = open_lesson(3, "&pull=45")
    page.emulate_media(media="print")
    settle(page)
    for gone in (".top", ".controls", ".along"):
        assert not page.locator(gone).first.is_visible()
    assert page.locator(".picture > svg").first.is_visible()
    colours = page.evaluate(
        "() => ['--own', '--grand', '--partial', '--truth'].map((name) =>"
        " getComputedStyle(document.documentElement).getPropertyValue(name).trim())"
    )
    assert all(len(set(re.findall("[0-9a-f]", colour))) == 1 for colour in colours)
    assert page.pdf(format="A4").count(b"/Type /Page\n") <= 2


def test_in_a_frame_the_picture_is_first_and_the_height_is_told(open_lesson, site):
    page = open_lesson(3)
    page.set_content(
        "<script>addEventListener('message', (e) => {"
        " if (e.data.type === 'partialpool-height') frame.height = e.data.height; });</script>"
        f"<iframe id=frame width=700 height=500 src='{site}?embed=1&step=3'></iframe>"
    )
    page.wait_for_function("frame.height > 600")
    inside = page.frames[1]
    assert not inside.locator(".top").is_visible()
    top = inside.locator(".picture").first.bounding_box()["y"]
    assert top < inside.locator("h1").bounding_box()["y"]
    inside.locator(".along .next").click()
    inside.wait_for_function(
        "document.querySelector('.contents summary').textContent === 'Step 4 of 15'"
    )
    assert "embed=1" in inside.url


def test_without_the_classic_data_the_other_steps_go_on(chromium, bare_site):
    context = chromium.new_context()
    page = context.new_page()
    for step in (13, 14):
        page.goto(f"{bare_site}?step={step}")
        page.wait_for_function(
            "document.querySelector('.waiting')?.textContent.includes('could not be loaded')"
        )
    page.check("input[value=yes]", force=True)
    page.click(".along .next")
    shown(page, 15)
    context.close()


def test_the_page_is_small():
    files = [path for path in WWW.rglob("*") if path.suffix in (".js", ".css", ".html")]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 500_000


def test_step_one_asks_before_it_shows(open_lesson):
    page = open_lesson(1)
    assert page.locator("svg .truth").count() == 0
    assert page.inner_text(".notice") == ""
    page.click(".hit[aria-label^='School 2,']")
    text = notice(page, "Over 2,000 such worlds")
    assert (
        page.locator(".picture svg .truth").count() - page.locator(".legend .truth").count() == 12
    )
    assert page.inner_text(".lead").startswith(
        "School 2 averaged 83 from 3 pupils. Its true level is 73."
        " Three of the others are truly better; the best is School 9, only number 3 of the table."
    )
    share, _, excess = re.search(r"in (\d+)% ± (\S+), and its average is (\S+) ± ", text).groups()
    assert 35 < int(share) < 60
    small = re.search(r"In (\d+)% ± \S+ of the worlds it is one of the five schools", text)[1]
    assert int(small) > 50  # the text goes on: mostly the lucky and the small
    assert 3 < float(excess) < 6


@pytest.fixture(scope="module")
def world():
    """The running example, drawn by the library."""
    from partialpool.simulate import World, worlds

    sizes = (12, 3, 30, 6, 4, 40, 9, 3, 20, 5, 15, 4)
    return worlds(World(n=sizes, tau=5.0, sigma=10.0, mu=70.0), replicates=1, seed=24978)


def test_errors_on_the_page_are_those_of_the_library(open_lesson, world):
    theta, mean, n = world.theta[0], world.mean[0], np.array(world.world.n)
    no = np.mean((mean - theta) ** 2)
    grand = np.sum(n * mean) / np.sum(n)
    complete = np.mean((grand - theta) ** 2)
    page = open_lesson(2)
    page.check("input[value=complete]", force=True)
    text = notice(page, "Over 2,000 such worlds")
    assert f"{no:.1f} without pooling and {complete:.1f} with complete pooling" in text
    pulls = np.linspace(0, 1, 10_001)
    errors = [np.mean((mean + p * (grand - mean) - theta) ** 2) for p in pulls]
    best = int(np.argmin(errors))
    page = open_lesson(3, "&pull=100")
    assert f"{errors[best]:.1f} at {100 * pulls[best]:.0f}%, lies at neither end" in notice(
        page, "lowest"
    )


def test_the_posterior_of_tau_is_that_of_the_library(open_lesson):
    from partialpool import fit_groups

    page = open_lesson(12, "&choose=yes")
    text = notice(page, "Averaged over all")
    assert "averaged over all" in page.inner_text("output")  # not the slider's own value
    fit = fit_groups(
        mean=[28, 8, -3, 7, -1, 1, 18, 12],
        se=[15, 10, 16, 11, 9, 11, 10, 18],
        names=list("ABCDEFGH"),
    )
    first = fit.groups()
    row = {name: first[name][0] for name in ("estimate", "lower", "upper")}
    assert f"becomes {row['estimate']:.1f}, with 95% probability between" in text
    low, high = (f"{limit(first['estimate']):.0f}" for limit in (min, max))
    assert f"{28 - row['estimate']:.0f} points are put down to noise, most of it" in text
    assert f"from {low} to {high}, are modest and much alike" in text
    assert f"{row['lower']:.0f}".replace("-", "\N{MINUS SIGN}") + f" and {row['upper']:.0f}" in text


def test_plug_in_intervals_are_counted_below_their_promise(open_lesson):
    page = open_lesson(7)
    page.click("text=Count 1,000 worlds")
    text = notice(page, "Over 1,000 worlds with τ.=.2")
    plug, full = (float(x) for x in re.findall(r"(\d+)% ± ", text))
    assert 75 < plug < 90 < full
    assert "fewer than they claim" in text


def test_the_loser_is_found_in_each_case(open_lesson):
    page = open_lesson(10)
    assert page.locator("svg .truth").count() == 0
    for case, schools in (("outstanding", 12), ("few", 3), ("kinds", 12)):
        page.check(f"input[value={case}]", force=True)
        page.locator(".hit").first.click()
        assert f"of {schools} lose in this draw" in notice(page, "Over 600 such worlds")


def test_stein_asks_first_and_tells_for_few_means(open_lesson):
    page = open_lesson(11)
    assert page.locator(".curve.partial").count() == 0
    page.dispatch_event("input[value='10']", "click")  # which takes the question away
    assert "less than the" in notice(page, "with 3 means")
    page.check("input[value='2']", force=True)
    assert "it needs three" in notice(page, "With 2 means")
    page.check("input[value='3']", force=True)
    page.check("input[value='mean']", force=True)
    assert "it needs four" in notice(page, "With 3 means")


NAMES = [
    "A",
    '<b>x</b> & "y"',
    "University Hospital of Somewhere, Department of Cardiology, " * 3,
    "\u5317\u4eac\u4e2d\u5b66",
    "\u0645\u062f\u0631\u0633\u0629",
    "\U0001f469\u200d\U0001f467" * 30,
]
DRAW = """
async (names) => {
  const { estimates } = await import('/picture.js');
  const host = document.createElement('figure');
  document.querySelector('.stage').prepend(host);
  estimates(host, { title: names[1], axis: [-6, 6], grand: 0,
    groups: names.map((name, i) => (
      { name, n: i + 1, own: i, partial: i / 2, lower: -1, upper: 3 })) });
  host.querySelector('summary').click();
}
"""


@pytest.mark.parametrize("width", [320, 1280])
def test_names_of_any_length_and_script_fit(open_lesson, width):
    page = open_lesson(15, viewport={"width": width, "height": 700})
    page.evaluate(DRAW, NAMES)
    page.locator(".stage tbody tr").nth(len(NAMES) - 1).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.inner_text(".stage .picture-title") == NAMES[1]
    assert page.locator(".picture b, .picture text b").count() == 0
    heads = page.locator(".stage .table tbody th").all_inner_texts()
    assert [head.strip() for head in heads] == [name.strip() for name in NAMES]
    shown_names = page.locator(".picture > svg .group-name").all_text_contents()
    assert len(shown_names) == len(NAMES)
    assert shown_names[2].partition("\u2026")[0].strip() in NAMES[2]
    ends = (
        "(svg) => [...svg.querySelectorAll('.group-name')]"
        ".map((name) => name.getBoundingClientRect().right)"
    )
    assert max(page.locator(".picture > svg").evaluate(ends)) < 0.45 * width
