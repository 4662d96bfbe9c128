"""The app as a person meets it, in a real browser."""

import csv
import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from axe_core_python.sync_playwright import Axe

from conftest import drawn, says
from partialpool.app import simulator
from partialpool.app.exercises import EXERCISES
from partialpool.app.state import Simulation


def state_of(page):
    return Simulation.read(dict(parse_qsl(urlsplit(page.url).query)))


def at(page, state):
    """Wait until the page shows a state."""
    says(page, "here", re.escape(f"is {simulator.drawn(state).errors[state.estimator]:.3g}:"))
    assert state_of(page) == state


@pytest.mark.parametrize("exercise", EXERCISES[:1] + EXERCISES[4:5], ids=lambda e: e.name)
def test_an_exercise_from_click_to_download(open_page, exercise, tmp_path):
    page = open_page()
    drawn(page, "shrinkage", 12)
    page.get_by_role("button", name=exercise.title).click()
    at(page, exercise.state)
    says(page, "claim", re.escape(exercise.claim[:30]))
    says(page, "expected", "Over [0-9,]+ such worlds")
    says(page, "verdict", "worlds")
    drawn(page, "errors", 2)
    drawn(page, "tau", 1)
    chip = page.get_by_role("button", name=exercise.title)
    assert chip.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="New draw").click()
    at(page, Simulation(**{**vars_of(exercise.state), "seed": 2}))
    page.get_by_text("Copy, save, share").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with open(download.value.path(), newline="") as file:
        truth = [float(row["truth"]) for row in csv.DictReader(file)]
    assert truth == pytest.approx(simulator.drawn(state_of(page)).truth.tolist())


def vars_of(state):
    return {name: getattr(state, name) for name in state.__slots__}


def test_a_file_from_upload_to_picture(open_page, tmp_path):
    path = tmp_path / "marks & more.csv"
    rows = [f"{'ABCDE'[i % 5]},{50 + 4 * (i % 5) + i * 7 % 11}" for i in range(60)]
    path.write_text("\n".join(["school,mark", *rows]))
    page = open_page("?source=file")
    page.set_input_files("#upload", path)
    says(page, "file_message", "2 columns")
    assert page.locator("#group").input_value() == "school"
    assert page.locator("#outcome").input_value() == "mark"
    page.get_by_role("button", name="Fit", exact=True).click()
    says(page, "headline", ".")
    for chart in ("shrinkage", "tau", "trace"):
        drawn(page, chart)
    assert "marks & more.csv" in page.locator("[data-text=python]").text_content()
    table = page.locator("[data-table=groups] tbody tr")
    assert table.count() == 5


def test_classic_data_and_a_held_tau_come_back_from_the_address(open_page):
    page = open_page("?source=classic&dataset=eight_schools")
    drawn(page, "shrinkage", 8)
    says(page, "held", "not held")
    page.locator("#held_tau").focus()
    page.keyboard.press("End")
    words = says(page, "held", "held at")
    page.wait_for_url("**held_tau=*")
    again = open_page(page.url.rpartition("/")[2])
    drawn(again, "shrinkage", 8)
    assert says(again, "held", "held at") == words


def test_the_address_restores_the_world(open_page):
    state = Simulation(groups=7, tau=2.5, population="outlier", estimator="reml", seed=9)
    page = open_page("?" + state.query)
    at(page, state)
    page.locator("#sigma_known").check()
    known = Simulation(**{**vars_of(state), "sigma_known": True})
    at(page, known)
    at(open_page("?" + urlsplit(page.url).query), known)


def test_everything_can_be_done_with_the_keyboard(open_page):
    page = open_page()
    drawn(page, "shrinkage", 12)
    says(page, "here", "mean squared")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "tau":
            break
    assert page.evaluate("document.activeElement.id") == "tau"
    before = page.locator("[data-chart=shrinkage] svg").inner_html()
    page.keyboard.press("ArrowRight")
    at(page, Simulation(tau=5.1))
    page.wait_for_function(
        "before => document.querySelector('[data-chart=shrinkage] svg').innerHTML !== before",
        arg=before,
    )
    assert page.locator("output[for=tau]").text_content() == "5.1"
    page.locator("#source input:checked").focus()
    page.keyboard.press("ArrowRight")
    says(page, "headline", ".")
    assert page.evaluate("document.body.dataset.source") == "classic"


def test_a_phone_is_wide_enough(open_page):
    for query in ("", "?source=classic", "?source=file"):
        page = open_page(query, viewport={"width": 390, "height": 844}, has_touch=True)
        if query != "?source=file":
            drawn(page, "shrinkage")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, query


def test_the_dark_is_dark_and_kept(open_page):
    page = open_page(color_scheme="dark")
    drawn(page, "shrinkage", 12)
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "dark"
    red, green, blue = map(int, re.findall(
        r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")
    )[:3])  # fmt: skip
    assert max(red, green, blue) < 64
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(theme) == "light"
    page.reload()
    drawn(page, "shrinkage", 12)
    assert page.evaluate(theme) == "light"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("query", ["", "?source=classic", "?source=file"])
def test_axe_finds_nothing_serious(open_page, scheme, query):
    page = open_page(query, color_scheme=scheme, reduced_motion="reduce")
    match query:
        case "":
            drawn(page, "errors")
            says(page, "expected", "worlds")
        case "?source=classic":
            drawn(page, "trace")
        case _:
            says(page, "file_message", "Choose a file")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    found = Axe().run(page)["violations"]
    ours = [
        (v["id"], v["impact"], [n["html"][:120] for n in v["nodes"]][:3])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert ours == [], json.dumps(ours, indent=1)
