"""The documentation site leaves nothing public out; `make docs` builds it."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import partialpool as pp

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def documented():
    """Names that the pages of the reference ask for."""
    names = set()
    for page in (DOCS / "reference").glob("*.md"):
        for asked in re.findall(r"<!-- (?:reference|members|all of): (.*?) -->", page.read_text()):
            names.update(asked.split())
    return names


def test_every_public_name_is_in_the_reference():
    missing = {f"partialpool.{n}" for n in pp.__all__} - documented()
    assert not missing, f"add to docs/reference: {sorted(missing)}"


def test_every_page_is_in_the_contents():
    pages = {str(p.relative_to(DOCS).with_suffix("")) for p in DOCS.rglob("*.md")}
    listed = {"index"}
    for page in DOCS.rglob("*.md"):
        for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.splitlines():
                if line and not line.startswith(":"):
                    folder = page.parent
                    listed |= {
                        str(p.relative_to(DOCS).with_suffix("")) for p in folder.glob(line + ".md")
                    }
    assert pages - listed == set()


def test_links_between_pages_stay_and_those_to_other_files_are_text():
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    conf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conf)
    inside = "[averages](../averages.md#which), [more](../guides/sports.md)"
    assert conf.links(inside, "guides/marketing") == inside
    outside = "[times](../benchmarks/README.md), [them](../../benchmarks/x.py#L3), [a](b.md)"
    assert conf.links(outside[:34], "app") == "times, "
    assert conf.links(outside[34:], "guides/sports") == "them, [a](b.md)"


def test_dead_links_of_built_pages_end_the_build(tmp_path):
    good = '<h1 id="a b">A</h1><a href="#a%20b">1</a><a href="sub/#there">2</a><img src="x.svg">'
    good += '<a href="https://example.org/none">3</a><a href="mailto:none">4</a><a href="#">5</a>'
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text('<p id="there"><a href="../index.html">up</a>')
    (tmp_path / "x.svg").touch()

    def checked(html):
        (tmp_path / "index.html").write_text(html)
        command = [sys.executable, str(ROOT / "scripts" / "check-links.py"), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        return done.returncode, done.stdout.splitlines()

    assert checked(good) == (0, ["2 pages, 0 dead links"])
    ended, said = checked(
        good + '<a href="sub/#here">6</a><link href="y.css"><a href="n.html">7</a>'
    )
    assert ended == 1
    assert said == [
        'index.html: "n.html" leads to no file',
        'index.html: "sub/#here" leads to no place in the page',
        'index.html: "y.css" leads to no file',
        "2 pages, 3 dead links",
    ]
