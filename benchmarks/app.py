"""The app: a small file from Fit to the answer, 60 people at once, weight, hostile workbooks.

    python benchmarks/app.py [--people 60]

Starts the app, drives Debian's Chromium and clients on this machine, and prints each number beside
what it should be. Needs the test extra, chromium, and Linux's /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import io
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
SMALL = "site,score\n" + "".join(
    f"Site {i % 12},{70 + i * 37 % 23 - i % 12}.{i % 10}\n" for i in range(180)
)
CHOICES = {"outcome": "score", "outcomeKind": "measurement", "groups": ["site"]}
FORMULA = json.dumps({"formula": "a ~ 1 + (1 | b)"}).encode()
Row = tuple[str, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=60)
    given = parser.parse_args()
    with served() as (address, pid):
        rows = [*weights(address), *browser(address)]
        rows += asyncio.run(crowd(address, pid, given.people))
        rows += asyncio.run(hostile(address, pid))
    width = max(len(r[0]) for r in rows)
    for name, value, target in rows:
        print(f"{name:<{width}}  {value:>14}  {target and 'at most ' + target}")


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "partialpool", "app", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(300):
            try:
                urlopen(address).close()
                break
            except URLError:
                time.sleep(0.2)
        time.sleep(8)  # until the classic data are computed
        yield address, server.pid
    finally:
        server.terminate()
        server.wait()


def weights(address: str) -> list[Row]:
    """Bytes of each part of the page with all modules that it loads, compressed."""
    rows = []
    for part in ("lesson", "laboratory", "yourfile"):
        names, todo = {"", "page.css"}, ["page.js", f"{part}.js"]
        while todo:
            name = todo.pop()
            if name in names:
                continue
            names.add(name)
            text = gzip.decompress(fetch(address + name)).decode()
            folder = name.rpartition("/")[0]
            for found in re.findall(r'(?:from|import)\s*"(\./[^"]+|\.\./[^"]+)"', text):
                todo.append(os.path.normpath(os.path.join(folder, found)))
        total = sum(len(fetch(address + name)) for name in names)
        rows.append(
            (f"{part}, gzipped, without the classic data", f"{total / 1e6:.3f} MB", "0.5 MB")
        )
    classics = len(fetch(address + "classics.json"))
    return [*rows, ("the classic data, gzipped", f"{classics / 1e6:.3f} MB", "")]


def fetch(address: str) -> bytes:
    with urlopen(Request(address, headers={"Accept-Encoding": "gzip"})) as response:
        content: bytes = response.read()
    return content


def browser(address: str) -> list[Row]:
    """A small file in Chromium: from its choice to the form, and from Fit to the answer."""
    opened, fitted = [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder, "small.csv")
        path.write_text(SMALL)
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for _ in range(7):
            page = chromium.new_page()
            page.goto(f"{address}?part=file")
            page.locator(".drop").wait_for()
            begin = time.perf_counter()
            page.set_input_files("#file-input", path)
            page.locator("[data-choice=outcome]").wait_for()
            opened.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            page.locator("[data-fit]").click()
            page.locator(".answer h2").wait_for()
            fitted.append(time.perf_counter() - begin)
            page.close()
        chromium.close()
    return [
        ("a small file, from its choice to the form", ms(statistics.median(opened)), "1000 ms"),
        ("a small file, from Fit to the answer", ms(statistics.median(fitted)), "1000 ms"),
    ]


def ms(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms"


class Person:
    """A client with a session of its own, by HTTP without a browser."""

    def __init__(self, address: str) -> None:
        self.host = address.removeprefix("http://").rstrip("/")
        self.secret = ""

    async def post(self, path: str, body: bytes = b"") -> bytes:
        """One request; the body of its answer."""
        name, port = self.host.split(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        head = (
            f"POST /{path} HTTP/1.1\r\nHost: {self.host}\r\nX-Session: {self.secret}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n\r\n")[2]

    async def begin(self, name: str, content: bytes) -> str:
        """Begin a session and send a file; returns its id."""
        self.secret = json.loads(await self.post("api/session"))["session"]
        found: str = json.loads(await self.post(f"api/files?name={name}", content))["id"]
        return found

    async def fits(self) -> float:
        """Send the small file, look into it and fit it; returns the seconds of all that."""
        begin = time.perf_counter()
        file = await self.begin("small.csv", SMALL.encode())
        await self.post(f"api/files/{file}/columns", b"{}")
        answer = await self.post(f"api/files/{file}/fit", json.dumps(CHOICES).encode())
        assert b'"result"' in answer, answer[-300:]
        return time.perf_counter() - begin


async def crowd(address: str, pid: int, people: int) -> list[Row]:
    """Everybody at the same moment, and everybody within ten seconds.

    The processor time hardly depends on what else the machine does; the waits do.
    """
    rows = []
    before = processor_time(pid)
    for spread, name in ((0.0, "at the same moment"), (10.0, "within ten seconds")):

        async def person(i: int, spread: float = spread) -> float:
            await asyncio.sleep(spread * i / people)
            return await Person(address).fits()

        waits = await asyncio.gather(*(person(i) for i in range(people)))
        told = f"{people} people send and fit a small file {name}"
        rows.append((f"{told}, median", ms(statistics.median(waits)), ""))
        rows.append((f"{told}, 95%", ms(statistics.quantiles(waits, n=20)[-1]), "3000 ms"))
    await asyncio.sleep(1)
    used = (processor_time(pid) - before) / (2 * people)
    return [*rows, ("processor time of one person's session, file and fit", ms(used), "100 ms")]


def processor_time(pid: int) -> float:
    """Seconds used by a process, its children that are there, and those that have ended."""
    total = 0.0
    for process in [pid, *children(pid)]:
        fields = Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are there, whichever thread began them."""
    tasks = Path("/proc", str(pid), "task").iterdir()
    return [int(p) for task in tasks for p in (task / "children").read_text().split()]


