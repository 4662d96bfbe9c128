"""A server of its own, and Debian's Chromium.

Run by itself, `pytest tests/browser`: Shiny's server in memory does not start in a process in
which Playwright has run.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import sync_playwright

PATIENCE = 60
"""Seconds after which a condition that is waited for has failed."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync"]  # fmt: skip


@contextmanager
def served(log):
    """Run the app on a free port; yields its address."""
    from socket import socket

    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "partialpool", "app", "--no-browser", "--port", str(port)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_for(lambda: process.poll() is None and answers(address), "the server")
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE)


def answers(address):
    try:
        with urlopen(address, timeout=PATIENCE) as response:
            return response.status == 200
    except (URLError, ConnectionError):
        return False


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of a running app."""
    with open(tmp_path_factory.mktemp("server") / "log", "w+") as log, served(log) as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium."""
    path = shutil.which("chromium")
    assert path, "these tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def open_page(chromium, server):
    """Open the app; after the test, nothing came from elsewhere and no script failed."""
    contexts, requests, failures = [], [], []

    def call(query="", **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("request", lambda r: requests.append(r.url))
        page.on("pageerror", lambda e: failures.append(str(e)))
        page.on("console", lambda m: m.type == "error" and failures.append(m.text))
        page.goto(server + query)
        return page

    yield call
    for context in contexts:
        context.close()
    outside = [u for u in requests if not u.startswith((server, "data:", "blob:"))]
    assert outside == []
    assert failures == []


def drawn(page, name, count=1):
    """Wait until a chart has marks."""
    page.wait_for_function(
        "([name, count]) => document.querySelectorAll(`[data-chart=${name}] svg path`).length"
        " >= count",
        arg=[name, count],
    )


def says(page, name, pattern):
    """Wait until a text matches a pattern, and return it."""
    page.wait_for_function(
        "([name, pattern]) => new RegExp(pattern).test("
        "document.querySelector(`[data-text=${name}]`).textContent)",
        arg=[name, pattern],
    )
    return page.locator(f"[data-text={name}]").first.text_content()


def first_number(text):
    return float(re.search(r"\d+(\.\d+)?", text)[0])


def frame(method, **data):
    """A message of Shiny's protocol."""
    return json.dumps({"method": method, "data": data})
