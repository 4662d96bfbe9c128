"""Charts to files, and what happens without the libraries."""

import re
import sys
import xml.etree.ElementTree as ET

import pytest

import partialpool as pp
from partialpool import charts
from partialpool.errors import ArgumentError, MissingExtraError

STARTS = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF", ".html": b"<!DOCTYPE html>"}


@pytest.fixture(scope="module")
def hostile():
    names = ["</script><script>alert(1)</script>", "a & <b>", "\x00\x1b", "é"]
    return pp.fit_groups(mean=[1, 2, 3, 5], se=[1, 1, 1, 2], names=names)._engine


@pytest.mark.parametrize("ending", list(STARTS))
def test_saving(ending, hostile, tmp_path):
    path = tmp_path / f"chart{ending}"
    charts.save(charts.forest(hostile), path)
    assert path.read_bytes().lstrip().startswith(STARTS[ending])


def test_svg_is_well_formed_and_holds_the_labels(hostile, tmp_path):
    path = tmp_path / "chart.svg"
    charts.save(charts.estimates_by_tau(hostile), path)
    text = " ".join(ET.parse(path).getroot().itertext())
    assert "</script><script>alert(1)</script>" in text
    assert "\\x00\\x1b" in text


def test_html_fetches_nothing_and_labels_cannot_end_its_script(hostile, tmp_path):
    path = tmp_path / "chart.html"
    charts.save(charts.shrinkage(hostile), path)
    page = path.read_text(encoding="utf-8")
    assert not re.search(r"<script[^>]*\ssrc\s*=", page)
    assert not re.search(r"<link[^>]*\shref\s*=", page)
    assert not re.search(r"""(import|from)\s*\(?["']https?:""", page)
    assert "</script><script>alert" not in page
    assert "\ue0f1" not in page
    assert page.count("</script>") == page.count("<script")
    assert '<html lang="en">' in page


def test_unknown_ending(schools, tmp_path):
    with pytest.raises(ArgumentError, match="svg"):
        charts.save(charts.tau(schools), tmp_path / "chart.gif")


DRAW = [getattr(charts, name) for name in charts.__all__ if name not in ("save", "Plots")]


@pytest.mark.parametrize("draw", DRAW, ids=lambda f: f.__name__)
def test_without_altair(draw, schools, monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    for room in ("risk", "shrinkage", "tau", "trace"):  # frames that are kept
        for value in vars(sys.modules[f"partialpool.charts.{room}"]).values():
            getattr(value, "cache_clear", lambda: None)()
    given = {"partial": (1.0, 0.1)} if draw is charts.error_bars else schools
    with pytest.raises(MissingExtraError, match=r"partialpool\[plot\]"):
        draw(given)


def test_without_vl_convert(schools, tmp_path, monkeypatch):
    chart = charts.tau(schools)
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingExtraError, match=r"partialpool\[plot\]"):
        charts.save(chart, tmp_path / "chart.svg")
