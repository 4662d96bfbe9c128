"""What the package promises to a user who imports it."""

import doctest
import importlib
import importlib.resources
import inspect
import pkgutil
import subprocess
import sys

import pytest

import partialpool
from partialpool.posterior import Distribution, Draws, Posterior

PROMISED = {
    "citation", "effect_size", "independent_rows", "table",
    "fit", "fit_groups", "Fit", "priors", "datasets", "Table", "Notice",
    "explain", "statistics", "Statistics", "load_statistics", "fit_statistics",
    "Flat", "Jeffreys", "HalfNormal", "HalfCauchy", "HalfT", "Exponential", "Uniform",
    "LogNormal", "InverseGammaSq", "UniformShrinkage", "DuMouchel", "Normal", "StudentT", "LKJ",
    "Student", "Contaminated", "PointNormal",
    "PartialPoolError", "FormulaError", "UnsupportedFormulaError", "DataError", "ColumnError",
    "PriorError", "ImproperPosteriorError", "NotReachedError", "ArgumentError",
    "MissingExtraError",
}  # fmt: skip
HEAVY = [
    "scipy", "duckdb", "pandas", "polars", "pyarrow", "pyspark", "rich", "matplotlib", "altair",
    "starlette", "uvicorn", "sklearn", "arviz_base", "xarray", "narwhals",
]  # fmt: skip
MODULES = sorted(m.name for m in pkgutil.walk_packages(partialpool.__path__, prefix="partialpool."))


def test_public_names():
    assert set(partialpool.__all__) >= PROMISED
    assert len(partialpool.__all__) == len(set(partialpool.__all__))
    for name in partialpool.__all__:
        assert getattr(partialpool, name) is not None
        assert name in dir(partialpool)
    with pytest.raises(AttributeError, match="no_such_name"):
        partialpool.no_such_name  # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_names_that_modules_export_exist(name):
    module = importlib.import_module(name)
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported)


def test_fit_stays_the_function_after_every_import():
    for name in MODULES:
        importlib.import_module(name)
    assert callable(partialpool.fit)


@pytest.mark.parametrize(
    "statement", ["import partialpool", "import partialpool.cli", "from partialpool import errors"]
)
def test_import_is_light(statement):
    code = f"{statement}; import sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, encoding="utf-8"
    )
    assert done.stdout.strip() == "[]"


def test_errors_are_also_the_builtin_ones():
    for name in PROMISED:
        if name.endswith("Error"):
            assert issubclass(getattr(partialpool, name), partialpool.PartialPoolError)
    assert issubclass(partialpool.FormulaError, ValueError)
    assert issubclass(partialpool.DataError, ValueError)
    assert issubclass(partialpool.ColumnError, LookupError)
    assert issubclass(partialpool.MissingExtraError, ImportError)
    assert issubclass(partialpool.NotReachedError, RuntimeError)


@pytest.mark.parametrize("name", ["partialpool", *MODULES])
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def public_functions():
    """Methods of what a user holds, and functions and priors of the package."""
    for name in partialpool.__all__:
        value = getattr(partialpool, name)
        if inspect.isfunction(value) or getattr(value, "__module__", "").endswith("models.priors"):
            yield name, value
    held = [partialpool.Fit, partialpool.Table, partialpool.Notice, partialpool.Statistics]
    for kind in [*held, Posterior, Draws, Distribution]:
        for name, value in vars(kind).items():
            if inspect.isfunction(value) and not name.startswith("_"):
                yield f"{kind.__name__}.{name}", value


def test_every_public_function_has_an_example():
    every = dict(public_functions())
    assert len(every) > 60
    assert [name for name, value in every.items() if ">>> " not in (value.__doc__ or "")] == []


def test_it_is_typed():
    assert importlib.resources.files("partialpool").joinpath("py.typed").is_file()
