"""What sessions share, and work of which only the last counts."""

import asyncio
import json
from functools import partial

import pytest

from partialpool.app.jobs import JobFailed
from partialpool.app.quiet import EMPTY, Quiet
from partialpool.app.session import Classics, Kept, Latest, words
from partialpool.app.simulator import Expected
from partialpool.app.state import Simulation
from partialpool.errors import ArgumentError


class Ended:
    """A session that can end."""

    def on_ended(self, call):
        self.end = call


def test_only_the_last_work_counts():
    session, done = Ended(), []

    async def work(name):
        await asyncio.sleep(0.01)
        done.append(name)

    async def run():
        latest = Latest(session)
        for name in "abc":
            latest.start(partial(work, name))
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        latest.start(partial(work, "d"))
        session.end()
        await asyncio.sleep(0.05)

    asyncio.run(run())
    assert done == ["c"]


def test_work_that_fails_ends_nothing_else():
    async def fails():
        raise JobFailed("stopped")

    async def run():
        latest = Latest(Ended())
        latest.start(fails)
        await asyncio.sleep(0.01)
        await latest._task

    asyncio.run(run())


def test_the_last_averages_are_kept():
    kept = Kept()
    states = [Simulation(seed=i) for i in range(300)]
    for state in states:
        kept.put(Expected(state, None, {}))
    assert kept.get(states[0]) is None
    assert kept.get(states[-1]).state == states[-1]


def test_classic_data_are_fitted_once():
    asked = []

    class Workers:
        async def run(self, function, name):
            asked.append(name)
            return f"the fit of {name}"

    classics = Classics(Workers())
    assert classics.known("rats") is None
    for _ in range(2):
        assert asyncio.run(classics.get("rats")) == "the fit of rats"
    assert asked == ["rats"]
    assert classics.known("rats") == "the fit of rats"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ArgumentError("tau must be 0 or more"), "tau must be 0 or more"),
        (
            ArgumentError('give a prior, such as --prior "tau ~ half_normal(5)"'),
            'give a prior, such as "tau ~ half_normal(5)"; priors are under Advanced',
        ),
        (RuntimeError("secret"), "Something went wrong here"),
        (None, "Something went wrong here"),
    ],
)
def test_errors_are_sentences(error, said):
    assert words(error).startswith(said)
    assert "secret" not in words(error)


@pytest.mark.parametrize("kind", ["websocket", "http"])
def test_messages_without_contents_are_not_sent(kind):
    texts = ['{"busy": "busy"}', EMPTY, '{"values": {"live": 1}}']
    sent = []

    async def app(scope, receive, send):
        for text in texts:
            await send({"type": "websocket.send", "text": text})

    async def send(message):
        sent.append(message["text"])

    asyncio.run(Quiet(app)({"type": kind}, None, send))
    assert sent == ([texts[0], texts[2]] if kind == "websocket" else texts)


def test_that_is_what_shiny_sends_when_there_is_nothing(browser, monkeypatch):
    """If Shiny writes it otherwise one day, nothing breaks, but the saving is lost."""
    from shiny.session import _session

    written = []
    whole = _session.AppSession._send_message

    async def listen(self, message):
        written.append(json.dumps(message))
        await whole(self, message)

    monkeypatch.setattr(_session.AppSession, "_send_message", listen)
    browser.until("live")
    browser.send(nobody_reads_this=1)
    assert EMPTY in written
