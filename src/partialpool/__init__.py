"""Honest estimates for many groups: hierarchical models with exact partial pooling.

    >>> import partialpool as pp
    >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
    >>> round(float(fit.posterior.group("A").mean), 3)
    11.4

Everything here is loaded when it is first used, so that importing the package is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from partialpool._version import __version__ as __version__

if TYPE_CHECKING:
    from partialpool import charts, classical, datasets, simulate, testing
    from partialpool._table import Table
    from partialpool.classical.effect_sizes import effect_size
    from partialpool.comparing import compare_models
    from partialpool.errors import (
        ArgumentError,
        ColumnError,
        DataError,
        FormulaError,
        ImproperPosteriorError,
        MissingExtraError,
        NotReachedError,
        PartialPoolError,
        PriorError,
        UnsupportedFormulaError,
    )
    from partialpool.fitted import Fit
    from partialpool.fitting import fit, fit_groups, fit_statistics
    from partialpool.kept_statistics import Statistics, explain, load_statistics, statistics
    from partialpool.models import priors
    from partialpool.models.populations import Contaminated, PointNormal, Student
    from partialpool.models.priors import (
        LKJ,
        DuMouchel,
        Exponential,
        Flat,
        HalfCauchy,
        HalfNormal,
        HalfT,
        InverseGammaSq,
        Jeffreys,
        LogNormal,
        Normal,
        StudentT,
        Uniform,
        UniformShrinkage,
    )
    from partialpool.notices import Notice
    from partialpool.rows.independent_rows import independent_rows
    from partialpool.rows.read_table import read
    from partialpool.words.citation import citation
    from partialpool.words.model_table import table

_HOMES = {
    "classical.effect_sizes": ("effect_size",),
    "comparing": ("compare_models",),
    "_table": ("Table",),
    "rows.independent_rows": ("independent_rows",),
    "rows.read_table": ("read",),
    "errors": (
        "ArgumentError", "ColumnError", "DataError", "FormulaError", "ImproperPosteriorError",
        "MissingExtraError", "NotReachedError", "PartialPoolError", "PriorError",
        "UnsupportedFormulaError",
    ),
    "fitted": ("Fit",),
    "fitting": ("fit", "fit_groups", "fit_statistics"),
    "models": ("priors",),
    "models.populations": ("Contaminated", "PointNormal", "Student"),
    "models.priors": (
        "DuMouchel", "Exponential", "Flat", "HalfCauchy", "HalfNormal", "HalfT",
        "InverseGammaSq", "Jeffreys", "LKJ", "LogNormal", "Normal", "StudentT", "Uniform",
        "UniformShrinkage",
    ),
    "notices": ("Notice",),
    "words.citation": ("citation",),
    "words.model_table": ("table",),
    "kept_statistics": ("Statistics", "explain", "load_statistics", "statistics"),
}  # fmt: skip
_ROOMS = ("classical", "datasets", "charts", "simulate", "testing")
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022  (as a reader looks for them)
    "fit", "fit_groups", "compare_models", "Fit", "priors", "Table", "Notice",
    "read", "explain", "statistics", "Statistics", "load_statistics", "fit_statistics",
    "effect_size", "independent_rows", "table", "citation",
    "datasets", "classical", "simulate", "charts", "testing",
    "Flat", "Jeffreys", "HalfNormal", "HalfCauchy", "HalfT", "Exponential", "Uniform",
    "LogNormal", "InverseGammaSq", "UniformShrinkage", "DuMouchel", "Normal", "StudentT", "LKJ",
    "Student", "Contaminated", "PointNormal",
    "PartialPoolError", "FormulaError", "UnsupportedFormulaError", "DataError", "ColumnError",
    "PriorError", "ImproperPosteriorError", "NotReachedError", "ArgumentError",
    "MissingExtraError",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"partialpool.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'partialpool' has no attribute {name!r}")
    home = importlib.import_module(f"partialpool.{_HOME_OF[name]}")
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
