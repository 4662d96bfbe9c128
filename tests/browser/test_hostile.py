"""Whatever is sent over the raw connection, the server goes on answering others."""

import json
import urllib.request
from contextlib import contextmanager

import pytest
from partialpool.app.state import Simulation
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from conftest import PATIENCE, frame
from partialpool.app import simulator

VISIBLE = {f".clientdata_output_{n}_hidden": False for n in ("live", "upload_state", "result")}


def session(server):
    return connect(
        server.replace("http", "ws") + "websocket/", open_timeout=PATIENCE, max_size=None
    )


def until(socket, name):
    """Read frames until an output has come, and return it."""
    while True:
        values = json.loads(socket.recv(timeout=PATIENCE)).get("values", {})
        if name in values:
            return values[name]


@contextmanager
def started(server, **inputs):
    with session(server) as socket:
        socket.send(frame("init", source="simulate", **VISIBLE, **inputs))
        yield socket


def assert_answers(server, seed):
    with started(server, seed=seed) as socket:
        error = simulator.drawn(Simulation(seed=seed)).errors["posterior"]
        assert f"{error:.3g}" in until(socket, "live")["text"]["here"]


GARBAGE = {
    "no json": "garbage",
    "nothing": "",
    "null": "null",
    "a number": "5",
    "a list": "[]",
    "no method": "{}",
    "an unknown method": '{"method":"destroy","data":{}}',
    "a second init": frame("init"),
    "no data": '{"method":"update"}',
    "data of another type": '{"method":"update","data":[1,2]}',
    "an odd name": frame("update", **{"a:b:c": 1}),
    "an unknown type": frame("update", **{"tau:no.such.type": 1}),
    "deeply nested": '{"method":"update","data":' + '{"a":' * 5000 + "1" + "}" * 5001,
    "an endless number": '{"method":"update","data":{"seed":' + "9" * 5000 + "}}",
    "bytes": b"\x00\xff\xfe" * 100,
    "an upload that was never begun": '{"method":"uploadEnd","args":["x","upload"],"tag":1}',
    "an upload of nothing": '{"method":"uploadInit","args":[[]],"tag":1}',
    "an upload of odd things": '{"method":"uploadInit","args":[[{"name":5}]],"tag":1}',
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_harms_nobody_else(server, case):
    with started(server) as socket:
        until(socket, "live")
        try:
            socket.send(GARBAGE[case])
            socket.send(frame("update", tau=6))
            until(socket, "live")
        except ConnectionClosed:
            pass  # a session that talks nonsense may be ended
    assert_answers(server, seed=3)


@pytest.mark.parametrize(
    "value", [{"a": 1}, [{"a": [1]}], [[[]]], "text", None, -1e308, 1e308, 10**20, True, "\0"]
)
def test_any_value_of_any_control_is_survived(server, value):
    names = ["groups", "n", "imbalance", "tau", "sigma", "population", "estimator", "seed", "dark",
             "sigma_known", "source", "dataset", "held", "held_tau", "shape", "second", "second_is",
             "predictors", "conjugate", "chart", "group", "outcome",
             "formula", "priors", "go", "cancel", "upload", "no_such_control"]  # fmt: skip
    with started(server) as socket:
        until(socket, "live")
        socket.send(frame("update", **dict.fromkeys(names, value)))
        socket.send(frame("update", **dict.fromkeys(names, None)))
        socket.send(frame("update", source="simulate", tau=7.5))
        error = f"{simulator.drawn(Simulation(tau=7.5)).errors['posterior']:.3g}"
        while error not in until(socket, "live")["text"]["here"]:
            pass


@pytest.mark.parametrize("as_type", ["upload", "upload:shiny.file", "upload:shiny.number"])
@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ"])
def test_a_forged_upload_reads_no_file_of_the_server(server, path, as_type):
    item = {"name": "x.csv", "size": 10, "type": "text/csv", "datapath": path}
    for forged in ([item], {k: [v] for k, v in item.items()}):
        with session(server) as socket:
            socket.send(frame("init", source="file", **VISIBLE))
            until(socket, "upload_state")
            try:
                socket.send(frame("update", **{as_type: forged}))
                socket.send(frame("update", source="simulate"))
                while True:
                    values = json.loads(socket.recv(timeout=PATIENCE)).get("values", {})
                    state = values.get("upload_state") or {}
                    assert not state.get("columns")
                    assert "x.csv" not in json.dumps(state)
                    if "live" in values:
                        break
            except ConnectionClosed:
                pass  # ended rather than answered
    assert_answers(server, seed=4)


def upload(server, socket, name, data):
    """Send a file as the browser does."""
    info = {"name": name, "size": len(data), "type": "text/csv"}
    socket.send(json.dumps({"method": "uploadInit", "args": [[info]], "tag": 1}))
    while True:
        message = json.loads(socket.recv(timeout=PATIENCE))
        if "response" in message:
            break
    job = message["response"]["value"]
    request = urllib.request.Request(server + job["uploadUrl"], data=data, method="POST")
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        assert response.status == 200
    end = {"method": "uploadEnd", "args": [job["jobId"], "upload"], "tag": 2}
    socket.send(json.dumps(end))


@pytest.mark.parametrize("name", ["../../x.csv", "..", "", "a\0b.csv", "x.csv"])
def test_a_real_upload_under_any_name_ends_in_a_sentence(server, name):
    with session(server) as socket:
        socket.send(frame("init", source="file", **VISIBLE))
        until(socket, "upload_state")
        upload(server, socket, name, b"school,score\nA,1\nB,2\n")
        while True:
            state = until(socket, "upload_state")
            message = state["text"]["file_message"]
            if message and "Looking" not in message and "Choose" not in message:
                break
    assert "fileupload" not in message
    assert bool(state["columns"]) is name.endswith(".csv")
