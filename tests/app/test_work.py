"""Files in and files out."""

import io
import json
import os
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import polars as pl
import pytest

import partialpool as pp
from partialpool.app import simulator, work
from partialpool.app.state import Simulation
from partialpool.errors import PartialPoolError

FORMULA = "score ~ 1 + (1 | school)"
STATE = Simulation(seed=5, groups=6)
TABULAR = {"csv": pd.read_csv, "parquet": pd.read_parquet}


@pytest.fixture
def scores():
    noise = np.random.default_rng(3).normal(size=40)
    school = np.repeat(np.array(["North", "Süd", "East", "West"]), 10)
    return pd.DataFrame({"school": school, "score": 60 + 5 * np.arange(40) // 10 + noise})


def upload(tmp_path, data, name):
    """A file where an upload is kept, and the name it had."""
    path = tmp_path / "0"
    path.write_bytes(data) if isinstance(data, bytes) else data(path)
    return str(path), name


def look(found):
    return {c.name: c for c in work.columns(*found, progress=lambda _done: None)}


def fit(found, formula=FORMULA, priors=()):
    return work.fit_file(*found, formula, list(priors), progress=lambda _done: None)


WRITERS = {
    "scores.csv": lambda d: lambda path: d.to_csv(path, index=False),
    "scores.CSV": lambda d: lambda path: d.to_csv(path, index=False),
    "scores.tsv": lambda d: lambda path: d.to_csv(path, index=False, sep="\t"),
    "scores.csv.gz": lambda d: lambda path: d.to_csv(path, index=False, compression="gzip"),
    "scores.parquet": lambda d: lambda path: d.to_parquet(path, index=False),
    "scores.xlsx": lambda d: lambda path: path.write_bytes(excel(d)),
}


def excel(data):
    buffer = io.BytesIO()
    data.to_excel(buffer, index=False)
    return buffer.getvalue()


@pytest.mark.parametrize("name", [*WRITERS, "odd name 'x' ☃.csv", "*.csv", "[a].csv", "-x.csv"])
def test_every_kind_of_file_is_looked_into_and_fitted(tmp_path, scores, name):
    found = upload(tmp_path, WRITERS.get(name, WRITERS["scores.csv"])(scores), name)
    kinds = {k: c.kind for k, c in look(found).items()}
    assert kinds == {"school": "text", "score": "number"}
    expected = pp.fit(FORMULA, scores)
    result = fit(found)
    assert result.fit.statistics.labels.tolist() == expected.statistics.labels.tolist()
    np.testing.assert_allclose(result.fit._engine.theta.mean, expected._engine.theta.mean)
    assert result.source == repr(name)


def test_priors_are_used_and_kept(tmp_path, scores):
    found = upload(tmp_path, WRITERS["scores.csv"](scores), "scores.csv")
    prior = ["tau ~ half_normal(0.01)"]
    result = fit(found, priors=prior)
    assert result.priors == tuple(prior)
    expected = pp.fit(FORMULA, scores, prior=prior)._engine.theta.mean
    np.testing.assert_allclose(result.fit._engine.theta.mean, expected)


def test_progress_ends_at_one(tmp_path, scores):
    seen = []
    path, name = upload(tmp_path, WRITERS["scores.csv"](scores), "scores.csv")
    work.fit_file(path, name, FORMULA, [], progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_nothing_is_left_behind(tmp_path, scores):
    before = os.getcwd()
    with pytest.raises(PartialPoolError):
        fit(upload(tmp_path, b"school\nA\n", "scores.csv"))
    assert os.getcwd() == before
    assert sorted(os.listdir(tmp_path)) == ["0"]


HOSTILE = {
    "empty": (b"", "x.csv"),
    "a header": (b"school,score\n", "x.csv"),
    "binary as csv": (bytes(range(256)) * 50, "x.csv"),
    "binary as parquet": (bytes(range(256)) * 50, "x.parquet"),
    "binary as xlsx": (bytes(range(256)) * 50, "x.xlsx"),
    "zip as xlsx": (b"PK\x03\x04" + bytes(200), "x.xlsx"),
    "nulls": (b"\0" * 1000, "x.csv"),
    "one group": (b"school,score\n" + b"A,1\nA,2\n" * 5, "x.csv"),
    "text for numbers": (b"school,score\nA,one\nB,two\nC,three\nA,four\n", "x.csv"),
    "no such column": (b"a,b\n1,2\n3,4\n5,6\n", "x.csv"),
    "a column twice": (b"school,school,score\nA,B,1\nB,C,2\nC,A,3\nA,B,4\n", "x.csv"),
    "constant": (b"school,score\n" + b"A,1\nB,1\nC,1\n" * 3, "x.csv"),
    "infinite": (b"school,score\nA,inf\nB,1\nC,2\nA,3\nB,2\nC,5\n", "x.csv"),
    "unknown ending": (b"school,score\nA,1\nB,2\n", "x.exe"),
    "no ending": (b"school,score\nA,1\nB,2\n", "x"),
    "an endless line": (b"x" * 3_000_000, "x.csv"),
    "ragged": (b"school,score\nA,1,2,3\nB\nC,1\nA,2\n", "x.csv"),
    "half a letter": ("school,score\nA,1\nB,2\nC,3\nA,2\n".encode("utf-16")[:-1], "x.csv"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_ends_in_a_sentence(tmp_path, case):
    found = upload(tmp_path, *HOSTILE[case])

    def look_and_fit():
        look(found)
        fit(found)

    with pytest.raises(PartialPoolError) as caught:
        look_and_fit()
    words = str(caught.value)
    assert words
    assert str(tmp_path) not in words  # of the server's folders nothing is said
    assert "Traceback" not in words


@pytest.mark.parametrize("name", ["", ".", "..", "/", "../../x", "a\0b", "\n"])
def test_a_hostile_name_ends_in_a_sentence(tmp_path, scores, name):
    """The name comes from the browser; it must not lead out of the job's own folder."""
    found = upload(tmp_path, WRITERS["scores.csv"](scores), name)
    with pytest.raises(PartialPoolError):
        look(found)


def test_a_long_name_is_no_obstacle(tmp_path, scores):
    found = upload(tmp_path, WRITERS["scores.csv"](scores), "x" * 300 + ".csv")
    assert set(look(found)) == {"school", "score"}


def test_unusual_but_good_files_are_fitted(tmp_path):
    text = "schüle,1e9 offset\n" + "".join(
        f"{g},{1e9 + i + 0.5 * k}\n" for i, g in enumerate("ÄÖÜß") for k in range(4)
    )
    found = upload(tmp_path, ("\ufeff" + text).encode(), "größe.csv")
    assert [c.kind for c in look(found).values()] == ["text", "number"]
    result = fit(found, "`1e9 offset` ~ 1 + (1 | schüle)")
    np.testing.assert_allclose(result.fit._engine.theta.mean - 1e9, [1, 1.75, 2.75, 3.5], atol=1)
    assert np.ptp(result.fit._engine.theta.mean) > 1


@pytest.mark.parametrize("kind", TABULAR)
def test_a_world_can_be_saved_as_a_table(kind):
    saved = TABULAR[kind](io.BytesIO(work.download_world(STATE, kind)))
    drawn = simulator.drawn(STATE)
    assert saved["n"].tolist() == list(drawn.world.n)
    np.testing.assert_allclose(saved["truth"], drawn.truth, rtol=1e-12)
    posterior = drawn.estimates["posterior"].estimate
    np.testing.assert_allclose(saved["posterior"], posterior, rtol=1e-12)


def test_a_world_can_be_saved_as_json():
    saved = json.loads(work.download_world(STATE, "json"))
    drawn = simulator.drawn(STATE)
    assert [g["truth"] for g in saved["groups"]] == drawn.truth.tolist()
    assert saved["errors"] == drawn.errors
    assert saved["query"] == STATE.query


@pytest.fixture(scope="module")
def eight():
    return work.classic("eight_schools")


@pytest.mark.parametrize("kind", TABULAR)
def test_a_result_can_be_saved_as_a_table(eight, kind):
    data = work.download(eight, kind, "shrinkage", None)
    saved = TABULAR[kind](io.BytesIO(data))
    np.testing.assert_allclose(saved["estimate"], eight.fit._engine.theta.mean, rtol=1e-12)
    assert pl.read_csv(data).height == 8 if kind == "csv" else saved.shape[0] == 8


def test_a_result_can_be_saved_as_json(eight):
    saved = json.loads(work.download(eight, "json", "", None))
    assert saved == json.loads(json.dumps(eight.fit.to_dict()))
    assert "NaN" not in json.dumps(saved)


class Outside(HTMLParser):
    """Collects what a page would load from elsewhere."""

    def __init__(self):
        super().__init__()
        self.found, self.svgs = [], 0

    def handle_starttag(self, tag, attributes):
        self.svgs += tag == "svg"
        loads = {"src", "href", "xlink:href", "data", "action", "srcset"}
        self.found += [v for k, v in attributes if k in loads and not v.startswith(("#", "data:"))]


def test_pages_are_whole_and_hold_the_numbers(eight):
    page = work.download(eight, "html", "", None).decode()
    world = work.download_world(STATE, "html").decode()
    for text in (page, world):
        parser = Outside()
        parser.feed(text)
        assert parser.svgs >= 1
        assert parser.found == []
        assert "@import" not in text
    assert STATE.command.replace("'", "&#x27;") in world
    for row in simulator.live(STATE, None, simulator.Sender(), False)["tables"]["groups"]["rows"]:
        assert all(f">{cell}<" in world for cell in row)


def test_pictures_are_whole(eight):
    saved = {
        kind: (work.download_world(STATE, kind), work.download(eight, kind, "shrinkage", 3.0))
        for kind in ("svg", "png")
    }
    for svg in saved["svg"]:
        assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    for png in saved["png"]:
        assert png.startswith(b"\x89PNG")
        assert png.endswith(b"IEND\xaeB\x60\x82")
    free = work.download(eight, "svg", "shrinkage", None)
    assert free != saved["svg"][1]  # the tau that is held is seen
