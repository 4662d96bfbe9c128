"""The only room that knows frames, files and databases: data and a formula in, statistics out."""

from partialpool.data.read import read_statistics
from partialpool.data.statistics import GroupStatistics
from partialpool.data.summaries import from_estimates, from_summaries
from partialpool.data.table import Table

__all__ = ["GroupStatistics", "Table", "from_estimates", "from_summaries", "read_statistics"]
