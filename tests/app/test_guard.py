"""No other page, name or frame reaches the server; each attack as a browser would make it."""

import pytest

from partialpool.app.guard import policy

OWN = ("127.0.0.1:8000", "localhost:8000", "[::1]:8000", "LOCALHOST:8000", "127.0.0.1")
FOREIGN = ("evil.example", "evil.example:8000", "127.0.0.1.evil.example",
           "localhost.evil.example", "", "192.168.1.5:8000", "[::2]:8000",
           "127.0.0.1@evil.example", "[", "a:b:c")  # fmt: skip


@pytest.mark.parametrize("host", OWN)
def test_own_names_are_answered(client, host):
    assert client("GET", "/", headers={"host": host}).status == 200


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("request_", [("GET", "/"), ("POST", "/api/session")])
def test_a_name_of_the_web_that_is_made_to_mean_this_machine_is_refused(client, host, request_):
    found = client(*request_, headers={"host": host})
    assert found.status == 403
    assert b"session" not in found.body


def test_a_server_for_a_network_answers_to_its_addresses_and_named_hosts_only(started):
    client = started(host="0.0.0.0", names=("stats.example",))
    for host in ("192.168.1.5:8000", "[fd00::1]:8000", "stats.example", *OWN):
        assert client("GET", "/", headers={"host": host}).status == 200, host
    assert client("GET", "/", headers={"host": "evil.example"}).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://localhost:8000"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/api/session", "/api/given", "/api/files?name=a.csv"])
def test_requests_of_other_pages_are_refused(client, headers, path):
    assert client("POST", path, b"a,b\n1,2\n", headers=headers).status == 403


def test_the_page_itself_may_ask(client):
    headers = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}
    assert client("POST", "/api/session", headers=headers).status == 200


def test_a_file_given_at_the_start_needs_a_session(started, tmp_path):
    path = tmp_path / "secret.csv"
    path.write_text("a,b\n1,2\n")
    client = started(path)
    assert client("POST", "/api/given").status == 410
    assert client.begin()("POST", "/api/given").status == 200


@pytest.mark.parametrize("path", ["/", "/page.js", "/none", "/?part=file", "/?embed=0"])
def test_headers_stand_on_every_answer(client, path):
    headers = client("GET", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    rules = headers["content-security-policy"]
    assert "default-src 'none'" in rules
    assert "script-src 'self';" in rules
    assert "frame-ancestors 'none'" in rules
    assert "unsafe" not in rules


@pytest.mark.parametrize("query", ["?embed=1", "?step=3&embed=1", "?part=laboratory&embed=1"])
def test_lesson_and_laboratory_may_be_shown_by_others_but_reach_no_file(client, query):
    headers = client("GET", "/" + query).headers
    rules = headers["content-security-policy"]
    assert "frame-ancestors *" in rules
    assert "x-frame-options" not in headers
    assert "connect-src 127.0.0.1:8000/classics.json;" in rules


@pytest.mark.parametrize(
    "query", ["?embed=1&part=file", "?part=file&embed=1", "?part=a&part=file&embed=1"]
)
def test_your_file_may_not_be_shown_by_others(client, query):
    assert "frame-ancestors 'none'" in client("GET", "/" + query).headers["content-security-policy"]


def test_only_the_page_may_be_embedded(client):
    assert (
        "frame-ancestors 'none'"
        in client("GET", "/page.js?embed=1").headers["content-security-policy"]
    )


def test_no_answer_lets_another_page_read_it(client):
    for method, path in (("GET", "/"), ("POST", "/api/session"), ("OPTIONS", "/api/session")):
        found = client(method, path)
        assert not [k for k in found.headers if k.startswith("access-control")]


def test_a_refusal_has_the_headers_too(client):
    found = client("GET", "/", headers={"host": "evil.example"})
    assert found.headers["x-content-type-options"] == "nosniff"


def test_the_policy_of_a_frame_names_this_server_only():
    assert policy("localhost:1", embedded=True)["Content-Security-Policy"].endswith(
        "connect-src localhost:1/classics.json; frame-ancestors *"
    )
