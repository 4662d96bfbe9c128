"""Work in other processes: results, progress, cancellation, limits, and death without harm."""

import asyncio
import mmap
import os
import resource
import signal
import time

import pytest
from app_in_memory import alive, until

from partialpool.app import jobs
from partialpool.app.jobs import LONGEST_JOB, MEMORY, Busy, JobFailed, Jobs
from partialpool.errors import ArgumentError


def identity(*, progress):
    return str(os.getpid()).encode()


def steps(*, progress):
    for done in (0.25, 0.5, 1.0):
        progress(done)
    return b"done"


def endless(path, *, progress):
    progress(0.1)
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    while True:
        time.sleep(1)


def sleeps(seconds, *, progress):
    time.sleep(seconds)
    return b"slept"


def dies(*, progress):
    os.kill(os.getpid(), signal.SIGKILL)


def refuses(*, progress):
    raise ArgumentError('there is no column "x"')


def breaks(*, progress):
    raise KeyError("an inner name")


def fills_memory(*, progress):
    kept = []
    while True:
        kept.append(bytearray(2**26))


def maps_memory(*, progress):
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 2**28))


def limits(*, progress):
    kinds = (resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_AS)
    return repr([resource.getrlimit(kind) for kind in kinds]).encode()


def spins(*, progress):
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))  # in place of ten minutes
    while True:
        pass


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as found:
        yield found


@pytest.fixture
def started():
    found = Jobs()
    yield found
    found.close()


@pytest.fixture
def alone(started, runner):
    def call(function, *arguments, tell=lambda _done: None, **options):
        return runner.run(started.run(function, *arguments, tell=tell, **options))

    return call


def test_a_job_runs_in_a_process_of_its_own_and_tells_of_its_progress(alone):
    seen = []
    assert alone(steps, tell=seen.append) == b"done"
    assert seen == [0.25, 0.5, 1.0]
    found = {alone(identity) for _ in range(3)}
    assert len(found) == 3
    assert str(os.getpid()).encode() not in found


def test_cancelling_ends_the_process_and_gives_its_place_back(started, runner, tmp_path):
    async def cancelled(path):
        task = asyncio.create_task(started.run(endless, str(path), tell=lambda _done: None))
        await until(lambda: path.exists() and path.read_text())
        pid = int(path.read_text())
        assert alive(pid)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not alive(pid))

    async def all_places_and_more():
        await asyncio.gather(*(cancelled(tmp_path / str(i)) for i in range(jobs.AT_ONCE + 1)))
        return await started.run(steps, tell=lambda _done: None)

    assert runner.run(all_places_and_more()) == b"done"
    assert (started.running, started.waiting) == (0, 0)


@pytest.mark.parametrize("function", [dies, spins])
def test_a_process_that_dies_gives_a_sentence(alone, function):
    with pytest.raises(JobFailed, match="too long or too much memory"):
        alone(function)
    assert alone(steps) == b"done"


@pytest.mark.parametrize("function", [fills_memory, maps_memory])
def test_memory_is_limited(alone, function):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with pytest.raises(JobFailed, match=r"too long or too much memory|should not have"):
        alone(function)
    most = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024
    assert most < MEMORY + 2**29


def test_a_job_that_draws_is_limited_in_what_it_uses(alone):
    with pytest.raises(JobFailed, match="too long or too much memory"):
        alone(fills_memory, draws=True)


def test_a_job_has_limits_of_time_of_files_and_of_memory(alone):
    cpu, file, core, memory = eval(alone(limits))
    assert cpu == (LONGEST_JOB, LONGEST_JOB)
    assert file == (jobs.LARGEST_FILE, jobs.LARGEST_FILE)
    assert core == (0, 0)
    assert MEMORY < memory[0] < 2 * MEMORY


def test_a_job_is_stopped_by_the_clock(alone, monkeypatch, tmp_path):
    monkeypatch.setattr(jobs, "LONGEST_JOB", 0.2)
    with pytest.raises(JobFailed, match="too long"):
        alone(sleeps, 60)


def test_what_the_user_did_wrong_comes_back_in_words(alone):
    with pytest.raises(JobFailed, match='there is no column "x"'):
        alone(refuses)


def test_what_we_did_wrong_comes_back_without_our_names(alone):
    with pytest.raises(JobFailed) as caught:
        alone(breaks)
    assert "inner name" not in str(caught.value)


def test_a_long_job_leaves_its_place_to_short_ones(started, runner, monkeypatch):
    monkeypatch.setattr(jobs, "LONG_AFTER", 0.1)

    async def many():
        tell = lambda _done: None  # noqa: E731
        long = [
            asyncio.create_task(started.run(sleeps, 60, tell=tell)) for _ in range(jobs.MOST_LONG)
        ]
        await until(lambda: started.running == jobs.MOST_LONG)
        await until(lambda: not started._places.locked() and started._long == jobs.MOST_LONG)
        places = started._places._value
        done = await asyncio.gather(*(started.run(steps, tell=tell) for _ in range(2)))
        for task in long:
            task.cancel()
        await asyncio.gather(*long, return_exceptions=True)
        return places, done

    places, done = runner.run(many())
    assert places == jobs.AT_ONCE
    assert done == [b"done", b"done"]
    assert started._long == 0
    assert started._places._value == jobs.AT_ONCE


def test_there_is_an_end_to_waiting(started, runner, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_WAITING", 2)

    async def many():
        tell = lambda _done: None  # noqa: E731
        tasks = [
            asyncio.create_task(started.run(sleeps, 60, tell=tell)) for _ in range(jobs.AT_ONCE + 2)
        ]
        await until(lambda: started.waiting == 2)
        with pytest.raises(Busy, match="too many people"):
            await started.run(steps, tell=tell)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    runner.run(many())


def test_the_event_loop_goes_on_while_a_job_runs(started, runner, tmp_path):
    async def turns():
        path = tmp_path / "pid"
        task = asyncio.create_task(started.run(endless, str(path), tell=lambda _done: None))
        await until(path.exists)
        longest, before = 0.0, time.monotonic()
        for _ in range(20):
            await asyncio.sleep(0.01)
            longest, before = max(longest, time.monotonic() - before), time.monotonic()
        task.cancel()
        return longest

    assert runner.run(turns()) < 0.5
