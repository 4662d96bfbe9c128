"""Unit tests of kernels, models and integration under the Python of a browser (Pyodide)."""

import json
import sysconfig
import threading
import zipfile
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from test_export import PYODIDE, Quiet

import partialpool

ROOT = Path(__file__).parents[2]
LIBRARY = Path(partialpool.__file__).parent
SITE = Path(sysconfig.get_path("purelib"))
RUNS = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments")
"""What runs the tests, in pure Python."""
TESTED = ("kernels", "models", "integrate")
START = """
async () => {
  const { loadPyodide } = await import("/pyodide/pyodide.mjs");
  const python = await loadPyodide();
  await python.loadPackage(["numpy", "scipy"], { messageCallback: () => {} });
  const archive = await (await fetch("/tests.zip")).arrayBuffer();
  python.unpackArchive(archive, "zip", { extractDir: "/home/tests" });
  return python.runPython(`
import json, os, sys
os.chdir("/home/tests")
sys.path.insert(0, "/home/tests/site")
import pytest

class Results:
    def __init__(self):
        self.passed, self.failed = 0, []
    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.append(report.nodeid + " " + report.longreprtext[-1500:])
        elif report.when == "call" and report.passed:
            self.passed += 1
    def pytest_collectreport(self, report):
        if report.failed:
            self.failed.append(report.nodeid + " " + str(report.longrepr)[-1500:])

results = Results()
options = ["-q", "--capture=sys", "-p", "no:faulthandler", "-p", "no:cacheprovider",
           "-W", "error", "-o", "addopts=", "-m", "not slow", "tests/unit"]
pytest.main(options, plugins=[results])
json.dumps({"platform": sys.platform, "passed": results.passed, "failed": results.failed})
`);
}
"""


def write(archive):
    """Tests, library and what runs them, as the browser unpacks them."""
    folders = [(SITE / name, f"site/{name}") for name in RUNS]
    folders.append((LIBRARY, "site/partialpool"))
    folders += [(ROOT / "tests" / "unit" / name, f"tests/unit/{name}") for name in TESTED]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for folder, name in folders:
            for path in folder.rglob("*"):
                if path.suffix in (".py", ".csv") and "www" not in path.parts:
                    out.write(path, f"{name}/{path.relative_to(folder)}")
        for path in (ROOT / "tests").glob("*.py"):  # what tests of several folders share
            if path.name != "conftest.py":
                out.write(path, f"site/{path.name}")
        out.write(SITE / "py.py", "site/py.py")
        out.writestr("pytest.ini", "[pytest]\nmarkers = slow\n")


@pytest.fixture
def address(tmp_path):
    """A server of static files with Pyodide and the tests."""
    write(tmp_path / "tests.zip")
    (tmp_path / "pyodide").symlink_to(PYODIDE, target_is_directory=True)
    (tmp_path / "index.html").write_text("<!doctype html><title>Tests</title>")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.skipif(
    not (PYODIDE / "pyodide.mjs").is_file(), reason=f"no {PYODIDE}: sh scripts/pyodide fetches it"
)
def test_unit_tests_of_the_numerics_pass_in_a_browser(chromium, address):
    page = chromium.new_page()
    page.goto(address)
    told = json.loads(page.evaluate(START))
    page.close()
    assert told["platform"] == "emscripten"
    assert told["failed"] == []
    assert told["passed"] > 150
