"""Fixtures of the app in memory."""

import asyncio

import pytest
from app_in_memory import Client, living, no_classics

from partialpool.app import make_app


@pytest.fixture(scope="session")
def runner():
    """One event loop for all requests of a test."""
    with asyncio.Runner() as found:
        yield found


@pytest.fixture
def started(runner, monkeypatch):
    """Start the app, perhaps with a file; returns a client of it. Classic data are not computed."""
    from partialpool.app import work

    monkeypatch.setattr(work, "classics", no_classics)
    running = []

    def call(file=None, **options):
        app = make_app(None if file is None else str(file), **options)
        alive = living(app)
        runner.run(alive.__aenter__())
        running.append(alive)
        return Client(app, runner)

    yield call
    for alive in running:
        runner.run(alive.__aexit__(None, None, None))


@pytest.fixture
def client(started):
    """A client with a session."""
    return started().begin()
