"""Draw docs/app.png, the README's picture of the app: python docs/app_picture.py.

Needs the test extra and Debian's chromium.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def main(target: Path) -> None:
    """Start the app, wait until the first step of its lesson is drawn, and take the picture."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "partialpool", "app", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(command)
    try:
        address = f"http://127.0.0.1:{port}/"
        for _ in range(100):
            try:
                urlopen(address).close()
                break
            except URLError:
                time.sleep(0.2)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            page.goto(address)
            page.locator("#lesson svg").first.wait_for()
            page.wait_for_timeout(1000)
            page.screenshot(path=target)
            browser.close()
    finally:
        server.terminate()


if __name__ == "__main__":
    main(Path(__file__).with_name("app.png"))
