#!/usr/bin/env python3
"""Check the Python shown in README and docs with a type checker, as a user's editor would.

    .venv/bin/python scripts/check-types-of-docs.py [PAGE ...]

The blocks of a page run in order, so those of one page are one file; each page begins with the
names that its text takes for granted. Needs basedpyright in the same environment (it brings its
own node; pyright's would be fetched). Ends with 1 if there is an error.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What the text around the blocks says is there: rows of the reader's, and arrays by their letters.
GIVEN = """\
from typing import Any
import numpy as np
import partialpool as pp
def _given() -> Any: ...
data, women, catches, answers, new_rows, spark_frame = (_given() for _ in range(6))
n, m, s, g, y, se = (_given() for _ in range(6))
"""


def as_file(page: Path) -> tuple[str, list[int]]:
    """The blocks of a page as one file, and the line of the page that each line comes from."""
    code, lines, inside = GIVEN.splitlines(), [0] * GIVEN.count("\n"), False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if re.fullmatch("```(python)?", line) and (inside or line != "```"):
            inside = not inside
        elif inside:
            code.append(line)
            lines.append(number)
    return "\n".join(code) + "\n", lines


def main(pages: list[Path]) -> int:
    """Print the errors by page and line; 1 if there are any."""
    with tempfile.TemporaryDirectory() as folder:
        where = {}
        for number, page in enumerate(pages):
            file = Path(folder).resolve() / f"{page.stem.lower()}_{number}.py"
            text, lines = as_file(page)
            file.write_text(text, encoding="utf-8")
            where[str(file)] = page, lines
        settings = {
            "include": ["."],
            "typeCheckingMode": "basic",
            "extraPaths": [str(ROOT / "src")],
            # A page shows values as an interactive session does, and fits again under one name.
            "reportUnusedExpression": False,
        }
        config = Path(folder, "pyrightconfig.json")
        config.write_text(json.dumps(settings), encoding="utf-8")
        command = [sys.executable, "-m", "basedpyright", "--outputjson", "--level", "error"]
        command += ["--pythonpath", sys.executable, "--project", str(config)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        try:
            found = json.loads(done.stdout)
        except json.JSONDecodeError:
            print(done.stdout + done.stderr, file=sys.stderr)
            return 2
    for error in found["generalDiagnostics"]:
        page, lines = where[error["file"]]
        line = lines[error["range"]["start"]["line"]]
        print(f"{page.relative_to(ROOT)}:{line}: {error['message']} ({error.get('rule', '')})")
    checked, errors = found["summary"]["filesAnalyzed"], found["summary"]["errorCount"]
    print(f"{checked} pages, {errors} errors")
    return int(errors > 0 or checked != len(pages))


if __name__ == "__main__":
    given = [Path(a).resolve() for a in sys.argv[1:]]
    sys.exit(main(given or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]))
