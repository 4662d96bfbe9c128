"""Your file as a person meets it, in a real browser; and the page around it."""

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from axe_core_python.sync_playwright import Axe

import partialpool as pp
from conftest import PATIENCE, YourFile, served, until, wait_for
from partialpool import datasets
from partialpool.rows.files import write_table


def scores(groups=12, rows=15, seed=1):
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(groups), rows)
    return pd.DataFrame({
        "pupil": np.arange(len(place)),
        "site": [f"Site {i}" for i in place],
        "score": (rng.normal(70, 5, groups)[place] + rng.normal(0, 10, len(place))).round(2),
        "income": rng.normal(30, 5, len(place)).round(1),
    })  # fmt: skip


MESSY = (
    "Prüfung 2024;;;\r\n\r\nSchule;Punkte;Anteil;Kosten\r\n"
    + "".join(
        f"{'ABCDEF'[i % 6]};{60 + i * 7 % 13},{i % 10};{i % 100},5 %;1.{100 + i}\r\n"
        for i in range(48)
    )
).encode("cp1252")


def serious(page):
    found = Axe().run(page)
    return [v["id"] for v in found["violations"] if v["impact"] in ("serious", "critical")]


def test_a_file_is_answered_without_a_formula(your_file, tmp_path):
    data = scores()
    path = tmp_path / "my scores.csv"
    data.to_csv(path, index=False)
    mine = your_file().choose(str(path))
    assert mine.page.locator("[data-choice=outcome]").input_value() == "score"
    assert mine.page.locator("[data-choice=group]").input_value() == "site"
    answer = mine.fit()
    fit = pp.fit("score ~ 1 + (1 | site)", str(path))
    table = fit.group_table()
    best = table["group"][np.argmax(table["estimate"])]
    assert answer.startswith(f"{best} is highest: ")
    order = table["group"][np.argsort(-table["estimate"])]
    assert mine.names == order.tolist()
    assert mine.page.locator(".results svg .partial").count() >= 12
    wait_for(lambda: mine.formula == "score ~ 1 + (1 | site)", "the formula")
    name, content = mine.saved("csv")
    assert name == "my scores-groups.csv"
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert [float(r["estimate"]) for r in rows] == pytest.approx(table["estimate"])
    name, content = mine.saved("json")
    assert (name, json.loads(content)["formula"]) == ("my scores-fit.json", fit.formula)
    name, content = mine.saved("html")
    assert name == "my scores-report.html"
    assert b"<svg" in content


def test_every_data_set_in_order(your_file, tmp_path):
    """One after another in one page: nothing of the one before stays, nothing fails."""
    mine = your_file()
    for dataset in datasets.catalogue:
        path = tmp_path / f"{dataset.name}.csv"
        write_table(dataset.load(), str(path))
        mine.page.set_input_files("#file-input", str(path))
        mine.page.locator(".about bdi", has_text=path.name).wait_for()
        assert mine.page.locator(".results > *").count() == 0
        mine.page.locator("summary", has_text="Priors, and the formula").click()
        mine.page.locator("input[type=text]").first.wait_for()
        formula = mine.page.get_by_label("A formula in place of the choices")
        formula.fill(dataset.formula)
        mine.pick("family", dataset.family or "")
        wait_for(lambda: mine.formula == dataset.formula, f"the formula of {dataset.name}")  # noqa: B023
        mine.page.locator("[data-fit]").click()
        done = mine.page.locator(".answer h2, .message:not(:empty)").first
        done.wait_for(timeout=300_000)
        assert "is highest" in done.inner_text(), dataset.name


def test_a_messy_file_is_read_and_said(your_file, write):
    mine = your_file().choose(write("Übersicht.csv", MESSY))
    told = mine.page.locator(".about").inner_text()
    assert "taken as a title" in told
    assert "decimal comma" in told
    assert "Windows-1252" in told
    assert mine.page.locator("[data-choice=outcome]").input_value() == "Punkte"
    assert mine.page.locator("[data-choice=group]").input_value() == "Schule"
    mine.fit()
    assert sorted(mine.names) == list("ABCDEF")


