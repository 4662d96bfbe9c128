"""What a notebook shows of a fit, in a page of a notebook's colours, light and dark."""

import nbformat
import pytest
from axe_core_python.sync_playwright import Axe
from nbclient import NotebookClient
from watched_pages import watched

from conftest import PATIENCE

COLOURS = {"light": ("#ffffff", "#212121"), "dark": ("#111111", "#e0e0e0")}
"""Paper and ink of JupyterLab's two themes."""
JUPYTERLAB = """
.shown{{color:{ink};background:{paper};font:14px/1.5 system-ui}}
.shown table{{margin-left:auto;margin-right:auto;table-layout:fixed;font-size:12px}}
.shown tbody tr:nth-child(odd){{background:{paper}}}
.shown :is(td,th,tr){{text-align:right;padding:.5em;white-space:normal;border:none}}
"""
"""What it says of tables in output, as specific as there."""


SHOWN = [
    "schools", "schools.compare('reml')", "schools.advise()", "schools.posterior",
    "schools.posterior.groups()", "schools.rank(top=3)", "radon", "radon.compare()",
    "radon.advise()", "hostile", "pp.datasets.radon()", "schools.notices[0]",
]  # fmt: skip
DRAWN = ["schools.plot.shrinkage()", "radon.plot.coefficients()"]
FITS = """
import numpy as np
import partialpool as pp
schools = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
radon = pp.fit("log_radon ~ floor + (floor | county)", pp.datasets.radon())
labels = ["<b>bold</b>", "an_unbroken_label_" * 6, "Ω", "short"]
rows = {"g": labels * 5, "y": np.random.default_rng(1).normal(1e6, 1, 20)}
hostile = pp.fit("y ~ 1 + (1 | g)", rows)
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A notebook of these cells, run by a kernel as Jupyter runs it: the cells with outputs."""
    cells = [nbformat.v4.new_code_cell(code) for code in (FITS, *SHOWN, *DRAWN)]
    written = nbformat.v4.new_notebook(cells=cells)
    folder = {"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}}
    NotebookClient(written, timeout=PATIENCE * 5, kernel_name="python3", resources=folder).execute()
    nbformat.validate(written)
    return written.cells


@pytest.fixture(scope="module")
def outputs(executed):
    """What each cell shows, as the notebook would: pictures before HTML before text."""
    shown = [cell.outputs[0].data for cell in executed[1:]]
    return [data.get("image/svg+xml") or data["text/html"] for data in shown]


def test_every_cell_shows_one_thing_and_nothing_is_written_beside(executed):
    assert executed[0].outputs == []
    for cell in executed[1:]:
        assert [out.output_type for out in cell.outputs] == ["execute_result"], cell.source
        kind = "image/svg+xml" if cell.source in DRAWN else "text/html"
        assert sorted(cell.outputs[0].data) == sorted([kind, "text/plain"]), cell.source
    table = executed[1 + SHOWN.index("schools.rank(top=3)")].outputs[0].data
    assert table["text/html"].count("<tr>") == 1 + 8
    whole = executed[1].outputs[0].data
    assert "11.4" in whole["text/html"]
    assert "11.4" in whole["text/plain"]


@pytest.fixture
def notebook(chromium, outputs):
    """Open the outputs under one another; in the end nothing was fetched and nothing failed."""
    with watched(chromium, "about:") as new_page:

        def opened(theme, width):
            page = new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
            paper, ink = COLOURS[theme]
            style = JUPYTERLAB.format(paper=paper, ink=ink)
            body = "".join(f"<section class=shown>{html}</section>" for html in outputs)
            page.set_content(
                f'<!doctype html><html lang="en"><title>Notebook</title><style>{style}</style>'
                f"<body style='background:{paper}'><main><h1 hidden>x</h1>{body}</main></html>"
            )
            return page

        yield opened


@pytest.mark.parametrize("theme", COLOURS)
def test_axe_finds_nothing_serious(notebook, theme):
    found = Axe().run(notebook(theme, 1000))["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []


def test_labels_are_text(notebook):
    page = notebook("light", 1000)
    assert page.locator("b").count() == 0
    assert page.get_by_text("<b>bold</b>").count() > 0


@pytest.mark.parametrize("width", [360, 1000])
def test_only_wide_tables_scroll_and_words_stay_whole(notebook, width):
    page = notebook("dark", width)
    wide = "[...document.querySelectorAll('{}')].filter((e) => e.scrollWidth > e.clientWidth + 1)"
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    assert page.evaluate(f"{wide.format('p, svg')}.length") == 0
    name = page.locator("tbody th", has_text="Intercept").first
    assert name.bounding_box()["height"] < 40


def test_tables_keep_their_look_beside_that_of_the_notebook(notebook):
    page = notebook("light", 1000)
    row = page.locator("tbody th").first
    style = "(e) => { const s = getComputedStyle(e); return [s.textAlign, s.borderBottomWidth] }"
    assert row.evaluate(style) == ["left", "1px"]
    assert page.locator("tbody td").first.evaluate(style) == ["right", "1px"]
