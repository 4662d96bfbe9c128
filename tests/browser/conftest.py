"""A server of its own, and Debian's Chromium. Run by itself: `pytest tests/browser`."""

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
from watched_pages import watched

PATIENCE = 60
"""Seconds after which a condition that is waited for has failed."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync"]  # fmt: skip


@contextmanager
def served(log, port=None, *arguments):
    """Run the app on a free port, or on this one; yields its address."""
    from socket import socket

    if port is None:
        with socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    command = [sys.executable, "-m", "partialpool", "app", "--no-browser", "--port", str(port)]
    command += arguments
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


def until(page, expression):
    """Wait until an expression is true; Playwright's own way needs eval, which is refused."""
    wait_for(lambda: page.evaluate(expression), expression)


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


def is_failure(message):
    """Chromium itself writes of every answer 400, with which the server refuses a file."""
    return message.type == "error" and "status of 400" not in message.text


@pytest.fixture
def open_page(chromium, server):
    """Open the app; after the test, nothing came from elsewhere and no script failed."""
    with watched(chromium, server, is_failure=is_failure, patience=PATIENCE * 1000) as new_page:

        def call(query="", **options):
            page = new_page(**options)
            page.goto(server + query)
            return page

        yield call


class YourFile:
    """What a reader does with a file: opens, chooses, fits, reads."""

    def __init__(self, page):
        self.page = page

    def choose(self, path):
        self.page.set_input_files("#file-input", path)
        self.page.wait_for_selector("[data-choice=outcome]")
        return self

    def pick(self, choice, value):
        self.page.locator(f"[data-choice={choice}]").select_option(value)
        return self

    def fit(self):
        """Fit and return the answer in words."""
        self.page.locator("[data-fit]").click()
        self.page.locator(".answer h2").wait_for()
        return self.answer

    @property
    def answer(self):
        return self.page.locator(".answer").inner_text()

    @property
    def formula(self):
        return self.page.locator(".asked code").text_content()

    @property
    def names(self):
        """The groups of the page of the table, from top to bottom."""
        return self.page.locator(".results tbody th bdi").all_text_contents()

    def message(self, pattern):
        """Wait for a message that matches, and return it."""
        place = self.page.locator(".message", has_text=re.compile(pattern))
        place.wait_for()
        return place.text_content()

    def saved(self, kind):
        """Download a file: its name and its content."""
        with self.page.expect_download(timeout=180_000) as download:  # pictures begin slowly
            self.page.locator(f"[data-download={kind}]").click()
        return download.value.suggested_filename, download.value.path().read_bytes()


@pytest.fixture
def your_file(open_page):
    """Open the part for the reader's file."""
    return lambda **options: YourFile(open_page("?part=file", **options))


@pytest.fixture
def write(tmp_path):
    """Write a file; returns its path."""

    def call(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return call