def test_a_decimal_mark_can_be_said_where_the_file_leaves_it_open(your_file, write):
    rows = "".join(f'{"ABCD"[i % 4]},"{i % 7 + 1},{500 + i * i % 400}"\n' for i in range(40))
    mine = your_file().choose(write("pay.csv", "school,pay\n" + rows))
    assert "can be read in two ways" in mine.page.locator(".about").inner_text()
    mine.page.locator("[data-fit]").click()
    mine.message("two ways")
    mine.page.get_by_label("Decimal mark").select_option(",")
    until(mine.page, "!document.querySelector('.about').textContent.includes('two ways')")
    mine.fit()
    assert mine.page.locator(".results tbody td").nth(2).inner_text().startswith(("3", "4", "5"))


def test_a_workbook_with_a_title(your_file, tmp_path):
    path = tmp_path / "book.xlsx"
    data = scores(6, 8)
    with pd.ExcelWriter(path) as book:
        pd.DataFrame([["Spring results"]]).to_excel(book, header=False, index=False)
        data.to_excel(book, startrow=2, index=False)
    mine = your_file().choose(str(path))
    mine.fit()
    assert len(mine.names) == 6
    assert mine.saved("xlsx")[0] == "book-groups.xlsx"


def test_proportions_words_and_estimates(your_file, tmp_path):
    rng = np.random.default_rng(2)
    trials = rng.integers(20, 60, 15)
    path = tmp_path / "players.csv"
    hits = rng.binomial(trials, rng.beta(20, 50, 15))
    players = [f"P{i}" for i in range(15)]
    pd.DataFrame({"player": players, "at_bats": trials, "hits": hits}).to_csv(path, index=False)
    mine = your_file().choose(str(path))
    assert mine.page.locator("[data-choice=outcomeKind]").input_value() == "proportion"
    answer = mine.fit()
    expected = "hits | trials(at_bats) ~ 1 + (1 | player)"
    wait_for(lambda: mine.formula == expected, "the formula")
    assert "log-odds" in answer
    words = tmp_path / "words.csv"
    results = np.where(rng.random(100) < 0.4, "cured", "ill")
    sites = [f"S{i % 5}" for i in range(100)]
    pd.DataFrame({"site": sites, "result": results}).to_csv(words, index=False)
    mine.choose(str(words))
    mine.page.locator(".about bdi", has_text="words.csv").wait_for()
    mine.pick("event", "cured")
    mine.fit()
    assert '"cured" is counted as the event' in mine.page.locator(".notices").last.inner_text()
    mine.page.locator("[data-example]").wait_for(state="hidden")


def test_a_regression_with_slopes_and_nested_groups(your_file, tmp_path):
    rng = np.random.default_rng(3)
    place = np.arange(240) % 24
    x = rng.normal(size=240)
    path = tmp_path / "tracts.csv"
    data = {
        "tract": [f"t{i}" for i in place],
        "county": [f"c{i // 4}" for i in place],
        "x": x.round(3),
        "kind": np.where(rng.random(240) < 0.5, "a", "b"),
        "value": (rng.normal(size=24)[place] + x + rng.normal(size=240)).round(3),
    }
    pd.DataFrame(data).to_csv(path, index=False)
    mine = your_file().choose(str(path))
    assert mine.page.locator("[data-choice=second]").input_value() == "county"
    mine.page.locator("summary", has_text="Predictors").click()
    mine.page.get_by_label("x", exact=True).check()
    mine.page.get_by_label("Whether the effect of x differs").select_option("county")
    mine.page.get_by_label("kind", exact=True).check()
    expected = "value ~ 1 + x + kind + (1 + x | county) + (1 | county:tract)"
    wait_for(lambda: mine.formula == expected, "the formula")
    mine.page.set_default_timeout(180_000)
    mine.fit()
    mine.pick("effect", "1")  # the slopes of x, which are about 1
    mine.page.locator(".results tbody td").nth(2).wait_for()
    assert float(mine.page.locator(".results tbody td").nth(2).inner_text()) > 0.5
    said = mine.page.locator(".said").last
    for column, value in (("x", "0,5"), ("kind", "b")):
        field = mine.page.locator(f"[data-value={column}]")
        field.fill(value) if column == "x" else field.select_option(value)
    mine.page.locator("[data-predict]").click()
    wait_for(lambda: "expected value is" in said.inner_text(), "the prediction")
    assert said.inner_text().endswith(").")


