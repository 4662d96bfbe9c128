"""The page's arithmetic and the laboratory in Chromium, in processor time of its main thread.

    python benchmarks/laboratory.py

Needs playwright and Debian's chromium. The limits are those the page was designed for.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from pathlib import Path

from playwright.sync_api import CDPSession, sync_playwright

import partialpool

WWW = Path(partialpool.__file__).parent / "app" / "www"
MOVES = 60

ARITHMETIC = {
    "posterior, 12 groups (limit 10 ms)": ("posterior(data(12, 10))", 50),
    "posterior, 12 groups, sigma unknown": ("posterior(data(12, null))", 50),
    "posterior, 50 groups": ("posterior(data(50, 10))", 50),
    "2,000 worlds, closed forms (limit 300 ms)": ("over(2000, ['moments', 'reml'])", 3),
    "2,000 worlds, posterior": ("over(2000, ['posterior'])", 1),
}
SETTING = """async () => {
  const w = await import("/worlds.js");
  const world = (groups) => ({ n: w.sizes(groups, 15, 0.7), tau: 5, sigma: 10, mu: 70 });
  const data = (groups, sigma) => ({ ...w.world(world(groups)), sigma });
  const over = (replicates, names) => w.expected({ ...world(12), replicates }, names);
  window.calls = { data, over, posterior: w.posterior };
}"""
CALL = """() => {
  const { data, over, posterior } = window.calls;
  for (let i = 0; i < %d; i++) %s;
}"""
SLIDE = """(moves) => {
  const input = document.querySelector(".lab-side input[type=range]");
  for (let i = 0; i < moves; i++) {
    input.value = String(3 + (i % 20) * 0.5);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}"""
VIEWS = {
    "slider to picture (limit 16 ms)": "",
    "slider to picture, sigma unknown": "&sigma_known=0",
    "slider to picture, classic simulator": "&view=classic",
    "slider to picture, 50 groups": "&groups=50",
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files without a line for each request."""

    def log_message(self, *_: object) -> None:
        pass


def processor(session: CDPSession) -> float:
    """Milliseconds of processor time that the page's main thread has used."""
    found = session.send("Performance.getMetrics")["metrics"]
    return 1000 * next(m["value"] for m in found if m["name"] == "TaskDuration")


def main() -> None:
    handler = functools.partial(Quiet, directory=str(WWW))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 844})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(f"{address}worlds.js")
        page.evaluate(SETTING)
        for what, (text, times) in ARITHMETIC.items():
            call = CALL % (times, text)
            page.evaluate(call)
            began = processor(session)
            page.evaluate(call)
            print(f"{what:45s} {(processor(session) - began) / times:8.2f} ms")
        for what, query in VIEWS.items():
            page.goto(f"{address}?part=laboratory{query}")
            page.wait_for_function(
                "document.querySelector('.lab-bars .caption')?.textContent.includes('2,000 w')",
                timeout=120_000,
            )
            page.evaluate(SLIDE, MOVES)
            page.wait_for_timeout(3000)
            began = processor(session)
            page.evaluate(SLIDE, MOVES)
            print(f"{what:45s} {(processor(session) - began) / MOVES:8.2f} ms")
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
