"""The routes: whose file is whose, limits, and what happens to a job whose client has gone."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest
from app_in_memory import HOST, alive, send, until

from partialpool.app import server as server_module
from partialpool.app import work
from partialpool.app.server import LARGEST_REQUEST, MEDIA, WWW
from partialpool.app.sessions import LARGEST_UPLOAD, MOST_REQUESTS

SCORES = b"school,score\n" + b"".join(b"%c,%d\n" % (b"ABCD"[i % 4], i * i % 7) for i in range(24))
CHOICES = {"outcome": "score", "outcomeKind": "measurement", "groups": ["school"]}


def test_a_file_is_looked_into_fitted_and_asked(client):
    file = client.upload("scores.csv", SCORES)
    told = client.ask(file, "columns")["result"]
    assert told["choices"]["outcome"] == "score"
    result = client.ask(file, "fit", told["choices"])["result"]
    assert result["formula"] == "score ~ 1 + (1 | school)"
    key = {"key": result["key"]}
    page = client.ask(file, "groups", {**key, "sort": "group", "descending": False})["result"]
    assert [row["name"] for row in page["rows"]] == ["A", "B", "C", "D"]
    assert (
        "probability"
        in client.ask(file, "contrast", {**key, "first": 0, "second": 1})["result"]["sentence"]
    )
    assert client.ask(file, "rank", key)["result"]["ranked"]
    assert client.ask(file, "groups", key)["result"]["ranked"], "ranks are kept"
    found = client("POST", f"/api/files/{file}/download", json.dumps({"kind": "csv"}).encode())
    assert found.headers["content-disposition"] == "attachment; filename*=UTF-8''scores-groups.csv"
    assert found.headers["content-type"].startswith("text/csv")
    assert found.body.startswith(b"group,n,raw")
    assert "sandbox" in found.headers["content-security-policy"]


def test_two_fits_of_a_file_are_kept_apart(client):
    file = client.upload("scores.csv", SCORES)
    first = client.ask(file, "fit", CHOICES)["result"]["key"]
    second = client.ask(file, "fit", CHOICES | {"priors": "tau ~ half_normal(0.1)"})["result"][
        "key"
    ]
    assert first != second
    pages = [client.ask(file, "groups", {"key": key})["result"] for key in (first, second)]
    assert pages[0]["rows"][0]["estimate"] != pages[1]["rows"][0]["estimate"]
    assert "fit again" in client.ask(file, "groups", {"key": "0" * 16})["error"]
    assert "fit again" in client.ask(file, "groups", {"key": "../../x"})["error"]


def test_no_session_reads_the_file_of_another(started):
    client = started().begin()
    file = client.upload("scores.csv", SCORES)
    client.ask(file, "fit", CHOICES)
    mine = client.secret
    client.secret = ""
    for secret in ("", "guess", mine[:-1], client.begin().secret):
        headers = {"x-session": secret}
        for method, path in (
            ("POST", f"/api/files/{file}/columns"),
            ("POST", f"/api/files/{file}/groups"),
            ("POST", f"/api/files/{file}/download"),
        ):
            found = client(method, path, b"{}", headers=headers)
            assert found.status == 410, (secret, path)
        client("DELETE", f"/api/files/{file}", headers=headers)
    client.secret = mine
    assert "result" in client.ask(file, "columns")


def test_a_session_goes_on_after_a_reload_and_an_unknown_one_is_new(client):
    file = client.upload("scores.csv", SCORES)
    again = client("POST", "/api/session").json
    assert again["session"] == client.secret
    assert again["files"] == [file]
    other = client("POST", "/api/session", headers={"x-session": "guess"}).json
    assert other["session"] not in ("guess", client.secret)
    assert other["files"] == []


def test_a_removed_file_leaves_nothing(client):
    file = client.upload("scores.csv", SCORES)
    kept = client.server.sessions.get(client.secret).files[file]
    assert Path(kept.path).read_bytes() == SCORES
    assert client("DELETE", f"/api/files/{file}").status == 204
    assert not os.path.exists(kept.folder)


@pytest.mark.parametrize("size", [LARGEST_UPLOAD + 1, 10**15])
def test_an_upload_that_says_it_is_too_large_is_refused_unread(client, size):
    found = client("POST", "/api/files?name=a.csv", b"", headers={"content-length": str(size)})
    assert found.status == 413
    assert "larger than 200 MB" in found.json["error"]


@pytest.mark.parametrize("said", ["5", "-1", "\u0665", "x"])
def test_an_upload_that_lies_of_its_size_is_cut_and_removed(client, monkeypatch, said):
    monkeypatch.setattr(server_module, "LARGEST_UPLOAD", 2**20)
    parts = [b"x" * 2**18] * 5
    headers = {"content-length": said} if said.isascii() else {}
    found = client("POST", "/api/files?name=a.csv", parts, headers=headers)
    assert found.status == 413
    session = client.server.sessions.get(client.secret)
    assert session.files == {}
    assert os.listdir(session.folder) == []


def test_an_upload_that_stops_is_given_up(client, monkeypatch):
    monkeypatch.setattr(server_module, "UPLOAD_TIMEOUT", 0.1)

    async def stalled():
        never = asyncio.Event()
        scope_headers = {"host": HOST, "x-session": client.secret}
        parts = Stalling([b"a,b\n", b"1,2\n", b"3,4\n"])
        return await send(client.app, "POST", "/api/files?name=a.csv", parts,
                          headers=scope_headers, left=never)  # fmt: skip

    found = client.runner.run(stalled())
    assert found.status == 408
    assert client.server.sessions.get(client.secret).files == {}


class Stalling(list):
    """Parts of a body of which the last never comes."""

    def __bool__(self):
        return len(self) > 1


def test_other_requests_are_small(client):
    file = client.upload("scores.csv", SCORES)
    for path in (f"/api/files/{file}/fit", f"/api/files/{file}/download"):
        found = client("POST", path, [b"x" * LARGEST_REQUEST, b"x"])
        assert found.status == 413


NO_REQUESTS = {"deep": b"[" * 200_000, "cut": b"{", "list": b"[]", "number": b"1",
               "text": b'"x"', "bytes": b"\xff", "null": b"null"}  # fmt: skip


@pytest.mark.parametrize("body", NO_REQUESTS)
@pytest.mark.parametrize("verb", ["columns", "fit", "groups"])
def test_what_is_no_request_gets_a_sentence(client, body, verb):
    file = client.upload("scores.csv", SCORES)
    found = client("POST", f"/api/files/{file}/{verb}", NO_REQUESTS[body])
    assert "the request is no JSON" in json.loads(found.body.splitlines()[-1])["error"]


@pytest.mark.parametrize("verb", ["__init__", "fitted", "download", "_say", "..", "%2e%2e"])
def test_only_questions_can_be_asked(client, verb):
    file = client.upload("scores.csv", SCORES)
    assert client("POST", f"/api/files/{file}/{verb}", b"{}").status in (400, 404)


@pytest.mark.parametrize(
    "path", ["/../server.py", "/..%2fserver.py", "//etc/passwd", "/etc/passwd", "/.", "/lesson/",
             "/page.js/", "/PAGE.JS", "/\\page.js", "/%2e%2e/start.py"],
)  # fmt: skip
def test_only_listed_files_are_served(client, path):
    assert client("GET", path).status == 404


def test_every_file_of_the_page_is_served_compressed_and_kept(client):
    for path in WWW.rglob("*.*"):
        name = path.relative_to(WWW).as_posix()
        found = client("GET", f"/{name}", headers={"accept-encoding": "gzip"})
        assert found.status == 200, name
        assert found.headers["content-encoding"] == "gzip"
        again = client("GET", f"/{name}", headers={"if-none-match": found.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
    assert client("GET", "/").body == (WWW / "index.html").read_bytes()


def test_an_error_names_the_file_as_its_owner_does(client):
    file = client.upload("my%20scores%20%F0%9F%8E%93.csv", b"a,b\n1,2,3\n")
    words = client.ask(file, "columns")["error"]
    assert '"my scores 🎓.csv"' in words
    assert "/" not in words
    assert "upload-" not in words


def test_what_was_not_foreseen_gets_a_sentence_and_no_names_of_ours(client, monkeypatch):
    def broken(_request):
        raise KeyError("an inner name")

    monkeypatch.setattr(client.server.sessions, "leave", broken)
    with pytest.raises(KeyError):  # Starlette answers, and raises for the log
        client("POST", "/api/leave")


def endless(path, name, folder, verb, body, *, progress):
    with open(os.path.join(folder, "pid"), "w") as file:
        file.write(str(os.getpid()))
    while True:
        time.sleep(1)


def test_a_client_that_goes_away_ends_its_job(client, monkeypatch):
    file = client.upload("scores.csv", SCORES)
    kept = client.server.sessions.get(client.secret).files[file]
    monkeypatch.setattr(work, "answer", endless)
    pid = Path(kept.folder, "pid")

    async def leaves():
        left = asyncio.Event()
        headers = {"host": HOST, "x-session": client.secret}
        asked = send(
            client.app, "POST", f"/api/files/{file}/fit", b"{}", headers=headers, left=left
        )
        task = asyncio.create_task(asked)
        await until(lambda: pid.exists() and pid.read_text())
        number = int(pid.read_text())
        assert alive(number)
        left.set()
        await until(lambda: not alive(number))
        await task

    client.runner.run(leaves())
    assert client.server.sessions.get(client.secret).asked == 0


def test_one_session_cannot_take_all_places(client, monkeypatch):
    """Of many requests of one session one runs; others wait, and beyond those are refused."""
    file = client.upload("scores.csv", SCORES)
    assert client("GET", "/classics.json").body == b"{}"  # no other job runs any more
    monkeypatch.setattr(work, "answer", endless)

    async def many():
        left = asyncio.Event()
        headers = {"host": HOST, "x-session": client.secret}
        path = f"/api/files/{file}/fit"
        tasks = [
            asyncio.create_task(send(client.app, "POST", path, b"{}", headers=headers, left=left))
            for _ in range(MOST_REQUESTS + 2)
        ]
        await until(lambda: sum(t.done() for t in tasks) == 2 and client.server.jobs.running)
        refused = [t.result() for t in tasks if t.done()]
        assert client.server.jobs.running == 1
        left.set()
        await asyncio.gather(*tasks)
        return refused

    refused = client.runner.run(many())
    assert len(refused) == 2
    for answer in refused:
        assert "earlier requests" in json.loads(answer.body.splitlines()[-1])["error"]


def test_downloads_have_a_type(client):
    assert set(MEDIA) == set(work.KINDS)
