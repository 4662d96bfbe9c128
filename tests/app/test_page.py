"""The page before any script has run: the address sets the controls."""

import gzip
import re
from html.parser import HTMLParser

import pytest

from partialpool.app import make_app
from partialpool.app.controls import SIMULATOR, Choice, Number, Switch
from partialpool.app.state import Simulation
from partialpool.cli.app import AppOptions


class Page(HTMLParser):
    """Collects elements with an id, labels, and what is loaded."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.labels, self.loaded, self.chosen, self._select = {}, set(), [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if "id" in found:
            assert found["id"] not in self.ids, f"the id {found['id']} is there twice"
            self.ids[found["id"]] = (tag, found)
        if tag == "label" and "for" in found:
            self.labels.add(found["for"])
        if tag == "select":
            self._select = found.get("id")
        if tag == "option" and "selected" in found:
            self.chosen[self._select] = found["value"]
        self.loaded += [v for k, v in attributes if k in ("src", "href") and tag != "a" and v]


@pytest.fixture(scope="module")
def app():
    return make_app()


def page(ask, app, query=""):
    status, headers, body = ask(app, query=query)
    assert status == 200
    assert headers["content-type"].startswith("text/html")
    return Page(body.decode()), body.decode()


def value_of(found, control):
    _, attributes = found.ids[control.name]
    match control:
        case Number():
            assert attributes["type"] == ("range" if control.slider else "number")
            assert (float(attributes["min"]), float(attributes["max"])) == (
                control.low, control.high,
            )  # fmt: skip
            return attributes["value"]
        case Choice():
            return found.chosen[control.name]
        case Switch():
            return "1" if "checked" in attributes else "0"


def test_every_control_has_its_default_a_label_and_help(ask, app):
    found, _ = page(ask, app)
    assert Simulation.read({c.name: value_of(found, c) for c in SIMULATOR}) == Simulation()
    for control in SIMULATOR:
        assert control.name in found.labels
        assert found.ids[control.name][1]["aria-describedby"] in found.ids


def test_the_address_sets_the_controls(ask, app):
    state = Simulation(groups=7, n=33, imbalance=0.25, tau=1.5, sigma=3.5, population="outlier",
                       estimator="reml", sigma_known=True, seed=77)  # fmt: skip
    found, _ = page(ask, app, state.query)
    assert Simulation.read({c.name: value_of(found, c) for c in SIMULATOR}) == state


def test_the_address_chooses_the_data_and_tau(ask, app):
    found, text = page(ask, app, "source=classic&dataset=radon&held_tau=0.25")
    assert found.chosen["dataset"] == "radon"
    assert "checked" in found.ids["held"][1]
    assert found.ids["held_tau"][1]["data-start"] == "0.25"
    assert 'data-source="classic"' in text


@pytest.mark.parametrize(
    "query",
    [
        "tau=<script>alert(1)</script>&source=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "dataset='><script>alert(1)</script>&held_tau=<script>alert(1)</script>",
        "groups=1e308&n=-5&tau=nan&sigma=inf&seed=%00&population=[]&sigma_known=maybe",
        "tau=1&tau=2&=&&&%ff%fe",
        "x" * 5000,
    ],
)
def test_a_hostile_address_is_read_as_something_allowed(ask, app, query):
    found, text = page(ask, app, query)
    assert "alert(1)" not in text
    for control in SIMULATOR:
        value = value_of(found, control)
        assert f"{control.read(value):g}" == value if isinstance(control, Number) else value


def test_the_name_of_a_file_is_no_markup(ask, tmp_path):
    path = tmp_path / '"><script>alert(1)<'
    path.write_text("a,b\n1,2\n")
    _, text = page(ask, make_app(str(path)))
    assert "<script>alert(1)" not in text
    assert 'data-source="file"' in text


def test_the_page_says_its_language_and_what_it_is(ask, app):
    _, text = page(ask, app)
    assert re.search(r'<html[^>]* lang="en"', text)
    for landmark in ("<main", "<header", "<footer", "<title>partialpool"):
        assert landmark in text


def test_nothing_is_loaded_from_elsewhere(ask, app):
    found, _ = page(ask, app)
    assert found.loaded
    for address in found.loaded:
        assert not re.match(r"(https?:)?//", address), address


def test_the_charts_are_compressed_kept_and_not_sent_twice(ask, app):
    _, headers, packed = ask(app, "/charts.js", headers={"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip"
    assert "max-age" in headers["cache-control"]
    _, plain_headers, plain = ask(app, "/charts.js")
    assert "content-encoding" not in plain_headers
    assert gzip.decompress(packed) == plain
    assert b"vegaEmbed" in plain
    status, _, body = ask(app, "/charts.js", headers={"If-None-Match": headers["etag"]})
    assert (status, body) == (304, b"")


def test_the_page_is_compressed(ask, app):
    _, _, plain = ask(app)
    _, headers, packed = ask(app, headers={"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip"
    assert len(packed) < len(plain) / 2


def test_the_command_serves_what_it_was_asked_to(monkeypatch, capsys):
    from partialpool.cli import app as command

    asked = {}
    monkeypatch.setattr(command, "serve", lambda file, **rest: asked.update(rest, file=file))
    command.run(AppOptions("x.csv", "127.0.0.1", 8123, False, False))
    assert asked == {"file": "x.csv", "host": "127.0.0.1", "port": 8123, "browser": False}
    assert "http://127.0.0.1:8123" in capsys.readouterr().err
