"""The only room that knows frames, files and databases: data and a formula in, statistics out."""

from partialpool.data.clusters import Clusters
from partialpool.data.counts import CountStatistics
from partialpool.data.cross_products import Block, Crossing, CrossProducts
from partialpool.data.design import Design
from partialpool.data.mixed_read import MixedReading, read_mixed
from partialpool.data.read import read_counts, read_statistics
from partialpool.data.statistics import GroupStatistics
from partialpool.data.summaries import from_estimates, from_summaries
from partialpool.data.table import Table
from partialpool.data.working_responses import CountProducts, read_count_rows

__all__ = [
    "Block",
    "Clusters",
    "CountProducts",
    "CountStatistics",
    "CrossProducts",
    "Crossing",
    "Design",
    "GroupStatistics",
    "MixedReading",
    "Table",
    "from_estimates",
    "from_summaries",
    "read_count_rows",
    "read_counts",
    "read_mixed",
    "read_statistics",
]
