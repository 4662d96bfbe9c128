"""Threads of Python where they can start; the same results, in turn, where none can."""

import threading

import numpy as np
import pytest

import partialpool as pp
from partialpool import threads
from partialpool.threads import can_start, mapped


@pytest.fixture
def no_threads(monkeypatch):
    """As in a browser: no thread can be started."""

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    can_start.cache_clear()
    yield
    can_start.cache_clear()


def test_items_keep_their_order():
    can_start.cache_clear()
    assert can_start()
    assert mapped(lambda i: i * i, range(100)) == [i * i for i in range(100)]


def test_several_threads_work_at_once():
    meeting = threading.Barrier(2, timeout=20)
    assert sorted(mapped(lambda _: meeting.wait(), range(2))) == [0, 1]


def test_few_items_stay_in_this_thread():
    here = threading.get_ident()
    assert mapped(lambda _: threading.get_ident(), range(3), at_least=4) == [here] * 3


def test_in_turn_where_no_thread_can_start(no_threads):
    assert not can_start()
    here = threading.get_ident()
    assert mapped(lambda i: (i, threading.get_ident()), range(5)) == [(i, here) for i in range(5)]


@pytest.mark.parametrize("beside", [False, True])
def test_errors_of_the_function_are_raised(beside, request):
    if beside:
        request.getfixturevalue("no_threads")

    def fail(_item):
        raise RuntimeError("of the function")

    with pytest.raises(RuntimeError, match="of the function"):
        mapped(fail, range(3))


def _large():
    """A fit whose quantiles are read in more than four blocks of groups, and risks of two."""
    rng = np.random.default_rng(5)
    n = 30_000
    post = pp.fit_groups(n=rng.integers(2, 9, n), mean=rng.normal(0, 2, n), sd=np.ones(n)).groups()
    world = pp.simulate.World(n=(5,) * 40, tau=2.0, sigma=5.0)
    return post, pp.simulate.risks(world, replicates=300, seed=1).table


def test_the_library_computes_the_same_without_threads(request):
    can_start.cache_clear()
    used = []
    real = threads.ThreadPoolExecutor

    class Seen(real):
        def __init__(self, *arguments):
            used.append(1)
            super().__init__(*arguments)

    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setattr(threads, "ThreadPoolExecutor", Seen)
    expected = _large()
    assert used
    request.getfixturevalue("no_threads")
    used.clear()
    for table, other in zip(_large(), expected, strict=True):
        for name in other:
            np.testing.assert_array_equal(table[name], other[name])
    assert used == []