def test_one_group_among_thousands(your_file, tmp_path):
    path = tmp_path / "many.csv"
    scores(5000, 4).to_csv(path, index=False)
    mine = your_file().choose(str(path))
    mine.fit()
    where = mine.page.locator(".where")
    assert "1 to 20 of 5,000" in where.inner_text()
    mine.page.locator("[data-turn=later]").click()
    mine.page.locator(".where", has_text="21 to 40").wait_for()
    mine.page.locator("[data-sort=group]").click()
    mine.page.locator("tr[data-group='Site 2']").wait_for()
    assert mine.names[:11] == [f"Site {i}" for i in range(11)]
    mine.page.locator("[data-search]").fill("site 4321")
    mine.page.locator(".where", has_text="1 found").wait_for()
    assert mine.names == ["Site 4321"]
    assert "%" in mine.page.locator("tr[data-group='Site 4321'] td").last.inner_text()
    mine.page.locator("[data-search]").fill("nowhere")
    mine.page.locator(".where", has_text="No name among 5,000").wait_for()
    for place, name in ((0, "Site 7"), (1, "Site 4999")):
        field = mine.page.locator(f"[data-compare='{place}']")
        field.fill(name)
        field.press("Tab")
    said = mine.page.locator(".said").first
    said.filter(has_text=re.compile("Site 7 minus Site 4999|Site 4999 .*Site 7")).wait_for()


def test_ranks_are_asked_for(your_file, tmp_path):
    path = tmp_path / "a.csv"
    scores().to_csv(path, index=False)
    mine = your_file().choose(str(path))
    mine.fit()
    mine.page.locator("[data-rank]").click()
    mine.page.locator("[data-sort=best]").wait_for()
    truth = pp.fit("score ~ 1 + (1 | site)", str(path)).rank_table()
    assert mine.names == truth["group"][np.argsort(truth["expected_rank"], kind="stable")].tolist()


def test_results_never_stand_beside_other_choices(your_file, tmp_path):
    path = tmp_path / "a.csv"
    scores().to_csv(path, index=False)
    mine = your_file().choose(str(path))
    mine.fit()
    results, stale = mine.page.locator(".results"), mine.page.locator(".stale")
    mine.pick("outcome", "income")
    stale.wait_for()
    assert not results.is_visible()
    mine.pick("outcome", "score")
    results.wait_for()
    assert not stale.is_visible()


def test_a_fit_can_be_cancelled(your_file, tmp_path):
    rng = np.random.default_rng(1)
    rows = 60_000
    path = tmp_path / "slow.csv"
    a, b, y = (rng.integers(0, size, rows) for size in (900, 800, 2))
    pd.DataFrame({"a": a, "b": b, "y": y, "x": rng.normal(size=rows)}).to_csv(path, index=False)
    mine = your_file().choose(str(path))
    mine.page.locator("summary", has_text="Priors, and the formula").click()
    mine.page.get_by_label("A formula in place of the choices").fill(
        "y ~ x + (1 + x | a) + (1 | b)"
    )
    mine.pick("family", "binomial")
    mine.page.locator("[data-fit]").click()
    cancel = mine.page.locator("[data-cancel]")
    cancel.wait_for()
    mine.page.wait_for_timeout(1000)
    cancel.click()
    mine.message("Cancelled")
    assert not cancel.is_visible()
    assert mine.page.locator("[data-fit]").is_enabled()


def test_errors_are_the_commands_words(your_file, write):
    mine = your_file().choose(write("alike.csv", "school,score\n" + "A,5\nB,5\nC,5\n" * 5))
    mine.page.locator("summary", has_text="Priors, and the formula").click()
    mine.page.get_by_label("A formula in place of the choices").fill("score ~ 1 + (1 | school)")
    mine.page.locator("[data-fit]").click()
    assert "all values are equal" in mine.message("equal")


def test_the_example_is_eight_schools(your_file):
    mine = your_file()
    mine.page.locator("[data-example]").click()
    mine.page.wait_for_selector("[data-choice=se]")
    assert mine.fit().startswith("A is highest: 11")


def test_a_reload_keeps_file_choices_and_result(your_file, tmp_path):
    path = tmp_path / "a.csv"
    scores().to_csv(path, index=False)
    mine = your_file().choose(str(path)).pick("outcome", "income")
    answer = mine.fit()
    mine.page.reload()
    mine.page.locator(".answer h2").wait_for()
    assert mine.page.locator("[data-choice=outcome]").input_value() == "income"
    assert mine.answer == answer


