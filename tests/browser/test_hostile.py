"""What people do by accident or on purpose: hostile names and files, other pages."""

import functools
import http.server
import threading
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pytest

from conftest import until

NAMES = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title>", "&amp;", "a" * 300,
    "\u202eright to left", "👩\u200d👩\u200d👧\u200d👦 family", "学校", "مدرسة",
    "line\nbreak", "tab\there", "'; DROP TABLE --", "=1+1", "${7*7}",
    "Z\u0351\u036b\u0343\u036a\u0302", "\U0001d54a\U0001d554",
]  # fmt: skip


@pytest.fixture
def hostile(tmp_path):
    rng = np.random.default_rng(4)
    place = np.arange(len(NAMES) * 8) % len(NAMES)
    path = tmp_path / "hostile.csv"
    outcome = "<b>score</b> " + "x" * 200
    pd.DataFrame({
        "`group` & \"more\"": np.array(NAMES, dtype=object)[place],
        outcome: rng.normal(0, 1, len(NAMES))[place] + rng.normal(0, 1, len(place)),
    }).to_csv(path, index=False)  # fmt: skip
    return str(path), outcome


def test_names_are_texts_whatever_they_hold(your_file, hostile):
    path, outcome = hostile
    mine = your_file(viewport={"width": 390, "height": 844}).choose(path)
    assert mine.page.locator("[data-choice=outcome]").input_value() == outcome
    mine.fit()
    assert sorted(mine.names) == sorted(NAMES)
    assert mine.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert mine.page.locator("#file img, #file script, #file b:not(.about b)").count() == 0
    text = mine.page.locator(".results").inner_text()
    assert "\\u200d" not in text
    assert "👩\u200d👩\u200d👧\u200d👦 family" in text
    mine.page.locator("[data-compare='0']").fill("")
    mine.page.locator("[data-rank]").click()
    mine.page.locator("[data-sort=best]").wait_for()
    assert mine.page.evaluate("document.documentElement.scrollWidth") <= 390
    _, report = mine.saved("html")
    assert b"<script>alert" not in report
    assert b"<img src=x" not in report


FILES = {
    "empty.csv": b"",
    "bytes.csv": bytes(range(256)) * 40,
    "words.xlsx": b"hello",
    "half.parquet": b"PAR1 no more",
    "program.exe": b"MZ",
    "noending": b"a,b\n1,2\n",
    "header.csv": b"school,score\n",
    "quote.csv": b'a,b\n"1,2\n3,4\n',
}


def test_broken_files_get_a_sentence_one_after_another(your_file, write):
    mine = your_file()
    for name, content in FILES.items():
        mine.page.locator(".message").evaluate("e => { e.textContent = ''; }")
        mine.page.set_input_files("#file-input", write(name, content))
        until(
            mine.page,
            "document.querySelector('.message').textContent.length > 10"
            " || document.querySelector('.about bdi') !== null",
        )
        text = mine.page.locator(".message").text_content()
        assert "Traceback" not in text
        assert "upload-" not in text
        assert "/tmp" not in text
    mine.choose(
        write("good.csv", "g,y\n" + "".join(f"{'ABCD'[i % 4]},{i * i % 7}\n" for i in range(40)))
    )
    mine.page.locator(".about bdi", has_text="good.csv").wait_for()
    assert "is highest" in mine.fit()


@pytest.fixture
def elsewhere(tmp_path):
    """Another web server, whose pages attack ours."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


def test_another_page_reads_nothing_and_begins_nothing(chromium, server, elsewhere):
    folder, address = elsewhere
    (folder / "index.html").write_text("<p>attack</p>")
    page = chromium.new_page()
    page.goto(address)
    read = """async ([address, path, options]) => {
        try { return await (await fetch(address + path, options)).text(); }
        catch { return "refused"; }
    }"""
    for path, options in (
        ("api/session", {"method": "POST"}),
        ("api/session", {"method": "POST", "mode": "no-cors"}),
        ("api/given", {"method": "POST", "headers": {"X-Session": "x"}}),
        ("", {}),
        ("api/files?name=a.csv", {"method": "POST", "body": "a,b"}),
    ):
        assert page.evaluate(read, [server, path, options]) in ("refused", "")
    page.close()


@pytest.mark.parametrize(
    ("query", "shown"),
    [("", False), ("?part=file", False), ("?part=file&embed=1", False), ("?embed=1", True),
     ("?part=laboratory&embed=1", True)],
)  # fmt: skip
def test_only_lesson_and_laboratory_are_shown_in_a_frame(chromium, server, elsewhere, query, shown):
    folder, address = elsewhere
    source = (server + query).replace("&", "&amp;")
    (folder / "index.html").write_text(f'<iframe src="{source}" width="700" height="500"></iframe>')
    page = chromium.new_page()
    page.goto(address)
    page.wait_for_timeout(500)
    frame = page.frames[1]
    if shown:
        frame.locator("main svg").first.wait_for()
        reached = frame.evaluate(
            "fetch('api/session', {method: 'POST'}).then(() => 'reached', () => 'refused')"
        )
        assert reached == "refused"
    else:
        assert frame.url.startswith("chrome-error:") or frame.locator("main").count() == 0
    page.close()


def test_a_name_that_points_here_is_refused(server):
    for host in ("evil.example", "127.0.0.1.evil.example"):
        with pytest.raises(HTTPError) as caught:
            urlopen(Request(server, headers={"Host": host}))
        assert caught.value.code == 403
        caught.value.close()
