"""Work in other processes: results, progress, cancellation, and death without harm."""

import asyncio
import os
import resource
import signal
import time

import pytest

from partialpool.app.jobs import LONGEST, JobFailed, Workers
from partialpool.errors import ArgumentError, PartialPoolError

PATIENCE = 60


def identity():
    return os.getpid()


def steps(*, progress):
    for done in (0.25, 0.5, 1.0):
        progress(done)
    return "done"


def endless(path, *, progress):
    progress(0.1)
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    while True:
        time.sleep(1)


def dies(*, progress):
    os.kill(os.getpid(), signal.SIGKILL)


def dies_in_the_pool():
    os.kill(os.getpid(), signal.SIGKILL)


def refuses(*, progress):
    raise ArgumentError('there is no column "x"')


def breaks(*, progress):
    raise KeyError("an inner name")


def needs_memory(*, progress):
    raise MemoryError


def limits(*, progress):
    return resource.getrlimit(resource.RLIMIT_CPU)


def spins(*, progress):
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))  # in place of ten minutes
    while True:
        pass


@pytest.fixture
def workers():
    found = Workers()
    yield found
    found.close()


def alone(workers, function, *arguments, progress=lambda _done: None):
    return asyncio.run(workers.alone(function, *arguments, progress=progress))


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:  # killed, and not yet collected
        return file.read().rpartition(")")[2].split()[0] != "Z"


async def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_a_job_runs_in_a_process_of_its_own_and_tells_of_its_progress(workers):
    seen = []
    assert alone(workers, steps, progress=seen.append) == "done"
    assert seen == [0.25, 0.5, 1.0]


def test_short_work_runs_in_a_shared_pool(workers):
    async def twice():
        return [await workers.run(identity) for _ in range(2)]

    assert os.getpid() not in asyncio.run(twice())


def test_cancelling_ends_the_process_and_gives_its_place_back(workers, tmp_path):
    async def cancelled(path):
        task = asyncio.create_task(workers.alone(endless, str(path), progress=lambda _done: None))
        await wait_for(lambda: path.exists() and path.read_text())
        pid = int(path.read_text())
        assert alive(pid)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await wait_for(lambda: not alive(pid))

    async def all_places_and_one():
        await asyncio.gather(*(cancelled(tmp_path / str(i)) for i in range(3)))
        return await workers.alone(steps, progress=lambda _done: None)

    assert asyncio.run(all_places_and_one()) == "done"


@pytest.mark.parametrize("function", [dies, spins])
def test_a_process_that_dies_gives_a_sentence(workers, function):
    with pytest.raises(JobFailed, match="too long or too much memory"):
        alone(workers, function)
    assert alone(workers, steps) == "done"


def test_a_job_may_not_take_for_ever(workers):
    assert alone(workers, limits) == (LONGEST, LONGEST)


def test_what_the_user_did_wrong_comes_back_in_words(workers):
    with pytest.raises(PartialPoolError, match='there is no column "x"'):
        alone(workers, refuses)


@pytest.mark.parametrize("function", [breaks, needs_memory])
def test_what_we_did_wrong_comes_back_without_our_names(workers, function):
    with pytest.raises(JobFailed) as caught:
        alone(workers, function)
    assert "inner name" not in str(caught.value)


def test_a_pool_that_broke_is_made_anew_for_everyone(workers):
    async def broken():
        lost = await asyncio.gather(
            *(workers.run(dies_in_the_pool) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(e, JobFailed) for e in lost)
        return await asyncio.gather(*(workers.run(identity) for _ in range(2)))

    assert len(asyncio.run(broken())) == 2


def test_the_event_loop_goes_on_while_a_job_runs(workers, tmp_path):
    async def turns():
        path = tmp_path / "pid"
        task = asyncio.create_task(workers.alone(endless, str(path), progress=lambda _done: None))
        await wait_for(path.exists)
        longest, before = 0.0, time.monotonic()
        for _ in range(20):
            await asyncio.sleep(0.01)
            longest, before = max(longest, time.monotonic() - before), time.monotonic()
        task.cancel()
        return longest

    assert asyncio.run(turns()) < 0.5
