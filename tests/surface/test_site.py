"""The documentation site leaves nothing public out; `make docs` builds it."""

import re
from pathlib import Path

import partialpool as pp

DOCS = Path(__file__).parents[2] / "docs"


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