def test_two_tabs_show_two_files(your_file, tmp_path):
    names = []
    for seed in (1, 2):
        path = tmp_path / f"{seed}.csv"
        scores(seed=seed).to_csv(path, index=False)
        mine = your_file().choose(str(path))
        mine.fit()
        names.append((mine, mine.names))
    assert names[0][1] != names[1][1]
    for mine, shown in names:
        mine.page.locator("[data-sort=estimate]").click()
        mine.page.locator("[aria-sort=ascending]").wait_for()
        assert mine.names == shown[::-1]


def test_the_server_stops_and_comes_back(chromium, tmp_path):
    """Lesson and laboratory go on; Your file says so, keeps its choices, and returns by itself."""
    path = tmp_path / "a.csv"
    scores().to_csv(path, index=False)
    context = chromium.new_context(viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    with open(tmp_path / "log", "w") as log:
        with served(log) as address:
            port = int(address.rstrip("/").rsplit(":", 1)[1])
            page.goto(f"{address}?part=laboratory")
            page.locator("#laboratory svg").first.wait_for()
            page.goto(f"{address}?part=lesson")
            page.locator("#lesson h1").wait_for()
            page.locator("[data-part-link=file]").last.click()
            mine = YourFile(page).choose(str(path)).pick("outcome", "income")
        mine.page.locator("[data-fit]").click()
        page.locator(".lost", has_text="connection to the server is lost").wait_for()
        assert page.locator("[data-choice=outcome]").input_value() == "income"
        page.locator("[data-part-link=lesson]").last.click()
        page.locator("#lesson h1").wait_for()
        page.locator("#lesson svg").first.wait_for()
        page.locator("[data-part-link=file]").last.click()
        with served(log, port):
            page.locator(".answer h2").wait_for()
            wait_for(lambda: mine.formula == "income ~ 1 + (1 | site)", "the formula")
            page.locator("[data-rank]").click()
            page.locator("[data-sort=best]").wait_for()
    context.close()


def test_a_file_given_at_the_start_is_open(chromium, tmp_path):
    path = tmp_path / "given.csv"
    scores().to_csv(path, index=False)
    page = chromium.new_page()
    with open(tmp_path / "log", "w") as log, served(log, None, str(path)) as address:
        page.goto(f"{address}?part=file")
        page.locator(".about bdi", has_text="given.csv").wait_for()
        mine = YourFile(page)
        assert "is highest" in mine.fit()
    page.close()


def test_inside_another_page_no_file_is_asked_for(open_page):
    page = open_page("?part=file")
    page.locator(".drop").wait_for()
    page = open_page("?embed=1")
    page.locator("#lesson h1, #lesson svg").first.wait_for()
    assert page.locator(".drop").count() == 0


@pytest.mark.parametrize("size", [(390, 844), (320, 640), (700, 500), (1280, 800)])
def test_no_page_is_wider_than_its_screen(your_file, tmp_path, size):
    path = tmp_path / "a.csv"
    scores().to_csv(path, index=False)
    mine = your_file(viewport={"width": size[0], "height": size[1]}).choose(str(path))
    mine.page.evaluate(
        "document.querySelectorAll('.form details').forEach(e => { e.open = true; })"
    )
    mine.fit()
    mine.page.locator("[data-rank]").click()
    mine.page.locator("[data-sort=best]").wait_for()
    assert mine.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    small = mine.page.evaluate(
        "[...document.querySelectorAll('#file button, #file select, #file summary, #file input')]"
        ".filter(e => e.checkVisibility() && e.type !== 'file' && e.type !== 'checkbox')"
        ".filter(e => e.getBoundingClientRect().height < 43.5).map(e => e.outerHTML)"
    )
    assert small == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(your_file, tmp_path, scheme):
    path = tmp_path / "a.csv"
    scores().to_csv(path, index=False)
    mine = your_file(color_scheme=scheme, reduced_motion="reduce")
    assert serious(mine.page) == []
    mine.choose(str(path))
    assert serious(mine.page) == []
    mine.fit()
    assert serious(mine.page) == []


def test_by_keyboard_alone(your_file, tmp_path):
    path = tmp_path / "a.csv"
    scores().to_csv(path, index=False)
    mine = your_file().choose(str(path))
    mine.page.locator("[data-choice=outcome]").focus()
    for _ in range(30):
        if mine.page.evaluate("document.activeElement.dataset.fit !== undefined"):
            break
        mine.page.keyboard.press("Tab")
    mine.page.keyboard.press("Enter")
    mine.page.locator(".answer h2").wait_for()
    assert mine.page.evaluate("document.activeElement === document.querySelector('.answer h2')")
