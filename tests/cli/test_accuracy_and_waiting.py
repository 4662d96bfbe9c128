"""The option --accuracy, numbers too far off, what is shown while a fit runs, and Ctrl-C."""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from partialpool.cli import common
from partialpool.posterior import MixedPosterior, OneWayPosterior

MIXED = ("sleepstudy", "reaction ~ days + (days | subject)")


@pytest.mark.parametrize("arguments", [["eight_schools"], [*MIXED], ["seeds"], ["surgical"]])
def test_accuracy_reaches_the_engine(run, arguments):
    result = run("fit", *arguments, "--accuracy", "0.125", "--json")
    told = json.loads(result.out)["accuracy"]
    assert (told["target"], told["status"]) == (0.125, "reached")
    assert told["error"] <= 0.125
    assert run("rank", *arguments, "--accuracy", "0.125").code == 0
    assert run("compare", *arguments, "--accuracy", "0.125").code == 0


@pytest.mark.parametrize("command", ["fit", "rank", "compare"])
@pytest.mark.parametrize(
    ("value", "words"),
    [("0", "1e-10 to 0.5"), ("0.6", "received 0.6"), ("nan", "nan"), ("x", "not a valid float")],
)
def test_no_accuracy(run, command, value, words):
    result = run(command, "eight_schools", "--accuracy", value)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
    assert result.err.count("\n") == 1


def test_accuracy_with_maximum_likelihood(run):
    result = run("fit", "radon", "--method", "ml", "--accuracy", "0.1")
    assert result.code == 2
    assert "leave accuracy out" in result.err


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("fit", []), ("fit", ["--json"]), ("fit", ["--csv"]), ("fit", ["--out", "o.csv"]),
        ("fit", ["--plot", "o.svg"]), ("fit", ["--report", "o.html"]), ("rank", []),
        ("compare", []),
    ],
)  # fmt: skip
def test_numbers_too_far_off_are_one_sentence(run, command, more, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MixedPosterior, "error", property(lambda _: 7.0))
    result = run(command, *MIXED, *more)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert "about 7 posterior standard deviations" in result.err
    assert '--prior "tau[subject] ~ half_normal(' in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_notice_of_the_error_is_printed_with_the_table(run, monkeypatch):
    monkeypatch.setattr(OneWayPosterior, "error", property(lambda _: 0.1))
    result = run("fit", "eight_schools")
    assert result.code == 0
    words = " ".join(result.out.split())
    assert "is about 0.1 posterior standard deviations; the target is 0.02" in words


# while it runs -----------------------------------------------------------------------------------


@contextmanager
def terminal(monkeypatch):
    """Standard error as a terminal; a list that holds, after it, what was written there."""
    main, end = pytest.importorskip("pty").openpty()
    written, shown = [], []
    reader = threading.Thread(target=lambda: written.extend(_all_of(main)))
    reader.start()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(end, "w", encoding="utf-8") as file, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", file)
        yield shown
    reader.join()
    os.close(main)
    shown.append(b"".join(written).decode())


def _all_of(descriptor):
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # the other end was closed
            return
        if not part:
            return
        yield part


def test_a_line_is_shown_when_it_takes_long(monkeypatch):
    monkeypatch.setattr(common, "SOON", 0.05)
    with terminal(monkeypatch) as shown, common.waiting() as progress:
        progress(0.25)
        time.sleep(0.4)
        progress(1.0)
        time.sleep(0.3)
    (text,) = shown
    assert "reading" in text
    assert "fitting" in text
    assert "0:00:0" in text
    assert text.count("\n") == 1  # one line, written over
    assert text.endswith("\x1b[1A\x1b[2K")  # and erased at the end: up a line, clear it


def test_nothing_is_shown_when_it_does_not(monkeypatch):
    with terminal(monkeypatch) as shown, common.waiting() as progress:
        progress(0.5)
    assert shown == [""]


def test_nothing_is_shown_without_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(common, "SOON", 0.0)
    with common.waiting() as progress:
        assert progress is None
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_two_seconds():
    assert common.SOON == 2.0


SLOW = """
import signal, sys, time
from partialpool.posterior import fit_engine
from partialpool.cli import main

# a process that was started in the background is born deaf to it
signal.signal(signal.SIGINT, signal.default_int_handler)

def slow(*_, **__):
    print("begun", flush=True)
    time.sleep(60)

fit_engine.one_way_posterior = slow
main(["fit", "eight_schools"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_with_one_line_and_code_130():
    with subprocess.Popen(
        [sys.executable, "-c", SLOW],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "partialpool: interrupted\n")


def test_ctrl_c_outside_of_a_command(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    module = importlib.import_module("partialpool.cli.main")
    monkeypatch.setattr(module.cli, "main", interrupted)
    result = run("fit", "eight_schools")
    assert (result.code, result.err) == (130, "partialpool: interrupted\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("Query interrupted")])
def test_ctrl_c_within_a_command(run, monkeypatch, error):
    """DuckDB turns it into a RuntimeError with these words, which users saw with a traceback."""

    def interrupted(*_, **__):
        raise error

    monkeypatch.setattr(common, "fit", interrupted)
    result = run("fit", "eight_schools")
    assert (result.code, result.err) == (130, "partialpool: interrupted\n")