def bomb() -> bytes:
    """A workbook of less than a megabyte whose sheet holds 90 MB, just within what is read."""
    file = io.BytesIO()
    cells = b"".join(b'<c t="n"><v>%d</v></c>' % i for i in range(8))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        from openpyxl import Workbook

        plain = io.BytesIO()
        Workbook().save(plain)
        with zipfile.ZipFile(plain) as source:
            for part in source.infolist():
                if "sheet1.xml" not in part.filename or "rels" in part.filename:
                    archive.writestr(part, source.read(part))
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
            sheet.write(f'<worksheet xmlns="{space}"><sheetData>'.encode())
            names = (f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in "abcdefgh")
            sheet.write(f"<row>{''.join(names)}</row>".encode())
            block = b"<row>" + cells + b"</row>"
            for _ in range(90 * 2**20 // len(block)):
                sheet.write(block)
            sheet.write(b"</sheetData></worksheet>")
    return file.getvalue()


async def hostile(address: str, pid: int) -> list[Row]:
    """Memory of the server and its jobs while a workbook is read that unpacks to the most allowed.

    And how long others wait meanwhile.
    """
    content = bomb()
    attacker, highest, waits = Person(address), 0.0, []
    file = await attacker.begin("bomb.xlsx", content)
    task = asyncio.ensure_future(attacker.post(f"api/files/{file}/fit", FORMULA))
    end = time.perf_counter() + 90
    while not task.done() and time.perf_counter() < end:
        highest = max(highest, memory(pid))
        waits.append(await Person(address).fits())
        await asyncio.sleep(0.5)  # the server keeps so many sessions at most
    task.cancel()
    return [
        (f"a workbook of {len(content) / 1e6:.1f} MB that unpacks to 90 MB: memory of a process",
         f"{highest / 2**20:,.0f} MB", "2,300 MB"),
        ("others meanwhile, from file to answer, median", ms(statistics.median(waits)), "1000 ms"),
    ]  # fmt: skip


def memory(pid: int) -> float:
    """Bytes of the largest of a process and all that descend from it."""
    todo, sizes = [pid], [0.0]
    while todo:
        process = todo.pop()
        with contextlib.suppress(OSError):  # it may have ended meanwhile
            todo += children(process)
            fields = Path("/proc", str(process), "statm").read_text().split()
            sizes.append(float(fields[1]) * os.sysconf("SC_PAGE_SIZE"))
    return max(sizes)


if __name__ == "__main__":
    main()
