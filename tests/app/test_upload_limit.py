"""A body is refused once it is larger than stated, however it comes."""

import pytest

from partialpool.app.limits import UploadLimit

MOST = 3 * 2**20


@pytest.fixture
def app():
    """Answers with the length of what it got."""

    async def inner(scope, receive, send):
        got, more = 0, True
        while more:
            message = await receive()
            got += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(got).encode()})

    return UploadLimit(inner, MOST)


def test_what_is_allowed_passes(ask, app):
    status, _, body = ask(app, method="POST", body=[b"x" * 2**20] * 3)
    assert (status, body) == (200, str(MOST).encode())


def test_what_is_announced_as_too_large_is_refused_unread(ask, app):
    status, _, body = ask(app, method="POST", headers={"Content-Length": str(MOST + 1)})
    assert status == 413
    assert b"larger than 3 MB" in body


@pytest.mark.parametrize("announced", [{}, {"Content-Length": "5"}, {"Content-Length": "²"}])
def test_what_turns_out_too_large_is_refused(ask, app, announced):
    status, _, _ = ask(app, method="POST", headers=announced, body=[b"x" * 2**20] * 4)
    assert status == 413


def test_other_requests_are_left_alone(ask, app):
    assert ask(app, headers={"Content-Length": str(MOST + 1)})[0] == 200
