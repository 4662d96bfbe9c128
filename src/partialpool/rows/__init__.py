"""The only room that knows frames, files and databases: data and a formula in, statistics out.

The readers of models with predictors, slopes or several factors are imported when they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from partialpool.rows.read import read_counts, read_statistics
from partialpool.rows.summaries import from_estimates, from_summaries

if TYPE_CHECKING:
    from partialpool.rows.mixed_read import MixedReading, read_mixed
    from partialpool.rows.working_responses import read_count_rows

_WHEN_USED = {
    "MixedReading": "mixed_read",
    "read_mixed": "mixed_read",
    "read_count_rows": "working_responses",
}

__all__ = [
    "MixedReading",
    "from_estimates",
    "from_summaries",
    "read_count_rows",
    "read_counts",
    "read_mixed",
    "read_statistics",
]


def __getattr__(name: str) -> Any:
    if name not in _WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHEN_USED[name]}"), name)
