"""The app as a person meets it, in a real browser."""

import csv
import json
import re
import tempfile
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from axe_core_python.sync_playwright import Axe
from partialpool.app.exercises import EXERCISES
from partialpool.app.state import Simulation

from conftest import drawn, says, wait_for
from partialpool.app import simulator


def serious(page):
    """What axe calls serious, with everything unfolded."""
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    return [
        (v["id"], v["impact"], [n["html"][:120] for n in v["nodes"]][:3])
        for v in Axe().run(page)["violations"]
        if v["impact"] in ("serious", "critical")
    ]


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
    for chart in ("shrinkage", "trace"):
        drawn(page, chart)
    assert "marks & more.csv" in page.locator("[data-text=python]").text_content()
    table = page.locator("[data-table=groups] tbody tr")
    assert table.count() == 5


def in_counties(tmp_path):
    """Rows of tracts in counties: labels of tracts begin anew in each county."""
    path = tmp_path / "health.csv"
    rows = [
        (f"county {c}", f"tract {t}", "urban" if c % 2 else "rural", i, 10 + c + t + i * c / 5
         + (7 * i + 3 * c + 5 * t) % 11 / 4)
        for c in range(8) for t in range(3) for i in range(5)
    ]  # fmt: skip
    lines = ("county,tract,kind,income,health", *(",".join(map(str, row)) for row in rows))
    path.write_text("\n".join(lines))
    return path


def test_predictors_slopes_and_nested_groups_are_chosen_not_written(open_page, tmp_path):
    page = open_page("?source=file", color_scheme="dark")
    page.set_input_files("#upload", in_counties(tmp_path))
    says(page, "file_message", "5 columns")
    page.select_option("#group", "tract")
    page.select_option("#second", "county")
    page.get_by_text("Predictors", exact=True).click()
    page.get_by_label("kind: how it is used").select_option("text")
    page.get_by_label("income: how it is used").select_option("number")
    page.get_by_label("income: its effect").select_option("second")
    assert not page.locator("#predictors [data-column=health]").is_visible()
    asked = "health ~ 1 + kind + income + (1 + income | county) + (1 | county:tract)"
    says(page, "asked", re.escape(asked))
    page.get_by_role("button", name="Fit", exact=True).click()
    says(page, "headline", re.escape(asked))
    for chart in ("shrinkage", "tau", "trace", "more1"):
        drawn(page, chart)
    titles = page.locator("figure:visible h2").all_text_contents()
    assert "health by income in each county" in titles
    assert "Levels of health by county:tract, in their order" in titles
    names = page.locator("[data-table=parameters] tbody th").all_text_contents()
    assert {"kind[urban]", "income", "tau[county, income]", "tau[county:tract]"} <= set(names)
    page.get_by_text("Copy, save, share").click()
    page.locator("#chart").select_option(label="health by income in each county")
    with page.expect_download() as download:
        page.get_by_role("link", name="SVG").click()
    assert "income in each county" in download.value.path().read_text()
    assert serious(page) == []
    page.select_option("#shape", "formula")
    assert page.locator("#formula").input_value() == asked


def test_an_upload_is_gone_when_the_page_is_closed(open_page, tmp_path):
    before = set(uploads())
    page = open_page("?source=file")
    page.set_input_files("#upload", in_counties(tmp_path))
    says(page, "file_message", "5 columns")
    assert len(set(uploads()) - before) == 1
    page.close()
    wait_for(lambda: set(uploads()) <= before, "the upload to be removed")


def uploads():
    return Path(tempfile.gettempdir()).glob("fileupload-*")


def test_the_weight_follows_pointer_and_keyboard(open_page):
    page = open_page()
    drawn(page, "shrinkage", 12)
    says(page, "weight_how", "posterior")
    groups = json.loads(page.evaluate("JSON.stringify([...document.querySelector('#focus').options]"
                                      ".map(o => o.value))"))  # fmt: skip
    rows = simulator.live(Simulation(), None, simulator.Sender(), False)
    rows = rows["charts"]["shrinkage"]["data"]["groups"]
    weight = {g: 100 * w for g, w in zip(rows["group"], rows["weight"], strict=True)}
    box = page.locator("[data-chart=shrinkage] svg").bounding_box()
    seen = set()
    for share in (0.2, 0.4, 0.6, 0.8):
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + share * box["height"])
        group = page.locator("#focus").input_value()
        seen.add(group)
        assert f"{weight[group]:.0f}% on its own value" in page.locator("#weight").text_content()
    assert len(seen) > 2
    page.locator("#focus").focus()
    page.keyboard.press("Home")
    assert page.locator("#focus").input_value() == groups[0]
    page.keyboard.press("ArrowDown")
    assert f"{weight[groups[1]]:.0f}% on its own" in page.locator("#weight").text_content()


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
    for query in ("", "?source=classic", "?source=classic&dataset=high_school", "?source=file"):
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
    assert serious(page) == []
