"""The page of static files as a plain server gives it, with a small classics.json beside it."""

import functools
import http.server
import json
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from watched_pages import watched

import partialpool

WWW = Path(partialpool.__file__).parent / "app" / "www"
PATIENCE = 30_000
"""Milliseconds after which a condition that is waited for has failed."""
STEPS = 15


def group(name, own, estimate, **more):
    return {"name": name, "own": own, "estimate": estimate, "lower": estimate - 0.1,
            "upper": estimate + 0.1, "shrinkage": 0.3} | more  # fmt: skip


def coefficient(name, complete, fixed, hierarchical):
    columns = (
        ("complete", "complete_se"),
        ("fixed", "fixed_se"),
        ("hierarchical", "hierarchical_sd"),
    )
    values = (complete, fixed, hierarchical)
    return {"name": name} | {
        key: number
        for names, pair in zip(columns, values, strict=True)
        for key, number in zip(names, pair, strict=True)
    }


def classics():
    """Made-up results in the format of classics.json; enough for the steps that read it."""
    proportions = [
        group(f"Group {j}", j / 20, 0.2 + j / 60, trials=10 + j, truth=0.25 + j / 70)
        for j in range(12)
    ]
    levels = [
        group(f"COUNTY {j}", j / 10, 0.5 + j / 40, n=1 + j, factor="county", term="Intercept")
        for j in range(30)
    ]
    common = {"story": "Houses & counties.", "citation": "A & B 1990", "grand": 0.3}
    radon = {
        "groups": levels,
        "coefficients": [
            coefficient("floor", (-0.6, 0.07), (-0.7, 0.07), (-0.65, 0.06)),
            coefficient("log(uranium)", (0.7, 0.05), (None, None), (0.8, 0.09)),
        ],
    }
    schools = {"groups": [item | {"factor": "school"} for item in levels]}
    species = {"groups": [item | {"factor": "species"} for item in levels[:7]]}
    data = {
        "radon": radon, "high_school": schools, "salamanders": species,
        "batting": {"groups": proportions}, "mailing": {"groups": proportions},
        "surgical_deaths": {"groups": [item | {"truth": None} for item in proportions]},
    }  # fmt: skip
    return {name: common | value for name, value in data.items()}


class Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript"
    }
    results = json.dumps(classics()).encode()

    def do_GET(self):
        if self.path.split("?")[0] != "/classics.json":
            return super().do_GET()
        self.send_response(200 if self.results else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(self.results)

    def log_message(self, *_):
        pass


class Bare(Handler):
    """The page without classics.json."""

    results = b""


@contextmanager
def served(handler):
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=WWW)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def site():
    with served(Handler) as address:
        yield address


@pytest.fixture(scope="session")
def bare_site():
    with served(Bare) as address:
        yield address


@pytest.fixture
def open_lesson(chromium, site):
    """Open a step; after the test no script has failed and nothing came from elsewhere."""
    with watched(chromium, site, patience=PATIENCE) as new_page:

        def call(step=1, query="", **options):
            page = new_page(**({"viewport": {"width": 1280, "height": 800}} | options))
            go(page, site, step, query)
            return page

        yield call


@contextmanager
def page_of_modules(chromium):
    """A page beside the modules, served as plain files."""
    with served(Handler) as address:
        page = chromium.new_page()
        page.goto(f"{address}worlds.js")
        yield page
        page.close()


def go(page, site, step, query=""):
    page.goto(f"{site}?step={step}{query}")
    shown(page, step)


def shown(page, step):
    """Wait until a step is there with its picture; its waits for data are over."""
    page.wait_for_function(
        "(step) => document.querySelector('.contents summary')?.textContent"
        ".startsWith(`Step ${step} `) && !document.querySelector('.waiting')"
        " && document.querySelector('.pictures, .controls')",
        arg=step,
    )


ANSWERED = {
    1: "&pick=2", 2: "&pooling=complete", 3: "&pull=45", 10: "&pick=1", 11: "&guess=3",
    14: "&nested=yes&alike=yes&want=effects",
}  # fmt: skip
"""Settings in the address with which a step shows all that it has."""
