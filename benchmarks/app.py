"""The app: from slider to picture, bytes, processor time, twenty people at once.

    python benchmarks/app.py [--seconds 20] [--people 20]

Starts the app, drives Debian's Chromium and websocket clients on this machine, and prints each
number beside what it should be. Needs the test extra, chromium, and Linux's /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import Request, urlopen

from playwright.sync_api import sync_playwright
from websockets.asyncio.client import connect

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
MOVE = """async ([value]) => {
  const slider = document.querySelector('#tau');
  const place = document.querySelector('[data-chart=shrinkage]');
  const before = performance.now();
  const drawn = new Promise((done) => place.addEventListener('drawn', done, { once: true }));
  slider.value = value;
  slider.dispatchEvent(new Event('input', { bubbles: true }));
  await drawn;
  await new Promise(requestAnimationFrame);
  return performance.now() - before;
}"""
CONTROLS = {"groups": 12, "n": 15, "imbalance": 0.7, "tau": 5, "sigma": 10, "seed": 1,
            "population": "normal", "estimator": "posterior", "sigma_known": False,
            "source": "simulate", "dark": False}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--people", type=int, default=20)
    given = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "partialpool", "app", "--no-browser", "--port", str(port)]
    one = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    server = subprocess.Popen(command, env=one)
    try:
        address = f"http://127.0.0.1:{port}/"
        wait_for(address)
        rows = [("cold page, gzipped", f"{cold_page(address) / 2**20:.2f} MB", "1 MB")]
        rows += browser(address)
        rows += asyncio.run(updates(port, server.pid))
        rows += asyncio.run(crowd(port, server.pid, given.people, given.seconds))
    finally:
        server.terminate()
        server.wait()
    width = max(len(r[0]) for r in rows)
    for name, value, target in rows:
        print(f"{name:<{width}}  {value:>18}  at most {target}")


def wait_for(address: str) -> None:
    for _ in range(300):
        try:
            urlopen(address).close()
            return
        except URLError:
            time.sleep(0.2)
    raise SystemExit("the app did not start")


def cold_page(address: str) -> int:
    """Bytes of the page and all it loads, compressed where the server does."""
    found = fetch(address)
    names = re.findall(r'(?:src|href)="([^":#]+)"', gzip.decompress(found).decode())
    return len(found) + sum(len(fetch(address + name)) for name in names)


def fetch(address: str) -> bytes:
    with urlopen(Request(address, headers={"Accept-Encoding": "gzip"})) as response:
        content: bytes = response.read()
    return content


def browser(address: str) -> list[tuple[str, str, str]]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = chromium.new_page()
        page.goto(address)
        page.wait_for_selector("[data-chart=shrinkage] svg")
        page.wait_for_timeout(4000)
        times = []
        for i in range(60):
            times.append(page.evaluate(MOVE, [round(3 + 0.1 * i, 1)]))
            page.wait_for_timeout(60)
        chromium.close()
    times = times[5:]
    return [
        ("slider to picture, median", f"{statistics.median(times):.0f} ms", "100 ms"),
        ("slider to picture, 95%", f"{statistics.quantiles(times, n=20)[-1]:.0f} ms", ""),
    ]


async def session(port: int) -> object:
    """A client that has sent its controls."""
    socket = await connect(f"ws://127.0.0.1:{port}/websocket/", max_size=None)
    start = {
        **CONTROLS,
        ".clientdata_output_live_hidden": False,
        ".clientdata_url_search": "",
    }
    await socket.send(json.dumps({"method": "init", "data": start}))
    return socket


async def answer(socket: object) -> int:
    """Wait for a picture; return the bytes of the message that brings it."""
    while True:
        text = await asyncio.wait_for(socket.recv(), 60)  # type: ignore[attr-defined]
        if '"live"' in text and '"values"' in text and '"charts"' in text:
            return len(text)


def processor_time(pid: int) -> float:
    """Seconds that a process has used, without its children."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


async def updates(port: int, pid: int) -> list[tuple[str, str, str]]:
    """Bytes and processor time of moves that come one after another."""
    socket = await session(port)
    await answer(socket)
    sizes = []
    moves = 200
    before = processor_time(pid)
    for i in range(moves):
        data = {"tau": round(3 + 0.1 * (i % 100), 1), "seed": 100 + i}  # each world is new
        await socket.send(json.dumps({"method": "update", "data": data}))  # type: ignore[attr-defined]
        sizes.append(await answer(socket))
    used = (processor_time(pid) - before) / moves
    await socket.close()  # type: ignore[attr-defined]
    return [
        ("bytes of an update, before compression", f"{statistics.median(sizes):,.0f}", "10 kB"),
        ("processor time of the server an update", f"{1e3 * used:.1f} ms", "10 ms"),
    ]


BARE = """
import time
waits = []
for _ in range(100):
    time.sleep(0.05)
    begin = time.perf_counter()
    end = time.process_time() + 0.007
    while time.process_time() < end:
        pass
    waits.append(time.perf_counter() - begin)
print(sorted(waits)[94])
"""


def bare() -> list[tuple[str, str, str]]:
    """How long 7 ms of work take on this machine by themselves, now: what else runs here."""
    found = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=True)
    return [("7 ms of bare work at the same time, 95%", f"{1e3 * float(found.stdout):.0f} ms", "")]


async def crowd(port: int, pid: int, people: int, seconds: int) -> list[tuple[str, str, str]]:
    """Latency of moves when many people make one a second."""
    waits: list[float] = []
    begun: list[float] = []

    async def person(i: int) -> None:
        socket = await session(port)
        await answer(socket)
        await asyncio.sleep(2 + i / people)
        begun.append(processor_time(pid))
        for k in range(seconds):
            begin = time.perf_counter()
            data = {"tau": round(2 + 0.1 * ((k + i) % 80), 1), "seed": i}
            await socket.send(json.dumps({"method": "update", "data": data}))  # type: ignore[attr-defined]
            await answer(socket)
            waits.append(time.perf_counter() - begin)
            await asyncio.sleep(max(0.0, 1 - (time.perf_counter() - begin)))
        await socket.close()  # type: ignore[attr-defined]

    *_, alone = await asyncio.gather(*(person(i) for i in range(people)), asyncio.to_thread(bare))
    used = (processor_time(pid) - min(begun)) / len(waits)
    name = f"{people} people, one move a second"
    ms = [1e3 * w for w in waits]
    return [
        (f"{name}, median", f"{statistics.median(ms):.0f} ms", ""),
        (f"{name}, 95%", f"{statistics.quantiles(ms, n=20)[-1]:.0f} ms", "250 ms"),
        *alone,
        (f"{name}, processor time a move and its averages", f"{1e3 * used:.1f} ms", ""),
    ]


if __name__ == "__main__":
    main()
