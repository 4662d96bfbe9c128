"""What a fit of one factor leaves unimported, so that it begins at once.

Seconds are measured by `benchmarks/cold_start.py`; what is imported does not depend on the machine.
"""

import subprocess
import sys

import pytest

UNUSED = {
    # of others: 0.3 s of CPU in all
    "scipy.linalg", "scipy.sparse", "scipy.optimize", "scipy.interpolate", "scipy.stats",
    "duckdb", "pandas", "polars", "pyarrow", "altair", "vl_convert", "starlette",
    # of ours: pictures, pages, worlds, and what only other models need
    "partialpool.app", "partialpool.charts", "partialpool.report", "partialpool.simulate",
    "partialpool.classical", "partialpool.words.comparison", "partialpool.words.coefficients",
    "partialpool.rows.mixed_read", "partialpool.rows.mixed_sql", "partialpool.rows.explain_mixed",
    "partialpool.rows.working_responses", "partialpool.kernels.joint_counts",
    "partialpool.kernels.laplace", "partialpool.models.count_sampler",
    "partialpool.models.generalized", "partialpool.posterior.count_readout",
}  # fmt: skip
COMMAND = """
from partialpool.cli import main
try:
    main(["fit", "eight_schools"])
except SystemExit:
    pass
"""
FROM_PYTHON = """
import partialpool as pp
pp.fit("y ~ 1 + (1 | g)", {"g": [1, 1, 2, 2, 3], "y": [1.0, 2.0, 4.0, 3.0, 6.0]}).groups()
"""


@pytest.mark.parametrize("code", [COMMAND, FROM_PYTHON], ids=["command", "python"])
def test_what_a_fit_of_one_factor_does_not_import(code):
    code += f"\nimport sys; print('loaded:', sorted({UNUSED} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, encoding="utf-8"
    )
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_pictures_and_worlds_do_without_the_statistics_of_scipy():
    """They take most of a second, and only limits of counts need them."""
    code = (
        "import partialpool.charts, partialpool.simulate, sys\nprint('scipy.stats' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, encoding="utf-8"
    )
    assert done.stdout.strip() == "False"


def test_names_of_modules_are_right():
    """A name that no module has would never be loaded, and the test above could not fail."""
    from importlib.util import find_spec

    ours = {name for name in UNUSED if name.startswith(("partialpool.", "scipy."))}
    assert [name for name in ours if find_spec(name) is None] == []
