"""Sessions end and take their files along; none is guessed."""

import os
import stat

import pytest

from partialpool.app import sessions
from partialpool.app.sessions import IDLE_TIMEOUT, MOST_FILES, RETURN_TIMEOUT, Refused, Sessions
from partialpool.errors import DataError


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    found = Sessions(clock)
    yield found
    found.close()


def with_file(store, name="a.csv"):
    secret = store.begin()
    session = store.get(secret)
    key, kept = store.new_file(session, name)
    with open(kept.path, "w") as file:
        file.write("x")
    return secret, key, kept


def test_an_idle_session_ends_after_an_hour_with_its_files(store, clock):
    secret, _, kept = with_file(store)
    clock.now += IDLE_TIMEOUT - 1
    store.get(secret)  # it is in use
    clock.now += IDLE_TIMEOUT - 1
    store.sweep()
    assert os.path.exists(kept.path)
    clock.now += 2
    store.sweep()
    assert not os.path.exists(kept.path)
    with pytest.raises(Refused, match="choose the file again"):
        store.get(secret)


def test_an_ended_session_is_gone_before_it_is_swept(store, clock):
    secret, _, _ = with_file(store)
    clock.now += IDLE_TIMEOUT + 1
    with pytest.raises(Refused):
        store.get(secret)


def test_a_page_that_was_left_may_come_back_for_a_minute(store, clock):
    secret, _, kept = with_file(store)
    store.leave(secret)
    clock.now += RETURN_TIMEOUT - 1
    store.get(secret)
    clock.now += RETURN_TIMEOUT + 1
    store.sweep()
    assert os.path.exists(kept.path)
    store.leave(secret)
    clock.now += RETURN_TIMEOUT + 1
    store.sweep()
    assert not os.path.exists(kept.path)


def test_a_session_at_work_is_not_swept(store, clock):
    secret, _, kept = with_file(store)
    store.get(secret).asked = 1
    clock.now += IDLE_TIMEOUT + 1
    store.sweep()
    assert os.path.exists(kept.path)


def test_secrets_and_keys_are_long_and_differ(store):
    found = [with_file(store)[:2] for _ in range(20)]
    assert len({s for s, _ in found}) == len({k for _, k in found}) == 20
    assert all(len(s) >= 43 and len(k) >= 22 for s, k in found)  # 256 and 128 bits


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.csv", "..\\..\\x.csv", "/etc/x.csv", "a\0b.csv", "x.db::y.csv",
             "*.csv", "~/.csv", "con.csv", "a" * 5000 + ".csv"],
)  # fmt: skip
def test_names_never_become_paths(store, name):
    session = store.get(store.begin())
    _, kept = store.new_file(session, name)
    assert os.path.realpath(kept.path).startswith(os.path.realpath(session.folder) + os.sep)
    assert os.path.basename(kept.path).startswith("upload-")
    assert kept.path.endswith(".csv")
    assert len(os.path.basename(kept.path)) < 40
    assert "/" not in kept.name
    assert "\0" not in kept.name


def test_other_endings_are_refused(store):
    session = store.get(store.begin())
    for name in ("x.exe", "csv", ".csv", "", "x.csv/"):
        with pytest.raises(DataError, match="the ending says what a file is"):
            store.new_file(session, name)
    assert not session.files


def test_only_the_server_may_look_into_the_folder(store):
    with_file(store)
    assert stat.S_IMODE(os.stat(store._root).st_mode) == 0o700


def test_the_oldest_file_goes_when_there_are_too_many(store):
    session = store.get(store.begin())
    keys = [store.new_file(session, "a.csv")[0] for _ in range(MOST_FILES + 1)]
    assert list(session.files) == keys[1:]
    with pytest.raises(Refused, match="no longer here"):
        session.file(keys[0])


def test_a_given_file_stays(store, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("x")
    session = store.get(store.begin())
    key, kept = store.new_file(session, "mine.csv", str(path))
    assert kept.path == str(path)
    store.remove_file(session, key)
    store.close()
    assert path.exists()


def test_there_is_an_end_to_sessions_and_bytes(store, monkeypatch):
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 3)
    monkeypatch.setattr(sessions, "MOST_STORED", 10)
    for _ in range(3):
        _, _, kept = with_file(store)
    with pytest.raises(Refused, match="too many people"):
        store.begin()
    kept.size = 8
    store.check_room(2)
    with pytest.raises(Refused, match="too many files"):
        store.check_room(3)


def test_closing_removes_everything(store):
    with_file(store)
    store.close()
    assert not os.path.exists(store._root)
