"""The exported page on a plain file server, in a subfolder; and the page inside a notebook."""

import json
import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import partialpool as pp
from partialpool.app.export import export

PYODIDE = Path(
    os.environ.get("CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "partialpool"),
    "pyodide-0.27.7",
)
SLOW = 240_000
"""Milliseconds that Python may take to begin on a busy machine; 10 s on an idle one."""
FITS = {
    "eight_schools": "",
    "seeds": "germinated | trials(seeds) ~ variety * extract + (1 | plate)",
    "sleepstudy": "reaction ~ days + (days | subject)",
}


class Quiet(SimpleHTTPRequestHandler):
    """Serves files as any server does, and says nothing."""

    def guess_type(self, path):
        """Types of modules whatever the machine's own list says."""
        known = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
        return known.get(Path(path).suffix) or super().guess_type(path)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of an export, with a distribution of Pyodide where there is one."""
    folder = tmp_path_factory.mktemp("site")
    there = (PYODIDE / "pyodide.mjs").is_file()
    export(folder / "courses" / "lesson", pyodide=str(PYODIDE) if there else None)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/courses/lesson/"
        server.shutdown()


@pytest.fixture
def visit(chromium):
    """Open an address; what was asked for and what went wrong stand in lists."""
    contexts = []

    def call(address):
        context = chromium.new_context()
        contexts.append(context)
        page = context.new_page()
        page.requests, page.failures = [], []
        context.on("request", lambda r: page.requests.append(r.url))
        page.on("pageerror", lambda e: page.failures.append(str(e)))
        page.on("console", lambda m: m.type == "error" and page.failures.append(m.text))
        page.goto(address)
        return page

    yield call
    for context in contexts:
        context.close()


def outside(page, site):
    return [u for u in page.requests if not u.startswith((site, "data:", "blob:"))]


def test_lesson_and_laboratory_in_a_subfolder(visit, site):
    page = visit(site)
    page.wait_for_selector("#lesson svg")
    for query, drawing in (
        ("?step=3", "#lesson svg"), ("?step=12", "#lesson svg"), ("?embed=1&step=5", "#lesson svg"),
        ("?part=laboratory", "#laboratory svg"),
    ):  # fmt: skip
        page.goto(site + query)
        page.wait_for_selector(drawing)
    page.goto(f"{site}?part=file")
    page.wait_for_selector("text=stays in your browser")
    assert outside(page, site) == []
    assert [u for u in page.requests if "pyodide" in u or u.endswith(".zip")] == []
    assert page.failures == []


def test_from_a_disk_a_sentence_says_what_to_do(visit, tmp_path):
    export(tmp_path / "lesson")  # fits nothing: the classics of this process are there already
    page = visit((tmp_path / "lesson" / "index.html").as_uri())
    page.wait_for_selector("text=python -m http.server")


def test_python_that_cannot_be_fetched_is_said(visit, site):
    page = visit(f"{site}?part=file")
    page.context.route("**/pyodide.mjs", lambda route: route.abort())
    page.click("[data-example]")
    page.wait_for_selector("text=Python could not be fetched from")


def as_file(name):
    """A bundled data set as a text of CSV."""
    table = getattr(pp.datasets, name)()
    lines = [",".join(table), *(",".join(map(str, row.values())) for row in table.rows())]
    return "\n".join(lines) + "\n"


def drop(page, name, text):
    """Drop a file onto the page, as a mouse does."""
    page.evaluate(
        """([name, text]) => {
          const data = new DataTransfer();
          data.items.add(new File([text], name));
          document.querySelector(".drop").dispatchEvent(
            new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        [name, text],
    )
    page.wait_for_selector(f".about:has-text('{name}')", timeout=SLOW)


def fitted(page, formula):
    """Fit in the page and save the numbers."""
    if formula:
        page.click("text=Priors, and the formula")
        page.fill("input[spellcheck=false]", formula)
    page.click("[data-fit]")
    page.wait_for_selector("[data-download=json]", timeout=SLOW)
    with page.expect_download() as waiting:
        page.click("[data-download=json]")
    return json.loads(Path(waiting.value.path()).read_text(encoding="utf-8"))


def cancelled_and_fitted_again(page, before):
    """Cancelling ends Python; the next fit begins it anew and gives it the file."""
    page.evaluate(
        """() => {
          document.querySelector("[data-fit]").click();
          document.querySelector("[data-cancel]").click();
        }"""
    )
    page.wait_for_selector("text=Cancelled.")
    page.click("[data-fit]")
    page.wait_for_selector("[data-fit]:enabled", timeout=SLOW)
    with page.expect_download() as waiting:
        page.click("[data-download=json]")
    assert json.loads(Path(waiting.value.path()).read_text(encoding="utf-8")) == before


def numbers(value):
    """Every number of a value, in its order."""
    if isinstance(value, dict):
        return [x for v in value.values() for x in numbers(v)]
    if isinstance(value, list):
        return [x for v in value for x in numbers(v)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


@pytest.mark.skipif(
    not (PYODIDE / "pyodide.mjs").is_file(), reason=f"no {PYODIDE}: sh scripts/pyodide fetches it"
)
def test_dropped_files_are_fitted_in_the_browser_to_the_same_digits(visit, site, tmp_path):
    page = visit(f"{site}?part=file")
    page.wait_for_selector("[data-example]")
    for name, formula in FITS.items():
        drop(page, f"{name}.csv", as_file(name))
        got = fitted(page, formula)
        path = tmp_path / f"{name}.csv"
        path.write_text(as_file(name), encoding="utf-8")
        expected = pp.fit(got["formula"], path).to_dict()
        for part in ("parameters", "groups"):
            np.testing.assert_allclose(numbers(got[part]), numbers(expected[part]), rtol=1e-9)
            assert len(numbers(got[part])) > 2
        assert [g["group"] for g in got["groups"]] == [g["group"] for g in expected["groups"]]
    assert not [u for u in page.requests if u.endswith("workbooks.zip")]
    assert page.locator("[data-download=parquet]").count() == 0
    with page.expect_download() as waiting:
        page.click("[data-download=xlsx]")
    table = pp.read(waiting.value.path().rename(tmp_path / "groups.xlsx"))
    np.testing.assert_allclose(
        table["estimate"], [g["estimate"] for g in got["groups"]], rtol=1e-12
    )
    assert len([u for u in page.requests if u.endswith("pyodide.asm.wasm")]) == 1
    cancelled_and_fitted_again(page, got)
    assert outside(page, site) == []
    assert page.failures == []


# a notebook -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "drawing"), [(3, "#lesson svg"), (12, "#lesson svg"), (None, "#laboratory svg")]
)
def test_a_notebook_draws_it_without_a_request(visit, step, drawing):
    page = visit("about:blank")
    page.set_content(f"<h1>A notebook</h1>{pp.simulate.show(step)._repr_html_()}")
    frame = page.frame_locator("iframe")
    frame.locator(drawing).first.wait_for()
    if step == 3:
        frame.locator("a.next").click()
        frame.locator("h1", has_text="How the data came about").wait_for()
    assert [u for u in page.requests if not u.startswith(("data:", "about:", "blob:"))] == []
    assert page.failures == []
