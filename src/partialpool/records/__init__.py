"""The records that models start from, and how those of different rows are added.

Sums about each group's own mean: nothing here knows rows, frames or files.
"""

from partialpool.records.clusters import Clusters
from partialpool.records.count_products import CountProducts
from partialpool.records.counts import CountStatistics
from partialpool.records.cross_products import Block, Crossing, CrossProducts
from partialpool.records.measurements import GroupStatistics

__all__ = [
    "Block",
    "Clusters",
    "CountProducts",
    "CountStatistics",
    "CrossProducts",
    "Crossing",
    "GroupStatistics",
]
