"""The only room that knows frames, files and databases: data and a formula in, statistics out."""

from partialpool.data.counts import CountStatistics
from partialpool.data.read import read_counts, read_statistics
from partialpool.data.statistics import GroupStatistics
from partialpool.data.summaries import from_estimates, from_summaries
from partialpool.data.table import Table

__all__ = [
    "CountStatistics",
    "GroupStatistics",
    "Table",
    "from_estimates",
    "from_summaries",
    "read_counts",
    "read_statistics",
]
